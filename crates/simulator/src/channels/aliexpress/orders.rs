//! Orders: placed, paid, checked, shipped, received, released; cancellations and disputes.
//!
//! Stock is taken when the order is placed, whatever the deduction strategy. The platform keeps 8 % of goods
//! and shipping when it releases an order's money (`loan`), each order a payout of its own. Details tell what was released
//! of each line and of the order, and when; `escrow_fee` there is deprecated, and lists name no released amount, as in an answer
//! of 2024-03 that an integration keeps: that is for [`super::loans`].

use super::issues::part;
use super::shapes::{field, from_wall, global, global_str, simple, wall};
use super::{AliExpress, CURRENCY, Line, NAME, Order, gateway_error, remote_error};
use crate::core::buyers::{Afterthought, Purchase};
use crate::core::channel::News;
use crate::core::clock::{DAY_MS, iso_seconds};
use crate::core::ledger::{LineRecord, OrderRecord, PayoutRecord};
use crate::core::money;
use crate::core::world::{Event, World};
use serde_json::{Value, json as j};
use std::collections::BTreeMap;

/// Carriers the platform knows.
pub(super) const SERVICES: &[&str] =
    &["CAINIAO_STANDARD", "DHL", "DHL_EXPRESS", "EMS", "FEDEX", "SF", "UPS", "YANWEN_JYT", "other"];
const HOUR: i64 = 3_600_000;
/// Until an order that nobody confirms counts as received.
const PATIENCE_MS: i64 = 30 * DAY_MS;

/// The buyer's money lies with the platform until it is released, goes back, or half of it does.
fn hold(world: &World, amount: i64) {
    world.ledger(|l| l.money(NAME, CURRENCY).held += amount);
}

fn not_found() -> Value {
    remote_error("F00-00-20001-001", "The order does not exist")
}

impl AliExpress {
    pub(super) fn place_order(&self, world: &World, purchase: &Purchase) -> Option<String> {
        let mut draw = purchase.stream.clone();
        let mut shop = self.shop();
        // What buyers saw may be late: the shelf decides.
        for line in &purchase.lines {
            let id: u64 = line.offer.listing.parse().ok()?;
            let product = shop.products.get_mut(&id)?;
            if product.sku(&line.offer.sku)?.stock < u64::from(line.quantity) {
                return None;
            }
        }
        // 17 digits: beyond what a double can hold exactly.
        let id: u64 = format!("8{}", draw.digits(16)).parse().ok()?;
        let mut lines = Vec::new();
        for (n, line) in purchase.lines.iter().enumerate() {
            let product_id: u64 = line.offer.listing.parse().ok()?;
            let product = shop.products.get_mut(&product_id)?;
            let name = product.subject.clone();
            let sku = product.sku(&line.offer.sku)?;
            sku.stock = sku.stock.saturating_sub(u64::from(line.quantity));
            sku.shown_stock = sku.shown_stock.saturating_sub(u64::from(line.quantity));
            lines.push(Line {
                child: id + 1 + u64::try_from(n).unwrap_or(0),
                product: product_id,
                sku: line.offer.sku.clone(),
                name,
                quantity: line.quantity,
                unit: line.offer.price,
            });
        }
        let now = world.now_ms();
        let shipping = draw.between(0, 3) * 199;
        let goods: i64 = lines.iter().map(|l| l.unit * i64::from(l.quantity)).sum();
        let order = Order {
            id,
            status: "PLACE_ORDER_SUCCESS".into(),
            before: String::new(),
            end_reason: String::new(),
            issue: "NO_ISSUE".into(),
            issue_opened_ms: None,
            issue_changed_ms: None,
            buyer: purchase.buyer.clone(),
            lines,
            shipping,
            total: goods + shipping,
            refunded: 0,
            created_ms: now,
            updated_ms: now,
            paid_ms: None,
            shipped_ms: None,
            ended_ms: None,
            loan: None,
            parcels: Vec::new(),
        };
        let record = OrderRecord {
            placed_at: iso_seconds(world.now()),
            site: "ae_global".into(),
            country: order.buyer.country.clone(),
            currency: CURRENCY.into(),
            total: order.total,
            goods,
            shipping,
            tax: 0,
            lines: order
                .lines
                .iter()
                .map(|l| LineRecord {
                    id: l.child.to_string(),
                    sku: l.sku.clone(),
                    quantity: l.quantity,
                    unit_price: l.unit,
                })
                .collect(),
            ..OrderRecord::default()
        };
        shop.orders.insert(id, order);
        drop(shop);
        let key = id.to_string();
        world.ledger(|l| l.placed(NAME, &key, record));
        world.schedule(NAME, draw.between(60_000, 40 * 60_000), "pay", &key, Value::Null);
        Some(key)
    }

    /// Runs `f` on an order; what it returns is scheduled as (after, kind).
    fn with(&self, world: &World, key: &str, f: impl FnOnce(&mut Order) -> Option<(i64, &'static str)>) {
        let next = {
            let mut shop = self.shop();
            let Some(order) = key.parse().ok().and_then(|id: u64| shop.orders.get_mut(&id)) else { return };
            let before = order.status.clone();
            let next = f(order);
            if before != order.status || next.is_some() {
                order.updated_ms = world.now_ms();
            }
            next
        };
        if let Some((after, kind)) = next {
            world.schedule(NAME, after, kind, key, Value::Null);
        }
    }

    pub(super) fn order_event(&self, world: &World, event: &Event) {
        let now = world.now_ms();
        let key = event.key.as_str();
        match event.kind.as_str() {
            "pay" => self.with(world, key, |o| {
                if o.status != "PLACE_ORDER_SUCCESS" {
                    return None;
                }
                o.paid_ms = Some(now);
                hold(world, o.total);
                // One order in five waits a day with risk control.
                if world.stream(&[NAME, "risk", key]).chance(200) {
                    o.status = "RISK_CONTROL".into();
                    return Some((24 * HOUR, "cleared"));
                }
                o.status = "WAIT_SELLER_SEND_GOODS".into();
                None
            }),
            "cleared" => self.with(world, key, |o| {
                if o.status == "RISK_CONTROL" {
                    o.status = "WAIT_SELLER_SEND_GOODS".into();
                }
                None
            }),
            "cancelled" => self.cancelled(world, key),
            "received" => self.with(world, key, |o| {
                if o.status != "WAIT_BUYER_ACCEPT_GOODS" {
                    return None;
                }
                o.status = "FUND_PROCESSING".into();
                Some((DAY_MS, "release"))
            }),
            "judged" => self.judged(world, key),
            "release" => self.release(world, key),
            _ => {}
        }
    }

    pub(super) fn cancelled(&self, world: &World, key: &str) {
        let mut back = Vec::new();
        self.with(world, key, |o| {
            if o.status != "IN_CANCEL" {
                return None;
            }
            if o.paid_ms.is_some() {
                hold(world, -o.total);
            }
            o.status = "FINISH".into();
            o.end_reason = "buyer_cancel_order".into();
            o.ended_ms = Some(world.now_ms());
            back = o.lines.iter().map(|l| (l.product, l.sku.clone(), u64::from(l.quantity))).collect();
            None
        });
        if back.is_empty() {
            return;
        }
        let mut shop = self.shop();
        for (product, sku, quantity) in back {
            if let Some(sku) = shop.products.get_mut(&product).and_then(|p| p.sku(&sku)) {
                sku.stock += quantity;
                sku.shown_stock += quantity;
            }
        }
        drop(shop);
        world.ledger(|l| l.cancelled(NAME, key, "buyer"));
    }

    /// The platform decides a dispute: all of it, or half of it, goes back.
    fn judged(&self, world: &World, key: &str) {
        let mut amount = 0;
        self.with(world, key, |o| {
            if o.status != "IN_ISSUE" {
                return None;
            }
            let half = world.stream(&[NAME, "dispute", key]).chance(333);
            amount = if half { money::share(o.total, 1, 2) } else { o.total };
            o.refunded = amount;
            o.issue = "END_ISSUE".into();
            o.issue_changed_ms = Some(world.now_ms());
            o.status = "FUND_PROCESSING".into();
            Some((DAY_MS, "release"))
        });
        if amount > 0 {
            hold(world, -amount);
            world.ledger(|l| l.refunded(NAME, key, amount));
        }
    }

    fn release(&self, world: &World, key: &str) {
        let mut paid = None;
        self.with(world, key, |o| {
            if o.status != "FUND_PROCESSING" {
                return None;
            }
            let rest = o.total - o.refunded;
            let fee = money::share(rest, 8, 100);
            o.loan = Some((rest - fee, fee));
            o.status = "FINISH".into();
            o.end_reason = if rest == 0 { "seller_refund" } else { "buyer_accept_goods" }.into();
            o.ended_ms = Some(world.now_ms());
            paid = Some((rest - fee, fee));
            None
        });
        if let Some((amount, fee)) = paid {
            let payout = PayoutRecord {
                currency: CURRENCY.into(),
                amount,
                at: iso_seconds(world.now()),
                orders: vec![key.to_owned()],
            };
            hold(world, -(amount + fee));
            world.ledger(|l| {
                l.fee(NAME, CURRENCY, fee);
                l.paid_out(NAME, &format!("loan-{key}"), payout);
            });
        }
    }

    pub(super) fn second_thought(&self, world: &World, key: &str, what: Afterthought) {
        self.with(world, key, |o| match (what, o.status.as_str()) {
            (Afterthought::Cancel, "PLACE_ORDER_SUCCESS") => {
                o.status = "IN_CANCEL".into();
                Some((0, "cancelled"))
            }
            (Afterthought::Cancel, "WAIT_SELLER_SEND_GOODS" | "RISK_CONTROL") => {
                o.before = o.status.clone();
                o.status = "IN_CANCEL".into();
                Some((2 * HOUR, "cancelled"))
            }
            (Afterthought::Return, "WAIT_BUYER_ACCEPT_GOODS") => {
                o.status = "IN_ISSUE".into();
                o.issue = "IN_ISSUE".into();
                o.issue_opened_ms = Some(world.now_ms());
                Some((DAY_MS, "judged"))
            }
            _ => None,
        });
    }

    /// A carrier delivered: the buyer confirms three days later.
    pub(super) fn delivered(&self, world: &World, tracking: &str) {
        let keys: Vec<String> = {
            let shop = self.shop();
            let with = shop.orders.values().filter(|o| o.parcels.iter().any(|p| p.1 == tracking));
            with.map(|o| o.id.to_string()).collect()
        };
        for key in keys {
            world.ledger(|l| {
                if let Some(order) = l.order(NAME, &key) {
                    order.delivered = true;
                }
            });
            world.schedule(NAME, 3 * DAY_MS, "received", &key, Value::Null);
        }
    }

    pub(super) fn fulfil(&self, world: &World, params: &BTreeMap<String, String>) -> Result<Value, Value> {
        let get = |name: &str| params.get(name).cloned().unwrap_or_default();
        for name in ["service_name", "out_ref", "send_type", "logistics_no"] {
            if get(name).is_empty() {
                return Err(gateway_error(
                    "MissingParameter",
                    "ISV",
                    &format!("The input parameter {name} is missing"),
                ));
            }
        }
        let (service, key, number, kind) =
            (get("service_name"), get("out_ref"), get("logistics_no"), get("send_type"));
        if !SERVICES.contains(&service.as_str()) {
            return Err(remote_error("F00-00-20003-001", "The logistics service does not exist"));
        }
        if service == "other" && get("tracking_website").is_empty() {
            return Err(remote_error(
                "F00-00-20003-002",
                "tracking_website is required for the service other",
            ));
        }
        if kind != "all" && kind != "part" {
            return Err(remote_error("F00-00-20003-003", "send_type must be all or part"));
        }
        let now = world.now_ms();
        {
            let mut shop = self.shop();
            let Some(order) = key.parse().ok().and_then(|id: u64| shop.orders.get_mut(&id)) else {
                return Err(not_found());
            };
            if !["WAIT_SELLER_SEND_GOODS", "SELLER_PART_SEND_GOODS"].contains(&order.status.as_str()) {
                let status = order.status.clone();
                return Err(remote_error(
                    "F00-00-20002-001",
                    &format!("The order status {status} does not allow this operation"),
                ));
            }
            order.parcels.push((service, number.clone(), now));
            order.shipped_ms.get_or_insert(now);
            order.updated_ms = now;
            order.status =
                if kind == "all" { "WAIT_BUYER_ACCEPT_GOODS" } else { "SELLER_PART_SEND_GOODS" }.into();
        }
        if kind == "all" {
            world.ledger(|l| l.shipped(NAME, &key, &number));
            world.schedule(NAME, PATIENCE_MS, "received", &key, Value::Null);
            world.tell(NAME, News::Shipped { channel: NAME.into(), order: key.clone(), tracking: number });
        }
        Ok(j!({"result": {"result_success": true}}))
    }

    pub(super) fn list_orders(&self, query: Value) -> Result<Value, Value> {
        let size = query.get("page_size").and_then(Value::as_u64).unwrap_or(0);
        let page = query.get("current_page").and_then(Value::as_u64).unwrap_or(0);
        if !(1..=50).contains(&size) || page == 0 {
            return Err(gateway_error(
                "InvalidParameter",
                "ISV",
                "page_size must be from 1 to 50 and current_page from 1",
            ));
        }
        let mut bounds = Vec::new();
        for (name, created, from) in [
            ("create_date_start", true, true),
            ("create_date_end", true, false),
            ("modified_date_start", false, true),
            ("modified_date_end", false, false),
        ] {
            let given = field(&query, name);
            if given.is_empty() {
                continue;
            }
            match from_wall(&given) {
                Some(ms) => bounds.push((ms, created, from)),
                None => {
                    return Err(gateway_error(
                        "InvalidParameter",
                        "ISV",
                        &format!("{name} must be yyyy-MM-dd HH:mm:ss"),
                    ));
                }
            }
        }
        let mut statuses: Vec<String> = query
            .get("order_status_list")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(super::shapes::text)
            .collect();
        let one = field(&query, "order_status");
        if !one.is_empty() {
            statuses.push(one);
        }
        let shop = self.shop();
        let mut hits: Vec<&Order> = shop
            .orders
            .values()
            .filter(|o| statuses.is_empty() || statuses.contains(&listed(o)))
            .filter(|o| {
                bounds.iter().all(|(ms, created, from)| {
                    // Wall clock has whole seconds.
                    let at = if *created { o.created_ms } else { o.updated_ms } / 1_000 * 1_000;
                    if *from { at >= *ms } else { at <= *ms }
                })
            })
            .collect();
        hits.sort_by_key(|o| (std::cmp::Reverse(o.created_ms), o.id));
        let total = u64::try_from(hits.len()).unwrap_or(0);
        let from = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
        let list: Vec<Value> =
            hits.into_iter().skip(from).take(usize::try_from(size).unwrap_or(50)).map(row).collect();
        Ok(j!({"result": {"success": true, "error_code": "", "error_message": "", "total_count": total,
            "total_page": total.div_ceil(size), "page_size": size, "current_page": page, "target_list": list}}))
    }

    pub(super) fn order_info(&self, query: &Value) -> Result<Value, Value> {
        let shop = self.shop();
        let id = field(query, "order_id");
        let Some(o) = id.parse().ok().and_then(|id: u64| shop.orders.get(&id)) else {
            return Err(not_found());
        };
        let mut data = detail(o);
        // Without the flag all of it is told.
        if let Some(flags) = query.get("ext_info_bit_flag").and_then(Value::as_u64) {
            leave_out(&mut data, flags);
        }
        Ok(j!({"result": {"error_code": "0", "error_message": "", "data": data}}))
    }

    pub(super) fn receipt_info(&self, id: &str) -> Result<Value, Value> {
        let shop = self.shop();
        let Some(o) = id.parse().ok().and_then(|id: u64| shop.orders.get(&id)) else {
            return Err(not_found());
        };
        Ok(j!({"result": address(o)}))
    }
}

/// Lists cannot tell `FUND_PROCESSING` from `FINISH`.
fn listed(o: &Order) -> String {
    if o.status == "FUND_PROCESSING" { "FINISH".into() } else { o.status.clone() }
}

fn fund(o: &Order) -> &'static str {
    if o.paid_ms.is_some() { "PAY_SUCCESS" } else { "NOT_PAY" }
}

fn logistics(o: &Order) -> &'static str {
    match o.status.as_str() {
        "PLACE_ORDER_SUCCESS" => "NO_LOGISTICS",
        "SELLER_PART_SEND_GOODS" => "SELLER_SEND_PART_GOODS",
        "WAIT_BUYER_ACCEPT_GOODS" | "IN_ISSUE" => "SELLER_SEND_GOODS",
        "FUND_PROCESSING" => "BUYER_ACCEPT_GOODS",
        "FINISH" if o.shipped_ms.is_some() => "BUYER_ACCEPT_GOODS",
        "FINISH" => "NO_LOGISTICS",
        _ => "WAIT_SELLER_SEND_GOODS",
    }
}

/// Parts of a detail by the bit of `ext_info_bit_flag` that asks for them.
const PARTS: [(u64, &str); 5] =
    [(1, "issue_info"), (2, "loan_info"), (4, "logistic_info_list"), (8, "buyer_info"), (16, "refund_info")];

/// Takes away what the flags do not ask for, of the order and its lines.
fn leave_out(data: &mut Value, flags: u64) {
    let unasked: Vec<&str> =
        PARTS.iter().filter(|(bit, _)| flags & bit == 0).map(|(_, part)| *part).collect();
    let forget = |value: &mut Value| {
        if let Some(map) = value.as_object_mut() {
            unasked.iter().for_each(|part| drop(map.remove(*part)));
        }
    };
    data.get_mut("child_order_list").and_then(Value::as_array_mut).into_iter().flatten().for_each(forget);
    forget(data);
}

fn put(value: &mut Value, name: &str, v: Option<String>) {
    if let (Some(map), Some(v)) = (value.as_object_mut(), v) {
        map.insert(name.to_owned(), Value::String(v));
    }
}

fn row(o: &Order) -> Value {
    let lines: Vec<Value> = o
        .lines
        .iter()
        .map(|l| {
            j!({"order_id": o.id, "child_id": l.child, "product_id": l.product, "sku_code": l.sku, "product_name": l.name,
                "product_count": l.quantity, "product_unit": "piece", "product_unit_price": simple(l.unit, CURRENCY),
                "total_product_amount": simple(l.unit * i64::from(l.quantity), CURRENCY),
                "logistics_amount": simple(0, CURRENCY), "logistics_service_name": "Seller's Shipping Method",
                "logistics_type": "other", "son_order_status": listed(o), "show_status": listed(o),
                "issue_status": o.issue, "fund_status": fund(o), "goods_prepare_time": 7, "delivery_time": "15-30",
                "memo": "", "afflicate_fee_rate": "0.0", "escrow_fee_rate": "0.08", "can_submit_issue": o.issue == "NO_ISSUE",
                "send_goods_operator": "SELLER_SEND_GOODS"})
        })
        .collect();
    let mut v = j!({"order_id": o.id, "order_status": listed(o), "gmt_create": wall(o.created_ms), "gmt_update": wall(o.updated_ms),
        "pay_amount": simple(o.total, CURRENCY), "fund_status": fund(o), "frozen_status": "NO_FROZEN",
        "issue_status": o.issue, "logistics_status": logistics(o), "biz_type": "AE_COMMON", "payment_type": "migs",
        "buyer_login_id": o.buyer.email.split('@').next(), "buyer_signer_fullname": o.buyer.name(),
        "seller_login_id": "cnsim", "seller_signer_fullname": "Sim Seller", "end_reason": o.end_reason,
        "escrow_fee_rate": 0, "timeout_left_time": 864_000_000_i64, "has_request_loan": false,
        "product_list": lines});
    put(&mut v, "gmt_pay_time", o.paid_ms.map(wall));
    put(&mut v, "gmt_send_goods_time", o.shipped_ms.map(wall));
    v
}

fn address(o: &Order) -> Value {
    let b = &o.buyer;
    // The United Kingdom is `UK` here.
    let country = if b.country == "GB" { "UK" } else { b.country.as_str() };
    j!({"contact_person": b.name(), "country": country, "province": b.region, "city": b.city,
        "address": b.street, "address2": "", "detail_address": b.street, "localized_address": "", "zip": b.postal_code,
        "mobile_no": b.phone, "phone_country": "", "phone_area": "", "phone_number": ""})
}

/// What went back to the buyer: the platform decided it, and did it at once.
fn refund(o: &Order, cash: Value, coupon: Value) -> Value {
    j!({"refund_status": "refund_ok", "refund_type": "cash", "refund_cash_amt": cash, "refund_coupon_amt": coupon,
        "refund_reason": "buyer_dispute", "refund_time": wall(o.issue_changed_ms.unwrap_or(o.updated_ms))})
}

fn detail(o: &Order) -> Value {
    let status = o.status.clone();
    let children: Vec<Value> = o
        .lines
        .iter()
        .map(|l| {
            let mut c = j!({"id": l.child, "child_order_id": l.child.to_string(), "product_id": l.product, "sku_code": l.sku,
                "product_name": l.name, "product_count": l.quantity, "product_unit": "piece", "lot_num": 1,
                "product_price": global(l.unit, CURRENCY), "init_order_amt": global(l.unit * i64::from(l.quantity), CURRENCY),
                "logistics_amount": global_str(0, CURRENCY), "logistics_type": "other", "order_status": status, "fund_status": fund(o),
                "issue_status": o.issue, "frozen_status": "NO_FROZEN", "goods_prepare_time": 7, "escrow_fee_rate": "0.08",
                "afflicate_fee_rate": "0.0", "send_goods_operator": "SELLER_SEND_GOODS"});
            if let (true, Some(map)) = (o.refunded > 0, c.as_object_mut()) {
                let back = global_str(part(o, l, o.refunded), CURRENCY);
                map.insert("refund_info".into(), refund(o, back, global_str(0, CURRENCY)));
            }
            if let (Some((loan, _)), Some(at), Some(map)) = (o.loan, o.ended_ms, c.as_object_mut()) {
                let released = global_str(part(o, l, loan), CURRENCY);
                map.insert("loan_info".into(), j!({"loan_amount": released, "loan_time": wall(at)}));
            }
            c
        })
        .collect();
    let parcels: Vec<Value> = o
        .parcels
        .iter()
        .map(|(service, number, at)| {
            j!({"logistics_no": number, "logistics_type_code": service, "logistics_service_name": service, "gmt_send": wall(*at),
                "have_tracking_info": true, "receive_status": if o.loan.is_some() { "received" } else { "default" }, "recv_status_desc": ""})
        })
        .collect();
    let ext: Vec<Value> = o
        .lines
        .iter()
        .map(|l| {
            j!({"product_id": l.product, "product_name": l.name, "quantity": l.quantity, "unit_price": global(l.unit, CURRENCY),
                "sku": "[]", "category_id": "200135143"})
        })
        .collect();
    let mut v = j!({"id": o.id, "order_status": status, "gmt_create": wall(o.created_ms), "gmt_modified": wall(o.updated_ms),
        "fund_status": fund(o), "frozen_status": "NO_FROZEN", "issue_status": o.issue, "logistics_status": logistics(o),
        "order_amount": global(o.total, CURRENCY), "init_oder_amount": global(o.total, CURRENCY),
        "logistics_amount": global(o.shipping, CURRENCY), "order_discount_info": global(0, CURRENCY),
        "settlement_currency": CURRENCY, "pay_amount_by_settlement_cur": money::text(o.total, CURRENCY),
        "payment_type": "migs", "memo": "", "buyerloginid": o.buyer.email.split('@').next(),
        "buyer_signer_fullname": o.buyer.name(),
        "buyer_info": {"login_id": o.buyer.email.split('@').next(), "first_name": o.buyer.first_name,
            "last_name": o.buyer.last_name, "country": o.buyer.country},
        "seller_operator_login_id": "cnsim", "seller_signer_fullname": "Sim Seller",
        "receipt_address": address(o), "child_order_list": children, "child_order_ext_info_list": ext,
        "logistic_info_list": parcels, "order_end_reason": o.end_reason,
        "loan_status": if o.loan.is_some() { "loan_ok" } else { "wait_loan" }});
    if o.buyer.country == "BR" {
        put(&mut v, "cpf_number", Some("12345678909".into()));
    }
    put(&mut v, "gmt_pay_success", o.paid_ms.map(wall));
    put(&mut v, "gmt_trade_end", o.ended_ms.map(wall));
    if let Some(map) = v.as_object_mut() {
        if o.refunded > 0 {
            let back = refund(o, global(o.refunded, CURRENCY), global(0, CURRENCY));
            map.insert("refund_info".into(), back);
        }
        if o.issue != "NO_ISSUE" {
            map.insert(
                "issue_info".into(),
                j!({"issue_status": if o.issue == "IN_ISSUE" { "processing" } else { "finish" },
                "issue_model": "ISSUE", "issue_time": wall(o.updated_ms)}),
            );
        }
        if let (Some((loan, _)), Some(at)) = (o.loan, o.ended_ms) {
            let released = j!({"loan_amount": global(loan, CURRENCY), "loan_time": wall(at)});
            map.insert("loan_info".into(), released);
        }
    }
    v
}
