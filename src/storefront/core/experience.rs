//! An experience: its fields, and the settings of a live one with their bounds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    field::{Check, WrongField, present, words},
    slug::Slug,
};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, SpaceId},
    limits::{
        DEVICE_LIMIT_MAX, LINE_CHARS_MAX, LOBBY_LEAD_SECS_MAX, NAME_CHARS_MAX, PUBLISHER_GRACE_SECS_MAX, TEXT_CHARS_MAX,
    },
};

words! {
    /// What happens inside.
    Kind {
        /// A live broadcast.
        LiveStream = "live_stream",
    }
}

words! {
    /// Who gives way when a person has one device too many.
    DevicePolicy {
        /// The newcomer.
        RefuseNewcomer = "refuse_newcomer",
        /// The device that has been there longest.
        DropOldest = "drop_oldest",
    }
}

/// How a live experience behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long before the planned start the lobby opens, in seconds.
    pub lobby_lead_secs: i32,
    /// How long a lost publisher is waited for, in seconds.
    pub publisher_grace_secs: i32,
    /// Whether it goes live by itself when media starts in the lobby.
    pub auto_start: bool,
    /// Devices of one person at once.
    pub device_limit: i16,
    /// Who gives way beyond it.
    pub device_policy: DevicePolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lobby_lead_secs: 900,
            publisher_grace_secs: 60,
            auto_start: true,
            device_limit: 3,
            device_policy: DevicePolicy::RefuseNewcomer,
        }
    }
}

/// What a team writes about an experience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperienceFields {
    /// What happens inside.
    pub kind: Kind,
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name.
    pub name: String,
    /// Plain paragraphs.
    pub description: Option<String>,
    /// What it is about, in one word or two.
    pub category: Option<String>,
    /// How it behaves.
    pub settings: Settings,
}

/// An experience in its space.
#[derive(Clone, Debug)]
pub struct Experience {
    /// Which.
    pub id: ExperienceId,
    /// In which space.
    pub space: SpaceId,
    /// Its place in the seller's order, from 0.
    pub position: i32,
    /// What is written about it.
    pub fields: ExperienceFields,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What somebody wants an experience to be; what is absent stays, `null` empties a field that may be empty.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperiencePatch {
    /// `live_stream`. Needed for a new experience, and never changes.
    pub kind: Option<String>,
    /// Small letters, digits and single hyphens. Needed for a new experience.
    pub slug: Option<String>,
    /// 1 to 120 characters. Needed for a new experience.
    pub name: Option<String>,
    /// Plain paragraphs.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// What it is about.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub category: Option<Option<String>>,
    /// 0 to 86400; 900 at first.
    pub lobby_lead_secs: Option<i64>,
    /// 0 to 1800; 60 at first.
    pub publisher_grace_secs: Option<i64>,
    /// Whether it goes live by itself when media starts in the lobby; so at first.
    pub auto_start: Option<bool>,
    /// 1 to 100; 3 at first.
    pub device_limit: Option<i64>,
    /// `refuse_newcomer` or `drop_oldest`; the first at first.
    pub device_policy: Option<String>,
}

impl ExperiencePatch {
    /// The fields after this is laid over `now`, or those of a new experience when there is no `now`.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn over(self, now: Option<&ExperienceFields>) -> Result<ExperienceFields, Vec<WrongField>> {
        let mut check = Check::new();
        let settings = self.settings(now.map_or_else(Settings::default, |now| now.settings), &mut check);
        let kind = match (check.word("kind", self.kind.as_deref(), Kind::ALL), now) {
            (Some(kind), Some(now)) if kind != now.kind => {
                check.wrong("kind", "The kind of an experience never changes.");
                now.kind
            }
            (Some(kind), _) => kind,
            (None, Some(now)) => now.kind,
            (None, None) => {
                if self.kind.is_none() {
                    check.wrong("kind", "This is needed.");
                }
                Kind::LiveStream
            }
        };
        let slug = match (self.slug, now) {
            (Some(text), _) => check.slug(&text, Slug::parse),
            (None, Some(now)) => Some(now.slug.clone()),
            (None, None) => check.missing("slug"),
        };
        let name = check.needed_line("name", self.name.as_deref(), now.map(|now| &now.name), NAME_CHARS_MAX);
        let description = match self.description {
            Some(text) => check.optional_text("description", text.as_deref(), TEXT_CHARS_MAX),
            None => now.and_then(|now| now.description.clone()),
        };
        let category = match self.category {
            Some(text) => check.optional_line("category", text.as_deref(), LINE_CHARS_MAX),
            None => now.and_then(|now| now.category.clone()),
        };
        let slug = check.whole(slug)?;
        Ok(ExperienceFields { kind, slug, name, description, category, settings })
    }

    fn settings(&self, now: Settings, check: &mut Check) -> Settings {
        let lead = self.lobby_lead_secs.unwrap_or(now.lobby_lead_secs.into());
        let grace = self.publisher_grace_secs.unwrap_or(now.publisher_grace_secs.into());
        let devices = self.device_limit.unwrap_or(now.device_limit.into());
        Settings {
            lobby_lead_secs: check.number("lobby_lead_secs", lead, (0, LOBBY_LEAD_SECS_MAX)),
            publisher_grace_secs: check.number("publisher_grace_secs", grace, (0, PUBLISHER_GRACE_SECS_MAX)),
            auto_start: self.auto_start.unwrap_or(now.auto_start),
            device_limit: check.number("device_limit", devices, (1, DEVICE_LIMIT_MAX)),
            device_policy: check
                .word("device_policy", self.device_policy.as_deref(), DevicePolicy::ALL)
                .unwrap_or(now.device_policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(body: &str) -> ExperiencePatch {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_new_experience_has_the_settings_of_the_house() {
        let made = patch(r#"{"kind":"live_stream","slug":"main-stage","name":"Main Stage"}"#).over(None).unwrap();
        assert_eq!(made.settings, Settings::default());
        assert_eq!(made.settings.lobby_lead_secs, 900);
    }

    #[test]
    fn every_setting_outside_its_bounds_is_told() {
        let body = r#"{"kind":"chat","slug":"a","name":"A","lobby_lead_secs":-1,"publisher_grace_secs":1801,
            "device_limit":0,"device_policy":"drop_newest"}"#;
        let wrong = patch(body).over(None).unwrap_err();
        let fields: Vec<_> = wrong.iter().map(|w| w.field).collect();
        assert_eq!(fields, ["lobby_lead_secs", "publisher_grace_secs", "device_limit", "device_policy", "kind"]);
    }

    #[test]
    fn the_bounds_themselves_are_inside() {
        let base = patch(r#"{"kind":"live_stream","slug":"a","name":"A"}"#).over(None).unwrap();
        for body in [
            r#"{"lobby_lead_secs":0,"publisher_grace_secs":0,"device_limit":1}"#,
            r#"{"lobby_lead_secs":86400,"publisher_grace_secs":1800,"device_limit":100,"device_policy":"drop_oldest"}"#,
        ] {
            assert!(patch(body).over(Some(&base)).is_ok(), "{body}");
        }
    }

    #[test]
    fn position_and_space_are_not_for_a_patch() {
        for body in [r#"{"position":0}"#, r#"{"space_id":"x"}"#, r#"{"id":"x"}"#] {
            assert!(serde_json::from_str::<ExperiencePatch>(body).is_err(), "{body}");
        }
    }
}
