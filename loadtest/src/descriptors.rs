//! The number of files this program may open: one for each viewer, raised as far as the system lets it.

use anyhow::{Context, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::limits::DESCRIPTORS_SPARE;

/// Makes room for `sockets` in this process and in those it starts, or says clearly why that cannot be.
pub fn raise(sockets: usize) -> anyhow::Result<()> {
    let needed = sockets as u64 + DESCRIPTORS_SPARE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("the limit of open files is unknown")?;
    ensure!(
        hard >= needed,
        "{sockets} viewers in one process need {needed} open files and the hard limit is {hard}: use more --processes, or raise it (ulimit -Hn)"
    );
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("the limit of open files could not be raised")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_limit_that_is_too_low_is_said_with_its_numbers() {
        let hard = getrlimit(Resource::RLIMIT_NOFILE).unwrap().1;
        if hard == u64::MAX {
            return;
        }
        let fault = raise(usize::try_from(hard).unwrap()).unwrap_err().to_string();
        assert!(fault.contains(&format!("the hard limit is {hard}")), "{fault}");
    }
}
