//! Receipts: built, put into the mailbox, pushed, read.

use super::state::{Document, List, State};
use super::{DXP_ID, NAME, RECEIVER};
use crate::core::channel::{json, raw};
use crate::core::clock::local;
use crate::core::world::{Event, World};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use quick_xml::escape::escape;
use serde_json::json as j;
use std::fmt::Write as _;

/// Most messages of one answer.
const PAGE: usize = 100;
/// China is UTC+8.
const CHINA: i32 = 480;

/// `yyyyMMddHHmmssSSS` in China.
pub(super) fn time(world: &World) -> String {
    local(world.now(), CHINA, "%Y%m%d%H%M%S%3f")
}

/// A guid: 36 characters, upper case.
pub(super) fn guid(world: &World, parts: &[&str]) -> String {
    let mut all = vec![NAME, "guid"];
    all.extend_from_slice(parts);
    let h = world.stream(&all).hex(32).to_uppercase();
    let part = |from: usize, to: usize| h.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn elements(fields: &[(&str, &str)]) -> String {
    fields.iter().filter(|(_, v)| !v.is_empty()).fold(String::new(), |mut out, (name, value)| {
        let _ = write!(out, "<{name}>{}</{name}>", escape(*value));
        out
    })
}

/// Files a business message into the mailbox and pushes it.
pub(super) fn send(world: &World, state: &mut State, order: &str, kind: &str, body: &str) {
    let position = state.sent.len() + 1;
    let id = guid(world, &[kind, order, &position.to_string()]);
    let business = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><{kind} xmlns=\"http://www.chinaport.gov.cn/ceb\" guid=\"{id}\" version=\"1.0\">{body}</{kind}>"
    );
    let message = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DxpMsg xmlns=\"http://www.chinaport.gov.cn/dxp\" ver=\"1.0\"><TransInfo><CopMsgId>{id}</CopMsgId><SenderId>{RECEIVER}</SenderId><ReceiverIds><ReceiverId>{DXP_ID}</ReceiverId></ReceiverIds><CreatTime>{}</CreatTime><MsgType>{kind}</MsgType></TransInfo><Data>{}</Data></DxpMsg>",
        local(world.now(), CHINA, "%Y-%m-%dT%H:%M:%S"),
        B64.encode(business)
    );
    world.hook(
        NAME,
        &id,
        kind,
        "",
        vec![("content-type".into(), "application/xml".into())],
        message.clone().into_bytes(),
    );
    state.sent.push((order.to_owned(), kind.to_owned(), message));
}

/// The receipt of an order, payment or waybill.
pub(super) fn document(
    world: &World,
    state: &mut State,
    of: &str,
    document: &Document,
    status: &str,
    info: &str,
) {
    let time = time(world);
    let get = |name: &str| document.get(name).to_owned();
    let tail = [("returnStatus", status), ("returnTime", time.as_str()), ("returnInfo", info)];
    let (kind, node, keys): (&str, &str, &[&str]) = match of {
        "CEB311Message" => ("CEB312Message", "OrderReturn", &["guid", "ebpCode", "ebcCode", "orderNo"]),
        "CEB411Message" => ("CEB412Message", "PaymentReturn", &["guid", "payCode", "payTransactionId"]),
        _ => ("CEB512Message", "LogisticsReturn", &["guid", "logisticsCode", "logisticsNo"]),
    };
    let values: Vec<(&str, String)> = keys.iter().map(|k| (*k, get(k))).collect();
    let mut fields: Vec<(&str, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
    fields.extend(tail);
    send(world, state, &get("orderNo"), kind, &format!("<{node}>{}</{node}>", elements(&fields)));
}

/// The receipt of a declaration list.
pub(super) fn list(world: &World, state: &mut State, cop_no: &str, list: &List, status: &str, info: &str) {
    let d = &list.document;
    let time = time(world);
    let fields = [
        ("guid", d.get("guid")),
        ("customsCode", d.get("customsCode")),
        ("ebpCode", d.get("ebpCode")),
        ("ebcCode", d.get("ebcCode")),
        ("agentCode", d.get("agentCode")),
        ("copNo", cop_no),
        ("preNo", &list.pre_no),
        ("invtNo", &list.invt_no),
        ("returnStatus", status),
        ("returnTime", &time),
        ("returnInfo", info),
    ];
    let order = d.get("orderNo").to_owned();
    send(
        world,
        state,
        &order,
        "CEB622Message",
        &format!("<InventoryReturn>{}</InventoryReturn>", elements(&fields)),
    );
}

/// The receipt of a withdrawal (623) or refund (625) of a list.
pub(super) fn about_list(
    world: &World,
    state: &mut State,
    of: &str,
    request: &Document,
    status: &str,
    info: &str,
) {
    let (kind, node) = if of == "CEB623Message" {
        ("CEB624Message", "InvtCancelReturn")
    } else {
        ("CEB626Message", "InvtRefundReturn")
    };
    let time = time(world);
    let found = state
        .lists
        .iter()
        .find(|(_, l)| l.invt_no == request.get("invtNo"))
        .map(|(c, l)| (c.clone(), l.pre_no.clone()));
    let (cop_no, pre_no) = found.unwrap_or_else(|| (cop_of(request), format!("B{:0>17}", "0")));
    let fields = [
        ("guid", request.get("guid")),
        ("customsCode", request.get("customsCode")),
        ("agentCode", request.get("agentCode")),
        ("ebpCode", request.get("ebpCode")),
        ("ebcCode", request.get("ebcCode")),
        ("copNo", &cop_no),
        ("preNo", &pre_no),
        ("invtNo", if request.get("invtNo").len() == 18 { request.get("invtNo") } else { "" }),
        ("returnStatus", status),
        ("returnTime", &time),
        ("returnInfo", info),
    ];
    let order = request.get("orderNo").to_owned();
    send(world, state, &order, kind, &format!("<{node}>{}</{node}>", elements(&fields)));
}

/// The key of a list: its `copNo`, or the start of its guid.
pub(super) fn cop_of(document: &Document) -> String {
    match document.get("copNo") {
        "" => document.get("guid").chars().take(20).collect(),
        cop => cop.to_owned(),
    }
}

/// The format check failed: CEB900.
pub(super) fn malformed(world: &World, state: &mut State, id: &str, kind: &str, why: &str, business: &[u8]) {
    let time = time(world);
    let guid = guid(world, &["900", id]);
    let short: String = kind.chars().take(15).collect();
    let body = format!(
        "<MessageReturn>{}<oriBizMessage>{}</oriBizMessage></MessageReturn>",
        elements(&[
            ("guid", &guid),
            ("returnStatus", "-1"),
            ("returnInfo", why),
            ("returnTime", &time),
            ("oriCopMsgId", id),
            ("oriMessageType", &short),
        ]),
        B64.encode(business)
    );
    send(world, state, "", "CEB900Message", &body);
}

/// A scheduled receipt of an order, payment or waybill.
pub(super) fn due(world: &World, state: &mut State, event: &Event) {
    let text = |name: &str| event.data.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let (of, order, status, info) = (text("of"), text("order"), text("status"), text("info"));
    let shelf = match of.as_str() {
        "CEB311Message" => &state.orders,
        "CEB411Message" => &state.payments,
        _ => &state.waybills,
    };
    if let Some(found) = shelf.get(&order).cloned() {
        document(world, state, &of, &found, &status, &info);
    }
}

/// The envelope was refused: `DxpRep`.
pub(super) fn rejected(code: &str, why: &str, id: &str, kind: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DxpRep xmlns=\"http://www.chinaport.gov.cn/dxp\" ver=\"1.0\"><RecevierId>{DXP_ID}</RecevierId><Response><ResponseCode>{}</ResponseCode><ResponseInfo>{}</ResponseInfo><Results><Result><RecId>{RECEIVER}</RecId><Code>{code}</Code><Info>{}</Info></Result></Results><NoticeTime>2026-01-01</NoticeTime><OriHead><CopMsgId>{}</CopMsgId><SenderId>{DXP_ID}</SenderId><ReceiverIds><ReceiverId>{RECEIVER}</ReceiverId></ReceiverIds><CreatTime>2026-01-01T00:00:00</CreatTime><MsgType>{}</MsgType></OriHead></Response></DxpRep>",
        code.get(..1).unwrap_or("3"),
        escape(why),
        escape(why),
        escape(id),
        escape(kind)
    );
    raw(200, "application/xml", text)
}

/// The mailbox.
pub(super) fn mailbox(state: &State, query: &[(String, String)]) -> Response {
    let get = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    let after: usize = get("after").and_then(|v| v.parse().ok()).unwrap_or(0);
    let limit: usize = get("limit").and_then(|v| v.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let order = get("orderNo");
    let chosen: Vec<(usize, &str)> = state
        .sent
        .iter()
        .enumerate()
        .skip(after)
        .filter(|(_, (of, ..))| order.is_none_or(|o| o == of))
        .map(|(at, (_, _, message))| (at + 1, message.as_str()))
        .take(limit)
        .collect();
    let last = chosen.last().map_or(after.min(state.sent.len()), |(at, _)| *at);
    let messages: Vec<&str> = chosen.iter().map(|(_, m)| *m).collect();
    json(200, &j!({"last": last, "messages": messages}))
}
