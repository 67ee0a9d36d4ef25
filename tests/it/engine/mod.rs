//! The whole engine as its users meet it: the real program with its real database, the stand-ins, HTTP and sockets.

mod broadcast;
mod closed;
mod door;
mod fault;
mod hooks;
mod measured;
mod media;
mod real;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use futures_util::StreamExt;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// How long anything may take before a test says what was still missing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running engine in a state directory of its own.
pub struct Engine {
    child: Child,
    state: TempDir,
    pub http: String,
    pub standins: String,
    /// All that it says about itself.
    pub served: Value,
    pub client: Client,
}

impl Engine {
    /// Starts one and waits until it announces itself.
    pub async fn start() -> Self {
        Self::start_with("standin").await
    }

    /// The same with this kind of media server.
    pub async fn start_with(livekit: &'static str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::Builder::new().prefix("bp").tempdir().unwrap();
        // the database's own user must be able to reach its directory
        std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self::start_in(state, livekit).await
    }

    async fn start_in(state: TempDir, livekit: &'static str) -> Self {
        backstage::provider::init_crypto();
        let _old = std::fs::remove_file(state.path().join("serve.json"));
        let mode = ("BACKSTAGE__LIVEKIT__MODE", livekit);
        let child = command(state.path()).env(mode.0, mode.1).args(["serve", "--demo"]).spawn().unwrap();
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        let (http, standins) = (String::new(), String::new());
        let mut engine = Self { child, state, http, standins, served: Value::Null, client };
        let served = engine.state.path().join("serve.json");
        until("serve.json", || {
            let text = std::fs::read_to_string(&served).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })
        .await;
        let served: Value = serde_json::from_str(&std::fs::read_to_string(&served).unwrap()).unwrap();
        engine.http = served["http"].as_str().unwrap().to_owned();
        engine.standins = served["standins"].as_str().unwrap().to_owned();
        engine.served = served;
        engine
    }

    /// Ends it as a crash does, and starts it again on the same state.
    pub async fn crash_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let state = std::mem::replace(&mut self.state, tempfile::tempdir().unwrap());
        drop(self);
        Self::start_in(state, "standin").await
    }

    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The series of `/metrics` that begins like this, when it is there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.client.get(format!("{}/metrics", self.http)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series).map(str::trim).map(str::to_owned));
        line.map(|value| value.parse().unwrap())
    }

    /// Asks the engine's database, beside the engine.
    pub fn sql(&self, sql: &str) -> String {
        let url = self.served["database"].as_str().unwrap();
        let output = Command::new("psql").args(["-XAtq", "-d", url, "-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The media server, asked by its provider's own client.
    pub fn rooms(&self) -> livekit_api::services::room::RoomClient {
        let told = |field: &str| self.served["livekit"][field].as_str().unwrap();
        livekit_api::services::room::RoomClient::with_api_key(told("url"), told("key"), told("secret"))
    }

    /// How often the media server's stand-in was called by this name.
    pub async fn calls(&self, name: &str) -> usize {
        let log = self.client.get(format!("{}/_log?provider=livekit", self.standins)).send().await.unwrap();
        let log: Value = log.json().await.unwrap();
        log.as_array().unwrap().iter().filter(|call| call["path"].to_string().contains(name)).count()
    }

    /// Everything works again.
    pub async fn heal(&self) {
        self.client.delete(format!("{}/_faults", self.standins)).send().await.unwrap();
    }

    /// The process of the private Postgres.
    pub fn postgres(&self) -> nix::unistd::Pid {
        let text = std::fs::read_to_string(self.state.path().join("postgres/server.pid")).unwrap();
        nix::unistd::Pid::from_raw(text.split(' ').next().unwrap().trim().parse().unwrap())
    }

    /// A bearer token for `email`, made by the command line beside the running engine.
    pub fn token(&self, email: &str) -> String {
        let output = command(self.state.path())
            .stdout(Stdio::piped())
            .args(["token", "create", "--email", email])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.http));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, token, None).await
    }

    /// Orders something from the stand-ins.
    pub async fn order(&self, path: &str, body: Value) {
        let answer = self.client.post(format!("{}{path}", self.standins)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
    }

    pub async fn experience(&self) -> String {
        let (_, public) = self.get("/api/v1/spaces/demo/public", "").await;
        public["experiences"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Opens a socket; the problem when it is refused.
    pub async fn socket(&self, path: &str, headers: &[(&'static str, String)]) -> Result<Socket, (u16, Value)> {
        let url = format!("{}{path}", self.http.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Socket(stream)),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err((answer.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null)))
            }
            Err(other) => panic!("{path}: {other}"),
        }
    }

    pub async fn watch(&self, experience: &str, token: &str) -> Socket {
        let path = format!("/api/v1/experiences/{experience}/live");
        self.socket(&path, &[("authorization", format!("Bearer {token}"))]).await.unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // the polite way, so that Postgres and the stand-ins end too
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _status = self.child.wait();
    }
}

fn command(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backstage"));
    command
        .env("BACKSTAGE_STATE_DIR", state)
        .env("BACKSTAGE__SERVER__PORT", "0")
        .env("BACKSTAGE__LIVEKIT__MODE", "standin")
        .env("BACKSTAGE__LOG__FILTER", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// Looks again until `look` finds something.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what} is still missing"))
}

/// Asks again until `ask` answers with something.
pub async fn until_asked<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, asking).await.unwrap_or_else(|_| panic!("{what} is still missing"))
}

/// A viewer's or a studio's socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    /// The next frame for which `wanted` holds; others are passed over.
    pub async fn next(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            while let Some(message) = self.0.next().await {
                if let Ok(Message::Text(text)) = message {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if wanted(&frame) {
                        return frame;
                    }
                }
            }
            panic!("closed while {what} was still missing");
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{what} is still missing"))
    }

    /// The next frame that says this state, a snapshot included.
    pub async fn state(&mut self, state: &str) -> Value {
        self.next(state, |frame| (frame["t"] == "state" || frame["t"] == "snapshot") && frame["state"] == state).await
    }

    /// The code with which the socket is closed.
    pub async fn closed(mut self) -> u16 {
        let reading = async {
            while let Some(message) = self.0.next().await {
                if let Ok(Message::Close(Some(frame))) = message {
                    return u16::from(frame.code);
                }
            }
            panic!("the connection ended without a close frame");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the close frame is still missing")
    }

    pub async fn say(&mut self, frame: Value) {
        use futures_util::SinkExt;
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }
}

/// A broadcast of the demo's stage, announced by its creator.
pub async fn announce(engine: &Engine, creator: &str, body: Value) -> (String, String) {
    let experience = engine.experience().await;
    let (status, made) = engine.post(&format!("/api/v1/experiences/{experience}/broadcasts"), creator, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    (experience, made["id"].as_str().unwrap().to_owned())
}

/// Takes a broadcast through the lobby to live with media.
pub async fn go_live(engine: &Engine, creator: &str) -> (String, String) {
    let (experience, broadcast) = announce(engine, creator, json!({})).await;
    let (status, _) = engine.post(&format!("/api/v1/broadcasts/{broadcast}/lobby"), creator, json!({})).await;
    assert_eq!(status, StatusCode::OK);
    publish(engine, creator, &broadcast).await;
    (experience, broadcast)
}

/// Plays the creator's browser: joins the room with a publisher's token and publishes.
pub async fn publish(engine: &Engine, creator: &str, broadcast: &str) {
    let path = format!("/api/v1/broadcasts/{broadcast}/publisher-token");
    let (status, token) = engine.post(&path, creator, json!({})).await;
    assert_eq!(status, StatusCode::OK, "{token}");
    let joined = json!({"act": "join", "token": token["token"]});
    engine.order("/livekit/_act", joined).await;
    let published = json!({"act": "publish", "room": token["room"], "identity": token["identity"]});
    engine.order("/livekit/_act", published).await;
}

/// The runtime of these tests: engines are shared between none, so each test has a runtime of its own.
pub fn run(test: impl Future<Output = ()>) {
    static ONE_AT_A_TIME: OnceLock<std::sync::Mutex<()>> = OnceLock::new();
    // two cores: several engines at once only make each other late
    let _turn = ONE_AT_A_TIME.get_or_init(Default::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}
