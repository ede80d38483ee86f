//! `tradewind listen`: the door for notifications of channels (`server`), the reading of what they hint at (`worker`), and
//! what is said of both.

mod server;
mod worker;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use tradewind_connector::{Connector, Facet, Support};
use tradewind_domain::AccountId;
use tradewind_gateway::config::{AccountEntry, Config};
use tradewind_gateway::hints::{Outcome, Reading};

use crate::output::Output;
use crate::registry;

pub(crate) use server::Server;
pub(crate) use worker::{read_all, work};

/// What an account's channel can tell us, and where.
pub(crate) enum Door {
    /// Its notifications are taken at this address: to be registered at the channel.
    Open(String),
    /// They are not; why, and what to do.
    Shut(String),
}

/// The door of an account; `connector` is `None` where it does not open.
pub(crate) fn door(config: &Config, entry: &AccountEntry, connector: Option<&dyn Connector>) -> Door {
    let see = format!("see tradewind connectors {}", entry.connector);
    let Ok(factory) = registry::find(&entry.connector) else { return Door::Shut(see) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if !entry.id.as_str().chars().all(plain) {
        return Door::Shut("its id cannot stand in an address: letters, digits, - . _ ~".to_owned());
    }
    if connector.is_some_and(|c| c.inbound().is_some()) {
        return Door::Open(config.listen.address(&entry.id));
    }
    Door::Shut(match (factory.capabilities)().support(Facet::Webhooks) {
        Support::Native => format!("what its notifications are checked with is not set: {see}"),
        Support::Emulated => format!("its channel sends to no address, they must be forwarded: {see}"),
        Support::NotImplemented => "the connector does not know its channel's notifications yet".to_owned(),
        Support::Unsupported => "its channel sends none".to_owned(),
    })
}

/// What happened: a line for a person, a JSON object a line for a program. Names numbers of orders and listings, and no
/// secret and no person.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The door is open.
    Listening { address: String, accounts: Vec<Told> },
    /// A delivery is durable.
    Taken { account: AccountId, delivery: String, readings: Vec<String>, unread: Vec<String> },
    /// It came before.
    Again { account: AccountId, delivery: String },
    /// Requests were refused; why the last one was.
    Refused { requests: u64, account: Option<AccountId>, why: String },
    /// A reading was made, or not.
    Read {
        account: AccountId,
        reading: String,
        #[serde(flatten)]
        outcome: Became,
    },
    /// What came in by a round of readings.
    Came {
        account: AccountId,
        new_orders: u32,
        changed_orders: u32,
        /// Returns and disputes, new or changed.
        cases: u32,
        transactions: u32,
        payouts: u32,
        statements: u32,
    },
    /// An account as a whole is left alone for a while.
    Halted { account: AccountId, why: String, until: Timestamp },
    /// The store failed.
    Failed { why: String },
    /// The end.
    Stopped { owed: usize },
}

/// An account and its address.
#[derive(Serialize)]
pub(crate) struct Told {
    pub(crate) account: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why_not: Option<String>,
}

impl Told {
    pub(crate) fn of(account: &AccountId, door: Door) -> Told {
        let (url, why_not) = match door {
            Door::Open(url) => (Some(url), None),
            Door::Shut(why) => (None, Some(why)),
        };
        Told { account: account.clone(), url, why_not }
    }

    pub(crate) fn line(&self) -> String {
        let said = match (&self.url, &self.why_not) {
            (Some(url), _) => url.clone(),
            (None, why) => format!("no notifications: {}", why.as_deref().unwrap_or_default()),
        };
        format!("{:<20} {said}", self.account)
    }
}

/// What became of a reading.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(crate) enum Became {
    Read,
    PutOff { error: String, until: Timestamp },
    GivenUp { error: String },
}

impl Event {
    pub(crate) fn read(account: &AccountId, reading: &Reading, outcome: Outcome) -> Event {
        let outcome = match outcome {
            Outcome::Read => Became::Read,
            Outcome::PutOff { error, until } => Became::PutOff { error, until },
            Outcome::GivenUp { error } => Became::GivenUp { error },
        };
        Event::Read { account: account.clone(), reading: reading.to_string(), outcome }
    }

    fn line(&self) -> String {
        match self {
            Event::Listening { address, accounts } => {
                let accounts: Vec<String> = accounts.iter().map(|a| format!("\n  {}", a.line())).collect();
                format!("listening on {address}{}", accounts.concat())
            }
            Event::Taken { account, readings, unread, .. } => {
                let unread = unread.iter().map(|u| format!("({u}: kept, nothing follows)"));
                let all: Vec<String> = readings.iter().cloned().chain(unread).collect();
                format!(
                    "{account} told: {}",
                    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
                )
            }
            Event::Again { account, delivery } => format!("{account} told again: {delivery:.12}"),
            Event::Refused { requests, account, why } => {
                let of = account.as_ref().map(|a| format!(" for {a}")).unwrap_or_default();
                format!("refused {requests} request(s){of}: {why}")
            }
            Event::Read { account, reading, outcome } => match outcome {
                Became::Read => format!("{account} read {reading}"),
                Became::PutOff { error, until } => {
                    format!("{account} put {reading} off until {until}: {error}")
                }
                Became::GivenUp { error } => format!("{account} gave {reading} up: {error}"),
            },
            Event::Came { account, new_orders, changed_orders, cases, transactions, payouts, statements } => {
                format!(
                    "{account}: {new_orders} orders new, {changed_orders} changed; {cases} cases; {transactions} transactions, {payouts} payouts, \
                 {statements} settlement documents"
                )
            }
            Event::Halted { account, why, until } => format!("{account} is left alone until {until}: {why}"),
            Event::Failed { why } => format!("the store failed: {why}"),
            Event::Stopped { owed } => format!("stopped; {owed} readings are owed and kept"),
        }
    }
}

/// Tells what happens. Refusals are gathered: whoever knocks a thousand times a second does not fill a disk.
pub(crate) struct Teller {
    out: Output,
    refused: Mutex<(u64, Option<Instant>)>,
}

const AT_MOST_EVERY: Duration = Duration::from_secs(1);

impl Teller {
    pub(crate) fn new(out: Output) -> Teller {
        Teller { out, refused: Mutex::default() }
    }

    pub(crate) fn tell(&self, event: &Event) {
        // Whoever reads has gone, or the disk behind the pipe is full: no reason to stop taking notifications.
        let written = if self.out.is_json() { self.out.json(event) } else { self.out.text(event.line()) };
        if let Err(error) = written {
            tracing::error!(%error, "an event could not be printed");
        }
    }

    /// `why` may hold what a stranger sent: it is cut, and control characters are taken out.
    pub(crate) fn refused(&self, account: Option<&AccountId>, why: &str) {
        let requests = {
            let mut state = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 += 1;
            if state.1.is_some_and(|last| last.elapsed() < AT_MOST_EVERY) {
                return;
            }
            state.1 = Some(Instant::now());
            std::mem::take(&mut state.0)
        };
        let why = why.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&Event::Refused { requests, account: account.cloned(), why });
    }
}
