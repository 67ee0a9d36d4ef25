//! How good the picture is, from the publisher's own statistics: a score with its reasons, and *unknown* when nobody says.

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, limits::HEALTH_SILENCE};

/// What the studio measures of what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Bits a second.
    pub bitrate_bps: f64,
    /// Frames a second.
    pub fps: f64,
    /// Packets lost, 0 to 1.
    pub loss_ratio: f64,
    /// Round trip in milliseconds.
    pub rtt_ms: f64,
}

/// What takes points away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complaint {
    /// Nothing is sent.
    NoMedia,
    /// Too few bits for a clear picture.
    LowBitrate,
    /// Too few frames for smooth movement.
    LowFps,
    /// Packets are lost.
    PacketLoss,
    /// The line is slow.
    HighRtt,
}

/// How good the picture is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Health {
    /// Nobody said anything for 15 s; never "good" by default.
    Unknown,
    /// A score from 0 (dead) to 100 (perfect).
    Known {
        /// The score.
        score: u8,
        /// Why it is not 100.
        reasons: Vec<Complaint>,
    },
}

/// The last word of the studio.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge(Option<(Timestamp, Stats)>);

impl Gauge {
    /// Takes what the studio measured; numbers that make no sense count as zero.
    pub fn measure(&mut self, now: Timestamp, stats: Stats) {
        let sane = |value: f64, most: f64| if value.is_finite() { value.clamp(0.0, most) } else { 0.0 };
        self.0 = Some((
            now,
            Stats {
                bitrate_bps: sane(stats.bitrate_bps, 1e9),
                fps: sane(stats.fps, 240.0),
                loss_ratio: sane(stats.loss_ratio, 1.0),
                rtt_ms: sane(stats.rtt_ms, 60_000.0),
            },
        ));
    }

    /// Forgets, when a broadcast begins.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// When what was measured is too old to be believed.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        self.0.map(|(at, _)| at.plus(HEALTH_SILENCE))
    }

    /// What was measured, while it is fresh.
    #[must_use]
    pub fn stats(&self, now: Timestamp) -> Option<Stats> {
        self.0.filter(|(at, _)| now.since(*at) < HEALTH_SILENCE).map(|(_, stats)| stats)
    }

    /// The score now.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> Health {
        self.stats(now).map_or(Health::Unknown, |stats| judge(&stats))
    }
}

/// Scores what was measured. The thresholds are those at which people begin to complain: 300 kbit/s, 15 frames, 2 % loss, 300 ms.
#[must_use]
pub fn judge(stats: &Stats) -> Health {
    if stats.bitrate_bps < 1_000.0 {
        return Health::Known { score: 0, reasons: vec![Complaint::NoMedia] };
    }
    let mut reasons = vec![];
    let mut penalty = 0.0;
    let mut complain = |complaint, points: f64| {
        if points > 0.5 {
            reasons.push(complaint);
            penalty += points;
        }
    };
    complain(Complaint::LowBitrate, shortfall(stats.bitrate_bps, 300_000.0) * 40.0);
    complain(Complaint::LowFps, shortfall(stats.fps, 15.0) * 40.0);
    complain(Complaint::PacketLoss, excess(stats.loss_ratio, 0.02, 0.20) * 60.0);
    complain(Complaint::HighRtt, excess(stats.rtt_ms, 300.0, 2_000.0) * 30.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=100 first")]
    let score = (100.0 - penalty).clamp(1.0, 100.0).round() as u8;
    Health::Known { score, reasons }
}

/// How much of `wanted` is missing, 0 to 1.
fn shortfall(value: f64, wanted: f64) -> f64 {
    ((wanted - value) / wanted).clamp(0.0, 1.0)
}

/// Where `value` lies between `fine` (0) and `unbearable` (1).
fn excess(value: f64, fine: f64, unbearable: f64) -> f64 {
    ((value - fine) / (unbearable - fine)).clamp(0.0, 1.0)
}
