//! The figures of a run, their names, and whether they keep the stated limits.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Serialize, Serializer};

use crate::args::Limit;

macro_rules! names {
    ($($variant:ident $text:literal $words:literal,)*) => {
        /// The name of a figure; its unit is its last word, counts have none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Name {
            $(#[doc = $words] $variant,)*
        }

        impl Name {
            /// Every figure, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that limits and JSON use.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it says, for people.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

names! {
    Viewers "viewers" "Viewers asked for",
    Joined "joined" "Viewers that got inside",
    NotJoined "not_joined" "Viewers that never got inside",
    GaveUp "gave_up" "Viewers sent away for good",
    JoinedP50Ms "joined_p50_ms" "Start of the storm to snapshot, median",
    JoinedP99Ms "joined_p99_ms" "Start of the storm to snapshot, 99 of 100",
    JoinedAllMs "joined_all_ms" "Start of the storm to the last snapshot",
    OpeningP50Ms "opening_p50_ms" "One viewer's connect to snapshot, median",
    OpeningP99Ms "opening_p99_ms" "One viewer's connect to snapshot, 99 of 100",
    Messages "messages" "Messages received",
    Megabytes "megabytes" "Megabytes received",
    Triggers "triggers" "Reactions sent as triggers",
    FanoutP50Ms "fanout_p50_ms" "Trigger to delivery, median",
    FanoutP99Ms "fanout_p99_ms" "Trigger to delivery, 99 of 100",
    FanoutMaxMs "fanout_max_ms" "Trigger to delivery, slowest",
    SpreadP50Ms "spread_p50_ms" "First to each delivery of a message, median",
    SpreadP99Ms "spread_p99_ms" "First to each delivery of a message, 99 of 100",
    SpreadMaxMs "spread_max_ms" "First to each delivery of a message, slowest",
    Missing "missing" "Deliveries of triggers that never came",
    ReconnectingP50Ms "reconnecting_p50_ms" "Media lost to reconnecting told, median",
    ReconnectingP99Ms "reconnecting_p99_ms" "Media lost to reconnecting told, 99 of 100",
    ReconnectingAllMs "reconnecting_all_ms" "Media lost to reconnecting told to the last viewer",
    LiveAgainP99Ms "live_again_p99_ms" "Media back to live told, 99 of 100",
    LiveAgainAllMs "live_again_all_ms" "Media back to live told to the last viewer",
    NotToldLost "not_told_lost" "Viewers not told that the media was lost",
    NotToldBack "not_told_back" "Viewers not told that the media was back",
    EndedSeen "ended_seen" "Viewers that were told an end",
    Dropped "dropped" "Sockets that ended while inside",
    Recovered "recovered" "Viewers that came back to their old place",
    BackP50Ms "back_p50_ms" "Server accepts again to viewer back, median",
    BackP99Ms "back_p99_ms" "Server accepts again to viewer back, 99 of 100",
    BackAllMs "back_all_ms" "Server accepts again to the last viewer back",
    NotBack "not_back" "Viewers that did not come back",
    Holes "holes" "Numbered messages that never came",
    Duplicates "duplicates" "Numbered messages that came again",
    OutOfOrder "out_of_order" "Numbered messages out of order",
    Unannounced "unannounced" "Numbered messages without a snapshot before them",
    Unreadable "unreadable" "Messages that could not be read",
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|name| name.text() == text).copied().ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|name| name.text()).collect();
            format!("{text:?} is no figure; known are {}", known.join(", "))
        })
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.text())
    }
}

/// What must be zero in every run, without being asked: a broken promise is no matter of degree.
const ALWAYS_ZERO: [Name; 10] = [
    Name::NotJoined,
    Name::NotToldLost,
    Name::NotToldBack,
    Name::EndedSeen,
    Name::NotBack,
    Name::Holes,
    Name::Duplicates,
    Name::OutOfOrder,
    Name::Unannounced,
    Name::Unreadable,
];

/// The figures that were measured.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Figures(BTreeMap<Name, f64>);

/// How a figure stands to its limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The figure.
    pub name: Name,
    /// The most that it may be.
    pub most: f64,
    /// What it was; `None` when it was not measured, which breaks the limit.
    pub measured: Option<f64>,
    /// Whether the limit holds.
    pub holds: bool,
}

impl Figures {
    /// Notes a figure; `None` is a figure that was not measured.
    pub fn set(&mut self, name: Name, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.0.insert(name, value);
        }
    }

    /// Notes a count.
    pub fn count(&mut self, name: Name, count: u64) {
        self.set(name, count as f64);
    }

    /// A figure, when it was measured.
    pub fn get(&self, name: Name) -> Option<f64> {
        self.0.get(&name).copied()
    }

    /// Every figure that was measured, in the order of the report.
    pub fn all(&self) -> impl Iterator<Item = (Name, f64)> + '_ {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    /// Holds the figures against the stated limits, and against those that always hold unless stated otherwise.
    pub fn judge(&self, stated: &[Limit]) -> Vec<Verdict> {
        let silent = ALWAYS_ZERO
            .into_iter()
            .filter(|name| self.get(*name).is_some() && !stated.iter().any(|limit| limit.name == *name))
            .map(|name| Limit { name, most: 0.0 });
        stated
            .iter()
            .copied()
            .chain(silent)
            .map(|Limit { name, most }| {
                let measured = self.get(name);
                Verdict { name, most, measured, holds: measured.is_some_and(|value| value <= most) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        figures.set(Name::JoinedP99Ms, 4_200.0);
        figures.count(Name::Holes, 3);
        figures
    }

    #[test]
    fn a_figure_that_was_not_measured_breaks_its_limit() {
        let limit = Limit { name: Name::BackP99Ms, most: 5_000.0 };
        let verdicts = figures().judge(&[limit]);
        assert_eq!(verdicts[0], Verdict { name: Name::BackP99Ms, most: 5_000.0, measured: None, holds: false });
    }

    #[test]
    fn a_hole_breaks_a_run_that_stated_no_limit() {
        assert_eq!(figures().judge(&[]).iter().filter(|verdict| !verdict.holds).count(), 1);
    }

    #[test]
    fn a_stated_limit_takes_the_place_of_the_silent_one() {
        let verdicts = figures().judge(&[Limit { name: Name::Holes, most: 5.0 }]);
        assert_eq!(verdicts.len(), 1);
        assert!(verdicts[0].holds);
    }
}
