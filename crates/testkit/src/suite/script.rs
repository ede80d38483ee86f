//! A transport that answers from a script, and remembers what was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use tradewind_connector::{
    Clock, Limiter, Memory, Transport, TransportError, VirtualClock, WireRequest, WireResponse,
};

/// An answer of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Answer {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Answer { status, headers, body: Bytes::from(body.to_owned()) }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(n), Ok(v)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                map.append(n, v);
            }
        }
        map
    }
}

/// Stands in an answer for the request that it answers.
pub(crate) const ECHO: &str = "%REQUEST%";

/// How a channel signs its answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    /// Signs an answer at an instant.
    pub(crate) prove: fn(Answer, Timestamp) -> Answer,
    /// Makes of a signed answer one that is not the channel's.
    pub(crate) forge: fn(Answer) -> Answer,
}

/// What happens to one request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The channel's, signed where it signs.
    Answer(Answer),
    /// As it stands: somebody else's, where the channel signs.
    Bare(Answer),
    /// Signed, then changed.
    Forged(Answer),
    /// No connection: certainly not sent.
    Refused,
    /// Sent, and no answer in time.
    Hang,
}

/// One request that left, with the answer it got.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The request, signed.
    pub request: WireRequest,
    /// Asked for a token.
    pub token: bool,
    /// The operation, when it is the first attempt of a write: an intent was begun since the request before.
    pub writes: Option<String>,
    /// A quota of `limits.toml` was drawn from since the request before.
    pub(crate) drew: bool,
}

#[derive(Default)]
struct State {
    steps: VecDeque<Step>,
    /// Answers once the steps are used up; `None` refuses.
    rest: Option<Answer>,
    sent: Vec<Sent>,
    /// Intents begun when the last request but for tokens left.
    begun: usize,
    /// Draws when the last request left, but for those for tokens.
    drawn: u64,
}

/// What a script stands on.
pub(crate) struct Stage {
    pub(crate) clock: VirtualClock,
    pub(crate) journal: Arc<Memory>,
    pub(crate) limiter: Arc<Limiter>,
    /// How long an answer takes.
    pub(crate) latency: Duration,
    pub(crate) proof: Option<Proof>,
    /// The token endpoint's answers are not its own.
    pub(crate) forges_tokens: bool,
}

/// The scripted transport. Token requests are recognised by path and answered apart.
pub(crate) struct Script {
    state: Mutex<State>,
    tokens: Vec<(String, Answer)>,
    stage: Stage,
}

impl Script {
    pub(crate) fn new(
        tokens: &[(String, Answer)],
        steps: Vec<Step>,
        rest: Option<Answer>,
        stage: Stage,
    ) -> Arc<Script> {
        let state = State { steps: steps.into(), rest, ..State::default() };
        Arc::new(Script { state: Mutex::new(state), tokens: tokens.to_vec(), stage })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    /// Requests but for those for tokens.
    pub(crate) fn calls(&self) -> Vec<WireRequest> {
        self.lock().sent.iter().filter(|s| !s.token).map(|s| s.request.clone()).collect()
    }

    pub(crate) fn unused(&self) -> usize {
        self.lock().steps.len()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: &WireRequest, timeout: Duration) -> Result<WireResponse, TransportError> {
        let token = self.tokens.iter().find(|(part, _)| request.url.path().contains(part.as_str()));
        let step = {
            let mut state = self.lock();
            let mut writes = None;
            let draws = self.stage.limiter.draws();
            let drawn: u64 = draws.iter().filter(|(name, _)| *name != "token").map(|(_, n)| n).sum();
            let drew = drawn > state.drawn;
            if token.is_none() {
                state.drawn = drawn;
                let begun = self.stage.journal.begun();
                writes = begun.get(state.begun..).and_then(|new| new.last()).map(|i| i.operation.to_owned());
                state.begun = begun.len();
            }
            state.sent.push(Sent { request: request.clone(), token: token.is_some(), writes, drew });
            match token {
                Some((_, answer)) if self.stage.forges_tokens => Step::Forged(answer.clone()),
                Some((_, answer)) => Step::Answer(answer.clone()),
                None => match (state.steps.pop_front(), &state.rest) {
                    (Some(step), _) => step,
                    (None, Some(rest)) => Step::Answer(rest.clone()),
                    (None, None) => Step::Refused,
                },
            }
        };
        let broken = |maybe_sent, text: &str| TransportError { maybe_sent, message: text.to_owned() };
        match step {
            Step::Refused => {
                self.stage.clock.advance(self.stage.latency);
                Err(broken(false, "connection refused (scripted)"))
            }
            Step::Hang => {
                self.stage.clock.advance(timeout); // virtual time: a hang costs nothing
                Err(broken(true, "no answer in time (scripted)"))
            }
            Step::Answer(answer) => Ok(self.answered(request, answer, |a, at| self.proven(a, at))),
            Step::Bare(answer) => Ok(self.answered(request, answer, |a, _| a)),
            Step::Forged(answer) => Ok(self.answered(request, answer, |a, at| match self.stage.proof {
                Some(proof) => (proof.forge)((proof.prove)(a, at)),
                None => a,
            })),
        }
    }
}

impl Script {
    fn proven(&self, answer: Answer, at: Timestamp) -> Answer {
        match self.stage.proof {
            Some(proof) => (proof.prove)(answer, at),
            None => answer,
        }
    }

    /// The answer as it arrives, after its time.
    fn answered(
        &self,
        request: &WireRequest,
        mut answer: Answer,
        sign: impl FnOnce(Answer, Timestamp) -> Answer,
    ) -> WireResponse {
        self.stage.clock.advance(self.stage.latency);
        let received_at = self.stage.clock.now();
        if answer.body.windows(ECHO.len()).any(|w| w == ECHO.as_bytes()) {
            answer.body = repeated(&answer.body, request);
        }
        let answer = sign(answer, received_at);
        WireResponse { status: answer.status, headers: answer.header_map(), body: answer.body, received_at }
    }
}

/// The answer with its request in it, escaped as JSON has it.
fn repeated(body: &Bytes, request: &WireRequest) -> Bytes {
    let mut text = format!("{} ", request.full_url());
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {} ", String::from_utf8_lossy(value.as_bytes())));
    }
    if let Some((_, bytes)) = request.body_bytes() {
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    let quoted = serde_json::Value::String(text).to_string();
    String::from_utf8_lossy(body).replace(ECHO, quoted.trim_matches('"')).into()
}
