//! `tradewind simulate`: the fakes on their own, for any client.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::{Span, SpanRelativeTo, Timestamp};
use tradewind_connector::Clock as _;
use tradewind_simulator::{Demand, Profile, Simulator};

use crate::context::{ConfigArg, block_on};
use crate::output::{Exit, Output};
use crate::side::Side;
use crate::simulated;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Seed of the world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults: none, mild or hostile.
    #[arg(long, default_value = "none")]
    faults: String,
    /// Only these channels.
    #[arg(long, value_delimiter = ',')]
    channels: Option<Vec<String>>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// First of consecutive ports; 0 takes any free ones.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Virtual seconds per real second; 0: time stands until somebody moves it (`tradewind simulate advance`, commands of
    /// the shop that wait, POST /_sim/advance).
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// When the world begins: now, or 2026-03-02T00:00:00Z where time stands.
    #[arg(long, value_name = "INSTANT")]
    start: Option<Timestamp>,
    /// Buyers per channel and virtual day.
    #[arg(long, default_value_t = super::demo::ORDERS_PER_DAY)]
    orders: u32,
    /// Virtual days on which buyers come.
    #[arg(long, default_value_t = 3)]
    days: u32,
    /// The first of them: 0 is the day on which the world begins.
    #[arg(long, default_value_t = 0)]
    first_day: u32,
    /// Write a shop that is connected to these channels into this folder: configuration, catalogue, test credentials.
    #[arg(long, value_name = "DIR")]
    shop: Option<PathBuf>,
    /// Send signed notifications for the shop's accounts to `tradewind listen`, at this address of its.
    #[arg(long, value_name = "URL", requires = "shop")]
    hooks: Option<String>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Move the time of the world that a shop's channels live in: buyers come, parcels travel, money is paid out
    Advance(Advance),
}

#[derive(clap::Args)]
struct Advance {
    #[command(flatten)]
    config: ConfigArg,
    /// How far: `30m`, `6h`, `1d`.
    by: Span,
}

fn advance(args: &Advance, out: &Output) -> anyhow::Result<Exit> {
    let (config, _) = args.config.load()?;
    let Some(simulated) = &config.simulated else {
        bail!(
            "{} names no simulated world: tradewind simulate --shop DIR writes a shop that has one",
            args.config.config.display()
        )
    };
    let by = args.by.to_duration(SpanRelativeTo::days_are_24_hours());
    let by = by
        .and_then(Duration::try_from)
        .with_context(|| format!("{}: use days, hours, minutes; forward", args.by))?;
    let now = block_on(async {
        let side = Side::connect(&simulated.world).await?;
        side.advance_by(by).await?;
        Ok(side.now())
    })?;
    if out.is_json() {
        out.json(&serde_json::json!({"now": now}))?;
    } else {
        out.text(format!("it is {now} now"))?;
    }
    Ok(Exit::Ok)
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    if let Some(What::Advance(args)) = &args.what {
        return advance(args, out);
    }
    let profile: Profile =
        args.faults.parse().map_err(|e| anyhow::anyhow!("--faults {}: {e}", args.faults))?;
    block_on(async {
        let demand = Demand {
            orders_per_day: args.orders,
            days: args.days,
            first_day: args.first_day,
            ..Demand::default()
        };
        let mut builder = Simulator::builder()
            .seed(args.seed)
            .faults(profile)
            .demand(demand)
            .listen(args.listen, args.port);
        if let Some(channels) = &args.channels {
            builder = builder.channels(channels.clone());
        }
        match args.start {
            Some(start) => builder = builder.start_at(start),
            // Clients on the machine's clock must see its time: tokens, signatures and order windows live on it.
            None if args.scale > 0 => builder = builder.start_at(Timestamp::now()),
            None => {}
        }
        let simulator = builder.start().await?;
        if args.scale > 0 {
            simulator.run_clock(args.scale);
        }
        if let Some(shop) = &args.shop {
            if shop.join("tradewind.toml").exists() {
                bail!("{} holds a shop already: choose another folder", shop.display());
            }
            let today = simulator.now().to_zoned(jiff::tz::TimeZone::UTC).date();
            let world = simulator.base_urls().into_values().next();
            simulated::write_shop(shop, &simulated::running(&simulator), Some(today), world.as_deref())?;
            if let Some(local) = &args.hooks {
                simulator.proxy(simulated::PUBLIC, local.trim_end_matches('/'));
                for (account, connector) in simulated::accounts()? {
                    let address = format!("{}/hooks/{account}", simulated::PUBLIC);
                    if simulator.subscribe(&connector, &address) {
                        out.note(format!("{connector:<14} notifies {address}, which leads to {local}"));
                    }
                }
            }
        }
        for name in simulator.channels() {
            if out.is_json() {
                out.json(&serde_json::json!({"channel": name, "url": simulator.base_url(name)}))?;
            } else {
                out.text(format!("{name:<14} {}", simulator.base_url(name)))?;
            }
        }
        if let Some(shop) = &args.shop {
            out.note(format!(
                "next, in another terminal: cd {} && tradewind import && tradewind plan; tradewind simulate advance 1d lets a day pass",
                shop.display()
            ));
        }
        out.note("control: GET /_sim/time /_sim/ledger, POST /_sim/advance; stop with Ctrl-C");
        tokio::signal::ctrl_c().await.context("Ctrl-C cannot be awaited")?;
        simulator.shutdown();
        Ok(Exit::Ok)
    })
}
