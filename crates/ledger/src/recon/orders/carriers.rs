//! What carries the money of a row to the bank: its payout, the parts of its split payout, or its statement.

use foldhash::{HashMap, HashMapExt};
use tradewind_domain::Currency;

use crate::facts::Provider;
use crate::recon::Event;
use crate::recon::foot::{PayoutState, StatementState};
use crate::recon::parts::Row;

/// State, bank lines and history of a statement or payout.
pub(super) type Carrier<'a> = (&'static str, &'a [String], &'a [Event]);

/// Documents by provider, account and id.
type ByKey<'a> = HashMap<(Provider, &'a str, &'a str), Vec<(Currency, Carrier<'a>)>>;

/// A part of a split payout: currency and id.
type Part<'a> = (Currency, &'a str, Carrier<'a>);

/// By provider, account and id; of one id, by currency: two accounts, or two balances of one account, may use one id.
pub(super) struct Carriers<'a> {
    payouts: ByKey<'a>,
    /// Parts of split payouts, by the reference that they share.
    parts: HashMap<(Provider, &'a str, &'a str), Vec<Part<'a>>>,
    statements: ByKey<'a>,
}

impl<'a> Carriers<'a> {
    pub(super) fn new(statements: &'a [StatementState], payouts: &'a [PayoutState]) -> Carriers<'a> {
        let mut out = Carriers { payouts: HashMap::new(), parts: HashMap::new(), statements: HashMap::new() };
        for s in statements {
            let key = (s.provider, s.account.as_str(), s.id.as_str());
            let carrier = (s.state, s.bank.as_slice(), s.timeline.as_slice());
            out.statements.entry(key).or_default().push((s.total.currency(), carrier));
        }
        for p in payouts {
            let key = (p.provider, p.account.as_str(), p.id.as_str());
            let carrier = (p.state, p.bank.as_slice(), p.timeline.as_slice());
            out.payouts.entry(key).or_default().push((p.amount.currency(), carrier));
            if let Some(group) = p.group.as_deref().filter(|_| !p.void) {
                let key = (p.provider, p.account.as_str(), group);
                out.parts.entry(key).or_default().push((p.amount.currency(), &p.id, carrier));
            }
        }
        out
    }
    /// What carries a row: its payout, all parts of its split payout, or its statement.
    pub(super) fn of(&self, r: &'a Row) -> Vec<(&'a str, Carrier<'a>)> {
        let c = r.net.currency();
        // A document in another currency does not carry the row's money.
        let one = |map: &ByKey<'a>, id: Option<&'a str>| {
            let id = id?;
            let all = map.get(&(r.tx.provider, r.tx.account.as_str(), id))?;
            all.iter().find(|(x, _)| *x == c).map(|(_, carrier)| vec![(id, *carrier)])
        };
        let (payout, statement) = (r.tx.payout.as_deref(), r.tx.statement.as_deref());
        let parts = || {
            let all = self.parts.get(&(r.tx.provider, r.tx.account.as_str(), payout?))?;
            let mine: Vec<_> = all.iter().filter(|(x, ..)| *x == c).map(|(_, id, p)| (*id, *p)).collect();
            (!mine.is_empty()).then_some(mine)
        };
        one(&self.payouts, payout)
            .or_else(|| one(&self.statements, payout))
            .or_else(parts)
            .or_else(|| one(&self.statements, statement))
            .unwrap_or_default()
    }
}
