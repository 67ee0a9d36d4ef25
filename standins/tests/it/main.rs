//! The program from outside: started as a child on free ports, asked by the providers' own clients.

mod controls;
mod livekit;
mod mail;
mod standins;
mod webhooks;
