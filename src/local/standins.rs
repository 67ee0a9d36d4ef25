//! The stand-ins of local mode: a program of their own beside ours, started by us, and found again after a crash.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;

use super::LocalError;
use super::child::{Program, Running, last_words};
use super::probe::{answers, get, post};
use super::process::until;
use super::warden::Warden;
use crate::limits::LOCAL_START_WAIT;

/// What people and logs call them.
pub const NAME: &str = "the stand-ins";

/// The program, which is built together with ours and lies beside it.
const FILE: &str = "backstage-standins";

const STOP: &[(Signal, Duration)] =
    &[(Signal::SIGTERM, Duration::from_secs(5)), (Signal::SIGKILL, Duration::from_secs(2))];

/// What the stand-ins say about themselves, in `standins.json` of their state directory.
#[derive(Debug, Clone, Deserialize)]
pub struct StandIns {
    /// The process.
    pub pid: i32,
    /// Base address of every provider they stand for, and of their controls.
    pub http: String,
    /// `host:port` that takes mail.
    pub smtp: String,
    /// What signs the tokens of the stand-in for LiveKit; told in the file alone, never over HTTP.
    pub livekit: Option<Keys>,
}

/// A key of LiveKit and its secret.
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    /// The name of the key.
    pub key: String,
    /// What signs.
    pub secret: String,
}

/// Starts the stand-ins with their state in `desk`, or takes over the ones that an engine left behind there.
pub fn start(warden: &Warden, desk: &Path, keeper: &Path, port: u16, hook: &str) -> Result<StandIns, LocalError> {
    fs::create_dir_all(desk).map_err(|error| LocalError::directory(desk, error))?;
    let program = Program {
        name: NAME,
        keeper: keeper.to_path_buf(),
        file: beside(keeper),
        args: arguments(desk, port, hook),
        owner: None,
        log: desk.join("standins.log"),
        pid_file: desk.join("standins.pid"),
        // They outlive a killed engine, as the providers would, and keep their mail and their clock.
        last_signal: None,
        stop: STOP,
    };
    if !program.file.is_file() {
        return Err(LocalError::StandInsMissing { file: program.file });
    }
    if let Some(orphan) = Running::find(&program.pid_file) {
        let pid = orphan.pid();
        if let Some(known) = read(desk).filter(|known| known.pid == pid && (port == 0 || ends_in(&known.http, port)))
            && answers(&format!("{}/_ports", known.http))
        {
            warden.adopt(program, orphan).map_err(|error| LocalError::start(NAME, error))?;
            register(&known.http, hook)?;
            tracing::info!(pid, "took over the stand-ins of an earlier run");
            return Ok(known);
        }
        if !orphan.end(&program) {
            return Err(LocalError::Orphan { name: NAME, pid });
        }
    }
    launch(warden, desk, program)
}

/// The stand-ins of another node, which say the same about themselves over HTTP, but for their keys.
pub fn elsewhere(url: &str, hook: &str) -> Result<StandIns, LocalError> {
    let url = url.trim_end_matches('/');
    let said = get(&format!("{url}/_ports")).and_then(|(_, body)| serde_json::from_str(&body).ok());
    let known = said.ok_or_else(|| LocalError::StandInsAway { url: url.to_owned() })?;
    register(url, hook)?;
    Ok(known)
}

/// Tells running stand-ins where the webhooks of their LiveKit go.
fn register(http: &str, hook: &str) -> Result<(), LocalError> {
    let body = serde_json::json!({ "url": hook }).to_string();
    match post(&format!("{http}/livekit/_webhook"), &body) {
        Some((200..300, _)) => Ok(()),
        _ => Err(LocalError::StandInsAway { url: http.to_owned() }),
    }
}

fn launch(warden: &Warden, desk: &Path, program: Program) -> Result<StandIns, LocalError> {
    let log = program.log.clone();
    let _ = fs::remove_file(desk.join("standins.json"));
    let pid = warden.start(program).map_err(|error| LocalError::start(NAME, error))?;
    let mut said = None;
    let mut alive = true;
    until(LOCAL_START_WAIT, || {
        said = read(desk).filter(|known| known.pid == pid && answers(&format!("{}/_ports", known.http)));
        alive = warden.is_running(NAME);
        said.is_some() || !alive
    });
    said.ok_or_else(|| LocalError::NotReady { name: NAME, words: last_words(&log), log })
}

/// Port 0 is theirs to choose: they take the one of their last run while they can, because somebody may have the mailbox open.
fn arguments(desk: &Path, port: u16, hook: &str) -> Vec<std::ffi::OsString> {
    let port = port.to_string();
    vec!["--state".into(), desk.into(), "--port".into(), port.into(), "--livekit-webhook".into(), hook.into()]
}

fn read(desk: &Path) -> Option<StandIns> {
    serde_json::from_slice(&fs::read(desk.join("standins.json")).ok()?).ok()
}

fn port_of(base: &str) -> Option<u16> {
    url::Url::parse(base).ok()?.port()
}

fn ends_in(base: &str, port: u16) -> bool {
    port_of(base) == Some(port)
}

/// The stand-ins lie beside the engine, also when the engine's file was replaced by a newer build while it runs.
fn beside(keeper: &Path) -> PathBuf {
    let ourselves = fs::read_link(keeper).unwrap_or_else(|_| keeper.to_path_buf());
    ourselves.with_file_name(FILE)
}
