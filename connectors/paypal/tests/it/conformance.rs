//! The suite of the test kit over the fixtures. The contradictions of PayPal's own specification that the fixtures
//! meet are listed in the test kit (`spec::known`).

use tradewind_connector::Safety;
use tradewind_testkit::{Answer, Suite, calls};

const TOKEN: &str = r#"{"scope":"https://uri.paypal.com/services/reporting/search/read","access_token":"A21AAconformance","token_type":"Bearer","app_id":"APP-80W284485P519543T","expires_in":32400,"nonce":"2026-08-01T00:00:00Z"}"#;

#[tokio::test]
async fn conformance() {
    let slow = r#"{"name":"RATE_LIMIT_REACHED","message":"Too many requests. Blocked due to rate limiting.","debug_id":"90957fca61718","details":[],"links":[]}"#;
    Suite::new(&tradewind_paypal::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("client_secret", "EKconformanceSecret")
        .token("/v1/oauth2/token", Answer::json(200, TOKEN))
        .throttled(Answer::json(429, slow))
        .dead_login(Answer::json(
            401,
            r#"{"error":"invalid_client","error_description":"Client Authentication failed"}"#,
        ))
        .never_refuses_in_200("PayPal says no by status; a report that is none is a case of statements.fetch")
        .call(
            calls::transactions("transactions.search", Safety::Read).paged().records("/transaction_details"),
        )
        .call(calls::payouts("payouts.search", Safety::Read).paged().records("/transaction_details"))
        .call(
            calls::statements("statements.list", Safety::Read)
                .without_spec("PayPal serves these files by SFTP; no specification of an HTTP folder exists")
                .anonymous("the folder takes no token")
                .open_ended("half a listing is a listing"),
        )
        .call(
            calls::statement("statements.fetch", Safety::Read)
                .without_spec("PayPal serves these files by SFTP; no specification of an HTTP folder exists")
                .anonymous("the folder takes no token"),
        )
        .call(calls::refund_poll("refunds.get", Safety::Read))
        .call(calls::refund(
            "refunds.create",
            Safety::Keyed { ttl: std::time::Duration::from_secs(45 * 24 * 3600) },
        ))
        .call(calls::disputes("disputes.list", Safety::Read).paged().records("/items"))
        .run()
        .await
        .assert();
}
