//! `tradewind settle`: money in.

use crate::context::{self, ConfigArg, block_on, watched};
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    let (collected, paid) = block_on(watched(out, gateway, "collecting", async {
        Ok((gateway.collect().await?, gateway.paid_out().await?))
    }))?;
    if out.is_json() {
        out.json(&serde_json::json!({"collected": collected, "paid_out": paid}))?;
    } else {
        for error in &collected.errors {
            out.note(error);
        }
        out.text(format!(
            "{} transactions, {} payouts, {} settlement documents, {} streams failed",
            collected.transactions, collected.payouts, collected.statements, collected.failed
        ))?;
        for (account, bag) in &paid {
            for amount in bag.iter() {
                out.text(format!("  {account:<20} {amount:>18}"))?;
            }
        }
    }
    let came = collected.transactions + collected.payouts + collected.statements > 0;
    Ok(Exit::of_failures(collected.failed, collected.asked, came))
}
