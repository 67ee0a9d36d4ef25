//! Access over HTTP.
