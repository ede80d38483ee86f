//! A settlement report against the open items.
//!
//! The stream is cut into blocks of whole lines, and as many threads as there are processors read them. A thread only looks items up
//! and notes what each line brings; nothing is changed before every settlement has footed, so that a refused report needs no undoing.
//! What threads found is put together by the place in the file, so that their number never shows in the result.

mod part;
mod together;

use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use tradewind_domain::Money;

use self::part::{Columns, Part, Tax};
use self::together::{Told, together};
use super::OpenItems;
use super::index::Seen;
use super::lines::{self, Blocks};
use crate::import::{CodeTable, ImportResult, Provider, Refusal, RefusalKind};

/// A settlement that sums to its own total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footed {
    /// The provider's id.
    pub id: String,
    /// Its total, and the sum of its lines.
    pub total: Money,
    /// Lines.
    pub lines: u64,
}

/// What a pass found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines read, without titles and totals.
    pub lines: u64,
    /// The settlements, in the order of the file.
    pub settlements: Vec<Footed>,
    /// Items that are settled now: the lines that name them sum to what they are due.
    pub matched: u64,
    /// Items that lines name, but with another amount.
    pub mismatched: u64,
    /// Lines of sales that name no open item.
    pub provider_only: u64,
    /// Lines of sales that name an item of another currency.
    pub currency_mismatch: u64,
    /// Lines whose code no table maps; they count in the sum of their settlement.
    pub unmapped: u64,
    /// References without an item, the first hundred of the file.
    pub unknown: Vec<String>,
    /// Settlements of the file that were read before, with the same content: without effect.
    pub repeated: Vec<String>,
    /// Settlements that were read before with another content: the first version is kept.
    pub conflicts: Vec<String>,
}

/// References shown of those that name no item.
const SHOWN: usize = 100;
/// More threads than this wait for the disk.
const MOST_THREADS: usize = 8;

impl OpenItems {
    /// Reads a settlement report V2 and settles the items that its lines name.
    ///
    /// # Errors
    /// The report is refused whole, and no item is changed: a settlement does not foot, a row is broken, or the file is not what
    /// the provider publishes.
    pub fn settle<R: Read + Send>(&mut self, provider: Provider, source: R) -> ImportResult<Report> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        self.settle_with(provider, source, threads)
    }

    /// [`OpenItems::settle`] with a number of threads. The result is the same for any.
    ///
    /// # Errors
    /// As [`OpenItems::settle`].
    pub fn settle_with<R: Read + Send>(
        &mut self,
        provider: Provider,
        source: R,
        threads: usize,
    ) -> ImportResult<Report> {
        let table =
            CodeTable::builtin(provider).filter(|_| provider == Provider::Amazon).ok_or_else(|| {
                Refusal::unsupported(format!(
                    "the bulk pass reads Amazon settlement reports; reconcile reads what {provider} sends"
                ))
            })?;
        let mut blocks = Blocks::new(source);
        let mut block = Vec::new();
        blocks.next(&mut block)?;
        let columns = Columns::find(lines::of(&block).next().unwrap_or_default())?;
        let open: &OpenItems = self;
        let part = || Part::new(open, &columns, &table);
        let mut parts = vec![part()];
        if let Some(first) = parts.first_mut() {
            first.block(0, &block);
        }
        let more = blocks.next(&mut block)?;
        if let Some(number) = more {
            let source = Mutex::new(blocks);
            let stop = AtomicBool::new(false);
            let rest: Vec<Part<'_>> = std::thread::scope(|scope| {
                let begun = (number, std::mem::take(&mut block));
                let mut begun = Some(begun);
                let workers: Vec<_> = (0..threads.max(1))
                    .map(|_| {
                        let (source, stop, mine, begun) = (&source, &stop, part(), begun.take());
                        scope.spawn(move || mine.run(begun, source, stop))
                    })
                    .collect();
                // A thread that panicked would be a defect of ours. Its lines are missing: nothing may be settled by the others'.
                workers.into_iter().map(|w| w.join().map_err(|_| lost())).collect::<ImportResult<_>>()
            })?;
            parts.extend(rest);
        }
        let told = together(parts)?;
        self.apply(told)
    }

    /// Brings the items what the lines brought.
    fn apply(&mut self, told: Told) -> ImportResult<Report> {
        let Told { mut report, brought, mut taxes, feet } = told;
        let all = || brought.iter().flatten();
        for (n, (i, m)) in all().enumerate() {
            let Some(e) = self.entries.get_mut(*i as usize) else { continue };
            let Some(paid) = e.paid.checked_add(*m) else {
                for (i, m) in all().take(n) {
                    if let Some(e) = self.entries.get_mut(*i as usize) {
                        e.paid = e.paid.saturating_sub(*m);
                    }
                }
                return Err(Refusal::malformed(0, "the sum of an order is out of range"));
            };
            e.paid = paid;
        }
        // As far as a settlement withholds it, an order's tax is the marketplace's.
        taxes.sort_unstable();
        for of in taxes.chunk_by(|a, b| (a.item, a.settlement) == (b.item, b.settlement)) {
            let sum = |pick: fn(&Tax) -> i64| of.iter().fold(0_i64, |s, t| s.saturating_add(pick(t)));
            let collected = sum(|t| t.paid).min(sum(|t| t.withheld)).max(0);
            if let Some(e) = of.first().and_then(|t| self.entries.get_mut(t.item as usize)) {
                e.collected = e.collected.saturating_add(collected);
            }
        }
        for f in feet {
            let Some(total) = f.total else { continue };
            let seen = Seen { currency: f.currency, total, lines: f.lines, digest: f.digest };
            let id = String::from_utf8_lossy(&f.id).into_owned();
            match self.seen.get(&f.id) {
                None => {
                    self.seen.insert(f.id, seen);
                }
                Some(had) if *had == seen => report.repeated.push(id),
                Some(_) => report.conflicts.push(id),
            }
        }
        self.passes += 1;
        for (i, _) in all() {
            if let Some(e) = self.entries.get_mut(*i as usize).filter(|e| e.pass != self.passes) {
                e.pass = self.passes;
                if e.settled() {
                    report.matched += 1;
                } else {
                    report.mismatched += 1;
                }
            }
        }
        Ok(report)
    }
}

fn lost() -> Refusal {
    Refusal::new(
        RefusalKind::Malformed,
        0,
        "a thread of the bulk pass broke down, which is a defect of tradewind: nothing was settled; read the file with reconcile",
    )
}
