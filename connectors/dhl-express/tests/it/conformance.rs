//! Every call through the suite. The fixtures' answers have the shapes of MyDHL's OpenAPI document and are checked
//! against it where it is at hand.

use tradewind_connector::Safety;
use tradewind_testkit::{Suite, calls};

const ROUNDED: &str = "MyDHL tells charges with more decimals than the currency has";

#[tokio::test]
async fn conformance() {
    Suite::new(&tradewind_dhl_express::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("username", "conformance-user")
        .secret("password", "conformance-password")
        // MyDHL echoes it; nothing hangs on it, and it is new in every attempt.
        .fresh(&["message-reference"])
        // MyDHL's document gives amounts a step of 0.001 in whatever currency, and a booking whose charge has a decimal too many is
        // a booking all the same: its answer must not be lost. The decoder rounds half up in one named place (`wire::billed`).
        .known_deviation("rates/two_products: in JPY", ROUNDED)
        .known_deviation("rates/two_products: in KWD", ROUNDED)
        .known_deviation("shipments.create/ddp_to_germany: in JPY", ROUNDED)
        .never_refuses_in_200("MyDHL says no by status")
        .call(calls::rates("rates", Safety::Read).records("/products"))
        .call(
            calls::book("shipments.create", Safety::ReadBack).read_back("TW-1001-1", "shipments.find/there"),
        )
        .call(calls::find("shipments.find", Safety::Read))
        .call(calls::upload("shipments.upload_image", Safety::Natural))
        .call(calls::track("tracking", Safety::Read))
        .call(calls::pickup("pickups.order", Safety::Unsafe))
        .call(calls::cancel_pickup("pickups.cancel", Safety::Natural))
        .run()
        .await
        .assert();
}
