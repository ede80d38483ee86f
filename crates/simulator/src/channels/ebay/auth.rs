//! Tokens, scopes and digital signatures (RFC 9421 and 9530 as eBay profiles them).

use super::errors::{Fail, fail};
use super::route::{Need, Req, Style, digest};
use super::state::State;
use crate::core::channel::{Credentials, json};
use crate::core::world::World;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use serde_json::json as j;
use sha2::{Digest as _, Sha256};

const CLIENT_ID: &str = "Tradewin-simulato-PRD-000000000-00000000";
const CLIENT_SECRET: &str = "PRD-000000000000-0000-0000-0000-0000";
const REFRESH_TOKEN: &str = "v^1.1#i^1#r^1#p^3#simulated-refresh-token";
/// The seed of the signing key; the PKCS #8 wrapping is that of RFC 8410.
const SIGNING_SEED: [u8; 32] = *b"tradewind-simulator-ebay-signing";
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Stands for the encrypted public key that Key Management hands out; opaque to clients.
const JWE: &str =
    "eyJ6aXAiOiJERUYiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiQTI1NkdDTUtXIn0.c2ltdWxhdGVk.a2V5.b2Y.dHJhZGV3aW5k";
/// The application's `RuName`, and the address that it stands for.
const RU_NAME: &str = "Tradewind-Tradewin-simula-tradew";
const ACCEPTED: &str = "https://shop.example/ebay/accepted";
/// Life of an authorization code.
const CODE_LIFE_S: i64 = 299;
/// Life of a refresh token: 18 months.
const REFRESH_LIFE_S: i64 = 47_304_000;
const SCOPE: &str = "https://api.ebay.com/oauth/api_scope";
/// Suffixes of the scopes the seller consented to.
const CONSENTED: &[&str] = &[
    "sell.inventory",
    "sell.fulfillment",
    "sell.finances",
    "sell.payment.dispute",
    "sell.account",
    "commerce.notification.subscription",
];
/// Life of an access token.
const LIFE_S: i64 = 7_200;

pub(super) const LOCATION: &str = "sim-warehouse";
pub(super) const POLICIES: [(&str, &str); 3] =
    [("fulfillment", "6000000010"), ("payment", "6000000020"), ("return", "6000000030")];
pub(super) const SELLER: &str = "tradewind_sim";

#[derive(Debug, Clone)]
pub(super) struct Issued {
    user: bool,
    scopes: Vec<String>,
    expires_ms: i64,
}

pub(super) fn credentials() -> Credentials {
    let mut key = PKCS8_PREFIX.to_vec();
    key.extend_from_slice(&SIGNING_SEED);
    let key = B64.encode(key);
    let [(_, fulfillment), (_, payment), (_, ret)] = POLICIES;
    Credentials::of(&[
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("refresh_token", REFRESH_TOKEN),
        ("ru_name", RU_NAME),
        ("signing_key", &key),
        ("signing_jwe", JWE),
        ("merchant_location_key", LOCATION),
        ("fulfillment_policy_id", fulfillment),
        ("payment_policy_id", payment),
        ("return_policy_id", ret),
        ("seller_username", SELLER),
    ])
}

fn oauth_error(status: u16, code: &str, text: &str) -> Response {
    json(status, &j!({"error": code, "error_description": text}))
}

/// Every scope that the seller consented to.
fn all_scopes() -> Vec<String> {
    std::iter::once(SCOPE.to_owned()).chain(CONSENTED.iter().map(|s| format!("{SCOPE}/{s}"))).collect()
}

/// The page on which the seller agrees: he does so at once, and is sent back with a code that serves once.
pub(super) fn consent(state: &mut State, world: &World, req: &Req) -> Response {
    let all = all_scopes();
    let scopes = req.get("scope").unwrap_or_default();
    let asked = [("client_id", CLIENT_ID), ("redirect_uri", RU_NAME), ("response_type", "code")];
    if let Some((name, _)) = asked.iter().find(|(name, value)| req.get(name) != Some(*value)) {
        return oauth_error(400, "invalid_request", &format!("{name} is missing or not this application's"));
    }
    if scopes.is_empty() || scopes.split_whitespace().any(|s| !all.iter().any(|a| a == s)) {
        return oauth_error(400, "invalid_scope", "The requested scope is invalid, unknown or malformed");
    }
    state.issued += 1;
    let secret = digest(format!("code/{}/{}", world.seed(), state.issued).as_bytes());
    let code = format!("v^1.1#i^1#f^0#t^{secret}");
    state.codes.insert(code.clone(), world.now_ms() + CODE_LIFE_S * 1_000);
    let back = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", req.get("state").unwrap_or_default())
        .append_pair("code", &code)
        .append_pair("expires_in", &CODE_LIFE_S.to_string())
        .finish();
    let mut response = json(302, &j!({}));
    if let Ok(to) = http::HeaderValue::from_str(&format!("{ACCEPTED}?{back}")) {
        response.headers_mut().insert(http::header::LOCATION, to);
    }
    response
}

/// The token endpoint.
pub(super) fn token(state: &mut State, world: &World, req: &Req) -> Response {
    let basic = format!("Basic {}", B64.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
    if req.header("authorization") != basic {
        return oauth_error(401, "invalid_client", "client authentication failed");
    }
    if !req.header("content-type").starts_with("application/x-www-form-urlencoded") {
        return oauth_error(400, "invalid_request", "request is missing a required parameter or malformed.");
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&req.body).into_owned().collect();
    let get = |name: &str| form.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str());
    let wanted: Vec<String> = get("scope").split_whitespace().map(str::to_owned).collect();
    let all = all_scopes();
    let mut bought = false;
    let (user, kind) = match get("grant_type") {
        "client_credentials" => (false, "Application Access Token"),
        "refresh_token" if get("refresh_token") == REFRESH_TOKEN => (true, "User Access Token"),
        "authorization_code" if get("redirect_uri") != RU_NAME => {
            return oauth_error(400, "invalid_request", "'redirect_uri' is not the one of the code");
        }
        "authorization_code" => {
            let live = state.codes.remove(get("code")).is_some_and(|ends| ends > world.now_ms());
            if !live {
                return oauth_error(
                    400,
                    "invalid_grant",
                    "the provided authorization grant code is invalid or was issued to another client",
                );
            }
            bought = true;
            (true, "User Access Token")
        }
        "refresh_token" => {
            return oauth_error(
                400,
                "invalid_grant",
                "the provided authorization refresh token is invalid or was issued to another client",
            );
        }
        _ => {
            return oauth_error(
                400,
                "unsupported_grant_type",
                "grant type in request is not supported by the authorization server",
            );
        }
    };
    if wanted.iter().any(|w| !all.contains(w)) || (!user && wanted.is_empty()) {
        return oauth_error(
            400,
            "invalid_scope",
            "The requested scope is invalid, unknown, malformed, or exceeds the scope granted to the client",
        );
    }
    let scopes = if wanted.is_empty() { all } else { wanted };
    state.issued += 1;
    let secret = digest(format!("{}/{}/{}", world.seed(), world.now_ms(), state.issued).as_bytes());
    let access = format!("v^1.1#i^1#p^3#I^3#f^0#t^{secret}");
    state.tokens.insert(access.clone(), Issued { user, scopes, expires_ms: world.now_ms() + LIFE_S * 1_000 });
    let mut answer = j!({"access_token": access, "expires_in": LIFE_S, "token_type": kind});
    if let (true, Some(map)) = (bought, answer.as_object_mut()) {
        map.insert("refresh_token".into(), REFRESH_TOKEN.into());
        map.insert("refresh_token_expires_in".into(), REFRESH_LIFE_S.into());
    }
    json(200, &answer)
}

pub(super) fn invalid_token() -> Fail {
    fail(
        401,
        1001,
        "OAuth",
        "REQUEST",
        "Invalid access token",
        "Invalid access token. Check the value of the Authorization HTTP request header.",
    )
}

/// Token, scope and signature of a request.
pub(super) fn check(state: &State, world: &World, req: &Req) -> Result<(), Fail> {
    if req.op.need == Need::None {
        return Ok(());
    }
    let given = match req.op.style {
        Style::Trading => req.header("x-ebay-api-iaf-token"),
        // Post-Order knows this word alone; integrations that are public quote its refusal of the other.
        _ if req.op.api == "PostOrder" => match req.header("authorization") {
            header if header.starts_with("Bearer ") => {
                return Err(fail(401, 1001, "OAuth", "REQUEST", "Bad scheme: Bearer", "Bad scheme: Bearer"));
            }
            header => header.strip_prefix("IAF ").unwrap_or_default(),
        },
        _ => req.header("authorization").strip_prefix("Bearer ").unwrap_or_default(),
    };
    if given.is_empty() {
        return Err(fail(
            401,
            1002,
            "OAuth",
            "REQUEST",
            "Missing access token",
            "Access token is missing in the Authorization HTTP request header.",
        ));
    }
    let token =
        state.tokens.get(given).filter(|t| t.expires_ms > world.now_ms()).ok_or_else(invalid_token)?;
    let allowed = match req.op.need {
        Need::Scope(suffix) => {
            token.user && token.scopes.iter().any(|s| s.strip_prefix(SCOPE) == Some(&format!("/{suffix}")))
        }
        Need::User => token.user,
        Need::Any | Need::None => true,
    };
    if !allowed {
        return Err(fail(
            403,
            1100,
            "ACCESS",
            "REQUEST",
            "Access denied",
            "Insufficient permissions to fulfill the request.",
        ));
    }
    if req.op.signed { verify(req) } else { Ok(()) }
}

fn refused(id: u32, text: &str) -> Fail {
    fail(400, id, "ACCESS", "REQUEST", "Digital signature", text)
}

fn verify(req: &Req) -> Result<(), Fail> {
    if req.header("x-ebay-signature-key") != JWE {
        return Err(refused(215_001, "Missing or unknown x-ebay-signature-key header."));
    }
    let input = req
        .header("signature-input")
        .strip_prefix("sig1=")
        .ok_or_else(|| refused(215_002, "Missing Signature-Input header."))?;
    let signature = req
        .header("signature")
        .strip_prefix("sig1=:")
        .and_then(|s| s.strip_suffix(':'))
        .and_then(|s| B64.decode(s).ok())
        .ok_or_else(|| refused(215_003, "Missing or malformed Signature header."))?;
    let inside = input.split_once('(').and_then(|(_, r)| r.split_once(')')).map_or("", |(i, _)| i);
    let names: Vec<&str> = inside.split_whitespace().map(|n| n.trim_matches('"')).collect();
    if !input.contains(";created=") {
        return Err(refused(215_004, "Signature-Input lacks the created parameter."));
    }
    let mut wanted = vec!["x-ebay-signature-key", "@method", "@path", "@authority"];
    if !req.body.is_empty() {
        wanted.insert(0, "content-digest");
        let correct = format!("sha-256=:{}:", B64.encode(Sha256::digest(&req.body)));
        if req.header("content-digest") != correct {
            return Err(refused(215_005, "Content-Digest does not match the body."));
        }
    }
    if wanted.iter().any(|w| !names.contains(w)) {
        return Err(refused(215_006, "Signature-Input lacks a required component."));
    }
    let mut base = String::new();
    for name in &names {
        let value = match *name {
            "@method" => req.method.as_str(),
            "@path" => req.path.as_str(),
            "@authority" => req.header("host"),
            header => req.header(header),
        };
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {input}"));
    let pair =
        Ed25519KeyPair::from_seed_unchecked(&SIGNING_SEED).map_err(|_| refused(215_120, "Unusable key."))?;
    UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref())
        .verify(base.as_bytes(), &signature)
        .map_err(|_| refused(215_122, "Signature validation failed."))
}
