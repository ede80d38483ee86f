//! Every fault at every channel, over a real socket: what strikes before a request is handled, what befalls its answer, in
//! whose words.

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use std::time::Duration;
use tradewind_simulator::{Demand, Fault, Simulator};

/// How a channel says a thing: status, and something that stands in the body.
type Words = (u16, &'static str);

struct Row {
    channel: &'static str,
    /// What the request below is called.
    operation: &'static str,
    throttled: Words,
    broken: Words,
    /// An error inside a success. `None`: a lie of this call is of another kind, or there is none.
    lie: Option<Words>,
    /// The token has run out. `None`: there is none that could.
    expired: Option<Words>,
}

/// Words as the fact sheets and specifications have them.
const TABLE: &[Row] = &[
    Row {
        channel: "aliexpress",
        operation: "aliexpress.solution.order.get",
        throttled: (200, "ApiCallLimit"),
        broken: (502, "Bad Gateway"),
        lie: Some((200, "ServiceTimeout")),
        expired: Some((200, "IllegalAccessToken")),
    },
    Row {
        channel: "amazon",
        operation: "searchOrders",
        throttled: (429, "QuotaExceeded"),
        broken: (500, "InternalFailure"),
        lie: None,
        expired: Some((403, "Unauthorized")),
    },
    Row {
        channel: "china-ceb",
        operation: "submit",
        throttled: (503, "BUSY"),
        broken: (500, "ERROR"),
        lie: Some((200, "DxpRep")),
        expired: None,
    },
    Row {
        channel: "dhl-express",
        operation: "track",
        throttled: (429, "Too Many Requests"),
        broken: (500, "Internal Server Error"),
        lie: None,
        expired: None,
    },
    Row {
        channel: "ebay",
        operation: "bulkUpdatePriceQuantity",
        throttled: (429, "2001"),
        broken: (500, "25001"),
        lie: Some((207, "25001")),
        expired: Some((401, "1001")),
    },
    Row {
        channel: "paypal",
        operation: "search.get",
        throttled: (429, "RATE_LIMIT_REACHED"),
        broken: (500, "INTERNAL_SERVER_ERROR"),
        lie: None,
        expired: Some((401, "invalid_token")),
    },
    Row {
        channel: "shopify",
        operation: "shop",
        throttled: (200, "THROTTLED"),
        broken: (503, "Service Unavailable"),
        lie: Some((200, "INTERNAL_SERVER_ERROR")),
        expired: Some((401, "Invalid API key or access token")),
    },
];

/// A request of the row's operation. It carries no login: a fault strikes before that is looked at, and what is handled is
/// refused, which is an answer as well.
fn ask(sim: &Simulator, row: &Row) -> RequestBuilder {
    // A connection that was closed on purpose may be retried by the client library itself, were it a pooled one.
    let client = Client::builder().retry(reqwest::retry::never()).build().unwrap();
    let url = |path: &str| format!("{}{path}", sim.base_url(row.channel));
    match row.channel {
        "aliexpress" => client.post(url("/sync")).form(&[("method", row.operation)]),
        "amazon" => client.get(url("/orders/2026-01-01/orders")),
        "china-ceb" => client.post(url("/cebcmsg")).body("<DxpMsg/>"),
        "dhl-express" => client.get(url("/mydhlapi/shipments/1234567890/tracking")),
        "ebay" => client.post(url("/sell/inventory/v1/bulk_update_price_quantity")).json(&json!({})),
        "paypal" => client.get(url("/v1/reporting/transactions")),
        "shopify" => client
            .post(url("/admin/api/2026-10/graphql.json"))
            .header("x-shopify-access-token", "one-that-can-run-out")
            .json(&json!({"query": "{ shop { name } }"})),
        other => panic!("no request for {other}"),
    }
}

/// Status and body; `None`: the answer did not come, or not whole.
async fn answer(sim: &Simulator, row: &Row) -> Option<(u16, String)> {
    let response = ask(sim, row).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

#[tokio::test]
async fn each_channel_and_each_fault() {
    let demand = Demand { orders_per_day: 0, ..Demand::default() };
    let hang = Duration::from_millis(30);
    let sim = Simulator::builder().seed(3).demand(demand).hang(hang).start().await.unwrap();
    let mut channels: Vec<&str> = TABLE.iter().map(|row| row.channel).collect();
    channels.sort_unstable();
    assert_eq!(channels, sim.channels(), "one row each");
    for row in TABLE {
        let honest = answer(&sim, row).await.unwrap();
        let handled = |sim: &Simulator| sim.world().journal().iter().filter(|l| l.status == honest.0).count();
        for fault in Fault::ALL {
            let list = sim.world().channel(row.channel).unwrap().lists().iter().any(|l| l.0 == row.operation);
            if fault.of_lists() && !list {
                // Does not strike; `told_otherwise` shows it at lists, and `a_list_moves_between_two_pages`.
                continue;
            }
            let before = handled(&sim);
            let begun = std::time::Instant::now();
            sim.set_fault(row.channel, Some(row.operation), fault, 1);
            let told = answer(&sim, row).await;
            let says = |words: Option<Words>| match (words, &told) {
                (Some((status, text)), Some((s, body))) => *s == status && body.contains(text),
                (None, told) => *told == Some(honest.clone()),
                _ => false,
            };
            let as_it_is = match fault {
                Fault::Drop => told.is_none(),
                Fault::Hang => told.is_none() && begun.elapsed() >= hang,
                // The journal tells the status of an answer that was cut off on its way, and 0 of one that never left.
                Fault::DropAfter => told.is_none() && handled(&sim) == before,
                Fault::Truncate => told.is_none() && handled(&sim) == before + 1,
                Fault::Delay => says(None) && begun.elapsed() >= Duration::from_millis(10),
                Fault::Throttle => says(Some(row.throttled)),
                Fault::ServerError => says(Some(row.broken)),
                Fault::Lie => says(row.lie),
                Fault::ExpireToken => says(row.expired),
                // Without a login there is no list to tell: the refusal is left as it is.
                Fault::Duplicate | Fault::Reorder | Fault::Shift => says(None),
            };
            assert!(as_it_is, "{} {}: {told:?}", row.channel, fault.name());
            let line = sim.world().journal().into_iter().rfind(|l| l.channel == row.channel).unwrap();
            assert_eq!(line.fault, Some(fault), "{}", row.channel);
            assert_eq!(answer(&sim, row).await.as_ref(), Some(&honest), "{}: once only", row.channel);
        }
    }
}

/// The list that `ids` reads, which an operation answers with, is told with its first record once more at the end, then
/// backwards, then honestly again.
pub(crate) async fn told_otherwise(
    sim: &Simulator,
    channel: &str,
    operation: &str,
    ids: impl AsyncFn() -> Vec<String>,
) {
    let honest = ids().await;
    assert!(honest.len() > 1, "{channel}: {honest:?} has no order");
    sim.set_fault(channel, Some(operation), Fault::Duplicate, 1);
    assert_eq!(ids().await, [honest.as_slice(), &honest[..1]].concat(), "{channel}");
    sim.set_fault(channel, Some(operation), Fault::Reorder, 1);
    let backwards: Vec<String> = honest.iter().rev().cloned().collect();
    assert_eq!(ids().await, backwards, "{channel}");
    assert_eq!(ids().await, honest, "{channel}");
}

#[tokio::test]
async fn a_fault_for_an_operation_that_no_channel_has_is_refused() {
    let sim = Simulator::builder().seed(3).start().await.unwrap();
    let url = format!("{}/_sim/faults", sim.base_url("amazon"));
    let set = async |body: serde_json::Value| {
        let answer = Client::new().post(&url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap()["error"].to_string())
    };
    for (channel, wrong, right) in [
        ("aliexpress", "aliexpress.solution.order.gte", "aliexpress.solution.order.get"),
        ("amazon", "searchorders", "searchOrders"),
        ("china-ceb", "submi", "submit"),
        ("dhl-express", "createShipmnt", "createShipment"),
        ("ebay", "getOrder ", "getOrder"),
        ("paypal", "transactions.search", "search.get"),
        ("shopify", "productset", "productSet"),
    ] {
        let (status, told) = set(json!({"channel": channel, "operation": wrong, "fault": "drop"})).await;
        assert_eq!(status, 400, "{channel}: {told}");
        assert!(told.contains("there are") && told.contains(right), "{told}");
        let meant = format!("did you mean `{right}`?");
        assert_eq!(told.contains(&meant), channel != "paypal", "{told}");
        assert_eq!(set(json!({"channel": channel, "operation": right, "fault": "drop"})).await.0, 200);
    }
    // Hooks are disturbed under a name that is no operation.
    assert_eq!(set(json!({"channel": "ebay", "operation": "hooks", "fault": "duplicate"})).await.0, 200);
    let (status, told) = set(json!({"channel": "ebay", "operation": "hooks", "fault": "drop"})).await;
    assert!(status == 400 && told.contains("duplicate and reorder, not by drop"), "{told}");
    let (status, told) = set(json!({"channel": "ebay", "fault": "dorp"})).await;
    assert!(status == 400 && told.contains("drop_after"), "{told}");
}
