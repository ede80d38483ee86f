//! How much of a transfer a line is, where several lines make one transfer or several transfers one line.

use std::collections::BTreeMap;

use tradewind_domain::Money;

use crate::facts::BankLine;
use crate::recon::ReconError;
use crate::recon::bank::{Item, Work};

/// What of a transfer is a line's, by the places of line and transfer; of a transfer in one line: nothing, it is all the line's.
pub(super) type Parts = BTreeMap<(usize, usize), Money>;

/// A transfer that arrived in several lines: each takes a part of what was sent, in proportion to what it brought (largest
/// remainder), so that the parts are the transfer. Where no currency is crossed, a line's part is its own amount.
pub(super) fn parts(w: &Work<'_>) -> Result<Parts, ReconError> {
    let mut out = Parts::new();
    for (i, item) in w.items.iter().enumerate() {
        let lines: Vec<(usize, &BankLine)> =
            w.line_of.get(i).into_iter().flatten().filter_map(|l| w.lines.get(*l).map(|x| (*l, x))).collect();
        if lines.len() < 2 {
            continue;
        }
        if lines.iter().all(|(_, x)| x.amount.currency() == item.sent.currency()) {
            // What a pin leaves of it is the last line's, as of a transfer in one line.
            let sum = lines.iter().fold(0_i64, |s, (_, x)| s.saturating_add(x.amount.minor()));
            let rest = item.sent.minor().saturating_sub(sum);
            out.extend(lines.iter().enumerate().map(|(n, (l, x))| {
                let own = if n + 1 == lines.len() { rest } else { 0 };
                let part = Money::from_minor(x.amount.minor().saturating_add(own), x.amount.currency());
                ((*l, i), part)
            }));
            continue;
        }
        let weights: Vec<_> = lines.iter().map(|(_, x)| x.amount.decimal().abs()).collect();
        let shares = item.sent.allocate(&weights).map_err(|e| {
            ReconError::Range(format!(
                "transfer {} cannot be shared over its {} lines: {e}",
                item.id,
                lines.len()
            ))
        })?;
        out.extend(lines.iter().zip(shares).map(|((l, _), share)| ((*l, i), share)));
    }
    Ok(out)
}

/// A line that a user pinned to several transfers of one other currency: each brought a part of what their own amounts in this
/// currency leave of the line, in proportion to what was sent.
pub(super) fn arrivals(
    amount: Money,
    items: &[(usize, &Item)],
) -> Result<BTreeMap<usize, Money>, ReconError> {
    let c = amount.currency();
    let open: Vec<&(usize, &Item)> = items.iter().filter(|(_, x)| x.expect.currency() != c).collect();
    if open.len() < 2 {
        return Ok(BTreeMap::new());
    }
    let known = items.iter().filter(|(_, x)| x.expect.currency() == c);
    let rest = known.fold(amount.minor(), |s, (_, x)| s.saturating_sub(x.expect.minor()));
    let weights: Vec<_> = open.iter().map(|(_, x)| x.sent.decimal().abs()).collect();
    let shares = Money::from_minor(rest, c).allocate(&weights).map_err(|e| {
        ReconError::Range(format!("{amount} cannot be shared over {} transfers: {e}", open.len()))
    })?;
    Ok(open.into_iter().map(|(i, _)| *i).zip(shares).collect())
}
