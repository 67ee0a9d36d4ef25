//! The whole engine as its users meet it: the real program with its real database, the stand-ins, HTTP and sockets.

mod basis;
mod broadcast;
mod closed;
mod devices;
mod door;
mod drill;
mod fault;
mod hooks;
mod limit;
mod measured;
mod media;
mod metric;
mod outage;
mod real;
mod replay;
mod start;
mod tenant;
mod wire;

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
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

/// How long anything may take before a test says what was still missing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys of the configuration over those of every test.
pub type Settings = Vec<(&'static str, String)>;

/// A running engine in a state directory of its own.
pub struct Engine {
    child: Child,
    state: TempDir,
    settings: Settings,
    pub http: String,
    pub standins: String,
    /// All that it says about itself.
    pub served: Value,
    pub client: Client,
}

impl Engine {
    /// Starts one and waits until it announces itself.
    pub async fn start() -> Self {
        Self::start_in(state(), vec![]).await
    }

    /// The same with this kind of media server.
    pub async fn start_with(livekit: &'static str) -> Self {
        Self::with(vec![("BACKSTAGE__LIVEKIT__MODE", livekit.into())]).await
    }

    /// The same with some keys of the configuration set.
    pub async fn with(settings: Settings) -> Self {
        Self::start_in(state(), settings).await
    }

    async fn start_in(state: TempDir, settings: Settings) -> Self {
        backstage::provider::init_crypto();
        let _old = std::fs::remove_file(state.path().join("serve.json"));
        let child = command(state.path()).envs(settings.clone()).args(["serve", "--demo"]).spawn().unwrap();
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        let (http, standins) = (String::new(), String::new());
        let mut engine = Self { child, state, settings, http, standins, served: Value::Null, client };
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
        let settings = std::mem::take(&mut self.settings);
        drop(self);
        Self::start_in(state, settings).await
    }

    pub fn state(&self) -> &Path {
        self.state.path()
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
        self.token_of(email, &[])
    }

    /// The same with further arguments, such as how long it lives.
    pub fn token_of(&self, email: &str, further: &[&str]) -> String {
        let output = command(self.state.path())
            .envs(self.settings.clone())
            .stdout(Stdio::piped())
            .args(["token", "create", "--email", email])
            .args(further)
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

    /// A request whose headers matter: its status, one header of the answer, and its body.
    pub async fn send(&self, request: reqwest::RequestBuilder, header: &str) -> (StatusCode, Option<String>, Value) {
        let answer = request.send().await.unwrap();
        let header = answer.headers().get(header).map(|value| value.to_str().unwrap().to_owned());
        (answer.status(), header, answer.json().await.unwrap_or(Value::Null))
    }

    /// What Prometheus would read, line by line.
    pub async fn metrics(&self) -> Vec<String> {
        let answer = self.client.get(format!("{}/metrics", self.http)).send().await.unwrap();
        answer.text().await.unwrap().lines().map(str::to_owned).collect()
    }

    /// What one series shows; nothing when it is not there.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let lines = self.metrics().await;
        lines.iter().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Something when one series shows this.
    pub async fn metric_is(&self, series: String, wanted: f64) -> Option<()> {
        (self.metric(&series).await == Some(wanted)).then_some(())
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
        match connect(&self.http, path, headers).await {
            Ok(socket) => Ok(socket),
            Err(Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err((answer.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null)))
            }
            Err(other) => panic!("{path}: {other}"),
        }
    }

    pub async fn watch(&self, experience: &str, token: &str) -> Socket {
        self.try_watch(experience, token).await.unwrap()
    }

    pub async fn try_watch(&self, experience: &str, token: &str) -> Result<Socket, (u16, Value)> {
        let path = format!("/api/v1/experiences/{experience}/live");
        self.socket(&path, &[("authorization", format!("Bearer {token}"))]).await
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

/// A state directory that the database's own user can reach.
pub fn state() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::Builder::new().prefix("bp").tempdir().unwrap();
    std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    state
}

/// The engine's program, on a free port, with the stand-in for pictures.
pub fn command(state: &Path) -> Command {
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

/// Opens a socket, of an engine that may be away.
pub async fn connect(http: &str, path: &str, headers: &[(&'static str, String)]) -> Result<Socket, Error> {
    let url = format!("{}{path}", http.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let (stream, _) = tokio_tungstenite::connect_async(request).await?;
    Ok(Socket { stream, seen: None })
}

/// A viewer's or a studio's socket. It sees to it that numbered frames come without a hole, and that a new activation begins
/// with a snapshot.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    /// The activation, and the number of its last frame.
    seen: Option<(u64, u64)>,
}

impl Socket {
    /// The next frame for which `wanted` holds; others are passed over.
    pub async fn next(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            while let Some(message) = self.stream.next().await {
                if let Ok(Message::Text(text)) = message {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.check(&frame);
                    if wanted(&frame) {
                        return frame;
                    }
                }
            }
            panic!("closed while {what} was still missing");
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{what} is still missing"))
    }

    fn check(&mut self, frame: &Value) {
        let (Some(epoch), Some(offset)) = (frame["epoch"].as_u64(), frame["offset"].as_u64()) else { return };
        match (frame["t"].as_str().unwrap(), self.seen) {
            ("welcome", _) => {}
            ("snapshot", seen) => {
                assert!(seen.is_none_or(|seen| seen <= (epoch, offset)), "a snapshot of the past: {seen:?} {frame}");
                self.seen = Some((epoch, offset));
            }
            ("audience" | "reactions", seen) => {
                assert!(seen.is_none_or(|seen| seen == (epoch, offset)), "counts of another time: {seen:?} {frame}");
            }
            (_, None) => self.seen = Some((epoch, offset)),
            (_, Some((now, last))) => {
                assert_eq!((epoch, offset), (now, last + 1), "a hole before {frame}");
                self.seen = Some((epoch, offset));
            }
        }
    }

    /// The next frame of a connection that may break; `None` once it has.
    pub async fn heard(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.check(&frame);
                    return Some(frame);
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame that says this state, a snapshot included.
    pub async fn state(&mut self, state: &str) -> Value {
        self.next(state, |frame| (frame["t"] == "state" || frame["t"] == "snapshot") && frame["state"] == state).await
    }

    /// The code with which the socket is closed.
    pub async fn closed(self) -> u16 {
        self.closed_after(PATIENCE).await
    }

    /// The same for one that may take its time.
    pub async fn closed_after(mut self, patience: Duration) -> u16 {
        let reading = async {
            while let Some(message) = self.stream.next().await {
                if let Ok(Message::Close(Some(frame))) = message {
                    return u16::from(frame.code);
                }
            }
            panic!("the connection ended without a close frame");
        };
        tokio::time::timeout(patience, reading).await.expect("the close frame is still missing")
    }

    pub async fn say(&mut self, frame: Value) {
        self.send(Message::text(frame.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        use futures_util::SinkExt;
        self.stream.send(message).await.unwrap();
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
