//! Money: whole minor units with their currency. Nothing is rounded, and nothing is added across currencies.

use std::fmt;

/// An ISO 4217 currency in which things can be sold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// A code that is no currency, or one in which nothing can be sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a currency in which something can be sold")]
pub struct NotSellable;

/// Currencies whose minor unit differs between ISO 4217 and the payment provider (docs.stripe.com/currencies: its list of
/// zero-decimal and special currencies): an amount in them would mean two things.
const TWO_MEANINGS: [&str; 3] = ["ISK", "MGA", "UGX"];

impl Currency {
    /// The currency of three small letters.
    ///
    /// # Errors
    /// When there is none, it is a fund, a metal or a test code, it was replaced, or its minor unit is not the same everywhere.
    pub fn parse(code: &str) -> Result<Self, NotSellable> {
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(NotSellable);
        }
        let found = iso_currency::Currency::from_code(&code.to_ascii_uppercase()).ok_or(NotSellable)?;
        let money = !found.is_fund() && !found.is_special() && found.is_superseded().is_none();
        let clear = found.exponent().is_some_and(|digits| digits <= 3) && !TWO_MEANINGS.contains(&found.code());
        (money && clear).then_some(Self(found)).ok_or(NotSellable)
    }

    /// Three small letters, as on the wire and in the database.
    #[must_use]
    pub fn code(self) -> String {
        self.0.code().to_ascii_lowercase()
    }

    /// How many digits the minor unit has: 2 for cents, 0 for yen, 3 for fils.
    #[must_use]
    pub fn digits(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }

    /// The smallest step of an amount: card networks do not carry the last of three digits (docs.stripe.com/currencies).
    #[must_use]
    pub fn step(self) -> i64 {
        if self.digits() == 3 { 10 } else { 1 }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// An amount of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// Whole minor units; never negative in a price.
    pub minor: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// The sum; `None` when the currencies differ or it does not fit.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let minor = self.minor.checked_add(other.minor).filter(|_| self.currency == other.currency)?;
        Some(Self { minor, ..self })
    }

    /// The first of `parts` equal monthly parts and each of the others: what does not divide is paid with the first.
    #[must_use]
    pub fn split(self, parts: i64) -> (Self, Self) {
        let parts = parts.max(1);
        let step = self.currency.step();
        let each = self.minor / parts / step * step;
        let first = self.minor - each * (parts - 1);
        (Self { minor: first, ..self }, Self { minor: each, ..self })
    }
}

/// As people read it: `$50`, `$7.98`, `€12.50`, `¥500`, and with its code where a sign would be one of many (`CAD 50`).
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.currency.0.code();
        let sign = match code {
            "USD" => "$",
            "EUR" => "€",
            "GBP" => "£",
            "JPY" => "¥",
            _ => "",
        };
        let minus = if self.minor < 0 { "−" } else { "" };
        let unit = 10_u64.pow(self.currency.digits());
        let (whole, rest) = (self.minor.unsigned_abs() / unit, self.minor.unsigned_abs() % unit);
        let before = if sign.is_empty() { format!("{code} ") } else { sign.to_owned() };
        write!(f, "{minus}{before}{}", grouped(whole))?;
        if rest > 0 {
            let digits = usize::try_from(self.currency.digits()).unwrap_or(2);
            write!(f, ".{rest:0digits$}")?;
        }
        Ok(())
    }
}

fn grouped(whole: u64) -> String {
    let digits = whole.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(minor: i64, code: &str) -> Money {
        Money { minor, currency: Currency::parse(code).unwrap() }
    }

    #[test]
    fn people_read_amounts_in_whole_units_with_a_sign_or_a_code() {
        for (minor, code, words) in [
            (5_000, "usd", "$50"),
            (798, "usd", "$7.98"),
            (50, "usd", "$0.50"),
            (711_000, "usd", "$7,110"),
            (1_250, "eur", "€12.50"),
            (500, "jpy", "¥500"),
            (1_234_567, "jpy", "¥1,234,567"),
            (12_340, "kwd", "KWD 12.340"),
            (5_000, "cad", "CAD 50"),
            (-1_000, "usd", "−$10"),
        ] {
            assert_eq!(of(minor, code).to_string(), words);
        }
    }

    #[test]
    fn survive_152_a_code_that_is_no_money_or_means_two_amounts_is_not_sold_in() {
        for code in ["", "us", "usdd", "USD", "Usd", "zzz", "xxx", "xau", "xts", "isk", "mga", "ugx", "clf", "ус"] {
            assert_eq!(Currency::parse(code), Err(NotSellable), "{code}");
        }
        for (code, digits, step) in [("usd", 2, 1), ("jpy", 0, 1), ("krw", 0, 1), ("bhd", 3, 10), ("kwd", 3, 10)] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!((currency.digits(), currency.step(), currency.code().as_str()), (digits, step, code));
        }
    }

    #[test]
    fn survive_152_sums_of_two_currencies_and_sums_that_do_not_fit_are_none() {
        assert_eq!(of(1, "usd").plus(of(2, "usd")), Some(of(3, "usd")));
        assert_eq!(of(1, "usd").plus(of(1, "eur")), None);
        assert_eq!(of(i64::MAX, "usd").plus(of(1, "usd")), None);
    }

    proptest! {
        #[test]
        fn parts_of_a_split_add_up_to_the_whole_and_the_first_is_not_the_smaller(
            tens in 1_i64..10_000_000, parts in 1_i64..25, code in prop::sample::select(vec!["usd", "jpy", "kwd"]),
        ) {
            let whole = of(tens * 10, code);
            let (first, each) = whole.split(parts);
            prop_assert_eq!(first.minor + each.minor * (parts - 1), whole.minor);
            prop_assert!(first.minor >= each.minor && each.minor % whole.currency.step() == 0);
            prop_assert!(first.minor - each.minor < parts * whole.currency.step());
        }
    }
}
