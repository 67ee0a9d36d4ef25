//! What time does to subscriptions: renewals, retries, trials that end, and everything else that happens by itself.

use super::account::{Account, AfterRetries, Turn};
use super::calendar::DAY;
use super::charge::Refund;
use super::invoice::{Invoice, State, lines_of};
use super::refusal::Refusal;
use super::subscription::{Status, Subscription, Why, after_payment};
use crate::limits;

/// Something that happens by itself, to the object of that id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// The first invoice was not paid in time.
    Expires(String),
    /// The end of a trial is near.
    Announces(String),
    /// A period is over.
    Renews(String),
    /// The day has come on which it was to end.
    Ends(String),
    /// A pause is over.
    Resumes(String),
    /// A draft is closed.
    Closes(String),
    /// A payment is tried again.
    Retries(String),
    /// A refund is decided.
    Decides(String),
}

/// How long the first invoice may wait, as at the provider.
const FIRST_INVOICE_SECS: i64 = 23 * 3_600;
/// How long a renewal stays a draft, as at the provider.
const DRAFT_SECS: i64 = 3_600;
/// When the end of a trial is announced, as at the provider.
const ANNOUNCED_SECS: i64 = 3 * DAY;
/// Pauses between the tries of a renewal.
const RETRY_SECS: [i64; 3] = [3 * DAY, 5 * DAY, 7 * DAY];

impl Subscription {
    fn due(&self, id: &str) -> Vec<(i64, Due)> {
        let id = id.to_owned();
        match self.status {
            Status::Incomplete => vec![(self.created + FIRST_INVOICE_SECS, Due::Expires(id))],
            Status::Trialing | Status::Active | Status::PastDue | Status::Unpaid => {
                let mut due = vec![];
                if let Some((start, end)) =
                    self.trial.filter(|_| self.status == Status::Trialing && !self.end_announced)
                {
                    due.push(((end - ANNOUNCED_SECS).max(start), Due::Announces(id.clone())));
                }
                if let Some(at) = self.cancel_at.filter(|at| *at <= self.period.1) {
                    due.push((at, Due::Ends(id.clone())));
                }
                if let Some(at) = self.pause.as_ref().and_then(|pause| pause.resumes_at) {
                    due.push((at, Due::Resumes(id.clone())));
                }
                due.push((self.period.1, Due::Renews(id)));
                due
            }
            Status::IncompleteExpired | Status::Canceled | Status::Paused => vec![],
        }
    }
}

impl Invoice {
    fn due(&self, id: &str) -> Option<(i64, Due)> {
        match self.state {
            State::Draft => self.finalize_at.map(|at| (at, Due::Closes(id.to_owned()))),
            State::Open => self.next_attempt.map(|at| (at, Due::Retries(id.to_owned()))),
            State::Paid | State::Void | State::Uncollectible => None,
        }
    }
}

impl Refund {
    fn due(&self, id: &str) -> Option<(i64, Due)> {
        self.due.map(|(at, _)| (at, Due::Decides(id.to_owned())))
    }
}

impl Account {
    /// What happens next by itself, and when; of several at once, invoices come first.
    pub fn next_due(&self) -> Option<(i64, Due)> {
        let invoices = self.invoices.iter().filter_map(|(id, invoice)| invoice.due(id));
        let refunds = self.refunds.iter().filter_map(|(id, refund)| refund.due(id));
        let subscriptions = self.subscriptions.iter().flat_map(|(id, subscription)| subscription.due(id));
        invoices.chain(refunds).chain(subscriptions).min_by_key(|(at, _)| *at)
    }
}

impl Turn<'_> {
    /// Lets everything happen that is due until `until`, each at its own time.
    pub fn advance(&mut self, until: i64) {
        for _ in 0..limits::STRIPE_STEPS_MAX {
            let Some((at, due)) = self.account.next_due().filter(|(at, _)| *at <= until) else { break };
            self.now = at;
            if let Err(refusal) = self.happen(&due) {
                tracing::warn!(?due, ?refusal, "something could not happen when its time came");
            }
        }
        self.now = until;
    }

    fn happen(&mut self, due: &Due) -> Result<(), Refusal> {
        match due {
            Due::Expires(id) => self.expire(id),
            Due::Announces(id) => {
                self.alter_subscription(id, |subscription| subscription.end_announced = true);
                self.tell("customer.subscription.trial_will_end", id);
            }
            Due::Renews(id) => self.renew(id).inspect_err(|_| {
                // Nothing was changed yet; it is tried again an hour later instead of at once and for ever.
                self.alter_subscription(id, |subscription| subscription.period.1 += DRAFT_SECS);
            })?,
            Due::Ends(id) => self.end_subscription(id, Why::Asked),
            Due::Resumes(id) => {
                let before = self.before(id);
                self.alter_subscription(id, |subscription| subscription.pause = None);
                self.tell_change("customer.subscription.updated", id, &before);
            }
            Due::Closes(id) => self.close_draft(id)?,
            Due::Retries(id) => {
                self.alter_invoice(id, |invoice| invoice.next_attempt = None);
                // What comes of it stands in the invoice and the subscription.
                let _ = self.collect(id);
            }
            Due::Decides(id) => self.decide_refund(id),
        }
        Ok(())
    }

    fn expire(&mut self, id: &str) {
        let before = self.before(id);
        let now = self.now;
        self.alter_subscription(id, |subscription| {
            (subscription.status, subscription.ended_at) = (Status::IncompleteExpired, Some(now));
        });
        self.drop_invoices(id, true);
        self.tell_change("customer.subscription.updated", id, &before);
    }

    fn renew(&mut self, id: &str) -> Result<(), Refusal> {
        let before = self.before(id);
        let subscription = self.subscription(id, "id")?.clone();
        if subscription.ends_with_period {
            self.end_subscription(id, Why::Asked);
            return Ok(());
        }
        if subscription.status == Status::Trialing && self.card_for(&subscription).is_none() {
            match subscription.without_card.as_str() {
                "cancel" => {
                    self.end_subscription(id, Why::NotPaid);
                    return Ok(());
                }
                "pause" => {
                    self.alter_subscription(id, |subscription| subscription.status = Status::Paused);
                    self.tell("customer.subscription.paused", id);
                    self.tell_change("customer.subscription.updated", id, &before);
                    return Ok(());
                }
                _ => {}
            }
        }
        let start = subscription.period.1;
        let period = (start, subscription.rhythm(self.account).next_end(subscription.anchor, start));
        let mut lines = lines_of(&subscription, self.account, period, false);
        lines.extend(subscription.pending_lines);
        let invoice = self.draft(id, "subscription_cycle", lines)?;
        let unpaid = subscription.status == Status::Unpaid;
        let closes = (!unpaid).then_some(self.now + DRAFT_SECS);
        self.alter_invoice(&invoice, |invoice| (invoice.finalize_at, invoice.auto_advance) = (closes, !unpaid));
        self.alter_subscription(id, |subscription| {
            (subscription.period, subscription.pending_lines) = (period, vec![]);
            if subscription.status == Status::Trialing {
                subscription.status = Status::Active;
            }
        });
        self.tell("invoice.created", &invoice);
        self.tell_change("customer.subscription.updated", id, &before);
        Ok(())
    }

    fn close_draft(&mut self, id: &str) -> Result<(), Refusal> {
        self.alter_invoice(id, |invoice| invoice.finalize_at = None);
        let subscription = self.invoice(id)?.subscription.clone().unwrap_or_default();
        let pause = self.account.subscriptions.get(&subscription).and_then(|subscription| subscription.pause.clone());
        match pause.as_ref().map(|pause| pause.behavior.as_str()) {
            Some("keep_as_draft") => self.alter_invoice(id, |invoice| invoice.auto_advance = false),
            Some("void") => {
                self.finalize(id)?;
                self.void(id);
            }
            Some(_) => {
                self.finalize(id)?;
                self.write_off(id);
            }
            None => {
                self.finalize(id)?;
                // What comes of it stands in the invoice and the subscription.
                let _ = self.collect(id);
            }
        }
        Ok(())
    }

    /// A try to take the money failed: it is tried again, until there were enough tries.
    pub fn invoice_not_paid(&mut self, id: &str) -> Result<(), Refusal> {
        let invoice = self.invoice(id)?.clone();
        let subscription = invoice.subscription.clone().unwrap_or_default();
        let status = self.account.subscriptions.get(&subscription).map(|subscription| subscription.status);
        let tries = invoice.attempts + 1;
        let running = matches!(status, Some(Status::Active | Status::Trialing | Status::PastDue));
        let by_itself = running && invoice.next_attempt.is_none() && invoice.auto_advance;
        let again = usize::try_from(tries).ok().and_then(|tries| RETRY_SECS.get(tries - 1));
        let next = invoice.next_attempt.or_else(|| again.filter(|_| by_itself).map(|pause| self.now + pause));
        self.alter_invoice(id, |invoice| (invoice.attempts, invoice.next_attempt) = (tries, next));
        self.tell("invoice.payment_failed", id);
        if !by_itself {
            return Ok(());
        }
        let before = self.before(&subscription);
        self.account.customers.entry(invoice.customer).and_modify(|owner| owner.delinquent = true);
        let end = match (next, self.account.after_retries) {
            (Some(_), _) | (None, AfterRetries::PastDue) => Status::PastDue,
            (None, AfterRetries::Unpaid) => Status::Unpaid,
            (None, AfterRetries::Cancel) => {
                self.end_subscription(&subscription, Why::NotPaid);
                return Ok(());
            }
        };
        self.alter_subscription(&subscription, |subscription| subscription.status = end);
        self.tell_change("customer.subscription.updated", &subscription, &before);
        Ok(())
    }

    /// An invoice of a subscription is paid.
    pub fn owed_nothing(&mut self, id: &str) {
        let before = self.before(id);
        let Some(subscription) = self.account.subscriptions.get(id).cloned() else { return };
        let status = match subscription.status {
            Status::Incomplete | Status::PastDue | Status::Unpaid => after_payment(&subscription),
            other => other,
        };
        self.alter_subscription(id, |subscription| subscription.status = status);
        self.account.customers.entry(subscription.customer).and_modify(|owner| owner.delinquent = false);
        self.tell_change("customer.subscription.updated", id, &before);
    }

    /// A subscription is over; nothing is collected for it any more.
    pub fn end_subscription(&mut self, id: &str, why: Why) {
        let Some(subscription) = self.account.subscriptions.get(id).cloned() else { return };
        let now = self.now;
        self.drop_invoices(id, subscription.status == Status::Incomplete);
        if let Some(setup) = &subscription.pending_setup {
            self.give_up_setup(setup, Some("abandoned"));
        }
        let reason = match why {
            Why::Asked => "cancellation_requested",
            Why::NotPaid => "payment_failed",
        };
        self.alter_subscription(id, |subscription| {
            subscription.status = Status::Canceled;
            (subscription.ended_at, subscription.pending_setup) = (Some(now), None);
            subscription.canceled_at.get_or_insert(now);
            subscription.farewell[0].get_or_insert_with(|| reason.to_owned());
        });
        self.tell("customer.subscription.deleted", id);
    }

    /// Invoices that are still open are no longer collected, and void when nothing was ever paid.
    fn drop_invoices(&mut self, subscription: &str, void: bool) {
        let of = |invoice: &Invoice| {
            invoice.subscription.as_deref() == Some(subscription) && matches!(invoice.state, State::Open | State::Draft)
        };
        let ids: Vec<String> =
            self.account.invoices.iter().filter(|(_, invoice)| of(invoice)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.alter_invoice(&id, |invoice| {
                (invoice.auto_advance, invoice.next_attempt, invoice.finalize_at) = (false, None, None);
            });
            if void {
                self.void(&id);
            }
        }
    }

    /// Takes an invoice back.
    pub fn void(&mut self, id: &str) {
        let now = self.now;
        self.alter_invoice(id, |invoice| {
            (invoice.state, invoice.next_attempt) = (State::Void, None);
            invoice.at[2] = Some(now);
        });
        let payment = self.account.invoices.get(id).and_then(|invoice| invoice.payment.clone());
        let open =
            |payment: &String| self.account.payments.get(payment).is_some_and(|payment| payment.status.may_confirm());
        if let Some(payment) = payment.filter(open) {
            self.give_up_payment(&payment, Some("void_invoice"));
        }
        self.tell("invoice.voided", id);
    }

    /// Writes an invoice off.
    pub fn write_off(&mut self, id: &str) {
        let now = self.now;
        self.alter_invoice(id, |invoice| {
            (invoice.state, invoice.next_attempt) = (State::Uncollectible, None);
            invoice.at[3] = Some(now);
        });
        self.tell("invoice.marked_uncollectible", id);
    }
}
