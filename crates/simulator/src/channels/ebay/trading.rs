//! Trading calls: listings that the Inventory API does not know, and completing a sale.
//!
//! A listing belongs to the API that made it: an Inventory listing cannot be revised here (eBay's
//! error 21919474), and a Trading listing is unknown to the Inventory API.

use super::route::Req;
use super::state::{Legacy, State};
use super::trading_xml::{amount, el, error_block, failure, frame, success};
use super::xml::Node;
use super::{NAME, offers, order_view as view, orders, site};
use crate::core::money::{minor, text};
use crate::core::world::World;
use axum::response::Response;
use std::fmt::Write as _;

const INVENTORY_BASED: &str = "Inventory-based listing management is not currently supported by this tool. Please refer to the tool used to create this listing.";
/// Most entries of one ReviseInventoryStatus.
const REVISE: usize = 4;

pub(super) fn handle(world: &World, state: &mut State, req: &Req) -> Response {
    let call = req.header("x-ebay-api-call-name");
    let level: u32 = req.header("x-ebay-api-compatibility-level").parse().unwrap_or(0);
    let Some(site) = site::by_number(req.header("x-ebay-api-siteid")) else {
        return failure(world, call, "10012", "Invalid or missing X-EBAY-API-SITEID.");
    };
    if level < 1113 {
        return failure(world, call, "21915469", "Unsupported X-EBAY-API-COMPATIBILITY-LEVEL.");
    }
    let Some(root) = Node::parse(&req.body).filter(|n| n.name == format!("{call}Request")) else {
        return failure(
            world,
            call,
            "5",
            "XML parse error, or the body is not that of the call in the header.",
        );
    };
    let invocation = root.get(&["InvocationID"]).to_owned();
    if !invocation.is_empty() && !state.invocations.insert(invocation) {
        return failure(world, call, "518001", "Duplicate invocation.");
    }
    match call {
        "GeteBayOfficialTime" => success(world, call, ""),
        "AddFixedPriceItem" => add(world, state, &root, site, call),
        "GetItem" => get_item(world, state, &root, call),
        "GetSellerList" => seller_list(world, state, call),
        "ReviseInventoryStatus" => revise(world, state, &root, call),
        "EndFixedPriceItem" | "EndItem" => end(world, state, &root, call),
        "GetOrders" => get_orders(world, state, &root, call),
        "CompleteSale" => complete(world, state, &root, call),
        _ => failure(world, call, "2", "Unsupported API call."),
    }
}

fn add(world: &World, state: &mut State, root: &Node, site: &'static site::Site, call: &str) -> Response {
    let Some(item) = root.child("Item") else {
        return failure(world, call, "37", "Input data is invalid: Item is missing.");
    };
    let price = minor(item.get(&["StartPrice"]), site.currency).filter(|p| *p > 0);
    let quantity = item.get(&["Quantity"]).parse::<u64>().ok().filter(|q| *q > 0);
    let (title, sku) = (item.get(&["Title"]), item.get(&["SKU"]));
    let (Some(price), Some(quantity)) = (price, quantity) else {
        return failure(world, call, "73", "Price or quantity is invalid.");
    };
    if title.is_empty() || title.chars().count() > 80 || sku.is_empty() {
        return failure(world, call, "71", "Title or SKU is missing or too long.");
    }
    if state.legacy.values().any(|l| l.sku == sku && l.site == site.id && l.end_ms.is_none()) {
        return failure(world, call, "21919067", "This Listing is a duplicate of your item.");
    }
    let n = state.legacy.len().to_string();
    let id = format!("22{}", world.stream(&[NAME, "legacy", sku, site.id, &n]).digits(10));
    let now = world.now_ms();
    let legacy = Legacy {
        id: id.clone(),
        sku: sku.into(),
        title: title.into(),
        site: site.id,
        price,
        quantity,
        sold: 0,
        start_ms: now,
        end_ms: None,
    };
    state.legacy.insert(id.clone(), legacy);
    let end = view::date(now + 30 * 86_400_000);
    success(
        world,
        call,
        &format!("{}{}{}", el("ItemID", &id), el("StartTime", &view::date(now)), el("EndTime", &end)),
    )
}

fn legacy_item(l: &Legacy, currency: &str, trading_site: &str) -> String {
    format!(
        "<Item><Currency>{currency}</Currency>{}<ListingDetails>{}{}</ListingDetails><Quantity>{}</Quantity><SellingStatus>{}<QuantitySold>{}</QuantitySold><ListingStatus>{}</ListingStatus></SellingStatus>{}{}{}</Item>",
        el("ItemID", &l.id),
        el("StartTime", &view::date(l.start_ms)),
        el("EndTime", &view::date(l.end_ms.unwrap_or(l.start_ms + 30 * 86_400_000))),
        l.quantity + l.sold,
        amount("CurrentPrice", &text(l.price, currency), currency),
        l.sold,
        if l.end_ms.is_some() { "Completed" } else { "Active" },
        el("Site", trading_site),
        el("Title", &l.title),
        el("SKU", &l.sku),
    )
}

/// What buyers see of a listing, whichever API made it.
fn get_item(world: &World, state: &State, root: &Node, call: &str) -> Response {
    let id = root.get(&["ItemID"]);
    if let Some(l) = state.legacy.get(id) {
        let (currency, place) = site::find(l.site).map_or(("USD", "US"), |s| (s.currency, s.trading));
        return success(world, call, &legacy_item(l, currency, place));
    }
    let found = state.offers.values().find_map(|o| o.listing.as_ref().filter(|l| l.id == id).map(|l| (o, l)));
    let Some((offer, l)) = found else {
        return failure(
            world,
            call,
            "17",
            "This item cannot be accessed because the listing has been deleted or is not yours.",
        );
    };
    let (currency, place) = site::find(&offer.site).map_or(("USD", "US"), |s| (s.currency, s.trading));
    let body = format!(
        "<Item><Currency>{currency}</Currency>{}<ListingDetails>{}</ListingDetails><Quantity>{}</Quantity><SellingStatus>{}<QuantitySold>{}</QuantitySold><ListingStatus>{}</ListingStatus></SellingStatus>{}{}{}</Item>",
        el("ItemID", id),
        el("StartTime", &offers::since(l)),
        l.shown_quantity + l.sold,
        amount("CurrentPrice", &text(l.shown_price, currency), currency),
        l.sold,
        if l.ended { "Completed" } else { "Active" },
        el("Site", place),
        el("Title", &offers::title(state, &offer.sku)),
        el("SKU", &offer.sku),
    );
    success(world, call, &body)
}

fn seller_list(world: &World, state: &State, call: &str) -> Response {
    let mut body = "<HasMoreItems>false</HasMoreItems><ItemArray>".to_owned();
    for l in state.legacy.values() {
        let (currency, place) = site::find(l.site).map_or(("USD", "US"), |s| (s.currency, s.trading));
        body.push_str(&legacy_item(l, currency, place));
    }
    let _ =
        write!(body, "</ItemArray><ReturnedItemCountActual>{}</ReturnedItemCountActual>", state.legacy.len());
    success(world, call, &body)
}

fn is_inventory_based(state: &State, id: &str, sku: &str) -> bool {
    state
        .offers
        .values()
        .any(|o| o.listing.as_ref().is_some_and(|l| l.id == id) || (id.is_empty() && o.sku == sku))
}

fn revise(world: &World, state: &mut State, root: &Node, call: &str) -> Response {
    let entries: Vec<&Node> = root.all("InventoryStatus").collect();
    if entries.is_empty() || entries.len() > REVISE {
        return failure(world, call, "21916635", "Between 1 and 4 InventoryStatus entries are allowed.");
    }
    let (mut done, mut wrong) = (String::new(), String::new());
    for entry in entries {
        let (id, sku) = (entry.get(&["ItemID"]), entry.get(&["SKU"]));
        if is_inventory_based(state, id, sku) {
            wrong.push_str(&error_block("21919474", INVENTORY_BASED, "RequestError"));
            continue;
        }
        let found = state
            .legacy
            .values_mut()
            .find(|l| l.end_ms.is_none() && if id.is_empty() { l.sku == sku } else { l.id == id });
        let Some(l) = found else {
            wrong.push_str(&error_block("21916750", "SKU or ItemID does not exist.", "RequestError"));
            continue;
        };
        let currency = site::find(l.site).map_or("USD", |s| s.currency);
        let (price, quantity) = (entry.get(&["StartPrice"]), entry.get(&["Quantity"]));
        let new_price =
            if price.is_empty() { Some(l.price) } else { minor(price, currency).filter(|p| *p > 0) };
        let new_quantity = if quantity.is_empty() { Some(l.quantity) } else { quantity.parse().ok() };
        let (Some(p), Some(q)) = (new_price, new_quantity) else {
            wrong.push_str(&error_block("73", "Price or quantity is invalid.", "RequestError"));
            continue;
        };
        (l.price, l.quantity) = (p, q);
        let _ = write!(
            done,
            "<InventoryStatus>{}{}{}<Quantity>{q}</Quantity></InventoryStatus>",
            el("SKU", &l.sku),
            el("ItemID", &l.id),
            amount("StartPrice", &text(p, currency), currency)
        );
    }
    if wrong.is_empty() {
        return success(world, call, &done);
    }
    // By the notes on `Ack` in the service definition, only CompleteSale and GetPopularKeywords say PartialFailure.
    let ack = if done.is_empty() { "Failure" } else { "Warning" };
    frame(call, &view::date(world.now_ms()), ack, &wrong, &done)
}

fn end(world: &World, state: &mut State, root: &Node, call: &str) -> Response {
    let id = root.get(&["ItemID"]).to_owned();
    if is_inventory_based(state, &id, "") {
        return failure(world, call, "21919474", INVENTORY_BASED);
    }
    let now = world.now_ms();
    let found = state.legacy.get_mut(&id);
    match found {
        Some(l) if l.end_ms.is_none() => {
            l.end_ms = Some(now);
            success(world, call, &el("EndTime", &view::date(now)))
        }
        Some(_) => failure(world, call, "1047", "The auction has already been closed."),
        None => failure(
            world,
            call,
            "17",
            "This item cannot be accessed because the listing has been deleted or is not yours.",
        ),
    }
}

fn get_orders(world: &World, state: &State, root: &Node, call: &str) -> Response {
    let instant = |name: &str| root.get(&[name]).parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond());
    let (from, to) = (instant("ModTimeFrom"), instant("ModTimeTo"));
    if from.zip(to).is_some_and(|(from, to)| to - from > 30 * 86_400_000) {
        return failure(world, call, "15", "The time range is longer than 30 days.");
    }
    let per_page = root.get(&["Pagination", "EntriesPerPage"]).parse::<usize>().unwrap_or(25).clamp(1, 100);
    let page = root.get(&["Pagination", "PageNumber"]).parse::<usize>().unwrap_or(1).max(1);
    let chosen: Vec<_> = state
        .orders
        .values()
        .filter(|o| from.is_none_or(|f| o.updated_ms >= f) && to.is_none_or(|t| o.updated_ms <= t))
        .collect();
    let pages = chosen.len().div_ceil(per_page);
    let mut body = format!(
        "<PaginationResult><TotalNumberOfPages>{pages}</TotalNumberOfPages><TotalNumberOfEntries>{}</TotalNumberOfEntries></PaginationResult><HasMoreOrders>{}</HasMoreOrders><OrderArray>",
        chosen.len(),
        page < pages
    );
    for o in chosen.iter().skip((page - 1) * per_page).take(per_page) {
        let status = if o.cancelled() {
            "Cancelled"
        } else if o.paid_ms.is_some() {
            "Completed"
        } else {
            "Active"
        };
        let c = o.currency;
        let _ = write!(
            body,
            "<Order>{}<OrderStatus>{status}</OrderStatus>{}{}</Order>",
            el("OrderID", &o.id),
            el("CreatedTime", &view::date(o.created_ms)),
            amount("Total", &text(o.basis() + o.tax(), c), c)
        );
    }
    body.push_str("</OrderArray>");
    success(world, call, &body)
}

fn complete(world: &World, state: &mut State, root: &Node, call: &str) -> Response {
    let id = root.get(&["OrderID"]).to_owned();
    if root.get(&["Shipped"]) != "true" {
        return failure(world, call, "37", "Input data is invalid: only Shipped=true is simulated.");
    }
    let details = ["Shipment", "ShipmentTrackingDetails"];
    let path = |name: &'static str| root.get(&[details[0], details[1], name]).to_owned();
    let (carrier, tracking) = (path("ShippingCarrierUsed"), path("ShipmentTrackingNumber"));
    match orders::mark_shipped(world, state, &id, &[], &carrier, &tracking, None) {
        Ok(_) => success(world, call, ""),
        Err(refusal) => failure(world, call, &refusal.id.to_string(), &refusal.message),
    }
}
