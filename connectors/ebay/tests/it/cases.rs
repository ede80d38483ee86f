//! Disputes and returns against the simulator, from the day they are opened to their end.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tradewind_connector::{CallCx, Kind, Window, all_records};
use tradewind_domain::{Dispute, DisputeState, Order, Return, ReturnState};
use tradewind_simulator::Demand;

use crate::world::World;

const DAY: u64 = 86_400;

/// Buyers who keep what they bought.
fn contented() -> Demand {
    Demand { orders_per_day: 6, days: 2, cancel_per_mille: 0, refund_per_mille: 0, ..Demand::default() }
}

impl World {
    fn ever(&self) -> Window {
        Window { from: "2026-01-01T00:00:00Z".parse().unwrap(), to: self.sim.now() }
    }

    /// A day on which something may have changed.
    fn today(&self) -> Window {
        let to = self.sim.now();
        Window { from: to.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap(), to }
    }

    async fn disputes(&self, window: Window) -> BTreeMap<String, Dispute> {
        let disputes = self.connector.payments().unwrap().disputes().unwrap();
        let all = all_records(|c| async move { disputes.changed(&CallCx::new(), window, c.as_ref()).await });
        all.await.unwrap().into_iter().map(|d| (d.id.clone(), d)).collect()
    }

    async fn returns(&self, window: Window) -> BTreeMap<String, Return> {
        let returns = self.connector.marketplace().unwrap().returns().unwrap();
        let all = all_records(|c| async move { returns.changed(&CallCx::new(), window, c.as_ref()).await });
        all.await.unwrap().into_iter().map(|r| (r.id.to_string(), r)).collect()
    }

    /// What no seller's call does; the answer's only member.
    async fn by_hand(&self, path: &str, body: &Value) -> String {
        let answer = self.raw(self.request(http::Method::POST, path).json(body).unwrap()).await;
        let value: Value = answer.json().unwrap();
        value.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    async fn sold(&self) -> Vec<Order> {
        for (sku, price) in [("MUG-1", "19.99"), ("MUG-2", "35.00")] {
            self.put(sku, sku, 200, price).await.result.unwrap();
        }
        self.sleep(2 * DAY);
        self.orders().await.into_iter().filter(|o| !o.payments.is_empty()).collect()
    }
}

#[tokio::test]
async fn a_dispute_is_seen_from_its_opening_to_its_end() {
    let w = World::start(21, contented()).await;
    let orders = w.sold().await;
    let mut opened = Vec::new();
    for order in &orders[..3] {
        opened.push(w.by_hand("/sim/payment_dispute", &json!({"order": order.id})).await);
    }
    w.sleep(1);
    let seen = w.disputes(w.ever()).await;
    for (id, order) in opened.iter().zip(&orders) {
        let d = &seen[id];
        assert_eq!((d.state, d.raw_status.as_str()), (DisputeState::NeedsResponse, "ACTION_NEEDED"));
        assert_eq!((d.amount, &d.transaction), (order.total, &order.payments[0].transaction));
        assert!(d.transaction.is_some());
        // The simulator gives five days to answer.
        let days = d.respond_by.unwrap().duration_since(d.opened_at.utc).as_hours();
        assert_eq!(days, 5 * 24);
    }
    // One is contested, one accepted, one forgotten.
    for (id, what) in [(&opened[0], "contest"), (&opened[1], "accept")] {
        let path = format!("/sell/fulfillment/v1/payment_dispute/{id}/{what}");
        let answer = w.raw(w.request(http::Method::POST, &path).json(&json!({"revision": 1})).unwrap()).await;
        assert_eq!(answer.status, 204);
    }
    let seen = w.disputes(w.ever()).await;
    let states =
        |seen: &BTreeMap<String, Dispute>| opened.iter().map(|id| seen[id].state).collect::<Vec<_>>();
    assert_eq!(
        states(&seen),
        [DisputeState::UnderReview, DisputeState::Accepted, DisputeState::NeedsResponse]
    );
    // Long after they were opened, a look at one day still sees how they ended.
    w.sleep(100 * DAY);
    let seen = w.disputes(w.today()).await;
    assert_eq!(states(&seen), [DisputeState::Won, DisputeState::Accepted, DisputeState::Lost]);
    let paid_back = |n: usize| w.sim.ledger().orders["ebay"][orders[n].id.as_str()].refunded;
    assert_eq!(
        [paid_back(0), paid_back(1), paid_back(2)],
        [0, orders[1].total.minor(), orders[2].total.minor()]
    );
    w.assert_specified();
}

#[tokio::test]
async fn without_the_scope_disputes_are_not_promised() {
    let w = World::with(22, contented(), |_| {
        "scopes = ['', 'sell.inventory', 'sell.fulfillment', 'sell.finances']\n".to_owned()
    })
    .await;
    let disputes = w.connector.payments().unwrap().disputes().unwrap();
    let refused = disputes.changed(&CallCx::new(), w.ever(), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
}

#[tokio::test]
async fn a_return_is_followed_to_its_refund() {
    let w = World::start(23, contented()).await;
    let orders = w.sold().await;
    let order = &orders[0];
    let line = &order.lines[0];
    let id = w.by_hand("/sim/return", &json!({"order": order.id, "line": line.id, "quantity": 1})).await;
    w.sleep(1);
    let mut seen = Vec::new();
    for _ in 0..8 {
        let r = w.returns(w.today()).await[&id].clone();
        assert_eq!((&r.order, r.lines.len(), r.lines[0].quantity), (&order.id, 1, 1));
        assert_eq!(r.lines[0].line, line.id);
        seen.push((r.state, r.raw_status));
        w.sleep(DAY);
    }
    // The simulator: approved after a day, shipped after three, back after six, refunded and closed after seven.
    use ReturnState::{Approved, Closed, InTransit, Received, Requested};
    let states: Vec<ReturnState> = seen.iter().map(|s| s.0).collect();
    assert_eq!(states, [Requested, Approved, Approved, InTransit, InTransit, InTransit, Received, Closed]);
    assert_eq!(seen[3].1, "ITEM_SHIPPED/ITEM_SHIPPED");
    let last = w.returns(w.today()).await[&id].clone();
    let now =
        w.connector.marketplace().unwrap().orders().unwrap().get(&CallCx::new(), &order.id).await.unwrap();
    assert_eq!(last.amount, Some(now.refunded));
    assert!(now.refunded.is_positive());
    w.assert_specified();
}
