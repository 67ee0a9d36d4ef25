//! One media server for one test: the stand-in or the real one, our client to it, and where its webhooks arrive.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use backstage::{
    clock::{Clock, SystemClock, Timestamp},
    config::Config,
    entropy::SystemEntropy,
    live::media::{Hook, MediaServer},
    local::{LocalStack, Need},
    provider::livekit::{HookRefusal, LiveKit, MediaKey, read_hook},
};
use futures_util::{SinkExt, StreamExt};
use livekit_api::services::room::RoomClient;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

const PATIENCE: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    StandIn,
    Real,
}

/// A webhook as it came.
pub struct Delivery {
    pub authorization: String,
    pub body: Vec<u8>,
}

/// The server and everything a test needs of it.
pub struct Stage {
    pub kind: Kind,
    /// Our own client.
    pub media: Arc<dyn MediaServer>,
    /// The provider's client, for what the engine does not ask for.
    pub official: RoomClient,
    pub key: MediaKey,
    pub url: String,
    standins: String,
    http: reqwest::Client,
    came: mpsc::UnboundedReceiver<Delivery>,
    _stack: LocalStack,
    _state: TempDir,
}

/// Runs one test of the contract against one kind of server.
pub fn on<F: Future<Output = ()>>(kind: Kind, test: impl FnOnce(Stage) -> F) {
    backstage::provider::init_crypto();
    let (listener, url) = free_listener();
    let state = tempfile::tempdir().unwrap();
    // starts children, so it comes before any event loop
    let stack = start(state.path(), kind, &url);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { test(Stage::new(kind, stack, state, listener)).await });
}

/// Now, as the engine sees it.
pub fn now() -> Timestamp {
    SystemClock::new().now()
}

fn free_listener() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn start(state: &Path, kind: Kind, own_url: &str) -> LocalStack {
    let mode = if kind == Kind::Real { "real" } else { "standin" };
    let given = [
        ("BACKSTAGE_STATE_DIR".to_owned(), state.display().to_string()),
        ("BACKSTAGE__LIVEKIT__MODE".to_owned(), mode.to_owned()),
        // nobody asks it anything here, and so none is started
        ("BACKSTAGE__DATABASE__URL".to_owned(), "postgresql://127.0.0.1:1/none".to_owned()),
    ];
    let config = Config::from_layers(None, Some(HashMap::from(given))).unwrap();
    let need = Need::Engine { own_url: own_url.to_owned() };
    let keeper = Path::new(env!("CARGO_BIN_EXE_backstage"));
    LocalStack::start_with(&config, &need, &SystemEntropy, keeper).unwrap_or_else(|error| panic!("{error}"))
}

impl Stage {
    fn new(kind: Kind, stack: LocalStack, state: TempDir, listener: std::net::TcpListener) -> Self {
        let media = stack.media().unwrap();
        assert_eq!(media.real, kind == Kind::Real);
        let (url, key, secret) = (media.url.clone(), media.key.clone(), media.secret.expose_secret().to_owned());
        let client = LiveKit::new(&url, &key, &secret, tokio::runtime::Handle::current());
        Self {
            kind,
            media: Arc::new(client),
            official: RoomClient::with_api_key(&url, &key, &secret),
            key: MediaKey { key, secret: secret.into() },
            standins: stack.standins_url().unwrap().to_owned(),
            http: reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap(),
            came: receive(listener),
            url,
            _stack: stack,
            _state: state,
        }
    }

    /// Comes in with a token; the status of the refusal otherwise.
    pub async fn join(&self, token: &str) -> Result<Guest, u16> {
        match self.kind {
            Kind::StandIn => {
                let (status, _) = self.act(json!({"act": "join", "token": token})).await;
                if status == 200 { Ok(Guest(None)) } else { Err(status) }
            }
            Kind::Real => {
                let host = self.url.replace("http://", "ws://");
                let url = format!("{host}/rtc?access_token={token}&protocol=15&sdk=js&auto_subscribe=0");
                match tokio_tungstenite::connect_async(url).await {
                    Ok((mut socket, _)) => {
                        // from the first text on, the server answers in text
                        socket.send(Message::text(json!({"ping": "1"}).to_string())).await.unwrap();
                        let welcome = tokio::time::timeout(PATIENCE, socket.next()).await.expect("no welcome");
                        assert!(welcome.is_some_and(|first| first.is_ok()), "let in and sent away at once");
                        Ok(Guest(Some(Box::new(socket))))
                    }
                    Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    /// Asks to publish the camera; whether the server agrees.
    pub async fn may_publish(&self, guest: &mut Guest, room: &str, identity: &str) -> bool {
        if self.kind == Kind::StandIn {
            let act = json!({"act": "publish", "room": room, "identity": identity, "kind": "camera"});
            return self.act(act).await.0 == 200;
        }
        let track = json!({"cid": "c1", "name": "picture", "type": "VIDEO", "source": "CAMERA"});
        guest.say(json!({"addTrack": track})).await;
        let answer = guest.next(|said| said.get("trackPublished").is_some() || said.get("requestResponse").is_some());
        let answer = answer.await;
        let refused = answer["requestResponse"]["reason"] == "NOT_ALLOWED";
        assert!(refused || answer["trackPublished"]["cid"] == "c1", "{answer}");
        !refused
    }

    async fn act(&self, act: Value) -> (u16, Value) {
        let answer = self.http.post(format!("{}/livekit/_act", self.standins)).json(&act).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The next webhook that verifies and of which `wanted` holds; others are passed over.
    pub async fn hook(&mut self, what: &str, wanted: impl Fn(&Hook) -> bool) -> (Hook, Delivery) {
        let waiting = async {
            loop {
                let delivery = self.came.recv().await.expect("the receiver lives as long as the test");
                let hook = self.read(&delivery.authorization, &delivery.body).expect("the server's own webhook");
                if wanted(&hook) {
                    return (hook, delivery);
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what} is still missing"))
    }

    /// Reads a webhook as the engine does.
    pub fn read(&self, authorization: &str, body: &[u8]) -> Result<Hook, HookRefusal> {
        read_hook(&self.key, now(), authorization, body)
    }
}

/// Somebody in a room; at the real server by the signalling socket alone, without media.
pub struct Guest(Option<Box<WebSocketStream<MaybeTlsStream<TcpStream>>>>);

impl Guest {
    /// Says something over the signalling socket.
    pub async fn say(&mut self, message: Value) {
        self.0
            .as_mut()
            .expect("only the real server is spoken to")
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next thing the server says of which `wanted` holds.
    pub async fn next(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let socket = self.0.as_mut().expect("only the real server speaks");
        let reading = async {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    let said: Value = serde_json::from_str(&text).unwrap();
                    if wanted(&said) {
                        return said;
                    }
                }
            }
            panic!("sent away before it was said");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("it is still not said")
    }

    /// Leaves in good order.
    pub async fn leave(mut self, stage: &Stage, room: &str, identity: &str) {
        if self.0.is_none() {
            stage.act(json!({"act": "leave", "room": room, "identity": identity})).await;
        } else {
            self.say(json!({"leave": {"reason": "CLIENT_INITIATED"}})).await;
        }
    }
}

/// Takes webhooks in and answers that they are fine.
fn receive(listener: std::net::TcpListener) -> mpsc::UnboundedReceiver<Delivery> {
    let (send, came) = mpsc::unbounded_channel();
    let hook = move |request: HttpRequest, body: web::Bytes| {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let told = send.send(Delivery { authorization: header.to_owned(), body: body.to_vec() });
        std::future::ready(if told.is_ok() { HttpResponse::Ok() } else { HttpResponse::Gone() }.finish())
    };
    let server = HttpServer::new(move || App::new().route("/hooks/livekit", web::post().to(hook.clone())));
    let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
    tokio::spawn(server);
    came
}
