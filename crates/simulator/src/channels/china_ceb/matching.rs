//! Matching the three documents, and the way of a list through customs.

use super::NAME;
use super::fields::number;
use super::receipts;
use super::state::{Document, List, State};
use crate::core::clock::local;
use crate::core::world::{Event, World};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::json as j;
use std::fmt::Write as _;

/// Customs looks for missing documents so often (every 30 minutes: one day).
const LOOKS: u32 = 48;
const EVERY_MS: i64 = 1_800_000;
/// Limits of the retail import scheme, yuan.
const PER_ORDER: Decimal = Decimal::from_parts(5_000, 0, 0, false, 0);
const PER_YEAR: Decimal = Decimal::from_parts(26_000, 0, 0, false, 0);

/// Differences between order, payment, waybill and list; equality is exact, in number and letter.
fn differences(list: &Document, order: &Document, payment: &Document, waybill: &Document) -> Vec<String> {
    let mut out = Vec::new();
    let mut same = |what: &str, a: &str, b: &str| {
        if a != b {
            out.push(format!("{what}: {a} / {b}"));
        }
    };
    for field in ["buyerIdNumber", "buyerName", "buyerTelephone", "consigneeAddress", "ebpCode", "ebcCode"] {
        same(&format!("清单与订单 {field}"), list.get(field), order.get(field));
    }
    same("订单与支付 证件号", order.get("buyerIdNumber"), payment.get("payerIdNumber"));
    same("订单与支付 姓名", order.get("buyerName"), payment.get("payerName"));
    same("订单与支付 平台", order.get("ebpCode"), payment.get("ebpCode"));
    if !order.get("payTransactionId").is_empty() {
        same("订单与支付 交易号", order.get("payTransactionId"), payment.get("payTransactionId"));
    }
    for field in ["consignee", "consigneeAddress", "consigneeTelephone"] {
        same(&format!("订单与运单 {field}"), order.get(field), waybill.get(field));
    }
    for field in ["logisticsNo", "logisticsCode"] {
        same(&format!("清单与运单 {field}"), list.get(field), waybill.get(field));
    }
    let mut equal = |what: &str, a: &str, b: &str| {
        if number(a) != number(b) {
            out.push(format!("{what}: {a} / {b}"));
        }
    };
    equal("订单与支付 金额", order.get("acturalPaid"), payment.get("amountPaid"));
    equal("清单与订单 运费", list.get("freight"), order.get("freight"));
    for line in &list.lines {
        let field = |l: &std::collections::BTreeMap<String, String>, name: &str| {
            l.get(name).cloned().unwrap_or_default()
        };
        let number = field(line, "gnum");
        match order.lines.iter().find(|o| field(o, "gnum") == number) {
            None => equal(&format!("订单缺少第 {number} 项"), "1", "0"),
            Some(ordered) => {
                for name in ["qty", "price", "totalPrice"] {
                    equal(&format!("第 {number} 项 {name}"), &field(line, name), &field(ordered, name));
                }
            }
        }
    }
    if list.lines.len() != order.lines.len() {
        out.push("清单与订单表体项数不符".into());
    }
    out
}

/// Customs looks for the three documents of a list.
pub(super) fn look(world: &World, state: &mut State, key: &str) {
    let Some((cop, version)) = key.rsplit_once('#') else { return };
    let Some(list) = state.lists.get_mut(cop).filter(|l| l.version.to_string() == version && l.status == "3")
    else {
        return;
    };
    list.looks += 1;
    let list = list.clone();
    let no = list.document.get("orderNo").to_owned();
    let papers = (state.orders.get(&no), state.payments.get(&no), state.waybills.get(&no));
    let (Some(order), Some(payment), Some(waybill)) = papers else {
        if list.looks < LOOKS {
            world.schedule(NAME, EVERY_MS, "match", key, serde_json::Value::Null);
        } else {
            refuse(world, state, cop, "100", "三单信息不全");
        }
        return;
    };
    let wrong = differences(&list.document, order, payment, waybill);
    if !wrong.is_empty() {
        let text: String = format!("三单比对不符: {}", wrong.join("; ")).chars().take(1_000).collect();
        refuse(world, state, cop, "100", &text);
        return;
    }
    let value = number(order.get("goodsValue")).unwrap_or_default();
    if value > PER_ORDER {
        return refuse(world, state, cop, "-621005", "超过单次交易限值 5000 元");
    }
    let year = local(world.now(), 480, "%Y");
    let buyer = (list.document.get("buyerIdNumber").to_owned(), year.clone());
    let used = state.used.entry(buyer).or_default();
    if *used + value > PER_YEAR {
        return refuse(world, state, cop, "-621018", "超过个人年度交易限值 26000 元");
    }
    *used += value;
    let mut stream = world.stream(&[NAME, "way", cop, version]);
    if let Some(list) = state.lists.get_mut(cop) {
        list.booked = Some((value, year.clone()));
        list.invt_no = format!("{}{year}I{}", list.document.get("customsCode"), stream.digits(9));
    }
    // The way through: stored, perhaps looked at by a person, concluded, released, closed.
    let mut wait = stream.between(30_000, 300_000);
    let mut steps = vec![("120", wait)];
    if stream.chance(60) {
        wait += stream.between(1_800_000, 7_200_000);
        steps.push(("300", wait));
    }
    if stream.chance(40) {
        wait += stream.between(3_600_000, 6 * 3_600_000);
        steps.push(("500", wait));
    }
    wait += stream.between(60_000, 1_800_000);
    steps.push(("399", wait));
    wait += stream.between(30_000, 1_200_000);
    steps.push(("800", wait));
    steps.push(("tax", wait + 3_600_000));
    steps.push(("899", wait + 2 * 86_400_000));
    let version: u32 = version.parse().unwrap_or(0);
    for (status, wait) in steps {
        world.schedule(NAME, wait, "step", cop, j!({"status": status, "version": version}));
    }
}

fn refuse(world: &World, state: &mut State, cop: &str, status: &'static str, why: &str) {
    let Some(list) = state.lists.get_mut(cop) else { return };
    list.status = status;
    let list = list.clone();
    world.ledger(|l| {
        let record = l.declaration(NAME, cop);
        record.state = "refused".into();
        record.reason = Some(why.to_owned());
    });
    receipts::list(world, state, cop, &list, status, why);
}

/// A list moves on.
pub(super) fn step(world: &World, state: &mut State, event: &Event) {
    let cop = event.key.as_str();
    let to = event.data.get("status").and_then(|v| v.as_str()).unwrap_or_default();
    let version = event.data.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let Some(list) = state.lists.get_mut(cop).filter(|l| u64::from(l.version) == version) else { return };
    // Refused or withdrawn in the meantime: nothing more happens.
    if matches!(list.status, "100" | "withdrawn") || list.status.starts_with('-') {
        return;
    }
    let (status, info) = match to {
        "3" => ("3", "发送海关成功"),
        "120" => ("120", "海关入库"),
        "300" => ("300", "人工审核"),
        "500" => ("500", "查验"),
        "399" => ("399", "海关审结"),
        "800" => ("800", "放行"),
        "899" => ("899", "结关"),
        _ => {
            let list = list.clone();
            return tax_bill(world, state, cop, &list);
        }
    };
    list.status = status;
    let list = list.clone();
    if status == "800" {
        world.ledger(|l| l.declaration(NAME, cop).state = "released".into());
    }
    receipts::list(world, state, cop, &list, status, info);
}

/// VAT rate of a heading, per cent.
fn vat(gcode: &str) -> Decimal {
    let nine = ["04", "07", "08", "10", "49"].contains(&gcode.get(..2).unwrap_or_default());
    Decimal::from(if nine { 9 } else { 13 })
}

/// The tax of each line: (gnum, gcode, dutiable value, VAT); freight and insurance follow the prices.
fn assess(list: &List) -> Vec<(String, String, Decimal, Decimal)> {
    let head = |name: &str| number(list.document.get(name)).unwrap_or_default();
    let extra = head("freight") + head("insuredFee");
    let price = |l: &std::collections::BTreeMap<String, String>| {
        l.get("totalPrice").and_then(|v| number(v)).unwrap_or_default()
    };
    let goods: Decimal = list.document.lines.iter().map(price).sum();
    let cents = |d: Decimal| d.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let mut left = extra;
    let last = list.document.lines.len().saturating_sub(1);
    list.document
        .lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let share = if at == last || goods.is_zero() { left } else { cents(extra * price(line) / goods) };
            left -= share;
            let value = price(line) + share;
            let code = line.get("gcode").cloned().unwrap_or_default();
            // 70 % of the VAT is levied on retail imports.
            let tax = cents(value * vat(&code) * Decimal::new(7, 3));
            (line.get("gnum").cloned().unwrap_or_default(), code, value, tax)
        })
        .collect()
}

fn tax_bill(world: &World, state: &mut State, cop: &str, list: &List) {
    let lines = assess(list);
    let total: Decimal = lines.iter().map(|l| l.3).sum();
    let d = &list.document;
    let time = receipts::time(world);
    let guid = receipts::guid(world, &["816", cop]);
    let number = format!("TAX{}", list.invt_no);
    let mut body = format!(
        "<Tax><TaxHeadRd><guid>{guid}</guid><returnTime>{time}</returnTime><invtNo>{}</invtNo><taxNo>{number}</taxNo><customsTax>0</customsTax><valueAddedTax>{total}</valueAddedTax><consumptionTax>0</consumptionTax><status>1</status><assureCode>{}</assureCode><ebcCode>{}</ebcCode><logisticsCode>{}</logisticsCode><agentCode>{}</agentCode><customsCode>{}</customsCode></TaxHeadRd>",
        list.invt_no,
        d.get("assureCode"),
        d.get("ebcCode"),
        d.get("logisticsCode"),
        d.get("agentCode"),
        d.get("customsCode")
    );
    for (gnum, code, value, tax) in &lines {
        let _ = write!(
            body,
            "<TaxListRd><gnum>{gnum}</gnum><gcode>{code}</gcode><taxPrice>{value}</taxPrice><customsTax>0</customsTax><valueAddedTax>{tax}</valueAddedTax><consumptionTax>0</consumptionTax></TaxListRd>"
        );
    }
    body.push_str("</Tax>");
    let fen = i64::try_from((total * Decimal::from(100)).trunc().mantissa()).unwrap_or(0);
    world.ledger(|l| l.declaration(NAME, cop).duties = fen);
    let order = d.get("orderNo").to_owned();
    receipts::send(world, state, &order, "CEB816Message", &body);
}

/// A withdrawal (623) or refund (625) of a list.
pub(super) fn change(world: &World, state: &mut State, kind: &'static str, request: &Document) {
    let withdrawal = kind == "CEB623Message";
    let found = state
        .lists
        .iter()
        .find(|(cop, l)| l.invt_no == request.get("invtNo") || **cop == receipts::cop_of(request))
        .map(|(c, l)| (c.clone(), l.clone()));
    let refusal = match &found {
        None => {
            Some(if withdrawal { ("-623003", "清单不存在") } else { ("-625003", "清单不存在") })
        }
        Some((_, l)) if withdrawal && !matches!(l.status, "2" | "3" | "120" | "300" | "500") => {
            Some(("-623005", "清单状态不允许撤销"))
        }
        Some((_, l)) if !withdrawal && !matches!(l.status, "800" | "899") => {
            Some(("-625005", "清单状态不允许退货"))
        }
        Some(_) => None,
    };
    if let Some((code, text)) = refusal {
        receipts::about_list(world, state, kind, request, code, text);
        return;
    }
    let Some((cop, list)) = found else { return };
    if withdrawal {
        if let Some(list) = state.lists.get_mut(&cop) {
            list.status = "withdrawn";
        }
        world.ledger(|l| {
            let record = l.declaration(NAME, &cop);
            record.state = "refused".into();
            record.reason = Some("withdrawn by the declarant".into());
        });
    }
    // The yearly quota comes back.
    if let Some((value, year)) = list.booked {
        let buyer = (list.document.get("buyerIdNumber").to_owned(), year);
        if let Some(used) = state.used.get_mut(&buyer) {
            *used = (*used - value).max(Decimal::ZERO);
        }
    }
    for (status, text) in [("2", "申报成功"), ("120", "海关入库"), ("399", "海关审结")] {
        receipts::about_list(world, state, kind, request, status, text);
    }
}
