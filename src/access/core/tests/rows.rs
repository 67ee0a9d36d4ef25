//! Keeps the rows of a history as the database would, and reads them as the judge is given them.

use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use super::history::{Event, SPACE_OF_EXPERIENCE, SPACE_OF_PASS, TEAM_OF_SPACE, Thing, Word};
use crate::{
    access::core::{Ban, Grant, Opening, Opens, Rights, Source, Staff, Status},
    clock::Timestamp,
    identity::core::role::{Permission, Role, permits},
    ids::{ExperienceId, GrantId, PassId, SpaceId, TeamId, UserId},
};

struct Row {
    thing: Thing,
    status: Status,
    starts_at: i64,
    expires_at: Option<i64>,
    past_due_until: Option<i64>,
    /// The status and the grace before the dispute.
    before: (Status, Option<i64>),
    /// It was written down as expired because its time was up.
    swept: bool,
}

/// The tables.
#[derive(Default)]
pub struct Rows {
    grants: Vec<Row>,
    ticked: BTreeSet<(usize, usize)>,
    bans: Vec<(usize, Option<i64>)>,
    published: BTreeSet<usize>,
    members: Vec<(usize, Role)>,
}

/// The id of the grant that was given as this one.
pub fn grant_id(number: usize) -> GrantId {
    GrantId(Uuid::from_u128(100 + number as u128))
}

fn space_id(number: usize) -> SpaceId {
    SpaceId(Uuid::from_u128(200 + number as u128))
}

fn team_id(number: usize) -> TeamId {
    TeamId(Uuid::from_u128(300 + number as u128))
}

fn experience_id(number: usize) -> ExperienceId {
    ExperienceId(Uuid::from_u128(400 + number as u128))
}

impl Rows {
    /// Writes down what happened at `at`.
    pub fn write(&mut self, at: i64, event: Event) {
        match event {
            Event::Given { thing, trial, starts, ends } => {
                let status = if trial { Status::Trialing } else { Status::Active };
                self.grants.push(Row {
                    thing,
                    status,
                    starts_at: starts,
                    expires_at: ends,
                    past_due_until: None,
                    before: (status, None),
                    swept: false,
                });
            }
            Event::Said { grant, word } => self.grants[grant].say(word),
            Event::Ticked { pass, experience, on: true } => {
                self.ticked.insert((pass, experience));
            }
            Event::Ticked { pass, experience, on: false } => {
                self.ticked.remove(&(pass, experience));
            }
            Event::Banned { space, until } => {
                self.bans.retain(|(of, _)| *of != space);
                self.bans.push((space, until));
            }
            Event::Unbanned { space } => self.bans.retain(|(of, _)| *of != space),
            Event::Published { space, on: true } => {
                self.published.insert(space);
            }
            Event::Published { space, on: false } => {
                self.published.remove(&space);
            }
            Event::Joined { team, role } => {
                self.members.retain(|(of, _)| *of != team);
                self.members.push((team, role));
            }
            Event::Left { team } => self.members.retain(|(of, _)| *of != team),
            Event::Swept => self.grants.iter_mut().for_each(|row| row.sweep(at)),
        }
    }

    /// What the judge is given, the grants in the order of the table.
    pub fn rights(&self) -> Rights {
        let ticked = |pass: usize| -> Arc<[ExperienceId]> {
            self.ticked.iter().filter(|(of, _)| *of == pass).map(|(_, experience)| experience_id(*experience)).collect()
        };
        let grant = |(number, row): (usize, &Row)| {
            let (space, opens) = match row.thing {
                Thing::Space(space) => (space, Opens::Space),
                Thing::Experience(one) => (SPACE_OF_EXPERIENCE[one], Opens::Experience(experience_id(one))),
                Thing::Pass(pass) => {
                    let id = PassId(Uuid::from_u128(500 + pass as u128));
                    (SPACE_OF_PASS[pass], Opens::Pass(id, ticked(pass)))
                }
            };
            Grant {
                id: grant_id(number),
                space: space_id(space),
                opens,
                source: Source::Import,
                status: row.status,
                starts_at: Timestamp(row.starts_at),
                expires_at: row.expires_at.map(Timestamp),
                past_due_until: row.past_due_until.map(Timestamp),
            }
        };
        let staff = |(team, role): &(usize, Role)| Staff {
            team: team_id(*team),
            enters: permits(*role, Permission::EnterAsStaff),
            runs: permits(*role, Permission::RunBroadcast),
        };
        let ban = |(space, until): &(usize, Option<i64>)| Ban { space: space_id(*space), until: until.map(Timestamp) };
        Rights {
            user: UserId(Uuid::from_u128(1)),
            grants: self.grants.iter().enumerate().map(grant).collect(),
            staff: self.members.iter().map(staff).collect(),
            bans: self.bans.iter().map(ban).collect(),
        }
    }

    /// What somebody wants to open.
    pub fn opening(&self, space: usize, experience: Option<usize>) -> Opening {
        Opening {
            team: team_id(TEAM_OF_SPACE[space]),
            space: space_id(space),
            space_published: self.published.contains(&space),
            experience: experience.map(experience_id),
        }
    }
}

impl Row {
    fn say(&mut self, word: Word) {
        self.status = match word {
            Word::Paused => Status::Paused,
            // the grace of a payment that has come stays in its column
            Word::Resumed | Word::Recovered => Status::Active,
            Word::Late { until } => {
                self.past_due_until = until;
                Status::PastDue
            }
            Word::Ended => Status::Expired,
            Word::Revoked => Status::Revoked,
            Word::Refunded => Status::Refunded,
            Word::Disputed if self.status == Status::Disputed => return,
            Word::Disputed => {
                self.before = (self.status, self.past_due_until);
                self.status = Status::Disputed;
                return; // whether its time was found to be up is still to be known when the dispute is won
            }
            Word::DisputeWon if self.status == Status::Disputed => {
                self.past_due_until = self.before.1;
                self.status = self.before.0;
                return;
            }
            Word::DisputeWon => return,
            Word::Extended { ends } => {
                self.expires_at = ends;
                if std::mem::take(&mut self.swept) {
                    let kept = if self.status == Status::Disputed { &mut self.before.0 } else { &mut self.status };
                    *kept = Status::Active;
                }
                return;
            }
        };
        self.swept = false;
    }

    /// As the store marks grants whose time is up.
    fn sweep(&mut self, now: i64) {
        let runs = matches!(self.status, Status::Active | Status::Trialing);
        if runs && self.expires_at.is_some_and(|end| end <= now) {
            (self.status, self.swept) = (Status::Expired, true);
        }
    }
}
