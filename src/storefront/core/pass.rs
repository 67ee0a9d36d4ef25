//! An access pass: what its sales page says, and whether it is offered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    field::{Check, WrongField, present, words},
    question::{self, Question, QuestionAsk},
    slug::Slug,
};
use crate::{
    clock::Timestamp,
    ids::{ExperienceId, PassId, SpaceId},
    limits::{BENEFITS_MAX, LINE_CHARS_MAX, NAME_CHARS_MAX, STOCK_MAX, TEXT_CHARS_MAX, URL_CHARS_MAX},
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
    /// What is offered besides.
    pub terms: Terms,
}

/// On which terms a pass is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How many units there are, those sold and held included; without limit when absent, and zero is zero.
    pub stock: Option<i32>,
    /// What is asked before checkout.
    pub questions: Vec<Question>,
    /// Where a buyer goes afterwards, always `https`; the first experience when absent.
    pub redirect_url: Option<String>,
    /// When the pass itself ends: sales stop, and with it the access of all who hold it.
    pub auto_expire_at: Option<Timestamp>,
}

impl Terms {
    /// Whether the pass has ended at `now`.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> bool {
        self.auto_expire_at.is_some_and(|end| end <= now)
    }
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
    /// How many units are free just now; `None` when it has no limit.
    pub stock_left: Option<i64>,
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
    /// How many there are, those sold and those being paid for included; `null` for no limit.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    pub stock: Option<Option<i64>>,
    /// What is asked before checkout, all of it.
    pub questions: Option<Vec<QuestionAsk>>,
    /// Where a buyer goes afterwards: an `https` address, `null` for the first experience.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub redirect_url: Option<Option<String>>,
    /// When the pass itself ends, with the access of all who hold it; `null` for never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub auto_expire_at: Option<Option<Timestamp>>,
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
        let before = now.map(|now| now.terms.clone()).unwrap_or_default();
        let terms = terms(&mut check, (self.stock, self.questions), (self.redirect_url, self.auto_expire_at), before);
        let slug = check.whole(slug)?;
        Ok(PassFields { slug, name, internal_name, product_type, status, headline, description, benefits, terms })
    }
}

type Given<T> = Option<Option<T>>;

fn terms(
    check: &mut Check,
    (stock, questions): (Given<i64>, Option<Vec<QuestionAsk>>),
    (redirect_url, auto_expire_at): (Given<String>, Given<Timestamp>),
    before: Terms,
) -> Terms {
    Terms {
        stock: match stock {
            Some(stock) => stock.map(|stock| check.number("stock", stock, (0, STOCK_MAX))),
            None => before.stock,
        },
        questions: match questions {
            Some(asked) => question::judge(check, &asked),
            None => before.questions,
        },
        redirect_url: match redirect_url {
            Some(text) => redirect(check, text.as_deref()),
            None => before.redirect_url,
        },
        auto_expire_at: auto_expire_at.unwrap_or(before.auto_expire_at),
    }
}

/// An address that leaves the site: `https`, a host, and no name or password in it.
fn redirect(check: &mut Check, text: Option<&str>) -> Option<String> {
    let text = check.optional_line("redirect_url", text, URL_CHARS_MAX)?;
    match url::Url::parse(&text) {
        Ok(url) if url.scheme() == "https" && url.host_str().is_some() && url.username().is_empty() => {
            Some(url.to_string())
        }
        Ok(_) | Err(_) => {
            check.wrong("redirect_url", "Write a whole address that begins with https://.");
            None
        }
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
    fn terms_are_laid_over_and_emptied_by_null() {
        let patch = |body: &str| serde_json::from_str::<PassPatch>(body).unwrap();
        let body = r#"{"slug":"a","name":"A","stock":20,"questions":[{"text":"Who?"}],
            "redirect_url":"https://example.org/hello","auto_expire_at":"2027-01-01T00:00:00Z"}"#;
        let first = patch(body).over(None).unwrap();
        assert_eq!((first.terms.stock, first.terms.questions.len()), (Some(20), 1));
        assert_eq!(patch(r#"{"name":"B"}"#).over(Some(&first)).unwrap().terms, first.terms);
        let emptied = patch(r#"{"stock":null,"questions":[],"redirect_url":null,"auto_expire_at":null}"#);
        assert_eq!(emptied.over(Some(&first)).unwrap().terms, Terms::default());
        let end = first.terms.auto_expire_at.unwrap();
        assert!(first.terms.over(end) && !first.terms.over(Timestamp(end.0 - 1)));
    }

    #[test]
    fn stock_below_zero_and_addresses_that_are_not_https_are_refused() {
        let wrong = |body: &str| {
            let patch: PassPatch = serde_json::from_str(body).unwrap();
            patch.over(None).unwrap_err().iter().map(|wrong| wrong.field).collect::<Vec<_>>()
        };
        for stock in ["-1", "100001"] {
            assert_eq!(wrong(&format!(r#"{{"slug":"a","name":"A","stock":{stock}}}"#)), ["stock"], "{stock}");
        }
        for url in ["http://example.org", "javascript:alert(1)", "//example.org", "https://", "https://a:b@example.org"]
        {
            let body = format!(r#"{{"slug":"a","name":"A","redirect_url":"{url}"}}"#);
            assert_eq!(wrong(&body), ["redirect_url"], "{url}");
        }
    }

    #[test]
    fn stock_sold_and_owner_are_not_for_a_patch() {
        for body in [
            r#"{"sold":0}"#,
            r#"{"stock_left":5}"#,
            r#"{"space_id":"x"}"#,
            r#"{"position":1}"#,
            r#"{"experience_ids":[]}"#,
        ] {
            assert!(serde_json::from_str::<PassPatch>(body).is_err(), "{body}");
        }
    }
}
