//! Starts and ends the program, and waits for what it does.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a test waits for anything before it says what was missing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The running program. Ended when dropped.
pub struct Standins {
    child: Child,
    /// What it wrote about itself.
    pub card: Value,
    /// Asks over HTTP.
    pub http: reqwest::Client,
}

impl Standins {
    /// Starts it on the state in `dir` and waits until it says that it is ready.
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_backstage-standins"))
            .arg("--state")
            .arg(dir)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("Stand-ins at http://127.0.0.1:"), "not ready: {line:?}");
        let card = serde_json::from_slice(&std::fs::read(dir.join("standins.json")).unwrap()).unwrap();
        // The first one to come sets the provider; whether it was this one does not matter.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self { child, card, http }
    }

    /// A text field of the card.
    pub fn told(&self, pointer: &str) -> String {
        self.card.pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
    }

    /// The full address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.told("/http"))
    }

    /// Asks and gives status and JSON back.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method.parse().unwrap(), self.url(path));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Posts JSON, which must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, told) = self.ask("POST", path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {told}");
        told
    }

    /// Plays a participant, which must succeed.
    pub async fn act(&self, body: Value) {
        self.post("/livekit/_act", body).await;
    }

    /// What was asked, oldest first.
    pub async fn log(&self, provider: &str) -> Vec<Value> {
        let (_, told) = self.ask("GET", &format!("/_log?provider={provider}"), None).await;
        told.as_array().unwrap().clone()
    }

    /// Ends it with a signal and gives its exit code back, if it had one.
    pub fn end(&mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Standins {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `look` finds something, and says what was missing when it does not.
pub async fn until<T>(missing: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("still missing: {missing}"))
}
