//! A LiveKit server for local use: found on this machine, configured for loopback, started by us.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::LocalError;
use super::child::{Program, Running, last_words};
use super::postgres_binaries::Place;
use super::probe::answers;
use super::process::until;
use super::secret_file;
use super::warden::Warden;
use crate::entropy::Entropy;
use crate::limits::LOCAL_START_WAIT;

/// What people and logs call it.
pub const NAME: &str = "LiveKit";

/// The version that is built and tested with this engine.
pub const VERSION: &str = "1.13.5";

/// The first signal only asks, and then waits for participants to leave; the second one ends it.
const STOP: &[(Signal, Duration)] = &[
    (Signal::SIGINT, Duration::from_millis(400)),
    (Signal::SIGINT, Duration::from_secs(4)),
    (Signal::SIGKILL, Duration::from_secs(2)),
];

/// Seconds that a room lives without anybody ever having come.
const EMPTY_TIMEOUT_SECS: u32 = 300;

/// Seconds that a room outlives the last who left; more than the longest grace that a publisher is given by default, so that the
/// room is still there when the publisher comes back.
const DEPARTURE_TIMEOUT_SECS: u32 = 1900;

/// A running server, and what lets us in.
#[derive(Debug, Clone)]
pub struct LocalLiveKit {
    /// Base address for calls; browsers use the same with `ws`.
    pub url: String,
    /// The name of our key.
    pub key: String,
    /// What signs.
    pub secret: String,
}

/// Kept in the state directory, so that a restart finds the server it left behind and tokens stay good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Memory {
    key: String,
    secret: String,
    port: u16,
    udp_port: u16,
    hook: String,
}

/// The server's program: the configured one, else the first on the search path, else the one in the cache directory.
pub fn find(configured: &Path, place: &Place) -> Option<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return configured.is_file().then(|| configured.to_path_buf());
    }
    let built = place.cache.join("bin").join(format!("livekit-server-{VERSION}"));
    let on_path = place.search.iter().map(|directory| directory.join("livekit-server"));
    on_path.chain([built]).find(|file| file.is_file())
}

/// Starts the server with its state in `desk`, or takes over the one that a killed engine left behind there, when it still reports
/// to the same place. `hook` is the address that it reports to.
pub fn start(
    warden: &Warden,
    desk: &Path,
    keeper: &Path,
    file: PathBuf,
    hook: &str,
    entropy: &dyn Entropy,
) -> Result<LocalLiveKit, LocalError> {
    fs::create_dir_all(desk).map_err(|error| LocalError::directory(desk, error))?;
    let written = |error| LocalError::directory(desk, error);
    let configuration = desk.join("livekit.yaml");
    let program = Program {
        name: NAME,
        keeper: keeper.to_path_buf(),
        file,
        args: vec!["--config".into(), configuration.clone().into()],
        owner: None,
        log: desk.join("livekit.log"),
        pid_file: desk.join("livekit.pid"),
        // It outlives a killed engine, so that a show goes on while the engine comes back.
        last_signal: None,
        stop: STOP,
    };
    let before = remember(desk);
    if let Some(orphan) = Running::find(&program.pid_file) {
        let pid = orphan.pid();
        if let Some(memory) = before.as_ref().filter(|memory| memory.hook == hook && answers(&memory.url())) {
            warden.adopt(program, orphan).map_err(|error| LocalError::start(NAME, error))?;
            tracing::info!(pid, "took over the LiveKit server of an earlier run");
            return Ok(memory.address());
        }
        if !orphan.end(&program) {
            return Err(LocalError::Orphan { name: NAME, pid });
        }
    }
    let memory = Memory::new(before, hook, entropy).map_err(written)?;
    secret_file::write(&desk.join("memory.json"), &memory.json()).map_err(written)?;
    secret_file::write(&configuration, memory.yaml().as_bytes()).map_err(written)?;
    let log = program.log.clone();
    warden.start(program).map_err(|error| LocalError::start(NAME, error))?;
    let mut there = false;
    until(LOCAL_START_WAIT, || {
        there = answers(&memory.url());
        there || !warden.is_running(NAME)
    });
    if !there {
        return Err(LocalError::NotReady { name: NAME, words: last_words(&log), log });
    }
    Ok(memory.address())
}

fn remember(desk: &Path) -> Option<Memory> {
    serde_json::from_slice(&fs::read(desk.join("memory.json")).ok()?).ok()
}

impl Memory {
    fn new(before: Option<Self>, hook: &str, entropy: &dyn Entropy) -> io::Result<Self> {
        let (key, secret, port, udp_port) = match before {
            Some(known) => (known.key, known.secret, known.port, known.udp_port),
            None => ("backstage-local".to_owned(), new_secret(entropy), 0, 0),
        };
        Ok(Self { key, secret, port: free_port(port)?, udp_port: free_udp_port(udp_port)?, hook: hook.to_owned() })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn address(&self) -> LocalLiveKit {
        LocalLiveKit { url: self.url(), key: self.key.clone(), secret: self.secret.clone() }
    }

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain strings and numbers always become JSON")
    }

    /// Everything stays on loopback: without the loopback candidate no browser on this machine finds a way, without a named STUN
    /// server browsers would be told to ask public ones, and a TCP port for media would open on every interface. Calls are not
    /// logged: whoever is kept out is asked about many times a second.
    fn yaml(&self) -> String {
        let Self { key, secret, port, udp_port, hook } = self;
        format!(
            "port: {port}\n\
             bind_addresses: [127.0.0.1]\n\
             keys:\n  {key}: {secret}\n\
             rtc:\n  node_ip: 127.0.0.1\n  use_external_ip: false\n  enable_loopback_candidate: true\n  \
             interfaces: {{ includes: [lo] }}\n  tcp_port: 0\n  udp_port: {udp_port}\n  stun_servers: [\"127.0.0.1:9\"]\n\
             room:\n  auto_create: false\n  empty_timeout: {EMPTY_TIMEOUT_SECS}\n  \
             departure_timeout: {DEPARTURE_TIMEOUT_SECS}\n\
             webhook:\n  api_key: {key}\n  urls: [\"{hook}\"]\n\
             logging: {{ level: info, json: true, component_levels: {{ api: warn }} }}\n"
        )
    }
}

/// Long enough that nobody guesses it, and free of characters that YAML would read otherwise.
fn new_secret(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes).replace('-', "_")
}

/// The wanted port when it is free, any free one otherwise.
fn free_port(wanted: u16) -> io::Result<u16> {
    let at = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match at(wanted) {
        Ok(listener) => Ok(listener.local_addr()?.port()),
        Err(_) => Ok(at(0)?.local_addr()?.port()),
    }
}

fn free_udp_port(wanted: u16) -> io::Result<u16> {
    let at = |port| UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match at(wanted) {
        Ok(socket) => Ok(socket.local_addr()?.port()),
        Err(_) => Ok(at(0)?.local_addr()?.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory {
            key: "k".into(),
            secret: "s".into(),
            port: 7880,
            udp_port: 7882,
            hook: "http://127.0.0.1:1/hooks/livekit".into(),
        }
    }

    #[test]
    fn the_configuration_opens_no_port_beyond_loopback() {
        let yaml = memory().yaml();
        for line in ["bind_addresses: [127.0.0.1]", "  tcp_port: 0", "  auto_create: false", "  node_ip: 127.0.0.1"] {
            assert!(yaml.lines().any(|one| one == line), "{line} is missing in\n{yaml}");
        }
    }

    #[test]
    fn a_restart_keeps_the_key_and_its_secret() {
        struct Never;
        impl Entropy for Never {
            fn fill(&self, _: &mut [u8]) {
                panic!("no new secret is needed");
            }
        }
        let again = Memory::new(Some(memory()), "http://127.0.0.1:2/hooks/livekit", &Never).unwrap();
        assert_eq!((again.key.as_str(), again.secret.as_str()), ("k", "s"));
        assert_eq!(again.hook, "http://127.0.0.1:2/hooks/livekit");
    }

    #[test]
    fn a_configured_program_that_is_not_there_is_not_replaced_by_another() {
        let cache = tempfile::tempdir().unwrap();
        let bin = cache.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let built = bin.join(format!("livekit-server-{VERSION}"));
        fs::write(&built, "").unwrap();
        let place = Place { search: vec![], cache: cache.path().to_path_buf() };
        assert_eq!(find(Path::new(""), &place), Some(built));
        assert_eq!(find(Path::new("/no/such/livekit"), &place), None);
    }
}
