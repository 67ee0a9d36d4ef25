//! What callers do to a running subscription, and to its invoices.

use serde_json::Value;

use super::account::Turn;
use super::form::{Fields, Given};
use super::invoice::{Line, State, lines_of};
use super::refusal::Refusal;
use super::subscription::{Item, Pause, Status, Subscription, Why};
use crate::limits;

/// How a change within a period is made up for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proration {
    None,
    Later,
    Now,
}

impl Turn<'_> {
    /// `POST /subscriptions/{id}`.
    pub fn update_subscription(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let old = self.subscription(id, "id")?.clone();
        let mut new = old.clone();
        fields.metadata(&mut new.metadata)?;
        read_farewell(&mut new, &mut fields)?;
        if old.status.is_over() {
            fields.end().map_err(|_| {
                Refusal::invalid("A canceled subscription can only update its cancellation_details and metadata.")
            })?;
            self.account.subscriptions.insert(id.to_owned(), new);
            return Ok(self.shown(id));
        }
        fields.given("description")?.apply(&mut new.description);
        self.read_payment(&mut new, &mut fields)?;
        self.read_end(&mut new, &mut fields)?;
        read_pause(&mut new, &mut fields, self.now)?;
        match self.read_discounts(&mut fields)? {
            Given::Absent => {}
            Given::Cleared => new.discounts.clear(),
            Given::Set(discounts) => new.discounts = discounts,
        }
        let behaviors = ["allow_incomplete", "default_incomplete", "pending_if_incomplete", "error_if_incomplete"];
        match fields.word("payment_behavior", &behaviors)? {
            None | Some("allow_incomplete") => {}
            Some(other) => return Err(Refusal::not_played(&format!("payment_behavior={other} of a change"))),
        }
        let proration = match fields.word("proration_behavior", &["always_invoice", "create_prorations", "none"])? {
            Some("none") => Proration::None,
            Some("always_invoice") => Proration::Now,
            _ => Proration::Later,
        };
        let trial_over = match fields.text("trial_end")? {
            None => false,
            Some(end) if end == "now" => new.status == Status::Trialing,
            Some(_) => return Err(Refusal::not_played("moving the end of a trial")),
        };
        let anchor_now = fields.word("billing_cycle_anchor", &["now", "unchanged"])? == Some("now");
        let items = fields.trees("items")?.set().unwrap_or_default();
        fields.ignore(&["off_session", "automatic_tax", "trial_from_plan"]);
        if !items.is_empty() {
            self.change_items(&mut new, items)?;
        }
        fields.end()?;
        self.account.subscriptions.insert(id.to_owned(), new);
        let invoice = self.take_effect(id, &old, proration, trial_over || anchor_now)?;
        self.tell_change("customer.subscription.updated", id, &before);
        if let Some(invoice) = invoice {
            self.tell("invoice.created", &invoice);
            self.finalize(&invoice)?;
            // What comes of it stands in the invoice and the subscription.
            let _ = self.collect(&invoice);
        }
        Ok(self.shown(id))
    }

    fn read_end(&self, new: &mut Subscription, fields: &mut Fields) -> Result<(), Refusal> {
        let with_period = fields.flag("cancel_at_period_end")?;
        let at = fields.given_whole("cancel_at")?;
        match (with_period, at) {
            (None, Given::Absent) => {}
            (Some(true), _) => (new.ends_with_period, new.cancel_at) = (true, Some(new.period.1)),
            (_, Given::Set(at)) if at <= self.now => {
                return Err(Refusal::invalid("cancel_at must be in the future.").param("cancel_at"));
            }
            (_, Given::Set(at)) => (new.ends_with_period, new.cancel_at) = (false, Some(at)),
            (Some(false), _) | (None, Given::Cleared) => (new.ends_with_period, new.cancel_at) = (false, None),
        }
        if new.cancel_at.is_some() {
            new.canceled_at.get_or_insert(self.now);
            new.farewell[0] = Some("cancellation_requested".to_owned());
        } else {
            (new.canceled_at, new.farewell[0]) = (None, None);
        }
        Ok(())
    }

    fn change_items(&mut self, new: &mut Subscription, asked: Vec<Fields>) -> Result<(), Refusal> {
        for mut item in asked {
            let Some(id) = item.text("id")? else {
                self.add_item(new, item)?;
                continue;
            };
            let param = item.name("id");
            let known = new.items.iter().position(|known| known.id == id);
            let at = known.ok_or_else(|| Refusal::missing("subscription item", &id, &param))?;
            if item.flag("deleted")?.unwrap_or(false) {
                item.ignore(&["clear_usage"]);
                item.end()?;
                new.items.remove(at);
                continue;
            }
            let mut changed = new.items[at].clone();
            if item.has("price") || item.has("price_data") {
                changed.price = self.price_for(&mut item, true, &new.currency)?;
            }
            changed.quantity = item.whole("quantity")?.unwrap_or(changed.quantity);
            item.metadata(&mut changed.metadata)?;
            item.ignore(&["tax_rates"]);
            item.end()?;
            if !(0..=limits::STRIPE_AMOUNT_MAX).contains(&changed.quantity) {
                return Err(Refusal::invalid("A quantity is out of range.").param("items"));
            }
            new.items[at] = changed;
        }
        if new.items.is_empty() {
            return Err(Refusal::invalid("A subscription must have at least one active plan.").param("items"));
        }
        Ok(())
    }

    /// Makes up for what changed; the invoice that is due at once, if there is one.
    fn take_effect(
        &mut self,
        id: &str,
        old: &Subscription,
        proration: Proration,
        restarts: bool,
    ) -> Result<Option<String>, Refusal> {
        let new = self.subscription(id, "id")?.clone();
        let paid_for = matches!(old.status, Status::Active | Status::PastDue);
        let rhythm = new.rhythm(self.account);
        let other_rhythm = rhythm != old.rhythm(self.account);
        let mut lines = vec![];
        if paid_for && proration != Proration::None {
            lines.extend(self.share(old, &old.items, -1));
        }
        if restarts || (other_rhythm && paid_for) {
            let period = (self.now, rhythm.next_end(self.now, self.now));
            let now = self.now;
            self.alter_subscription(id, |subscription| {
                (subscription.anchor, subscription.period) = (now, period);
                if let Some(trial) = &mut subscription.trial {
                    trial.1 = trial.1.min(now);
                }
                if subscription.status == Status::Trialing {
                    subscription.status = Status::Active;
                }
            });
            lines.extend(lines_of(&new, self.account, period, false));
            return self.draft(id, "subscription_update", lines).map(Some);
        }
        if same(&old.items, &new.items) || !paid_for || proration == Proration::None {
            return Ok(None);
        }
        lines.extend(self.share(&new, &new.items, 1));
        if proration == Proration::Now {
            return self.draft(id, "subscription_update", lines).map(Some);
        }
        self.alter_subscription(id, |subscription| subscription.pending_lines.extend(lines));
        Ok(None)
    }

    /// The share of the period that is left, as lines.
    fn share(&self, subscription: &Subscription, items: &[Item], sign: i64) -> Vec<Line> {
        let (start, end) = subscription.period;
        let (left, whole) = ((end - self.now).max(0), (end - start).max(1));
        let of = Subscription { items: items.to_vec(), ..subscription.clone() };
        let mut lines = lines_of(&of, self.account, (self.now, end), false);
        for line in &mut lines {
            line.amount = sign * (line.amount * left + whole / 2) / whole;
            line.proration = true;
        }
        lines
    }

    /// `DELETE /subscriptions/{id}`.
    pub fn cancel_subscription(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let mut subscription = self.subscription(id, "id")?.clone();
        read_farewell(&mut subscription, &mut fields)?;
        if fields.flag("invoice_now")?.unwrap_or(false) || fields.flag("prorate")?.unwrap_or(false) {
            return Err(Refusal::not_played("a last invoice at the end of a subscription"));
        }
        fields.end()?;
        if subscription.status.is_over() {
            return Err(Refusal::missing("subscription", id, "id"));
        }
        self.account.subscriptions.insert(id.to_owned(), subscription);
        self.end_subscription(id, Why::Asked);
        Ok(self.shown(id))
    }

    /// `POST /subscriptions/{id}/resume`.
    pub fn resume_subscription(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        fields.word("billing_cycle_anchor", &["now"])?;
        fields.ignore(&["proration_behavior"]);
        fields.end()?;
        let before = self.before(id);
        let subscription = self.subscription(id, "id")?.clone();
        if subscription.status != Status::Paused {
            return Err(Refusal::invalid("Only a paused subscription can be resumed."));
        }
        let period = (self.now, subscription.rhythm(self.account).next_end(self.now, self.now));
        let lines = lines_of(&subscription, self.account, period, false);
        let invoice = self.draft(id, "subscription_cycle", lines)?;
        self.tell("invoice.created", &invoice);
        self.finalize(&invoice)?;
        self.collect(&invoice)?;
        self.alter_subscription(id, |subscription| {
            (subscription.status, subscription.period, subscription.anchor) = (Status::Active, period, period.0);
        });
        self.tell("customer.subscription.resumed", id);
        self.tell_change("customer.subscription.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `POST /invoices/{id}/{verb}`.
    pub fn command_invoice(&mut self, id: &str, verb: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let invoice = self.invoice(id)?.clone();
        let elsewhere = fields.flag("paid_out_of_band")?.unwrap_or(false);
        let card = self.method_of(&mut fields)?;
        fields.ignore(&["off_session", "auto_advance"]);
        fields.end()?;
        let wrong = |message: &str| Err(Refusal::invalid(message).code("invoice_not_editable"));
        match (verb, invoice.state) {
            ("finalize", State::Draft) => self.finalize(id)?,
            ("finalize", _) => return wrong("This invoice is already finalized."),
            ("void", State::Open | State::Uncollectible) => self.void(id),
            ("void", _) => return wrong("You can only void an open or uncollectible invoice."),
            ("mark_uncollectible", State::Open) => self.write_off(id),
            ("mark_uncollectible", _) => return wrong("You can only write off an open invoice."),
            (_, State::Paid) => return Err(Refusal::invalid("Invoice is already paid").code("invoice_already_paid")),
            (_, State::Void) => return wrong("This invoice can no longer be paid."),
            (_, State::Draft | State::Open | State::Uncollectible) => {
                if invoice.state == State::Draft {
                    self.finalize(id)?;
                }
                if self.invoice(id)?.state == State::Paid {
                    return Ok(self.shown(id));
                }
                self.alter_invoice(id, |invoice| (invoice.state, invoice.elsewhere) = (State::Open, elsewhere));
                if elsewhere {
                    self.mark_paid(id)?;
                } else if let (Some(card), Some(payment)) = (card, self.invoice(id)?.payment.clone()) {
                    self.fits(&card, &self.payment(&payment)?.clone())?;
                    self.alter_payment(&payment, |payment| payment.method = Some(card));
                    self.pay(&payment, &super::intent::Manner { scripted: true, ..Default::default() })?;
                } else {
                    self.collect(id)?;
                }
            }
        }
        Ok(self.shown(id))
    }
}

fn read_farewell(new: &mut Subscription, fields: &mut Fields) -> Result<(), Refusal> {
    if let Some(mut details) = fields.tree("cancellation_details")? {
        details.given("comment")?.apply(&mut new.farewell[1]);
        details.given("feedback")?.apply(&mut new.farewell[2]);
        details.end()?;
    }
    Ok(())
}

fn read_pause(new: &mut Subscription, fields: &mut Fields, now: i64) -> Result<(), Refusal> {
    match fields.given_tree("pause_collection")? {
        Given::Absent => {}
        Given::Cleared => new.pause = None,
        Given::Set(mut pause) => {
            let behavior = pause.word("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
            let behavior = behavior.ok_or_else(|| pause.absent("behavior"))?.to_owned();
            let resumes_at = pause.whole("resumes_at")?;
            pause.end()?;
            if resumes_at.is_some_and(|at| at <= now) {
                let refusal = Refusal::invalid("resumes_at must be in the future.");
                return Err(refusal.param("pause_collection[resumes_at]"));
            }
            new.pause = Some(Pause { behavior, resumes_at });
        }
    }
    Ok(())
}

fn same(old: &[Item], new: &[Item]) -> bool {
    let key = |item: &Item| (item.id.clone(), item.price.clone(), item.quantity);
    old.iter().map(key).eq(new.iter().map(key))
}
