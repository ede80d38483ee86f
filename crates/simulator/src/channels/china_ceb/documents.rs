//! Reading what came in: format check, business check of each document, storing.

use super::fields::{self, number};
use super::receipts;
use super::state::{Document, List, State};
use super::{NAME, matching};
use crate::core::clock::local;
use crate::core::world::World;
use rust_decimal::Decimal;
use serde_json::json as j;

/// A message that waits is read.
pub(super) fn ingest(world: &World, state: &mut State, id: &str) {
    let Some((kind, bytes)) = state.inbox.remove(id) else { return };
    match fields::read(&kind, &bytes) {
        Err(why) => receipts::malformed(world, state, id, &kind, &why, &bytes),
        Ok((shape, documents)) => {
            for document in documents {
                match shape.kind {
                    "CEB621Message" => list(world, state, document),
                    "CEB623Message" | "CEB625Message" => {
                        matching::change(world, state, shape.kind, &document)
                    }
                    kind => paper(world, state, kind, document),
                }
            }
        }
    }
}

fn amount(document: &Document, name: &str) -> Decimal {
    number(document.get(name)).unwrap_or_default()
}

/// Whether an order's list is past the point where its papers can change.
fn declared(state: &State, order: &str) -> bool {
    state.lists.values().any(|l| {
        l.document.get("orderNo") == order
            && !matches!(l.status, "2" | "3" | "100")
            && !l.status.starts_with('-')
    })
}

/// What is wrong with an order, payment or waybill: code and text.
fn wrong(state: &State, kind: &str, d: &Document) -> Option<(&'static str, String)> {
    let order = d.get("orderNo");
    let shelf = match kind {
        "CEB311Message" => &state.orders,
        "CEB411Message" => &state.payments,
        _ => &state.waybills,
    };
    let (repeated, closed, unknown) = match kind {
        "CEB311Message" => ("-301010", "-301011", "-301014"),
        "CEB411Message" => ("-401010", "-401011", "-401012"),
        _ => ("-504010", "-504011", "-504012"),
    };
    match (d.get("appType"), shelf.get(order)) {
        ("1", Some(old)) if old.get("guid") != d.get("guid") => {
            return Some((repeated, format!("{order} 重复申报")));
        }
        ("1", _) => {}
        ("2" | "3", None) => return Some((unknown, format!("{order} 不存在"))),
        ("2" | "3", Some(_)) if declared(state, order) => {
            return Some((closed, format!("{order} 已申报清单，不能变更")));
        }
        ("2" | "3", Some(_)) => {}
        _ => return Some((unknown, "appType 无效".into())),
    }
    if d.get("currency") != "142" {
        return Some((if kind == "CEB311Message" { "-301003" } else { "-401003" }, "币制应为 142".into()));
    }
    if kind == "CEB311Message" {
        let paid =
            amount(d, "goodsValue") + amount(d, "freight") + amount(d, "taxTotal") - amount(d, "discount");
        if paid != amount(d, "acturalPaid") {
            return Some(("-301005", format!("实际支付金额 {} 与计算值 {paid} 不符", d.get("acturalPaid"))));
        }
        let mut goods = Decimal::ZERO;
        for line in &d.lines {
            let get = |name: &str| line.get(name).and_then(|v| number(v)).unwrap_or_default();
            if get("qty") * get("price") != get("totalPrice") {
                return Some(("-301006", "总价不等于单价乘数量".into()));
            }
            goods += get("totalPrice");
        }
        if goods != amount(d, "goodsValue") {
            return Some(("-301007", format!("商品价格 {} 与表体合计 {goods} 不符", d.get("goodsValue"))));
        }
    }
    None
}

fn paper(world: &World, state: &mut State, kind: &'static str, document: Document) {
    let order = document.get("orderNo").to_owned();
    if let Some((code, text)) = wrong(state, kind, &document) {
        world.ledger(|l| l.complain(NAME, &format!("{kind} of {order}: {code} {text}")));
        receipts::document(world, state, kind, &document, code, &text);
        return;
    }
    let guid = document.get("guid").to_owned();
    let info = format!("新增申报成功[{guid}]");
    receipts::document(world, state, kind, &document, "2", &info);
    let shelf = match kind {
        "CEB311Message" => &mut state.orders,
        "CEB411Message" => &mut state.payments,
        _ => &mut state.waybills,
    };
    if document.get("appType") == "3" {
        shelf.remove(&order);
        return;
    }
    shelf.insert(order.clone(), document);
    let mut stream = world.stream(&[NAME, "paper", kind, &guid]);
    let first = stream.between(5_000, 60_000);
    let second = first + stream.between(10_000, 300_000);
    for (wait, status, text) in [(first, "3", "发送海关成功"), (second, "120", "海关入库")] {
        let data = j!({"of": kind, "order": order, "status": status, "info": text});
        world.schedule(NAME, wait, "receipt", &format!("{guid}/{status}"), data);
    }
}

fn list(world: &World, state: &mut State, document: Document) {
    let cop = receipts::cop_of(&document);
    let old = state.lists.get(&cop).cloned();
    let mut numbers: Vec<&str> =
        document.lines.iter().filter_map(|l| l.get("gnum").map(String::as_str)).collect();
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    let repeated = numbers.len() != count;
    let mut stream = world.stream(&[NAME, "list", &cop]);
    let version = old.as_ref().map_or(0, |l| l.version) + 1;
    let mut list = List {
        pre_no: format!("B{}{}", local(world.now(), 480, "%Y%m%d"), stream.digits(9)),
        invt_no: String::new(),
        status: "2",
        looks: 0,
        booked: None,
        version,
        document,
    };
    if let Some(old) = &old {
        list.pre_no.clone_from(&old.pre_no);
    }
    let d = &list.document;
    let again = d.get("appType") == "2";
    let reopened = old.as_ref().is_some_and(|o| o.status == "100" || o.status.starts_with('-'));
    let problem = if repeated {
        Some(("-621027", "表体序号重复"))
    } else if old.is_some() && !reopened {
        Some(("-621010", "清单重复申报"))
    } else if again && old.is_none() {
        Some(("-621014", "变更的清单不存在"))
    } else if d.get("ieFlag") != "I" || d.get("currency") != "142" {
        Some(("-621003", "进出口标记或币制无效"))
    } else if d.get("tradeMode") == "1210"
        && ["emsNo", "areaCode", "areaName"].iter().any(|f| d.get(f).is_empty())
    {
        Some(("-621006", "保税模式缺少账册编号或区域"))
    } else if d.get("tradeMode") == "9610"
        && ["trafNo", "voyageNo", "billNo"].iter().any(|f| d.get(f).is_empty())
    {
        Some(("-621007", "直购模式缺少运输工具、航次或提运单号"))
    } else {
        None
    };
    if let Some((code, text)) = problem {
        world.ledger(|l| l.complain(NAME, &format!("list {cop}: {code} {text}")));
        // A repeated list must not spoil the one that stands.
        receipts::list(world, state, &cop, old.as_ref().unwrap_or(&list), code, text);
        return;
    }
    let order = list.document.get("orderNo").to_owned();
    world.ledger(|l| {
        let record = l.declaration(NAME, &cop);
        record.order.clone_from(&order);
        record.state = "filed".into();
        record.currency = "CNY".into();
        record.reason = None;
    });
    receipts::list(world, state, &cop, &list, "2", &format!("新增申报成功[{}]", list.document.get("guid")));
    state.lists.insert(cop.clone(), list);
    let first = stream.between(5_000, 60_000);
    world.schedule(NAME, first, "step", &cop, j!({"status": "3", "version": version}));
    let look = first + stream.between(60_000, 600_000);
    world.schedule(NAME, look, "match", &format!("{cop}#{version}"), serde_json::Value::Null);
}
