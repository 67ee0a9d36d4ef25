//! The conductor: starts the crowds, gives orders, adds up what they tell, and shows how far the run is.

use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    args::Args,
    clock,
    crowd::{News, Order, Plan},
    descriptors,
    limits::{GOODBYE_LIMIT, JOIN_LIMIT, NEWS_MAX, PORTS_PER_ADDRESS},
    process,
    progress::Progress,
    tally::Tally,
};

/// Runs the crowds of one load test.
pub struct Conductor {
    orders: Vec<mpsc::Sender<Order>>,
    news: mpsc::Receiver<(usize, News)>,
    inside: Vec<usize>,
    ready: usize,
    stopped: usize,
    progress: Progress,
    /// How many viewers were asked for.
    pub viewers: usize,
    /// Everything counted so far.
    pub total: Tally,
    /// How many were inside, and when: microseconds since the start of the storm.
    pub attendance: Vec<(u64, usize)>,
    /// When the storm started, by the monotonic clock.
    pub started_us: u64,
}

impl Conductor {
    /// Starts all crowds for the socket at `path` and waits until they are ready.
    pub async fn start(args: &Args, path: &str) -> anyhow::Result<Self> {
        ensure!(args.viewers > 0 && args.processes > 0, "at least one viewer and one process are needed");
        let share = args.viewers.div_ceil(args.processes);
        descriptors::raise(share)?;
        let (tell, news) = mpsc::channel(NEWS_MAX);
        let mut orders = Vec::new();
        for plan in plans(args, path) {
            orders.push(match args.processes {
                1 => process::start_thread(plan, tell.clone())?,
                _ => process::start_child(plan, tell.clone()).await?,
            });
        }
        let progress = Progress::new(args.scenario.name(), args.viewers);
        if share > PORTS_PER_ADDRESS {
            progress.note(&format!("{share} viewers in one process may run out of local ports; use more --processes"));
        }
        let mut conductor = Self {
            inside: vec![0; orders.len()],
            orders,
            news,
            ready: 0,
            stopped: 0,
            progress,
            viewers: args.viewers,
            total: Tally::default(),
            attendance: Vec::new(),
            started_us: 0,
        };
        let everybody = |conductor: &Self| conductor.ready == conductor.orders.len();
        ensure!(conductor.until("preparing", JOIN_LIMIT, everybody).await?, "the viewers were not prepared in time");
        Ok(conductor)
    }

    /// Lets everybody come at once and waits until all are inside or sent away; those who need longer stay outside.
    pub async fn join_all(&mut self) -> anyhow::Result<()> {
        self.started_us = clock::now_us();
        self.order(Order::Go(self.started_us)).await?;
        self.until("joining", JOIN_LIMIT, Self::is_everybody_placed).await?;
        if self.total.joined.count() == 0 {
            let why: Vec<_> = self.total.reasons.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
            bail!("nobody got inside: {}", why.join(", "));
        }
        Ok(())
    }

    /// Gives an order to all crowds.
    pub async fn order(&self, order: Order) -> anyhow::Result<()> {
        for crowd in &self.orders {
            ensure!(crowd.send(order).await.is_ok(), "a crowd is gone");
        }
        Ok(())
    }

    /// Listens until `level` is reached (true) or `limit` is over (false).
    pub async fn until(&mut self, doing: &str, limit: Duration, level: impl Fn(&Self) -> bool) -> anyhow::Result<bool> {
        let end_us = clock::now_us() + u64::try_from(limit.as_micros()).unwrap_or(u64::MAX / 2);
        while !level(self) {
            let left = clock::until(clock::now_us(), end_us);
            match timeout(left, self.news.recv()).await {
                Err(_) => return Ok(false),
                Ok(None) => bail!("all crowds are gone"),
                Ok(Some((process, news))) => self.take(process, news)?,
            }
            self.progress.show(doing, self.inside(), &self.total);
        }
        Ok(true)
    }

    /// Listens for so long.
    pub async fn listen(&mut self, doing: &str, time: Duration) -> anyhow::Result<()> {
        self.until(doing, time, |_| false).await.map(drop)
    }

    /// Closes all sockets politely.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.order(Order::Stop).await?;
        let all_stopped = |conductor: &Self| conductor.stopped == conductor.orders.len();
        self.until("saying goodbye", GOODBYE_LIMIT * 2, all_stopped).await?;
        self.progress.finish();
        Ok(())
    }

    /// Viewers inside now.
    pub fn inside(&self) -> usize {
        self.inside.iter().sum()
    }

    /// Viewers that got inside at least once.
    pub fn joined(&self) -> u64 {
        self.total.joined.count()
    }

    /// A line that the person at the terminal should read.
    pub fn note(&self, line: &str) {
        self.progress.note(line);
    }

    fn is_everybody_placed(&self) -> bool {
        self.joined() + self.total.gave_up >= self.viewers as u64
    }

    fn take(&mut self, process: usize, news: News) -> anyhow::Result<()> {
        match news {
            News::Ready => self.ready += 1,
            News::Stopped => self.stopped += 1,
            News::Failed(why) => bail!("{why}"),
            News::Counted { inside, tally } => {
                self.inside[process] = inside;
                self.total.merge(&tally);
                self.attendance.push((clock::now_us().saturating_sub(self.started_us), self.inside()));
            }
        }
        Ok(())
    }
}

/// Splits the viewers over the processes.
fn plans(args: &Args, path: &str) -> Vec<Plan> {
    let (share, more) = (args.viewers / args.processes, args.viewers % args.processes);
    let mut first = 0;
    (0..args.processes)
        .map(|process| {
            let count = share + usize::from(process < more);
            first += count;
            Plan {
                url: args.url.clone(),
                path: path.to_owned(),
                tokens: args.tokens.clone(),
                first: first - count,
                count,
                process,
                seed: args.seed,
                connecting_max: args.connecting.max(1),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn every_viewer_belongs_to_exactly_one_process() {
        let line = "loadtest --url http://h --tokens t --viewers 11 --scenario watch --processes 3";
        let plans = plans(&Args::try_parse_from(line.split(' ')).unwrap(), "/live");
        let ranges: Vec<_> = plans.iter().map(|plan| (plan.first, plan.count)).collect();
        assert_eq!(ranges, [(0, 4), (4, 4), (8, 3)]);
    }
}
