//! The picture: from sales to the bank, a chart per channel and currency.
//!
//! Stacked columns over an invisible base; bars below zero have a column of their own, so that a loss is drawn where it stands.

use rust_xlsxwriter::{
    Chart, ChartFont, ChartFormat, ChartLegendPosition, ChartLine, ChartSolidFill, ChartType, Color,
    Worksheet,
};
use tradewind_domain::Money;

use super::super::{Books, ExportError};
use super::{Column, HEAD, Styles, money, page, text, titles};
use crate::waterfall::{self, Kind};

const GREEN: Color = Color::RGB(0x3A9D6B);
const RED: Color = Color::RGB(0xC8553D);
const BLUE: Color = Color::RGB(0x2F6DA8);
const GREY: Color = Color::RGB(0x9AA5B1);

/// Column values of a bar from `a` to `b`: invisible base, part above zero, part below zero.
fn bar(a: i64, b: i64) -> (i64, i64, i64) {
    let (low, high) = (a.min(b), a.max(b));
    if low >= 0 {
        (low, high - low, 0)
    } else if high <= 0 {
        (high, 0, low - high)
    } else {
        (0, high, low)
    }
}

pub(super) fn sheet(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[
        ("Step", 18.0, false),
        ("Change", 14.0, true),
        ("Running", 14.0, true),
        ("base", 11.0, true),
        ("up", 11.0, true),
        ("up below 0", 12.0, true),
        ("down", 11.0, true),
        ("down below 0", 13.0, true),
        ("aside", 11.0, true),
        ("aside below 0", 13.0, true),
        ("total", 11.0, true),
    ];
    sheet.write_string_with_format(0, 0, "From sales to bank", &s.title)?;
    sheet.write_string_with_format(
        1,
        0,
        "Per channel and currency. Green came, red went, grey is ours still. The columns from 'base' on draw the chart.",
        &s.note,
    )?;
    titles(sheet, 2, COLUMNS, s)?;
    let mut row = 3_u32;
    let mut breaks = Vec::new();
    let entries = books.journal.iter();
    let entries =
        entries.map(|e| e.postings.iter().map(|p| (p.account.as_str(), p.amount)).collect::<Vec<_>>());
    for (n, w) in waterfall::of(entries).into_iter().enumerate() {
        if n > 0 && n % 3 == 0 {
            breaks.push(row);
        }
        let name = format!("{} · {}", w.channel, w.currency);
        sheet.write_string_with_format(row, 0, &name, &s.head)?;
        for col in 1..u16::try_from(COLUMNS.len()).unwrap_or(1) {
            sheet.write_blank(row, col, &s.head)?;
        }
        let first = row + 1;
        row = first;
        let mut running = 0_i64;
        let steps = w.steps.iter().map(|x| (x.name, x.amount, Some(x.kind)));
        for (step, amount, kind) in steps.chain([("= bank", w.bank, None)]) {
            let change = amount.minor();
            let after = if kind.is_none() { change } else { running.saturating_add(change) };
            let (base, above, below) = bar(running, after);
            let cells = match kind {
                // A whole stands on zero.
                None | Some(Kind::Start) => [0, 0, 0, 0, 0, 0, 0, change],
                Some(Kind::Aside) => [base, 0, 0, 0, 0, above, below, 0],
                Some(Kind::Change) if change >= 0 => [base, above, below, 0, 0, 0, 0, 0],
                Some(Kind::Change) => [base, 0, 0, above, below, 0, 0, 0],
            };
            text(sheet, row, 0, step, s)?;
            money(sheet, row, 1, amount, s)?;
            money(sheet, row, 2, Money::from_minor(after, w.currency), s)?;
            for (col, v) in (3_u16..).zip(cells) {
                money(sheet, row, col, Money::from_minor(v, w.currency), s)?;
            }
            running = after;
            row += 1;
        }
        sheet.insert_chart_with_offset(first - 1, 12, &chart(&name, first, row - 1), 0, 4)?;
        // Room for the chart beside the table.
        row = row.max(first + 16) + 2;
    }
    // A page holds three charts, and none is cut.
    if !breaks.is_empty() {
        sheet.set_page_breaks(&breaks)?;
    }
    page(sheet, 2)?;
    Ok(())
}

fn chart(name: &str, first: u32, last: u32) -> Chart {
    let mut chart = Chart::new(ChartType::ColumnStacked);
    chart.title().set_name(name).set_font(ChartFont::new().set_size(12));
    let bars: [(u16, &str, Option<Color>); 8] = [
        (3, "base", None),
        (4, "up", Some(GREEN)),
        (5, "up below zero", Some(GREEN)),
        (6, "down", Some(RED)),
        (7, "down below zero", Some(RED)),
        (8, "aside", Some(GREY)),
        (9, "aside below zero", Some(GREY)),
        (10, "total", Some(BLUE)),
    ];
    for (col, series, color) in bars {
        let mut format = match color {
            Some(color) => ChartFormat::new().set_solid_fill(ChartSolidFill::new().set_color(color)).clone(),
            None => ChartFormat::new().set_no_fill().set_no_border().clone(),
        };
        chart
            .add_series()
            .set_name(series)
            .set_categories(("Waterfall", first, 0, last, 0))
            .set_values(("Waterfall", first, col, last, col))
            .set_gap(40)
            .set_overlap(100)
            .set_format(&mut format);
    }
    chart.legend().set_position(ChartLegendPosition::Bottom).set_hidden();
    let grid = ChartLine::new().set_color(HEAD).set_width(0.75).clone();
    chart.y_axis().set_num_format("#,##0").set_major_gridlines_line(&grid);
    chart.x_axis().set_label_position(rust_xlsxwriter::ChartAxisLabelPosition::Low);
    chart.set_width(760).set_height(330);
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_they_should() {
        assert_eq!(bar(100, 80), (80, 20, 0));
        assert_eq!(bar(-10, -30), (-10, 0, -20));
        assert_eq!(bar(10, -5), (0, 10, -5));
    }
}
