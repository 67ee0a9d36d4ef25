//! `POST /livekit/_act`: plays a participant, now or later on the stand-ins' clock.

use livekit_protocol::DisconnectReason;
use serde::{Deserialize, Serialize};

use super::media::{DueAct, Events, Media, Refusal};
use super::play::{Entry, Source};
use super::token::{self, Key};
use crate::limits;

/// What a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Enters the room.
    Join,
    /// Leaves it in good order.
    Leave,
    /// Publishes tracks.
    Publish,
    /// Takes tracks back.
    Unpublish,
    /// Falls silent and is given up by the server.
    Drop,
}

/// An act as it is asked for.
#[expect(clippy::struct_field_names, reason = "the field's name is the one callers send")]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Name of the room; may be left out when a token names it.
    #[serde(default)]
    pub room: String,
    /// Who acts; may be left out when a token names it.
    #[serde(default)]
    pub identity: String,
    /// What is done.
    pub act: Kind,
    /// Which track `publish` and `unpublish` are about; absent: camera and microphone, or every track.
    #[serde(default)]
    pub kind: Option<Source>,
    /// Seconds on the stand-ins' clock until it happens.
    #[serde(default)]
    pub after_secs: u64,
    /// The token to join with; absent: a trusted participant that may do everything.
    #[serde(default)]
    pub token: Option<String>,
    /// `whip`: join by the door that creates a missing room although rooms are not auto-created.
    #[serde(default)]
    pub via: Option<Via>,
}

/// The door somebody joins by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The signalling socket of a browser.
    Rtc,
    /// The server's own WHIP endpoint.
    Whip,
}

/// Why an act is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The token is not good, in the server's words.
    Token(String),
    /// The room or the participant says no.
    Media(Refusal),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Media(refusal)
    }
}

impl Media {
    /// Does `act` now, or notes it for its time.
    pub fn act(&mut self, now_ms: i64, key: &Key, act: Act, events: &mut Events) -> Result<(), Refused> {
        if act.after_secs == 0 {
            return self.perform(now_ms, key, &act, events);
        }
        if act.after_secs > limits::ACT_AFTER_SECS_MAX {
            return Err(Refusal::Invalid("after_secs is too large".to_owned()).into());
        }
        if self.due.len() >= limits::ACTS_MAX {
            return Err(Refusal::Full.into());
        }
        let sid = match act.act {
            Kind::Join => None,
            Kind::Leave | Kind::Publish | Kind::Unpublish | Kind::Drop => {
                Some(self.hall(&act.room)?.person(&act.identity)?.sid.clone())
            }
        };
        let later_ms = i64::try_from(act.after_secs).unwrap_or(i64::MAX).saturating_mul(1_000);
        self.due.push(DueAct { at_ms: now_ms.saturating_add(later_ms), sid, act });
        Ok(())
    }

    /// Does everything whose time has come, in the order of the times.
    pub fn advance(&mut self, now_ms: i64, key: &Key, events: &mut Events) {
        let (mut ripe, waits): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.due).into_iter().partition(|due| due.at_ms <= now_ms);
        self.due = waits;
        ripe.sort_by_key(|due| due.at_ms);
        for due in ripe {
            let same = self.get_participant(&due.act.room, &due.act.identity).map(|person| person.sid).ok();
            if due.sid.is_some() && same != due.sid {
                continue;
            }
            if let Err(refused) = self.perform(due.at_ms, key, &due.act, events) {
                tracing::warn!(?refused, room = due.act.room, "an act could not be done when its time came");
            }
            self.close_idle(due.at_ms, events);
        }
        self.close_idle(now_ms, events);
    }

    fn perform(&mut self, now_ms: i64, key: &Key, act: &Act, events: &mut Events) -> Result<(), Refused> {
        let (room, identity) = (&act.room, &act.identity);
        let one: Vec<Source> = act.kind.into_iter().collect();
        match act.act {
            Kind::Join => return self.enter(now_ms, key, act, events),
            Kind::Publish if one.is_empty() => {
                self.publish(now_ms, room, identity, &[Source::Camera, Source::Microphone], events)?;
            }
            Kind::Publish => self.publish(now_ms, room, identity, &one, events)?,
            Kind::Unpublish => self.unpublish(now_ms, room, identity, &one, events)?,
            Kind::Leave => self.part(now_ms, room, identity, DisconnectReason::ClientInitiated, events)?,
            Kind::Drop => self.part(now_ms, room, identity, DisconnectReason::ConnectionTimeout, events)?,
        }
        Ok(())
    }

    fn enter(&mut self, now_ms: i64, key: &Key, act: &Act, events: &mut Events) -> Result<(), Refused> {
        let (room, entry, may_create) = match &act.token {
            None if act.identity.is_empty() => {
                return Err(Refusal::Invalid("identity cannot be empty".to_owned()).into());
            }
            None => (act.room.clone(), Entry::trusted(&act.identity), false),
            Some(raw) => {
                let told = token::verify(now_ms / 1_000, key, raw).map_err(|no| Refused::Token(no.text()))?;
                let grant = told.video.clone().unwrap_or_default();
                let named_otherwise = (!act.room.is_empty() && act.room != grant.room)
                    || (!act.identity.is_empty() && act.identity != told.sub);
                if !grant.room_join || named_otherwise {
                    return Err(Refused::Token("permissions denied".to_owned()));
                }
                if told.sub.is_empty() {
                    return Err(Refusal::Invalid("identity cannot be empty".to_owned()).into());
                }
                (grant.room, Entry::by_token(told), grant.room_create)
            }
        };
        if may_create || act.via == Some(Via::Whip) {
            self.open_by_whip(now_ms, &room, events)?;
        }
        Ok(self.join(now_ms, &room, entry, events)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::livekit::token::{Claims, VideoGrant, sign};

    const NOW: i64 = 1_795_265_384_000;

    fn key() -> Key {
        Key { name: "k".to_owned(), secret: "s".to_owned() }
    }

    fn act(json: serde_json::Value) -> Act {
        serde_json::from_value(json).unwrap()
    }

    fn viewer_token(grant: VideoGrant) -> String {
        let claims = Claims {
            iss: "k".to_owned(),
            sub: "fan".to_owned(),
            exp: Some(NOW / 1_000 + 60),
            video: Some(VideoGrant { room_join: true, room: "show".to_owned(), ..grant }),
            ..Claims::default()
        };
        sign(&key(), &claims)
    }

    fn opened() -> (Media, Events) {
        let (mut media, mut events) = (Media::default(), Vec::new());
        media.open_by_whip(NOW, "show", &mut events).unwrap();
        events.clear();
        (media, events)
    }

    fn names(events: &Events) -> Vec<&str> {
        events.iter().map(|event| event.event.as_str()).collect()
    }

    #[test]
    fn a_token_opens_a_room_only_when_it_may_create_one() {
        let (mut media, mut events) = (Media::default(), Vec::new());
        let plain = act(serde_json::json!({"act": "join", "token": viewer_token(VideoGrant::default())}));
        let refused = media.act(NOW, &key(), plain, &mut events);
        assert_eq!(refused, Err(Refused::Media(Refusal::NoRoom)));
        let grant = VideoGrant { room_create: true, ..VideoGrant::default() };
        let creating = act(serde_json::json!({"act": "join", "token": viewer_token(grant)}));
        media.act(NOW, &key(), creating, &mut events).unwrap();
        assert_eq!(names(&events), ["room_started", "participant_joined"]);
    }

    #[test]
    fn a_token_that_forbids_publishing_holds() {
        let (mut media, mut events) = opened();
        let grant = VideoGrant { can_publish: Some(false), ..VideoGrant::default() };
        let join = act(serde_json::json!({"act": "join", "token": viewer_token(grant)}));
        media.act(NOW, &key(), join, &mut events).unwrap();
        let publish = act(serde_json::json!({"act": "publish", "room": "show", "identity": "fan", "kind": "camera"}));
        let refused = media.act(NOW, &key(), publish, &mut events);
        assert_eq!(refused, Err(Refused::Media(Refusal::NotPermitted)));
    }

    #[test]
    fn a_late_drop_does_not_hit_the_session_that_came_after() {
        let (mut media, mut events) = opened();
        let join = || act(serde_json::json!({"act": "join", "room": "show", "identity": "host"}));
        let drop = act(serde_json::json!({"act": "drop", "room": "show", "identity": "host", "after_secs": 20}));
        media.act(NOW, &key(), join(), &mut events).unwrap();
        media.act(NOW, &key(), drop, &mut events).unwrap();
        assert_eq!(media.next_due_ms(), Some(NOW + 20_000));
        media.act(NOW + 5_000, &key(), join(), &mut events).unwrap();
        assert_eq!(names(&events), ["participant_joined", "participant_left", "participant_joined"]);
        let left = events[1].participant.as_ref().unwrap();
        assert_eq!(left.disconnect_reason, DisconnectReason::DuplicateIdentity as i32);
        media.advance(NOW + 20_000, &key(), &mut events);
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn a_room_closes_when_its_time_without_people_is_over() {
        let (mut media, mut events) = opened();
        media.advance(NOW + 299_999, &key(), &mut events);
        assert!(events.is_empty());
        for kind in ["join", "leave"] {
            let next = act(serde_json::json!({"act": kind, "room": "show", "identity": "fan"}));
            media.act(NOW + 100_000, &key(), next, &mut events).unwrap();
        }
        events.clear();
        media.advance(NOW + 119_999, &key(), &mut events);
        assert!(events.is_empty());
        media.advance(NOW + 120_000, &key(), &mut events);
        assert_eq!(names(&events), ["room_finished"]);
    }
}
