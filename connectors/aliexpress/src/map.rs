//! Wire to domain: states, Pacific wall clock, orders.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tradewind_connector::Error;
use tradewind_domain::{
    AccountId, Address, Buyer, Country, ListingState, Money, Order, OrderLine, OrderPayment, OrderState,
    SourceTime,
};

use crate::wire::{ChildOrder, OrderDetail, ReceiptAddress};

/// Order times are wall clock of this zone, without offset, with daylight saving (metadata of `order.get`).
pub(crate) const ZONE: &str = "America/Los_Angeles";

fn zone() -> Result<TimeZone, Error> {
    TimeZone::get(ZONE).map_err(|e| Error::config(format!("time zone {ZONE}: {e}")))
}

/// An instant as the channel writes it.
///
/// # Errors
/// The time zone database is missing.
pub(crate) fn pacific(at: Timestamp) -> Result<String, Error> {
    Ok(at.to_zoned(zone()?).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// An instant as the list of releases wants it: `10/08/2013 00:00:00`.
///
/// # Errors
/// The time zone database is missing.
pub(crate) fn american(at: Timestamp) -> Result<String, Error> {
    Ok(at.to_zoned(zone()?).strftime("%m/%d/%Y %H:%M:%S").to_string())
}

/// An instant as the channel gave it. Of the hour that comes twice in November the first is taken; the overlap of
/// polls covers the second.
///
/// # Errors
/// Not such a time.
pub(crate) fn instant(text: &str) -> Result<SourceTime, Error> {
    let civil: DateTime = text.trim().parse().map_err(|_| Error::decode(format!("time '{text}'")))?;
    let zoned = civil.to_zoned(zone()?).map_err(|_| Error::decode(format!("time '{text}'")))?;
    Ok(SourceTime::local(zoned.timestamp(), ZONE))
}

/// State of an order (fact sheet §7). `FINISH` is not money received: it is an end, of which the reason and the
/// funds tell the kind.
pub(crate) fn order_state(order: &OrderDetail) -> OrderState {
    let frozen = order.frozen_status.as_deref() == Some("IN_FROZEN");
    match order.order_status.as_str() {
        "PLACE_ORDER_SUCCESS" | "PAYMENT_PROCESSING" | "WAIT_SELLER_EXAMINE_MONEY" => {
            OrderState::PendingPayment
        }
        "RISK_CONTROL" | "RISK_CONTROL_HOLD" | "IN_FROZEN" => OrderState::OnHold,
        "WAIT_SELLER_SEND_GOODS" if frozen => OrderState::OnHold,
        "WAIT_SELLER_SEND_GOODS" => OrderState::ReadyToShip,
        "SELLER_PART_SEND_GOODS" => OrderState::PartiallyShipped,
        "WAIT_BUYER_ACCEPT_GOODS" => OrderState::Shipped,
        "FUND_PROCESSING" => OrderState::Delivered,
        "IN_CANCEL" => OrderState::CancelRequested,
        "FINISH" | "ARCHIVE" => {
            let reason = order.order_end_reason.as_deref().unwrap_or_default().to_ascii_lowercase();
            let unpaid = order.fund_status.as_deref() == Some("NOT_PAY");
            if unpaid || reason.contains("cancel") || reason.contains("close") {
                OrderState::Cancelled
            } else {
                OrderState::Delivered
            }
        }
        // IN_ISSUE, and words that nobody knows: a person must look.
        _ => OrderState::Exception,
    }
}

/// State of a listing: the four that the metadata of `product.list.get` names.
pub(crate) fn listing_state(text: &str) -> ListingState {
    match text {
        "onSelling" => ListingState::Live,
        "auditing" => ListingState::Pending,
        "offline" => ListingState::Inactive,
        "editingRequired" => ListingState::Invalid,
        other => ListingState::Other(other.to_owned()),
    }
}

/// An order with its lines.
///
/// # Errors
/// An amount, a time or an id that cannot be read.
pub(crate) fn order(account: &AccountId, wire: &OrderDetail) -> Result<Order, Error> {
    let state = order_state(wire);
    let total = wire.order_amount.money()?;
    let zero = total.try_sub(total)?;
    let lines =
        wire.child_order_list.0.iter().map(|c| line(c, state, zero)).collect::<Result<Vec<_>, _>>()?;
    let paid_at = wire.gmt_pay_success.as_deref().filter(|t| !t.is_empty()).map(instant).transpose()?;
    let placed_at = instant(&wire.gmt_create)?;
    let updated_at = match wire.gmt_modified.as_deref().filter(|t| !t.is_empty()) {
        Some(text) => instant(text)?,
        None => placed_at.clone(),
    };
    let refunded = match &wire.refund_info {
        Some(r) if r.refund_status.as_deref() == Some("refund_ok") => {
            r.refund_cash_amt.as_ref().map_or(Ok(zero), crate::wire::Amount::money)?
        }
        _ => zero,
    };
    let payments = match &paid_at {
        Some(at) => vec![OrderPayment {
            provider: "aliexpress".to_owned(),
            transaction: None,
            amount: total,
            paid_at: Some(at.utc),
        }],
        None => Vec::new(),
    };
    Ok(Order {
        account: account.clone(),
        id: wire.id.0.parse()?,
        number: None,
        placed_at,
        updated_at,
        state,
        raw_status: wire.order_status.clone(),
        currency: total.currency(),
        buyer_total: None,
        buyer: Buyer {
            id: wire.buyerloginid.clone(),
            name: wire.buyer_signer_fullname.clone(),
            email: None,
            tax_ids: Vec::new(),
        },
        ship_to: wire.receipt_address.as_ref().and_then(address),
        lines,
        shipping: wire.logistics_amount.as_ref().map_or(Ok(zero), crate::wire::Amount::money)?,
        taxes: Vec::new(),
        total,
        payments,
        refunded,
        registrations: Vec::new(),
        incoterm: None,
        ship_by: None,
        channel_fulfilled: false,
    })
}

fn line(wire: &ChildOrder, state: OrderState, zero: Money) -> Result<OrderLine, Error> {
    let quantity: u32 = wire.product_count.0.parse().map_err(|_| Error::decode("product_count"))?;
    let unit = wire.product_price.money()?;
    let discount = wire.child_order_discount_info.as_ref().map_or(Ok(zero), crate::wire::Amount::money)?;
    let gross = unit.try_mul(i64::from(quantity))?;
    let id = wire
        .child_order_id
        .as_ref()
        .or(wire.id.as_ref())
        .ok_or_else(|| Error::decode("a line without id"))?;
    let own = wire.order_status.as_deref().unwrap_or_default();
    let gone = matches!(state, OrderState::Shipped | OrderState::Delivered)
        || matches!(own, "WAIT_BUYER_ACCEPT_GOODS" | "FUND_PROCESSING" | "FINISH")
            && state != OrderState::Cancelled;
    let code = wire.sku_code.clone().unwrap_or_default();
    Ok(OrderLine {
        id: id.0.parse()?,
        sku: code.parse().ok(),
        channel_sku: code,
        title: wire.product_name.clone(),
        quantity,
        cancelled: if state == OrderState::Cancelled { quantity } else { 0 },
        shipped: if gone { quantity } else { 0 },
        unit_price: unit.exact(),
        total: gross.try_sub(discount)?,
        discount,
        taxes: Vec::new(),
        fulfilment: None,
        raw_status: wire.order_status.clone(),
    })
}

fn address(wire: &ReceiptAddress) -> Option<Address> {
    let some = |t: &Option<String>| t.clone().filter(|t| !t.trim().is_empty());
    // The channel writes UK where ISO writes GB.
    let code = wire.country.as_deref()?.trim();
    let country = Country::new(if code == "UK" { "GB" } else { code }).ok()?;
    let mut out = Address::in_country(country);
    out.name = some(&wire.contact_person);
    let street = some(&wire.address).or_else(|| some(&wire.detail_address));
    out.lines = [street, some(&wire.address2)].into_iter().flatten().collect();
    out.city = some(&wire.city);
    out.region = some(&wire.province);
    out.postcode = some(&wire.zip);
    let number = some(&wire.mobile_no).or_else(|| some(&wire.phone_number));
    out.phone = number.map(|n| {
        let prefix: Vec<String> =
            [some(&wire.phone_country), some(&wire.phone_area)].into_iter().flatten().collect();
        if wire.mobile_no.is_some() || prefix.is_empty() { n } else { format!("{} {n}", prefix.join(" ")) }
    });
    Some(out)
}

/// Weight as the channel takes it: kilograms as text.
pub(crate) fn kilograms(grams: tradewind_domain::Grams) -> String {
    grams.kilograms().normalize().to_string()
}

/// Millimetres to whole centimetres, up: a parcel is never smaller than it is.
pub(crate) const fn centimetres(mm: u32) -> u32 {
    mm.div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pacific_time_with_and_without_daylight_saving() {
        // PDT is UTC-7, PST is UTC-8.
        assert_eq!(instant("2026-07-01 10:00:00").unwrap().utc.to_string(), "2026-07-01T17:00:00Z");
        assert_eq!(instant("2026-01-15 10:00:00").unwrap().utc.to_string(), "2026-01-15T18:00:00Z");
        assert_eq!(pacific("2026-07-01T17:00:00Z".parse().unwrap()).unwrap(), "2026-07-01 10:00:00");
        assert_eq!(american("2026-01-15T18:00:00Z".parse().unwrap()).unwrap(), "01/15/2026 10:00:00");
        // 2026-11-01 01:30 comes twice; the first (PDT) is taken.
        assert_eq!(instant("2026-11-01 01:30:00").unwrap().utc.to_string(), "2026-11-01T08:30:00Z");
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn sizes_round_up() {
        assert_eq!((centimetres(100), centimetres(101), centimetres(0)), (10, 11, 0));
    }
}
