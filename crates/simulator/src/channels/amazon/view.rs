//! How orders look: Orders API 2026-01-01 (camelCase, amounts as strings, no token for personal data)
//! and v0 (PascalCase, wrapped in `payload`, personal data only with a restricted token).

use super::auth::opens;
use super::errors::{invalid, missing};
use super::route::Req;
use super::site::find;
use super::state::{Line, Order, State, Status};
use crate::core::channel::json;
use crate::core::clock::{DAY_MS, instant, iso_seconds};
use crate::core::money::text;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Map, Value, json as j};

/// Bounds may not reach nearer to now than this.
const EDGE_MS: i64 = 120_000;

fn time(ms: i64) -> Value {
    iso_seconds(instant(ms)).into()
}

/// (2026 name, v0 name).
fn status_names(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Pending => ("PENDING", "Pending"),
        Status::Unshipped => ("UNSHIPPED", "Unshipped"),
        Status::PartiallyShipped => ("PARTIALLY_SHIPPED", "PartiallyShipped"),
        Status::Shipped => ("SHIPPED", "Shipped"),
        Status::Cancelled => ("CANCELLED", "Canceled"),
    }
}

/// A list request, either version: window, filters, page.
struct Listing<'a> {
    created: bool,
    after: i64,
    before: i64,
    statuses: Vec<&'a str>,
    sites: Vec<&'a str>,
    size: usize,
    /// Show what comes after (time, id).
    cursor: (i64, String),
}

impl<'a> Listing<'a> {
    fn of(world: &World, req: &'a Req, names: [&str; 8]) -> Result<Self, String> {
        let [created_after, created_before, updated_after, updated_before, statuses, sites, size, token] =
            names;
        let edge = world.now_ms() - EDGE_MS;
        let (created, after, before) = match (req.instant(created_after)?, req.instant(updated_after)?) {
            (Some(after), None) => (true, after, req.instant(created_before)?),
            (None, Some(after)) => (false, after, req.instant(updated_before)?),
            _ => return Err(format!("Exactly one of {created_after} and {updated_after} is required")),
        };
        if before.is_some_and(|b| b > edge) {
            return Err(format!("{updated_before} must be at least two minutes in the past"));
        }
        let size = match req.get(size) {
            None => 100,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=100).contains(n))
                .ok_or_else(|| format!("{size} must be 1 to 100"))?,
        };
        let cursor = match req.get(token) {
            None => (i64::MIN, String::new()),
            Some(text) => {
                let plain = hex::decode(text).ok().and_then(|b| String::from_utf8(b).ok());
                plain
                    .and_then(|p| {
                        p.split_once(' ').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())))
                    })
                    .ok_or_else(|| format!("{token} is invalid"))?
            }
        };
        let before = before.unwrap_or(edge);
        Ok(Self {
            created,
            after,
            before,
            statuses: req.list(statuses),
            sites: req.list(sites),
            size,
            cursor,
        })
    }

    fn run<'s>(&self, state: &'s State, v0: bool) -> (Vec<&'s Order>, Option<String>) {
        let key = |o: &Order| (if self.created { o.created_ms } else { o.updated_ms }, o.id.clone());
        let mut found: Vec<&Order> = state
            .orders
            .values()
            .filter(|o| {
                let at = key(o).0;
                let names = status_names(o.status);
                let status = if v0 { names.1 } else { names.0 };
                at >= self.after
                    && at <= self.before
                    && (self.sites.is_empty() || self.sites.contains(&o.site.as_str()))
                    && (self.statuses.is_empty() || self.statuses.contains(&status))
                    && key(o) > self.cursor
            })
            .collect();
        found.sort_by_key(|o| key(o));
        let more = found.len() > self.size;
        found.truncate(self.size);
        let token = found.last().filter(|_| more).map(|o| hex::encode(format!("{} {}", key(o).0, o.id)));
        (found, token)
    }
}

/// `searchOrders`.
pub(super) fn search(world: &World, state: &State, req: &Req) -> Response {
    let names = [
        "createdAfter",
        "createdBefore",
        "lastUpdatedAfter",
        "lastUpdatedBefore",
        "fulfillmentStatuses",
        "marketplaceIds",
        "maxResultsPerPage",
        "paginationToken",
    ];
    let list = match Listing::of(world, req, names) {
        Ok(list) => list,
        Err(message) => return invalid(&message),
    };
    let (found, token) = if req.list("fulfilledBy").contains(&"MERCHANT") || req.get("fulfilledBy").is_none()
    {
        list.run(state, false)
    } else {
        (Vec::new(), None)
    };
    let orders: Vec<Value> = found.iter().map(|o| show(o, &req.list("includedData"))).collect();
    let bound = if list.created { "createdBefore" } else { "lastUpdatedBefore" };
    let mut body = j!({"orders": orders, bound: time(list.before)});
    if let (Some(token), Some(map)) = (token, body.as_object_mut()) {
        map.insert("pagination".into(), j!({"nextToken": token}));
    }
    json(200, &body)
}

/// `getOrder` (2026-01-01).
pub(super) fn get(state: &State, req: &Req) -> Response {
    match state.orders.get(req.part(0)) {
        Some(order) => json(200, &j!({"order": show(order, &req.list("includedData"))})),
        None => missing("The requested order was not found"),
    }
}

fn money(amount: i64, currency: &str) -> Value {
    j!({"amount": text(amount, currency), "currencyCode": currency})
}

fn show(order: &Order, included: &[&str]) -> Value {
    let wants = |name: &str| included.contains(&name);
    let pending = order.status == Status::Pending;
    let site = find(&order.site);
    let mut map = Map::new();
    let mut put = |k: &str, v: Value| map.insert(k.to_owned(), v);
    put("orderId", order.id.clone().into());
    put("createdTime", time(order.created_ms));
    put("lastUpdatedTime", time(order.updated_ms));
    put(
        "salesChannel",
        j!({"channelName": "AMAZON", "marketplaceId": order.site, "marketplaceName": site.map_or("", |s| s.name)}),
    );
    // Personal data and amounts are not there while the payment is open.
    if wants("BUYER") && !pending {
        put("buyer", j!({"buyerName": order.buyer.name(), "buyerEmail": order.buyer.email}));
    }
    if wants("RECIPIENT") && !pending {
        put("recipient", j!({"deliveryAddress": address(order)}));
    }
    if wants("PROCEEDS") && !pending {
        let mut breakdowns = vec![
            j!({"type": "ITEM", "subtotal": money(order.lines.iter().map(|l| l.net).sum(), &order.currency)}),
        ];
        let shipping: i64 = order.lines.iter().map(|l| l.shipping).sum();
        let tax: i64 = order.lines.iter().map(|l| l.tax).sum();
        for (kind, amount) in [("SHIPPING", shipping), ("TAX", tax)] {
            if amount != 0 {
                breakdowns.push(j!({"type": kind, "subtotal": money(amount, &order.currency)}));
            }
        }
        put("proceeds", j!({"grandTotal": money(order.total(), &order.currency), "breakdowns": breakdowns}));
    }
    if wants("PAYMENT") && !pending {
        put(
            "payment",
            j!({"paymentExecutions": [{"paymentMethod": "CreditCard", "paymentAmount": money(order.total(), &order.currency)}]}),
        );
    }
    if wants("FULFILLMENT") {
        put(
            "fulfillment",
            j!({"fulfillmentStatus": status_names(order.status).0, "fulfilledBy": "MERCHANT", "fulfillmentServiceLevel": "STANDARD",
                "shipByWindow": {"earliestDateTime": time(order.created_ms), "latestDateTime": time(order.created_ms + 3 * DAY_MS)},
                "deliverByWindow": {"earliestDateTime": time(order.created_ms + 4 * DAY_MS), "latestDateTime": time(order.created_ms + 14 * DAY_MS)}}),
        );
    }
    if wants("PACKAGES") && !order.packages.is_empty() {
        let packages: Vec<Value> = order
            .packages
            .iter()
            .map(|p| {
                let mut package = j!({"packageReferenceId": p.reference, "createdTime": time(p.created_ms),
                    "packageStatus": {"status": if p.delivered { "DELIVERED" } else { "SHIPPED" }},
                    "carrier": p.carrier, "shipTime": time(p.shipped_ms), "trackingNumber": p.tracking,
                    "packageItems": p.items.iter().map(|(i, q)| j!({"orderItemId": i, "quantity": q})).collect::<Vec<_>>()});
                if let (false, Some(map)) = (p.service.is_empty(), package.as_object_mut()) {
                    map.insert("shippingService".into(), p.service.clone().into());
                }
                package
            })
            .collect();
        put("packages", packages.into());
    }
    put("orderItems", order.lines.iter().map(|l| show_item(order, l, included, pending)).collect());
    Value::Object(map)
}

fn show_item(order: &Order, line: &Line, included: &[&str], pending: bool) -> Value {
    let wants = |name: &str| included.contains(&name);
    let currency = &order.currency;
    let mut product = j!({"asin": line.asin, "title": line.title, "sellerSku": line.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"}});
    if let (false, Some(map)) = (pending, product.as_object_mut()) {
        map.insert("price".into(), j!({"unitPrice": money(line.unit_price, currency)}));
    }
    let mut map = Map::new();
    let mut put = |k: &str, v: Value| map.insert(k.to_owned(), v);
    put("orderItemId", line.item.clone().into());
    put("quantityOrdered", line.quantity.into());
    put("product", product);
    if wants("PROCEEDS") && !pending {
        let mut breakdowns = vec![j!({"type": "ITEM", "subtotal": money(line.net, currency)})];
        for (kind, amount) in [("SHIPPING", line.shipping), ("TAX", line.tax)] {
            if amount != 0 {
                breakdowns.push(j!({"type": kind, "subtotal": money(amount, currency)}));
            }
        }
        put("proceeds", j!({"proceedsTotal": money(line.total(), currency), "breakdowns": breakdowns}));
    }
    if wants("CANCELLATION") && (order.cancel_requested || order.cancelled_by.is_some()) {
        let mut cancellation = Map::new();
        if order.cancel_requested {
            cancellation.insert(
                "cancellationRequest".into(),
                j!({"requester": "BUYER", "cancelReason": "BUYER_CANCELED"}),
            );
        }
        if let Some(by) = order.cancelled_by {
            cancellation
                .insert("cancellationExecution".into(), j!({"cancelledBy": by, "cancelReason": "OTHER"}));
        }
        put("cancellation", Value::Object(cancellation));
    }
    if wants("FULFILLMENT") {
        let open = if order.status == Status::Cancelled { 0 } else { line.quantity - line.shipped };
        let mut fulfillment = j!({"quantityFulfilled": line.shipped, "quantityUnfulfilled": open});
        if let (Some(number), Some(map)) = (ioss(order), fulfillment.as_object_mut()) {
            map.insert("shipping".into(), j!({"internationalShipping": {"iossNumber": number}}));
        }
        put("fulfillment", fulfillment);
    }
    if wants("TAX") && order.facilitator {
        let mut tax = j!({"taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}]});
        if let (Some(_), Some(map)) = (ioss(order), tax.as_object_mut()) {
            map.insert("taxCalculationBreakdowns".into(), j!([{"reportingScheme": "IOSS"}]));
        }
        put("tax", tax);
    }
    Value::Object(map)
}

/// The marketplace's IOSS number, for EU orders on which it is the deemed supplier. Invented, in the
/// scheme's form `IM` + 10 digits.
fn ioss(order: &Order) -> Option<&'static str> {
    (order.facilitator && find(&order.site).is_some_and(super::site::Site::is_eu)).then_some("IM4420001201")
}

fn address(order: &Order) -> Value {
    let b = &order.buyer;
    let mut address = j!({"name": b.name(), "addressLine1": b.street, "city": b.city, "postalCode": b.postal_code,
        "countryCode": b.country, "phone": b.phone, "addressType": "RESIDENTIAL"});
    if let (false, Some(map)) = (b.region.is_empty(), address.as_object_mut()) {
        map.insert("stateOrRegion".into(), b.region.clone().into());
    }
    address
}

// ---- v0 ---------------------------------------------------------------------------------------

fn money_v0(amount: i64, currency: &str) -> Value {
    j!({"CurrencyCode": currency, "Amount": text(amount, currency)})
}

/// `getOrders` (v0).
pub(super) fn search_v0(world: &World, state: &State, req: &Req) -> Response {
    let names = [
        "CreatedAfter",
        "CreatedBefore",
        "LastUpdatedAfter",
        "LastUpdatedBefore",
        "OrderStatuses",
        "MarketplaceIds",
        "MaxResultsPerPage",
        "NextToken",
    ];
    if req.list("MarketplaceIds").is_empty() {
        return invalid("MarketplaceIds is required");
    }
    let list = match Listing::of(world, req, names) {
        Ok(list) => list,
        Err(message) => return invalid(&message),
    };
    let (found, token) = list.run(state, true);
    let path = "/orders/v0/orders";
    let open = (opens(state, req, path, "buyerInfo"), opens(state, req, path, "shippingAddress"));
    let orders: Vec<Value> = found.iter().map(|o| show_v0(o, open)).collect();
    let bound = if list.created { "CreatedBefore" } else { "LastUpdatedBefore" };
    let mut payload = j!({"Orders": orders, bound: time(list.before)});
    if let (Some(token), Some(map)) = (token, payload.as_object_mut()) {
        map.insert("NextToken".into(), token.into());
    }
    json(200, &j!({"payload": payload}))
}

/// `getOrder`, `getOrderItems`, `getOrderAddress`, `getOrderBuyerInfo` (v0).
pub(super) fn get_v0(state: &State, req: &Req) -> Response {
    let Some(order) = state.orders.get(req.part(0)) else {
        return missing("The requested order was not found");
    };
    let path = format!("/orders/v0/orders/{}", order.id);
    let denied = || {
        super::errors::fail(
            403,
            "Unauthorized",
            "Access to requested resource is denied.",
            "A restricted data token is required.",
        )
    };
    let payload = match req.operation {
        "getOrderV0" => show_v0(
            order,
            (opens(state, req, &path, "buyerInfo"), opens(state, req, &path, "shippingAddress")),
        ),
        "getOrderItemsV0" => {
            j!({"AmazonOrderId": order.id, "OrderItems": order.lines.iter().map(|l| item_v0(order, l)).collect::<Vec<_>>()})
        }
        "getOrderAddressV0" if opens(state, req, &format!("{path}/address"), "shippingAddress") => {
            j!({"AmazonOrderId": order.id, "ShippingAddress": address_v0(order, true)})
        }
        "getOrderBuyerInfoV0" if opens(state, req, &format!("{path}/buyerInfo"), "buyerInfo") => {
            j!({"AmazonOrderId": order.id, "BuyerEmail": order.buyer.email, "BuyerName": order.buyer.name()})
        }
        _ => return denied(),
    };
    json(200, &j!({"payload": payload}))
}

fn address_v0(order: &Order, full: bool) -> Value {
    let b = &order.buyer;
    let mut address = j!({"City": b.city, "PostalCode": b.postal_code, "CountryCode": b.country});
    if let Some(map) = address.as_object_mut() {
        if !b.region.is_empty() {
            map.insert("StateOrRegion".into(), b.region.clone().into());
        }
        if full {
            map.insert("Name".into(), b.name().into());
            map.insert("AddressLine1".into(), b.street.clone().into());
            map.insert("Phone".into(), b.phone.clone().into());
            map.insert("AddressType".into(), "Residential".into());
        }
    }
    address
}

fn show_v0(order: &Order, (buyer, address): (bool, bool)) -> Value {
    let shipped: u32 = order.lines.iter().map(|l| l.shipped).sum();
    let ordered: u32 = order.lines.iter().map(|l| l.quantity).sum();
    let open = if order.status == Status::Cancelled { 0 } else { ordered - shipped };
    let name = find(&order.site).map_or("", |s| s.name);
    let mut body = j!({
        "AmazonOrderId": order.id, "PurchaseDate": time(order.created_ms), "LastUpdateDate": time(order.updated_ms),
        "OrderStatus": status_names(order.status).1, "FulfillmentChannel": "MFN", "SalesChannel": name,
        "ShipServiceLevel": "Std Intl", "ShipmentServiceLevelCategory": "Standard", "MarketplaceId": order.site,
        "NumberOfItemsShipped": shipped, "NumberOfItemsUnshipped": open, "PaymentMethod": "Other", "OrderType": "StandardOrder",
        "EarliestShipDate": time(order.created_ms), "LatestShipDate": time(order.created_ms + 3 * DAY_MS),
        "IsBusinessOrder": false, "IsPrime": false, "IsPremiumOrder": false, "IsReplacementOrder": false,
    });
    if let (true, Some(map)) = (order.status != Status::Pending, body.as_object_mut()) {
        map.insert("OrderTotal".into(), money_v0(order.total(), &order.currency));
        map.insert("ShippingAddress".into(), address_v0(order, address));
        if buyer {
            map.insert(
                "BuyerInfo".into(),
                j!({"BuyerEmail": order.buyer.email, "BuyerName": order.buyer.name()}),
            );
        }
    }
    body
}

fn item_v0(order: &Order, line: &Line) -> Value {
    let c = &order.currency;
    let mut item = j!({
        "ASIN": line.asin, "SellerSKU": line.sku, "OrderItemId": line.item, "Title": line.title,
        "QuantityOrdered": line.quantity, "QuantityShipped": line.shipped, "ProductInfo": {"NumberOfItems": "1"},
        "IsGift": "false", "ConditionId": "New", "ConditionSubtypeId": "New", "IsTransparency": false,
    });
    if let (true, Some(map)) = (order.status != Status::Pending, item.as_object_mut()) {
        for (name, amount) in [
            ("ItemPrice", line.net),
            ("ItemTax", line.tax),
            ("ShippingPrice", line.shipping),
            ("ShippingTax", 0),
        ] {
            map.insert(name.into(), money_v0(amount, c));
        }
        if order.facilitator {
            map.insert(
                "TaxCollection".into(),
                j!({"Model": "MarketplaceFacilitator", "ResponsibleParty": "Amazon Services, Inc."}),
            );
        }
        if let Some(number) = ioss(order) {
            map.insert("IossNumber".into(), number.into());
            map.insert("DeemedResellerCategory".into(), "IOSS".into());
        }
        if order.cancel_requested {
            map.insert(
                "BuyerRequestedCancel".into(),
                j!({"IsBuyerRequestedCancel": "true", "BuyerCancelReason": "Changed my mind"}),
            );
        }
    }
    item
}
