//! Tokens, and where Shopify hides its errors: HTTP status, `errors[]`, `userErrors[]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tradewind_connector::{
    AccountConfig, Error, FieldError, OpCx, Protocol, Secrets, SignCx, Signal, TokenPlan, TokenSet, Upstream,
    WireRequest, WireResponse, snippet,
};

use crate::config::Shop;

/// The shared part of all calls.
pub(crate) struct Shopify {
    shop: Arc<Shop>,
    fixed: Option<SecretString>,
    client_secret: Option<SecretString>,
    refresh: Option<SecretString>,
}

impl Shopify {
    /// Either a fixed `access_token` (custom app), or `client_id` with `client_secret` (and `refresh_token` for an
    /// offline token that expires).
    pub(crate) fn open(shop: Arc<Shop>, config: &AccountConfig) -> Result<Shopify, Error> {
        let secrets: &Secrets = &config.secrets;
        let fixed = secrets.get("access_token").cloned();
        let client_secret = secrets.get("client_secret").cloned();
        if fixed.is_none() {
            secrets.need("client_secret")?;
            if shop.client_id.is_none() {
                return Err(Error::config(format!(
                    "account '{}' has neither the secret 'access_token' nor the setting client_id: give one of them",
                    config.account
                )));
            }
        }
        Ok(Shopify { shop, fixed, client_secret, refresh: secrets.get("refresh_token").cloned() })
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<i64>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct OauthProblem {
    error: String,
    error_description: Option<String>,
}

/// `{"errors": "…"}` of the edge and `{"errors": [{…}]}` of GraphQL.
#[derive(Deserialize)]
#[serde(untagged)]
enum Errors {
    List(Vec<Problem>),
    Text(String),
    Fields(BTreeMap<String, serde_json::Value>),
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Deserialize, Default)]
struct Extensions {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Envelope {
    errors: Option<Errors>,
}

#[derive(Deserialize)]
struct Mutation {
    data: Option<BTreeMap<String, Option<Payload>>>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default, rename = "userErrors", alias = "orderCancelUserErrors")]
    errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct UserError {
    field: Option<Vec<String>>,
    message: String,
    code: Option<String>,
}

/// What stands for a refusal of the storage that holds the file of a bulk query.
const FILE_REFUSED: &str = "FILE_REFUSED";
/// The code of a user error that has none, and the prefix of those that have one we do not know.
const USER_ERROR: &str = "USER_ERROR";
/// Codes of typed user errors that `errors.toml` tells apart; all others are refusals.
const KNOWN: &[&str] = &[
    "CHANGE_FROM_QUANTITY_STALE",
    "COMPARE_QUANTITY_STALE",
    "NOT_FOUND",
    "PRODUCT_DOES_NOT_EXIST",
    "PRODUCT_VARIANT_DOES_NOT_EXIST",
    "INVALID_INVENTORY_ITEM",
    "INVALID_LOCATION",
    "HANDLE_NOT_UNIQUE",
    "JOB_ERROR",
    "PRODUCT_SUSPENDED",
    "OPERATION_IN_PROGRESS",
    "LIMIT_REACHED",
];

#[derive(Deserialize)]
struct CostEnvelope {
    extensions: Option<CostExtensions>,
}
#[derive(Deserialize)]
struct CostExtensions {
    cost: Option<Cost>,
}
#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "throttleStatus")]
    status: Option<ThrottleStatus>,
}
/// The numbers come as floats (`2000.0`); they count points, so their whole part is what matters.
#[derive(Deserialize)]
struct ThrottleStatus {
    #[serde(rename = "currentlyAvailable")]
    available: Box<serde_json::value::RawValue>,
    #[serde(rename = "restoreRate")]
    restore: Box<serde_json::value::RawValue>,
}

fn whole(raw: &serde_json::value::RawValue) -> Option<u32> {
    raw.get().split('.').next()?.parse().ok()
}

impl Protocol for Shopify {
    /// "The previous attempt failed": the key is spent, and another is wanted (fact sheet §5).
    fn remembers(&self, _: &str, refusal: &Error) -> bool {
        refusal.upstream_ref().is_some_and(|u| u.code == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
    }
    fn token_plan(&self, _: &OpCx<'_>, _: &str, current: Option<&TokenSet>) -> Result<TokenPlan, Error> {
        if let Some(fixed) = &self.fixed {
            return Ok(TokenPlan::Fixed(TokenSet::fixed(fixed.clone())));
        }
        let secret =
            self.client_secret.as_ref().ok_or_else(|| Error::config("secret 'client_secret' is missing"))?;
        let id = self.shop.client_id.as_deref().unwrap_or_default();
        let refresh = current.and_then(|t| t.refresh.as_ref()).or(self.refresh.as_ref());
        let body = match refresh {
            Some(token) => {
                json!({"client_id": id, "client_secret": secret.expose_secret(), "grant_type": "refresh_token",
                "refresh_token": token.expose_secret()})
            }
            None => {
                json!({"client_id": id, "client_secret": secret.expose_secret(), "grant_type": "client_credentials"})
            }
        };
        let request = WireRequest::new(http::Method::POST, &self.shop.base, "/admin/oauth/access_token")?
            .header("accept", "application/json")?
            .json(&body)?;
        Ok(TokenPlan::Fetch(Box::new(request)))
    }

    fn read_token(
        &self,
        cx: &OpCx<'_>,
        _: &str,
        current: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet, Error> {
        let token: Token = response.json()?;
        let until = token.expires_in.and_then(|s| cx.now.checked_add(SignedDuration::from_secs(s)).ok());
        let kept = current.and_then(|t| t.refresh.clone()).or_else(|| self.refresh.clone());
        Ok(TokenSet {
            access: SecretString::from(token.access_token),
            // The refresh token rotates with every use.
            refresh: token.refresh_token.map(SecretString::from).or(kept),
            expires_at: until,
            extra: token.scope.map(|s| ("scope".to_owned(), s)).into_iter().collect(),
        })
    }

    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        match cx.token.filter(|_| cx.operation != crate::bulk::FILE.name) {
            Some(token) => request.set_header("x-shopify-access-token", token.access()),
            None => Ok(()),
        }
    }

    fn upstream(&self, operation: &str, response: &WireResponse) -> Option<Upstream> {
        let request_id = response.header("x-request-id").map(str::to_owned);
        let base = Upstream { http: response.status, request_id, ..Upstream::default() };
        if let Ok(problem) = response.json::<OauthProblem>()
            && response.status >= 400
        {
            return Some(Upstream {
                code: problem.error,
                message: problem.error_description.unwrap_or_default(),
                ..base
            });
        }
        let envelope = response.json::<Envelope>().ok();
        match envelope.and_then(|e| e.errors) {
            Some(Errors::List(list)) => {
                if let Some(first) = list.into_iter().next() {
                    return Some(Upstream { code: first.extensions.code, message: first.message, ..base });
                }
            }
            Some(Errors::Text(message)) => return Some(Upstream { message, ..base }),
            Some(Errors::Fields(fields)) if response.status >= 400 => {
                return Some(Upstream { message: format!("{fields:?}"), ..base });
            }
            _ => {}
        }
        if response.is_refusal() {
            // Not the shop but the file storage, in XML: it knows no token and no scope of ours, so nothing is wrong with
            // them. One that asks for patience is heard.
            let of_file = operation == crate::bulk::FILE.name && response.status != 429;
            let code = if of_file { FILE_REFUSED.to_owned() } else { String::new() };
            return Some(Upstream { code, message: snippet(&response.body), ..base });
        }
        if crate::is_mutation(operation) { user_errors(response, base) } else { None }
    }

    fn signals(&self, _: &str, response: &WireResponse) -> Vec<Signal> {
        let status = response.json::<CostEnvelope>().ok().and_then(|e| e.extensions?.cost?.status);
        let Some(status) = status else { return Vec::new() };
        let bucket = || Some("cost".to_owned());
        let mut signals = Vec::new();
        if let Some(units) = whole(&status.restore).filter(|u| *u > 0) {
            signals.push(Signal::Rate { bucket: bucket(), units, every: Duration::from_secs(1) });
        }
        if let Some(units) = whole(&status.available) {
            signals.push(Signal::Remaining { bucket: bucket(), units });
        }
        signals
    }
}

fn user_errors(response: &WireResponse, base: Upstream) -> Option<Upstream> {
    let data = response.json::<Mutation>().ok()?.data?;
    let errors: Vec<UserError> = data.into_values().flatten().flat_map(|p| p.errors).collect();
    let first = errors.first()?;
    let code = match first.code.as_deref() {
        Some(code) if KNOWN.contains(&code) || code.starts_with("IDEMPOTENCY_") => code.to_owned(),
        Some(code) => format!("{USER_ERROR}:{code}"),
        None => USER_ERROR.to_owned(),
    };
    let message = first.message.clone();
    let fields = errors
        .into_iter()
        .map(|e| FieldError {
            field: e.field.unwrap_or_default().join("."),
            code: e.code.unwrap_or_default(),
            message: e.message,
        })
        .collect();
    Some(Upstream { code, message, fields, ..base })
}

#[cfg(test)]
mod tests {
    use tradewind_connector::{ErrorTable, Kind};

    use super::*;

    /// The storage's refusals say nothing of our token or our scopes: the first would fetch a new token, the second would
    /// tell the seller to change the app.
    #[test]
    fn a_refusal_of_the_file_storage_is_an_outage() {
        let settings =
            "shop = \"tea.myshopify.com\"\ncurrency = \"EUR\"\nlocation = \"gid://shopify/Location/1\"";
        let config = AccountConfig::of("tea", settings, Secrets::default()).unwrap();
        let shop = Arc::new(Shop::open(&config).unwrap());
        let protocol = Shopify { shop, fixed: None, client_secret: None, refresh: None };
        let table = ErrorTable::parse(crate::FACTORY.errors).unwrap();
        let kind = |operation: &str, status: u16, body: &str| {
            let said = protocol.upstream(operation, &WireResponse::json_text(status, body));
            said.map(|u| table.classify(u).kind())
        };
        let file = crate::bulk::FILE.name;
        for status in [400, 401, 403, 404, 503] {
            let said = "<Error><Code>ExpiredToken</Code></Error>";
            assert_eq!(kind(file, status, said), Some(Kind::Unavailable), "{status}");
        }
        assert_eq!(kind(file, 429, "<Error/>"), Some(Kind::RateLimited));
        assert_eq!(kind(file, 200, ""), None);
        // The shop's own refusals are what they were.
        assert_eq!(kind("bulk.poll", 401, "{}"), Some(Kind::Unauthenticated));
    }
}
