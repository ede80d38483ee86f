//! Orders in. Amounts are `shopMoney` (the shop's currency); what the buyer paid in another currency is kept.

use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{Error, Facet, OpCx, OpSpec, Page, Priority, Safety, Window, WireResponse};
use tradewind_domain::{
    AccountId, Address, Buyer, CollectedTax, Country, Currency, Exact, Money, Order, OrderId, OrderLine,
    OrderLineId, OrderPayment, OrderState, Sku, SourceTime, TaxCollector, TaxId, TaxIdKind, TaxKind,
    TransactionId, parse_decimal,
};

use crate::config::Shop;
use crate::gql::{Connection, Each, data, gone};

/// Plain lists (payments, fulfilments, taxes) have no `first`: it would cut them, and nothing would tell. Connections tell where to go on.
macro_rules! order_fields {
    () => {
        "id name createdAt updatedAt cancelledAt currencyCode taxesIncluded displayFinancialStatus displayFulfillmentStatus test email \
totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
totalRefundedSet { shopMoney { amount currencyCode } } \
totalShippingPriceSet { shopMoney { amount currencyCode } } \
shippingLine { taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } } } \
shippingAddress { firstName lastName company address1 address2 city provinceCode zip countryCodeV2 phone } \
localizedFields(first: 5) { pageInfo { hasNextPage endCursor } nodes { key countryCode value } } \
transactions { id kind status gateway processedAt paymentId amountSet { shopMoney { amount currencyCode } } } \
fulfillments { status totalQuantity displayStatus } \
lineItems(first: 50) { pageInfo { hasNextPage endCursor } nodes { id sku title quantity currentQuantity unfulfilledQuantity \
originalUnitPriceSet { shopMoney { amount currencyCode } } discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount currencyCode } } \
originalTotalSet { shopMoney { amount currencyCode } } taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } } } }"
    };
}

pub(crate) static SEARCH: OpSpec = OpSpec {
    name: "orders.search",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/orders",
};
/// Ten orders with fifty lines stay below the 1,000 points that one query may cost.
pub(crate) const SEARCH_TEXT: &str = concat!(
    "query Orders($c: String, $q: String!) { orders(first: 10, after: $c, sortKey: UPDATED_AT, query: $q) { pageInfo { hasNextPage endCursor } nodes { ",
    order_fields!(),
    " } } }"
);

pub(crate) static GET: OpSpec = OpSpec {
    name: "orders.get",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/order",
};
pub(crate) const GET_TEXT: &str =
    concat!("query Order($id: ID!) { order(id: $id) { ", order_fields!(), " } }");

pub(crate) static LINES: OpSpec = OpSpec {
    name: "orders.lines",
    facet: Facet::Orders,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["cost"],
    keep: true,
    doc: "https://shopify.dev/docs/api/admin-graphql/2026-10/queries/order",
};
pub(crate) const LINES_TEXT: &str = "query Lines($id: ID!, $c: String) { order(id: $id) { cancelledAt test currencyCode taxesIncluded lineItems(first: 100, after: $c) { pageInfo { hasNextPage endCursor } \
nodes { id sku title quantity currentQuantity unfulfilledQuantity originalUnitPriceSet { shopMoney { amount currencyCode } } \
discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount currencyCode } } originalTotalSet { shopMoney { amount currencyCode } } \
taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } } } } } }";

pub(crate) static FIELDS: OpSpec = OpSpec { name: "orders.localized_fields", ..LINES };
/// The schema has fewer keys than this.
pub(crate) const FIELDS_TEXT: &str = "query Fields($id: ID!, $c: String) { order(id: $id) { localizedFields(first: 50, after: $c) { \
pageInfo { hasNextPage endCursor } nodes { key countryCode value } } } }";

/// One page of a window.
#[derive(Debug)]
pub(crate) struct SearchIn {
    pub(crate) window: Window,
    pub(crate) after: Option<String>,
}

/// An order whose lines and numbers of the buyer may go on.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) order: Order,
    pub(crate) more_lines: Option<String>,
    pub(crate) more_fields: Option<String>,
    /// Units that left, over all its lines.
    pub(crate) fulfilled: u32,
}

/// Units that were refunded without coming back are removed in Shopify's words, and left all the same: of a line it tells only what is
/// removed and what is to be fulfilled, of a fulfilment how many units it has. What of these no line shows as shipped is among
/// what was removed. Where several lines have something removed, each may be the one: what left must not be taken for back.
///
/// UNVERIFIED: that `currentQuantity` leaves out refunded units that were fulfilled (the schema says "excluding refunded and
/// removed units"), and that a fulfilment's `totalQuantity` stays as it was.
pub(crate) fn left_and_refunded(order: &mut Order, fulfilled: u32) {
    let shown: u32 = order.lines.iter().map(|l| l.shipped).fold(0, u32::saturating_add);
    let hidden = fulfilled.saturating_sub(shown);
    for line in &mut order.lines {
        let left = line.cancelled.min(hidden);
        line.cancelled -= left;
        line.shipped += left;
    }
}

// ---- wire ----------------------------------------------------------------------------------------

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoneyV2 {
    amount: String,
    currency_code: String,
}

impl MoneyV2 {
    pub(crate) fn money(&self) -> Result<Money, Error> {
        let currency = Currency::new(&self.currency_code).map_err(Error::decode)?;
        // `19.9` and `19.90` are both written; digits beyond the currency's own must be zeros.
        Ok(Money::from_decimal(parse_decimal(&self.amount)?, currency)?)
    }
    fn exact(&self) -> Result<Exact, Error> {
        let currency = Currency::new(&self.currency_code).map_err(Error::decode)?;
        Ok(Exact::new(parse_decimal(&self.amount)?, currency))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoneyBag {
    shop_money: MoneyV2,
    presentment_money: Option<MoneyV2>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireOrder {
    id: String,
    name: String,
    created_at: String,
    updated_at: String,
    cancelled_at: Option<String>,
    currency_code: String,
    taxes_included: bool,
    display_financial_status: Option<String>,
    display_fulfillment_status: String,
    test: bool,
    email: Option<String>,
    total_price_set: MoneyBag,
    total_refunded_set: MoneyBag,
    total_shipping_price_set: MoneyBag,
    shipping_line: Option<ShippingLine>,
    shipping_address: Option<MailingAddress>,
    localized_fields: Connection<LocalizedField>,
    #[serde(default)]
    transactions: Vec<WireTransaction>,
    #[serde(default)]
    fulfillments: Vec<Fulfillment>,
    line_items: Connection<WireLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShippingLine {
    #[serde(default)]
    tax_lines: Vec<TaxLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaxLine {
    title: String,
    channel_liable: Option<bool>,
    price_set: MoneyBag,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MailingAddress {
    first_name: Option<String>,
    last_name: Option<String>,
    company: Option<String>,
    address1: Option<String>,
    address2: Option<String>,
    city: Option<String>,
    province_code: Option<String>,
    zip: Option<String>,
    country_code_v2: Option<String>,
    phone: Option<String>,
}

/// What the checkout asked of the buyer for customs or tax. Personal data: its debug form shows no value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocalizedField {
    key: String,
    country_code: String,
    value: String,
}

impl std::fmt::Debug for LocalizedField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalizedField({}, …)", self.key)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTransaction {
    id: String,
    kind: String,
    status: String,
    gateway: Option<String>,
    processed_at: Option<String>,
    payment_id: Option<String>,
    amount_set: MoneyBag,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fulfillment {
    status: String,
    total_quantity: u32,
    display_status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLine {
    id: String,
    sku: Option<String>,
    title: String,
    quantity: u32,
    current_quantity: u32,
    unfulfilled_quantity: u32,
    original_unit_price_set: MoneyBag,
    discounted_total_set: MoneyBag,
    original_total_set: MoneyBag,
    #[serde(default)]
    tax_lines: Vec<TaxLine>,
}

// ---- variables and answers -----------------------------------------------------------------------

pub(crate) fn search_variables(_: &Shop, _: &OpCx<'_>, input: &SearchIn) -> Result<Value, Error> {
    // Filtered by time alone: a status filter loses orders whose status moved on meanwhile.
    let query = format!("updated_at:>='{}' AND updated_at:<'{}'", input.window.from, input.window.to);
    Ok(json!({"c": input.after, "q": query}))
}

pub(crate) fn search(
    _: &Shop,
    cx: &OpCx<'_>,
    _: &SearchIn,
    response: &WireResponse,
) -> Result<Page<Result<Partial, Error>>, Error> {
    #[derive(Deserialize)]
    struct Data {
        orders: Each,
    }
    let orders = data::<Data>(response)?.orders;
    let next = orders.next().map(tradewind_connector::Cursor);
    let items = orders.nodes.read("order", "id", |o| partial(cx.account, o)).collect();
    Ok(Page { items, next })
}

pub(crate) fn get_variables(_: &Shop, _: &OpCx<'_>, id: &OrderId) -> Result<Value, Error> {
    Ok(json!({"id": id.as_str()}))
}

pub(crate) fn get(_: &Shop, cx: &OpCx<'_>, id: &OrderId, response: &WireResponse) -> Result<Partial, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<WireOrder>,
    }
    let order = data::<Data>(response)?.order;
    let order = order.ok_or_else(|| gone("order", id.as_str()))?;
    partial(cx.account, order)
}

pub(crate) fn rest_variables(_: &Shop, _: &OpCx<'_>, input: &(OrderId, String)) -> Result<Value, Error> {
    Ok(json!({"id": input.0.as_str(), "c": input.1}))
}

/// More lines.
pub(crate) fn lines(
    _: &Shop,
    _: &OpCx<'_>,
    _: &(OrderId, String),
    response: &WireResponse,
) -> Result<Page<OrderLine>, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<Order2>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order2 {
        cancelled_at: Option<String>,
        test: bool,
        currency_code: String,
        taxes_included: bool,
        line_items: Connection<WireLine>,
    }
    let order = data::<Data>(response)?.order.ok_or_else(|| Error::decode("the order is gone"))?;
    let next = order.line_items.next().map(tradewind_connector::Cursor);
    let currency = Currency::new(&order.currency_code).map_err(Error::decode)?;
    let cancelled = order.cancelled_at.is_some() || order.test;
    let lines =
        order.line_items.nodes.into_iter().map(|l| line(l, currency, order.taxes_included, cancelled));
    Ok(Page { items: lines.collect::<Result<_, _>>()?, next })
}

/// More numbers of the buyer.
pub(crate) fn fields(
    _: &Shop,
    _: &OpCx<'_>,
    _: &(OrderId, String),
    response: &WireResponse,
) -> Result<Page<TaxId>, Error> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<Order2>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order2 {
        localized_fields: Connection<LocalizedField>,
    }
    let order = data::<Data>(response)?.order.ok_or_else(|| Error::decode("the order is gone"))?;
    let next = order.localized_fields.next().map(tradewind_connector::Cursor);
    Ok(Page { items: order.localized_fields.nodes.into_iter().filter_map(credential).collect(), next })
}

// ---- wire → domain -------------------------------------------------------------------------------

fn time(text: &str) -> Result<SourceTime, Error> {
    text.parse().map(SourceTime::utc).map_err(|e| Error::decode(format!("time '{text}': {e}")))
}

/// Units of a fulfilment left, or will: it was not called off, and did not fail.
pub(crate) fn stands(status: &str) -> bool {
    !matches!(status, "CANCELLED" | "ERROR" | "FAILURE")
}

fn partial(account: &AccountId, o: WireOrder) -> Result<Partial, Error> {
    let currency = Currency::new(&o.currency_code).map_err(Error::decode)?;
    // A test order moves neither goods nor money: nothing of it is open, nothing is held for it.
    let cancelled = o.cancelled_at.is_some() || o.test;
    let state = fold(&o);
    let raw_status = format!(
        "{}/{}{}{}",
        o.display_financial_status.as_deref().unwrap_or("-"),
        o.display_fulfillment_status,
        if o.cancelled_at.is_some() { "/cancelled" } else { "" },
        if o.test { "/test" } else { "" }
    );
    let buyer_total = match &o.total_price_set.presentment_money {
        Some(p) if p.currency_code != o.currency_code => Some(p.money()?),
        _ => None,
    };
    let (more_lines, more_fields) = (o.line_items.next(), o.localized_fields.next());
    let fulfilled = match o.test {
        true => 0,
        false => o
            .fulfillments
            .iter()
            .filter(|f| stands(&f.status))
            .map(|f| f.total_quantity)
            .fold(0, u32::saturating_add),
    };
    let included = o.taxes_included;
    let taxes = o.shipping_line.map(|s| s.tax_lines).unwrap_or_default();
    let name =
        o.shipping_address.as_ref().and_then(|a| join(a.first_name.as_deref(), a.last_name.as_deref()));
    let order = Order {
        account: account.clone(),
        id: OrderId::new(o.id).map_err(Error::decode)?,
        number: Some(o.name),
        placed_at: time(&o.created_at)?,
        updated_at: time(&o.updated_at)?,
        state,
        raw_status,
        currency,
        buyer_total,
        buyer: Buyer {
            id: None,
            name,
            email: o.email.clone(),
            tax_ids: o.localized_fields.nodes.into_iter().filter_map(credential).collect(),
        },
        ship_to: o.shipping_address.map(|a| address(a, o.email)).transpose()?.flatten(),
        lines: o
            .line_items
            .nodes
            .into_iter()
            .map(|l| line(l, currency, included, cancelled))
            .collect::<Result<_, _>>()?,
        shipping: o.total_shipping_price_set.shop_money.money()?,
        taxes: taxes.into_iter().map(|t| tax(t, included)).collect::<Result<_, _>>()?,
        total: o.total_price_set.shop_money.money()?,
        payments: o.transactions.into_iter().filter(is_payment).map(payment).collect::<Result<_, _>>()?,
        refunded: o.total_refunded_set.shop_money.money()?,
        registrations: Vec::new(),
        incoterm: None,
        ship_by: None,
        channel_fulfilled: false,
    };
    Ok(Partial { order, more_lines, more_fields, fulfilled })
}

/// A number that customs or the tax office asks of the buyer; `LocalizedFieldKey` of the Admin API. E-mail addresses and
/// types of documents are no numbers.
fn credential(field: LocalizedField) -> Option<TaxId> {
    let kind = match field.key.as_str() {
        "SHIPPING_CREDENTIAL_CN" => TaxIdKind::ChineseId,
        "SHIPPING_CREDENTIAL_KR" => TaxIdKind::Pccc,
        // CPF or CNPJ: eleven digits identify a person.
        "SHIPPING_CREDENTIAL_BR" | "TAX_CREDENTIAL_BR"
            if field.value.bytes().filter(u8::is_ascii_digit).count() == 11 =>
        {
            TaxIdKind::Cpf
        }
        key if key.contains("_EMAIL_") || key.contains("_TYPE_") || key.contains("_USE_") => return None,
        _ => TaxIdKind::Other,
    };
    let value = field.value.trim().to_owned();
    (!value.is_empty()).then(|| TaxId { kind, value, country: Country::new(&field.country_code).ok() })
}

fn join(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let name = [first, last].into_iter().flatten().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

/// Personal data may be withheld (`null`): an address without a country is none.
fn address(a: MailingAddress, email: Option<String>) -> Result<Option<Address>, Error> {
    let Some(code) = a.country_code_v2 else { return Ok(None) };
    let country = Country::new(&code).map_err(Error::decode)?;
    Ok(Some(Address {
        name: join(a.first_name.as_deref(), a.last_name.as_deref()),
        company: a.company.filter(|t| !t.is_empty()),
        lines: [a.address1, a.address2].into_iter().flatten().filter(|t| !t.is_empty()).collect(),
        city: a.city,
        region: a.province_code,
        postcode: a.zip,
        phone: a.phone,
        email,
        ..Address::in_country(country)
    }))
}

/// The table of fact sheet §8: cancelled beats everything, then payment, then fulfilment. What left altogether has left,
/// whatever became of the money; of what is still here nothing leaves before it is paid, nor after the money went back.
fn fold(o: &WireOrder) -> OrderState {
    // A test order was never sold.
    if o.cancelled_at.is_some() || o.test {
        return OrderState::Cancelled;
    }
    let paid = matches!(o.display_financial_status.as_deref(), Some("PAID" | "PARTIALLY_REFUNDED"));
    let delivered = !o.fulfillments.is_empty()
        && o.fulfillments.iter().all(|f| f.display_status.as_deref() == Some("DELIVERED"));
    match o.display_fulfillment_status.as_str() {
        "FULFILLED" if delivered => return OrderState::Delivered,
        "FULFILLED" | "FULFILLMENT_NOT_REQUIRED" => return OrderState::Shipped,
        "PARTIALLY_FULFILLED" if paid => return OrderState::PartiallyShipped,
        "PARTIALLY_FULFILLED" => return OrderState::OnHold,
        "RESTOCKED" => return OrderState::Cancelled,
        "ON_HOLD" | "REQUEST_DECLINED" => return OrderState::OnHold,
        _ => {}
    }
    match o.display_financial_status.as_deref() {
        // A voided or expired payment ends the payment, not the order, as long as nobody cancelled it: the buyer may pay again.
        // Ours: the fact sheet has it "Cancelled-like", and whether Shopify keeps the units committed is UNVERIFIED.
        Some("PENDING" | "AUTHORIZED" | "PARTIALLY_PAID" | "VOIDED" | "EXPIRED") | None => {
            OrderState::PendingPayment
        }
        Some("REFUNDED") => OrderState::Cancelled,
        Some("PAID" | "PARTIALLY_REFUNDED") => match o.display_fulfillment_status.as_str() {
            "IN_PROGRESS" => OrderState::Processing,
            "UNFULFILLED" | "OPEN" | "PENDING_FULFILLMENT" | "SCHEDULED" => OrderState::ReadyToShip,
            _ => OrderState::Exception,
        },
        Some(_) => OrderState::Exception,
    }
}

fn tax(t: TaxLine, included: bool) -> Result<CollectedTax, Error> {
    let title = t.title.to_ascii_lowercase();
    let kind = if ["vat", "gst", "hst", "mwst", "tva", "iva", "ust"].iter().any(|w| title.contains(w)) {
        TaxKind::Vat
    } else {
        TaxKind::Sales
    };
    Ok(CollectedTax {
        kind,
        amount: t.price_set.shop_money.money()?,
        // The merchant owes it unless the sales channel says that it does.
        collector: if t.channel_liable == Some(true) {
            TaxCollector::Marketplace
        } else {
            TaxCollector::Seller
        },
        included,
        scheme: None,
    })
}

fn line(l: WireLine, currency: Currency, included: bool, cancelled: bool) -> Result<OrderLine, Error> {
    let total = l.discounted_total_set.shop_money.money()?;
    if total.currency() != currency {
        return Err(Error::decode(format!(
            "line {} is in {}, the order in {currency}",
            l.id,
            total.currency()
        )));
    }
    let removed = if cancelled { l.quantity } else { l.quantity.saturating_sub(l.current_quantity) };
    // Open units are what Shopify calls unfulfilled; the rest was removed or shipped.
    let shipped =
        l.quantity.saturating_sub(removed).saturating_sub(if cancelled { 0 } else { l.unfulfilled_quantity });
    let channel_sku = l.sku.unwrap_or_default();
    Ok(OrderLine {
        id: OrderLineId::new(l.id).map_err(Error::decode)?,
        sku: Sku::new(channel_sku.clone()).ok(),
        channel_sku,
        title: l.title,
        quantity: l.quantity,
        cancelled: removed,
        shipped,
        unit_price: l.original_unit_price_set.shop_money.exact()?,
        total,
        discount: l.original_total_set.shop_money.money()?.try_sub(total)?,
        taxes: l.tax_lines.into_iter().map(|t| tax(t, included)).collect::<Result<_, _>>()?,
        fulfilment: None,
        raw_status: None,
    })
}

fn is_payment(t: &WireTransaction) -> bool {
    matches!(t.kind.as_str(), "SALE" | "CAPTURE") && t.status == "SUCCESS"
}

fn payment(t: WireTransaction) -> Result<OrderPayment, Error> {
    // The payment provider's own id when it is told: it joins with the provider's books.
    let id = t.payment_id.filter(|p| !p.is_empty()).unwrap_or(t.id);
    Ok(OrderPayment {
        provider: t.gateway.unwrap_or_default(),
        transaction: Some(TransactionId::new(id).map_err(Error::decode)?),
        amount: t.amount_set.shop_money.money()?,
        paid_at: t.processed_at.as_deref().map(time).transpose()?.map(|t| t.utc),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(payment: &str, fulfilment: &str, test: bool, cancelled: Option<&str>) -> Order {
        let usd = |amount: &str| json!({"shopMoney": {"amount": amount, "currencyCode": "USD"}});
        let line = json!({"id": "gid://shopify/LineItem/1", "sku": "A", "title": "a", "quantity": 3, "currentQuantity": 3,
            "unfulfilledQuantity": 2, "originalUnitPriceSet": usd("10.0"), "discountedTotalSet": usd("30.0"),
            "originalTotalSet": usd("30.0")});
        let order = json!({"id": "gid://shopify/Order/1", "name": "#1001", "createdAt": "2026-08-01T00:00:00Z",
            "updatedAt": "2026-08-01T00:00:00Z", "cancelledAt": cancelled, "currencyCode": "USD", "taxesIncluded": false,
            "displayFinancialStatus": payment, "displayFulfillmentStatus": fulfilment, "test": test,
            "totalPriceSet": usd("30.0"), "totalRefundedSet": usd("0.0"), "totalShippingPriceSet": usd("0.0"),
            "localizedFields": {"nodes": []},
            "lineItems": {"nodes": [line], "pageInfo": {"hasNextPage": false, "endCursor": null}}});
        partial(&"shop".parse().unwrap(), serde_json::from_value(order).unwrap()).unwrap().order
    }

    #[test]
    fn what_is_not_paid_does_not_ship() {
        use OrderState::{Cancelled, OnHold, PartiallyShipped, PendingPayment, ReadyToShip, Shipped};
        // Fact sheet §8.
        for (payment, fulfilment, want) in [
            ("PAID", "UNFULFILLED", ReadyToShip),
            ("PAID", "PARTIALLY_FULFILLED", PartiallyShipped),
            ("PARTIALLY_REFUNDED", "PARTIALLY_FULFILLED", PartiallyShipped),
            ("REFUNDED", "UNFULFILLED", Cancelled),
            // Ours, where the sheet looks at the parcels alone: nothing leaves before it is paid, nor after the money went back.
            ("REFUNDED", "PARTIALLY_FULFILLED", OnHold),
            ("VOIDED", "PARTIALLY_FULFILLED", OnHold),
            ("PENDING", "PARTIALLY_FULFILLED", OnHold),
            ("REFUNDED", "FULFILLED", Shipped),
            // Ours, against its "Cancelled-like": nobody cancelled.
            ("VOIDED", "UNFULFILLED", PendingPayment),
            ("EXPIRED", "UNFULFILLED", PendingPayment),
        ] {
            assert_eq!(order(payment, fulfilment, false, None).state, want, "{payment} {fulfilment}");
        }
        let voided = order("VOIDED", "UNFULFILLED", false, Some("2026-08-02T00:00:00Z"));
        assert_eq!(voided.state, Cancelled);
    }

    /// Three of a line, with what Shopify shows of them: how many are left after removals, how many are to be fulfilled still.
    #[test]
    fn what_was_fulfilled_and_refunded_left() {
        for (current, unfulfilled, fulfilled, cancelled, shipped) in [
            // One went and was refunded as goodwill, two are to go.
            (2, 2, 1, 0, 1),
            // One was taken out before anything went; then the other two went.
            (2, 2, 0, 1, 0),
            (2, 0, 2, 1, 2),
            // One went, one was taken out, one is to go.
            (2, 1, 1, 1, 1),
            // All went, all were refunded.
            (0, 0, 3, 0, 3),
        ] {
            let mut o = order("PARTIALLY_REFUNDED", "PARTIALLY_FULFILLED", false, None);
            let l = &mut o.lines[0];
            l.cancelled = 3 - current;
            l.shipped = current - unfulfilled;
            left_and_refunded(&mut o, fulfilled);
            let l = &o.lines[0];
            assert_eq!((l.cancelled, l.shipped), (cancelled, shipped), "{current} {unfulfilled} {fulfilled}");
            assert_eq!(l.open(), unfulfilled);
        }
    }

    #[test]
    fn a_test_order_is_not_shipped_and_holds_nothing() {
        let o = order("PAID", "UNFULFILLED", true, None);
        assert_eq!((o.state, o.raw_status.as_str()), (OrderState::Cancelled, "PAID/UNFULFILLED/test"));
        assert_eq!(o.lines[0].open(), 0);
    }

    #[test]
    fn numbers_of_the_buyer_keep_their_kind_and_stay_out_of_debug_output() {
        let field = |key: &str, country: &str, value: &str| LocalizedField {
            key: key.to_owned(),
            country_code: country.to_owned(),
            value: value.to_owned(),
        };
        let kind = |f: LocalizedField| credential(f).map(|t| (t.kind, t.value));
        // Keys: enum LocalizedFieldKey, Admin API 2026-10.
        assert_eq!(
            kind(field("SHIPPING_CREDENTIAL_CN", "CN", " 99999919000101123X ")),
            Some((TaxIdKind::ChineseId, "99999919000101123X".to_owned()))
        );
        assert_eq!(
            kind(field("SHIPPING_CREDENTIAL_KR", "KR", "P123456789012")).map(|k| k.0),
            Some(TaxIdKind::Pccc)
        );
        assert_eq!(
            kind(field("TAX_CREDENTIAL_BR", "BR", "000.000.001-91")).map(|k| k.0),
            Some(TaxIdKind::Cpf)
        );
        assert_eq!(
            kind(field("TAX_CREDENTIAL_BR", "BR", "00.000.000/0001-91")).map(|k| k.0),
            Some(TaxIdKind::Other)
        );
        assert_eq!(kind(field("TAX_EMAIL_IT", "IT", "a@example.com")), None);
        assert_eq!(kind(field("SHIPPING_CREDENTIAL_CN", "CN", " ")), None);
        let shown = format!("{:?}", field("SHIPPING_CREDENTIAL_CN", "CN", "99999919000101123X"));
        assert!(!shown.contains("9999"), "{shown}");
    }
}
