//! Every series of the engine, declared once. Names are part of the public contract; labels are bounded.

use std::time::{Duration, Instant};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One series.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

macro_rules! series {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// All of them.
        pub const ALL: &[Series] = &[$(Series {
            name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help,
        },)*];
    };
}

series! {
    VIEWERS = Gauge "backstage_viewers" ["experience"] "Viewers now, those inside their grace among them.";
    VIEWERS_PEAK = Gauge "backstage_viewers_peak" ["experience"] "The most viewers at once in the open broadcast.";
    BROADCASTS = Gauge "backstage_broadcasts" ["state"] "Open broadcasts of this node by state.";
    TRANSITIONS = Counter "backstage_broadcast_transitions_total" ["from", "to"] "Broadcasts that went from one state to another.";
    HEALTH_SCORE = Gauge "backstage_stream_health_score" ["experience"] "How good the publisher's picture is, 0 to 100; absent while unknown.";
    BITRATE = Gauge "backstage_stream_bitrate_bits" ["experience"] "Bits a second the publisher sends.";
    PACKET_LOSS = Gauge "backstage_stream_packet_loss_ratio" ["experience"] "Packets the publisher loses, 0 to 1.";
    FPS = Gauge "backstage_stream_fps" ["experience"] "Frames a second the publisher sends.";
    PUBLISHER_RECONNECTS = Counter "backstage_publisher_reconnects_total" ["outcome"] "Times media was lost, by how it went on.";
    DECISIONS = Counter "backstage_entitlement_decisions_total" ["outcome", "reason"] "Answers to: may this person enter.";
    DECISION_SECONDS = Histogram "backstage_entitlement_decision_seconds" [] "How long such an answer took.";
    EVICTIONS = Counter "backstage_evictions_total" ["reason", "door"] "People put out of a door because their right ended.";
    EVICTION_SECONDS = Histogram "backstage_eviction_seconds" ["door"] "From the end of a right to the closed door.";
    SOCKETS = Gauge "backstage_socket_connections" [] "Sockets that are open.";
    SOCKET_JOINS = Counter "backstage_socket_joins_total" ["outcome"] "Upgrades, by what became of them.";
    SOCKET_FRAMES = Counter "backstage_socket_frames_total" ["kind"] "Frames handed to sockets.";
    SOCKET_SLOW = Counter "backstage_socket_slow_total" [] "Readers given up because they were too slow.";
    FANOUT_SECONDS = Histogram "backstage_fanout_seconds" [] "From a publication to its last write on a shard.";
    ACTOR_RESTARTS = Counter "backstage_actor_restarts_total" ["actor", "cause"] "Actors and shards that were started again.";
    ACTOR_DEGRADED = Counter "backstage_actor_degraded_total" ["actor"] "Times an actor failed too often: a message was set aside, or it rests.";
    MAILBOX_REFUSED = Counter "backstage_actor_mailbox_refused_total" ["actor"] "Messages a full mailbox refused.";
    WEBHOOKS = Counter "backstage_webhooks_total" ["provider", "outcome"] "Webhooks, by what became of them.";
    WEBHOOK_LAG = Histogram "backstage_webhook_lag_seconds" ["provider"] "From storing a webhook to having applied it.";
    PROVIDER_REQUESTS = Counter "backstage_provider_requests_total" ["provider", "call", "outcome"] "Calls to providers.";
    PROVIDER_SECONDS = Histogram "backstage_provider_request_seconds" ["provider", "call"] "How long such a call took.";
    JOBS = Gauge "backstage_jobs" ["queue", "state"] "Jobs that wait, run or have failed.";
    JOB_SECONDS = Histogram "backstage_job_seconds" ["job"] "How long a job took.";
    HTTP_REQUESTS = Counter "backstage_http_requests_total" ["route", "method", "status"] "Requests answered.";
    HTTP_SECONDS = Histogram "backstage_http_request_seconds" ["route"] "How long an answer took.";
    EPOCH_REFUSALS = Counter "backstage_lease_epoch_refusals_total" [] "Durable steps refused because another activation owns the row.";
    INVARIANT_BREACHES = Counter "backstage_invariant_breaches_total" ["id"] "Times we were wrong.";
}

/// Bounds of the time histograms in seconds: from a decision in memory to a slow provider.
const SECONDS: &[f64] = &[
    0.000_005, 0.000_025, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

/// Installs the recorder of this process and describes every series.
///
/// # Errors
/// When a recorder is installed already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .install_recorder()?;
    for series in ALL {
        let unit = if series.name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
        match series.kind {
            Kind::Counter => describe_counter!(series.name, unit, series.help),
            Kind::Gauge => describe_gauge!(series.name, unit, series.help),
            Kind::Histogram => describe_histogram!(series.name, unit, series.help),
        }
    }
    Ok(handle)
}

/// Runs a call to a provider and counts it, with its time.
pub async fn provider_call<T, E>(
    provider: &'static str,
    call: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let watch = Watch::start();
    let done = work.await;
    let outcome = if done.is_ok() { "ok" } else { "error" };
    counter!(PROVIDER_REQUESTS, "provider" => provider, "call" => call, "outcome" => outcome).increment(1);
    histogram!(PROVIDER_SECONDS, "provider" => provider, "call" => call).record(watch.elapsed());
    done
}

/// Measures a duration for a metric; decides nothing, so it needs no port.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts measuring.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a metric's duration decides nothing")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has been.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_ours_and_declared_once() {
        let mut names: Vec<_> = ALL.iter().map(|series| series.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("backstage_")));
        assert!(ALL.iter().all(|s| (s.kind == Kind::Counter) == s.name.ends_with("_total")));
    }
}
