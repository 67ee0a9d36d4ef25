//! `backstage doctor`: looks at everything the engine needs, says what is wrong and how to mend it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::Context;
use secrecy::ExposeSecret;

use crate::config::{self, Config, LiveKitMode, Mode};
use crate::entropy::SystemEntropy;
use crate::limits::{DOCTOR_WAIT, OPEN_FILES_MIN};
use crate::live::media::MediaServer as _;
use crate::local::{LocalStack, Need, Place, livekit, probe};
use crate::provider::livekit::LiveKit;
use crate::store::migrate;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

/// What was found about one thing.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    thing: &'static str,
    state: State,
    found: String,
    /// How to mend it; empty when nothing is wrong.
    mend: String,
}

impl Finding {
    fn ok(thing: &'static str, found: impl Into<String>) -> Self {
        Self { thing, state: State::Ok, found: found.into(), mend: String::new() }
    }

    fn warn(thing: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { thing, state: State::Warn, found: found.into(), mend: mend.into() }
    }

    fn fail(thing: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { thing, state: State::Fail, found: found.into(), mend: mend.into() }
    }
}

/// Prints one line for each thing.
///
/// # Errors
/// When something is wrong that keeps the engine from working.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let serving = serving(config);
    let mut findings =
        vec![Finding::ok("configuration", mode_name(config.mode)), state_directory(config), open_files()];
    findings.push(port(config, serving.as_ref()));
    findings.push(database(config));
    findings.push(media(config, serving.as_ref(), runtime.handle()));
    findings.push(mail(config));
    findings.push(engine(serving.as_ref()));
    print!("{}", table(&findings));
    let failed = findings.iter().filter(|finding| finding.state == State::Fail).count();
    anyhow::ensure!(failed == 0, "{failed} of {} things keep the engine from working", findings.len());
    Ok(())
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Local => "local mode: what is missing is started",
        Mode::Production => "production mode: what is missing is an error",
    }
}

fn table(findings: &[Finding]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for Finding { thing, state, found, mend } in findings {
        let state = match state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{thing:<16} {state:<5} {found}");
        if !mend.is_empty() {
            let _ = writeln!(text, "{:<16} {:<5} {mend}", "", "");
        }
    }
    text
}

/// What `serve.json` says about an engine that runs with this state directory.
fn serving(config: &Config) -> Option<serde_json::Value> {
    serde_json::from_slice(&fs::read(config.state_dir.join("serve.json")).ok()?).ok()
}

fn state_directory(config: &Config) -> Finding {
    let thing = "state directory";
    let file = config.state_dir.join("doctor.try");
    let tried = fs::create_dir_all(&config.state_dir)
        .and_then(|()| fs::write(&file, "written"))
        .and_then(|()| fs::remove_file(&file));
    match tried {
        Ok(()) => Finding::ok(thing, config.state_dir.display().to_string()),
        Err(error) => Finding::fail(
            thing,
            format!("{} cannot be written: {error}", config.state_dir.display()),
            "Make it writable for this user, or name another one with BACKSTAGE_STATE_DIR.",
        ),
    }
}

/// Every viewer is an open file of this process.
fn open_files() -> Finding {
    let thing = "open files";
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let soft = line.split_whitespace().nth(3).unwrap_or("unknown");
    match soft.parse::<u64>() {
        Ok(limit) if limit < OPEN_FILES_MIN => Finding::warn(
            thing,
            format!("at most {limit}, so about as many viewers"),
            format!("Raise the limit before starting the engine: ulimit -n {OPEN_FILES_MIN}"),
        ),
        _ => Finding::ok(thing, format!("at most {soft}")),
    }
}

fn port(config: &Config, serving: Option<&serde_json::Value>) -> Finding {
    let thing = "port";
    let address = format!("{}:{}", config.server.host, config.server.port);
    if config.server.port == 0 {
        return Finding::ok(thing, "a free one is picked");
    }
    match TcpListener::bind(&address) {
        Ok(_) => Finding::ok(thing, format!("{address} is free")),
        Err(_)
            if serving.is_some_and(|served| served["http"].as_str().is_some_and(|http| http.ends_with(&address))) =>
        {
            Finding::ok(thing, format!("{address} is our own running engine's"))
        }
        Err(error) => Finding::fail(
            thing,
            format!("{address} cannot be used: {error}"),
            "Stop what listens there, or name another port with BACKSTAGE__SERVER__PORT.",
        ),
    }
}

fn database(config: &Config) -> Finding {
    let thing = "Postgres";
    let stack = match LocalStack::start(config, &Need::Database, &SystemEntropy) {
        Ok(stack) => stack,
        Err(error) => return Finding::fail(thing, "could not be started", error.to_string()),
    };
    let whose = if config.database.url.expose_secret().is_empty() { "a private one" } else { "the configured one" };
    match migrate::inspect(stack.database_url().expose_secret()) {
        Ok(seen) if seen.server_version_num < migrate::OLDEST_SERVER => Finding::fail(
            thing,
            format!("{whose} has version {}", seen.server_version_num / 10_000),
            format!("Bring it to version {} or newer.", migrate::OLDEST_SERVER / 10_000),
        ),
        Ok(seen) if !seen.pending.is_empty() => Finding::warn(
            thing,
            format!("{whose} answers, {} migrations are pending", seen.pending.len()),
            "Run: backstage migrate (serve does it by itself).",
        ),
        Ok(seen) => Finding::ok(
            thing,
            format!("{whose} answers, version {}, every migration applied", seen.server_version_num / 10_000),
        ),
        Err(error) => Finding::fail(
            thing,
            format!("{whose} does not answer: {error:#}"),
            "Look at database.url, at the network and at the server's log.",
        ),
    }
}

fn media(config: &Config, serving: Option<&serde_json::Value>, runtime: &tokio::runtime::Handle) -> Finding {
    let thing = "LiveKit";
    let livekit = &config.livekit;
    if !livekit.url.is_empty() && livekit.mode != LiveKitMode::Standin {
        return ask_media(runtime, &livekit.url, &livekit.key, livekit.secret.expose_secret());
    }
    let running = serving.map(|served| &served["livekit"]);
    if let Some((url, key, secret)) =
        running.and_then(|found| Some((found["url"].as_str()?, found["key"].as_str()?, found["secret"].as_str()?)))
    {
        return ask_media(runtime, url, key, secret);
    }
    let place = Place { search: config::search_path(), cache: config::cache_dir() };
    match livekit::find(&livekit.program, &place) {
        Some(program) => Finding::ok(thing, format!("{} is started by serve", program.display())),
        None if livekit.mode == LiveKitMode::Standin => {
            Finding::ok(thing, "the stand-in, as configured; it shows no picture")
        }
        None if livekit.mode == LiveKitMode::Auto => Finding::warn(
            thing,
            "no server: the stand-in answers, and no picture can be seen",
            "bin/run builds one where there is a Go toolchain; or set livekit.url, or livekit.program.",
        ),
        None => Finding::fail(
            thing,
            "livekit.mode is real, and there is no server",
            "bin/run builds one where there is a Go toolchain; or set livekit.url, or livekit.program.",
        ),
    }
}

fn ask_media(runtime: &tokio::runtime::Handle, url: &str, key: &str, secret: &str) -> Finding {
    let thing = "LiveKit";
    let client = LiveKit::new(url, key, secret, runtime.clone());
    let asked = runtime.block_on(async { tokio::time::timeout(DOCTOR_WAIT, client.rooms()).await });
    match asked {
        Ok(Ok(rooms)) => Finding::ok(thing, format!("{url} answers and accepts the key; {} rooms", rooms.len())),
        Ok(Err(error)) => Finding::fail(
            thing,
            format!("{url} refuses: {error}"),
            "Look at livekit.url, livekit.key and livekit.secret, and whether the server runs.",
        ),
        Err(_) => {
            Finding::fail(thing, format!("{url} does not answer"), "Look whether the server runs and can be reached.")
        }
    }
}

fn mail(config: &Config) -> Finding {
    let thing = "mail";
    let url = config.mail.url.expose_secret();
    if url.is_empty() {
        return Finding::ok(thing, "the stand-ins' mailbox");
    }
    match reach(url) {
        Ok(peer) => Finding::ok(thing, format!("{peer} takes connections")),
        Err(error) => Finding::fail(
            thing,
            format!("the mail server cannot be reached: {error:#}"),
            "Look at mail.url and at the network.",
        ),
    }
}

fn reach(url: &str) -> anyhow::Result<SocketAddr> {
    let url = url::Url::parse(url).context("mail.url is no address")?;
    let standard_port = || Some(if url.scheme() == "smtps" { 465 } else { 25 });
    let peer = url.socket_addrs(standard_port)?.into_iter().next().context("the name has no address")?;
    TcpStream::connect_timeout(&peer, DOCTOR_WAIT)?;
    Ok(peer)
}

fn engine(serving: Option<&serde_json::Value>) -> Finding {
    let thing = "engine";
    let Some(http) = serving.and_then(|served| served["http"].as_str()) else {
        return Finding::ok(thing, "not running");
    };
    match probe::get(&format!("{http}/health/ready")) {
        Some((200, _)) => Finding::ok(thing, format!("{http} is ready")),
        Some((status, _)) => {
            Finding::fail(thing, format!("{http} is not ready ({status})"), "Its log says what it waits for.")
        }
        None => Finding::warn(
            thing,
            format!("{http} does not answer; it may have been killed"),
            "Start it again: it finds what it left behind.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        let given: HashMap<_, _> = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Config::from_layers(None, Some(given)).unwrap()
    }

    #[test]
    fn a_taken_port_is_told_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port().to_string();
        let config = config(&[("BACKSTAGE__SERVER__PORT", &number)]);
        let found = port(&config, None);
        assert_eq!(found.state, State::Fail);
        assert!(found.mend.contains("BACKSTAGE__SERVER__PORT"));
        let ours = serde_json::json!({ "http": format!("http://127.0.0.1:{number}") });
        assert_eq!(port(&config, Some(&ours)).state, State::Ok);
    }

    #[test]
    fn a_state_directory_that_cannot_be_written_fails() {
        assert_eq!(state_directory(&config(&[("BACKSTAGE_STATE_DIR", "/proc/nowhere")])).state, State::Fail);
    }

    #[test]
    fn a_mail_server_that_nobody_runs_fails() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(mail(&config(&[("BACKSTAGE__MAIL__URL", &format!("smtp://{closed}"))])).state, State::Fail);
        assert_eq!(mail(&config(&[])).state, State::Ok);
    }

    #[test]
    fn an_engine_that_does_not_answer_is_a_warning() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let served = serde_json::json!({ "http": format!("http://{closed}") });
        assert_eq!(engine(Some(&served)).state, State::Warn);
        assert_eq!(engine(None), Finding::ok("engine", "not running"));
    }

    #[test]
    fn the_table_says_how_to_mend_right_below_what_is_wrong() {
        let text = table(&[Finding::ok("a", "fine"), Finding::fail("b", "broken", "Mend it.")]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with('b') && lines[1].contains("FAIL  broken"));
        assert_eq!(lines[2].trim(), "Mend it.");
    }
}
