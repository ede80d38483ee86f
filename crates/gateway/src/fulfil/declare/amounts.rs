//! The amounts of a declaration, in the authority's currency. In the order's own currency they are the order's. Where the
//! buyer paid in the authority's currency and the shop keeps its books in another, the parts are the order's, converted at
//! the rate that the buyer paid, and the total is what the buyer paid to the cent: customs compare it with the payment.
//! What rounding leaves of the difference (less than a minor unit per part) goes to the freight, or to the discount.

use rust_decimal::Decimal;
use tradewind_domain::{Currency, Exact, Money, MoneyError, Order, Rounding};

/// Amounts that foot: goods + freight + taxes − discount = paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amounts {
    /// Value of one unit, and of the line, before discount; one entry per order line.
    pub(super) lines: Vec<(Money, Money)>,
    pub(super) goods: Money,
    pub(super) freight: Money,
    pub(super) discount: Money,
    pub(super) taxes: Money,
    pub(super) paid: Money,
}

/// The total that the buyer paid in one of the currencies that an authority takes.
pub(super) fn total(order: &Order, accepted: &[Currency]) -> Result<Money, String> {
    let fits = |m: &Money| accepted.is_empty() || accepted.contains(&m.currency());
    let candidates = [Some(order.total), order.buyer_total];
    candidates.into_iter().flatten().find(fits).ok_or_else(|| {
        let wanted = accepted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "customs take {wanted}, the order is in {} and the channel does not say what the buyer paid in {wanted}",
            order.currency
        )
    })
}

/// The amounts of a whole order, with `paid` as its total.
pub(super) fn of(order: &Order, paid: Money) -> Result<Amounts, String> {
    if order.lines.iter().any(|l| l.open() != l.quantity) {
        return Err(
            "a part of the order was cancelled or shipped: customs match the whole payment, file it by hand"
                .to_owned(),
        );
    }
    convert(order, paid).map_err(|e| e.to_string())?
}

fn convert(order: &Order, paid: Money) -> Result<Result<Amounts, String>, MoneyError> {
    let currency = paid.currency();
    let same = currency == order.currency;
    let rate = match same {
        true => Decimal::ONE,
        false => match paid.decimal().checked_div(order.total.decimal()) {
            Some(rate) => rate,
            None => return Ok(Err("the order's total is zero".to_owned())),
        },
    };
    let at_rate = |value: Decimal| -> Result<Money, MoneyError> {
        let exact = Exact::new(value, order.currency).times(rate)?;
        Exact::new(exact.value(), currency).round(Rounding::HalfUp)
    };
    let mut lines = Vec::with_capacity(order.lines.len());
    let mut discounts = Money::zero(order.currency);
    for line in &order.lines {
        let unit = at_rate(line.unit_price.value())?;
        if same && unit.decimal() != line.unit_price.value() {
            return Ok(Err(format!(
                "line {}: the unit price {} has more decimals than the currency",
                line.id, line.unit_price
            )));
        }
        lines.push((unit, unit.try_mul(i64::from(line.quantity))?));
        discounts = discounts.try_add(line.discount)?;
    }
    let goods = Money::try_sum(currency, lines.iter().map(|(_, value)| *value))?;
    let on_top = order.all_taxes().filter(|t| !t.included).map(|t| t.amount);
    let taxes = at_rate(Money::try_sum(order.currency, on_top)?.decimal())?;
    let mut freight = at_rate(order.shipping.decimal())?;
    let mut discount = at_rate(discounts.decimal())?;
    if !same {
        let left = paid.try_add(discount)?.try_sub(goods)?.try_sub(freight)?.try_sub(taxes)?;
        // Each unit, the freight, the taxes, the discount and the total were rounded by half a minor unit at most.
        let units: i64 = order.lines.iter().map(|l| i64::from(l.quantity)).sum();
        if left.minor().abs() > units + 4 {
            return Ok(Err(format!(
                "the parts of the order make {left} less than the {paid} that the buyer paid: not a matter of rounding"
            )));
        }
        match left.minor() {
            m if m >= 0 => freight = freight.try_add(left)?,
            _ => discount = discount.try_sub(left)?,
        }
    }
    Ok(Ok(Amounts { lines, goods, freight, discount, taxes, paid }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order in USD of (unit price, quantity) lines, with shipping and a tax on top.
    fn order(lines: &[(&str, u32)], shipping: &str, tax: &str, total: &str, buyer: Option<&str>) -> Order {
        let usd = |amount: &str| serde_json::json!({"amount": amount, "currency": "USD"});
        let line = |(i, (price, quantity)): (usize, &(&str, u32))| {
            let value = Money::parse(price, Currency::USD).unwrap().try_mul(i64::from(*quantity)).unwrap();
            serde_json::json!({"id": format!("L{i}"), "sku": format!("S{i}"), "quantity": quantity, "unit_price": usd(price),
                "total": value, "discount": usd("0.00")})
        };
        serde_json::from_value(serde_json::json!({
            "account": "shop", "id": "O1", "placed_at": {"utc": "2026-03-02T08:00:00Z", "zone": null}, "updated_at": {"utc": "2026-03-02T08:00:00Z", "zone": null},
            "state": "ready_to_ship", "raw_status": "PAID", "currency": "USD", "lines": lines.iter().enumerate().map(line).collect::<Vec<_>>(),
            "shipping": usd(shipping), "taxes": [{"kind": "vat", "amount": usd(tax), "collector": "seller", "included": false}],
            "total": usd(total), "refunded": usd("0.00"),
            "buyer_total": buyer.map(|b| serde_json::json!({"amount": b, "currency": "CNY"})),
        }))
        .unwrap()
    }

    fn cny() -> Currency {
        Currency::new("CNY").unwrap()
    }

    fn foots(a: &Amounts) {
        let sum = a.goods.try_add(a.freight).unwrap().try_add(a.taxes).unwrap().try_sub(a.discount).unwrap();
        assert_eq!(sum, a.paid);
        assert_eq!(Money::try_sum(a.paid.currency(), a.lines.iter().map(|l| l.1)).unwrap(), a.goods);
    }

    /// 3 × 10.99 + 5.95 + 3.00 tax = 41.92 USD; the buyer paid 41.92 × 7.19 = 301.4048, shown as 301.40 CNY.
    /// Units: 10.99 × 301.40/41.92 = 79.0168… → 79.02, × 3 = 237.06. Freight 42.7796… → 42.78. Tax 21.5696… → 21.57.
    /// 237.06 + 42.78 + 21.57 = 301.41: one fen too much, taken off as discount.
    #[test]
    fn the_buyers_currency_is_matched_to_the_cent() {
        let o = order(&[("10.99", 3)], "5.95", "3.00", "41.92", Some("301.40"));
        let paid = total(&o, &[cny()]).unwrap();
        let a = of(&o, paid).unwrap();
        foots(&a);
        let text = |m: Money| m.to_string();
        assert_eq!(
            [
                text(a.lines[0].0),
                text(a.goods),
                text(a.freight),
                text(a.taxes),
                text(a.discount),
                text(a.paid)
            ],
            ["79.02 CNY", "237.06 CNY", "42.78 CNY", "21.57 CNY", "0.01 CNY", "301.40 CNY"]
        );
    }

    /// In its own currency the order's amounts are taken as they are.
    #[test]
    fn the_own_currency_is_not_touched() {
        let o = order(&[("10.99", 3), ("2.50", 1)], "5.95", "3.00", "44.42", None);
        let a = of(&o, total(&o, &[]).unwrap()).unwrap();
        foots(&a);
        assert_eq!((a.freight.to_string(), a.discount.to_string()), ("5.95 USD".into(), "0.00 USD".into()));
    }

    #[test]
    fn what_cannot_be_matched_is_refused_in_words() {
        let o = order(&[("10.99", 3)], "5.95", "3.00", "41.92", None);
        assert!(total(&o, &[cny()]).unwrap_err().contains("does not say what the buyer paid in CNY"));
        // The order's parts do not make its total: no rounding explains 50 fen.
        let o = order(&[("10.99", 3)], "5.95", "3.00", "43.00", Some("301.40"));
        assert!(of(&o, total(&o, &[cny()]).unwrap()).unwrap_err().contains("not a matter of rounding"));
        let mut o = order(&[("10.99", 3)], "5.95", "3.00", "41.92", Some("301.40"));
        o.lines[0].cancelled = 1;
        assert!(of(&o, total(&o, &[cny()]).unwrap()).unwrap_err().contains("by hand"));
    }
}
