//! Periods of a subscription: months and years counted from an anchor, so that the 31st stays the 31st where there is one.

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};

/// The unit of a rhythm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// 24 hours.
    Day,
    /// Seven days.
    Week,
    /// By the calendar.
    #[default]
    Month,
    /// By the calendar.
    Year,
}

/// How often something comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The unit.
    pub interval: Interval,
    /// How many of it.
    pub count: u32,
}

/// Seconds of a day.
pub const DAY: i64 = 86_400;

impl Interval {
    /// The provider's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Day, Self::Week, Self::Month, Self::Year].into_iter().find(|interval| interval.name() == name)
    }
}

impl Rhythm {
    /// The end of the period number `number` (from 1) after `anchor`.
    fn end(self, anchor: i64, number: u32) -> i64 {
        let steps = self.count.saturating_mul(number);
        let months = match self.interval {
            Interval::Day => return anchor + i64::from(steps) * DAY,
            Interval::Week => return anchor + i64::from(steps) * 7 * DAY,
            Interval::Month => steps,
            Interval::Year => steps.saturating_mul(12),
        };
        let start: DateTime<Utc> = DateTime::from_timestamp(anchor, 0).unwrap_or_default();
        start.checked_add_months(Months::new(months)).map_or(i64::MAX, |end| end.timestamp())
    }

    /// The end of the period that contains `from` or begins there.
    pub fn next_end(self, anchor: i64, from: i64) -> i64 {
        if from < anchor {
            return anchor;
        }
        let shortest = match self.interval {
            Interval::Day => DAY,
            Interval::Week => 7 * DAY,
            Interval::Month => 31 * DAY,
            Interval::Year => 366 * DAY,
        } * i64::from(self.count.max(1));
        // No period is longer than that, so this many have surely begun; the few others are counted.
        let begun = u32::try_from((from - anchor) / shortest).unwrap_or(u32::MAX);
        (begun..=u32::MAX).map(|number| self.end(anchor, number.max(1))).find(|end| *end > from).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        format!("{text}T12:00:00Z").parse::<DateTime<Utc>>().unwrap().timestamp()
    }

    #[test]
    fn a_period_ends_on_the_day_of_its_anchor_or_the_last_of_a_shorter_month() {
        let monthly = Rhythm { interval: Interval::Month, count: 1 };
        let yearly = Rhythm { interval: Interval::Year, count: 1 };
        let daily = Rhythm { interval: Interval::Day, count: 3 };
        let table = [
            (monthly, "2026-01-31", "2026-01-31", "2026-02-28"),
            (monthly, "2026-01-31", "2026-02-28", "2026-03-31"),
            (monthly, "2026-01-31", "2031-03-31", "2031-04-30"),
            (monthly, "2026-03-15", "2026-03-01", "2026-03-15"),
            (yearly, "2028-02-29", "2028-02-29", "2029-02-28"),
            (yearly, "2028-02-29", "2031-02-28", "2032-02-29"),
            (daily, "2026-01-01", "2026-01-04", "2026-01-07"),
        ];
        for (rhythm, anchor, from, end) in table {
            assert_eq!(rhythm.next_end(at(anchor), at(from)), at(end), "{anchor} {from}");
        }
    }
}
