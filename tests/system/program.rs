//! The program's promises: exit codes, JSON, fresh documents, a shop from nothing.

use std::path::Path;

use tradewind_gateway::records::OrderRecord;
use tradewind_store::{Batch, KeySource, SqliteStore, Store as _};

use crate::{json, text, tradewind};

#[test]
fn generated_documents_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = tradewind(&root, &["docs", "--check"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_shop_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| tradewind(folder.path(), args);
    assert_eq!(run(&["init"]).status.code(), Some(0));
    // The schema that the first line points an editor at is there.
    let config = std::fs::read_to_string(folder.path().join("tradewind.toml")).unwrap();
    let schema = config.lines().next().unwrap().strip_prefix("#:schema ").unwrap();
    let schema: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join(schema)).unwrap()).unwrap();
    assert_eq!(schema["properties"]["account"]["type"], "array");
    assert_eq!(run(&["check"]).status.code(), Some(0));
    assert_eq!(
        json(&run(&["import", "--json"])),
        serde_json::json!({"products": 1, "variants": 2, "new": 2})
    );
    // The same files again: nothing is new.
    assert_eq!(json(&run(&["import", "--json"]))["new"], 0);
    let plan = run(&["plan", "--json"]);
    assert_eq!(plan.status.code(), Some(0), "no account sells anything: no change");
    assert_eq!(json(&plan)["changes"], serde_json::json!([]));
    // A second init must not overwrite.
    let again = run(&["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("exists already"), "{}", text(&again));
}

#[test]
fn two_processes_do_not_carry_out_one_plan() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tradewind.toml"), "").unwrap();
    for what in ["apply", "fulfil"] {
        assert_eq!(tradewind(folder.path(), &[what]).status.code(), Some(0), "alone");
        // What the other process holds, and the system takes from it when it dies.
        let held = std::fs::File::open(folder.path().join(format!("tradewind.db.{what}.lock"))).unwrap();
        held.try_lock().unwrap();
        let second = tradewind(folder.path(), &[what]);
        assert_eq!(second.status.code(), Some(1));
        assert!(text(&second).contains("is at work on this store"), "{}", text(&second));
        drop(held);
        assert_eq!(tradewind(folder.path(), &[what]).status.code(), Some(0), "after it");
    }
}

#[test]
fn quiet_leaves_out_what_is_not_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = tradewind(folder.path(), args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (utf8(&output.stdout), utf8(&output.stderr))
    };
    let (answer, hint) = run(&["init", "a"]);
    assert!(
        answer.contains("wrote tradewind.toml") && hint.contains("next: tradewind check"),
        "{answer}{hint}"
    );
    for flag in ["-q", "--quiet"] {
        let (quiet, nothing) = run(&["init", flag, flag.trim_matches('-')]);
        let same = answer.replace("in a", &format!("in {}", flag.trim_matches('-')));
        assert_eq!((quiet, nothing), (same, String::new()));
    }
}

#[test]
fn guards_stop_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"
[[catalogue]]
path = "c.csv"
[[account]]
id = "shop"
connector = "amazon"
access = "read-write"
settings = { marketplace = "DE", seller_id = "S", client_id = "C" }
secrets = { client_secret = { file = "s" }, refresh_token = { file = "s" } }
[account.offers]
currency = "EUR"
ending = "0.99"
tax_included = "0.19"
fees = "0.15"
"#;
    let rows = "sku,title,price,currency,cost,cost_currency,quantity,hs,origin,gtin\n\
        GOOD,Good,20.00,EUR,5,EUR,3,691200,CN,\n\
        LOW,Low,10.00,EUR,9,EUR,3,691200,CN,\n\
        NOHS,No code,20.00,EUR,5,EUR,3,,CN,\n\
        ZERO,Zero,0,EUR,5,EUR,3,691200,CN,\n\
        NOCOST,No cost,20.00,EUR,,,3,691200,CN,\n\
        BADEAN,Bad EAN,20.00,EUR,5,EUR,3,691200,CN,5012345678901\n";
    std::fs::write(folder.path().join("s"), "secret").unwrap();
    std::fs::write(folder.path().join("c.csv"), rows).unwrap();
    std::fs::write(
        folder.path().join("tradewind.toml"),
        format!("[guard]\nmargin_floor = \"0.10\"\n{config}"),
    )
    .unwrap();
    assert_eq!(tradewind(folder.path(), &["import"]).status.code(), Some(0));
    let output = tradewind(folder.path(), &["plan", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let plan = json(&output);
    let guard = |sku: &str| {
        let change = plan["changes"].as_array().unwrap().iter().find(|c| c["sku"] == sku).unwrap().clone();
        change["stop"]["guard"].as_str().unwrap_or("go").to_owned()
    };
    // LOW: 10.99 gross is 9.24 net of 19 %, less 15 % fees of 10.99 (1.65) and 9.00 purchase: below the floor.
    let found: Vec<String> =
        ["GOOD", "LOW", "NOHS", "ZERO", "NOCOST", "BADEAN"].iter().map(|s| guard(s)).collect();
    assert_eq!(found, ["go", "margin_floor", "missing_hs", "zero_price", "missing_cost", "invalid_gtin"]);
    // Zero: the ending would lift it to 0.99; the guard looks at the catalogue price.
    let why = tradewind(folder.path(), &["why", "price", "LOW", "--channel", "shop"]);
    assert!(text(&why).contains("the floor is 10"), "{}", text(&why));
    // A blank floor is an error, not zero.
    std::fs::write(folder.path().join("tradewind.toml"), config).unwrap();
    let output = tradewind(folder.path(), &["plan", "--json"]);
    assert!(text(&output).contains("blank_floor"), "{}", text(&output));
}

/// Order `A-1` of account `shop`, by a buyer who has this number.
pub(crate) fn order_of(kind: &str, number: &str) -> serde_json::Value {
    let zero = serde_json::json!({"amount": "0.00", "currency": "USD"});
    let at = serde_json::json!({"utc": "2026-08-01T08:00:00Z"});
    serde_json::json!({
        "order": {
            "account": "shop", "id": "A-1", "placed_at": at, "updated_at": at, "state": "ready_to_ship", "raw_status": "paid",
            "currency": "USD", "lines": [], "shipping": zero, "taxes": [], "total": zero, "refunded": zero,
            "buyer": {"name": "Li", "tax_ids": [{"kind": kind, "value": number}]}
        },
        "stage": "to_book", "imported_at": "2026-08-01T09:00:00Z"
    })
}

/// Puts an order record into the store of a shop's folder.
pub(crate) fn keep(folder: &Path, order: serde_json::Value) {
    let order: OrderRecord = serde_json::from_value(order).unwrap();
    let key = KeySource::File(folder.join("tradewind.key"));
    let store = SqliteStore::open(&folder.join("tradewind.db"), &key).unwrap();
    let mut batch = Batch::new();
    batch.put(&order).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(store.commit(batch)).unwrap();
}

/// Buyers' numbers are shown by their last four characters; the store keeps them whole.
#[test]
fn numbers_of_buyers_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tradewind.toml"), "").unwrap();
    keep(folder.path(), order_of("chinese_id", "11010519491231002X"));
    for args in
        [&["orders", "--offline", "--json"][..], &["why", "order", "A-1", "--channel", "shop", "--json"]]
    {
        let shown = text(&tradewind(folder.path(), args));
        assert!(shown.contains("\"…002X\"") && !shown.contains("19491231"), "{args:?}: {shown}");
    }
}

/// An order that waits for its payment has no total and no address yet: what is not known is neither zero nor empty.
#[test]
fn what_an_unpaid_order_does_not_tell_is_not_zero() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("tradewind.toml"),
        "[[account]]\nid = \"amazon-jp\"\nconnector = \"amazon\"\nsettings = { marketplace = \"JP\", seller_id = \"S\", client_id = \"C\" }\n\
         secrets = { client_secret = { file = \"s\" }, refresh_token = { file = \"s\" } }\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("s"), "secret").unwrap();
    let zero = serde_json::json!({"amount": "0", "currency": "JPY"});
    let at = serde_json::json!({"utc": "2026-08-01T08:00:00Z"});
    let order = serde_json::json!({
        "order": {
            "account": "amazon-jp", "id": "503-1", "placed_at": at, "updated_at": at, "state": "pending_payment",
            "raw_status": "PENDING", "currency": "JPY", "lines": [], "shipping": zero, "total": zero, "refunded": zero
        },
        "stage": "waiting", "imported_at": "2026-08-01T09:00:00Z"
    });
    keep(folder.path(), order);
    let run = |args: &[&str]| tradewind(folder.path(), args);
    let shown = text(&run(&["orders", "--offline"]));
    let row = shown.lines().find(|l| l.contains("503-1")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["amazon-jp", "503-1", "2026-08-01", "08:00", "–", "–", "waiting"]);
    let told = json(&run(&["orders", "--offline", "--json"]));
    assert!(told["orders"][0]["order"]["total"].is_null(), "{told}");
    let told = json(&run(&["reconcile", "--json"]));
    assert_eq!(
        (&told["orders"][0]["state"], told["orders"][0]["total"].is_null()),
        (&"Expected".into(), true)
    );
    let told = json(&run(&["why", "order", "503-1", "--json"]));
    assert_eq!(
        (&told["money"]["state"], told["money"]["total"].is_null()),
        (&"Expected".into(), true),
        "{told}"
    );
    assert_eq!(told["timeline"][0]["what"], "placed: total not told yet, 0 lines");
    let told = text(&run(&["why", "order", "503-1"]));
    assert!(
        told.contains("2026-08-01 09:00:00  imported  [our record]") && !told.contains("placed: 0 JPY"),
        "{told}"
    );
}

#[test]
fn connectors_list_what_they_cover() {
    let folder = tempfile::tempdir().unwrap();
    let all = json(&tradewind(folder.path(), &["connectors", "--json"]));
    let amazon = all.as_array().unwrap().iter().find(|c| c["id"] == "amazon").unwrap();
    assert_eq!(amazon["support"]["orders"], "native");
    let aliexpress = all.as_array().unwrap().iter().find(|c| c["id"] == "aliexpress").unwrap();
    assert_eq!(aliexpress["support"]["webhooks"], "not_implemented");
    let unknown = tradewind(folder.path(), &["connectors", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown).contains("there are amazon"), "{}", text(&unknown));
}

#[test]
fn completions_are_a_script_or_json_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = String::from_utf8(tradewind(folder.path(), &["completions", "bash"]).stdout).unwrap();
    assert!(script.contains("complete -F _tradewind"), "{script}");
    let told = json(&tradewind(folder.path(), &["completions", "bash", "--json"]));
    assert_eq!(
        (told["shell"].as_str(), told["script"].as_str().map(str::trim_end)),
        (Some("bash"), Some(script.trim_end()))
    );
}
