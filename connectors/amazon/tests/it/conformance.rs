//! The suite of the test kit over the fixtures; requests and answers are held against Amazon's OpenAPI models.

use tradewind_connector::Safety;
use tradewind_testkit::{Answer, Suite, calls};

const TOKEN: &str = r#"{"access_token":"Atza|conformanceAccess","refresh_token":"Atzr|x","token_type":"bearer","expires_in":3600}"#;

#[tokio::test]
async fn conformance() {
    let slow = r#"{"errors":[{"code":"QuotaExceeded","message":"You exceeded your quota for the requested resource.","details":""}]}"#;
    let expired = r#"{"errors":[{"code":"Unauthorized","message":"Access to requested resource is denied.","details":"The access token you provided has expired."}]}"#;
    Suite::new(&tradewind_amazon::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("client_secret", "amzn1.oa2-cs.v1.conformance")
        .secret("refresh_token", "Atzr|conformanceRefresh")
        .secret("notification_key", "conformance-notification-key")
        .optional("notification_key", "without it notifications are not taken, and orders are polled")
        .token("/auth/o2/token", Answer::json(200, TOKEN))
        .throttled(Answer::json(429, slow))
        .unauthorized(Answer::json(403, expired))
        .unspecified("tortuga-prod", "a pre-signed address is no operation of the API")
        .unmetered("tortuga-prod", "a pre-signed address is not the API")
        .unmetered("DRINKING_CUP.json", "a pre-signed address is not the API")
        .never_refuses_in_200("SP-API says no by status; an item that is INVALID in a 200 is a case of its call")
        .known_deviation(
            "listings.feed/happy #3: a write to be read back carries no reference",
            "createFeed takes no reference: the document that it names lists the SKUs, and these are read back",
        )
        .call(calls::put("listings.put", Safety::Natural))
        // A document that no feed refers to does nothing: what goes wrong before the feed is in no doubt.
        .call(
            calls::list("listings.feed", Safety::ReadBack)
                .writes("feeds.document", Safety::Read)
                .writes("document.download", Safety::Read)
                .read_back("CUP-RED", "listings.get/happy"),
        )
        .call(calls::withdraw("listings.delete", Safety::Natural))
        .call(calls::stock("listings.patch_stock", Safety::Natural))
        .call(calls::prices("listings.patch_price", Safety::Natural))
        .call(calls::read("listings.get", Safety::Read))
        .call(calls::sweep("listings.search", Safety::Read).paged().records("/items"))
        .call(calls::sweep("listings.report", Safety::Read))
        .call(calls::orders("orders.search", Safety::Read).paged().records("/orders"))
        .call(calls::order("orders.get", Safety::Read))
        .call(calls::ship("orders.confirm", Safety::Natural))
        .call(
            calls::cancel("feeds.cancel", Safety::Natural)
                .writes("feeds.document", Safety::Read)
                .writes("document.download", Safety::Read),
        )
        .call(
            calls::refund_order("feeds.refund", Safety::Unsafe)
                .writes("feeds.document", Safety::Read)
                .writes("document.download", Safety::Read),
        )
        .call(calls::returns("returns.list", Safety::Read))
        .call(calls::statements("reports.list", Safety::Read).paged().records("/reports"))
        .call(calls::statement("reports.document", Safety::Read))
        .call(calls::transactions("finances.transactions", Safety::Read).paged().records("/payload/transactions"))
        .call(calls::payouts("finances.groups", Safety::Read).paged().records("/payload/FinancialEventGroupList"))
        .call(calls::fees("fees.estimate", Safety::Read))
        .call(calls::categories("definitions.search", Safety::Read))
        .call(calls::attributes("definitions.get", Safety::Read))
        .run()
        .await
        .assert();
}
