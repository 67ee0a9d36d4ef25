//! Form bodies with nested keys (`a[b][0]=c`), read field by field, so that what nobody asked for is refused by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use crate::limits;

/// What callers attach to an object.
pub type Metadata = BTreeMap<String, String>;

/// The fields of a request that nobody has asked for yet.
#[derive(Debug, Default)]
pub struct Fields {
    left: Map<String, Value>,
    within: String,
}

/// One field: not there, emptied, or set.
#[derive(Debug, PartialEq, Eq)]
pub enum Given<T> {
    /// Not mentioned.
    Absent,
    /// Sent as an empty text, which takes the value away.
    Cleared,
    /// Sent.
    Set(T),
}

impl<T> Given<T> {
    /// Applies it to what was there before.
    pub fn apply(self, to: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Cleared => *to = None,
            Self::Set(value) => *to = Some(value),
        }
    }

    /// The value, if there is one.
    pub fn set(self) -> Option<T> {
        match self {
            Self::Absent | Self::Cleared => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// Reads a form into a tree of texts.
pub fn parse(form: &str) -> Result<Value, Refusal> {
    let mut url = reqwest::Url::parse("http://form.invalid/").map_err(|_| Refusal::invalid("no form"))?;
    url.set_query(Some(form));
    let mut tree = Map::new();
    for (number, (key, text)) in url.query_pairs().enumerate() {
        if number >= limits::FORM_FIELDS_MAX {
            return Err(Refusal::invalid("Too many parameters.").early());
        }
        if !key.is_empty() {
            let steps: Vec<&str> = key.split('[').map(|step| step.trim_end_matches(']')).collect();
            if steps.len() > limits::FORM_DEPTH_MAX {
                return Err(Refusal::invalid(format!("Invalid parameter name: {key}")).early());
            }
            put(&mut tree, &steps, &text);
        }
    }
    Ok(listed(Value::Object(tree)))
}

fn put(tree: &mut Map<String, Value>, steps: &[&str], text: &str) {
    let Some((first, rest)) = steps.split_first() else { return };
    // `a[]=x` goes on counting, so that repeated ones stand behind each other.
    let name = if first.is_empty() { tree.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        tree.insert(name, Value::String(text.to_owned()));
        return;
    }
    let below = tree.entry(name).or_insert_with(|| json!({}));
    if !below.is_object() {
        *below = json!({});
    }
    if let Some(below) = below.as_object_mut() {
        put(below, rest, text);
    }
}

/// Trees whose names are all numbers are lists.
fn listed(value: Value) -> Value {
    let Value::Object(tree) = value else { return value };
    let numbers: Option<Vec<usize>> = tree.keys().map(|key| key.parse().ok()).collect();
    let below = tree.into_iter().map(|(key, value)| (key, listed(value)));
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let mut items: Vec<_> = numbers.into_iter().zip(below.map(|(_, value)| value)).collect();
            items.sort_by_key(|(number, _)| *number);
            Value::Array(items.into_iter().map(|(_, value)| value).collect())
        }
        _ => Value::Object(below.collect()),
    }
}

impl Fields {
    /// The fields of a tree made by [`parse`].
    pub fn of(tree: Value) -> Self {
        let left = if let Value::Object(left) = tree { left } else { Map::new() };
        Self { left, within: String::new() }
    }

    /// The full name of a field, as errors tell it.
    pub fn name(&self, name: &str) -> String {
        if self.within.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.within) }
    }

    fn wrong(&self, name: &str, message: impl Into<String>) -> Refusal {
        Refusal::invalid(message).param(&self.name(name)).early()
    }

    fn take(&mut self, name: &str) -> Given<Value> {
        match self.left.remove(name) {
            None => Given::Absent,
            Some(Value::String(text)) if text.is_empty() => Given::Cleared,
            Some(value) => Given::Set(value),
        }
    }

    /// Whether a field was sent and not asked for yet.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// A text.
    pub fn given(&mut self, name: &str) -> Result<Given<String>, Refusal> {
        match self.take(name) {
            Given::Set(Value::String(text)) => Ok(Given::Set(text)),
            Given::Set(_) => Err(self.wrong(name, format!("Invalid string: {}", self.name(name)))),
            Given::Absent => Ok(Given::Absent),
            Given::Cleared => Ok(Given::Cleared),
        }
    }

    /// A text, if there is one.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        Ok(self.given(name)?.set())
    }

    /// A text that must be there.
    pub fn needed(&mut self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| self.absent(name))
    }

    /// The refusal of a field that is not there.
    pub fn absent(&self, name: &str) -> Refusal {
        let full = self.name(name);
        Refusal::invalid(format!("Missing required param: {full}.")).code("parameter_missing").param(&full).early()
    }

    /// A whole number.
    pub fn whole(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = || self.wrong(name, format!("Invalid integer: {text}")).code("parameter_invalid_integer");
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// A whole number, or emptied.
    pub fn given_whole(&mut self, name: &str) -> Result<Given<i64>, Refusal> {
        if self.left.get(name).is_some_and(|value| value.as_str() == Some("")) {
            self.left.remove(name);
            return Ok(Given::Cleared);
        }
        Ok(self.whole(name)?.map_or(Given::Absent, Given::Set))
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(self.wrong(name, format!("Invalid boolean: {other}"))),
        }
    }

    /// One of some words.
    pub fn word(&mut self, name: &str, known: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = known.iter().find(|word| **word == text).copied();
        let wrong = || self.wrong(name, format!("Invalid {}: must be one of {}", self.name(name), known.join(", ")));
        found.map(Some).ok_or_else(wrong)
    }

    /// The fields below a name.
    pub fn tree(&mut self, name: &str) -> Result<Option<Self>, Refusal> {
        Ok(self.given_tree(name)?.set())
    }

    /// The fields below a name, or emptied.
    pub fn given_tree(&mut self, name: &str) -> Result<Given<Self>, Refusal> {
        let within = self.name(name);
        match self.take(name) {
            Given::Absent => Ok(Given::Absent),
            Given::Cleared => Ok(Given::Cleared),
            Given::Set(Value::Object(left)) => Ok(Given::Set(Self { left, within })),
            Given::Set(_) => Err(self.wrong(name, "Invalid object")),
        }
    }

    /// A list of trees, or emptied.
    pub fn trees(&mut self, name: &str) -> Result<Given<Vec<Self>>, Refusal> {
        let within = self.name(name);
        let items = match self.take(name) {
            Given::Absent => return Ok(Given::Absent),
            Given::Cleared => return Ok(Given::Cleared),
            Given::Set(Value::Array(items)) => items,
            Given::Set(_) => return Err(self.wrong(name, "Invalid array")),
        };
        let tree = |(number, item): (usize, Value)| match item {
            Value::Object(left) => Ok(Self { left, within: format!("{within}[{number}]") }),
            _ => Err(Refusal::invalid("Invalid object").param(&format!("{within}[{number}]")).early()),
        };
        items.into_iter().enumerate().map(tree).collect::<Result<_, _>>().map(Given::Set)
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        match self.take(name) {
            Given::Absent | Given::Cleared => Ok(None),
            Given::Set(Value::Array(items)) => {
                let text = |item: &Value| item.as_str().map(str::to_owned);
                let all: Option<Vec<_>> = items.iter().map(text).collect();
                all.map(Some).ok_or_else(|| self.wrong(name, "Invalid array"))
            }
            Given::Set(_) => Err(self.wrong(name, "Invalid array")),
        }
    }

    /// Puts what was sent as metadata over what was there: an empty text takes a key away, an empty whole all of them.
    pub fn metadata(&mut self, to: &mut Metadata) -> Result<(), Refusal> {
        let sent = match self.take("metadata") {
            Given::Absent => return Ok(()),
            Given::Cleared => {
                to.clear();
                return Ok(());
            }
            Given::Set(Value::Object(sent)) => sent,
            Given::Set(Value::Array(items)) => {
                items.into_iter().enumerate().map(|(number, item)| (number.to_string(), item)).collect()
            }
            Given::Set(_) => return Err(self.wrong("metadata", "Invalid object")),
        };
        for (key, value) in sent {
            let Some(text) = value.as_str() else {
                return Err(self.wrong("metadata", format!("Invalid value for metadata key {key}")));
            };
            if key.chars().count() > limits::METADATA_KEY_MAX || text.chars().count() > limits::METADATA_VALUE_MAX {
                return Err(self.wrong("metadata", format!("Metadata key or value of {key:.40} is too long")));
            }
            if text.is_empty() {
                to.remove(&key);
            } else {
                to.insert(key, text.to_owned());
            }
        }
        if to.len() > limits::METADATA_KEYS_MAX {
            return Err(self.wrong("metadata", "Metadata can have up to 50 keys"));
        }
        Ok(())
    }

    /// Takes fields that change nothing here.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.left.remove(*name);
        }
    }

    /// Refuses what nobody asked for.
    pub fn end(self) -> Result<(), Refusal> {
        let Some(name) = self.left.keys().next() else { return Ok(()) };
        let full = self.name(name);
        let refusal = Refusal::invalid(format!("Received unknown parameter: {full}"));
        Err(refusal.code("parameter_unknown").param(&full).early())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_become_trees_and_lists() {
        let form = "a=1&b[c]=x+y&b[d][]=p&b[d][]=q&items[1][price]=two&items[0][price]=one&e=&f%5Bg%5D=%26";
        let wanted = json!({
            "a": "1", "b": {"c": "x y", "d": ["p", "q"]}, "items": [{"price": "one"}, {"price": "two"}], "e": "",
            "f": {"g": "&"},
        });
        assert_eq!(parse(form).unwrap(), wanted);
    }

    #[test]
    fn what_nobody_asked_for_is_refused_by_its_full_name() {
        let mut fields = Fields::of(parse("items[0][price]=p&items[0][colour]=red").unwrap());
        let mut items = fields.trees("items").unwrap().set().unwrap();
        let mut item = items.remove(0);
        assert_eq!(item.needed("price").unwrap(), "p");
        let refusal = item.end().unwrap_err();
        assert_eq!(refusal.body()["error"]["param"], "items[0][colour]");
        assert_eq!(refusal.body()["error"]["code"], "parameter_unknown");
        assert!(fields.end().is_ok());
    }

    #[test]
    fn metadata_is_laid_over_and_emptied_by_empty_texts() {
        let mut metadata = Metadata::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        Fields::of(parse("metadata[a]=&metadata[7]=x").unwrap()).metadata(&mut metadata).unwrap();
        assert_eq!(metadata, Metadata::from([("b".to_owned(), "2".to_owned()), ("7".to_owned(), "x".to_owned())]));
        Fields::of(parse("metadata=").unwrap()).metadata(&mut metadata).unwrap();
        assert!(metadata.is_empty());
    }

    #[test]
    fn values_of_the_wrong_kind_name_their_field() {
        let fields = || Fields::of(parse("n=1.5&f=yes&w=red").unwrap());
        let param = |refusal: Refusal| refusal.body()["error"]["param"].clone();
        assert_eq!(param(fields().whole("n").unwrap_err()), "n");
        assert_eq!(param(fields().flag("f").unwrap_err()), "f");
        assert_eq!(param(fields().word("w", &["blue"]).unwrap_err()), "w");
        assert_eq!(param(fields().needed("absent").unwrap_err()), "absent");
    }
}
