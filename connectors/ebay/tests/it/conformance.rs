//! The conformance suite, over the fixtures.

use tradewind_connector::{CallCx, Facet, Handle, Safety};
use tradewind_testkit::{Answer, Call, Suite, calls, json};

/// Expired tokens say so in eBay's own words.
const DEAD: &str = r#"{"errors":[{"errorId":1001,"domain":"OAuth","category":"REQUEST","message":"Invalid access token","longMessage":"Invalid access token. Check the value of the Authorization HTTP request header."}]}"#;
const BROKEN: &str = r#"{"errors":[{"errorId":25001,"domain":"API_INVENTORY","category":"APPLICATION","message":"A system error has occurred.","longMessage":"Internal error. Please try again later."}]}"#;
const MANY: &str = r#"{"errors":[{"errorId":2001,"domain":"ACCESS","category":"REQUEST","message":"Too many requests.","longMessage":"The request limit has been reached for the resource."}]}"#;

fn listing_calls(suite: Suite) -> Suite {
    suite
        .call(
            calls::put("listings.put", Safety::Natural)
                .writes("offers.create_all", Safety::ReadBack)
                .read_back("MUG-1", "listings.put/one_known_one_refused"),
        )
        .call(calls::withdraw("listings.withdraw", Safety::Natural))
        .call(calls::stock("stock.set", Safety::Natural))
        .call(calls::prices("prices.set", Safety::Natural))
        .call(calls::read("listings.read", Safety::Read))
        .call(calls::sweep("listings.sweep", Safety::Read).paged().records("/inventoryItems"))
        .call(calls::categories("categories.find", Safety::Read))
        .call(calls::attributes("categories.attributes", Safety::Read))
}

fn order_calls(suite: Suite) -> Suite {
    suite
        .call(calls::orders("orders.changed", Safety::Read).paged().records("/orders"))
        .call(calls::order("orders.get", Safety::Read))
        .call(calls::ship("orders.ship", Safety::ReadBack).read_back("1234567890", "orders.ship/told_before"))
        .call(calls::refund_order("orders.refund", Safety::Unsafe))
        .call(Call::new("orders.refund_poll", Facet::Orders, Safety::Read, |c, input| async move {
            let actions = c.marketplace().and_then(|m| m.order_actions()).ok_or_else(json::absent)?;
            let handle: Handle = json::read(input)?;
            json::write(actions.poll(&CallCx::new(), &handle).await?)
        }))
        .call(
            calls::cancel("orders.cancel", Safety::ReadBack)
                .read_back("01-03955-36441", "orders.cancel/already_cancelled"),
        )
        .call(calls::returns("returns.changed", Safety::Read).paged().records("/members"))
}

fn money_calls(suite: Suite) -> Suite {
    suite
        .call(calls::transactions("transactions.changed", Safety::Read).paged().records("/transactions"))
        .call(calls::payouts("payouts.changed", Safety::Read).paged().records("/payouts"))
        .call(calls::disputes("disputes.changed", Safety::Read).paged().records("/paymentDisputeSummaries"))
}

/// Legacy listings, by item id.
fn trading_calls(suite: Suite) -> Suite {
    suite
        .call(calls::read("trading.read", Safety::Read))
        .call(calls::stock("trading.stock", Safety::Natural))
        .call(calls::prices("trading.price", Safety::Natural))
        .call(calls::withdraw("trading.withdraw", Safety::Natural))
}

/// Trading answers with status 200 whatever it says.
fn trading_failure() -> Answer {
    let mut answer = Answer::json(200, "");
    answer.headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
    answer.body = r#"<?xml version="1.0" encoding="UTF-8"?><Reply xmlns="urn:ebay:apis:eBLBaseComponents"><Timestamp>2026-08-01T00:00:00.000Z</Timestamp><Ack>Failure</Ack><Errors><ShortMessage>Input data is invalid.</ShortMessage><LongMessage>Input data for tag is invalid or missing.</LongMessage><ErrorCode>37</ErrorCode><SeverityCode>Error</SeverityCode><ErrorClassification>RequestError</ErrorClassification></Errors><Version>1331</Version></Reply>"#.into();
    answer
}

#[tokio::test]
async fn conformance() {
    let suite = Suite::new(&tradewind_ebay::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("client_secret", "PRD-conformance-0001")
        .secret("refresh_token", "v^1.1#conformance-refresh")
        // The test key of RFC 9421 B.1.4.
        .secret("signing_key", "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
        .optional("verification_token", "without it no address for notifications can be registered")
        .token(
            "/identity/v1/oauth2/token",
            Answer::json(
                200,
                r#"{"access_token":"v^1.1#tok-1","expires_in":7200,"token_type":"User Access Token"}"#,
            ),
        )
        // Each attempt is signed anew, at its own second.
        .fresh(&["signature-input", "signature"])
        .refuses_in_200("trading.", trading_failure())
        .never_refuses_in_200("eBay's REST says no by status; the items of a 207 are cases of their calls")
        .unauthorized(Answer::json(401, DEAD))
        .broken(Answer::json(500, BROKEN))
        .throttled(Answer::json(429, MANY));
    let report = trading_calls(money_calls(order_calls(listing_calls(suite)))).run().await;
    report.assert();
}
