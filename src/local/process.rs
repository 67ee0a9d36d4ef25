//! Tells one process from another: who it is, whether it still runs, and how it is asked to end.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::limits::LOCAL_LOOK_EVERY;

/// The field of `/proc/PID/stat` that says when the process began, counted from the one after the name.
const BEGAN_FIELD: usize = 19;

/// A process, told apart from a later one with the same number by when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pid: i32,
    began_ticks: u64,
}

impl Identity {
    /// The process that has this number now; `None` when there is none, or only its remains.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may itself hold spaces and brackets.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        if matches!(fields.first(), Some(&("Z" | "X"))) {
            return None;
        }
        Some(Self { pid, began_ticks: fields.get(BEGAN_FIELD)?.parse().ok()? })
    }

    /// The process named in a pid file, when that very process still runs.
    pub fn read(pid_file: &Path) -> Option<Self> {
        let text = fs::read_to_string(pid_file).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        let named = Self { pid: pid.parse().ok()?, began_ticks: began.parse().ok()? };
        named.runs().then_some(named)
    }

    /// What a pid file holds: the number, and when the process began.
    pub fn line(self) -> String {
        format!("{} {}\n", self.pid, self.began_ticks)
    }

    /// The number of the process.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Whether this very process still runs.
    pub fn runs(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends each signal in turn, and waits after each for as long as it says, until the process is gone.
    /// Answers whether it is gone.
    pub fn end(self, stop: &[(Signal, Duration)]) -> bool {
        for (signal, patience) in stop {
            if !self.runs() {
                return true;
            }
            // A refusal means that it is gone, which the wait finds out.
            let _ = kill(Pid::from_raw(self.pid), *signal);
            if until(*patience, || !self.runs()) {
                return true;
            }
        }
        !self.runs()
    }
}

/// Looks every few milliseconds whether `holds`, for at most `patience`; answers whether it did.
pub fn until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let mut waited = Duration::ZERO;
    loop {
        if holds() {
            return true;
        }
        if waited >= patience {
            return false;
        }
        sleep(LOCAL_LOOK_EVERY);
        waited += LOCAL_LOOK_EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn our_pid() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn a_process_recognises_itself() {
        let me = Identity::of(our_pid()).unwrap();
        assert!(me.runs());
        assert_eq!(me.pid(), our_pid());
    }

    #[test]
    fn a_later_process_with_the_same_number_is_somebody_else() {
        let me = Identity::of(our_pid()).unwrap();
        let earlier = Identity { began_ticks: me.began_ticks - 1, ..me };
        assert!(!earlier.runs());
    }

    #[test]
    fn a_pid_file_of_a_process_that_is_gone_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.pid");
        let me = Identity::of(our_pid()).unwrap();
        fs::write(&file, me.line()).unwrap();
        assert_eq!(Identity::read(&file), Some(me));
        fs::write(&file, Identity { began_ticks: me.began_ticks - 1, ..me }.line()).unwrap();
        assert_eq!(Identity::read(&file), None);
        fs::write(&file, "not a pid").unwrap();
        assert_eq!(Identity::read(&file), None);
    }

    #[test]
    fn a_child_that_ends_at_the_second_signal_is_gone_after_it() {
        // The shell ignores the first signal, so only the second one can have ended it.
        let mut child = std::process::Command::new("sh").args(["-c", "trap '' INT; exec sleep 60"]).spawn().unwrap();
        let who = Identity::of(i32::try_from(child.id()).unwrap()).unwrap();
        let stop = [(Signal::SIGINT, Duration::from_millis(50)), (Signal::SIGKILL, Duration::from_secs(5))];
        assert!(who.end(&stop));
        child.wait().unwrap();
    }
}
