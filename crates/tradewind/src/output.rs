//! What every command shares: exit codes, printing, and how an error is shown.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;
use tradewind_fx::import::ImportError;
use tradewind_gateway::GatewayError;
use tradewind_gateway::catalogue::{Problem, Refused};
use tradewind_gateway::config::ConfigError;
use tradewind_landed_cost::pack::PackSetError;
use tradewind_landed_cost::rates::tariff::TariffError;

/// How a command ended, for scripts. The numbers are a promise: see `docs/cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, or nothing to change.
    Ok,
    /// 1: the command could not do its work: bad input, missing file, internal error.
    Failed,
    /// 2: there are changes (of a plan), or something is still open.
    Changes,
    /// 3: something is blocked or needs a decision.
    Blocked,
    /// 4: a channel answered with an error.
    Channel,
    /// 5: some items went through and some did not.
    Partial,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::Blocked => 3,
            Exit::Channel => 4,
            Exit::Partial => 5,
        }
    }
}

impl Exit {
    /// How a command ends that could not go on. A plan that does not fit is a person's to make anew.
    pub(crate) fn of_error(error: &anyhow::Error) -> Exit {
        let plan = |e: &GatewayError| matches!(e, GatewayError::Stale(_) | GatewayError::Edited { .. });
        let decide = error.chain().any(|cause| cause.downcast_ref().is_some_and(plan));
        if decide { Exit::Blocked } else { Exit::Failed }
    }

    /// Of so many calls to channels so many failed: all is a channel error, some is partial, and so is one where something
    /// `came` all the same.
    pub(crate) fn of_failures(failed: u32, asked: u32, came: bool) -> Exit {
        match failed {
            0 => Exit::Ok,
            n if n >= asked && !came => Exit::Channel,
            _ => Exit::Partial,
        }
    }
}

/// Where a command prints. Standard output carries the answer and nothing else; progress, hints and errors
/// go to standard error.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Output {
        Output { json, quiet }
    }

    /// The caller asked for JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Progress may be drawn: a person watches, and did not ask for silence.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && !self.json && std::io::stderr().is_terminal()
    }

    /// One JSON document and a line end. A closed pipe is not an error.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let written = serde_json::to_writer(&mut out, value).map_err(std::io::Error::from);
        ignore_closed_pipe(written.and_then(|()| out.write_all(b"\n")))
    }

    /// Text for a person, and a line end.
    pub(crate) fn text(&self, text: impl AsRef<str>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        ignore_closed_pipe(out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n")))
    }

    /// What a person has to be told for the command to go on: on standard error, also when quiet.
    pub(crate) fn ask(text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }

    /// A remark on standard error, unless quiet.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    /// An error with its causes: on standard error for a person, as `{"error":{...}}` on standard output for
    /// a program.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let mut causes: Vec<String> = Vec::new();
        let mut said = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Many errors print their cause themselves: it is not said twice.
            if !said.ends_with(&cause) {
                causes.push(cause.clone());
                said = cause;
            }
        }
        if self.json {
            let mut told = serde_json::json!({"message": error.to_string(), "causes": causes});
            let problems = places(error);
            // The first place beside the words; all of them where there are several.
            for (name, value) in problems.first().into_iter().flat_map(serde_json::Map::iter) {
                if name != "message" {
                    told[name.as_str()] = value.clone();
                }
            }
            if problems.len() > 1 {
                told["problems"] = problems.into();
            }
            let _ = self.json(&serde_json::json!({"error": told}));
        } else {
            let mut err = std::io::stderr().lock();
            let _ = writeln!(err, "error: {error}");
            for cause in causes {
                let _ = writeln!(err, "  because: {cause}");
            }
        }
    }
}

/// Where in which files the fault is: `file`, `line` and `column` as far as they are known, `field` of a row.
pub(crate) fn places(error: &anyhow::Error) -> Vec<serde_json::Map<String, Value>> {
    let rows = |refused: &Refused| refused.0.iter().map(row).collect();
    for cause in error.chain() {
        if let Some(GatewayError::Catalogue(refused)) = cause.downcast_ref() {
            return rows(refused);
        }
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return rows(refused);
        }
        if let Some(e) = cause.downcast_ref::<ConfigError>() {
            return e
                .place()
                .map(|(file, line, column)| place(file, line, column, &e.to_string()))
                .into_iter()
                .collect();
        }
        if let Some(e) = cause.downcast_ref::<ImportError>() {
            return vec![place(&e.file, Some(e.line), None, &e.what)];
        }
        if let Some(e) = cause.downcast_ref::<TariffError>() {
            return vec![place(&e.file, Some(e.line), None, &e.what)];
        }
        if let Some(e) = cause.downcast_ref::<PackSetError>() {
            return e.0.iter().map(|p| place(&p.file, Some(p.line as u64), None, &p.message)).collect();
        }
    }
    Vec::new()
}

/// One place, with what is wrong there.
fn place(
    file: &str,
    line: Option<u64>,
    column: Option<u64>,
    message: &str,
) -> serde_json::Map<String, Value> {
    let mut told = serde_json::Map::new();
    told.insert("file".to_owned(), file.into());
    let numbers = [("line", line), ("column", column)];
    for (name, n) in numbers.into_iter().filter_map(|(name, n)| Some((name, n.filter(|n| *n > 0)?))) {
        told.insert(name.to_owned(), n.into());
    }
    told.insert("message".to_owned(), message.into());
    told
}

/// A row of a file, as a program reads it.
pub(crate) fn row(p: &Problem) -> serde_json::Map<String, Value> {
    let mut told = place(&p.file, Some(p.row), None, &p.message);
    if !p.field.is_empty() {
        told.insert("field".to_owned(), p.field.clone().into());
    }
    told
}

/// A table for a person: as wide as the terminal, and as its content where nobody looks (a pipe, a file).
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Columns of the terminal; `None` where nobody looks (a pipe, a file).
pub(crate) fn width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// A row of a [`listing`]: its cells, and a text that belongs below them.
pub(crate) struct Entry {
    pub(crate) cells: Vec<String>,
    pub(crate) below: String,
}

/// Rows in columns, with what is long below its row: no cell is broken, so that an id can be copied, and no row is padded to the
/// longest text of another. Where the columns do not fit, the cells of a row follow one another, in as many lines as they need.
pub(crate) fn listing(header: &[&str], rows: &[Entry], width: Option<usize>) -> String {
    let long = |text: &str| text.chars().count();
    let mut columns: Vec<usize> = header.iter().map(|h| long(h)).collect();
    for row in rows {
        for (n, cell) in row.cells.iter().enumerate() {
            match columns.get_mut(n) {
                Some(w) => *w = long(cell).max(*w),
                None => columns.push(long(cell)),
            }
        }
    }
    let whole = columns.iter().sum::<usize>() + 2 * columns.len().saturating_sub(1);
    let fits = width.is_none_or(|w| whole <= w);
    let mut lines: Vec<String> = Vec::new();
    let padded = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells
            .zip(&columns)
            .map(|(cell, w)| format!("{cell}{}", " ".repeat(w.saturating_sub(long(cell)))))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    if fits && !header.is_empty() {
        lines.push(padded(&mut header.iter().copied()));
    }
    for row in rows {
        if fits {
            lines.push(padded(&mut row.cells.iter().map(String::as_str)));
        } else {
            flow("", row.cells.iter().map(String::as_str).filter(|c| !c.is_empty()), "  ", width, &mut lines);
        }
        flow("    ", row.below.split_whitespace(), " ", width, &mut lines);
    }
    lines.join("\n")
}

/// Words one after another in lines within the width; what follows the first line is set in.
fn flow<'a>(
    indent: &str,
    words: impl Iterator<Item = &'a str>,
    between: &str,
    width: Option<usize>,
    lines: &mut Vec<String>,
) {
    let mut line = String::new();
    for word in words {
        if line.is_empty() {
            line = format!("{indent}{word}");
        } else if width.is_none_or(|w| (line.chars().count() + between.len() + word.chars().count()) <= w) {
            line.push_str(between);
            line.push_str(word);
        } else {
            lines.push(std::mem::take(&mut line));
            line = format!("{}{word}", if indent.is_empty() { "  " } else { indent });
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
}

/// Counts that are not zero, in words: `3 booked, 1 stuck`; `none` when all are.
pub(crate) fn counts<N: Into<u64> + Copy>(parts: &[(N, &str)], none: &str) -> String {
    let told: Vec<String> = parts
        .iter()
        .map(|(n, what)| ((*n).into(), what))
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if told.is_empty() { none.to_owned() } else { told.join(", ") }
}

/// The name of a state as a person reads it: `NeedsResponse` is `needs response`.
pub(crate) fn words(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn ignore_closed_pipe(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Entry> {
        let entry = |cells: [&str; 4], below: &str| Entry {
            cells: cells.map(str::to_owned).to_vec(),
            below: below.to_owned(),
        };
        vec![
            entry(["amazon-de", "302-0000001-0000001", "2026-03-02 10:00", "23.00 EUR"], ""),
            entry(
                ["shop", "1", "2026-03-02 11:00", "7.00 EUR"],
                "a long note that is told below the row which it is of",
            ),
        ]
    }

    const HEADER: [&str; 4] = ["account", "order", "placed (UTC)", "total"];

    /// 9 + 19 + 16 + 9 columns with two between each: 59.
    #[test]
    fn columns_where_they_fit_and_whole_cells_where_they_do_not() {
        let wide = listing(&HEADER, &rows(), Some(59));
        assert!(wide.starts_with("account    order                placed (UTC)      total\n"), "{wide}");
        for width in [20, 30, 50, 58] {
            let told = listing(&HEADER, &rows(), Some(width));
            assert!(told.lines().all(|l| l.chars().count() <= width.max(21)), "{width}: {told}");
            // Ids and amounts whole, each in one line; no heading of columns that are not there.
            for cell in ["302-0000001-0000001", "23.00 EUR", "2026-03-02 10:00"] {
                assert!(told.lines().any(|l| l.contains(cell)), "{width}: {told}");
            }
            assert!(!told.contains("placed"), "{told}");
        }
    }

    #[test]
    fn a_long_text_pads_no_other_row() {
        let told = listing(&HEADER, &rows(), None);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "    a long note that is told below the row which it is of");
        assert!(lines[..3].iter().all(|l| l.chars().count() <= 59 && !l.ends_with(' ')), "{told}");
    }
}
