//! What every store must do. The functions take a factory, so a second back end only adds a line.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use tradewind_connector::{
    Begun, Exchange, Intent, Journal, Memory, Outcome, Over, SecretString, TokenSet, WireResponse,
};
use tradewind_store::{
    Batch, CallFilter, CallOutcome, Collection, Expect, Filter, KeySource, SqliteStore, Store, StoreError,
};

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(&path.join("t.db"), &KeySource::File(path.join("key"))).unwrap()
}

fn fresh() -> (TempDir, SqliteStore) {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    (dir, store)
}

fn put(key: &str, state: &str, expect: Expect) -> Batch {
    let mut b = Batch::new();
    b.put_row(Collection::Orders, key.into(), "a".into(), state.into(), "{}".into(), expect);
    b
}

fn intent(key: &str) -> Arc<Intent> {
    Arc::new(Intent {
        account: "shop".parse().unwrap(),
        operation: "offers.put",
        key: key.into(),
        subject: "SKU-1".into(),
        at: Timestamp::UNIX_EPOCH,
    })
}

#[tokio::test]
async fn a_batch_is_whole_or_nothing() {
    let (_dir, s) = fresh();
    s.commit(put("1", "x", Expect::Absent)).await.unwrap();
    let mut both = put("2", "x", Expect::Absent);
    both.put_row(Collection::Orders, "1".into(), "a".into(), "y".into(), "{}".into(), Expect::Absent);
    assert!(matches!(s.commit(both).await, Err(StoreError::Conflict { .. })));
    assert!(s.get(Collection::Orders, "2").await.unwrap().is_none());
    assert_eq!(s.get(Collection::Orders, "1").await.unwrap().unwrap().state, "x");
}

#[tokio::test]
async fn versions_stop_a_lost_update() {
    let (_dir, s) = fresh();
    s.commit(put("1", "x", Expect::Absent)).await.unwrap();
    s.commit(put("1", "y", Expect::Version(1))).await.unwrap();
    assert!(s.commit(put("1", "z", Expect::Version(1))).await.is_err());
    let row = s.get(Collection::Orders, "1").await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.version), ("y", 2));
}

#[tokio::test]
async fn lists_filter_and_sort_by_key() {
    let (_dir, s) = fresh();
    for key in ["a/2", "a/1", "a%/1", "b/1"] {
        s.commit(put(key, if key == "b/1" { "done" } else { "open" }, Expect::Any)).await.unwrap();
    }
    let keys = |f| async {
        s.list(Collection::Orders, f).await.unwrap().into_iter().map(|r| r.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(Filter::all().prefix("a/")).await, ["a/1", "a/2"]);
    assert_eq!(keys(Filter::account("a").states(&["done"])).await, ["b/1"]);
    assert_eq!(s.count(Collection::Orders, Filter::all().states(&["open", "done"])).await.unwrap(), 4);
    let page = Filter { after: Some("a/1".into()), limit: Some(1), ..Filter::all() };
    assert_eq!(keys(page).await, ["a/2"]);
}

#[tokio::test]
async fn an_intent_survives_a_restart() {
    let (dir, s) = fresh();
    assert_eq!(s.begin(&intent("k")).await.unwrap(), Begun::Fresh);
    drop(s);
    let s = open(dir.path());
    assert_eq!(
        s.begin(&intent("k")).await.unwrap(),
        Begun::Unfinished { since: intent("k").at, generation: 0 }
    );
    let answer =
        WireResponse { received_at: Timestamp::UNIX_EPOCH, ..WireResponse::json_text(200, r#"{"ok":1}"#) };
    s.finish(&intent("k"), 0, Outcome::Done(answer.clone())).await.unwrap();
    assert_eq!(s.begin(&intent("k")).await.unwrap(), Begun::Finished { response: answer, generation: 0 });
    // A write that certainly failed frees its key.
    s.begin(&intent("f")).await.unwrap();
    s.finish(&intent("f"), 0, Outcome::Failed("no".into())).await.unwrap();
    assert_eq!(s.begin(&intent("f")).await.unwrap(), Begun::Fresh);
    s.finish(&intent("f"), 0, Outcome::Indeterminate("?".into())).await.unwrap();
    assert_eq!(
        s.begin(&intent("f")).await.unwrap(),
        Begun::Unfinished { since: intent("k").at, generation: 0 }
    );
}

#[tokio::test]
async fn a_key_that_the_channel_refuses_for_ever_has_a_next_generation() {
    let (dir, s) = fresh();
    let later = |at: &str| Arc::new(Intent { at: at.parse().unwrap(), ..Intent::clone(&intent("k")) });
    let refused = || Outcome::Refused("declined".into());
    s.begin(&intent("k")).await.unwrap();
    s.finish(&intent("k"), 0, refused()).await.unwrap();
    drop(s);
    let s = open(dir.path());
    let second = later("2026-08-02T00:00:00Z");
    assert_eq!(s.begin(&second).await.unwrap(), Begun::Again { generation: 1 });
    // A crash: the same generation goes out again, and its time counts from when it was begun.
    let unfinished = Begun::Unfinished { since: second.at, generation: 1 };
    assert_eq!(s.begin(&later("2026-08-03T00:00:00Z")).await.unwrap(), unfinished);
    // It failed without being remembered: the same generation once more, not the first.
    s.finish(&second, 1, Outcome::Failed("no connection".into())).await.unwrap();
    assert_eq!(s.begin(&second).await.unwrap(), Begun::Again { generation: 1 });
    s.finish(&second, 1, refused()).await.unwrap();
    assert_eq!(s.begin(&second).await.unwrap(), Begun::Again { generation: 2 });
    let answer = WireResponse { received_at: second.at, ..WireResponse::json_text(200, "{}") };
    s.finish(&second, 2, Outcome::Done(answer.clone())).await.unwrap();
    assert_eq!(s.begin(&second).await.unwrap(), Begun::Finished { response: answer, generation: 2 });
}

/// Migration 9 makes the table of intents anew: a store of the program before, with an intent in every state.
#[tokio::test]
async fn intents_are_what_they_were_after_their_table_is_made_anew() {
    let (dir, s) = fresh();
    for key in ["begun", "done", "refused", "indeterminate"] {
        s.begin(&intent(key)).await.unwrap();
    }
    let answer =
        WireResponse { received_at: Timestamp::UNIX_EPOCH, ..WireResponse::json_text(200, r#"{"ok":1}"#) };
    s.finish(&intent("done"), 0, Outcome::Done(answer.clone())).await.unwrap();
    s.finish(&intent("refused"), 0, Outcome::Refused("declined".into())).await.unwrap();
    s.finish(&intent("indeterminate"), 0, Outcome::Indeterminate("lost".into())).await.unwrap();
    drop(s);
    let before = include_str!("../../migrations/0006_generations.sql");
    // Migration 6 copies the columns that were there before it: the generations follow.
    let raw = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
    raw.execute_batch("CREATE TEMP TABLE was AS SELECT key, generation FROM intents").unwrap();
    raw.execute_batch(before).unwrap();
    raw.execute_batch(
        "UPDATE intents SET generation = (SELECT generation FROM was WHERE was.key = intents.key);
         DELETE FROM migrations WHERE version >= 9",
    )
    .unwrap();
    drop(raw);
    let s = open(dir.path());
    let unfinished = Begun::Unfinished { since: Timestamp::UNIX_EPOCH, generation: 0 };
    assert_eq!(s.begin(&intent("begun")).await.unwrap(), unfinished);
    assert_eq!(s.begin(&intent("indeterminate")).await.unwrap(), unfinished);
    assert_eq!(s.begin(&intent("refused")).await.unwrap(), Begun::Again { generation: 1 });
    let done = Begun::Finished { response: answer, generation: 0 };
    assert_eq!(s.begin(&intent("done")).await.unwrap(), done);
    assert_eq!(s.begin(&intent("new")).await.unwrap(), Begun::Fresh);
}

/// What two processes on one store do, which both have the same keyed write under way.
async fn late_outcomes(journal: &dyn Journal) {
    let refused = || Outcome::Refused("declined".into());
    let done = |body: &str| {
        Outcome::Done(WireResponse {
            received_at: Timestamp::UNIX_EPOCH,
            ..WireResponse::json_text(200, body)
        })
    };
    let unfinished = |generation| Begun::Unfinished { since: Timestamp::UNIX_EPOCH, generation };
    let begin = |key: &'static str| async move { journal.begin(&intent(key)).await.unwrap() };
    let finish = |key: &'static str, generation, outcome| async move {
        journal.finish(&intent(key), generation, outcome).await.unwrap();
    };
    // Both send k; the first is refused, begins k~1 and loses the answer. Whatever the second hears of k by now, k~1 may have
    // been carried out.
    begin("k").await;
    assert_eq!(begin("k").await, unfinished(0));
    finish("k", 0, refused()).await;
    assert_eq!(begin("k").await, Begun::Again { generation: 1 });
    for late in [refused(), Outcome::Failed("no connection".into()), Outcome::Indeterminate("lost".into())] {
        finish("k", 0, late).await;
        assert_eq!(begin("k").await, unfinished(1));
    }
    // But a success is one, and nothing that comes later undoes it.
    finish("k", 0, done("1")).await;
    let late = [refused(), Outcome::Failed("no".into()), Outcome::Indeterminate("?".into()), done("2")];
    for late in late.into_iter().flat_map(|late| [(0, late.clone()), (1, late)]) {
        finish("k", late.0, late.1).await;
        let Begun::Finished { response, generation } = begin("k").await else { panic!("it was done") };
        assert_eq!((response.text().unwrap(), generation), ("1", 0));
    }
}

#[tokio::test]
async fn a_late_outcome_is_of_its_own_generation_alone() {
    let (_dir, s) = fresh();
    late_outcomes(&s).await;
    late_outcomes(&Memory::default()).await;
}

#[tokio::test]
async fn an_outcome_is_written_before_what_follows_it_and_before_the_store_closes() {
    let (dir, s) = fresh();
    let done = || Outcome::Done(WireResponse::json_text(200, "{}"));
    s.begin(&intent("a")).await.unwrap();
    s.finish(&intent("a"), 0, done()).await.unwrap();
    // Nothing was awaited since: the next commit stands behind the outcome, so another connection sees both.
    s.commit(put("o/1", "open", Expect::Any)).await.unwrap();
    let other = rusqlite::Connection::open(s.path()).unwrap();
    let state = |key: &str| {
        let sql = "SELECT state FROM intents WHERE key = ?1";
        other.query_row(sql, [key], |r| r.get::<_, String>(0)).unwrap()
    };
    assert_eq!(state("a"), "done");
    s.begin(&intent("b")).await.unwrap();
    s.finish(&intent("b"), 0, done()).await.unwrap();
    drop(s);
    assert_eq!(state("b"), "done");
    drop(dir);
}

fn tokens(access: &str, refresh: Option<&str>) -> TokenSet {
    let mut token = TokenSet::fixed(SecretString::from(access.to_owned()));
    token.refresh = refresh.map(|r| SecretString::from(r.to_owned()));
    token
}

async fn save(journal: &dyn Journal, token: &TokenSet, over: Over<'_>) -> bool {
    journal.save_token("shop", "", token, over).await.unwrap()
}

/// A save takes the place of the tokens that it names alone.
async fn saves_of_tokens(journal: &dyn Journal) {
    let (first, second, login) =
        (tokens("a1", Some("r1")), tokens("a2", Some("r2")), tokens("a9", Some("r9")));
    let there = || async { journal.load_token("shop", "").await.unwrap().unwrap() };
    // Of nothing.
    assert!(!save(journal, &first, Over::Only(Some(&second))).await);
    assert!(journal.load_token("shop", "").await.unwrap().is_none());
    assert!(save(journal, &first, Over::Only(None)).await);
    assert!(!save(journal, &second, Over::Only(None)).await && there().await.is(&first));
    // Of these: both secrets count, and what else is known of them does not.
    for other in [tokens("a1", Some("r0")), tokens("a0", Some("r1")), tokens("a1", None)] {
        assert!(!save(journal, &second, Over::Only(Some(&other))).await && there().await.is(&first));
    }
    let mut spent = first.clone();
    spent.expires_at = Some(Timestamp::MIN);
    assert!(save(journal, &second, Over::Only(Some(&spent))).await && there().await.is(&second));
    // A person's login goes before all; the refresh that looked before it does not.
    assert!(save(journal, &login, Over::Any).await);
    assert!(!save(journal, &first, Over::Only(Some(&second))).await && there().await.is(&login));
    // Each audience by itself.
    assert!(journal.save_token("shop", "other", &first, Over::Only(None)).await.unwrap());
    assert!(there().await.is(&login));
}

#[tokio::test]
async fn a_token_takes_the_place_of_what_its_refresh_saw_alone() {
    let (_dir, s) = fresh();
    saves_of_tokens(&s).await;
    saves_of_tokens(&Memory::default()).await;
}

/// Each has its own connection, as two processes have.
#[tokio::test]
async fn of_saves_at_one_instant_in_several_processes_one_takes_the_place() {
    let (dir, s) = fresh();
    let old = tokens("old", Some("r"));
    s.save_token("shop", "", &old, Over::Any).await.unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let (store, old) = (open(dir.path()), old.clone());
            tokio::spawn(async move {
                let token = tokens(&format!("new {n}"), Some("r"));
                store.save_token("shop", "", &token, Over::Only(Some(&old))).await.unwrap().then_some(token)
            })
        })
        .collect();
    let mut saved = Vec::new();
    for task in tasks {
        saved.extend(task.await.unwrap());
    }
    assert_eq!(saved.len(), 1);
    assert!(s.load_token("shop", "").await.unwrap().unwrap().is(&saved[0]));
}

#[tokio::test]
async fn tokens_are_sealed_at_rest() {
    let (dir, s) = fresh();
    let token = TokenSet {
        access: SecretString::from("access-plain-text".to_owned()),
        refresh: Some(SecretString::from("refresh-plain-text".to_owned())),
        expires_at: Some(Timestamp::UNIX_EPOCH),
        extra: Default::default(),
    };
    s.save_token("shop", "", &token, Over::Any).await.unwrap();
    assert_eq!(s.load_token("shop", "").await.unwrap().unwrap().access(), "access-plain-text");
    assert!(s.load_token("shop", "other").await.unwrap().is_none());
    drop(s);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(17).any(|w| w == b"access-plain-text"));
    }
}

#[tokio::test]
async fn payloads_are_kept_byte_for_byte_and_once() {
    let (_dir, s) = fresh();
    let body: Vec<u8> = (0..=255_u8).cycle().take(10_000).collect();
    let hash = s.keep_payload(&body).await.unwrap();
    assert_eq!(s.keep_payload(&body).await.unwrap(), hash);
    assert_eq!(s.payload(&hash).await.unwrap().unwrap(), body);
    assert!(s.payload("nothing").await.unwrap().is_none());
    let exchange = Exchange {
        account: "shop".parse().unwrap(),
        connector: "amazon".parse().unwrap(),
        operation: "orders.search".into(),
        at: Timestamp::UNIX_EPOCH,
        status: 200,
        body: body.clone().into(),
    };
    s.keep(exchange).await.unwrap();
    let filter =
        |account: &str, since| CallFilter { account: account.into(), since, words: vec!["01".into()] };
    // The bytes 0 to 255 hold every digit once, none beside itself.
    assert_eq!(s.calls(filter("shop", Timestamp::UNIX_EPOCH)).await.unwrap(), []);
    let one = CallFilter { words: vec!["/0123456789:".into()], ..filter("shop", Timestamp::UNIX_EPOCH) };
    let kept = s.calls(one.clone()).await.unwrap();
    assert_eq!((kept.len(), kept[0].payload.as_deref()), (1, Some(hash.as_str())));
    assert_eq!((kept[0].outcome, kept[0].status, &kept[0].write), (CallOutcome::Answered, Some(200), &None));
    assert_eq!(s.call(&kept[0].id).await.unwrap().as_ref(), Some(&kept[0]));
    // Of another account, or later.
    assert_eq!(s.calls(CallFilter { account: "other".into(), ..one.clone() }).await.unwrap(), []);
    let later = Timestamp::from_second(1).unwrap();
    assert_eq!(s.calls(CallFilter { since: later, ..one }).await.unwrap(), []);
}

/// A write is found by what it is about, by its key and by its answer, and tells how it ended.
#[tokio::test]
async fn calls_tell_how_each_write_ended() {
    let (_dir, s) = fresh();
    let at = |second| Timestamp::from_second(second).unwrap();
    let begun = async |operation, key: &str, subject: &str, second| {
        let (account, key, subject) = ("shop".parse().unwrap(), key.to_owned(), subject.to_owned());
        let intent = Arc::new(Intent { account, operation, key, subject, at: at(second) });
        assert_eq!(s.begin(&intent).await.unwrap(), Begun::Fresh);
        intent
    };
    let mut answer = WireResponse::json_text(200, r#"{"sku":"MUG-1"}"#);
    answer.headers.insert("x-request-id", "r-1".parse().unwrap());
    answer.headers.insert("x-amz-access-token", "hidden".parse().unwrap());
    let done = begun("offers.put", "p/1", "", 1).await;
    s.finish(&done, 0, Outcome::Done(answer)).await.unwrap();
    let doubt = begun("offers.put", "p/2", "MUG-0 MUG-1", 2).await;
    s.finish(&doubt, 0, Outcome::Indeterminate("no answer".into())).await.unwrap();
    let refused = begun("offers.put", "p/set-mug-1", "", 3).await;
    s.finish(&refused, 0, Outcome::Refused("no brand".into())).await.unwrap();
    begun("offers.price", "p/4", "MUG-1", 4).await;
    let failed = begun("offers.put", "p/5", "MUG-1", 5).await;
    s.finish(&failed, 0, Outcome::Failed("no connection".into())).await.unwrap();
    begun("offers.put", "p/6", "MUG-12 MUG-1-RED", 6).await;

    let words = vec!["MUG-1".to_owned()];
    let filter = CallFilter { account: "shop".into(), since: Timestamp::MIN, words };
    let calls = s.calls(filter).await.unwrap();
    let told: Vec<_> = calls
        .iter()
        .map(|c| (c.at.as_second(), c.outcome, c.write.as_ref().unwrap().note.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            (1, CallOutcome::Done, ""),
            (2, CallOutcome::InDoubt, "no answer"),
            (3, CallOutcome::Refused, "no brand"),
            (4, CallOutcome::Begun, ""),
        ]
    );
    let (first, third) = (calls[0].write.as_ref().unwrap(), calls[2].write.as_ref().unwrap());
    assert!(first.headers.contains(&("x-request-id".to_owned(), "r-1".to_owned())), "{first:?}");
    assert!(!format!("{calls:?}").contains("hidden"), "{calls:?}");
    assert_eq!((first.generation, third.generation), (0, 1), "the next try is of the next generation");
    let body = s.payload(calls[0].payload.as_deref().unwrap()).await.unwrap().unwrap();
    assert_eq!(body, br#"{"sku":"MUG-1"}"#);
    for call in &calls {
        assert_eq!(s.call(&call.id).await.unwrap().as_ref(), Some(call));
    }
    for nobody in ["w0000000000000000", "a1", "", "a", "w"] {
        assert_eq!(s.call(nobody).await.unwrap(), None, "{nobody}");
    }
}

#[tokio::test]
async fn the_audit_chain_tells_tampering() {
    let (dir, s) = fresh();
    for n in 0..3 {
        let mut b = Batch::new();
        b.audit(Timestamp::UNIX_EPOCH, "apply", format!("plan-{n}"), "");
        s.commit(b).await.unwrap();
    }
    assert_eq!(s.verify_audit().await.unwrap(), Ok(3));
    // Of one subject, as it was told.
    let told = s.audit_of("plan-1").await.unwrap();
    assert_eq!((told.len(), told[0].at, told[0].action.as_str()), (1, Timestamp::UNIX_EPOCH, "apply"));
    assert_eq!(s.audit_of("plan").await.unwrap(), []);
    let raw = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
    raw.execute("UPDATE audit SET subject = 'other' WHERE seq = 2", []).unwrap();
    assert_eq!(s.verify_audit().await.unwrap(), Err(2));
    // Neither is what is no text any more, nor a row that is gone: not a fault of the database, a break at its place.
    raw.execute("UPDATE audit SET subject = x'ff' WHERE seq = 2", []).unwrap();
    assert_eq!(s.verify_audit().await.unwrap(), Err(2));
    raw.execute("DELETE FROM audit WHERE seq = 1", []).unwrap();
    assert_eq!(s.verify_audit().await.unwrap(), Err(1));
}

#[tokio::test]
async fn concurrent_writers_all_commit() {
    let (_dir, s) = fresh();
    let s = Arc::new(s);
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let s = Arc::clone(&s);
            tokio::spawn(async move { s.commit(put(&format!("{n:03}"), "x", Expect::Absent)).await })
        })
        .collect();
    for t in tasks {
        t.await.unwrap().unwrap();
    }
    assert_eq!(s.count(Collection::Orders, Filter::all()).await.unwrap(), 200);
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let (dir, s) = fresh();
    drop(s);
    let raw = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
    raw.execute("INSERT INTO migrations VALUES (99, 'x')", []).unwrap();
    let Err(e) = SqliteStore::open(&dir.path().join("t.db"), &KeySource::File(dir.path().join("key"))) else {
        panic!("opened")
    };
    assert!(e.to_string().contains("newer program"), "{e}");
}

#[test]
fn a_key_file_open_to_others_is_refused() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "0".repeat(64)).unwrap();
    let mut mode = std::fs::metadata(&key).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o644);
    std::fs::set_permissions(&key, mode).unwrap();
    let Err(e) = SqliteStore::open(&dir.path().join("t.db"), &KeySource::File(key)) else { panic!("opened") };
    assert!(e.to_string().contains("chmod 600"), "{e}");
}
