//! A shop beside standing channels, by hand, on the machine's own day.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::{json, text, tradewind};

/// Ends the channels with the test.
struct Channels(Child);

impl Drop for Channels {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_shop_written_today_lists_on_every_channel() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .args(["simulate", "--shop"])
        .arg(&shop)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _channels = Channels(child);
    // The shop is written before the seven channels are told.
    assert_eq!(lines.map_while(Result::ok).take(7).count(), 7);

    assert_eq!(tradewind(&shop, &["import"]).status.code(), Some(0));
    let planned = tradewind(&shop, &["plan", "--json"]);
    let told = text(&planned);
    // 3: some of the catalogue's rows are blocked on purpose.
    assert_eq!(planned.status.code(), Some(3), "{told:.400}");
    assert!(!told.contains("days old"), "its rates are taken at their age");
    let plan = json(&planned);
    let changes = plan["changes"].as_array().unwrap();
    for account in ["amazon-de", "amazon-us", "amazon-jp", "ebay-uk", "shop", "aliexpress"] {
        let all = changes.iter().filter(|c| c["account"] == account);
        let (created, other): (Vec<_>, Vec<_>) = all.partition(|c| c["do"] == "create");
        assert!(created.len() > other.len(), "{account}: {} created, {} not", created.len(), other.len());
    }
}

#[test]
fn a_shop_needs_the_machines_clock() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [["--scale", "0"], ["--start", "2026-03-02T00:00:00Z"]] {
        let output = tradewind(folder.path(), &["simulate", "--shop", "s", wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains("leave --scale and --start out"), "{}", text(&output));
        assert!(!folder.path().join("s").exists());
    }
}
