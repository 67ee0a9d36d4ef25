//! An access pass: what its sales page says, and whether it is offered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    field::{Check, WrongField, present, words},
    slug::Slug,
};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, PassId, SpaceId},
    limits::{BENEFITS_MAX, LINE_CHARS_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX},
};

words! {
    /// Whether a pass is offered.
    PassStatus {
        /// Only the team sees it.
        Draft = "draft",
        /// Offered.
        OnSale = "on_sale",
        /// Not offered any more; who holds it keeps it.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// What is sold.
    ProductType {
        /// Access to the space and the experiences ticked.
        Access = "access",
    }
}

/// What a team writes about a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassFields {
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name.
    pub name: String,
    /// A name that only the team sees.
    pub internal_name: Option<String>,
    /// What is sold.
    pub product_type: ProductType,
    /// Whether it is offered.
    pub status: PassStatus,
    /// One sentence.
    pub headline: Option<String>,
    /// Plain paragraphs.
    pub description: Option<String>,
    /// What one gets, one line each.
    pub benefits: Vec<String>,
}

/// A pass in its space.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Which.
    pub id: PassId,
    /// In which space.
    pub space: SpaceId,
    /// Its place in the seller's order, from 0.
    pub position: i32,
    /// What is written about it.
    pub fields: PassFields,
    /// What it opens, in the order of the experiences.
    pub experiences: Vec<ExperienceId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What somebody wants a pass to be; what is absent stays, `null` empties a field that may be empty.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PassPatch {
    /// Small letters, digits and single hyphens. Needed for a new pass.
    pub slug: Option<String>,
    /// 1 to 120 characters. Needed for a new pass.
    pub name: Option<String>,
    /// A name that only the team sees.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub internal_name: Option<Option<String>>,
    /// `access`.
    pub product_type: Option<String>,
    /// `draft`, `on_sale` or `withdrawn`; a new pass is on sale.
    pub status: Option<String>,
    /// One sentence.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub headline: Option<Option<String>>,
    /// Plain paragraphs.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    /// What one gets, one line each.
    pub benefits: Option<Vec<String>>,
}

impl PassPatch {
    /// The fields after this is laid over `now`, or those of a new pass when there is no `now`.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn over(self, now: Option<&PassFields>) -> Result<PassFields, Vec<WrongField>> {
        let mut check = Check::new();
        let slug = match (self.slug, now) {
            (Some(text), _) => check.slug(&text, Slug::parse),
            (None, Some(now)) => Some(now.slug.clone()),
            (None, None) => check.missing("slug"),
        };
        let name = check.needed_line("name", self.name.as_deref(), now.map(|now| &now.name), NAME_CHARS_MAX);
        let internal_name = match self.internal_name {
            Some(text) => check.optional_line("internal_name", text.as_deref(), NAME_CHARS_MAX),
            None => now.and_then(|now| now.internal_name.clone()),
        };
        let product_type = check
            .word("product_type", self.product_type.as_deref(), ProductType::ALL)
            .unwrap_or(now.map_or(ProductType::Access, |now| now.product_type));
        let status = check
            .word("status", self.status.as_deref(), PassStatus::ALL)
            .unwrap_or(now.map_or(PassStatus::OnSale, |now| now.status));
        let headline = match self.headline {
            Some(text) => check.optional_line("headline", text.as_deref(), LINE_CHARS_MAX),
            None => now.and_then(|now| now.headline.clone()),
        };
        let description = match self.description {
            Some(text) => check.optional_text("description", text.as_deref(), TEXT_CHARS_MAX),
            None => now.and_then(|now| now.description.clone()),
        };
        let benefits = match self.benefits {
            Some(lines) => benefits(&mut check, &lines),
            None => now.map(|now| now.benefits.clone()).unwrap_or_default(),
        };
        let slug = check.whole(slug)?;
        Ok(PassFields { slug, name, internal_name, product_type, status, headline, description, benefits })
    }
}

fn benefits(check: &mut Check, lines: &[String]) -> Vec<String> {
    if lines.len() > BENEFITS_MAX {
        check.wrong("benefits", format!("Keep it to {BENEFITS_MAX} lines."));
        return Vec::new();
    }
    lines.iter().map(|line| check.line("benefits", line, LINE_CHARS_MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_pass_is_on_sale() {
        let patch: PassPatch = serde_json::from_str(r#"{"slug":"basic","name":"Basic"}"#).unwrap();
        assert_eq!(patch.over(None).unwrap().status, PassStatus::OnSale);
    }

    #[test]
    fn benefits_are_bounded_in_number_and_length() {
        let patch = |benefits| PassPatch {
            slug: Some("a".into()),
            name: Some("A".into()),
            benefits: Some(benefits),
            ..PassPatch::default()
        };
        assert!(patch(vec!["One".to_owned(); BENEFITS_MAX]).over(None).is_ok());
        assert_eq!(patch(vec!["One".to_owned(); BENEFITS_MAX + 1]).over(None).unwrap_err()[0].field, "benefits");
        assert_eq!(patch(vec!["x".repeat(LINE_CHARS_MAX + 1)]).over(None).unwrap_err()[0].field, "benefits");
    }

    #[test]
    fn stock_sold_and_owner_are_not_for_a_patch() {
        for body in [r#"{"sold":0}"#, r#"{"space_id":"x"}"#, r#"{"position":1}"#, r#"{"experience_ids":[]}"#] {
            assert!(serde_json::from_str::<PassPatch>(body).is_err(), "{body}");
        }
    }
}
