//! Which call changes what: every `POST` and `DELETE` of the API.

use serde_json::Value;

use super::account::Turn;
use super::form::Fields;
use super::pay::By;
use super::refusal::Refusal;

/// A call that changes something.
pub struct Command<'a> {
    /// `POST` or `DELETE`.
    pub method: &'a str,
    /// The path behind `/v1`.
    pub path: &'a str,
    /// The parameters.
    pub fields: Fields,
    /// Who calls.
    pub by: By,
}

impl Turn<'_> {
    /// Carries a call out.
    pub fn carry_out(&mut self, command: Command<'_>) -> Result<Value, Refusal> {
        let Command { method, path, mut fields, by } = command;
        let expand = fields.texts("expand")?.unwrap_or_default();
        if expand.len() > crate::limits::STRIPE_EXPAND_MAX {
            return Err(Refusal::invalid("Too many properties to expand.").param("expand").early());
        }
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let done = match method {
            "POST" => self.post(&steps, fields, by),
            _ => self.delete(&steps, fields),
        };
        let unknown = || Refusal::unknown_route(method, &format!("/v1{path}"));
        let mut shown = done.ok_or_else(unknown)??;
        for path in expand {
            self.account.expand(&mut shown, &path)?;
        }
        Ok(shown)
    }

    fn post(&mut self, steps: &[&str], fields: Fields, by: By) -> Option<Result<Value, Refusal>> {
        Some(match *steps {
            ["customers"] => self.create_customer(fields),
            ["customers", id] => self.update_customer(id, fields),
            ["payment_methods"] => self.create_method(fields),
            ["payment_methods", id] => self.update_method(id, fields),
            ["payment_methods", id, "attach"] => self.attach_method(id, fields),
            ["payment_methods", id, "detach"] => self.detach_method(id, fields),
            ["payment_intents"] => self.create_payment(fields),
            ["payment_intents", id] => self.update_payment(id, fields),
            ["payment_intents", id, "confirm"] => self.confirm_payment(id, fields, by),
            ["payment_intents", id, "cancel"] => self.cancel_payment(id, fields),
            ["setup_intents"] => self.create_setup(fields),
            ["setup_intents", id] => self.update_setup(id, fields),
            ["setup_intents", id, "confirm"] => self.confirm_setup(id, fields, by),
            ["setup_intents", id, "cancel"] => self.cancel_setup(id, fields),
            ["charges", id] => self.update_charge(id, fields),
            ["refunds"] => self.create_refund(fields),
            ["refunds", id] => self.update_refund(id, fields),
            ["disputes", id] => self.update_dispute(id, fields),
            ["disputes", id, "close"] => self.give_in(id, fields),
            ["products"] => self.create_product(fields),
            ["products", id] => self.update_product(id, fields),
            ["prices"] => self.create_price(fields),
            ["prices", id] => self.update_price(id, fields),
            ["coupons"] => self.create_coupon(fields),
            ["coupons", id] => self.update_coupon(id, fields),
            ["subscriptions"] => self.create_subscription(fields),
            ["subscriptions", id] => self.update_subscription(id, fields),
            ["subscriptions", id, "resume"] => self.resume_subscription(id, fields),
            ["invoices", id] => self.update_invoice(id, fields),
            ["invoices", id, verb @ ("pay" | "void" | "finalize" | "mark_uncollectible")] => {
                self.command_invoice(id, verb, fields)
            }
            ["webhook_endpoints"] => self.create_endpoint(fields),
            ["webhook_endpoints", id] => self.update_endpoint(id, fields),
            _ => return None,
        })
    }

    fn delete(&mut self, steps: &[&str], fields: Fields) -> Option<Result<Value, Refusal>> {
        if let ["subscriptions", id] = *steps {
            return Some(self.cancel_subscription(id, fields));
        }
        if let Err(refusal) = fields.end() {
            return Some(Err(refusal));
        }
        Some(match *steps {
            ["customers", id] => self.delete_customer(id),
            ["products", id] => self.delete_product(id),
            ["coupons", id] => self.delete_coupon(id),
            ["webhook_endpoints", id] => self.delete_endpoint(id),
            _ => return None,
        })
    }
}
