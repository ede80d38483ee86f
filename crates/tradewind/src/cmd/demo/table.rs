//! The summary for a person: at a glance, in 80 columns.

use comfy_table::{CellAlignment, Table, presets};

use super::summary::Summary;

/// A line of counts: `name   12 of this   3 of that`.
fn counts(name: &str, counts: &[(usize, &str)]) -> String {
    let cells: Vec<String> = counts.iter().map(|(n, what)| format!("{n:>5} {what:<10}")).collect();
    format!("{name:<13}{}", cells.concat()).trim_end().to_owned() + "\n"
}

/// What a landed cost misses, and where a user adds it.
fn lack(fact: &str) -> String {
    match fact {
        "rates.duty" => "a rate of duty: add it to the file of [landed] goods".to_owned(),
        "hs" => "an HS code: add the column hs".to_owned(),
        "origin" => "a country of origin: add the column origin".to_owned(),
        _ if fact.starts_with("fx.") => {
            format!("the rate {}: add a file under [fx]", fact.trim_start_matches("fx.").replace('.', "/"))
        }
        _ => format!("{fact}: see tradewind why landed"),
    }
}

fn numbers(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|l| l.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// The whole summary as text.
pub(super) fn of(s: &Summary, days: u32, faults: &str) -> String {
    let (l, o, d, p) = (&s.listings, &s.orders, &s.declarations, &s.parcels);
    let oversold = usize::try_from(s.oversold).unwrap_or(usize::MAX);
    let mut text = format!("seed {}, {days} selling days, faults: {faults}\n\n", s.seed);
    text += &counts(
        "listings",
        &[
            (l.intended as usize, "intended"),
            (l.live as usize, "live"),
            (l.blocked as usize, "blocked by guards"),
        ],
    );
    text += &counts(
        "orders",
        &[(o.placed, "placed"), (o.imported, "imported"), (o.lost, "lost"), (o.doubled, "doubled")],
    );
    text += &counts(
        "",
        &[(o.confirmed, "shipped"), (o.cancelled, "cancelled"), (o.open, "open"), (oversold, "oversold")],
    );
    text += &counts("", &[(o.settled, "settled"), (o.unsettled, "not settled")]);
    if d.filed + d.open + d.refused > 0 {
        let figures =
            [(d.filed, "filed"), (d.released, "released"), (d.refused, "refused"), (d.open, "open")];
        text += &counts("declarations", &figures);
    }
    text += &counts("parcels", &[(p.booked, "booked"), (p.delivered, "delivered"), (p.unknown, "unknown")]);
    if p.after_cancellation > 0 {
        text += &counts("", &[(p.after_cancellation, "booked for orders that were cancelled afterwards")]);
    }
    if !s.quotes.is_empty() {
        let mut figures = vec![(s.quotes.values().sum(), "quoted")];
        figures.extend(s.quotes.iter().map(|(status, n)| (*n, status.as_str())));
        text += &counts("landed cost", &figures);
    }
    for (fact, n) in &s.quotes_miss {
        text += &format!("{:<13}{n:>5} lack {}\n", "", lack(fact));
    }
    let money = s.money.iter().map(|(currency, m)| {
        [currency, &m.sold, &m.refunded, &m.fees, &m.withheld_tax, &m.paid_out, &m.unexplained]
            .map(Clone::clone)
            .to_vec()
    });
    let header = ["money", "sold", "refunded", "fees", "tax withheld", "paid out", "unexplained"];
    text += &format!("\n{}\n", numbers(&header, money.collect()));
    let some = |amount: &str| amount.chars().any(|c| c.is_ascii_digit() && c != '0');
    for (currency, m) in s.money.iter().filter(|(_, m)| some(&m.released)) {
        let released = &m.released;
        text += &format!(
            "{released} {currency} were released by channels that report no transfers: see the bank.\n"
        );
    }
    for (currency, m) in s.money.iter().filter(|(_, m)| some(&m.untold)) {
        let untold = &m.untold;
        text +=
            &format!("{untold} {currency} were paid out by channels that report no payouts: see the bank.\n");
    }
    for (currency, m) in s.money.iter().filter(|(_, m)| some(&m.held)) {
        let held = &m.held;
        text += &match held.strip_prefix('-') {
            Some(owed) => {
                format!("{owed} {currency} are owed to a channel: returns after its last payout.\n")
            }
            None => format!("{held} {currency} were earned and not paid out yet.\n"),
        };
    }
    let calls = s.calls.iter().map(|(account, c)| {
        let mut row = vec![account.clone()];
        row.extend([c.sent, c.throttled, c.indeterminate, c.settled].map(|n| n.to_string()));
        row
    });
    let header = ["calls", "sent", "throttled", "outcome unknown", "settled by reading"];
    text += &format!("\n{}\n", numbers(&header, calls.collect()));
    if s.resumed {
        text += "The calls are of this process alone: the demo went on where another had stopped.\n";
    }
    text += "\n";
    let faults = s.faults();
    if faults.is_empty() {
        text += "Clean: orders booked once, reported payouts collected, each cent explained.";
    } else {
        text += &format!("NOT clean: {}.", faults.join("; "));
    }
    text
}
