//! Lists in pages: `{"items", "next"}`, where `next` goes into `?cursor=`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{limits::PAGE_ITEMS_MAX, web::problem::Problem};

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `next` of the page before; the first page when absent.
    pub cursor: Option<String>,
    /// Items in a page, 1 to 100; 100 when absent.
    pub limit: Option<i64>,
}

impl Which {
    /// How many items.
    ///
    /// # Errors
    /// 422 when the limit is out of bounds.
    pub fn most(&self) -> Result<i64, Problem> {
        let most = self.limit.unwrap_or(PAGE_ITEMS_MAX);
        if (1..=PAGE_ITEMS_MAX).contains(&most) {
            Ok(most)
        } else {
            Err(Problem::wrong("limit", format!("Choose a number from 1 to {PAGE_ITEMS_MAX}.")))
        }
    }

    /// What the cursor of the last item before this page says.
    ///
    /// # Errors
    /// 422 when the cursor is none of ours.
    pub fn after<I: std::str::FromStr>(&self) -> Result<Option<I>, Problem> {
        let read =
            |text: &String| text.parse().map_err(|_| Problem::wrong("cursor", "This cursor is not one of ours."));
        self.cursor.as_ref().map(read).transpose()
    }

    /// The page of a short list that was read whole.
    ///
    /// # Errors
    /// 422 when the limit or the cursor is wrong.
    pub fn cut<T, I>(&self, items: Vec<T>, id: impl Fn(&T) -> I) -> Result<List<T>, Problem>
    where
        I: std::str::FromStr + std::fmt::Display + PartialEq,
    {
        let most = self.most()?;
        let start = match self.after::<I>()? {
            None => 0,
            Some(last) => items.iter().position(|item| id(item) == last).map_or(items.len(), |at| at + 1),
        };
        let rest: Vec<T> = items.into_iter().skip(start).collect();
        Ok(List::of(rest, most, id))
    }
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// The first `most` of `items`, of which one more was read to see whether there is a next page; `cursor` says where an
    /// item stands.
    pub fn of<C: std::fmt::Display>(mut items: Vec<T>, most: i64, cursor: impl Fn(&T) -> C) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let more = items.len() > most;
        items.truncate(most);
        let next = if more { items.last().map(|last| cursor(last).to_string()) } else { None };
        Self { items, next }
    }

    /// A list that is whole.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// The same page with each item made into something else.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(make).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_hole_or_double() {
        let all: Vec<u32> = (0..10).collect();
        let mut which = Which { cursor: None, limit: Some(3) };
        let mut seen = Vec::new();
        loop {
            let page = which.cut(all.clone(), |item| *item).unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items);
            match page.next {
                Some(next) => which.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_limit_or_cursor_that_is_none_is_told() {
        for limit in [0, -1, PAGE_ITEMS_MAX + 1] {
            assert!(Which { cursor: None, limit: Some(limit) }.most().is_err(), "{limit}");
        }
        assert!(Which { cursor: Some("x".into()), limit: None }.after::<u32>().is_err());
    }
}
