//! The other side: a simulated world, driven through its control interface — the demo's own, or one that runs already.
//! It goes on when the demo is killed, as real channels would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tradewind_connector::{Clock, HttpTransport, SystemClock, Transport as _, WireRequest};
use tradewind_simulator::{Ledger, Profile};
use url::Url;

use crate::simulated::Channels;

/// Real time that an answer of the control interface may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The world's control interface, and the clock that follows it: whoever waits moves the world's time.
pub(super) struct Side {
    base: Url,
    http: HttpTransport,
    now_ms: AtomicI64,
    start: Timestamp,
}

/// How the world was made.
#[derive(Deserialize)]
struct Made {
    seed: u64,
    days: u32,
    faults: Profile,
}

#[derive(Deserialize)]
struct Time {
    now: Timestamp,
    start: Timestamp,
}

impl Side {
    /// Connects to a world by the address of any of its channels.
    pub(super) async fn connect(url: &str) -> anyhow::Result<Arc<Side>> {
        let base = Url::parse(url).with_context(|| format!("--world {url}: not an address"))?;
        let http = HttpTransport::new(Arc::new(SystemClock))?;
        let mut side = Side { base, http, now_ms: AtomicI64::new(0), start: Timestamp::UNIX_EPOCH };
        let time: Time = side.get("/_sim/time").await.with_context(|| {
            format!("no simulated world answers at {url}: start one with tradewind simulate")
        })?;
        side.now_ms = AtomicI64::new(time.now.as_millisecond());
        side.start = time.start;
        Ok(Arc::new(side))
    }

    /// That the world is the one that the arguments speak of: they stand in the summary.
    pub(super) async fn is_of(&self, seed: u64, days: u32, faults: Profile) -> anyhow::Result<()> {
        let it: Made = self.get("/_sim/world").await?;
        if (it.seed, it.days, it.faults) == (seed, days, faults) {
            return Ok(());
        }
        let faults = format!("{:?}", it.faults).to_lowercase();
        bail!(
            "the world at {} is another one: play with --seed {} --days {} --faults {faults}",
            self.base,
            it.seed,
            it.days
        )
    }

    /// When the world began.
    pub(super) fn start(&self) -> Timestamp {
        self.start
    }

    /// Moves the world's clock to an instant; never back.
    pub(super) async fn advance_to(&self, to: Timestamp) -> anyhow::Result<()> {
        self.advance(&serde_json::json!({ "to": to })).await
    }

    /// What truly happened.
    pub(super) async fn ledger(&self) -> anyhow::Result<Ledger> {
        self.get("/_sim/ledger").await
    }

    /// Channels with addresses and test credentials.
    pub(super) async fn channels(&self) -> anyhow::Result<Channels> {
        self.get("/_sim/channels").await
    }

    /// What the seller physically owns: against it, overselling is measured.
    pub(super) async fn own(&self, stock: &BTreeMap<String, u64>) -> anyhow::Result<()> {
        let _: serde_json::Value = self.post("/_sim/own", stock).await?;
        Ok(())
    }

    async fn advance(&self, how: &serde_json::Value) -> anyhow::Result<()> {
        let time: Time = self.post("/_sim/advance", how).await?;
        self.now_ms.fetch_max(time.now.as_millisecond(), Ordering::SeqCst);
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.call(WireRequest::new(http::Method::GET, &self.base, path)?).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl serde::Serialize) -> anyhow::Result<T> {
        self.call(WireRequest::new(http::Method::POST, &self.base, path)?.json(body)?).await
    }

    async fn call<T: DeserializeOwned>(&self, request: WireRequest) -> anyhow::Result<T> {
        let answer = self.http.send(&request, PATIENCE).await.map_err(|e| anyhow::anyhow!(e.message))?;
        if !answer.is_success() {
            bail!("the simulated world answers {} {}", answer.status, answer.text().unwrap_or_default());
        }
        serde_json::from_slice(&answer.body).context("the simulated world's answer cannot be read")
    }
}

#[async_trait]
impl Clock for Side {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms.load(Ordering::SeqCst)).unwrap_or(self.start)
    }
    fn moves_for_all(&self) -> bool {
        true
    }
    async fn sleep(&self, wait: Duration) {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        if let Err(error) = self.advance(&serde_json::json!({ "millis": millis })).await {
            // The world is gone; the next call to a channel says so to whoever waits.
            tracing::warn!(%error, "the simulated world does not move");
            let _ = self.now_ms.fetch_add(i64::try_from(millis).unwrap_or(0), Ordering::SeqCst);
        }
    }
}
