//! The closed door: the reason, the moment and the words that belong to it, what would open it, and what stays open.

use futures_util::FutureExt;

use super::Asked;
use crate::{
    access::{
        core::{Entitlement, Opening, Refusal, Rights, judge},
        store::{
            bans::{self, BanRecord},
            told::Told,
        },
    },
    clock::Timestamp,
    live::page_store,
    store::StoreError,
    web::{
        problem::Problem,
        view::{
            experience::{OpenDoor, PassLink, Shut, ShutReason},
            parts::Moment,
        },
    },
};

impl Asked<'_> {
    pub(super) async fn shut(&self, told: &Entitlement, rights: &Rights) -> Result<Shut, Problem> {
        let refusal = told.refusal().unwrap_or(Refusal::NoGrant);
        let grant = told.rests_on().and_then(|id| rights.grant(id));
        let about = match grant {
            Some(grant) => self.told_about(grant).await?,
            None => Told { pass: None, ended_at: None },
        };
        let ban = if refusal == Refusal::Banned { self.ban().await? } else { None };
        let at = match refusal {
            Refusal::Banned => ban.as_ref().and_then(|ban| ban.until),
            Refusal::NotYet => grant.map(|grant| grant.starts_at),
            Refusal::Expired => grant.and_then(|grant| grant.expires_at),
            Refusal::PastDueOver => grant.and_then(|grant| grant.past_due_until),
            Refusal::Revoked | Refusal::Refunded => about.ended_at,
            Refusal::DeviceLimit
            | Refusal::Disputed
            | Refusal::Paused
            | Refusal::NotIncluded
            | Refusal::SpaceUnpublished
            | Refusal::NoGrant => None,
        };
        let passes = page_store::opened_by(&self.desk.store, self.facts.experience).await?;
        let link = |pass: page_store::OpeningPass| PassLink { slug: pass.slug, name: pass.name, free: pass.free };
        Ok(Shut {
            reason: reason(refusal),
            pass: about.pass,
            at: at.map(Moment::from),
            words: ban.and_then(|ban| ban.reason),
            device_limit: self.facts.device_limit,
            opened_by: passes.into_iter().map(link).collect(),
            still_open: self.still_open(rights).await?,
        })
    }

    /// The other rooms of the space that this person may enter now, in the seller's order.
    async fn still_open(&self, rights: &Rights) -> Result<Vec<OpenDoor>, Problem> {
        let (now, facts) = (self.desk.clock.now(), self.facts);
        let opens = |door: &page_store::Door| {
            let opening = Opening {
                team: facts.team,
                space: facts.space,
                space_published: facts.space_status == "published",
                experience: Some(door.experience),
            };
            door.experience != facts.experience && judge(now, rights, &opening).allowed
        };
        let doors = page_store::doors(&self.desk.store, facts.space).await?;
        let open = doors.into_iter().filter(opens).map(|door| OpenDoor { slug: door.slug, name: door.name });
        Ok(open.collect())
    }

    /// The ban that keeps this person out now.
    async fn ban(&self) -> Result<Option<BanRecord>, StoreError> {
        let (space, user, now) = (self.facts.space, self.signed.user, self.desk.clock.now());
        let found: Result<_, StoreError> = self
            .desk
            .store
            .run(move |connection| async move { bans::find_of(connection, space, user).await }.boxed())
            .await;
        let holds = |ban: &BanRecord| ban.until.is_none_or(|until: Timestamp| now < until);
        Ok(found?.filter(holds))
    }
}

fn reason(refusal: Refusal) -> ShutReason {
    match refusal {
        Refusal::Banned => ShutReason::Banned,
        Refusal::DeviceLimit => ShutReason::DeviceLimit,
        Refusal::Disputed => ShutReason::Disputed,
        Refusal::Refunded => ShutReason::Refunded,
        Refusal::Revoked => ShutReason::Revoked,
        Refusal::PastDueOver => ShutReason::PastDueOver,
        Refusal::Paused => ShutReason::Paused,
        Refusal::Expired => ShutReason::Expired,
        Refusal::NotYet => ShutReason::NotYet,
        Refusal::NotIncluded => ShutReason::NotIncluded,
        Refusal::SpaceUnpublished => ShutReason::SpaceUnpublished,
        Refusal::NoGrant => ShutReason::NoGrant,
    }
}
