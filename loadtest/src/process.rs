//! Where a crowd runs: on a thread of this process, or in a child process that speaks JSON lines.

use std::process::Stdio;

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    runtime,
    sync::mpsc,
    task::LocalSet,
};

use crate::{
    crowd::{self, News, Order, Plan},
    limits::{NEWS_MAX, ORDERS_MAX},
};

/// The word that makes this program a crowd; only the conductor uses it.
pub const CROWD_WORD: &str = "crowd";

/// Starts a crowd on a thread of its own. What it says arrives as (process, news).
pub fn start_thread(plan: Plan, to: mpsc::Sender<(usize, News)>) -> anyhow::Result<mpsc::Sender<Order>> {
    let (orders, ordered) = mpsc::channel(ORDERS_MAX);
    let (news, mut told) = mpsc::channel(NEWS_MAX);
    let process = plan.process;
    std::thread::Builder::new()
        .name("crowd".to_owned())
        .spawn(move || on_one_thread(crowd::run(plan, ordered, news)))
        .context("no thread for the viewers")?;
    tokio::spawn(async move {
        while let Some(news) = told.recv().await {
            if to.send((process, news)).await.is_err() {
                return;
            }
        }
    });
    Ok(orders)
}

/// Starts a crowd in a child process. What it says arrives as (process, news).
pub async fn start_child(plan: Plan, to: mpsc::Sender<(usize, News)>) -> anyhow::Result<mpsc::Sender<Order>> {
    let program = std::env::current_exe().context("where is this program?")?;
    let mut child = Command::new(program)
        .arg(CROWD_WORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("a process of viewers did not start")?;
    let mut stdin = child.stdin.take().context("a child without input")?;
    let stdout = child.stdout.take().context("a child without output")?;
    write_line(&mut stdin, &plan).await?;
    let (orders, ordered) = mpsc::channel(ORDERS_MAX);
    tokio::spawn(pass_orders(stdin, ordered));
    tokio::spawn(pass_news(plan.process, child, BufReader::new(stdout).lines(), to));
    Ok(orders)
}

/// The life of a child process: a plan on the first line of its input, then orders; news on its output.
pub fn be_a_crowd() -> anyhow::Result<()> {
    on_one_thread(async {
        let mut input = BufReader::new(tokio::io::stdin()).lines();
        let plan: Plan = serde_json::from_str(&input.next_line().await?.context("a crowd without a plan")?)?;
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (news, mut told) = mpsc::channel(NEWS_MAX);
        let hears = tokio::task::spawn_local(async move {
            while let Ok(Some(line)) = input.next_line().await {
                let Ok(order) = serde_json::from_str(&line) else { return };
                if orders.send(order).await.is_err() {
                    return;
                }
            }
        });
        let tells = tokio::task::spawn_local(async move {
            let mut output = tokio::io::stdout();
            while let Some(news) = told.recv().await {
                if write_line(&mut output, &news).await.is_err() {
                    return;
                }
            }
        });
        crowd::run(plan, ordered, news).await;
        tells.await?;
        hears.abort();
        Ok(())
    })
}

fn on_one_thread<T>(life: impl Future<Output = T>) -> T {
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().expect("a runtime needs only descriptors");
    let lived = LocalSet::new().block_on(&runtime, life);
    // The thread that reads a child's input waits for a line that may never come; nobody waits for it.
    runtime.shutdown_background();
    lived
}

async fn pass_orders(mut stdin: ChildStdin, mut ordered: mpsc::Receiver<Order>) {
    while let Some(order) = ordered.recv().await {
        if write_line(&mut stdin, &order).await.is_err() {
            return;
        }
    }
}

async fn pass_news(
    process: usize,
    mut child: Child,
    mut lines: Lines<BufReader<ChildStdout>>,
    to: mpsc::Sender<(usize, News)>,
) {
    let mut last_word = false;
    while let Ok(Some(line)) = lines.next_line().await {
        let news =
            serde_json::from_str(&line).unwrap_or_else(|fault| News::Failed(format!("unreadable news: {fault}")));
        last_word = matches!(news, News::Stopped | News::Failed(_));
        if to.send((process, news)).await.is_err() {
            return;
        }
    }
    if !last_word {
        let end = child.wait().await.map_or_else(|fault| fault.to_string(), |status| status.to_string());
        let _ = to.send((process, News::Failed(format!("a process of viewers ended early: {end}")))).await;
    }
}

async fn write_line(to: &mut (impl AsyncWriteExt + Unpin), line: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    to.write_all(text.as_bytes()).await?;
    to.flush().await?;
    Ok(())
}
