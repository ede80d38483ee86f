//! The customs fake, driven by plain HTTP calls.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use reqwest::Client;
use serde_json::Value;
use std::time::Duration;
use tradewind_simulator::Simulator;

const GUID: &str = "0F3C2B9A-6E4D-4C1B-9A77-5D2E8F10A";
const TRANSFER: &str = "<ceb:BaseTransfer><ceb:copCode>3301960DEF</ceb:copCode><ceb:copName>示例</ceb:copName><ceb:dxpMode>DXP</ceb:dxpMode><ceb:dxpId>DXPENT0000000001</ceb:dxpId></ceb:BaseTransfer>";

fn fields(list: &[(&str, &str)]) -> String {
    list.iter().map(|(k, v)| format!("<ceb:{k}>{v}</ceb:{k}>")).collect()
}

fn top(n: u32) -> Vec<(&'static str, String)> {
    vec![
        ("guid", format!("{GUID}{n}")),
        ("appType", "1".into()),
        ("appTime", "20260302080000".into()),
        ("appStatus", "2".into()),
    ]
}

fn message(n: u32, inner: &str) -> String {
    let head: String = top(n).iter().map(|(k, v)| format!("<ceb:{k}>{v}</ceb:{k}>")).collect();
    let inner = inner.replace("@TOP@", &head);
    let signature =
        if n == 621 { "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>" } else { "" };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ceb:CEB{n}Message xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\" guid=\"{GUID}{n}\" version=\"1.0\">{inner}{TRANSFER}{signature}</ceb:CEB{n}Message>"
    )
}

// 2 × 199.00 + freight 12.00 + tax 37.31 = 447.31 (fact sheet, section 15).
fn order() -> String {
    let head = fields(&[
        ("orderType", "I"),
        ("orderNo", "ENT-42"),
        ("ebpCode", "3301960ABC"),
        ("ebpName", "平台"),
        ("ebcCode", "3301960DEF"),
        ("ebcName", "企业"),
        ("goodsValue", "398.00"),
        ("freight", "12.00"),
        ("discount", "0"),
        ("taxTotal", "37.31"),
        ("acturalPaid", "447.31"),
        ("currency", "142"),
        ("buyerRegNo", "u-1"),
        ("buyerName", "买家"),
        ("buyerTelephone", "13800000000"),
        ("buyerIdType", "1"),
        ("buyerIdNumber", "11010119900307001X"),
        ("consignee", "买家"),
        ("consigneeTelephone", "13800000000"),
        ("consigneeAddress", "示例路1号"),
    ]);
    let line = fields(&[
        ("gnum", "1"),
        ("itemName", "乳液"),
        ("gmodel", "200ml"),
        ("unit", "142"),
        ("qty", "2"),
        ("price", "199.00"),
        ("totalPrice", "398.00"),
        ("currency", "142"),
        ("country", "116"),
    ]);
    message(
        311,
        &format!(
            "<ceb:Order><ceb:OrderHead>@TOP@{head}</ceb:OrderHead><ceb:OrderList>{line}</ceb:OrderList></ceb:Order>"
        ),
    )
}

fn payment(amount: &str) -> String {
    let head = fields(&[
        ("payCode", "312226T001"),
        ("payName", "支付"),
        ("payTransactionId", "P1"),
        ("orderNo", "ENT-42"),
        ("ebpCode", "3301960ABC"),
        ("ebpName", "平台"),
        ("payerIdType", "1"),
        ("payerIdNumber", "11010119900307001X"),
        ("payerName", "买家"),
        ("amountPaid", amount),
        ("currency", "142"),
        ("payTime", "20260302080000"),
    ]);
    message(411, &format!("<ceb:Payment><ceb:PaymentHead>@TOP@{head}</ceb:PaymentHead></ceb:Payment>"))
}

fn waybill() -> String {
    let head = fields(&[
        ("logisticsCode", "3301980LOG"),
        ("logisticsName", "物流"),
        ("logisticsNo", "L1"),
        ("orderNo", "ENT-42"),
        ("currency", "142"),
        ("weight", "0.5"),
        ("packNo", "1"),
        ("consignee", "买家"),
        ("consigneeAddress", "示例路1号"),
        ("consigneeTelephone", "13800000000"),
    ]);
    message(
        511,
        &format!("<ceb:Logistics><ceb:LogisticsHead>@TOP@{head}</ceb:LogisticsHead></ceb:Logistics>"),
    )
}

fn list() -> String {
    let head = fields(&[
        ("orderNo", "ENT-42"),
        ("ebpCode", "3301960ABC"),
        ("ebpName", "平台"),
        ("ebcCode", "3301960DEF"),
        ("ebcName", "企业"),
        ("logisticsNo", "L1"),
        ("logisticsCode", "3301980LOG"),
        ("logisticsName", "物流"),
        ("copNo", "COP42"),
        ("assureCode", "3301960DEF"),
        ("emsNo", "T2925W000001"),
        ("ieFlag", "I"),
        ("declTime", "20260302"),
        ("customsCode", "2925"),
        ("portCode", "2925"),
        ("buyerIdType", "1"),
        ("buyerIdNumber", "11010119900307001X"),
        ("buyerName", "买家"),
        ("buyerTelephone", "13800000000"),
        ("consigneeAddress", "示例路1号"),
        ("agentCode", "3301960DEF"),
        ("agentName", "企业"),
        ("areaCode", "2925"),
        ("areaName", "区"),
        ("tradeMode", "1210"),
        ("trafMode", "Y"),
        ("country", "142"),
        ("freight", "12.00"),
        ("insuredFee", "0"),
        ("currency", "142"),
        ("packNo", "1"),
        ("grossWeight", "0.5"),
        ("netWeight", "0.4"),
    ]);
    let line = fields(&[
        ("gnum", "1"),
        ("gcode", "3304990099"),
        ("gname", "乳液"),
        ("gmodel", "200ml"),
        ("country", "116"),
        ("currency", "142"),
        ("qty", "2"),
        ("unit", "142"),
        ("qty1", "0.4"),
        ("unit1", "035"),
        ("price", "199.00"),
        ("totalPrice", "398.00"),
    ]);
    message(
        621,
        &format!(
            "<ceb:Inventory><ceb:InventoryHead>@TOP@{head}</ceb:InventoryHead><ceb:InventoryList>{line}</ceb:InventoryList></ceb:Inventory>"
        ),
    )
}

struct Port {
    sim: Simulator,
    client: Client,
}

impl Port {
    async fn start() -> Self {
        let sim = Simulator::builder().seed(2).channels(["china-ceb"]).start().await.unwrap();
        Self { sim, client: Client::new() }
    }

    async fn send(&self, kind: &str, id: &str, business: &str) -> String {
        let c = self.sim.credentials("china-ceb");
        let body = format!(
            "<DxpMsg xmlns=\"http://www.chinaport.gov.cn/dxp\" ver=\"1.0\"><TransInfo><CopMsgId>{id}</CopMsgId><SenderId>{}</SenderId><ReceiverIds><ReceiverId>{}</ReceiverId></ReceiverIds><CreatTime>2026-03-02T08:00:00</CreatTime><MsgType>{kind}</MsgType></TransInfo><Data>{}</Data></DxpMsg>",
            c.get("dxp_id"),
            c.get("receiver_id"),
            B64.encode(business)
        );
        let url = format!("{}/cebcmsg", self.sim.base_url("china-ceb"));
        let sent =
            self.client.post(url).basic_auth(c.get("dxp_id"), Some(c.get("bridge_password"))).body(body);
        sent.send().await.unwrap().text().await.unwrap()
    }

    /// (message type, returnStatus or VAT, business text) of all receipts.
    async fn receipts(&self) -> Vec<(String, String, String)> {
        let c = self.sim.credentials("china-ceb");
        let url = format!("{}/receipts?after=0", self.sim.base_url("china-ceb"));
        let sent = self.client.get(url).basic_auth(c.get("dxp_id"), Some(c.get("bridge_password")));
        let body: Value = sent.send().await.unwrap().json().await.unwrap();
        let between = |text: &str, name: &str| {
            text.split(&format!("<{name}>"))
                .nth(1)
                .map(|t| t.split('<').next().unwrap().to_owned())
                .unwrap_or_default()
        };
        body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| {
                let text = m.as_str().unwrap();
                let business = String::from_utf8(B64.decode(between(text, "Data")).unwrap()).unwrap();
                (between(text, "MsgType"), between(&business, "returnStatus"), business)
            })
            .collect()
    }
}

#[tokio::test]
async fn three_documents_match_and_the_list_is_released() {
    let port = Port::start().await;
    // The list first: it waits for the papers.
    assert_eq!(port.send("CEB621Message", "m1", &list()).await, "OK");
    port.sim.advance(Duration::from_secs(7_200));
    for (kind, id, text) in [
        ("CEB311Message", "m2", order()),
        ("CEB411Message", "m3", payment("447.31")),
        ("CEB511Message", "m4", waybill()),
    ] {
        assert_eq!(port.send(kind, id, &text).await, "OK");
        // The same message again is taken in and not processed again.
        assert_eq!(port.send(kind, id, &text).await, "OK");
    }
    port.sim.advance(Duration::from_secs(4 * 86_400));
    let all = port.receipts().await;
    let of = |kind: &str| all.iter().filter(|r| r.0 == kind).map(|r| r.1.clone()).collect::<Vec<_>>();
    assert_eq!(of("CEB312Message"), ["2", "3", "120"]);
    assert_eq!(of("CEB412Message"), ["2", "3", "120"]);
    let mut way = of("CEB622Message");
    way.retain(|s| s != "300" && s != "500");
    assert_eq!(way, ["2", "3", "120", "399", "800", "899"]);
    // (398.00 + 12.00) × 13 % × 70 % = 37.31.
    let bill = &all.iter().find(|r| r.0 == "CEB816Message").unwrap().2;
    assert!(bill.contains("<valueAddedTax>37.31</valueAddedTax>"), "{bill}");
    let record = &port.sim.ledger().declarations["china-ceb"]["COP42"];
    assert_eq!((record.state.as_str(), record.duties, record.order.as_str()), ("released", 3731, "ENT-42"));
}

#[tokio::test]
async fn a_fen_of_difference_is_a_refusal() {
    let port = Port::start().await;
    for (kind, id, text) in [
        ("CEB311Message", "m2", order()),
        ("CEB411Message", "m3", payment("447.30")),
        ("CEB511Message", "m4", waybill()),
        ("CEB621Message", "m1", list()),
    ] {
        port.send(kind, id, &text).await;
    }
    port.sim.advance(Duration::from_secs(86_400));
    let all = port.receipts().await;
    let last = all.iter().rfind(|r| r.0 == "CEB622Message").unwrap();
    assert_eq!(last.1, "100");
    assert!(last.2.contains("447.30"), "{}", last.2);
    assert_eq!(port.sim.ledger().declarations["china-ceb"]["COP42"].state, "refused");
}

#[tokio::test]
async fn a_malformed_message_comes_back_as_900_and_a_bad_envelope_at_once() {
    let port = Port::start().await;
    let broken = order().replace("<ceb:buyerTelephone>13800000000</ceb:buyerTelephone>", "");
    assert_eq!(port.send("CEB311Message", "m9", &broken).await, "OK");
    port.sim.advance(Duration::from_secs(60));
    let all = port.receipts().await;
    assert_eq!((all.len(), all[0].0.as_str(), all[0].1.as_str()), (1, "CEB900Message", "-1"));
    assert!(all[0].2.contains("<oriCopMsgId>m9</oriCopMsgId>") && all[0].2.contains("buyerTelephone"));
    assert!(port.send("", "m10", &order()).await.contains("DxpRep"));
}

#[tokio::test]
async fn receipts_are_told_twice_and_backwards() {
    let port = Port::start().await;
    port.send("CEB311Message", "m2", &order()).await;
    port.sim.advance(Duration::from_secs(7_200));
    // `2`, `3` and `120`.
    let ids = async || port.receipts().await.into_iter().map(|(_, status, _)| status).collect();
    crate::faults::told_otherwise(&port.sim, "china-ceb", "receipts", ids).await;
}
