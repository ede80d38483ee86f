//! Login with Amazon, and where the API hides its errors. No request signing: since 2023-10-02 the access token
//! header alone authenticates.

use serde::Deserialize;
use tradewind_connector::{
    ClientAuth, Error, FieldError, Kind, OAuth2, OpCx, Protocol, SecretString, Secrets, SignCx, TokenPlan,
    TokenSet, Upstream, WireRequest, WireResponse, snippet,
};
use url::Url;

use crate::config::{Settings, Site};

/// Operations that fetch or send documents at pre-signed addresses, which refuse any credential of ours.
pub(crate) const PRESIGNED: &str = "document.download";

pub(crate) struct Lwa {
    oauth: OAuth2,
    refresh_token: SecretString,
    /// Where the seller's consent holds.
    region: &'static str,
}

impl Lwa {
    pub(crate) fn new(settings: &Settings, site: &Site, secrets: &Secrets) -> Result<Lwa, Error> {
        let token_url = match &settings.token_endpoint {
            Some(url) => url.clone(),
            None => Url::parse("https://api.amazon.com/auth/o2/token")
                .map_err(|e| Error::config(e.to_string()))?,
        };
        let oauth = OAuth2 {
            token_url,
            client_id: settings.client_id.clone(),
            client_secret: secrets.need("client_secret")?.clone(),
            auth: ClientAuth::Body,
            scopes: Vec::new(),
        };
        Ok(Lwa { oauth, refresh_token: secrets.need("refresh_token")?.clone(), region: site.region })
    }
}

#[derive(Deserialize)]
struct Problems {
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct LwaProblem {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Protocol for Lwa {
    /// A seller's consent holds for all stores of a region (SP-API Developer Guide). The seller is in [`Opening::app`].
    ///
    /// [`Opening::app`]: tradewind_connector::Opening::app
    fn shared_login(&self) -> Option<String> {
        Some(self.region.to_owned())
    }

    fn token_plan(
        &self,
        _cx: &OpCx<'_>,
        _audience: &str,
        _current: Option<&TokenSet>,
    ) -> Result<TokenPlan, Error> {
        // The refresh token of the configuration is long-lived and not rotated.
        Ok(TokenPlan::Fetch(Box::new(self.oauth.refresh(&self.refresh_token)?)))
    }

    fn read_token(
        &self,
        cx: &OpCx<'_>,
        _audience: &str,
        _current: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet, Error> {
        OAuth2::read(response, cx.now, None)
    }

    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        if cx.operation == PRESIGNED {
            return Ok(());
        }
        let token = cx.token.ok_or_else(|| Error::new(Kind::Unauthenticated, "no access token"))?;
        request.set_header("x-amz-access-token", token.access())?;
        // Mandatory, in this shape: "AppId/Version (Language=…)".
        request.set_header("user-agent", concat!("tradewind/", env!("CARGO_PKG_VERSION"), " (Language=Rust)"))
    }

    fn upstream(&self, _operation: &str, response: &WireResponse) -> Option<Upstream> {
        if !response.is_refusal() {
            return None;
        }
        let request_id = response.header("x-amzn-requestid").map(str::to_owned);
        let base = Upstream { http: response.status, request_id, ..Upstream::default() };
        if let Ok(Problems { errors }) = response.json::<Problems>()
            && let Some(first) = errors.first()
        {
            let fields = errors
                .iter()
                .filter_map(|p| {
                    Some(FieldError {
                        field: p.details.clone().filter(|d| !d.is_empty())?,
                        code: p.code.clone(),
                        message: p.message.clone(),
                    })
                })
                .collect();
            return Some(Upstream {
                code: first.code.clone(),
                message: first.message.clone(),
                fields,
                ..base
            });
        }
        if let Ok(p) = response.json::<LwaProblem>() {
            return Some(Upstream { code: p.error, message: p.error_description, ..base });
        }
        Some(Upstream { message: snippet(&response.body), ..base })
    }
}
