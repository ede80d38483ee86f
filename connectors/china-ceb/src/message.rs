//! The business messages: order (CEB311), payment (CEB411), waybill (CEB511), declaration list (CEB621) and its
//! cancellation (CEB623), in the order of elements that the schema of May 2022 binds. Where schema and interface
//! document differ, the schema is followed (fact sheet, section 12).

use jiff::Timestamp;
use rust_decimal::Decimal;
use tradewind_domain::{Address, Buyer, Declaration, DeclarationLine, Flow, Mismatch, Money, TaxIdKind};

use crate::codes;
use crate::config::{Paper, Registered, Settings};
use crate::envelope::china;
use crate::xml::{CEB, DS, Elements};

/// What is done with a document: `appType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// 1
    New,
    /// 2
    Change,
    /// 3
    Delete,
}

impl Action {
    fn code(self) -> &'static str {
        match self {
            Action::New => "1",
            Action::Change => "2",
            Action::Delete => "3",
        }
    }
}

/// A message that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Paper(Paper),
    Cancellation,
}

impl Kind {
    /// `MsgType`, and the root element.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Paper(Paper::Order) => "CEB311Message",
            Kind::Paper(Paper::Payment) => "CEB411Message",
            Kind::Paper(Paper::Waybill) => "CEB511Message",
            Kind::Paper(Paper::Declaration) => "CEB621Message",
            Kind::Cancellation => "CEB623Message",
        }
    }

    /// Customs demand a signature.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(self, Kind::Paper(Paper::Declaration) | Kind::Cancellation)
    }
}

/// Everything that a message is written from.
#[derive(Clone, Copy)]
pub(crate) struct Filing<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) declaration: &'a Declaration,
    pub(crate) kind: Kind,
    pub(crate) action: Action,
    /// Number of the message; messages have one node, which bears the same number.
    pub(crate) guid: &'a str,
    pub(crate) at: Timestamp,
    /// Why it is cancelled.
    pub(crate) reason: &'a str,
}

/// Most lines of an order or a declaration list on the import side.
const MOST_LINES: usize = 99;

/// The canonical text of a message, without its signature; or everything that customs would not take.
pub(crate) fn write(filing: &Filing<'_>) -> Result<String, Vec<Mismatch>> {
    let mut w = Elements::new("ceb");
    let root = filing.kind.name();
    let ends = [("guid", filing.guid), ("version", "1.0")];
    let mut attributes = vec![("xmlns:ceb", CEB)];
    if filing.kind.is_signed() {
        attributes.push(("xmlns:ds", DS));
    }
    attributes.extend(ends);
    w.open(root, &attributes);
    if filing.declaration.flow != Flow::Import {
        w.fault("flow", "export", "import: the export messages are not implemented");
    }
    match filing.kind {
        Kind::Paper(Paper::Order) => order(&mut w, filing),
        Kind::Paper(Paper::Payment) => payment(&mut w, filing),
        Kind::Paper(Paper::Waybill) => waybill(&mut w, filing),
        Kind::Paper(Paper::Declaration) => list(&mut w, filing),
        Kind::Cancellation => cancellation(&mut w, filing),
    }
    let settings = filing.settings;
    w.open("BaseTransfer", &[]);
    w.text("copCode", &settings.client.code, 18);
    w.text("copName", &settings.client.name, 100);
    w.fixed("dxpMode", "DXP", 3);
    w.text("dxpId", &settings.dxp_id, 30);
    w.close("BaseTransfer");
    w.close(root);
    w.finish()
}

/// guid, appType, appTime, appStatus: the beginning of every node. Status 2 is "declare"; nothing is only staged.
fn head(w: &mut Elements, f: &Filing<'_>) {
    w.fixed("guid", f.guid, 36);
    w.fixed("appType", f.action.code(), 1);
    w.fixed("appTime", &china(f.at, "%Y%m%d%H%M%S"), 14);
    w.text("appStatus", "2", 3);
}

fn registered(w: &mut Elements, prefix: &str, who: &Registered) {
    w.text(&format!("{prefix}Code"), &who.code, 18);
    w.text(&format!("{prefix}Name"), &who.name, 100);
}

fn money(w: &mut Elements, name: &str, amount: Money) {
    if amount.currency().code() != "CNY" {
        w.fault(name, amount.currency().code(), "CNY: imports are declared in yuan");
    }
    w.number(name, amount.decimal());
}

fn currency(w: &mut Elements) {
    w.fixed("currency", codes::CNY, 3);
}

fn country(w: &mut Elements, name: &str, of: tradewind_domain::Country) {
    match codes::country(of) {
        Some(number) => w.fixed(name, number, 3),
        None => w.fault(name, of.code(), "a country whose customs number this connector knows"),
    }
}

fn phone(d: &Declaration) -> &str {
    d.to.phone.as_deref().unwrap_or_default()
}

/// The number of the identity card: the only kind that is taken (buyerIdType 1).
fn card(buyer: &Buyer) -> &str {
    buyer.tax_ids.iter().find(|t| t.kind == TaxIdKind::ChineseId).map_or("", |t| t.value.as_str())
}

fn buyer(w: &mut Elements, d: &Declaration) {
    w.fixed("buyerIdType", "1", 1);
    w.text("buyerIdNumber", card(&d.buyer), 60);
    w.text("buyerName", d.buyer.name.as_deref().unwrap_or_default(), 60);
    w.text("buyerTelephone", phone(d), 30);
}

/// Province, city, street; a part that the one before ends with is not repeated.
fn address(to: &Address) -> String {
    let mut text = String::new();
    let parts = [to.region.as_deref(), to.city.as_deref()].into_iter().flatten();
    for part in parts.chain(to.lines.iter().map(String::as_str)).filter(|p| !p.trim().is_empty()) {
        if text.ends_with(part) {
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

fn lines<'a>(
    w: &mut Elements,
    d: &'a Declaration,
) -> impl Iterator<Item = (usize, &'a DeclarationLine)> + use<'a> {
    if d.lines.len() > MOST_LINES {
        w.fault("lines", &d.lines.len().to_string(), "at most 99: split the order");
    }
    d.lines.iter().enumerate().map(|(i, line)| (i + 1, line))
}

/// Specification of the goods: the line's own, else the one of its commodity code.
fn model<'a>(f: &Filing<'a>, line: &'a DeclarationLine) -> &'a str {
    match line.specification.trim() {
        "" => f.settings.goods(line.hs.as_str()).map_or("", |g| g.model.as_str()),
        own => own,
    }
}

fn name<'a>(f: &Filing<'a>, line: &'a DeclarationLine) -> &'a str {
    f.settings.goods(line.hs.as_str()).map_or(line.name.as_str(), |g| g.name.as_str())
}

fn order(w: &mut Elements, f: &Filing<'_>) {
    let (s, d) = (f.settings, f.declaration);
    w.open("Order", &[]);
    w.open("OrderHead", &[]);
    head(w, f);
    w.fixed("orderType", "I", 1);
    w.text("orderNo", d.order.as_str(), 60);
    registered(w, "ebp", &s.platform);
    registered(w, "ebc", &s.merchant);
    money(w, "goodsValue", d.goods);
    money(w, "freight", d.freight);
    money(w, "discount", d.discount);
    money(w, "taxTotal", d.taxes);
    // The schema's own spelling.
    money(w, "acturalPaid", d.paid);
    currency(w);
    let id = [d.buyer.id.as_deref(), d.buyer.email.as_deref(), d.to.phone.as_deref()];
    w.text("buyerRegNo", id.into_iter().flatten().next().unwrap_or_default(), 60);
    w.text("buyerName", d.buyer.name.as_deref().unwrap_or_default(), 60);
    w.text("buyerTelephone", phone(d), 30);
    w.fixed("buyerIdType", "1", 1);
    w.text("buyerIdNumber", card(&d.buyer), 60);
    if let Some(p) = &d.payment {
        if let Some(provider) = s.payment.get(&p.provider) {
            registered(w, "pay", provider);
        }
        w.text("payTransactionId", p.transaction.as_str(), 60);
    }
    w.text("consignee", d.to.name.as_deref().unwrap_or_default(), 100);
    w.text("consigneeTelephone", phone(d), 50);
    w.text("consigneeAddress", &address(&d.to), 200);
    w.close("OrderHead");
    for (number, line) in lines(w, d) {
        w.open("OrderList", &[]);
        w.whole("gnum", number);
        w.optional("itemNo", line.sku.as_str(), 30);
        w.text("itemName", &line.name, 250);
        w.text("gmodel", model(f, line), 510);
        // The interface document's word for "none".
        w.text("barCode", "无", 50);
        w.fixed("unit", &s.unit, 3);
        w.number("qty", Decimal::from(line.quantity));
        money(w, "price", line.unit_value);
        money(w, "totalPrice", line.value);
        currency(w);
        country(w, "country", line.origin);
        w.close("OrderList");
    }
    w.close("Order");
}

fn payment(w: &mut Elements, f: &Filing<'_>) {
    let (s, d) = (f.settings, f.declaration);
    let Some(p) = &d.payment else {
        return w.fault("payment", "none", "a payment: customs match it with the order");
    };
    w.open("Payment", &[]);
    w.open("PaymentHead", &[]);
    head(w, f);
    match s.payment.get(&p.provider) {
        Some(provider) => registered(w, "pay", provider),
        None => w.fault("payCode", &p.provider, "a provider that stands in settings.payment"),
    }
    w.text("payTransactionId", p.transaction.as_str(), 60);
    w.text("orderNo", d.order.as_str(), 60);
    registered(w, "ebp", &s.platform);
    w.fixed("payerIdType", "1", 1);
    w.text("payerIdNumber", card(&p.payer), 60);
    w.text("payerName", p.payer.name.as_deref().unwrap_or_default(), 60);
    w.optional("telephone", phone(d), 60);
    money(w, "amountPaid", p.amount);
    currency(w);
    w.fixed("payTime", &china(p.paid_at, "%Y%m%d%H%M%S"), 14);
    w.close("PaymentHead");
    w.close("Payment");
}

/// Code and name of the carrier, after the waybill's number where the message has it so.
fn carrier(w: &mut Elements, f: &Filing<'_>) {
    let Some(bill) = &f.declaration.waybill else {
        return w.fault("waybill", "none", "a waybill: book the parcel first");
    };
    match f.settings.carrier.get(&bill.carrier) {
        Some(carrier) => registered(w, "logistics", carrier),
        None => w.fault("logisticsCode", &bill.carrier, "a carrier that stands in settings.carrier"),
    }
}

fn waybill_number(w: &mut Elements, d: &Declaration) {
    if let Some(bill) = &d.waybill {
        w.text("logisticsNo", bill.waybill.as_str(), 60);
    }
}

fn pieces(w: &mut Elements, d: &Declaration) {
    let pieces = d.waybill.as_ref().map_or(0, |b| b.pieces);
    if pieces != 1 {
        w.fault("packNo", &pieces.to_string(), "1: a declaration covers one parcel");
    }
    w.whole("packNo", 1);
}

fn waybill(w: &mut Elements, f: &Filing<'_>) {
    let d = f.declaration;
    w.open("Logistics", &[]);
    w.open("LogisticsHead", &[]);
    head(w, f);
    carrier(w, f);
    if let Some(bill) = &d.waybill {
        w.text("logisticsNo", bill.waybill.as_str(), 60);
        if let Some(transport) = &d.transport {
            w.optional("billNo", &transport.bill, 37);
        }
        w.text("orderNo", d.order.as_str(), 60);
        money(w, "freight", bill.freight);
        money(w, "insuredFee", bill.insurance);
        currency(w);
        w.number("weight", bill.gross.kilograms());
        pieces(w, d);
        w.text("consignee", bill.to.name.as_deref().unwrap_or_default(), 100);
        w.text("consigneeAddress", &address(&bill.to), 200);
        w.text("consigneeTelephone", bill.to.phone.as_deref().unwrap_or_default(), 50);
    }
    w.close("LogisticsHead");
    w.close("Logistics");
}

fn list(w: &mut Elements, f: &Filing<'_>) {
    let (s, d) = (f.settings, f.declaration);
    let day = china(f.at, "%Y%m%d");
    w.open("Inventory", &[]);
    w.open("InventoryHead", &[]);
    head(w, f);
    w.text("orderNo", d.order.as_str(), 60);
    registered(w, "ebp", &s.platform);
    registered(w, "ebc", &s.merchant);
    waybill_number(w, d);
    carrier(w, f);
    // Our number of the list, echoed in every receipt: how an answer finds its declaration.
    w.text("copNo", d.id.as_str(), 20);
    w.text("assureCode", s.guarantor(), 30);
    if let Some(bonded) = &s.bonded {
        w.text("emsNo", &bonded.ems_no, 30);
    }
    if f.action == Action::Change {
        // Given by customs; a change may come before there is one (refused at the exchange platform).
        w.optional("invtNo", d.number.as_deref().unwrap_or_default(), 18);
    }
    w.fixed("ieFlag", "I", 1);
    w.fixed("declTime", &day, 8);
    w.fixed("customsCode", &s.customs_code, 4);
    w.fixed("portCode", s.port(), 4);
    buyer(w, d);
    w.text("consigneeAddress", &address(&d.to), 200);
    registered(w, "agent", s.agent());
    if let Some(bonded) = &s.bonded {
        registered(w, "area", &bonded.area);
    }
    w.fixed("tradeMode", &s.trade_mode, 4);
    w.fixed("trafMode", &s.traf_mode, 1);
    match (&s.bonded, &d.transport) {
        // Bonded goods are in the country already: no transport, and China as the country of departure.
        (Some(_), _) => w.fixed("country", codes::CHINA, 3),
        (None, Some(t)) => {
            w.text("trafNo", &t.means, 100);
            w.text("voyageNo", &t.voyage, 32);
            w.text("billNo", &t.bill, 37);
            country(w, "country", d.from.country);
        }
        (None, None) => {
            w.fault("trafNo, voyageNo, billNo", "none", "the means of transport: trade mode 9610 demands it");
        }
    }
    money(w, "freight", d.freight);
    match &d.waybill {
        Some(bill) => money(w, "insuredFee", bill.insurance),
        None => w.number("insuredFee", Decimal::ZERO),
    }
    currency(w);
    pieces(w, d);
    w.number("grossWeight", d.gross.kilograms());
    let net: u64 = d.lines.iter().map(|l| l.net.0).sum();
    w.number("netWeight", tradewind_domain::Grams(net).kilograms());
    w.close("InventoryHead");
    for (number, line) in lines(w, d) {
        list_line(w, f, number, line);
    }
    w.close("Inventory");
}

fn list_line(w: &mut Elements, f: &Filing<'_>, number: usize, line: &DeclarationLine) {
    let (s, hs) = (f.settings, line.hs.as_str());
    let goods = s.goods(hs);
    w.open("InventoryList", &[]);
    w.whole("gnum", number);
    if s.bonded.is_some() {
        // Goods are booked in the zone under our SKU.
        w.text("itemRecordNo", line.sku.as_str(), 30);
    }
    // 30 characters in the document, 20 in the schema: longer SKUs stay out of this optional field.
    if line.sku.as_str().chars().count() <= 20 {
        w.text("itemNo", line.sku.as_str(), 20);
    }
    w.optional("itemName", &line.name, 250);
    match goods {
        Some(goods) => w.fixed("gcode", &goods.code, 10),
        None if line.hs.len() == 10 => w.fixed("gcode", hs, 10),
        None => w.fault(
            "gcode",
            hs,
            "ten digits: give the Chinese code of these goods in settings.goods, or in the catalogue",
        ),
    }
    w.text("gname", name(f, line), 250);
    w.text("gmodel", model(f, line), 510);
    w.text("barCode", "无", 50);
    country(w, "country", line.origin);
    currency(w);
    w.number("qty", Decimal::from(line.quantity));
    w.fixed("unit", &s.unit, 3);
    let quantity = |unit: &str| match unit {
        "035" => line.net.kilograms(),
        _ => Decimal::from(line.quantity),
    };
    let first = goods.map_or("035", |g| g.legal_unit.as_str());
    w.number("qty1", quantity(first));
    w.fixed("unit1", first, 3);
    if let Some(second) = goods.and_then(|g| g.second_unit.as_deref()) {
        w.number("qty2", quantity(second));
        w.fixed("unit2", second, 3);
    }
    money(w, "price", line.unit_value);
    money(w, "totalPrice", line.value);
    w.close("InventoryList");
}

fn cancellation(w: &mut Elements, f: &Filing<'_>) {
    let (s, d) = (f.settings, f.declaration);
    w.open("InvtCancel", &[]);
    head(w, f);
    w.fixed("customsCode", &s.customs_code, 4);
    w.text("orderNo", d.order.as_str(), 60);
    registered(w, "ebp", &s.platform);
    registered(w, "ebc", &s.merchant);
    waybill_number(w, d);
    carrier(w, f);
    w.text("copNo", d.id.as_str(), 20);
    w.text("invtNo", d.number.as_deref().unwrap_or_default(), 18);
    buyer(w, d);
    registered(w, "agent", s.agent());
    w.text("reason", f.reason, 1000);
    w.close("InvtCancel");
}
