//! `tradewind demo`: one whole trade on simulated channels, over real HTTP, on virtual time.
//!
//! The gateway under the demo is the real one: same connectors, pipeline, store and use cases. Only the clock and
//! the seeds are ours. Figures of what was placed, sold and paid come from the simulator's own ledger, never from
//! our books; comparing the two is the point.

mod summary;
mod table;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tradewind_simulator::{Demand, Profile, Simulator};

use crate::context::block_on;
use crate::output::{Exit, Output};
use crate::side::Side;
use crate::simulated;
use summary::Summary;

/// Buyers per channel and day.
pub(super) const ORDERS_PER_DAY: u32 = 12;
/// Buyers come from this day on; before it, the offers go up.
pub(super) const FIRST_DAY: u32 = 1;
/// How long a hung request keeps us waiting, in real time: the demo must not take a coffee break.
const HANG: Duration = Duration::from_millis(5);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seed of the world: the same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Selling days.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    days: u32,
    /// Faults that the channels inject: none, mild or hostile.
    #[arg(long, default_value = "mild")]
    faults: String,
    /// Work in this folder, and leave it for a look (a fresh temporary one otherwise).
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Play against a world that runs already (`tradewind simulate --scale 0`), by the address of any of its channels;
    /// with --dir, a demo that was killed goes on where it stopped.
    #[arg(long, value_name = "URL")]
    world: Option<String>,
}

/// The demo's demand: as many buyers a day and channel as there are hours on a clock face.
pub(super) fn demand(days: u32) -> Demand {
    Demand { orders_per_day: ORDERS_PER_DAY, days, first_day: FIRST_DAY, ..Demand::default() }
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let profile: Profile = args.faults.parse().map_err(|e| anyhow::anyhow!("--faults: {e}"))?;
    let temporary = match &args.dir {
        // Anybody else's shop is not written over, and nobody is told to remove it.
        Some(dir) if simulated::foreign_shop(dir) => {
            bail!("{} holds a shop already: choose another folder", dir.display())
        }
        Some(dir) if !dir.join("tradewind.toml").exists() && dir.join("tradewind.db").exists() => {
            bail!("{} holds a store already: choose another folder", dir.display())
        }
        // A demo that was killed goes on with the shop that it wrote, in the world that it left.
        Some(dir) if args.world.is_none() && dir.join("tradewind.toml").exists() => {
            bail!("{} holds a simulated shop already: choose another folder", dir.display())
        }
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let folder =
        args.dir.clone().or_else(|| temporary.as_ref().map(|t| t.path().to_owned())).unwrap_or_default();
    let summary = block_on(play(args, profile, &folder, out))?;
    if out.is_json() {
        out.json(&summary)?;
    } else {
        out.text(table::of(&summary, args.days, &args.faults))?;
        if let Some(dir) = &args.dir {
            out.note(format!("look around: cd {} && tradewind orders --offline", dir.display()));
        }
    }
    Ok(if summary.faults().is_empty() { Exit::Ok } else { Exit::Blocked })
}

async fn play(args: &Args, profile: Profile, folder: &Path, out: &Output) -> anyhow::Result<Summary> {
    let own = match &args.world {
        Some(_) => None,
        None => {
            let builder =
                Simulator::builder().seed(args.seed).faults(profile).demand(demand(args.days)).hang(HANG);
            Some(builder.start().await?)
        }
    };
    let url = match (&args.world, &own) {
        (Some(url), _) => url.clone(),
        (None, Some(simulator)) => simulator.base_urls().into_values().next().unwrap_or_default(),
        (None, None) => String::new(),
    };
    let side = Side::connect(&url).await.with_context(|| format!("--world {url}"))?;
    if args.world.is_some() {
        side.is_of(args.seed, args.days, profile).await?;
    }
    let summary = world::play(args.seed, args.days, &side, folder, out).await;
    if let Some(simulator) = own {
        simulator.shutdown();
    }
    summary
}
