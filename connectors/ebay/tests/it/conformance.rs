//! The conformance suite, over the fixtures.

use serde::Deserialize;
use tradewind_connector::role::{PriceChange, StockChange};
use tradewind_connector::{CallCx, Cursor, Facet, Handle, Safety, Window};
use tradewind_domain::{CancelReason, ListingRef, Offer, Order, OrderId, RefundRequest, ShipmentNotice};
use tradewind_testkit::suite::{Answer, Call, Suite, json};

/// Expired tokens say so in eBay's own words.
const DEAD: &str = r#"{"errors":[{"errorId":1001,"domain":"OAuth","category":"REQUEST","message":"Invalid access token","longMessage":"Invalid access token. Check the value of the Authorization HTTP request header."}]}"#;
const BROKEN: &str = r#"{"errors":[{"errorId":25001,"domain":"API_INVENTORY","category":"APPLICATION","message":"A system error has occurred.","longMessage":"Internal error. Please try again later."}]}"#;
const MANY: &str = r#"{"errors":[{"errorId":2001,"domain":"ACCESS","category":"REQUEST","message":"Too many requests.","longMessage":"The request limit has been reached for the resource."}]}"#;
const NO_XSD: &str = "the Trading API has a service definition (WSDL), not an OpenAPI document";

#[derive(Deserialize)]
struct Part {
    #[serde(flatten)]
    window: Window,
    #[serde(default)]
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
struct ById {
    id: OrderId,
}

#[derive(Deserialize)]
struct Wish {
    reason: CancelReason,
    order: Order,
}

#[derive(Deserialize)]
struct Words {
    words: String,
}

#[derive(Deserialize)]
struct InCategory {
    category: String,
}

/// A call of a marketplace facet: the facet's accessor, and what is done with it.
macro_rules! call {
    ($op:literal, $facet:ident, $safety:ident, $accessor:ident, |$f:ident, $input:ident| $body:expr) => {
        Call::new($op, Facet::$facet, Safety::$safety, |c, $input| async move {
            let $f = c.marketplace().and_then(|m| m.$accessor()).ok_or_else(json::absent)?;
            $body
        })
    };
}

fn key() -> CallCx {
    CallCx::keyed("k1")
}

fn listing_calls(suite: Suite) -> Suite {
    suite
        .call(call!("listings.put", Offers, Natural, offers, |f, input| {
            let offers: Vec<Offer> = json::read(input)?;
            json::outcomes(f.put(&key(), &offers).await?)
        }))
        .call(call!("listings.withdraw", Withdraw, Read, offers, |f, input| {
            let keys: Vec<ListingRef> = json::read(input)?;
            json::outcomes(f.withdraw(&key(), &keys).await?)
        }))
        .call(call!("stock.set", Stock, Natural, stock, |f, input| {
            let changes: Vec<StockChange> = json::read(input)?;
            json::outcomes(f.set(&key(), &changes).await?)
        }))
        .call(call!("prices.set", Prices, Read, prices, |f, input| {
            let changes: Vec<PriceChange> = json::read(input)?;
            json::outcomes(f.set(&key(), &changes).await?)
        }))
        .call(call!("listings.read", Listings, Read, listings, |f, input| {
            let keys: Vec<ListingRef> = json::read(input)?;
            json::write(f.read(&CallCx::new(), &keys).await?)
        }))
        .call(
            call!("listings.sweep", Listings, Read, listings, |f, input| {
                let next: Next = json::read(input)?;
                json::write(f.sweep(&CallCx::new(), next.cursor.as_ref()).await?)
            })
            .paged(),
        )
        .call(call!("categories.find", Categories, Read, categories, |f, input| {
            let wanted: Words = json::read(input)?;
            json::write(f.find(&CallCx::new(), &wanted.words).await?)
        }))
        .call(call!("categories.attributes", Categories, Read, categories, |f, input| {
            let wanted: InCategory = json::read(input)?;
            json::write(f.attributes(&CallCx::new(), &wanted.category).await?)
        }))
}

fn order_calls(suite: Suite) -> Suite {
    suite
        .call(
            call!("orders.changed", Orders, Read, orders, |f, input| {
                let part: Part = json::read(input)?;
                json::write(f.changed(&CallCx::new(), part.window, part.cursor.as_ref()).await?)
            })
            .paged(),
        )
        .call(call!("orders.get", Orders, Read, orders, |f, input| {
            let wanted: ById = json::read(input)?;
            json::write(f.get(&CallCx::new(), &wanted.id).await?)
        }))
        .call(call!("orders.ship", Ship, Read, order_actions, |f, input| {
            let notice: ShipmentNotice = json::read(input)?;
            json::write(f.ship(&key(), &notice).await?)
        }))
        .call(call!("orders.refund", Refund, Unsafe, order_actions, |f, input| {
            let refund: RefundRequest = json::read(input)?;
            json::write(f.refund(&key(), &refund).await?)
        }))
        .call(call!("orders.refund_poll", Refund, Read, order_actions, |f, input| {
            let handle: Handle = json::read(input)?;
            json::write(f.poll(&CallCx::new(), &handle).await?)
        }))
        .call(call!("orders.cancel", Cancel, Read, order_actions, |f, input| {
            let wish: Wish = json::read(input)?;
            json::write(f.cancel(&key(), &wish.order, wish.reason).await?)
        }))
}

fn money_calls(suite: Suite) -> Suite {
    suite
        .call(
            call!("transactions.changed", Transactions, Read, transactions, |f, input| {
                let part: Part = json::read(input)?;
                json::write(f.changed(&CallCx::new(), part.window, part.cursor.as_ref()).await?)
            })
            .paged(),
        )
        .call(
            call!("payouts.changed", Payouts, Read, payouts, |f, input| {
                let part: Part = json::read(input)?;
                json::write(f.changed(&CallCx::new(), part.window, part.cursor.as_ref()).await?)
            })
            .paged(),
        )
}

/// Legacy listings, by item id.
fn trading_calls(suite: Suite) -> Suite {
    suite
        .call(
            call!("trading.read", Listings, Read, listings, |f, input| {
                let keys: Vec<ListingRef> = json::read(input)?;
                json::write(f.read(&CallCx::new(), &keys).await?)
            })
            .without_spec(NO_XSD),
        )
        .call(
            call!("trading.stock", Stock, Natural, stock, |f, input| {
                let changes: Vec<StockChange> = json::read(input)?;
                json::outcomes(f.set(&key(), &changes).await?)
            })
            .without_spec(NO_XSD),
        )
        .call(
            call!("trading.price", Prices, Read, prices, |f, input| {
                let changes: Vec<PriceChange> = json::read(input)?;
                json::outcomes(f.set(&key(), &changes).await?)
            })
            .without_spec(NO_XSD),
        )
        .call(
            call!("trading.withdraw", Withdraw, Read, offers, |f, input| {
                let keys: Vec<ListingRef> = json::read(input)?;
                json::outcomes(f.withdraw(&key(), &keys).await?)
            })
            .without_spec(NO_XSD),
        )
}

#[tokio::test]
async fn conformance() {
    let suite = Suite::new(&tradewind_ebay::FACTORY, env!("CARGO_MANIFEST_DIR"))
        .secret("client_secret", "PRD-conformance-0001")
        .secret("refresh_token", "v^1.1#conformance-refresh")
        // The test key of RFC 9421 B.1.4.
        .secret("signing_key", "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
        .token(
            "/identity/v1/oauth2/token",
            Answer::json(
                200,
                r#"{"access_token":"v^1.1#tok-1","expires_in":7200,"token_type":"User Access Token"}"#,
            ),
        )
        // Each attempt is signed anew, at its own second.
        .volatile(&["signature-input", "signature"])
        .unauthorized(Answer::json(401, DEAD))
        .broken(Answer::json(500, BROKEN))
        .throttled(Answer::json(429, MANY));
    let report = trading_calls(money_calls(order_calls(listing_calls(suite)))).run().await;
    report.assert();
}
