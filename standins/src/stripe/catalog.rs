//! What is sold: products, their prices, and coupons.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::Turn;
use super::calendar::{Interval, Rhythm};
use super::form::{Fields, Metadata};
use super::payment::currency;
use super::refusal::Refusal;

/// A thing that is sold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// When it was made.
    pub created: i64,
    /// When it was changed.
    pub updated: i64,
    /// What buyers read.
    pub name: String,
    /// What buyers read below it.
    pub description: Option<String>,
    /// Whether it is on sale.
    pub active: bool,
    /// What the caller attaches.
    pub metadata: Metadata,
}

/// What a product costs. Amount and rhythm never change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    /// When it was made.
    pub created: i64,
    /// Of which product.
    pub product: String,
    /// In the smallest unit.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// How often, of one that comes back.
    pub rhythm: Option<Rhythm>,
    /// Whether it may be used.
    pub active: bool,
    /// A name for the seller.
    pub nickname: Option<String>,
    /// A name to find it by.
    pub lookup_key: Option<String>,
    /// What the caller attaches.
    pub metadata: Metadata,
}

/// Something off a price.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Coupon {
    /// When it was made.
    pub created: i64,
    /// What buyers read.
    pub name: Option<String>,
    /// A share, in percent.
    pub percent_off: Option<f64>,
    /// Or an amount, with its currency.
    pub amount_off: Option<(i64, String)>,
    /// `once`, `repeating` or `forever`.
    pub duration: String,
    /// For how many months, when repeating.
    pub months: Option<i64>,
    /// How often it may be used.
    pub redemptions_max: Option<i64>,
    /// How often it was used.
    pub redeemed: i64,
    /// What the caller attaches.
    pub metadata: Metadata,
}

impl Product {
    /// As the provider shows it, with the fields its public description leaves out.
    pub fn shown(&self, id: &str) -> Value {
        json!({
            "id": id, "object": "product", "active": self.active, "created": self.created, "default_price": null,
            "description": self.description, "images": [], "livemode": false, "marketing_features": [],
            "metadata": self.metadata, "name": self.name, "package_dimensions": null, "shippable": null,
            "statement_descriptor": null, "tax_code": null, "tax_details": null, "type": "service",
            "unit_label": null, "updated": self.updated, "url": null,
        })
    }
}

impl Price {
    /// As the provider shows it.
    pub fn shown(&self, id: &str) -> Value {
        let recurring = self.rhythm.map(|rhythm| {
            json!({
                "interval": rhythm.interval.name(), "interval_count": rhythm.count, "meter": null,
                "trial_period_days": null, "usage_type": "licensed",
            })
        });
        json!({
            "id": id, "object": "price", "active": self.active, "billing_scheme": "per_unit", "created": self.created,
            "currency": self.currency, "custom_unit_amount": null, "livemode": false, "lookup_key": self.lookup_key,
            "metadata": self.metadata, "nickname": self.nickname, "product": self.product, "recurring": recurring,
            "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null,
            "type": if self.rhythm.is_some() { "recurring" } else { "one_time" }, "unit_amount": self.amount,
            "unit_amount_decimal": self.amount.to_string(),
        })
    }

    /// The old form of a price that comes back, which subscription items still carry.
    pub fn plan(&self, id: &str) -> Value {
        let rhythm = self.rhythm.unwrap_or_default();
        json!({
            "id": id, "object": "plan", "active": self.active, "amount": self.amount,
            "amount_decimal": self.amount.to_string(), "billing_scheme": "per_unit", "created": self.created,
            "currency": self.currency, "interval": rhythm.interval.name(), "interval_count": rhythm.count,
            "livemode": false, "metadata": self.metadata, "meter": null, "nickname": self.nickname,
            "product": self.product, "tiers_mode": null, "transform_usage": null, "trial_period_days": null,
            "usage_type": "licensed",
        })
    }
}

impl Coupon {
    /// As the provider shows it.
    pub fn shown(&self, id: &str) -> Value {
        json!({
            "id": id, "object": "coupon", "amount_off": self.amount_off.as_ref().map(|(amount, _)| amount),
            "created": self.created, "currency": self.amount_off.as_ref().map(|(_, currency)| currency),
            "duration": self.duration, "duration_in_months": self.months, "livemode": false,
            "max_redemptions": self.redemptions_max, "metadata": self.metadata, "name": self.name,
            "percent_off": self.percent_off, "redeem_by": null, "times_redeemed": self.redeemed,
            "valid": self.is_valid(),
        })
    }

    /// Whether it may be used again.
    pub fn is_valid(&self) -> bool {
        self.redemptions_max.is_none_or(|max| self.redeemed < max)
    }

    /// What it takes off an amount.
    pub fn off(&self, amount: i64) -> i64 {
        let off = match (&self.amount_off, self.percent_off) {
            (Some((off, _)), _) => *off,
            // Hundredths of a percent are the finest the provider takes.
            (None, Some(percent)) => {
                #[expect(clippy::cast_possible_truncation, reason = "a share of 100 is far below the largest number")]
                let hundredths = (percent * 100.0).round() as i64;
                (amount * hundredths + 5_000) / 10_000
            }
            (None, None) => 0,
        };
        off.min(amount)
    }
}

impl Turn<'_> {
    /// `POST /products`.
    pub fn create_product(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let name = fields.needed("name")?;
        let given = fields.text("id")?;
        let mut product = Product { created: self.now, active: true, name, ..Product::default() };
        if fields.has("default_price_data") {
            return Err(Refusal::not_played("default_price_data"));
        }
        fields.word("type", &["service", "good"])?;
        self.fill_product(&mut product, &mut fields)?;
        fields.end()?;
        if let Some(id) = given.as_ref().filter(|id| self.account.products.contains_key(*id)) {
            let refusal = Refusal::invalid(format!("Product already exists: {id}"));
            return Err(refusal.code("resource_already_exists").param("id"));
        }
        let id = if let Some(id) = given { id } else { self.id("prod_")? };
        self.account.products.insert(id.clone(), product);
        self.tell("product.created", &id);
        Ok(self.shown(&id))
    }

    fn fill_product(&self, product: &mut Product, fields: &mut Fields) -> Result<(), Refusal> {
        product.updated = self.now;
        fields.given("description")?.apply(&mut product.description);
        product.active = fields.flag("active")?.unwrap_or(product.active);
        fields.metadata(&mut product.metadata)?;
        fields.ignore(&["images", "statement_descriptor", "unit_label", "url", "tax_code", "shippable"]);
        fields.ignore(&["marketing_features"]);
        Ok(())
    }

    /// A product that is there.
    pub fn product(&self, id: &str, param: &str) -> Result<&Product, Refusal> {
        self.account.products.get(id).ok_or_else(|| Refusal::missing("product", id, param))
    }

    /// `POST /products/{id}`.
    pub fn update_product(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut product = self.product(id, "id")?.clone();
        product.name = fields.text("name")?.unwrap_or(product.name);
        self.fill_product(&mut product, &mut fields)?;
        fields.end()?;
        self.account.products.insert(id.to_owned(), product);
        self.tell_change("product.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `DELETE /products/{id}`, which goes only without prices.
    pub fn delete_product(&mut self, id: &str) -> Result<Value, Refusal> {
        self.product(id, "id")?;
        if self.account.prices.values().any(|price| price.product == id) {
            let message = "This product cannot be deleted because it has one or more user-created prices.";
            return Err(Refusal::invalid(message));
        }
        self.tell("product.deleted", id);
        self.account.products.remove(id);
        Ok(json!({"id": id, "object": "product", "deleted": true}))
    }

    /// `POST /prices`.
    pub fn create_price(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let id = self.price_from(&mut fields, true)?;
        fields.end()?;
        self.tell("price.created", &id);
        Ok(self.shown(&id))
    }

    /// Makes a price of fields, either as one of its own or inside another request.
    pub fn price_from(&mut self, fields: &mut Fields, own: bool) -> Result<String, Refusal> {
        let currency = currency(fields)?.ok_or_else(|| fields.absent("currency"))?;
        let amount = match (fields.whole("unit_amount")?, fields.text("unit_amount_decimal")?) {
            (Some(amount), None) => amount,
            (None, Some(decimal)) => decimal.parse().map_err(|_| Refusal::not_played("parts of the smallest unit"))?,
            _ => return Err(fields.absent("unit_amount")),
        };
        if amount < 0 {
            let message = "This value must be greater than or equal to 0.";
            let refusal = Refusal::invalid(message).code("parameter_invalid_integer").early();
            return Err(refusal.param(&fields.name("unit_amount")));
        }
        let rhythm = fields.tree("recurring")?.map(rhythm).transpose()?;
        let named = fields.text("product")?;
        let mut price = Price { created: self.now, amount, currency, rhythm, active: own, ..Price::default() };
        if own {
            price.active = fields.flag("active")?.unwrap_or(true);
            price.nickname = fields.text("nickname")?;
            price.lookup_key = fields.text("lookup_key")?;
            fields.metadata(&mut price.metadata)?;
        }
        fields.ignore(&["tax_behavior", "billing_scheme"]);
        price.product = match (named, fields.tree("product_data")?) {
            (Some(product), None) => self.product(&product, &fields.name("product")).map(|_| product)?,
            (None, Some(described)) => {
                let made = self.create_product(described)?;
                made["id"].as_str().unwrap_or_default().to_owned()
            }
            _ => return Err(fields.absent("product")),
        };
        let id = self.id("price_")?;
        self.account.prices.insert(id.clone(), price);
        Ok(id)
    }

    /// A price that is there.
    pub fn price(&self, id: &str, param: &str) -> Result<&Price, Refusal> {
        self.account.prices.get(id).ok_or_else(|| Refusal::missing("price", id, param))
    }

    /// `POST /prices/{id}`: what was sold never changes its amount.
    pub fn update_price(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut price = self.price(id, "id")?.clone();
        price.active = fields.flag("active")?.unwrap_or(price.active);
        fields.given("nickname")?.apply(&mut price.nickname);
        fields.given("lookup_key")?.apply(&mut price.lookup_key);
        fields.metadata(&mut price.metadata)?;
        fields.ignore(&["tax_behavior", "transfer_lookup_key"]);
        fields.end()?;
        self.account.prices.insert(id.to_owned(), price);
        self.tell_change("price.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `POST /coupons`.
    pub fn create_coupon(&mut self, mut fields: Fields) -> Result<Value, Refusal> {
        let given = fields.text("id")?;
        let mut coupon = Coupon { created: self.now, name: fields.text("name")?, ..Coupon::default() };
        coupon.duration = fields.word("duration", &["forever", "once", "repeating"])?.unwrap_or("once").to_owned();
        coupon.months = fields.whole("duration_in_months")?;
        coupon.redemptions_max = fields.whole("max_redemptions")?;
        let percent = fields.text("percent_off")?;
        coupon.percent_off = percent.as_ref().and_then(|text| text.parse().ok());
        let (amount, currency) = (fields.whole("amount_off")?, currency(&mut fields)?);
        fields.metadata(&mut coupon.metadata)?;
        fields.end()?;
        if coupon.duration == "repeating" && coupon.months.is_none() {
            let message = "You must specify a duration_in_months when duration is repeating.";
            return Err(Refusal::invalid(message).param("duration_in_months").early());
        }
        match (amount, currency) {
            (Some(amount), Some(currency)) if amount > 0 && percent.is_none() => {
                coupon.amount_off = Some((amount, currency));
            }
            (None, _) if coupon.percent_off.is_some_and(|percent| percent > 0.0 && percent <= 100.0) => {}
            _ => {
                let message = "Must provide percent_off (above 0, at most 100) or amount_off with a currency.";
                return Err(Refusal::invalid(message).param("percent_off").early());
            }
        }
        if given.as_ref().is_some_and(|id| self.account.coupons.contains_key(id)) {
            return Err(Refusal::invalid("Coupon already exists.").code("resource_already_exists").param("id"));
        }
        let id = if let Some(id) = given { id } else { self.id("")? };
        self.account.coupons.insert(id.clone(), coupon);
        self.tell("coupon.created", &id);
        Ok(self.shown(&id))
    }

    /// A coupon that is there.
    pub fn coupon(&self, id: &str, param: &str) -> Result<&Coupon, Refusal> {
        self.account.coupons.get(id).ok_or_else(|| Refusal::missing("coupon", id, param))
    }

    /// `POST /coupons/{id}`.
    pub fn update_coupon(&mut self, id: &str, mut fields: Fields) -> Result<Value, Refusal> {
        let before = self.before(id);
        let mut coupon = self.coupon(id, "id")?.clone();
        fields.given("name")?.apply(&mut coupon.name);
        fields.metadata(&mut coupon.metadata)?;
        fields.end()?;
        self.account.coupons.insert(id.to_owned(), coupon);
        self.tell_change("coupon.updated", id, &before);
        Ok(self.shown(id))
    }

    /// `DELETE /coupons/{id}`: who has it keeps it, nobody else gets it.
    pub fn delete_coupon(&mut self, id: &str) -> Result<Value, Refusal> {
        self.coupon(id, "id")?;
        self.tell("coupon.deleted", id);
        self.account.coupons.entry(id.to_owned()).and_modify(|coupon| {
            coupon.redemptions_max = Some(coupon.redeemed);
        });
        Ok(json!({"id": id, "object": "coupon", "deleted": true}))
    }
}

fn rhythm(mut fields: Fields) -> Result<Rhythm, Refusal> {
    let interval = fields.word("interval", &["day", "week", "month", "year"])?;
    let interval = interval.and_then(Interval::named).ok_or_else(|| fields.absent("interval"))?;
    let count = fields.whole("interval_count")?.unwrap_or(1);
    fields.ignore(&["usage_type"]);
    if fields.has("trial_period_days") {
        return Err(Refusal::not_played("a trial that belongs to a price"));
    }
    fields.end()?;
    let count = u32::try_from(count).ok().filter(|count| (1..=365).contains(count));
    let wrong = || Refusal::invalid("Invalid interval_count.").param("recurring[interval_count]").early();
    Ok(Rhythm { interval, count: count.ok_or_else(wrong)? })
}
