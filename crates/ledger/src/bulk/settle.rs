//! A settlement report against the open items.
//!
//! The stream is cut into blocks of whole lines, and as many threads as there are processors read them. A thread only looks items up
//! and notes what each line brings; nothing is changed before every settlement has footed, so that a refused report needs no undoing.
//! What threads found is put together by the place in the file, so that their number never shows in the result.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memchr_iter;
use tradewind_domain::{Currency, Money};

use super::OpenItems;
use super::index::Seen;
use super::lines::{self, Blocks, Reading, amount, undecided};
use crate::import::{
    Class, CodeTable, Footing, ImportResult, Mark, Provider, Refusal, RefusalKind, excel_mangled,
};
use crate::recon::orders::side::{Side, returns, side};

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

struct Columns {
    settlement: usize,
    total: usize,
    currency: usize,
    kind: usize,
    order: usize,
    amount_type: usize,
    description: usize,
    amount: usize,
    /// Cells that a row must have: up to the last of these.
    needed: usize,
}

impl Columns {
    fn find(head: &[u8]) -> ImportResult<Columns> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let names: Vec<&[u8]> = head.split(|b| *b == b'\t').map(<[u8]>::trim_ascii).collect();
        let mut needed = 0;
        let mut need = |name: &str| {
            let at = names.iter().position(|n| n.eq_ignore_ascii_case(name.as_bytes())).ok_or_else(|| {
                Refusal::unsupported(format!(
                    "the title row has no column '{name}': this is no settlement report V2 (tab-separated)"
                ))
            })?;
            needed = needed.max(at + 1);
            Ok::<usize, Refusal>(at)
        };
        Ok(Columns {
            settlement: need("settlement-id")?,
            total: need("total-amount")?,
            currency: need("currency")?,
            kind: need("transaction-type")?,
            order: need("order-id")?,
            amount_type: need("amount-type")?,
            description: need("amount-description")?,
            amount: need("amount")?,
            needed,
        })
    }
}

/// What lines bring: the index of the item, and minor units.
type Brought = Vec<(u32, i64)>;

/// Tax of an item: what its buyer paid of it, and what the marketplace withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tax {
    item: u32,
    settlement: u32,
    paid: i64,
    withheld: i64,
}

/// A place in the file: block, and line of the block.
type Place = (usize, u64);

/// A settlement as one thread saw it.
struct Foot {
    id: Vec<u8>,
    currency: Currency,
    mark: Option<Mark>,
    total: Option<i64>,
    sum: i128,
    lines: u64,
    digest: u64,
    /// It was read before: its lines count here and bring nothing.
    known: bool,
    first: Place,
}

/// What a code means on a row of a kind: its class, and that the row gives back. [`side`] says the rest, by the sign.
type Meaning = Option<(Class, bool)>;

/// The meanings of (kind, type, description), looked up once each: a report has a few dozen.
struct Codes<'a> {
    table: &'a CodeTable,
    seen: Vec<([Vec<u8>; 3], Meaning)>,
}

impl Codes<'_> {
    fn of(&mut self, key: [&[u8]; 3]) -> Meaning {
        if let Some((_, m)) = self.seen.iter().find(|(k, _)| k.iter().zip(key).all(|(a, b)| a == b)) {
            return *m;
        }
        let [kind, amount_type, description] = key.map(|b| String::from_utf8_lossy(b).into_owned());
        let class = self.table.class(&kind, &format!("{amount_type}/{description}"));
        let meaning = class.map(|c| (c, returns(&kind)));
        // An attacker's report of endless codes must not make this list endless.
        if self.seen.len() < 1_000 {
            self.seen.push((key.map(<[u8]>::to_vec), meaning));
        }
        meaning
    }
}

/// What one thread found.
struct Part<'a> {
    open: &'a OpenItems,
    columns: &'a Columns,
    codes: Codes<'a>,
    feet: Vec<Foot>,
    at: usize,
    bounds: Vec<usize>,
    /// What lines bring to which item.
    brought: Brought,
    /// Tax, by the part's own number of the settlement.
    taxes: Vec<Tax>,
    report: Report,
    unknown: Vec<(Place, String)>,
    /// Lines whose amount reads two ways before any line told which: read again when all threads have been heard.
    later: Vec<(Place, Vec<u8>)>,
    /// Lines of each block, to name a line by its number.
    counts: Vec<(usize, u64)>,
    error: Option<(Place, Refusal)>,
}

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

impl<'a> Part<'a> {
    fn new(open: &'a OpenItems, columns: &'a Columns, table: &'a CodeTable) -> Part<'a> {
        Part {
            open,
            columns,
            codes: Codes { table, seen: Vec::new() },
            feet: Vec::new(),
            at: 0,
            bounds: Vec::new(),
            brought: Vec::new(),
            taxes: Vec::new(),
            report: Report::default(),
            unknown: Vec::new(),
            later: Vec::new(),
            counts: Vec::new(),
            error: None,
        }
    }

    /// Takes blocks until there are none, or something is wrong.
    fn run<R: Read>(
        mut self,
        begun: Option<(usize, Vec<u8>)>,
        source: &Mutex<Blocks<R>>,
        stop: &AtomicBool,
    ) -> Part<'a> {
        let mut block = Vec::new();
        if let Some((number, bytes)) = begun {
            self.block(number, &bytes);
            block = bytes;
        }
        while self.error.is_none() && !stop.load(Ordering::Relaxed) {
            let next = match source.lock() {
                Ok(mut blocks) => blocks.next(&mut block),
                Err(_) => return self,
            };
            match next {
                Ok(Some(number)) => self.block(number, &block),
                Ok(None) => return self,
                // Blocks before this one are whole, and their faults come first.
                Err(refusal) => self.error = Some(((usize::MAX, 0), refusal)),
            }
        }
        if self.error.is_some() {
            stop.store(true, Ordering::Relaxed);
        }
        self
    }

    fn block(&mut self, number: usize, block: &[u8]) {
        let mut n = 0;
        for line in lines::of(block) {
            n += 1;
            if number == 0 && n == 1 {
                continue; // the titles
            }
            if let Err(refusal) = self.line((number, n), line, None) {
                self.error = Some(((number, n), refusal));
                return;
            }
        }
        self.counts.push((number, n));
    }

    /// Takes one line. `mark` is given when it is read again.
    fn line(&mut self, place: Place, line: &[u8], mark: Option<Mark>) -> ImportResult<()> {
        let c = self.columns;
        self.bounds.clear();
        self.bounds.extend(memchr_iter(b'\t', line).take(c.needed));
        if self.bounds.len() + 1 < c.needed {
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
            return Err(Refusal::malformed(
                0,
                format!("the row has {} columns, {} are needed", self.bounds.len() + 1, c.needed),
            ));
        }
        let bounds = &self.bounds;
        let cell = |i: usize| {
            let from = if i == 0 { 0 } else { bounds.get(i - 1).map_or(line.len(), |b| b + 1) };
            let to = bounds.get(i).copied().unwrap_or(line.len());
            line.get(from..to).unwrap_or_default().trim_ascii()
        };
        let id = cell(c.settlement);
        if self.feet.get(self.at).is_none_or(|f| f.id != id) {
            self.at = match self.feet.iter().position(|f| f.id == id) {
                Some(i) => i,
                None => {
                    let code = String::from_utf8_lossy(cell(c.currency));
                    let currency = Currency::new(&code).map_err(|e| Refusal::malformed(0, e.to_string()))?;
                    if id.is_empty() {
                        return Err(Refusal::malformed(0, "the settlement-id is empty"));
                    }
                    self.feet.push(Foot {
                        id: id.to_vec(),
                        currency,
                        mark: None,
                        total: None,
                        sum: 0,
                        lines: 0,
                        digest: 0,
                        known: self.open.seen.contains_key(id),
                        first: place,
                    });
                    self.feet.len() - 1
                }
            };
        }
        let Some(foot) = self.feet.get_mut(self.at) else { return Ok(()) };
        foot.mark = foot.mark.or(mark);
        if cell(c.currency) != foot.currency.code().as_bytes() {
            return Err(mixed(id, foot.currency, &String::from_utf8_lossy(cell(c.currency))));
        }
        let (total, value) = (cell(c.total), cell(c.amount));
        let is_total = !total.is_empty() && value.is_empty();
        let Some(m) = foot.read(if is_total { total } else { value })? else {
            self.later.push((place, line.to_vec()));
            return Ok(());
        };
        if is_total {
            if foot.total.is_some_and(|had| had != m) {
                return Err(two_totals(id));
            }
            foot.total = Some(m);
            return Ok(());
        }
        foot.sum += i128::from(m);
        foot.lines += 1;
        let code = [cell(c.kind), cell(c.amount_type), cell(c.description)];
        let reference = cell(c.order);
        let [kind, amount_type, description] = code;
        foot.digest =
            foot.digest.wrapping_add(self.open.digest([kind, amount_type, description, reference], m));
        self.report.lines += 1;
        if foot.known {
            return Ok(());
        }
        let (currency, settlement) = (foot.currency, u32::try_from(self.at).unwrap_or(u32::MAX));
        let Some((class, returned)) = self.codes.of(code) else {
            self.report.unmapped += 1;
            return Ok(());
        };
        let side = side(class, m, returned);
        if reference.is_empty() || !matches!(side, Side::Paid | Side::Withheld) {
            return Ok(());
        }
        if side == Side::Withheld {
            // What is withheld of a sale is negative; what a refund releases belongs to no payment.
            if let Some(i) = self.open.find(reference).filter(|_| class == Class::TaxWithheld && m < 0) {
                let item = u32::try_from(i).unwrap_or(u32::MAX);
                self.taxes.push(Tax { item, settlement, paid: 0, withheld: m.saturating_neg() });
            }
            return Ok(());
        }
        let Some(i) = self.open.find(reference) else {
            let shown = String::from_utf8_lossy(reference);
            if excel_mangled(&shown) {
                return Err(Refusal::malformed(
                    0,
                    format!(
                        "the order-id '{shown}' was rewritten by a spreadsheet: use the file as downloaded"
                    ),
                ));
            }
            self.report.provider_only += 1;
            if self.unknown.len() < SHOWN && !self.unknown.iter().any(|(_, u)| *u == *shown) {
                self.unknown.push((place, shown.into_owned()));
            }
            return Ok(());
        };
        if self.open.entries.get(i).is_some_and(|e| e.currency != currency) {
            self.report.currency_mismatch += 1;
            return Ok(());
        }
        let item = u32::try_from(i).unwrap_or(u32::MAX);
        self.brought.push((item, m));
        if class == Class::TaxSeller {
            self.taxes.push(Tax { item, settlement, paid: m, withheld: 0 });
        }
        Ok(())
    }
}

fn lost() -> Refusal {
    Refusal::new(
        RefusalKind::Malformed,
        0,
        "a thread of the bulk pass broke down, which is a defect of tradewind: nothing was settled; read the file with reconcile",
    )
}

/// Everything that a file told.
struct Told {
    report: Report,
    brought: Vec<Brought>,
    taxes: Vec<Tax>,
    feet: Vec<Foot>,
}

fn mixed(id: &[u8], a: Currency, b: &str) -> Refusal {
    let id = String::from_utf8_lossy(id);
    Refusal::malformed(0, format!("settlement {id} mixes {a} and {b}: a settlement has one currency"))
}

fn two_totals(id: &[u8]) -> Refusal {
    let id = String::from_utf8_lossy(id);
    Refusal::malformed(0, format!("settlement {id} states two totals: the parts are of different versions"))
}

/// Puts the parts together: the first fault of the file, or one report and what was brought.
fn together(mut parts: Vec<Part<'_>>) -> ImportResult<Told> {
    let mut counts: Vec<(usize, u64)> =
        parts.iter_mut().flat_map(|p| std::mem::take(&mut p.counts)).collect();
    counts.sort_unstable();
    let number = |(block, line): Place| {
        line + counts.iter().take_while(|(b, _)| *b < block).map(|(_, n)| n).sum::<u64>()
    };
    if let Some((place, mut refusal)) =
        parts.iter_mut().filter_map(|p| p.error.take()).min_by_key(|(place, _)| *place)
    {
        if place.1 > 0 {
            refusal.line = number(place);
        }
        return Err(refusal);
    }
    let mut all: Vec<Foot> = Vec::new();
    let mut taxes: Vec<Tax> = Vec::new();
    for p in &mut parts {
        gather(p, &mut all, &mut taxes)?;
    }
    // Amounts that read two ways, now that the marks are known.
    let mut later: Vec<(Place, Vec<u8>)> =
        parts.iter_mut().flat_map(|p| std::mem::take(&mut p.later)).collect();
    later.sort();
    if let Some(last) = parts.last_mut().filter(|_| !later.is_empty()) {
        for (place, line) in later {
            let id =
                line.split(|b| *b == b'\t').nth(last.columns.settlement).unwrap_or_default().trim_ascii();
            let Some(mark) = all.iter().find(|f| f.id == id).and_then(|f| f.mark) else {
                return Err(Refusal::malformed(
                    number(place),
                    "the amount reads two ways and no row of its settlement tells which: use reconcile",
                ));
            };
            last.line(place, &line, Some(mark)).map_err(|mut r| {
                r.line = number(place);
                r
            })?;
        }
        gather(last, &mut all, &mut taxes)?;
    }
    let mut report = Report::default();
    let mut unknown: Vec<(Place, String)> = Vec::new();
    let mut brought = Vec::new();
    for p in parts {
        report.lines += p.report.lines;
        report.provider_only += p.report.provider_only;
        report.currency_mismatch += p.report.currency_mismatch;
        report.unmapped += p.report.unmapped;
        unknown.extend(p.unknown);
        brought.push(p.brought);
    }
    unknown.sort();
    let mut told = BTreeSet::new();
    unknown.retain(|(_, u)| told.insert(u.clone()));
    report.unknown = unknown.into_iter().take(SHOWN).map(|(_, u)| u).collect();
    // The numbers of the settlements in `taxes` tell them apart and nothing else.
    all.sort_by_key(|f| f.first);
    if all.is_empty() {
        return Err(Refusal::truncated(1, "the file has a header and no settlement"));
    }
    report.settlements = all.iter().map(footed).collect::<ImportResult<_>>()?;
    Ok(Told { report, brought, taxes, feet: all })
}

/// Takes a part's settlements and taxes over, under the settlements' numbers in `all`.
fn gather(p: &mut Part<'_>, all: &mut Vec<Foot>, taxes: &mut Vec<Tax>) -> ImportResult<()> {
    let mut numbers = Vec::new();
    for f in std::mem::take(&mut p.feet) {
        numbers.push(merge(all, f)?);
    }
    for t in std::mem::take(&mut p.taxes) {
        let number = numbers.get(t.settlement as usize).copied().ok_or_else(lost)?;
        taxes.push(Tax { settlement: u32::try_from(number).map_err(|_| lost())?, ..t });
    }
    Ok(())
}

/// The settlement's number in `all`.
fn merge(all: &mut Vec<Foot>, f: Foot) -> ImportResult<usize> {
    let Some((at, had)) = all.iter_mut().enumerate().find(|(_, h)| h.id == f.id) else {
        all.push(f);
        return Ok(all.len() - 1);
    };
    if had.currency != f.currency {
        return Err(mixed(&f.id, had.currency, f.currency.code()));
    }
    if let (Some(a), Some(b)) = (had.mark, f.mark)
        && a != b
    {
        let id = String::from_utf8_lossy(&f.id).into_owned();
        return Err(Refusal::malformed(0, format!("settlement {id} mixes decimal commas and points")));
    }
    if let (Some(a), Some(b)) = (had.total, f.total)
        && a != b
    {
        return Err(two_totals(&f.id));
    }
    had.mark = had.mark.or(f.mark);
    had.total = had.total.or(f.total);
    had.sum += f.sum;
    had.lines += f.lines;
    had.digest = had.digest.wrapping_add(f.digest);
    had.first = had.first.min(f.first);
    Ok(at)
}

/// A settlement, if it sums to its own total.
fn footed(f: &Foot) -> ImportResult<Footed> {
    let id = String::from_utf8_lossy(&f.id).into_owned();
    let Some(total) = f.total else {
        return Err(Refusal::truncated(
            0,
            format!("settlement {id} has no summary row: this is a part of the report"),
        ));
    };
    if i128::from(total) == f.sum {
        return Ok(Footed { id, total: Money::from_minor(total, f.currency), lines: f.lines });
    }
    let show = |m: i128| {
        i64::try_from(m)
            .map_or_else(|_| "out of range".to_owned(), |m| Money::from_minor(m, f.currency).amount())
    };
    Err(Refusal::not_footing(
        Footing {
            statement: format!("settlement {id}"),
            currency: Some(f.currency),
            sum: show(f.sum),
            total: show(i128::from(total)),
            difference: show(i128::from(total) - f.sum),
        },
        "rows are missing or doubled, or the file was edited",
    ))
}

impl Foot {
    /// Reads an amount; the first one that only one mark can read decides for the settlement. `None`: it reads two ways so far.
    fn read(&mut self, text: &[u8]) -> ImportResult<Option<i64>> {
        let shown = || String::from_utf8_lossy(text).chars().take(40).collect::<String>();
        if let Some(mark) = self.mark {
            return amount(text, self.currency, mark).map(Some).ok_or_else(|| {
                Refusal::malformed(
                    0,
                    format!(
                        "'{}' is not an amount of {} as the rows before write them",
                        shown(),
                        self.currency
                    ),
                )
            });
        }
        match undecided(text, self.currency) {
            Reading::Proven(mark, m) => {
                self.mark = Some(mark);
                Ok(Some(m))
            }
            Reading::Either(m) => Ok(Some(m)),
            Reading::Open => Ok(None),
            Reading::No => Err(Refusal::malformed(0, format!("'{}' is not an amount", shown()))),
        }
    }
}
