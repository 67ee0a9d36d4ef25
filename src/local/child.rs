//! Starts a program as our child, or finds the one that a killed engine left behind.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::process::Identity;
use crate::limits::LOCAL_LOG_BYTES_MAX;

/// How we reach the `keep` command: the engine's own program, even when its file was replaced by a newer build meanwhile.
pub const OURSELVES: &str = "/proc/self/exe";

/// Everything needed to start a program, the first time and every time after.
#[derive(Debug, Clone)]
pub struct Program {
    /// How people know it.
    pub name: &'static str,
    /// The executable that has the `keep` command; [`OURSELVES`] except in tests.
    pub keeper: PathBuf,
    /// The executable.
    pub file: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The user and group it runs as; ours when `None`.
    pub owner: Option<(u32, u32)>,
    /// Where its output is appended.
    pub log: PathBuf,
    /// Where its number is kept, so that it is found again after a crash of ours.
    pub pid_file: PathBuf,
    /// The signal it gets when we die; `None` when it is to outlive us and be found again.
    pub last_signal: Option<Signal>,
    /// How it is ended: signals in turn, each with the time it is given.
    pub stop: &'static [(Signal, Duration)],
}

/// A program that runs for us.
#[derive(Debug)]
pub struct Running {
    who: Identity,
    child: Option<Child>,
}

impl Running {
    /// Starts the program. The thread that calls this must live as long as the program may, because the kernel takes the end of
    /// that thread for the death of the parent.
    pub fn start(program: &Program) -> io::Result<Self> {
        let log = open_log(&program.log)?;
        let mut command = Command::new(&program.keeper);
        command.arg("keep").arg("--parent").arg(std::process::id().to_string());
        if let Some((uid, gid)) = program.owner {
            command.arg("--uid").arg(uid.to_string()).arg("--gid").arg(gid.to_string());
        }
        if let Some(signal) = program.last_signal {
            command.arg("--last-signal").arg(signal.as_str());
        }
        command.arg("--").arg(&program.file).args(&program.args);
        // A clean environment: a variable meant for us must not steer the child.
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TZ", "UTC").current_dir("/");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Its own group, so that Ctrl-C in a terminal reaches only us and we end it in order.
        command.process_group(0);
        let mut child = command.spawn()?;
        let Some(who) = i32::try_from(child.id()).ok().and_then(Identity::of) else {
            let status = child.wait()?;
            return Err(io::Error::other(format!("it ended at once ({status})")));
        };
        fs::write(&program.pid_file, who.line())?;
        Ok(Self { who, child: Some(child) })
    }

    /// The program that an earlier engine started and did not end, when it still runs.
    pub fn find(pid_file: &Path) -> Option<Self> {
        Identity::read(pid_file).map(|who| Self { who, child: None })
    }

    /// The number of the process.
    pub fn pid(&self) -> i32 {
        self.who.pid()
    }

    /// Whether it still runs. A child that has ended is laid to rest by the question.
    pub fn runs(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.who.runs(),
        }
    }

    /// With what it ended, when it was our own child and has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Ends it and forgets its pid file. Answers whether it is gone.
    pub fn end(mut self, program: &Program) -> bool {
        let gone = self.who.end(program.stop);
        if gone {
            // Without this wait an ended child of ours would stay in the table of processes.
            if let Some(child) = &mut self.child {
                let _ = child.wait();
            }
            let _ = fs::remove_file(&program.pid_file);
        }
        gone
    }
}

/// The last lines that a program wrote, for a message that says why it would not start.
pub fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > LOCAL_LOG_BYTES_MAX) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = File::options().create(true).append(true).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
