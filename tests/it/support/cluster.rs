//! A Postgres of one test's own, which it may kill and start again.

use std::{
    fs,
    io::Read,
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::postgres::{binaries, unprivileged};

/// How long it may take to come or to go.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The server and its directory, both gone when this is dropped.
pub struct Cluster {
    root: PathBuf,
    bin: PathBuf,
    /// Stops the server when its standard input is closed, however this process ends.
    keeper: Option<Child>,
}

/// A session that holds on to something until it is dropped.
pub struct Held<'c> {
    cluster: &'c Cluster,
    psql: Child,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // the server's side of a session sleeps on when its client is gone
        self.cluster.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'held'");
        let _gone = self.psql.kill();
        let _status = self.psql.wait();
    }
}

impl Cluster {
    /// Makes one and starts it.
    pub fn start() -> Self {
        let mut cluster = Self::made();
        cluster.start_again();
        cluster
    }

    /// Makes one that does not run yet.
    pub fn made() -> Self {
        let root = tempfile::Builder::new().prefix("bpg").tempdir().unwrap().keep();
        if let Some((uid, gid)) = unprivileged() {
            chown(&root, Some(uid), Some(gid)).unwrap();
        }
        let cluster = Self { root, bin: binaries(), keeper: None };
        let made = cluster
            .command("initdb")
            .args(["-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster
    }

    fn command(&self, program: &str) -> Command {
        let program = if program == "sh" { PathBuf::from("sh") } else { self.bin.join(program) };
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        if let Some((uid, gid)) = unprivileged() {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts the server and waits until it answers.
    pub fn start_again(&mut self) {
        let script = r#""$1/postgres" -D data -k "$2" -c listen_addresses= -c shared_buffers=32MB >>server.log 2>&1 </dev/null &
            cat >/dev/null
            kill -QUIT $! 2>/dev/null; wait $!"#;
        let mut keeper = self.command("sh");
        keeper.args(["-c", script, "keeper"]).args([&self.bin, &self.root]).stdin(Stdio::piped()).stdout(Stdio::null());
        self.keeper = Some(keeper.process_group(0).spawn().unwrap());
        self.wait("an answer", || self.answers());
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        self.command("pg_isready").arg("-q").arg("-h").arg(&self.root).status().unwrap().success()
    }

    /// `kill -9`; done when none of its processes is left, so that it may be started again.
    pub fn kill(&mut self) {
        let first = fs::read_to_string(self.root.join("data/postmaster.pid")).unwrap();
        let server = Pid::from_raw(first.lines().next().unwrap().parse().unwrap());
        let theirs = children(server);
        kill(server, Signal::SIGKILL).unwrap();
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
        self.wait("the end of its processes", || theirs.iter().all(|child| kill(*child, None).is_err()));
    }

    fn wait(&self, what: &str, holds: impl Fn() -> bool) {
        let mut waited = Duration::ZERO;
        while !holds() {
            assert!(waited < PATIENCE, "{what} of {} is still missing", self.root.display());
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@/postgres?host={}", self.root.display())
    }

    /// What a statement answers.
    pub fn ask(&self, sql: &str) -> String {
        let told = self.command("psql").args(["-XqAt", "-c", sql]).arg(self.url()).output().unwrap();
        assert!(told.status.success(), "{sql}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    }

    /// Locks a table against everybody, and holds it.
    pub fn lock(&self, table: &str) -> Held<'_> {
        let mut psql = self.command("psql");
        psql.env("PGAPPNAME", "held");
        psql.args(["-XqAt", "-c", &format!("begin; lock table {table} in access exclusive mode; select 'locked'")]);
        psql.args(["-c", "select pg_sleep(600)"]).arg(self.url()).stdout(Stdio::piped());
        let mut held = Held { cluster: self, psql: psql.stderr(Stdio::null()).spawn().unwrap() };
        let mut said = [0; 6];
        held.psql.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"locked");
        held
    }
}

/// The processes that this one has started.
fn children(of: Pid) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _status = keeper.wait();
        }
        let _gone = fs::remove_dir_all(&self.root);
    }
}
