//! Every call through the suite. The fixtures' answers have the shapes of MyDHL's OpenAPI document and are checked
//! against it where it is at hand.

use tradewind_connector::Safety;
use tradewind_testkit::{Suite, calls};

#[tokio::test]
async fn conformance() {
    Suite::new(&tradewind_dhl_express::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("username", "conformance-user")
        .secret("password", "conformance-password")
        // MyDHL echoes it; nothing hangs on it, and it is new in every attempt.
        .fresh(&["message-reference"])
        .call(calls::rates("rates", Safety::Read))
        .call(calls::book("shipments.create", Safety::ReadBack))
        .call(calls::find("shipments.find", Safety::Read))
        .call(calls::upload("shipments.upload_image", Safety::Natural))
        .call(calls::track("tracking", Safety::Read))
        .call(calls::pickup("pickups.order", Safety::Unsafe))
        .call(calls::cancel_pickup("pickups.cancel", Safety::Natural))
        .run()
        .await
        .assert();
}
