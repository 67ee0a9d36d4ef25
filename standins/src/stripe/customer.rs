//! Those who pay.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::Turn;
use super::form::{Fields, Given, Metadata};
use super::refusal::Refusal;

/// Who pays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Customer {
    /// When it was made.
    pub created: i64,
    /// Address for letters.
    pub email: Option<String>,
    /// Full name.
    pub name: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// What the caller notes.
    pub description: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
    /// The card that pays invoices.
    pub default_method: Option<String>,
    /// Whether an invoice is unpaid.
    pub delinquent: bool,
    /// Counts its invoices.
    pub invoices: u32,
    /// Whether it is gone; its name is still answered to.
    pub deleted: bool,
}

impl Customer {
    /// As the provider shows it.
    pub fn shown(&self, id: &str) -> Value {
        if self.deleted {
            return json!({"id": id, "object": "customer", "deleted": true});
        }
        json!({
            "id": id, "object": "customer", "address": null, "balance": 0, "created": self.created, "currency": null,
            "default_source": null, "delinquent": self.delinquent, "description": self.description, "discount": null,
            "email": self.email, "invoice_prefix": prefix(id), "invoice_settings": {
                "custom_fields": null, "default_payment_method": self.default_method, "footer": null,
                "rendering_options": null,
            },
            "livemode": false, "metadata": self.metadata, "name": self.name,
            "next_invoice_sequence": self.invoices + 1, "phone": self.phone, "preferred_locales": [],
            "shipping": null, "tax_exempt": "none", "test_clock": null,
        })
    }

    fn fill(&mut self, fields: &mut Fields) -> Result<(), Refusal> {
        fields.given("email")?.apply(&mut self.email);
        fields.given("name")?.apply(&mut self.name);
        fields.given("phone")?.apply(&mut self.phone);
        fields.given("description")?.apply(&mut self.description);
        fields.metadata(&mut self.metadata)?;
        fields.ignore(&["address", "preferred_locales", "shipping", "tax_exempt", "tax"]);
        if self.email.as_ref().is_some_and(|email| !email.contains('@')) {
            let message = format!("Invalid email address: {}", self.email.clone().unwrap_or_default());
            return Err(Refusal::invalid(message).code("email_invalid").param("email"));
        }
        Ok(())
    }
}

/// What the numbers of its invoices begin with.
pub fn prefix(id: &str) -> String {
    id.chars().rev().take(8).collect::<String>().to_uppercase()
}

impl Turn<'_> {
    /// A customer that is there and not deleted; `param` names where the id came from.
    pub fn customer(&self, id: &str, param: &str) -> Result<&Customer, Refusal> {
        let found = self.account.customers.get(id).filter(|customer| !customer.deleted);
        found.ok_or_else(|| Refusal::missing("customer", id, param))
    }

    /// `POST /customers`.
    pub fn create_customer(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let mut customer = Customer { created: self.now, ..Customer::default() };
        customer.fill(&mut fields)?;
        let method = fields.text("payment_method")?;
        let default = default_method(&mut fields)?;
        fields.end()?;
        let id = self.id("cus_")?;
        self.account.customers.insert(id.clone(), customer);
        let done = method.map(|method| self.attach(&method, &id)).transpose().and_then(|_| {
            if let Given::Set(method) = default {
                let method = self.own_method(&method, &id)?;
                self.account.customers.entry(id.clone()).and_modify(|known| known.default_method = Some(method));
            }
            Ok(())
        });
        if let Err(refusal) = done {
            self.account.customers.remove(&id);
            return Err(refusal);
        }
        self.tell("customer.created", &id);
        Ok(self.shown(&id))
    }

    /// `POST /customers/{id}`.
    pub fn update_customer(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut customer = self.customer(id, "id")?.clone();
        customer.fill(&mut fields)?;
        match default_method(&mut fields)? {
            Given::Absent => {}
            Given::Cleared => customer.default_method = None,
            Given::Set(method) => customer.default_method = Some(self.own_method(&method, id)?),
        }
        fields.end()?;
        self.account.customers.insert(id.to_owned(), customer);
        self.tell_change("customer.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `DELETE /customers/{id}`: its subscriptions end with it.
    pub fn delete_customer(&mut self, id: &str) -> Result<Value, Refusal> {
        self.customer(id, "id")?;
        let of = |subscription: &super::subscription::Subscription| {
            subscription.customer == id && !subscription.status.is_over()
        };
        let owned = self.account.subscriptions.iter().filter(|(_, subscription)| of(subscription));
        for subscription in owned.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.end_subscription(&subscription, super::subscription::Why::Asked);
        }
        for method in self.account.methods.values_mut().filter(|method| method.customer.as_deref() == Some(id)) {
            (method.customer, method.spent) = (None, true);
        }
        self.tell("customer.deleted", id);
        self.account.customers.entry(id.to_owned()).and_modify(|customer| customer.deleted = true);
        Ok(self.shown(id))
    }
}

fn default_method(fields: &mut Fields) -> Result<Given<String>, Refusal> {
    let Some(mut settings) = fields.tree("invoice_settings")? else { return Ok(Given::Absent) };
    let method = settings.given("default_payment_method")?;
    settings.end()?;
    Ok(method)
}
