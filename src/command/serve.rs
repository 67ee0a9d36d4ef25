//! `backstage serve`: the engine, until it is told to stop.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    app::{self, App, Given},
    command::seed,
    config::Config,
    entropy::SystemEntropy,
    limits::{STOP_SPREAD, STORE_THREADS},
    local::{LocalStack, Need},
    store::migrate,
    telemetry::{metric, tracing as logs},
    web::operator,
};

/// Runs the engine.
///
/// # Errors
/// When something it needs is missing; one sentence says what and how to mend it.
pub fn run(config: &Config, demo: bool) -> anyhow::Result<()> {
    logs::start(&config.log);
    crate::provider::init_crypto();
    let prometheus = metric::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(STORE_THREADS)
        .enable_all()
        .thread_name("store")
        .build()?;
    // Heard from the first moment on: who stops us while we start leaves no child of ours behind.
    let told = runtime.block_on(async { Told::listen() })?;
    let listener = bind(&config.server.host, config.server.port)?;
    let own_url = format!("http://{}", reachable(listener.local_addr()?));
    let mut local = LocalStack::start(config, &Need::Engine { own_url }, &SystemEntropy)?;
    let applied = migrate::run_pending(local.database_url().expose_secret())
        .context("the database could not be brought to this version")?;
    tracing::info!(applied = applied.len(), "the database is at this version");
    let done = actix_rt::System::new().block_on(serve(config, demo, listener, told, &mut local, &runtime, prometheus));
    runtime.shutdown_timeout(STOP_SPREAD);
    drop(local);
    done
}

async fn serve(
    config: &Config,
    demo: bool,
    listener: TcpListener,
    told: Told,
    local: &mut LocalStack,
    runtime: &Runtime,
    prometheus: PrometheusHandle,
) -> anyhow::Result<()> {
    let own_url = format!("http://{}", reachable(listener.local_addr()?));
    let configured = config.server.public_url.trim_end_matches('/');
    let public_url = if configured.is_empty() { own_url.clone() } else { configured.to_owned() };
    let given = Given { config, local, public_url, runtime: runtime.handle().clone(), prometheus: prometheus.clone() };
    let app = App::compose(given)?;
    if demo {
        let ids = app.catalog.ids.clone();
        seed::demo(&app.store, &ids, app.catalog.now()).await.context("the demo data could not be made")?;
    }
    let mail = local.mail_url().context("no mail server is configured")?;
    let jobs = app.start_jobs(mail.expose_secret(), &config.mail.from, runtime.handle())?;
    app.start_background();
    let real_media = local.media().is_some_and(|media| media.real);
    if let Some(standins) = local.standins_url() {
        app.follow_standins(standins, (!real_media).then_some(own_url.as_str()));
    }
    let metrics_url = serve_metrics(config, &own_url, prometheus)?;
    let workers = match config.server.workers {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        chosen => chosen,
    };
    let listening = app.listen(listener, workers)?;
    local.announce(&app::node(local)?, &own_url, &metrics_url)?;
    greet(&own_url, local.standins_url(), demo, real_media);
    let stop = listening.stop.clone();
    actix_rt::spawn(async move {
        told.wanted().await;
        tracing::info!("told to stop");
        stop.stop(STOP_SPREAD).await;
    });
    listening.server.await?;
    jobs.stop().await;
    Ok(())
}

/// Tells the person at the terminal where to go, and what is not real here.
fn greet(own_url: &str, standins: Option<&str>, demo: bool, real_media: bool) {
    println!("Backstage Pass is ready at {own_url}");
    if let Some(standins) = standins {
        println!("Mail of this machine, sign-in codes with it, arrives at {standins}/mail");
    }
    if demo {
        println!("People of the demo, who sign in with a code at {own_url}/login:");
        println!("  creator@demo.test   owns the team; goes live in the studio of Main Stage");
        println!("  member@demo.test    holds the pass vip; watches");
        println!("  visitor@demo.test   holds nothing; sees {own_url}/demo");
        println!("  operator@demo.test  runs the platform");
    }
    if !real_media {
        println!("No LiveKit server is used: the stand-in answers, and no picture can be seen.");
    }
    println!("Ctrl-C stops everything.");
}

/// SIGINT and SIGTERM, from when we began to listen for them.
struct Told {
    interrupt: Signal,
    terminate: Signal,
}

impl Told {
    /// Needs a runtime around it, which must outlive the answer.
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Completes at the first of them.
    async fn wanted(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn bind(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((host, port)).map_err(|fault| match fault.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {port} on {host} is taken by another program: stop it, or choose another with BACKSTAGE__SERVER__PORT"
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("{host} is not an address of this machine: set server.host to one that is")
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("this user may not listen on port {port}: choose one above 1023")
        }
        _ => anyhow::anyhow!("{host}:{port} cannot be listened on: {fault}"),
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Where this machine itself reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())) } else { address }
}

/// `/metrics` on an address of its own, where one is configured; the base URL under which it is found.
fn serve_metrics(config: &Config, own_url: &str, prometheus: PrometheusHandle) -> anyhow::Result<String> {
    let address = &config.metrics.address;
    if address.is_empty() {
        return Ok(own_url.to_owned());
    }
    let server = actix_web::HttpServer::new(move || {
        actix_web::App::new()
            .app_data(actix_web::web::Data::new(prometheus.clone()))
            .configure(operator::register_metrics)
    })
    .workers(1)
    .disable_signals()
    .bind(address)
    .with_context(|| format!("metrics.address: {address} cannot be listened on"))?;
    let bound = server.addrs().first().copied().map_or_else(|| address.clone(), |bound| bound.to_string());
    actix_rt::spawn(server.run());
    Ok(format!("http://{bound}"))
}
