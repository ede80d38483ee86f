//! A transport that answers from a script, and a toy protocol with two operations.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use tradewind_connector::*;
use url::Url;

/// What the script answers to one request.
pub(crate) enum Step {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// The connection could not be made.
    Refused,
    /// The request left, no answer came.
    Lost,
}

pub(crate) fn ok(body: &'static str) -> Step {
    Step::Answer(200, vec![], body)
}

pub(crate) fn status(code: u16) -> Step {
    Step::Answer(code, vec![], "{}")
}

/// What arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) nonce: String,
    pub(crate) key: String,
    pub(crate) at: Timestamp,
}

pub(crate) struct Script {
    steps: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
    clock: VirtualClock,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        let header =
            |n: &str| request.headers.get(n).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        self.seen.lock().unwrap().push(Seen {
            path: request.url.path().to_owned(),
            authorization: header("authorization"),
            nonce: header("x-nonce"),
            key: header("x-key"),
            at: self.clock.now(),
        });
        let step = self.steps.lock().unwrap().pop_front().expect("the script is at its end");
        let broken = |maybe_sent| TransportError { maybe_sent, message: "scripted".to_owned() };
        match step {
            Step::Refused => Err(broken(false)),
            Step::Lost => Err(broken(true)),
            Step::Answer(status, headers, body) => {
                let mut response = WireResponse::json_text(status, body);
                for (name, value) in headers {
                    response.headers.insert(name, value.parse().unwrap());
                }
                response.received_at = self.clock.now();
                Ok(response)
            }
        }
    }
}

/// The toy's protocol: a token that lasts an hour, `x-nonce` as its signature.
pub(crate) struct Toy;

impl Protocol for Toy {
    fn token_plan(&self, _: &OpCx<'_>, _: &str, _: Option<&TokenSet>) -> Result<TokenPlan> {
        Ok(TokenPlan::Fetch(Box::new(WireRequest::new(Method::POST, &base(), "/token")?)))
    }
    fn read_token(
        &self,
        cx: &OpCx<'_>,
        _: &str,
        _: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet> {
        OAuth2::read(response, cx.now, None)
    }
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<()> {
        request.set_header("authorization", cx.token.map_or("", |t| t.access()))?;
        request.set_header("x-nonce", cx.op.nonce)?;
        request.set_header("x-key", cx.op.key)
    }
    fn upstream(&self, _: &str, response: &WireResponse) -> Option<Upstream> {
        let code = response.text().ok()?.strip_prefix("ERR ").unwrap_or_default().to_owned();
        (response.status >= 400 || !code.is_empty()).then(|| Upstream {
            http: response.status,
            code,
            ..Upstream::default()
        })
    }
}

fn base() -> Url {
    Url::parse("https://toy.example").unwrap()
}

/// An operation whose safety the test chooses.
pub(crate) struct Op(pub(crate) OpSpec);

pub(crate) fn op(safety: Safety) -> Op {
    Op(OpSpec {
        name: "toy.op",
        facet: Facet::Stock,
        safety,
        priority: Priority::Stock,
        buckets: &["toy"],
        keep: false,
        doc: "",
    })
}

impl Operation for Op {
    type In = str;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &self.0
    }
    fn encode(&self, _: &OpCx<'_>, input: &str) -> Result<WireRequest> {
        if input == "unreadable" {
            // As `?` on a figure or an id of ours gives it.
            return Err(Error::decode("an amount of ours"));
        }
        WireRequest::new(Method::POST, &base(), &format!("/{input}"))
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<String> {
        match response.text()? {
            "garbage" => Err(Error::decode("a toy")),
            text => Ok(text.to_owned()),
        }
    }
}

pub(crate) const TOKEN: &str = r#"{"access_token":"T","token_type":"bearer","expires_in":3600}"#;

pub(crate) struct Bench {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) clock: VirtualClock,
    pub(crate) journal: Arc<Memory>,
    script: Arc<Script>,
}

impl Bench {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }
    /// Requests but for those to the token endpoint.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|s| s.path != "/token").collect()
    }
}

pub(crate) fn bench(access: Access, limits: &str, steps: Vec<Step>) -> Bench {
    let journal = Arc::new(Memory::default());
    assemble(access, limits, steps, Arc::new(Toy), journal.clone(), journal)
}

/// A bench with a protocol and a journal of the test's own; `memory` is what the journal writes to.
pub(crate) fn assemble(
    access: Access,
    limits: &str,
    steps: Vec<Step>,
    protocol: Arc<dyn Protocol>,
    journal: Arc<dyn Journal>,
    memory: Arc<Memory>,
) -> Bench {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    let script =
        Arc::new(Script { steps: Mutex::new(steps.into()), seen: Mutex::default(), clock: clock.clone() });
    let pipeline = pipeline(access, limits, &clock, script.clone(), protocol, journal);
    Bench { pipeline: Arc::new(pipeline), clock, journal: memory, script }
}

/// A pipeline of the toy over a transport of the test's own.
pub(crate) fn over(transport: Arc<dyn Transport>) -> Pipeline {
    over_with(transport, "")
}

pub(crate) fn over_with(transport: Arc<dyn Transport>, limits: &str) -> Pipeline {
    let clock = VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap());
    pipeline(Access::ReadWrite, limits, &clock, transport, Arc::new(Toy), Arc::new(Memory::default()))
}

/// A pipeline of an account of the test's own in a process of the test's own.
pub(crate) fn account(
    name: &str,
    clock: &VirtualClock,
    transport: Arc<dyn Transport>,
    protocol: Arc<dyn Protocol>,
    journal: Arc<dyn Journal>,
    logins: &Arc<Logins>,
) -> Pipeline {
    account_of("app", name, clock, transport, (protocol, journal), logins)
}

/// The same under an application of the test's own.
pub(crate) fn account_of(
    app: &str,
    name: &str,
    clock: &VirtualClock,
    transport: Arc<dyn Transport>,
    (protocol, journal): (Arc<dyn Protocol>, Arc<dyn Journal>),
    logins: &Arc<Logins>,
) -> Pipeline {
    let (mut parts, mut runtime) = parts(Access::ReadWrite, "", clock, transport, protocol, journal);
    (parts.app, parts.account) = (app.to_owned(), name.parse().unwrap());
    runtime.logins = logins.clone();
    Pipeline::new(parts, runtime)
}

fn pipeline(
    access: Access,
    limits: &str,
    clock: &VirtualClock,
    transport: Arc<dyn Transport>,
    protocol: Arc<dyn Protocol>,
    journal: Arc<dyn Journal>,
) -> Pipeline {
    let (parts, runtime) = parts(access, limits, clock, transport, protocol, journal);
    Pipeline::new(parts, runtime)
}

fn parts(
    access: Access,
    limits: &str,
    clock: &VirtualClock,
    transport: Arc<dyn Transport>,
    protocol: Arc<dyn Protocol>,
    journal: Arc<dyn Journal>,
) -> (Parts, Runtime) {
    // Where a test says nothing of the toy's quota, it has enough of it.
    let wide = "[[bucket]]\nname = 'toy'\nscope = 'account'\nburst = 1000\nrefill = { units = 1000, every = '1s' }\n";
    let limits = if limits.contains("'toy'") { limits.to_owned() } else { format!("{wide}{limits}") };
    let errors = "[[code]]\ncode='NO'\nkind='rejected'\n[[code]]\ncode='SLOW'\nkind='rate_limited'\nretry_after='7s'\n[[code]]\ncode='FULL'\nkind='quota_exhausted'\n[[code]]\ncode='SKEW'\nkind='clock_skew'\n[[code]]\ncode='DOWN'\nkind='maintenance'\n[[code]]\ncode='SPENT'\nkind='conflict'";
    let runtime = Runtime { journal, ..Runtime::in_memory(Arc::new(clock.clone()), transport) };
    let parts = Parts {
        info: toy(),
        account: "toy-1".parse().unwrap(),
        app: "app".into(),
        access,
        capabilities: Arc::new(Capabilities::new(
            &[(Facet::Stock, Support::Native), (Facet::Prices, Support::NotImplemented)],
            Bounds::default(),
        )),
        protocol,
        limits: Limits::parse(&limits).unwrap(),
        errors: ErrorTable::parse(errors).unwrap(),
        patience: Patience::default(),
    };
    (parts, runtime)
}

pub(crate) fn toy() -> ConnectorInfo {
    ConnectorInfo {
        id: "toy".parse().unwrap(),
        name: "Toy".to_owned(),
        roles: vec![Role::Marketplace],
        api_version: "1".to_owned(),
        docs: String::new(),
    }
}

/// A bench whose token request is answered first.
pub(crate) fn with_token(steps: Vec<Step>) -> Bench {
    let mut all = vec![ok(TOKEN)];
    all.extend(steps);
    bench(Access::ReadWrite, "", all)
}

/// A journal in memory that counts what it is asked for and fails when told to.
#[derive(Default)]
pub(crate) struct Moody {
    pub(crate) memory: Arc<Memory>,
    /// Tokens that were asked for.
    pub(crate) loads: AtomicU32,
    /// Answers and outcomes are not kept.
    pub(crate) full: AtomicBool,
    /// So many tokens are not saved.
    pub(crate) busy: AtomicU32,
    /// What other processes save at the instants at which this one saves, the last first.
    pub(crate) meanwhile: Mutex<Vec<TokenSet>>,
}

impl Moody {
    fn room(&self) -> Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Internal, "no space left on the device"));
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for Moody {
    async fn begin(&self, intent: &Arc<Intent>) -> Result<Begun> {
        self.memory.begin(intent).await
    }
    async fn finish(&self, intent: &Arc<Intent>, generation: u32, outcome: Outcome) -> Result<()> {
        self.room()?;
        self.memory.finish(intent, generation, outcome).await
    }
    async fn keep(&self, exchange: Exchange) -> Result<()> {
        self.room()?;
        self.memory.keep(exchange).await
    }
    async fn load_token(&self, owner: &str, audience: &str) -> Result<Option<TokenSet>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.memory.load_token(owner, audience).await
    }
    async fn save_token(
        &self,
        owner: &str,
        audience: &str,
        token: &TokenSet,
        over: Over<'_>,
    ) -> Result<bool> {
        let busy = |left: u32| left.checked_sub(1);
        if self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, busy).is_ok() {
            return Err(Error::new(Kind::Internal, "busy"));
        }
        let meanwhile = self.meanwhile.lock().unwrap().pop();
        if let Some(theirs) = meanwhile {
            self.memory.save_token(owner, audience, &theirs, Over::Any).await?;
        }
        self.memory.save_token(owner, audience, token, over).await
    }
}
