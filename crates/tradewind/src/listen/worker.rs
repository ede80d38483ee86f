//! Reads what notifications hint at: one worker an account, so that one that waits for its quota holds up no other.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Notify, watch};
use tradewind_connector::Error;
use tradewind_domain::AccountId;
use tradewind_gateway::Gateway;
use tradewind_gateway::hints::{Followed, Outcome};

use super::{Event, Teller};

/// First pause of an account that cannot be read as a whole; doubled with each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// No pause is longer, unless the channel asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// Looks again without being told: another process may have taken something in.
const IDLE: Duration = Duration::from_secs(60);
/// What is due so soon is waited for by `--once`.
const SOON: SignedDuration = SignedDuration::from_secs(5);

/// Works until `stop` says true. A reading that is under way then is finished or cut off by whoever waits for us; it stays
/// owed until it was made.
pub(crate) async fn work(
    gateway: Arc<Gateway>,
    account: AccountId,
    told: Arc<Notify>,
    teller: Arc<Teller>,
    mut stop: watch::Receiver<bool>,
) {
    let mut halts = 0_u32;
    while !*stop.borrow() {
        let (wait, deaf) = match gateway.follow(&account).await {
            Ok(round) => match report(&account, round, &teller) {
                (Some(error), _) => {
                    let pause = pause(halts, &error);
                    halts = halts.saturating_add(1);
                    let until =
                        gateway.now().checked_add(SignedDuration::try_from(pause).unwrap_or_default());
                    let until = until.unwrap_or(gateway.now());
                    let why = error.to_string() + &gateway.login_hint(&account, &error);
                    teller.tell(&Event::Halted { account: account.clone(), why, until });
                    (pause, true)
                }
                (None, next) => {
                    halts = 0;
                    let wait = next.map(|at| at.duration_since(gateway.now()).max(SignedDuration::ZERO));
                    let wait = wait.and_then(|w| Duration::try_from(w).ok());
                    (wait.map_or(IDLE, |w| w.min(IDLE)), false)
                }
            },
            Err(error) => {
                teller.tell(&Event::Failed { why: error.to_string() });
                (FIRST_PAUSE, true)
            }
        };
        tokio::select! {
            _ = stop.changed() => {}
            () = told.notified(), if !deaf => {}
            () = tokio::time::sleep(wait) => {}
        }
        caught_up(&gateway).await;
    }
}

/// Takes over what others made of the time of a world: a wait of nothing asks for it. The machine's own clock runs by itself.
async fn caught_up(gateway: &Gateway) {
    if gateway.clock.moves_for_all() {
        gateway.clock.sleep(Duration::ZERO).await;
    }
}

/// Makes the readings of an account that are due, or are about to be. How many were tried, and how many failed.
pub(crate) async fn read_all(
    gateway: &Gateway,
    account: &AccountId,
    teller: &Teller,
) -> anyhow::Result<(u32, u32)> {
    let (mut tried, mut failed) = (0, 0);
    caught_up(gateway).await;
    loop {
        let round = gateway.follow(account).await?;
        tried += round.tried.len() as u32;
        failed += round.tried.iter().filter(|(_, o)| *o != Outcome::Read).count() as u32;
        let (halted, next) = report(account, round, teller);
        let wait = next.map(|at| at.duration_since(gateway.now())).filter(|w| *w <= SOON);
        match (halted, wait) {
            // What falls due in a moment is waited for on the gateway's clock: in a world whose time stands it is the wait that moves it.
            (None, Some(wait)) => gateway.clock.sleep(Duration::try_from(wait).unwrap_or_default()).await,
            _ => return Ok((tried, failed)),
        }
    }
}

fn report(account: &AccountId, round: Followed, teller: &Teller) -> (Option<Error>, Option<jiff::Timestamp>) {
    let Followed { tried, pulled, cases, collected, halted, next } = round;
    for (reading, outcome) in tried {
        teller.tell(&Event::read(account, &reading, outcome));
    }
    let came = Event::Came {
        account: account.clone(),
        new_orders: pulled.new,
        changed_orders: pulled.changed,
        cases: cases.new,
        transactions: collected.transactions,
        payouts: collected.payouts,
        statements: collected.statements,
    };
    let money = [collected.transactions, collected.payouts, collected.statements];
    if [pulled.new, pulled.changed, cases.new].iter().chain(&money).any(|n| *n > 0) {
        teller.tell(&came);
    }
    for error in pulled.errors.iter().chain(&cases.errors).chain(&collected.errors) {
        tracing::warn!(%account, error, "not all could be read");
    }
    (halted, next)
}

fn pause(halts: u32, error: &Error) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << halts.min(8)).min(LONGEST_PAUSE);
    error.wait().map_or(doubled, |asked| asked.max(doubled))
}
