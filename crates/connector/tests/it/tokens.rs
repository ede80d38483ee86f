//! How often the store is asked for tokens: it stands on a disk that all accounts share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tradewind_connector::*;

use crate::script::*;

/// Signs and has no token.
struct Signed;
impl Protocol for Signed {}

/// A process: it makes `calls` calls, an hour apart.
async fn process(
    protocol: Arc<dyn Protocol>,
    journal: &Arc<Moody>,
    steps: Vec<Step>,
    calls: u32,
) -> (u32, usize) {
    let before = journal.loads.load(Ordering::Relaxed);
    let memory = journal.memory.clone();
    let b = assemble(Access::ReadWrite, "", steps, protocol, journal.clone(), memory);
    for _ in 0..calls {
        b.pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap();
        b.clock.advance(Duration::from_secs(3_600));
    }
    let fetched = b.seen().len() - b.calls().len();
    (journal.loads.load(Ordering::Relaxed) - before, fetched)
}

#[tokio::test]
async fn the_store_is_asked_for_a_token_once_in_a_process() {
    // Without tokens: whether one is stored is looked up with the first call.
    let journal = Arc::new(Moody::default());
    let steps = || (0..5).map(|_| ok("done")).collect();
    assert_eq!(process(Arc::new(Signed), &journal, steps(), 5).await, (1, 0));
    // With tokens that last an hour: each refresh is of the token at hand. The next process begins with the stored one,
    // which serves no longer than the clock of its bench says.
    let journal = Arc::new(Moody::default());
    let steps = vec![ok(TOKEN), ok("1"), ok(TOKEN), ok("2"), ok(TOKEN), ok("3")];
    assert_eq!(process(Arc::new(Toy), &journal, steps, 3).await, (1, 3));
    assert_eq!(process(Arc::new(Toy), &journal, vec![ok("4")], 1).await, (1, 0));
}

/// A login with a refresh token, which is spent by its use: the configured one is `first`.
struct Rotating;

impl Protocol for Rotating {
    fn token_plan(&self, _: &OpCx<'_>, _: &str, current: Option<&TokenSet>) -> Result<TokenPlan> {
        let refresh = current.and_then(|t| t.refresh.as_ref()).map_or("first", |r| r.expose_secret());
        let request =
            WireRequest::new(http::Method::POST, &"https://toy.example".parse().unwrap(), "/token")?;
        Ok(TokenPlan::Fetch(Box::new(request.header("x-nonce", refresh)?)))
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
        request.set_header("authorization", cx.token.map_or("", TokenSet::access))
    }
}

const SECOND: &str =
    r#"{"access_token":"B","token_type":"bearer","expires_in":3600,"refresh_token":"second"}"#;

/// The refresh tokens that were sent.
fn logins(b: &Bench) -> Vec<String> {
    b.seen().into_iter().filter(|s| s.path == "/token").map(|s| s.nonce).collect()
}

async fn read(b: &Bench) -> Result<String> {
    b.pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await
}

#[tokio::test]
async fn a_new_login_in_the_configuration_follows_a_stored_one_that_died() {
    let journal = Arc::new(Moody::default());
    let memory = journal.memory.clone();
    let steps = vec![ok(SECOND), ok("1"), status(401), ok(SECOND), ok("2")];
    let b = assemble(Access::ReadWrite, "", steps, Arc::new(Rotating), journal, memory);
    read(&b).await.unwrap();
    b.clock.advance(Duration::from_secs(3_600));
    read(&b).await.unwrap();
    assert_eq!(logins(&b), ["first", "second", "first"]);
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_for_five_minutes() {
    let b = bench(Access::ReadWrite, "", vec![status(401), ok(TOKEN), ok("done")]);
    for _ in 0..10 {
        assert_eq!(read(&b).await.unwrap_err().kind(), Kind::NeedsReauth);
    }
    assert_eq!(b.seen().len(), 1);
    b.clock.advance(Duration::from_secs(300));
    assert_eq!(read(&b).await.unwrap(), "done");
}

#[tokio::test]
async fn a_wall_in_front_of_the_token_endpoint_is_no_refused_login() {
    let b = bench(Access::ReadWrite, "", vec![status(403), ok(TOKEN), ok("done")]);
    assert_eq!(read(&b).await.unwrap(), "done");
}

#[tokio::test]
async fn a_token_that_could_not_be_saved_is_saved_before_it_is_used() {
    let journal = Arc::new(Moody { busy: AtomicU32::new(1), ..Moody::default() });
    let memory = journal.memory.clone();
    let steps = vec![ok(SECOND), ok("1")];
    let b = assemble(Access::ReadWrite, "", steps, Arc::new(Rotating), journal, memory.clone());
    assert_eq!(read(&b).await.unwrap_err().kind(), Kind::Internal);
    assert!(b.calls().is_empty());
    // The refresh token that was spent for it serves no second time: this one is the account's only way in.
    assert_eq!(read(&b).await.unwrap(), "1");
    assert_eq!(logins(&b), ["first"]);
    let stored = memory.load_token("toy-1", "").await.unwrap().unwrap();
    assert_eq!(stored.refresh.unwrap().expose_secret(), "second");
}

/// A channel where every new token ends the one before: calls that carry an old one wait for each other and are refused.
struct Jealous {
    issued: AtomicU32,
    first_two: tokio::sync::Barrier,
}

#[async_trait]
impl Transport for Jealous {
    async fn send(
        &self,
        request: &WireRequest,
        _: Duration,
    ) -> std::result::Result<WireResponse, TransportError> {
        if request.url.path() == "/token" {
            let n = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
            let text = format!(r#"{{"access_token":"T{n}","token_type":"bearer","expires_in":3600}}"#);
            return Ok(WireResponse::json_text(200, text));
        }
        let carried = request.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
        if carried == "T1" {
            self.first_two.wait().await;
            return Ok(WireResponse::json_text(401, "{}"));
        }
        let newest = format!("T{}", self.issued.load(Ordering::SeqCst));
        Ok(WireResponse::json_text(if carried == newest { 200 } else { 401 }, "{}"))
    }
}

#[tokio::test]
async fn a_late_refusal_of_the_old_token_does_not_end_the_new_one() {
    let transport = Arc::new(Jealous { issued: AtomicU32::new(0), first_two: tokio::sync::Barrier::new(2) });
    let b = over(transport.clone());
    let (read, cx) = (op(Safety::Read), CallCx::new());
    let (one, two) = tokio::join!(b.call(&read, "x", &cx), b.call(&read, "x", &cx));
    one.unwrap();
    two.unwrap();
    assert_eq!(transport.issued.load(Ordering::SeqCst), 2);
}

/// The login of one seller, whose accounts are several. A refresh token is spent by its use (mercadolibre.md: single use).
struct Shared;

impl Protocol for Shared {
    fn shared_login(&self) -> Option<String> {
        Some("seller 1".to_owned())
    }
    fn token_plan(&self, cx: &OpCx<'_>, audience: &str, current: Option<&TokenSet>) -> Result<TokenPlan> {
        Rotating.token_plan(cx, audience, current)
    }
    fn read_token(
        &self,
        cx: &OpCx<'_>,
        audience: &str,
        current: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet> {
        Rotating.read_token(cx, audience, current, response)
    }
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<()> {
        Rotating.sign(cx, request)
    }
}

/// A channel that takes a refresh token once: `first`, then `r1`, `r2`, …
#[derive(Default)]
struct OnceEach {
    used: AtomicU32,
    refused: AtomicU32,
    /// What another process does while a token request is under way.
    meanwhile: Option<Arc<Memory>>,
}

fn pair(n: u32) -> String {
    format!(r#"{{"access_token":"a{n}","token_type":"bearer","expires_in":3600,"refresh_token":"r{n}"}}"#)
}

#[async_trait]
impl Transport for OnceEach {
    async fn send(
        &self,
        request: &WireRequest,
        _: Duration,
    ) -> std::result::Result<WireResponse, TransportError> {
        // Others get their turn while the request is under way.
        tokio::task::yield_now().await;
        if request.url.path() != "/token" {
            return Ok(WireResponse::json_text(200, "done"));
        }
        let used = self.used.load(Ordering::SeqCst);
        let valid = if used == 0 { "first".to_owned() } else { format!("r{used}") };
        let given = request.headers.get("x-nonce").unwrap().to_str().unwrap().to_owned();
        if let Some(memory) = &self.meanwhile {
            let mut token = TokenSet::fixed("theirs".to_owned().into());
            token.refresh = Some("their refresh".to_owned().into());
            memory.save_token("toy-1", "", &token).await.unwrap();
        }
        if given != valid || self.meanwhile.is_some() {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Ok(WireResponse::json_text(401, "{}"));
        }
        self.used.store(used + 1, Ordering::SeqCst);
        Ok(WireResponse::json_text(200, pair(used + 1)))
    }
}

fn start() -> VirtualClock {
    VirtualClock::starting("2026-08-01T00:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn accounts_of_one_login_share_its_token_and_one_is_fetched_at_a_time() {
    let (clock, channel, memory) = (start(), Arc::new(OnceEach::default()), Arc::new(Memory::default()));
    let logins = Arc::default();
    let open = |name| account(name, &clock, channel.clone(), Arc::new(Shared), memory.clone(), &logins);
    let (de, fr) = (open("shop-de"), open("shop-fr"));
    let (read, cx) = (op(Safety::Read), CallCx::new());
    for round in 1..=3 {
        let (one, two) = tokio::join!(de.call(&read, "x", &cx), fr.call(&read, "x", &cx));
        assert_eq!((one.unwrap(), two.unwrap()), ("done".to_owned(), "done".to_owned()));
        assert_eq!(channel.used.load(Ordering::SeqCst), round, "one refresh for both");
        clock.advance(Duration::from_secs(3_600));
    }
    assert_eq!(channel.refused.load(Ordering::SeqCst), 0, "no refresh token was used twice");
    // A later process begins with what the login has, whichever of its accounts calls.
    let later = account("shop-it", &clock, channel.clone(), Arc::new(Shared), memory, &Arc::default());
    later.call(&read, "x", &cx).await.unwrap();
    assert_eq!((channel.used.load(Ordering::SeqCst), channel.refused.load(Ordering::SeqCst)), (4, 0));
}

#[tokio::test]
async fn a_refresh_token_that_another_process_has_spent_is_not_used_again() {
    let (clock, channel, memory) = (start(), Arc::new(OnceEach::default()), Arc::new(Memory::default()));
    let process =
        || account("toy-1", &clock, channel.clone(), Arc::new(Rotating), memory.clone(), &Arc::default());
    let (one, two) = (process(), process());
    let (read, cx) = (op(Safety::Read), CallCx::new());
    for _ in 0..3 {
        one.call(&read, "x", &cx).await.unwrap();
        two.call(&read, "x", &cx).await.unwrap();
        clock.advance(Duration::from_secs(3_600));
    }
    assert_eq!((channel.used.load(Ordering::SeqCst), channel.refused.load(Ordering::SeqCst)), (3, 0));
}

#[tokio::test]
async fn a_refusal_because_another_process_was_faster_is_no_dead_login() {
    let (clock, memory) = (start(), Arc::new(Memory::default()));
    let channel = Arc::new(OnceEach { meanwhile: Some(memory.clone()), ..OnceEach::default() });
    let mut stale = TokenSet::fixed("old".to_owned().into());
    (stale.refresh, stale.expires_at) = (Some("first".to_owned().into()), Some(clock.now()));
    memory.save_token("toy-1", "", &stale).await.unwrap();
    let logins = Arc::default();
    let b = account("toy-1", &clock, channel.clone(), Arc::new(Rotating), memory, &logins);
    assert_eq!(b.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap(), "done");
    assert_eq!(channel.refused.load(Ordering::SeqCst), 1);
}
