//! The series of single experiences. They are there while an experience has an open broadcast or viewers and go away after;
//! the largest by audience stand by name, and all others share one name, so that Prometheus never meets more than it can keep.

use std::{
    fmt::{Display, Write as _},
    sync::LazyLock,
};

use dashmap::DashMap;

use super::metric::{ALL, BITRATE, BROADCASTS, FPS, HEALTH_SCORE, PACKET_LOSS, VIEWERS, VIEWERS_PEAK};
use crate::{ids::ExperienceId, limits::EXPERIENCE_SERIES_MAX};

/// The name that those share who have none of their own.
const OTHER: &str = "other";

/// One for the process, as the recorder of all other series is.
static STAGES: LazyLock<Stages> = LazyLock::new(Stages::default);

/// What a publisher sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// Bits a second.
    pub bitrate_bits: f64,
    /// Frames a second.
    pub fps: f64,
    /// Packets lost, 0 to 1.
    pub loss_ratio: f64,
}

/// What is shown of one experience.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The state of its open broadcast.
    pub state: Option<&'static str>,
    /// Viewers now.
    pub viewers: u32,
    /// The most at once.
    pub peak: u32,
    /// How good the picture is, 0 to 100, while that is known.
    pub score: Option<u8>,
    /// What the publisher sends, while that is known.
    pub sent: Option<Sent>,
}

/// Shows these figures of an experience from now on; none at all once it has neither a broadcast nor viewers.
pub fn show(experience: ExperienceId, figures: Figures) {
    STAGES.show(experience, figures);
}

/// All series of experiences as Prometheus reads them.
#[must_use]
pub fn render() -> String {
    STAGES.render()
}

/// The experiences of one node.
#[derive(Default)]
struct Stages(DashMap<ExperienceId, Figures>);

impl Stages {
    fn show(&self, experience: ExperienceId, figures: Figures) {
        if figures.state.is_none() && figures.viewers == 0 {
            self.0.remove(&experience);
        } else {
            self.0.insert(experience, figures);
        }
    }

    fn render(&self) -> String {
        let mut all: Vec<(ExperienceId, Figures)> = self.0.iter().map(|it| (*it.key(), *it.value())).collect();
        all.sort_unstable_by_key(|(experience, figures)| (std::cmp::Reverse(figures.viewers), *experience));
        let mut lines = Lines::default();
        lines.broadcasts(&all);
        let rest = all.split_off(all.len().min(EXPERIENCE_SERIES_MAX));
        let mut shown: Vec<(String, Figures)> = all.iter().map(|(id, figures)| (id.to_string(), *figures)).collect();
        shown.extend(rest.into_iter().map(|(_, figures)| figures).reduce(together).map(|it| (OTHER.to_owned(), it)));
        lines.gauge(VIEWERS, &shown, |it| Some(f64::from(it.viewers)));
        lines.gauge(VIEWERS_PEAK, &shown, |it| Some(f64::from(it.peak)));
        lines.gauge(HEALTH_SCORE, &shown, |it| it.score.map(f64::from));
        lines.gauge(BITRATE, &shown, |it| it.sent.map(|sent| sent.bitrate_bits));
        lines.gauge(PACKET_LOSS, &shown, |it| it.sent.map(|sent| sent.loss_ratio));
        lines.gauge(FPS, &shown, |it| it.sent.map(|sent| sent.fps));
        lines.0
    }
}

/// Counts are added; of what is measured the worst is shown.
fn together(one: Figures, other: Figures) -> Figures {
    let sent = |one: Sent, other: Sent| Sent {
        bitrate_bits: one.bitrate_bits.min(other.bitrate_bits),
        fps: one.fps.min(other.fps),
        loss_ratio: one.loss_ratio.max(other.loss_ratio),
    };
    Figures {
        state: None,
        viewers: one.viewers + other.viewers,
        peak: one.peak + other.peak,
        score: one.score.into_iter().chain(other.score).min(),
        sent: one.sent.into_iter().chain(other.sent).reduce(sent),
    }
}

/// Text in Prometheus' own format.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Writing to a text cannot fail.
    fn line(&mut self, text: impl Display) {
        let _written = writeln!(self.0, "{text}");
    }

    fn head(&mut self, name: &str) {
        let help = ALL.iter().find(|series| series.name == name).map_or("", |series| series.help);
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} gauge"));
    }

    fn broadcasts(&mut self, all: &[(ExperienceId, Figures)]) {
        let mut states: Vec<&str> = all.iter().filter_map(|(_, figures)| figures.state).collect();
        if states.is_empty() {
            return;
        }
        states.sort_unstable();
        self.head(BROADCASTS);
        for same in states.chunk_by(|one, other| one == other) {
            self.line(format_args!("{BROADCASTS}{{state=\"{}\"}} {}", same[0], same.len()));
        }
        self.line("");
    }

    fn gauge(&mut self, name: &str, shown: &[(String, Figures)], value: impl Fn(&Figures) -> Option<f64>) {
        let mut values = shown.iter().filter_map(|(label, figures)| Some((label, value(figures)?))).peekable();
        if values.peek().is_none() {
            return;
        }
        self.head(name);
        for (label, value) in values {
            self.line(format_args!("{name}{{experience=\"{label}\"}} {value}"));
        }
        self.line("");
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn experience(number: u32) -> ExperienceId {
        ExperienceId(Uuid::from_u128(number.into()))
    }

    fn live(viewers: u32) -> Figures {
        Figures { state: Some("live"), viewers, peak: viewers, ..Figures::default() }
    }

    #[test]
    fn the_series_of_an_experience_go_away_with_its_broadcast_and_its_viewers() {
        let stages = Stages::default();
        let sent = Sent { bitrate_bits: 1e6, fps: 30.0, loss_ratio: 0.0 };
        stages.show(experience(1), Figures { score: Some(90), sent: Some(sent), ..live(3) });
        let text = stages.render();
        for line in [
            "backstage_broadcasts{state=\"live\"} 1",
            "backstage_viewers{experience=\"exp_00000000000000000000000000000001\"} 3",
            "backstage_stream_health_score{experience=\"exp_00000000000000000000000000000001\"} 90",
            "backstage_stream_fps{experience=\"exp_00000000000000000000000000000001\"} 30",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
        stages.show(experience(1), Figures { viewers: 3, ..Figures::default() });
        let text = stages.render();
        assert!(text.contains("backstage_viewers{") && !text.contains("health"), "{text}");
        stages.show(experience(1), Figures::default());
        assert_eq!(stages.render(), "");
    }

    #[test]
    fn survive_117_the_largest_stand_by_name_and_the_rest_share_one() {
        let stages = Stages::default();
        let most = u32::try_from(EXPERIENCE_SERIES_MAX).unwrap();
        for number in 1..=most + 2 {
            stages.show(experience(number), live(number));
        }
        let text = stages.render();
        let viewers: Vec<&str> = text.lines().filter(|line| line.starts_with("backstage_viewers{")).collect();
        assert_eq!(viewers.len(), EXPERIENCE_SERIES_MAX + 1);
        assert_eq!(viewers.last(), Some(&"backstage_viewers{experience=\"other\"} 3"), "the two smallest together");
        assert!(text.contains(&format!("backstage_broadcasts{{state=\"live\"}} {}", most + 2)));
    }

    #[test]
    fn of_what_is_measured_in_the_rest_the_worst_is_shown() {
        let sent = |fps| Some(Sent { bitrate_bits: 1.0, fps, loss_ratio: 0.5 });
        let bad = Figures { score: Some(10), sent: sent(5.0), ..live(1) };
        let good = Figures { score: Some(99), sent: sent(30.0), ..live(2) };
        let both = together(together(bad, live(4)), good);
        assert_eq!((both.viewers, both.score, both.sent), (7, Some(10), sent(5.0)));
    }
}
