//! From the configuration file to a gateway that is ready: store open, accounts open, nothing called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use secrecy::SecretString;
use tradewind_connector::{Clock, Connector, HttpTransport, Limiter, OsChance, Runtime, SystemClock};
use tradewind_domain::AccountId;
use tradewind_gateway::config::Config;
use tradewind_gateway::{Engines, Gateway};
use tradewind_store::{KeySource, SqliteStore, Store};

use crate::output::Output;
use crate::registry;
use crate::side::Side;

/// Where the configuration is; shared by all commands that need one.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigArg {
    /// Configuration file.
    #[arg(short, long, default_value = "tradewind.toml", env = "TRADEWIND_CONFIG")]
    pub(crate) config: PathBuf,
}

/// An open gateway and the folder its configuration stands in.
pub(crate) struct Opened {
    pub(crate) gateway: Gateway,
    pub(crate) folder: PathBuf,
}

impl ConfigArg {
    pub(crate) fn load(&self) -> anyhow::Result<(Config, PathBuf)> {
        let config = Config::load(&self.config)?;
        let folder = self.config.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
        Ok((config, folder))
    }

    /// Opens store and accounts on the machine's network and clock; the clock of a shop with simulated channels is theirs.
    pub(crate) fn open(&self) -> anyhow::Result<Opened> {
        let (config, folder) = self.load()?;
        let store = open_store(&config, &folder)?;
        let clock = clock_of(&config);
        let runtime = Runtime {
            transport: Arc::new(HttpTransport::new(clock.clone())?),
            chance: Arc::new(OsChance),
            journal: store.clone(),
            limiter: Arc::new(Limiter::new(clock.clone())),
            logins: Arc::default(),
            clock: clock.clone(),
        };
        let accounts = open_accounts(&config, &folder, &runtime)?;
        let engines = Arc::new(Engines::load(&config, &folder)?);
        let store: Arc<dyn Store> = store;
        Ok(Opened { gateway: Gateway { config, accounts, store, clock, engines }, folder })
    }
}

/// The machine's clock, or that of the simulated world that the shop's channels live in. Where it is gone, so are they: what
/// needs none goes on.
fn clock_of(config: &Config) -> Arc<dyn Clock> {
    let Some(simulated) = &config.simulated else { return Arc::new(SystemClock) };
    match Side::connect_now(&simulated.world) {
        Ok(side) => side,
        Err(error) => {
            tracing::warn!("{error:#}; until then, this machine's time is used");
            Arc::new(SystemClock)
        }
    }
}

/// Opens the store that a configuration names.
pub(crate) fn open_store(config: &Config, folder: &Path) -> anyhow::Result<Arc<SqliteStore>> {
    let key = match std::env::var("TRADEWIND_KEY") {
        Ok(text) => KeySource::Given(SecretString::from(text)),
        Err(_) => KeySource::File(folder.join(&config.store.key_file)),
    };
    Ok(Arc::new(SqliteStore::open(&folder.join(&config.store.path), &key)?))
}

/// Opens the accounts of a configuration. Makes no call.
pub(crate) fn open_accounts(
    config: &Config,
    folder: &Path,
    runtime: &Runtime,
) -> anyhow::Result<BTreeMap<AccountId, Arc<dyn Connector>>> {
    let mut accounts = BTreeMap::new();
    for entry in &config.account {
        let factory = registry::find(&entry.connector).with_context(|| format!("account '{}'", entry.id))?;
        let account = entry.resolve(folder)?;
        let mut runtime = runtime.clone();
        if let Some(network) = entry.network(folder, &account.secrets)? {
            let own = HttpTransport::over(runtime.clock.clone(), &network);
            runtime.transport = Arc::new(own.with_context(|| format!("account '{}'", entry.id))?);
        }
        let opened = factory.opened(account, runtime).map_err(|e| {
            let needs = format!("what it needs: tradewind connectors {}", entry.connector);
            config.mistake_of(&entry.id, format!("account '{}': {e:#} ({needs})", entry.id))
        })?;
        accounts.insert(entry.id.clone(), opened);
    }
    Ok(accounts)
}

/// Only one process at a time does `what` on a store: two that carry out one plan do no harm, and spend the channels' quota
/// twice. Holds as long as what is returned, and no longer than the process.
pub(crate) fn alone(opened: &Opened, what: &str) -> anyhow::Result<std::fs::File> {
    let mut path = opened.folder.join(&opened.gateway.config.store.path).into_os_string();
    path.push(format!(".{what}.lock"));
    let path = PathBuf::from(path);
    let cannot = || format!("{} cannot be locked", path.display());
    let file =
        std::fs::File::options().create(true).truncate(false).write(true).open(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("another `tradewind {what}` is at work on this store: wait until it is done")
        }
        Err(std::fs::TryLockError::Error(e)) => Err(e).with_context(cannot),
    }
}

/// That an account is configured; a misspelt one is told with those that are.
pub(crate) fn known(config: &Config, account: &AccountId) -> anyhow::Result<()> {
    let all: Vec<&str> = config.account.iter().map(|a| a.id.as_str()).collect();
    if all.contains(&account.as_str()) {
        return Ok(());
    }
    if all.is_empty() {
        bail!("there is no account '{account}': the configuration has none, add [[account]]");
    }
    bail!("there is no account '{account}': there are {}", all.join(", "))
}

/// A remark for who has no account yet: every command that calls channels would do nothing, and say so in zeros.
pub(crate) fn note_no_account(out: &Output, config: &Config) {
    if config.account.is_empty() {
        out.note("no account is configured: add [[account]], see tradewind connectors");
    }
}

/// Waits for work that makes calls, and shows on a terminal how many have gone out.
pub(crate) async fn watched<T>(
    out: &Output,
    gateway: &Gateway,
    what: &str,
    work: impl Future<Output = T>,
) -> T {
    if !out.shows_progress() {
        return work.await;
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                bar.finish_and_clear();
                return done;
            }
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let counts = gateway.accounts.values().map(|a| a.pipeline().counts());
                let (sent, throttled) = counts.fold((0, 0), |n, c| (n.0 + c.sent, n.1 + c.throttled));
                bar.set_message(format!("{what}: {sent} calls, {throttled} of them throttled"));
            }
        }
    }
}

/// Runs a future to its end on a fresh runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime could not start")?;
    runtime.block_on(work)
}
