//! Why local mode could not start: one sentence each that says what is wrong and how to mend it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a part of local mode is not there.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A directory of ours cannot be used.
    #[error(
        "The directory {} cannot be used ({source}). Make it writable for this user, or name another one with \
         BACKSTAGE_STATE_DIR.", directory.display()
    )]
    Directory {
        /// Which one.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another engine has this state directory.
    #[error(
        "Another engine runs with the state directory {}. Stop it, or name another directory with BACKSTAGE_STATE_DIR.",
        directory.display()
    )]
    StateTaken {
        /// Which one.
        directory: PathBuf,
    },
    /// Another process has the local Postgres and keeps it.
    #[error(
        "Another process of Backstage Pass holds the Postgres in {} and does not let go of it. Wait for it to finish, or stop it.",
        directory.display()
    )]
    PostgresTaken {
        /// Which one.
        directory: PathBuf,
    },
    /// No Postgres to run.
    #[error(
        "No Postgres {wanted} was found on this machine, and {reason}. Install it (on Debian: apt-get install postgresql), \
         or set database.url to the address of a running one."
    )]
    PostgresMissing {
        /// The major version, or from which one on.
        wanted: String,
        /// Why the other way failed too.
        reason: String,
    },
    /// We are root, and there is nobody to lend the server to.
    #[error(
        "Postgres does not run as root, and this machine has neither a user postgres nor a user nobody. Make one of them, or start \
         the engine as another user."
    )]
    NoUnprivilegedUser,
    /// The cluster could not be made.
    #[error("The Postgres cluster in {} could not be made: {source}. Look for free space and for rights.", directory.display())]
    Cluster {
        /// Where.
        directory: PathBuf,
        /// What `initdb` or the system said.
        source: io::Error,
    },
    /// The stand-ins' program is not where ours is.
    #[error("The stand-ins' program {} is missing. Build it together with the engine: cargo build --workspace.", file.display())]
    StandInsMissing {
        /// Where it should be.
        file: PathBuf,
    },
    /// Somebody else's stand-ins do not answer.
    #[error(
        "The stand-ins at {url} do not answer as stand-ins do. Start them, or leave standins.url empty to use our own."
    )]
    StandInsAway {
        /// Where they should be.
        url: String,
    },
    /// Somebody else's stand-ins do not tell their keys.
    #[error(
        "The stand-ins at {url} belong to another node and keep their keys to themselves. Set livekit.key and livekit.secret to the ones \
         in that node's serve.json."
    )]
    StandInsKey {
        /// Where they are.
        url: String,
    },
    /// The mode asks for a real LiveKit and there is none.
    #[error(
        "livekit.mode is real, but no LiveKit server is configured (livekit.url) and no program was found (livekit.program, the \
         search path, or {}). bin/run builds one where there is a Go toolchain.", built.display()
    )]
    LiveKitMissing {
        /// Where the built one would be.
        built: PathBuf,
    },
    /// A program could not be started at all.
    #[error("{name} could not be started: {source}.")]
    Start {
        /// Which one.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program was started and did not come up.
    #[error("{name} was started and did not become ready. Its last words: {words} (more in {}).", log.display())]
    NotReady {
        /// Which one.
        name: &'static str,
        /// The end of its log.
        words: String,
        /// Its log.
        log: PathBuf,
    },
    /// What an earlier run left behind does not end.
    #[error("{name} of an earlier run (process {pid}) does not end. End it by hand, then start again.")]
    Orphan {
        /// Which one.
        name: &'static str,
        /// Its process.
        pid: i32,
    },
}

impl LocalError {
    /// A directory of ours cannot be used.
    pub(super) fn directory(directory: &Path, source: io::Error) -> Self {
        Self::Directory { directory: directory.to_path_buf(), source }
    }

    /// A program could not be started at all.
    pub(super) fn start(name: &'static str, source: io::Error) -> Self {
        Self::Start { name, source }
    }
}
