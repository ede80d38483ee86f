//! SIGKILL at random points of a whole demo, again and again; the world goes on. Once both came to rest, the end must be that of a
//! run that nobody disturbed: in the store, record by record (plans aside), and in the world's own ledger.
//!
//! A point is a request: the program dies before it is handled, after it was handled and before its answer arrives, or while
//! it works on the answer. The first two are exact; the third lands where the machine's timing puts it, between two commits
//! as likely as within one call. Points are drawn from all requests of a phase that the undisturbed run made; their seed is
//! printed, and `TRADEWIND_KILL_SEED` plays another one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;
use tradewind_simulator::{CONTROL, Demand, Moment, Profile, Quiet, Simulator};
use tradewind_store::{Collection, Filter, KeySource, SqliteStore, Store as _};

use crate::{json, text, tradewind};

/// As `tradewind demo` has them.
const DAYS: u32 = 3;
const ORDERS_PER_DAY: u32 = 12;
const FIRST_DAY: u32 = 1;

/// Hours between two rounds of the demo's selling days, and for how many of them its people keep quiet. What a death may rightly
/// delay within a round (a booking whose answer was lost is looked up an hour later), or bring earlier (orders that a fault kept
/// back are asked for once more), then decides nothing: not what is on offer to whom, nor whether who calls an order off is before
/// the parcel or behind it: here he is before the seller's next round, or stays.
const QUIET: Quiet = Quiet { every: 6, hours: 4 };

/// Deaths in each phase.
const DEATHS: usize = 2;
/// What is asked of whom in each phase of a demo. The import asks nobody: it stands between two calls of the world's own.
const PHASES: &[(&str, &[(&str, &str)])] = &[
    (
        "apply",
        &[
            ("aliexpress", "aliexpress.solution.product.post"),
            ("amazon", "createFeed"),
            ("amazon", "putListingsItem"),
            ("ebay", "bulkCreateOrReplaceInventoryItem"),
            ("ebay", "bulkCreateOffer"),
            ("ebay", "bulkPublishOffer"),
            ("shopify", "productSet"),
            ("shopify", "publishablePublish"),
        ],
    ),
    (
        "orders",
        &[
            ("aliexpress", "aliexpress.solution.order.get"),
            ("aliexpress", "aliexpress.solution.order.info.get"),
            ("amazon", "searchOrders"),
            ("ebay", "getOrders"),
            ("shopify", "orders"),
        ],
    ),
    ("book", &[("dhl-express", "createShipment")]),
    ("declare", &[("china-ceb", "sign"), ("china-ceb", "submit"), ("china-ceb", "receipts")]),
    (
        "confirm",
        &[
            ("aliexpress", "aliexpress.solution.order.fulfill"),
            ("amazon", "confirmShipment"),
            ("ebay", "createShippingFulfillment"),
            ("shopify", "fulfillmentCreate"),
        ],
    ),
    (
        "settle",
        &[
            ("aliexpress", "aliexpress.trade.redefining.findloanlistquery"),
            ("amazon", "getReportDocument"),
            ("amazon", "listFinancialEventGroups"),
            ("amazon", "listTransactions"),
            ("ebay", "getPayouts"),
            ("ebay", "getTransactions"),
            ("paypal", "reports"),
            ("paypal", "search.get"),
            ("shopify", "shopifyPaymentsAccount"),
        ],
    ),
];

/// The process that plays, which may die at any moment.
type Player = Arc<Mutex<Option<Child>>>;

fn kill(player: &Player) {
    if let Some(victim) = player.lock().unwrap().as_mut() {
        // It may be dead already: two points can lie close together.
        let _ = victim.kill();
        let _ = victim.wait();
    }
}

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
        let demand = Demand {
            orders_per_day: ORDERS_PER_DAY,
            days: DAYS,
            first_day: FIRST_DAY,
            quiet: Some(QUIET),
            ..Demand::default()
        };
        let builder = Simulator::builder()
            .seed(seed)
            .faults(Profile::Mild)
            .demand(demand)
            .hang(Duration::from_millis(20));
        let simulator = runtime.block_on(builder.start()).unwrap();
        World { simulator, seed, _runtime: runtime }
    }

    /// Plays until the end, from the start or from where the last process died; whether this one did.
    fn play(&self, folder: &Path, player: &Player) -> Option<Value> {
        let (seed, days) = (self.seed.to_string(), DAYS.to_string());
        let url = self.simulator.base_url("amazon");
        let child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
            .current_dir(folder)
            .args(["demo", "--json", "--dir", ".", "--seed", &seed, "--days", &days, "--world", &url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut told, mut complained) = (Vec::new(), String::new());
        let (output, errors) = {
            let mut player = player.lock().unwrap();
            let child = player.insert(child);
            (child.stdout.take(), child.stderr.take())
        };
        // Ends when the program does, whichever way.
        output.unwrap().read_to_end(&mut told).unwrap();
        errors.unwrap().read_to_string(&mut complained).unwrap();
        let status = player.lock().unwrap().as_mut().unwrap().wait().unwrap();
        let code = status.code()?;
        assert_eq!(code, 0, "{}{complained}", String::from_utf8_lossy(&told));
        Some(serde_json::from_slice(&told).unwrap())
    }
}

/// A request at which the program dies.
#[derive(Debug, PartialEq)]
struct Point {
    phase: &'static str,
    channel: &'static str,
    operation: &'static str,
    nth: u64,
    when: Moment,
}

/// Points of each phase, of requests that an undisturbed run made. The last ones are spared: a run that dies may need fewer.
fn points(state: &mut u64, world: &Simulator) -> Vec<Point> {
    let calls = world.ledger().calls;
    let made = |channel: &str, operation: &str| {
        calls.get(channel).and_then(|of| of.get(operation)).map_or(0, |made| made.received)
    };
    let mut points: Vec<Point> = Vec::new();
    for (phase, operations) in PHASES {
        assert!(operations.iter().any(|(c, o)| made(c, o) > 1), "{phase}: nobody was asked");
        let first = draw(state);
        for n in 0..DEATHS {
            let point = loop {
                let (channel, operation) = operations[draw(state) as usize % operations.len()];
                let count = made(channel, operation);
                if count == 0 {
                    continue;
                }
                let nth = 1 + draw(state) % (count * 9 / 10).max(1);
                // Each of the two another moment.
                let when = [Moment::Before, Moment::After, Moment::Answered][(first as usize + n) % 3];
                let taken = |p: &Point| (p.channel, p.operation, p.nth) == (channel, operation, nth);
                if !points.iter().any(taken) {
                    break Point { phase, channel, operation, nth, when };
                }
            };
            points.push(point);
        }
    }
    points
}

/// SplitMix64, as the seeds elsewhere.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What may differ: how often a thing was tried, under which plan; the hash of a document that is made anew for each who asks
/// (`payload`); and units whose last sending is over (`took` stays behind where a later one took none).
const OURS: &[&str] = &["attempt", "cancel_attempt", "confirm_attempt", "payload", "plan", "took", "voids"];
/// What only the answer to a booking tells: nobody can ask for it again when it was lost.
const BOOKED: &[&str] = &["charge", "documents", "pieces", "warnings"];

/// The normal form of a record: without what may differ; whether a thing has a time, not which (a booking whose answer was
/// lost is looked up when the carrier's index may show it, and all that follows it is later); scans by their number and
/// kind, not as they were read.
fn normal(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !OURS.contains(&name.as_str()));
            if let Some(Value::Object(booked)) = map.get_mut("booked") {
                booked.retain(|name, _| !BOOKED.contains(&name.as_str()));
            }
            // The count that a listing was last told: one that sold meanwhile may have come there by itself. What it shows is
            // compared, here and in the world's listings.
            if map.get("asked").is_some_and(|asked| asked.get("quantity").is_some()) {
                map.remove("asked");
            }
            // A submission is numbered by the channel, in the order in which they come.
            if let Some(Value::Object(asked)) = map.get_mut("cancel") {
                asked.remove("id");
            }
            if let Some(Value::Array(scans)) = map.get_mut("events") {
                let mut codes: Vec<Value> = scans.iter().map(|scan| scan["code"].clone()).collect();
                codes.sort_by_key(Value::to_string);
                *scans = codes;
            }
            map.values_mut().for_each(normal);
        }
        Value::Array(all) => all.iter_mut().for_each(normal),
        Value::String(text) => {
            if text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::Date>().is_ok() {
                "(when)".clone_into(text);
            } else if let Some(mut inner) =
                text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
            {
                normal(&mut inner);
                *text = inner.to_string();
            }
        }
        _ => {}
    }
}

/// How long the world goes on between two rounds of coming to rest: longer than any channel takes to publish.
const PAUSE: Duration = Duration::from_secs(2 * 3_600);
/// Rounds until all is at rest: fewer than lead to the next midnight, at which the world would pay out again.
const ROUNDS: usize = 6;

/// Lets a shop come to rest after its demo, by the commands that a person has: listings are read again, and what they show is
/// brought to what is there. A demo's rounds read a listing only while something of it is under way, and units that came back
/// with a cancelled order wait for a sight of it (ADR 3): whether they are shown again when the demo ends depends on when the
/// cancellation was heard of.
fn rest(world: &World, folder: &Path) {
    world.simulator.world().faults(|faults| faults.set_all(Profile::None));
    let config = folder.join("tradewind.toml");
    let shop = std::fs::read_to_string(&config).unwrap();
    let url = world.simulator.base_url("amazon");
    std::fs::write(&config, format!("{shop}\n[simulated]\nworld = \"{url}\"\n")).unwrap();
    let run = |args: &[&str]| {
        let output = tradewind(folder, args);
        // 2 and 3: there are changes, some rows are blocked on purpose. All that was sent went through.
        assert!([0, 2, 3].contains(&output.status.code().unwrap()), "{args:?}: {}", text(&output));
        json(&output)
    };
    for round in 0..ROUNDS {
        world.simulator.advance(PAUSE);
        run(&["orders", "--json"]);
        let plan = run(&["plan", "--refresh", "--out", "plan.json", "--json"]);
        let going = plan["changes"].as_array().unwrap().iter().any(|change| change["stop"].is_null());
        let settled = run(&["apply", "plan.json", "--json"])["settled"].clone();
        // What the first round reads of a listing, the next one draws its conclusions from.
        if round > 0 && !going && settled["waiting"] == 0 && settled["again"] == 0 {
            return;
        }
    }
    panic!("it never comes to rest");
}

/// All that must not depend on how often the program died, each fact under its name: what the demo tells but for its calls,
/// every record of the store, and the world's own ledger. Of two facts of one name both are kept: what was done twice shows.
fn end_of(world: &World, mut summary: Value, folder: &Path) -> BTreeMap<String, Vec<String>> {
    summary.as_object_mut().unwrap().remove("calls");
    summary.as_object_mut().unwrap().remove("resumed");
    let mut facts = BTreeMap::from([("summary".to_owned(), vec![summary.to_string()])]);
    let mut fact = |name: String, mut value: Value| {
        normal(&mut value);
        facts.entry(name).or_insert_with(Vec::new).push(value.to_string());
    };
    let key = KeySource::File(folder.join("tradewind.key"));
    let store = SqliteStore::open(&folder.join("tradewind.db"), &key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Plans are made at every start, for whatever there is to do then.
    for collection in Collection::ALL.into_iter().filter(|c| *c != Collection::Plans) {
        for row in runtime.block_on(store.list(collection, Filter::all())).unwrap() {
            let mut body: Value = serde_json::from_str(&row.body).unwrap();
            let mut name = row.key.as_str();
            if collection == Collection::Receipts {
                // Customs number their receipts by the instant.
                name = row.key.rsplit_once('/').unwrap().0;
                body.as_object_mut().unwrap().remove("key");
            }
            // Here the state is a sealed name, or follows from the record.
            let state = match collection {
                Collection::Allowances | Collection::Stock => "",
                _ => row.state.as_str(),
            };
            fact(format!("store {} {name} {state}", collection.table()), body);
        }
    }
    let Value::Object(ledger) = serde_json::to_value(world.simulator.ledger()).unwrap() else { panic!() };
    for (what, of) in ledger.into_iter().filter(|(what, _)| what != "calls") {
        let Value::Object(of) = of else {
            fact(format!("world {what}"), of);
            continue;
        };
        for (channel, all) in of {
            let Value::Object(all) = all else { panic!() };
            for (id, record) in all {
                fact(format!("world {what} {channel} {id}"), record);
            }
        }
    }
    facts
}

#[test]
fn killed_again_and_again_it_ends_as_if_nothing_had_happened() {
    let seed = std::env::var("TRADEWIND_KILL_SEED").map_or(11, |seed| seed.parse().unwrap());
    let player = Player::default();
    let (unharmed, calm) = (World::start(seed), tempfile::tempdir().unwrap());
    // How long the import takes on this machine: the catalogue is read between these two calls.
    let import = Arc::new(Mutex::new(Vec::new()));
    for call in ["channels", "own"] {
        let times = Arc::clone(&import);
        unharmed.simulator.world().trap_on(CONTROL, call, 1, Moment::Answered, move || {
            times.lock().unwrap().push(Instant::now());
        });
    }
    let end = unharmed.play(calm.path(), &player).expect("nobody kills it");
    rest(&unharmed, calm.path());
    let expected = end_of(&unharmed, end, calm.path());
    let import = {
        let times = import.lock().unwrap();
        times[1].duration_since(times[0])
    };

    let mut state = seed;
    let points = points(&mut state, &unharmed.simulator);
    let into_import = import * u32::try_from(draw(&mut state) % 1_000).unwrap() / 1_000;
    eprintln!(
        "TRADEWIND_KILL_SEED={seed}: {into_import:?} into an import of {import:?}, at its end, {points:#?}"
    );
    let (harmed, folder) = (World::start(seed), tempfile::tempdir().unwrap());
    let reached = Arc::new(Mutex::new(Vec::new()));
    let trap = |name: String, channel: &str, operation: &str, nth: u64, when: Moment, after: Duration| {
        let (player, reached) = (Arc::clone(&player), Arc::clone(&reached));
        harmed.simulator.world().trap_on(channel, operation, nth, when, move || {
            reached.lock().unwrap().push(name);
            // The answer is on its way while the signal is.
            if when == Moment::Answered {
                std::thread::spawn(move || {
                    std::thread::sleep(after);
                    kill(&player);
                });
            } else {
                kill(&player);
            }
        });
    };
    trap("in the import".to_owned(), CONTROL, "channels", 1, Moment::Answered, into_import);
    trap("at its end".to_owned(), CONTROL, "own", 1, Moment::Before, Duration::ZERO);
    for point in &points {
        trap(format!("{point:?}"), point.channel, point.operation, point.nth, point.when, Duration::ZERO);
    }
    let mut deaths = 0;
    let end = loop {
        match harmed.play(folder.path(), &player) {
            Some(end) => break end,
            None => deaths += 1,
        }
        assert!(deaths < 100, "it never ends");
    };
    let reached = reached.lock().unwrap();
    assert_eq!(reached.len(), points.len() + 2, "points that were reached: {reached:#?}");
    assert!(deaths >= 10, "two points may strike one process, not most of them: {deaths}");
    rest(&harmed, folder.path());
    let found = end_of(&harmed, end, folder.path());
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differ = names.into_iter().filter(|name| expected.get(*name) != found.get(*name));
    let differ: Vec<String> =
        differ.map(|n| format!("{n}\n  {:?}\n  {:?}", expected.get(n), found.get(n))).collect();
    // Offers, orders and their parcels alone are more than a thousand.
    assert!(expected.len() > 2_000, "{} facts", expected.len());
    if !differ.is_empty() {
        // For who has to find out why: both shops, with their journals.
        let (unharmed, harmed) = (calm.keep(), folder.keep());
        let of = expected.len();
        panic!("{} of {of} facts differ ({unharmed:?}, {harmed:?}):\n{}", differ.len(), differ.join("\n"));
    }
}
