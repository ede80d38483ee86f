//! Standard OAuth 2 token requests (RFC 6749) on the `oauth2` crate's types, made pure: the request is taken
//! out of the crate instead of being sent by it, so that the pipeline sends it like any other.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::consent::{Consent, ConsentAnswer};
use crate::error::Error;
use crate::protocol::TokenSet;
use crate::wire::{WireRequest, WireResponse};

/// How the client identifies itself at the token endpoint (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// HTTP Basic.
    Basic,
    /// In the request body.
    Body,
}

/// A standard token endpoint.
pub struct OAuth2 {
    /// Token endpoint.
    pub token_url: Url,
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: SecretString,
    /// Where the two go.
    pub auth: ClientAuth,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
}

/// Stops the crate after it built the request.
#[derive(Debug, thiserror::Error)]
#[error("request taken")]
struct Taken;

impl OAuth2 {
    /// The client-credentials grant (§4.4).
    ///
    /// # Errors
    /// The endpoint address is unusable.
    pub fn client_credentials(&self) -> Result<WireRequest, Error> {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.expose_secret().to_owned()))
            .set_auth_type(self.auth_type())
            .set_token_uri(TokenUrl::from_url(self.token_url.clone()));
        let request =
            client.exchange_client_credentials().add_scopes(self.scopes.iter().cloned().map(Scope::new));
        take(|send| request.request(send))
    }

    /// The refresh-token grant (§6).
    ///
    /// # Errors
    /// The endpoint address is unusable.
    pub fn refresh(&self, refresh_token: &SecretString) -> Result<WireRequest, Error> {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.expose_secret().to_owned()))
            .set_auth_type(self.auth_type())
            .set_token_uri(TokenUrl::from_url(self.token_url.clone()));
        let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let request =
            client.exchange_refresh_token(&token).add_scopes(self.scopes.iter().cloned().map(Scope::new));
        take(|send| request.request(send))
    }

    /// The page of the authorization-code grant (§4.1.1). `redirect` is what the channel registered for the way back, which is
    /// not an address everywhere.
    ///
    /// # Errors
    /// The page's address is unusable.
    pub fn consent(&self, page: &Url, redirect: &str, state: &str) -> Result<Consent, Error> {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(page.clone()));
        let (page, _) = client
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .add_extra_param("redirect_uri", redirect)
            .url();
        Ok(Consent { page, state: state.to_owned() })
    }

    /// The request for that grant's tokens (§4.1.3).
    ///
    /// # Errors
    /// The endpoint address is unusable, or there is no code.
    pub fn exchange(&self, answer: &ConsentAnswer, redirect: &str) -> Result<WireRequest, Error> {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.expose_secret().to_owned()))
            .set_auth_type(self.auth_type())
            .set_token_uri(TokenUrl::from_url(self.token_url.clone()));
        let code = AuthorizationCode::new(answer.code()?.to_owned());
        let request = client.exchange_code(code).add_extra_param("redirect_uri", redirect);
        take(|send| request.request(send))
    }

    fn auth_type(&self) -> AuthType {
        match self.auth {
            ClientAuth::Basic => AuthType::BasicAuth,
            ClientAuth::Body => AuthType::RequestBody,
        }
    }

    /// Reads a successful answer (§5.1). A refresh token that did not change is kept.
    ///
    /// # Errors
    /// Not a token answer.
    pub fn read(
        response: &WireResponse,
        now: Timestamp,
        current: Option<&SecretString>,
    ) -> Result<TokenSet, Error> {
        let token: BasicTokenResponse = response.json()?;
        let lifetime = token.expires_in().and_then(|d| SignedDuration::try_from(d).ok());
        let refresh = token.refresh_token().map(|t| SecretString::from(t.secret().clone()));
        Ok(TokenSet {
            access: SecretString::from(token.access_token().secret().clone()),
            refresh: refresh.or_else(|| current.cloned()),
            expires_at: lifetime.and_then(|d| now.checked_add(d).ok()),
            extra: BTreeMap::new(),
        })
    }
}

/// A "client" that keeps the request and answers nothing.
struct Keep(RefCell<Option<HttpRequest>>);

impl oauth2::SyncHttpClient for Keep {
    type Error = Taken;
    fn call(&self, request: HttpRequest) -> Result<HttpResponse, Taken> {
        self.0.replace(Some(request));
        Err(Taken)
    }
}

/// Runs the crate's sender with [`Keep`] and takes the request out.
fn take<T>(
    run: impl FnOnce(&Keep) -> Result<T, RequestTokenError<Taken, oauth2::basic::BasicErrorResponse>>,
) -> Result<WireRequest, Error> {
    let keep = Keep(RefCell::new(None));
    let _ = run(&keep);
    let request = keep.0.into_inner().ok_or_else(|| Error::config("the token request could not be built"))?;
    let (head, body) = request.into_parts();
    let url = Url::parse(&head.uri.to_string()).map_err(|e| Error::config(format!("token endpoint: {e}")))?;
    let mut wire = WireRequest::new(head.method, &url, "")?;
    wire.url = url;
    wire.headers = head.headers;
    Ok(wire.bytes("application/x-www-form-urlencoded", body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(auth: ClientAuth) -> OAuth2 {
        OAuth2 {
            token_url: Url::parse("https://id.example/token").unwrap(),
            client_id: "me".into(),
            client_secret: SecretString::from("s3cret".to_owned()),
            auth,
            scopes: vec!["a".into(), "b".into()],
        }
    }

    #[test]
    fn requests_are_those_of_rfc_6749() {
        let r = endpoint(ClientAuth::Basic).client_credentials().unwrap();
        // Basic base64("me:s3cret") = bWU6czNjcmV0
        assert_eq!(r.headers["authorization"], "Basic bWU6czNjcmV0");
        let (_, body) = r.body_bytes().unwrap();
        assert_eq!(&body[..], b"grant_type=client_credentials&scope=a+b");
        let r = endpoint(ClientAuth::Body).refresh(&SecretString::from("r1".to_owned())).unwrap();
        let text = String::from_utf8(r.body_bytes().unwrap().1.to_vec()).unwrap();
        for part in ["grant_type=refresh_token", "refresh_token=r1", "client_id=me", "client_secret=s3cret"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(r.url.as_str(), "https://id.example/token");
    }

    #[test]
    fn the_code_grant_is_that_of_rfc_6749() {
        let endpoint = endpoint(ClientAuth::Basic);
        let page = Url::parse("https://id.example/authorize").unwrap();
        let consent = endpoint.consent(&page, "Shop-App-PRD-x", "s1").unwrap();
        let asked: BTreeMap<String, String> = consent.page.query_pairs().into_owned().collect();
        // §4.1.1: response_type, client_id, redirect_uri, scope, state.
        let expected = [
            ("client_id", "me"),
            ("redirect_uri", "Shop-App-PRD-x"),
            ("response_type", "code"),
            ("scope", "a b"),
            ("state", "s1"),
        ];
        assert_eq!(asked, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        let answer = ConsentAnswer::read("https://x.example/?code=c%23d&state=s1", "s1").unwrap();
        let r = endpoint.exchange(&answer, "Shop-App-PRD-x").unwrap();
        let (_, body) = r.body_bytes().unwrap();
        let sent: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        // §4.1.3: grant_type, code, redirect_uri; the client identifies itself in the header.
        let expected =
            [("code", "c#d"), ("grant_type", "authorization_code"), ("redirect_uri", "Shop-App-PRD-x")];
        assert_eq!(sent, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        assert_eq!(r.headers["authorization"], "Basic bWU6czNjcmV0");
    }

    #[test]
    fn a_rotated_refresh_token_replaces_the_old() {
        let now = "2026-08-01T00:00:00Z".parse().unwrap();
        let old = SecretString::from("old".to_owned());
        let r = WireResponse::json_text(
            200,
            r#"{"access_token":"A","token_type":"bearer","expires_in":3600,"refresh_token":"new"}"#,
        );
        let t = OAuth2::read(&r, now, Some(&old)).unwrap();
        assert_eq!(t.refresh.unwrap().expose_secret(), "new");
        assert_eq!(t.expires_at.unwrap().to_string(), "2026-08-01T01:00:00Z");
        let r = WireResponse::json_text(200, r#"{"access_token":"A","token_type":"bearer"}"#);
        assert_eq!(OAuth2::read(&r, now, Some(&old)).unwrap().refresh.unwrap().expose_secret(), "old");
    }
}
