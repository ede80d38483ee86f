//! Reports 2021-06-30, finances 2024-06-19, financial event groups v0, fee estimates, sellers.

use super::NAME;
use super::documents::publish;
use super::errors::{fail, invalid, missing};
use super::route::Req;
use super::settlement::{REPORT, sums};
use super::site::{SITES, find};
use super::state::{Report, State, Transaction};
use crate::core::channel::json;
use crate::core::clock::{DAY_MS, instant, iso_seconds};
use crate::core::money::{minor, share, text};
use crate::core::world::{Event, World};
use axum::response::Response;
use serde_json::{Map, Value, json as j};
use std::fmt::Write as _;

const LISTINGS: &str = "GET_MERCHANT_LISTINGS_ALL_DATA";
const RETURNS: &str = "GET_XML_RETURNS_DATA_BY_RETURN_DATE";
const ORDERS: &str = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL";

fn time(ms: i64) -> Value {
    iso_seconds(instant(ms)).into()
}

/// A JSON number with the decimals of the currency, written from text.
fn number(amount: i64, currency: &str) -> Value {
    serde_json::from_str(&text(amount, currency)).unwrap_or(Value::Null)
}

/// `createReport`.
pub(super) fn create(world: &World, state: &mut State, req: &Req) -> Response {
    let body: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
    let kind = body.get("reportType").and_then(Value::as_str).unwrap_or_default().to_owned();
    let marketplaces: Vec<String> = body
        .get("marketplaceIds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|m| m.as_str().map(str::to_owned))
        .collect();
    if kind == REPORT {
        return invalid("Settlement reports are scheduled by Amazon and cannot be requested");
    }
    if !kind.starts_with("GET_") || marketplaces.is_empty() || marketplaces.iter().any(|m| find(m).is_none())
    {
        return invalid("reportType and 1 to 25 valid marketplaceIds are required");
    }
    let at = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .and_then(|t| t.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_millisecond)
    };
    let report = Report {
        data_start_ms: at("dataStartTime"),
        data_end_ms: at("dataEndTime"),
        kind,
        marketplaces,
        created_ms: world.now_ms(),
        ended_ms: None,
        status: "IN_QUEUE",
        content: None,
    };
    let id = (60_000_000_000 + state.next()).to_string();
    let lag = world
        .stream(&[NAME, "report", &report.kind, &String::from_utf8_lossy(&req.body)])
        .between(60_000, 300_000);
    state.reports.insert(id.clone(), report);
    world.schedule(NAME, lag, "report-end", &id, Value::Null);
    json(202, &j!({"reportId": id}))
}

/// A requested report is ready.
pub(super) fn end(world: &World, state: &mut State, event: &Event) {
    let Some(report) = state.reports.get(&event.key).filter(|r| r.status == "IN_QUEUE").cloned() else {
        return;
    };
    let content = match report.kind.as_str() {
        LISTINGS => Some(listings(state, &report)),
        ORDERS => Some(orders(state, &report)),
        RETURNS => returns(state, &report),
        // "CANCELLED also means no data".
        _ => None,
    };
    if let Some(report) = state.reports.get_mut(&event.key) {
        report.status = if content.is_some() { "DONE" } else { "CANCELLED" };
        report.content = content.map(String::into_bytes);
        report.ended_ms = Some(world.now_ms());
    }
}

/// The columns of "Inventory Reports", in their order there.
const LISTING_COLUMNS: &str = "item-name\titem-description\tlisting-id\tseller-sku\tprice\tquantity\topen-date\timage-url\t\
item-is-marketplace\tproduct-id-type\tzshop-shipping-fee\titem-note\titem-condition\tzshop-category1\tzshop-browse-path\t\
zshop-storefront-feature\tasin1\tasin2\tasin3\twill-ship-internationally\texpedited-shipping\tzshop-boldface\tproduct-id\t\
bid-for-featured-placement\tadd-delete\tpending-quantity\tfulfillment-channel\tmerchant-shipping-group\tstatus";

/// One store only: of several, the first.
fn listings(state: &State, report: &Report) -> String {
    let mut out = format!("{LISTING_COLUMNS}\n");
    let store = report.marketplaces.first();
    for ((site, sku), l) in state.listings.iter().filter(|((s, _), _)| Some(s) == store) {
        let price = l.price.map(|p| text(p, find(site).map_or("USD", |s| s.currency))).unwrap_or_default();
        let status = match (l.published && l.price.is_some(), l.available) {
            (true, 0) => "Inactive",
            (true, _) => "Active",
            (false, _) => "Incomplete",
        };
        let title = super::listings::title(l).unwrap_or_default();
        let open = iso_seconds(instant(l.created_ms));
        let (stock, asin) = (l.available, &l.asin);
        let _ = writeln!(
            out,
            "{title}\t\t{sku}\t{sku}\t{price}\t{stock}\t{open}\t\ty\t1\t\t\t11\t\t\t\t{asin}\t\t\t\t\t\t{asin}\t\t\t0\tDEFAULT\t\t{status}"
        );
    }
    out
}

/// What buyers sent back, by the day on which they asked; `None` when there is nothing.
fn returns(state: &State, report: &Report) -> Option<String> {
    let (from, to) = (report.data_start_ms.unwrap_or(0), report.data_end_ms.unwrap_or(i64::MAX));
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AmazonEnvelope><Header><documentVersion>1.0</documentVersion></Header>\
         <MessageType>ReturnReport</MessageType><Message>",
    );
    let mut any = false;
    for (id, at) in state.returns.iter().filter(|(_, at)| (from..to).contains(at)) {
        let Some(order) = state.orders.get(id).filter(|o| report.marketplaces.contains(&o.site)) else {
            continue;
        };
        any = true;
        let c = &order.currency;
        out.push_str("<return_details>");
        for line in &order.lines {
            let _ = write!(
                out,
                "<item_details><item_name>{}</item_name><asin>{}</asin><return_reason_code>CR-UNWANTED_ITEM</return_reason_code>\
                 <merchant_sku>{}</merchant_sku><in_policy>Y</in_policy><return_quantity>{}</return_quantity>\
                 <resolution>StandardRefund</resolution><refund_amount>{}</refund_amount></item_details>",
                quick_xml::escape::escape(line.title.as_str()),
                line.asin,
                quick_xml::escape::escape(line.sku.as_str()),
                line.quantity,
                text(line.total(), c),
            );
        }
        let _ = write!(
            out,
            "<order_id>{id}</order_id><order_date>{}</order_date><amazon_rma_id>D{}RRMA</amazon_rma_id>\
             <return_request_date>{}</return_request_date><return_request_status>Approved</return_request_status>\
             <a_to_z_claim>false</a_to_z_claim><is_prime>N</is_prime><label_details><currency_code>{c}</currency_code>\
             <label_cost>0.0</label_cost></label_details><order_amount>{}</order_amount></return_details>",
            iso_seconds(instant(order.created_ms)),
            id.replace('-', ""),
            iso_seconds(instant(*at)),
            text(order.total(), c),
        );
    }
    out.push_str("</Message></AmazonEnvelope>");
    any.then_some(out)
}

fn orders(state: &State, report: &Report) -> String {
    let mut out = String::from(
        "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tfulfillment-channel\tsales-channel\tsku\tasin\t\
         quantity\tcurrency\titem-price\titem-tax\tshipping-price\tship-country\n",
    );
    let (from, to) = (report.data_start_ms.unwrap_or(i64::MIN), report.data_end_ms.unwrap_or(i64::MAX));
    for order in state
        .orders
        .values()
        .filter(|o| report.marketplaces.contains(&o.site) && (from..to).contains(&o.updated_ms))
    {
        for line in &order.lines {
            let c = &order.currency;
            let _ = writeln!(
                out,
                "{}\t{}\t{}\t{:?}\tMerchant\t{}\t{}\t{}\t{}\t{c}\t{}\t{}\t{}\t{}",
                order.id,
                iso_seconds(instant(order.created_ms)),
                iso_seconds(instant(order.updated_ms)),
                order.status,
                find(&order.site).map_or("", |s| s.name),
                line.sku,
                line.asin,
                line.quantity,
                text(line.net, c),
                text(line.tax, c),
                text(line.shipping, c),
                order.buyer.country,
            );
        }
    }
    out
}

fn show(id: &str, report: &Report) -> Value {
    let mut map = Map::new();
    let mut put = |k: &str, v: Value| map.insert(k.to_owned(), v);
    put("reportId", id.into());
    put("reportType", report.kind.clone().into());
    put("marketplaceIds", j!(report.marketplaces));
    put("createdTime", time(report.created_ms));
    put("processingStatus", report.status.into());
    for (name, ms) in [
        ("dataStartTime", report.data_start_ms),
        ("dataEndTime", report.data_end_ms),
        ("processingEndTime", report.ended_ms),
    ] {
        if let Some(ms) = ms {
            put(name, time(ms));
        }
    }
    if report.content.is_some() {
        put("reportDocumentId", format!("amzn1.spdoc.1.4.na.{id}").into());
    }
    Value::Object(map)
}

/// `getReport`.
pub(super) fn get(state: &State, req: &Req) -> Response {
    state
        .reports
        .get(req.part(0))
        .map_or_else(|| missing("Report not found"), |r| json(200, &show(req.part(0), r)))
}

/// `cancelReport`.
pub(super) fn cancel(state: &mut State, req: &Req) -> Response {
    match state.reports.get_mut(req.part(0)) {
        Some(report) if report.status == "IN_QUEUE" => {
            report.status = "CANCELLED";
            json(200, &j!({}))
        }
        Some(_) => invalid("The report is not in the queue any more"),
        None => missing("Report not found"),
    }
}

/// `getReports`: oldest id first within `createdSince` (90 days by default), paged.
pub(super) fn list(world: &World, state: &State, req: &Req) -> Response {
    // The token carries the whole question; it must come alone.
    let token = req.get("nextToken");
    if token.is_some() && req.query.len() > 1 {
        return invalid("nextToken must be the only parameter");
    }
    let packed = token.map(|t| hex::decode(t).ok().and_then(|b| String::from_utf8(b).ok()));
    let (kinds, since, until, after, size, sites): (Vec<String>, i64, i64, String, usize, Vec<String>) =
        match packed {
            Some(Some(plain)) => {
                let fields: Vec<&str> = plain.split('|').collect();
                let [kinds, since, until, after, size, sites] = fields.as_slice() else {
                    return invalid("nextToken is invalid");
                };
                let whole = |t: &str| t.parse::<i64>().unwrap_or_default();
                (
                    kinds.split(',').map(str::to_owned).collect(),
                    whole(since),
                    whole(until),
                    (*after).to_owned(),
                    size.parse().unwrap_or(10),
                    sites.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
                )
            }
            Some(None) => return invalid("nextToken is invalid"),
            None => {
                let (since, until) = match (req.instant("createdSince"), req.instant("createdUntil")) {
                    (Ok(since), Ok(until)) => (since, until),
                    (Err(e), _) | (_, Err(e)) => return invalid(&e),
                };
                let kinds: Vec<String> = req.list("reportTypes").into_iter().map(str::to_owned).collect();
                if kinds.is_empty() || kinds.len() > 10 {
                    return invalid("reportTypes takes 1 to 10 values");
                }
                let size = req.get("pageSize").and_then(|s| s.parse().ok()).unwrap_or(10);
                (
                    kinds,
                    since.unwrap_or(world.now_ms() - 90 * DAY_MS),
                    until.unwrap_or(world.now_ms()),
                    String::new(),
                    size,
                    req.list("marketplaceIds").into_iter().map(str::to_owned).collect(),
                )
            }
        };
    if !(1..=100).contains(&size) {
        return invalid("pageSize must be between 1 and 100");
    }
    let statuses = req.list("processingStatuses");
    let mut found = state.reports.iter().filter(|(id, r)| {
        kinds.contains(&r.kind)
            && (since..=until).contains(&r.created_ms)
            && **id > after
            && (sites.is_empty() || r.marketplaces.iter().any(|m| sites.contains(m)))
            && (statuses.is_empty() || statuses.contains(&r.status))
    });
    let page: Vec<_> = found.by_ref().take(size).collect();
    let mut body = j!({"reports": page.iter().map(|(id, r)| show(id, r)).collect::<Vec<_>>()});
    if let (Some((last, _)), Some(_), Some(map)) = (page.last(), found.next(), body.as_object_mut()) {
        let plain = format!("{}|{since}|{until}|{last}|{size}|{}", kinds.join(","), sites.join(","));
        map.insert("nextToken".into(), hex::encode(plain).into());
    }
    json(200, &body)
}

/// `getReportDocument`: gzip always.
pub(super) fn document(world: &World, state: &mut State, req: &Req) -> Response {
    let id = req.part(0).to_owned();
    let content = id
        .strip_prefix("amzn1.spdoc.1.4.na.")
        .and_then(|r| state.reports.get(r))
        .and_then(|r| r.content.clone());
    let Some(content) = content else { return missing("Report document not found") };
    let (_, url) =
        publish(world, state, "tortuga.report", "text/tab-separated-values; charset=UTF-8", content, true);
    json(200, &j!({"reportDocumentId": id, "url": url, "compressionAlgorithm": "GZIP"}))
}

/// `listTransactions`.
pub(super) fn transactions(state: &State, req: &Req) -> Response {
    let (after, before) = match (req.instant("postedAfter"), req.instant("postedBefore")) {
        (Ok(after), Ok(before)) => (after, before.unwrap_or(i64::MAX)),
        (Err(e), _) | (_, Err(e)) => return invalid(&e),
    };
    let related = req.get("relatedIdentifierValue");
    if after.is_none() && related.is_none() {
        return invalid("postedAfter is required without a related identifier");
    }
    let after = after.unwrap_or(i64::MIN);
    if before != i64::MAX && before.saturating_sub(after) > 180 * DAY_MS && after != i64::MIN {
        return json(200, &j!({"payload": {"transactions": []}}));
    }
    let offset: usize = match req.get("nextToken") {
        None => 0,
        Some(t) => {
            match hex::decode(t).ok().and_then(|b| String::from_utf8(b).ok()).and_then(|t| t.parse().ok()) {
                Some(n) => n,
                None => return invalid("nextToken is invalid"),
            }
        }
    };
    let size = 100;
    let mut found = state
        .transactions
        .iter()
        .filter(|t| {
            t.posted_ms >= after
                && t.posted_ms <= before
                && req.get("marketplaceId").is_none_or(|m| m == t.site && !(m == US && merchant_fulfilled(t)))
                && req.get("transactionStatus").is_none_or(|s| s == "RELEASED")
                && related.is_none_or(|v| match req.get("relatedIdentifierName") {
                    Some("FINANCIAL_EVENT_GROUP_ID") => t.settlement.as_deref() == Some(v),
                    _ => t.order.as_deref() == Some(v),
                })
        })
        .skip(offset);
    let page: Vec<Value> = found.by_ref().take(size).map(show_transaction).collect();
    let mut payload = j!({"transactions": page});
    if let (Some(_), Some(map)) = (found.next(), payload.as_object_mut()) {
        map.insert("nextToken".into(), hex::encode((offset + size).to_string()).into());
    }
    json(200, &j!({"payload": payload}))
}

/// `finances_2024-06-19`: "If you want to retrieve MFN orders in the US store, do not supply the marketplaceId
/// parameter"; asked with it, they are missing.
const US: &str = "ATVPDKIKX0DER";

/// All orders of the fake are shipped by the seller.
fn merchant_fulfilled(t: &Transaction) -> bool {
    t.order.is_some()
}

fn show_transaction(t: &Transaction) -> Value {
    let site = find(&t.site);
    let currency = site.map_or("USD", |s| s.currency);
    let amount = |minor: i64| j!({"currencyCode": currency, "currencyAmount": number(minor, currency)});
    let mut related = Vec::new();
    if let Some(order) = &t.order {
        related.push(j!({"relatedIdentifierName": "ORDER_ID", "relatedIdentifierValue": order}));
    }
    if let Some(settlement) = &t.settlement {
        related.push(
            j!({"relatedIdentifierName": "FINANCIAL_EVENT_GROUP_ID", "relatedIdentifierValue": settlement}),
        );
    }
    let breakdowns = |rows: &[super::state::Row]| -> Vec<Value> {
        let sums = sums(rows);
        [
            ("Sales", "ItemPrice"),
            ("Expenses", "ItemFees"),
            ("Tax", "ItemWithheldTax"),
            ("Expenses", "other-transaction"),
        ]
        .into_iter()
        .filter_map(|(name, kind)| {
            let parts: Vec<_> = sums.iter().filter(|((k, _), _)| *k == kind).collect();
            if parts.is_empty() {
                return None;
            }
            let total: i64 = parts.iter().map(|(_, a)| **a).sum();
            let inner: Vec<Value> = parts
                .iter()
                .map(|((_, d), a)| j!({"breakdownType": d, "breakdownAmount": amount(**a)}))
                .collect();
            Some(j!({"breakdownType": name, "breakdownAmount": amount(total), "breakdowns": inner}))
        })
        .collect()
    };
    let mut skus: Vec<&str> = t.rows.iter().map(|r| r.sku.as_str()).filter(|s| !s.is_empty()).collect();
    skus.dedup();
    let items: Vec<Value> = skus
        .iter()
        .map(|sku| {
            let rows: Vec<_> = t.rows.iter().filter(|r| r.sku == *sku).cloned().collect();
            let quantity = rows.first().map_or(0, |r| r.quantity);
            j!({"description": "Item", "totalAmount": amount(rows.iter().map(|r| r.amount).sum()), "breakdowns": breakdowns(&rows),
                "contexts": [{"contextType": "ProductContext", "sku": sku, "quantityShipped": quantity, "fulfillmentNetwork": "MFN"}]})
        })
        .collect();
    j!({
        "sellingPartnerMetadata": {"sellingPartnerId": super::SELLER_ID, "accountType": "Standard Orders", "marketplaceId": t.site},
        "relatedIdentifiers": related, "transactionType": t.kind, "transactionId": t.id, "transactionStatus": "RELEASED",
        "description": if t.order.is_some() { "Order Payment" } else { "Subscription Fee" }, "postedDate": time(t.posted_ms),
        "totalAmount": amount(t.total()),
        "marketplaceDetails": {"marketplaceId": t.site, "marketplaceName": site.map_or("", |s| s.name)},
        "items": items, "breakdowns": breakdowns(&t.rows),
    })
}

/// `listFinancialEventGroups` (v0): the payouts.
pub(super) fn groups(state: &State, req: &Req) -> Response {
    let after = match req.instant("FinancialEventGroupStartedAfter") {
        Ok(after) => after.unwrap_or(i64::MIN),
        Err(e) => return invalid(&e),
    };
    let groups: Vec<Value> = state
        .settlements
        .iter()
        .filter(|s| s.start_ms >= after)
        .map(|s| {
            let currency = find(&s.site).map_or("USD", |x| x.currency);
            let amount = |minor: i64| j!({"CurrencyCode": currency, "CurrencyAmount": number(minor, currency)});
            j!({"FinancialEventGroupId": s.id, "ProcessingStatus": "Closed", "FundTransferStatus": "Succeeded",
                "OriginalTotal": amount(s.total), "ConvertedTotal": amount(s.total), "FundTransferDate": time(s.end_ms + 2 * DAY_MS),
                "TraceId": format!("T{}", s.id), "AccountTail": "042", "BeginningBalance": amount(s.opening),
                "FinancialEventGroupStart": time(s.start_ms), "FinancialEventGroupEnd": time(s.end_ms)})
        })
        .collect();
    json(200, &j!({"payload": {"FinancialEventGroupList": groups}}))
}

/// `getMyFeesEstimateForSKU`.
pub(super) fn fees(req: &Req) -> Response {
    let body: Value = serde_json::from_slice(&req.body).unwrap_or(Value::Null);
    let request = body.get("FeesEstimateRequest").cloned().unwrap_or(Value::Null);
    let text_of = |p: &str| request.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(site) = find(&text_of("/MarketplaceId")) else { return invalid("MarketplaceId is invalid") };
    let currency = text_of("/PriceToEstimateFees/ListingPrice/CurrencyCode");
    let read = |p: &str| request.pointer(p).and_then(|v| minor(&v.to_string(), &currency));
    let Some(price) = read("/PriceToEstimateFees/ListingPrice/Amount").filter(|_| currency == site.currency)
    else {
        return invalid("PriceToEstimateFees.ListingPrice must be in the marketplace's currency");
    };
    let shipping = read("/PriceToEstimateFees/Shipping/Amount").unwrap_or_default();
    let fee = j!({"CurrencyCode": currency, "Amount": number(share(price + shipping, 15, 100), &currency)});
    let zero = j!({"CurrencyCode": currency, "Amount": 0});
    json(
        200,
        &j!({"payload": {"FeesEstimateResult": {"Status": "Success",
            "FeesEstimateIdentifier": {"MarketplaceId": site.id, "IdType": "SellerSKU", "IdValue": req.part(0),
                "SellerId": super::SELLER_ID, "IsAmazonFulfilled": false, "SellerInputIdentifier": text_of("/Identifier")},
            "FeesEstimate": {"TimeOfFeesEstimation": "2026-01-01T00:00:00Z", "TotalFeesEstimate": fee,
                "FeeDetailList": [{"FeeType": "ReferralFee", "FeeAmount": fee, "FeePromotion": zero, "FinalFee": fee}]}}}}),
    )
}

/// `getMarketplaceParticipations`.
pub(super) fn participations() -> Response {
    let all: Vec<Value> = SITES
        .iter()
        .map(|s| {
            j!({"marketplace": {"id": s.id, "name": s.name, "countryCode": s.country, "defaultCurrencyCode": s.currency,
                    "defaultLanguageCode": "en_US", "domainName": format!("www.{}", s.name.to_lowercase())},
                "storeName": "Tradewind Test Store",
                "participation": {"isParticipating": true, "hasSuspendedListings": false}})
        })
        .collect();
    json(200, &j!({"payload": all}))
}

/// Refuses what only a seller's token may do.
pub(super) fn no_grant() -> Response {
    fail(
        403,
        "Unauthorized",
        "Access to requested resource is denied.",
        "The token does not fit this operation.",
    )
}
