//! Client-credentials tokens with HTTP Basic, and the shape of errors.

use secrecy::SecretString;
use serde::Deserialize;
use tradewind_connector::{
    ClientAuth, Error, FieldError, Kind, OAuth2, OpCx, Protocol, SignCx, TokenPlan, TokenSet, Upstream,
    WireRequest, WireResponse, snippet,
};
use url::Url;

use crate::config::Account;

/// Calls that go to the mirror of report files: PayPal's token must not be sent there.
pub(crate) const FILES: &str = "files";

/// The shared part of all calls.
pub(crate) struct Paypal {
    oauth: OAuth2,
}

impl Paypal {
    pub(crate) fn new(account: &Account, client_secret: SecretString) -> Result<Paypal, Error> {
        let address = format!("{}/v1/oauth2/token", account.base.as_str().trim_end_matches('/'));
        let token_url = Url::parse(&address).map_err(|e| Error::config(format!("endpoint: {e}")))?;
        let client_id = account.client_id.clone();
        Ok(Paypal {
            oauth: OAuth2 {
                token_url,
                client_id,
                client_secret,
                auth: ClientAuth::Basic,
                scopes: Vec::new(),
            },
        })
    }
}

/// `name`, `message`, `debug_id`, `details` of the API; `error`, `error_description` of the token endpoint.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    name: Option<String>,
    message: Option<String>,
    debug_id: Option<String>,
    details: Vec<Detail>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    field: Option<String>,
    issue: Option<String>,
    description: Option<String>,
}

impl Protocol for Paypal {
    /// A refund that was made and came to nothing is what its request id stands for, for 45 days.
    fn remembers(&self, operation: &str, refusal: &Error) -> bool {
        operation == crate::refunds::CREATE.name
            && refusal.kind() == Kind::Rejected
            && refusal.upstream_ref().is_none()
    }
    fn token_plan(&self, _: &OpCx<'_>, audience: &str, _: Option<&TokenSet>) -> Result<TokenPlan, Error> {
        if audience == FILES {
            return Ok(TokenPlan::None);
        }
        Ok(TokenPlan::Fetch(Box::new(self.oauth.client_credentials()?)))
    }

    fn read_token(
        &self,
        cx: &OpCx<'_>,
        _: &str,
        _: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet, Error> {
        OAuth2::read(response, cx.now, None)
    }

    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        match cx.token {
            Some(token) => request.set_header("authorization", &format!("Bearer {}", token.access())),
            None => Ok(()),
        }
    }

    fn upstream(&self, _: &str, response: &WireResponse) -> Option<Upstream> {
        // No success of PayPal's has a body with `name` and `debug_id`; still only errors are read as such, and a
        // 2xx that carries an error is one (a proxy that lies about the status).
        let problem: Problem = response.json().unwrap_or_default();
        let said_no = problem.debug_id.is_some() && problem.name.is_some() || problem.error.is_some();
        if !response.is_refusal() && !said_no {
            return None;
        }
        let header = response.header("paypal-debug-id").map(str::to_owned);
        let text = problem.message.or(problem.error_description).unwrap_or_else(|| snippet(&response.body));
        Some(Upstream {
            http: response.status,
            code: problem.name.or(problem.error).unwrap_or_default(),
            sub_code: problem.details.first().and_then(|d| d.issue.clone()),
            message: text,
            request_id: problem.debug_id.or(header),
            fields: problem
                .details
                .into_iter()
                .map(|d| FieldError {
                    field: d.field.unwrap_or_default(),
                    code: d.issue.unwrap_or_default(),
                    message: d.description.unwrap_or_default(),
                })
                .collect(),
        })
    }
}
