//! Files that only this user may read, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `text` with mode 0600, under another name first: a reader sees the old file or the new one, never half of one.
pub fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // A file left behind by a crash may have other rights than the ones asked for below.
    let _ = fs::remove_file(&unfinished);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn nobody_else_may_read_it_even_when_an_open_leftover_lay_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let leftover = dir.path().join("a.new");
        fs::write(&leftover, "half").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o666)).unwrap();
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!leftover.exists());
    }
}
