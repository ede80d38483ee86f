//! A write that may have been carried out stays in doubt until the channel itself says what became of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tradewind_connector::*;

use crate::script::*;

const KEYED: Safety = Safety::Keyed { ttl: Duration::from_secs(3600) };

async fn call(b: &Bench, safety: Safety) -> Result<String> {
    b.pipeline.call(&op(safety), "x", &CallCx::keyed("k1")).await
}

fn header(status: u16, name: &'static str, value: &str) -> Step {
    Step::Answer(status, vec![(name, value.to_owned())], "{}")
}

#[tokio::test]
async fn what_the_next_try_meets_says_nothing_of_the_one_before() {
    let refused = || (0..4).map(|_| Step::Refused);
    let ends: [(&str, Vec<Step>); 6] = [
        ("no connection any more", refused().collect()),
        ("told to come back in an hour", vec![header(429, "retry-after", "3600")]),
        ("not there: perhaps because it is done", vec![status(404)]),
        ("another by now: perhaps by us", vec![status(409)]),
        ("the login ended", vec![status(403)]),
        ("the token is refused for good", vec![status(401), ok(TOKEN), status(401)]),
    ];
    for (name, end) in ends {
        let b = with_token(std::iter::once(Step::Lost).chain(end).collect());
        let e = call(&b, KEYED).await.unwrap_err();
        assert_eq!((e.kind(), e.phase()), (Kind::Indeterminate, Phase::AfterSend), "{name}");
        // The channel has forgotten the key: what was perhaps done must not be done again.
        let sent = b.seen().len();
        b.clock.advance(Duration::from_secs(3600));
        assert_eq!(call(&b, KEYED).await.unwrap_err().kind(), Kind::Indeterminate, "{name}");
        assert_eq!(b.seen().len(), sent, "{name}");
    }
}

/// A channel that repeats our token in its error puts it into no error of ours.
#[tokio::test]
async fn what_the_channel_repeats_of_the_request_is_cut_out() {
    const LONG: &str = r#"{"access_token":"hunter2-access","token_type":"bearer","expires_in":3600}"#;
    let b = bench(Access::ReadWrite, "", vec![ok(LONG), ok("ERR you sent hunter2-access to us")]);
    let e = call(&b, KEYED).await.unwrap_err();
    assert!(e.to_string().contains("you sent *** to us"), "{e}");
    assert!(!format!("{e:?}").contains("hunter2"), "{e:?}");
}

#[tokio::test]
async fn a_no_to_this_very_write_ends_the_doubt() {
    for no in [ok("ERR NO"), status(400)] {
        let b = with_token(vec![Step::Lost, no, ok("done")]);
        let e = call(&b, KEYED).await.unwrap_err();
        assert!(matches!(e.kind(), Kind::Rejected | Kind::InvalidRequest), "{e}");
        // The key is free.
        assert_eq!(call(&b, KEYED).await.unwrap(), "done");
    }
}

#[tokio::test]
async fn the_doubt_of_an_earlier_process_is_inherited() {
    let b = with_token((0..5).map(|_| Step::Refused).collect());
    let intent = Intent {
        account: "toy-1".parse().unwrap(),
        operation: "toy.op",
        key: "k1".to_owned(),
        subject: String::new(),
        at: b.clock.now(),
    };
    b.journal.begin(&Arc::new(intent)).await.unwrap();
    assert_eq!(call(&b, Safety::Natural).await.unwrap_err().kind(), Kind::Indeterminate);
}

#[tokio::test]
async fn downtime_that_follows_the_sending_is_doubt_too() {
    for safety in [Safety::Unsafe, Safety::ReadBack] {
        let b = with_token(vec![ok("ERR DOWN")]);
        let e = call(&b, safety).await.unwrap_err();
        assert_eq!((e.kind(), e.cause()), (Kind::Indeterminate, Some(Kind::Maintenance)));
        assert_eq!(b.calls().len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_made_was_not_sent() {
    let limits =
        "[[bucket]]\nname = 'toy'\nscope = 'account'\nburst = 2\nrefill = { units = 1, every = '1h' }\n";
    let b = bench(Access::ReadWrite, limits, vec![ok(TOKEN), ok("done")]);
    for _ in 0..3 {
        let made = b.pipeline.call(&op(Safety::Unsafe), "unreadable", &CallCx::keyed("k1")).await;
        let e = made.unwrap_err();
        assert_eq!((e.kind(), e.phase()), (Kind::InvalidRequest, Phase::BeforeSend));
        assert!(!e.message().contains("answer"), "{e}");
    }
    // Neither the key nor the quota is spent.
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
    assert_eq!(b.pipeline.available("toy"), Some(1));
}

/// A store that keeps neither answers nor outcomes.
fn full(steps: Vec<Step>) -> Bench {
    let journal = Arc::new(Moody { full: AtomicBool::new(true), ..Moody::default() });
    let memory = journal.memory.clone();
    let all = std::iter::once(ok(TOKEN)).chain(steps).collect();
    assemble(Access::ReadWrite, "", all, Arc::new(Toy), journal, memory)
}

#[tokio::test]
async fn a_store_that_is_full_does_not_free_the_key_of_a_write_that_left() {
    // Its answer is to be kept before it is decoded, and cannot be.
    let b = full(vec![ok("done")]);
    let mut kept = op(Safety::ReadBack);
    kept.0.keep = true;
    let cx = CallCx::keyed("k1");
    let book = || b.pipeline.call(&kept, "x", &cx);
    let e = book().await.unwrap_err();
    assert_eq!((e.kind(), e.cause()), (Kind::Indeterminate, Some(Kind::Internal)));
    assert!(e.to_string().contains("no space"), "{e}");
    assert_eq!(book().await.unwrap_err().kind(), Kind::Indeterminate);
    assert_eq!(b.calls().len(), 1);
}

#[tokio::test]
async fn what_the_channel_did_is_told_although_it_cannot_be_noted() {
    let b = full(vec![ok("done")]);
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap(), "done");
    // The next process finds the intent without an outcome.
    assert_eq!(call(&b, Safety::Unsafe).await.unwrap_err().kind(), Kind::Indeterminate);
    // An answer that nobody can read is told as that, not as the store's trouble.
    let b = full(vec![ok("garbage")]);
    let e = call(&b, Safety::Unsafe).await.unwrap_err();
    assert_eq!((e.kind(), e.cause()), (Kind::Indeterminate, Some(Kind::Decode)));
}
