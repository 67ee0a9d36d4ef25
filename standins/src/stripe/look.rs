//! Which call shows what: every `GET` of the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::account::Account;
use super::desk::Desk;
use super::form::Fields;
use super::list::Page;
use super::refusal::Refusal;

/// Somebody who looks.
pub struct Look<'a> {
    /// The account.
    pub account: &'a Account,
    /// The events.
    pub desk: &'a Desk,
}

impl Look<'_> {
    /// Answers a call.
    pub fn answer(&self, path: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let expand = fields.texts("expand")?.unwrap_or_default();
        if expand.len() > crate::limits::STRIPE_EXPAND_MAX {
            return Err(Refusal::invalid("Too many properties to expand.").param("expand").early());
        }
        // A browser proves with it that it may look; it is judged before.
        fields.ignore(&["client_secret"]);
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let found = match *steps.as_slice() {
            ["customers", customer, "payment_methods", id] => self.method_of(customer, id),
            ["invoices", id, "lines"] => self.one("invoices", id).map(|invoice| invoice["lines"].clone()),
            ["customers", id, "payment_methods"] => self.methods_of(id, &mut fields),
            [kind, id] => self.one(kind, id),
            ["account"] => Ok(account()),
            [kind] => self.list(kind, &mut fields),
            _ => Err(Refusal::unknown_route("GET", path)),
        };
        let unknown = |refusal: Refusal| {
            if refusal.status == 404 && refusal.early {
                Refusal::unknown_route("GET", &format!("/v1{path}"))
            } else {
                refusal
            }
        };
        let mut shown = found.map_err(unknown)?;
        fields.end()?;
        for path in expand {
            self.account.expand(&mut shown, &path)?;
        }
        Ok(shown)
    }

    fn one(&self, kind: &str, id: &str) -> Result<Value, Refusal> {
        let (account, param) = (self.account, if kind.ends_with("_intents") { "intent" } else { "id" });
        let (what, known) = match kind {
            "customers" => ("customer", account.customers.contains_key(id)),
            "payment_methods" => ("PaymentMethod", account.methods.contains_key(id)),
            "payment_intents" => ("payment_intent", account.payments.contains_key(id)),
            "setup_intents" => ("setupintent", account.setups.contains_key(id)),
            "charges" => ("charge", account.charges.contains_key(id)),
            "refunds" => ("refund", account.refunds.contains_key(id)),
            "disputes" => ("dispute", account.disputes.contains_key(id)),
            "products" => ("product", account.products.contains_key(id)),
            "prices" => ("price", account.prices.contains_key(id)),
            "coupons" => {
                let coupon = account.coupons.get(id).ok_or_else(|| Refusal::missing("coupon", id, "id"))?;
                return Ok(coupon.shown(id));
            }
            "subscriptions" => ("subscription", account.subscriptions.contains_key(id)),
            "invoices" => ("invoice", account.invoices.contains_key(id)),
            "invoice_payments" => ("invoice_payment", account.invoice_payment(id).is_some()),
            "webhook_endpoints" => ("webhook endpoint", account.endpoints.contains_key(id)),
            "events" => {
                let event = self.desk.events(|event| event.id == id).pop();
                let event = event.ok_or_else(|| Refusal::missing("event", id, "id"))?;
                return Ok(event.shown(account.pending(id)));
            }
            _ => return Err(Refusal::unknown_route("GET", kind)),
        };
        account.show(id).filter(|_| known).ok_or_else(|| Refusal::missing(what, id, param))
    }

    fn list(&self, kind: &str, fields: &mut Fields) -> Result<Value, Refusal> {
        let page = Page::read(fields)?;
        let url = format!("/v1/{kind}");
        let all = match kind {
            "events" => return self.events(&page, fields),
            "customers" => {
                let email = fields.text("email")?;
                let wanted = |customer: &super::customer::Customer| {
                    !customer.deleted && (email.is_none() || customer.email == email)
                };
                self.ids(&self.account.customers, wanted)
            }
            "payment_methods" => {
                let customer = fields.text("customer")?.ok_or_else(|| fields.absent("customer"))?;
                fields.ignore(&["type", "allow_redisplay"]);
                self.ids(&self.account.methods, |method| method.customer.as_deref() == Some(&customer))
            }
            "payment_intents" => {
                let customer = fields.text("customer")?;
                self.ids(&self.account.payments, |payment| customer.is_none() || payment.customer == customer)
            }
            "setup_intents" => {
                let customer = fields.text("customer")?;
                self.ids(&self.account.setups, |setup| customer.is_none() || setup.customer == customer)
            }
            "charges" => {
                let (payment, customer) = (fields.text("payment_intent")?, fields.text("customer")?);
                let wanted = |charge: &super::charge::Charge| {
                    payment.as_ref().is_none_or(|payment| charge.payment == *payment)
                        && (customer.is_none() || charge.customer == customer)
                };
                self.ids(&self.account.charges, wanted)
            }
            "refunds" | "disputes" => self.money_back(kind, fields)?,
            "products" | "prices" | "coupons" => self.goods(kind, fields)?,
            "subscriptions" | "subscription_items" | "invoices" | "invoice_payments" => self.billing(kind, fields)?,
            "webhook_endpoints" => self.ids(&self.account.endpoints, |_| true),
            _ => return Err(Refusal::unknown_route("GET", kind)),
        };
        page.of(&url, all)
    }

    fn ids<T>(&self, all: &BTreeMap<String, T>, wanted: impl Fn(&T) -> bool) -> Vec<Value> {
        let found = all.iter().rev().filter(|(_, object)| wanted(object));
        found.filter_map(|(id, _)| self.account.show(id)).collect()
    }

    fn money_back(&self, kind: &str, fields: &mut Fields) -> Result<Vec<Value>, Refusal> {
        let (payment, charge) = (fields.text("payment_intent")?, fields.text("charge")?);
        let of = |of_payment: &String, of_charge: &String| {
            payment.as_ref().is_none_or(|payment| payment == of_payment)
                && charge.as_ref().is_none_or(|charge| charge == of_charge)
        };
        Ok(match kind {
            "refunds" => self.ids(&self.account.refunds, |refund| of(&refund.payment, &refund.charge)),
            _ => self.ids(&self.account.disputes, |dispute| of(&dispute.payment, &dispute.charge)),
        })
    }

    fn goods(&self, kind: &str, fields: &mut Fields) -> Result<Vec<Value>, Refusal> {
        if kind == "coupons" {
            let coupons = self.account.coupons.iter().rev();
            return Ok(coupons.map(|(id, coupon)| coupon.shown(id)).collect());
        }
        let active = fields.flag("active")?;
        if kind == "products" {
            let ids = fields.texts("ids")?;
            let mut found = self.ids(&self.account.products, |product| active.is_none_or(|on| product.active == on));
            found.retain(|product| ids.as_ref().is_none_or(|ids| ids.iter().any(|id| product["id"] == *id)));
            return Ok(found);
        }
        let (product, kind) = (fields.text("product")?, fields.word("type", &["one_time", "recurring"])?);
        let keys = fields.texts("lookup_keys")?;
        Ok(self.ids(&self.account.prices, |price| {
            active.is_none_or(|on| price.active == on)
                && product.as_ref().is_none_or(|product| price.product == *product)
                && kind.is_none_or(|kind| (kind == "recurring") == price.rhythm.is_some())
                && keys.as_ref().is_none_or(|keys| price.lookup_key.as_ref().is_some_and(|key| keys.contains(key)))
        }))
    }

    fn billing(&self, kind: &str, fields: &mut Fields) -> Result<Vec<Value>, Refusal> {
        match kind {
            "subscriptions" => {
                let (customer, price, status) =
                    (fields.text("customer")?, fields.text("price")?, fields.text("status")?);
                Ok(self.ids(&self.account.subscriptions, |subscription| {
                    let stands = match status.as_deref() {
                        None => !subscription.status.is_over(),
                        Some("all") => true,
                        Some("ended") => subscription.status.is_over(),
                        Some(name) => subscription.status.name() == name,
                    };
                    stands
                        && customer.as_ref().is_none_or(|customer| subscription.customer == *customer)
                        && price.as_ref().is_none_or(|price| subscription.items.iter().any(|item| item.price == *price))
                }))
            }
            "subscription_items" => {
                let id = fields.needed("subscription")?;
                let items = self.one("subscriptions", &id)?["items"]["data"].clone();
                Ok(items.as_array().cloned().unwrap_or_default())
            }
            "invoices" => {
                let (customer, of, status) =
                    (fields.text("customer")?, fields.text("subscription")?, fields.text("status")?);
                Ok(self.ids(&self.account.invoices, |invoice| {
                    customer.as_ref().is_none_or(|customer| invoice.customer == *customer)
                        && (of.is_none() || invoice.subscription == of)
                        && status.as_ref().is_none_or(|status| invoice.state.name() == status)
                }))
            }
            _ => {
                let (invoice, status) = (fields.text("invoice")?, fields.text("status")?);
                let mut payment = None;
                if let Some(mut by) = fields.tree("payment")? {
                    by.word("type", &["payment_intent"])?;
                    payment = by.text("payment_intent")?;
                    by.end()?;
                }
                let links = self.account.invoices.iter().rev().filter(|(id, known)| {
                    invoice.as_ref().is_none_or(|invoice| invoice == *id)
                        && (payment.is_none() || known.payment == payment)
                });
                let shown = links.filter_map(|(_, invoice)| self.account.invoice_payment(&invoice.payment_id));
                Ok(shown.filter(|link| status.as_ref().is_none_or(|status| link["status"] == *status)).collect())
            }
        }
    }

    fn events(&self, page: &Page, fields: &mut Fields) -> Result<Value, Refusal> {
        let mut kinds = fields.texts("types")?.unwrap_or_default();
        kinds.extend(fields.text("type")?);
        let delivered = fields.flag("delivery_success")?;
        let pending = |id: &str| self.account.pending(id);
        let wanted = |event: &super::event::Event| {
            (kinds.is_empty() || event.is_of(&kinds)) && delivered.is_none_or(|done| done == (pending(&event.id) == 0))
        };
        let events = self.desk.events(wanted);
        page.of("/v1/events", events.iter().map(|event| event.shown(pending(&event.id))).collect())
    }

    fn methods_of(&self, customer: &str, fields: &mut Fields) -> Result<Value, Refusal> {
        self.one("customers", customer)?;
        let page = Page::read(fields)?;
        fields.ignore(&["type", "allow_redisplay"]);
        let all = self.ids(&self.account.methods, |method| method.customer.as_deref() == Some(customer));
        page.of(&format!("/v1/customers/{customer}/payment_methods"), all)
    }

    fn method_of(&self, customer: &str, id: &str) -> Result<Value, Refusal> {
        let own = self.account.methods.get(id).is_some_and(|method| method.customer.as_deref() == Some(customer));
        if own { self.one("payment_methods", id) } else { Err(Refusal::missing("PaymentMethod", id, "id")) }
    }
}

/// The account itself, as far as anybody asks.
fn account() -> Value {
    json!({
        "id": "acct_backstage", "object": "account", "charges_enabled": true, "country": "US", "created": 0,
        "default_currency": "usd", "details_submitted": true, "email": null, "payouts_enabled": true, "type": "standard",
    })
}
