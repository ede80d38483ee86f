//! Wire to domain: orders, their states, taxes and addresses.

use tradewind_connector::Error;
use tradewind_domain::{
    AccountId, Address, Buyer, CollectedTax, Country, Currency, Exact, Money, Order, OrderId, OrderLine,
    OrderPayment, OrderState, Sku, SourceTime, TaxCollector, TaxId, TaxIdKind, TaxKind, TransactionId,
};

use crate::wire::{Amount, orders as w};

/// Payment, cancellation and fulfilment statuses → one state. An unknown word is an exception for a person, never a
/// guess.
fn state(o: &w::Order) -> OrderState {
    let cancel = o.cancel_status.as_ref().map_or("", |c| c.cancel_state.as_str());
    let shipped = o.order_fulfillment_status.as_str();
    match (cancel, o.order_payment_status.as_str(), shipped) {
        ("CANCELED", ..) => OrderState::Cancelled,
        (_, _, "FULFILLED") => OrderState::Shipped,
        ("IN_PROGRESS", ..) => OrderState::CancelRequested,
        ("" | "NONE_REQUESTED", "PENDING" | "FAILED", _) => OrderState::PendingPayment,
        // Everything went back to the buyer: what is still here may not leave.
        ("" | "NONE_REQUESTED", "FULLY_REFUNDED", "NOT_STARTED" | "IN_PROGRESS") => OrderState::OnHold,
        ("" | "NONE_REQUESTED", "PAID" | "PARTIALLY_REFUNDED", "NOT_STARTED") => OrderState::ReadyToShip,
        ("" | "NONE_REQUESTED", "PAID" | "PARTIALLY_REFUNDED", "IN_PROGRESS") => OrderState::PartiallyShipped,
        _ => OrderState::Exception,
    }
}

fn raw(o: &w::Order) -> String {
    let cancel = o.cancel_status.as_ref().map_or("", |c| c.cancel_state.as_str());
    format!("{}/{}/{cancel}", o.order_payment_status, o.order_fulfillment_status)
}

fn sum<'a>(currency: Currency, amounts: impl IntoIterator<Item = &'a Amount>) -> Result<Money, Error> {
    let amounts = amounts.into_iter().map(Amount::money).collect::<Result<Vec<_>, _>>()?;
    Ok(Money::try_sum(currency, amounts)?)
}

/// One order. An error names it: on its page there are others.
pub(crate) fn order(o: &w::Order, account: &AccountId) -> Result<Order, Error> {
    read(o, account)
        .map_err(|e| Error::new(e.kind(), format!("order {}: {}", o.order_id, e.message())).after_send())
}

/// Amounts are those that the seller is owed in; what eBay converted from is kept as the buyer's total.
fn read(o: &w::Order, account: &AccountId) -> Result<Order, Error> {
    let pricing = o.pricing_summary.as_ref();
    let total =
        pricing.and_then(|p| p.total.as_ref()).ok_or_else(|| Error::decode("no pricingSummary.total"))?;
    let total_money = total.money()?;
    let currency = total_money.currency();
    let mut state = state(o);
    let mut shipping = Money::zero(currency);
    let mut lines = Vec::with_capacity(o.line_items.len());
    let mut registrations: Vec<TaxId> = Vec::new();
    for item in &o.line_items {
        let line = order_line(item, currency, state)?;
        for scheme in line.taxes.iter().filter_map(|t| t.scheme.as_ref()) {
            if !registrations.contains(scheme) {
                registrations.push(scheme.clone());
            }
        }
        if let Some(d) = &item.delivery_cost {
            let charged = sum(currency, d.shipping_cost.iter().chain(&d.handling_cost))?;
            // A discount comes with either sign; it lowers the charge.
            let off = d.discount_amount.as_ref().map(Amount::money).transpose()?;
            shipping = shipping.try_add(charged)?.try_sub(off.unwrap_or(Money::zero(currency)).abs())?;
        }
        lines.push(line);
    }
    if let Some(adjustment) = pricing.and_then(|p| p.adjustment.as_ref()) {
        let fee = pricing.and_then(|p| p.fee.as_ref()).map(Amount::money).transpose()?;
        let others = fee.unwrap_or(Money::zero(currency)).try_add(shipping)?;
        if !adjust(&mut lines, adjustment.money()?, total_money, others)? && state == OrderState::ReadyToShip
        {
            // Nobody ships what we cannot add up.
            state = OrderState::Exception;
        }
    }
    let (payments, refunded) = match &o.payment_summary {
        Some(p) => (
            p.payments.iter().filter_map(|x| payment(x).transpose()).collect::<Result<_, _>>()?,
            sum(
                currency,
                p.refunds.iter().filter(|r| r.refund_status != "FAILED").filter_map(|r| r.amount.as_ref()),
            )?,
        ),
        None => (Vec::new(), Money::zero(currency)),
    };
    let step = o.fulfillment_start_instructions.iter().find_map(|i| i.shipping_step.as_ref());
    let fulfilled_by =
        o.program.as_ref().and_then(|p| p.fulfillment_program.as_ref()?.fulfilled_by.as_deref());
    Ok(Order {
        account: account.clone(),
        id: OrderId::new(o.order_id.clone())?,
        number: None,
        placed_at: SourceTime::utc(o.creation_date),
        updated_at: SourceTime::utc(o.last_modified_date),
        state,
        raw_status: raw(o),
        currency,
        buyer_total: total.before()?,
        buyer: o.buyer.as_ref().map(buyer).unwrap_or_default(),
        ship_to: step.map(address).transpose()?.flatten(),
        lines,
        shipping,
        taxes: Vec::new(),
        total: total_money,
        payments,
        refunded: refunded.abs(),
        registrations,
        incoterm: None,
        ship_by: o
            .line_items
            .iter()
            .filter_map(|l| l.line_item_fulfillment_instructions.as_ref()?.ship_by_date)
            .min(),
        channel_fulfilled: fulfilled_by == Some("EBAY"),
    })
}

/// Prices that were changed after the commitment to buy: spread over the lines by what they cost, as the goods' own. Their
/// description calls them a change of "the cost of the item(s)" and is silent about the sign, which the total tells: goods +
/// what else there is + taxes on top + adjustment. `false`: with neither sign, or there is no line that costs anything.
fn adjust(lines: &mut [OrderLine], adjustment: Money, total: Money, others: Money) -> Result<bool, Error> {
    let currency = total.currency();
    let goods = Money::try_sum(currency, lines.iter().map(|l| l.total))?;
    let taxes = lines.iter().flat_map(|l| &l.taxes).filter(|t| !t.included).map(|t| t.amount);
    let left = total.try_sub(goods)?.try_sub(others)?.try_sub(Money::try_sum(currency, taxes)?)?;
    if left != adjustment && left != adjustment.negated() {
        return Ok(false);
    }
    if left.is_zero() {
        return Ok(true);
    }
    let weights: Vec<_> = lines.iter().map(|l| l.total.decimal()).collect();
    // Given away: there is nothing to spread it by, and a person looks.
    if goods.is_zero() {
        return Ok(false);
    }
    for (line, part) in lines.iter_mut().zip(left.allocate(&weights)?) {
        line.total = line.total.try_add(part)?;
        line.discount = line.discount.try_sub(part)?;
        if line.discount.is_negative() {
            // Dearer than listed: that is the price now, no negative discount.
            let units = tradewind_domain::Decimal::from(line.quantity.max(1));
            let unit = line.total.decimal().checked_div(units).unwrap_or_else(|| line.total.decimal());
            line.unit_price = Exact::new(unit, currency);
            line.discount = Money::zero(currency);
        }
    }
    Ok(true)
}

/// What a line without a SKU is told by: the number of its listing, and of the variation in it.
fn listing_name(item: &w::Line) -> String {
    let given = |id: &Option<String>| id.clone().filter(|id| !id.trim().is_empty() && id != "0");
    match (given(&item.legacy_item_id), given(&item.legacy_variation_id)) {
        (Some(listing), Some(variation)) => format!("{listing}/{variation}"),
        (Some(listing), None) => listing,
        (None, _) => String::new(),
    }
}

fn order_line(item: &w::Line, currency: Currency, state: OrderState) -> Result<OrderLine, Error> {
    let list = item.line_item_cost.money()?;
    let total = match &item.discounted_line_item_cost {
        Some(a) => a.money()?,
        None => list,
    };
    // `lineItemCost` is for all units; an exact quotient, which may have more decimals than the currency.
    let units = tradewind_domain::Decimal::from(item.quantity.max(1));
    let unit = list.decimal().checked_div(units).unwrap_or_else(|| list.decimal());
    let own = item.sku.as_deref().map(str::trim).filter(|s| !s.is_empty());
    // How many units of a partly shipped line left is not told here: `Ebay::complete` reads it.
    let shipped = match item.line_item_fulfillment_status.as_deref() {
        Some("FULFILLED") => item.quantity,
        _ => 0,
    };
    Ok(OrderLine {
        id: item.line_item_id.clone().try_into()?,
        sku: own.and_then(|s| Sku::new(s).ok()),
        channel_sku: own.map_or_else(|| listing_name(item), str::to_owned),
        title: item.title.clone().unwrap_or_default(),
        quantity: item.quantity,
        cancelled: if state == OrderState::Cancelled { item.quantity.saturating_sub(shipped) } else { 0 },
        shipped,
        unit_price: Exact::new(unit, currency),
        total,
        discount: list.try_sub(total)?,
        taxes: taxes(item)?,
        fulfilment: None,
        raw_status: item.line_item_fulfillment_status.clone(),
    })
}

/// Taxes of a line. What eBay collects and remits stands in both lists (with `TAX_BREAKDOWN`); it is counted once, as
/// the marketplace's. All are on top of `lineItemCost`.
fn taxes(item: &w::Line) -> Result<Vec<CollectedTax>, Error> {
    let mut all = Vec::new();
    let mut remitted = Vec::new();
    for tax in &item.ebay_collect_and_remit_taxes {
        let amount = tax.amount.money()?;
        remitted.push((tax.tax_type.as_deref(), amount));
        all.push(CollectedTax {
            kind: tax_kind(tax.tax_type.as_deref()),
            amount,
            collector: TaxCollector::Marketplace,
            included: false,
            scheme: tax.ebay_reference.as_ref().map(scheme),
        });
    }
    for tax in &item.taxes {
        let amount = tax.amount.money()?;
        if let Some(at) = remitted.iter().position(|r| *r == (tax.tax_type.as_deref(), amount)) {
            remitted.swap_remove(at);
            continue;
        }
        all.push(CollectedTax {
            kind: tax_kind(tax.tax_type.as_deref()),
            amount,
            collector: TaxCollector::Seller,
            included: false,
            scheme: None,
        });
    }
    all.retain(|t| !t.amount.is_zero());
    Ok(all)
}

fn tax_kind(word: Option<&str>) -> TaxKind {
    match word.unwrap_or_default() {
        "VAT" | "GST" | "IMPORT_VAT" => TaxKind::Vat,
        "STATE_SALES_TAX" | "PROVINCE_SALES_TAX" | "SST" => TaxKind::Sales,
        _ => TaxKind::Other,
    }
}

/// eBay's registration number of a scheme (`EbayTaxReference`); a parcel abroad must carry it.
fn scheme(reference: &w::Reference) -> TaxId {
    let kind = match reference.name.as_str() {
        "IOSS" => TaxIdKind::Ioss,
        "VOEC" => TaxIdKind::Voec,
        "OSS" => TaxIdKind::Vat,
        "ABN" | "IRD" => TaxIdKind::Gst,
        _ => TaxIdKind::Other,
    };
    TaxId { kind, value: reference.value.clone(), country: None }
}

/// A payment that was made; one still pending is none.
fn payment(p: &w::Payment) -> Result<Option<OrderPayment>, Error> {
    let (Some(amount), "PAID") = (&p.amount, p.payment_status.as_str()) else { return Ok(None) };
    let transaction = p.payment_reference_id.clone().map(TransactionId::new).transpose()?;
    Ok(Some(OrderPayment {
        provider: "ebay".to_owned(),
        transaction,
        amount: amount.money()?,
        paid_at: p.payment_date,
    }))
}

fn buyer(b: &w::Buyer) -> Buyer {
    let tax_ids = b
        .tax_identifier
        .iter()
        .filter_map(|t| {
            Some(TaxId {
                kind: if t.tax_identifier_type == "VATIN" { TaxIdKind::Vat } else { TaxIdKind::Other },
                value: t.taxpayer_id.clone()?,
                country: t.issuing_country.as_deref().and_then(|c| Country::new(c).ok()),
            })
        })
        .collect();
    Buyer { id: b.username.clone(), name: None, email: None, tax_ids }
}

fn address(step: &w::ShippingStep) -> Result<Option<Address>, Error> {
    let Some(contact) = &step.ship_to else { return Ok(None) };
    let Some(a) = &contact.contact_address else { return Ok(None) };
    let Some(code) = &a.country_code else { return Ok(None) };
    let text = |t: &Option<String>| t.clone().filter(|t| !t.trim().is_empty());
    // A parcel to eBay's hub is told apart there by this number alone.
    let reference = step.ship_to_reference_id.as_ref().map(|r| format!("Reference #{r}"));
    let lines = [text(&a.address_line1), text(&a.address_line2), reference];
    Ok(Some(Address {
        name: text(&contact.full_name),
        company: text(&contact.company_name),
        lines: lines.into_iter().flatten().collect(),
        city: text(&a.city),
        region: text(&a.state_or_province).or_else(|| text(&a.county)),
        postcode: text(&a.postal_code),
        country: Country::new(code)?,
        phone: contact.primary_phone.as_ref().and_then(|p| text(&p.phone_number)),
        email: text(&contact.email),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payment: &str, fulfilment: &str, cancel: &str) -> OrderState {
        let text = format!(
            r#"{{"orderId":"1","creationDate":"2026-08-01T00:00:00.000Z","lastModifiedDate":"2026-08-01T00:00:00.000Z",
                 "orderFulfillmentStatus":"{fulfilment}","orderPaymentStatus":"{payment}","cancelStatus":{{"cancelState":"{cancel}"}},"lineItems":[]}}"#
        );
        state(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn the_table_of_the_fact_sheet() {
        use OrderState::*;
        for (payment, fulfilment, cancel, want) in [
            ("PENDING", "NOT_STARTED", "NONE_REQUESTED", PendingPayment),
            ("FAILED", "NOT_STARTED", "NONE_REQUESTED", PendingPayment),
            ("PAID", "NOT_STARTED", "NONE_REQUESTED", ReadyToShip),
            ("PAID", "IN_PROGRESS", "NONE_REQUESTED", PartiallyShipped),
            ("PAID", "FULFILLED", "NONE_REQUESTED", Shipped),
            ("PAID", "NOT_STARTED", "IN_PROGRESS", CancelRequested),
            ("FULLY_REFUNDED", "NOT_STARTED", "CANCELED", Cancelled),
            // Ours: refunded in full before it left, nobody asked to cancel.
            ("FULLY_REFUNDED", "NOT_STARTED", "NONE_REQUESTED", OnHold),
            // ... or when a part had left: the rest stays.
            ("FULLY_REFUNDED", "IN_PROGRESS", "NONE_REQUESTED", OnHold),
            ("PARTIALLY_REFUNDED", "IN_PROGRESS", "NONE_REQUESTED", PartiallyShipped),
            ("FULLY_REFUNDED", "FULFILLED", "NONE_REQUESTED", Shipped),
            ("PAID", "BEAMED_UP", "NONE_REQUESTED", Exception),
        ] {
            assert_eq!(of(payment, fulfilment, cancel), want, "{payment} {fulfilment} {cancel}");
        }
    }

    /// An order of 30.00 + 10.00 and 5.00 of shipping, with a summary.
    fn priced(summary: &str) -> Result<Order, Error> {
        priced_lines(summary, ["30.00", "10.00"])
    }

    fn priced_lines(summary: &str, [first, second]: [&str; 2]) -> Result<Order, Error> {
        let line = |id: &str, quantity: u32, cost: &str| {
            format!(
                r#"{{"lineItemId":"{id}","quantity":{quantity},"lineItemCost":{{"value":"{cost}","currency":"EUR"}}}}"#
            )
        };
        let text = format!(
            r#"{{"orderId":"1","creationDate":"2026-08-01T00:00:00.000Z","lastModifiedDate":"2026-08-01T00:00:00.000Z",
                 "orderFulfillmentStatus":"NOT_STARTED","orderPaymentStatus":"PAID","pricingSummary":{{{summary}}},
                 "lineItems":[{},{}]}}"#,
            line("1", 3, first),
            line("2", 1, second).replace(
                r#""quantity""#,
                r#""deliveryCost":{"shippingCost":{"value":"5.00","currency":"EUR"}},"quantity""#
            ),
        );
        order(&serde_json::from_str(&text).unwrap(), &"a".parse().unwrap())
    }

    fn eur(name: &str, value: &str) -> String {
        format!(r#""{name}":{{"value":"{value}","currency":"EUR"}}"#)
    }

    #[test]
    fn prices_that_were_changed_after_the_sale_are_the_goods() {
        let lines = |o: &Order| -> Vec<(i64, i64)> {
            o.lines.iter().map(|l| (l.total.minor(), l.discount.minor())).collect()
        };
        let of = |total: &str, adjustment: &str| {
            priced(&[eur("total", total), eur("adjustment", adjustment)].join(",")).unwrap()
        };
        // 40.00 + 5.00 − 2.00 = 43.00; by 30 : 10 that is 1.50 and 0.50. With either sign.
        for sign in ["-2.00", "2.00"] {
            let o = of("43.00", sign);
            assert_eq!(lines(&o), [(2_850, 150), (950, 50)]);
            assert_eq!(o.state, OrderState::ReadyToShip);
        }
        // 40.00 + 5.00 + 2.00 = 47.00: 31.50 for three units and 10.50 for one.
        let o = of("47.00", "2.00");
        assert_eq!(lines(&o), [(3_150, 0), (1_050, 0)]);
        assert_eq!(o.lines[0].unit_price.value().to_string(), "10.50");
        // A recycling fee beside it: 40.00 + 5.00 − 2.00 + 0.30.
        let o = priced(&[eur("total", "43.30"), eur("adjustment", "-2.00"), eur("fee", "0.30")].join(","));
        assert_eq!(lines(&o.unwrap()), [(2_850, 150), (950, 50)]);
        // Lines that cost nothing: 0.00 + 0.00 + 5.00 − 2.00 = 3.00, and no line to take the 2.00 from.
        let summary = [eur("total", "3.00"), eur("adjustment", "-2.00")].join(",");
        let o = priced_lines(&summary, ["0.00", "0.00"]).unwrap();
        assert_eq!(lines(&o), [(0, 0), (0, 0)]);
        assert_eq!((o.total.minor(), o.state), (300, OrderState::Exception));
        // Neither sign gives the total: a person looks.
        let o = of("44.00", "2.00");
        assert_eq!((lines(&o)[0], o.state), ((3_000, 0), OrderState::Exception));
    }

    #[test]
    fn a_total_is_not_invented() {
        for summary in [String::new(), eur("adjustment", "2.00")] {
            let error = priced(&summary).unwrap_err().to_string();
            assert!(error.contains("order 1: ") && error.contains("no pricingSummary.total"), "{error}");
        }
    }

    #[test]
    fn a_remitted_tax_counts_once() {
        let line: w::Line = serde_json::from_str(
            r#"{"lineItemId":"1","quantity":2,"lineItemCost":{"value":"20.00","currency":"EUR"},
                "taxes":[{"taxType":"VAT","amount":{"value":"3.80","currency":"EUR"}}],
                "ebayCollectAndRemitTaxes":[{"taxType":"VAT","amount":{"value":"3.80","currency":"EUR"},"ebayReference":{"name":"IOSS","value":"IM2760000742"}}]}"#,
        )
        .unwrap();
        let taxes = taxes(&line).unwrap();
        assert_eq!(taxes.len(), 1);
        assert_eq!((taxes[0].collector, taxes[0].amount.minor()), (TaxCollector::Marketplace, 380));
        assert_eq!(taxes[0].scheme.as_ref().unwrap().kind, TaxIdKind::Ioss);
        // lineItemCost is for both units: 20.00 / 2.
        let line = order_line(&line, Currency::new("EUR").unwrap(), OrderState::ReadyToShip).unwrap();
        assert_eq!(line.unit_price.value().to_string(), "10.00");
    }
}
