//! The control interface, on every channel's port, for drivers outside this process.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /_sim/time` | `{"now","start","next","scale"}`: `scale` virtual seconds pass by themselves in a real one |
//! | `GET /_sim/world` | how it was made: `{"seed","days","first_day","orders_per_day","faults"}` |
//! | `POST /_sim/advance` `{"seconds":n}`, `{"millis":n}` or `{"to":"2026-03-05T00:00:00Z"}` | moves time |
//! | `GET /_sim/ledger` | the oracle ledger |
//! | `POST /_sim/own` `{"SKU":qty,...}` | physical stock |
//! | `POST /_sim/faults` `{"profile":"mild"}` or `{"channel","operation"?,"fault","times"}` | faults |
//! | `GET /_sim/journal` | requests seen |
//! | `GET /_sim/channels` | base URLs and credentials |
//! | `POST /_sim/hooks/{channel}` | takes the waiting hooks (bodies base64) |

use super::channel::{Channel, json};
use super::clock::iso_millis;
use super::faults::{Fault, HOOKS, Profile};
use super::world::World;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json as j};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn router(world: World) -> Router {
    Router::new()
        .route("/_sim/time", get(time))
        .route("/_sim/world", get(made))
        .route("/_sim/advance", post(advance))
        .route("/_sim/ledger", get(ledger))
        .route("/_sim/own", post(own))
        .route("/_sim/faults", post(faults))
        .route("/_sim/journal", get(journal))
        .route("/_sim/channels", get(channels))
        .route("/_sim/hooks/{channel}", post(hooks))
        .with_state(world)
}

async fn time(State(world): State<World>) -> Response {
    json(200, &now(&world))
}

fn now(world: &World) -> Value {
    j!({"now": iso_millis(world.now()), "start": iso_millis(world.start()), "next": world.next_due().map(iso_millis),
        "scale": world.scale()})
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Advance {
    By { seconds: u64 },
    ByMillis { millis: u64 },
    To { to: Timestamp },
}

async fn advance(State(world): State<World>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(Advance::By { seconds }) => world.advance(Duration::from_secs(seconds)),
        Ok(Advance::ByMillis { millis }) => world.advance(Duration::from_millis(millis)),
        Ok(Advance::To { to }) => world.advance_to(to),
        Err(_) => {
            return refuse("send {\"seconds\": n}, {\"millis\": n} or {\"to\": \"2026-03-05T00:00:00Z\"}");
        }
    }
    json(200, &now(&world))
}

async fn made(State(world): State<World>) -> Response {
    let demand = world.demand();
    let faults = world.faults(|f| f.base());
    json(
        200,
        &j!({"seed": world.seed(), "days": demand.days, "first_day": demand.first_day,
            "orders_per_day": demand.orders_per_day, "faults": faults}),
    )
}

async fn ledger(State(world): State<World>) -> Response {
    let bytes = world.ledger(|l| l.to_json());
    super::channel::raw(200, "application/json", bytes)
}

async fn own(State(world): State<World>, body: Bytes) -> Response {
    let Ok(stock) = serde_json::from_slice::<BTreeMap<String, u64>>(&body) else {
        return refuse("send {\"SKU\": quantity, ...}");
    };
    world.ledger(|l| stock.iter().for_each(|(sku, quantity)| l.own(sku, *quantity)));
    json(200, &j!({"skus": stock.len()}))
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum SetFault {
    Profile {
        profile: Profile,
        channel: Option<String>,
    },
    One {
        channel: String,
        operation: Option<String>,
        fault: Fault,
        #[serde(default = "one")]
        times: u32,
    },
}

fn one() -> u32 {
    1
}

async fn faults(State(world): State<World>, body: Bytes) -> Response {
    let set = serde_json::from_slice(&body);
    if let Ok(SetFault::Profile { channel: Some(channel), .. } | SetFault::One { channel, .. }) = &set {
        let Some(known) = world.channel(channel) else {
            let all: Vec<&str> = world.channels().iter().map(|c| c.name()).collect();
            return json(
                404,
                &j!({"error": format!("no channel `{channel}` runs here: there are {}", all.join(", "))}),
            );
        };
        if let Ok(SetFault::One { operation, fault, .. }) = &set
            && let Some(why) = idle(&*known, operation.as_deref(), *fault)
        {
            return refuse(&why);
        }
    }
    match set {
        Ok(SetFault::Profile { profile, channel: None }) => world.faults(|f| f.set_all(profile)),
        Ok(SetFault::Profile { profile, channel: Some(c) }) => world.faults(|f| f.set_profile(&c, profile)),
        Ok(SetFault::One { channel, operation, fault, times }) => {
            world.faults(|f| f.script(&channel, operation.as_deref(), fault, times));
        }
        Err(_) => {
            return refuse(&format!(
                "send {{\"profile\":\"none|mild|hostile\"}} or {{\"channel\":..,\"fault\":\"drop\",\"times\":1}}; faults: {}",
                Fault::names()
            ));
        }
    }
    json(200, &j!({"ok": true}))
}

/// Why a fault would never strike, with what would.
fn idle(channel: &dyn Channel, operation: Option<&str>, fault: Fault) -> Option<String> {
    let name = channel.name();
    if operation == Some(HOOKS) {
        return (!fault.of_hooks())
            .then(|| format!("a hook can be told by duplicate and reorder, not by {}", fault.name()));
    }
    if let (Some(known), Some(operation)) = (channel.operations(), operation)
        && !known.contains(&operation)
    {
        let meant = near(operation, &known).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
        return Some(format!("{name} has no operation `{operation}`{meant}: there are {}", known.join(", ")));
    }
    let lists: Vec<&str> = channel.lists().iter().map(|(operation, _)| *operation).collect();
    match operation {
        _ if !fault.of_lists() => None,
        _ if lists.is_empty() => Some(format!("{name} answers with no list that could tell a record so")),
        Some(operation) if !lists.contains(&operation) => {
            Some(format!("`{operation}` of {name} answers with no list: these do: {}", lists.join(", ")))
        }
        _ => None,
    }
}

/// The known name that a misspelt one stands for: equal but for case, a part of it, or at most three letters off.
fn near<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        if name.contains(&given) { 1 } else { edits(&given, &name) }
    };
    let best = known.iter().map(|name| (distance(name), *name)).min()?;
    (!given.is_empty() && best.0 <= 3).then_some(best.1)
}

/// Letters to insert, delete or replace between two words.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.chars().enumerate() {
            let replaced = row.get(j).copied().unwrap_or(0) + usize::from(x != y);
            let deleted = row.get(j + 1).copied().unwrap_or(0) + 1;
            let inserted = next.last().copied().unwrap_or(0) + 1;
            next.push(replaced.min(deleted).min(inserted));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

async fn journal(State(world): State<World>) -> Response {
    json(200, &serde_json::to_value(world.journal()).unwrap_or_default())
}

async fn channels(State(world): State<World>) -> Response {
    let all: BTreeMap<_, _> = world
        .channels()
        .into_iter()
        .map(|c| (c.name(), j!({"base_url": world.base_url(c.name()), "credentials": c.credentials()})))
        .collect();
    json(200, &j!(all))
}

async fn hooks(State(world): State<World>, Path(channel): Path<String>) -> Response {
    let hooks: Vec<Value> = world
        .take_hooks(&channel)
        .into_iter()
        .map(|h| {
            j!({"id": h.id, "topic": h.topic, "to": h.to, "headers": h.headers,
                "body": base64::engine::general_purpose::STANDARD.encode(&h.body)})
        })
        .collect();
    json(200, &Value::from(hooks))
}

fn refuse(what: &str) -> Response {
    json(400, &j!({"error": what}))
}
