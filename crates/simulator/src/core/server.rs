//! The running simulator: one loopback listener per channel, the gauntlet each request passes, and
//! the control interface under `/_sim/`.
//!
//! Hyper is used directly instead of `axum::serve`, because a dropped connection (a request without
//! any answer) is a fault that must be shown to clients, and only the connection's own service can
//! refuse to answer.

use super::buyers::Demand;
use super::channel::{Call, Channel, Credentials};
use super::control;
use super::faults::{Fault, Profile};
use super::ledger::Ledger;
use super::quota::Verdict;
use super::world::{CONTROL, Hook, Moment, World};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

/// The largest request body read; far above any channel's own limit.
const BODY_LIMIT: usize = 256 << 20;
/// How long a hung request keeps the client waiting, in real time.
const HANG: Duration = Duration::from_millis(300);
/// How often a clock that runs by itself is moved, in real time; and one that runs faster than the machine's.
const TICK: Duration = Duration::from_millis(100);
const FAST_TICK: Duration = Duration::from_millis(20);
/// How long the world goes on between two pages of a list that moves.
const SHIFT: Duration = Duration::from_secs(30 * 60);
/// How late a delayed answer is, in real time.
const DELAY: Duration = Duration::from_millis(10);

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port could not be opened.
    #[error("cannot listen on {address} for channel `{channel}`: {source}")]
    Listen {
        /// The channel.
        channel: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A channel that was asked for does not exist.
    #[error("no simulated channel is called `{0}`; there are: {1}")]
    UnknownChannel(String, String),
}

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Builder {
    seed: u64,
    profile: Profile,
    channels: Option<Vec<String>>,
    start: Timestamp,
    demand: Demand,
    hang: Duration,
    address: IpAddr,
    first_port: u16,
    quotas: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            seed: 1,
            profile: Profile::None,
            channels: None,
            // 2026-03-02 is a Monday.
            start: super::clock::instant(1_772_409_600_000),
            demand: Demand::default(),
            hang: HANG,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            first_port: 0,
            quotas: true,
        }
    }
}

impl Builder {
    /// The seed; everything follows from it. Default 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// The fault profile. Default none.
    #[must_use]
    pub fn faults(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }
    /// Only these channels. Default: all there are.
    #[must_use]
    pub fn channels<I: IntoIterator<Item = S>, S: Into<String>>(mut self, names: I) -> Self {
        self.channels = Some(names.into_iter().map(Into::into).collect());
        self
    }
    /// The instant at which the world begins. Default 2026-03-02T00:00:00Z.
    #[must_use]
    pub fn start_at(mut self, start: Timestamp) -> Self {
        self.start = start;
        self
    }
    /// How much buyers buy.
    #[must_use]
    pub fn demand(mut self, demand: Demand) -> Self {
        self.demand = demand;
        self
    }
    /// How long a hung request waits before its connection closes. Default 300 ms.
    #[must_use]
    pub fn hang(mut self, hang: Duration) -> Self {
        self.hang = hang;
        self
    }
    /// Where to listen: an address, and the first of consecutive ports (0: any free port each).
    #[must_use]
    pub fn listen(mut self, address: IpAddr, first_port: u16) -> Self {
        self.address = address;
        self.first_port = first_port;
        self
    }
    /// Whether quotas are enforced. Default yes.
    #[must_use]
    pub fn quotas(mut self, on: bool) -> Self {
        self.quotas = on;
        self
    }

    /// Starts the fakes that the library has.
    ///
    /// # Errors
    /// An unknown channel name, or a port that cannot be opened.
    pub async fn start(self) -> Result<Simulator, StartError> {
        let mut all = crate::channels::all();
        if let Some(wanted) = &self.channels {
            let names = all.iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
            for name in wanted {
                if !all.iter().any(|c| c.name() == name) {
                    return Err(StartError::UnknownChannel(name.clone(), names));
                }
            }
            all.retain(|c| wanted.iter().any(|w| w == c.name()));
        }
        self.start_with(all).await
    }

    /// Starts the given fakes (for a fake of your own).
    ///
    /// # Errors
    /// A port that cannot be opened.
    pub async fn start_with(self, channels: Vec<Arc<dyn Channel>>) -> Result<Simulator, StartError> {
        let world = World::new(self.seed, self.start, self.profile, self.demand.clone(), channels);
        world.quotas(|q| q.set_off(!self.quotas));
        let (stop, _) = watch::channel(false);
        let (post, queue) = mpsc::unbounded_channel();
        world.set_post(post);
        tokio::spawn(super::deliver::run(world.clone(), queue, stop.subscribe()));
        let mut port = self.first_port;
        for channel in world.channels() {
            let name = channel.name();
            let address = SocketAddr::new(self.address, port);
            let listen = |source| StartError::Listen { channel: name.to_owned(), address, source };
            let listener = TcpListener::bind(address).await.map_err(listen)?;
            let bound = listener.local_addr().map_err(listen)?;
            world.set_base(name, format!("http://{bound}"));
            if port != 0 {
                port = port.saturating_add(1);
            }
            let router =
                control::router(world.clone()).fallback_service(Arc::clone(&channel).router(world.clone()));
            let gate = Gate { world: world.clone(), channel, router, hang: self.hang };
            tokio::spawn(serve(listener, gate, stop.subscribe()));
        }
        Ok(Simulator { world, stop })
    }
}

/// A running simulator. Dropping it stops the listeners.
#[derive(Debug)]
pub struct Simulator {
    world: World,
    stop: watch::Sender<bool>,
}

impl Simulator {
    /// What to simulate, with defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `http://127.0.0.1:PORT` of a channel, without a trailing slash; empty if there is no such channel.
    #[must_use]
    pub fn base_url(&self, channel: &str) -> String {
        self.world.base_url(channel)
    }

    /// The test credentials a channel accepts; empty if there is no such channel.
    #[must_use]
    pub fn credentials(&self, channel: &str) -> Credentials {
        self.world.channel(channel).map(|c| c.credentials()).unwrap_or_default()
    }

    /// The names of the running channels.
    #[must_use]
    pub fn channels(&self) -> Vec<&'static str> {
        self.world.channels().iter().map(|c| c.name()).collect()
    }

    /// The virtual now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Moves time forward, running everything that falls due.
    pub fn advance(&self, by: Duration) {
        self.world.advance(by);
    }

    /// Moves time forward to an instant; never back.
    pub fn advance_to(&self, to: Timestamp) {
        self.world.advance_to(to);
    }

    /// A copy of the oracle ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.world.ledger(|l| l.clone())
    }

    /// The seller physically owns so much of a SKU: what overselling is measured against.
    pub fn own(&self, sku: &str, quantity: u64) {
        self.world.ledger(|l| l.own(sku, quantity));
    }

    /// Disturbs the next `times` requests of a channel (and operation, if given).
    pub fn set_fault(&self, channel: &str, operation: Option<&str>, fault: Fault, times: u32) {
        self.world.faults(|f| f.script(channel, operation, fault, times));
    }

    /// Changes the profile of all channels, from now on.
    pub fn set_profile(&self, profile: Profile) {
        self.world.faults(|f| f.set_all(profile));
    }

    /// Takes the hooks a channel has pushed since the last time.
    #[must_use]
    pub fn take_hooks(&self, channel: &str) -> Vec<Hook> {
        self.world.take_hooks(channel)
    }

    /// The seller registers `address` at a channel for the notifications it has; whether it has any that go to an address.
    #[must_use]
    pub fn subscribe(&self, channel: &str, address: &str) -> bool {
        self.world.channel(channel).is_some_and(|c| c.subscribe(&self.world, address))
    }

    /// Sends hooks for addresses that begin with `public` to `local`, by real requests: see [`super::deliver`].
    pub fn proxy(&self, public: &str, local: &str) {
        self.world.proxy(public, local);
    }

    /// What was sent to listening clients so far, each try.
    #[must_use]
    pub fn deliveries(&self) -> Vec<super::deliver::Delivery> {
        self.world.deliveries()
    }

    /// The world, for everything else.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Lets virtual time run by itself: `scale` virtual milliseconds per real millisecond, for a
    /// standalone run. Ends with the simulator.
    pub fn run_clock(&self, scale: u32) {
        let (world, mut stopped) = (self.world.clone(), self.stop.subscribe());
        world.set_scale(scale);
        let begun = tokio::time::Instant::now();
        // A client of a fast world reckons between two ticks: shorter ones keep it close.
        let tick = if scale > 1 { FAST_TICK } else { TICK };
        tokio::spawn(async move {
            let mut told = 0;
            loop {
                tokio::select! {
                    _ = stopped.changed() => break,
                    () = tokio::time::sleep(tick) => {
                        // All that passed since the last tick, measured from the beginning: late ticks would add up to a
                        // clock that is slow. Whoever moves the clock besides moves it for good.
                        let passed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                        world.advance(Duration::from_millis((passed - told).saturating_mul(u64::from(scale))));
                        told = passed;
                    }
                }
            }
        });
    }

    /// Stops listening and closes the connections.
    pub fn shutdown(&self) {
        let _ = self.stop.send(true);
    }
}

/// What stands before a channel's router.
struct Gate {
    world: World,
    channel: Arc<dyn Channel>,
    router: axum::Router,
    hang: Duration,
}

/// "Close the connection without an answer."
#[derive(Debug, thiserror::Error)]
#[error("connection closed on purpose")]
struct Closed;

async fn serve(listener: TcpListener, gate: Gate, mut stopped: watch::Receiver<bool>) {
    let gate = Arc::new(gate);
    loop {
        let stream = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    continue;
                }
            },
        };
        // Small answers must leave at once; without this each one costs a delayed ACK.
        let _ = stream.set_nodelay(true);
        let (gate, mut stopped) = (Arc::clone(&gate), stopped.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let gate = Arc::clone(&gate);
                async move { gate.answer(request).await }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = stopped.changed() => {}
                done = connection => if let Err(error) = done {
                    tracing::trace!(%error, "connection ended");
                },
            }
        });
    }
}

impl Gate {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response, Closed> {
        let (mut parts, body) = request.into_parts();
        let body = axum::body::to_bytes(Body::new(body), BODY_LIMIT).await.map_err(|_| Closed)?;
        if let Some(path) = parts.uri.path().strip_prefix("/_sim/") {
            let arrival = self.world.arrived(CONTROL, path);
            if self.world.spring(&arrival, Moment::Before) {
                return Err(Closed);
            }
            let answer = self.handle(Request::from_parts(parts, Body::from(body))).await;
            if self.world.spring(&arrival, Moment::After) {
                return Err(Closed);
            }
            self.world.spring(&arrival, Moment::Answered);
            return answer;
        }
        let call = self.channel.classify(&parts, &body);
        let arrival = self.world.arrived(self.channel.name(), &call.operation);
        if self.world.spring(&arrival, Moment::Before) {
            return Err(Closed);
        }
        let lists = || self.channel.lists().iter().filter(|(operation, _)| *operation == call.operation);
        let fault = self.world.decide(self.channel.name(), &call, lists().next().is_some());
        let shown = format!("{} {}", parts.method, parts.uri.path_and_query().map_or("/", |p| p.as_str()));
        if let Some(fault) = fault {
            parts.extensions.insert(fault);
        }
        let answer = self.pass(&call, fault, Request::from_parts(parts, Body::from(body))).await;
        let answer = match (fault, answer) {
            (Some(Fault::Duplicate | Fault::Reorder), Ok(honest)) => {
                let places: Vec<&str> = lists().map(|(_, place)| *place).collect();
                retell(honest, &places, fault).await
            }
            (_, answer) => answer,
        };
        let status = answer.as_ref().map_or(0, |r| r.status().as_u16());
        self.world.note(self.channel.name(), &call, shown, status, fault);
        if fault == Some(Fault::Shift) {
            self.world.advance(SHIFT);
        }
        if self.world.spring(&arrival, Moment::After) {
            return Err(Closed);
        }
        self.world.spring(&arrival, Moment::Answered);
        answer
    }

    async fn pass(
        &self,
        call: &Call,
        fault: Option<Fault>,
        request: Request<Body>,
    ) -> Result<Response, Closed> {
        match fault {
            Some(Fault::Drop) => return Err(Closed),
            Some(Fault::Hang) => {
                tokio::time::sleep(self.hang).await;
                return Err(Closed);
            }
            Some(Fault::Throttle) => {
                return Ok(self
                    .channel
                    .throttled(call, Verdict { allowed: false, remaining: 0, wait_ms: 1_000 }));
            }
            Some(Fault::ServerError) => return Ok(self.channel.broken(call)),
            Some(Fault::Lie) => {
                if let Some(response) = self.channel.lie(call) {
                    return Ok(response);
                }
            }
            Some(Fault::ExpireToken) => {
                if let Some(response) = self.channel.expired(call) {
                    return Ok(response);
                }
            }
            _ => {}
        }
        let verdict = self.world.take_quota(self.channel.name(), call);
        if let Some(verdict) = verdict.filter(|v| !v.allowed) {
            return Ok(self.channel.throttled(call, verdict));
        }
        let mut response = self.handle(request).await?;
        self.channel.decorate(call, verdict, &mut response);
        match fault {
            Some(Fault::DropAfter) => Err(Closed),
            Some(Fault::Truncate) => truncate(response).await,
            Some(Fault::Delay) => {
                tokio::time::sleep(DELAY).await;
                Ok(response)
            }
            _ => Ok(response),
        }
    }

    async fn handle(&self, request: Request<Body>) -> Result<Response, Closed> {
        match self.router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

/// The same answer, with the records of its list told otherwise. One without a list (an error) is left as it is.
async fn retell(response: Response, places: &[&str], fault: Option<Fault>) -> Result<Response, Closed> {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| Closed)?;
    let mut answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let place = places.iter().find(|place| answer.pointer(place).is_some_and(serde_json::Value::is_array));
    let list = place.and_then(|place| answer.pointer_mut(place));
    let Some(records) = list.and_then(serde_json::Value::as_array_mut) else {
        return Ok(Response::from_parts(parts, Body::from(body)));
    };
    match fault {
        Some(Fault::Reorder) => records.reverse(),
        _ => records.extend(records.first().cloned()),
    }
    let body = serde_json::to_vec(&answer).map_err(|_| Closed)?;
    parts.headers.remove(http::header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The first half of the body under the full length, then a closed connection.
async fn truncate(response: Response) -> Result<Response, Closed> {
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| Closed)?;
    if body.len() < 2 {
        return Err(Closed);
    }
    parts.headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    let pieces: [Result<Bytes, std::io::Error>; 2] =
        [Ok(half), Err(std::io::Error::other("truncated on purpose"))];
    Ok(Response::from_parts(parts, Body::from_stream(futures::stream::iter(pieces))))
}

/// Base URLs by channel: what a configuration needs.
impl Simulator {
    /// Base URL of each running channel.
    #[must_use]
    pub fn base_urls(&self) -> BTreeMap<String, String> {
        self.channels().into_iter().map(|c| (c.to_owned(), self.base_url(c))).collect()
    }
}
