//! Local stand-ins for the outside world: a mailbox, a media server and Stripe, that speak their providers' own protocols.

// Stripe's objects have more fields than `json!` reads by default.
#![recursion_limit = "256"]

mod app;
mod asked;
mod chance;
mod clock;
mod control;
mod courier;
mod faults;
mod gate;
mod guard;
mod journal;
mod keep;
mod limits;
mod livekit;
mod mail;
mod stripe;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{App as Site, HttpRequest, HttpResponse, HttpServer, error, middleware, web};
use anyhow::{Context as _, ensure};
use clap::Parser;
use serde_json::json;

use app::App;
use asked::Asked;
use keep::Keep;
use livekit::token::Key;

/// Stand-ins for outside providers, on loopback, for a laptop and for tests.
#[derive(Parser)]
#[command(name = "backstage-standins", version)]
struct Args {
    /// Where state, letters and `standins.json` are kept.
    #[arg(long, value_name = "DIR", default_value = "var/standins")]
    state: PathBuf,
    /// HTTP port; 0 takes the port of the last run, or a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Name of the media server's key.
    #[arg(long, value_name = "KEY", default_value = "backstage-local")]
    livekit_key: String,
    /// Secret of that key; without it one is made once and kept.
    #[arg(long, value_name = "SECRET")]
    livekit_secret: Option<String>,
    /// Where the media server's webhooks go; may be given several times.
    #[arg(long, value_name = "URL")]
    livekit_webhook: Vec<String>,
    /// What the webhooks of Stripe's `/stripe/_webhook` are signed with; without it one is made once and kept.
    #[arg(long, value_name = "SECRET")]
    stripe_webhook_secret: Option<String>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing::Level::WARN.into())
                .from_env_lossy(),
        )
        .with_writer(std::io::stderr)
        .init();
    run(Args::parse()).await
}

async fn run(args: Args) -> anyhow::Result<()> {
    let dir = &args.state;
    std::fs::create_dir_all(dir).with_context(|| format!("the state directory {} cannot be made", dir.display()))?;
    let _alone = alone(dir)?;
    rustls::crypto::ring::default_provider().install_default().ok().context("a TLS provider was there already")?;
    let state_file = dir.join("state.json");
    let keep =
        Keep::open(state_file.clone()).with_context(|| format!("the state in {} is broken", state_file.display()))?;
    let (http, smtp) = (bind_http(args.port, &keep)?, bind(keep.read(|state| state.smtp_port))?);
    let (http_port, smtp_port) = (http.local_addr()?.port(), smtp.local_addr()?.port());
    let key = settle_in(&args, &keep, http_port, smtp_port)?;
    let (http_url, smtp_at) = (format!("http://127.0.0.1:{http_port}"), format!("127.0.0.1:{smtp_port}"));
    let app = Arc::new(App::open(dir, keep, key, http_url, smtp_at)?);
    app.keep.write_now();

    smtp.set_nonblocking(true)?;
    tokio::spawn(mail::smtp::listen(Arc::clone(&app), tokio::net::TcpListener::from_std(smtp)?));
    let (writer, player) = (Arc::clone(&app), Arc::clone(&app));
    tokio::spawn(async move { writer.keep.write_behind().await });
    tokio::spawn(player.play_on());
    app.resend();
    let server = serve(&app, http)?;

    let card = dir.join("standins.json");
    keep::replace(&card, &serde_json::to_vec_pretty(&told(&app))?)?;
    println!("Stand-ins at {} (mailbox {}/mail), SMTP at {}", app.http, app.http, app.smtp);
    server.await?;
    app.keep.write_now();
    std::fs::remove_file(card).context("standins.json could not be removed")
}

/// What tools find in `standins.json`.
fn told(app: &App) -> serde_json::Value {
    json!({
        "pid": std::process::id(),
        "http": app.http,
        "smtp": app.smtp,
        "livekit": {"url": app.http, "key": app.key.name, "secret": app.key.secret},
        "stripe": {
            "url": app.stripe.site,
            "script": format!("{}/v3/stripe.js", app.stripe.site),
            "secret_key": "sk_test_backstage",
            "publishable_key": "pk_test_backstage",
            "webhook_secret": app.keep.read(|state| state.stripe.webhook_secret.clone()),
        },
    })
}

/// Holds the state directory for this process alone; the kernel lets go of it however the process ends.
fn alone(dir: &Path) -> anyhow::Result<std::fs::File> {
    let path = dir.join("standins.lock");
    let file = std::fs::File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    file.try_lock().with_context(|| format!("other stand-ins already use {}", dir.display()))?;
    Ok(file)
}

fn bind(port: u16) -> anyhow::Result<TcpListener> {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).or_else(|_| free()).context("no port of 127.0.0.1 is free")
}

fn bind_http(wanted: u16, keep: &Keep) -> anyhow::Result<TcpListener> {
    if wanted == 0 {
        return bind(keep.read(|state| state.http_port));
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).with_context(|| format!("port {wanted} of 127.0.0.1 is taken"))
}

/// Notes what this run uses, and finds or makes the media server's secret.
fn settle_in(args: &Args, keep: &Keep, http_port: u16, smtp_port: u16) -> anyhow::Result<Key> {
    for url in &args.livekit_webhook {
        ensure!(livekit::routes::is_local(url), "--livekit-webhook {url}: not an http address of this machine");
    }
    let (secret, _) = keep.change(|state| {
        (state.http_port, state.smtp_port) = (http_port, smtp_port);
        if let Some(secret) = &args.livekit_secret {
            state.livekit_secret.clone_from(secret);
        } else if state.livekit_secret.is_empty() {
            state.livekit_secret = chance::secret();
        }
        if let Some(secret) = &args.stripe_webhook_secret {
            state.stripe.webhook_secret.clone_from(secret);
        } else if state.stripe.webhook_secret.is_empty() {
            state.stripe.webhook_secret = stripe::endpoint::secret();
        }
        args.livekit_webhook.iter().for_each(|url| state.media.add_url(url.clone()));
        state.livekit_secret.clone()
    });
    Ok(Key { name: args.livekit_key.clone(), secret })
}

fn serve(app: &Arc<App>, listener: TcpListener) -> anyhow::Result<actix_web::dev::Server> {
    let app = web::Data::from(Arc::clone(app));
    let server = HttpServer::new(move || {
        let json = web::JsonConfig::default().limit(limits::HTTP_BODY_BYTES_MAX).error_handler(|error, _| {
            let response = guard::refuse(StatusCode::UNPROCESSABLE_ENTITY, "not_understood", &error.to_string());
            error::InternalError::from_response(error, response).into()
        });
        Site::new()
            .app_data(app.clone())
            .app_data(json)
            .app_data(web::PayloadConfig::new(limits::HTTP_BODY_BYTES_MAX))
            .configure(livekit::routes::calls)
            .configure(livekit::routes::controls)
            .configure(stripe::routes::calls)
            .configure(stripe::routes::controls)
            .configure(control::routes)
            .configure(mail::page::routes)
            .default_service(web::route().to(nobody))
            .wrap(middleware::from_fn(guard::controls))
    });
    Ok(server
        .workers(limits::HTTP_WORKERS)
        .max_connections(limits::HTTP_CONNECTIONS_MAX)
        .shutdown_timeout(limits::HTTP_STOP_SECS)
        .on_connect(gate::hold_wire)
        .listen(listener)?
        .run())
}

/// What nobody here stands for: refused and logged, so that a missing stand-in is seen.
async fn nobody(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let (method, path) = (request.method().to_string(), request.path().to_owned());
    let provider = path.split('/').nth(1).unwrap_or_default().to_owned();
    tracing::warn!(method, path, "nobody stands for this");
    let at = clock::rfc3339(app.clock.now_ms());
    app.log.add(Asked { at, provider, method, path, status: Some(404), detail: serde_json::Value::Null });
    guard::refuse(StatusCode::NOT_FOUND, "unknown_route", "No stand-in answers here.")
}
