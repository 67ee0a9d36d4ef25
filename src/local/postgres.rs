//! A private Postgres for a machine without a configured database: an ordinary, durable server as our child.
//!
//! It listens on a unix socket in a directory of its own and nowhere else, never runs as root, and keeps `fsync` and data checksums
//! on. A second process of ours (`migrate`, `seed`, …) joins the server that a running engine started.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use sha2::{Digest, Sha256};

use super::LocalError;
use super::child::{Program, Running, last_words};
use super::postgres_binaries::{self, Place};
use super::process::until;
use super::warden::Warden;
use crate::limits::{LOCAL_POSTGRES_LOCK_WAIT, LOCAL_POSTGRES_READY_WAIT};

/// What people and logs call it.
pub const NAME: &str = "Postgres";

/// Where a server of root's goes when the user it runs as cannot reach the state directory.
const HOMELESS_ROOT: &str = "/var/lib/backstage-pass";

/// The path of a unix socket has room for 107 bytes, and the name of Postgres's socket takes some of them.
const SOCKET_DIR_BYTES: usize = 80;

/// "Fast" first (roll back, write a checkpoint, exit), then "immediate" (recover at the next start), then by force.
const STOP: &[(Signal, Duration)] = &[
    (Signal::SIGINT, Duration::from_secs(20)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// Durable, and thrifty while nobody is there: it shares the machine with everything else of a laptop.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "shared_buffers=64MB",
    "max_connections=200",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=512MB",
    "max_worker_processes=2",
    "max_parallel_workers=0",
    "autovacuum_max_workers=2",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
];

/// Who may own the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// This process owns it, or waits until it may: an engine, which must not lose it when a short command ends.
    Own,
    /// This process joins the owner when there is one, and owns it otherwise: a command of some seconds.
    Share,
}

/// A local server that answers, and our hold on it.
#[derive(Debug)]
pub struct LocalPostgres {
    url: String,
    // Held as long as we own the server: whoever finds it taken knows that the server is somebody's.
    lock: Option<File>,
}

/// The directories of one local server.
#[derive(Debug)]
struct Rooms {
    /// In the state directory: the lock, the log, the number of the process.
    desk: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    owner: Option<(u32, u32)>,
}

impl LocalPostgres {
    /// Starts or joins the server whose state is in `desk`. `keeper` is the executable with the `keep` command.
    pub fn start(warden: &Warden, desk: &Path, place: &Place, keeper: &Path, claim: Claim) -> Result<Self, LocalError> {
        let rooms = Rooms::furnish(desk)?;
        let url = rooms.url();
        let lock = File::create(rooms.desk.join("lock")).map_err(|error| LocalError::directory(&rooms.desk, error))?;
        let patience = if claim == Claim::Own { LOCAL_POSTGRES_LOCK_WAIT } else { Duration::ZERO };
        if !until(patience, || lock.try_lock().is_ok()) {
            return match claim {
                Claim::Share if until(LOCAL_POSTGRES_READY_WAIT, || rooms.ready(None)) => Ok(Self { url, lock: None }),
                Claim::Share => Err(rooms.not_ready()),
                Claim::Own => Err(LocalError::PostgresTaken { directory: rooms.desk }),
            };
        }
        let program = rooms.program(place, keeper)?;
        Rooms::end_orphan(&program)?;
        rooms.make_cluster(&program)?;
        let pid = warden.start(program).map_err(|error| LocalError::start(NAME, error))?;
        let mut alive = true;
        let ready = until(LOCAL_POSTGRES_READY_WAIT, || {
            alive = warden.is_running(NAME);
            !alive || rooms.ready(Some(pid))
        });
        if !ready || !alive {
            return Err(rooms.not_ready());
        }
        Ok(Self { url, lock: Some(lock) })
    }

    /// The address, in the form that `psql` takes too.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether this process started the server, and so ends it.
    pub fn is_ours(&self) -> bool {
        self.lock.is_some()
    }
}

impl Rooms {
    fn furnish(desk: &Path) -> Result<Self, LocalError> {
        let made = fs::create_dir_all(desk).and_then(|()| desk.canonicalize());
        let desk = made.map_err(|error| LocalError::directory(desk, error))?;
        let owner = unprivileged_user()?;
        let home = match owner {
            Some((uid, _)) if !reachable(&desk, uid) => Path::new(HOMELESS_ROOT).join(short_name(&desk)),
            _ => desk.clone(),
        };
        let mut sockets = home.join("run");
        if sockets.as_os_str().len() > SOCKET_DIR_BYTES {
            sockets = Path::new("/tmp").join(format!("backstage-pg-{}", short_name(&desk)));
        }
        let rooms = Self { data: home.join("data"), desk, sockets, owner };
        for directory in [&home, &rooms.sockets] {
            rooms.own(directory).map_err(|error| LocalError::directory(directory, error))?;
        }
        Ok(rooms)
    }

    /// Makes a directory for the server's user alone.
    fn own(&self, directory: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        if let Some((uid, gid)) = self.owner {
            chown(directory, Some(uid), Some(gid))?;
        } else if fs::metadata(directory)?.uid() != geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
        }
        fs::set_permissions(directory, Permissions::from_mode(0o700))
    }

    fn url(&self) -> String {
        let host: String = url::form_urlencoded::byte_serialize(self.sockets.as_os_str().as_encoded_bytes()).collect();
        format!("postgresql://postgres@/postgres?host={}", host.replace('+', "%20"))
    }

    fn program(&self, place: &Place, keeper: &Path) -> Result<Program, LocalError> {
        let binaries = postgres_binaries::find(&self.data, place, self.owner.is_some())?;
        let mut args = vec!["-D".into(), self.data.clone().into(), "-k".into(), self.sockets.clone().into()];
        for setting in SETTINGS {
            args.extend(["-c".into(), (*setting).into()]);
        }
        Ok(Program {
            name: NAME,
            keeper: keeper.to_path_buf(),
            file: binaries.join("postgres"),
            args,
            owner: self.owner,
            log: self.desk.join("server.log"),
            pid_file: self.desk.join("server.pid"),
            last_signal: Some(Signal::SIGINT),
            stop: STOP,
        })
    }

    /// We hold the lock, so a server that runs was left behind by an engine that was killed.
    fn end_orphan(program: &Program) -> Result<(), LocalError> {
        let Some(orphan) = Running::find(&program.pid_file) else { return Ok(()) };
        let pid = orphan.pid();
        if orphan.end(program) {
            return Ok(());
        }
        Err(LocalError::Orphan { name: NAME, pid })
    }

    /// Makes the cluster, at a name that is taken only when it is complete: a killed `initdb` leaves nothing half made.
    fn make_cluster(&self, program: &Program) -> Result<(), LocalError> {
        if self.data.exists() {
            return Ok(());
        }
        let unfinished = self.data.with_extension("new");
        let made = (|| {
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished)?;
            }
            let mut command = Command::new(program.file.with_file_name("initdb"));
            command.arg("-D").arg(&unfinished);
            command.args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"]);
            command.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC").current_dir("/");
            if let Some((uid, gid)) = self.owner {
                use std::os::unix::process::CommandExt;
                command.uid(uid).gid(gid);
            }
            let output = command.output()?;
            if !output.status.success() {
                return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")));
            }
            fs::rename(&unfinished, &self.data)
        })();
        made.map_err(|error| LocalError::Cluster { directory: self.data.clone(), source: error })
    }

    /// Whether the server answers. The first line of `postmaster.pid` is its number, the eighth its state.
    fn ready(&self, pid: Option<i32>) -> bool {
        let Ok(text) = fs::read_to_string(self.data.join("postmaster.pid")) else { return false };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let right_one = pid.is_none_or(|pid| lines.first() == Some(&pid.to_string().as_str()));
        right_one && lines.get(7) == Some(&"ready") && UnixStream::connect(self.sockets.join(".s.PGSQL.5432")).is_ok()
    }

    fn not_ready(&self) -> LocalError {
        let log = self.desk.join("server.log");
        LocalError::NotReady { name: NAME, words: last_words(&log), log }
    }
}

/// Postgres refuses to run as root, so root lends it another user; everybody else runs it as themselves.
fn unprivileged_user() -> Result<Option<(u32, u32)>, LocalError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok(Some((user.uid.as_raw(), user.gid.as_raw())));
        }
    }
    Err(LocalError::NoUnprivilegedUser)
}

/// Whether a user other than root can walk down to this directory.
fn reachable(directory: &Path, uid: u32) -> bool {
    directory
        .ancestors()
        .skip(1)
        .all(|one| fs::metadata(one).is_ok_and(|meta| meta.mode() & 0o001 != 0 || meta.uid() == uid))
}

/// The same few letters for the same directory, today and after an upgrade.
fn short_name(directory: &Path) -> String {
    let hash = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    postgres_binaries::hex(&hash[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_below_a_closed_one_cannot_be_reached_by_another_user() {
        let top = tempfile::tempdir().unwrap();
        fs::set_permissions(top.path(), Permissions::from_mode(0o700)).unwrap();
        let inner = top.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let stranger = fs::metadata(&inner).unwrap().uid() + 1;
        assert!(!reachable(&inner, stranger));
        fs::set_permissions(top.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(reachable(&inner, stranger));
    }

    #[test]
    fn the_address_survives_spaces_and_percent_signs_in_the_path() {
        let rooms = Rooms { desk: "/d".into(), data: "/d/data".into(), sockets: "/a b/50%".into(), owner: None };
        assert_eq!(rooms.url(), "postgresql://postgres@/postgres?host=%2Fa%20b%2F50%25");
    }

    #[test]
    fn two_directories_have_two_short_names() {
        assert_eq!(short_name(Path::new("/a")), short_name(Path::new("/a")));
        assert_ne!(short_name(Path::new("/a")), short_name(Path::new("/b")));
        assert_eq!(short_name(Path::new("/a")).len(), 12);
    }
}
