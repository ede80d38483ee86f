//! A payment's life at the simulated PayPal, over real HTTP, every exchange held against PayPal's OpenAPI documents.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tradewind_connector::{CallCx, Kind, Submitted, Window, all_records};
use tradewind_domain::{
    CancelReason, Currency, DisputeState, Money, PayoutState, RefundRequest, TransactionId,
};
use tradewind_simulator::{Demand, Fault, Simulator};
use tradewind_testkit::{Follow, Live};

async fn start() -> (Arc<Simulator>, Live) {
    let demand = Demand { orders_per_day: 0, ..Demand::default() };
    let sim =
        Arc::new(Simulator::builder().seed(5).demand(demand).channels(["paypal"]).start().await.unwrap());
    let base = sim.base_url("paypal");
    let login = sim.credentials("paypal");
    let settings = format!(
        "endpoint = '{base}'\nclient_id = '{}'\ncurrency = 'USD'\nreports = '{base}/ppreports/outgoing'",
        login.get("client_id")
    );
    let (a, b) = (sim.clone(), sim.clone());
    let clock = Arc::new(Follow { now: move || a.now(), wait: move |d| b.advance(d) });
    let secrets = [("client_secret", login.get("client_secret"))];
    let live =
        Live::open(&tradewind_paypal::FACTORY, &settings, &secrets, clock, &["/oauth2/", "/ppreports"])
            .unwrap();
    (sim, live)
}

/// A buyer pays; the fake's own door for that.
async fn pay(sim: &Simulator, order: &str, value: &str) -> TransactionId {
    let body = json!({"channel": "shop", "order": order, "currency": "USD", "value": value, "email": "b@example.com"});
    let sent = door(sim, "/sim/pay", &body).await;
    sent["capture_id"].as_str().unwrap().parse().unwrap()
}

async fn door(sim: &Simulator, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let client = reqwest::Client::new();
    let c = sim.credentials("paypal");
    let base = sim.base_url("paypal");
    let token: serde_json::Value = client
        .post(format!("{base}/v1/oauth2/token"))
        .basic_auth(c.get("client_id"), Some(c.get("client_secret")))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let sent = client.post(format!("{base}{path}")).bearer_auth(token["access_token"].as_str().unwrap());
    sent.json(body).send().await.unwrap().json().await.unwrap()
}

fn window(sim: &Simulator) -> Window {
    let from = sim.now().checked_sub(jiff::SignedDuration::from_hours(40 * 24)).unwrap();
    Window { from, to: sim.now() }
}

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::new("USD").unwrap())
}

fn refund(id: &str, amount: Money, of: &TransactionId) -> RefundRequest {
    RefundRequest {
        id: id.parse().unwrap(),
        order: "1001".parse().unwrap(),
        lines: Vec::new(),
        amount,
        reason: CancelReason::BuyerRequest,
        transaction: Some(of.clone()),
    }
}

#[tokio::test]
async fn payment_refund_dispute_payout_statement() {
    let (sim, live) = start().await;
    let money = live.connector.payments().unwrap();
    let cx = CallCx::new();
    let capture = pay(&sim, "1001", "100.00").await;
    // The search shows rows up to three hours late.
    let search = money.transactions().unwrap();
    let rows = async || {
        let w = window(&sim);
        let cx = &cx;
        all_records(|cursor| async move { search.changed(cx, w, cursor.as_ref()).await }).await.unwrap()
    };
    assert!(rows().await.is_empty());
    sim.advance(Duration::from_secs(4 * 3_600));
    let found = rows().await;
    assert_eq!(found.len(), 1);
    // 3.49 % of 100.00 + 0.49 = 3.98; 100.00 − 3.98 = 96.02.
    assert_eq!(
        (found[0].amount, found[0].fee, found[0].net),
        (usd(10_000), Some(usd(398)), Some(usd(9_602)))
    );
    assert_eq!(found[0].order.as_ref().map(ToString::to_string).as_deref(), Some("1001"));
    // The id of the row is a valid target of a refund; the same key is the same refund.
    let refunds = money.refunds().unwrap();
    let keyed = CallCx::keyed("refund/r-1");
    let first = refunds.refund(&keyed, &refund("r-1", usd(4_000), &found[0].id)).await.unwrap();
    assert_eq!(first, Submitted::Done(()));
    refunds.refund(&keyed, &refund("r-1", usd(4_000), &found[0].id)).await.unwrap();
    // More than what is left is refused, as a business error.
    let too_much = refunds.refund(&CallCx::keyed("refund/r-2"), &refund("r-2", usd(7_000), &capture)).await;
    assert_eq!(too_much.unwrap_err().kind(), Kind::Rejected);
    let nobody: TransactionId = "0000000000000000X".parse().unwrap();
    let lost = refunds.refund(&CallCx::keyed("refund/r-3"), &refund("r-3", usd(1), &nobody)).await;
    assert_eq!(lost.unwrap_err().kind(), Kind::NotFound);
    // A dispute over what is left: 100.00 − 40.00.
    door(&sim, "/sim/dispute", &json!({"capture_id": capture.as_str()})).await;
    let cases = money.disputes().unwrap().changed(&cx, window(&sim), None).await.unwrap();
    let cases = cases.items.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!((cases.len(), cases[0].amount, cases[0].state), (1, usd(6_000), DisputeState::NeedsResponse));
    assert_eq!(cases[0].transaction, Some(capture));
    // At midnight the balance goes to the bank: 96.02 − 40.00 = 56.02 (the fee of a refund is kept).
    sim.advance(Duration::from_secs(28 * 3_600));
    let payouts = money.payouts().unwrap();
    let paid = payouts.changed(&cx, window(&sim), None).await.unwrap();
    // The window is wider than 31 days: the first span has nothing and names the next.
    let next = paid.next.clone().unwrap();
    let paid = payouts.changed(&cx, window(&sim), Some(&next)).await.unwrap();
    let paid = paid.items.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!((paid.len(), paid[0].amount, paid[0].state), (1, usd(5_602), PayoutState::Paid));
    let rows = rows().await;
    assert_eq!(rows.iter().filter(|t| t.balance_affecting).count(), 3);
    let total = Money::try_sum(usd(0).currency(), rows.iter().filter_map(|t| t.net)).unwrap();
    assert_eq!(total, usd(0), "payment, refund and withdrawal leave nothing");
    // The day's settlement report, byte for byte.
    let statements = money.statements().unwrap();
    let list = statements.list(&cx, window(&sim), None).await.unwrap();
    let list = list.items.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(list[0].id.as_str(), "STL-20260302.01.009.CSV");
    let file = statements.fetch(&cx, &list[0].id).await.unwrap();
    assert!(file.bytes.starts_with(b"RH,"));
    live.assert_exchanges(20);
}

/// Answers of 200 that say less than the truth: what they leave out comes with the next reading of the same window, and a
/// refund that is told as under way is neither done nor to be made again.
#[tokio::test]
async fn answers_that_stand_behind_lose_nothing() {
    let (sim, live) = start().await;
    let money = live.connector.payments().unwrap();
    let cx = CallCx::new();
    let lie = |operation: &str| sim.set_fault("paypal", Some(operation), Fault::Lie, 1);
    let capture = pay(&sim, "1001", "100.00").await;
    sim.advance(Duration::from_secs(4 * 3_600));
    let search = money.transactions().unwrap();
    // One span of the search, in one call.
    let day = Window { from: sim.now() - Duration::from_secs(86_400), to: sim.now() };
    let rows = async || {
        let page = search.changed(&cx, day, None).await.unwrap();
        page.items.into_iter().collect::<Result<Vec<_>, _>>().unwrap()
    };
    lie("search.get");
    assert_eq!(rows().await, [], "an index of six hours ago");
    assert_eq!(rows().await.len(), 1);

    let refunds = money.refunds().unwrap();
    let refund = refund("r-1", usd(4_000), &capture);
    lie("captures.refund");
    let told = refunds.refund(&CallCx::keyed("refund/r-1"), &refund).await.unwrap();
    assert!(matches!(&told, Submitted::Deferred(h) if h.flow == "refund" && h.step == "PENDING"), "{told:?}");
    // 100.00 − 3.98 − 40.00 = 56.02: the same key again is the same refund.
    assert_eq!(refunds.refund(&CallCx::keyed("refund/r-1"), &refund).await.unwrap(), told);
    assert_eq!(sim.ledger().money["paypal"]["USD"].held, 5_602);

    door(&sim, "/sim/dispute", &json!({"capture_id": capture.as_str()})).await;
    let disputes = money.disputes().unwrap();
    let cases = async || disputes.changed(&cx, window(&sim), None).await.unwrap().items.len();
    lie("disputes");
    assert_eq!(cases().await, 0);
    assert_eq!(cases().await, 1);

    sim.advance(Duration::from_secs(24 * 3_600));
    let statements = money.statements().unwrap();
    let files = async || statements.list(&cx, window(&sim), None).await.unwrap().items.len();
    lie("reports");
    assert_eq!(files().await, 0, "the mirror lacks the newest file, which is the only one");
    assert_eq!(files().await, 1);
    live.assert_exchanges(8);
}
