//! Tokens, signatures, and where eBay's APIs hide their errors.

use jiff::SignedDuration;
use quick_xml::de::from_str;
use serde::Deserialize;
use tradewind_connector::{
    ClientAuth, Consent, ConsentAnswer, Error, Kind, LOGIN_UNTIL, OAuth2, OpCx, Protocol, SecretString,
    Secrets, SignCx, TokenPlan, TokenSet, Upstream, WireRequest, WireResponse, refresh_token, snippet,
};
use url::Url;

use crate::config::{self, Settings, Site};
use crate::signature::Signer;
use crate::trading::{PREFIX, Verdict};
use crate::wire::{self, Problem, inventory::Responses};

/// Operations of Post-Order, whose token stands behind another word.
pub(crate) const POST_ORDER: &[&str] = &["cancellations.", "returns."];
/// Operations whose bulk answer is about one item alone: its refusal is the call's.
pub(crate) const SINGLE: &[&str] = &["stock.set", "prices.set"];

pub(crate) struct Ebay {
    oauth: OAuth2,
    /// From the configuration; one that was fetched by a login is in the store and goes before it.
    refresh_token: Option<SecretString>,
    /// Where the seller agrees, and the way back.
    page: Url,
    ru_name: Option<String>,
    /// The seller, where his marketplaces share a login.
    seller: Option<String>,
    signer: Option<Signer>,
}

const PAGE: &str = "https://auth.ebay.com/oauth2/authorize";

impl Ebay {
    pub(crate) fn new(settings: &Settings, site: &Site, secrets: &Secrets) -> Result<Ebay, Error> {
        let token_url =
            WireRequest::new(http::Method::POST, &site.endpoint, "/identity/v1/oauth2/token")?.url;
        let oauth = OAuth2 {
            token_url,
            client_id: settings.client_id.clone(),
            client_secret: secrets.need("client_secret")?.clone(),
            auth: ClientAuth::Basic,
            scopes: settings.scopes()?,
        };
        let signer = config::signer(settings, secrets)?;
        let page = match &settings.consent_page {
            Some(page) => page.clone(),
            None => Url::parse(PAGE).map_err(|e| Error::config(e.to_string()))?,
        };
        let ru_name = settings.ru_name.clone().filter(|name| !name.trim().is_empty());
        let refresh_token = secrets.first_refresh_token(ru_name.is_some())?;
        let seller = settings.seller.as_ref().map(|name| name.trim().to_owned()).filter(|n| !n.is_empty());
        Ok(Ebay { oauth, refresh_token, page, ru_name, seller, signer })
    }
}

/// What the answer to a code says besides RFC 6749: how long the refresh token lives, in seconds.
#[derive(Deserialize)]
struct RefreshEnd {
    refresh_token_expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct Problems {
    /// `error` in Post-Order (UNVERIFIED).
    #[serde(default, alias = "error")]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct TokenProblem {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Protocol for Ebay {
    /// A user token serves all marketplaces of its seller. It may do what it was asked for, so other scopes are another login.
    fn shared_login(&self) -> Option<String> {
        let seller = self.seller.as_ref()?;
        Some(
            [seller.as_str()]
                .into_iter()
                .chain(self.oauth.scopes.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    fn token_plan(&self, _: &OpCx<'_>, _: &str, current: Option<&TokenSet>) -> Result<TokenPlan, Error> {
        // The refresh token lives about 18 months and is not rotated by a refresh.
        let refresh = refresh_token(current, self.refresh_token.as_ref())?;
        Ok(TokenPlan::Fetch(Box::new(self.oauth.refresh(refresh)?)))
    }

    fn read_token(
        &self,
        cx: &OpCx<'_>,
        _: &str,
        current: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet, Error> {
        // A refresh brings no refresh token and says nothing of its end: what a login brought stays.
        let mut token = OAuth2::read(response, cx.now, current.and_then(|t| t.refresh.as_ref()))?;
        token.extra = current.map(|t| t.extra.clone()).unwrap_or_default();
        let span = response.json::<RefreshEnd>()?.refresh_token_expires_in.map(SignedDuration::from_secs);
        if let Some(until) = span.and_then(|span| cx.now.checked_add(span).ok()) {
            token.extra.insert(LOGIN_UNTIL.to_owned(), until.to_string());
        }
        Ok(token)
    }

    fn consent(&self, cx: &OpCx<'_>) -> Result<Option<Consent>, Error> {
        let ru_name = self.ru_name.as_ref().ok_or_else(|| {
            Error::config("setting 'ru_name' is missing: it is the RuName of your application (developer.ebay.com, User Tokens)")
        })?;
        self.oauth.consent(&self.page, ru_name, cx.nonce).map(Some)
    }

    fn exchange(&self, _: &OpCx<'_>, answer: &ConsentAnswer) -> Result<WireRequest, Error> {
        self.oauth.exchange(answer, self.ru_name.as_deref().unwrap_or_default())
    }

    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        let token = cx.token.ok_or_else(|| Error::new(Kind::Unauthenticated, "no access token"))?.access();
        if cx.operation.starts_with(PREFIX) {
            request.set_header("x-ebay-api-iaf-token", token)?;
        } else if POST_ORDER.iter().any(|group| cx.operation.starts_with(group)) {
            // Public integrations are refused with `Bearer` here ("Bad scheme"); a document that says so is not known.
            request.set_header("authorization", &format!("IAF {token}"))?;
        } else {
            request.set_header("authorization", &format!("Bearer {token}"))?;
        }
        match &self.signer {
            Some(signer) => signer.sign(request, cx.op.now),
            None => Ok(()),
        }
    }

    fn upstream(&self, operation: &str, response: &WireResponse) -> Option<Upstream> {
        let request_id = response.header("rlogid").map(str::to_owned);
        let found = if operation.starts_with(PREFIX) && response.is_success() {
            trading(response)?
        } else if SINGLE.contains(&operation) && response.is_success() {
            single(response)?
        } else if !response.is_refusal() {
            return None;
        } else {
            failed(response)
        };
        Some(Upstream { request_id, ..found })
    }
}

/// An answer that is neither 2xx nor 304.
fn failed(response: &WireResponse) -> Upstream {
    let base = Upstream { http: response.status, ..Upstream::default() };
    match (response.json::<Problems>(), response.json::<TokenProblem>()) {
        (Ok(p), _) if !p.errors.is_empty() => wire::upstream(response.status, &p.errors),
        (_, Ok(p)) => Upstream { code: p.error, message: p.error_description, ..base },
        _ => Upstream { message: snippet(&response.body), ..base },
    }
}

/// A Trading answer is 200 whatever it says; `Ack` tells. One that cannot be read is left to `decode`.
fn trading(response: &WireResponse) -> Option<Upstream> {
    let verdict: Verdict = from_str(response.text().ok()?).ok()?;
    if matches!(verdict.ack.as_str(), "Success" | "Warning") {
        return None;
    }
    let first = verdict.errors.iter().find(|e| e.severity != "Warning");
    Some(match first {
        Some(e) => Upstream {
            http: response.status,
            code: e.code.clone(),
            sub_code: Some(e.class.clone()).filter(|c| !c.is_empty()),
            message: e.words(),
            ..Upstream::default()
        },
        // An Ack that we do not know, without an error: neither success nor failure.
        None => {
            Upstream { http: response.status, message: format!("Ack {}", verdict.ack), ..Upstream::default() }
        }
    })
}

/// The refusal inside a 207 (or 200) of a call about one item. An item's status is part of the truth: 500 there is
/// eBay's trouble, and worth another try.
fn single(response: &WireResponse) -> Option<Upstream> {
    let answers = response.json::<Responses>().ok()?.responses;
    let bad = answers.into_iter().find(|a| !a.is_fine())?;
    let http = bad.status_code.unwrap_or(response.status);
    Some(wire::upstream(http, &bad.errors.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_connector::ErrorTable;

    fn table() -> ErrorTable {
        ErrorTable::parse(crate::FACTORY.errors).unwrap()
    }

    #[test]
    fn ids_without_a_row_follow_their_category() {
        // Inventory API, error categories: APPLICATION is a problem of eBay's service, the others of the request.
        let kind =
            |http: u16, body: &str| table().classify(failed(&WireResponse::json_text(http, body))).kind();
        assert_eq!(
            kind(500, r#"{"errors":[{"errorId":99001,"category":"APPLICATION"}]}"#),
            Kind::Unavailable
        );
        assert_eq!(kind(409, r#"{"errors":[{"errorId":34918,"category":"BUSINESS"}]}"#), Kind::Rejected);
        assert_eq!(kind(400, r#"{"errors":[{"errorId":25003,"category":"REQUEST"}]}"#), Kind::InvalidRequest);
        assert_eq!(kind(400, r#"{"errors":[{"errorId":25729,"category":"REQUEST"}]}"#), Kind::Duplicate);
        assert_eq!(
            kind(400, r#"{"error":"invalid_grant","error_description":"expired"}"#),
            Kind::Unauthenticated
        );
        assert_eq!(kind(400, r#"{"errors":[{"errorId":215001,"category":"REQUEST"}]}"#), Kind::Config);
    }

    #[test]
    fn a_failure_inside_200_is_found() {
        let bulk = WireResponse::json_text(
            207,
            r#"{"responses":[{"statusCode":200,"sku":"A"},{"statusCode":500,"errors":[{"errorId":25001,"category":"APPLICATION"}]}]}"#,
        );
        assert_eq!(table().classify(single(&bulk).unwrap()).kind(), Kind::Unavailable);
        let fine = WireResponse::json_text(200, r#"{"responses":[{"statusCode":200,"sku":"A"}]}"#);
        assert!(single(&fine).is_none());
        let xml = |ack: &str, class: &str| {
            WireResponse::json_text(
                200,
                format!(
                    "<?xml version=\"1.0\"?><GetItemResponse xmlns=\"urn:ebay:apis:eBLBaseComponents\"><Ack>{ack}</Ack>\
                     <Errors><ShortMessage>s</ShortMessage><LongMessage>l &amp; more</LongMessage><ErrorCode>4711</ErrorCode>\
                     <SeverityCode>Error</SeverityCode><ErrorClassification>{class}</ErrorClassification></Errors></GetItemResponse>"
                ),
            )
        };
        let failure = trading(&xml("Failure", "RequestError")).unwrap();
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("4711", "l & more"));
        assert_eq!(table().classify(failure).kind(), Kind::InvalidRequest);
        assert_eq!(
            table().classify(trading(&xml("Failure", "SystemError")).unwrap()).kind(),
            Kind::Unavailable
        );
        assert!(trading(&xml("Warning", "RequestError")).is_none());
    }
}
