//! What the pipeline costs: writes whose intent and outcome are durable in SQLite, against a bare reqwest loop that
//! sends the same bytes to the same server and remembers nothing.
//!
//! `cargo bench -p tradewind-store --bench pipeline`. The figures to read are the ratios of the lines that it prints
//! first: rounds of the two sides in turn (`TRADEWIND_BENCH_ROUNDS`, 10; `TRADEWIND_BENCH_MS`, "0 1 5 50"; `TRADEWIND_BENCH_FLIGHT`, requests in flight, 64),
//! their throughputs and the processor time of
//! the whole process a call, which other work on the machine moves less. `docs/performance.md` has them. The server
//! stands in this process, on threads of its own, and answers at once or after a latency as channels have one.
#![allow(missing_docs, clippy::unwrap_used)] // a bench has no callers

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::Method;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime as Tokio;
use tradewind_connector::{
    Access, Bounds, CallCx, Capabilities, ConnectorInfo, ErrorTable, Facet, HttpTransport, Limiter, Limits,
    OpCx, OpSpec, Operation, OsChance, Parts, Patience, Pipeline, Priority, Protocol, Result, Role, Runtime,
    Safety, SignCx, Support, SystemClock, TokenPlan, TokenSet, Upstream, WireRequest, WireResponse, signing,
};
use tradewind_store::{KeySource, SqliteStore};
use url::Url;

/// Requests of one sample, over all tasks.
const REQUESTS: u64 = 2_000;

#[derive(Serialize)]
struct Change<'a> {
    sku: &'a str,
    quantity: u32,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
}

/// A signature and a nonce of the length that the pipeline sends.
const SIGN: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const NONCE: &str = "00112233445566778899aabbccddeeff";
const AGENT: &str = concat!("tradewind/", env!("CARGO_PKG_VERSION"));

const ANSWER: &str = r#"{"ok":true,"sku":"A-1","quantity":7,"updated_at":"2026-08-01T00:00:00Z"}"#;

fn server(latency: Duration) -> Url {
    let (tell, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(async move {
            let answer = move || async move {
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                ([("content-type", "application/json")], ANSWER)
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, Router::new().route("/stock", post(answer))).await.unwrap();
        });
    });
    Url::parse(&format!("http://{}", hear.recv().unwrap())).unwrap()
}

/// A signature per attempt, as most channels want one.
struct Toy;

impl Protocol for Toy {
    fn token_plan(&self, _: &OpCx<'_>, _: &str, _: Option<&TokenSet>) -> Result<TokenPlan> {
        Ok(TokenPlan::None)
    }
    fn read_token(&self, _: &OpCx<'_>, _: &str, _: Option<&TokenSet>, _: &WireResponse) -> Result<TokenSet> {
        Err(tradewind_connector::Error::decode("no tokens here"))
    }
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<()> {
        let body = request.body_bytes().map(|(_, b)| b).unwrap_or_default();
        let signature = signing::hex(&signing::hmac(signing::Hash::Sha256, b"secret", &body));
        request.set_header("x-sign", &signature)?;
        request.set_header("x-nonce", cx.op.nonce)
    }
    fn upstream(&self, _: &str, response: &WireResponse) -> Option<Upstream> {
        (response.status >= 400).then(|| Upstream { http: response.status, ..Upstream::default() })
    }
}

struct SetStock(Url);

static SPEC: OpSpec = OpSpec {
    name: "stock.set",
    facet: Facet::Stock,
    safety: Safety::Natural,
    priority: Priority::Stock,
    buckets: &["stock"],
    keep: false,
    doc: "",
};

impl Operation for SetStock {
    type In = u32;
    type Out = bool;
    fn spec(&self) -> &OpSpec {
        &SPEC
    }
    fn encode(&self, _: &OpCx<'_>, quantity: &u32) -> Result<WireRequest> {
        WireRequest::new(Method::POST, &self.0, "/stock")?.json(&Change { sku: "A-1", quantity: *quantity })
    }
    fn decode(&self, _: &OpCx<'_>, _: &u32, response: &WireResponse) -> Result<bool> {
        Ok(response.json::<Answer>()?.ok)
    }
}

fn pipeline(store: Arc<SqliteStore>) -> Pipeline {
    let clock = Arc::new(SystemClock);
    let runtime = Runtime {
        clock: clock.clone(),
        chance: Arc::new(OsChance),
        transport: Arc::new(HttpTransport::new(clock.clone()).unwrap()),
        journal: store,
        limiter: Arc::new(Limiter::new(clock)),
        logins: Arc::default(),
    };
    let parts = Parts {
        info: ConnectorInfo {
            id: "toy".parse().unwrap(),
            name: "Toy".to_owned(),
            roles: vec![Role::Marketplace],
            api_version: "1".to_owned(),
            docs: String::new(),
        },
        account: "toy-1".parse().unwrap(),
        app: "app".into(),
        access: Access::ReadWrite,
        capabilities: Arc::new(Capabilities::new(&[(Facet::Stock, Support::Native)], Bounds::default())),
        protocol: Arc::new(Toy),
        // Wide enough never to wait, so that the limiter's work is measured and not its waiting.
        limits: Limits::parse(
            "[[bucket]]\nname = 'stock'\nscope = 'account'\nburst = 1000000\nrefill = { units = 1000000, every = '1s' }",
        )
        .unwrap(),
        errors: ErrorTable::parse("").unwrap(),
        patience: Patience::default(),
    };
    Pipeline::new(parts, runtime)
}

/// `n` requests by `tasks` tasks that each send the next when theirs is answered.
async fn spread<F, Fut>(tasks: u64, n: u64, one: F)
where
    F: Fn(u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (next, one) = (Arc::clone(&next), one.clone());
            tokio::spawn(async move {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= n {
                        return;
                    }
                    one(i).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Processor time of this process so far, of all its threads: client, server, store.
fn processor() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let spent = tasks.filter_map(|task| {
        // A thread that ended meanwhile has no file; the threads that work here do not end.
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// Both sides of the comparison, against one server.
struct Sides {
    tokio: Tokio,
    tasks: u64,
    client: reqwest::Client,
    target: Url,
    shared: Arc<(Pipeline, SetStock)>,
    run: AtomicU64,
    _dir: tempfile::TempDir,
}

impl Sides {
    fn new(latency: Duration, tasks: u64) -> Sides {
        let url = server(latency);
        let dir = tempfile::tempdir().unwrap();
        let key = KeySource::File(dir.path().join("key"));
        let store = Arc::new(SqliteStore::open(&dir.path().join("bench.sqlite"), &key).unwrap());
        Sides {
            tokio: Tokio::new().unwrap(),
            tasks,
            client: reqwest::Client::builder().user_agent(AGENT).tcp_nodelay(true).build().unwrap(),
            target: url.join("/stock").unwrap(),
            shared: Arc::new((pipeline(store), SetStock(url))),
            run: AtomicU64::new(0),
            _dir: dir,
        }
    }

    fn bare(&self) {
        let (client, target) = (self.client.clone(), self.target.clone());
        self.tokio.block_on(spread(self.tasks, REQUESTS, move |i| {
            let (client, target) = (client.clone(), target.clone());
            async move {
                let body = Change { sku: "A-1", quantity: u32::try_from(i).unwrap() };
                // The bytes of the other side, but for what these two say: they are made and meant to be checked there.
                let request = client.post(target).header("x-sign", SIGN).header("x-nonce", NONCE);
                let answer = request.json(&body).send().await.unwrap();
                assert!(answer.json::<Answer>().await.unwrap().ok);
            }
        }));
    }

    fn pipeline(&self) {
        let (shared, run) = (Arc::clone(&self.shared), self.run.fetch_add(1, Ordering::Relaxed));
        self.tokio.block_on(spread(self.tasks, REQUESTS, move |i| {
            let shared = Arc::clone(&shared);
            async move {
                let (pipeline, op) = &*shared;
                // A key of its own for each: the intent is new, written before and settled after.
                let cx = CallCx::keyed(format!("{run}-{i}"));
                assert!(pipeline.call(op, &u32::try_from(i).unwrap(), &cx).await.unwrap());
            }
        }));
    }

    /// Rounds of one side and the other in turn, so that both meet the same load of the machine. Prints medians.
    #[allow(clippy::print_stdout, clippy::float_arithmetic)] // a bench tells what it measured
    fn alternate(&self, name: &str, rounds: usize) {
        let (mut wall, mut spent) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for _ in 0..rounds {
            let sides: [&dyn Fn(); 2] = [&|| self.bare(), &|| self.pipeline()];
            for (n, side) in sides.into_iter().enumerate() {
                let (before, start) = (processor(), Instant::now());
                side();
                wall[n].push(start.elapsed().as_secs_f64());
                spent[n].push((processor() - before).as_secs_f64() * 1e6 / REQUESTS as f64);
            }
        }
        let median = |of: &[f64]| {
            let mut of = of.to_vec();
            of.sort_by(f64::total_cmp);
            of[of.len() / 2]
        };
        let rates = [0, 1].map(|n| REQUESTS as f64 / median(&wall[n]));
        let ratios: Vec<f64> = wall[0].iter().zip(&wall[1]).map(|(bare, ours)| bare / ours).collect();
        let spent = [0, 1].map(|n| median(&spent[n]));
        println!(
            "{name}: bare {:.0}/s, {:.1} us of processor a call; pipeline {:.0}/s, {:.1} us; ratio {:.2} on the wall \
             (of pairs: median {:.2}), {:.2} in processor time",
            rates[0],
            spent[0],
            rates[1],
            spent[1],
            rates[1] / rates[0],
            median(&ratios),
            spent[0] / spent[1],
        );
    }
}

fn requests(c: &mut Criterion) {
    // At once, as only a process on this machine does; two fast servers nearby; a channel.
    let latencies = std::env::var("TRADEWIND_BENCH_MS").unwrap_or_else(|_| "0 1 5 50".to_owned());
    let latencies = latencies.split(' ').map(|ms| Duration::from_millis(ms.parse().unwrap()));
    let flight = std::env::var("TRADEWIND_BENCH_FLIGHT").map_or(64, |text| text.parse().unwrap());
    let sides =
        latencies.map(|l| (format!("{} ms, {flight} in flight", l.as_millis()), Sides::new(l, flight)));
    let sides: Vec<_> = sides.collect();
    let rounds = std::env::var("TRADEWIND_BENCH_ROUNDS").map_or(10, |text| text.parse().unwrap());
    for (name, sides) in &sides {
        sides.alternate(name, rounds);
    }
    let mut group = c.benchmark_group("requests");
    group.sample_size(10).throughput(Throughput::Elements(REQUESTS));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(8));
    for (name, sides) in &sides {
        group.bench_function(BenchmarkId::new("bare reqwest", name), |b| b.iter(|| sides.bare()));
        group.bench_function(BenchmarkId::new("pipeline", name), |b| b.iter(|| sides.pipeline()));
    }
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
