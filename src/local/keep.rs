//! The hidden command `keep`: becomes another program, after making sure that it ends when the engine does.
//!
//! A program that we start directly could not be told, without unsafe code, to end together with us. So the engine starts itself
//! with this command; this process lays down its rights, asks the kernel for a signal when its parent dies, and then becomes the
//! program. The order matters: a change of user forgets the wish for the signal.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::str::FromStr;

use clap::Args;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getppid, setgid, setgroups, setuid};

/// What `keep` is told by the engine.
#[derive(Debug, Args)]
pub struct Keep {
    /// The process that started us; when it is gone already, we do not start.
    #[arg(long)]
    parent: i32,
    /// The user to become.
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    /// The group to become.
    #[arg(long, requires = "uid")]
    gid: Option<u32>,
    /// The signal that the program gets when the engine dies; without it the program lives on.
    #[arg(long)]
    last_signal: Option<String>,
    /// The program and its arguments.
    #[arg(last = true, required = true, num_args = 1..)]
    program: Vec<OsString>,
}

impl Keep {
    /// Becomes the program. Returns only when that failed.
    pub fn run(self) -> io::Error {
        match self.prepare() {
            Ok(mut command) => command.exec(),
            Err(error) => error,
        }
    }

    fn prepare(self) -> io::Result<Command> {
        if let (Some(uid), Some(gid)) = (self.uid, self.gid) {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            setgroups(&[gid])?;
            setgid(gid)?;
            setuid(uid)?;
        }
        if let Some(name) = &self.last_signal {
            let signal = Signal::from_str(name).map_err(io::Error::from)?;
            set_pdeathsig(signal)?;
        }
        // The parent may have died before the wish above was heard.
        if getppid().as_raw() != self.parent {
            return Err(io::Error::other("the engine that started this program is gone"));
        }
        let mut words = self.program.into_iter();
        let program = words.next().ok_or_else(|| io::Error::other("no program was named"))?;
        let mut command = Command::new(program);
        command.args(words);
        Ok(command)
    }
}
