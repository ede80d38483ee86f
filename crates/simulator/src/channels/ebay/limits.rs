//! Daily call limits per API and revisions per listing: fixed windows that end at midnight Pacific
//! standard time (UTC-8; summer time is ignored).

use super::route::Req;
use super::state::State;
use crate::core::channel::json;
use crate::core::clock::{instant, iso_millis};
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const DAY_MS: i64 = 86_400_000;
const PACIFIC_MS: i64 = -8 * 3_600_000;
/// Revisions of one listing per day (Inventory specification, bulkUpdatePriceQuantity).
const REVISIONS: u32 = 250;

/// (API, context, calls per day). Finances, Analytics, Notification, Account and Trading are
/// eBay's published defaults; the others are not published and were chosen.
const LIMITS: &[(&str, &str, u64)] = &[
    ("Inventory", "sell", 2_000_000),
    ("Fulfillment", "sell", 100_000),
    ("Finances", "sell", 15_000),
    ("Account", "sell", 25_000),
    ("Taxonomy", "commerce", 5_000),
    ("Notification", "commerce", 10_000),
    ("Analytics", "developer", 5_000),
    ("PostOrder", "postOrder", 5_000),
    ("Trading", "TradingAPI", 5_000),
];

fn day(now_ms: i64) -> i64 {
    (now_ms + PACIFIC_MS).div_euclid(DAY_MS)
}

/// Counts a call; `false` when the day's calls are used up.
pub(super) fn take(state: &mut State, world: &World, api: &'static str) -> bool {
    let Some((_, _, most)) = LIMITS.iter().find(|(name, _, _)| *name == api) else { return true };
    let used = state.calls.entry((api, day(world.now_ms()))).or_default();
    if *used >= *most {
        return false;
    }
    *used += 1;
    true
}

/// Counts a revision of a listing; `false` when it is blocked until the next day.
pub(super) fn revise(state: &mut State, world: &World, listing: &str) -> bool {
    let used = state.revisions.entry((listing.to_owned(), day(world.now_ms()))).or_default();
    if *used >= REVISIONS {
        return false;
    }
    *used += 1;
    true
}

/// The rate limit resources of the Analytics API.
pub(super) fn report(state: &State, world: &World, req: &Req) -> Response {
    let today = day(world.now_ms());
    let reset = iso_millis(instant((today + 1) * DAY_MS - PACIFIC_MS));
    let limits: Vec<Value> = LIMITS
        .iter()
        .filter(|(api, context, _)| {
            req.get("api_name").is_none_or(|n| n.eq_ignore_ascii_case(api))
                && req.get("api_context").is_none_or(|c| c.eq_ignore_ascii_case(context))
        })
        .map(|(api, context, most)| {
            let used = state.calls.get(&(*api, today)).copied().unwrap_or_default();
            j!({"apiContext": context, "apiName": api, "apiVersion": "v1", "resources": [{
                "name": format!("{}.{}", context, api.to_lowercase()),
                "rates": [{"limit": most, "remaining": most.saturating_sub(used), "reset": reset, "timeWindow": 86_400}],
            }]})
        })
        .collect();
    json(200, &j!({"rateLimits": limits}))
}
