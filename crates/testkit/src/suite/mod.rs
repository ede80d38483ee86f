//! The conformance suite. A connector runs it in a few lines:
//!
//! ```ignore
//! // connectors/corner/tests/conformance.rs
//! use tradewind_connector::{CallCx, Facet, Safety};
//! use tradewind_testkit::{Answer, Call, Suite, json};
//!
//! #[tokio::test]
//! async fn conformance() {
//!     Suite::new(&tradewind_corner::FACTORY, env!("CARGO_MANIFEST_DIR"))
//!         .secret("client_secret", "corner-secret-0001")
//!         .token("/token", Answer::json(200, r#"{"access_token":"tok-1","token_type":"bearer","expires_in":3600}"#))
//!         .volatile(&["authorization"])
//!         .call(Call::new("stock.set", Facet::Stock, Safety::Natural, |c, input| async move {
//!             let changes: Vec<StockChange> = json::read(input)?;
//!             let stock = c.marketplace().and_then(|m| m.stock()).ok_or_else(json::absent)?;
//!             json::outcomes(stock.set(&CallCx::keyed("k1"), &changes).await?)
//!         }))
//!         .run().await
//!         .assert();
//! }
//! ```
//!
//! What runs, over the fixtures of `tests/fixtures/<op>/<case>/` (see [`fixture`]):
//!
//! - **Manifest**: every facet declared to work has a call here; every call has happy, business-error and rate-limit
//!   cases (a missing happy case fails, the others are counted as skips).
//! - **Settings**: the example opens offline; a typo in it and each missing secret is refused, without a request.
//! - **Codec**: requests byte for byte on a frozen clock and nonce, outcomes from the recorded answers.
//! - **Faults**: 429 with and without a time, 401 → one refresh, 500, hang, refused connection, truncated body,
//!   skewed clock, repeated cursor, at each request of the conversation in turn. Counts requests; same request but for
//!   the [`Suite::volatile`] parts; those named with [`Suite::fresh`] differ in every attempt; a write that must not be
//!   repeated is not; the limiter was drawn from.
//! - **Declaration**: declared facets exist; a read-only account writes nothing, also where it looks something up first;
//!   a revoked facet is refused unsent.
//! - **Robustness**: mutilated answers give errors, never a panic.
//! - **Specification**: requests and recorded answers against the official specification, where one is at hand.
//! - **Secrets**: no secret in an outcome or an error.
//!
//! [`live`] checks the other side: what a simulated channel answers over real HTTP.

pub mod calls;
mod faults;
pub mod fixture;
pub mod live;
mod report;
mod runs;
mod script;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tradewind_connector::{
    Access, AccountConfig, Connector, Error, Facet, Factory, Limiter, Memory, Runtime, Safety, Secrets,
    SeededChance, VirtualClock,
};

use crate::spec::SpecSet;

pub use fixture::CaseKind;
pub use live::{Follow, Live, orders};
pub use report::{Group, Report};
pub use script::{Answer, Sent};
use script::{Script, Step};

type Outcome = Result<Value, Error>;
type Drive =
    Arc<dyn Fn(Arc<dyn Connector>, Value) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One call of the connector, driven through its facets.
#[derive(Clone)]
pub struct Call {
    op: String,
    facet: Facet,
    also: Vec<Facet>,
    safety: Safety,
    writes: Vec<(String, Safety)>,
    paged: bool,
    no_spec: Option<String>,
    anonymous: Option<String>,
    open_ended: Option<String>,
    drive: Drive,
}

impl Call {
    /// `op` is the folder of its fixtures and the operation's name; `safety` that of what it writes ([`Safety::Read`]
    /// for a call that only reads, whatever it looks up before it writes; see [`Call::writes`]). The closure gets the opened connector and the case's `input.json`, and gives the outcome as JSON.
    pub fn new<F, Fut>(op: &str, facet: Facet, safety: Safety, drive: F) -> Call
    where
        F: Fn(Arc<dyn Connector>, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let drive: Drive = Arc::new(move |c, v| Box::pin(drive(c, v)));
        Call {
            op: op.to_owned(),
            facet,
            also: Vec::new(),
            safety,
            writes: Vec::new(),
            paged: false,
            no_spec: None,
            anonymous: None,
            open_ended: None,
            drive,
        }
    }

    /// A write of the conversation with a safety of its own, by its operation's name.
    #[must_use]
    pub fn writes(mut self, operation: &str, safety: Safety) -> Call {
        self.writes.push((operation.to_owned(), safety));
        self
    }

    /// What happens when a request of the conversation arrives twice; `None` for a write that was not announced.
    fn safety_of(&self, sent: &Sent) -> Option<Safety> {
        let Some(operation) = &sent.writes else { return Some(Safety::Read) };
        let own = self.writes.iter().find(|(name, _)| name == operation).map(|(_, safety)| *safety);
        own.or_else(|| (!self.safety.is_read()).then_some(self.safety))
    }

    /// Serves further facets as well.
    #[must_use]
    pub fn serves(mut self, facets: &[Facet]) -> Call {
        self.also.extend_from_slice(facets);
        self
    }

    /// Gives a `Page`: its outcome has `next`, and `input.cursor` takes it.
    #[must_use]
    pub fn paged(mut self) -> Call {
        self.paged = true;
        self
    }

    /// The call carries no token, so there is none to renew; counted as a skip.
    #[must_use]
    pub fn anonymous(mut self, why: &str) -> Call {
        self.anonymous = Some(why.to_owned());
        self
    }

    /// Nothing in the answer shows that its end was cut off; counted as a skip.
    #[must_use]
    pub fn open_ended(mut self, why: &str) -> Call {
        self.open_ended = Some(why.to_owned());
        self
    }

    /// Drives an opened connector with an input, outside of a suite.
    ///
    /// # Errors
    /// What the connector answers.
    pub async fn drive(&self, connector: Arc<dyn Connector>, input: Value) -> Result<Value, Error> {
        (self.drive)(connector, input).await
    }

    /// No specification covers this call; counted as a skip.
    #[must_use]
    pub fn without_spec(mut self, why: &str) -> Call {
        self.no_spec = Some(why.to_owned());
        self
    }
}

/// The suite for one connector.
pub struct Suite {
    factory: &'static Factory,
    fixtures: PathBuf,
    settings: String,
    secrets: Vec<(String, String)>,
    optional: Vec<(String, String)>,
    tokens: Vec<(String, Answer)>,
    volatile: Vec<String>,
    fresh: Vec<String>,
    throttled: Vec<Answer>,
    unauthorized: Option<Answer>,
    skewed: Option<Answer>,
    broken: Answer,
    unspecified: Vec<(String, String)>,
    spec: Option<String>,
    spec_set: Option<Arc<SpecSet>>,
    documents: fn(&[u8]) -> Vec<String>,
    calls: Vec<Call>,
}

/// An opened connector with what it stands on.
pub(crate) struct Bench {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) script: Arc<Script>,
    pub(crate) journal: Arc<Memory>,
    pub(crate) clock: VirtualClock,
}

impl Suite {
    /// For a factory; `crate_dir` is `env!("CARGO_MANIFEST_DIR")`.
    #[must_use]
    pub fn new(factory: &'static Factory, crate_dir: &str) -> Suite {
        Suite {
            factory,
            fixtures: Path::new(crate_dir).join("tests/fixtures"),
            settings: factory.example.to_owned(),
            secrets: Vec::new(),
            optional: Vec::new(),
            tokens: Vec::new(),
            volatile: Vec::new(),
            fresh: Vec::new(),
            throttled: vec![Answer::json(429, "{}").with("retry-after", "7"), Answer::json(429, "{}")],
            unauthorized: None,
            skewed: None,
            broken: Answer::json(500, "{}"),
            unspecified: Vec::new(),
            spec: None,
            spec_set: None,
            documents: |_| Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Settings other than the factory's example.
    #[must_use]
    pub fn settings(mut self, toml: &str) -> Suite {
        toml.clone_into(&mut self.settings);
        self
    }

    /// A made-up secret; long enough to be found if it leaks.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Suite {
        self.secrets.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A secret without which the connector opens, too, and why; its absence is a counted skip.
    #[must_use]
    pub fn optional(mut self, name: &str, why: &str) -> Suite {
        self.optional.push((name.to_owned(), why.to_owned()));
        self
    }

    /// How the channel answers token requests, recognised by a part of their path.
    #[must_use]
    pub fn token(mut self, path: &str, answer: Answer) -> Suite {
        self.tokens.push((path.to_owned(), answer));
        self
    }

    /// Headers, query, form and JSON fields that may differ between attempts (time, nonce, signature).
    #[must_use]
    pub fn volatile(mut self, names: &[&str]) -> Suite {
        self.volatile.extend(names.iter().map(|n| (*n).to_owned()));
        self
    }

    /// Those of them that must differ in every attempt. Also volatile.
    #[must_use]
    pub fn fresh(mut self, names: &[&str]) -> Suite {
        self.fresh.extend(names.iter().map(|n| (*n).to_owned()));
        self.volatile(names)
    }

    /// The channel's own way to say "too many", beside a plain 429 with and without `Retry-After`.
    #[must_use]
    pub fn throttled(mut self, answer: Answer) -> Suite {
        self.throttled.push(answer);
        self
    }

    /// The channel's way to say that the token is dead, when it is not a plain 401.
    #[must_use]
    pub fn unauthorized(mut self, answer: Answer) -> Suite {
        self.unauthorized = Some(answer);
        self
    }

    /// The channel's way to say that our clock is off; a `Date` header ten minutes ahead is added.
    #[must_use]
    pub fn skewed(mut self, answer: Answer) -> Suite {
        self.skewed = Some(answer);
        self
    }

    /// The channel's server error, when it is not a plain 500.
    #[must_use]
    pub fn broken(mut self, answer: Answer) -> Suite {
        self.broken = answer;
        self
    }

    /// The channel's name among the specifications, when it is not the connector's.
    #[must_use]
    pub fn spec(mut self, channel: &str) -> Suite {
        self.spec = Some(channel.to_owned());
        self
    }

    /// Requests whose address contains this text are covered by no specification, and why: counted skips.
    #[must_use]
    pub fn unspecified(mut self, part: &str, why: &str) -> Suite {
        self.unspecified.push((part.to_owned(), why.to_owned()));
        self
    }

    /// A specification given, instead of one looked up.
    #[must_use]
    pub fn spec_set(mut self, set: Arc<SpecSet>) -> Suite {
        self.spec_set = Some(set);
        self
    }

    /// XML documents inside a body (the content of an envelope, messages in a JSON list): they are checked against the
    /// schema as well as a body that is XML itself.
    #[must_use]
    pub fn documents(mut self, inside: fn(&[u8]) -> Vec<String>) -> Suite {
        self.documents = inside;
        self
    }

    /// Adds a call.
    #[must_use]
    pub fn call(mut self, call: Call) -> Suite {
        self.calls.push(call);
        self
    }

    fn config(&self, access: Access) -> Result<AccountConfig, Error> {
        let secrets: Vec<(&str, &str)> = self.secrets.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let mut config = AccountConfig::of("conformance", &self.settings, Secrets::of(&secrets))?;
        config.access = access;
        Ok(config)
    }

    fn open(&self, access: Access, steps: Vec<Step>, rest: Option<Answer>) -> Result<Bench, Error> {
        self.open_with(self.config(access)?, steps, rest)
    }

    fn open_with(
        &self,
        config: AccountConfig,
        steps: Vec<Step>,
        rest: Option<Answer>,
    ) -> Result<Bench, Error> {
        // 2026-08-01 was chosen once; every golden holds it.
        let start = jiff::Timestamp::from_second(1_785_542_400).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let clock = VirtualClock::starting(start);
        let journal = Arc::new(Memory::default());
        let script = Script::new(&self.tokens, steps, rest, clock.clone(), journal.clone());
        let runtime = Runtime {
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            transport: script.clone(),
            journal: journal.clone(),
            limiter: Arc::new(Limiter::new(Arc::new(clock.clone()))),
        };
        Ok(Bench { connector: (self.factory.open)(config, runtime)?, script, journal, clock })
    }

    /// Other fixtures than `tests/fixtures`.
    #[must_use]
    pub fn fixtures(mut self, folder: &Path) -> Suite {
        folder.clone_into(&mut self.fixtures);
        self
    }

    /// Runs everything.
    pub async fn run(self) -> Report {
        let mut report = Report::of(self.factory.id);
        let cases = match fixture::load(&self.fixtures) {
            Ok(cases) => cases,
            Err(e) => {
                report.fail(Group::Manifest, e);
                return report;
            }
        };
        self.manifest(&cases, &mut report);
        self.settings_checks(&mut report);
        self.declared(&mut report);
        for call in &self.calls {
            let own = cases.get(&call.op).map(Vec::as_slice).unwrap_or_default();
            self.codec(call, own, &mut report).await;
            if let Some(happy) = own.iter().find(|c| c.kind == CaseKind::Happy) {
                self.faults(call, happy, &mut report).await;
                self.read_only(call, happy, &mut report).await;
                self.mutilated(call, happy, &mut report).await;
            }
        }
        report
    }
}

/// Helpers for the closures of [`Call`].
pub mod json {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use tradewind_connector::role::ItemOutcome;
    use tradewind_connector::{Error, Kind, Submitted};

    /// The case's input as a type.
    ///
    /// # Errors
    /// The fixture's `input.json` is not of that type.
    pub fn read<T: DeserializeOwned>(input: Value) -> Result<T, Error> {
        serde_json::from_value(input).map_err(|e| Error::config(format!("input.json: {e}")))
    }

    /// A serialisable outcome.
    ///
    /// # Errors
    /// It is not serialisable.
    pub fn write<T: Serialize>(value: T) -> Result<Value, Error> {
        serde_json::to_value(value).map_err(|e| Error::config(format!("outcome: {e}")))
    }

    /// Outcomes of items, which hold errors.
    ///
    /// # Errors
    /// None today; the signature is that of the closures.
    pub fn outcomes(outcome: Submitted<Vec<ItemOutcome>>) -> Result<Value, Error> {
        let items = match outcome {
            Submitted::Done(items) => items,
            Submitted::Deferred(handle) => return write(json!({ "deferred": handle })),
        };
        let item = |i: &ItemOutcome| match &i.result {
            Ok(accepted) => json!({ "sku": i.sku, "accepted": accepted }),
            Err(e) => json!({ "sku": i.sku, "error": error(e) }),
        };
        Ok(Value::Array(items.iter().map(item).collect()))
    }

    /// An error as goldens show it.
    #[must_use]
    pub fn error(e: &Error) -> Value {
        let upstream =
            e.upstream_ref().map(|u| json!({ "http": u.http, "code": u.code, "message": u.message }));
        json!({ "kind": e.kind().name(), "message": e.message(), "upstream": upstream })
    }

    /// The facet is not there.
    #[must_use]
    pub fn absent() -> Error {
        Error::new(Kind::Unsupported, "the facet is not there")
    }
}
