//! What identifies a buyer is not printed: numbers that customs and tax offices know a person by keep their last four
//! characters. The store holds them whole, for declarations and labels.

use serde::Serialize;
use serde_json::Value;
use tradewind_connector::Scrubber;
use tradewind_domain::last_four;
use tradewind_gateway::records::OrderRecord;
use tradewind_store::{Collection, Filter, Store};

/// Kinds of number that belong to a person, wherever they stand; under `tax_ids` every kind does.
const PERSONAL: [&str; 3] = ["pccc", "cpf", "chinese_id"];

/// A record as JSON, with personal numbers masked.
pub(crate) fn json<T: Serialize>(record: &T) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    hide(&mut value, false);
    Ok(value)
}

/// An order as JSON, likewise; a total that its channel has not told is null, not zero.
pub(crate) fn order(record: &OrderRecord) -> anyhow::Result<Value> {
    let mut value = json(record)?;
    if record.order.told_total().is_none() {
        value["order"]["total"] = Value::Null;
    }
    Ok(value)
}

fn hide(value: &mut Value, personal: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|v| hide(v, personal)),
        Value::Object(map) => {
            let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
            if (personal || PERSONAL.contains(&kind))
                && let Some(Value::String(number)) = map.get_mut("value")
            {
                *number = last_four(number);
            }
            for (name, inner) in map.iter_mut() {
                hide(inner, name == "tax_ids");
            }
        }
        _ => {}
    }
}

/// Records that are read at a time, in search of numbers.
const PAGE: u32 = 500;
/// A run of letters and digits that is longer is a document in base64, of which nobody reads anything.
const LONGEST_RUN: usize = 200;

/// Takes out of a channel's own words what [`json`] takes out of records: the numbers of persons that the store knows, what
/// looks like one, and secrets and documents besides.
#[derive(Default)]
pub(crate) struct Masker {
    known: Vec<String>,
}

impl Masker {
    /// Knows the numbers of every record that may name a person.
    pub(crate) async fn of(store: &dyn Store) -> anyhow::Result<Masker> {
        let mut known = Vec::new();
        for collection in Collection::ALL.into_iter().filter(|c| c.is_personal()) {
            let mut page = Filter { limit: Some(PAGE), ..Filter::all() };
            loop {
                let rows = store.list(collection, page.clone()).await?;
                let Some(last) = rows.last() else { break };
                page.after = Some(last.key.clone());
                for row in &rows {
                    numbers(&serde_json::from_str(&row.body)?, false, &mut known);
                }
            }
        }
        // One within another goes last, or it would leave the rest of it.
        known.sort_by(|a, b| (b.len(), a).cmp(&(a.len(), b)));
        known.dedup();
        Ok(Masker { known })
    }

    /// A text without them.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = Scrubber::of_answer(text.as_bytes()).text(text);
        for number in &self.known {
            if text.contains(number.as_str()) {
                text = text.replace(number.as_str(), &last_four(number));
            }
        }
        shaped(&text)
    }
}

/// The numbers that [`hide`] shortens. Very short ones would be found everywhere.
fn numbers(value: &Value, personal: bool, known: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| numbers(v, personal, known)),
        Value::Object(map) => {
            let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
            if (personal || PERSONAL.contains(&kind))
                && let Some(Value::String(number)) = map.get("value")
                && number.len() >= 5
            {
                known.push(number.clone());
            }
            map.iter().for_each(|(name, inner)| numbers(inner, name == "tax_ids", known));
        }
        _ => {}
    }
}

/// Shortens what has the shape of a person's number, whoever's it is, and leaves out documents: an answer may hold a number in a
/// field that its connector does not know.
fn shaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // An escape of JSON is no part of what follows it.
        let escape = match rest.as_bytes() {
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => 6,
            [b'\\', next, ..] if next.is_ascii() => 2,
            _ => 0,
        };
        if escape > 0 || !c.is_ascii_alphanumeric() {
            let (shown, after) = rest.split_at(escape.max(c.len_utf8()));
            out.push_str(shown);
            rest = after;
            continue;
        }
        if let Some((dotted, after)) = dotted_cpf(rest) {
            out.push_str(&last_four(dotted));
            rest = after;
            continue;
        }
        let document =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).unwrap_or(rest.len());
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if document > LONGEST_RUN {
            out.push_str(&format!("({document} characters left out)"));
            rest = rest.get(document..).unwrap_or_default();
            continue;
        }
        let (word, after) = rest.split_at(word);
        if is_personal(word) {
            out.push_str(&last_four(word))
        } else {
            out.push_str(word)
        }
        rest = after;
    }
    out
}

/// A Chinese identity card (GB 11643: six digits of a region, the day of birth, three digits, a digit or X), a Korean clearance
/// code (P and twelve digits), a Brazilian CPF.
fn is_personal(word: &str) -> bool {
    let digits =
        |from: usize, to: usize| word.get(from..to).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let number =
        |from: usize, to: usize| word.get(from..to).and_then(|d| d.parse::<u32>().ok()).unwrap_or_default();
    match word.len() {
        18 => {
            digits(0, 17)
                && (digits(17, 18) || word.ends_with(['X', 'x']))
                && (1900..2100).contains(&number(6, 10))
                && (1..=12).contains(&number(10, 12))
                && (1..=31).contains(&number(12, 14))
        }
        13 => word.starts_with(['P', 'p']) && digits(1, 13),
        11 => digits(0, 11) && is_cpf(word),
        _ => false,
    }
}

/// Its two last digits follow from the others: each is ten times the weighted sum of those before it, modulo eleven, ten being 0.
fn is_cpf(digits: &str) -> bool {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    let check = |n: usize| {
        let weights = (2..).take(n).collect::<Vec<u32>>();
        let sum: u32 = digits.iter().take(n).zip(weights.iter().rev()).map(|(d, w)| d * w).sum();
        digits.get(n) == Some(&(sum * 10 % 11 % 10))
    };
    digits.len() == 11 && check(9) && check(10)
}

/// `529.982.247-25`, and what follows it.
fn dotted_cpf(text: &str) -> Option<(&str, &str)> {
    let (number, after) = text.split_at_checked(14)?;
    let shape = number.bytes().enumerate().all(|(i, b)| match i {
        3 | 7 => b == b'.',
        11 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    (shape && is_cpf(&digits) && !after.starts_with(|c: char| c.is_ascii_digit())).then_some((number, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn numbers_of_persons_are_masked_wherever_they_stand() {
        let order = json!({
            "buyer": {"name": "Ada", "tax_ids": [{"kind": "vat", "value": "DE123456789"}, {"kind": "other", "value": "123"}]},
            "registrations": [{"kind": "ioss", "value": "IM2500000000"}, {"kind": "cpf", "value": "52998224725"}],
            "lines": [{"kind": "gift", "value": "whole"}],
        });
        let shown = super::json(&order).unwrap();
        assert_eq!(
            shown,
            json!({
                "buyer": {"name": "Ada", "tax_ids": [{"kind": "vat", "value": "…6789"}, {"kind": "other", "value": "…3"}]},
                "registrations": [{"kind": "ioss", "value": "IM2500000000"}, {"kind": "cpf", "value": "…4725"}],
                "lines": [{"kind": "gift", "value": "whole"}],
            })
        );
    }

    /// Of the card 110105 19491231 002 X the example of GB 11643; of the CPF 529982247: 5·10+2·9+9·8+9·7+8·6+2·5+2·4+4·3+7·2 = 295,
    /// 2950 mod 11 = 2; with 11 down to 2: 347, 3470 mod 11 = 5.
    #[test]
    fn numbers_leave_a_channels_own_words() {
        let known = vec!["DE123456789".to_owned(), "52-1".to_owned()];
        let masker = super::Masker { known };
        for (text, shown) in [
            (r#"{"taxpayerId":"DE123456789"}"#, r#"{"taxpayerId":"…6789"}"#),
            (r#"{"card":"11010519491231002X","n":1}"#, r#"{"card":"…002X","n":1}"#),
            // Behind an escape, which is no part of it.
            (r"\u59d311010519491231002X", r"\u59d3…002X"),
            (r"a\n11010519491231002x", r"a\n…002x"),
            ("cpf 52998224725, 529.982.247-25.", "cpf …4725, …7-25."),
            ("pccc P123456789012", "pccc …9012"),
            // Neither: another check digit, no day of birth, a longer number, an order, an amount.
            (
                "52998224726 110105194913310021 1234567890123456789 302-0000001-0000001 1299.00",
                "52998224726 110105194913310021 1234567890123456789 302-0000001-0000001 1299.00",
            ),
            (r#"{"access_token":"hunter2hunter2","nextToken":7}"#, r#"{"access_token":"***","nextToken":7}"#),
        ] {
            assert_eq!(masker.text(text), shown);
        }
        let document = format!(r#"{{"label":"{}=","id":1}}"#, "JVBERi0x/+".repeat(30));
        assert_eq!(masker.text(&document), r#"{"label":"(301 characters left out)","id":1}"#);
    }

    #[test]
    fn what_is_hidden_in_a_record_is_known() {
        let record = json!({"buyer": {"tax_ids": [{"kind": "vat", "value": "DE123456789"}]},
            "registrations": [{"kind": "ioss", "value": "IM2500000000"}, {"kind": "cpf", "value": "52998224725"}]});
        let mut known = Vec::new();
        super::numbers(&record, false, &mut known);
        known.sort();
        assert_eq!(known, ["52998224725", "DE123456789"]);
    }
}
