//! The suite passes a right connector, and fails each wrong one for the right reason.

use std::path::Path;

use tradewind_connector::role::StockChange;
use tradewind_connector::{CallCx, Facet, Safety};
use tradewind_testkit::spec::{OpenApi, SpecSet};
use tradewind_testkit::{Answer, Call, Report, Suite, json};

use crate::corner::{Defect, FACTORY, with};

const SPEC: &str = r#"{"openapi":"3.0.0","info":{},"paths":{"/stock":{"put":{
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["sku","quantity"],
    "properties":{"sku":{"type":"string"},"quantity":{"type":"integer"}}}}}},
  "responses":{"200":{"description":"","content":{"application/json":{"schema":{"type":"object",
    "properties":{"ok":{"type":"boolean"},"code":{"type":"string"}}}}}}}}}}}"#;

async fn run(defect: Defect, fixtures: &Path) -> Report {
    with(defect);
    Suite::new(&FACTORY, env!("CARGO_MANIFEST_DIR"))
        .fixtures(fixtures)
        .secret("client_secret", "corner-secret-0001")
        .token(
            "/token",
            Answer::json(200, r#"{"access_token":"tok-1","token_type":"bearer","expires_in":3600}"#),
        )
        .throttled(Answer::json(200, r#"{"code":"SLOW"}"#))
        .fresh(&["x-sign"])
        .spec_set(SpecSet::of("corner", OpenApi::parse("corner.json", SPEC).unwrap()))
        .call(Call::new("stock.set", Facet::Stock, Safety::Natural, |c, input| async move {
            let changes: Vec<StockChange> = json::read(input)?;
            let stock = c.marketplace().and_then(|m| m.stock()).ok_or_else(json::absent)?;
            json::outcomes(stock.set(&CallCx::keyed("k1"), &changes).await?)
        }))
        .run()
        .await
}

#[tokio::test]
async fn the_suite_bites() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corner");
    let report = run(Defect::None, &fixtures).await;
    report.assert();
    assert!(report.ran() > 60, "{report}");
    if std::env::var_os("TRADEWIND_BLESS").is_some() {
        return; // a defect must never become a golden
    }
    for (defect, group, words) in [
        (Defect::WrongField, "Specification", "\"quantity\" is a required"),
        (Defect::WrongField, "Codec", "differs"),
        (Defect::KeyPerAttempt, "Faults", "another request"),
        (Defect::StaleSignature, "Faults", "not fresh"),
        (Defect::LeaksSecret, "Secrets", "client_secret"),
        (Defect::PanicsOnGarbage, "Robustness", "panic"),
        (Defect::TakesErrorForSuccess, "Codec", "taken for success"),
        (Defect::DeclaresTooMuch, "Declaration", "accessor"),
        (Defect::DeclaresTooMuch, "Manifest", "Prices"),
    ] {
        let failures = run(defect, &fixtures).await.failures();
        let found = failures.iter().any(|f| f.starts_with(group) && f.contains(words));
        assert!(found, "{defect:?} was not found as {group} '{words}': {failures:#?}");
    }
    with(Defect::None);
    // Without fixtures nothing is proven, and that is a failure.
    let empty = run(Defect::None, Path::new("/nonexistent")).await;
    assert!(!empty.failures().is_empty());
}
