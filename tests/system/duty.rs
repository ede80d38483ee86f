//! Duty packs, tariffs and quotes through the program, as its user meets them.

use std::path::{Path, PathBuf};

use crate::{json, text, tradewind};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder with one pack of the repository, changed.
fn packs(name: &str, change: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("config/duty").join(name)).unwrap();
    std::fs::write(folder.path().join(name), change(text)).unwrap();
    folder
}

fn refused(name: &str, change: impl Fn(String) -> String, says: &[&str]) {
    let folder = packs(name, change);
    let output = tradewind(folder.path(), &["duty", "check", "--packs", "."]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for words in says {
        assert!(text(&output).contains(words), "'{words}' is not in: {}", text(&output));
    }
}

#[test]
fn the_packs_of_the_repository_are_in_order() {
    let output = tradewind(&root(), &["duty", "check", "--packs", "config/duty"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).starts_with("ok    25 packs"), "{}", text(&output));
}

#[test]
fn two_rules_in_conflict_are_named_with_their_lines_and_the_interval() {
    // The 3 EUR begin a day before the relief ends.
    refused(
        "eu.toml",
        |t| t.replacen("from = \"2026-07-01\"", "from = \"2026-06-30\"", 1),
        &[
            "eu.toml:",
            "'EU-LV-RELIEF' (line ",
            "'EU-LV-3EUR' (line ",
            "overlap in [2026-06-30T00:00, 2026-07-01T00:00) Europe/Brussels",
            "set 'priority' on one",
        ],
    );
}

#[test]
fn a_gap_names_the_interval_and_the_case() {
    refused(
        "eu.toml",
        |t| t.replacen("from = \"2026-07-01\"", "from = \"2026-07-02\"", 1),
        &[
            "eu.toml:",
            "gap: flow 'import_b2c' has no rule in [2026-07-01T00:00, 2026-07-02T00:00)",
            "Add a rule",
        ],
    );
    refused(
        "gb.toml",
        |t| t.replace("over = \"135\"", "over = \"136\""),
        &["gap: flow 'import_b2c'", "intrinsic 13"],
    );
}

#[test]
fn a_typo_a_missing_source_an_unknown_reference_and_a_wrong_grade_are_refused_with_their_line() {
    refused(
        "nz.toml",
        |t| t.replacen("title =", "titel =", 1),
        &["nz.toml:", "titel", "did you mean 'title'?"],
    );
    refused(
        "nz.toml",
        |t| t.replacen("source = \"IRD, GST on low value imported goods\"\n", "", 1),
        &["nz.toml:14:", "'NZ-LVG' has no source"],
    );
    refused(
        "nz.toml",
        |t| t.replacen("rate_ref = \"NZ.GST\"", "rate_ref = \"NZ.GTS\"", 1),
        &["nz.toml:14:", "'NZ.GTS', which has no [[rate]] row"],
    );
    refused(
        "nz.toml",
        |t| t.replacen("confidence = \"A\"", "confidence = \"K\"", 1),
        &["nz.toml:14:", "graded K and enabled: set enabled = false"],
    );
    refused(
        "nz.toml",
        |t| t.replacen("from = \"2019-12-01\"", "from = \"1 December\"", 2),
        &["nz.toml:", "'1 December' is no local date or time"],
    );
    refused(
        "nz.toml",
        |t| t.replacen("kind = \"free\"", "kind = \"gratis\"", 1),
        &["nz.toml:14:", "formula kind 'gratis' is unknown: free, tariff"],
    );
    refused("nz.toml", |t| t.replacen("rate = \"0.15\"", "rate = 0.15", 1), &["nz.toml:", "string"]);
    refused(
        "nz.toml",
        |t| t.replacen("Pacific/Auckland", "Pacific/Oakland", 1),
        &["nz.toml:5:", "is no time zone"],
    );
}

#[test]
fn an_empty_folder_and_a_missing_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = tradewind(folder.path(), &["duty", "check", "--packs", "."]);
    assert!(text(&output).contains("holds no *.toml rule pack"), "{}", text(&output));
    let output = tradewind(folder.path(), &["duty", "check", "--packs", "nowhere"]);
    assert!(
        text(&output).contains("nowhere") && text(&output).contains("cannot be read"),
        "{}",
        text(&output)
    );
}

#[test]
fn the_calendar_fits_a_terminal() {
    let output = tradewind(&root(), &["duty", "calendar", "--from", "2026-07-01", "--to", "2026-07-25"]);
    let shown = text(&output);
    assert!(shown.contains("2026-07-24T00:01:00-04:00  US"), "{shown}");
    assert!(shown.contains("starts US-301-FL-10"), "{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let output = tradewind(
        &root(),
        &["duty", "calendar", "--from", "2026-07-01", "--to", "2026-07-02", "--jurisdiction", "US"],
    );
    assert!(text(&output).contains("nothing changes"), "{}", text(&output));
}

const REQUEST: &str = r#"{"destination": {"country": "US"}, "legal_event_at": "2026-08-10T12:00:00-04:00", "currency": "USD", "entry_type": "11",
    "lines": [{"id": "1", "unit_price": "100", "hs": "4202224500", "origin": "VN", "facts": {"ad_cvd": false}}]}"#;

#[test]
fn an_imported_tariff_is_used_by_quotes_from_its_day_on() {
    let folder = tempfile::tempdir().unwrap();
    let head = "HTS Number,Indent,Description,Unit of Quantity,General Rate of Duty,Special Rate of Duty,Column 2 Rate of Duty,Quota Quantity,Additional Duties";
    std::fs::write(folder.path().join("hts.csv"), format!("{head}\n4202.22.45.00,0,Bags,,6.3%,,45%,,\n"))
        .unwrap();
    std::fs::write(folder.path().join("r.json"), REQUEST).unwrap();
    let quote = |more: &[&str]| {
        let mut args = vec!["quote", "--request", "r.json", "--json"];
        args.extend(more);
        json(&tradewind(folder.path(), &args))
    };
    assert_eq!(quote(&[])["status"], "indeterminate");
    let output = tradewind(
        folder.path(),
        &["duty", "tariff", "import", "hts.csv", "--from", "2026-01-01", "--edition", "2026-01"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("US 2026-01: 1 codes, 0 of them"), "{}", text(&output));
    let q = quote(&["--tariffs", "tariffs"]);
    assert_eq!((&q["status"], &q["totals"]["duty"]), (&"complete".into(), &"18.80".into())); // 6.3 + 12.5
    assert!(
        q["lines"][0]["charges"][0]["rate_source"]
            .as_str()
            .unwrap()
            .starts_with("HTS 2026-01 4202224500 line 2")
    );
    let shown = text(&tradewind(
        folder.path(),
        &["duty", "tariff", "show", "US", "4202.22.45.00", "--at", "2026-08-10T16:00:00Z"],
    ));
    assert!(shown.contains("6.3 %"), "{shown}");
    let early = tradewind(
        folder.path(),
        &["duty", "tariff", "show", "US", "4202224500", "--at", "2026-01-01T04:59:59Z"],
    );
    assert_eq!(early.status.code(), Some(1), "{}", text(&early)); // midnight in New York is 05:00 UTC
    std::fs::write(folder.path().join("bad.csv"), format!("{head}\n4202.22.4X,0,Bags,,6.3%,,45%,,\n"))
        .unwrap();
    let output = tradewind(folder.path(), &["duty", "tariff", "import", "bad.csv", "--from", "2026-01-01"]);
    assert!(text(&output).contains("bad.csv:2: HTS number"), "{}", text(&output));
}

/// A program that reads the answers of an array gets one document whatever the array was.
#[test]
fn what_is_quoted_of_an_array_is_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let quote = |requests: &str, code: i32| {
        std::fs::write(folder.path().join("r.json"), requests).unwrap();
        let output = tradewind(folder.path(), &["quote", "--request", "r.json", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        json(&output)
    };
    assert_eq!(quote(&format!("[{REQUEST}]"), 0).as_array().unwrap().len(), 1);
    assert!(quote("[]", 1)["error"]["message"].to_string().contains("no request in it"));
    // It breaks off behind the first request, whose answer stands.
    let answers = quote(&format!("[{REQUEST}, {{"), 5);
    assert_eq!(answers.as_array().unwrap().len(), 2);
    assert_eq!(answers[0]["status"], "indeterminate");
    assert!(answers[1]["error"]["message"].to_string().contains("r.json: after 1 requests"), "{answers}");
}

#[test]
fn a_rate_file_gives_the_customs_rate_and_the_quote_names_it() {
    let folder = tempfile::tempdir().unwrap();
    // The EU rate of August 2026 is of the second-last Wednesday of July: 22 July (Wednesdays 1, 8, 15, 22, 29).
    std::fs::write(folder.path().join("ecb.csv"), "date,base,quote,rate,source\n2026-07-21,EUR,USD,1.10,ECB\n2026-07-22,EUR,USD,1.25,ECB\n2026-07-29,EUR,USD,1.50,ECB\n").unwrap();
    let request = r#"{"destination": {"country": "FR"}, "legal_event_at": "2026-08-10T12:00:00+02:00", "currency": "USD",
        "lines": [{"id": "1", "unit_price": "100", "hs": "420222", "origin": "CN"}]}"#;
    std::fs::write(folder.path().join("r.json"), request).unwrap();
    let q =
        json(&tradewind(folder.path(), &["quote", "--request", "r.json", "--json", "--rates", "ecb.csv"]));
    assert_eq!((&q["currency"], &q["totals"]["goods"]), (&"EUR".into(), &"80.00".into())); // 100 / 1.25
    assert!(q["fx"][0]["id"].as_str().unwrap().starts_with("ECB 2026-07-22 USD/EUR"), "{}", q["fx"]);
    let q = json(&tradewind(folder.path(), &["quote", "--request", "r.json", "--json"]));
    assert_eq!(q["status"], "indeterminate");
    assert!(q["missing"].to_string().contains("fx.USD.EUR"), "{}", q["missing"]);
}

#[test]
fn a_pinned_quote_is_the_same_after_the_packs_changed() {
    let changed = packs("eu.toml", |t| t.replace("amount = \"3\"", "amount = \"5\""));
    let request = |pin: &str| {
        format!(
            r#"{{"destination": {{"country": "FR"}}, "legal_event_at": "2026-08-10T12:00:00+02:00", "currency": "EUR", "pack_versions": {pin},
                "lines": [{{"id": "1", "unit_price": "100", "hs": "420222", "origin": "CN"}}]}}"#
        )
    };
    let file = changed.path().join("r.json");
    let quote = |pin: &str, more: &[&str]| {
        std::fs::write(&file, request(pin)).unwrap();
        let mut args = vec!["quote", "--request", "r.json", "--json"];
        args.extend(more);
        tradewind(changed.path(), &args).stdout
    };
    let stored = quote("null", &[]);
    let digest: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    let pin = digest["packs"].to_string();
    assert_ne!(quote("null", &["--packs", "."]), stored);
    assert_eq!(quote(&pin, &["--packs", "."]), stored);
}
