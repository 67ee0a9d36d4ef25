//! CPU and memory of the server under test, from `/proc`.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

/// A running process.
pub struct Process(PathBuf);

impl Process {
    /// The process with this number.
    pub fn of(pid: u32) -> Self {
        Self(PathBuf::from(format!("/proc/{pid}")))
    }

    /// Time on a core, user and system, of all its threads, to the nanosecond.
    pub fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(self.0.join("task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += text.split_whitespace().next().context("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Memory in use, shared pages by share (PSS), in KiB.
    pub fn memory_kb(&self) -> Result<f64> {
        let text = fs::read_to_string(self.0.join("smaps_rollup"))?;
        let pss = text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
        pss.context("smaps_rollup without Pss")
    }
}
