//! The list of releases, `findloanlistquery`: which orders' money was shared out, and what the platform kept of each line.
//!
//! Names, parameters and fields are those of the generated SDKs, where `released_datetime` is "not returned". The time of a
//! search is that of the release; a bound that is not exact to the second is no condition. An order that nothing was ever
//! decided about is not in the list. Unknown, and chosen here: the newest release comes first, times are Pacific like all
//! others, and an order of which all went back is listed with a release of nothing.

use super::issues::part;
use super::shapes::{field, from_american, global};
use super::{AliExpress, CURRENCY, Line, Order, gateway_error};
use serde_json::{Value, json as j};

fn status(o: &Order) -> &'static str {
    if o.loan.is_some() { "loan_ok" } else { "wait_loan" }
}

fn son(o: &Order, line: &Line) -> Value {
    let (net, fee) = o.loan.unwrap_or_default();
    let money = |whole: i64| global(part(o, line, whole), CURRENCY);
    j!({"child_order_id": line.child, "loan_status": status(o), "loan_amount": money(net + fee), "real_loan_amount": money(net),
        "escrow_fee": money(fee), "affiliate_commission": global(0, CURRENCY), "refund_amount": money(o.refunded),
        "real_refund_amount": money(o.refunded)})
}

fn row(o: &Order) -> Value {
    let sons: Vec<Value> = o.lines.iter().map(|l| son(o, l)).collect();
    j!({"order_id": o.id, "order_status": o.status, "amount_total": global(o.total, CURRENCY), "son_order_list": sons})
}

impl AliExpress {
    pub(super) fn list_loans(&self, query: &Value) -> Result<Value, Value> {
        let size = query.get("page_size").and_then(Value::as_u64).unwrap_or(0);
        let page = query.get("page").and_then(Value::as_u64).unwrap_or(0);
        if !(1..=200).contains(&size) || page == 0 {
            let text = "page_size must be from 1 to 200 and page from 1";
            return Err(gateway_error("InvalidParameter", "ISV", text));
        }
        let bound = |name: &str| from_american(&field(query, name));
        let (from, to) = (bound("create_date_start"), bound("create_date_end"));
        let (wanted, order) = (field(query, "loan_status"), field(query, "order_id"));
        let shop = self.shop();
        let mut hits: Vec<&Order> = shop
            .orders
            .values()
            .filter(|o| o.loan.is_some() || o.status == "FUND_PROCESSING")
            .filter(|o| wanted.is_empty() || wanted == status(o))
            .filter(|o| order.is_empty() || order == o.id.to_string())
            .filter(|o| {
                // Wall clock has whole seconds.
                let at = o.ended_ms.filter(|_| o.loan.is_some()).map(|ms| ms / 1_000 * 1_000);
                from.is_none_or(|from| at.is_some_and(|at| at >= from))
                    && to.is_none_or(|to| at.is_some_and(|at| at <= to))
            })
            .collect();
        hits.sort_by_key(|o| (std::cmp::Reverse(o.ended_ms), o.id));
        let total = hits.len();
        let (size, page) = (usize::try_from(size).unwrap_or(200), usize::try_from(page).unwrap_or(1));
        let list: Vec<Value> =
            hits.into_iter().skip((page - 1).saturating_mul(size)).take(size).map(row).collect();
        Ok(j!({"result": {"total_item": total, "order_list": list}}))
    }
}
