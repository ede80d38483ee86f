//! Plays the demo: starts the simulator, opens the gateway on its clock, and turns the days.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use tradewind_connector::{Clock, HttpTransport, Limiter, Runtime, SeededChance};
use tradewind_gateway::Gateway;
use tradewind_gateway::config::{AccountEntry, Config};
use tradewind_simulator::{Demand, Profile, Simulator};
use tradewind_store::Store;

use super::summary::Summary;
use crate::context;
use crate::output::Output;

/// The demo's files, built into the program: the demo needs nothing but it.
const FILES: &[(&str, &str)] = &[
    ("tradewind.toml", include_str!("../../../../../config/demo/tradewind.toml")),
    ("catalogue.csv", include_str!("../../../../../config/demo/catalogue.csv")),
    ("shopify-export.csv", include_str!("../../../../../config/demo/shopify-export.csv")),
    ("google-feed.xml", include_str!("../../../../../config/demo/google-feed.xml")),
    ("customs-facts.jsonl", include_str!("../../../../../config/demo/customs-facts.jsonl")),
];

/// Buyers per store and day.
const ORDERS_PER_DAY: u32 = 12;
/// How long a hung request keeps us waiting, in real time: the demo must not take a coffee break.
const HANG: Duration = Duration::from_millis(40);
/// How often a day the gateway turns its round.
const ROUNDS: u32 = 4;
/// Days after the last sale within which everything must have ended: parcels, payouts.
const TAIL_DAYS: u32 = 25;

/// The simulator's clock: whoever waits moves it.
struct SimClock(Arc<Simulator>);

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    async fn sleep(&self, wait: Duration) {
        self.0.advance(wait);
        tokio::task::yield_now().await;
    }
}

pub(super) async fn play(
    seed: u64,
    days: u32,
    profile: Profile,
    folder: PathBuf,
    out: &Output,
) -> anyhow::Result<Summary> {
    let bar = progress(days, out);
    let demand = Demand { orders_per_day: ORDERS_PER_DAY, days, ..Demand::default() };
    let simulator = Simulator::builder().seed(seed).faults(profile).demand(demand).hang(HANG).start().await?;
    let simulator = Arc::new(simulator);
    let gateway = open(&simulator, seed, &folder)?;

    bar.set_message("importing the catalogue");
    gateway.import(&folder).await?;
    for (sku, stock) in gateway.stock().await? {
        simulator.own(sku.as_str(), u64::from(stock.value.on_hand));
    }

    bar.set_message("putting offers up");
    let plan = gateway.plan().await?;
    let blocked = plan.totals.blocked;
    let intended = plan.totals.create;
    gateway.apply(&plan).await?;
    list_everything(&gateway, &simulator).await?;
    bar.inc(1);

    let mut quiet = 0;
    for day in 0..days + TAIL_DAYS {
        bar.set_message(if day < days { "selling" } else { "delivering and settling" });
        for _ in 0..ROUNDS {
            simulator.advance(Duration::from_secs(24 * 3600 / u64::from(ROUNDS)));
            gateway.pull().await?;
            gateway.fulfil().await?;
        }
        relist(&gateway).await?;
        gateway.collect().await?;
        bar.inc(1);
        // The end: nothing open on our side, nothing undelivered or unpaid on theirs, for two days.
        let done = day >= days && Summary::is_over(&gateway, &simulator.ledger()).await?;
        quiet = if done { quiet + 1 } else { 0 };
        if quiet >= 2 {
            break;
        }
    }
    bar.finish_and_clear();
    let summary = Summary::of(seed, intended, blocked, &gateway, &simulator.ledger()).await?;
    simulator.shutdown();
    Ok(summary)
}

/// Settles and plans again until every offer is live or refused: lost answers, outages and throttling are
/// what the rounds are for.
async fn list_everything(gateway: &Gateway, simulator: &Simulator) -> anyhow::Result<()> {
    for _ in 0..60 {
        simulator.advance(Duration::from_secs(900));
        let (settled, applied) = gateway.settle().await?;
        let plan = gateway.plan().await?;
        let open = settled.waiting + settled.again + applied.deferred;
        let work = plan.changes.iter().any(|c| c.stop.is_none());
        if !work && open == 0 {
            return Ok(());
        }
        if work {
            gateway.apply(&plan).await?;
        }
    }
    Ok(())
}

/// One round of read-back, plan and apply, as the daemon turns it.
async fn relist(gateway: &Gateway) -> anyhow::Result<()> {
    gateway.settle().await?;
    let plan = gateway.plan().await?;
    if plan.changes.iter().any(|c| c.stop.is_none()) {
        gateway.apply(&plan).await?;
    }
    Ok(())
}

fn open(simulator: &Arc<Simulator>, seed: u64, folder: &Path) -> anyhow::Result<Gateway> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text)
            .with_context(|| format!("{} cannot be written", folder.join(name).display()))?;
    }
    let mut config = Config::load(&folder.join("tradewind.toml"))?;
    for entry in &mut config.account {
        connect(entry, simulator, folder)?;
    }
    let store = context::open_store(&config, folder)?;
    let clock: Arc<dyn Clock> = Arc::new(SimClock(Arc::clone(simulator)));
    let runtime = Runtime {
        transport: Arc::new(HttpTransport::new(clock.clone())?),
        chance: Arc::new(SeededChance::new(seed)),
        journal: store.clone(),
        limiter: Arc::new(Limiter::new(clock.clone())),
        clock: clock.clone(),
    };
    let accounts = context::open_accounts(&config, folder, &runtime)?;
    let store: Arc<dyn Store> = store;
    Ok(Gateway { config, accounts, store, clock })
}

/// Fills in where an account's simulated channel listens and what it accepts. Secrets go through files, as a
/// user's would.
fn connect(entry: &mut AccountEntry, simulator: &Simulator, folder: &Path) -> anyhow::Result<()> {
    let url = simulator.base_url(&entry.connector);
    let credentials = simulator.credentials(&entry.connector);
    let mut setting = |name: &str, value: String| entry.settings.insert(name.to_owned(), value.into());
    let secrets: &[&str] = match entry.connector.as_str() {
        "amazon" => {
            setting("token_endpoint", format!("{}/auth/o2/token", url.trim_end_matches('/')));
            setting("endpoint", url);
            setting("seller_id", credentials.get("seller_id").to_owned());
            setting("client_id", credentials.get("client_id").to_owned());
            &["client_secret", "refresh_token"]
        }
        "shopify" => {
            setting("endpoint", url);
            setting("shop", credentials.get("shop_domain").to_owned());
            setting("location", credentials.get("location_id").to_owned());
            setting("publication", credentials.get("publication_id").to_owned());
            &["access_token", "client_secret"]
        }
        "dhl-express" => {
            setting("endpoint", url);
            setting("account_number", credentials.get("account_number").to_owned());
            &["username", "password"]
        }
        other => anyhow::bail!("the demo does not know how to connect '{other}'"),
    };
    for name in secrets {
        let file = folder.join(format!("{}-{name}.secret", entry.connector));
        std::fs::write(&file, credentials.get(name))?;
        entry.secrets.insert((*name).to_owned(), tradewind_gateway::config::SecretSource::File(file));
    }
    Ok(())
}

fn progress(days: u32, out: &Output) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(days + TAIL_DAYS + 1));
    bar.set_draw_target(if out.shows_progress() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    if let Ok(style) = ProgressStyle::with_template("{spinner} day {pos:>3} {bar:24} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar
}
