//! The door: HTTP/1.1, one request per connection, every size and every wait bounded. It believes nothing; the account's
//! connector does the checking, and 2xx is said only when the delivery is durable.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tradewind_connector::InboundRequest;
use tradewind_domain::AccountId;
use tradewind_gateway::Gateway;
use tradewind_gateway::hints::Taken;

use super::{Event, Teller};

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: u32 = 32;
/// The largest body: a product with two thousand variants fits.
const MAX_BODY: usize = 4 << 20;
/// The largest head.
const MAX_HEAD: usize = 16 << 10;
/// The most header fields.
const MAX_FIELDS: usize = 64;
/// A head must be there by then, and a body so long after it.
const PART_TIME: Duration = Duration::from_secs(4);
/// All of a connection. Channels give an answer five seconds.
const WHOLE_TIME: Duration = Duration::from_secs(10);

/// The door.
pub(crate) struct Server {
    gateway: Arc<Gateway>,
    teller: Arc<Teller>,
    /// Who reads what is told of an account.
    wake: BTreeMap<AccountId, Arc<Notify>>,
    /// The public address without a slash at its end, or what we listen on.
    base: String,
}

impl Server {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        teller: Arc<Teller>,
        wake: BTreeMap<AccountId, Arc<Notify>>,
        bound: std::net::SocketAddr,
    ) -> Server {
        let base = gateway.config.listen.url.clone().unwrap_or_else(|| format!("http://{bound}"));
        Server { gateway, teller, wake, base: base.trim_end_matches('/').to_owned() }
    }

    /// Serves until `stop` says true, then lets open connections end.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                _ = stop.changed() => break,
                next = next => next,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of files or memory: going round would not make more of them.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                let _place = place;
                let service = service_fn(move |request| {
                    let server = Arc::clone(&server);
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PART_TIME)
                    .max_buf_size(MAX_HEAD)
                    .max_headers(MAX_FIELDS)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                match timeout(WHOLE_TIME, connection).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
                    Err(_) => tracing::debug!("a connection took too long"),
                }
            });
        }
        drop(listener);
        // Each of them ends by itself in time.
        let _ = places.acquire_many(CONNECTIONS).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Some(account) = account_of(parts.uri.path()) else { return empty(StatusCode::NOT_FOUND) };
        if parts.method != Method::POST && parts.method != Method::GET {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if declared.is_some_and(|n: u64| n > MAX_BODY as u64) {
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let body = match timeout(PART_TIME, to_bytes(Body::new(body), MAX_BODY)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return empty(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return empty(StatusCode::REQUEST_TIMEOUT),
        };
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let request = InboundRequest {
            url: format!("{}{path}", self.base),
            headers: parts.headers,
            body,
            received_at: self.gateway.now(),
        };
        if parts.method == Method::GET {
            let inbound = self.gateway.accounts.get(&account).and_then(|c| c.inbound());
            return match inbound.and_then(|i| i.challenge(&request)) {
                Some(answer) => {
                    let mut response = Response::new(Body::from(answer.body));
                    let kind = http::HeaderValue::from_static(answer.content_type);
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                    response
                }
                None => self.refuse(&account, "a GET that is no question of its channel"),
            };
        }
        match self.gateway.take_delivery(&account, &request).await {
            Ok(Taken::New { id, readings, unread }) => {
                if let Some(worker) = self.wake.get(&account).filter(|_| !readings.is_empty()) {
                    worker.notify_one();
                }
                let readings = readings.iter().map(ToString::to_string).collect();
                self.teller.tell(&Event::Taken { account, delivery: id, readings, unread });
                empty(StatusCode::OK)
            }
            Ok(Taken::Again { id }) => {
                self.teller.tell(&Event::Again { account, delivery: id });
                empty(StatusCode::OK)
            }
            Ok(Taken::Refused(why)) => self.refuse(&account, &why),
            Err(error) => {
                self.teller.tell(&Event::Failed { why: error.to_string() });
                empty(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// One answer for an account that is not there, one that takes nothing, and a signature that does not fit. The account
    /// is named to us only if there is one: else it is a stranger's word.
    fn refuse(&self, account: &AccountId, why: &str) -> Response<Body> {
        let known = self.gateway.accounts.contains_key(account).then_some(account);
        self.teller.refused(known, why);
        empty(StatusCode::UNAUTHORIZED)
    }
}

/// `/hooks/ACCOUNT`, or `/hooks/ACCOUNT/WORD` for who wants several addresses for one account.
fn account_of(path: &str) -> Option<AccountId> {
    let mut parts = path.strip_prefix("/hooks/")?.split('/');
    let account = AccountId::new(parts.next()?).ok()?;
    let word = parts.next().is_none_or(|w| !w.is_empty());
    (word && parts.next().is_none()).then_some(account)
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_an_account() {
        for (path, account) in [
            ("/hooks/shop", Some("shop")),
            ("/hooks/shop/orders", Some("shop")),
            ("/hooks/", None),
            ("/hooks", None),
            ("/hooks/shop/", None),
            ("/hooks/shop/a/b", None),
            ("/shop", None),
            ("/", None),
        ] {
            assert_eq!(account_of(path).as_ref().map(AccountId::as_str), account, "{path}");
        }
    }
}
