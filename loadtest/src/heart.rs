//! The trigger: one more viewer that sends a reaction once a second, so that everybody hears something at a known moment.

use anyhow::Context;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use url::Url;

use crate::{
    chance::Chance,
    limits::OPENING_LIMIT,
    seat::Seat,
    socket::{
        handshake::Ask,
        link::{Heard, Link},
        target::Target,
    },
    tally::Tally,
};

/// What is sent.
const REACTION: &str = r#"{"t":"react","e":"❤️"}"#;

/// A viewer that reacts when it is told to.
pub struct Heart {
    beats: mpsc::Sender<()>,
    life: JoinHandle<anyhow::Result<()>>,
}

impl Heart {
    /// Joins with this token.
    pub async fn join(url: &Url, path: &str, token: &str, seed: u64) -> anyhow::Result<Self> {
        let target = Target::resolve(url, 0).await?;
        let mut chance = Chance::new(seed, usize::MAX);
        let ask = Ask { token, resume: None };
        let mut link = Link::open(&target, path, &ask).await.context("the viewer that reacts was not let in")?;
        let (mut seat, mut ignored) = (Seat::default(), Tally::default());
        let joins = async {
            while seat.inside.is_none() && seat.farewell.is_none() {
                link.read(chance.mask(), &mut |heard| seat.hear(&heard, 0, &[], &mut ignored)).await?;
            }
            anyhow::Ok(())
        };
        timeout(OPENING_LIMIT, joins).await.context("the viewer that reacts got no snapshot")??;
        let (beats, beaten) = mpsc::channel(1);
        Ok(Self { beats, life: tokio::spawn(live(link, chance, beaten)) })
    }

    /// Reacts now.
    pub async fn beat(&self) -> anyhow::Result<()> {
        self.beats.send(()).await.context("the viewer that reacts has lost its socket")
    }

    /// Leaves.
    pub async fn leave(self) -> anyhow::Result<()> {
        drop(self.beats);
        self.life.await.context("the viewer that reacts failed")?
    }
}

async fn live(mut link: Link, mut chance: Chance, mut beats: mpsc::Receiver<()>) -> anyhow::Result<()> {
    loop {
        let mask = chance.mask();
        let mut ignore = |_: Heard<'_>| {};
        tokio::select! {
            came = link.read(mask, &mut ignore) => if came? == 0 {
                anyhow::bail!("the viewer that reacts was disconnected");
            },
            beat = beats.recv() => match beat {
                Some(()) => link.send(REACTION, mask).await?,
                None => break,
            }
        }
    }
    link.close(chance.mask()).await;
    Ok(())
}
