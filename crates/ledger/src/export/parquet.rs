//! Parquet, partitioned by month: `journal/month=2026-06/part-0.parquet`, and so `matches`, `differences`, `lines`.
//!
//! Amounts are Decimal128(38, 4): four decimals hold every ISO currency, so one column holds them all. Dates are date32.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::{ArrayRef, Date32Array, Decimal128Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use jiff::civil::Date;
use tradewind_domain::Money;

use super::{Books, ExportError, folder, month};

/// Rows held at once.
const BATCH: usize = 64 * 1024;
const SCALE: i8 = 4;

fn bad(e: impl std::fmt::Display) -> ExportError {
    ExportError::Parquet(e.to_string())
}

/// Minor units at scale 4.
fn scaled(m: Money) -> i128 {
    let up = u32::try_from(SCALE).unwrap_or(0).saturating_sub(m.currency().exponent());
    i128::from(m.minor()) * 10_i128.pow(up)
}

fn days(d: Date) -> i32 {
    Date::constant(1970, 1, 1).until(d).map_or(0, |s| s.get_days())
}

enum Cell<'a> {
    Day(Date),
    Text(std::borrow::Cow<'a, str>),
    Amount(Money),
}

fn t(text: &str) -> Cell<'_> {
    Cell::Text(text.into())
}

fn joined(ids: &[String]) -> Cell<'static> {
    Cell::Text(ids.join(" ").into())
}

/// A column's name and kind: `d`ate, `t`ext, `a`mount.
type Column = (&'static str, char);

pub(super) fn write(books: &Books, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut files = Vec::new();
    table(
        &out.join("journal"),
        &[
            ("date", 'd'),
            ("entry", 't'),
            ("account", 't'),
            ("amount", 'a'),
            ("currency", 't'),
            ("group", 't'),
            ("channel", 't'),
            ("text", 't'),
            ("trace", 't'),
        ],
        &mut books.journal.iter().flat_map(|e| {
            e.postings.iter().map(move |p| {
                let cells = vec![
                    Cell::Day(e.date),
                    t(&e.id),
                    t(&p.account),
                    Cell::Amount(p.amount),
                    Cell::Text(p.amount.currency().to_string().into()),
                    t(&e.group),
                    t(&e.channel),
                    t(&e.text),
                    joined(&e.trace),
                ];
                (e.date, cells)
            })
        }),
        &mut files,
    )?;
    table(
        &out.join("matches"),
        &[
            ("date", 'd'),
            ("match", 't'),
            ("rule", 't'),
            ("left", 't'),
            ("right", 't'),
            ("amount", 'a'),
            ("residual", 'a'),
            ("currency", 't'),
        ],
        &mut books.matches.iter().map(|m| {
            let cells = vec![
                Cell::Day(m.date),
                t(&m.id),
                t(&m.rule),
                joined(&m.left),
                joined(&m.right),
                Cell::Amount(m.amount),
                Cell::Amount(m.residual),
                Cell::Text(m.amount.currency().to_string().into()),
            ];
            (m.date, cells)
        }),
        &mut files,
    )?;
    table(
        &out.join("differences"),
        &[
            ("date", 'd'),
            ("reason", 't'),
            ("amount", 'a'),
            ("currency", 't'),
            ("unexplained", 'a'),
            ("state", 't'),
            ("records", 't'),
            ("explanation", 't'),
            ("evidence", 't'),
        ],
        &mut books.exceptions.iter().map(|e| {
            let cells = vec![
                Cell::Day(e.date),
                t(&e.reason),
                Cell::Amount(e.amount),
                Cell::Text(e.amount.currency().to_string().into()),
                Cell::Amount(e.unexplained),
                t(e.state),
                joined(&e.records),
                t(&e.explanation),
                t(&e.evidence),
            ];
            (e.date, cells)
        }),
        &mut files,
    )?;
    table(
        &out.join("lines"),
        &[
            ("date", 'd'),
            ("channel", 't'),
            ("account", 't'),
            ("id", 't'),
            ("kind", 't'),
            ("code", 't'),
            ("class", 't'),
            ("order", 't'),
            ("group", 't'),
            ("amount", 'a'),
            ("currency", 't'),
            ("entry", 't'),
        ],
        &mut books.lines.iter().map(|l| {
            let cells = vec![
                Cell::Day(l.date),
                t(&l.channel),
                t(&l.account),
                t(&l.id),
                t(&l.kind),
                t(&l.code),
                t(&l.class),
                t(&l.order),
                t(&l.group),
                Cell::Amount(l.amount),
                Cell::Text(l.amount.currency().to_string().into()),
                t(&l.entry),
            ];
            (l.date, cells)
        }),
        &mut files,
    )?;
    Ok(files)
}

fn table<'a>(
    dir: &Path,
    columns: &[Column],
    rows: &mut dyn Iterator<Item = (Date, Vec<Cell<'a>>)>,
    files: &mut Vec<PathBuf>,
) -> Result<(), ExportError> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, kind)| {
            let data = match kind {
                'd' => DataType::Date32,
                'a' => DataType::Decimal128(38, SCALE),
                _ => DataType::Utf8,
            };
            Field::new(*name, data, false)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    // Rows come by date, so one writer is open at a time and each month is one file.
    let mut open: Option<(String, ArrowWriter<File>)> = None;
    let mut batch: Vec<Vec<Cell<'a>>> = Vec::new();
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    for (day, cells) in rows {
        let name = month(day);
        if open.as_ref().is_none_or(|(n, _)| *n != name) {
            close(&mut open, &mut batch, columns, &schema)?;
            if seen.insert(name.clone(), ()).is_some() {
                return Err(bad("rows are not in the order of their dates"));
            }
            let path = dir.join(format!("month={name}")).join("part-0.parquet");
            if let Some(parent) = path.parent() {
                folder(parent)?;
            }
            let file =
                File::create(&path).map_err(|source| ExportError::Io { path: path.clone(), source })?;
            let level = ZstdLevel::try_new(3).map_err(bad)?;
            let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
            open = Some((name, ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(bad)?));
            files.push(path);
        }
        batch.push(cells);
        if batch.len() >= BATCH {
            flush(&mut open, &mut batch, columns, &schema)?;
        }
    }
    close(&mut open, &mut batch, columns, &schema)
}

type Open = Option<(String, ArrowWriter<File>)>;

fn close(
    open: &mut Open,
    batch: &mut Vec<Vec<Cell<'_>>>,
    columns: &[Column],
    schema: &Arc<Schema>,
) -> Result<(), ExportError> {
    flush(open, batch, columns, schema)?;
    if let Some((_, writer)) = open.take() {
        writer.close().map_err(bad)?;
    }
    Ok(())
}

fn flush(
    open: &mut Open,
    batch: &mut Vec<Vec<Cell<'_>>>,
    columns: &[Column],
    schema: &Arc<Schema>,
) -> Result<(), ExportError> {
    let Some((_, writer)) = open.as_mut().filter(|_| !batch.is_empty()) else { return Ok(()) };
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (i, (_, kind)) in columns.iter().enumerate() {
        let cells = batch.iter().map(|row| row.get(i));
        arrays.push(match kind {
            'd' => Arc::new(Date32Array::from_iter_values(cells.map(|c| match c {
                Some(Cell::Day(d)) => days(*d),
                _ => 0,
            }))),
            'a' => {
                let values = Decimal128Array::from_iter_values(cells.map(|c| match c {
                    Some(Cell::Amount(m)) => scaled(*m),
                    _ => 0,
                }));
                Arc::new(values.with_precision_and_scale(38, SCALE).map_err(bad)?)
            }
            _ => Arc::new(StringArray::from_iter_values(cells.map(|c| match c {
                Some(Cell::Text(text)) => text.as_ref(),
                _ => "",
            }))),
        });
    }
    let record = RecordBatch::try_new(schema.clone(), arrays).map_err(bad)?;
    writer.write(&record).map_err(bad)?;
    batch.clear();
    Ok(())
}
