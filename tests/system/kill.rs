//! SIGKILL at seeded points of a demo, again and again; the world goes on. The end must be that of a run that nobody
//! disturbed.
//!
//! A point is a request that reaches a channel: the program dies before it is handled, after it was handled and before
//! its answer arrives, or while it works on the answer. The first two are exact; the third lands where the machine's
//! timing puts it, between two commits as likely as within one call.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tradewind_simulator::{Demand, Moment, Profile, Simulator};

use crate::{json, text, tradewind};

const DAYS: u32 = 1;

/// A simulated world in the test's own process, where no signal to the program reaches it.
struct World {
    simulator: Simulator,
    seed: u64,
    _runtime: Runtime,
}

impl World {
    fn start(seed: u64) -> World {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // As `tradewind demo` makes its own.
        let demand = Demand { orders_per_day: 12, days: DAYS, first_day: 1, ..Demand::default() };
        let builder = Simulator::builder()
            .seed(seed)
            .faults(Profile::Mild)
            .demand(demand)
            // Channels of each role; more of them would only make the same test longer.
            .channels(["amazon", "china-ceb", "dhl-express", "paypal", "shopify"])
            .hang(Duration::from_millis(20));
        let simulator = runtime.block_on(builder.start()).unwrap();
        World { simulator, seed, _runtime: runtime }
    }

    fn arguments(&self) -> Vec<String> {
        let (seed, days) = (self.seed.to_string(), DAYS.to_string());
        let url = self.simulator.base_url("amazon");
        ["demo", "--json", "--dir", ".", "--seed", &seed, "--days", &days, "--world", &url]
            .map(str::to_owned)
            .to_vec()
    }

    /// Plays until the end.
    fn finish(&self, folder: &Path) -> serde_json::Value {
        let arguments = self.arguments();
        let output = tradewind(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        json(&output)
    }

    /// Plays until the `n`-th request from now and dies there. Whether it did.
    fn die(&self, folder: &Path, n: u64, when: Moment) -> bool {
        let child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
            .current_dir(folder)
            .args(self.arguments())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = Arc::new(Mutex::new(child));
        let mut output = child.lock().unwrap().stdout.take().unwrap();
        let victim = Arc::clone(&child);
        self.simulator.world().trap(n, when, move || {
            let kill = move || {
                let mut victim: std::sync::MutexGuard<'_, Child> = victim.lock().unwrap();
                victim.kill().unwrap();
                victim.wait().unwrap();
            };
            // The answer is on its way while the signal is.
            if when == Moment::Answered {
                std::thread::spawn(kill);
            } else {
                kill();
            }
        });
        // Ends when the program does, whichever way.
        let mut told = Vec::new();
        output.read_to_end(&mut told).unwrap();
        let status = child.lock().unwrap().wait().unwrap();
        status.code().is_none()
    }
}

/// What must not depend on how often the program died: everything but how many calls it took.
fn end_of(mut summary: serde_json::Value, folder: &Path) -> (serde_json::Value, BTreeMap<String, String>) {
    summary.as_object_mut().unwrap().remove("calls");
    let stored = json(&tradewind(folder, &["orders", "--offline", "--json"]));
    let orders = stored["orders"].as_array().unwrap().iter().map(|o| {
        let order = &o["order"];
        let facts = format!("{} {} {} {}", o["stage"], order["total"], order["refunded"], order["lines"]);
        (format!("{}/{}", order["account"], order["id"]), facts)
    });
    (summary, orders.collect())
}

/// SplitMix64, as the seeds elsewhere.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn killed_again_and_again_it_ends_as_if_nothing_had_happened() {
    let seed = 11;
    let (unharmed, folder) = (World::start(seed), tempfile::tempdir().unwrap());
    let expected = end_of(unharmed.finish(folder.path()), folder.path());
    let requests = unharmed.simulator.world().requests();
    assert!(requests > 500, "a demo makes many calls, not {requests}");

    let (harmed, folder) = (World::start(seed), tempfile::tempdir().unwrap());
    let mut state = seed;
    let mut deaths = 0;
    // Eight deaths, spread over the whole run: each a random eighth of it after the one before.
    for n in 0..8 {
        let at = 1 + draw(&mut state) % (requests / 8);
        let when = [Moment::Before, Moment::After, Moment::Answered][n % 3];
        deaths += u32::from(harmed.die(folder.path(), at, when));
    }
    assert_eq!(deaths, 8);
    let end = end_of(harmed.finish(folder.path()), folder.path());
    assert_eq!(end.0, expected.0);
    assert_eq!(end.1, expected.1);
}
