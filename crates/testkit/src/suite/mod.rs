//! The conformance suite. A connector runs it in a few lines:
//!
//! ```no_run
//! // connectors/corner/tests/it/conformance.rs
//! use tradewind_connector::role::StockChange;
//! use tradewind_connector::{Facet, Factory, Safety};
//! use tradewind_testkit::{Answer, Call, Suite, calls, cx, json};
//!
//! // A #[tokio::test], which takes nothing and names `&tradewind_corner::FACTORY`.
//! async fn conformance(corner: &'static Factory) {
//!     Suite::new(corner, env!("CARGO_MANIFEST_DIR"))
//!         .secret("client_secret", "corner-secret-0001")
//!         .token("/token", Answer::json(200, r#"{"access_token":"tok-1","token_type":"bearer","expires_in":3600}"#))
//!         .fresh(&["x-signature"])
//!         .refuses_in_200("", Answer::json(200, r#"{"code":"E42"}"#))
//!         .call(calls::stock("stock.set", Safety::Natural))
//!         // The same by hand, where no ready-made call fits.
//!         .call(Call::new("stock.set_all", Facet::Stock, Safety::Natural, |c, input| async move {
//!             let changes: Vec<StockChange> = json::read(input)?;
//!             let stock = c.marketplace().and_then(|m| m.stock()).ok_or_else(json::absent)?;
//!             json::outcomes(stock.set(&cx(), &changes).await?)
//!         }))
//!         .run()
//!         .await
//!         .assert();
//! }
//! ```
//!
//! What runs, over the fixtures of `tests/fixtures/<op>/<case>/` (see [`fixture`]):
//!
//! - **Manifest**: every facet declared to work has a call here; every call has happy, business-error and rate-limit
//!   cases (an unknown-enum case that is missing is a skip).
//! - **Settings**: the example opens offline; a typo in it and each missing secret is refused, without a request.
//! - **Codec**: requests byte for byte on a frozen clock and nonce, host included, outcomes from the recorded answers.
//! - **Faults**: 429 with and without a time, 401 → one refresh, 500, hang, refused connection, two of them in a row,
//!   truncated body, skewed clock, repeated cursor, at each request of the conversation in turn. Counts requests; same
//!   request but for the [`Suite::volatile`] parts; those named with [`Suite::fresh`] differ in every attempt; a write
//!   that must not be repeated is not; every request drew from a quota. A dead login, a refusal with status 200, a store
//!   that fails, a network that stays away after a lost answer. A keyed write carries its key, one that is read back its
//!   reference; the second page is another request than the first. What ends deferred is asked about by its facet's poll.
//!   Where answers are signed, none is believed that is not.
//! - **Declaration**: declared facets exist, and what exists is declared; a read-only account writes nothing, also where
//!   it looks something up first; a revoked facet is refused unsent; batch and title limits hold; a cancellation takes no more
//!   than it names; a product that goes as a whole keeps the variants that stay. Each item of a call has one outcome, in the
//!   items' order, also when a submission that is worked on later is over; a bulk submission takes as many as is said.
//! - **Robustness**: mutilated answers give errors, never a panic; an odd record of a list ([`Call::records`]) is an error in
//!   its place and keeps back no other; in yen and in dinars an amount is the same number or
//!   is refused.
//! - **Specification**: requests and recorded answers against the official specification, where one is at hand.
//! - **Secrets**: no secret and no token in an outcome, an error, an intent, what is told of a kept answer, or the log,
//!   also where the channel repeats in its error what it was sent.
//!
//! [`live`] checks the other side: what a simulated channel answers over real HTTP.

mod bounds;
mod call;
pub mod calls;
mod deferred;
mod faults;
pub mod fixture;
mod items;
mod journal;
pub mod json;
mod keys;
pub mod live;
mod obligations;
mod proof;
mod report;
mod runs;
mod script;
mod secrets;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tradewind_connector::{
    Access, AccountConfig, Connector, Error, Factory, Limiter, Memory, Runtime, Secrets, SeededChance,
    VirtualClock, WireRequest,
};

use crate::spec::SpecSet;

pub use call::Call;
use call::Outcome;
pub use fixture::CaseKind;
use fixture::{Case, Hosts};
pub use keys::cx;
pub use live::{Follow, Live, orders};
pub use report::{Group, Report};
pub use script::{Answer, Sent};
use script::{Proof, Script, Stage, Step};

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
    steady: Option<String>,
    throttled: Vec<Answer>,
    /// By the beginning of the operation's name.
    in_200: Vec<(String, Answer)>,
    unmetered: Vec<(String, String)>,
    never_in_200: Option<String>,
    dead_login: Answer,
    known: Vec<(String, String)>,
    unauthorized: Option<Answer>,
    skewed: Option<Answer>,
    broken: Answer,
    proof: Option<Proof>,
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
            steady: None,
            in_200: Vec::new(),
            unmetered: Vec::new(),
            never_in_200: None,
            dead_login: Answer::json(400, r#"{"error":"invalid_grant"}"#),
            known: Vec::new(),
            throttled: vec![Answer::json(429, "{}").with("retry-after", "7"), Answer::json(429, "{}")],
            unauthorized: None,
            skewed: None,
            broken: Answer::json(500, "{}"),
            proof: None,
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

    /// Those of them that must differ in every attempt: at least one, or a reason ([`Suite::steady`]). Also volatile.
    #[must_use]
    pub fn fresh(mut self, names: &[&str]) -> Suite {
        self.fresh.extend(names.iter().map(|n| (*n).to_owned()));
        self.volatile(names)
    }

    /// Why none of the volatile parts must differ in every attempt; counted as a skip.
    #[must_use]
    pub fn steady(mut self, why: &str) -> Suite {
        self.steady = Some(why.to_owned());
        self
    }

    /// Requests whose address contains this text draw from no quota, and why: counted skips.
    #[must_use]
    pub fn unmetered(mut self, part: &str, why: &str) -> Suite {
        self.unmetered.push((part.to_owned(), why.to_owned()));
        self
    }

    /// How the channel refuses with status 200 what calls ask whose operation begins with `ops` (`""`: all).
    #[must_use]
    pub fn refuses_in_200(mut self, ops: &str, answer: Answer) -> Suite {
        self.in_200.push((ops.to_owned(), answer));
        self
    }

    /// Why the calls not named with [`Suite::refuses_in_200`] are never refused with status 200; counted as a skip.
    #[must_use]
    pub fn never_refuses_in_200(mut self, why: &str) -> Suite {
        self.never_in_200 = Some(why.to_owned());
        self
    }

    /// How the token endpoint says that the login is dead, when it is not `invalid_grant` of RFC 6749.
    #[must_use]
    pub fn dead_login(mut self, answer: Answer) -> Suite {
        self.dead_login = answer;
        self
    }

    /// A check that fails, by a part of its text, and why that is not mended: shown with every run. One that fails no
    /// more fails the run.
    #[must_use]
    pub fn known_deviation(mut self, part: &str, why: &str) -> Suite {
        self.known.push((part.to_owned(), why.to_owned()));
        self
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

    /// The channel signs its answers. `prove` signs one as the channel does at that instant, with a key of the test's: every answer
    /// that is played gets it, recorded, made up or damaged. `forge` makes of a signed one an answer that is not the channel's, as
    /// by one changed figure. No such answer is believed, and no refusal that bears no signature.
    #[must_use]
    pub fn signs_answers(
        mut self,
        prove: fn(Answer, jiff::Timestamp) -> Answer,
        forge: fn(Answer) -> Answer,
    ) -> Suite {
        self.proof = Some(Proof { prove, forge });
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
        self.open_as(self.config(access)?, Opening { steps, rest, ..Opening::default() })
    }

    fn open_as(&self, config: AccountConfig, opening: Opening) -> Result<Bench, Error> {
        // 2026-08-01 was chosen once; every golden holds it.
        let start = jiff::Timestamp::from_second(1_785_542_400).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let clock = VirtualClock::starting(start);
        clock.advance(opening.later);
        let journal = Arc::new(Memory::default());
        let limiter = Arc::new(Limiter::new(Arc::new(clock.clone())));
        let stage = Stage {
            clock: clock.clone(),
            journal: journal.clone(),
            limiter: limiter.clone(),
            latency: opening.latency,
            proof: self.proof,
            forges_tokens: opening.forges_tokens,
        };
        let tokens = opening.tokens.as_deref().unwrap_or(&self.tokens);
        let script = Script::new(tokens, opening.steps, opening.rest, stage);
        let runtime = Runtime {
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(opening.seed)),
            transport: script.clone(),
            journal: Arc::new(journal::Failing { inner: journal.clone(), at: opening.frail }),
            limiter,
            logins: Arc::default(),
        };
        Ok(Bench { connector: self.factory.opened(config, runtime)?, script, journal, clock })
    }

    /// A request as goldens show it.
    fn show(&self, request: &WireRequest) -> String {
        let settings: toml::Table = self.settings.parse().unwrap_or_default();
        fixture::show(request, &Hosts::of(&settings))
    }

    /// What must not be seen: the secrets given, and the tokens that the channel answers with.
    fn secrets_to_keep(&self) -> Vec<(String, String)> {
        let mut all = self.secrets.clone();
        for (path, answer) in &self.tokens {
            let tokens: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            for name in ["access_token", "refresh_token"] {
                if let Some(token) = tokens.get(name).and_then(Value::as_str) {
                    all.push((format!("{name} of {path}"), token.to_owned()));
                }
            }
        }
        all.retain(|(_, value)| value.len() >= 4);
        all
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
        for (part, why) in &self.known {
            report.known(part, why);
        }
        self.manifest(&cases, &mut report);
        self.settings_checks(&mut report);
        self.declared(&mut report);
        self.bulk_is_declared(&mut report);
        self.dead_logins(&cases, &mut report).await;
        self.proofs(&cases, &mut report).await;
        for call in &self.calls {
            let own = cases.get(&call.op).map(Vec::as_slice).unwrap_or_default();
            self.codec(call, own, &mut report).await;
            if let Some(happy) = own.iter().find(|c| c.kind == CaseKind::Happy) {
                self.faults(call, happy, &mut report).await;
                self.our_own_failures(call, happy, &mut report).await;
                self.keys(call, happy, &cases, &mut report).await;
                self.refusals(call, happy, &mut report).await;
                self.echoed(call, happy, &mut report).await;
                self.money(call, happy, &mut report).await;
                self.revoked(call, happy, &mut report).await;
                self.bounds(call, happy, &mut report).await;
                self.read_only(call, happy, &mut report).await;
                self.mutilated(call, happy, &mut report).await;
                self.odd_record(call, happy, &mut report).await;
            }
            self.items(call, own, &mut report).await;
            for case in own {
                self.forgeries(call, case, &mut report).await;
                self.deferred(call, case, &mut report).await;
            }
            if call.paged {
                self.cursor_is_sent(call, own, &mut report).await;
            }
        }
        self.siblings(&cases, &mut report).await;
        self.freshness(&mut report);
        report.settle();
        report
    }
}

/// How a bench is opened.
struct Opening {
    steps: Vec<Step>,
    rest: Option<Answer>,
    /// Instead of the suite's.
    tokens: Option<Vec<(String, Answer)>>,
    /// What the store fails at.
    frail: Option<journal::Frail>,
    /// Nonces and jitter.
    seed: u64,
    /// After the instant that goldens hold.
    later: Duration,
    /// How long each answer takes.
    latency: Duration,
    /// The token endpoint's answers are somebody else's.
    forges_tokens: bool,
}

impl Default for Opening {
    fn default() -> Opening {
        Opening {
            steps: Vec::new(),
            rest: None,
            tokens: None,
            frail: None,
            seed: 1,
            later: Duration::ZERO,
            latency: Duration::ZERO,
            forges_tokens: false,
        }
    }
}

fn happy_steps(case: &Case) -> Vec<Step> {
    case.answers.iter().cloned().map(Step::Answer).collect()
}
