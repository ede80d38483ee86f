//! From the Admin API's words to ours.

use tradewind_connector::Error;
use tradewind_domain::{
    AccountId, Address, Buyer, CollectedTax, Country, Currency, Order, OrderId, OrderLine, OrderLineId,
    OrderPayment, OrderState, Sku, SourceTime, TaxCollector, TaxId, TaxIdKind, TaxKind, TransactionId,
};

use super::Partial;
use super::wire::{LocalizedField, MailingAddress, TaxLine, WireLine, WireOrder, WireTransaction};

fn time(text: &str) -> Result<SourceTime, Error> {
    text.parse().map(SourceTime::utc).map_err(|e| Error::decode(format!("time '{text}': {e}")))
}

/// Units of a fulfilment left, or will: it was not called off, and did not fail.
pub(crate) fn stands(status: &str) -> bool {
    !matches!(status, "CANCELLED" | "ERROR" | "FAILURE")
}

pub(super) fn partial(account: &AccountId, o: WireOrder) -> Result<Partial, Error> {
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
pub(super) fn credential(field: LocalizedField) -> Option<TaxId> {
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

pub(super) fn line(
    l: WireLine,
    currency: Currency,
    included: bool,
    cancelled: bool,
) -> Result<OrderLine, Error> {
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
    use serde_json::json;

    use super::*;
    use crate::orders::left_and_refunded;

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
