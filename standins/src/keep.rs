//! Keeps the state of the stand-ins in one file, so that it survives their own `kill -9`.
//!
//! The state is small (rooms, participants, what Stripe holds, faults, the clock), so it is written whole: to a new file that takes the old
//! one's place by rename, never torn. A writer behind the scenes does it; whoever changed something waits until a write
//! that contains the change is done before answering, and changes that come together share one write. Nothing is synced
//! to the disk: only the machine's own death may lose the last moments.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::faults::Faults;
use crate::journal::private;
use crate::livekit::media::Media;
use crate::stripe::account::Account;

/// Everything that is remembered apart from letters and the log.
#[derive(Default, Serialize, Deserialize)]
pub struct State {
    /// How far the clock is ahead, in milliseconds.
    #[serde(default)]
    pub offset_ms: i64,
    /// Why the clock may not be moved.
    #[serde(default)]
    pub clock_lock: Option<String>,
    /// The HTTP port of the last run, asked for again.
    #[serde(default)]
    pub http_port: u16,
    /// The SMTP port of the last run, asked for again.
    #[serde(default)]
    pub smtp_port: u16,
    /// The secret of the media server's key.
    #[serde(default)]
    pub livekit_secret: String,
    /// Misbehaviours in force.
    #[serde(default)]
    pub faults: Faults,
    /// Rooms, participants, webhook addresses.
    #[serde(default)]
    pub media: Media,
    /// Stripe's objects.
    #[serde(default)]
    pub stripe: Account,
}

/// A number that grows with each change of the state.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Change(u64);

/// The state with its file.
pub struct Keep {
    path: PathBuf,
    state: Mutex<(State, u64)>,
    changed: watch::Sender<u64>,
    written: watch::Sender<u64>,
}

impl Keep {
    /// Reads the state at `path`; a missing file is an empty state, a broken one is an error.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let state = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, state: Mutex::new((state, 0)), changed: watch::Sender::new(0), written: watch::Sender::new(0) })
    }

    /// Looks at the state.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock().0)
    }

    /// Changes the state. The change is in memory at once and in the file when [`Keep::settled`] says so.
    pub fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> (R, Change) {
        let mut guard = self.lock();
        let result = change(&mut guard.0);
        guard.1 += 1;
        let number = guard.1;
        drop(guard);
        self.changed.send_if_modified(|newest| {
            let newer = number > *newest;
            *newest = (*newest).max(number);
            newer
        });
        (result, Change(number))
    }

    /// Waits until the file holds `change`.
    pub async fn settled(&self, change: Change) {
        // The sender lives as long as `self`, so this ends only when the number is there.
        let _ = self.written.subscribe().wait_for(|written| *written >= change.0).await;
    }

    /// Writes the file whenever something changed; never ends.
    pub async fn write_behind(&self) {
        let mut changed = self.changed.subscribe();
        changed.mark_changed();
        while changed.changed().await.is_ok() {
            changed.borrow_and_update();
            self.write_now();
        }
    }

    /// Writes the file now.
    pub fn write_now(&self) {
        let guard = self.lock();
        let (bytes, number) = (serde_json::to_vec(&guard.0), guard.1);
        drop(guard);
        let done = bytes.map_err(io::Error::from).and_then(|bytes| replace(&self.path, &bytes));
        if let Err(error) = done {
            tracing::error!(%error, path = %self.path.display(), "the state could not be written and is kept in memory only");
        }
        self.written.send_replace(number);
    }

    fn lock(&self) -> MutexGuard<'_, (State, u64)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Puts `bytes` in the place of the file at `path`, readable for its owner alone.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    private(&fresh)?.write_all(bytes)?;
    std::fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_settled_change_is_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let keep = Keep::open(path.clone()).unwrap();
        let ((), change) = keep.change(|state| state.offset_ms = 77);
        tokio::select! {
            () = keep.settled(change) => {}
            () = keep.write_behind() => {}
        }
        assert_eq!(Keep::open(path).unwrap().read(|state| state.offset_ms), 77);
    }

    #[test]
    fn a_broken_state_file_is_an_error_and_not_an_empty_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        std::fs::write(&path, "{").unwrap();
        assert!(Keep::open(path).is_err());
    }
}
