//! `tradewind apply`: refuses a stale plan. Exit 0: all live or accepted, 4: a channel failed, 5: partial.

use std::path::PathBuf;

use anyhow::Context as _;
use tradewind_gateway::plan::Plan;

use crate::context::{ConfigArg, block_on, watched};
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Plan file of `plan --out`; without it only what is under way is settled.
    plan: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let plan: Option<Plan> = match &args.plan {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            Some(serde_json::from_slice(&text).with_context(|| format!("{} is no plan", path.display()))?)
        }
        None => None,
    };
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    let (applied, settled) = block_on(watched(out, gateway, "applying", async {
        let applied = match &plan {
            Some(plan) => gateway.apply(plan).await?,
            None => Default::default(),
        };
        let (settled, _) = gateway.settle().await?;
        Ok((applied, settled))
    }))?;
    if out.is_json() {
        out.json(&serde_json::json!({"applied": applied, "settled": settled}))?;
    } else {
        for error in &applied.errors {
            out.note(error);
        }
        out.text(format!(
            "{} accepted, {} deferred, {} rejected, {} unknown, {} postponed, {} held · {} read back live, {} waiting",
            applied.accepted,
            applied.deferred,
            applied.rejected,
            applied.indeterminate,
            applied.postponed,
            applied.held,
            settled.live,
            settled.waiting
        ))?;
    }
    let bad = applied.rejected + applied.indeterminate + applied.postponed + applied.held;
    Ok(match (bad, applied.accepted + applied.deferred) {
        (0, _) => Exit::Ok,
        (_, 0) => Exit::Channel,
        _ => Exit::Partial,
    })
}
