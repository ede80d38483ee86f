//! What one thread finds in its blocks: line by line, it looks items up and notes what each line brings.

use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memchr_iter;
use tradewind_domain::Currency;

use super::{Report, SHOWN};
use crate::bulk::OpenItems;
use crate::bulk::lines::{self, Blocks, Reading, amount, undecided};
use crate::import::{Class, CodeTable, ImportResult, Mark, Refusal, excel_mangled};
use crate::recon::orders::side::{Side, returns, side};

pub(super) struct Columns {
    pub(super) settlement: usize,
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
    pub(super) fn find(head: &[u8]) -> ImportResult<Columns> {
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
pub(super) type Brought = Vec<(u32, i64)>;

/// Tax of an item: what its buyer paid of it, and what the marketplace withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tax {
    pub(super) item: u32,
    pub(super) settlement: u32,
    pub(super) paid: i64,
    pub(super) withheld: i64,
}

/// A place in the file: block, and line of the block.
pub(super) type Place = (usize, u64);

/// A settlement as one thread saw it.
pub(super) struct Foot {
    pub(super) id: Vec<u8>,
    pub(super) currency: Currency,
    pub(super) mark: Option<Mark>,
    pub(super) total: Option<i64>,
    pub(super) sum: i128,
    pub(super) lines: u64,
    pub(super) digest: u64,
    /// It was read before: its lines count here and bring nothing.
    pub(super) known: bool,
    pub(super) first: Place,
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
pub(super) struct Part<'a> {
    open: &'a OpenItems,
    pub(super) columns: &'a Columns,
    codes: Codes<'a>,
    pub(super) feet: Vec<Foot>,
    at: usize,
    bounds: Vec<usize>,
    /// What lines bring to which item.
    pub(super) brought: Brought,
    /// Tax, by the part's own number of the settlement.
    pub(super) taxes: Vec<Tax>,
    pub(super) report: Report,
    pub(super) unknown: Vec<(Place, String)>,
    /// Lines whose amount reads two ways before any line told which: read again when all threads have been heard.
    pub(super) later: Vec<(Place, Vec<u8>)>,
    /// Lines of each block, to name a line by its number.
    pub(super) counts: Vec<(usize, u64)>,
    pub(super) error: Option<(Place, Refusal)>,
}

impl<'a> Part<'a> {
    pub(super) fn new(open: &'a OpenItems, columns: &'a Columns, table: &'a CodeTable) -> Part<'a> {
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
    pub(super) fn run<R: Read>(
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

    pub(super) fn block(&mut self, number: usize, block: &[u8]) {
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
    pub(super) fn line(&mut self, place: Place, line: &[u8], mark: Option<Mark>) -> ImportResult<()> {
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

pub(super) fn mixed(id: &[u8], a: Currency, b: &str) -> Refusal {
    let id = String::from_utf8_lossy(id);
    Refusal::malformed(0, format!("settlement {id} mixes {a} and {b}: a settlement has one currency"))
}

pub(super) fn two_totals(id: &[u8]) -> Refusal {
    let id = String::from_utf8_lossy(id);
    Refusal::malformed(0, format!("settlement {id} states two totals: the parts are of different versions"))
}
