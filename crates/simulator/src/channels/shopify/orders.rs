//! Orders: placed and paid at once, shipped through fulfilment orders, cancelled by a job, refunded.

use super::graphql::Field;
use super::resolve::{legacy, text, user_error, when};
use super::shop::{EU, Fulfilment, Line, Order, Refund, Shop, Transaction, sub, tax_per_mille};
use super::tree::{financial, fulfilment_tree, refund_tree, tree};
use super::{CLIENT_SECRET, CURRENCY, DOMAIN, NAME, Shopify, VERSION};
use crate::core::buyers::{Afterthought, Purchase};
use crate::core::channel::News;
use crate::core::clock::{iso_millis, iso_seconds};
use crate::core::ledger::{LineRecord, OrderRecord};
use crate::core::money;
use crate::core::world::World;
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json as j};

/// How long a cancellation job takes.
const JOB_MS: i64 = 10_000;

impl Shopify {
    pub(super) fn place_order(&self, world: &World, purchase: &Purchase) -> Option<String> {
        let mut draw = purchase.stream.clone();
        let mut shop = self.shop();
        for line in &purchase.lines {
            let v = shop.variant(&line.offer.listing)?;
            if !v.oversell && v.available < i64::from(line.quantity) {
                return None;
            }
        }
        let id = format!("gid://shopify/Order/{}", draw.digits(13));
        let buyer = purchase.buyer.clone();
        let tax_rate = tax_per_mille(&buyer.country);
        let mut lines = Vec::new();
        for (n, line) in purchase.lines.iter().enumerate() {
            let v = shop.variant(&line.offer.listing)?;
            let quantity = i64::from(line.quantity);
            v.available -= quantity;
            v.committed += quantity;
            v.shown_stock = (v.shown_stock - quantity).max(0);
            let (variant, sku) = (v.id.clone(), v.sku.clone());
            let product = shop.products.values().find(|p| p.variants.iter().any(|v| v.id == variant))?;
            lines.push(Line {
                id: sub(&id, "LineItem", n + 1),
                product: product.id.clone(),
                title: product.title.clone(),
                variant,
                sku,
                quantity,
                refunded: 0,
                shipped: 0,
                unit: line.offer.price,
                tax: money::share(line.offer.price * quantity, tax_rate, 1_000),
            });
        }
        let goods: i64 = lines.iter().map(|l| l.unit * l.quantity).sum();
        let tax: i64 = lines.iter().map(|l| l.tax).sum();
        let shipping = if goods >= 5_000 { 0 } else { 595 };
        let total = goods + tax + shipping;
        let shown_in = match buyer.country.as_str() {
            "GB" => ("GBP", 79),
            "CN" => ("CNY", 719),
            c if EU.contains(&c) => ("EUR", 92),
            _ => (CURRENCY, 100),
        };
        let paypal = shown_in.0 == CURRENCY && draw.chance(333);
        let gateway = if paypal { "paypal" } else { "shopify_payments" };
        let now = world.now_ms();
        let number = 1_001 + u64::try_from(shop.orders.len()).unwrap_or(0);
        let order = Order {
            id: id.clone(),
            number,
            buyer: buyer.clone(),
            shown_in,
            gateway,
            shipping,
            tax,
            total,
            created_ms: now,
            updated_ms: now,
            cancelled_ms: None,
            cancel_reason: None,
            transactions: vec![Transaction {
                id: sub(&id, "OrderTransaction", 1),
                kind: "SALE",
                amount: total,
                at_ms: now,
                parent: None,
            }],
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            lines,
        };
        let record = OrderRecord {
            placed_at: iso_seconds(world.now()),
            site: "online_store".into(),
            country: buyer.country.clone(),
            currency: CURRENCY.into(),
            total,
            goods,
            shipping,
            tax,
            lines: order
                .lines
                .iter()
                .map(|l| LineRecord {
                    id: l.id.clone(),
                    sku: l.sku.clone(),
                    quantity: u32::try_from(l.quantity).unwrap_or(0),
                    unit_price: l.unit,
                })
                .collect(),
            ..OrderRecord::default()
        };
        world.ledger(|l| l.placed(NAME, &id, record));
        if !paypal {
            let (name, transaction) = (format!("#{number}"), sub(&id, "OrderTransaction", 1));
            self.balance(&mut shop, world, (&id, &name), &transaction, total);
        }
        for topic in ["ORDERS_CREATE", "ORDERS_PAID"] {
            self.push(&shop, world, topic, &order);
        }
        shop.orders.insert(id.clone(), order);
        drop(shop);
        if paypal {
            world.tell(
                NAME,
                News::Paid {
                    channel: NAME.into(),
                    order: id.clone(),
                    through: "paypal".into(),
                    currency: CURRENCY.into(),
                    amount: total,
                    payer: Box::new(buyer),
                },
            );
        }
        Some(id)
    }

    /// A signed delivery, when the topic is subscribed. The body is shaped as in REST.
    fn push(&self, shop: &Shop, world: &World, topic: &str, o: &Order) {
        let addresses: Vec<&String> =
            shop.subscriptions.iter().filter(|s| s.0 == topic).map(|s| &s.1).collect();
        if addresses.is_empty() {
            return;
        }
        let lines: Vec<Value> = o
            .lines
            .iter()
            .map(|l| j!({"sku": l.sku, "quantity": l.quantity, "price": money::text(l.unit, CURRENCY)}))
            .collect();
        // A refund has a number of its own and names its order.
        let refund = o.refunds.last().filter(|_| topic == "REFUNDS_CREATE");
        let body = match refund {
            Some(r) => j!({"id": legacy(&r.id).parse::<u64>().unwrap_or(0), "admin_graphql_api_id": r.id,
                "order_id": legacy(&o.id).parse::<u64>().unwrap_or(0), "created_at": when(r.at_ms)}),
            None => j!({"id": legacy(&o.id).parse::<u64>().unwrap_or(0), "admin_graphql_api_id": o.id, "name": format!("#{}", o.number), "total_price": money::text(o.total, CURRENCY),
            "currency": CURRENCY, "financial_status": financial(o).to_lowercase(), "created_at": when(o.created_ms), "updated_at": when(o.updated_ms),
            "cancelled_at": o.cancelled_ms.map(when), "line_items": lines}),
        }
        .to_string()
        .into_bytes();
        let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(CLIENT_SECRET.as_bytes()) else { return };
        mac.update(&body);
        let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let spelled = topic.to_lowercase().replacen('_', "/", 1);
        let id = uuid::Uuid::from_u128(u128::from(crate::core::rng::number(
            world.seed(),
            &[NAME, "hook", topic, &o.id, &o.updated_ms.to_string()],
        )))
        .to_string();
        let headers = [
            ("X-Shopify-Topic", spelled.as_str()),
            ("X-Shopify-Hmac-Sha256", &signature),
            ("X-Shopify-Shop-Domain", DOMAIN),
            ("X-Shopify-API-Version", VERSION),
            ("X-Shopify-Webhook-Id", &id),
            ("X-Shopify-Event-Id", &id),
            ("X-Shopify-Triggered-At", &iso_millis(world.now())),
        ];
        let headers: Vec<(String, String)> =
            headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        for address in addresses {
            world.hook(NAME, &id, &spelled, address, headers.clone(), body.clone());
        }
    }

    /// Gives money back and books it; `cancel` when it is the whole order that ends.
    fn give_back(
        &self,
        shop: &mut Shop,
        world: &World,
        id: &str,
        back: i64,
        lines: Vec<(String, i64)>,
        cancel: bool,
    ) -> Option<Refund> {
        let now = world.now_ms();
        let o = shop.orders.get_mut(id)?;
        let n = o.refunds.len() + 1;
        let transaction = sub(id, "OrderTransaction", n + 1);
        for (line, quantity) in &lines {
            if let Some(l) = o.lines.iter_mut().find(|l| l.id == *line) {
                l.refunded += quantity;
            }
        }
        let refund = Refund {
            id: sub(id, "Refund", n),
            at_ms: now,
            amount: back,
            transaction: transaction.clone(),
            lines,
        };
        o.transactions.push(Transaction {
            id: transaction.clone(),
            kind: "REFUND",
            amount: back,
            at_ms: now,
            parent: Some(sub(id, "OrderTransaction", 1)),
        });
        o.refunds.push(refund.clone());
        o.updated_ms = now;
        let (paypal, name) = (o.gateway == "paypal", format!("#{}", o.number));
        if !paypal {
            self.balance(shop, world, (id, &name), &transaction, -back);
        }
        if !cancel {
            world.ledger(|l| l.refunded(NAME, id, back));
        }
        if paypal {
            world.tell(
                NAME,
                News::Refunded {
                    channel: NAME.into(),
                    order: id.to_owned(),
                    through: "paypal".into(),
                    currency: CURRENCY.into(),
                    amount: back,
                },
            );
        }
        Some(refund)
    }

    /// Cancels the whole order: money back, units back to the shelf.
    pub(super) fn cancel_now(&self, world: &World, id: &str, by: &str, data: &Value) {
        let mut shop = self.shop();
        let Some(o) = shop.orders.get(id) else { return };
        if o.cancelled_ms.is_some() || !o.fulfilments.is_empty() {
            return;
        }
        let (rest, lines) = (
            o.total - o.refunded(),
            o.lines.iter().map(|l| (l.id.clone(), l.quantity - l.refunded)).collect::<Vec<_>>(),
        );
        let units: Vec<(String, i64)> =
            o.lines.iter().map(|l| (l.variant.clone(), l.quantity - l.refunded)).collect();
        for (variant, quantity) in units {
            if let Some(v) = shop.variant(&variant) {
                v.available += quantity;
                v.committed -= quantity;
            }
        }
        self.give_back(&mut shop, world, id, rest, lines, true);
        if let Some(o) = shop.orders.get_mut(id) {
            o.cancelled_ms = Some(world.now_ms());
            o.cancel_reason = Some(if by == "buyer" { "CUSTOMER".into() } else { text(data.get("reason")) });
            let o = o.clone();
            self.push(&shop, world, "ORDERS_CANCELLED", &o);
            self.push(&shop, world, "ORDERS_UPDATED", &o);
        }
        world.ledger(|l| l.cancelled(NAME, id, by));
    }

    pub(super) fn second_thought(&self, world: &World, id: &str, what: Afterthought) {
        match what {
            Afterthought::Cancel => {
                // Orders for China are filed with customs at once: the shop's terms take no cancellation of them.
                if self.shop().orders.get(id).is_some_and(|o| o.buyer.country == "CN") {
                    return;
                }
                self.cancel_now(world, id, "buyer", &Value::Null);
            }
            Afterthought::Return => {
                let mut shop = self.shop();
                let Some(o) = shop.orders.get(id) else { return };
                let rest = o.total - o.refunded();
                if o.cancelled_ms.is_some() || o.fulfilments.is_empty() || rest <= 0 {
                    return;
                }
                let lines = o.lines.iter().map(|l| (l.id.clone(), l.quantity - l.refunded)).collect();
                self.give_back(&mut shop, world, id, rest, lines, false);
            }
        }
    }

    pub(super) fn delivered(&self, world: &World, tracking: &str) {
        let mut shop = self.shop();
        let now = world.now_ms();
        for o in shop.orders.values_mut() {
            let mut hit = false;
            for f in o.fulfilments.iter_mut().filter(|f| f.number == tracking) {
                f.delivered_ms = Some(now);
                hit = true;
            }
            if hit {
                o.updated_ms = now;
                world.ledger(|l| {
                    if let Some(record) = l.order(NAME, &o.id) {
                        record.delivered = true;
                    }
                });
            }
        }
    }

    pub(super) fn order_cancel(&self, world: &World, f: &Field) -> Value {
        let fail = |message: &str, code: &str| j!({"job": null, "orderCancelUserErrors": [user_error(&["orderId"], message, code)], "userErrors": []});
        let mut shop = self.shop();
        let id = f.text("orderId");
        let Some(o) = shop.orders.get(id) else { return fail("Order does not exist", "NOT_FOUND") };
        if o.cancelled_ms.is_some() {
            return fail("Order has already been cancelled", "INVALID");
        }
        if !o.fulfilments.is_empty() {
            return fail("Cannot cancel an order that has been fulfilled", "INVALID");
        }
        let job = format!(
            "gid://shopify/Job/{}",
            uuid::Uuid::from_u128(u128::from(crate::core::rng::number(world.seed(), &[NAME, "job", id])))
        );
        shop.jobs.insert(job.clone(), world.now_ms() + JOB_MS);
        drop(shop);
        world.schedule(NAME, JOB_MS, "cancel", id, j!({"reason": f.text("reason")}));
        j!({"job": {"id": job, "done": false}, "orderCancelUserErrors": [], "userErrors": []})
    }

    pub(super) fn refund_create(&self, world: &World, f: &Field) -> Value {
        let input = f.arg("input");
        let fail = |field: &[&str], message: &str| j!({"refund": null, "order": null, "userErrors": [user_error(field, message, "INVALID")]});
        let mut shop = self.shop();
        let id = text(input.get("orderId"));
        let Some(o) = shop.orders.get(&id) else { return fail(&["orderId"], "Order does not exist") };
        let list = |key: &str| input.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut lines = Vec::new();
        for item in list("refundLineItems") {
            let (line, quantity) =
                (text(item.get("lineItemId")), item.get("quantity").and_then(Value::as_i64).unwrap_or(0));
            match o.lines.iter().find(|l| l.id == line) {
                Some(l) if quantity >= 1 && quantity <= l.quantity - l.refunded => {
                    lines.push((line, quantity))
                }
                Some(_) => {
                    return fail(
                        &["refundLineItems"],
                        "Quantity cannot refund more items than were purchased",
                    );
                }
                None => return fail(&["refundLineItems"], "Line item does not exist"),
            }
        }
        let mut back = 0;
        for t in list("transactions") {
            let given = t
                .get("amount")
                .map(|a| a.as_str().map_or_else(|| a.to_string(), str::to_owned))
                .unwrap_or_default();
            match money::minor(&given, CURRENCY) {
                Some(a)
                    if a > 0 && text(t.get("kind")) == "REFUND" && text(t.get("gateway")) == o.gateway =>
                {
                    back += a
                }
                _ => return fail(&["transactions"], "The transaction is not a valid refund of this order"),
            }
            if text(t.get("parentId")) != sub(&id, "OrderTransaction", 1) {
                return fail(&["transactions"], "The parent transaction does not exist");
            }
        }
        if back > o.total - o.refunded() {
            return fail(&["transactions"], "Refund amount exceeds the refundable amount");
        }
        let refund = self.give_back(&mut shop, world, &id, back, lines, false);
        let Some((refund, o)) = refund.zip(shop.orders.get(&id)) else {
            return fail(&["orderId"], "Order does not exist");
        };
        self.push(&shop, world, "REFUNDS_CREATE", o);
        j!({"refund": refund_tree(o, &refund), "order": tree(o), "userErrors": []})
    }

    pub(super) fn fulfillment_create(&self, world: &World, f: &Field) -> Value {
        let input = f.arg("fulfillment");
        let fail = |message: &str| j!({"fulfillment": null, "userErrors": [{"field": ["fulfillment"], "message": message}]});
        let mut shop = self.shop();
        let now = world.now_ms();
        let parts =
            input.get("lineItemsByFulfillmentOrder").and_then(Value::as_array).cloned().unwrap_or_default();
        let [part] = parts.as_slice() else {
            return fail("Exactly one fulfillment order of one order is expected");
        };
        let wanted = text(part.get("fulfillmentOrderId"));
        let Some(o) = shop.orders.values_mut().find(|o| o.fulfilment_order() == wanted) else {
            return fail("Fulfillment order does not exist.");
        };
        if o.cancelled_ms.is_some() || o.open_quantity() == 0 {
            return fail("Fulfillment order is not in an open state and can't be fulfilled.");
        }
        let asked =
            part.get("fulfillmentOrderLineItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut lines = Vec::new();
        for l in &o.lines {
            let open = l.quantity - l.refunded - l.shipped;
            let id = l.id.replace("/LineItem/", "/FulfillmentOrderLineItem/");
            let quantity = if asked.is_empty() {
                open
            } else {
                asked
                    .iter()
                    .filter(|a| text(a.get("id")) == id)
                    .filter_map(|a| a.get("quantity").and_then(Value::as_i64))
                    .sum()
            };
            if quantity < 0 || quantity > open {
                return fail("Invalid fulfillment order line item quantity requested.");
            }
            if quantity > 0 {
                lines.push((l.id.clone(), quantity));
            }
        }
        if lines.is_empty() {
            return fail("Fulfillment order line item does not exist.");
        }
        let mut shipped = Vec::new();
        for (id, quantity) in &lines {
            if let Some(l) = o.lines.iter_mut().find(|l| l.id == *id) {
                l.shipped += quantity;
                shipped.push((l.variant.clone(), *quantity));
            }
        }
        let info = input.get("trackingInfo").cloned().unwrap_or_default();
        let first = |one: &str, many: &str| {
            let single = text(info.get(one));
            if single.is_empty() { text(info.get(many).and_then(|m| m.get(0))) } else { single }
        };
        let fulfilment = Fulfilment {
            id: sub(&o.id, "Fulfillment", o.fulfilments.len() + 1),
            company: text(info.get("company")),
            number: first("number", "numbers"),
            url: first("url", "urls"),
            at_ms: now,
            lines,
            delivered_ms: None,
        };
        o.fulfilments.push(fulfilment.clone());
        o.updated_ms = now;
        let (id, whole, o) = (o.id.clone(), o.open_quantity() == 0, o.clone());
        for (variant, quantity) in shipped {
            if let Some(v) = shop.variant(&variant) {
                v.committed -= quantity;
            }
        }
        if whole {
            world.ledger(|l| l.shipped(NAME, &id, &fulfilment.number));
            self.push(&shop, world, "ORDERS_FULFILLED", &o);
        }
        self.push(&shop, world, "ORDERS_UPDATED", &o);
        drop(shop);
        if whole {
            world.tell(
                NAME,
                News::Shipped { channel: NAME.into(), order: id, tracking: fulfilment.number.clone() },
            );
        }
        j!({"fulfillment": fulfilment_tree(&o, &fulfilment), "userErrors": []})
    }

    pub(super) fn tracking_update(&self, world: &World, f: &Field) -> Value {
        let mut shop = self.shop();
        let info = f.arg("trackingInfoInput");
        for o in shop.orders.values_mut() {
            if let Some(n) = o.fulfilments.iter().position(|x| x.id == f.text("fulfillmentId")) {
                if let Some(x) = o.fulfilments.get_mut(n) {
                    x.number = text(info.get("number"));
                    x.company = text(info.get("company"));
                }
                o.updated_ms = world.now_ms();
                if let Some(x) = o.fulfilments.get(n) {
                    return j!({"fulfillment": fulfilment_tree(o, x), "userErrors": []});
                }
            }
        }
        j!({"fulfillment": null, "userErrors": [{"field": ["fulfillmentId"], "message": "Fulfillment does not exist."}]})
    }
}
