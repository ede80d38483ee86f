//! A connector over real HTTP against a simulated channel, with a witness that holds every exchange against the
//! vendor's specification: what we ask and what the simulator answers.
//!
//! The simulator is not known here; its clock and address come in as closures and settings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tradewind_connector::{
    AccountConfig, CallCx, Clock, Connector, Error, Factory, HttpTransport, Runtime, Secrets, Transport,
    TransportError, Window, WireRequest, WireResponse, all_records,
};
use tradewind_domain::Order;

use super::report::{Group, NO_SPECIFICATION, Report};
use super::runs::check_exchange;
use super::script::Answer;
use crate::spec::SpecSet;

/// A clock kept by somebody else: a simulator's.
pub struct Follow<N, W> {
    /// Its time.
    pub now: N,
    /// Moves it on.
    pub wait: W,
}

#[async_trait]
impl<N, W> Clock for Follow<N, W>
where
    N: Fn() -> Timestamp + Send + Sync,
    W: Fn(Duration) + Send + Sync,
{
    fn now(&self) -> Timestamp {
        (self.now)()
    }
    async fn sleep(&self, wait: Duration) {
        (self.wait)(wait);
        tokio::task::yield_now().await;
    }
}

/// An opened connector and its witness.
pub struct Live {
    /// The connector.
    pub connector: Arc<dyn Connector>,
    witness: Arc<Witness>,
}

impl Live {
    /// Opens an account. Requests whose path contains one of `unspecified` are not covered by a specification (token
    /// endpoints, file downloads); each is a counted skip.
    ///
    /// # Errors
    /// Settings or secrets are refused, or HTTP does not start.
    pub fn open(
        factory: &'static Factory,
        settings: &str,
        secrets: &[(&str, &str)],
        clock: Arc<dyn Clock>,
        unspecified: &[&str],
    ) -> Result<Live, Error> {
        Live::open_inside(factory, settings, secrets, clock, unspecified, |_| Vec::new())
    }

    /// The same for a channel whose bodies hold XML documents (the content of an envelope, messages in a JSON list): see
    /// [`Suite::documents`](super::Suite::documents).
    ///
    /// # Errors
    /// As [`Live::open`].
    pub fn open_inside(
        factory: &'static Factory,
        settings: &str,
        secrets: &[(&str, &str)],
        clock: Arc<dyn Clock>,
        unspecified: &[&str],
        documents: fn(&[u8]) -> Vec<String>,
    ) -> Result<Live, Error> {
        let mut report = Report::of(factory.id);
        let set = match SpecSet::for_channel(factory.id) {
            Ok(set) => Some(set),
            Err(why) => {
                report.skip(Group::Specification, format!("{NO_SPECIFICATION}{why}"));
                None
            }
        };
        let witness = Arc::new(Witness {
            http: HttpTransport::new(clock.clone())?,
            set,
            unspecified: unspecified.iter().map(|p| (*p).to_owned()).collect(),
            documents,
            report: Mutex::new(report),
        });
        let runtime = Runtime::in_memory(clock, witness.clone());
        let config = AccountConfig::of("live", settings, Secrets::of(secrets))?;
        Ok(Live { connector: factory.opened(config, runtime)?, witness })
    }

    /// Ends with the verdict over all exchanges; see [`Report::assert_exchanges`].
    pub fn assert_exchanges(&self, least: usize) {
        self.witness.lock().assert_exchanges(least);
    }
}

/// All orders of a window, whole: as the gateway pulls them, except that one that cannot be read is the end.
///
/// # Errors
/// A page or an order that cannot be read; the connector has no orders.
pub async fn orders(connector: &dyn Connector, window: Window) -> Result<Vec<Order>, Error> {
    let facet = connector.marketplace().and_then(|m| m.orders()).ok_or_else(super::json::absent)?;
    let cx = CallCx::new();
    let cx = &cx;
    let listed = all_records(|cursor| async move { facet.changed(cx, window, cursor.as_ref()).await });
    let mut orders = Vec::new();
    for listed in listed.await? {
        orders.push(listed.read(facet, cx).await?);
    }
    Ok(orders)
}

struct Witness {
    http: HttpTransport,
    set: Option<Arc<SpecSet>>,
    unspecified: Vec<String>,
    documents: fn(&[u8]) -> Vec<String>,
    report: Mutex<Report>,
}

impl Witness {
    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, request: &WireRequest, response: &WireResponse) {
        let Some(set) = &self.set else { return };
        let path = request.url.path();
        let label = format!("{} {path} -> {}", request.method, response.status);
        // Of a gateway with one path, the method is in the query.
        let address = request.full_url();
        if let Some(part) = self.unspecified.iter().find(|p| address.as_str().contains(p.as_str())) {
            return self.lock().skip(Group::Specification, format!("{part}: no specification covers it"));
        }
        let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let headers = response.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect();
        let answer = Answer { status: response.status, headers, body: response.body.clone() };
        // A dead token, a throttle and an outage are answered everywhere and documented almost nowhere: what they look
        // like is the connector's fixtures' business.
        let trouble = matches!(response.status, 401 | 429 | 500..);
        let answer = (!trouble).then_some(&answer);
        check_exchange(set, self.documents, request, answer, &label, &mut self.lock());
    }
}

#[async_trait]
impl Transport for Witness {
    async fn send(&self, request: &WireRequest, timeout: Duration) -> Result<WireResponse, TransportError> {
        let response = self.http.send(request, timeout).await?;
        self.look(request, &response);
        Ok(response)
    }
}
