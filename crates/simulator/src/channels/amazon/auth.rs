//! Login with Amazon tokens and restricted data tokens.
//!
//! An access token says when it was issued and carries a check value, so any number of refreshes in
//! any order give valid tokens without shared state.

use super::errors::{fail, lwa_error};
use super::route::Req;
use super::state::State;
use super::{CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN};
use crate::core::channel::json;
use crate::core::rng::number;
use crate::core::world::World;
use axum::response::Response;
use serde_json::{Value, json as j};

const TOKEN_MS: i64 = 3_600_000;

/// What a token lets the caller do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// The seller's data.
    Seller,
    /// Grantless operations only.
    Grantless,
    /// The seller's personal data of the resources named in the token.
    Restricted,
}

fn check(world: &World, kind: &str, ms: i64) -> String {
    format!("{:016x}", number(world.seed(), &["amazon", kind, &ms.to_string()]))
}

fn mint(world: &World, kind: &str) -> String {
    let ms = world.now_ms();
    format!("Atza|{kind}.{ms:x}.{}", check(world, kind, ms))
}

/// Who is calling, or why the token is refused.
pub(super) fn grant(world: &World, state: &State, req: &Req) -> Result<Grant, &'static str> {
    let token = req.header("x-amz-access-token");
    if token.is_empty() {
        return Err("Access token is missing in the request header.");
    }
    if let Some(rdt) = state.restricted.get(token) {
        return if world.now_ms() < rdt.expires_ms {
            Ok(Grant::Restricted)
        } else {
            Err("The restricted data token you provided has expired.")
        };
    }
    let parsed = token.strip_prefix("Atza|").and_then(|t| {
        let mut fields = t.split('.');
        let (kind, ms, sum) = (fields.next()?, i64::from_str_radix(fields.next()?, 16).ok()?, fields.next()?);
        (check(world, kind, ms) == sum).then_some((kind, ms))
    });
    match parsed {
        Some((_, ms)) if world.now_ms() >= ms + TOKEN_MS => Err("The access token you provided has expired."),
        Some(("seller", _)) => Ok(Grant::Seller),
        Some(("grantless", _)) => Ok(Grant::Grantless),
        _ => Err("The access token you provided is revoked, malformed or invalid."),
    }
}

/// `POST /auth/o2/token`.
pub(super) fn token(world: &World, req: &Req) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&req.body).into_owned().collect();
    let get = |name: &str| form.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str());
    if !req.header("content-type").starts_with("application/x-www-form-urlencoded") {
        return lwa_error("invalid_request", "The Content-Type is unsupported");
    }
    if get("client_id") != CLIENT_ID || get("client_secret") != CLIENT_SECRET {
        return lwa_error("invalid_client", "Client authentication failed");
    }
    match get("grant_type") {
        "refresh_token" if get("refresh_token") == REFRESH_TOKEN => json(
            200,
            &j!({"access_token": mint(world, "seller"), "token_type": "bearer", "expires_in": TOKEN_MS / 1_000,
                 "refresh_token": REFRESH_TOKEN}),
        ),
        "refresh_token" => {
            lwa_error("invalid_grant", "The request has an invalid grant parameter : refresh_token")
        }
        "client_credentials" if get("scope").starts_with("sellingpartnerapi::") => json(
            200,
            &j!({"access_token": mint(world, "grantless"), "token_type": "bearer", "expires_in": TOKEN_MS / 1_000}),
        ),
        "client_credentials" => lwa_error("invalid_scope", "The request has an invalid scope"),
        _ => lwa_error("unsupported_grant_type", "The authorization grant type is not supported"),
    }
}

/// A token for personal data: which paths, which data elements, until when.
#[derive(Debug, Clone)]
pub(super) struct Restricted {
    pub(super) resources: Vec<(String, Vec<String>)>,
    pub(super) expires_ms: i64,
}

/// `POST /tokens/2021-03-01/restrictedDataToken`.
pub(super) fn restricted(world: &World, state: &mut State, req: &Req) -> Response {
    let bad = |message: &str| fail(400, "InvalidInput", message, "");
    let Ok(body) = serde_json::from_slice::<Value>(&req.body) else { return bad("The body is not JSON") };
    let Some(list) = body.get("restrictedResources").and_then(Value::as_array) else {
        return bad("restrictedResources is required");
    };
    if list.is_empty() || list.len() > 50 {
        return bad("restrictedResources must have between 1 and 50 entries");
    }
    let mut resources = Vec::new();
    for resource in list {
        let (Some("GET"), Some(path)) =
            (resource.get("method").and_then(Value::as_str), resource.get("path").and_then(Value::as_str))
        else {
            return bad("Each restricted resource needs a method and a path");
        };
        let elements = resource.get("dataElements").and_then(Value::as_array).into_iter().flatten();
        resources.push((path.to_owned(), elements.filter_map(|e| e.as_str().map(str::to_owned)).collect()));
    }
    let now = world.now_ms();
    let digest =
        number(world.seed(), &["amazon", "rdt", &now.to_string(), &String::from_utf8_lossy(&req.body)]);
    let token = format!("Atz.sprdt|{now:x}.{digest:016x}");
    state.restricted.insert(token.clone(), Restricted { resources, expires_ms: now + TOKEN_MS });
    json(200, &j!({"restrictedDataToken": token, "expiresIn": TOKEN_MS / 1_000}))
}

/// Whether the caller's token opens `element` of the order at `path` (v0 orders).
pub(super) fn opens(state: &State, req: &Req, path: &str, element: &str) -> bool {
    state.restricted.get(req.header("x-amz-access-token")).is_some_and(|rdt| {
        rdt.resources.iter().any(|(pattern, elements)| {
            let fits = pattern.split('/').count() == path.split('/').count()
                && pattern.split('/').zip(path.split('/')).all(|(p, s)| p == s || p.starts_with('{'));
            fits && elements.iter().any(|e| e == element)
        })
    })
}
