//! Answers over HTTP: the engine's `GET …/access`, and beside it the least that actix-web can answer for.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, ensure};
use backstage::telemetry::metric::Watch;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ROUNDS: usize = 3;
const FLOOR_WORKERS: usize = 2;
/// How long a round asks before it counts: the rounds of the two take turns, and people who ask all the time are meant, not
/// those whom the engine has to look up because they were away.
const SETTLE: Duration = Duration::from_secs(1);

/// How much is asked.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections that ask at once.
    pub connections: usize,
    /// Requests a second of all connections together; without it each asks again as soon as it was answered.
    pub rate: Option<f64>,
    /// How long a round lasts.
    pub secs: u64,
}

/// Prints the table.
pub fn run(serve: &Path, tokens: &Path, load: Load) -> anyhow::Result<()> {
    let serve = std::fs::read_to_string(serve).context("serve.json")?;
    let engine: SocketAddr = address(&serve)?;
    let tokens = std::fs::read_to_string(tokens).context("the file of tokens")?;
    let tokens: Arc<[String]> = tokens.lines().map(str::to_owned).collect();
    ensure!(!tokens.is_empty(), "there are no tokens");
    let floor = start_floor()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let experience = experience(engine, &tokens[0]).await?;
        let path = format!("/api/v1/experiences/{experience}/access");
        for load in [load, Load { rate: None, ..load }] {
            compare((floor, engine), &path, &tokens, load).await?;
        }
        Ok(())
    })
}

/// Prints one table: the bare handler and the engine, asked alike.
async fn compare(
    (floor, engine): (SocketAddr, SocketAddr),
    path: &str,
    tokens: &Arc<[String]>,
    load: Load,
) -> anyhow::Result<()> {
    let how = load.rate.map_or("as fast as they can".to_owned(), |rate| format!("{rate} requests a second"));
    println!("| over HTTP, {} connections on the same cores, {how} | p50 ms | p99 ms | answers/s |", load.connections);
    println!("|---|---|---|---|");
    let (mut bare, mut ours) = (vec![], vec![]);
    for round in 0..=ROUNDS {
        // one after the other in each round, so that what else the machine does meets both
        let one = ask(floor, "/floor", tokens.clone(), load).await?;
        let other = ask(engine, path, tokens.clone(), load).await?;
        if round > 0 {
            bare.push(one);
            ours.push(other);
        }
    }
    let (bare, ours) = (median(bare), median(ours));
    row("actix-web, a handler that answers from a constant", &bare);
    row("GET /api/v1/experiences/{id}/access with a bearer token", &ours);
    let ratios = (ours.p99 / bare.p99, ours.rate / bare.rate);
    println!("\np99 against the bare handler: {:.2} ×; answers a second: {:.2} ×\n", ratios.0, ratios.1);
    Ok(())
}

struct Seen {
    p50: f64,
    p99: f64,
    rate: f64,
}

fn median(mut rounds: Vec<Seen>) -> Seen {
    rounds.sort_by(|one, other| one.p99.total_cmp(&other.p99));
    rounds.swap_remove(rounds.len() / 2)
}

fn row(name: &str, seen: &Seen) {
    println!("| {name} | {:.2} | {:.2} | {:.0} |", seen.p50, seen.p99, seen.rate);
}

/// The `http` address of a running engine.
fn address(serve: &str) -> anyhow::Result<SocketAddr> {
    let rest = serve.split("\"http\"").nth(1).and_then(|rest| rest.split("http://").nth(1)).context("no address")?;
    let end = rest.find(['"', '/']).unwrap_or(rest.len());
    Ok(rest[..end].replace("localhost", "127.0.0.1").parse()?)
}

fn start_floor() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let answer = || async { HttpResponse::Ok().content_type("application/json").body("{\"allowed\":true}") };
        let server = HttpServer::new(move || App::new().route("/floor", web::get().to(answer)));
        let server = server.workers(FLOOR_WORKERS).listen(listener)?;
        actix_rt::System::new().block_on(server.run())
    });
    Ok(address)
}

/// The experience the tokens are for, found where anybody may look.
async fn experience(engine: SocketAddr, token: &str) -> anyhow::Result<String> {
    let mut connection = Connection::open(engine).await?;
    let (status, body) = connection.ask("/api/v1/spaces/demo/public", token).await?;
    ensure!(status == 200, "the demo space: {status} {body}");
    let at = body.find("exp_").context("the demo space has no experience")?;
    Ok(body[at..at + 36].to_owned())
}

async fn ask(server: SocketAddr, path: &str, tokens: Arc<[String]>, load: Load) -> anyhow::Result<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let watch = Watch::start();
    let until = SETTLE + Duration::from_secs(load.secs);
    let all = (0..load.connections).map(|number| {
        let (tokens, next) = (tokens.clone(), next.clone());
        async move {
            let mut connection = Connection::open(server).await?;
            let mut times = vec![];
            let share = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
            if let Some(share) = share {
                // spread over the beat, not all at once
                tokio::time::sleep(share.mul_f64(number as f64 / load.connections as f64)).await;
            }
            let mut pace = share.map(tokio::time::interval);
            while watch.elapsed() < until {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                let token = &tokens[next.fetch_add(1, Ordering::Relaxed) % tokens.len()];
                let asked = Watch::start();
                let (status, body) = connection.ask(path, token).await?;
                let took = asked.elapsed();
                if watch.elapsed() > SETTLE + took {
                    times.push(took);
                }
                ensure!(status == 200 && body.contains("\"allowed\":true"), "{status} {body}");
            }
            Ok(times)
        }
    });
    let mut times: Vec<Duration> = futures_util::future::try_join_all(all).await?.into_iter().flatten().collect();
    let took = watch.elapsed().saturating_sub(SETTLE);
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    Ok(Seen { p50: at(50), p99: at(99), rate: times.len() as f64 / took.as_secs_f64() })
}

/// One kept-alive connection.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: vec![] })
    }

    /// The status and the body of one request.
    async fn ask(&mut self, path: &str, token: &str) -> anyhow::Result<(u16, &str)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        loop {
            if let Some((status, start)) = whole(&self.answer) {
                return Ok((status, std::str::from_utf8(&self.answer[start..])?));
            }
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "closed");
        }
    }
}

/// Status and start of the body, once all of the answer is there.
fn whole(answer: &[u8]) -> Option<(u16, usize)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    let is_whole = match head.lines().find_map(|line| line.strip_prefix("content-length:")) {
        Some(length) => answer.len() - end - 4 >= length.trim().parse::<usize>().ok()?,
        None => answer.ends_with(b"0\r\n\r\n"),
    };
    is_whole.then_some((head.get(9..12)?.parse().ok()?, end + 4))
}
