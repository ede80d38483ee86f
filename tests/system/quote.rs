//! `tradewind quote`: the interface for programs, word for word; bad input; a batch that streams.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::text;

/// The request of the interface's description.
fn request() -> Value {
    json!({"destination": {"country": "FR", "region": null}, "ship_from": "CN",
        "legal_event_at": "2026-08-01T12:00:00+02:00", "flow": "import_b2c", "channel": "courier", "scheme": "ioss",
        "scheme_id": "IM2500000000", "sold_via": "marketplace", "entry_type": null, "mode_of_transport": "air",
        "incoterm": "DDP", "currency": "EUR", "quote_currency": null,
        "fx": [{"from": "USD", "to": "EUR", "rate": "0.9000"}], "prices_include_tax": false, "freight": "5.00",
        "insurance": "0", "buyer": {"year_total_before": "0", "personal_use": false, "vat_number": null},
        "seller": {"registered": true}, "rates": {"vat": "0.20"}, "pack_versions": null, "parcels": null,
        "lines": [{"id": "1", "unit_price": "30.00", "quantity": 1, "discount": "0", "hs": "420222", "origin": "CN",
            "rates": {"duty": null, "vat": null, "consumption_tax": null, "postal_class": null},
            "facts": {"section_301_list": null, "ad_cvd": null, "indivisible": false, "in_transit_exception": false}}]})
}

/// Its answer, as described. `"..."` stands for any text.
fn answer() -> Value {
    json!({"status": "complete", "missing": [], "flags": [], "bounds": null,
        "lines": [{"id": "1", "goods": "30.00", "freight": "5.00", "insurance": "0.00", "duty": "3.00", "excise": "0.00",
            "consumption_tax": "0.00", "vat": "7.60", "landed": "45.60",
            "charges": [
                {"kind": "duty", "layer": "EU-LV-3EUR", "rule_id": "EU-LV-3EUR", "base": "30.00", "rate": null,
                    "raw": "3", "amount": "3.00", "collector": "...", "why": "..."},
                {"kind": "vat", "layer": "FR.VAT.standard", "rule_id": "EU-LV-3EUR", "base": "38.00", "rate": "0.20",
                    "raw": "7.6", "amount": "7.60", "collector": "marketplace", "why": "..."}]}],
        "totals": {"goods": "30.00", "freight": "5.00", "insurance": "0.00", "duty": "3.00", "excise": "0.00",
            "consumption_tax": "0.00", "vat": "7.60", "taxes": "10.60", "fees": "0.00", "landed": "45.60"},
        "fees": [], "waived": [], "parcels": null, "year_total_after": null,
        "valuation": {"metric": "intrinsic", "threshold_value": "30.00", "customs_value": "30.00"},
        "tax_treatment": {"collected_at_sale": true, "scheme": "ioss", "collector": "marketplace"},
        "currency": "EUR", "fx": [], "packs": {"EU": "sha256:..."}, "legal_event_at": "2026-08-01T12:00:00+02:00"})
}

/// Every field described is there with its value; what is there besides is collected.
fn same(path: &str, described: &Value, given: &Value, more: &mut Vec<String>) {
    match (described, given) {
        (Value::Object(d), Value::Object(g)) => {
            for (name, value) in d {
                let found = g.get(name).unwrap_or_else(|| panic!("{path}.{name} is missing in {given}"));
                same(&format!("{path}.{name}"), value, found, more);
            }
            more.extend(g.keys().filter(|k| !d.contains_key(*k)).cloned());
        }
        (Value::Array(d), Value::Array(g)) => {
            assert_eq!(d.len(), g.len(), "{path}: {given}");
            d.iter().zip(g).enumerate().for_each(|(n, (d, g))| same(&format!("{path}[{n}]"), d, g, more));
        }
        (Value::String(d), Value::String(g)) if d.ends_with("...") => {
            assert!(g.starts_with(d.trim_end_matches('.')) && g.len() > d.len() - 3, "{path}: {g}");
        }
        _ => assert_eq!(described, given, "{path}"),
    }
}

fn quote(input: &str, args: &[&str]) -> std::process::Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .arg("quote")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(output: &std::process::Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn the_described_request_gives_the_described_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("request.json");
    std::fs::write(&file, request().to_string()).unwrap();
    let file = file.to_str().unwrap();
    let by_file = quote("", &["--request", file, "--json"]);
    assert_eq!(by_file.status.code(), Some(0), "{}", text(&by_file));
    let given = lines(&by_file).remove(0);
    let mut more = Vec::new();
    same("answer", &answer(), &given, &mut more);
    // Beside the description: what a charge is made of, as its prose asks.
    more.sort();
    more.dedup();
    assert_eq!(more, ["components", "formula", "fx", "pack", "rate_source"]);
    // Standard input, an array and JSON lines give the same.
    let piped = lines(&quote(&request().to_string(), &["--request", "-", "--json"]));
    assert_eq!((piped.len(), &piped[0]), (1, &given));
    let twice = quote(&format!("[{0},\n{0}]", request()), &["--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&twice.stdout).unwrap(), json!([given, given]));
    assert_eq!(lines(&quote(&format!("{0}\n\n{0}\n", request()), &["--json"])), [given.clone(), given]);
}

#[test]
fn only_four_fields_are_needed() {
    let short = json!({"destination": {"country": "FR"}, "legal_event_at": "2026-08-01T12:00:00+02:00", "currency": "EUR",
        "lines": [{"id": "1", "unit_price": 30.00, "hs": "420222", "origin": "CN"}]});
    let given = lines(&quote(&short.to_string(), &["--json"])).remove(0);
    // VAT 20 % of 30.00 + 3.00, at the border; the rate is the pack's and graded K, which is said.
    assert_eq!((&given["status"], &given["totals"]["vat"]), (&json!("complete"), &json!("6.60")));
    assert_eq!(given["flags"], json!(["UNVERIFIED_RATE:FR.VAT.standard"]));
    assert_eq!(given["tax_treatment"]["collected_at_sale"], false);
}

#[test]
fn a_person_gets_a_table() {
    let shown = text(&quote(&request().to_string(), &[]));
    let total: Vec<&str> =
        shown.lines().find(|l| l.contains("total")).unwrap().split('|').map(str::trim).collect();
    assert_eq!(total[2..11], ["30.00", "5.00", "0.00", "3.00", "0.00", "0.00", "7.60", "0.00", "45.60"]);
    assert!(shown.contains("20 % of 38.00 (goods 30.00 + freight 5.00 + duty 3.00)"), "{shown}");
}

#[test]
fn bad_requests_are_told_with_their_place_and_remedy() {
    let refused = |change: &dyn Fn(&mut Value), says: &[&str]| {
        let mut bad = request();
        change(&mut bad);
        let good = request();
        let output = quote(&format!("{good}\n{bad}\n{good}"), &["--json"]);
        assert_eq!(output.status.code(), Some(5), "{}", text(&output));
        let answers = lines(&output);
        assert_eq!((answers.len(), &answers[2]["status"]), (3, &json!("complete")), "the rest is answered");
        let told = answers[1]["error"]["message"].as_str().unwrap();
        for words in says {
            assert!(told.contains(words), "'{words}' is not in: {told}");
        }
    };
    refused(
        &|r| r["destination"]["country"] = json!("QQ"),
        &["request 2: destination.country", "'QQ'", "ISO 3166-1"],
    );
    // A field nobody reads is no fact that counts: its path, and the nearest that there is.
    refused(
        &|r| r["incoterms"] = json!("DDP"),
        &["standard input:2: request 2: incoterms: no such field", "did you mean 'incoterm'?"],
    );
    refused(
        &|r| r["lines"][0]["rates"]["dutty"] = json!("0.10"),
        &["lines[0].rates.dutty: no such field", "did you mean 'duty'?", "consumption_tax"],
    );
    refused(
        &|r| r["lines"][0]["facts"]["ad_cdv"] = json!(false),
        &["lines.1.facts.ad_cdv: no rule asks for this fact", "did you mean 'ad_cvd'?"],
    );
    refused(
        &|r| r["buyer"]["yeartotal"] = json!("0"),
        &["buyer.yeartotal: no such field", "year_total_before"],
    );
    refused(&|r| r["rates"]["vat"] = json!("-0.20"), &["rates.vat: -0.20 is negative"]);
    refused(
        &|r| r["destination"] = json!({"country": "CA", "region": "ZZ"}),
        &["destination.region: 'ZZ' is no region of CA", "ON"],
    );
    refused(
        &|r| r["lines"][0]["unit_price"] = json!("-30.00"),
        &["lines.1.unit_price: -30.00 is negative", "zero or more"],
    );
    refused(&|r| r["lines"][0]["hs"] = json!("42x"), &["lines.1.hs"]);
    refused(&|r| r["channel"] = json!("pigeon"), &["channel: 'pigeon' is unknown", "courier"]);
    refused(
        &|r| r["legal_event_at"] = json!("soon"),
        &["legal_event_at: 'soon' is no instant", "2026-08-01T12:00:00+02:00"],
    );
    refused(&|r| r["currency"] = json!("EURO"), &["currency", "EURO"]);
    refused(&|r| r["pack_versions"] = json!({"EU": "2019"}), &["pack_versions", "2019", "--packs"]);
    refused(&|r| r["parcels"] = json!([["1"], ["9"]]), &["parcels: '9' is no line"]);
    // Over several lines: the line of the field itself; blank lines and lines inside requests count.
    let wide = format!(
        "\n\n{}\n{{\n\"currency\": \"EUR\",\n\"curency\": 1}}\n",
        serde_json::to_string_pretty(&request()).unwrap()
    );
    let line = wide.lines().position(|l| l.contains("curency")).unwrap() + 1;
    let told = text(&quote(&wide, &["--json"]));
    assert!(
        told.contains(&format!("standard input:{line}: request 2: curency: no such field")),
        "{line}: {told}"
    );
    let cut = quote("[{\"destination\":", &["--json"]);
    assert_eq!(cut.status.code(), Some(1), "{}", text(&cut));
    assert!(text(&cut).contains("after 0 requests"), "{}", text(&cut));
    let none = quote(" \n", &[]);
    assert!(text(&none).contains("no request in it"), "{}", text(&none));
    let gone = quote("", &["--request", "nowhere.json"]);
    assert!(text(&gone).contains("nowhere.json cannot be read"), "{}", text(&gone));
}

#[test]
fn an_order_of_ten_thousand_lines_adds_up() {
    let mut order = request();
    let line = order["lines"][0].clone();
    let many: Vec<Value> = (0..10_000)
        .map(|n| {
            let mut l = line.clone();
            (l["id"], l["unit_price"]) = (json!(n.to_string()), json!("0.01"));
            l
        })
        .collect();
    order["lines"] = Value::Array(many);
    let given = lines(&quote(&order.to_string(), &["--json"])).remove(0);
    assert_eq!(given["status"], "complete");
    // One HS6: 3 EUR for all lines together, shared to the cent; 100.00 of goods are within 150 EUR.
    let cents = |field: &str| -> i64 {
        given["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l[field].as_str().unwrap().replace('.', "").parse::<i64>().unwrap())
            .sum()
    };
    assert_eq!((cents("goods"), cents("duty"), cents("freight")), (10_000, 300, 500));
    for field in ["goods", "duty", "freight", "vat"] {
        let total: i64 = given["totals"][field].as_str().unwrap().replace('.', "").parse().unwrap();
        assert_eq!(cents(field), total, "{field}");
    }
}

/// Answers leave while requests still come: nothing waits for the end of the input.
#[test]
fn a_batch_streams() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["quote", "--json"])
        .current_dir(Path::new("/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (send, answers) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|l| drop(send.send(l))));
    // More than any buffer between the two holds of answers, less than the pipe holds of requests.
    for _ in 0..24 {
        writeln!(input, "{}", request()).unwrap();
    }
    input.flush().unwrap();
    let first = answers.recv_timeout(Duration::from_secs(60)).expect("an answer before the input ends");
    assert!(first.contains("\"status\":\"complete\""), "{first}");
    drop(input);
    assert_eq!(answers.iter().count(), 23);
    assert!(child.wait().unwrap().success());
}
