//! Compares the engine's socket shards with a bare loop of `send(2)`: the same bytes, the same viewers, one run.

mod floor;
mod ours;
mod process;
mod viewers;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use backstage::clock::{Clock, SystemClock};
use clap::{Args, Parser, Subcommand};
use process::Process;
use viewers::Viewers;

/// What the viewers are told, again and again; as long as a `state` frame with some facts.
const PAYLOAD: &str = concat!(
    r#"{"t":"state","epoch":7,"offset":1000000,"state":"live","since":"2026-11-21T12:00:00.000Z","#,
    r#""until":"2026-11-21T14:30"}"#
);
/// How long all deliveries of one message may take before the run is given up.
const DELIVERY_WAIT: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Measures both servers, round by round, and prints a table.
    Compare(Compare),
    /// The bare loop: joins that many viewers, then sends once a line of standard input.
    Floor { viewers: usize },
    /// The engine's shards behind a door that admits everybody, publishing once a line of standard input.
    Ours { workers: usize },
}

#[derive(Args)]
struct Compare {
    /// How many viewers.
    #[arg(long, default_value_t = 5_000)]
    viewers: usize,
    /// Messages a second.
    #[arg(long, default_value_t = 4)]
    rate: u32,
    /// For how long.
    #[arg(long, default_value_t = 10)]
    secs: u32,
    /// How often each server is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Worker threads of ours; the bare loop has one thread.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

/// What one round of one server gave.
struct Measured {
    us_per_delivery: f64,
    us_per_join: f64,
    kb_per_viewer: f64,
    last_arrival_ms: f64,
}

fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::Floor { viewers } => floor::run(viewers),
        Role::Ours { workers } => ours::run(workers),
        Role::Compare(compare) => table(&compare),
    }
}

fn table(compare: &Compare) -> Result<()> {
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=compare.rounds {
        eprintln!("round {round} of {}", compare.rounds);
        floors.push(measure(&["floor", &compare.viewers.to_string()], compare)?);
        ours.push(measure(&["ours", &compare.workers.to_string()], compare)?);
    }
    println!(
        "{} viewers, {} messages a second of {} bytes for {} s, {} rounds, {} workers",
        compare.viewers,
        compare.rate,
        PAYLOAD.len(),
        compare.secs,
        compare.rounds,
        compare.workers
    );
    println!("| server | CPU µs a delivery | CPU µs a join | KB a viewer | last viewer, median ms |");
    println!("|---|---|---|---|---|");
    for (name, all) in [("bare send(2)", &floors), ("ours", &ours)] {
        let column = |of: fn(&Measured) -> f64| spread(all.iter().map(of).collect());
        println!(
            "| {name} | {} | {} | {} | {} |",
            column(|it| it.us_per_delivery),
            column(|it| it.us_per_join),
            column(|it| it.kb_per_viewer),
            column(|it| it.last_arrival_ms)
        );
    }
    let ratios = floors.iter().zip(&ours).map(|(floor, ours)| ours.us_per_delivery / floor.us_per_delivery);
    println!("ratio of a delivery, ours to bare: {}", spread(ratios.collect()));
    Ok(())
}

/// Median, least and most.
fn spread(mut all: Vec<f64>) -> String {
    all.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2}–{:.2})", all[all.len() / 2], all[0], all[all.len() - 1])
}

/// A server under test, told by lines.
struct Server {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Server {
    fn start(role: &[&str]) -> Result<(Self, u16)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a server")?;
        let tell = child.stdin.take().context("its input")?;
        let hear = BufReader::new(child.stdout.take().context("its output")?);
        let mut server = Self { child, tell, hear };
        let port = server.line()?.parse().context("a port")?;
        Ok((server, port))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.hear.read_line(&mut line)? > 0, "the server has ended");
        Ok(line.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(role: &[&str], compare: &Compare) -> Result<Measured> {
    let clock = SystemClock::new();
    let (mut server, port) = Server::start(role)?;
    let process = Process::of(server.child.id());
    std::thread::sleep(Duration::from_millis(500));
    let (cpu_before, memory_before) = (process.cpu()?, process.memory_kb()?);
    let viewers = Arc::new(Viewers::join(port, compare.viewers)?);
    let reading = viewers.clone().read_on_a_thread();
    viewers.wait_for_quiet();
    let joins = process.cpu()?.saturating_sub(cpu_before);
    let kb_per_viewer = (process.memory_kb()? - memory_before) / compare.viewers as f64;

    let frame_bytes = backstage::socket::frame::text(PAYLOAD.as_bytes()).len();
    let start = viewers.bytes();
    let (cpu_start, mut arrivals) = (process.cpu()?, Vec::new());
    for count in 1..=(compare.rate * compare.secs) as usize {
        let told = clock.monotonic();
        writeln!(server.tell, "publish")?;
        let expected = start + count * compare.viewers * frame_bytes;
        ensure!(viewers.wait_for(expected, DELIVERY_WAIT), "message {count} did not reach everybody");
        let took = clock.monotonic().saturating_sub(told);
        arrivals.push(took.as_secs_f64() * 1_000.0);
        std::thread::sleep((Duration::from_secs(1) / compare.rate).saturating_sub(took));
    }
    let cpu = process.cpu()?.saturating_sub(cpu_start);
    let deliveries = arrivals.len() * compare.viewers;
    ensure!(viewers.bytes() == start + deliveries * frame_bytes, "more arrived than was sent");
    viewers.stop();
    reading.join().map_err(|_| anyhow::anyhow!("the viewers panicked"))?;
    arrivals.sort_by(f64::total_cmp);
    Ok(Measured {
        us_per_delivery: cpu.as_secs_f64() * 1e6 / deliveries as f64,
        us_per_join: joins.as_secs_f64() * 1e6 / compare.viewers as f64,
        kb_per_viewer,
        last_arrival_ms: arrivals[arrivals.len() / 2],
    })
}
