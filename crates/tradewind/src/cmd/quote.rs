//! `tradewind quote`: landed cost of an order, for a person or a program; batches stream.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use comfy_table::{Cell, CellAlignment, Table, presets};
use tradewind_domain::Money;
use tradewind_landed_cost::batch::{self, BatchError, Shape};
use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::{Engine, Quote, Status};
use tradewind_landed_cost::request::Request;

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The request: a JSON object, an array, or JSON lines. `-` reads standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    request: PathBuf,
    /// Rule packs to use instead of the ones in the program; older versions under DIR/versions.
    #[arg(long, value_name = "DIR", env = "TRADEWIND_PACKS")]
    packs: Option<PathBuf>,
    #[command(flatten)]
    sources: super::tariff::SourceArgs,
}

/// The packs of a folder, or the program's own.
pub(super) fn packs(dir: Option<&Path>) -> anyhow::Result<PackSet> {
    Ok(match dir {
        Some(d) => {
            PackSet::from_dir(d).with_context(|| format!("the rule packs of {} are refused", d.display()))?
        }
        None => PackSet::embedded()?,
    })
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let mut packs = packs(args.packs.as_deref())?;
    if args.packs.is_some() {
        // Behind a folder the program's own packs stand as older versions: a quote pinned to them can be had again.
        packs.keep_older(PackSet::embedded()?);
    }
    let sources = args.sources.load()?;
    let rates = sources.rates();
    let engine = Engine::new(&packs).with_tariff(&sources.tariff).with_fx(&rates);
    let name = if args.request.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        args.request.display().to_string()
    };
    let input: Box<dyn BufRead> = if args.request.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(&args.request).with_context(|| format!("{name} cannot be read"))?))
    };
    let mut input = batch::Lines::new(input);
    let shape = batch::shape(&mut input)?;
    let mut sink = BufWriter::new(std::io::stdout().lock());
    let (mut count, mut failed, mut open) = (0_usize, 0_usize, 0_usize);
    let array = shape == Shape::Array && out.is_json();
    let mut each = |line: usize, text: &str| -> Result<(), String> {
        count += 1;
        let separator: &[u8] = match (array, count) {
            (false, _) => b"",
            // With the first answer, so that standard output holds one document also where there is none.
            (true, 1) => b"[",
            (true, _) => b",\n",
        };
        let answer = Request::parse(text)
            .map_err(|e| (line + e.line - 1, e.message))
            .and_then(|r| engine.quote(&r).map_err(|e| (line, e.to_string())));
        let written = sink.write_all(separator).and_then(|()| match &answer {
            Ok(quote) => {
                open += usize::from(quote.status != Status::Complete);
                if out.is_json() {
                    serde_json::to_writer(&mut sink, quote).map_err(std::io::Error::from)
                } else {
                    sink.write_all(table(quote).as_bytes())
                }
            }
            Err((line, message)) => {
                failed += 1;
                let message = format!("{name}:{line}: request {count}: {message}");
                out.note(format!("error: {message}"));
                if out.is_json() {
                    serde_json::to_writer(&mut sink, &said(&message)).map_err(std::io::Error::from)
                } else {
                    Ok(())
                }
            }
        });
        let written = written.and_then(|()| if array { Ok(()) } else { sink.write_all(b"\n") });
        written.map_err(|e| e.to_string())
    };
    let mut result = batch::for_each(input, shape, &mut each);
    let mut broke_off: Option<String> = None;
    // What was answered stands: an input that breaks off later is the last thing said among the answers.
    if count > 0
        && let Err(e @ (BatchError::Json(_) | BatchError::Io(_))) = &result
    {
        let message = format!("{name}: after {count} requests: {e}");
        out.note(format!("error: {message}"));
        broke_off = Some(message);
        result = Ok(count);
    }
    let mut end = || -> std::io::Result<()> {
        if let Some(message) = broke_off.as_ref().filter(|_| out.is_json()) {
            sink.write_all(if array { b",\n" } else { b"" })?;
            serde_json::to_writer(&mut sink, &said(message))?;
            sink.write_all(if array { b"" } else { b"\n" })?;
        }
        if array && count > 0 {
            sink.write_all(b"]\n")?;
        }
        sink.flush()
    };
    if let Err(e) = end()
        && e.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(e.into());
    }
    drop(sink);
    result.with_context(|| format!("{name}: after {count} requests"))?;
    if count == 0 {
        bail!("{name}: no request in it: give a JSON object, an array, or JSON lines");
    }
    if failed > 0 || broke_off.is_some() {
        return Ok(if failed == count { Exit::Failed } else { Exit::Partial });
    }
    if open > 0 {
        out.note(format!("{open} of {count} quotes are not complete: see status and missing"));
    }
    Ok(Exit::Ok)
}

/// An error in the place of an answer.
fn said(message: &str) -> serde_json::Value {
    serde_json::json!({"error": {"message": message, "causes": []}})
}

fn shown(m: Option<Money>) -> String {
    m.map_or_else(|| "?".to_owned(), Money::amount)
}

/// A quote as a table that adds up, with each charge's reason below.
pub(super) fn table(q: &Quote) -> String {
    let right = |s: String| Cell::new(s).set_alignment(CellAlignment::Right);
    let mut t = Table::new();
    t.load_style(presets::ASCII_MARKDOWN);
    t.set_header([
        "line",
        "goods",
        "freight",
        "insurance",
        "duty",
        "excise",
        "cons. tax",
        "vat",
        "fees",
        "landed",
    ]);
    for l in &q.lines {
        t.add_row(vec![
            Cell::new(&l.id),
            right(l.goods.amount()),
            right(l.freight.amount()),
            right(l.insurance.amount()),
            right(shown(l.duty)),
            right(shown(l.excise)),
            right(shown(l.consumption_tax)),
            right(shown(l.vat)),
            right(String::new()),
            right(shown(l.landed)),
        ]);
    }
    let s = &q.totals;
    t.add_row(vec![
        Cell::new("total"),
        right(s.goods.amount()),
        right(s.freight.amount()),
        right(s.insurance.amount()),
        right(shown(s.duty)),
        right(shown(s.excise)),
        right(shown(s.consumption_tax)),
        right(shown(s.vat)),
        right(shown(s.fees)),
        right(shown(s.landed)),
    ]);
    let status =
        serde_json::to_value(q.status).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let mut text = format!("{status}, {}, law of {}\n{t}\n", q.currency, q.legal_event_at);
    for l in &q.lines {
        for c in &l.charges {
            text.push_str(&format!(
                "  line {}: {} {} {}: {}\n",
                l.id,
                c.kind,
                c.amount.amount(),
                c.collector,
                c.why()
            ));
        }
    }
    for f in &q.fees {
        text.push_str(&format!("  fee: {} {}: {}\n", f.kind, f.amount.amount(), f.why));
    }
    for w in &q.waived {
        text.push_str(&format!("  waived: {} {}: {}\n", w.kind, w.computed.amount(), w.why));
    }
    if let Some(b) = &q.bounds {
        let high = b.taxes.high.map_or_else(|| "not known".to_owned(), Money::amount);
        text.push_str(&format!("  taxes: at least {}, at most {high}\n", b.taxes.low.amount()));
    }
    for (name, list) in [("missing", &q.missing), ("flags", &q.flags)] {
        if !list.is_empty() {
            text.push_str(&format!("  {name}: {}\n", list.join(", ")));
        }
    }
    if let Some(r) = &q.reason {
        text.push_str(&format!("  reason: {r}\n"));
    }
    if let Some(f) = &q.fallback {
        text.push_str(&format!("  instead: {f}\n"));
    }
    for (name, digest) in &q.packs {
        text.push_str(&format!("  pack {name} {digest}\n"));
    }
    for p in q.parcels.iter().flatten() {
        text.push_str(&format!(
            "\nparcel {}\n{}",
            p.parcel.as_deref().unwrap_or_default().join(", "),
            table(p)
        ));
    }
    text
}
