//! The only place where a byte leaves: HTTP through reqwest with rustls, and stand-ins that record and replay.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::scrub::Scrubber;
use crate::wire::{Body, WireRequest, WireResponse};

/// The largest answer that is read, in bytes. A bigger one is refused, not cut.
pub const MAX_BODY: usize = 256 * 1024 * 1024;

/// A failure below HTTP.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// The request may have reached the channel.
    pub maybe_sent: bool,
    /// What happened; no address with secrets in it.
    pub message: String,
}

impl From<TransportError> for Error {
    fn from(e: TransportError) -> Error {
        let error = Error::new(Kind::Transport, e.message);
        if e.maybe_sent { error.after_send() } else { error }
    }
}

/// Sends one complete request. Never retries.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends and reads the whole answer.
    async fn send(&self, request: &WireRequest, timeout: Duration) -> Result<WireResponse, TransportError>;
}

/// How the requests of an account reach its channel, where that is not the plain way. The default is the plain way.
#[derive(Clone, Default)]
pub struct Network {
    /// A proxy that all of them go through: `http://host:port`, `https://…`. Without one, what the environment says
    /// (`HTTPS_PROXY`, `NO_PROXY`).
    pub proxy: Option<Url>,
    /// Name and password for the proxy.
    pub proxy_login: Option<(String, SecretString)>,
    /// Certificates (PEM) of an authority that is believed beside those of the system: a test platform's, a bridge's.
    pub authority: Option<Vec<u8>>,
    /// What we prove ourselves with to a server that asks (mutual TLS): the certificate with its chain, and its key, both PEM.
    pub identity: Option<(Vec<u8>, SecretString)>,
}

/// HTTP over TLS.
pub struct HttpTransport {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
}

impl HttpTransport {
    /// A client with our user agent, no redirects (a signed request must not wander), and short-lived idle
    /// connections: a peer that closes one while we send is the classic lost answer (hyper#2136).
    ///
    /// # Errors
    /// The TLS back end could not start.
    pub fn new(clock: Arc<dyn Clock>) -> Result<HttpTransport, Error> {
        HttpTransport::over(clock, &Network::default())
    }

    /// The same over a network of an account's own. Its connections are its own, too: a server knows us by the certificate of
    /// the connection.
    ///
    /// # Errors
    /// A certificate, a key or the proxy cannot be used: [`Kind::Config`].
    pub fn over(clock: Arc<dyn Clock>, network: &Network) -> Result<HttpTransport, Error> {
        let bad = |what: &str, e: reqwest::Error| {
            let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            Error::config(format!("{what}: {why}"))
        };
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("tradewind/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(4))
            .connect_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        if let Some(proxy) = &network.proxy {
            let mut all = reqwest::Proxy::all(proxy.clone()).map_err(|e| bad("the proxy", e))?;
            if let Some((name, password)) = &network.proxy_login {
                all = all.basic_auth(name, password.expose_secret());
            }
            client = client.proxy(all);
        }
        if let Some(pem) = &network.authority {
            let what = "the certificates of the authority are not usable, they must be PEM";
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| bad(what, e))?;
            if roots.is_empty() {
                return Err(Error::config(format!("{what}: none is in the file")));
            }
            client = client.tls_certs_merge(roots);
        }
        if let Some((certificate, key)) = &network.identity {
            let pem = [key.expose_secret().as_bytes(), b"\n", certificate].concat();
            let what =
                "the client certificate and its key are not usable, both must be PEM, the key not encrypted";
            client = client.identity(reqwest::Identity::from_pem(&pem).map_err(|e| bad(what, e))?);
        }
        let client = client.build().map_err(|e| bad("HTTP client", e))?;
        Ok(HttpTransport { client, clock })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: &WireRequest, timeout: Duration) -> Result<WireResponse, TransportError> {
        let mut sent = reqwest::Request::new(request.method.clone(), request.full_url());
        // With room for what is added to it here and by the client: a plain copy has none, and would be made twice more.
        let mut headers = HeaderMap::with_capacity(request.headers.len() + 4);
        headers.extend(request.headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        *sent.headers_mut() = headers;
        *sent.timeout_mut() = Some(timeout);
        if let Some((content_type, bytes)) = request.body_bytes() {
            if !sent.headers().contains_key(CONTENT_TYPE) {
                let value = HeaderValue::from_str(content_type)
                    .map_err(|e| TransportError { maybe_sent: false, message: format!("media type: {e}") })?;
                sent.headers_mut().insert(CONTENT_TYPE, value);
            }
            *sent.body_mut() = Some(bytes.into());
        } else if let Body::Multipart(parts) = &request.body {
            let builder = reqwest::RequestBuilder::from_parts(self.client.clone(), sent);
            sent = builder.multipart(multipart(parts)?).build().map_err(|e| failure(&e, &request.url))?;
        }
        let mut response = self.client.execute(sent).await.map_err(|e| failure(&e, &request.url))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Gathered::default();
        while let Some(chunk) = response.chunk().await.map_err(|e| failure(&e, &request.url))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(TransportError {
                    maybe_sent: true,
                    message: format!("answer larger than {MAX_BODY} bytes"),
                });
            }
            body.push(chunk);
        }
        Ok(WireResponse { status, headers, body: body.whole(), received_at: self.clock.now() })
    }
}

/// The chunks of an answer; most come in one, which is not copied.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    rest: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        if self.rest.is_empty() { self.first.len() } else { self.rest.len() }
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&self.first);
        }
        self.rest.extend_from_slice(&chunk);
    }

    fn whole(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

fn multipart(parts: &[crate::wire::Part]) -> Result<reqwest::multipart::Form, TransportError> {
    let mut form = reqwest::multipart::Form::new();
    for part in parts {
        let mut p = reqwest::multipart::Part::stream_with_length(part.bytes.clone(), part.bytes.len() as u64);
        if let Some(name) = &part.file_name {
            p = p.file_name(name.clone());
        }
        if let Some(media_type) = &part.content_type {
            p = p
                .mime_str(media_type)
                .map_err(|e| TransportError { maybe_sent: false, message: format!("media type: {e}") })?;
        }
        form = form.part(part.name.clone(), p);
    }
    Ok(form)
}

/// reqwest's error without the address (it may carry a token) but for its host, and whether bytes may have left.
fn failure(e: &reqwest::Error, url: &url::Url) -> TransportError {
    let what = if e.is_connect() {
        "could not connect"
    } else if e.is_timeout() {
        "no answer in time"
    } else if e.is_body() || e.is_decode() {
        "the answer broke off"
    } else if e.is_builder() {
        "the request could not be built"
    } else {
        "the connection broke"
    };
    let mut message = what.to_owned();
    let mut source = std::error::Error::source(e);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !text.contains("://") {
            message = format!("{what}: {text}");
        }
        source = inner.source();
    }
    if e.is_connect() {
        let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        let why = message.strip_prefix(what).unwrap_or_default();
        message =
            format!("{what} to {host}{port}{why} (check the network, and the endpoint of this account)");
    }
    TransportError { maybe_sent: !(e.is_connect() || e.is_builder()), message }
}

/// One recorded exchange. Secrets are scrubbed before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Address with query.
    pub url: String,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// Request body as text; lossy for binary bodies. Of a multipart body its parts, each under a line that names it.
    pub body: String,
    /// Status.
    pub status: u16,
    /// Response headers.
    pub response_headers: Vec<(String, String)>,
    /// Response body as text.
    pub response_body: String,
}

/// Records what goes through another transport.
pub struct RecordingTransport<T> {
    inner: T,
    scrubber: Scrubber,
    taken: Arc<Mutex<Vec<Recorded>>>,
}

impl<T: Transport> RecordingTransport<T> {
    /// Around `inner`.
    pub fn new(inner: T, scrubber: Scrubber) -> RecordingTransport<T> {
        RecordingTransport { inner, scrubber, taken: Arc::default() }
    }

    /// A handle to what is recorded, to keep when the transport is moved away.
    #[must_use]
    pub fn tape(&self) -> Arc<Mutex<Vec<Recorded>>> {
        Arc::clone(&self.taken)
    }
}

#[async_trait]
impl<T: Transport> Transport for RecordingTransport<T> {
    async fn send(&self, request: &WireRequest, timeout: Duration) -> Result<WireResponse, TransportError> {
        let response = self.inner.send(request, timeout).await?;
        let s = &self.scrubber;
        let recorded = Recorded {
            method: request.method.to_string(),
            url: s.text(request.full_url().as_str()),
            headers: s.headers(&request.headers),
            body: s.body(request),
            status: response.status,
            response_headers: s.headers(&response.headers),
            response_body: s.text(&String::from_utf8_lossy(&response.body)),
        };
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        Ok(response)
    }
}

/// Answers from a recording, in order; a request that does not fit is an error.
pub struct ReplayTransport {
    left: Mutex<VecDeque<Recorded>>,
    clock: Arc<dyn Clock>,
}

impl ReplayTransport {
    /// From a tape.
    #[must_use]
    pub fn new(tape: Vec<Recorded>, clock: Arc<dyn Clock>) -> ReplayTransport {
        ReplayTransport { left: Mutex::new(tape.into()), clock }
    }
}

#[async_trait]
impl Transport for ReplayTransport {
    async fn send(&self, request: &WireRequest, _timeout: Duration) -> Result<WireResponse, TransportError> {
        let refuse = |message: String| TransportError { maybe_sent: false, message };
        let next = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let next = next.ok_or_else(|| refuse("the recording is at its end".to_owned()))?;
        let path = |u: &str| u.split(['?', '#']).next().unwrap_or_default().to_owned();
        if next.method != request.method.as_str() || path(&next.url) != path(request.url.as_str()) {
            return Err(refuse(format!("the recording expects {} {}", next.method, path(&next.url))));
        }
        let mut headers = http::HeaderMap::new();
        for (name, value) in &next.response_headers {
            if let (Ok(n), Ok(v)) =
                (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_str(value))
            {
                headers.append(n, v);
            }
        }
        let body = Bytes::from(next.response_body);
        Ok(WireResponse { status: next.status, headers, body, received_at: self.clock.now() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_is_away_is_named_and_nothing_else_of_the_address() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = HttpTransport::new(Arc::new(crate::SystemClock)).unwrap();
        let base = format!("http://127.0.0.1:{port}").parse().unwrap();
        let request = WireRequest::new(http::Method::GET, &base, "/orders").unwrap().query("sign", "abc");
        let e = http.send(&request, Duration::from_secs(5)).await.unwrap_err();
        assert!(!e.maybe_sent);
        let host = format!("could not connect to 127.0.0.1:{port}");
        assert!(e.message.contains(&host) && e.message.contains("check the network"), "{}", e.message);
        assert!(!e.message.contains("orders") && !e.message.contains("abc"), "{}", e.message);
    }
}
