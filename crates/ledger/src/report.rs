//! What a person reads in the terminal: the waterfall from sales to the bank, channel by channel; the differences with their
//! reasons. Nothing is wider than the terminal, or than [`WIDTH`] columns where nobody says how wide that is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tradewind_domain::{Currency, Money};

use crate::answer::status;
use crate::recon::{Difference, Outcome};
use crate::waterfall;

/// Columns of a terminal that everybody has.
pub const WIDTH: usize = 80;
/// Columns of the bars, at most; and at least, or they say nothing.
const BAR: usize = 34;
const SHORTEST_BAR: usize = 6;
/// Columns before the bars.
const BEFORE_BAR: usize = 45;
/// Differences shown in full.
const SHOWN: usize = 30;

/// Thousands apart, as people read amounts.
fn grouped(m: Money) -> String {
    let plain = m.amount();
    let (sign, rest) = plain.strip_prefix('-').map_or(("", plain.as_str()), |r| ("-", r));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let mut out = String::from(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(f) = fraction {
        out.push('.');
        out.push_str(f);
    }
    out
}

/// A bar from one level to another on the scale of `low..=high`.
fn bar(from: i64, to: i64, low: i64, high: i64, columns: usize) -> String {
    let span = i128::from(high) - i128::from(low);
    let column = |level: i64| -> usize {
        if span == 0 {
            return 0;
        }
        let at = (i128::from(level) - i128::from(low)) * columns as i128 / span;
        usize::try_from(at).unwrap_or(0).min(columns)
    };
    if columns == 0 {
        return String::new();
    }
    let (a, b) = (column(from.min(to)), column(from.max(to)));
    let fill = if to < from { "░" } else { "█" };
    // A step that is there is seen, however small.
    let length = (b - a).max(usize::from(from != to));
    let start = a.min(columns.saturating_sub(length));
    format!("{}{}", " ".repeat(start), fill.repeat(length))
}

fn waterfalls(o: &Outcome, width: usize, s: &mut String) {
    let room = width.saturating_sub(BEFORE_BAR).min(BAR);
    let columns = if room < SHORTEST_BAR { 0 } else { room };
    let entries = o.journal.entries().iter();
    let entries = entries
        .map(|e| e.draft.postings.iter().map(|p| (p.account.as_str(), p.amount())).collect::<Vec<_>>());
    for w in waterfall::of(entries) {
        let bank = w.bank.minor();
        let (mut level, mut low, mut high) = (0_i64, 0_i64.min(bank), 0_i64.max(bank));
        for step in &w.steps {
            level = level.saturating_add(step.amount.minor());
            (low, high) = (low.min(level), high.max(level));
        }
        let _ = writeln!(s, "{} · {}", w.channel, w.currency);
        let mut level = 0_i64;
        for step in &w.steps {
            let next = level.saturating_add(step.amount.minor());
            line(s, step.name, step.amount, &bar(level, next, low, high, columns));
            level = next;
        }
        line(s, "= bank", w.bank, &bar(0, bank, low, high, columns));
        s.push('\n');
    }
}

fn line(s: &mut String, name: &str, amount: Money, bar: &str) {
    let text = format!("  {name:<23}{:>18}  {bar}", grouped(amount));
    let _ = writeln!(s, "{}", text.trim_end());
}

/// Words in lines of at most `width` columns, each after `indent`.
fn wrapped(text: &str, indent: &str, width: usize, s: &mut String) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        let room = width.saturating_sub(indent.chars().count());
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            let _ = writeln!(s, "{indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // An id may be longer than a line.
        while line.chars().count() > room {
            let head: String = line.chars().take(room).collect();
            let _ = writeln!(s, "{indent}{head}");
            line = line.chars().skip(room).collect();
        }
    }
    if !line.is_empty() {
        let _ = writeln!(s, "{indent}{line}");
    }
}

/// A text behind its label, its further lines below itself.
fn labelled(label: &str, text: &str, width: usize, s: &mut String) {
    let from = s.len();
    wrapped(text, "            ", width, s);
    let end = from + 12;
    if s.get(from..end).is_some() {
        s.replace_range(from..end, &format!("{label:<12}"));
    }
}

fn differences(o: &Outcome, width: usize, s: &mut String) {
    if o.differences.is_empty() {
        return;
    }
    let mut table: BTreeMap<(&str, Currency), (usize, i64, i64)> = BTreeMap::new();
    for d in &o.differences {
        let slot = table.entry((d.reason.code(), d.amount.currency())).or_insert((0, 0, 0));
        let open = if d.accepted { 0 } else { d.unexplained };
        *slot = (slot.0 + 1, slot.1.saturating_add(d.amount.minor()), slot.2.saturating_add(open));
    }
    // 22 of the reason, 7 of the count, 6 of the currency; two amounts share the rest.
    let amount = (width.saturating_sub(36) / 2).clamp(12, 21);
    let _ = writeln!(
        s,
        "{:<22}{:>7}  {:<4}{:>amount$}{:>amount$}",
        "difference", "count", "", "amount", "unexplained"
    );
    for ((reason, c), (count, sum, open)) in &table {
        let open = if *open == 0 { "–".to_owned() } else { grouped(Money::from_minor(*open, *c)) };
        let sum = grouped(Money::from_minor(*sum, *c));
        let _ = writeln!(s, "{reason:<22}{count:>7}  {:<4}{sum:>amount$}{open:>amount$}", c.code());
    }
    s.push('\n');
    // What nobody can account for comes first.
    let mut list: Vec<&Difference> = o.differences.iter().collect();
    list.sort_by_key(|d| (d.accepted || d.unexplained == 0, d.reason));
    for d in list.iter().take(SHOWN) {
        let accepted = if d.accepted { " (accepted)" } else { "" };
        let _ = writeln!(
            s,
            "{} {}{accepted}",
            d.reason.code(),
            grouped(d.amount) + " " + d.amount.currency().code()
        );
        wrapped(&d.explanation, "  ", width, s);
        wrapped(&format!("records: {}", d.records.join(", ")), "  ", width, s);
    }
    if list.len() > SHOWN {
        let _ = writeln!(s, "… and {} more: --json shows all", list.len() - SHOWN);
    }
    s.push('\n');
}

/// The whole report, at [`WIDTH`].
#[must_use]
pub fn text(o: &Outcome) -> String {
    text_in(o, WIDTH)
}

/// The whole report, in so many columns.
#[must_use]
pub fn text_in(o: &Outcome, width: usize) -> String {
    let mut s = format!("Reconciliation of {}, books in {}\n\n", o.as_of, o.base);
    waterfalls(o, width, &mut s);
    let mut states: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (kind, state) in o
        .orders
        .iter()
        .map(|x| ("orders", x.state))
        .chain(o.statements.iter().map(|x| ("statements", x.state)))
        .chain(o.payouts.iter().map(|x| ("payouts", x.state)))
        .chain(o.bank.iter().map(|x| ("bank lines", x.state)))
    {
        *states.entry((kind, state)).or_default() += 1;
    }
    for kind in ["orders", "statements", "payouts", "bank lines"] {
        let list: Vec<String> =
            states.iter().filter(|((k, _), _)| *k == kind).map(|((_, st), n)| format!("{n} {st}")).collect();
        if !list.is_empty() {
            labelled(kind, &list.join(" · "), width, &mut s);
        }
    }
    if !o.ageing.is_empty() {
        let count = |keep: fn(i32) -> bool| o.ageing.iter().filter(|e| keep(e.days_late)).count();
        let told = format!(
            "{} not due · {} late by up to 7 days · {} by up to 30 · {} by more",
            count(|d| d <= 0),
            count(|d| (1..=7).contains(&d)),
            count(|d| (8..=30).contains(&d)),
            count(|d| d > 30)
        );
        labelled("expected", &told, width, &mut s);
    }
    if !o.rows.is_empty() {
        let fx = &o.fx;
        let told = format!(
            "realised {} · unrealised {} · conversion cost {} {}",
            fx.realised.amount(),
            fx.unrealised.amount(),
            fx.cost.amount(),
            o.base
        );
        labelled("exchange", &told, width, &mut s);
        fx.notes().iter().for_each(|text| wrapped(text, "            ", width, &mut s));
    }
    s.push('\n');
    differences(o, width, &mut s);
    for e in o.errors.iter().take(SHOWN) {
        // Row 0 is the whole file.
        let row = if e.row == 0 { String::new() } else { format!(":{}", e.row) };
        wrapped(&format!("not taken: {}{row}: {}", e.file, e.message), "", width, &mut s);
    }
    if o.errors.len() > SHOWN {
        let _ = writeln!(s, "… and {} more rows were not taken", o.errors.len() - SHOWN);
    }
    for (c, m) in &o.unexplained {
        let _ = writeln!(s, "unexplained {} {c}", grouped(Money::from_minor(*m, *c)));
    }
    let _ = write!(s, "status      {}", status(o));
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_at_their_exponent() {
        let g = |m: i64, c: Currency| grouped(Money::from_minor(m, c));
        assert_eq!(g(123_456_789, Currency::EUR), "1,234,567.89");
        assert_eq!(g(-100_000, Currency::EUR), "-1,000.00");
        assert_eq!(g(-99_999, Currency::EUR), "-999.99");
        assert_eq!(g(9_800, Currency::JPY), "9,800");
    }

    #[test]
    fn bars_stand_on_one_scale_and_stay_inside() {
        // 0..100 on 34 columns: the whole, the upper half falling, and a cent of it.
        assert_eq!(bar(0, 100, 0, 100, BAR), "█".repeat(34));
        assert_eq!(bar(100, 50, 0, 100, BAR), format!("{}{}", " ".repeat(17), "░".repeat(17)));
        assert_eq!(bar(100, 99, 0, 100, BAR).chars().filter(|c| *c == '░').count(), 1);
        assert!(bar(9_999, 10_000, 0, 10_000, BAR).chars().count() <= BAR);
        assert_eq!(bar(0, 0, 0, 0, BAR), "");
    }

    #[test]
    fn bars_keep_to_the_columns_that_there_are() {
        for columns in [0, 6, 15] {
            for (from, to) in [(0, 100), (100, 50), (100, 99), (99, 100)] {
                assert!(bar(from, to, 0, 100, columns).chars().count() <= columns, "{from} {to} {columns}");
            }
        }
        assert_eq!(bar(0, 100, 0, 100, 6), "█".repeat(6));
    }

    #[test]
    fn words_wrap_and_long_ids_are_cut() {
        let mut s = String::new();
        wrapped(&format!("a few words and {}", "x".repeat(200)), "  ", 40, &mut s);
        assert!(s.lines().all(|l| l.chars().count() <= 40), "{s}");
        assert_eq!(s.matches('x').count(), 200);
    }
}
