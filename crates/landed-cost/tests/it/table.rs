//! Tables of cases, one a row: `name | request | lines | expected | arithmetic or rule`. The tables are data
//! (`tests/tables/*.txt`), so that an expectation can be read, and argued with, next to its arithmetic.
//!
//! Request: `to=FR at=… cur=EUR`, and `region from flow channel scheme via entry mode incoterm qcur fx freight ins incl year
//! personal vatno registered vat duty parcels`. Lines, separated by `;`: price, or price`x`quantity, then `hs origin duty vat ct
//! class disc id f.NAME`. Expected: `status` (complete when absent), `rule`, an amount of the totals by name, `c.LAYER` (sum of
//! the charges of that layer), `lID.NAME` (an amount of a line), `waived`, `low`, `high` (bounds of taxes), `tv`, `metric`,
//! `cv`, `scheme`, `collector`, `fallback`, and `missing~`, `flag~`, `noflag~`, `reason~`, `error~` for parts of texts.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::request::Request;

use super::packs;

fn request(spec: &str, lines: &str) -> Value {
    let mut r = json!({"destination": {"country": ""}, "currency": "", "fx": [], "buyer": {}, "seller": {}, "rates": {}});
    for token in spec.split_whitespace() {
        let (key, value) = token.split_once('=').unwrap_or_else(|| panic!("'{token}' is no key=value"));
        let yes = value == "yes";
        match key {
            "to" => r["destination"]["country"] = json!(value),
            "region" => r["destination"]["region"] = json!(value),
            "at" => r["legal_event_at"] = json!(value),
            "cur" => r["currency"] = json!(value),
            "from" => r["ship_from"] = json!(value),
            "via" => r["sold_via"] = json!(value),
            "entry" => r["entry_type"] = json!(value),
            "mode" => r["mode_of_transport"] = json!(value),
            "qcur" => r["quote_currency"] = json!(value),
            "ins" => r["insurance"] = json!(value),
            "incl" => r["prices_include_tax"] = json!(yes),
            "year" => r["buyer"]["year_total_before"] = json!(value),
            "personal" => r["buyer"]["personal_use"] = json!(yes),
            "vatno" => r["buyer"]["vat_number"] = json!(value),
            "registered" => r["seller"]["registered"] = json!(yes),
            "vat" | "duty" => r["rates"][key] = json!(value),
            "flow" | "channel" | "scheme" | "incoterm" | "freight" => r[key] = json!(value),
            "fx" => {
                let (pair, rate) = value.split_once('@').unwrap();
                let (from, to) = pair.split_once('/').unwrap();
                r["fx"].as_array_mut().unwrap().push(json!({"from": from, "to": to, "rate": rate}));
            }
            "parcels" => {
                let split: Vec<Vec<&str>> = value.split(',').map(|p| p.split('+').collect()).collect();
                r["parcels"] = json!(split);
            }
            other => panic!("request key '{other}' is unknown"),
        }
    }
    let lines: Vec<Value> = lines.split(';').enumerate().map(|(i, l)| line(l, i + 1)).collect();
    r["lines"] = json!(lines);
    r
}

fn line(spec: &str, n: usize) -> Value {
    let mut tokens = spec.split_whitespace();
    let price = tokens.next().unwrap_or_else(|| panic!("a line without a price"));
    let (price, quantity) = price.split_once('x').unwrap_or((price, "1"));
    let mut l =
        json!({"id": n.to_string(), "unit_price": price, "quantity": quantity, "rates": {}, "facts": {}});
    for token in tokens {
        let (key, value) = token.split_once('=').unwrap_or_else(|| panic!("'{token}' is no key=value"));
        match key {
            "hs" | "origin" | "id" => l[key] = json!(value),
            "disc" => l["discount"] = json!(value),
            "duty" | "vat" => l["rates"][key] = json!(value),
            "ct" => l["rates"]["consumption_tax"] = json!(value),
            "class" => l["rates"]["postal_class"] = json!(value),
            _ => match key.strip_prefix("f.") {
                Some(fact) => l["facts"][fact] = json!(value),
                None => panic!("line key '{key}' is unknown"),
            },
        }
    }
    l
}

fn dec(v: &Value) -> Decimal {
    v.as_str().unwrap_or_else(|| panic!("{v} is no amount")).parse().unwrap()
}

/// What holds for every answer, whatever the case: lines add up to totals, charges to lines, nothing is negative.
pub(crate) fn adds_up(q: &Value, name: &str) {
    let lines = q["lines"].as_array().unwrap();
    let totals = &q["totals"];
    for key in ["goods", "freight", "insurance", "duty", "excise", "consumption_tax", "vat"] {
        if lines.is_empty() || totals[key].is_null() {
            continue;
        }
        let sum: Decimal = lines.iter().map(|l| dec(&l[key])).sum();
        assert_eq!(sum, dec(&totals[key]), "{name}: lines and total of {key}");
    }
    for l in lines {
        let charges: Decimal = l["charges"].as_array().unwrap().iter().map(|c| dec(&c["amount"])).sum();
        let mut taxes = Decimal::ZERO;
        for key in ["duty", "excise", "consumption_tax", "vat"] {
            if l[key].is_null() {
                taxes = charges; // not all is known: nothing to compare
                break;
            }
            assert!(dec(&l[key]) >= Decimal::ZERO, "{name}: negative {key}");
            taxes += dec(&l[key]);
        }
        assert_eq!(charges, taxes, "{name}: charges of line {}", l["id"]);
        for key in ["goods", "freight", "insurance"] {
            assert!(dec(&l[key]) >= Decimal::ZERO, "{name}: negative {key}");
        }
    }
    if !totals["landed"].is_null() {
        let sum: Decimal =
            ["goods", "freight", "insurance", "taxes", "fees"].iter().map(|k| dec(&totals[*k])).sum();
        assert_eq!(sum, dec(&totals["landed"]), "{name}: landed");
        let taxes: Decimal =
            ["duty", "excise", "consumption_tax", "vat"].iter().map(|k| dec(&totals[*k])).sum();
        assert_eq!(taxes, dec(&totals["taxes"]), "{name}: taxes");
    }
    if !q["bounds"].is_null() {
        for what in ["taxes", "landed"] {
            let b = &q["bounds"][what];
            assert!(b["high"].is_null() || dec(&b["low"]) <= dec(&b["high"]), "{name}: bounds of {what}");
        }
    }
    if q["status"] == "complete" {
        assert!(q["missing"].as_array().unwrap().is_empty(), "{name}: complete, and something is missing");
        assert!(!totals["landed"].is_null(), "{name}: complete without a sum");
    } else if q["status"] != "not_eligible" && q["status"] != "blocked" {
        assert!(!q["missing"].as_array().unwrap().is_empty(), "{name}: not complete, and nothing is missing");
    }
}

fn texts(v: &Value) -> String {
    match v {
        Value::Array(a) => a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::String(s) => s.clone(),
        _ => String::new(),
    }
}

fn check(name: &str, spec: &str, lines: &str, expect: &str) -> Vec<String> {
    let json = request(spec, lines).to_string();
    let request = Request::parse(&json).unwrap_or_else(|e| panic!("{name}: {e}"));
    let tokens: Vec<&str> = expect.split_whitespace().collect();
    let quote = match Engine::new(packs()).quote(&request) {
        Ok(q) => q,
        Err(e) => {
            let wanted = tokens.iter().find_map(|t| t.strip_prefix("error~"));
            return match wanted {
                Some(part) if e.to_string().contains(part) => Vec::new(),
                _ => vec![format!("{name}: error {e}")],
            };
        }
    };
    let q = serde_json::to_value(&quote).unwrap();
    adds_up(&q, name);
    for p in q["parcels"].as_array().into_iter().flatten() {
        adds_up(p, name);
    }
    let mut layers: BTreeMap<String, Decimal> = BTreeMap::new();
    for c in q["lines"].as_array().unwrap().iter().flat_map(|l| l["charges"].as_array().unwrap()) {
        *layers.entry(c["layer"].as_str().unwrap().to_owned()).or_default() += dec(&c["amount"]);
    }
    let mut wrong = Vec::new();
    let mut expected: Vec<(&str, &str)> = Vec::new();
    if !tokens.iter().any(|t| t.starts_with("status=")) {
        expected.push(("status", "complete"));
    }
    for token in &tokens {
        if let Some((key, part)) = token.split_once('~') {
            let has = match key {
                "missing" => texts(&q["missing"]).contains(part),
                "flag" => texts(&q["flags"]).contains(part),
                "noflag" => !texts(&q["flags"]).contains(part),
                "reason" => texts(&q["reason"]).contains(part),
                other => panic!("{name}: '{other}~' is unknown"),
            };
            if !has {
                wrong.push(format!(
                    "{name}: {token}: missing {} flags {} reason {}",
                    q["missing"], q["flags"], q["reason"]
                ));
            }
        } else {
            expected
                .push(token.split_once('=').unwrap_or_else(|| panic!("{name}: '{token}' is no key=value")));
        }
    }
    for (key, want) in expected {
        let got = match key {
            "rule" => json!(quote.rule.as_deref().unwrap_or("none")),
            "waived" => {
                let sum: Decimal = q["waived"].as_array().unwrap().iter().map(|w| dec(&w["computed"])).sum();
                json!(sum.to_string())
            }
            "low" | "high" => q["bounds"]["taxes"][key].clone(),
            "tv" => q["valuation"]["threshold_value"].clone(),
            "cv" => q["valuation"]["customs_value"].clone(),
            "metric" => q["valuation"]["metric"].clone(),
            "scheme" => q["tax_treatment"]["scheme"].clone(),
            "collector" => q["tax_treatment"]["collector"].clone(),
            "status" | "fallback" | "currency" => q[key].clone(),
            "year" => q["year_total_after"].clone(),
            "fee" => json!(texts(&json!(
                q["fees"].as_array().unwrap().iter().map(|f| f["kind"].clone()).collect::<Vec<_>>()
            ))),
            _ => match key.split_once('.') {
                Some(("c", layer)) => json!(layers.get(layer).map_or("none".to_owned(), Decimal::to_string)),
                Some((l, amount)) => {
                    let id = l.strip_prefix('l').unwrap_or(l);
                    let line = q["lines"].as_array().unwrap().iter().find(|x| x["id"] == id);
                    line.map_or(Value::Null, |x| x[amount].clone())
                }
                None => q["totals"][key].clone(),
            },
        };
        let got = if got.is_null() { "null".to_owned() } else { texts(&got) };
        if got != want {
            wrong.push(format!("{name}: {key} is {got}, expected {want}"));
        }
    }
    wrong
}

/// Every row of a table; all that is wrong is reported at once.
fn run(text: &str, least: usize) {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (n, row) in text.lines().enumerate() {
        let row = row.trim();
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, spec, lines, expect, why] = cells.as_slice() else {
            panic!("line {}: five cells, found {}", n + 1, cells.len())
        };
        assert!(!why.is_empty(), "line {}: no arithmetic or rule", n + 1);
        wrong.extend(check(&format!("line {} {name}", n + 1), spec, lines, expect));
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= least, "only {count} cases");
}

fn table(name: &str) -> String {
    let path = format!("{}/tests/tables/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn worked_examples() {
    run(&table("worked.txt"), 29);
}

#[test]
fn rows_at_their_boundaries() {
    run(&table("boundaries.txt"), 340);
}

#[test]
fn what_is_missing_never_becomes_a_zero() {
    run(&table("missing.txt"), 30);
}
