//! The listening engine: ordinary requests go to the `App`, upgrades to the sockets of the same worker, and a stop sends
//! the sockets away before it ends the workers.

use std::{fmt, io, net::TcpListener, rc::Rc, sync::Arc, time::Duration};

use actix_http::{HttpService, KeepAlive, Request, Response, body::MessageBody};
use actix_server::{Server, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{Error, dev::AppConfig};

use crate::{
    limits::{
        ACCEPT_BACKLOG, HTTP_CONNECTIONS_MAX, HTTP_DISCONNECT_WAIT, HTTP_HEADER_WAIT, HTTP_KEEP_ALIVE, HTTP_STOP_WAIT,
    },
    socket::{
        accept::Acceptor,
        door::Door,
        hub::Hub,
        registry::Registry,
        shard::{Ports, Shard},
    },
};

/// The sockets' side of the server.
#[derive(Clone)]
pub struct Sockets {
    /// Who may upgrade.
    pub door: Arc<dyn Door>,
    /// What the shards need.
    pub ports: Ports,
    /// Where the shards register.
    pub registry: Arc<Registry>,
}

/// A server that runs once it is awaited, and what stops it.
pub struct Listening {
    /// Serves for as long as it is awaited.
    pub server: Server,
    /// Stops it.
    pub stop: Stop,
}

/// Stops a server.
#[derive(Clone)]
pub struct Stop {
    handle: ServerHandle,
    registry: Arc<Registry>,
}

impl Stop {
    /// Accepts nobody any more, tells the sockets to come back at a random moment within `spread`, finishes what is being
    /// answered, and ends the workers.
    pub async fn stop(&self, spread: Duration) {
        self.handle.pause().await;
        // a worker takes its sockets with it, and its own count does not know of them: they go first
        self.registry.drain(spread).await;
        self.handle.stop(true).await;
    }
}

/// Binds the workers to `listener`. `app` is called once on each worker's thread. Must be called inside an actix system.
pub fn listen<F, I, S, B>(listener: TcpListener, workers: usize, sockets: Sockets, app: F) -> io::Result<Listening>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let registry = sockets.registry.clone();
    let address = listener.local_addr()?;
    let builder = Server::build()
        .workers(workers)
        .backlog(ACCEPT_BACKLOG)
        .max_concurrent_connections(HTTP_CONNECTIONS_MAX)
        .shutdown_timeout(HTTP_STOP_WAIT.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder
        .listen("web", listener, move || {
            let stopping = stopping.clone();
            let acceptor = acceptor(&sockets);
            let app = app().into_factory().map_err(|error| error.into().error_response());
            HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(KeepAlive::Timeout(HTTP_KEEP_ALIVE))
                .client_request_timeout(HTTP_HEADER_WAIT)
                .client_disconnect_timeout(HTTP_DISCONNECT_WAIT)
                .local_addr(address)
                .tcp_nodelay(true)
                .upgrade(fn_service(move |(request, framed)| {
                    let acceptor = acceptor.clone();
                    async move {
                        acceptor.take(request, framed).await;
                        Ok::<(), Error>(())
                    }
                }))
                .finish(map_config(app, |()| AppConfig::default()))
                .tcp()
        })?
        .run();
    let stop = Stop { handle: server.handle(), registry };
    Ok(Listening { server, stop })
}

/// This worker's shard, set going, and its acceptor.
fn acceptor(sockets: &Sockets) -> Rc<Acceptor> {
    let shard = Shard::new(&sockets.registry, sockets.ports.clone());
    shard.start();
    Rc::new(Acceptor::new(shard, sockets.door.clone(), sockets.ports.entropy.clone()))
}
