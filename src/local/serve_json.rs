//! `serve.json` in the state directory: where a running engine and its parts are, for tools. Local mode alone puts secrets in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::secret_file;

/// What tools find in the file. Addresses are full base URLs, and `None` where a thing does not run.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    /// The engine's process.
    pub pid: u32,
    /// The node's name.
    pub node: String,
    /// Pages, JSON and sockets.
    pub http: String,
    /// The page that Prometheus reads.
    pub metrics: String,
    /// The stand-ins.
    pub standins: Option<String>,
    /// The media server.
    pub livekit: Option<ServedLiveKit>,
    /// Postgres.
    pub database: Option<String>,
}

/// The media server as tools find it.
#[derive(Debug, Clone, Serialize)]
pub struct ServedLiveKit {
    /// Base URL.
    pub url: String,
    /// Name of the key; only in local mode.
    pub key: Option<String>,
    /// What signs; only in local mode.
    pub secret: Option<String>,
}

/// The file, as long as the engine runs. Dropping it removes the file.
#[derive(Debug)]
pub struct ServeFile {
    path: PathBuf,
}

impl ServeFile {
    /// Removes what a killed engine left, so that nobody takes its word for ours.
    pub fn clear(state_dir: &Path) {
        let _ = fs::remove_file(state_dir.join("serve.json"));
    }

    /// Writes the file, with mode 0600, whole or not at all.
    pub fn write(state_dir: &Path, served: &Served) -> io::Result<Self> {
        let path = state_dir.join("serve.json");
        let mut text = serde_json::to_vec_pretty(served)?;
        text.push(b'\n');
        secret_file::write(&path, &text)?;
        Ok(Self { path })
    }
}

impl Drop for ServeFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_there_exactly_as_long_as_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let served = Served {
            pid: 7,
            node: "n".into(),
            http: "http://127.0.0.1:1".into(),
            metrics: "http://127.0.0.1:1/metrics".into(),
            standins: None,
            livekit: None,
            database: None,
        };
        let file = ServeFile::write(dir.path(), &served).unwrap();
        let text = fs::read_to_string(dir.path().join("serve.json")).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["pid"], 7);
        assert!(read["livekit"].is_null(), "a thing that does not run is null, not left out");
        drop(file);
        assert!(!dir.path().join("serve.json").exists());
    }
}
