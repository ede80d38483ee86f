//! What the links say: where each line, each transfer and each document stands, and the differences that remain.
//!
//! [`lines`] judges what the bank shows, [`transfers`] what was sent, [`documents`] those to which no line of their own is due;
//! [`shares`] tells how much of a transfer a line is, where one is not the whole of the other.

mod documents;
mod lines;
mod shares;
mod transfers;

use jiff::civil::Date;

use super::covering::Doubts;
use super::{Banking, Item, Mismatch, Work};
use crate::recon::foot::{PayoutState, StatementState};
use crate::recon::{Found, ReconError, business_days};

/// What the levels left, to be judged.
pub(super) struct Settling<'a> {
    /// Lines, transfers and their links.
    pub(super) w: &'a Work<'a>,
    /// Those that more than one explanation fits.
    pub(super) doubts: &'a Doubts,
    /// Those that belong together and disagree.
    pub(super) mismatch: &'a [Mismatch],
    /// The bank was heard: without a file of it, nothing is missing there.
    pub(super) bank_known: bool,
    /// Day of the report.
    pub(super) as_of: Date,
}

impl Settling<'_> {
    /// Judges everything, and writes into the documents where their money is.
    pub(super) fn finish(
        &self,
        statements: &mut [StatementState],
        payouts: &mut [PayoutState],
        found: &mut Found,
    ) -> Result<Banking, ReconError> {
        let banking = lines::run(self, statements, found)?;
        transfers::run(self, statements, payouts, found);
        transfers::beyond_doubt(self, found);
        documents::run(self.w, statements, payouts);
        Ok(banking)
    }

    /// The bank has had its days for the transfer.
    fn late(&self, item: &Item) -> bool {
        item.date.is_some_and(|d| business_days(d, self.as_of) > self.w.policy.bank_days_after)
    }
}

/// What arrived less what was sent.
fn off(w: &Work<'_>, m: &Mismatch) -> i64 {
    let arrived = m.lines.iter().filter_map(|l| w.lines.get(*l));
    arrived.fold(0_i64, |s, x| s.saturating_add(x.amount.minor())).saturating_sub(w.expect(&m.items))
}

/// Why a set was not searched for.
fn bound(n: usize, most: usize) -> String {
    if n > most {
        format!("more than {most} candidates; not searched")
    } else {
        format!("{n} candidates; the search was given up")
    }
}
