//! A stored quote reproduces byte for byte after the packs changed.

use std::path::Path;

use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::request::Request;

fn eu() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/duty/eu.toml")).unwrap()
}

fn answer(set: &PackSet, request: &str) -> String {
    serde_json::to_string(&Engine::new(set).quote(&Request::parse(request).unwrap()).unwrap()).unwrap()
}

fn request(pin: &str) -> String {
    format!(
        r#"{{"destination": {{"country": "FR"}}, "legal_event_at": "2026-08-01T12:00:00+02:00", "currency": "EUR", "freight": "5.00",
            "pack_versions": {pin}, "lines": [{{"id": "1", "unit_price": "30.00", "hs": "420222", "origin": "CN"}}]}}"#
    )
}

#[test]
fn a_later_pack_never_changes_a_pinned_quote() {
    let old = eu();
    let before = PackSet::from_texts([("eu.toml", old.as_str())], []).unwrap();
    let stored = answer(&before, &request("null"));
    assert!(stored.contains(r#""vat":"7.60""#), "{stored}"); // (30 + 5 + 3) × 20 %
    let quote: serde_json::Value = serde_json::from_str(&stored).unwrap();
    let digest = quote["packs"]["EU"].as_str().unwrap().to_owned();

    // Parliament makes it 5 EUR; the old file is kept as a version.
    let new = old
        .replace("amount = \"3\"", "amount = \"5\"")
        .replace("version = \"2026-09\"", "version = \"2026-12\"");
    assert_ne!(old, new);
    let after =
        PackSet::from_texts([("eu.toml", new.as_str())], [("eu-2026-09.toml", old.as_str())]).unwrap();
    let fresh = answer(&after, &request("null"));
    assert!(fresh.contains(r#""vat":"8.00""#), "{fresh}"); // (30 + 5 + 5) × 20 %
    for pin in [
        format!(r#"{{"EU": "{digest}"}}"#),
        r#"{"EU": "2026-09"}"#.to_owned(),
        format!(r#"{{"EU": "{}"}}"#, &digest[..20]),
    ] {
        assert_eq!(answer(&after, &request(&pin)), stored, "pinned to {pin}");
    }
}

#[test]
fn a_version_that_is_gone_is_an_error_that_says_where_to_put_it() {
    let set = PackSet::from_texts([("eu.toml", eu().as_str())], []).unwrap();
    let r = Request::parse(&request(r#"{"EU": "sha256:0123456789abcdef"}"#)).unwrap();
    let e = Engine::new(&set).quote(&r).unwrap_err().to_string();
    assert!(e.contains("pack_versions") && e.contains("versions/"), "{e}");
}

/// A changed folder of packs still knows the versions that the program itself carries.
#[test]
fn the_embedded_packs_stand_behind_a_folder() {
    let mut set =
        PackSet::from_texts([("eu.toml", eu().replace("amount = \"3\"", "amount = \"5\"").as_str())], [])
            .unwrap();
    let embedded = PackSet::embedded().unwrap();
    let stored = answer(&embedded, &request("null"));
    let quote: serde_json::Value = serde_json::from_str(&stored).unwrap();
    set.keep_older(embedded);
    let pin = format!(r#"{{"EU": "{}"}}"#, quote["packs"]["EU"].as_str().unwrap());
    assert_eq!(answer(&set, &request(&pin)), stored);
}
