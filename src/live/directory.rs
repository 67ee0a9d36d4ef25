//! Finds the actor of an experience for everybody who has something to say to it, and remembers who is inside where.

use std::sync::Arc;

use dashmap::DashMap;

use super::{
    core::{broadcast::Event, health},
    experience_actor::{ExperienceActor, Ports},
    media::Hook,
    order::{AdmitRefusal, Coming, CommandFault, Eviction, NewBroadcast, Order, RightsEnded, View},
    rights::{LiveRights, Right},
    seating::{Chair, Seating},
    tally,
};
use crate::{
    clock::{SharedClock, Timestamp},
    identity::Basis,
    ids::{BroadcastId, ExperienceId, UserId, ViewerId},
    limits::TOKEN_DEVICES_MAX,
    socket::{
        codes::CloseCode,
        door::{Kind, Place, Seat},
        hub::{Floor, Hub, ShardId},
        protocol::{Emoji, Quality, Stats},
    },
    supervision::{Keeper, Reply, Unheard},
    telemetry::metric::Watch,
};

/// How somebody is inside one experience: by sockets, or by a media token that still opens the room.
#[derive(Debug, Default)]
struct Stay {
    sockets: u32,
    studios: Vec<ViewerId>,
    /// The devices with media tokens, and until when these are good.
    tokens: Vec<(Box<str>, Timestamp)>,
}

impl Stay {
    fn is_over(&self, now: Timestamp) -> bool {
        self.sockets == 0 && self.tokens.iter().all(|(_, until)| *until <= now)
    }
}

/// Where one person is inside. Nearly always in one experience: a list of exactly that one is a fifth of a map.
#[derive(Debug)]
struct Stays(Vec<(ExperienceId, Stay)>);

impl Default for Stays {
    fn default() -> Self {
        Self(Vec::with_capacity(1))
    }
}

impl Stays {
    fn get_mut(&mut self, experience: ExperienceId) -> Option<&mut Stay> {
        self.0.iter_mut().find(|(at, _)| *at == experience).map(|(_, stay)| stay)
    }

    fn entry(&mut self, experience: ExperienceId) -> &mut Stay {
        let at = self.0.iter().position(|(at, _)| *at == experience).unwrap_or_else(|| {
            self.0.push((experience, Stay::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Forgets where nothing holds a door open any more.
    fn forget_absent(&mut self, now: Timestamp) {
        self.0.retain(|(_, stay)| !stay.is_over(now));
    }
}

/// The way to the actors, and who is inside. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    keeper: Keeper<ExperienceActor>,
    hub: Arc<dyn Hub>,
    rights: Arc<dyn LiveRights>,
    seating: Seating,
    clock: SharedClock,
    inside: Arc<DashMap<UserId, Stays>>,
}

impl Directory {
    /// A directory over `keeper`'s actors, which hold these ports.
    pub fn new(keeper: Keeper<ExperienceActor>, ports: &Ports) -> Self {
        let Ports { clock, hub, rights, seating, .. } = ports;
        let (hub, rights) = (hub.clone(), rights.clone());
        Self { keeper, hub, rights, seating: seating.clone(), clock: clock.clone(), inside: Arc::default() }
    }

    /// Viewers of an experience now, from what this node knows.
    #[must_use]
    pub fn viewers(&self, experience: ExperienceId) -> u64 {
        self.seating.viewers(experience)
    }

    /// Puts an experience on duty, for instance because it has an open broadcast.
    pub fn start(&self, experience: ExperienceId) {
        self.keeper.start(experience);
    }

    /// Whether an experience's actor is there.
    #[must_use]
    pub fn on_duty(&self, experience: ExperienceId) -> bool {
        self.keeper.has(experience)
    }

    /// Whether somebody is inside anywhere, so that their rights have to be watched.
    #[must_use]
    pub fn is_inside(&self, user: UserId) -> bool {
        self.inside.contains_key(&user)
    }

    /// Makes a broadcast.
    pub async fn create(&self, experience: ExperienceId, wanted: NewBroadcast) -> Result<View, CommandFault> {
        self.ask(experience, |reply| Order::Create(wanted, reply)).await?
    }

    /// Does something to the open broadcast.
    pub async fn command(
        &self,
        experience: ExperienceId,
        broadcast: BroadcastId,
        event: Event,
    ) -> Result<View, CommandFault> {
        self.ask(experience, |reply| Order::Command(broadcast, event, reply)).await?
    }

    /// Makes sure that the broadcast's room is there.
    pub async fn room(&self, experience: ExperienceId, broadcast: BroadcastId) -> Result<View, CommandFault> {
        self.ask(experience, |reply| Order::Room(broadcast, reply)).await?
    }

    /// What is so.
    pub async fn describe(&self, experience: ExperienceId) -> Result<View, CommandFault> {
        self.ask(experience, Order::Describe).await
    }

    /// What is so where somebody is on duty already; `None` elsewhere, without waking anybody.
    pub async fn glance(&self, experience: ExperienceId) -> Option<View> {
        if self.keeper.has(experience) { self.describe(experience).await.ok() } else { None }
    }

    async fn ask<T>(&self, experience: ExperienceId, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, CommandFault> {
        self.keeper.ask(experience, order).await.map_err(|_unheard| CommandFault::Restarting)
    }

    /// Gives somebody a place, which is kept until it is dropped. Whoever stops waiting for it leaves nothing behind.
    ///
    /// # Errors
    /// When the person watches on too many devices, or this one gave way to another, or it cannot be had just now.
    pub async fn admit(&self, seat: Arc<Seat>, coming: Coming) -> Result<Place, AdmitRefusal> {
        let place = self.arrive(seat.clone());
        let (experience, chair) = (seat.experience, place.1);
        let asked = self.keeper.ask(experience, |reply| Order::Admit(seat.clone(), chair, coming, reply)).await;
        asked.map_err(|_unheard| AdmitRefusal::Unavailable)??;
        // a right that ended between the door's look and the arrival told nobody, for nobody was inside
        let right = match seat.kind {
            Kind::Viewer => self.rights.may_watch(seat.user, experience),
            Kind::Studio => self.rights.may_run(seat.user, experience),
        };
        if !matches!(right, Right::Yes { .. }) {
            let ended = RightsEnded { user: seat.user, devices: vec![], eviction: None };
            self.tell(experience, Order::RightsEnded(ended));
            return Err(AdmitRefusal::Unavailable);
        }
        Ok(place.0)
    }

    /// Whether a newcomer on this device of `user` would be given a place; `None` when nobody can say just now.
    pub async fn has_room(&self, experience: ExperienceId, user: UserId, device: String) -> Option<bool> {
        if !self.keeper.has(experience) {
            return Some(true); // nobody is on duty where nobody watches
        }
        self.ask(experience, |reply| Order::HasRoom(user, device, reply)).await.ok()
    }

    /// Counts somebody in before anybody is asked, so that there is no moment at which they are inside and unknown.
    fn arrive(&self, seat: Arc<Seat>) -> (Place, Chair) {
        let chair = self.seating.arrive(seat.clone());
        let mut stays = self.inside.entry(seat.user).or_default();
        let stay = stays.entry(seat.experience);
        stay.sockets += 1;
        if seat.kind == Kind::Studio {
            stay.studios.push(seat.session);
        }
        drop(stays);
        let this = self.clone();
        (Place::new(move || this.left(&seat, chair)), chair)
    }

    /// A socket is gone, or whoever knocked is.
    fn left(&self, seat: &Seat, chair: Chair) {
        if self.seating.leave(seat, chair) {
            self.tell_left(seat.experience, seat.session);
        }
        let (user, now) = (seat.user, self.clock.now());
        if let Some(mut stays) = self.inside.get_mut(&user)
            && let Some(stay) = stays.get_mut(seat.experience)
        {
            stay.sockets = stay.sockets.saturating_sub(1);
            if let Some(at) = stay.studios.iter().position(|studio| *studio == seat.session) {
                stay.studios.swap_remove(at);
            }
            stays.forget_absent(now);
        }
        self.inside.remove_if(&user, |_, stays| stays.0.is_empty());
    }

    /// A departure must not be lost: one that a full mailbox refuses leaves a mark, which the actor finds with its next message.
    fn tell_left(&self, experience: ExperienceId, viewer: ViewerId) {
        if self.keeper.tell_running(experience, Order::Left(viewer)) == Err(Unheard::Busy) {
            self.seating.unheard(experience);
            // if it is refused again, there are messages after the mark; if not, it is heard after all
            let _heard_or_marked = self.keeper.tell_running(experience, Order::Left(viewer));
        }
    }

    /// A media token was handed out that opens the room to a device until `until`.
    pub fn token_given(&self, user: UserId, experience: ExperienceId, device: &str, until: Timestamp) {
        let mut stays = self.inside.entry(user).or_default();
        let stay = stays.entry(experience);
        if let Some((_, known)) = stay.tokens.iter_mut().find(|(known, _)| **known == *device) {
            *known = until.max(*known);
            return;
        }
        if stay.tokens.len() >= TOKEN_DEVICES_MAX {
            let oldest = stay.tokens.iter().enumerate().min_by_key(|(_, (_, until))| *until).map(|(at, _)| at);
            oldest.map(|at| stay.tokens.swap_remove(at));
        }
        stay.tokens.reserve_exact(1); // nearly everybody has one device
        stay.tokens.push((device.into(), until));
    }

    /// Forgets those who left and whose tokens have run out, and devices that gave way long ago.
    pub fn forget_absent(&self, now: Timestamp) {
        self.seating.forget_replaced(now);
        self.inside.retain(|_, stays| {
            stays.forget_absent(now);
            !stays.0.is_empty()
        });
    }

    /// Somebody's rights changed: judges every door they are inside of, and puts them out of those that have closed.
    pub fn rights_changed(&self, user: UserId) {
        let since = Watch::start();
        let stay = |(experience, stay): &(ExperienceId, Stay)| {
            let devices = stay.tokens.iter().map(|(device, _)| device.to_string()).collect();
            (*experience, stay.studios.clone(), devices)
        };
        let stays: Vec<(ExperienceId, Vec<ViewerId>, Vec<String>)> =
            self.inside.get(&user).map(|stays| stays.0.iter().map(stay).collect()).unwrap_or_default();
        for (experience, studios, devices) in stays {
            if !matches!(self.rights.may_run(user, experience), Right::Yes { .. }) {
                for studio in studios {
                    self.hub.close_session(studio, CloseCode::AccessEnded, "no_grant".into());
                }
            }
            if let Right::No(reason) = self.rights.may_watch(user, experience) {
                self.hub.close_user(user, Some(experience), CloseCode::AccessEnded, reason.clone());
                let eviction = Eviction { reason, since, tried: false };
                tally::put_out("socket", &eviction);
                // the other door is counted by whoever sees it closed
                let ended = RightsEnded { user, devices, eviction: Some(eviction) };
                self.tell(experience, Order::RightsEnded(ended));
            }
        }
    }

    /// Somebody's rights cannot be known any more: every door fails closed, with the word to come back.
    pub fn rights_unknown(&self, user: UserId) {
        self.hub.close_user(user, None, CloseCode::RightsUnknown, "rights_unknown".into());
    }

    /// A sign-in or an API token has ended.
    pub fn basis_ended(&self, basis: Basis) {
        self.hub.close_basis(basis, CloseCode::SessionOver, "session_over".into());
    }

    /// The creator changed the settings of an experience.
    pub fn settings_changed(&self, experience: ExperienceId) {
        self.mention(experience, Order::SettingsChanged);
    }

    /// Leases have been renewed, and this one was not.
    pub fn look_at_lease(&self, experience: ExperienceId) {
        self.mention(experience, Order::LookAtLease);
    }

    /// The media server said something about an experience's broadcast.
    pub fn hooked(&self, experience: ExperienceId, hook: Hook) {
        self.tell(experience, Order::Hooked(hook));
    }

    /// A drill: the actor panics on its next message.
    pub fn drill(&self, experience: ExperienceId) {
        self.tell(experience, Order::Panic);
    }

    /// Tells an actor something that is worth nobody's waking up.
    fn mention(&self, experience: ExperienceId, order: Order) {
        let _counted_where_refused = self.keeper.tell_running(experience, order);
    }

    /// A refused message is counted by the keeper; what it said is seen again when the actor looks for itself.
    fn tell(&self, experience: ExperienceId, order: Order) {
        match self.keeper.tell(experience, order) {
            Ok(()) => {}
            Err(unheard @ (Unheard::Busy | Unheard::Degraded | Unheard::Crashed | Unheard::Late)) => {
                tracing::debug!(%experience, %unheard, "a message was not heard");
            }
        }
    }
}

impl Floor for Directory {
    fn subscribe(&self, experience: ExperienceId, shard: ShardId) {
        self.tell(experience, Order::Subscribe(shard));
    }

    fn unsubscribe(&self, _experience: ExperienceId, _shard: ShardId) {}

    fn react(&self, seat: &Seat, emoji: Emoji) {
        self.mention(seat.experience, Order::React(emoji.as_str().to_owned()));
    }

    fn quality(&self, seat: &Seat, quality: Quality) {
        if let Some(frozen) = quality.frozen {
            self.mention(seat.experience, Order::Frozen(seat.user, frozen));
        }
    }

    fn stats(&self, seat: &Seat, stats: Stats) {
        let publishing = stats.publishing.unwrap_or(true) && !stats.frozen.unwrap_or(false);
        let measured = health::Stats {
            bitrate_bps: stats.bitrate_bits.unwrap_or(0) as f64,
            fps: f64::from(stats.fps.unwrap_or(0.0)),
            loss_ratio: f64::from(stats.loss_ratio.unwrap_or(0.0)),
            rtt_ms: f64::from(stats.rtt_ms.unwrap_or(0.0)),
        };
        self.mention(seat.experience, Order::Sent(seat.session, publishing, measured));
    }
}
