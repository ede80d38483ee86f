//! How often the store is asked for tokens: it stands on a disk that all accounts share.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
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
async fn the_store_is_asked_for_a_token_once_in_a_process_and_at_each_refresh() {
    // Without tokens: whether one is stored is looked up with the first call.
    let journal = Arc::new(Moody::default());
    let steps = || (0..5).map(|_| ok("done")).collect();
    assert_eq!(process(Arc::new(Signed), &journal, steps(), 5).await, (1, 0));
    // With tokens that last an hour: each refresh is of the token at hand, and its save tells whether there is another login by
    // now. The next process begins with the stored one, which serves no longer than the clock of its bench says.
    let journal = Arc::new(Moody::default());
    let steps = vec![ok(TOKEN), ok("1"), ok(TOKEN), ok("2"), ok(TOKEN), ok("3")];
    assert_eq!(process(Arc::new(Toy), &journal, steps, 3).await, (1, 3));
    assert_eq!(process(Arc::new(Toy), &journal, vec![ok("4")], 1).await, (1, 0));
}

/// A login with a refresh token, which is spent by its use: the configured one is `first`.
#[derive(Default)]
struct Rotating {
    /// The seller whose login it is, where several accounts are one's.
    login: Option<&'static str>,
    /// The day on which the consent ends.
    until: Option<&'static str>,
}

/// The login of one seller, whose accounts are several (mercadolibre.md: a refresh token is of single use).
const SHARED: Rotating = Rotating { login: Some("seller 1"), until: None };

impl Protocol for Rotating {
    fn shared_login(&self) -> Option<String> {
        self.login.map(str::to_owned)
    }
    fn token_plan(&self, cx: &OpCx<'_>, _: &str, current: Option<&TokenSet>) -> Result<TokenPlan> {
        // Of the accounts of a login, this one has no refresh token in its configuration.
        if cx.account.as_str() == "lacking" {
            refresh_token(current, None)?;
        }
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
        let mut token = OAuth2::read(response, cx.now, None)?;
        token.extra.extend(self.until.map(|day| (LOGIN_UNTIL.to_owned(), day.to_owned())));
        Ok(token)
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
    let b = assemble(Access::ReadWrite, "", steps, Arc::new(Rotating::default()), journal, memory);
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
    let b = assemble(Access::ReadWrite, "", steps, Arc::new(Rotating::default()), journal, memory.clone());
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
            memory.save_token("toy-1", "", &token, Over::Any).await.unwrap();
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
    let open = |name| account(name, &clock, channel.clone(), Arc::new(SHARED), memory.clone(), &logins);
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
    let later = account("shop-it", &clock, channel.clone(), Arc::new(SHARED), memory, &Arc::default());
    later.call(&read, "x", &cx).await.unwrap();
    assert_eq!((channel.used.load(Ordering::SeqCst), channel.refused.load(Ordering::SeqCst)), (4, 0));
}

#[tokio::test]
async fn a_refresh_token_that_another_process_has_spent_is_not_used_again() {
    let (clock, channel, memory) = (start(), Arc::new(OnceEach::default()), Arc::new(Memory::default()));
    let process = || {
        account(
            "toy-1",
            &clock,
            channel.clone(),
            Arc::new(Rotating::default()),
            memory.clone(),
            &Arc::default(),
        )
    };
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
    memory.save_token("toy-1", "", &ended("first", &clock), Over::Any).await.unwrap();
    let logins = Arc::default();
    let b = account("toy-1", &clock, channel.clone(), Arc::new(Rotating::default()), memory, &logins);
    assert_eq!(b.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap(), "done");
    assert_eq!(channel.refused.load(Ordering::SeqCst), 1);
}

/// A token whose access has ended, as it stands in the store.
fn ended(refresh: &str, clock: &VirtualClock) -> TokenSet {
    let mut token = TokenSet::fixed("old".to_owned().into());
    (token.refresh, token.expires_at) = (Some(refresh.to_owned().into()), Some(clock.now()));
    token
}

#[tokio::test]
async fn what_one_account_lacks_locks_no_other_of_its_login_out() {
    let (read, cx) = (op(Safety::Read), CallCx::new());
    for at_once in [false, true] {
        let (clock, channel, memory) = (start(), Arc::new(OnceEach::default()), Arc::new(Memory::default()));
        let logins = Arc::default();
        let open = |name| account(name, &clock, channel.clone(), Arc::new(SHARED), memory.clone(), &logins);
        let (lacking, complete) = (open("lacking"), open("complete"));
        let (one, two) = if at_once {
            tokio::join!(lacking.call(&read, "x", &cx), complete.call(&read, "x", &cx))
        } else {
            (lacking.call(&read, "x", &cx).await, complete.call(&read, "x", &cx).await)
        };
        assert_eq!(one.unwrap_err().kind(), Kind::NeedsReauth, "at once: {at_once}");
        assert_eq!(two.unwrap(), "done", "at once: {at_once}");
        // What one of them fetched is the other's as well.
        assert_eq!(lacking.call(&read, "x", &cx).await.unwrap(), "done");
        assert_eq!((channel.used.load(Ordering::SeqCst), channel.refused.load(Ordering::SeqCst)), (1, 0));
    }
}

#[tokio::test]
async fn a_stored_login_that_died_is_sent_once_in_five_minutes_by_who_has_no_other() {
    let (clock, memory) = (start(), Arc::new(Memory::default()));
    let channel = Arc::new(OnceEach::default());
    memory.save_token("lacking", "", &ended("dead", &clock), Over::Any).await.unwrap();
    let logins = Arc::default();
    let b = account("lacking", &clock, channel.clone(), Arc::new(SHARED), memory, &logins);
    for _ in 0..5 {
        let e = b.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap_err();
        assert_eq!(e.kind(), Kind::NeedsReauth);
    }
    assert_eq!(channel.refused.load(Ordering::SeqCst), 1);
}

/// RFC 6749 §6: a refresh token is bound to the client that it was issued to.
#[tokio::test]
async fn a_login_is_shared_within_one_application() {
    let (clock, memory, logins) = (start(), Arc::new(Memory::default()), Arc::default());
    // Each application's channel takes its own refresh tokens alone.
    let channels = [Arc::new(OnceEach::default()), Arc::new(OnceEach::default())];
    let open = |app: &str, channel: &Arc<OnceEach>| {
        let ends: (Arc<dyn Protocol>, Arc<dyn Journal>) = (Arc::new(SHARED), memory.clone());
        account_of(app, &format!("shop-{app}"), &clock, channel.clone(), ends, &logins)
    };
    let (old, new) = (open("old", &channels[0]), open("new", &channels[1]));
    let (read, cx) = (op(Safety::Read), CallCx::new());
    for _ in 0..2 {
        old.call(&read, "x", &cx).await.unwrap();
        new.call(&read, "x", &cx).await.unwrap();
        clock.advance(Duration::from_secs(3_600));
    }
    for channel in channels {
        assert_eq!((channel.used.load(Ordering::SeqCst), channel.refused.load(Ordering::SeqCst)), (2, 0));
    }
}

#[tokio::test]
async fn a_token_from_before_its_login_had_a_name_is_found() {
    let (clock, channel, memory) = (start(), Arc::new(OnceEach::default()), Arc::new(Memory::default()));
    // Rotated twice since the configuration was written.
    channel.used.store(2, Ordering::SeqCst);
    memory.save_token("shop-de", "", &ended("r2", &clock), Over::Any).await.unwrap();
    let (read, cx) = (op(Safety::Read), CallCx::new());
    // The second process begins with what the first stored for the login.
    for process in 1..=2 {
        let logins = Arc::default();
        let b = account("shop-de", &clock, channel.clone(), Arc::new(SHARED), memory.clone(), &logins);
        b.call(&read, "x", &cx).await.unwrap();
        assert_eq!(
            (channel.used.load(Ordering::SeqCst), channel.refused.load(Ordering::SeqCst)),
            (2 + process, 0)
        );
        clock.advance(Duration::from_secs(3_600));
    }
}

/// A channel that answers each refresh, while which the seller logs in anew in another process.
struct LoginMeanwhile {
    memory: Arc<Memory>,
    fresh: TokenSet,
    once: AtomicBool,
    seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for LoginMeanwhile {
    async fn send(
        &self,
        request: &WireRequest,
        _: Duration,
    ) -> std::result::Result<WireResponse, TransportError> {
        let header = |name| request.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        if request.url.path() != "/token" {
            self.seen.lock().unwrap().extend(header("authorization"));
            return Ok(WireResponse::json_text(200, "done"));
        }
        self.seen.lock().unwrap().extend(header("x-nonce"));
        if !self.once.swap(true, Ordering::SeqCst) {
            self.memory.save_token("toy-1", "", &self.fresh, Over::Any).await.unwrap();
        }
        Ok(WireResponse::json_text(200, pair(1)))
    }
}

#[tokio::test]
async fn a_refresh_under_way_does_not_take_the_place_of_a_new_login() {
    let mut lasting = TokenSet::fixed("theirs".to_owned().into());
    lasting.refresh = Some("their refresh".to_owned().into());
    // Its access token serves at once, or is fetched with the new refresh token, not with what the refresh brought.
    for (fresh, seen, kept) in [
        (lasting, vec!["first", "theirs"], "their refresh"),
        (ended("their refresh", &start()), vec!["first", "their refresh", "a1"], "r1"),
    ] {
        // From the configuration, and from the store.
        for stored in [false, true] {
            let (clock, memory) = (start(), Arc::new(Memory::default()));
            if stored {
                memory.save_token("toy-1", "", &ended("first", &clock), Over::Any).await.unwrap();
            }
            let (once, log) = (AtomicBool::new(false), Mutex::default());
            let channel =
                Arc::new(LoginMeanwhile { memory: memory.clone(), fresh: fresh.clone(), once, seen: log });
            let logins = Arc::default();
            let b = account(
                "toy-1",
                &clock,
                channel.clone(),
                Arc::new(Rotating::default()),
                memory.clone(),
                &logins,
            );
            b.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap();
            assert_eq!(*channel.seen.lock().unwrap(), seen, "stored: {stored}");
            let left = memory.load_token("toy-1", "").await.unwrap().unwrap();
            assert_eq!(left.refresh.unwrap().expose_secret(), kept, "stored: {stored}");
        }
    }
}

#[tokio::test]
async fn what_another_process_saves_at_the_instant_of_a_save_is_not_overwritten() {
    let mut login = TokenSet::fixed("theirs".to_owned().into());
    login.refresh = Some("their refresh".to_owned().into());
    for stored in [false, true] {
        let journal = Arc::new(Moody { meanwhile: Mutex::new(vec![login.clone()]), ..Moody::default() });
        let memory = journal.memory.clone();
        if stored {
            memory.save_token("toy-1", "", &ended("first", &start()), Over::Any).await.unwrap();
        }
        let steps = vec![ok(SECOND), ok("1")];
        let b =
            assemble(Access::ReadWrite, "", steps, Arc::new(Rotating::default()), journal, memory.clone());
        assert_eq!(read(&b).await.unwrap(), "1");
        // The refresh was sent before; its token serves nobody.
        assert_eq!((logins(&b), b.calls()[0].authorization.as_str()), (vec!["first".to_owned()], "theirs"));
        let left = memory.load_token("toy-1", "").await.unwrap().unwrap();
        assert!(left.is(&login), "stored: {stored}");
    }
    // The same login's access token, of another process that looked at the same instant: the younger one stays.
    let others = (1..=2).map(|n| TokenSet::fixed(format!("of another process {n}").into())).collect();
    let journal = Arc::new(Moody { meanwhile: Mutex::new(others), ..Moody::default() });
    let memory = journal.memory.clone();
    let steps = vec![ok(TOKEN), ok("1")];
    let b = assemble(Access::ReadWrite, "", steps, Arc::new(Toy), journal.clone(), memory.clone());
    assert_eq!(read(&b).await.unwrap(), "1");
    assert!(journal.meanwhile.lock().unwrap().is_empty());
    let left = memory.load_token("toy-1", "").await.unwrap().unwrap();
    assert!(b.calls()[0].authorization.ends_with(left.access()), "{:?}", b.calls());
}

#[tokio::test]
async fn a_person_s_login_goes_before_what_a_refresh_saves_at_that_instant() {
    let journal = Arc::new(Moody::default());
    let memory = journal.memory.clone();
    memory.save_token("toy-1", "", &ended("first", &start()), Over::Any).await.unwrap();
    journal.meanwhile.lock().unwrap().push(ended("refreshed", &start()));
    let b = assemble(Access::ReadWrite, "", vec![ok(SECOND)], Arc::new(Consenting), journal, memory.clone());
    b.pipeline.login(&ConsentAnswer::read("code", "s1").unwrap()).await.unwrap();
    let left = memory.load_token("toy-1", "").await.unwrap().unwrap();
    assert_eq!(left.refresh.unwrap().expose_secret(), "second");
}

/// The standard code grant, with a form.
struct Consenting;

impl Protocol for Consenting {
    fn token_plan(&self, cx: &OpCx<'_>, audience: &str, current: Option<&TokenSet>) -> Result<TokenPlan> {
        Rotating::default().token_plan(cx, audience, current)
    }
    fn exchange(&self, _: &OpCx<'_>, answer: &ConsentAnswer) -> Result<WireRequest> {
        let base = "https://toy.example".parse().unwrap();
        let form = vec![("code".to_owned(), answer.code()?.to_owned())];
        Ok(WireRequest::new(http::Method::POST, &base, "/token")?.form(form))
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
    fn verify(&self, _: &SignCx<'_>, response: &WireResponse) -> Result<()> {
        match response.header("x-proof") {
            Some(why) => Err(Error::decode(format!("signed was {why}"))),
            None => Ok(()),
        }
    }
    fn upstream(&self, operation: &str, response: &WireResponse) -> Option<Upstream> {
        Toy.upstream(operation, response)
    }
}

#[tokio::test]
async fn what_a_login_carries_is_in_no_error_of_it() {
    const CODE: &str = "hunter2-code";
    // The channel repeats the code; its answer has a token where a number belongs; what a proof quotes.
    let quoted = r#"{"access_token":"hunter2-access","token_type":"bearer","expires_in":"hunter2-access"}"#;
    let proof = vec![("x-proof", format!("over {CODE} and hunter2-access"))];
    let answers = [
        ok("ERR the code hunter2-code is spent"),
        ok(quoted),
        Step::Answer(200, proof, r#"{"access_token":"hunter2-access"}"#),
    ];
    for answer in answers {
        let journal = Arc::new(Memory::default());
        let b = assemble(
            Access::ReadWrite,
            "",
            vec![answer],
            Arc::new(Consenting),
            journal.clone(),
            journal.clone(),
        );
        let e = b.pipeline.login(&ConsentAnswer::read(CODE, "s1").unwrap()).await.unwrap_err();
        assert!(e.to_string().contains("***"), "{e}");
        assert!(!format!("{e} {e:?}").contains("hunter2"), "{e:?}");
    }
}

/// What is warned of on this thread, in words.
#[derive(Clone, Default)]
struct Warned(Arc<Mutex<Vec<String>>>);

impl tracing::field::Visit for Warned {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl tracing::Subscriber for Warned {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        *of.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn the_end_of_a_consent_is_told_once_by_each_process_that_uses_its_token() {
    const SOON: &str = "2026-08-10T00:00:00Z";
    const OVER: &str = "2026-07-31T00:00:00Z";
    // Two calls, an hour apart: each with a refresh.
    let process = |until: &'static str, stored: bool| async move {
        let (clock, channel, memory) = (start(), Arc::new(OnceEach::default()), Arc::new(Memory::default()));
        if stored {
            let mut token = ended("first", &clock);
            token.extra.insert(LOGIN_UNTIL.to_owned(), until.to_owned());
            memory.save_token("toy-1", "", &token, Over::Any).await.unwrap();
        }
        let logins = Arc::default();
        let b = account(
            "toy-1",
            &clock,
            channel.clone(),
            Arc::new(Rotating { until: Some(until), login: None }),
            memory,
            &logins,
        );
        let warned = Warned::default();
        let _listening = tracing::subscriber::set_default(warned.clone());
        for refresh in 1..=2 {
            b.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap();
            assert_eq!(channel.used.load(Ordering::SeqCst), refresh);
            clock.advance(Duration::from_secs(3_600));
        }
        std::mem::take(&mut *warned.0.lock().unwrap())
    };
    for stored in [false, true] {
        let told = process(SOON, stored).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("consent ends") && told[0].contains("before"), "{told:?}");
        let told = process(OVER, stored).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("has ended") && !told[0].contains("before"), "{told:?}");
        assert_eq!(process("2027-08-01T00:00:00Z", stored).await, Vec::<String>::new());
    }
}
