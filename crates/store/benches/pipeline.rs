//! What the pipeline costs: writes whose intent and outcome are durable in SQLite, against a bare reqwest loop that
//! sends the same bytes to the same server and remembers nothing.
//!
//! `cargo bench -p tradewind-store --bench pipeline`. The figure to read is the ratio of the two throughputs in one run;
//! `docs/performance.md` has it. The server stands in this process, on threads of its own, and answers at once or after
//! a latency as channels have one.
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
    Access, Bounds, CallCx, Capabilities, ErrorTable, Facet, HttpTransport, Limiter, Limits, OpCx, OpSpec,
    Operation, OsChance, Parts, Patience, Pipeline, Priority, Protocol, Result, Runtime, Safety, SignCx,
    Support, SystemClock, TokenPlan, TokenSet, Upstream, WireRequest, WireResponse, signing,
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
    };
    let parts = Parts {
        connector: "toy".parse().unwrap(),
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

fn requests(c: &mut Criterion) {
    let tokio = Tokio::new().unwrap();
    let mut group = c.benchmark_group("requests");
    group.sample_size(10).throughput(Throughput::Elements(REQUESTS));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(8));
    // At once, as only a process on this machine does; a fast server nearby; a channel.
    for (latency, tasks) in [0, 5, 50].map(|ms| (Duration::from_millis(ms), 64)) {
        let name = format!("{} ms, {tasks} in flight", latency.as_millis());
        let url = server(latency);
        let client = reqwest::Client::builder().tcp_nodelay(true).build().unwrap();
        group.bench_function(BenchmarkId::new("bare reqwest", &name), |b| {
            let target = url.join("/stock").unwrap();
            b.iter(|| {
                let (client, target) = (client.clone(), target.clone());
                tokio.block_on(spread(tasks, REQUESTS, move |i| {
                    let (client, target) = (client.clone(), target.clone());
                    async move {
                        let body = Change { sku: "A-1", quantity: u32::try_from(i).unwrap() };
                        let answer = client.post(target).json(&body).send().await.unwrap();
                        assert!(answer.json::<Answer>().await.unwrap().ok);
                    }
                }));
            });
        });
        let dir = tempfile::tempdir().unwrap();
        let key = KeySource::File(dir.path().join("key"));
        let store = Arc::new(SqliteStore::open(&dir.path().join("bench.sqlite"), &key).unwrap());
        let shared = Arc::new((pipeline(store), SetStock(url)));
        let run = AtomicU64::new(0);
        group.bench_function(BenchmarkId::new("pipeline", &name), |b| {
            b.iter_custom(|samples| {
                let start = Instant::now();
                for _ in 0..samples {
                    let (shared, run) = (Arc::clone(&shared), run.fetch_add(1, Ordering::Relaxed));
                    tokio.block_on(spread(tasks, REQUESTS, move |i| {
                        let shared = Arc::clone(&shared);
                        async move {
                            let (pipeline, op) = &*shared;
                            // A key of its own for each: the intent is new, written before and settled after.
                            let cx = CallCx::keyed(format!("{run}-{i}"));
                            assert!(pipeline.call(op, &u32::try_from(i).unwrap(), &cx).await.unwrap());
                        }
                    }));
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
