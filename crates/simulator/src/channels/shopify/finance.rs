//! Shopify Payments: balance transactions and daily payouts.

use super::graphql::{Field, conn};
use super::resolve::{amount, legacy, when};
use super::search::Filter;
use super::shop::{Balance, Payout, Shop};
use super::{CURRENCY, NAME, Shopify};
use crate::core::clock::{DAY_MS, iso_seconds};
use crate::core::ledger::PayoutRecord;
use crate::core::money;
use crate::core::world::World;
use serde_json::{Value, json as j};

/// 2.9 % and 0.30.
pub(super) fn fee(total: i64) -> i64 {
    money::share(total, 29, 1_000) + 30
}

impl Shopify {
    /// Money came in (`amount` > 0) or went back through Shopify Payments.
    pub(super) fn balance(
        &self,
        shop: &mut Shop,
        world: &World,
        order: (&str, &str),
        transaction: &str,
        amount: i64,
    ) {
        let fee = if amount > 0 { fee(amount) } else { 0 };
        shop.balances.push(Balance {
            id: transaction.replace("/OrderTransaction/", "/ShopifyPaymentsBalanceTransaction/"),
            kind: if amount > 0 { "CHARGE" } else { "REFUND" },
            source: if amount > 0 { "CHARGE" } else { "REFUND" },
            order: Some((order.0.to_owned(), order.1.to_owned())),
            transaction: Some(transaction.to_owned()),
            amount,
            fee,
            at_ms: world.now_ms(),
            payout: None,
        });
        world.ledger(|l| {
            l.fee(NAME, CURRENCY, fee);
            l.money(NAME, CURRENCY).held += amount - fee;
        });
    }

    /// Every midnight what is in the balance is scheduled for payout; the bank has it a day later.
    pub(super) fn payout(&self, world: &World, day: u32) {
        let mut shop = self.shop();
        let id = format!("gid://shopify/ShopifyPaymentsPayout/{}", 90_010_000 + u64::from(day));
        let mut net = 0;
        let mut any = false;
        for b in shop.balances.iter_mut().filter(|b| b.payout.is_none()) {
            b.payout = Some(id.clone());
            net += b.amount - b.fee;
            any = true;
        }
        if !any {
            return;
        }
        let now = world.now_ms();
        shop.balances.push(Balance {
            id: format!("gid://shopify/ShopifyPaymentsBalanceTransaction/{}", 91_010_000 + u64::from(day)),
            kind: "TRANSFER",
            source: "TRANSFER",
            order: None,
            transaction: None,
            amount: -net,
            fee: 0,
            at_ms: now,
            payout: Some(id.clone()),
        });
        shop.payouts.insert(id.clone(), Payout { id: id.clone(), at_ms: now, status: "SCHEDULED", net });
        drop(shop);
        world.schedule(NAME, DAY_MS, "payout", &id, Value::Null);
    }

    pub(super) fn payout_paid(&self, world: &World, id: &str) {
        let mut shop = self.shop();
        let Some(p) = shop.payouts.get_mut(id) else { return };
        p.status = "PAID";
        let net = p.net;
        let mut orders: Vec<String> = shop
            .balances
            .iter()
            .filter(|b| b.payout.as_deref() == Some(id))
            .filter_map(|b| b.order.as_ref().map(|o| o.0.clone()))
            .collect();
        orders.dedup();
        drop(shop);
        let record =
            PayoutRecord { currency: CURRENCY.into(), amount: net, at: iso_seconds(world.now()), orders };
        world.ledger(|l| {
            l.paid_out(NAME, id, record);
            l.money(NAME, CURRENCY).held -= net;
        });
    }

    pub(super) fn payments(&self, fields: &[Field]) -> Value {
        let shop = self.shop();
        let find = |name: &str| fields.iter().find(|f| f.name == name);
        let filter = Filter::read(find("balanceTransactions").map_or("", |f| f.text("query")));
        let hide = find("balanceTransactions").is_some_and(|f| f.arg("hideTransfers") == &Value::Bool(true));
        let rows = shop
            .balances
            .iter()
            .filter(|b| !(hide && b.kind == "TRANSFER"))
            .filter(|b| {
                filter.holds(|field| match field {
                    "payments_transfer_id" => Some(b.payout.as_deref().map(legacy).unwrap_or_default()),
                    "processed_at" => Some(when(b.at_ms)),
                    "id" => Some(legacy(&b.id)),
                    _ => None,
                })
            })
            .map(|b| {
                let payout = b.payout.as_ref().and_then(|id| shop.payouts.get(id));
                let order = b.order.as_ref().map(|(id, name)| j!({"id": id, "name": name}));
                j!({"__cursor": format!("{:016}|{}", b.at_ms, b.id), "id": b.id, "type": b.kind, "sourceType": b.source, "test": false,
                    "amount": amount(b.amount, CURRENCY), "fee": amount(b.fee, CURRENCY), "net": amount(b.amount - b.fee, CURRENCY),
                    "transactionDate": when(b.at_ms), "sourceId": b.transaction.as_deref().map(legacy), "sourceOrderTransactionId": b.transaction.as_deref().map(legacy),
                    "associatedOrder": order, "associatedPayout": {"id": b.payout, "status": payout.map_or("PENDING", |p| p.status)},
                    "adjustmentReason": null, "adjustmentsOrders": []})
            })
            .collect();
        let asked = Filter::read(find("payouts").map_or("", |f| f.text("query")));
        let payouts = shop
            .payouts
            .values()
            .filter(|p| {
                asked.holds(|field| match field {
                    "id" => Some(legacy(&p.id)),
                    "status" => Some(p.status.to_owned()),
                    "issued_at" => Some(when(p.at_ms)),
                    _ => None,
                })
            })
            .map(|p| {
                let of = |kind: &str| shop.balances.iter().filter(|b| b.payout.as_ref() == Some(&p.id) && b.kind == kind).fold((0, 0), |s, b| (s.0 + b.amount, s.1 + b.fee));
                let (charges, refunds) = (of("CHARGE"), of("REFUND"));
                let cash = |minor: i64| amount(minor, CURRENCY);
                j!({"__cursor": format!("{:016}|{}", p.at_ms, p.id), "id": p.id, "legacyResourceId": legacy(&p.id), "issuedAt": when(p.at_ms), "status": p.status,
                    "transactionType": if p.net < 0 { "WITHDRAWAL" } else { "DEPOSIT" }, "net": cash(p.net), "gross": cash(p.net), "externalTraceId": format!("SIM{}", legacy(&p.id)),
                    "summary": {"chargesGross": cash(charges.0), "chargesFee": cash(charges.1), "refundsFeeGross": cash(refunds.0), "refundsFee": cash(refunds.1),
                        "adjustmentsGross": cash(0), "adjustmentsFee": cash(0), "reservedFundsGross": cash(0), "reservedFundsFee": cash(0),
                        "retriedPayoutsGross": cash(0), "retriedPayoutsFee": cash(0)}})
            })
            .collect();
        let open: i64 = shop.balances.iter().filter(|b| b.payout.is_none()).map(|b| b.amount - b.fee).sum();
        j!({"id": "gid://shopify/ShopifyPaymentsAccount/1", "activated": true, "country": "US", "defaultCurrency": CURRENCY,
            "balance": [amount(open, CURRENCY)], "payouts": conn(payouts), "balanceTransactions": conn(rows)})
    }
}
