//! The viewers of one process: starts them, takes orders from the conductor, and tells it what they see.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::Rc,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use url::Url;

use crate::{
    chance::Chance,
    limits::{GOODBYE_LIMIT, TELL_EVERY},
    socket::target::Target,
    tally::Tally,
    viewer::Viewer,
};

/// What a crowd is to do; the same for a crowd in this process and in a child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The engine.
    pub url: Url,
    /// The path of the viewers' socket.
    pub path: String,
    /// One bearer token a line.
    pub tokens: PathBuf,
    /// The number of the first viewer of this crowd.
    pub first: usize,
    /// How many viewers it has.
    pub count: usize,
    /// The number of the process.
    pub process: usize,
    /// Where its chance begins.
    pub seed: u64,
    /// Handshakes in flight.
    pub connecting_max: usize,
}

/// What the conductor says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Open all sockets; the storm starts at this moment of the monotonic clock.
    Go(u64),
    /// The next trigger happens at this moment.
    Trigger(u64),
    /// Say goodbye.
    Stop,
}

/// What a crowd says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum News {
    /// Prepared; waiting for `Go`.
    Ready,
    /// What was counted since the last telling, and how many viewers are inside now.
    Counted {
        /// Viewers inside now.
        inside: usize,
        /// The counts.
        tally: Box<Tally>,
    },
    /// All sockets are closed.
    Stopped,
    /// It cannot go on.
    Failed(String),
}

/// What all viewers of a crowd share; they live on one thread.
pub struct Desk {
    /// Counts since the last telling.
    pub tally: RefCell<Tally>,
    /// Viewers inside now.
    pub inside: Cell<usize>,
    /// When the storm started, by the monotonic clock.
    pub started_us: u64,
    /// When each trigger happens.
    pub triggers: RefCell<Vec<u64>>,
    /// Lets so many handshakes happen at once.
    pub gate: Semaphore,
    /// Where the engine is.
    pub target: Target,
    /// The path of the viewers' socket.
    pub path: String,
}

/// Runs a crowd until it is stopped or the conductor is gone.
pub async fn run(plan: Plan, orders: mpsc::Receiver<Order>, news: mpsc::Sender<News>) {
    if let Err(fault) = attend(plan, orders, &news).await {
        let _ = news.send(News::Failed(format!("{fault:#}"))).await;
    }
}

async fn attend(plan: Plan, mut orders: mpsc::Receiver<Order>, news: &mpsc::Sender<News>) -> anyhow::Result<()> {
    let tokens = read_tokens(&plan)?;
    let target = Target::resolve(&plan.url, plan.process).await?;
    news.send(News::Ready).await?;
    let Some(Order::Go(started_us)) = orders.recv().await else { bail!("the conductor is gone") };
    let desk = Rc::new(Desk {
        tally: RefCell::default(),
        inside: Cell::new(0),
        started_us,
        triggers: RefCell::default(),
        gate: Semaphore::new(plan.connecting_max),
        target,
        path: plan.path,
    });
    let (stop, stopped) = watch::channel(false);
    let mut viewers = JoinSet::new();
    for (number, token) in
        (plan.first..plan.first + plan.count).zip(tokens.iter().cycle().skip(plan.first % tokens.len()))
    {
        let viewer = Viewer::new(desk.clone(), token.clone(), Chance::new(plan.seed, number));
        viewers.spawn_local(viewer.attend(stopped.clone()));
    }
    let mut bell = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            _ = bell.tick() => tell(&desk, news).await?,
            order = orders.recv() => match order {
                Some(Order::Trigger(at_us)) => desk.triggers.borrow_mut().push(at_us),
                Some(Order::Go(_)) => {}
                Some(Order::Stop) | None => break,
            }
        }
    }
    tell(&desk, news).await?;
    let _ = stop.send(true);
    let goodbyes = async { while viewers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GOODBYE_LIMIT, goodbyes).await;
    news.send(News::Stopped).await?;
    Ok(())
}

async fn tell(desk: &Desk, news: &mpsc::Sender<News>) -> anyhow::Result<()> {
    let tally = Box::new(desk.tally.take());
    news.send(News::Counted { inside: desk.inside.get(), tally }).await.context("the conductor is gone")
}

fn read_tokens(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(&plan.tokens).with_context(|| format!("cannot read {}", plan.tokens.display()))?;
    let tokens: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() {
        bail!("{} holds no token", plan.tokens.display());
    }
    Ok(tokens)
}
