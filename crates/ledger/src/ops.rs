//! The small laws of money, for programs: one JSON object in, one out (`tradewind money OP --json`).

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding, parse_decimal};

use crate::normalise::{Channel, normalise};
use crate::rates::{Rates, times};

/// The operations, by name.
pub const OPS: [&str; 4] = ["allocate", "normalise", "convert", "revalue"];

/// Runs one operation on one JSON object.
///
/// # Errors
/// The operation is unknown, or the object does not fit it. A lawful question with the answer no is
/// `{"refused":true,"why":…}`.
pub fn run(op: &str, input: &str, rates: &Rates) -> Result<Value, String> {
    match op {
        "allocate" => allocate(parse(input)?),
        "normalise" | "normalize" => normalised(&parse(input)?),
        "convert" => convert(parse(input)?, rates),
        "revalue" => revalue(parse(input)?),
        other => Err(format!("no operation '{other}': known are {}", OPS.join(", "))),
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(input: &'a str) -> Result<T, String> {
    serde_json::from_str(input).map_err(|e| format!("the input does not fit: {e}"))
}

/// The text of a number, whether written as a JSON string or as a JSON number: never through a float.
fn number(raw: &RawValue) -> Result<Decimal, String> {
    let text = raw.get();
    let text: String = if text.starts_with('"') {
        serde_json::from_str(text).map_err(|e| e.to_string())?
    } else {
        text.to_owned()
    };
    parse_decimal(text.trim()).map_err(|e| e.to_string())
}

fn refused(why: impl ToString) -> Value {
    json!({"refused": true, "why": why.to_string()})
}

#[derive(serde::Deserialize)]
struct Allocate<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: Currency,
    #[serde(borrow)]
    weights: Vec<&'a RawValue>,
}

fn allocate(w: Allocate<'_>) -> Result<Value, String> {
    let weights = w.weights.iter().map(|r| number(r)).collect::<Result<Vec<_>, _>>()?;
    let parts =
        Money::from_decimal(number(w.amount)?, w.currency).and_then(|amount| amount.allocate(&weights));
    Ok(match parts {
        Ok(parts) => json!({"parts": parts.iter().map(|p| p.amount()).collect::<Vec<_>>()}),
        Err(e) => refused(e),
    })
}

#[derive(serde::Deserialize)]
struct Normalise {
    provider: String,
    channel: Channel,
    currency: String,
    text: String,
}

fn normalised(w: &Normalise) -> Result<Value, String> {
    let provider = w.provider.parse().map_err(|r: crate::import::Refusal| r.message)?;
    let currency = match Currency::new(&w.currency) {
        Ok(c) => c,
        Err(e) => return Ok(refused(e)),
    };
    Ok(match normalise(provider, w.channel, currency, &w.text) {
        Ok(amount) => json!({"amount": amount.amount()}),
        Err(why) => refused(why),
    })
}

#[derive(serde::Deserialize)]
struct Convert<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    from: Currency,
    to: Currency,
    #[serde(borrow, default)]
    rate: Option<&'a RawValue>,
    #[serde(default)]
    date: Option<String>,
}

fn convert(w: Convert<'_>, rates: &Rates) -> Result<Value, String> {
    let amount = match Money::from_decimal(number(w.amount)?, w.from) {
        Ok(m) => m,
        Err(e) => return Ok(refused(e)),
    };
    if let Some(raw) = w.rate {
        let rate = number(raw)?;
        if rate <= Decimal::ZERO {
            return Ok(refused("a rate is above zero"));
        }
        return Ok(match times(amount, rate, w.to) {
            Some(m) => json!({"amount": m.amount(), "currency": w.to, "rate": rate.to_string()}),
            None => refused("the result is out of range"),
        });
    }
    let Some(date) = w.date else {
        return Err("convert needs rate, or date and a rate table".to_owned());
    };
    let date = date.parse().map_err(|_| format!("date: '{date}' is not YYYY-MM-DD"))?;
    Ok(match rates.convert(amount, w.to, date) {
        Some((m, found)) => json!({"amount": m.amount(), "currency": w.to, "rate": found.rate.to_string(),
            "rate_date": found.date.to_string(), "source": found.source}),
        None => refused(format!("no rate for {} to {} on or before {date} in the rate table", w.from, w.to)),
    })
}

#[derive(serde::Deserialize)]
struct Revalue<'a> {
    base: Currency,
    #[serde(borrow)]
    receivable: Receivable<'a>,
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(serde::Deserialize)]
struct Receivable<'a> {
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: Currency,
}

#[derive(serde::Deserialize)]
struct Event<'a> {
    kind: String,
    #[serde(borrow, default)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    rate: &'a RawValue,
    quote: Quote,
}

#[derive(serde::Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Quote {
    ForeignPerBase,
    BasePerForeign,
}

fn in_base(amount: Money, rate: Decimal, quote: Quote, base: Currency) -> Result<Money, String> {
    let value = match quote {
        Quote::BasePerForeign => amount.decimal().checked_mul(rate),
        Quote::ForeignPerBase => amount.decimal().checked_div(rate),
    };
    let value = value.ok_or("the value is out of range")?;
    Exact::new(value, base).round(Rounding::HalfUp).map_err(|e| e.to_string())
}

/// A foreign receivable by carrying amount (IAS 21 ¶21–23, 28; fx-rates.md §6): booked at the day's rate, retranslated at month
/// ends (unrealised), and settled by cash, whose value less the carrying amount that it takes away is realised. `amount` of an
/// event is in the receivable's currency; without one it is all that is open. A part of the cash takes the same part of the
/// carrying amount; the last one takes the rest, so that nothing stays behind.
fn revalue(w: Revalue<'_>) -> Result<Value, String> {
    let total = Money::from_decimal(number(w.receivable.amount)?, w.receivable.currency)
        .map_err(|e| e.to_string())?;
    let zero = Money::zero(w.base);
    let err = |e: tradewind_domain::MoneyError| e.to_string();
    let (mut open, mut carrying, mut booked) = (Money::zero(total.currency()), zero, false);
    let (mut realised, mut unrealised) = (zero, zero);
    let mut events = Vec::new();
    for e in &w.events {
        let rate = number(e.rate)?;
        if rate <= Decimal::ZERO {
            return Ok(refused("a rate is above zero"));
        }
        let given = e
            .amount
            .map(|a| Money::from_decimal(number(a)?, total.currency()).map_err(|e| e.to_string()))
            .transpose()?;
        let (mut r, mut u) = (zero, zero);
        match e.kind.as_str() {
            "book" => {
                let amount = given.unwrap_or(total);
                open = open.try_add(amount).map_err(err)?;
                carrying = carrying.try_add(in_base(amount, rate, e.quote, w.base)?).map_err(err)?;
                booked = true;
            }
            _ if !booked => return Ok(refused("the receivable is not booked yet: a book event comes first")),
            "month_end" => {
                let value = in_base(open, rate, e.quote, w.base)?;
                u = value.try_sub(carrying).map_err(err)?;
                carrying = value;
            }
            "cash" => {
                let amount = given.unwrap_or(open);
                if amount.abs().minor() > open.abs().minor()
                    || amount.is_negative() != open.is_negative() && !amount.is_zero()
                {
                    return Ok(refused(format!("cash of {amount} against {open} open")));
                }
                let taken = if amount == open {
                    carrying
                } else {
                    let share = amount.decimal().checked_div(open.decimal()).ok_or("nothing is open")?;
                    carrying.exact().times(share).and_then(|x| x.round(Rounding::HalfUp)).map_err(err)?
                };
                r = in_base(amount, rate, e.quote, w.base)?.try_sub(taken).map_err(err)?;
                carrying = carrying.try_sub(taken).map_err(err)?;
                open = open.try_sub(amount).map_err(err)?;
            }
            other => return Err(format!("event kind '{other}' is unknown: say book, month_end or cash")),
        }
        realised = realised.try_add(r).map_err(err)?;
        unrealised = unrealised.try_add(u).map_err(err)?;
        events.push(json!({"kind": e.kind, "carrying": carrying.amount(), "open": open.amount(),
            "realised": r.amount(), "unrealised": u.amount()}));
    }
    Ok(json!({"currency": w.base, "events": events, "carrying": carrying.amount(),
        "realised": realised.amount(), "unrealised": unrealised.amount()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(op: &str, input: &str) -> Value {
        run(op, input, &Rates::default()).unwrap()
    }

    #[test]
    fn allocation_mirrors_the_sign() {
        let up = ask("allocate", r#"{"amount":"50.00","currency":"EUR","weights":[1,1,1]}"#);
        assert_eq!(up["parts"], json!(["16.67", "16.67", "16.66"]));
        let down = ask("allocate", r#"{"amount":"-50.00","currency":"EUR","weights":["1","1","1"]}"#);
        assert_eq!(down["parts"], json!(["-16.67", "-16.67", "-16.66"]));
        // fx-rates.md §5: largest remainder of 1.00 over 1:3:3.
        let thirds = ask("allocate", r#"{"amount":"1.00","currency":"EUR","weights":[1,3,3]}"#);
        assert_eq!(thirds["parts"], json!(["0.14", "0.43", "0.43"]));
        assert_eq!(
            ask("allocate", r#"{"amount":"1","currency":"EUR","weights":[0]}"#)["refused"],
            json!(true)
        );
    }

    #[test]
    fn revaluation_by_carrying_amount() {
        // fx-rates.md §6: 1,000.00 at 0.90 → 900; 0.92 → +20; cash at 0.91 → −10 against 920.
        let v = ask(
            "revalue",
            r#"{"base":"EUR","receivable":{"amount":"1000.00","currency":"USD"},"events":[
              {"kind":"book","rate":"0.9000","quote":"base_per_foreign"},
              {"kind":"month_end","rate":"0.9200","quote":"base_per_foreign"},
              {"kind":"cash","rate":"0.9100","quote":"base_per_foreign"}]}"#,
        );
        assert_eq!(v["events"][0]["carrying"], "900.00");
        assert_eq!(
            (&v["events"][1]["unrealised"], &v["events"][1]["carrying"]),
            (&json!("20.00"), &json!("920.00"))
        );
        assert_eq!(
            (&v["events"][2]["realised"], &v["events"][2]["carrying"]),
            (&json!("-10.00"), &json!("0.00"))
        );
    }

    #[test]
    fn the_direction_of_a_quote_matters() {
        // 1,000 USD at 1.25 USD per EUR is 800 EUR; at 1.00 it is 1,000: the receivable gains 200.
        let v = ask(
            "revalue",
            r#"{"base":"EUR","receivable":{"amount":"1000.00","currency":"USD"},"events":[
              {"kind":"book","rate":"1.25","quote":"foreign_per_base"},
              {"kind":"cash","rate":"1.00","quote":"foreign_per_base"}]}"#,
        );
        assert_eq!(v["realised"], "200.00");
    }

    #[test]
    fn conversion_by_rate_rounds_half_up_at_the_target() {
        let v = ask("convert", r#"{"amount":"100.00","from":"USD","to":"JPY","rate":"159.8339609"}"#);
        assert_eq!(v["amount"], "15983");
    }
}
