//! The machines by table: each state, each command, and what comes of it.

use serde_json::{Value, json};

use super::account::{Account, Turn};
use super::command::Command;
use super::form::{Fields, parse};
use super::pay::By;
use super::refusal::Refusal;

const NOW: i64 = 1_795_265_384;
const DAY: i64 = 86_400;

/// An account with its time and the types of what happened.
struct World {
    account: Account,
    now: i64,
    told: Vec<&'static str>,
}

impl World {
    fn new() -> Self {
        Self { account: Account::default(), now: NOW, told: vec![] }
    }

    fn turn<R>(&mut self, deal: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        let mut turn = Turn { now: self.now, site: "http://s", account: &mut self.account, news: vec![] };
        turn.advance(self.now);
        let result = deal(&mut turn);
        self.told.extend(turn.news.iter().map(|news| news.kind));
        result
    }

    fn ask(&mut self, method: &str, path: &str, form: &str) -> Result<Value, Refusal> {
        let fields = Fields::of(parse(form).unwrap());
        self.turn(|turn| turn.carry_out(Command { method, path, fields, by: By::Secret }))
    }

    fn post(&mut self, path: &str, form: &str) -> Value {
        self.ask("POST", path, form).unwrap_or_else(|refusal| panic!("{path}: {}", refusal.body()))
    }

    fn id(&mut self, path: &str, form: &str) -> String {
        self.post(path, form)["id"].as_str().unwrap().to_owned()
    }

    fn pass(&mut self, secs: i64) {
        self.now += secs;
        self.turn(|_| ());
    }

    fn shown(&self, id: &str) -> Value {
        self.account.show(id).unwrap()
    }

    fn status(&self, id: &str) -> String {
        self.shown(id)["status"].as_str().unwrap().to_owned()
    }

    fn count(&self, kind: &str) -> usize {
        self.told.iter().filter(|told| **told == kind).count()
    }

    /// A payment intent brought to a state by its card.
    fn payment(&mut self, state: &str) -> String {
        let id = self.id("/payment_intents", "amount=1000&currency=usd&payment_method_types[0]=card");
        let card = match state {
            "requires_payment_method" => return id,
            "requires_confirmation" => {
                self.post(&format!("/payment_intents/{id}"), "payment_method=pm_card_visa");
                return id;
            }
            "canceled" => {
                self.post(&format!("/payment_intents/{id}/cancel"), "");
                return id;
            }
            "requires_action" => "pm_card_authenticationRequired",
            "processing" => "pm_card_processing",
            _ => "pm_card_visa",
        };
        self.post(&format!("/payment_intents/{id}/confirm"), &format!("payment_method={card}"));
        id
    }

    /// A customer with a card that pays, and a monthly price.
    fn buyer(&mut self, card: &str) -> (String, String) {
        let customer = self.id("/customers", "email=fan@example.com");
        let kept = self.id(&format!("/payment_methods/{card}/attach"), &format!("customer={customer}"));
        let settings = format!("invoice_settings[default_payment_method]={kept}");
        self.post(&format!("/customers/{customer}"), &settings);
        let price = "currency=usd&unit_amount=1000&recurring[interval]=month&product_data[name]=VIP";
        (customer, self.id("/prices", price))
    }

    fn subscription(&mut self, card: &str, more: &str) -> String {
        let (customer, price) = self.buyer(card);
        self.id("/subscriptions", &format!("customer={customer}&items[0][price]={price}{more}"))
    }
}

fn code(refusal: &Refusal) -> String {
    refusal.body()["error"]["code"].as_str().unwrap_or("-").to_owned()
}

#[test]
fn each_state_of_a_payment_intent_takes_the_commands_it_takes_at_the_provider() {
    const NO: &str = "payment_intent_unexpected_state";
    let states = [
        ("requires_payment_method", [NO, "canceled", "requires_payment_method"]),
        ("requires_confirmation", ["succeeded", "canceled", "requires_confirmation"]),
        ("requires_action", ["requires_action", "canceled", "requires_action"]),
        ("processing", [NO, "canceled", NO]),
        ("succeeded", [NO, NO, NO]),
        ("canceled", [NO, NO, NO]),
    ];
    for (state, outcomes) in states {
        for (command, wanted) in [("/confirm", ""), ("/cancel", ""), ("", "amount=2000")].iter().zip(outcomes) {
            let mut world = World::new();
            let id = world.payment(state);
            assert_eq!(world.status(&id), state);
            let done = world.ask("POST", &format!("/payment_intents/{id}{}", command.0), command.1);
            let came = match &done {
                Ok(shown) => shown["status"].as_str().unwrap().to_owned(),
                Err(refusal) => code(refusal),
            };
            assert_eq!(came, wanted, "{state} {command:?}");
        }
    }
}

#[test]
fn what_opens_a_payment_intent_again_or_ends_it_is_told() {
    let mut world = World::new();
    let id = world.payment("requires_action");
    world.turn(|turn| turn.answer_bank(&id, false)).unwrap();
    assert_eq!(world.status(&id), "requires_payment_method");
    assert_eq!(world.shown(&id)["last_payment_error"]["code"], "payment_intent_authentication_failure");
    let open = world.payment("processing");
    world.turn(|turn| turn.end_processing(&open, true)).unwrap();
    let failed = world.payment("processing");
    world.turn(|turn| turn.end_processing(&failed, false)).unwrap();
    assert_eq!((world.status(&open), world.status(&failed)), ("succeeded".into(), "requires_payment_method".into()));
    let charge = world.shown(&open)["latest_charge"].as_str().unwrap().to_owned();
    assert_eq!(world.status(&charge), "succeeded", "the open charge is the one that ended");
    let counts = ["payment_intent.succeeded", "payment_intent.payment_failed", "charge.succeeded", "charge.failed"];
    assert_eq!(counts.map(|kind| world.count(kind)), [1, 2, 1, 1]);
}

#[test]
fn a_card_pays_only_for_its_owner_and_only_once_without_one() {
    let mut world = World::new();
    let (customer, _) = world.buyer("pm_card_visa");
    let card = world.shown(&customer)["invoice_settings"]["default_payment_method"].as_str().unwrap().to_owned();
    let order = "amount=100&currency=usd&payment_method_types[0]=card&confirm=true";
    let stranger = world.id("/customers", "");
    for payer in [String::new(), format!("&customer={stranger}")] {
        let refused = world.ask("POST", "/payment_intents", &format!("{order}&payment_method={card}{payer}"));
        assert_eq!(refused.unwrap_err().body()["error"]["param"], "payment_method");
    }
    world.post("/payment_intents", &format!("{order}&payment_method={card}&customer={customer}"));
    let loose = world.id("/payment_methods", "type=card&card[token]=tok_visa");
    world.post("/payment_intents", &format!("{order}&payment_method={loose}"));
    let again = world.ask("POST", "/payment_intents", &format!("{order}&payment_method={loose}")).unwrap_err();
    assert!(again.body()["error"]["message"].as_str().unwrap().contains("may not be used again"));
    let shown = |world: &World, id: &str| world.shown(id)["card"]["fingerprint"].clone();
    assert_eq!(shown(&world, &card), shown(&world, &loose), "the same number has the same fingerprint");
}

#[test]
fn no_more_goes_back_than_was_paid_and_a_disputed_charge_gives_nothing() {
    let mut world = World::new();
    let id = world.payment("succeeded");
    world.post("/refunds", &format!("payment_intent={id}&amount=300"));
    let too_much = world.ask("POST", "/refunds", &format!("payment_intent={id}&amount=701")).unwrap_err();
    assert_eq!(too_much.body()["error"]["param"], "amount");
    world.post("/refunds", &format!("payment_intent={id}"));
    let again = world.ask("POST", "/refunds", &format!("payment_intent={id}")).unwrap_err();
    assert_eq!(code(&again), "charge_already_refunded");
    assert_eq!((world.count("charge.refunded"), world.count("refund.created")), (2, 2));

    let other = world.payment("succeeded");
    let charge = world.shown(&other)["latest_charge"].as_str().unwrap().to_owned();
    let dispute = world.turn(|turn| turn.open_dispute(&charge, "fraudulent")).unwrap();
    let refused = world.ask("POST", "/refunds", &format!("payment_intent={other}")).unwrap_err();
    assert_eq!(code(&refused), "charge_disputed");
    world.turn(|turn| turn.close_dispute(&dispute, true)).unwrap();
    world.post("/refunds", &format!("payment_intent={other}"));
    assert!(world.turn(|turn| turn.close_dispute(&dispute, false)).is_err(), "a closed case stays closed");
}

#[test]
fn a_refund_may_fail_later_and_then_counts_no_more() {
    let mut world = World::new();
    let id = world.id("/payment_intents", "amount=1000&currency=usd&payment_method_types[0]=card");
    world.post(&format!("/payment_intents/{id}/confirm"), "payment_method=pm_card_refundFail");
    let refund = world.id("/refunds", &format!("payment_intent={id}"));
    assert_eq!(world.status(&refund), "succeeded");
    world.pass(60);
    let charge = world.shown(&id)["latest_charge"].as_str().unwrap().to_owned();
    assert_eq!((world.status(&refund).as_str(), &world.shown(&charge)["amount_refunded"]), ("failed", &json!(0)));
    assert_eq!(world.count("refund.failed"), 1);
}

#[test]
fn a_subscription_begins_as_its_first_payment_goes() {
    let waits = "&payment_behavior=default_incomplete";
    let table = [
        ("pm_card_visa", "", "active", "paid"),
        ("pm_card_visa", waits, "incomplete", "open"),
        ("pm_card_visa", "&trial_period_days=7", "trialing", "paid"),
        ("pm_card_chargeCustomerFail", "", "incomplete", "open"),
        ("pm_card_authenticationRequired", "", "incomplete", "open"),
    ];
    for (card, more, status, invoice_status) in table {
        let mut world = World::new();
        let id = world.subscription(card, more);
        let invoice = world.shown(&id)["latest_invoice"].as_str().unwrap().to_owned();
        assert_eq!(
            (world.status(&id).as_str(), world.status(&invoice).as_str()),
            (status, invoice_status),
            "{card}{more}"
        );
        world.pass(DAY);
        let later = if status == "incomplete" { "incomplete_expired" } else { status };
        assert_eq!(world.status(&id), later, "{card}{more}, a day later");
    }
    let mut world = World::new();
    let (customer, price) = world.buyer("pm_card_chargeCustomerFail");
    let order = format!("customer={customer}&items[0][price]={price}&payment_behavior=error_if_incomplete");
    assert_eq!(world.ask("POST", "/subscriptions", &order).unwrap_err().status, 402);
    assert!(world.account.subscriptions.is_empty(), "nothing is left of it");
}

#[test]
fn a_renewal_is_tried_four_times_and_then_ends_as_the_account_says() {
    use super::account::AfterRetries;
    let ends =
        [(AfterRetries::Cancel, "canceled"), (AfterRetries::Unpaid, "unpaid"), (AfterRetries::PastDue, "past_due")];
    for (then, end) in ends {
        let mut world = World::new();
        world.account.after_retries = then;
        let id = world.subscription("pm_card_visa", "");
        world.turn(|turn| turn.alter_subscription(&id, |subscription| subscription.fail_next = 4));
        world.pass(31 * DAY + 3_700);
        assert_eq!((world.status(&id).as_str(), world.count("invoice.payment_failed")), ("past_due", 1));
        for (days, failed) in [(3, 2), (5, 3), (7, 4)] {
            assert_eq!(world.status(&id), "past_due");
            world.pass(days * DAY);
            assert_eq!(world.count("invoice.payment_failed"), failed);
        }
        assert_eq!(world.status(&id), end);
    }
}

#[test]
fn a_retry_that_pays_brings_a_subscription_back() {
    let mut world = World::new();
    let id = world.subscription("pm_card_visa", "");
    world.turn(|turn| turn.alter_subscription(&id, |subscription| subscription.fail_next = 1));
    world.pass(31 * DAY + 3_700);
    assert_eq!(world.status(&id), "past_due");
    world.pass(3 * DAY);
    assert_eq!((world.status(&id).as_str(), world.count("invoice.paid")), ("active", 2));
}

#[test]
fn moving_the_clock_at_once_or_in_steps_comes_to_the_same() {
    let run = |steps: i64| {
        let mut world = World::new();
        let id = world.subscription("pm_card_visa", "&trial_period_days=10");
        (0..steps).for_each(|_| world.pass(120 * DAY / steps));
        (world.told.clone(), world.shown(&id)["items"]["data"][0]["current_period_end"].clone())
    };
    assert_eq!(run(1), run(240));
    assert_eq!(run(1).0.iter().filter(|kind| **kind == "invoice.paid").count(), 5);
}

#[test]
fn an_end_comes_when_it_was_to_come_and_can_be_taken_back() {
    let table = [
        ("cancel_at_period_end=true", 40, "canceled"),
        ("cancel_at_period_end=true&x=", 20, "active"),
        ("cancel_at_period_end=false", 40, "active"),
    ];
    for (change, days, status) in table {
        let mut world = World::new();
        let id = world.subscription("pm_card_visa", "");
        let path = format!("/subscriptions/{id}");
        world.post(&path, "cancel_at_period_end=true");
        world.post(&path, change.trim_end_matches("&x="));
        world.pass(days * DAY);
        assert_eq!(world.status(&id), status, "{change}");
    }
    let mut world = World::new();
    let at = NOW + 100 * DAY;
    let id = world.subscription("pm_card_visa", &format!("&cancel_at={at}"));
    world.pass(200 * DAY);
    assert_eq!((world.status(&id).as_str(), &world.shown(&id)["ended_at"]), ("canceled", &json!(at)));
    assert_eq!(world.count("invoice.paid"), 4, "one payment for each month begun before the end");
}

#[test]
fn a_pause_collects_nothing_until_it_is_taken_back() {
    for (behavior, state) in [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")] {
        let mut world = World::new();
        let id = world.subscription("pm_card_visa", "");
        world.post(&format!("/subscriptions/{id}"), &format!("pause_collection[behavior]={behavior}"));
        world.pass(31 * DAY + 3_700);
        let invoice = world.shown(&id)["latest_invoice"].as_str().unwrap().to_owned();
        assert_eq!((world.status(&id).as_str(), world.status(&invoice).as_str()), ("active", state));
        world.post(&format!("/subscriptions/{id}"), "pause_collection=");
        world.pass(31 * DAY);
        assert_eq!(world.count("invoice.paid"), 2, "{behavior}");
    }
}

#[test]
fn a_coupon_once_takes_off_the_next_invoice_only() {
    let mut world = World::new();
    let id = world.subscription("pm_card_visa", "");
    let coupon = world.id("/coupons", "percent_off=30&duration=once");
    world.post(&format!("/subscriptions/{id}"), &format!("discounts[0][coupon]={coupon}"));
    world.pass(62 * DAY + 3_700);
    let totals: Vec<i64> = world.account.invoices.values().map(|invoice| invoice.total).collect();
    assert_eq!(totals, [1_000, 700, 1_000]);
}

#[test]
fn a_dearer_price_is_made_up_for_and_another_rhythm_begins_anew() {
    let mut world = World::new();
    let id = world.subscription("pm_card_visa", "");
    let item = world.shown(&id)["items"]["data"][0]["id"].as_str().unwrap().to_owned();
    let price = |interval: &str| {
        format!("currency=usd&unit_amount=3000&recurring[interval]={interval}&product_data[name]=Gold")
    };
    let (dearer, yearly) = (world.id("/prices", &price("month")), world.id("/prices", &price("year")));
    world.pass(15 * DAY);
    let change = format!("items[0][id]={item}&items[0][price]={dearer}&proration_behavior=always_invoice");
    world.post(&format!("/subscriptions/{id}"), &change);
    let made_up: i64 = world.account.invoices.values().last().unwrap().total;
    assert!((950..=1_100).contains(&made_up), "about half of the difference of 2000: {made_up}");
    world.post(&format!("/subscriptions/{id}"), &format!("items[0][id]={item}&items[0][price]={yearly}"));
    let end = world.shown(&id)["items"]["data"][0]["current_period_end"].as_i64().unwrap();
    assert_eq!(end, NOW + 15 * DAY + 365 * DAY);
}

#[test]
fn a_trial_without_a_card_ends_as_was_said() {
    for (behavior, status) in [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "past_due")] {
        let mut world = World::new();
        let customer = world.id("/customers", "");
        let price = "currency=usd&unit_amount=1000&recurring[interval]=month&product_data[name]=VIP";
        let price = world.id("/prices", price);
        let order = format!(
            "customer={customer}&items[0][price]={price}&trial_period_days=7&payment_behavior=default_incomplete\
             &trial_settings[end_behavior][missing_payment_method]={behavior}"
        );
        let id = world.id("/subscriptions", &order);
        assert!(world.shown(&id)["pending_setup_intent"].is_string());
        world.pass(5 * DAY);
        assert_eq!(world.count("customer.subscription.trial_will_end"), 1);
        world.pass(3 * DAY);
        assert_eq!(world.status(&id), status, "{behavior}");
    }
}
