//! One viewer: joins, listens, and comes back as the engine asks.

use std::{rc::Rc, time::Duration};

use thiserror::Error;
use tokio::{sync::watch, time::timeout};

use crate::{
    chance::Chance,
    clock,
    crowd::Desk,
    limits::{OPENING_LIMIT, TRIES_MAX},
    seat::{Entry, Farewell, Seat},
    socket::{
        handshake::{Ask, OpenFault},
        link::{Link, LinkFault},
    },
};

/// Why a viewer did not get inside.
#[derive(Debug, Error)]
enum JoinFault {
    #[error("{0}")]
    Open(#[from] OpenFault),
    #[error("lost while joining: {0}")]
    Link(#[from] LinkFault),
    #[error("closed while joining")]
    Closed(Farewell),
    #[error("no snapshot in time")]
    Late,
}

/// One viewer of a crowd.
pub struct Viewer {
    desk: Rc<Desk>,
    token: String,
    chance: Chance,
    seat: Seat,
    was_inside: bool,
}

impl Viewer {
    /// A viewer that has not knocked yet.
    pub fn new(desk: Rc<Desk>, token: String, chance: Chance) -> Self {
        Self { desk, token, chance, seat: Seat::default(), was_inside: false }
    }

    /// Attends until it is told to stop, is sent away for good, or has tried too often.
    pub async fn attend(mut self, mut stopped: watch::Receiver<bool>) {
        let mut failed = 0;
        loop {
            let wait = tokio::select! {
                biased;
                joined = self.join() => match joined {
                    Ok(link) => {
                        failed = 0;
                        let Some(farewell) = self.stay(link, &mut stopped).await else { return };
                        farewell.comes_back.then(|| self.chance.asked(farewell.after))
                    }
                    Err(fault) => {
                        failed += 1;
                        self.desk.tally.borrow_mut().reason(&fault);
                        self.wait_after(&fault, failed)
                    }
                },
                _ = stopped.changed() => return,
            };
            let Some(wait) = wait else {
                self.desk.tally.borrow_mut().gave_up += 1;
                return;
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// How long to wait before the next try; `None` when there is none.
    fn wait_after(&mut self, fault: &JoinFault, failed: u32) -> Option<Duration> {
        if failed >= TRIES_MAX {
            return None;
        }
        match fault {
            JoinFault::Open(open) if !open.is_worth_a_retry() => None,
            JoinFault::Open(OpenFault::Refused { retry_after: Some(after), .. }) => Some(self.chance.asked(*after)),
            JoinFault::Closed(farewell) if !farewell.comes_back => None,
            JoinFault::Closed(farewell) => Some(farewell.after + self.chance.backoff(failed)),
            _ => Some(self.chance.backoff(failed)),
        }
    }

    /// One try to get inside: connect, upgrade, welcome, snapshot.
    async fn join(&mut self) -> Result<Link, JoinFault> {
        let desk = self.desk.clone();
        let _permit = desk.gate.acquire().await;
        let began = clock::now_us();
        let link = timeout(OPENING_LIMIT, self.enter()).await.map_err(|_| JoinFault::Late)??;
        let now = clock::now_us();
        let mut tally = desk.tally.borrow_mut();
        tally.opening.add(now - began);
        if self.was_inside {
            tally.back.add(now);
            tally.recovered += u64::from(self.seat.inside == Some(Entry::Recovered));
        } else {
            tally.joined.add(now.saturating_sub(desk.started_us));
        }
        self.was_inside = true;
        desk.inside.set(desk.inside.get() + 1);
        Ok(link)
    }

    async fn enter(&mut self) -> Result<Link, JoinFault> {
        let resume = self.seat.resume();
        let ask = Ask { token: &self.token, resume: resume.as_deref() };
        let mut link = Link::open(&self.desk.target, &self.desk.path, &ask).await?;
        self.seat.begin(&self.desk.triggers.borrow(), clock::now_us());
        while self.seat.inside.is_none() {
            self.listen(&mut link).await?;
            match self.seat.farewell {
                Some(farewell) if self.seat.inside.is_none() => return Err(JoinFault::Closed(farewell)),
                _ => {}
            }
        }
        Ok(link)
    }

    /// Listens until the socket ends; `None` when the run is over.
    async fn stay(&mut self, mut link: Link, stopped: &mut watch::Receiver<bool>) -> Option<Farewell> {
        let farewell = loop {
            if self.seat.is_closed {
                break self.seat.farewell;
            }
            tokio::select! {
                biased;
                came = self.listen(&mut link) => match came {
                    Ok(()) => {}
                    Err(fault) => {
                        self.desk.tally.borrow_mut().reason(&format_args!("lost: {fault}"));
                        break self.seat.farewell;
                    }
                },
                _ = stopped.changed() => {
                    link.close(self.chance.mask()).await;
                    return None;
                }
            }
        };
        self.desk.inside.set(self.desk.inside.get() - 1);
        self.desk.tally.borrow_mut().dropped += 1;
        link.close(self.chance.mask()).await;
        Some(farewell.unwrap_or(Farewell { comes_back: true, after: Duration::ZERO }))
    }

    async fn listen(&mut self, link: &mut Link) -> Result<(), LinkFault> {
        let Self { desk, chance, seat, .. } = self;
        let came = link
            .read(chance.mask(), &mut |heard| {
                seat.hear(&heard, clock::now_us(), &desk.triggers.borrow(), &mut desk.tally.borrow_mut());
            })
            .await?;
        if came == 0 {
            return Err(LinkFault::Stream(std::io::ErrorKind::UnexpectedEof.into()));
        }
        desk.tally.borrow_mut().bytes += came as u64;
        Ok(())
    }
}
