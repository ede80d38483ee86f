//! Field rules of the messages: names in schema order, mandatory or not, kind and longest length
//! (schema of the edition 2022-05; only what customs' format check looks at).

use super::state::Document;
use crate::channels::ebay::xml::Node;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Kind of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Is {
    /// Text of at most so many characters.
    Text(usize),
    /// Text of exactly so many characters.
    Fixed(usize),
    /// Decimal, 19 digits, 5 decimals.
    Number,
    /// Whole number.
    Whole,
}
use Is::{Fixed as F, Number as N, Text as T, Whole as W};

/// (name, mandatory, kind).
type Rules = &'static [(&'static str, bool, Is)];

const ORDER: Rules = &[
    ("guid", true, F(36)),
    ("appType", true, F(1)),
    ("appTime", true, F(14)),
    ("appStatus", true, T(3)),
    ("orderType", true, F(1)),
    ("orderNo", true, T(60)),
    ("ebpCode", true, T(18)),
    ("ebpName", true, T(100)),
    ("ebcCode", true, T(18)),
    ("ebcName", true, T(100)),
    ("goodsValue", true, N),
    ("freight", true, N),
    ("discount", true, N),
    ("taxTotal", true, N),
    ("acturalPaid", true, N),
    ("currency", true, F(3)),
    ("buyerRegNo", true, T(60)),
    ("buyerName", true, T(60)),
    ("buyerTelephone", true, T(30)),
    ("buyerIdType", true, F(1)),
    ("buyerIdNumber", true, T(60)),
    ("payCode", false, T(18)),
    ("payName", false, T(100)),
    ("payTransactionId", false, T(60)),
    ("batchNumbers", false, T(100)),
    ("consignee", true, T(100)),
    ("consigneeTelephone", true, T(50)),
    ("consigneeAddress", true, T(200)),
    ("consigneeDistrict", false, F(6)),
    ("note", false, T(1000)),
];
const ORDER_LINE: Rules = &[
    ("gnum", true, W),
    ("itemNo", false, T(30)),
    ("itemName", true, T(250)),
    ("gmodel", true, T(510)),
    ("itemDescribe", false, T(1000)),
    ("barCode", false, T(50)),
    ("unit", true, F(3)),
    ("qty", true, N),
    ("price", true, N),
    ("totalPrice", true, N),
    ("currency", true, F(3)),
    ("country", true, F(3)),
    ("note", false, T(1000)),
];
const PAYMENT: Rules = &[
    ("guid", true, F(36)),
    ("appType", true, F(1)),
    ("appTime", true, F(14)),
    ("appStatus", true, T(3)),
    ("payCode", true, T(18)),
    ("payName", true, T(100)),
    ("payTransactionId", true, T(60)),
    ("orderNo", true, T(60)),
    ("ebpCode", true, T(18)),
    ("ebpName", true, T(100)),
    ("payerIdType", true, F(1)),
    ("payerIdNumber", true, T(60)),
    ("payerName", true, T(60)),
    ("telephone", false, T(60)),
    ("amountPaid", true, N),
    ("currency", true, F(3)),
    ("payTime", true, F(14)),
    ("note", false, T(1000)),
];
const WAYBILL: Rules = &[
    ("guid", true, F(36)),
    ("appType", true, F(1)),
    ("appTime", true, F(14)),
    ("appStatus", true, T(3)),
    ("logisticsCode", true, T(18)),
    ("logisticsName", true, T(100)),
    ("logisticsNo", true, T(60)),
    ("billNo", false, T(37)),
    ("orderNo", true, T(60)),
    ("freight", false, N),
    ("insuredFee", false, N),
    ("currency", true, F(3)),
    ("weight", true, N),
    ("packNo", true, W),
    ("goodsInfo", false, T(200)),
    ("consignee", true, T(100)),
    ("consigneeAddress", true, T(200)),
    ("consigneeTelephone", true, T(50)),
    ("note", false, T(1000)),
];
const LIST: Rules = &[
    ("guid", true, F(36)),
    ("appType", true, F(1)),
    ("appTime", true, F(14)),
    ("appStatus", true, T(3)),
    ("orderNo", true, T(60)),
    ("ebpCode", true, T(18)),
    ("ebpName", true, T(100)),
    ("ebcCode", true, T(18)),
    ("ebcName", true, T(100)),
    ("logisticsNo", true, T(60)),
    ("logisticsCode", true, T(18)),
    ("logisticsName", true, T(100)),
    ("copNo", false, T(20)),
    ("preNo", false, T(18)),
    ("assureCode", true, T(30)),
    ("emsNo", false, T(30)),
    ("invtNo", false, T(18)),
    ("ieFlag", true, F(1)),
    ("declTime", true, F(8)),
    ("customsCode", true, F(4)),
    ("portCode", true, F(4)),
    ("ieDate", false, F(8)),
    ("buyerIdType", true, F(1)),
    ("buyerIdNumber", true, T(60)),
    ("buyerName", true, T(60)),
    ("buyerTelephone", true, T(30)),
    ("consigneeAddress", true, T(200)),
    ("agentCode", true, T(18)),
    ("agentName", true, T(100)),
    ("areaCode", false, T(18)),
    ("areaName", false, T(100)),
    ("tradeMode", true, F(4)),
    ("trafMode", true, F(1)),
    ("trafNo", false, T(100)),
    ("voyageNo", false, T(32)),
    ("billNo", false, T(37)),
    ("loctNo", false, T(10)),
    ("licenseNo", false, T(19)),
    ("country", true, F(3)),
    ("freight", true, N),
    ("insuredFee", true, N),
    ("currency", true, F(3)),
    ("wrapType", false, F(1)),
    ("packNo", true, W),
    ("grossWeight", true, N),
    ("netWeight", true, N),
    ("note", false, T(1000)),
];
const LIST_LINE: Rules = &[
    ("gnum", true, W),
    ("itemRecordNo", false, T(30)),
    ("itemNo", false, T(20)),
    ("itemName", false, T(250)),
    ("gcode", true, F(10)),
    ("gname", true, T(250)),
    ("gmodel", true, T(510)),
    ("barCode", false, T(50)),
    ("country", true, F(3)),
    ("tradeCountry", false, T(3)),
    ("currency", true, F(3)),
    ("qty", true, N),
    ("unit", true, F(3)),
    ("qty1", true, N),
    ("unit1", true, F(3)),
    ("qty2", false, N),
    ("unit2", false, F(3)),
    ("price", true, N),
    ("totalPrice", true, N),
    ("note", false, T(1000)),
];
const CANCEL: Rules = &[
    ("guid", true, F(36)),
    ("appType", true, F(1)),
    ("appTime", true, F(14)),
    ("appStatus", true, T(3)),
    ("customsCode", true, F(4)),
    ("orderNo", true, T(60)),
    ("ebpCode", true, T(18)),
    ("ebpName", true, T(100)),
    ("ebcCode", true, T(18)),
    ("ebcName", true, T(100)),
    ("logisticsNo", true, T(60)),
    ("logisticsCode", true, T(18)),
    ("logisticsName", true, T(100)),
    ("copNo", false, T(20)),
    ("preNo", false, T(18)),
    ("invtNo", true, T(18)),
    ("buyerIdType", true, F(1)),
    ("buyerIdNumber", true, T(60)),
    ("buyerName", true, T(60)),
    ("buyerTelephone", true, T(30)),
    ("agentCode", true, T(18)),
    ("agentName", true, T(100)),
    ("reason", true, T(1000)),
    ("note", false, T(1000)),
];

/// How a message is built: its node, head and list elements with their rules, and whether it must
/// be signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) kind: &'static str,
    pub(super) node: &'static str,
    /// Element that holds the head fields; `None`: the node itself.
    head: Option<&'static str>,
    rules: Rules,
    list: Option<(&'static str, Rules)>,
    signed: bool,
}

const SHAPES: &[Shape] = &[
    Shape {
        kind: "CEB311Message",
        node: "Order",
        head: Some("OrderHead"),
        rules: ORDER,
        list: Some(("OrderList", ORDER_LINE)),
        signed: false,
    },
    Shape {
        kind: "CEB411Message",
        node: "Payment",
        head: Some("PaymentHead"),
        rules: PAYMENT,
        list: None,
        signed: false,
    },
    Shape {
        kind: "CEB511Message",
        node: "Logistics",
        head: Some("LogisticsHead"),
        rules: WAYBILL,
        list: None,
        signed: false,
    },
    Shape {
        kind: "CEB621Message",
        node: "Inventory",
        head: Some("InventoryHead"),
        rules: LIST,
        list: Some(("InventoryList", LIST_LINE)),
        signed: true,
    },
    Shape { kind: "CEB623Message", node: "InvtCancel", head: None, rules: CANCEL, list: None, signed: true },
    // The refund's head carries the cancellation's identification and reason; of its lines only the
    // number is looked at.
    Shape {
        kind: "CEB625Message",
        node: "InvtRefund",
        head: Some("InvtRefundHead"),
        rules: CANCEL,
        list: Some(("InvtRefundList", &[("gnum", true, W)])),
        signed: true,
    },
];

/// Reads a business message: its shape and documents, or what is wrong with it.
pub(super) fn read(kind: &str, bytes: &[u8]) -> Result<(Shape, Vec<Document>), String> {
    let shape = SHAPES.iter().find(|s| s.kind == kind).ok_or_else(|| format!("报文类型 {kind} 不受理"))?;
    let root = Node::parse(bytes).filter(|n| n.name == kind).ok_or_else(|| format!("报文不是 {kind}"))?;
    let attribute =
        |name: &str| root.attributes.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str());
    let guid = attribute("guid");
    if guid.len() != 36 || guid.to_uppercase() != guid || attribute("version").is_empty() {
        return Err("根节点 guid 或 version 不合规".into());
    }
    for (path, most) in [("copCode", 18), ("copName", 100), ("dxpMode", 3), ("dxpId", 30)] {
        let value = root.get(&["BaseTransfer", path]);
        if value.is_empty() || value.chars().count() > most {
            return Err(format!("BaseTransfer/{path} 不合规"));
        }
    }
    if shape.signed && root.child("Signature").is_none() {
        return Err("缺少签名 Signature".into());
    }
    let nodes: Vec<&Node> = root.all(shape.node).collect();
    if nodes.is_empty() || nodes.len() > 100 {
        return Err(format!("{} 节点数应为 1 至 100", shape.node));
    }
    let documents = nodes.iter().map(|node| document(shape, node)).collect::<Result<_, _>>()?;
    Ok((*shape, documents))
}

fn document(shape: &Shape, node: &Node) -> Result<Document, String> {
    let head = match shape.head {
        Some(name) => node.child(name).ok_or_else(|| format!("缺少 {name}"))?,
        None => node,
    };
    let mut out = Document { head: fields(shape.rules, head)?, lines: Vec::new() };
    if let Some((name, rules)) = shape.list {
        out.lines = node.all(name).map(|line| fields(rules, line)).collect::<Result<_, _>>()?;
        if out.lines.is_empty() || out.lines.len() > 99 {
            return Err(format!("{name} 应为 1 至 99 项"));
        }
    }
    Ok(out)
}

/// Fields in schema order (a sequence: the order is binding).
fn fields(rules: Rules, node: &Node) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    let mut at = 0;
    for child in &node.children {
        let found = rules.iter().enumerate().skip(at).find(|(_, (name, ..))| *name == child.name);
        let Some((position, _)) = found else {
            // The refund has fields of its own beyond those looked at.
            if rules.len() == 1 || node.name == "InvtRefundHead" {
                continue;
            }
            return Err(format!("{} 中的 {} 多余或顺序不对", node.name, child.name));
        };
        at = position + 1;
        out.insert(child.name.clone(), child.text.trim().to_owned());
    }
    for (name, mandatory, kind) in rules {
        let value = out.get(*name).map_or("", String::as_str);
        if value.is_empty() {
            if *mandatory {
                return Err(format!("{} 缺少必填项 {name}", node.name));
            }
            continue;
        }
        let fine = match kind {
            Is::Text(most) => value.chars().count() <= *most,
            Is::Fixed(length) => value.chars().count() == *length,
            Is::Number => number(value).is_some(),
            Is::Whole => value.parse::<u32>().is_ok(),
        };
        if !fine {
            return Err(format!("{} 的 {name} 值不合规: {value}", node.name));
        }
    }
    Ok(out)
}

/// A decimal of at most 19 digits, 5 of them behind the point.
pub(super) fn number(text: &str) -> Option<Decimal> {
    let value = Decimal::from_str_exact(text).ok()?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (value.scale() <= 5 && digits <= 19 && !value.is_sign_negative()).then_some(value)
}
