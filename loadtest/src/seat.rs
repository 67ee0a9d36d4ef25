//! What one viewer makes of the messages it hears: whether it is inside, when, and whether the numbers are right.

use std::time::Duration;

use crate::{
    check::{Faults, Sequence},
    message::{Kind, Message, State},
    socket::link::Heard,
    tally::{Tally, Wave},
};

/// How a socket ended, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Whether to come back.
    pub comes_back: bool,
    /// How long the engine asked to wait.
    pub after: Duration,
}

/// How a socket got inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// With a welcome and a snapshot.
    Fresh,
    /// With a welcome that kept the old place; only what was missed follows.
    Recovered,
}

/// One viewer's place, kept across its sockets.
#[derive(Debug, Default)]
pub struct Seat {
    sequence: Sequence,
    ticket: Option<(String, String)>,
    next_trigger: usize,
    has_seen_the_end: bool,
    /// How this socket got inside, once it is.
    pub inside: Option<Entry>,
    /// What the engine said about the end of this socket.
    pub farewell: Option<Farewell>,
    /// Whether the close frame has come.
    pub is_closed: bool,
}

impl Seat {
    /// Begins a new socket. Triggers before `now` belong to the past.
    pub fn begin(&mut self, triggers: &[u64], now: u64) {
        self.inside = None;
        self.farewell = None;
        self.is_closed = false;
        self.next_trigger = self.next_trigger.max(triggers.partition_point(|at| *at <= now));
    }

    /// The resume ticket as a subprotocol, when there is a place to come back to.
    pub fn resume(&self) -> Option<String> {
        let (session, secret) = self.ticket.as_ref()?;
        let (epoch, offset) = self.sequence.point()?;
        Some(format!("resume.{session}.{secret}.{epoch}.{offset}"))
    }

    /// Takes what came at `now`.
    pub fn hear(&mut self, heard: &Heard<'_>, now: u64, triggers: &[u64], tally: &mut Tally) {
        match heard {
            Heard::Close(code, _) => {
                *tally.closes.entry(*code).or_default() += 1;
                let said = Farewell { comes_back: comes_back(*code), after: Duration::ZERO };
                self.farewell.get_or_insert(said);
                self.is_closed = true;
            }
            Heard::Text(text) => match serde_json::from_slice::<Message<'_>>(text) {
                Ok(message) => self.take(&message, now, triggers, tally),
                Err(_) => tally.faults.unreadable += 1,
            },
        }
    }

    fn take(&mut self, message: &Message<'_>, now: u64, triggers: &[u64], tally: &mut Tally) {
        tally.messages[message.t as usize] += 1;
        if message.state == Some(State::Ended) && !self.has_seen_the_end {
            self.has_seen_the_end = true;
            tally.ended_seen += 1;
        }
        let point = message.epoch.zip(message.offset);
        match (message.t, point) {
            (Kind::Welcome, Some((epoch, _))) => self.welcome(message, epoch, &mut tally.faults),
            (Kind::Snapshot, Some((epoch, offset))) => {
                self.sequence.snapshot(epoch, offset, &mut tally.faults);
                self.inside.get_or_insert(Entry::Fresh);
            }
            (Kind::Welcome | Kind::Snapshot, None) => tally.faults.unreadable += 1,
            (Kind::Bye, _) => {
                let comes_back = message.reconnect.unwrap_or(true);
                self.farewell = Some(Farewell { comes_back, after: message.after() });
            }
            (kind, Some((epoch, offset))) if kind.is_numbered() => {
                if self.sequence.numbered(epoch, offset, &mut tally.faults) {
                    let wave = Wave::Numbered { epoch, offset, kind, state: message.state };
                    tally.waves.entry(wave).or_default().add(now);
                }
            }
            (kind, point) => {
                if let Some((epoch, offset)) = point {
                    self.sequence.unnumbered(epoch, offset, &mut tally.faults);
                }
                if kind == Kind::Reactions {
                    self.reactions(now, triggers, tally);
                }
            }
        }
    }

    fn welcome(&mut self, message: &Message<'_>, epoch: u64, faults: &mut Faults) {
        self.ticket =
            message.session.zip(message.resume).map(|(session, secret)| (session.to_owned(), secret.to_owned()));
        self.sequence.welcome(epoch, message.recovered, faults);
        self.inside = message.recovered.then_some(Entry::Recovered);
    }

    /// The n-th reactions are the answer to the n-th trigger, unless that has not happened yet: then they are somebody else's.
    fn reactions(&mut self, now: u64, triggers: &[u64], tally: &mut Tally) {
        if triggers.get(self.next_trigger).is_some_and(|at| *at <= now) {
            tally.waves.entry(Wave::Reaction(self.next_trigger)).or_default().add(now);
            self.next_trigger += 1;
        } else {
            tally.unprompted += 1;
        }
    }
}

/// What the close codes say about coming back; codes of a proxy and of a vanished server do not forbid it.
fn comes_back(code: u16) -> bool {
    !matches!(code, 4000 | 4001 | 4003 | 4009 | 4400 | 4410 | 1002 | 1007 | 1009)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELCOME: &str =
        r#"{"t":"welcome","session":"vs_1","resume":"s3cret","epoch":4,"offset":7,"recovered":false}"#;
    const SNAPSHOT: &str = r#"{"t":"snapshot","epoch":4,"offset":7,"state":"live"}"#;

    fn hear(seat: &mut Seat, tally: &mut Tally, now: u64, triggers: &[u64], text: &str) {
        seat.hear(&Heard::Text(text.as_bytes()), now, triggers, tally);
    }

    #[test]
    fn a_viewer_is_inside_with_welcome_and_snapshot_and_not_before() {
        let (mut seat, mut tally) = (Seat::default(), Tally::default());
        hear(&mut seat, &mut tally, 1, &[], WELCOME);
        assert_eq!(seat.inside, None);
        assert_eq!(seat.resume(), None);
        hear(&mut seat, &mut tally, 1, &[], SNAPSHOT);
        assert_eq!(seat.inside, Some(Entry::Fresh));
        hear(&mut seat, &mut tally, 1, &[], r#"{"t":"state","epoch":4,"offset":8,"state":"reconnecting"}"#);
        assert_eq!(seat.resume().as_deref(), Some("resume.vs_1.s3cret.4.8"));
        assert_eq!(tally.faults, Faults::default());
    }

    #[test]
    fn a_recovered_viewer_is_inside_without_a_snapshot() {
        let (mut seat, mut tally) = (Seat::default(), Tally::default());
        hear(&mut seat, &mut tally, 1, &[], WELCOME);
        hear(&mut seat, &mut tally, 1, &[], SNAPSHOT);
        seat.begin(&[], 2);
        hear(&mut seat, &mut tally, 2, &[], &WELCOME.replace("false", "true"));
        assert_eq!(seat.inside, Some(Entry::Recovered));
        assert_eq!(tally.faults, Faults::default());
    }

    #[test]
    fn reactions_answer_the_next_trigger_or_nobody_of_ours() {
        let (mut seat, mut tally) = (Seat::default(), Tally::default());
        let hearts = r#"{"t":"reactions","totals":{"x":1},"window_ms":1000}"#;
        hear(&mut seat, &mut tally, 90, &[100, 200], hearts);
        hear(&mut seat, &mut tally, 250, &[100, 200], hearts);
        hear(&mut seat, &mut tally, 260, &[100, 200], hearts);
        hear(&mut seat, &mut tally, 270, &[100, 200], hearts);
        assert_eq!(tally.unprompted, 2);
        assert_eq!(tally.waves.keys().copied().collect::<Vec<_>>(), [Wave::Reaction(0), Wave::Reaction(1)]);
    }

    #[test]
    fn a_bye_rules_over_the_close_code_behind_it() {
        let (mut seat, mut tally) = (Seat::default(), Tally::default());
        hear(&mut seat, &mut tally, 1, &[], r#"{"t":"bye","code":4010,"reason":"x","reconnect":true,"after_ms":700}"#);
        seat.hear(&Heard::Close(4010, String::new()), 1, &[], &mut tally);
        assert_eq!(seat.farewell, Some(Farewell { comes_back: true, after: Duration::from_millis(700) }));
        assert_eq!(tally.closes[&4010], 1);
    }

    #[test]
    fn an_end_is_counted_once_a_viewer() {
        let (mut seat, mut tally) = (Seat::default(), Tally::default());
        for _ in 0..2 {
            hear(&mut seat, &mut tally, 1, &[], r#"{"t":"snapshot","epoch":4,"offset":7,"state":"ended"}"#);
        }
        assert_eq!(tally.ended_seen, 1);
    }
}
