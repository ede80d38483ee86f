//! The fifth leg: duties quoted and collected against duties assessed, joined by the parcel.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};
use jiff::civil::Date;
use tradewind_domain::{Decimal, Money};

use super::dedupe::Clean;
use super::orders::OrderState;
use super::parts::Row;
use super::{Found, Policy, Reason, ReconError};
use crate::facts::{CarrierInvoice, Facts, Order, Quoted};
use crate::import::Class;

/// What an order's border cost, for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The order, where the parcel is one of ours.
    pub order: Option<String>,
    /// Our account of that order: two channels may use one order number.
    pub account: String,
    /// Carrier invoice.
    pub invoice: Option<String>,
    /// What the invoice's entries are named by: carrier, number and parcel, because two carriers may use one number and an invoice may
    /// list several parcels.
    pub entry: String,
    /// Quoted at checkout, where it was, in the order's currency.
    pub quoted: Option<Quoted>,
    /// Collected from the buyer.
    pub collected: Money,
    /// Duty and import VAT as assessed: this order's share of the invoice.
    pub assessed: Money,
    /// Of `assessed`, as a carrier invoiced it: import VAT.
    pub vat: Money,
    /// Brokerage: this order's share.
    pub fee: Money,
    /// `collected − assessed`; `None`: the two are in different currencies.
    pub variance: Option<Money>,
    /// The order was paid.
    pub paid: bool,
    /// Provider of the order's rows: its sales account carries what was collected.
    pub provider: String,
    /// Day.
    pub date: Date,
    /// By cause: quoted against assessed (`duty`, `import_vat`, `brokerage`), positive when it cost less than quoted; and collected
    /// against quoted (`collection`), positive when the buyer paid more. Without `brokerage` they sum to the variance, where there was
    /// a quote.
    pub causes: Vec<(&'static str, Money)>,
    /// No carrier assessed it: the provider took it out of its payouts, and this much of it is import VAT.
    pub charged: Option<Money>,
}

/// An order's share of an invoice.
#[derive(Clone, Copy)]
struct Share {
    duty: Money,
    vat: Money,
    fee: Money,
}

/// Several orders may travel in one parcel. Duty, import VAT and brokerage are shared each by what was quoted for it; where nothing
/// was, by what was quoted in all, else by what was collected, else by the orders' totals; where these are not of one currency,
/// equally. Largest remainder, so that the shares are the invoice to the last minor unit.
fn shares(i: &CarrierInvoice, orders: &[&Order]) -> Result<Vec<Share>, ReconError> {
    let whole = Share { duty: i.duty, vat: i.vat, fee: i.fee };
    if orders.len() < 2 {
        return Ok(vec![whole; orders.len()]);
    }
    let by = |pick: &dyn Fn(&Order) -> Option<Money>| -> Option<Vec<Decimal>> {
        let all: Vec<Money> = orders.iter().map(|o| pick(o)).collect::<Option<_>>()?;
        let c = all.first()?.currency();
        all.iter().all(|m| m.currency() == c).then(|| all.iter().map(|m| m.decimal()).collect())
    };
    let in_all = |o: &Order| o.quoted.and_then(|q| q.duty.try_add(q.vat).ok()?.try_add(q.fee).ok());
    let share = |part: Money, own: &dyn Fn(&Quoted) -> Money| -> Result<Vec<Money>, ReconError> {
        let ways = [
            by(&|o| o.quoted.as_ref().map(own)),
            by(&in_all),
            by(&|o| o.collected_duties),
            by(&|o| Some(o.total)),
            Some(vec![Decimal::ONE; orders.len()]),
        ];
        // Weights that are all zero share nothing: the next way does.
        ways.into_iter().flatten().find_map(|w| part.allocate(&w).ok()).ok_or_else(|| {
            ReconError::Range(format!("invoice {} cannot be shared over its {} orders", i.id, orders.len()))
        })
    };
    let (duty, vat, fee) =
        (share(i.duty, &|q| q.duty)?, share(i.vat, &|q| q.vat)?, share(i.fee, &|q| q.fee)?);
    Ok(duty.into_iter().zip(vat).zip(fee).map(|((duty, vat), fee)| Share { duty, vat, fee }).collect())
}

/// An order's invoices: its share, and over how many orders the invoice is shared.
type Mine<'a> = Vec<(&'a CarrierInvoice, Share, usize)>;

/// Each invoice's shares, by the place of the order.
fn shared<'a>(clean: &'a Clean) -> Result<HashMap<usize, Mine<'a>>, ReconError> {
    let mut parcels: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, o) in clean.orders.iter().enumerate() {
        if let Some(t) = o.tracking.as_deref() {
            parcels.entry(t).or_default().push(at);
        }
    }
    let mut out: HashMap<usize, Mine<'_>> = HashMap::new();
    for i in &clean.carrier {
        let mine = parcels.get(i.tracking.as_str()).map(Vec::as_slice).unwrap_or_default();
        let orders: Vec<&Order> = mine.iter().filter_map(|at| clean.orders.get(*at)).collect();
        for (at, share) in mine.iter().zip(shares(i, &orders)?) {
            out.entry(*at).or_default().push((i, share, orders.len()));
        }
    }
    Ok(out)
}

pub(super) fn run(
    clean: &Clean,
    states: &mut [OrderState],
    rows: &[Row],
    policy: &Policy,
    as_of: Date,
    facts: &Facts,
    found: &mut Found,
) -> Result<Vec<Duty>, ReconError> {
    let mut out = Vec::new();
    let by_order = shared(clean)?;
    let mut provider_of: HashMap<usize, &'static str> = HashMap::new();
    let mut taken: HashMap<usize, Vec<&Row>> = HashMap::new();
    for r in rows.iter().filter(|r| r.posts()) {
        if let Some(o) = r.order {
            provider_of.entry(o).or_insert(r.tx.provider.name());
            if r.parts.iter().any(|p| matches!(p.class, Some(Class::Duty | Class::ImportVat))) {
                taken.entry(o).or_default().push(r);
            }
        }
    }
    for (at, (o, state)) in clean.orders.iter().zip(states.iter_mut()).enumerate() {
        let zero = Money::zero(o.total.currency());
        let mine = by_order.get(&at).map(Vec::as_slice).unwrap_or_default();
        let duty = Duty {
            order: Some(o.id.clone()),
            account: o.account.clone(),
            invoice: None,
            entry: String::new(),
            quoted: o
                .quoted
                .filter(|q| [q.duty, q.vat, q.fee].iter().all(|m| m.currency() == zero.currency())),
            collected: o.collected_duties.unwrap_or(zero),
            assessed: zero,
            vat: zero,
            fee: zero,
            variance: Some(zero),
            paid: state.gross.is_positive(),
            provider: provider_of.get(&at).copied().unwrap_or("channel").to_owned(),
            date: o.placed.day(),
            causes: Vec::new(),
            charged: None,
        };
        let by_provider = taken.get(&at).map(Vec::as_slice).unwrap_or_default();
        if mine.is_empty()
            && let Some(duty) = charged(o, by_provider, &duty, found)
        {
            out.push(duty);
            continue;
        }
        if mine.is_empty() {
            missing(o, policy, as_of, facts, found);
            if !duty.collected.is_zero() {
                out.push(duty);
            }
            continue;
        }
        for (n, (i, share, of)) in mine.iter().enumerate() {
            state.links.push(i.id.clone());
            out.push(against(o, i, *share, *of, n == 0, duty.clone(), found));
        }
        state.links.sort();
        state.links.dedup();
    }
    let parcels: BTreeSet<&str> = clean.orders.iter().filter_map(|o| o.tracking.as_deref()).collect();
    for i in clean.carrier.iter().filter(|i| !parcels.contains(i.tracking.as_str())) {
        let c = i.total.currency();
        found.add(
            Reason::ProviderOnly,
            i.total,
            vec![i.id.clone(), i.tracking.clone()],
            format!("carrier invoice {} is for parcel {}, which no order has", i.id, i.tracking),
            vec![
                ("duty invoiced".to_owned(), i.duty.minor()),
                ("import VAT invoiced".to_owned(), i.vat.minor()),
                ("brokerage invoiced".to_owned(), i.fee.minor()),
            ],
        );
        out.push(Duty {
            order: None,
            account: String::new(),
            invoice: Some(i.id.clone()),
            entry: entry(i),
            quoted: None,
            collected: Money::zero(c),
            assessed: Money::from_minor(i.duty.minor().saturating_add(i.vat.minor()), c),
            vat: i.vat,
            fee: i.fee,
            variance: Some(Money::zero(c)),
            paid: false,
            provider: "channel".to_owned(),
            date: as_of,
            causes: Vec::new(),
            charged: None,
        });
    }
    Ok(out)
}

fn entry(i: &CarrierInvoice) -> String {
    format!("{}:{}:{}", i.account, i.id, i.tracking)
}

/// What an order says that its border will cost: collected, else quoted.
fn expected(o: &Order) -> Option<Money> {
    o.collected_duties.or(o.quoted.and_then(|q| q.duty.try_add(q.vat).ok()))
}

/// An order without an invoice: one is expected, or late.
fn missing(o: &Order, policy: &Policy, as_of: Date, facts: &Facts, found: &mut Found) {
    let Some(e) = expected(o).filter(|e| !e.is_zero() && facts.has("carrier_invoices")) else { return };
    let late = o.placed.day().until(as_of).map_or(0, |d| d.get_days()) > policy.late_days;
    found.add(
        if late { Reason::OursOnly } else { Reason::Timing },
        e,
        vec![o.id.clone()],
        format!(
            "duties of order {} are {}: no carrier invoice has come",
            o.id,
            if late { "late" } else { "expected" }
        ),
        vec![(format!("collected or quoted on order {}", o.id), e.minor())],
    );
}

/// What was collected against what was quoted.
fn collection(o: &Order, duty: &Duty) -> Option<(&'static str, Money)> {
    let (q, collected) = (duty.quoted?, o.collected_duties?);
    let off = collected.try_sub(q.duty.try_add(q.vat).ok()?).ok()?;
    (!off.is_zero()).then_some(("collection", off))
}

/// What was collected or quoted against what the provider took for it out of its payouts; `None`: it took nothing in the order's
/// currency, or nobody expected it to.
fn charged(o: &Order, rows: &[&Row], duty: &Duty, found: &mut Found) -> Option<Duty> {
    let (c, e) = (o.total.currency(), expected(o)?);
    let of = |class: Class| -> Vec<(String, i64)> {
        rows.iter()
            .flat_map(|r| r.parts.iter().map(move |p| (r, p)))
            .filter(|(_, p)| p.class == Some(class) && p.amount.currency() == c)
            .map(|(r, p)| (format!("{} in row {}", p.code, r.tx.id), p.amount.minor()))
            .collect()
    };
    let sum = |list: &[(String, i64)]| {
        Money::from_minor(list.iter().fold(0_i64, |s, (_, m)| s.saturating_sub(*m)), c)
    };
    let (duties, vats) = (of(Class::Duty), of(Class::ImportVat));
    if e.currency() != c || duties.is_empty() && vats.is_empty() {
        return None;
    }
    let (d, v) = (sum(&duties), sum(&vats));
    let assessed = d.try_add(v).ok()?;
    let variance = e.try_sub(assessed).ok()?;
    let quoted = o.quoted.iter().flat_map(|q| [("duty", q.duty, d), ("import_vat", q.vat, v)]);
    let causes =
        collection(o, duty)
            .into_iter()
            .chain(quoted.filter_map(|(key, q, a)| {
                q.try_sub(a).ok().filter(|off| !off.is_zero()).map(|off| (key, off))
            }))
            .collect();
    if !variance.is_zero() {
        let ids = rows.iter().map(|r| r.tx.id.clone());
        found.add(
            Reason::DutyVariance,
            variance,
            ids.chain([o.id.clone()]).collect(),
            format!(
                "order {}: {e} collected or quoted for duty and import VAT, the provider took {assessed} out of its payouts",
                o.id
            ),
            std::iter::once(("collected or quoted".to_owned(), e.minor())).chain(duties).chain(vats).collect(),
        );
    }
    Some(Duty { assessed, variance: Some(variance), causes, charged: Some(v), ..duty.clone() })
}

/// One order against its share of one invoice. What was collected and quoted is held against the first invoice of the parcel.
fn against(
    o: &Order,
    i: &CarrierInvoice,
    share: Share,
    of: usize,
    first: bool,
    mut duty: Duty,
    found: &mut Found,
) -> Duty {
    let (c, paid_in) = (o.total.currency(), i.total.currency());
    let zero = Money::zero(paid_in);
    let assessed = Money::from_minor(share.duty.minor().saturating_add(share.vat.minor()), paid_in);
    duty.invoice = Some(i.id.clone());
    duty.entry = entry(i);
    duty.assessed = assessed;
    duty.vat = share.vat;
    duty.fee = share.fee;
    if !first {
        duty.collected = Money::zero(c);
        duty.quoted = None;
    }
    if paid_in != c {
        found.add(
            Reason::CurrencyMismatch,
            Money::from_minor(assessed.minor().saturating_add(share.fee.minor()), paid_in),
            vec![o.id.clone(), i.id.clone()],
            format!("duties of order {} were collected in {c} and assessed in {paid_in}", o.id),
            vec![("assessed".to_owned(), assessed.minor()), ("brokerage".to_owned(), share.fee.minor())],
        );
        duty.variance = None;
        return duty;
    }
    let e = if first { expected(o) } else { Some(zero) };
    let quoted = o
        .quoted
        .filter(|q| [q.duty, q.vat, q.fee].iter().all(|m| m.currency() == c))
        .map(|q| if first { q } else { Quoted { duty: zero, vat: zero, fee: zero } });
    let variance = e.and_then(|e| e.try_sub(assessed).ok()).unwrap_or(zero);
    duty.variance = Some(variance);
    let parts = |q: &Quoted| {
        [
            ("duty", "duty", q.duty, share.duty),
            ("import_vat", "import VAT", q.vat, share.vat),
            ("brokerage", "brokerage", q.fee, share.fee),
        ]
    };
    let mut words = String::new();
    duty.causes.extend(collection(o, &duty));
    for (key, name, q, a) in quoted.iter().flat_map(parts) {
        if let Ok(off) = q.try_sub(a)
            && !off.is_zero()
        {
            duty.causes.push((key, off));
            words.push_str(&format!("; {name}: quoted {}, assessed {}", q.amount(), a.amount()));
        }
    }
    let piece = if of > 1 {
        format!(" (its share of invoice {} over the {of} orders of parcel {})", i.id, i.tracking)
    } else {
        String::new()
    };
    if !variance.is_zero() {
        found.add(
            Reason::DutyVariance,
            variance,
            vec![o.id.clone(), i.id.clone(), i.tracking.clone()],
            format!("order {}: {} collected or quoted for duty and import VAT, {assessed} assessed{piece}{words}; brokerage {}", o.id, e.unwrap_or(zero), share.fee),
            vec![
                ("collected or quoted".to_owned(), e.map_or(0, Money::minor)),
                ("duty assessed".to_owned(), share.duty.minor().saturating_neg()),
                ("import VAT assessed".to_owned(), share.vat.minor().saturating_neg()),
            ],
        );
    }
    // Brokerage is a cost of its own; it varies only where a quote promised one.
    if o.quoted.is_some_and(|q| !q.fee.is_zero())
        && let Some(q) = quoted.map(|q| q.fee)
        && let Ok(off) = q.try_sub(share.fee)
        && !off.is_zero()
    {
        found.add(
            Reason::DutyVariance,
            off,
            vec![o.id.clone(), i.id.clone(), i.tracking.clone()],
            format!("order {}: brokerage quoted {}, charged {}{piece}", o.id, q.amount(), share.fee.amount()),
            vec![
                ("brokerage quoted".to_owned(), q.minor()),
                ("brokerage charged".to_owned(), share.fee.minor().saturating_neg()),
            ],
        );
    }
    duty
}
