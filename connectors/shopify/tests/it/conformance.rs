//! The suite of the test kit over the fixtures; documents, variables and answers are held against the schema 2026-10.

use tradewind_connector::role::Listings;
use tradewind_connector::{CallCx, Cursor, Facet, Safety, all_pages};
use tradewind_testkit::spec::SpecSet;
use tradewind_testkit::{Answer, Call, Suite, calls, json};

/// How long Shopify remembers a key (see `inventory.rs`).
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

const DENIED: &str = r#"{"errors":[{"message":"Access denied for orders field.","locations":[{"line":1,"column":9}],"path":["orders"],"extensions":{"code":"ACCESS_DENIED","documentation":"https://shopify.dev/api/usage/access-scopes"}}]}"#;

#[tokio::test]
async fn conformance() {
    // Shape of the fact sheet §14.
    let throttled = r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":202,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":2000.0,"currentlyAvailable":118,"restoreRate":100.0}}}}"#;
    let token = r#"{"access_token":"shpat_conformanceToken","scope":"read_products,write_products","expires_in":3600}"#;
    Suite::new(&tradewind_shopify::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("client_secret", "shpss_conformanceSecret")
        .optional("access_token", "a custom app has it, an app with client credentials fetches one")
        .optional("refresh_token", "only an offline token that expires has one")
        .optional("previous_client_secret", "only after a rotation")
        .token("/admin/oauth/access_token", Answer::json(200, token))
        .throttled(Answer::json(200, throttled))
        .unauthorized(Answer::json(
            401,
            r#"{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}"#,
        ))
        .unmetered("storage.googleapis.com", "the file of a bulk query is not the API")
        .refuses_in_200("", Answer::json(200, DENIED))
        .call(
            calls::put("offers.put", Safety::Natural)
                .leaves_siblings("productSet keeps a variant that is named by its id, units and all"),
        )
        .call(calls::withdraw("offers.withdraw", Safety::Natural))
        .call(calls::stock("stock.set", Safety::Keyed { ttl: DAY }))
        .call(calls::prices("prices.set", Safety::Natural))
        .call(calls::read("listings.read", Safety::Read))
        .call(calls::sweep("listings.sweep", Safety::Read).paged().records("/data/productVariants/nodes"))
        .call(bulk())
        .call(calls::categories("categories.find", Safety::Read))
        .call(calls::attributes("categories.attributes", Safety::Read))
        .call(calls::orders("orders.search", Safety::Read).paged().records("/data/orders/nodes"))
        .call(calls::order("orders.get", Safety::Read))
        .call(
            calls::ship("orders.ship", Safety::ReadBack).read_back("1234567890", "orders.ship/known-already"),
        )
        .call(calls::cancel("orders.cancel", Safety::Natural))
        .call(calls::refund_order("orders.refund", Safety::Keyed { ttl: DAY }))
        .call(
            calls::payouts("payouts.list", Safety::Read)
                .paged()
                .records("/data/shopifyPaymentsAccount/payouts/nodes"),
        )
        .call(
            calls::transactions("transactions.list", Safety::Read)
                .paged()
                .records("/data/shopifyPaymentsAccount/balanceTransactions/nodes"),
        )
        .call(
            calls::returns("returns.list", Safety::Read)
                .paged()
                .records("/data/orders/nodes/0/returns/nodes"),
        )
        .call(calls::disputes("disputes.list", Safety::Read).paged().records("/data/disputes/nodes"))
        .run()
        .await
        .assert();
}

/// A sweep to its end, through the bulk query.
fn bulk() -> Call {
    Call::new("listings.bulk", Facet::Listings, Safety::Read, |c, _| async move {
        let listings: &dyn Listings = c.marketplace().and_then(|m| m.listings()).ok_or_else(json::absent)?;
        let all = all_pages(|cursor: Option<Cursor>| async move {
            listings.sweep(&CallCx::new(), cursor.as_ref()).await
        });
        json::records(all.await?)
    })
}

/// The query of a job is a text inside a variable: it is a document of its own, held against the schema, too.
#[test]
fn the_query_of_a_job_is_one_of_the_schema() {
    let Some(set) = tradewind_material::found(SpecSet::for_channel("shopify")) else { return };
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/listings.bulk/happy/request.2");
    let golden = std::fs::read_to_string(golden).unwrap();
    let body: serde_json::Value = serde_json::from_str(golden.split_once("\n\n").unwrap().1).unwrap();
    let query = body["variables"]["q"].as_str().unwrap();
    assert!(query.contains("gid://shopify/Location/1"));
    assert_eq!(set.graphql.as_ref().unwrap().request(query, &serde_json::Value::Null), []);
}
