//! `tradewind fx`: exchange rates from published files, with the publication they came from.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use jiff::civil::Date;
use tradewind_domain::Currency;
use tradewind_fx::calendar::Regime;
use tradewind_fx::{Policy, RateBook, import};

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The rate of a day, and which publication it is of.
    Rate {
        /// Currency to convert.
        from: Currency,
        /// Currency wanted.
        to: Currency,
        /// Rate file (ECB or HMRC XML, ECB CSV, or date,base,quote,rate,source); may be repeated.
        #[arg(long = "file", required = true)]
        files: Vec<PathBuf>,
        /// The day, YYYY-MM-DD.
        #[arg(long)]
        date: Date,
        /// The publisher.
        #[arg(long, default_value = "ECB")]
        source: String,
        /// Use the rate customs would use on that day instead.
        #[arg(long, conflicts_with = "source")]
        customs: Option<Customs>,
        /// Days a daily publication may be old.
        #[arg(long, default_value_t = Policy::default().max_age_days)]
        max_age: i32,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Customs {
    /// ECB, second-last Wednesday of the month before.
    Eu,
    /// HMRC, the month.
    Uk,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let What::Rate { from, to, files, date, source, customs, max_age } = &args.what;
    let mut book = RateBook::new();
    for path in files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
        let read = import::any(&text, &name)?;
        if !read.skipped.is_empty() {
            let codes: Vec<&str> = read.skipped.iter().map(String::as_str).collect();
            out.note(format!("{name}: left out, not currencies of today: {}", codes.join(" ")));
        }
        read.into_book(&mut book);
    }
    let policy = Policy { max_age_days: *max_age };
    let rate = match customs {
        Some(Customs::Eu) => book.customs_rate(Regime::Eu, *from, *to, *date, policy)?,
        Some(Customs::Uk) => book.customs_rate(Regime::Uk, *from, *to, *date, policy)?,
        None => book.rate(&source.to_uppercase(), *from, *to, *date, policy)?,
    };
    if out.is_json() {
        out.json(&rate)?;
    } else {
        out.text(format!("{rate}\n{}  {}", rate.origin, rate.id))?;
        if let Some(note) = rate.note() {
            out.note(note);
        }
    }
    Ok(Exit::Ok)
}
