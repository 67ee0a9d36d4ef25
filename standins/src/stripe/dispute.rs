//! Disputes: the holder of a card asks the bank for the money back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::Turn;
use super::charge::Standing;
use super::form::{Fields, Metadata};
use super::refusal::Refusal;
use crate::limits;

/// A charge somebody disputes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dispute {
    /// When it was opened.
    pub created: i64,
    /// The charge.
    pub charge: String,
    /// The intent of that charge.
    pub payment: String,
    /// In the smallest unit.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Why, in the provider's words.
    pub reason: String,
    /// Where it stands.
    pub case: Case,
    /// What the caller attaches.
    pub metadata: Metadata,
    /// The seller's text.
    pub text: Option<String>,
}

/// Where a dispute stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// The seller is to answer.
    #[default]
    NeedsResponse,
    /// The bank reads the answer.
    UnderReview,
    /// The seller keeps the money.
    Won,
    /// The holder gets it back.
    Lost,
}

impl Dispute {
    /// As the provider shows it.
    pub fn shown(&self, id: &str) -> Value {
        let status = match self.case {
            Case::NeedsResponse => "needs_response",
            Case::UnderReview => "under_review",
            Case::Won => "won",
            Case::Lost => "lost",
        };
        let empty = [
            "access_activity_log",
            "billing_address",
            "cancellation_policy",
            "cancellation_policy_disclosure",
            "cancellation_rebuttal",
            "customer_communication",
            "customer_email_address",
            "customer_name",
            "customer_purchase_ip",
            "customer_signature",
            "duplicate_charge_documentation",
            "duplicate_charge_explanation",
            "duplicate_charge_id",
            "product_description",
            "receipt",
            "refund_policy",
            "refund_policy_disclosure",
            "refund_refusal_explanation",
            "service_date",
            "service_documentation",
            "shipping_address",
            "shipping_carrier",
            "shipping_date",
            "shipping_documentation",
            "shipping_tracking_number",
            "uncategorized_file",
        ];
        let mut evidence: Value = empty.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        evidence["enhanced_evidence"] = json!({});
        evidence["uncategorized_text"] = json!(self.text);
        json!({
            "id": id, "object": "dispute", "amount": self.amount, "balance_transactions": [], "charge": self.charge,
            "created": self.created, "currency": self.currency, "enhanced_eligibility_types": [],
            "evidence": evidence, "evidence_details": {
                "due_by": self.created + limits::STRIPE_DISPUTE_ANSWER_SECS, "enhanced_eligibility": {},
                "has_evidence": self.text.is_some(), "past_due": false,
                "submission_count": i64::from(self.case != Case::NeedsResponse),
            },
            "is_charge_refundable": false, "livemode": false, "metadata": self.metadata,
            "payment_intent": self.payment, "payment_method_details": {"type": "card", "card": {
                "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4",
            }},
            "reason": self.reason, "status": status,
        })
    }
}

impl Turn<'_> {
    /// A dispute that is there.
    pub fn dispute(&self, id: &str) -> Result<&Dispute, Refusal> {
        self.account.disputes.get(id).ok_or_else(|| Refusal::missing("dispute", id, "id"))
    }

    /// Whether the money of a dispute is with the bank.
    pub fn holds_money(&self, id: &str) -> bool {
        self.account.disputes.get(id).is_some_and(|dispute| dispute.case != Case::Won)
    }

    /// The holder disputes a charge; the bank takes the money at once.
    pub fn open_dispute(&mut self, charge_id: &str, reason: &str) -> Result<String, Refusal> {
        let charge = self.charge_of(charge_id, "charge")?.clone();
        let amount = charge.amount - charge.refunded;
        if charge.standing != Standing::Succeeded || charge.dispute.is_some() || amount == 0 {
            return Err(Refusal::invalid(format!("Charge {charge_id} cannot be disputed.")).param("charge"));
        }
        let dispute = Dispute {
            created: self.now,
            charge: charge_id.to_owned(),
            payment: charge.payment,
            amount,
            currency: charge.currency,
            reason: reason.to_owned(),
            ..Dispute::default()
        };
        let id = self.id("du_")?;
        self.account.disputes.insert(id.clone(), dispute);
        self.alter_charge(charge_id, |charge| charge.dispute = Some(id.clone()));
        self.tell("charge.dispute.created", &id);
        self.tell("charge.dispute.funds_withdrawn", &id);
        Ok(id)
    }

    /// The bank decides.
    pub fn close_dispute(&mut self, id: &str, won: bool) -> Result<(), Refusal> {
        let dispute = self.dispute(id)?;
        if matches!(dispute.case, Case::Won | Case::Lost) {
            return Err(Refusal::invalid("This dispute is already closed."));
        }
        let case = if won { Case::Won } else { Case::Lost };
        self.account.disputes.entry(id.to_owned()).and_modify(|dispute| dispute.case = case);
        self.tell("charge.dispute.closed", id);
        if won {
            self.tell("charge.dispute.funds_reinstated", id);
        }
        Ok(())
    }

    /// `POST /disputes/{id}`: two documented texts decide the case.
    pub fn update_dispute(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut dispute = self.dispute(id)?.clone();
        fields.metadata(&mut dispute.metadata)?;
        let submit = fields.flag("submit")?.unwrap_or(true);
        let mut sent = false;
        if let Some(mut evidence) = fields.tree("evidence")? {
            dispute.text = evidence.text("uncategorized_text")?.or(dispute.text);
            sent = true;
        }
        fields.end()?;
        if sent && dispute.case != Case::NeedsResponse {
            return Err(Refusal::invalid("This dispute is already closed."));
        }
        let text = dispute.text.clone();
        if sent && submit {
            dispute.case = Case::UnderReview;
        }
        self.account.disputes.insert(id.to_owned(), dispute);
        self.tell_change("charge.dispute.updated", id, &before);
        match text.as_deref() {
            Some("winning_evidence") if sent && submit => self.close_dispute(id, true)?,
            Some("losing_evidence") if sent && submit => self.close_dispute(id, false)?,
            _ => {}
        }
        Ok(self.shown(id))
    }

    /// `POST /disputes/{id}/close`: the seller gives in.
    pub fn give_in(&mut self, id: &str, fields: Fields) -> Result<Value, Refusal> {
        fields.end()?;
        self.close_dispute(id, false)?;
        Ok(self.shown(id))
    }
}
