//! The other side: a simulated world, driven through its control interface — the demo's own, or one that runs already,
//! beside which a shop is tried by hand. It goes on when the demo is killed, as real channels would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tradewind_connector::{Clock, HttpTransport, SystemClock, Transport as _, WireRequest};
use tradewind_simulator::{Ledger, Profile};
use url::Url;

use crate::context::block_on;
use crate::simulated::Channels;

/// Real time that an answer of the control interface may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The world's control interface, and the clock that follows it: whoever waits moves the world's time.
pub(crate) struct Side {
    base: Url,
    http: HttpTransport,
    /// When the world told its time, and which.
    seen: Mutex<(Instant, Timestamp)>,
    start: Timestamp,
    /// How fast it runs by itself.
    scale: u32,
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
    scale: u32,
}

impl Side {
    /// Connects to a world by the address of any of its channels.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Arc<Side>> {
        let side = Side::unseen(url)?;
        let time = side.time().await?;
        Ok(Arc::new(side.at(&time)))
    }

    /// The same for a command that has no runtime yet.
    pub(crate) fn connect_now(url: &str) -> anyhow::Result<Arc<Side>> {
        let asked = url.to_owned();
        // A connection belongs to the runtime that made it: this one asks for the time, and the commands' own makes its own.
        let ask = std::thread::spawn(move || block_on(async move { Side::unseen(&asked)?.time().await }));
        let time =
            ask.join().map_err(|_| anyhow::anyhow!("asking for the time of the world at {url} failed"))??;
        Ok(Arc::new(Side::unseen(url)?.at(&time)))
    }

    fn unseen(url: &str) -> anyhow::Result<Side> {
        let base = Url::parse(url).with_context(|| format!("{url}: not an address"))?;
        let http = HttpTransport::new(Arc::new(SystemClock))?;
        let seen = Mutex::new((Instant::now(), Timestamp::UNIX_EPOCH));
        Ok(Side { base, http, seen, start: Timestamp::UNIX_EPOCH, scale: 0 })
    }

    async fn time(&self) -> anyhow::Result<Time> {
        self.get("/_sim/time").await.with_context(|| {
            format!("no simulated world answers at {}: start one with tradewind simulate", self.base)
        })
    }

    fn at(mut self, time: &Time) -> Side {
        self.start = time.start;
        self.scale = time.scale;
        self.seen = Mutex::new((Instant::now(), time.now));
        self
    }

    /// That the world is the one that the arguments speak of: they stand in the summary.
    pub(crate) async fn is_of(&self, seed: u64, days: u32, faults: Profile) -> anyhow::Result<()> {
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
    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    /// Moves the world's clock to an instant; never back.
    pub(crate) async fn advance_to(&self, to: Timestamp) -> anyhow::Result<()> {
        self.advance(&serde_json::json!({ "to": to })).await
    }

    /// Moves the world's clock on.
    pub(crate) async fn advance_by(&self, by: Duration) -> anyhow::Result<()> {
        let millis = u64::try_from(by.as_millis()).context("this is too far")?;
        self.advance(&serde_json::json!({ "millis": millis })).await
    }

    /// What truly happened.
    pub(crate) async fn ledger(&self) -> anyhow::Result<Ledger> {
        self.get("/_sim/ledger").await
    }

    /// Channels with addresses and test credentials.
    pub(crate) async fn channels(&self) -> anyhow::Result<Channels> {
        self.get("/_sim/channels").await
    }

    /// What the seller physically owns: against it, overselling is measured.
    pub(crate) async fn own(&self, stock: &BTreeMap<String, u64>) -> anyhow::Result<()> {
        let _: serde_json::Value = self.post("/_sim/own", stock).await?;
        Ok(())
    }

    async fn advance(&self, how: &serde_json::Value) -> anyhow::Result<()> {
        let time: Time = self.post("/_sim/advance", how).await?;
        self.see(time.now);
        Ok(())
    }

    /// The world's time is this, or later: two that wait are answered in any order.
    fn see(&self, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = (Instant::now(), now.max(self.reckoned(*seen)));
    }

    /// What time it is when it was so much then.
    fn reckoned(&self, (at, then): (Instant, Timestamp)) -> Timestamp {
        if self.scale == 0 {
            return then;
        }
        let passed = at.elapsed().saturating_mul(self.scale);
        SignedDuration::try_from(passed).ok().and_then(|by| then.checked_add(by).ok()).unwrap_or(then)
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
        self.reckoned(*self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn moves_for_all(&self) -> bool {
        true
    }
    async fn sleep(&self, wait: Duration) {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        if let Err(error) = self.advance(&serde_json::json!({ "millis": millis })).await {
            // The world is gone; the next call to a channel says so to whoever waits.
            tracing::warn!(%error, "the simulated world does not move");
            let by = SignedDuration::try_from(wait).unwrap_or_default();
            self.see(self.now().checked_add(by).unwrap_or(Timestamp::MAX));
        }
    }
}
