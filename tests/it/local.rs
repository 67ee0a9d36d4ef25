//! Starting with nothing, on real programs: the private Postgres and what is left of it after a crash.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use backstage::config::Config;
use backstage::entropy::SystemEntropy;
use backstage::local::{LocalError, LocalStack, Need};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret;

const ENGINE: &str = env!("CARGO_BIN_EXE_backstage");

fn config(state: &Path) -> Config {
    let given = [("BACKSTAGE_STATE_DIR".to_owned(), state.display().to_string())];
    Config::from_layers(None, Some(HashMap::from(given))).unwrap()
}

fn start(state: &Path) -> Result<LocalStack, LocalError> {
    LocalStack::start_with(&config(state), &Need::Database, &SystemEntropy, Path::new(ENGINE))
}

/// A state directory that another user can reach, so that the cluster lies in it also when the tests run as root.
fn state() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn server_pid(state: &Path) -> i32 {
    let text = fs::read_to_string(state.join("postgres/server.pid")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn ask(stack: &LocalStack, sql: &str) -> String {
    let url = stack.database_url().expose_secret();
    let output = Command::new("psql").args(["-XAtq", "-d", url, "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[test]
fn the_private_postgres_is_durable_and_listens_on_its_socket_alone() {
    let state = state();
    let stack = start(state.path()).unwrap();
    let settings = "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings \
                    where name in ('data_checksums', 'fsync', 'full_page_writes', 'listen_addresses', 'synchronous_commit')";
    let said = ask(&stack, settings);
    assert_eq!(said, "data_checksums=on fsync=on full_page_writes=on listen_addresses= synchronous_commit=on");
}

#[test]
fn a_clean_end_leaves_no_server_and_keeps_the_rows() {
    let state = state();
    let stack = start(state.path()).unwrap();
    ask(&stack, "create table kept (n int); insert into kept values (7)");
    let pid = server_pid(state.path());
    drop(stack);
    assert!(!alive(pid));
    let stack = start(state.path()).unwrap();
    assert_eq!(ask(&stack, "select n from kept"), "7");
}

#[test]
fn a_second_process_joins_the_running_server_and_leaves_it_running() {
    let state = state();
    let owner = start(state.path()).unwrap();
    let guest = start(state.path()).unwrap();
    assert!(owner.owns_database());
    assert!(!guest.owns_database());
    assert_eq!(ask(&guest, "select 1"), "1");
    drop(guest);
    assert_eq!(ask(&owner, "select 1"), "1");
}

#[test]
fn a_killed_server_is_back_with_every_committed_row() {
    let state = state();
    let stack = start(state.path()).unwrap();
    ask(&stack, "create table kept (n int); insert into kept values (7)");
    kill(Pid::from_raw(server_pid(state.path())), Signal::SIGKILL).unwrap();
    let url = stack.database_url().expose_secret();
    let query = ["-XAtq", "-d", url, "-c", "select n from kept"];
    // Each try starts a process, so the number of tries is a limit of some seconds.
    let back = (0..500).any(|_| Command::new("psql").args(query).output().unwrap().stdout == b"7\n");
    assert!(back, "Postgres did not come back");
    assert!(stack.restarts() >= 1);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_named_in_one_sentence() {
    let said = start(Path::new("/proc/nowhere")).err().unwrap().to_string();
    assert!(said.starts_with("The directory /proc/nowhere cannot be used"), "{said}");
    assert!(said.contains("BACKSTAGE_STATE_DIR"), "{said}");
}

fn start_engine(state: &Path, livekit: &str) -> LocalStack {
    let given = [
        ("BACKSTAGE_STATE_DIR".to_owned(), state.display().to_string()),
        ("BACKSTAGE__LIVEKIT__MODE".to_owned(), livekit.to_owned()),
    ];
    let config = Config::from_layers(None, Some(HashMap::from(given))).unwrap();
    let need = Need::Engine { own_url: "http://127.0.0.1:9".to_owned() };
    LocalStack::start_with(&config, &need, &SystemEntropy, Path::new(ENGINE)).unwrap_or_else(|error| panic!("{error}"))
}

fn pid_in(file: &Path) -> i32 {
    fs::read_to_string(file).unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn everything_an_engine_needs_is_started_and_ends_with_it() {
    let state = state();
    let mut stack = start_engine(state.path(), "standin");
    let standins = stack.standins_url().unwrap().to_owned();
    assert!(backstage::local::probe::answers(&format!("{standins}/_ports")));
    assert!(!stack.media().unwrap().real);
    let pids = [pid_in(&state.path().join("standins/standins.pid")), server_pid(state.path())];
    stack.announce("node", "http://127.0.0.1:9", "http://127.0.0.1:9/metrics").unwrap();
    let told: serde_json::Value = serde_json::from_slice(&fs::read(state.path().join("serve.json")).unwrap()).unwrap();
    assert_eq!(told["standins"], standins);
    drop(stack);
    assert!(pids.iter().all(|pid| !alive(*pid)));
    assert!(!state.path().join("serve.json").exists());
}

#[test]
fn the_stand_ins_keep_their_address_when_they_die_and_when_they_are_started_again() {
    let state = state();
    let stack = start_engine(state.path(), "standin");
    let address = stack.standins_url().unwrap().to_owned();
    let first = pid_in(&state.path().join("standins/standins.pid"));
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let back = (0..500).any(|_| {
        let pid = pid_in(&state.path().join("standins/standins.pid"));
        assert!(Command::new("true").status().unwrap().success()); // some time, without a sleep
        pid != first && backstage::local::probe::answers(&format!("{address}/_ports"))
    });
    assert!(back, "the stand-ins did not come back");
    drop(stack);
    assert_eq!(start_engine(state.path(), "standin").standins_url(), Some(address.as_str()));
}

/// Needs a LiveKit server; `bin/test --without livekit` leaves these out by the name of the module.
mod real_livekit {
    use super::*;

    #[test]
    fn a_server_on_loopback_is_started_restarted_at_its_address_and_ended() {
        let state = state();
        let stack = start_engine(state.path(), "real");
        let media = stack.media().unwrap();
        assert!(media.real);
        assert!(media.url.starts_with("http://127.0.0.1:"), "{}", media.url);
        let pid_file = state.path().join("livekit/livekit.pid");
        let first = pid_in(&pid_file);
        kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
        let back = (0..1000).any(|_| {
            assert!(Command::new("true").status().unwrap().success()); // some time, without a sleep
            pid_in(&pid_file) != first && backstage::local::probe::answers(&media.url)
        });
        assert!(back, "LiveKit did not come back at {}", media.url);
        let second = pid_in(&pid_file);
        drop(stack);
        assert!(!alive(second));
    }
}
