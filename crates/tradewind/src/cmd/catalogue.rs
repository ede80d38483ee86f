//! `tradewind import`.

use crate::context::{ConfigArg, block_on};
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let (numbers, warnings) = block_on(async { Ok(opened.gateway.import(&opened.folder).await?) })?;
    for warning in &warnings {
        out.note(format!("warn  {warning}"));
    }
    if out.is_json() {
        out.json(&numbers)?;
    } else {
        out.text(format!(
            "imported {} SKUs of {} products, {} of them new",
            numbers.variants, numbers.products, numbers.new
        ))?;
    }
    Ok(Exit::Ok)
}
