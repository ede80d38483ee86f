//! What an operation or a channel says of itself beyond the usual: signed answers, a time of its own, draws of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use tradewind_connector::*;

use crate::script::*;

const KEYED: Safety = Safety::Keyed { ttl: Duration::from_secs(3600) };

/// The toy, which signs its answers: `x-proof` is the length of the body.
struct Signing;

impl Protocol for Signing {
    fn token_plan(&self, cx: &OpCx<'_>, audience: &str, current: Option<&TokenSet>) -> Result<TokenPlan> {
        Toy.token_plan(cx, audience, current)
    }
    fn read_token(
        &self,
        cx: &OpCx<'_>,
        audience: &str,
        current: Option<&TokenSet>,
        response: &WireResponse,
    ) -> Result<TokenSet> {
        Toy.read_token(cx, audience, current, response)
    }
    fn verify(&self, _: &SignCx<'_>, response: &WireResponse) -> Result<()> {
        if response.header("x-proof") == Some(&response.body.len().to_string()) {
            return Ok(());
        }
        // Whatever the kind: nothing here may say that the write was not carried out.
        Err(Error::config("x-proof is wrong"))
    }
    fn upstream(&self, operation: &str, response: &WireResponse) -> Option<Upstream> {
        Toy.upstream(operation, response)
    }
}

fn proven(body: &'static str) -> Step {
    Step::Answer(200, vec![("x-proof", body.len().to_string())], body)
}

fn signing(steps: Vec<Step>) -> Bench {
    let journal = Arc::new(Memory::default());
    assemble(Access::ReadWrite, "", steps, Arc::new(Signing), journal.clone(), journal)
}

async fn call(b: &Bench, safety: Safety) -> Result<String> {
    b.pipeline.call(&op(safety), "x", &CallCx::keyed("k1")).await
}

#[tokio::test]
async fn an_answer_with_a_wrong_signature_is_not_believed() {
    // Success and refusal alike: neither says what became of the write.
    for body in ["done", "ERR NO", "ERR SLOW"] {
        let forged = || Step::Answer(200, vec![("x-proof", "0".to_owned())], body);
        for safety in [Safety::Natural, KEYED, Safety::ReadBack, Safety::Unsafe] {
            let b = signing(vec![proven(TOKEN), forged()]);
            let e = call(&b, safety).await.unwrap_err();
            assert_eq!((e.kind(), e.cause()), (Kind::Indeterminate, Some(Kind::Decode)), "{body} {safety:?}");
            assert!(e.to_string().contains("x-proof is wrong"), "{e}");
            assert_eq!(b.calls().len(), 1, "{body} {safety:?}");
            assert_eq!(b.journal.kept().len(), 1, "kept for a person");
        }
        let b = signing(vec![proven(TOKEN), forged()]);
        let e = call(&b, Safety::Read).await.unwrap_err();
        assert_eq!((e.kind(), e.phase()), (Kind::Decode, Phase::AfterSend), "{body}");
    }
    assert_eq!(call(&signing(vec![proven(TOKEN), proven("done")]), Safety::Unsafe).await.unwrap(), "done");
    let e = call(&signing(vec![proven(TOKEN), proven("ERR NO")]), Safety::Unsafe).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Rejected);
}

#[tokio::test]
async fn an_unsigned_error_of_a_front_is_still_an_error_and_a_token_must_be_proven() {
    let e = call(&signing(vec![proven(TOKEN), status(502)]), Safety::Unsafe).await.unwrap_err();
    assert_eq!((e.kind(), e.cause()), (Kind::Indeterminate, Some(Kind::Unavailable)));
    assert!(e.to_string().contains("x-proof is wrong"), "{e}");
    // Where that is harmless it is asked again.
    for safety in [Safety::Read, Safety::Natural, KEYED] {
        let b = signing(vec![proven(TOKEN), status(502), proven("done")]);
        assert_eq!(call(&b, safety).await.unwrap(), "done", "{safety:?}");
    }
    // What somebody on the way says of the request itself is no refusal, and no reason to send it again.
    for (code, safety) in
        [400, 401, 403, 404, 409, 429].into_iter().zip([Safety::Unsafe, KEYED].into_iter().cycle())
    {
        let b = signing(vec![proven(TOKEN), status(code), proven("done")]);
        let e = call(&b, safety).await.unwrap_err();
        assert_eq!((e.kind(), e.cause()), (Kind::Indeterminate, Some(Kind::Decode)), "{code} {safety:?}");
        assert_eq!(b.calls().len(), 1, "{code} {safety:?}");
    }
    let b = signing(std::iter::repeat_with(|| ok(TOKEN)).take(5).collect());
    let e = call(&b, Safety::Unsafe).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::Unavailable, Phase::BeforeSend), "{e}");
    assert!(b.calls().is_empty(), "nothing goes out with a token of somebody else's");
}

/// The toy, which answers a key with what it refused under it: `NO` is stored, `NOPE` is not. `SPENT` says that the key is.
struct Remembering;

impl Protocol for Remembering {
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<()> {
        request.set_header("x-key", cx.op.key)
    }
    fn upstream(&self, operation: &str, response: &WireResponse) -> Option<Upstream> {
        Toy.upstream(operation, response)
    }
    fn remembers(&self, _: &str, refusal: &Error) -> bool {
        refusal.upstream_ref().is_some_and(|u| matches!(u.code.as_str(), "NO" | "SPENT" | "DOWN"))
    }
}

/// As Stripe does it (stripe.md §7): what it answered once it answers for a day.
#[tokio::test]
async fn a_refusal_that_the_channel_remembers_ends_its_key_and_no_other() {
    let journal = Arc::new(Memory::default());
    let keys = |b: &Bench| b.calls().iter().map(|c| c.key.clone()).collect::<Vec<_>>();
    let bench = |steps: Vec<Step>| {
        assemble(Access::ReadWrite, "", steps, Arc::new(Remembering), journal.clone(), journal.clone())
    };
    let b = bench(vec![ok("ERR NO"), status(400), Step::Lost, ok("done")]);
    assert_eq!(call(&b, KEYED).await.unwrap_err().kind(), Kind::Rejected);
    // Another reason, which is not remembered: the new key stays.
    assert_eq!(call(&b, KEYED).await.unwrap_err().kind(), Kind::InvalidRequest);
    // A lost answer is repeated under the same key, as ever.
    assert_eq!(call(&b, KEYED).await.unwrap(), "done");
    assert_eq!(keys(&b), ["k1", "k1~1", "k1~1", "k1~1"]);
    // A later process is told what was answered, and sends nothing.
    assert_eq!(call(&bench(vec![]), KEYED).await.unwrap(), "done");
}

#[tokio::test]
async fn only_a_certain_refusal_of_a_keyed_write_ends_its_key() {
    let again = |safety: Safety, steps: Vec<Step>| async move {
        let journal = Arc::new(Memory::default());
        let protocol = Arc::new(Remembering);
        let b = assemble(Access::ReadWrite, "", steps, protocol, journal.clone(), journal);
        call(&b, safety).await.unwrap_err();
        let _ = call(&b, safety).await;
        b.calls().iter().map(|c| c.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(again(Safety::ReadBack, vec![ok("ERR NO"), ok("done")]).await, ["k1", "k1"], "it has no key");
    // Nobody knows: the old key alone is safe.
    let lost = std::iter::repeat_with(|| Step::Lost).take(5).chain([ok("done")]).collect();
    assert_eq!(again(KEYED, lost).await, ["k1"; 6]);
    // In doubt, then the stored refusal of that very try: certain.
    assert_eq!(again(KEYED, vec![Step::Lost, ok("ERR NO"), ok("done")]).await, ["k1", "k1", "k1~1"]);
    // As Shopify says it (IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED, shopify.md §5): of the key, which is spent, so a conflict.
    assert_eq!(again(KEYED, vec![Step::Lost, ok("ERR SPENT"), ok("done")]).await, ["k1", "k1", "k1~1"]);
    // A failure that a channel repeats says nothing of the try before it.
    let down = (0..4).map(|_| ok("ERR DOWN")).chain([ok("done")]);
    assert_eq!(again(KEYED, std::iter::once(Step::Lost).chain(down).collect()).await, ["k1"; 6]);
}

/// An operation that takes its time, and draws from several buckets.
struct Batch;

static BATCH: OpSpec = OpSpec {
    name: "toy.batch",
    facet: Facet::Stock,
    safety: Safety::Natural,
    priority: Priority::Stock,
    buckets: &["calls", "sku"],
    keep: false,
    doc: "",
};

impl Operation for Batch {
    type In = [&'static str];
    type Out = ();
    fn spec(&self) -> &OpSpec {
        &BATCH
    }
    fn encode(&self, _: &OpCx<'_>, _: &Self::In) -> Result<WireRequest> {
        let base = "https://toy.example".parse().map_err(|_| Error::config("a literal"))?;
        WireRequest::new(Method::POST, &base, "/batch")
    }
    fn decode(&self, _: &OpCx<'_>, _: &Self::In, _: &WireResponse) -> Result<()> {
        Ok(())
    }
    fn draws(&self, skus: &Self::In) -> Option<Vec<Take>> {
        let call = Take { bucket: "calls", object: None, units: 1 };
        let sku = |sku: &&'static str| {
            let bucket = if sku.is_empty() { "toy" } else { "sku" };
            Take { bucket, object: Some((*sku).to_owned()), units: 2 }
        };
        Some(std::iter::once(call).chain(skus.iter().map(sku)).collect())
    }
    fn timeout(&self) -> Option<Duration> {
        Some(Duration::from_secs(90))
    }
}

const TABLE: &str = "
[[bucket]]
name = 'toy'
scope = 'account'
burst = 1
refill = { units = 1, every = '1s' }
[[bucket]]
name = 'calls'
scope = 'account'
burst = 10
refill = { units = 1, every = '1s' }
[[bucket]]
name = 'sku'
scope = 'object'
burst = 3
refill = { units = 1, every = '10s' }
";

#[tokio::test]
async fn a_batch_draws_one_call_and_from_the_bucket_of_each_of_its_objects() {
    let steps = vec![ok(TOKEN), ok("1"), ok("2"), ok("3")];
    let b = bench(Access::ReadWrite, TABLE, steps);
    let begun = b.clock.now();
    let at = |b: &Bench| b.clock.now().duration_since(begun).as_secs();
    b.pipeline.call(&Batch, &["a", "b"], &CallCx::new()).await.unwrap();
    assert_eq!(b.pipeline.available("calls"), Some(9), "one, however many SKUs");
    // Two of three units of each are gone; c is full.
    b.pipeline.call(&Batch, &["c"], &CallCx::new()).await.unwrap();
    assert_eq!(at(&b), 0);
    // One unit of a is left, the second comes ten seconds later.
    b.pipeline.call(&Batch, &["a", "c"], &CallCx::new()).await.unwrap();
    assert_eq!(at(&b), 10);
}

#[tokio::test]
async fn a_draw_from_a_bucket_that_was_not_announced_is_refused_unsent() {
    let b = bench(Access::ReadWrite, TABLE, vec![ok(TOKEN)]);
    let e = b.pipeline.call(&Batch, &[""], &CallCx::new()).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::Config, Phase::BeforeSend));
    assert!(e.to_string().contains("'toy'"), "{e}");
    assert!(b.calls().is_empty());
}

/// Notes how long it may take.
#[derive(Default)]
struct Patient(Mutex<Vec<Duration>>);

#[async_trait]
impl Transport for Patient {
    async fn send(&self, request: &WireRequest, time: Duration) -> Result<WireResponse, TransportError> {
        let token = request.url.path() == "/token";
        if !token {
            self.0.lock().unwrap().push(time);
        }
        Ok(WireResponse::json_text(200, if token { TOKEN } else { "done" }))
    }
}

#[tokio::test]
async fn an_operation_may_take_a_time_of_its_own_but_no_longer_than_its_call() {
    let patient = Arc::new(Patient::default());
    let pipeline = over_with(patient.clone(), TABLE);
    pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap();
    pipeline.call(&Batch, &[], &CallCx::new()).await.unwrap();
    let soon = pipeline.now().checked_add(jiff::SignedDuration::from_secs(40)).unwrap();
    pipeline.call(&Batch, &[], &CallCx::new().deadline(soon)).await.unwrap();
    let seconds: Vec<u64> = patient.0.lock().unwrap().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [30, 90, 40]);
}
