//! Wire to domain: states, money, addresses.

use tradewind_connector::Error;
use tradewind_domain::{
    Address, Buyer, CollectedTax, Country, Currency, Exact, Money, Order, OrderId, OrderLine, OrderPayment,
    OrderState, Sku, SourceTime, TaxCollector, TaxId, TaxIdKind, TaxKind,
};

use crate::wire::orders as w;

/// Fulfilment status of 2026-01-01 → our state. An unknown word is an exception for a person, never a guess.
fn state(order: &w::Order, raw: &str) -> OrderState {
    let delivered = !order.packages.is_empty()
        && order
            .packages
            .iter()
            .all(|p| p.package_status.as_ref().and_then(|s| s.status.as_deref()) == Some("DELIVERED"));
    let asked = order
        .order_items
        .iter()
        .filter_map(|i| i.cancellation.as_ref())
        .any(|c| c.cancellation_request.is_some() && c.cancellation_execution.is_none());
    match raw {
        "PENDING" | "PENDING_AVAILABILITY" => OrderState::PendingPayment,
        "UNSHIPPED" if asked => OrderState::CancelRequested,
        "UNSHIPPED" => OrderState::ReadyToShip,
        "PARTIALLY_SHIPPED" => OrderState::PartiallyShipped,
        "SHIPPED" if delivered => OrderState::Delivered,
        "SHIPPED" => OrderState::Shipped,
        "CANCELLED" => OrderState::Cancelled,
        _ => OrderState::Exception,
    }
}

pub(crate) fn money(m: &w::Money) -> Result<Money, Error> {
    m.amount.money(Currency::new(&m.currency_code)?)
}

/// One order. A pending order has no prices yet: its amounts are zero, and its state says that it is not paid.
pub(crate) fn order(
    mut o: w::Order,
    account: &tradewind_domain::AccountId,
    store: Currency,
) -> Result<Order, Error> {
    let total = o.proceeds.as_ref().and_then(|p| p.grand_total.as_ref()).map(money).transpose()?;
    let currency = total.map_or(store, Money::currency);
    let raw = o.fulfillment.as_mut().and_then(|f| f.fulfillment_status.take()).unwrap_or_default();
    let state = state(&o, &raw);
    let mut shipping = Money::zero(currency);
    let mut lines = Vec::with_capacity(o.order_items.len());
    let mut registrations: Vec<TaxId> = Vec::new();
    for item in o.order_items {
        let ioss = item
            .fulfillment
            .as_ref()
            .and_then(|f| f.shipping.as_ref()?.international_shipping.as_ref()?.ioss_number.clone());
        if let Some(number) = ioss {
            let id = TaxId { kind: TaxIdKind::Ioss, value: number, country: None };
            if !registrations.contains(&id) {
                registrations.push(id);
            }
        }
        let (line, freight) = order_line(item, currency, state)?;
        shipping = shipping.try_add(freight)?;
        lines.push(line);
    }
    let total = total.unwrap_or(Money::zero(currency));
    let payments = if total.is_positive() {
        vec![OrderPayment { provider: "amazon".to_owned(), transaction: None, amount: total, paid_at: None }]
    } else {
        Vec::new()
    };
    Ok(Order {
        account: account.clone(),
        id: OrderId::new(o.order_id)?,
        number: None,
        placed_at: SourceTime::utc(o.created_time),
        updated_at: SourceTime::utc(o.last_updated_time),
        state,
        raw_status: raw,
        currency,
        buyer_total: None,
        buyer: o
            .buyer
            .map(|b| Buyer { name: b.buyer_name, email: b.buyer_email, ..Buyer::default() })
            .unwrap_or_default(),
        ship_to: o.recipient.and_then(|r| r.delivery_address).map(address).transpose()?.flatten(),
        lines,
        shipping,
        taxes: Vec::new(),
        total,
        payments,
        refunded: Money::zero(currency),
        registrations,
        incoterm: None,
        ship_by: o.fulfillment.as_ref().and_then(|f| f.ship_by_window.as_ref()?.latest_date_time),
        channel_fulfilled: o.fulfillment.as_ref().and_then(|f| f.fulfilled_by.as_deref()) == Some("AMAZON"),
    })
}

/// A line, and the shipping that Amazon books on it.
pub(crate) fn order_line(
    item: w::Item,
    currency: Currency,
    state: OrderState,
) -> Result<(OrderLine, Money), Error> {
    let zero = Money::zero(currency);
    let (mut goods, mut freight, mut discount, mut tax) = (zero, zero, zero, zero);
    for part in item.proceeds.iter().flat_map(|p| &p.breakdowns) {
        let amount = money(&part.subtotal)?;
        match part.kind.as_str() {
            "SHIPPING" => freight = freight.try_add(amount)?,
            "TAX" => tax = tax.try_add(amount)?,
            // Amazon writes discounts with either sign; what counts is that they lower the total.
            "DISCOUNT" => discount = discount.try_add(amount.abs())?,
            _ => goods = goods.try_add(amount)?,
        }
    }
    let unit = item
        .product
        .price
        .as_ref()
        .and_then(|p| p.unit_price.as_ref())
        .map(money)
        .transpose()?
        .unwrap_or(zero);
    let facilitator = item
        .tax
        .iter()
        .flat_map(|t| &t.tax_collections)
        .any(|c| c.model.as_deref() == Some("MARKETPLACE_FACILITATOR"));
    let collector = if facilitator { TaxCollector::Marketplace } else { TaxCollector::Seller };
    let taxes = if tax.is_zero() {
        Vec::new()
    } else {
        vec![CollectedTax { kind: TaxKind::Vat, amount: tax, collector, included: false, scheme: None }]
    };
    let channel_sku = item.product.seller_sku.unwrap_or_default();
    let cancelled = state == OrderState::Cancelled
        || item.cancellation.as_ref().is_some_and(|c| c.cancellation_execution.is_some());
    let line = OrderLine {
        id: item.order_item_id.try_into()?,
        sku: Sku::new(channel_sku.clone()).ok(),
        channel_sku,
        title: item.product.title.unwrap_or_default(),
        quantity: item.quantity_ordered,
        cancelled: if cancelled { item.quantity_ordered } else { 0 },
        shipped: item.fulfillment.as_ref().map_or(0, |f| f.quantity_fulfilled),
        unit_price: Exact::new(unit.decimal(), currency),
        total: goods.try_sub(discount)?,
        discount,
        taxes,
        fulfilment: None,
        raw_status: None,
    };
    Ok((line, freight))
}

fn address(a: w::DeliveryAddress) -> Result<Option<Address>, Error> {
    let Some(code) = a.country_code else { return Ok(None) };
    let lines = [a.address_line1, a.address_line2, a.address_line3];
    Ok(Some(Address {
        name: a.name,
        company: a.company_name,
        lines: lines.into_iter().flatten().filter(|l| !l.trim().is_empty()).collect(),
        city: a.city,
        region: a.state_or_region,
        postcode: a.postal_code,
        country: Country::new(&code)?,
        phone: a.phone,
        email: None,
    }))
}
