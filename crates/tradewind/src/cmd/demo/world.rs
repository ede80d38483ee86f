//! Plays the demo: opens the gateway on the world's clock and turns the rounds, at fixed instants of the world. All
//! state is in the store and in the world: a demo that was killed goes on where it stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use tradewind_connector::{Clock, HttpTransport, Limiter, Runtime, SeededChance};
use tradewind_gateway::config::Config;
use tradewind_gateway::{Engines, Gateway};
use tradewind_store::Store;

use super::summary::{self, Summary};
use crate::context;
use crate::output::Output;
use crate::side::Side;
use crate::simulated;

/// Minutes between two rounds while the offers go up.
const OPENING: i64 = 15;
/// Minutes between two rounds from then on.
const ROUND: i64 = 6 * 60;
/// A day, in minutes.
const DAY: i64 = 24 * 60;
/// Minutes for which a round is turned on while something of it is in doubt: longer than the longest doubt takes. Units that come
/// back at AliExpress are for sale again after twice the lag of its orders, 70 minutes (ADR 3).
const SETTLING: i64 = 3 * 60 + 30;
/// Minutes between its turns.
const TURN: i64 = 30;
/// Days after the last sale with several rounds: parcels leave and travel.
const BUSY: i64 = 2;
/// Days after the last sale in which buyers still send things back.
const RETURNS: i64 = 11;
/// Days after the last sale within which everything must have ended.
const TAIL: i64 = 30;

/// Plays to the end.
pub(super) async fn play(
    seed: u64,
    days: u32,
    side: &Arc<Side>,
    folder: &Path,
    out: &Output,
) -> anyhow::Result<Summary> {
    simulated::write_shop(folder, &side.channels().await?, None, None)?;
    let gateway = open(side, seed, folder)?;
    let selling = i64::from(super::FIRST_DAY + days);
    let bar = progress(selling + RETURNS, out);

    bar.set_message("importing the catalogue");
    gateway.import(folder).await?;
    side.own(&owned(&gateway).await?).await?;

    // A demo that was killed finds the world where it left it, in the middle of a round: this round is turned again at once,
    // or orders would wait for the next one, and buyers change their minds meanwhile.
    let resumed = side.now() > side.start();
    let mut broken_off = resumed;
    let mut opening = minutes(side.now(), side.start()) < i64::from(super::FIRST_DAY) * DAY;
    if opening {
        bar.set_message("putting offers up");
        relist(&gateway).await?;
        broken_off = false;
    }
    let mut quiet = 0;
    loop {
        let now = minutes(side.now(), side.start());
        opening &= now < i64::from(super::FIRST_DAY) * DAY;
        // Rounds stand at fixed instants: what a round does, and how often it was begun, does not move the next one.
        let step = match opening {
            true => OPENING,
            false if now < (selling + BUSY) * DAY => ROUND,
            false => DAY,
        };
        let again = std::mem::take(&mut broken_off);
        let due = if again { now / step * step } else { (now / step + 1) * step };
        side.advance_to(after(side.start(), due)).await?;
        let day = due / DAY;
        bar.set_position(u64::try_from(day).unwrap_or(0));
        if opening {
            opening = !relist(&gateway).await?;
            continue;
        }
        bar.set_message(if day < selling { "selling" } else { "delivering, settling" });
        let daily = due % DAY == 0;
        turn(&gateway, daily).await?;
        // What a lost answer, or a death, left in doubt is settled before the world goes on, as a seller's timer would that is set to
        // half an hour: an order would wait for the next round whose turn it was. Each round ends the same, however it came to its end.
        let until = minutes(side.now(), side.start()) + SETTLING;
        while minutes(side.now(), side.start()) < until && summary::is_in_doubt(&gateway, daily).await? {
            let now = minutes(side.now(), side.start());
            side.advance_to(after(side.start(), now + TURN)).await?;
            turn(&gateway, daily).await?;
        }
        if !daily {
            continue;
        }
        gateway.collect().await?;
        // The end: nothing open on our side, nothing undelivered or unpaid on theirs, for two days.
        let over = day >= selling + RETURNS && summary::is_over(&gateway, &side.ledger().await?).await?;
        quiet = if over { quiet + 1 } else { 0 };
        if quiet >= 2 || day >= selling + TAIL {
            break;
        }
    }
    bar.finish_and_clear();
    let summary = Summary::of(seed, &gateway, &side.ledger().await?).await?;
    Ok(Summary { resumed, ..summary })
}

/// Orders in, and on their way; on a day's first round the listings as well.
async fn turn(gateway: &Gateway, daily: bool) -> anyhow::Result<()> {
    gateway.pull().await?;
    gateway.fulfil().await?;
    if daily {
        relist(gateway).await?;
    }
    Ok(())
}

/// One round of read-back, plan and apply, as the daemon turns it. Whether nothing is left to do.
async fn relist(gateway: &Gateway) -> anyhow::Result<bool> {
    let (settled, asked) = gateway.settle().await?;
    let plan = gateway.plan().await?;
    let work = plan.changes.iter().any(|c| c.stop.is_none());
    if work && gateway.apply(&plan).await?.postponed > 0 {
        // What was there and is gone goes up again when all that it sold is heard of.
        gateway.pull().await?;
    }
    Ok(!work && settled.waiting + settled.again + asked.deferred == 0)
}

/// What stands on the shelf at the beginning: the catalogue's own counts.
async fn owned(gateway: &Gateway) -> anyhow::Result<BTreeMap<String, u64>> {
    let variants = gateway.variants().await?;
    Ok(variants.into_iter().map(|(sku, (_, v))| (sku.to_string(), v.quantity.unwrap_or(0).into())).collect())
}

fn minutes(at: Timestamp, start: Timestamp) -> i64 {
    at.duration_since(start).as_mins()
}

fn after(start: Timestamp, minutes: i64) -> Timestamp {
    start.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX)
}

fn open(side: &Arc<Side>, seed: u64, folder: &Path) -> anyhow::Result<Gateway> {
    let config = Config::load(&folder.join("tradewind.toml"))?;
    let store = context::open_store(&config, folder)?;
    let clock: Arc<dyn Clock> = side.clone();
    let runtime = Runtime {
        transport: Arc::new(HttpTransport::new(clock.clone())?),
        chance: Arc::new(SeededChance::new(seed)),
        journal: store.clone(),
        limiter: Arc::new(Limiter::new(clock.clone())),
        logins: Arc::default(),
        clock: clock.clone(),
    };
    let accounts = context::open_accounts(&config, folder, &runtime)?;
    let engines = Arc::new(Engines::load(&config, folder)?);
    let store: Arc<dyn Store> = store;
    Ok(Gateway { config, accounts, store, clock, engines })
}

fn progress(days: i64, out: &Output) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(days).unwrap_or(0));
    bar.set_draw_target(if out.shows_progress() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} day {pos:>2} of {len} {bar:24} {msg} ({elapsed})")
    {
        bar.set_style(style);
    }
    bar
}
