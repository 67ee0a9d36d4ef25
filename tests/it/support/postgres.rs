//! One private Postgres for the whole run, a migrated template in it, and a fresh copy for each test.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use backstage::store::{Store, migrate};
use tokio::runtime::Runtime;

const TEMPLATE: &str = "template_backstage";
/// A server that does not answer by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// The runtime on which every store of the tests runs.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    &RUNTIME
}

/// A migrated database that nobody else uses.
pub struct Database {
    /// Where it is.
    pub url: String,
    /// Connected to it.
    pub store: Store,
}

impl Database {
    /// Copies the template.
    pub fn fresh() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let server = &*SERVER;
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        {
            // Postgres copies a template for one client at a time.
            static ONE: Mutex<()> = Mutex::new(());
            let _one = ONE.lock().unwrap();
            server.psql(&format!("create database {name} template {TEMPLATE}"));
        }
        let url = server.url(&name);
        let store = Store::new(&url, runtime().handle().clone()).unwrap();
        Self { url, store }
    }
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

struct Server {
    socket: PathBuf,
    bin: PathBuf,
    /// Holds the keeper's standard input open: when this process ends, however it ends, the keeper stops Postgres.
    _keeper: Option<Child>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "tests are told by the environment where a Postgres is")]
    fn start() -> Self {
        let bin = binaries();
        let server = match std::env::var_os("BACKSTAGE_TEST_POSTGRES") {
            Some(socket) => Self { socket: socket.into(), bin, _keeper: None },
            None => Self::start_own(bin),
        };
        server.make_template();
        server
    }

    fn start_own(bin: PathBuf) -> Self {
        let user = unprivileged();
        let root = std::env::temp_dir().join(format!("backstage-it-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        if let Some((uid, gid)) = user {
            chown(&root, Some(uid), Some(gid)).unwrap();
        }
        // Nothing in these databases outlives the run, so nothing is flushed to the disk.
        let script = r#"
            cd "$2" && "$1/initdb" -D data -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >initdb.log 2>&1 || exit 1
            "$1/postgres" -D data -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
                -c synchronous_commit=off -c max_connections=400 -c shared_buffers=64MB >server.log 2>&1 </dev/null &
            cat >/dev/null
            kill -QUIT $! && wait $!
            cd / && rm -rf "$2""#;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", script, "keeper"]).args([&bin, &root]).stdin(Stdio::piped()).stdout(Stdio::null());
        keeper.process_group(0); // Ctrl-C ends the tests; the keeper then tidies up by itself
        if let Some((uid, gid)) = user {
            keeper.uid(uid).gid(gid);
        }
        let keeper = keeper.spawn().unwrap();
        let server = Self { socket: root, bin, _keeper: Some(keeper) };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        let ready =
            || Command::new(self.bin.join("pg_isready")).arg("-q").arg("-h").arg(&self.socket).status().unwrap();
        while !ready().success() {
            assert!(waited < PATIENCE, "Postgres does not answer at {}", self.socket.display());
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@/{database}?host={}", self.socket.display())
    }

    fn psql(&self, sql: &str) {
        let told =
            Command::new(self.bin.join("psql")).args(["-qAt", "-c", sql]).arg(self.url("postgres")).output().unwrap();
        assert!(told.status.success(), "{sql}: {}", String::from_utf8_lossy(&told.stderr));
    }

    /// With a server that is kept between runs, the template is made anew each time.
    fn make_template(&self) {
        self.psql(&format!("drop database if exists {TEMPLATE}"));
        self.psql(&format!("create database {TEMPLATE}"));
        let url = self.url(TEMPLATE);
        // Migrations bring their own runtime, which must not stand inside a test's.
        std::thread::spawn(move || migrate::run_pending(&url).unwrap()).join().unwrap();
    }
}

/// The newest installed Postgres.
pub(super) fn binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("the tests need Debian's package postgresql")
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().expect("the tests need Debian's package postgresql")
}

/// Postgres does not run as root, so root lends it another user.
pub(super) fn unprivileged() -> Option<(u32, u32)> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let user = nix::unistd::User::from_name("postgres").unwrap().expect("a user called postgres");
    Some((user.uid.as_raw(), user.gid.as_raw()))
}
