//! Lists with their pages, and fields that are expanded on request.

use serde_json::{Value, json};

use super::account::Account;
use super::form::Fields;
use super::refusal::Refusal;
use crate::limits;

/// Which part of a list is wanted.
#[derive(Debug, Default)]
pub struct Page {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
    created: [Option<i64>; 4],
}

/// The names of the bounds on the time of making.
const BOUNDS: [&str; 4] = ["gt", "gte", "lt", "lte"];

impl Page {
    /// Reads what was asked for.
    pub fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let limit = fields.whole("limit")?.unwrap_or(i64::try_from(limits::STRIPE_PAGE).unwrap_or(10));
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=limits::STRIPE_PAGE_MAX).contains(limit));
        let wrong = || {
            let refusal = Refusal::invalid("Invalid integer: limit must be between 1 and 100.").early();
            refusal.code("parameter_invalid_integer").param("limit")
        };
        let mut page = Self { limit: limit.ok_or_else(wrong)?, ..Self::default() };
        (page.after, page.before) = (fields.text("starting_after")?, fields.text("ending_before")?);
        if fields.has("created") {
            if let Ok(Some(mut bounds)) = fields.tree("created") {
                for (bound, name) in page.created.iter_mut().zip(BOUNDS) {
                    *bound = bounds.whole(name)?;
                }
                bounds.end()?;
            } else {
                return Err(Refusal::not_played("created as a single moment"));
            }
        }
        Ok(page)
    }

    /// One page of `all`, which is in the order of age, the newest first.
    pub fn of(&self, url: &str, all: Vec<Value>) -> Result<Value, Refusal> {
        let made = |object: &Value| object["created"].as_i64().unwrap_or(0);
        let [gt, gte, lt, lte] = self.created;
        let within = |object: &Value| {
            let at = made(object);
            gt.is_none_or(|bound| at > bound)
                && gte.is_none_or(|bound| at >= bound)
                && lt.is_none_or(|bound| at < bound)
                && lte.is_none_or(|bound| at <= bound)
        };
        let mut all: Vec<Value> = all.into_iter().filter(within).collect();
        let place = |id: &str, param: &str| {
            let known = all.iter().position(|object| object["id"] == id);
            known.ok_or_else(|| Refusal::missing("object", id, param))
        };
        if let Some(after) = &self.after {
            let at = place(after, "starting_after")?;
            all.drain(..=at);
        } else if let Some(before) = &self.before {
            let at = place(before, "ending_before")?;
            all.truncate(at);
            let more = all.len() > self.limit;
            all.drain(..all.len().saturating_sub(self.limit));
            return Ok(json!({"object": "list", "url": url, "has_more": more, "data": all}));
        }
        let more = all.len() > self.limit;
        all.truncate(self.limit);
        Ok(json!({"object": "list", "url": url, "has_more": more, "data": all}))
    }
}

impl Account {
    /// Puts objects in the place of their ids, along a path such as `data.latest_invoice.confirmation_secret`.
    pub fn expand(&self, value: &mut Value, path: &str) -> Result<(), Refusal> {
        let steps: Vec<&str> = path.split('.').collect();
        if steps.len() > limits::STRIPE_EXPAND_DEPTH_MAX + 1 {
            return Err(Refusal::invalid("You cannot expand more than 4 levels of a property").param("expand"));
        }
        self.expand_steps(value, &steps, path)
    }

    fn expand_steps(&self, value: &mut Value, steps: &[&str], path: &str) -> Result<(), Refusal> {
        let Some((first, rest)) = steps.split_first() else { return Ok(()) };
        if let Value::Array(items) = value {
            return items.iter_mut().try_for_each(|item| self.expand_steps(item, steps, path));
        }
        if value["object"] == "invoice"
            && let Some(id) = value["id"].as_str()
            && let Some(extra) = self.invoice_extra(id, first)
        {
            value[*first] = extra;
        }
        let Some(field) = value.get_mut(*first) else {
            return Err(Refusal::invalid(format!("This property cannot be expanded ({path}).")).param("expand"));
        };
        match field {
            Value::String(id) => {
                let known = self.show(id).or_else(|| self.discount(id));
                let Some(object) = known else {
                    let refusal = Refusal::invalid(format!("This property cannot be expanded ({path})."));
                    return Err(refusal.param("expand"));
                };
                *field = object;
            }
            Value::Array(items) if rest.is_empty() => {
                for item in items {
                    if let Some(object) = item.as_str().and_then(|id| self.discount(id).or_else(|| self.show(id))) {
                        *item = object;
                    }
                }
            }
            Value::Null => return Ok(()),
            _ => {}
        }
        self.expand_steps(field, rest, path)
    }

    fn discount(&self, id: &str) -> Option<Value> {
        if !id.starts_with("di_") {
            return None;
        }
        self.subscriptions.iter().find_map(|(name, subscription)| {
            let found = subscription.discounts.iter().find(|discount| discount.id == id)?;
            Some(found.shown(name, &subscription.customer))
        })
    }
}
