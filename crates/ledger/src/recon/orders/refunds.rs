//! Refunds that we asked for against what the provider gave back.

use std::collections::BTreeMap;

use super::fold::{Case, Due, Frame};
use super::sums::Sums;
use crate::facts::{Facts, Order, Refund};
use crate::recon::dedupe::Clean;
use crate::recon::{Found, Reason};

/// What one row gave back, minor units of the order's currency.
pub(super) struct Given {
    /// With the tax that the marketplace had collected.
    pub(super) amount: i64,
    /// Of it: that tax.
    pub(super) tax: i64,
}

/// Requests by the place of their order. A request names an order, and its account where it knows it; of several orders with one id
/// it is of the one in its currency. Where that does not tell, it is of none, and named.
pub(super) fn by_order<'a>(
    clean: &'a Clean,
    facts: &Facts,
    found: &mut Found,
) -> BTreeMap<usize, Vec<&'a Refund>> {
    let mut by_id: BTreeMap<&str, Vec<(usize, &Order)>> = BTreeMap::new();
    for (at, o) in clean.orders.iter().enumerate() {
        by_id.entry(o.id.as_str()).or_default().push((at, o));
    }
    let mut out: BTreeMap<usize, Vec<&Refund>> = BTreeMap::new();
    for r in &clean.refunds {
        let all = by_id.get(r.order.as_str()).map(Vec::as_slice).unwrap_or_default();
        let named: Vec<&(usize, &Order)> =
            all.iter().filter(|(_, o)| r.account.as_ref().is_none_or(|a| *a == o.account)).collect();
        let own: Vec<&(usize, &Order)> =
            named.iter().copied().filter(|(_, o)| o.total.currency() == r.amount.currency()).collect();
        match (named.as_slice(), own.as_slice()) {
            ([(at, _)], _) | (_, [(at, _)]) => out.entry(*at).or_default().push(r),
            ([], _) if !facts.has("orders") => {}
            (none_or_many, _) => {
                let (reason, why) = if none_or_many.is_empty() {
                    (Reason::OursOnly, format!("refund {} is for order {}, which is not here", r.id, r.order))
                } else {
                    let accounts: Vec<&str> = none_or_many.iter().map(|(_, o)| o.account.as_str()).collect();
                    (
                        Reason::Ambiguous,
                        format!(
                            "refund {} is for order {}, and {} accounts have one ({}): give the refund its account",
                            r.id,
                            r.order,
                            accounts.len(),
                            accounts.join(", ")
                        ),
                    )
                };
                found.add(
                    reason,
                    r.amount,
                    vec![r.id.clone(), r.order.clone()],
                    why,
                    vec![(format!("asked for as {}", r.id), r.amount.minor())],
                );
            }
        }
    }
    out
}

/// What of the tax that went back belongs to requests that were made without it. A marketplace that collects the tax gives it back by
/// itself (ebay-finances §2, §4): our request is for the goods, the row tells both. Request by request: the row of the same amount;
/// else the row that is the same without its tax; else, if all that is left is the same without tax, that.
fn aside(given: &[Given], asked: &[i64]) -> i64 {
    let (mut rows, mut rest): (Vec<&Given>, Vec<i64>) = (given.iter().collect(), Vec::new());
    let mut tax = 0_i64;
    let whole: Vec<i64> = asked
        .iter()
        .copied()
        .filter(|m| match rows.iter().position(|g| g.amount == *m) {
            Some(at) => {
                rows.remove(at);
                false
            }
            None => true,
        })
        .collect();
    for m in whole {
        match rows.iter().position(|g| g.tax != 0 && g.amount - g.tax == m) {
            Some(at) => tax += rows.remove(at).tax,
            None => rest.push(m),
        }
    }
    let left: i64 = rows.iter().map(|g| g.amount - g.tax).sum();
    if !rest.is_empty() && rest.iter().sum::<i64>() == left {
        tax += rows.iter().map(|g| g.tax).sum::<i64>();
    }
    tax
}

/// Over-refunds, and requests against what was given; returns what of it answers requests.
pub(super) fn judge(frame: &Frame<'_>, case: &Case<'_>, s: &Sums, due: &Due, found: &mut Found) -> i64 {
    let Case { order: o, refunds, currency: c, .. } = *case;
    let Frame { policy, as_of, facts, .. } = *frame;
    let records = || -> Vec<String> {
        case.records().into_iter().chain(refunds.iter().map(|r| r.id.clone())).collect()
    };
    let asked: Vec<i64> =
        refunds.iter().filter(|r| r.amount.currency() == c).map(|r| r.amount.minor()).collect();
    for r in refunds.iter().filter(|r| r.amount.currency() != c) {
        found.add(
            Reason::CurrencyMismatch,
            r.amount,
            vec![o.id.clone(), r.id.clone()],
            format!("order {} is in {c}, refund {} was asked for in {}", o.id, r.id, r.amount.currency()),
            vec![(format!("asked for as {}", r.id), r.amount.minor())],
        );
    }
    let requested: i64 = asked.iter().sum();
    let untold =
        !facts.has("refunds") || facts.refunds_untold.contains(&o.account) || case.untold && s.gross == 0;
    // A request does not wait for its payment; while that may still come, only what was given back counts.
    let paid = s.gross.max(0);
    let most = if paid > 0 || due.late && !due.void && !untold && facts.has("transactions") {
        s.refunded.max(requested)
    } else {
        s.refunded
    };
    if most > paid {
        found.add(
            Reason::OverRefund,
            case.money(most - paid),
            records(),
            format!(
                "{} given back or asked for on order {}, of which {} was paid",
                case.money(most),
                o.id,
                case.money(paid)
            ),
            vec![("refunds".to_owned(), most), ("paid".to_owned(), -paid)],
        );
    }
    if s.refunded < 0 {
        let given: i64 = s.returns.iter().map(|g| g.amount.max(0)).sum();
        found.note(
            Reason::AmountMismatch,
            case.money(s.refunded),
            records(),
            format!("order {}: more of its refunds came back than was ever given", o.id),
            vec![("given back".to_owned(), given), ("came back".to_owned(), s.refunded - given)],
            s.refunded,
        );
    }
    let tax = aside(&s.returns, &asked);
    let answered = s.refunded - tax;
    let off = answered - requested;
    // Nothing was paid and nothing given back: void, or nobody could tell.
    let idle = paid == 0 && s.refunded == 0 && (due.void || !facts.has("transactions"));
    if untold || off == 0 || idle {
        return answered;
    }
    let old = refunds
        .iter()
        .map(|r| r.requested.day())
        .max()
        .is_some_and(|d| d.until(as_of).map_or(0, |x| x.get_days()) > policy.late_days);
    let (reason, why) = if off > 0 {
        (Reason::ProviderOnly, "the provider gave back more than we asked for")
    } else if old {
        (Reason::OursOnly, "a refund that we asked for was never made")
    } else {
        (Reason::Timing, "a refund that we asked for is on its way")
    };
    let mut evidence = vec![("given back".to_owned(), s.refunded), ("asked for".to_owned(), -requested)];
    if tax != 0 {
        evidence.push(("tax that the marketplace gave back by itself".to_owned(), -tax));
    }
    found.add(reason, case.money(off), records(), format!("order {}: {why}", o.id), evidence);
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_stands_aside_where_the_request_was_without_it() {
        let rows = |list: &[(i64, i64)]| -> Vec<Given> {
            list.iter().map(|(amount, tax)| Given { amount: *amount, tax: *tax }).collect()
        };
        // 47.36 with 3.61 tax: asked for as 43.75, or as 47.36.
        assert_eq!(aside(&rows(&[(4736, 361)]), &[4375]), 361);
        assert_eq!(aside(&rows(&[(4736, 361)]), &[4736]), 0);
        // One request is still on its way: the one that came was without tax.
        assert_eq!(aside(&rows(&[(4736, 361)]), &[4375, 4375]), 361);
        // Two rows for one request: 20.00 + 23.75 without 1.00 + 2.61 tax.
        assert_eq!(aside(&rows(&[(2100, 100), (2636, 261)]), &[4375]), 361);
        // A cent more than either is not explained by tax.
        assert_eq!(aside(&rows(&[(4736, 361)]), &[4374]), 0);
        assert_eq!(aside(&[], &[4375]), 0);
    }
}
