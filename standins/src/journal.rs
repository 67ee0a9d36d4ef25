//! An append-only file of JSON lines: what was mailed, what was asked, what was told.
//!
//! A line is handed to the kernel before the answer goes out, so it survives this program's own `kill -9`. Nothing is
//! synced to the disk: a stand-in that forgets its last second at a power cut harms nobody, and a sync per letter would
//! make it slower than the provider it stands for.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::limits;

/// The newest entries of a kind, in memory and in a file.
pub struct Journal<T> {
    path: PathBuf,
    file: File,
    lines: usize,
    kept_max: usize,
    entries: VecDeque<T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens the file at `path`, keeping its newest `kept_max` entries. A torn last line is dropped.
    pub fn open(path: PathBuf, kept_max: usize) -> io::Result<Self> {
        let mut entries = VecDeque::new();
        match File::open(&path) {
            Ok(file) => {
                for line in BufReader::new(file).lines() {
                    if let Ok(entry) = serde_json::from_str(&line?) {
                        if entries.len() == kept_max {
                            entries.pop_front();
                        }
                        entries.push_back(entry);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = rewrite(&path, &entries)?;
        Ok(Self { path, file, lines: entries.len(), kept_max, entries })
    }

    /// Adds an entry; the oldest one goes when there are too many.
    pub fn push(&mut self, entry: T) {
        if let Err(error) = self.write(&entry) {
            tracing::error!(%error, path = %self.path.display(), "an entry could not be written and is kept in memory only");
        }
        if self.entries.len() == self.kept_max {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        if self.lines > self.kept_max * limits::JOURNAL_SLACK {
            match rewrite(&self.path, &self.entries) {
                Ok(file) => (self.file, self.lines) = (file, self.entries.len()),
                Err(error) => {
                    tracing::error!(%error, path = %self.path.display(), "the journal could not be shortened");
                }
            }
        }
    }

    /// Forgets the entries that are not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&T) -> bool) -> io::Result<()> {
        self.entries.retain(wanted);
        self.file = rewrite(&self.path, &self.entries)?;
        self.lines = self.entries.len();
        Ok(())
    }

    fn write(&mut self, entry: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.lines += 1;
        self.file.write_all(&line)
    }

    /// What is kept, oldest first.
    pub fn entries(&self) -> &VecDeque<T> {
        &self.entries
    }
}

/// Writes `entries` to a new file, puts it in the place of the old one, and leaves it open for more.
fn rewrite<T: Serialize>(path: &Path, entries: &VecDeque<T>) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut out = BufWriter::new(private(&fresh)?);
    for entry in entries {
        serde_json::to_writer(&mut out, entry)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    std::fs::rename(&fresh, path)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

/// A new, empty file that only its owner may read.
pub fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_opened_again_holds_the_newest_entries_and_drops_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j.jsonl");
        let mut journal = Journal::<u32>::open(path.clone(), 3).unwrap();
        (0..20).for_each(|n| journal.push(n));
        journal.file.write_all(b"{\"torn").unwrap();
        drop(journal);
        let journal = Journal::<u32>::open(path.clone(), 3).unwrap();
        assert_eq!(journal.entries().iter().copied().collect::<Vec<_>>(), [17, 18, 19]);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "17\n18\n19\n");
    }
}
