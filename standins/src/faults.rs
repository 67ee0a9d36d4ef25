//! Which ordered misbehaviour hits a call, a letter or a webhook.

use serde::{Deserialize, Serialize};

use crate::{chance, limits};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The call is refused with `status` and not carried out.
    Fail,
    /// The call is carried out after `ms`.
    Delay,
    /// The call is carried out and the connection closed without an answer.
    DropResponse,
    /// The webhook is never sent.
    LoseWebhook,
    /// The webhook is sent `copies` times with the same id.
    DuplicateWebhook,
    /// The webhook changes places with the next one of its room or customer.
    ReorderWebhooks,
}

/// An order to misbehave, as it is given to `POST /_faults`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// `livekit`, `mail` or `stripe`.
    pub provider: String,
    /// The HTTP method, the last part of the path (`RemoveParticipant`), the SMTP command, or the webhook's event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Part of the path; of a webhook, part of the event's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What goes wrong.
    pub action: Action,
    /// Status of `fail`: HTTP (default 503) or SMTP (default 451).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Length of `delay`; of `reorder_webhooks`, how long to wait for a successor. Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// How often `duplicate_webhook` sends (default 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// How many matching calls it lasts; absent: until deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Chance of a matching call to be hit, 0 to 1 (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Makes the chances repeatable (default 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// An order in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Names it in answers.
    pub id: u64,
    /// Matching calls so far.
    pub seen: u64,
    /// Calls hit so far.
    pub hit: u64,
    /// What was ordered.
    pub order: Order,
}

/// Every order in force.
#[derive(Default, Serialize, Deserialize)]
pub struct Faults {
    given: u64,
    in_force: Vec<Fault>,
}

/// Why an order is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The named field is out of its range.
    OutOfRange(&'static str),
    /// Too many are in force.
    TooMany,
}

/// What a call is, for matching.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// `livekit`, `mail` or `stripe`.
    pub provider: &'a str,
    /// HTTP method, SMTP command, or the webhook's event.
    pub method: &'a str,
    /// Path of the call, or the webhook's event.
    pub path: &'a str,
    /// Whether this is a webhook going out instead of a call coming in.
    pub webhook: bool,
}

/// What is to happen to one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Refuse with this status.
    pub fail: Option<u16>,
    /// Wait this many milliseconds first.
    pub delay_ms: u64,
    /// Close the connection instead of answering.
    pub drop_response: bool,
    /// Never send.
    pub lose: bool,
    /// Send this many times; 0 means once.
    pub copies: u32,
    /// Change places with the next one, waiting at most this many milliseconds for it.
    pub reorder_ms: Option<u64>,
}

impl Faults {
    /// Takes an order.
    pub fn add(&mut self, order: Order) -> Result<Fault, Refusal> {
        let known_provider = ["livekit", "mail", "stripe"].contains(&order.provider.as_str());
        let checks = [
            (known_provider, "provider"),
            (order.status.is_none_or(|status| (200..600).contains(&status)), "status"),
            (order.ms.is_none_or(|ms| ms <= limits::FAULT_DELAY_MS_MAX), "ms"),
            (order.copies.is_none_or(|copies| (1..=limits::FAULT_COPIES_MAX).contains(&copies)), "copies"),
            (order.times != Some(0), "times"),
            (order.probability.is_none_or(|chance| (0.0..=1.0).contains(&chance)), "probability"),
        ];
        if let Some((_, field)) = checks.iter().find(|(fine, _)| !fine) {
            return Err(Refusal::OutOfRange(field));
        }
        if self.in_force.len() == limits::FAULTS_MAX {
            return Err(Refusal::TooMany);
        }
        self.given += 1;
        let fault = Fault { id: self.given, seen: 0, hit: 0, order };
        self.in_force.push(fault.clone());
        Ok(fault)
    }

    /// Takes every order back, or those of one provider; how many there were.
    pub fn clear(&mut self, provider: Option<&str>) -> usize {
        let before = self.in_force.len();
        self.in_force.retain(|fault| provider.is_some_and(|provider| fault.order.provider != provider));
        before - self.in_force.len()
    }

    /// What is in force.
    pub fn in_force(&self) -> &[Fault] {
        &self.in_force
    }

    /// Whether any order is in force, so that a quiet call costs nothing.
    pub fn is_empty(&self) -> bool {
        self.in_force.is_empty()
    }

    /// What happens to `call`; counts it and ends orders that have had their times.
    pub fn judge(&mut self, call: Call<'_>) -> Harm {
        let mut harm = Harm::default();
        for fault in &mut self.in_force {
            if !fault.order.matches(call) {
                continue;
            }
            let chance = chance::drawn(fault.order.seed.unwrap_or(0), fault.seen);
            fault.seen += 1;
            if chance < fault.order.probability.unwrap_or(1.0) {
                fault.hit += 1;
                harm.add(&fault.order, call.provider);
            }
        }
        self.in_force.retain(|fault| fault.order.times.is_none_or(|times| fault.seen < times));
        harm
    }
}

impl Order {
    fn matches(&self, call: Call<'_>) -> bool {
        let for_webhook = match self.action {
            Action::LoseWebhook | Action::DuplicateWebhook | Action::ReorderWebhooks => true,
            Action::Fail | Action::Delay | Action::DropResponse => false,
        };
        let last = call.path.rsplit('/').next().unwrap_or_default();
        let same = |wanted: &String| wanted.eq_ignore_ascii_case(call.method) || wanted.eq_ignore_ascii_case(last);
        // A letter is a call named DATA; the lines before it are hit only by orders that name them.
        let by_default = call.provider != "mail" || call.method == "DATA";
        for_webhook == call.webhook
            && self.provider == call.provider
            && self.method.as_ref().map_or(by_default, same)
            && self.path.as_ref().is_none_or(|part| call.path.contains(part.as_str()))
    }
}

impl Harm {
    fn add(&mut self, order: &Order, provider: &str) {
        match order.action {
            Action::Fail => self.fail = Some(order.status.unwrap_or(if provider == "mail" { 451 } else { 503 })),
            Action::Delay => self.delay_ms += order.ms.unwrap_or(1_000),
            Action::DropResponse => self.drop_response = true,
            Action::LoseWebhook => self.lose = true,
            Action::DuplicateWebhook => self.copies = order.copies.unwrap_or(2),
            Action::ReorderWebhooks => {
                let wait = u64::try_from(limits::REORDER_WAIT.as_millis()).unwrap_or(u64::MAX);
                self.reorder_ms = Some(order.ms.unwrap_or(wait));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: serde_json::Value) -> Order {
        serde_json::from_value(json).unwrap()
    }

    fn twirp(path: &str) -> Call<'_> {
        Call { provider: "livekit", method: "POST", path, webhook: false }
    }

    #[test]
    fn an_order_with_times_ends_after_that_many_matching_calls() {
        let mut faults = Faults::default();
        let wanted = serde_json::json!({"provider": "livekit", "method": "CreateRoom", "action": "fail", "times": 2});
        faults.add(order(wanted)).unwrap();
        let create = twirp("/twirp/livekit.RoomService/CreateRoom");
        assert_eq!(faults.judge(twirp("/twirp/livekit.RoomService/ListRooms")), Harm::default());
        assert_eq!(faults.judge(create).fail, Some(503));
        assert_eq!(faults.judge(create).fail, Some(503));
        assert_eq!(faults.judge(create), Harm::default());
        assert!(faults.is_empty());
    }

    #[test]
    fn a_webhook_order_never_hits_a_call_and_the_other_way_round() {
        let mut faults = Faults::default();
        faults.add(order(serde_json::json!({"provider": "livekit", "action": "lose_webhook"}))).unwrap();
        let event = Call { provider: "livekit", method: "room_started", path: "room_started", webhook: true };
        assert_eq!(faults.judge(twirp("/x")), Harm::default());
        assert!(faults.judge(event).lose);
    }

    #[test]
    fn a_probability_hits_about_that_share_and_repeats_with_its_seed() {
        let run = || {
            let mut faults = Faults::default();
            let wanted = serde_json::json!({"provider": "mail", "action": "fail", "probability": 0.3, "seed": 42});
            faults.add(order(wanted)).unwrap();
            let call = Call { provider: "mail", method: "DATA", path: "DATA", webhook: false };
            (0..1_000).map(|_| faults.judge(call).fail.is_some()).collect::<Vec<_>>()
        };
        let hits = run().iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&hits), "{hits}");
        assert_eq!(run(), run());
    }

    #[test]
    fn an_order_outside_its_ranges_names_the_field() {
        let wanted = |json| Faults::default().add(order(json)).unwrap_err();
        let livekit = |more: serde_json::Value| {
            let mut json = serde_json::json!({"provider": "livekit", "action": "delay"});
            json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            wanted(json)
        };
        assert_eq!(livekit(serde_json::json!({"ms": 9_999_999})), Refusal::OutOfRange("ms"));
        assert_eq!(livekit(serde_json::json!({"probability": 1.5})), Refusal::OutOfRange("probability"));
        assert_eq!(livekit(serde_json::json!({"times": 0})), Refusal::OutOfRange("times"));
        assert_eq!(livekit(serde_json::json!({"provider": "nobody"})), Refusal::OutOfRange("provider"));
    }
}
