//! `tradewind demo`: one whole trade on simulated channels, over real HTTP, on virtual time.
//!
//! The gateway under the demo is the real one: same connectors, pipeline, store and use cases. Only the clock and
//! the seeds are ours. Figures of what was placed, sold and paid come from the simulator's own ledger, never from
//! our books; comparing the two is the point.

mod summary;
mod world;

use std::path::PathBuf;

use tradewind_simulator::Profile;

use crate::context::block_on;
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seed of the world: the same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Selling days.
    #[arg(long, default_value_t = 3)]
    days: u32,
    /// Faults that the channels inject: none, mild or hostile.
    #[arg(long, default_value = "mild")]
    faults: String,
    /// Work in this folder (a fresh temporary one otherwise).
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let profile: Profile = args.faults.parse().map_err(|e| anyhow::anyhow!("--faults: {e}"))?;
    let temporary = match &args.dir {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let folder =
        args.dir.clone().or_else(|| temporary.as_ref().map(|t| t.path().to_owned())).unwrap_or_default();
    let summary = block_on(world::play(args.seed, args.days, profile, folder, out))?;
    if out.is_json() {
        out.json(&summary)?;
    } else {
        out.text(summary.table())?;
    }
    Ok(if summary.is_clean() { Exit::Ok } else { Exit::Blocked })
}
