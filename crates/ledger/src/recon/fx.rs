//! What exchange cost and earned.
//!
//! Three numbers, never mixed: *conversion cost* is the provider's rate against the reference rate of the day; *realised* is what
//! rates moved between booking and settling; *unrealised* is what they moved on balances that are still open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tradewind_domain::{Currency, Decimal, Exact, Money, Rounding};

use super::bank::{Banking, Conversion};
use super::parts::Row;
use super::{Found, Policy, Reason, ReconError};
use crate::facts::Provider;
use crate::import::Class;
use crate::rates::{Rates, times};

/// Totals in the currency of the books, and the entries behind them.
#[derive(Debug, Clone)]
pub struct Fx {
    /// Gains (losses negative) on what was settled.
    pub realised: Money,
    /// Gains on what is open.
    pub unrealised: Money,
    /// Cost of conversions: positive when it costs us.
    pub cost: Money,
    /// Records whose cost or result stands in none of the three, because no reference rate measures it: it is not known, not zero.
    pub unmeasured: BTreeSet<String>,
    /// Open balances, by currency, that stand in no `unrealised`: no rate of their day, or of the report's, is known.
    pub unrevalued: BTreeMap<Currency, i64>,
    /// Entries of their own, by id.
    pub entries: Vec<FxEntry>,
}

/// An entry of exchange.
#[derive(Debug, Clone)]
pub struct FxEntry {
    /// Its id: provider and account are in it, because two accounts may use one id.
    pub id: String,
    /// Day.
    pub date: Date,
    /// Which of the three.
    pub kind: Kind,
    /// Amount.
    pub amount: Money,
    /// The records behind it.
    pub records: Vec<String>,
}

impl Fx {
    fn entry(&mut self, id: String, date: Date, kind: Kind, amount: Money, records: Vec<String>) {
        self.entries.push(FxEntry { id, date, kind, amount, records });
    }

    /// What the three numbers leave out, in words.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        // Names enough to begin with; the answer has them all.
        const SHOWN: usize = 30;
        const PUT: &str = "put it into fx.csv, or, over the store, its file under [fx] files";
        let mut out = Vec::new();
        if !self.unmeasured.is_empty() {
            let list: Vec<&str> = self.unmeasured.iter().take(SHOWN).map(String::as_str).collect();
            let more = self.unmeasured.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            out.push(format!(
                "not measured, for want of a reference rate: {}{more} ({PUT})",
                list.join(", ")
            ));
        }
        out.extend(self.unrevalued.iter().map(|(c, m)| {
            format!("not revalued, for want of a rate: {} ({PUT})", Money::from_minor(*m, *c))
        }));
        out
    }

    fn unmeasured(&mut self, records: &[String]) {
        self.unmeasured.extend(records.iter().cloned());
    }
}

fn add(slot: &mut Money, m: Money, what: &str) -> Result<(), ReconError> {
    *slot = slot.try_add(m).map_err(|e| ReconError::Range(format!("{what}: {e}")))?;
    Ok(())
}

/// A row's own name in the ids of entries.
fn place(r: &Row) -> String {
    super::post::row_entry(r)
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Realised gain; its counterpart stands in the conversion account.
    Realised,
    /// Realised by carrying amount; its counterpart is the revaluation account of the base currency.
    Carrying,
    /// Unrealised gain.
    Unrealised,
    /// Cost of a conversion.
    Cost,
}

#[allow(clippy::too_many_arguments, clippy::too_many_lines)]
pub(super) fn run(
    rows: &[Row],
    banking: &Banking,
    base: Currency,
    as_of: Date,
    rates: &Rates,
    policy: &Policy,
    found: &mut Found,
) -> Result<Fx, ReconError> {
    let mut fx = Fx {
        realised: Money::zero(base),
        unrealised: Money::zero(base),
        cost: Money::zero(base),
        unmeasured: BTreeSet::new(),
        unrevalued: BTreeMap::new(),
        entries: Vec::new(),
    };
    let in_base = |m: Money, on: Date| -> Option<Money> {
        if m.currency() == base { Some(m) } else { rates.convert(m, base, on).map(|(x, _)| x) }
    };
    // A row whose sale is in another currency than the balance.
    let mut charges: BTreeMap<(usize, Currency, Currency), (i64, i64)> = BTreeMap::new();
    let mut by_id: BTreeMap<(Provider, &str, &str), &Row> = BTreeMap::new();
    for r in rows.iter().filter(|r| r.posts() && r.tx.amount.currency() != r.net.currency()) {
        by_id.insert((r.tx.provider, &r.tx.account, &r.tx.id), r);
        if let Some(s) = &r.tx.source {
            by_id.entry((r.tx.provider, &r.tx.account, s)).or_insert(r);
        }
        if let Some(o) = r.order.filter(|_| r.tx.amount.is_positive()) {
            let slot = charges.entry((o, r.tx.amount.currency(), r.net.currency())).or_insert((0, 0));
            slot.0 = slot.0.saturating_add(r.tx.amount.minor());
            slot.1 = slot.1.saturating_add(r.tx.gross_in_net().minor());
        }
    }
    for r in rows.iter().filter(|r| r.posts() && r.tx.amount.currency() != r.net.currency()) {
        let day = r.tx.occurred.day();
        let gross = r.tx.gross_in_net();
        let (from, to) = (r.tx.amount, gross.currency());
        let own = std::slice::from_ref(&r.tx.id);
        let reference = rates.find(from.currency(), to, day);
        match reference.and_then(|f| times(from, f.rate, to).map(|value| (f, value))) {
            Some((reference, value)) => {
                let id = place(r);
                measure(&id, own, value, gross, day, &reference, policy, &in_base, &mut fx, found)?;
            }
            None => fx.unmeasured(own),
        }
        // Given back at another rate than it was taken at: the difference is realised. A balance in another currency than the
        // books' is carried as a whole below, where the same difference shows: it is told once.
        if from.is_negative() && to == base {
            let charge =
                r.tx.refers_to
                    .as_deref()
                    .and_then(|id| by_id.get(&(r.tx.provider, r.tx.account.as_str(), id)))
                    .filter(|c| {
                        c.tx.amount.is_positive()
                            && c.tx.amount.currency() == from.currency()
                            && c.net.currency() == to
                    })
                    .map(|c| (c.tx.amount.minor(), c.tx.gross_in_net().minor()))
                    .or_else(|| r.order.and_then(|o| charges.get(&(o, from.currency(), to)).copied()));
            if let Some((foreign, local)) = charge.filter(|(f, _)| *f != 0) {
                let at_charge = Money::from_minor(local, to)
                    .decimal()
                    .checked_mul(from.decimal())
                    .and_then(|x| x.checked_div(Money::from_minor(foreign, from.currency()).decimal()))
                    .and_then(|x| Exact::new(x, to).round(Rounding::HalfUp).ok());
                if let Some(gain) = at_charge.and_then(|x| gross.try_sub(x).ok()).filter(|g| !g.is_zero()) {
                    add(&mut fx.realised, gain, "realised exchange")?;
                    let id = format!("fx:realised:{}", place(r));
                    fx.entry(id, day, Kind::Realised, gain, vec![r.tx.id.clone()]);
                }
            }
        }
    }
    conversions(rows, rates, policy, &in_base, &mut fx, found)?;
    // Payouts that arrived in another currency.
    for c in &banking.conversions {
        let to = c.arrived.currency();
        let reference = rates
            .find(c.sent.currency(), to, c.date)
            .or_else(|| rates.find(c.sent.currency(), to, banking.lines.get(c.at)?.date));
        let own = [c.line.clone(), c.item.clone()];
        let measured = reference.and_then(|f| times(c.sent, f.rate, to).map(|value| (f, value)));
        let Some((reference, value)) = measured else {
            fx.unmeasured(&own);
            continue;
        };
        measure(
            &format!("{}:{}", bank_entry(banking, c), transfer(c)),
            &own,
            value,
            c.arrived,
            c.date,
            &reference,
            policy,
            &in_base,
            &mut fx,
            found,
        )?;
    }
    carry(rows, banking, base, as_of, rates, &mut fx)?;
    fx.entries.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(fx)
}

fn transfer(c: &Conversion) -> String {
    format!("{}:{}:{}:{}", c.provider.name(), c.account, c.item, c.sent.currency())
}

fn bank_entry(banking: &Banking, c: &Conversion) -> String {
    banking.lines.get(c.at).map_or_else(String::new, |l| format!("bank:{}:{}", l.account, l.id))
}

/// An amount in another currency than the books', from the day on which it was booked.
struct Item<'a> {
    net: Money,
    booked: Date,
    /// The transfer that brought it into the currency of the books.
    conversion: Option<&'a Settled<'a>>,
    /// The day on which it became another currency.
    until: Option<Date>,
}

/// A transfer that arrived in the currency of the books, in one line or in several.
struct Settled<'a> {
    conversion: &'a Conversion,
    sent: i64,
    /// Day by which the rate is taken, and the day of the last line.
    date: Date,
    line: Option<Date>,
}

/// Balances in other currencies by carrying amount (IAS 21 ¶21–23, 28; fx-rates.md §6): booked at the rate of their day, retranslated
/// at every month end and on the day of the report while they are open (unrealised), and settled by a payout that arrives in the
/// currency of the books: what it is worth that day less the carrying amount is realised. Sums are exact and rounded once an entry.
#[allow(clippy::too_many_arguments)]
fn carry<'r>(
    rows: &'r [Row],
    banking: &'r Banking,
    base: Currency,
    as_of: Date,
    rates: &Rates,
    fx: &mut Fx,
) -> Result<(), ReconError> {
    // When the money of a document became another currency. In an account at the bank that is of the same one it is carried on:
    // a bank balance is a monetary item as well.
    let mut left: BTreeMap<(Provider, &str, &str), Date> = BTreeMap::new();
    for c in &banking.conversions {
        let slot = left.entry((c.provider, c.account.as_str(), c.item.as_str())).or_insert(c.date);
        *slot = (*slot).max(c.date);
    }
    let mut into_base: BTreeMap<(Provider, &str, &str), Settled<'_>> = BTreeMap::new();
    for c in banking.conversions.iter().filter(|c| c.arrived.currency() == base) {
        let line = banking.lines.get(c.at).map(|l| l.date);
        let key = (c.provider, c.account.as_str(), c.item.as_str());
        let slot = into_base.entry(key).or_insert(Settled { conversion: c, sent: 0, date: c.date, line });
        slot.sent = slot.sent.saturating_add(c.sent.minor());
        slot.date = slot.date.max(c.date);
        slot.line = slot.line.max(line);
    }
    let into_base = &into_base;
    let open =
        move || rows.iter().filter(move |r| r.posts() && r.net.currency() != base && !r.is(Class::Payout));
    // A payout that its rows do not make cannot be carried by them.
    let mut members: BTreeMap<String, i64> = BTreeMap::new();
    for r in open() {
        if let Some(x) = settled(r, into_base).filter(|x| x.conversion.sent.currency() == r.net.currency()) {
            let slot = members.entry(transfer(x.conversion)).or_insert(0);
            *slot = slot.saturating_add(r.net.minor());
        }
    }
    let mut seen: BTreeMap<(Currency, Date), Option<Decimal>> = BTreeMap::new();
    let mut rate = |c: Currency, day: Date| -> Option<Decimal> {
        *seen.entry((c, day)).or_insert_with(|| rates.find(c, base, day).map(|f| f.rate))
    };
    let mut unrealised: BTreeMap<(Currency, Date), Decimal> = BTreeMap::new();
    let mut realised: BTreeMap<(String, Date), (Decimal, Vec<String>)> = BTreeMap::new();
    let of_row = |r: &'r Row| {
        let conversion =
            settled(r, into_base).filter(|x| members.get(&transfer(x.conversion)).copied() == Some(x.sent));
        let documents = [&r.tx.payout, &r.tx.statement].into_iter().flatten();
        let gone = documents
            .filter_map(|d| left.get(&(r.tx.provider, r.tx.account.as_str(), d.as_str())))
            .max()
            .copied();
        let until = conversion.map(|x| x.date).or(gone);
        Item { net: r.net, booked: r.tx.occurred.day(), conversion, until }
    };
    // What was spent at the bank in such a currency, or came to it from elsewhere.
    let at_bank = banking.lines.iter().filter(|l| l.amount.currency() != base && l.matched_to.is_empty());
    let at_bank = at_bank.map(|l| Item { net: l.amount, booked: l.date, conversion: None, until: None });
    for Item { net, booked, conversion, until } in open().map(of_row).chain(at_bank) {
        let c = net.currency();
        if booked > as_of {
            continue;
        }
        let mut skipped = || {
            let slot = fx.unrevalued.entry(c).or_insert(0);
            *slot = slot.saturating_add(net.minor());
        };
        let Some(mut carried) = rate(c, booked) else {
            if let Some(x) = conversion {
                fx.unmeasured(&[x.conversion.item.clone(), x.conversion.line.clone()]);
            } else if until.is_none_or(|u| as_of < u) {
                skipped();
            }
            continue;
        };
        let mut day = booked.last_of_month();
        loop {
            // The last day is the report's own, month end or not.
            let at = day.min(as_of);
            if until.is_some_and(|u| at >= u) || at < booked {
                break;
            }
            match rate(c, at) {
                Some(now) => {
                    add_product(unrealised.entry((c, at)).or_default(), net, now - carried)?;
                    carried = now;
                }
                // The last rate is the carrying amount still; that the balance was not looked at again is told.
                None if at == as_of => skipped(),
                None => {}
            }
            if at == as_of && (day >= as_of) {
                break;
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next.last_of_month();
        }
        if let Some(x) = conversion {
            let now = rate(c, x.date).or_else(|| x.line.and_then(|d| rate(c, d)));
            let records = [x.conversion.item.clone(), x.conversion.line.clone()];
            match now {
                Some(now) => {
                    let slot = realised
                        .entry((transfer(x.conversion), x.date))
                        .or_insert_with(|| (Decimal::ZERO, records.to_vec()));
                    add_product(&mut slot.0, net, now - carried)?;
                }
                None => fx.unmeasured(&records),
            }
        }
    }
    let round = |x: Decimal| {
        Exact::new(x, base).round(Rounding::HalfUp).map_err(|e| ReconError::Range(format!("exchange: {e}")))
    };
    for ((c, day), sum) in unrealised {
        let gain = round(sum)?;
        if !gain.is_zero() {
            add(&mut fx.unrealised, gain, "unrealised exchange")?;
            fx.entry(format!("fx:unrealised:{c}:{day}"), day, Kind::Unrealised, gain, Vec::new());
        }
    }
    for ((transfer, day), (sum, records)) in realised {
        let gain = round(sum)?;
        if !gain.is_zero() {
            add(&mut fx.realised, gain, "realised exchange")?;
            fx.entry(format!("fx:realised:{transfer}"), day, Kind::Carrying, gain, records);
        }
    }
    Ok(())
}

/// The transfer that a row's payout or statement was.
fn settled<'a, 'b>(
    r: &'b Row,
    by: &'a BTreeMap<(Provider, &'b str, &'b str), Settled<'b>>,
) -> Option<&'a Settled<'b>> {
    [&r.tx.payout, &r.tx.statement]
        .into_iter()
        .flatten()
        .find_map(|d| by.get(&(r.tx.provider, r.tx.account.as_str(), d.as_str())))
}

/// `slot += amount × by`.
fn add_product(slot: &mut Decimal, amount: Money, by: Decimal) -> Result<(), ReconError> {
    let sum = amount.decimal().checked_mul(by).and_then(|x| slot.checked_add(x));
    *slot = sum.ok_or_else(|| ReconError::Range(format!("the revaluation of {amount} is out of range")))?;
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn measure(
    id: &str,
    records: &[String],
    value: Money,
    actual: Money,
    day: Date,
    reference: &crate::rates::Found,
    policy: &Policy,
    in_base: &dyn Fn(Money, Date) -> Option<Money>,
    fx: &mut Fx,
    found: &mut Found,
) -> Result<(), ReconError> {
    let cost = value.try_sub(actual).map_err(|e| ReconError::Range(format!("{id}: {e}")))?;
    if cost.is_zero() {
        return Ok(());
    }
    match in_base(cost, day) {
        Some(m) => add(&mut fx.cost, m, "cost of conversions")?,
        // It stands in the books and among the differences in its own currency, and not in the total.
        None => fx.unmeasured(records),
    }
    fx.entry(format!("fx:cost:{id}"), day, Kind::Cost, cost, records.to_vec());
    let limit = value.decimal().abs().checked_mul(policy.fx_tolerance).unwrap_or_default();
    let reason = if cost.decimal().abs() > limit { Reason::FxOutOfTolerance } else { Reason::FxCost };
    found.add(
        reason,
        cost,
        records.to_vec(),
        format!(
            "{actual} by the provider's rate, {value} at {} of {} ({})",
            reference.rate, reference.date, reference.source
        ),
        vec![
            ("at the reference rate".to_owned(), value.minor()),
            ("by the provider's rate".to_owned(), actual.minor().saturating_neg()),
        ],
    );
    Ok(())
}

/// Exchanges inside a wallet: the two legs share what they refer to (paypal.md §6.2).
#[allow(clippy::too_many_arguments)]
fn conversions(
    rows: &[Row],
    rates: &Rates,
    policy: &Policy,
    in_base: &dyn Fn(Money, Date) -> Option<Money>,
    fx: &mut Fx,
    found: &mut Found,
) -> Result<(), ReconError> {
    let mut pairs: BTreeMap<(Provider, &str, String), Vec<&Row>> = BTreeMap::new();
    for r in rows.iter().filter(|r| r.posts() && r.is(Class::Conversion)) {
        let key =
            r.tx.refers_to.clone().or(r.tx.order.clone()).unwrap_or_else(|| r.tx.occurred.at.to_string());
        pairs.entry((r.tx.provider, r.tx.account.as_str(), key)).or_default().push(r);
    }
    for ((provider, account, key), legs) in pairs {
        let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
        for r in &legs {
            let slot = sums.entry(r.net.currency()).or_default();
            *slot = slot.saturating_add(r.net.minor());
        }
        let out: Vec<_> = sums.iter().filter(|(_, m)| **m < 0).collect();
        let into: Vec<_> = sums.iter().filter(|(_, m)| **m > 0).collect();
        let ([(from, sent)], [(to, got)], Some(day)) =
            (out.as_slice(), into.as_slice(), legs.iter().map(|r| r.tx.occurred.day()).max())
        else {
            continue;
        };
        let ids: Vec<String> = legs.iter().map(|r| r.tx.id.clone()).collect();
        let sent = Money::from_minor(sent.saturating_neg(), **from);
        let reference = rates.find(**from, **to, day);
        let measured = reference.and_then(|f| times(sent, f.rate, **to).map(|value| (f, value)));
        let Some((reference, value)) = measured else {
            fx.unmeasured(&ids);
            continue;
        };
        measure(
            &format!("{}:{account}:{key}", provider.name()),
            &ids,
            value,
            Money::from_minor(**got, **to),
            day,
            &reference,
            policy,
            in_base,
            fx,
            found,
        )?;
    }
    Ok(())
}
