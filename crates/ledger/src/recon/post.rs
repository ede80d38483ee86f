//! The posting rules: what each fact does to the books.
//!
//! Row: clearing takes the net, the parts go to the accounts of their classes. Transfer: in-transit takes from clearing. Bank line: bank
//! takes from in-transit. A returned transfer reverses its entry. A crossing of currencies goes through the conversion account at
//! the provider's own amounts; what a reference rate makes of it is an entry of its own.

use jiff::civil::Date;
use tradewind_domain::{Currency, Money};

use super::bank::Banking;
use super::dedupe::Clean;
use super::duties::Duty;
use super::foot::{PayoutState, StatementState};
use super::fx::{Fx, FxEntry, Kind};
use super::orders::OrderState;
use super::parts::Row;
use super::wallet::{Opening, opening_entry};
use super::{Policy, ReconError};
use crate::chart::{Chart, Place};
use crate::import::Class;
use crate::journal::{Draft, Journal, Posting};

fn draft(id: String, date: Date, text: String, trace: Vec<String>, postings: Vec<Posting>) -> Draft {
    Draft { id, date, text, trace, reverses: None, postings }
}

/// Entries are booked in the order of their day and id, whatever the order of the facts.
struct Book<'a> {
    chart: &'a Chart,
    drafts: Vec<Draft>,
    reversals: Vec<(String, Date, String)>,
}

impl Book<'_> {
    fn account(&self, role: &str, provider: &str, account: &str, currency: Currency) -> String {
        self.chart.of(role, Place { provider, account, currency })
    }
    fn class(&self, class: Option<Class>, provider: &str, account: &str, currency: Currency) -> String {
        self.chart.of_class(class, Place { provider, account, currency })
    }
}

/// What is booked.
pub(super) struct Facts<'a> {
    pub(super) rows: &'a [Row],
    pub(super) statements: &'a [StatementState],
    pub(super) openings: &'a [Opening],
    pub(super) payouts: &'a [PayoutState],
    pub(super) orders: &'a [OrderState],
    pub(super) banking: &'a Banking,
    pub(super) duties: &'a [Duty],
    pub(super) fx: &'a Fx,
    pub(super) clean: &'a Clean,
    pub(super) closed: &'a [crate::facts::Closed],
}

pub(super) fn run(chart: &Chart, f: &Facts<'_>, policy: &Policy, as_of: Date) -> Result<Journal, ReconError> {
    let mut b = Book { chart, drafts: Vec::with_capacity(f.rows.len()), reversals: Vec::new() };
    for r in f.rows.iter().filter(|r| r.posts()) {
        row(&mut b, r);
    }
    reserves(&mut b, f.statements, as_of);
    openings(&mut b, f.openings);
    transfers(&mut b, f.statements, f.payouts, as_of, f.clean);
    bank(&mut b, f.banking);
    border(&mut b, f.duties);
    lost(&mut b, f.rows, f.orders);
    exchange(&mut b, f.fx);
    b.drafts.sort_by(|a, c| (a.date, &a.id).cmp(&(c.date, &c.id)));
    b.reversals.sort();
    super::closed::book(b.drafts, b.reversals, f.closed, policy.closed_until, as_of)
}

/// A reserve released that no statement before held: the books open with it, or a statement is missing between.
fn reserves(b: &mut Book<'_>, statements: &[StatementState], as_of: Date) {
    for s in statements.iter().filter(|s| !s.refused && !s.gap.is_zero()) {
        let (provider, c) = (s.provider.name(), s.gap.currency());
        let (role, why) = if s.first {
            ("opening", "held before the books began")
        } else {
            ("suspense", "held by a statement that is not here")
        };
        let postings = vec![
            Posting::new(b.class(Some(Class::Reserve), provider, &s.account, c), s.gap),
            Posting::new(b.account(role, provider, &s.account, c), s.gap.negated()),
        ];
        b.drafts.push(draft(
            format!("reserve:{provider}:{}:{}:{c}", s.account, s.id),
            s.end.unwrap_or(as_of),
            format!("reserve released by statement {}, {why}", s.id),
            vec![s.id.clone()],
            postings,
        ));
    }
}

/// A wallet opens with what was there: before the books began it is equity, between two statements nobody knows what it is.
fn openings(b: &mut Book<'_>, openings: &[Opening]) {
    for o in openings {
        let (provider, c) = (o.provider.name(), o.amount.currency());
        let (role, why) = if o.first {
            ("opening", "there before the books began")
        } else {
            ("suspense", "in no statement")
        };
        let postings = vec![
            Posting::new(b.account("clearing", provider, &o.account, c), o.amount),
            Posting::new(b.account(role, provider, &o.account, c), o.amount.negated()),
        ];
        b.drafts.push(draft(
            opening_entry(provider, &o.account, &o.statement, c),
            o.date,
            format!("balance that statement {} opens with, {why}", o.statement),
            vec![o.statement.clone()],
            postings,
        ));
    }
}

/// What a lost dispute took is a loss, not a claim.
fn lost(b: &mut Book<'_>, rows: &[Row], orders: &[OrderState]) {
    for r in rows.iter().filter(|r| r.posts()) {
        let Some(order) = r.order.and_then(|o| orders.get(o)).filter(|o| o.state == "WrittenOff") else {
            continue;
        };
        let (provider, account) = (r.tx.provider.name(), r.tx.account.as_str());
        for (n, p) in r.parts.iter().filter(|p| p.class == Some(Class::Dispute)).enumerate() {
            // The claim stands in the currency in which the row posted it.
            let single = r.tx.components.is_empty() && r.tx.amount.currency() != p.amount.currency();
            let taken = if single { r.tx.amount } else { p.amount };
            let c = taken.currency();
            let postings = vec![
                Posting::new(b.account("dispute_loss", provider, account, c), taken.negated()),
                Posting::new(b.class(Some(Class::Dispute), provider, account, c), taken),
            ];
            b.drafts.push(draft(
                // A row may repeat a code, and an id may stand on rows of several kinds.
                format!("lost:{}:{n}", row_entry(r)),
                r.tx.occurred.day(),
                format!("dispute of order {} is lost", order.id),
                vec![r.tx.id.clone(), order.id.clone()],
                postings,
            ));
        }
    }
}

fn row(b: &mut Book<'_>, r: &Row) {
    let (provider, account, c) = (r.tx.provider.name(), r.tx.account.as_str(), r.net.currency());
    let mut postings = vec![Posting::new(b.account("clearing", provider, account, c), r.net)];
    let crossed = r.tx.amount.currency() != c;
    for p in &r.parts {
        let name = b.class(p.class, provider, account, c);
        let main = p.class.is_none_or(|k| !k.is_fee()) && r.tx.components.is_empty();
        if crossed && main {
            // Income in the currency of the sale, through the conversion account at the provider's own amounts.
            let own = b.class(p.class, provider, account, r.tx.amount.currency());
            let conversion = b.account("conversion", provider, account, c);
            postings.push(Posting::new(own, r.tx.amount.negated()));
            postings.push(Posting::new(conversion.clone(), r.tx.amount));
            postings.push(Posting::new(conversion, p.amount.negated()));
        } else {
            postings.push(Posting::new(name, p.amount.negated()));
        }
    }
    let text = match (&r.tx.order, r.tx.rate) {
        (Some(o), Some(rate)) if crossed => format!("{} {o} at {rate}", r.tx.kind),
        (Some(o), _) => format!("{} {o}", r.tx.kind),
        _ => r.tx.kind.clone(),
    };
    let id = row_entry(r);
    b.drafts.push(draft(id, r.tx.occurred.day(), text, vec![r.tx.id.clone()], postings));
}

/// The id of a row's entry. Ids of rows may repeat across event codes (PayPal): it has them all.
pub(crate) fn row_entry(r: &Row) -> String {
    let sold = r.tx.amount.currency();
    format!(
        "row:{}:{}:{}:{}:{}:{}{}{}",
        r.tx.provider.name(),
        r.tx.account,
        r.tx.id,
        r.tx.kind,
        r.tx.event_code.as_deref().unwrap_or_default(),
        r.net.currency(),
        // Sold in another currency: one id may be a leg in each.
        if sold == r.net.currency() { "" } else { sold.code() },
        if r.net.is_negative() { "-" } else { "+" }
    )
}

/// The id of the entry of a statement's transfer.
pub(crate) fn close_entry(s: &StatementState) -> String {
    format!("close:{}:{}:{}:{}", s.provider.name(), s.account, s.id, s.total.currency())
}

/// The id of the entry of a payout.
pub(crate) fn payout_entry(p: &PayoutState) -> String {
    format!("payout:{}:{}:{}:{}", p.provider.name(), p.account, p.id, p.amount.currency())
}

/// The id of the entry of a payout that came back where only a row booked its leaving.
pub(crate) fn returned_entry(p: &PayoutState) -> String {
    format!("returned:{}:{}:{}:{}", p.provider.name(), p.account, p.id, p.amount.currency())
}

/// Its total leaves as one transfer. A returned or negative one stays in clearing for the next statement, and so does what payouts or
/// rows take out.
pub(super) fn sent_whole(s: &StatementState) -> bool {
    let sent = !s.paid_by_payout
        && (s.failed || s.carried_into.is_none())
        && (s.total.is_positive() || !s.bank.is_empty() || s.failed);
    let transfers = s.sends() || !s.bank.is_empty();
    !s.refused && !s.total.is_zero() && sent && transfers && (s.foots || !s.bank.is_empty())
}

fn transfers(
    b: &mut Book<'_>,
    statements: &[StatementState],
    payouts: &[PayoutState],
    as_of: Date,
    clean: &Clean,
) {
    for s in statements.iter().filter(|s| sent_whole(s)) {
        let (provider, c) = (s.provider.name(), s.total.currency());
        let id = close_entry(s);
        let date = s.end.unwrap_or(as_of);
        let mut postings = vec![
            Posting::new(b.class(Some(Class::Payout), provider, &s.account, c), s.total),
            Posting::new(b.account("clearing", provider, &s.account, c), s.total.negated()),
        ];
        // A reserve from before the books began opens with them.
        let opening = clean
            .statements
            .iter()
            .find(|(x, _)| {
                x.id == s.id && x.provider == s.provider && x.account == s.account && x.currency == c
            })
            .and_then(|(x, _)| x.opening)
            .map_or(0, Money::minor);
        let carried = statements.iter().any(|x| {
            x.carried_into.as_deref() == Some(s.id.as_str())
                && x.provider == s.provider
                && x.account == s.account
                && x.total.currency() == c
        });
        if opening != 0
            && !carried
            && s.sum == s.total
            && s.total.minor()
                == opening
                    .saturating_add(s.activity.minor())
                    .saturating_add(s.reserve_before.minor())
                    .saturating_sub(s.reserve_after.minor())
        {
            let m = Money::from_minor(opening, c);
            postings.push(Posting::new(b.account("clearing", provider, &s.account, c), m));
            postings.push(Posting::new(b.account("opening", provider, &s.account, c), m.negated()));
        }
        b.drafts.push(draft(
            id.clone(),
            date,
            format!("statement {} sent", s.id),
            vec![s.id.clone()],
            postings,
        ));
        if s.failed {
            b.reversals.push((id, date, format!("the transfer for statement {} came back", s.id)));
        }
    }
    for p in payouts.iter().filter(|p| !p.void && !p.amount.is_zero() && !p.booked_by_row) {
        let (provider, c) = (p.provider.name(), p.amount.currency());
        let id = payout_entry(p);
        let date = p.arrival.or(p.last_member).unwrap_or(as_of);
        let postings = vec![
            Posting::new(b.class(Some(Class::Payout), provider, &p.account, c), p.amount),
            Posting::new(b.account("clearing", provider, &p.account, c), p.amount.negated()),
        ];
        b.drafts.push(draft(id.clone(), date, format!("payout {}", p.id), vec![p.id.clone()], postings));
        if p.failed && !p.returned_by_row {
            b.reversals.push((id, date, format!("payout {} came back", p.id)));
        }
    }
    for p in payouts.iter().filter(|p| p.booked_by_row && p.failed && !p.returned_by_row) {
        let (provider, c) = (p.provider.name(), p.amount.currency());
        let date = p.arrival.or(p.last_member).unwrap_or(as_of);
        let postings = vec![
            Posting::new(b.class(Some(Class::Payout), provider, &p.account, c), p.amount.negated()),
            Posting::new(b.account("clearing", provider, &p.account, c), p.amount),
        ];
        b.drafts.push(draft(
            returned_entry(p),
            date,
            format!("payout {} came back", p.id),
            vec![p.id.clone()],
            postings,
        ));
    }
}

fn bank(b: &mut Book<'_>, banking: &Banking) {
    for (l, line) in banking.lines.iter().enumerate() {
        let c = line.amount.currency();
        let mut postings = vec![Posting::new(b.account("bank", "", &line.account, c), line.amount)];
        let mut rest = line.amount.minor();
        let conversion = b.account("conversion", "", "", c);
        for t in banking.taken.get(&l).into_iter().flatten() {
            let transit = b.class(Some(Class::Payout), t.provider.name(), &t.account, t.sent.currency());
            postings.push(Posting::new(transit, t.sent.negated()));
            match t.arrived {
                None => rest = rest.saturating_sub(t.sent.minor()),
                Some(arrived) => {
                    postings.push(Posting::new(conversion.clone(), t.sent));
                    postings.push(Posting::new(conversion.clone(), arrived.negated()));
                    rest = rest.saturating_sub(arrived.minor());
                }
            }
        }
        if rest != 0 {
            let role = if banking.tolerated.contains(&l) { "rounding" } else { "suspense" };
            postings.push(Posting::new(
                b.account(role, "bank", &line.account, c),
                Money::from_minor(rest.saturating_neg(), c),
            ));
        }
        let text =
            if line.matched_to.is_empty() { "unmatched".to_owned() } else { line.matched_to.join(" + ") };
        let mut trace = line.matched_to.clone();
        trace.push(line.id.clone());
        b.drafts.push(draft(format!("bank:{}:{}", line.account, line.id), line.date, text, trace, postings));
    }
}

fn border(b: &mut Book<'_>, duties: &[Duty]) {
    for d in duties {
        let c = d.assessed.currency();
        let role = |b: &Book<'_>, r: &str, c: Currency| b.account(r, &d.provider, "", c);
        // Orders of one number in two accounts are two, and so are an invoice's shares.
        let order = d.order.as_ref().map(|o| format!("{}:{o}", d.account));
        let name = d.order.clone().unwrap_or_default();
        if d.paid && !d.collected.is_zero() {
            let own = d.collected.currency();
            let postings = vec![
                Posting::new(b.class(Some(Class::Sale), &d.provider, "", own), d.collected),
                Posting::new(role(b, "duty_clearing", own), d.collected.negated()),
            ];
            b.drafts.push(draft(
                format!("duty:collected:{}", order.clone().unwrap_or_default()),
                d.date,
                format!("duties collected on {name}"),
                d.order.iter().cloned().collect(),
                postings,
            ));
        }
        // Import VAT that the provider took stands in its own account; where the buyer paid for it, it is settled with the duties.
        if let (None, Some(vat)) = (&d.invoice, d.charged) {
            let key = order.clone().unwrap_or_default();
            let collected = if d.paid { d.collected.minor() } else { 0 };
            let rest = Money::from_minor(d.assessed.minor().saturating_sub(collected), c);
            let clearing = Money::from_minor(vat.minor().saturating_sub(rest.minor()), c);
            let postings = vec![
                Posting::new(b.class(Some(Class::ImportVat), &d.provider, "", c), vat.negated()),
                Posting::new(role(b, "duty_clearing", c), clearing),
                Posting::new(role(b, "duty_variance", c), rest),
            ];
            if postings.iter().any(|p| p.minor != 0) {
                let trace = d.order.iter().cloned().collect();
                b.drafts.push(draft(
                    format!("duty:charged:{key}"),
                    d.date,
                    format!("duties of {name} as the provider took them"),
                    trace,
                    postings,
                ));
            }
        }
        let Some(invoice) = &d.invoice else { continue };
        let key = order.as_ref().map_or_else(|| d.entry.clone(), |o| format!("{}:{o}", d.entry));
        let total = Money::from_minor(d.assessed.minor().saturating_add(d.fee.minor()), c);
        let trace: Vec<String> = std::iter::once(invoice).chain(&d.order).cloned().collect();
        let postings = vec![
            Posting::new(role(b, "duty_clearing", c), d.assessed),
            Posting::new(role(b, "brokerage", c), d.fee),
            Posting::new(role(b, "carrier", c), total.negated()),
        ];
        b.drafts.push(draft(
            format!("duty:assessed:{key}"),
            d.date,
            format!("carrier invoice {invoice}"),
            trace.clone(),
            postings,
        ));
        // What was assessed beyond what was collected is ours; what was collected beyond it too.
        let collected = if d.paid { d.collected.minor() } else { 0 };
        let rest = Money::from_minor(d.assessed.minor().saturating_sub(collected), c);
        if !rest.is_zero() && d.collected.currency() == c {
            // Where the buyer paid nothing for it, import VAT and duty are the two costs that they are; what is off from what the
            // buyer paid for both is one variance.
            let vat = if collected == 0 { d.vat } else { Money::zero(c) };
            let postings = vec![
                Posting::new(
                    role(b, "duty_variance", c),
                    Money::from_minor(rest.minor().saturating_sub(vat.minor()), c),
                ),
                Posting::new(b.class(Some(Class::ImportVat), &d.provider, "", c), vat),
                Posting::new(role(b, "duty_clearing", c), rest.negated()),
            ];
            b.drafts.push(draft(
                format!("duty:variance:{key}"),
                d.date,
                format!("landed-cost variance of {invoice}"),
                trace,
                postings,
            ));
        }
    }
}

fn exchange(b: &mut Book<'_>, fx: &Fx) {
    for FxEntry { id, date, kind, amount, records } in &fx.entries {
        let c = amount.currency();
        // Income accounts are credited by gains.
        let (debit, credit, m) = match kind {
            Kind::Cost => ("fx_cost", "conversion", *amount),
            Kind::Realised => ("conversion", "fx_realised", *amount),
            Kind::Carrying => ("fx_reserve", "fx_realised", *amount),
            Kind::Unrealised => ("fx_reserve", "fx_unrealised", *amount),
        };
        let postings = vec![
            Posting::new(b.account(debit, "", "", c), m),
            Posting::new(b.account(credit, "", "", c), m.negated()),
        ];
        b.drafts.push(draft(id.clone(), *date, "exchange".to_owned(), records.clone(), postings));
    }
}
