//! What a seller takes back of an order, and what a channel may do that cancels less finely than that.

use serde::{Deserialize, Serialize};
use tradewind_domain::{CancelReason, LineQuantity, Order, OrderLine};

use crate::error::{Error, Kind};

/// What a seller takes back of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// The order as we know it.
    pub order: Order,
    /// Lines and units; none named: all that is open. What a channel can take is in [`Bounds::cancels`](crate::Bounds).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineQuantity>,
    /// Why.
    pub reason: CancelReason,
}

impl Cancellation {
    /// Of a whole order.
    #[must_use]
    pub fn whole(order: Order, reason: CancelReason) -> Cancellation {
        Cancellation { order, lines: Vec::new(), reason }
    }

    /// For a channel that cancels units: of which lines how many. None named: all that is open.
    ///
    /// # Errors
    /// A line is not of the order, none of its units is named, or more than are open: a channel that takes this would cancel what
    /// has been shipped.
    pub fn units(&self) -> Result<Vec<(&OrderLine, u32)>, Error> {
        let order = &self.order.id;
        if self.lines.is_empty() {
            let open = self.order.lines.iter().filter(|l| l.open() > 0);
            return Ok(open.map(|l| (l, l.open())).collect());
        }
        for asked in &self.lines {
            let Some(line) = self.order.lines.iter().find(|l| l.id == asked.line) else {
                return Err(Error::invalid(format!("order {order} has no line {}", asked.line)));
            };
            let (units, open) = (self.units_of(line), line.open());
            if asked.quantity == 0 || units > open {
                return Err(Error::invalid(format!(
                    "order {order}: {units} units of line {} are to be cancelled, {open} are open: read the order again",
                    line.id
                )));
            }
        }
        let named = self.order.lines.iter().map(|l| (l, self.units_of(l)));
        Ok(named.filter(|(_, units)| *units > 0).collect())
    }

    /// For a channel that cancels an order as a whole.
    ///
    /// # Errors
    /// Units of it are to stay: this channel would cancel them, too. Those of [`Cancellation::units`].
    pub fn only_whole(&self) -> Result<(), Error> {
        let named = self.units()?;
        let stays =
            |line: &&OrderLine| named.iter().all(|(l, units)| l.id != line.id || *units < line.open());
        match self.order.lines.iter().filter(|l| l.open() > 0).find(stays) {
            Some(line) => Err(Error::new(
                Kind::Unsupported,
                format!(
                    "order {}: this channel cancels an order as a whole, and line {} is not to be cancelled, or not all of it; cancel those units in the channel's own pages",
                    self.order.id, line.id
                ),
            )),
            None => Ok(()),
        }
    }

    /// For a channel that cancels lines: which.
    ///
    /// # Errors
    /// Units of a line are to stay. Those of [`Cancellation::units`].
    pub fn whole_lines(&self) -> Result<Vec<&OrderLine>, Error> {
        let named = self.units()?;
        match named.iter().find(|(line, units)| *units < line.open()) {
            None => Ok(named.into_iter().map(|(line, _)| line).collect()),
            Some((line, units)) => Err(Error::new(
                Kind::Unsupported,
                format!(
                    "order {}: this channel cancels whole lines, and of line {} {} of {} units are to stay",
                    self.order.id,
                    line.id,
                    line.open() - units,
                    line.open()
                ),
            )),
        }
    }

    fn units_of(&self, line: &OrderLine) -> u32 {
        let of = self.lines.iter().filter(|l| l.line == line.id);
        of.fold(0, |sum, l| sum.saturating_add(l.quantity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_takes_no_more_than_it_names() {
        let eur = |amount: &str| serde_json::json!({"amount": amount, "currency": "EUR"});
        let line = |id: &str, quantity: u32, shipped: u32| serde_json::json!({"id": id, "quantity": quantity, "shipped": shipped, "unit_price": eur("1.00"), "total": eur("1.00"), "discount": eur("0.00")});
        // Of the second line two of three units are open, of the third none.
        let order: Order = serde_json::from_value(serde_json::json!({"account": "shop", "id": "A-1",
            "placed_at": {"utc": "2026-08-01T08:00:00Z"}, "updated_at": {"utc": "2026-08-01T08:00:00Z"}, "state": "ready_to_ship",
            "raw_status": "", "currency": "EUR", "lines": [line("1", 1, 0), line("2", 3, 1), line("3", 1, 1)], "shipping": eur("0.00"),
            "total": eur("3.00"), "refunded": eur("0.00")}))
        .unwrap();
        let asked = |units: &[(&str, u32)]| {
            let lines = units
                .iter()
                .map(|(line, quantity)| LineQuantity { line: line.parse().unwrap(), quantity: *quantity })
                .collect();
            let what = Cancellation { order: order.clone(), lines, reason: CancelReason::OutOfStock };
            let whole = what.only_whole().map_err(|e| e.kind());
            let lines = what.whole_lines().map(|l| l.iter().map(|l| l.id.to_string()).collect::<Vec<_>>());
            let units =
                what.units().map(|u| u.iter().map(|(l, n)| (l.id.to_string(), *n)).collect::<Vec<_>>());
            (whole, lines.map_err(|e| e.kind()), units.map_err(|e| e.kind()))
        };
        let names = |n: &[&str]| Ok(n.iter().map(|s| (*s).to_owned()).collect());
        let count = |n: &[(&str, u32)]| Ok(n.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect());
        let all = || (Ok(()), names(&["1", "2"]), count(&[("1", 1), ("2", 2)]));
        assert_eq!(asked(&[]), all());
        assert_eq!(asked(&[("1", 1), ("2", 2)]), all());
        assert_eq!(asked(&[("2", 1), ("1", 1), ("2", 1)]), all(), "a line named twice");
        let part = Err(Kind::Unsupported);
        assert_eq!(asked(&[("2", 2)]), (part, names(&["2"]), count(&[("2", 2)])));
        assert_eq!(
            asked(&[("1", 1), ("2", 1)]),
            (part, Err(Kind::Unsupported), count(&[("1", 1), ("2", 1)]))
        );
        // Of another order; one that has left; more than there are; none at all.
        let wrong = || (Err(Kind::InvalidRequest), Err(Kind::InvalidRequest), Err(Kind::InvalidRequest));
        assert_eq!(asked(&[("1", 1), ("2", 2), ("9", 1)]), wrong());
        assert_eq!(asked(&[("3", 1)]), wrong());
        assert_eq!(asked(&[("1", 1), ("2", 2), ("3", 1)]), wrong());
        assert_eq!(asked(&[("1", 1), ("2", 3)]), wrong());
        assert_eq!(asked(&[("2", 2), ("2", 1)]), wrong());
        assert_eq!(asked(&[("1", 0)]), wrong());
    }
}
