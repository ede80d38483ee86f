//! What holds for any order: sums, signs, permutations, pins, refunds.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tradewind_domain::{Currency, Money};
use tradewind_landed_cost::counter::{BuyerKey, YearCounter};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::refund;
use tradewind_landed_cost::request::Request;

use super::table::adds_up;
use super::{ask, packs};

/// Destinations that answer with amounts, each with what it needs to know.
const SCENES: &[&str] = &[
    r#"{"destination": {"country": "FR"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "EUR", "scheme": "ioss"}"#,
    r#"{"destination": {"country": "DE"}, "legal_event_at": "2026-06-01T12:00:00Z", "currency": "USD", "fx": [{"from": "USD", "to": "EUR", "rate": "0.9137"}]}"#,
    r#"{"destination": {"country": "GB"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "GBP"}"#,
    r#"{"destination": {"country": "US"}, "legal_event_at": "2026-08-10T12:00:00Z", "currency": "USD", "entry_type": "01", "mode_of_transport": "ocean"}"#,
    r#"{"destination": {"country": "US"}, "legal_event_at": "2026-05-10T12:00:00Z", "currency": "USD", "entry_type": "11"}"#,
    r#"{"destination": {"country": "CA", "region": "ON"}, "ship_from": "CN", "legal_event_at": "2026-08-01T12:00:00Z", "currency": "CAD"}"#,
    r#"{"destination": {"country": "CN"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "CNY", "scheme": "cbec_9610", "buyer": {"year_total_before": "0"}}"#,
    r#"{"destination": {"country": "CN"}, "ship_from": "US", "legal_event_at": "2026-08-01T12:00:00Z", "currency": "CNY", "channel": "post"}"#,
    r#"{"destination": {"country": "JP"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "USD", "fx": [{"from": "USD", "to": "JPY", "rate": "151.37"}]}"#,
    r#"{"destination": {"country": "KR"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "USD", "fx": [{"from": "USD", "to": "KRW", "rate": "1391.7"}]}"#,
    r#"{"destination": {"country": "BR"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "USD", "quote_currency": "USD", "scheme": "remessa_conforme"}"#,
    r#"{"destination": {"country": "AU"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "AUD", "prices_include_tax": true}"#,
    r#"{"destination": {"country": "CH"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "CHF"}"#,
    r#"{"destination": {"country": "IN"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "INR", "rates": {"vat": "0.18"}}"#,
    r#"{"destination": {"country": "ID"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "IDR", "fx": [{"from": "IDR", "to": "USD", "rate": "0.000061"}]}"#,
    r#"{"destination": {"country": "NO"}, "legal_event_at": "2026-08-01T12:00:00Z", "currency": "NOK", "scheme": "voec"}"#,
];

#[derive(Debug, Clone)]
struct Piece {
    cents: u32,
    quantity: u32,
    off: u32,
    hs: usize,
    origin: usize,
}

const HS: &[&str] = &["420222", "610910", "392690", "950300", "851830", "330499"];
const ORIGINS: &[&str] = &["CN", "VN", "JP", "DE", "GB"];

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (1_u32..40_000, 1_u32..5, 0_u32..100, 0..HS.len(), 0..ORIGINS.len())
        .prop_map(|(cents, quantity, off, hs, origin)| Piece { cents, quantity, off, hs, origin });
    prop::collection::vec(piece, 1..7)
}

fn order(scene: usize, pieces: &[Piece], freight: u32, insurance: u32) -> Value {
    let mut r: Value = serde_json::from_str(SCENES[scene]).unwrap();
    r["freight"] = json!(Decimal::new(freight.into(), 2).to_string());
    r["insurance"] = json!(Decimal::new(insurance.into(), 2).to_string());
    let lines: Vec<Value> = pieces
        .iter()
        .enumerate()
        .map(|(i, p)| {
            json!({"id": format!("L{i}"), "unit_price": Decimal::new(p.cents.into(), 2).to_string(), "quantity": p.quantity,
                "discount": Decimal::new((p.off.min(p.cents)).into(), 2).to_string(), "hs": HS[p.hs], "origin": ORIGINS[p.origin],
                "rates": {"duty": "0.047", "consumption_tax": "0.15", "postal_class": "0.20"},
                "facts": {"section_301_list": "4A", "ad_cvd": false}})
        })
        .collect();
    r["lines"] = json!(lines);
    r
}

fn by_id(q: &Value) -> Vec<Value> {
    let mut lines = q["lines"].as_array().unwrap().clone();
    lines.sort_by_key(|l| l["id"].as_str().unwrap().to_owned());
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Charges add up to lines, lines to totals, totals to the landed cost, to the cent; nothing is negative.
    #[test]
    fn everything_adds_up(scene in 0..SCENES.len(), pieces in pieces(), freight in 0_u32..9_000, insurance in 0_u32..500) {
        let q = ask(&order(scene, &pieces, freight, insurance).to_string());
        adds_up(&q, SCENES[scene]);
    }

    /// Without anything to share, the order of the lines is of no consequence at all.
    #[test]
    fn permuting_lines_changes_nothing(scene in 2_usize..6, pieces in pieces(), turn in 0_usize..7) {
        let straight = order(scene, &pieces, 0, 0);
        let mut turned = straight.clone();
        let n = pieces.len();
        turned["lines"].as_array_mut().unwrap().rotate_left(turn % n);
        let (a, b) = (ask(&straight.to_string()), ask(&turned.to_string()));
        prop_assert_eq!(by_id(&a), by_id(&b));
        prop_assert_eq!(&a["totals"], &b["totals"]);
    }

    /// With freight to share only a tie of remainders (C3: the lower index) may tell one order from another.
    #[test]
    fn permuting_lines_changes_nothing_but_ties(pieces in pieces(), freight in 1_u32..9_000, turn in 0_usize..7) {
        let straight = order(2, &pieces, freight, 0);
        let mut turned = straight.clone();
        let n = pieces.len();
        turned["lines"].as_array_mut().unwrap().rotate_left(turn % n);
        let values: Vec<u64> = pieces.iter().map(|p| u64::from(p.cents * p.quantity - p.off.min(p.cents))).collect();
        let total: u64 = values.iter().sum();
        let mut remainders: Vec<u64> = values.iter().map(|v| (u64::from(freight) * v) % total.max(1)).collect();
        remainders.sort_unstable();
        remainders.dedup();
        prop_assume!(total > 0 && remainders.len() == n);
        prop_assert_eq!(by_id(&ask(&straight.to_string())), by_id(&ask(&turned.to_string())));
    }

    /// A pinned quote does not care what the packs say today.
    #[test]
    fn a_later_pack_never_changes_a_pinned_quote(pieces in pieces(), freight in 0_u32..5_000) {
        static SETS: std::sync::OnceLock<PackSet> = std::sync::OnceLock::new();
        let later = SETS.get_or_init(|| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/duty/eu.toml");
            let text = std::fs::read_to_string(path).unwrap();
            let new = text.replace("amount = \"3\"", "amount = \"7\"").replace("upto = \"150\"", "upto = \"90\"").replace("over = \"150\"", "over = \"90\"");
            let mut set = PackSet::from_texts([("eu.toml", new.as_str())], []).unwrap();
            set.keep_older(packs().clone());
            set
        });
        let mut r = order(0, &pieces, freight, 0);
        let stored = Engine::new(packs()).quote(&Request::parse(&r.to_string()).unwrap()).unwrap();
        r["pack_versions"] = json!(stored.packs);
        let again = Engine::new(later).quote(&Request::parse(&r.to_string()).unwrap()).unwrap();
        prop_assert_eq!(serde_json::to_string(&stored).unwrap(), serde_json::to_string(&again).unwrap());
    }

    /// Bounds hold: whatever the missing rate turns out to be, the answer lies between them.
    #[test]
    fn the_answer_lies_within_the_bounds(pieces in pieces(), rate in 0_u32..40) {
        let mut open = order(4, &pieces, 0, 0);
        for l in open["lines"].as_array_mut().unwrap() {
            l["rates"] = json!({});
            l["facts"] = json!({"ad_cvd": false});
        }
        let mut known = open.clone();
        for l in known["lines"].as_array_mut().unwrap() {
            l["rates"] = json!({"duty": Decimal::new(rate.into(), 2).to_string()});
            l["facts"]["section_301_list"] = json!("3");
        }
        let (open, known) = (ask(&open.to_string()), ask(&known.to_string()));
        let dec = |v: &Value| v.as_str().unwrap().parse::<Decimal>().unwrap();
        prop_assert_eq!(&open["status"], "indeterminate");
        prop_assert!(dec(&open["bounds"]["taxes"]["low"]) <= dec(&known["totals"]["taxes"]));
    }

    /// The refunds of all pieces add up to the charge, in whatever steps they come.
    #[test]
    fn partial_refunds_add_up(minor in 0_i64..10_000_000, steps in prop::collection::vec(1_u32..6, 1..8)) {
        let charged = Money::from_minor(minor, Currency::EUR);
        let quantity: Decimal = steps.iter().map(|s| Decimal::from(*s)).sum();
        let (mut before, mut back) = (Decimal::ZERO, Money::zero(Currency::EUR));
        for s in steps {
            let part = refund::refund(charged, quantity, before, Decimal::from(s)).unwrap();
            prop_assert!(!part.is_negative());
            back = back.try_add(part).unwrap();
            before += Decimal::from(s);
        }
        prop_assert_eq!(back, charged);
    }
}

/// A long order: 3 EUR per distinct HS6, whatever the number of lines, and every cent of the freight in its place.
#[test]
fn an_order_of_ten_thousand_lines_adds_up() {
    let pieces: Vec<Piece> = (0..10_000)
        .map(|i| Piece { cents: 1, quantity: 1, off: 0, hs: i % HS.len(), origin: i % ORIGINS.len() })
        .collect();
    let q = ask(&order(0, &pieces, 777, 0).to_string());
    adds_up(&q, "ten thousand lines");
    assert_eq!(q["status"], "complete");
    assert_eq!(q["totals"]["goods"], "100.00");
    assert_eq!(q["totals"]["freight"], "7.77");
    assert_eq!(q["totals"]["duty"], "18.00"); // six codes × 3
}

/// 10.00 over three pieces: 3.33, then 6.67 − 3.33 = 3.34, then 10.00 − 6.67 = 3.33.
#[test]
fn a_refund_by_the_piece() {
    let charged = Money::from_minor(1000, Currency::EUR);
    let three = Decimal::from(3);
    let back: Vec<i64> = (0..3)
        .map(|n| refund::refund(charged, three, Decimal::from(n), Decimal::ONE).unwrap().minor())
        .collect();
    assert_eq!(back, [333, 334, 333]);
    assert!(refund::refund(charged, three, three, Decimal::ONE).is_err());
}

/// W5, line 1: duty 3.00 and VAT 8.17 on two T-shirts: the first takes 1.50 and 4.09 back, the second 1.50 and 4.08.
#[test]
fn a_return_reverses_every_charge_of_the_line() {
    let text = r#"{"destination": {"country": "DE"}, "legal_event_at": "2026-07-10T12:00:00+02:00", "currency": "EUR", "scheme": "ioss", "freight": "5",
        "lines": [{"id": "1", "unit_price": "18", "quantity": 2, "hs": "610910"}, {"id": "2", "unit_price": "9", "hs": "392690"}]}"#;
    let q = Engine::new(packs()).quote(&Request::parse(text).unwrap()).unwrap();
    let two = Decimal::TWO;
    let of = |before| -> Vec<(String, i64)> {
        let back = refund::line(&q.lines[0], two, before, Decimal::ONE).unwrap();
        back.iter().map(|r| (r.layer.to_string(), r.amount.minor())).collect()
    };
    assert_eq!(of(Decimal::ZERO), [("EU-LV-3EUR".to_owned(), 150), ("DE.VAT.standard".to_owned(), 409)]);
    assert_eq!(of(Decimal::ONE), [("EU-LV-3EUR".to_owned(), 150), ("DE.VAT.standard".to_owned(), 408)]);
}

/// China's counter: per buyer and year, by hash; a refund gives back to the year of the order, never below zero.
#[test]
fn the_yearly_counter_predicts_and_refunds_give_back() {
    let key = |id: &str| BuyerKey::new(b"salt", id);
    let (wang, li) = (key("11010519491231002x"), key("440524188001010014"));
    assert_eq!(wang, key(" 11010519491231002X "));
    assert_ne!(wang, BuyerKey::new(b"other salt", "11010519491231002X"));
    assert!(!format!("{wang:?}").contains("11010519491231002"));
    let mut c = YearCounter::default();
    c.add(wang.clone(), 2026, Decimal::from(25_000));
    c.add(wang.clone(), 2026, Decimal::from(900));
    c.add(li.clone(), 2026, Decimal::from(10));
    assert_eq!(c.total(&wang, 2026), Decimal::from(25_900));
    assert_eq!(c.total(&wang, 2027), Decimal::ZERO);
    let quote = |before: Decimal| {
        ask(&format!(
            r#"{{"destination": {{"country": "CN"}}, "legal_event_at": "2026-08-01T12:00:00+08:00", "currency": "CNY", "scheme": "cbec_9610",
                "buyer": {{"year_total_before": "{before}"}}, "lines": [{{"id": "1", "unit_price": "200", "hs": "420222"}}]}}"#
        ))
    };
    assert_eq!(quote(c.total(&wang, 2026))["status"], "not_eligible"); // 26,100
    c.give_back(wang.clone(), 2026, Decimal::from(900));
    let q = quote(c.total(&wang, 2026));
    assert_eq!((&q["status"], &q["year_total_after"]), (&json!("complete"), &json!("25200.00")));
    c.give_back(li.clone(), 2026, Decimal::from(50));
    assert_eq!(c.total(&li, 2026), Decimal::ZERO);
}
