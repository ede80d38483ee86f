//! Claims of buyers, and the seller's consent to a cancellation. Field names as in the generated SDKs.
//!
//! There is an issue for each line of an order that is or was in dispute. A list without a state holds what is being
//! processed (unknown, and chosen here).

use super::shapes::{field, wall};
use super::{AliExpress, CURRENCY, Line, NAME, Order, gateway_error};
use crate::core::money;
use crate::core::world::World;
use serde_json::{Value, json as j};

fn number(world: &World, line: &Line) -> String {
    format!("6{}", world.stream(&[NAME, "issue", &line.child.to_string()]).digits(15))
}

fn status(o: &Order) -> &'static str {
    if o.issue == "IN_ISSUE" { "processing" } else { "finish" }
}

fn login(o: &Order) -> String {
    o.buyer.email.split('@').next().unwrap_or_default().to_owned()
}

/// A line's part of an amount of its order; the first line takes what rounding and freight leave.
pub(super) fn part(o: &Order, line: &Line, whole: i64) -> i64 {
    let value = |l: &Line| money::share(whole, l.unit * i64::from(l.quantity), o.goods());
    if o.lines.first().is_some_and(|f| f.child == line.child) {
        whole - o.lines.iter().skip(1).map(value).sum::<i64>()
    } else {
        value(line)
    }
}

fn row(world: &World, o: &Order, line: &Line, opened: i64) -> Value {
    j!({"issue_id": number(world, line).parse::<u64>().unwrap_or_default(), "buyer_login_id": login(o), "issue_status": status(o),
        "gmt_create": wall(opened), "gmt_modified": wall(o.issue_changed_ms.unwrap_or(opened)),
        "order_id": line.child, "parent_order_id": o.id,
        "reason_chinese": "\u{672a}\u{6536}\u{5230}\u{8d27}", "reason_english": "Products not received"})
}

fn solution(line: &Line, owner: &str, amount: i64, opened: i64) -> Value {
    let text = money::text(amount, CURRENCY);
    // The platform's own names no amount in the seller's money.
    let (post, post_currency) = if owner == "platform" { ("", "") } else { (text.as_str(), CURRENCY) };
    let mut value = j!({"solution_owner": owner, "solution_type": "refund", "order_id": line.child, "gmt_create": wall(opened),
        "refund_money": text, "refund_money_currency": CURRENCY, "refund_money_post": post,
        "refund_money_post_currency": post_currency, "buyer_accept_time": "", "seller_accept_time": "", "reached_time": ""});
    if let Some(map) = value.as_object_mut().filter(|_| owner == "buyer") {
        map.insert("is_default".into(), true.into());
        map.insert("status".into(), "wait_seller_accept".into());
    }
    value
}

fn invalid(text: &str) -> Value {
    gateway_error("InvalidParameter", "ISV", text)
}

impl AliExpress {
    pub(super) fn list_issues(&self, world: &World, query: &Value) -> Result<Value, Value> {
        let size = query.get("page_size").and_then(Value::as_u64).unwrap_or(0);
        let page = query.get("current_page").and_then(Value::as_u64).unwrap_or(0);
        if !(1..=50).contains(&size) || page == 0 {
            return Err(invalid("page_size must be from 1 to 50 and current_page from 1"));
        }
        let wanted = match field(query, "issue_status") {
            none if none.is_empty() => "processing".to_owned(),
            given => given,
        };
        let order = field(query, "order_no");
        let shop = self.shop();
        let mut rows: Vec<(i64, u64, Value)> = Vec::new();
        for o in shop.orders.values() {
            let Some(opened) = o.issue_opened_ms.filter(|_| status(o) == wanted) else { continue };
            for line in &o.lines {
                if order.is_empty() || order == line.child.to_string() || order == o.id.to_string() {
                    rows.push((-opened, line.child, row(world, o, line, opened)));
                }
            }
        }
        rows.sort_by_key(|(at, child, _)| (*at, *child));
        let total = rows.len();
        let (size, page) = (usize::try_from(size).unwrap_or(50), usize::try_from(page).unwrap_or(1));
        let list: Vec<Value> =
            rows.into_iter().skip((page - 1).saturating_mul(size)).take(size).map(|r| r.2).collect();
        Ok(j!({"current_page": page, "page_size": size, "total_item": total, "data_list": list}))
    }

    pub(super) fn issue(&self, world: &World, buyer: &str, id: &str) -> Result<Value, Value> {
        let shop = self.shop();
        let found = shop.orders.values().filter(|o| o.issue_opened_ms.is_some() && login(o) == buyer);
        let found = found.flat_map(|o| o.lines.iter().map(move |l| (o, l)));
        let Some((o, line)) = found.into_iter().find(|(_, l)| number(world, l) == id) else {
            return Err(super::remote_error("F00-00-30001-001", "The issue does not exist"));
        };
        let opened = o.issue_opened_ms.unwrap_or_default();
        let asked = part(o, line, o.total);
        let mut value = j!({"id": id.parse::<u64>().unwrap_or_default(), "issue_status": status(o), "buyer_login_id": buyer,
            "order_id": line.child, "parent_order_id": o.id, "gmt_create": wall(opened), "product_name": line.name,
            "product_price": money::text(line.unit, CURRENCY), "product_price_currency": CURRENCY,
            "refund_money_max": money::text(asked, CURRENCY), "refund_money_max_currency": CURRENCY,
            "refund_money_max_local": money::text(asked, CURRENCY), "refund_money_max_local_currency": CURRENCY,
            "issue_reason_id": 115, "issue_reason": "Products not received", "after_sale_warranty": false,
            "buyer_solution_list": [solution(line, "buyer", asked, opened)], "process_dto_list": []});
        if let Some(map) = value.as_object_mut().filter(|_| status(o) == "finish") {
            let given = part(o, line, o.refunded);
            map.insert("platform_solution_list".into(), j!([solution(line, "platform", given, opened)]));
        }
        Ok(j!({"result_object": value}))
    }

    /// The seller consents to the buyer's wish.
    pub(super) fn accept_cancel(&self, world: &World, request: &Value) -> Result<Value, Value> {
        let (id, buyer) = (field(request, "order_id"), field(request, "buyer_login_id"));
        let refused = |code: &str, text: &str| {
            Ok(j!({"result": {"success": false, "target": false, "error_code": code, "error_message": text}}))
        };
        let status = {
            let shop = self.shop();
            let found =
                id.parse().ok().and_then(|id: u64| shop.orders.get(&id)).filter(|o| login(o) == buyer);
            found.map(|o| o.status.clone())
        };
        match status.as_deref() {
            None => refused("F00-00-20001-001", "The order does not exist"),
            Some("IN_CANCEL") => {
                self.cancelled(world, &id);
                Ok(j!({"result": {"success": true, "target": true}}))
            }
            Some(other) => refused(
                "F00-00-20002-001",
                &format!("The order status {other} does not allow this operation"),
            ),
        }
    }
}
