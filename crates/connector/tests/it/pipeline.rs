//! The error table of `ARCHITECTURE.md`, row by row: what is sent how often, with which key, and what comes out.

use std::sync::Arc;
use std::time::Duration;

use tradewind_connector::*;

use crate::script::*;

const KEYED: Safety = Safety::Keyed { ttl: Duration::from_secs(3600) };

async fn call(b: &Bench, safety: Safety) -> Result<String> {
    b.pipeline.call(&op(safety), "x", &CallCx::keyed("k1")).await
}

#[tokio::test]
async fn a_read_only_account_sends_no_write() {
    let b = bench(Access::ReadOnly, "", vec![]);
    let e = call(&b, Safety::Natural).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::Config, Phase::BeforeSend));
    assert!(e.to_string().contains("read-write"), "{e}");
    assert!(b.seen().is_empty() && b.journal.keys().is_empty());
}

#[tokio::test]
async fn what_is_not_declared_is_refused_before_io() {
    let b = bench(Access::ReadWrite, "", vec![]);
    for facet in [Facet::Prices, Facet::Orders] {
        let mut o = op(Safety::Read);
        o.0.facet = facet;
        assert_eq!(b.pipeline.call(&o, "x", &CallCx::new()).await.unwrap_err().kind(), Kind::Unsupported);
    }
    assert!(b.seen().is_empty());
}

#[tokio::test]
async fn an_unsent_write_is_repeated_whatever_its_safety() {
    for safety in [Safety::Unsafe, Safety::ReadBack, KEYED] {
        let b = with_token(vec![Step::Refused, ok("done")]);
        assert_eq!(call(&b, safety).await.unwrap(), "done");
        assert_eq!(b.calls().len(), 2);
    }
}

#[tokio::test]
async fn a_lost_answer_is_repeated_only_where_that_is_harmless() {
    for safety in [Safety::Read, Safety::Natural, KEYED] {
        let b = with_token(vec![Step::Lost, ok("done")]);
        assert_eq!(call(&b, safety).await.unwrap(), "done");
        let calls = b.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].key, calls[1].key, "the key is the same in every attempt");
        assert_ne!(calls[0].nonce, calls[1].nonce, "the signature is fresh in every attempt");
    }
    for (safety, step) in [
        (Safety::Unsafe, Step::Lost),
        (Safety::ReadBack, Step::Lost),
        (Safety::Unsafe, status(500)),
        (Safety::ReadBack, ok("garbage")),
    ] {
        let b = with_token(vec![step]);
        let e = call(&b, safety).await.unwrap_err();
        assert_eq!((e.kind(), e.phase()), (Kind::Indeterminate, Phase::AfterSend));
        assert!(e.cause().is_some());
        assert_eq!(b.calls().len(), 1);
        assert_eq!(b.pipeline.counts().indeterminate, 1);
        // A second process with the same key does not send either.
        assert_eq!(call(&b, safety).await.unwrap_err().kind(), Kind::Indeterminate);
        assert_eq!(b.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_finished_write_is_answered_from_the_journal() {
    let b = with_token(vec![ok("done")]);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
    assert_eq!(b.calls().len(), 1);
}

#[tokio::test]
async fn a_key_is_not_trusted_longer_than_the_channel_remembers_it() {
    // Begun, and the process died before an answer: the intent stands without an outcome.
    let begun = |b: &Bench| {
        Arc::new(Intent {
            account: "toy-1".parse().unwrap(),
            operation: "toy.op",
            key: "k1".to_owned(),
            subject: String::new(),
            at: b.clock.now(),
        })
    };
    let b = with_token(vec![ok("done")]);
    b.journal.begin(&begun(&b)).await.unwrap();
    b.clock.advance(Duration::from_secs(3599));
    assert_eq!(call(&b, KEYED).await.unwrap(), "done", "the key is remembered for an hour");
    let b = with_token(vec![]);
    b.journal.begin(&begun(&b)).await.unwrap();
    b.clock.advance(Duration::from_secs(3600));
    assert_eq!(call(&b, KEYED).await.unwrap_err().kind(), Kind::Indeterminate);
    assert!(b.calls().is_empty(), "a forgotten key would make it a second write");
}

#[tokio::test]
async fn a_business_no_is_final_and_frees_the_key() {
    let b = with_token(vec![ok("ERR NO"), ok("done")]);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap_err().kind(), Kind::Rejected);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once() {
    let b = with_token(vec![status(401), ok(TOKEN), ok("done")]);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
    assert_eq!(b.pipeline.counts().refreshed, 2);
    assert!(b.calls().iter().all(|c| c.authorization == "T"));
    let b = with_token(vec![status(401), ok(TOKEN), status(401)]);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap_err().kind(), Kind::Unauthenticated);
    let b = bench(Access::ReadWrite, "", vec![status(401)]);
    let e = call(&b, Safety::Unsafe).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::NeedsReauth, Phase::AfterSend));
    assert!(b.calls().is_empty());
}

#[tokio::test]
async fn a_token_serves_until_a_minute_before_its_end() {
    let b = with_token(vec![ok("1"), ok("2"), ok(TOKEN), ok("3")]);
    let read =
        || b.pipeline.call(&*Box::leak(Box::new(op(Safety::Read))), "x", Box::leak(Box::new(CallCx::new())));
    read().await.unwrap();
    b.clock.advance(Duration::from_secs(3539));
    read().await.unwrap();
    assert_eq!(b.pipeline.counts().refreshed, 1);
    b.clock.advance(Duration::from_secs(1));
    read().await.unwrap();
    assert_eq!(b.pipeline.counts().refreshed, 2);
}

#[tokio::test]
async fn one_refresh_is_in_flight() {
    let mut steps = vec![ok(TOKEN)];
    steps.extend((0..8).map(|_| ok("r")));
    let b = bench(Access::ReadWrite, "", steps);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let pipeline = b.pipeline.clone();
            tokio::spawn(async move { pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await })
        })
        .collect();
    for t in tasks {
        t.await.unwrap().unwrap();
    }
    assert_eq!(b.seen().iter().filter(|s| s.path == "/token").count(), 1);
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let header = |v: &str| Step::Answer(429, vec![("retry-after", v.to_owned())], "{}");
    // As seconds, as an HTTP date 20 s ahead, from errors.toml when the answer names none.
    for (step, seconds) in
        [(header("12"), 12), (header("Sat, 01 Aug 2026 00:00:20 GMT"), 20), (ok("ERR SLOW"), 7)]
    {
        let b = with_token(vec![step, ok("done")]);
        call(&b, Safety::Unsafe).await.unwrap();
        let calls = b.calls();
        assert_eq!(calls[1].at.duration_since(calls[0].at).as_secs(), seconds);
        assert_eq!(b.pipeline.counts().throttled, 1);
    }
    // Longer than we wait inside a call: given back to the caller, with the time.
    let b = with_token(vec![header("3600")]);
    let e = call(&b, Safety::Natural).await.unwrap_err();
    assert_eq!((e.kind(), e.wait()), (Kind::RateLimited, Some(Duration::from_secs(3600))));
}

#[tokio::test]
async fn a_fault_is_backed_off_and_bounded() {
    let b = with_token((0..5).map(|_| status(503)).collect());
    assert_eq!(
        b.pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap_err().kind(),
        Kind::Unavailable
    );
    assert_eq!(b.calls().len(), 5, "five attempts of one call");
    // A repeatable write that never got an answer is still in doubt.
    let b = with_token((0..5).map(|_| status(503)).collect());
    assert_eq!(call(&b, Safety::Natural).await.unwrap_err().kind(), Kind::Indeterminate);
}

#[tokio::test]
async fn a_channel_that_is_away_is_asked_five_times_its_token_included() {
    let b = bench(Access::ReadWrite, "", (0..25).map(|_| Step::Refused).collect());
    let began = b.clock.now();
    let e = call(&b, Safety::Unsafe).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::Transport, Phase::BeforeSend));
    assert_eq!(b.seen().len(), 5);
    // Waits of at most 1, 2, 4 and 8 s.
    assert!(b.clock.now().duration_since(began).as_secs() <= 15);
}

#[tokio::test]
async fn what_never_left_costs_no_quota() {
    // Two at once, the next in an hour: five tries would wait for three of them.
    for name in ["toy", "token"] {
        let limits = format!(
            "[[bucket]]\nname = '{name}'\nscope = 'account'\nburst = 2\nrefill = {{ units = 1, every = '1h' }}\n"
        );
        let mut steps: Vec<Step> = (0..4).map(|_| Step::Refused).collect();
        steps.insert(if name == "toy" { 0 } else { 4 }, ok(TOKEN));
        steps.push(ok("done"));
        let b = bench(Access::ReadWrite, &limits, steps);
        let began = b.clock.now();
        assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
        assert!(b.clock.now().duration_since(began).as_secs() <= 15, "{name}");
        // One was sent.
        assert_eq!(b.pipeline.available(name), Some(1), "{name}");
    }
}

#[tokio::test]
async fn the_retry_budget_stops_a_storm() {
    // Ten retries are in the budget; each failing call would like four.
    let b = with_token((0..40).map(|_| status(503)).collect());
    for _ in 0..10 {
        b.pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap_err();
    }
    assert_eq!(b.calls().len(), 10 + 10);
}

#[tokio::test]
async fn the_channels_clock_is_followed() {
    let skew = Step::Answer(400, vec![("date", "Sat, 01 Aug 2026 00:10:00 GMT".to_owned())], "ERR SKEW");
    let b = with_token(vec![skew, ok("done")]);
    call(&b, Safety::Unsafe).await.unwrap();
    assert_eq!(b.pipeline.now().to_string(), "2026-08-01T00:10:00Z");
}

#[tokio::test]
async fn an_unknown_code_is_neither_and_its_payload_is_kept() {
    let b = with_token(vec![ok("ERR WHAT")]);
    let e = b.pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap_err();
    assert_eq!(e.kind(), Kind::UnknownCode);
    assert_eq!(&b.journal.kept()[0].body[..], b"ERR WHAT");
    let b = with_token(vec![ok("ERR WHAT")]);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap_err().kind(), Kind::Indeterminate);
}

const DAY: &str = "[[window]]\nname = 'toy'\nscope = 'app'\nlimit = 5000\nevery = 'day'\n";

#[tokio::test]
async fn a_used_up_day_is_not_asked_again() {
    let steps = vec![ok(TOKEN), ok("ERR FULL")];
    let b = bench(Access::ReadWrite, DAY, steps);
    // The bench begins at midnight, and the day ends 24 hours later.
    for _ in 0..3 {
        let e = call(&b, Safety::Natural).await.unwrap_err();
        assert_eq!((e.kind(), e.wait()), (Kind::QuotaExhausted, Some(Duration::from_secs(86_400))));
    }
    assert_eq!(b.calls().len(), 1);
}

#[tokio::test]
async fn a_day_that_says_only_too_many_costs_five_calls() {
    let steps = std::iter::once(ok(TOKEN)).chain((0..5).map(|_| status(429))).collect();
    let b = bench(Access::ReadWrite, DAY, steps);
    // What is back-off may be shorter than the pause: then the limiter waits.
    let e = call(&b, Safety::Natural).await.unwrap_err();
    assert_eq!((e.kind(), e.wait()), (Kind::RateLimited, Some(Duration::from_secs(15 * 60))));
    assert_eq!(call(&b, Safety::Natural).await.unwrap_err().kind(), Kind::QuotaExhausted);
    assert_eq!(b.calls().len(), 5);
}

#[tokio::test]
async fn a_reset_told_with_each_answer_delays_nothing() {
    let table = "[[bucket]]\nname = 'toy'\nscope = 'account'\nburst = 5\nrefill = { units = 5, every = '1s' }\n\
                 [[header]]\nname = 'x-left'\nmeans = 'remaining'\n[[header]]\nname = 'x-reset'\nmeans = 'reset_after'\n";
    let told = |status: u16, left: &str| {
        Step::Answer(status, vec![("x-left", left.to_owned()), ("x-reset", "30".to_owned())], "{}")
    };
    let b = bench(
        Access::ReadWrite,
        table,
        vec![ok(TOKEN), told(200, "4"), told(429, "3"), told(200, "0"), ok("")],
    );
    for key in ["1", "2", "3"] {
        b.pipeline.call(&op(Safety::Natural), "x", &CallCx::keyed(key)).await.unwrap();
    }
    let at: Vec<_> = b.calls().iter().map(|c| c.at.duration_since(b.calls()[0].at).as_secs()).collect();
    // The second at once; the refusal waits for its reset; nothing left waits for the next.
    assert_eq!(at, [0, 0, 30, 60]);
}

#[tokio::test]
async fn a_pause_of_nothing_is_backed_off() {
    let header = || Step::Answer(429, vec![("retry-after", "0".to_owned())], "{}");
    let b = with_token(vec![header(), header(), ok("done")]);
    call(&b, Safety::Unsafe).await.unwrap();
    let calls = b.calls();
    assert!(calls[2].at > calls[1].at && calls[1].at > calls[0].at);
    // A date is compared with the answer's own: ten minutes ahead of ours, and 20 s are left.
    let dates = ["Sat, 01 Aug 2026 00:10:20 GMT", "Sat, 01 Aug 2026 00:10:00 GMT"];
    let headers = vec![("retry-after", dates[0].to_owned()), ("date", dates[1].to_owned())];
    let b = with_token(vec![Step::Answer(429, headers, "{}"), ok("done")]);
    call(&b, Safety::Unsafe).await.unwrap();
    assert_eq!(b.calls()[1].at.duration_since(b.calls()[0].at).as_secs(), 20);
}

#[tokio::test]
async fn a_misspelt_bucket_is_refused_before_anything() {
    let b = bench(Access::ReadWrite, "", vec![]);
    let mut o = op(Safety::Natural);
    o.0.buckets = &["toy", "tyo"];
    let e = b.pipeline.call(&o, "x", &CallCx::keyed("k1")).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::Config, Phase::BeforeSend));
    assert!(e.to_string().contains("'tyo'"), "{e}");
    assert!(b.seen().is_empty() && b.journal.keys().is_empty());
}

#[test]
fn only_2xx_and_304_are_success() {
    struct Plain;
    impl Protocol for Plain {}
    for (status, success) in [(200, true), (204, true), (304, true), (301, false), (307, false), (404, false)]
    {
        let answer = WireResponse::json_text(status, "{}");
        assert_eq!(Plain.upstream("toy.op", &answer).is_none(), success, "{status}");
    }
}
