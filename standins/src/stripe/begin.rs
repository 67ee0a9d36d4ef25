//! How a subscription begins: what was asked for, the first invoice, the first payment.

use serde_json::Value;

use super::account::Turn;
use super::calendar::DAY;
use super::form::{Fields, Given, Metadata};
use super::invoice::{Invoice, Line, lines_of, total};
use super::refusal::Refusal;
use super::subscription::{Discount, Item, Status, Subscription, after_payment};
use crate::limits;

/// What may happen when a trial ends without a card.
pub const WITHOUT_CARD: &[&str] = &["create_invoice", "cancel", "pause"];

/// What happens at the first payment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Waits,
    Tried,
    MustSucceed,
}

/// A subscription that is about to begin.
struct Beginning {
    subscription: Subscription,
    extra: Vec<Line>,
    first: First,
}

impl Turn<'_> {
    /// `POST /subscriptions`.
    pub fn create_subscription(&mut self, fields: Fields) -> Result<Value, Refusal> {
        let Beginning { mut subscription, extra, first } = self.beginning(fields)?;
        let rhythm = subscription.rhythm(self.account);
        (subscription.anchor, subscription.period) = match subscription.trial {
            Some((start, end)) => (end, (start, end)),
            None => (self.now, (self.now, rhythm.next_end(self.now, self.now))),
        };
        if subscription.ends_with_period {
            subscription.cancel_at = Some(subscription.period.1);
        }
        let mut lines = lines_of(&subscription, self.account, subscription.period, subscription.trial.is_some());
        lines.extend(extra);
        let due = total(&lines, &subscription.discounts, self.account, self.now).1;
        let card = self.card_for(&subscription);
        if due > 0 && card.is_none() && first != First::Waits {
            let message = "This customer has no attached payment source or default payment method. Please consider adding \
                           a default payment method.";
            return Err(Refusal::invalid(message).code("resource_missing"));
        }
        subscription.status = after_payment(&subscription);
        if due > 0 {
            subscription.status = Status::Incomplete;
        }
        let told = self.news.len();
        let id = self.id("sub_")?;
        self.account.subscriptions.insert(id.clone(), subscription);
        if due == 0 && card.is_none() {
            self.ask_for_card(&id)?;
        }
        let invoice = self.draft(&id, "subscription_create", lines)?;
        self.tell("customer.subscription.created", &id);
        self.tell("invoice.created", &invoice);
        self.finalize(&invoice)?;
        if due > 0
            && first != First::Waits
            && let Err(refusal) = self.collect(&invoice)
            && first == First::MustSucceed
        {
            // Nothing of it is to have happened, except that the card was asked.
            self.account.subscriptions.remove(&id);
            self.account.invoices.remove(&invoice);
            self.news.truncate(told);
            return Err(refusal);
        }
        Ok(self.shown(&id))
    }

    fn beginning(&mut self, mut fields: Fields) -> Result<Beginning, Refusal> {
        let customer = fields.needed("customer")?;
        self.customer(&customer, "customer")?;
        let mut new = Subscription { created: self.now, customer, ..Subscription::default() };
        new.description = fields.text("description")?;
        fields.metadata(&mut new.metadata)?;
        if fields.word("collection_method", &["charge_automatically", "send_invoice"])? == Some("send_invoice") {
            return Err(Refusal::not_played("invoices that are sent"));
        }
        let behaviors = ["allow_incomplete", "default_incomplete", "error_if_incomplete"];
        let first = match fields.word("payment_behavior", &behaviors)? {
            Some("default_incomplete") => First::Waits,
            Some("error_if_incomplete") => First::MustSucceed,
            _ => First::Tried,
        };
        self.read_payment(&mut new, &mut fields)?;
        self.read_trial(&mut new, &mut fields)?;
        new.ends_with_period = fields.flag("cancel_at_period_end")?.unwrap_or(false);
        new.cancel_at = fields.whole("cancel_at")?;
        if new.cancel_at.is_some_and(|at| at <= self.now) {
            return Err(Refusal::invalid("cancel_at must be in the future.").param("cancel_at"));
        }
        if new.ends_with_period || new.cancel_at.is_some() {
            new.canceled_at = Some(self.now);
            new.farewell[0] = Some("cancellation_requested".to_owned());
        }
        new.discounts = self.read_discounts(&mut fields)?.set().unwrap_or_default();
        let items = fields.trees("items")?.set().ok_or_else(|| fields.absent("items"))?;
        for item in items {
            self.add_item(&mut new, item)?;
        }
        let mut extra = vec![];
        for item in fields.trees("add_invoice_items")?.set().unwrap_or_default() {
            extra.push(self.extra_line(&new, item)?);
        }
        fields.ignore(&["off_session", "currency", "proration_behavior", "automatic_tax", "billing_mode"]);
        fields.ignore(&["trial_from_plan", "invoice_settings"]);
        fields.end()?;
        Ok(Beginning { subscription: new, extra, first })
    }

    /// How a subscription is to be paid.
    pub fn read_payment(&mut self, new: &mut Subscription, fields: &mut Fields) -> Result<(), Refusal> {
        match fields.given("default_payment_method")? {
            Given::Set(method) => new.default_method = Some(self.own_method(&method, &new.customer)?),
            Given::Cleared => new.default_method = None,
            Given::Absent => {}
        }
        if let Some(mut settings) = fields.tree("payment_settings")? {
            if let Some(save) = settings.word("save_default_payment_method", &["on_subscription", "off"])? {
                new.save_method = save == "on_subscription";
            }
            settings.ignore(&["payment_method_types", "payment_method_options"]);
            settings.end()?;
        }
        Ok(())
    }

    fn read_trial(&self, new: &mut Subscription, fields: &mut Fields) -> Result<(), Refusal> {
        let days = fields.whole("trial_period_days")?;
        let end = fields.text("trial_end")?.filter(|end| end != "now");
        let end =
            end.map(|end| end.parse::<i64>().map_err(|_| Refusal::invalid("Invalid timestamp").param("trial_end")));
        new.trial = match (days, end.transpose()?) {
            (Some(_), Some(_)) => {
                let message = "You cannot pass both trial_end and trial_period_days.";
                return Err(Refusal::invalid(message).param("trial_end").early());
            }
            (Some(days), None) if (1..=limits::STRIPE_TRIAL_DAYS_MAX).contains(&days) => {
                Some((self.now, self.now + days * DAY))
            }
            (Some(_), None) => {
                let message = "trial_period_days must be between 1 and 730.";
                return Err(Refusal::invalid(message).param("trial_period_days").early());
            }
            (None, Some(end)) if end > self.now => Some((self.now, end)),
            (None, Some(_)) => {
                return Err(Refusal::invalid("trial_end must be in the future.").param("trial_end").early());
            }
            (None, None) => None,
        };
        new.without_card = WITHOUT_CARD[0].to_owned();
        if let Some(mut settings) = fields.tree("trial_settings")? {
            if let Some(mut behavior) = settings.tree("end_behavior")? {
                let chosen = behavior.word("missing_payment_method", WITHOUT_CARD)?;
                new.without_card = chosen.unwrap_or(WITHOUT_CARD[0]).to_owned();
                behavior.end()?;
            }
            settings.end()?;
        }
        Ok(())
    }

    /// Coupons to take off.
    pub fn read_discounts(&mut self, fields: &mut Fields) -> Result<Given<Vec<Discount>>, Refusal> {
        let asked = match fields.trees("discounts")? {
            Given::Absent => return Ok(Given::Absent),
            Given::Cleared => return Ok(Given::Cleared),
            Given::Set(asked) => asked,
        };
        let mut discounts = vec![];
        for mut one in asked {
            if one.has("promotion_code") || one.has("discount") {
                return Err(Refusal::not_played("discounts other than by coupon"));
            }
            let name = one.needed("coupon")?;
            let param = one.name("coupon");
            one.end()?;
            let coupon = self.coupon(&name, &param)?;
            if !coupon.is_valid() {
                let refusal = Refusal::invalid(format!("Coupon {name} is used up and cannot be applied."));
                return Err(refusal.code("coupon_expired").param(&param));
            }
            let end = coupon.months.map(|months| self.now + months * 31 * DAY);
            let id = self.id_of_part("di_");
            discounts.push(Discount { id, coupon: name.clone(), start: self.now, end });
            self.account.coupons.entry(name).and_modify(|coupon| coupon.redeemed += 1);
        }
        Ok(Given::Set(discounts))
    }

    /// Adds an item as it was asked for.
    pub fn add_item(&mut self, new: &mut Subscription, mut fields: Fields) -> Result<(), Refusal> {
        let quantity = fields.whole("quantity")?.unwrap_or(1);
        let mut metadata = Metadata::new();
        fields.metadata(&mut metadata)?;
        let price = self.price_for(&mut fields, true, &new.currency)?;
        fields.ignore(&["tax_rates"]);
        fields.end()?;
        if new.items.len() >= limits::STRIPE_ITEMS_MAX || !(0..=limits::STRIPE_AMOUNT_MAX).contains(&quantity) {
            return Err(Refusal::invalid("Too many items, or a quantity out of range.").param("items"));
        }
        let known = self.price(&price, "price")?;
        let rhythm = (!new.items.is_empty()).then(|| new.rhythm(self.account));
        if rhythm.is_some() && rhythm != known.rhythm {
            return Err(Refusal::not_played("items of different rhythms in one subscription"));
        }
        new.currency.clone_from(&known.currency);
        let id = self.id_of_part("si_");
        new.items.push(Item { id, created: self.now, price, quantity, metadata });
        Ok(())
    }

    /// The price a request names or describes.
    pub fn price_for(&mut self, fields: &mut Fields, recurring: bool, currency: &str) -> Result<String, Refusal> {
        let param = fields.name("price");
        let (id, own) = match (fields.text("price")?, fields.tree("price_data")?) {
            (Some(price), None) => (price, true),
            (None, Some(mut described)) => {
                let id = self.price_from(&mut described, false)?;
                described.end()?;
                (id, false)
            }
            _ => return Err(fields.absent("price")),
        };
        let price = self.price(&id, &param)?;
        if own && !price.active {
            let message = "The price specified is inactive. This field only accepts active prices.";
            return Err(Refusal::invalid(message).param(&param));
        }
        if price.rhythm.is_some() != recurring {
            let (is, only) = if recurring { ("one_time", "recurring") } else { ("recurring", "one_time") };
            let message = format!(
                "The price specified is set to `type={is}` but this field only accepts prices with `type={only}`."
            );
            return Err(Refusal::invalid(message).param(&param));
        }
        if !currency.is_empty() && price.currency != currency {
            let message = "The price specified has another currency than the subscription.";
            return Err(Refusal::invalid(message).param(&param));
        }
        Ok(id)
    }

    fn extra_line(&mut self, new: &Subscription, mut fields: Fields) -> Result<Line, Refusal> {
        let quantity = fields.whole("quantity")?.unwrap_or(1);
        let price = self.price_for(&mut fields, false, &new.currency)?;
        fields.end()?;
        let known = self.price(&price, "price")?.clone();
        let amount = known.amount.saturating_mul(quantity);
        Ok(Line { amount, quantity, price, product: known.product, period: (self.now, self.now), ..Line::default() })
    }

    /// Notes an invoice of a subscription, still as a draft.
    pub fn draft(&mut self, id: &str, reason: &str, mut lines: Vec<Line>) -> Result<String, Refusal> {
        for line in &mut lines {
            line.id = self.id_of_part("il_");
        }
        let subscription = self.subscription(id, "id")?.clone();
        let (subtotal, total, off) = total(&lines, &subscription.discounts, self.account, self.now);
        let invoice = Invoice {
            created: self.now,
            customer: subscription.customer.clone(),
            subscription: Some(id.to_owned()),
            subscription_metadata: subscription.metadata.clone(),
            currency: subscription.currency.clone(),
            reason: reason.to_owned(),
            lines,
            subtotal,
            total,
            off,
            auto_advance: true,
            payment_id: self.id_of_part("inpay_"),
            ..Invoice::default()
        };
        let invoice_id = self.id("in_")?;
        self.account.invoices.insert(invoice_id.clone(), invoice);
        let (account, now) = (&self.account.coupons, self.now);
        let lasting = |discount: &Discount| {
            let once = account.get(&discount.coupon).is_some_and(|coupon| coupon.duration == "once");
            !(once && subtotal > 0) && discount.end.is_none_or(|end| end > now)
        };
        let discounts: Vec<_> = subscription.discounts.iter().filter(|discount| lasting(discount)).cloned().collect();
        self.alter_subscription(id, |subscription| {
            subscription.latest_invoice = Some(invoice_id.clone());
            subscription.discounts = discounts;
        });
        Ok(invoice_id)
    }
}
