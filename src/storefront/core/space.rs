//! A space: what its fields may hold, and how a change is laid over them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    field::{Check, WrongField, present, words},
    slug::Slug,
};
use crate::{
    clock::Timestamp,
    ids::{SpaceId, TeamId},
    limits::{LINE_CHARS_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX},
};

words! {
    /// Whether a space can be seen.
    SpaceStatus {
        /// Only the team sees it.
        Draft = "draft",
        /// It is open.
        Published = "published",
        /// Put away.
        Archived = "archived",
    }
}

words! {
    /// To whom a published space shows itself.
    Visibility {
        /// Everybody.
        Public = "public",
        /// Those who were granted access, and the team.
        Private = "private",
    }
}

/// What a team writes about its space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceFields {
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name.
    pub name: String,
    /// One sentence.
    pub tagline: Option<String>,
    /// Plain paragraphs.
    pub description: Option<String>,
    /// Whether it can be seen.
    pub status: SpaceStatus,
    /// To whom.
    pub visibility: Visibility,
    /// What happens to money, in the team's words.
    pub refund_policy: Option<String>,
}

/// A space with its owner.
#[derive(Clone, Debug)]
pub struct Space {
    /// Which.
    pub id: SpaceId,
    /// Whose.
    pub team: TeamId,
    /// What is written about it.
    pub fields: SpaceFields,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What somebody wants a space to be; what is absent stays as it is, `null` empties a field that may be empty.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpacePatch {
    /// Small letters, digits and single hyphens; never a name of the site itself. Needed for a new space.
    pub slug: Option<String>,
    /// 1 to 120 characters. Needed for a new space.
    pub name: Option<String>,
    /// One sentence.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub tagline: Option<Option<String>>,
    /// Plain paragraphs.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// `draft`, `published` or `archived`; a new space is a draft.
    pub status: Option<String>,
    /// `public` or `private`; a new space is public.
    pub visibility: Option<String>,
    /// What happens to money, in the team's words.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub refund_policy: Option<Option<String>>,
}

impl SpacePatch {
    /// The fields after this is laid over `now`, or the fields of a new space when there is no `now`.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn over(self, now: Option<&SpaceFields>) -> Result<SpaceFields, Vec<WrongField>> {
        let mut check = Check::new();
        let slug = match (self.slug, now) {
            (Some(text), Some(now)) if text == now.slug.as_str() => Some(now.slug.clone()),
            (Some(text), _) => check.slug(&text, Slug::for_space),
            (None, Some(now)) => Some(now.slug.clone()),
            (None, None) => check.missing("slug"),
        };
        let name = check.needed_line("name", self.name.as_deref(), now.map(|now| &now.name), NAME_CHARS_MAX);
        let tagline = match self.tagline {
            Some(text) => check.optional_line("tagline", text.as_deref(), LINE_CHARS_MAX),
            None => now.and_then(|now| now.tagline.clone()),
        };
        let description = match self.description {
            Some(text) => check.optional_text("description", text.as_deref(), TEXT_CHARS_MAX),
            None => now.and_then(|now| now.description.clone()),
        };
        let refund_policy = match self.refund_policy {
            Some(text) => check.optional_text("refund_policy", text.as_deref(), TEXT_CHARS_MAX),
            None => now.and_then(|now| now.refund_policy.clone()),
        };
        let status = check
            .word("status", self.status.as_deref(), SpaceStatus::ALL)
            .unwrap_or(now.map_or(SpaceStatus::Draft, |now| now.status));
        let visibility = check
            .word("visibility", self.visibility.as_deref(), Visibility::ALL)
            .unwrap_or(now.map_or(Visibility::Public, |now| now.visibility));
        let slug = check.whole(slug)?;
        Ok(SpaceFields { slug, name, tagline, description, status, visibility, refund_policy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> SpaceFields {
        let patch = SpacePatch { slug: Some("demo".into()), name: Some("Demo".into()), ..SpacePatch::default() };
        patch.over(None).unwrap()
    }

    #[test]
    fn a_new_space_is_a_public_draft_and_needs_slug_and_name() {
        let space = demo();
        assert_eq!((space.status, space.visibility), (SpaceStatus::Draft, Visibility::Public));
        let wrong = SpacePatch::default().over(None).unwrap_err();
        assert_eq!(wrong.iter().map(|w| w.field).collect::<Vec<_>>(), ["slug", "name"]);
    }

    #[test]
    fn what_a_patch_leaves_out_stays_and_null_empties() {
        let before = SpaceFields { tagline: Some("Hello".into()), ..demo() };
        let patch: SpacePatch = serde_json::from_str(r#"{"name":"Other"}"#).unwrap();
        let after = patch.over(Some(&before)).unwrap();
        assert_eq!((after.name.as_str(), after.tagline.as_deref()), ("Other", Some("Hello")));
        let patch: SpacePatch = serde_json::from_str(r#"{"tagline":null}"#).unwrap();
        assert_eq!(patch.over(Some(&before)).unwrap().tagline, None);
    }

    #[test]
    fn a_reserved_slug_and_an_unknown_status_are_both_told() {
        let patch = SpacePatch { slug: Some("api".into()), status: Some("open".into()), ..SpacePatch::default() };
        let wrong = patch.over(Some(&demo())).unwrap_err();
        assert_eq!(wrong.iter().map(|w| w.field).collect::<Vec<_>>(), ["slug", "status"]);
    }

    #[test]
    fn fields_that_are_not_ours_to_change_are_refused() {
        for body in [r#"{"team_id":"x"}"#, r#"{"id":"x"}"#, r#"{"created_at":"x"}"#] {
            assert!(serde_json::from_str::<SpacePatch>(body).is_err(), "{body}");
        }
    }
}
