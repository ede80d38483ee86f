//! Exit codes against a channel that works, or refuses one item or everything, and what the program says then.

use std::path::Path;
use std::process::Output;

use tokio::runtime::Runtime;
use tradewind_simulator::{Demand, Fault, Simulator};

use crate::{json, text, tradewind};

/// One simulated Amazon store and a shop of four SKUs that is connected to it.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    _runtime: Runtime,
}

impl Shop {
    pub(crate) fn open(access: &str, refresh_token: Option<&str>) -> Shop {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let demand = Demand { orders_per_day: 0, ..Demand::default() };
        // The program runs on the machine's clock; so must the world.
        let builder =
            Simulator::builder().demand(demand).start_at(jiff::Timestamp::now()).channels(["amazon"]);
        let simulator = runtime.block_on(builder.start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let (url, credentials) = (simulator.base_url("amazon"), simulator.credentials("amazon"));
        write("client", credentials.get("client_secret"));
        write("refresh", refresh_token.unwrap_or(credentials.get("refresh_token")));
        let rows: String = ["A", "B", "C", "D"]
            .map(|s| format!("{s},Mug {s},Harbour,20.00,EUR,5,EUR,3,691200,CN\n"))
            .concat();
        write(
            "c.csv",
            &format!("sku,title,brand,price,currency,cost,cost_currency,quantity,hs,origin\n{rows}"),
        );
        let (seller, client) = (credentials.get("seller_id"), credentials.get("client_id"));
        let config = format!(
            "[[catalogue]]\npath = \"c.csv\"\n[guard]\nmargin_floor = \"0.10\"\n\
             [[account]]\nid = \"store\"\nconnector = \"amazon\"\naccess = \"{access}\"\n\
             settings = {{ marketplace = \"DE\", endpoint = \"{url}\", token_endpoint = \"{url}/auth/o2/token\", seller_id = \"{seller}\", client_id = \"{client}\" }}\n\
             secrets = {{ client_secret = {{ file = \"client\" }}, refresh_token = {{ file = \"refresh\" }} }}\n\
             [account.offers]\ncurrency = \"EUR\"\n"
        );
        write("tradewind.toml", &config);
        let shop = Shop { folder, simulator, _runtime: runtime };
        shop.run(&["import"], 0);
        shop
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn run(&self, args: &[&str], code: i32) -> Output {
        let output = tradewind(self.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        output
    }
}

#[test]
fn changes_then_none() {
    let shop = Shop::open("read-write", None);
    // 2: changes. 0: applied. 0: what is under way is no change.
    shop.run(&["plan", "--out", "p"], 2);
    let applied = json(&shop.run(&["apply", "p", "--json"], 0));
    assert_eq!(applied["applied"]["accepted"], 4);
    shop.run(&["plan"], 0);
    // The same plan again: the world has moved since.
    let stale = shop.run(&["apply", "p"], 3);
    assert!(text(&stale).contains("the plan is stale") && text(&stale).contains("Run plan again"));
    shop.run(&["orders"], 0);
}

#[test]
fn one_refused_item_of_several_is_partial_and_named() {
    let shop = Shop::open("read-write", None);
    // Amazon wants a brand (90220: required but not supplied); C has none.
    let rows = std::fs::read_to_string(shop.path().join("c.csv")).unwrap();
    std::fs::write(shop.path().join("c.csv"), rows.replace("C,Mug C,Harbour,", "C,Mug C,,")).unwrap();
    shop.run(&["import"], 0);
    shop.run(&["plan", "--out", "p"], 2);
    let output = shop.run(&["apply", "p"], 5);
    let told = text(&output);
    assert!(told.contains("C at store: ") && told.contains("brand"), "names item and reason: {told}");
    assert!(told.contains("3 accepted, 1 rejected"), "{told}");
    // Sent again as it is, it would be refused again: it is blocked until a person mends it.
    let told = text(&shop.run(&["plan"], 3));
    assert!(told.contains("the channel refused this offer") && told.contains("brand"), "{told}");
}

#[test]
fn a_first_load_in_bulk_is_under_way_and_not_sent_again() {
    let shop = Shop::open("read-write", None);
    let path = shop.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("marketplace = \"DE\",", "marketplace = \"DE\", bulk_from = 4,"))
        .unwrap();
    shop.run(&["plan", "--out", "p"], 2);
    let applied = json(&shop.run(&["apply", "p", "--json"], 0));
    // One feed, which Amazon works on for minutes.
    assert_eq!((&applied["applied"]["accepted"], &applied["applied"]["deferred"]), (&0.into(), &4.into()));
    assert_eq!(shop.simulator.ledger().listings.get("amazon").map_or(0, |l| l.len()), 0);
    // What is under way is no change.
    shop.run(&["plan"], 0);
    shop.simulator.advance(std::time::Duration::from_secs(3_600));
    assert_eq!(shop.simulator.ledger().listings.get("amazon").map_or(0, |l| l.len()), 4);
}

#[test]
fn a_plan_of_which_nothing_may_go_out_is_blocked() {
    let shop = Shop::open("read-write", None);
    let path = shop.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("margin_floor = \"0.10\"", "margin_floor = \"0.90\"")).unwrap();
    shop.run(&["plan", "--out", "p"], 3);
    shop.run(&["apply", "p"], 3);
}

#[test]
fn a_real_account_starts_read_only() {
    let shop = Shop::open("read-only", None);
    shop.run(&["plan", "--out", "p"], 2);
    let refused = shop.run(&["apply", "p"], 4);
    let told = text(&refused);
    assert!(told.contains("read-only") && told.contains("read-write"), "names the remedy: {told}");
    assert_eq!(shop.simulator.ledger().listings.get("amazon").map_or(0, |l| l.len()), 0);
}

#[test]
fn a_wrong_command_line_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(tradewind(folder.path(), &["plan", "--nonsense"]).status.code(), Some(1));
    assert_eq!(tradewind(folder.path(), &["plan", "--help"]).status.code(), Some(0));
    // A program is told in its own way, wherever it says so.
    for args in [["--json", "demo", "--days", "0"], ["demo", "--days", "0", "--json"]] {
        let output = tradewind(folder.path(), &args);
        assert_eq!(output.status.code(), Some(1));
        let said = json(&output)["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with("invalid value '0' for '--days <DAYS>'"), "{said}");
        assert!(output.stderr.is_empty(), "{}", text(&output));
    }
}

#[test]
fn a_channel_that_refuses_is_four() {
    let shop = Shop::open("read-write", None);
    // A login that is never accepted is tried once again with a fresh token, and not waited for.
    shop.simulator.set_fault("amazon", None, Fault::ExpireToken, 10_000);
    let told = text(&shop.run(&["orders"], 4));
    assert!(told.contains("store") && told.contains("tried again next time"), "{told}");
}

#[test]
fn an_expired_login_says_who_must_log_in_again() {
    let shop = Shop::open("read-write", Some("Atzr|expired"));
    let told = text(&shop.run(&["orders"], 4));
    assert!(told.contains("store") && told.contains("log in again"), "{told}");
    assert!(
        told.contains("'refresh_token' (file refresh)") && told.contains("put new values there"),
        "{told}"
    );
}

#[test]
fn a_refresh_that_fails_is_told_and_the_plan_is_made_all_the_same() {
    let shop = Shop::open("read-write", None);
    shop.run(&["plan", "--out", "p"], 2);
    shop.run(&["apply", "p"], 0);
    // Read again: what was put up is as it should be, or still on its way.
    shop.run(&["plan", "--refresh"], 0);
    let path = shop.path().join("c.csv");
    let rows = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, rows.replace("A,Mug A,Harbour,20.00,", "A,Mug A,Harbour,21.00,")).unwrap();
    shop.run(&["import"], 0);
    // The only channel cannot be read: 4, whatever is in the plan, which is written.
    shop.simulator.set_fault("amazon", None, Fault::ExpireToken, 10_000);
    let told = text(&shop.run(&["plan", "--refresh", "--out", "q"], 4));
    assert!(told.contains("store: its listings could not be read, planned with what is known"), "{told}");
    assert!(told.contains("'refresh_token' (file refresh)"), "names the login: {told}");
    assert!(shop.path().join("q").exists());
}

#[test]
fn a_login_that_is_refused_is_named_by_whoever_calls() {
    let shop = Shop::open("read-write", None);
    shop.run(&["plan", "--out", "p"], 2);
    std::fs::write(shop.path().join("refresh"), "Atzr|expired").unwrap();
    let told = text(&shop.run(&["apply", "p"], 4));
    assert!(
        told.contains("'refresh_token' (file refresh)") && told.contains("put new values there"),
        "{told}"
    );
}

#[test]
fn an_unknown_setting_of_a_channel_is_named() {
    let shop = Shop::open("read-only", None);
    let path = shop.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("marketplace = \"DE\"", "marketplac = \"DE\"")).unwrap();
    let told = text(&shop.run(&["check"], 3));
    assert!(told.contains("account 'store'") && told.contains("marketplac"), "{told}");
}

#[test]
fn what_is_wrong_in_an_account_is_told_with_its_place() {
    let shop = Shop::open("read-only", None);
    let path = shop.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("marketplace = \"DE\"", "marketplase = \"DE\"")).unwrap();
    // The ninth line is `settings = { marketplase = "DE", …`: the value begins behind 13 + 14 characters.
    for args in [&["check"][..], &["orders"]] {
        let told = text(&tradewind(shop.path(), args));
        assert!(
            told.contains("tradewind.toml:9:28: account 'store': ") && told.contains("marketplase"),
            "{told}"
        );
    }
    let told = json(&shop.run(&["check", "--json"], 3));
    assert_eq!(
        (&told["problems"][0]["line"], &told["problems"][0]["column"]),
        (&9.into(), &28.into()),
        "{told}"
    );
    std::fs::write(&path, &config).unwrap();
    // The tenth is `secrets = { client_secret = { file = "client" }, …`: 12 + 16 characters before the source.
    std::fs::write(shop.path().join("client"), "\n").unwrap();
    let told = text(&shop.run(&["check"], 3));
    assert!(
        told.contains("tradewind.toml:10:29: ") && told.contains("client: is there, and empty"),
        "{told}"
    );
    assert!(
        told.contains("secret 'client_secret' of account 'store'") && !told.contains("is missing"),
        "{told}"
    );
}

/// Nobody listens at port 1. Two accounts of one endpoint are told in one line, with all that was asked of it.
#[test]
fn a_dead_endpoint_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s"), "secret").unwrap();
    let account = |id: &str| {
        format!(
            "[[account]]\nid = \"{id}\"\nconnector = \"amazon\"\n\
             settings = {{ marketplace = \"DE\", endpoint = \"http://127.0.0.1:1\", token_endpoint = \"http://127.0.0.1:1/t\", seller_id = \"S\", client_id = \"{id}\" }}\n\
             secrets = {{ client_secret = {{ file = \"s\" }}, refresh_token = {{ file = \"s\" }} }}\n"
        )
    };
    std::fs::write(folder.path().join("tradewind.toml"), account("one") + &account("two")).unwrap();
    let output = tradewind(folder.path(), &["orders", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let told = json(&output);
    let errors = told["pulled"]["errors"].as_array().unwrap();
    assert_eq!((&told["pulled"]["failed"], errors.len()), (&2.into(), 1), "{told}");
    let said = errors[0].as_str().unwrap();
    assert!(said.contains("orders of one, orders of two") && said.contains("127.0.0.1:1"), "{said}");
}

#[test]
fn a_plan_that_cannot_be_written_is_told_and_one_that_can_leaves_nothing_beside_it() {
    let shop = Shop::open("read-write", None);
    std::fs::create_dir(shop.path().join("plans")).unwrap();
    let told = text(&shop.run(&["plan", "--out", "nowhere/p"], 1));
    assert!(told.contains("nowhere/p cannot be written"), "{told}");
    shop.run(&["plan", "--out", "plans/p"], 2);
    shop.run(&["apply", "plans/p"], 0);
    assert_eq!(std::fs::read_dir(shop.path().join("plans")).unwrap().count(), 1, "nothing is left beside it");
}
