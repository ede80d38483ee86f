//! What names persons is not in the files of the store: the bytes on the disk are searched.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::params;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tradewind_connector::{Exchange, Intent, Journal, Outcome, Over, SecretString, TokenSet, WireResponse};
use tradewind_store::{
    Batch, CallFilter, CallOutcome, Collection, Expect, Filter, KeySource, SqliteStore, Store, StoreError,
};

/// No card of anybody: 999999 is no region.
const CARD: &str = "99999919000101123X";
/// As the buyer of a quote is found by: a hash that anybody can compute who tries the numbers there are.
const HASH: &str = "5d0c1f00aa11bb22cc33dd44ee55ff66";

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(&dir.join("t.db"), &KeySource::File(dir.join("key"))).unwrap()
}

/// Files in which a text stands: database, log, shared memory.
fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    files
        .filter(|f| std::fs::read(f).unwrap().windows(text.len()).any(|w| w == text.as_bytes()))
        .map(|f| f.display().to_string())
        .collect()
}

fn body() -> String {
    format!(r#"{{"buyer":{{"tax_ids":[{{"kind":"chinese_id","value":"{CARD}"}}]}}}}"#)
}

fn intent(key: &str) -> Arc<Intent> {
    Arc::new(Intent {
        account: "shop".parse().unwrap(),
        operation: "declare",
        key: key.into(),
        subject: String::new(),
        at: Timestamp::UNIX_EPOCH,
    })
}

#[tokio::test]
async fn a_number_of_a_person_is_in_no_file() {
    let dir = TempDir::new().unwrap();
    let s = open(dir.path());
    let personal: Vec<Collection> = Collection::ALL.into_iter().filter(|c| c.is_personal()).collect();
    assert!(personal.contains(&Collection::Orders) && personal.contains(&Collection::Declarations));
    let mut batch = Batch::new();
    for collection in &personal {
        batch.put_row(*collection, "k".into(), "shop".into(), HASH.into(), body(), Expect::Absent);
    }
    s.commit(batch).await.unwrap();
    // Written over: neither the old body nor the new one stands there.
    let mut batch = Batch::new();
    batch.put_row(Collection::Orders, "k".into(), "shop".into(), "open".into(), body(), Expect::Version(1));
    s.commit(batch).await.unwrap();
    let hash = s.keep_payload(body().as_bytes()).await.unwrap();
    let exchange = Exchange {
        account: "shop".parse().unwrap(),
        connector: "shopify".parse().unwrap(),
        operation: "orders.search".into(),
        at: Timestamp::UNIX_EPOCH,
        status: 200,
        body: format!("answer {CARD}").into_bytes().into(),
    };
    s.keep(exchange).await.unwrap();
    // The answer of a write, and words of a channel that quote what it was sent.
    s.begin(&intent("k")).await.unwrap();
    let answer = WireResponse::json_text(200, format!(r#"{{"id":"{CARD}"}}"#));
    s.finish(&intent("k"), 0, Outcome::Done(answer)).await.unwrap();
    s.begin(&intent("d")).await.unwrap();
    let doubt = Outcome::Indeterminate(format!("no answer about {CARD}"));
    s.finish(&intent("d"), 0, doubt).await.unwrap();
    s.commit(Batch::new()).await.unwrap();
    assert_eq!(s.count(Collection::Orders, Filter::all()).await.unwrap(), 1);

    // Readable to whoever has the key.
    for collection in &personal {
        assert_eq!(s.get(*collection, "k").await.unwrap().unwrap().body, body());
    }
    assert_eq!(s.payload(&hash).await.unwrap().unwrap(), body().as_bytes());
    let filter = CallFilter { account: "shop".into(), since: Timestamp::MIN, words: vec![CARD.into()] };
    let told: Vec<CallOutcome> = s.calls(filter).await.unwrap().iter().map(|c| c.outcome).collect();
    // `d` is in doubt and has no answer; its note names the card, and notes are not searched.
    assert_eq!(told, [CallOutcome::Answered, CallOutcome::Done]);
    // Found by the hash, which is not what stands in the column.
    let of_buyer = Filter::all().states(&[HASH]);
    assert_eq!(s.list(Collection::Quotes, of_buyer.clone()).await.unwrap().len(), 1);
    assert_eq!(s.count(Collection::Quotes, of_buyer).await.unwrap(), 1);
    let none = Vec::<String>::new();
    assert_eq!(files_with(dir.path(), CARD), none, "while it is open");
    drop(s);
    assert_eq!(files_with(dir.path(), CARD), none, "when it is closed");
    let raw = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
    let state: String = raw.query_row("SELECT state FROM quotes", [], |r| r.get(0)).unwrap();
    assert_ne!(state, HASH);
    // A body cannot be moved to another order.
    raw.execute("INSERT INTO orders SELECT 'other', account, state, body, version FROM orders", []).unwrap();
    drop(raw);
    assert!(matches!(open(dir.path()).get(Collection::Orders, "other").await, Err(StoreError::Key(_))));
}

/// A store as the program before wrote it: schema 1, everything in plain but tokens.
fn old_store(dir: &Path) {
    let sql = include_str!("../../migrations/0001_foundation.sql");
    let raw = rusqlite::Connection::open(dir.join("t.db")).unwrap();
    raw.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE migrations (version INTEGER PRIMARY KEY, checksum TEXT NOT NULL)")
        .unwrap();
    raw.execute_batch(sql).unwrap();
    raw.execute("INSERT INTO migrations VALUES (1, ?1)", [hex::encode(Sha256::digest(sql.as_bytes()))])
        .unwrap();
    for table in ["orders", "quotes", "declarations", "products"] {
        let insert = format!(
            "INSERT INTO {table} (key, account, state, body, version) VALUES ('k', 'shop', ?1, ?2, 7)"
        );
        raw.execute(&insert, params![HASH, if table == "products" { "{}".to_owned() } else { body() }])
            .unwrap();
    }
    // An older version of a row, of which the page still holds what it was.
    raw.execute("INSERT INTO orders (key, body, version) VALUES ('gone', ?1, 1)", [body()]).unwrap();
    raw.execute("DELETE FROM orders WHERE key = 'gone'", []).unwrap();
    let bytes = body().into_bytes();
    let (hash, size) = (hex::encode(Sha256::digest(&bytes)), i64::try_from(bytes.len()).unwrap());
    let zstd = zstd::bulk::compress(&bytes, 3).unwrap();
    raw.execute("INSERT INTO payloads (hash, size, zstd) VALUES (?1, ?2, ?3)", params![hash, size, zstd])
        .unwrap();
    let note = format!("no answer about {CARD}");
    raw.execute("INSERT INTO intents (account, operation, key, subject, state, begun_at, note) VALUES ('shop', 'declare', 'k', '', 'indeterminate', '1970-01-01T00:00:00Z', ?1)", [note])
        .unwrap();
}

#[tokio::test]
async fn what_stood_in_plain_is_sealed_when_the_store_is_opened() {
    let dir = TempDir::new().unwrap();
    old_store(dir.path());
    assert!(!files_with(dir.path(), CARD).is_empty(), "the test would prove nothing");
    for _ in 0..2 {
        let s = open(dir.path());
        assert_eq!(files_with(dir.path(), CARD), Vec::<String>::new());
        let row = s.get(Collection::Orders, "k").await.unwrap().unwrap();
        assert_eq!((row.body, row.state.as_str(), row.version), (body(), HASH, 7));
        assert_eq!(s.get(Collection::Products, "k").await.unwrap().unwrap().body, "{}");
        let quotes = s.list(Collection::Quotes, Filter::all().states(&[HASH])).await.unwrap();
        assert_eq!((quotes.len(), quotes[0].body.clone()), (1, body()));
        let hash = hex::encode(Sha256::digest(body().as_bytes()));
        assert_eq!(s.payload(&hash).await.unwrap().unwrap(), body().as_bytes());
    }
}

#[tokio::test]
async fn another_key_is_refused_before_anything_is_written_with_it() {
    let refused = |dir: &Path, key: &KeySource, said: &str| {
        let Err(e) = SqliteStore::open(&dir.join("t.db"), key) else { panic!("opened") };
        assert!(matches!(&e, StoreError::Key(why) if why.contains(said)), "{e}");
    };
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let zeros = KeySource::Given(SecretString::from("0".repeat(64)));
    refused(dir.path(), &zeros, "not the one");
    // A lost key file is not made anew.
    std::fs::remove_file(dir.path().join("key")).unwrap();
    refused(dir.path(), &KeySource::File(dir.path().join("key")), "missing");
    assert!(!dir.path().join("key").exists());

    // A store from before has a key as well when it has a token: nothing is sealed with another one.
    let dir = TempDir::new().unwrap();
    old_store(dir.path());
    let s = open(dir.path());
    let token = TokenSet {
        access: SecretString::from("a".to_owned()),
        refresh: None,
        expires_at: None,
        extra: Default::default(),
    };
    s.save_token("shop", "", &token, Over::Any).await.unwrap();
    drop(s);
    let raw = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
    raw.execute_batch("DELETE FROM sealing").unwrap();
    drop(raw);
    refused(dir.path(), &zeros, "not the one");
    // Nor is a key made for it when its file is lost.
    std::fs::remove_file(dir.path().join("key")).unwrap();
    refused(dir.path(), &KeySource::File(dir.path().join("key")), "missing");
    assert!(!dir.path().join("key").exists());
}

#[test]
fn a_clean_up_that_is_hindered_is_made_up_for_at_the_next_opening() {
    let dir = TempDir::new().unwrap();
    old_store(dir.path());
    let clean = || -> bool {
        let raw = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
        raw.query_row("SELECT clean FROM sealing", [], |r| r.get(0)).unwrap()
    };
    // Another program reads what was there before: the log cannot be emptied.
    let reader = rusqlite::Connection::open(dir.path().join("t.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM orders", [], |r| r.get(0)).unwrap();
    drop(open(dir.path()));
    assert!(!clean());
    drop(reader);
    let s = open(dir.path());
    assert_eq!(files_with(dir.path(), CARD), Vec::<String>::new());
    drop(s);
    assert!(clean());
}

#[test]
fn programs_that_start_together_after_an_update_all_open_the_store() {
    for _ in 0..5 {
        let dir = TempDir::new().unwrap();
        old_store(dir.path());
        let key = KeySource::Given(SecretString::from("0".repeat(64)));
        std::thread::scope(|s| {
            let starts: Vec<_> =
                (0..4).map(|_| s.spawn(|| SqliteStore::open(&dir.path().join("t.db"), &key))).collect();
            for start in starts {
                start.join().unwrap().unwrap();
            }
        });
    }
}
