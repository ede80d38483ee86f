//! The workbook: what finance opens first.
//!
//! Sheets: summary, waterfall with a chart per channel and currency, settlements, exceptions, FX, trial balance, and the lines in
//! constant memory, split where a sheet ends. Ids are text, amounts are numbers at their currency's decimals, dates are dates.
//! A spreadsheet number is a double: an amount of more than fifteen digits is written as text, so that nothing is lost silently.

mod waterfall;

use std::path::Path;

use jiff::civil::Date;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};
use tradewind_domain::{Currency, Decimal, Money};

use super::{Books, ExportError, Line};

/// Rows of a sheet, the title row included (the format's own limit).
const SHEET_ROWS: u32 = 1_048_576;
const INK: Color = Color::RGB(0x1F2A37);
const HEAD: Color = Color::RGB(0xE5EAF0);

struct Styles {
    title: Format,
    note: Format,
    head: Format,
    head_right: Format,
    head_after: Format,
    text: Format,
    after: Format,
    wrap: Format,
    date: Format,
    rate: Format,
    count: Format,
    money: [Format; 5],
}

impl Styles {
    fn new() -> Styles {
        let head = Format::new()
            .set_bold()
            .set_font_color(INK)
            .set_background_color(HEAD)
            .set_border_bottom(FormatBorder::Thin)
            .set_align(FormatAlign::VerticalCenter);
        let money = |n: usize| {
            let decimals = if n == 0 { String::new() } else { format!(".{}", "0".repeat(n)) };
            // A zero is a dash: what is there stands out.
            Format::new()
                .set_num_format(format!("#,##0{decimals};[Red]-#,##0{decimals};\"–\""))
                .set_align(FormatAlign::Right)
        };
        Styles {
            title: Format::new().set_bold().set_font_size(14).set_font_color(INK),
            note: Format::new().set_italic().set_font_color(Color::RGB(0x6B7280)),
            head_right: head.clone().set_align(FormatAlign::Right),
            head_after: head.clone().set_indent(1),
            head,
            text: Format::new().set_num_format("@"),
            after: Format::new().set_num_format("@").set_indent(1),
            wrap: Format::new().set_num_format("@").set_text_wrap().set_align(FormatAlign::Top),
            date: Format::new().set_num_format("yyyy-mm-dd").set_align(FormatAlign::Left),
            rate: Format::new().set_num_format("0.000000########"),
            count: Format::new().set_num_format("0"),
            money: [money(0), money(1), money(2), money(3), money(4)],
        }
    }

    fn of(&self, c: Currency) -> &Format {
        self.money.get(c.exponent() as usize).unwrap_or(&self.note)
    }
}

/// A column: title, width, whether it holds numbers.
type Column = (&'static str, f64, bool);

fn titles(sheet: &mut Worksheet, row: u32, columns: &[Column], s: &Styles) -> Result<(), XlsxError> {
    sheet.set_row_height(row, 20)?;
    for (i, (title, width, number)) in columns.iter().enumerate() {
        let col = u16::try_from(i).unwrap_or(u16::MAX);
        sheet.set_column_width(col, *width)?;
        let after_number = i.checked_sub(1).and_then(|p| columns.get(p)).is_some_and(|p| p.2);
        let format = match (number, after_number) {
            (true, _) => &s.head_right,
            (false, true) => &s.head_after,
            (false, false) => &s.head,
        };
        sheet.write_string_with_format(row, col, *title, format)?;
    }
    Ok(())
}

fn last(columns: &[Column]) -> u16 {
    u16::try_from(columns.len().saturating_sub(1)).unwrap_or(0)
}

fn money(sheet: &mut Worksheet, row: u32, col: u16, m: Money, s: &Styles) -> Result<(), XlsxError> {
    number(sheet, row, col, m.decimal(), s.of(m.currency()), s)
}

fn number(
    sheet: &mut Worksheet,
    row: u32,
    col: u16,
    value: Decimal,
    format: &Format,
    s: &Styles,
) -> Result<(), XlsxError> {
    match value.to_f64().filter(|_| value.mantissa().unsigned_abs() < 1_000_000_000_000_000) {
        Some(double) => sheet.write_number_with_format(row, col, double, format)?,
        None => sheet.write_string_with_format(row, col, value.to_string(), &s.text)?,
    };
    Ok(())
}

fn excel_date(d: Date) -> Result<ExcelDateTime, XlsxError> {
    ExcelDateTime::from_ymd(
        u16::try_from(d.year()).unwrap_or(1900),
        u8::try_from(d.month()).unwrap_or(1),
        u8::try_from(d.day()).unwrap_or(1),
    )
}

fn date(sheet: &mut Worksheet, row: u32, col: u16, d: Date, s: &Styles) -> Result<(), XlsxError> {
    sheet.write_datetime_with_format(row, col, excel_date(d)?, &s.date)?;
    Ok(())
}

fn text(sheet: &mut Worksheet, row: u32, col: u16, value: &str, s: &Styles) -> Result<(), XlsxError> {
    styled(sheet, row, col, value, &s.text)
}

/// Text in the column after an amount: a little room between the two.
fn after(sheet: &mut Worksheet, row: u32, col: u16, value: &str, s: &Styles) -> Result<(), XlsxError> {
    styled(sheet, row, col, value, &s.after)
}

fn styled(sheet: &mut Worksheet, row: u32, col: u16, value: &str, format: &Format) -> Result<(), XlsxError> {
    // A cell holds 32,767 signs.
    if value.len() <= 32_000 {
        sheet.write_string_with_format(row, col, value, format)?;
    } else {
        let cut: String = value.chars().take(32_000).collect();
        sheet.write_string_with_format(row, col, cut, format)?;
    }
    Ok(())
}

/// Landscape, one page wide, titles repeated: it prints as it looks.
fn page(sheet: &mut Worksheet, head_row: u32) -> Result<(), XlsxError> {
    sheet.set_landscape();
    sheet.set_paper_size(9);
    sheet.set_print_fit_to_pages(1, 0);
    sheet.set_repeat_rows(head_row, head_row)?;
    Ok(())
}

fn properties(workbook: &mut Workbook, title: &str, as_of: Date) -> Result<(), XlsxError> {
    let properties = DocProperties::new()
        .set_title(title)
        .set_author("tradewind")
        .set_creation_datetime(&excel_date(as_of)?);
    workbook.set_properties(&properties);
    Ok(())
}

/// Writes the workbook of sorted books.
///
/// # Errors
/// The file cannot be written.
pub fn workbook(books: &Books, out: &Path) -> Result<(), ExportError> {
    let mut workbook = Workbook::new();
    properties(&mut workbook, &books.title, books.as_of)?;
    let s = Styles::new();
    summary(workbook.add_worksheet().set_name("Summary")?, books, &s)?;
    waterfall::sheet(workbook.add_worksheet().set_name("Waterfall")?, books, &s)?;
    settlements(workbook.add_worksheet().set_name("Settlements")?, books, &s)?;
    exceptions(workbook.add_worksheet().set_name("Exceptions")?, books, &s)?;
    fx(workbook.add_worksheet().set_name("FX")?, books, &s)?;
    trial_balance(workbook.add_worksheet().set_name("Trial balance")?, books, &s)?;
    if !books.matches.is_empty() {
        matches(&mut workbook, books, &s, SHEET_ROWS)?;
    }
    if !books.not_taken.is_empty() {
        not_taken(workbook.add_worksheet().set_name("Not taken")?, books, &s)?;
    }
    lines(&mut workbook, &mut books.lines.iter(), &s, SHEET_ROWS)?;
    workbook.save(out)?;
    Ok(())
}

/// Writes a workbook of lines alone, in constant memory: for exports of millions of lines.
///
/// # Errors
/// The file cannot be written.
pub fn detail_workbook(
    title: &str,
    as_of: Date,
    rows: &mut dyn Iterator<Item = Line>,
    out: &Path,
) -> Result<(), ExportError> {
    let mut workbook = Workbook::new();
    properties(&mut workbook, title, as_of)?;
    lines(&mut workbook, rows, &Styles::new(), SHEET_ROWS)?;
    workbook.save(out)?;
    Ok(())
}

fn summary(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[
        ("Channel", 13.0, false),
        ("Account", 24.0, false),
        ("Currency", 9.0, false),
        ("Opening", 13.0, true),
        ("Sales", 13.0, true),
        ("Refunds", 13.0, true),
        ("Fees", 13.0, true),
        ("Taxes", 13.0, true),
        ("Reserve", 13.0, true),
        ("FX", 13.0, true),
        ("Other", 13.0, true),
        ("Payouts", 13.0, true),
        ("Closing", 13.0, true),
        ("Arrived", 13.0, true),
        ("Unexplained", 13.0, true),
    ];
    sheet.write_string_with_format(0, 0, &books.title, &s.title)?;
    sheet.write_string_with_format(
        1,
        0,
        format!(
            "As of {}. Signed from our side; closing = opening + everything between, payouts and unexplained included. Arrived: what of the payouts the bank shows.",
            books.as_of
        ),
        &s.note,
    )?;
    titles(sheet, 3, COLUMNS, s)?;
    let mut row = 4;
    for r in &books.summary {
        text(sheet, row, 0, &r.channel, s)?;
        text(sheet, row, 1, &r.account, s)?;
        text(sheet, row, 2, r.currency.code(), s)?;
        let amounts = [
            r.opening,
            r.sales,
            r.refunds,
            r.fee_total(),
            r.taxes,
            r.reserve,
            r.fx,
            r.other,
            r.payouts,
            r.closing,
            r.arrived,
            r.unexplained,
        ];
        for (col, m) in (3_u16..).zip(amounts) {
            money(sheet, row, col, m, s)?;
        }
        row += 1;
    }
    sheet.set_freeze_panes(4, 3)?;
    page(sheet, 3)?;
    // Fees by kind, below: their kinds differ per channel.
    const FEES: &[&str] = &["Channel", "Account", "Currency", "Fees by kind", "Amount"];
    row += 2;
    for (col, title) in (0_u16..).zip(FEES) {
        sheet.write_string_with_format(
            row,
            col,
            *title,
            if *title == "Amount" { &s.head_right } else { &s.head },
        )?;
    }
    for r in &books.summary {
        for (kind, m) in &r.fees {
            row += 1;
            text(sheet, row, 0, &r.channel, s)?;
            text(sheet, row, 1, &r.account, s)?;
            text(sheet, row, 2, r.currency.code(), s)?;
            text(sheet, row, 3, kind, s)?;
            money(sheet, row, 4, *m, s)?;
        }
    }
    Ok(())
}

fn settlements(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[
        ("Channel", 13.0, false),
        ("Account", 20.0, false),
        ("Kind", 11.0, false),
        ("Id", 36.0, false),
        ("From", 11.0, false),
        ("To", 11.0, false),
        ("Deposit", 11.0, false),
        ("Currency", 9.0, false),
        ("Total", 14.0, true),
        ("Sum of lines", 14.0, true),
        ("Arrived", 14.0, true),
        ("Arrived in", 10.0, false),
        ("Bank lines", 26.0, false),
        ("State", 20.0, false),
    ];
    titles(sheet, 0, COLUMNS, s)?;
    let mut row = 0;
    for r in &books.settlements {
        row += 1;
        text(sheet, row, 0, &r.channel, s)?;
        text(sheet, row, 1, &r.account, s)?;
        text(sheet, row, 2, r.kind, s)?;
        text(sheet, row, 3, &r.id, s)?;
        for (col, d) in (4_u16..).zip([r.from, r.to, r.deposit]) {
            if let Some(d) = d {
                date(sheet, row, col, d, s)?;
            }
        }
        text(sheet, row, 7, r.total.currency().code(), s)?;
        money(sheet, row, 8, r.total, s)?;
        if let Some(m) = r.sum {
            money(sheet, row, 9, m, s)?;
        }
        if let Some(m) = r.converted {
            money(sheet, row, 10, m, s)?;
            after(sheet, row, 11, m.currency().code(), s)?;
        }
        text(sheet, row, 12, &r.bank.join(" "), s)?;
        text(sheet, row, 13, &r.state, s)?;
    }
    table(sheet, row, COLUMNS)
}

/// Frozen title row, filter, page set-up.
fn table(sheet: &mut Worksheet, last_row: u32, columns: &[Column]) -> Result<(), ExportError> {
    sheet.set_freeze_panes(1, 0)?;
    sheet.autofilter(0, 0, last_row.max(1), last(columns))?;
    page(sheet, 0)?;
    Ok(())
}

fn exceptions(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[
        ("Date", 11.0, false),
        ("Reason", 22.0, false),
        ("Currency", 9.0, false),
        ("Amount", 14.0, true),
        ("Unexplained", 14.0, true),
        ("State", 11.0, false),
        ("Records", 34.0, false),
        ("Explanation", 80.0, false),
        ("Evidence", 50.0, false),
    ];
    titles(sheet, 0, COLUMNS, s)?;
    let mut row = 0;
    for e in &books.exceptions {
        row += 1;
        date(sheet, row, 0, e.date, s)?;
        text(sheet, row, 1, &e.reason, s)?;
        text(sheet, row, 2, e.amount.currency().code(), s)?;
        money(sheet, row, 3, e.amount, s)?;
        money(sheet, row, 4, e.unexplained, s)?;
        after(sheet, row, 5, e.state, s)?;
        text(sheet, row, 6, &e.records.join(" "), s)?;
        // A wrapped row has the height of its longest cell: not every program finds it by itself.
        let lines = e.explanation.len().div_ceil(88).max(e.evidence.len().div_ceil(54));
        if lines > 1 {
            sheet.set_row_height(row, 15_u32.saturating_mul(u32::try_from(lines.min(20)).unwrap_or(20)))?;
        }
        styled(sheet, row, 7, &e.explanation, &s.wrap)?;
        styled(sheet, row, 8, &e.evidence, &s.wrap)?;
    }
    table(sheet, row, COLUMNS)
}

fn fx(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[
        ("Date", 11.0, false),
        ("1 unit of", 10.0, false),
        ("In", 10.0, false),
        ("Rate", 20.0, true),
        ("Source", 40.0, false),
    ];
    titles(sheet, 0, COLUMNS, s)?;
    let mut row = 0;
    for r in &books.fx {
        row += 1;
        date(sheet, row, 0, r.date, s)?;
        text(sheet, row, 1, r.base.code(), s)?;
        text(sheet, row, 2, r.quote.code(), s)?;
        number(sheet, row, 3, r.rate, &s.rate, s)?;
        after(sheet, row, 4, &r.source, s)?;
    }
    if books.fx.is_empty() {
        row = 1;
        sheet.write_string_with_format(row, 0, "No amount crossed a currency.", &s.note)?;
    }
    for (n, note) in (2_u32..).zip(&books.fx_notes) {
        sheet.write_string_with_format(row + n, 0, note, &s.note)?;
    }
    table(sheet, row, COLUMNS)
}

fn trial_balance(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] =
        &[("Currency", 10.0, false), ("Account", 56.0, false), ("Debit", 16.0, true), ("Credit", 16.0, true)];
    titles(sheet, 0, COLUMNS, s)?;
    let mut row = 0;
    for (currency, accounts) in books.trial_balance()? {
        for (account, m) in accounts {
            row += 1;
            text(sheet, row, 0, currency.code(), s)?;
            text(sheet, row, 1, &account, s)?;
            money(sheet, row, if m.is_negative() { 3 } else { 2 }, m.abs(), s)?;
        }
    }
    table(sheet, row, COLUMNS)
}

/// Part `n` of a sheet that goes on where another ends.
fn part_name(name: &str, part: u32) -> String {
    if part == 1 { name.to_owned() } else { format!("{name} {part}") }
}

fn matches(workbook: &mut Workbook, books: &Books, s: &Styles, limit: u32) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[
        ("Date", 11.0, false),
        ("Rule", 13.0, false),
        ("Currency", 9.0, false),
        ("Amount", 14.0, true),
        ("Residual", 12.0, true),
        ("Ours", 40.0, false),
        ("Theirs", 60.0, false),
        ("Match id", 22.0, false),
    ];
    let rows = usize::try_from(limit.saturating_sub(1)).unwrap_or(usize::MAX).max(1);
    for (part, chunk) in (1_u32..).zip(books.matches.chunks(rows)) {
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(part_name("Matches", part))?;
        sheet.set_freeze_panes(1, 0)?;
        page(sheet, 0)?;
        titles(sheet, 0, COLUMNS, s)?;
        let mut row = 0;
        for m in chunk {
            row += 1;
            date(sheet, row, 0, m.date, s)?;
            text(sheet, row, 1, &m.rule, s)?;
            text(sheet, row, 2, m.amount.currency().code(), s)?;
            money(sheet, row, 3, m.amount, s)?;
            money(sheet, row, 4, m.residual, s)?;
            after(sheet, row, 5, &m.left.join(" "), s)?;
            text(sheet, row, 6, &m.right.join(" "), s)?;
            text(sheet, row, 7, &m.id, s)?;
        }
        sheet.autofilter(0, 0, row.max(1), last(COLUMNS))?;
    }
    Ok(())
}

fn not_taken(sheet: &mut Worksheet, books: &Books, s: &Styles) -> Result<(), ExportError> {
    const COLUMNS: &[Column] = &[("File", 50.0, false), ("Row", 8.0, true), ("What is wrong", 110.0, false)];
    titles(sheet, 0, COLUMNS, s)?;
    let mut row = 0;
    for n in &books.not_taken {
        row += 1;
        text(sheet, row, 0, &n.file, s)?;
        number(sheet, row, 1, Decimal::from(n.row), &s.count, s)?;
        styled(sheet, row, 2, &n.message, &s.wrap)?;
    }
    table(sheet, row, COLUMNS)
}

const LINES: &[Column] = &[
    ("Date", 11.0, false),
    ("Channel", 12.0, false),
    ("Account", 24.0, false),
    ("Kind", 18.0, false),
    ("Code", 42.0, false),
    ("Class", 18.0, false),
    ("Order", 24.0, false),
    ("Settlement", 28.0, false),
    ("Currency", 9.0, false),
    ("Amount", 14.0, true),
    ("Trace id", 60.0, false),
    ("Journal entry", 60.0, false),
];

fn lines<L: std::borrow::Borrow<Line>>(
    workbook: &mut Workbook,
    rows: &mut dyn Iterator<Item = L>,
    s: &Styles,
    limit: u32,
) -> Result<u32, ExportError> {
    let mut rows = rows.peekable();
    let mut part = 0;
    loop {
        part += 1;
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(part_name("Lines", part))?;
        sheet.set_freeze_panes(1, 0)?;
        page(sheet, 0)?;
        titles(sheet, 0, LINES, s)?;
        let mut row = 0;
        while row + 1 < limit {
            let Some(l) = rows.next() else { break };
            let l = l.borrow();
            row += 1;
            date(sheet, row, 0, l.date, s)?;
            let cells = [&l.channel, &l.account, &l.kind, &l.code, &l.class, &l.order, &l.group];
            for (col, cell) in (1_u16..).zip(cells) {
                if !cell.is_empty() {
                    text(sheet, row, col, cell, s)?;
                }
            }
            text(sheet, row, 8, l.amount.currency().code(), s)?;
            money(sheet, row, 9, l.amount, s)?;
            after(sheet, row, 10, &l.id, s)?;
            text(sheet, row, 11, &l.entry, s)?;
        }
        sheet.autofilter(0, 0, row.max(1), last(LINES))?;
        if rows.peek().is_none() {
            return Ok(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_at_the_end_of_a_sheet() {
        let line = Line {
            id: "x".into(),
            channel: "amazon".into(),
            account: "eu".into(),
            date: Date::constant(2026, 6, 1),
            kind: "Order".into(),
            code: "ItemPrice/Principal".into(),
            class: "sale".into(),
            order: "302".into(),
            group: "9".into(),
            entry: "row:x".into(),
            amount: Money::from_minor(1, Currency::EUR),
        };
        let mut workbook = Workbook::new();
        // A limit of 4 rows leaves 3 lines per sheet: 7 lines need 3 sheets.
        let all = vec![line; 7];
        assert_eq!(lines(&mut workbook, &mut all.iter(), &Styles::new(), 4).unwrap(), 3);
    }
}
