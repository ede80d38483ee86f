//! The worked examples.

use super::ask;

/// W1: bag 1,200 + freight 80 CNY, VAT 13 %, no consumption tax: 1,280 × 0.13 × 0.7 = 116.48.
#[test]
fn w1_china_cbec() {
    let q = ask(
        r#"{"destination": {"country": "CN"}, "legal_event_at": "2026-08-01T12:00:00+08:00", "scheme": "cbec_9610", "currency": "CNY",
            "freight": "80", "buyer": {"year_total_before": "0"}, "rates": {"vat": "0.13"},
            "lines": [{"id": "1", "unit_price": "1200", "hs": "420222", "rates": {"consumption_tax": "0"}}]}"#,
    );
    assert_eq!(q["totals"]["vat"], "116.48");
    assert_eq!(q["totals"]["duty"], "0.00");
    assert_eq!(q["totals"]["landed"], "1396.48");
}
