//! Letting an account in, through the binary: what the seller's browser does is done here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tokio::runtime::Runtime;
use tradewind_simulator::Simulator;

use crate::{get, json, text, tradewind};

/// A shop with an account at eBay and one at AliExpress, neither of which has a refresh token.
struct Shop {
    folder: tempfile::TempDir,
    _simulator: Simulator,
    _runtime: Runtime,
}

impl Shop {
    fn new() -> Shop {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let builder = Simulator::builder().start_at(jiff::Timestamp::now()).channels(["ebay", "aliexpress"]);
        let simulator = runtime.block_on(builder.start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (ebay, ali) = (simulator.credentials("ebay"), simulator.credentials("aliexpress"));
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("ebay", ebay.get("client_secret"));
        write("ali", ali.get("app_secret"));
        let (at_ebay, at_ali) = (simulator.base_url("ebay"), simulator.base_url("aliexpress"));
        let policy = |name: &str| ebay.get(&format!("{name}_policy_id")).to_owned();
        write(
            "tradewind.toml",
            &format!(
                "[[account]]\nid = \"ebay-de\"\nconnector = \"ebay\"\n\
                 settings = {{ marketplace = \"EBAY_DE\", client_id = \"{}\", ru_name = \"{}\", merchant_location = \"{}\", \
                 fulfillment_policy = \"{}\", payment_policy = \"{}\", return_policy = \"{}\", endpoint = \"{at_ebay}\", \
                 finances_endpoint = \"{at_ebay}\", consent_page = \"{at_ebay}/oauth2/authorize\" }}\n\
                 secrets = {{ client_secret = {{ file = \"ebay\" }} }}\n\
                 [[account]]\nid = \"ali\"\nconnector = \"aliexpress\"\n\
                 settings = {{ endpoint = \"{at_ali}\", app_key = \"{}\", callback = \"{}\", currency = \"USD\", freight_template_id = 1 }}\n\
                 secrets = {{ app_secret = {{ file = \"ali\" }} }}\n",
                ebay.get("client_id"),
                ebay.get("ru_name"),
                ebay.get("merchant_location_key"),
                policy("fulfillment"),
                policy("payment"),
                policy("return"),
                ali.get("app_key"),
                ali.get("callback"),
            ),
        );
        Shop { folder, _simulator: simulator, _runtime: runtime }
    }

    fn run(&self, args: &[&str], code: i32) -> Output {
        let output = tradewind(self.folder.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        output
    }

    /// `login` of an account; `paste` makes what is pasted out of the page that is printed.
    fn login(&self, args: &[&str], paste: impl FnOnce(&str) -> String) -> (Option<i32>, String) {
        login(self.folder.path(), args, paste)
    }
}

fn login(folder: &Path, args: &[&str], paste: impl FnOnce(&str) -> String) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .current_dir(folder)
        .arg("login")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let page = told.by_ref().lines().map(Result::unwrap).find(|l| l.starts_with("http")).unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", paste(&page)).unwrap();
    drop(input);
    let mut all = String::new();
    child.stdout.take().unwrap().read_to_string(&mut all).unwrap();
    told.read_to_string(&mut all).unwrap();
    (child.wait().unwrap().code(), all)
}

/// The seller agrees: where the page sends the browser.
fn agree(page: &str) -> String {
    let answer = get(page);
    let to = answer.lines().find_map(|l| l.strip_prefix("location: "));
    to.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn an_account_is_let_in_by_the_page_of_its_channel() {
    let shop = Shop::new();
    shop.run(&["check"], 0);
    // Nobody let us in: a channel's error for each account, with the remedy.
    let before = text(&shop.run(&["orders"], 4));
    assert!(before.contains("run `tradewind login`"), "{before}");

    let mut spent = String::new();
    let (code, told) = shop.login(&["ebay-de"], |page| {
        spent = agree(page);
        spent.clone()
    });
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("ebay-de is logged in"), "{told}");
    // auth.rs of the simulator, after eBay's documents: 47,304,000 s are 547.5 days.
    let ends = |days: i64, hours: i64| {
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(days * 24 + hours);
        end.to_zoned(jiff::tz::TimeZone::UTC).date()
    };
    assert!(told.contains(&format!("the consent ends on {}", ends(547, 12))), "{told}");

    let (code, told) = shop.login(&["ali", "--json"], agree);
    assert_eq!(code, Some(0), "{told}");
    let told: serde_json::Value =
        serde_json::from_str(told.lines().find(|l| l.starts_with('{')).unwrap()).unwrap();
    assert_eq!(told["told"]["seller"], "simshop");
    // Its fact sheet §2: sixty days.
    assert!(told["login_until"].as_str().unwrap().starts_with(&ends(60, 0).to_string()), "{told}");

    // Another process, with what is in the store.
    let after = json(&shop.run(&["orders", "--json"], 0));
    assert_eq!(after["pulled"]["failed"], 0, "{after}");

    // A code serves once, and the login that works is left as it is.
    let (code, told) = shop.login(&["ebay-de"], |page| {
        let state = page.split("state=").nth(1).unwrap().split('&').next().unwrap();
        let code = spent.split("code=").nth(1).unwrap().split('&').next().unwrap();
        format!("https://shop.example/ebay/accepted?state={state}&code={code}")
    });
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("Log in again"), "{told}");
    // The answer to another page is not even sent.
    let (code, told) = shop.login(&["ebay-de"], |_| spent.clone());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("answers another login"), "{told}");
    shop.run(&["orders"], 0);
}
