//! What happens to orders: placed, paid, cancelled, shipped, delivered, refunded. How they look to a
//! client is in `view.rs`; what they cost is in `settlement.rs`.
//!
//! - An order is `PENDING` for 10 to 60 minutes (payment), then `UNSHIPPED`.
//! - A buyer who cancels while it is pending or within 30 minutes of payment cancels it; later he
//!   only *asks* (`cancellationRequest`), and the seller decides (acknowledgement feed or shipment).
//! - Returns of shipped orders are refunded in full by the marketplace.

use super::NAME;
use super::errors::fail;
use super::route::Req;
use super::settlement::{post_refund, post_shipment};
use super::site::find;
use super::state::{Line, Order, Package, State, Status};
use super::{listings, notifications};
use crate::core::buyers::Purchase;
use crate::core::channel::{News, raw};
use crate::core::ledger::{LineRecord, OrderRecord};
use crate::core::money::{minor, share};
use crate::core::world::World;
use axum::response::Response;
use quick_xml::Reader;
use quick_xml::events::Event as Xml;
use serde_json::Value;

/// A buyer places an order; everything was offered by [`super::Amazon::offers`].
pub(super) fn place(world: &World, state: &mut State, purchase: &Purchase) -> Option<String> {
    let first = &purchase.lines.first()?.offer;
    let site = find(&first.site)?;
    let mut stream = purchase.stream.clone();
    let id = format!("{}-{}-{}", stream.digits(3), stream.digits(7), stream.digits(7));
    let listed: i64 = purchase.lines.iter().map(|l| l.offer.price * i64::from(l.quantity)).sum();
    let (_, _, facilitator) = site.split(listed);
    let mut shipping = site.shipping(listed);
    let mut lines = Vec::new();
    for wanted in &purchase.lines {
        let key = (site.id.to_owned(), wanted.offer.sku.clone());
        let listing = state.listings.get_mut(&key)?;
        listing.available = listing.available.saturating_sub(u64::from(wanted.quantity));
        listing.sold += i64::from(wanted.quantity);
        let value = wanted.offer.price * i64::from(wanted.quantity);
        // The order as a whole decides who collects; the split is by line.
        let (net, tax) = match (facilitator, site.tax_inside) {
            (false, _) => (value, 0),
            (true, true) => {
                let net = share(value, 100, 100 + site.tax);
                (net, value - net)
            }
            (true, false) => (value, share(value, site.tax, 100)),
        };
        lines.push(Line {
            item: stream.digits(14),
            sku: wanted.offer.sku.clone(),
            asin: listing.asin.clone(),
            title: listings::title(listing).unwrap_or_default(),
            quantity: wanted.quantity,
            unit_price: wanted.offer.price,
            net,
            tax,
            // The first line carries the delivery charge.
            shipping: std::mem::take(&mut shipping),
            shipped: 0,
        });
        listings::note(world, site.id, &wanted.offer.sku, listing);
    }
    let now = world.now_ms();
    let order = Order {
        id: id.clone(),
        site: site.id.into(),
        currency: site.currency.into(),
        created_ms: now,
        updated_ms: now,
        status: Status::Pending,
        lines,
        buyer: purchase.buyer.clone(),
        facilitator,
        packages: Vec::new(),
        cancel_requested: false,
        cancelled_by: None,
        refunded: 0,
    };
    let record = OrderRecord {
        placed_at: crate::core::clock::iso_seconds(world.now()),
        site: site.id.into(),
        country: order.buyer.country.clone(),
        currency: site.currency.into(),
        total: order.total(),
        goods: order.lines.iter().map(|l| l.net).sum(),
        shipping: order.lines.iter().map(|l| l.shipping).sum(),
        tax: order.lines.iter().map(|l| l.tax).sum(),
        lines: order
            .lines
            .iter()
            .map(|l| LineRecord {
                id: l.item.clone(),
                sku: l.sku.clone(),
                quantity: l.quantity,
                unit_price: l.unit_price,
            })
            .collect(),
        ..OrderRecord::default()
    };
    world.ledger(|l| l.placed(NAME, &id, record));
    world.schedule(NAME, stream.between(600_000, 3_600_000), "paid", &id, Value::Null);
    notifications::order_change(world, state, &order, "OrderStatusChange");
    state.orders.insert(id.clone(), order);
    Some(id)
}

/// Payment arrived.
pub(super) fn paid(world: &World, state: &mut State, id: &str) {
    change(world, state, id, |order| {
        let pending = order.status == Status::Pending;
        if pending {
            order.status = Status::Unshipped;
        }
        pending
    });
}

/// Changes an order if `f` says that it did; stamps it and tells subscribers.
fn change(world: &World, state: &mut State, id: &str, f: impl FnOnce(&mut Order) -> bool) {
    let Some(order) = state.orders.get_mut(id) else { return };
    if f(order) {
        order.updated_ms = world.now_ms();
        let order = order.clone();
        notifications::order_change(world, state, &order, "OrderStatusChange");
    }
}

/// The buyer wants to cancel.
pub(super) fn buyer_cancels(world: &World, state: &mut State, id: &str) {
    let Some(order) = state.orders.get_mut(id) else { return };
    let young = world.now_ms() - order.created_ms < 90 * 60_000;
    match order.status {
        Status::Pending => cancel(world, state, id, "BUYER"),
        Status::Unshipped if young => cancel(world, state, id, "BUYER"),
        Status::Unshipped => {
            order.cancel_requested = true;
            order.updated_ms = world.now_ms();
            let order = order.clone();
            notifications::order_change(world, state, &order, "BuyerRequestedChange");
        }
        _ => {}
    }
}

/// Cancels a whole order and puts its units back on sale.
fn cancel(world: &World, state: &mut State, id: &str, by: &'static str) {
    let Some(order) = state.orders.get_mut(id) else { return };
    order.cancelled_by = Some(by);
    order.status = Status::Cancelled;
    order.updated_ms = world.now_ms();
    let order = order.clone();
    for line in &order.lines {
        if let Some(listing) = state.listings.get_mut(&(order.site.clone(), line.sku.clone())) {
            listing.available += u64::from(line.quantity);
            listing.sold -= i64::from(line.quantity);
            listings::note(world, &order.site, &line.sku, listing);
        }
    }
    let who = match by {
        "BUYER" => "buyer",
        "MERCHANT" => "seller",
        _ => "channel",
    };
    world.ledger(|l| l.cancelled(NAME, id, who));
    notifications::order_change(world, state, &order, "OrderStatusChange");
}

/// The buyer returns a shipped order: refunded in full.
pub(super) fn buyer_returns(world: &World, state: &mut State, id: &str) {
    let Some(order) = state.orders.get(id) else { return };
    if order.status == Status::Shipped && order.refunded == 0 {
        let total = order.total();
        state.returns.insert(id.to_owned(), world.now_ms());
        refund(world, state, id, total);
    }
}

fn refund(world: &World, state: &mut State, id: &str, amount: i64) {
    let Some(order) = state.orders.get_mut(id) else { return };
    order.refunded += amount;
    order.updated_ms = world.now_ms();
    let order = order.clone();
    post_refund(world, state, &order, amount);
    world.ledger(|l| l.refunded(NAME, id, amount));
}

/// A carrier delivered a parcel: packages with that tracking number.
pub(super) fn delivered(world: &World, state: &mut State, tracking: &str) {
    let now = world.now_ms();
    let mut done = Vec::new();
    for order in state.orders.values_mut() {
        for package in order.packages.iter_mut().filter(|p| p.tracking == tracking && !p.delivered) {
            package.delivered = true;
            order.updated_ms = now;
            done.push(order.id.clone());
        }
    }
    for id in done {
        let all = state
            .orders
            .get(&id)
            .is_some_and(|o| o.status == Status::Shipped && o.packages.iter().all(|p| p.delivered));
        if all {
            world.ledger(|l| {
                if let Some(order) = l.order(NAME, &id) {
                    order.delivered = true;
                }
            });
        }
    }
}

/// `confirmShipment`.
pub(super) fn confirm(world: &World, state: &mut State, req: &Req) -> Response {
    match try_confirm(world, state, req) {
        Ok(()) => raw(204, "application/json", ""),
        Err((code, message)) => fail(400, code, &message, ""),
    }
}

fn try_confirm(world: &World, state: &mut State, req: &Req) -> Result<(), (&'static str, String)> {
    let bad = |message: &str| ("InvalidInput", message.to_owned());
    let id = req.part(0).to_owned();
    let body: Value = serde_json::from_slice(&req.body).map_err(|_| bad("The body is not JSON"))?;
    let detail = body.get("packageDetail").ok_or_else(|| bad("packageDetail is required"))?;
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let order = state.orders.get_mut(&id).ok_or_else(|| bad("The order id is invalid"))?;
    if body.get("marketplaceId").and_then(Value::as_str) != Some(order.site.as_str()) {
        return Err(bad("marketplaceId does not match the order"));
    }
    let (reference, carrier, tracking) =
        (text("packageReferenceId"), text("carrierCode"), text("trackingNumber"));
    if reference.is_empty()
        || reference.trim_start_matches('0').is_empty()
        || !reference.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(bad("packageReferenceId must be a positive numeric value"));
    }
    if carrier.is_empty() || tracking.is_empty() {
        return Err(bad("carrierCode and trackingNumber are required"));
    }
    if carrier == "Other" && text("carrierName").is_empty() {
        return Err(bad("carrierName is required when carrierCode is Other"));
    }
    let shipped = text("shipDate")
        .parse::<jiff::Timestamp>()
        .map_err(|_| bad("shipDate must be an ISO 8601 date-time"))?;
    let wanted: Vec<(String, u32)> = detail
        .get("orderItems")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|i| {
            Some((
                i.get("orderItemId")?.as_str()?.to_owned(),
                u32::try_from(i.get("quantity")?.as_u64()?).ok()?,
            ))
        })
        .collect();
    if wanted.is_empty() || wanted.iter().any(|(_, q)| *q == 0) {
        return Err(bad("orderItems must name items and quantities above zero"));
    }
    // The same reference again edits the package and ships nothing anew.
    if let Some(package) = order.packages.iter_mut().find(|p| p.reference == reference) {
        package.carrier = carrier;
        package.tracking.clone_from(&tracking);
        order.updated_ms = world.now_ms();
        world.ledger(|l| l.shipped(NAME, &id, &tracking));
        return Ok(());
    }
    match order.status {
        Status::Unshipped | Status::PartiallyShipped => {}
        Status::Shipped => {
            return Err((
                "PackageToUpdateNotFound",
                "The order is already fulfilled and has no such package".into(),
            ));
        }
        Status::Pending => return Err(bad("The order is pending and cannot be shipped yet")),
        Status::Cancelled => {
            world.ledger(|l| l.complain(NAME, &format!("cancelled order {id} was shipped")));
            return Err(bad("The order is cancelled"));
        }
    }
    for (item, quantity) in &wanted {
        let line = order
            .lines
            .iter()
            .find(|l| l.item == *item)
            .ok_or_else(|| bad("orderItemId is not of this order"))?;
        if line.shipped + quantity > line.quantity {
            return Err(bad("quantity exceeds what is left to ship"));
        }
    }
    let before = order.clone();
    for (item, quantity) in &wanted {
        if let Some(line) = order.lines.iter_mut().find(|l| l.item == *item) {
            line.shipped += quantity;
        }
    }
    let complete = order.lines.iter().all(|l| l.shipped == l.quantity);
    order.status = if complete { Status::Shipped } else { Status::PartiallyShipped };
    order.updated_ms = world.now_ms();
    order.packages.push(Package {
        reference,
        carrier,
        service: text("shippingMethod"),
        tracking: tracking.clone(),
        shipped_ms: shipped.as_millisecond(),
        created_ms: world.now_ms(),
        delivered: false,
        items: wanted,
    });
    let after = order.clone();
    post_shipment(world, state, &before, &after);
    world.ledger(|l| l.shipped(NAME, &id, &tracking));
    world.tell(NAME, News::Shipped { channel: NAME.into(), order: id, tracking });
    notifications::order_change(world, state, &after, "OrderStatusChange");
    Ok(())
}

/// The leaf texts of an XML document, in order, with their element names.
fn leaves(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    let (mut name, mut out) = (String::new(), Vec::new());
    loop {
        match reader.read_event() {
            Ok(Xml::Start(start)) => name = start.local_name().as_ref().to_owned(),
            Ok(Xml::Text(value)) if !name.is_empty() => {
                let value = value.as_ref().trim().to_owned();
                if !value.is_empty() {
                    out.push((name.clone(), value));
                }
            }
            Ok(Xml::End(_)) => name.clear(),
            Ok(Xml::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    out
}

/// `POST_ORDER_ACKNOWLEDGEMENT_DATA`: `Failure` cancels the order, `Success` does nothing.
pub(super) fn acknowledgement_feed(
    world: &World,
    state: &mut State,
    feed: &str,
    bytes: &[u8],
) -> (&'static str, Vec<u8>) {
    let mut results = Vec::new();
    let mut order = String::new();
    for (name, value) in leaves(bytes) {
        match name.as_str() {
            "AmazonOrderID" => order = value,
            "StatusCode" if value == "Failure" => {
                let status = state.orders.get(&order).map(|o| o.status);
                let fine = matches!(status, Some(Status::Pending | Status::Unshipped));
                if fine {
                    cancel(world, state, &order, "MERCHANT");
                }
                results.push((order.clone(), fine || status == Some(Status::Cancelled)));
            }
            "StatusCode" => results.push((order.clone(), state.orders.contains_key(&order))),
            _ => {}
        }
    }
    processing_report(feed, &results)
}

/// `POST_PAYMENT_ADJUSTMENT_DATA`: the amounts of each order's adjustments are refunded.
pub(super) fn adjustment_feed(
    world: &World,
    state: &mut State,
    feed: &str,
    bytes: &[u8],
) -> (&'static str, Vec<u8>) {
    // A message is about one order and gives all of its components or none.
    let mut messages: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in leaves(bytes) {
        match (name.as_str(), messages.last_mut()) {
            ("AmazonOrderID", _) => messages.push((value, Vec::new())),
            ("Amount", Some((_, amounts))) => amounts.push(value),
            _ => {}
        }
    }
    let mut results: Vec<(String, bool)> = Vec::new();
    for (id, amounts) in messages {
        let sum = state.orders.get(&id).and_then(|o| {
            let parts: Option<Vec<i64>> = amounts.iter().map(|a| minor(a, &o.currency)).collect();
            let amount: i64 = parts?.iter().sum();
            let fits = amount > 0 && o.refunded + amount <= o.total() && o.status == Status::Shipped;
            fits.then_some(amount)
        });
        if let Some(amount) = sum {
            refund(world, state, &id, amount);
        }
        results.push((id, sum.is_some()));
    }
    processing_report(feed, &results)
}

fn processing_report(feed: &str, results: &[(String, bool)]) -> (&'static str, Vec<u8>) {
    let good = results.iter().filter(|r| r.1).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AmazonEnvelope><Header><DocumentVersion>1.02</DocumentVersion></Header>\
         <MessageType>ProcessingReport</MessageType><Message><MessageID>1</MessageID><ProcessingReport>\
         <DocumentTransactionID>{feed}</DocumentTransactionID><StatusCode>Complete</StatusCode><ProcessingSummary>\
         <MessagesProcessed>{}</MessagesProcessed><MessagesSuccessful>{good}</MessagesSuccessful>\
         <MessagesWithError>{}</MessagesWithError><MessagesWithWarning>0</MessagesWithWarning></ProcessingSummary>",
        results.len(),
        results.len() - good
    );
    for (index, (order, _)) in results.iter().enumerate().filter(|(_, r)| !r.1) {
        xml.push_str(&format!(
            "<Result><MessageID>{}</MessageID><ResultCode>Error</ResultCode><ResultMessageCode>8541</ResultMessageCode>\
             <ResultDescription>Order {order} cannot be changed</ResultDescription></Result>",
            index + 1
        ));
    }
    xml.push_str("</ProcessingReport></Message></AmazonEnvelope>");
    ("text/xml; charset=UTF-8", xml.into_bytes())
}
