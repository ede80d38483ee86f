//! Delivery of hooks to a client that listens, by real requests. A channel sends to a public https address; the client
//! listens behind a TLS proxy, whose part [`World::proxy`] plays: it says where such an address leads on this machine.
//!
//! Like channels, the fakes give an answer five seconds and repeat what was not answered with 2xx, the same bytes again; real
//! time passes between, because the client lives on it. A hook that meets [`Fault::Duplicate`] goes out twice, one that meets
//! [`Fault::Reorder`] after its successors.

use super::faults::Fault;
use super::world::{Hook, World};
use axum::body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// How often a hook is sent, at most.
const TRIES: u32 = 8;
/// Wait before the second try; doubled with each.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How late the second of two is, and one that is overtaken.
const AGAIN: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(500);

/// A hook on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    hook: Hook,
    url: String,
    after: Duration,
}

/// One try of a delivery, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Which channel sent it.
    pub channel: String,
    /// Stable id of the hook.
    pub id: String,
    /// Topic.
    pub topic: String,
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
}

/// A hook as it goes out to `url`, once or twice.
pub(super) fn outgoing(hook: &Hook, url: &str, fault: Option<Fault>) -> Vec<Outgoing> {
    let waits: &[Duration] = match fault {
        Some(Fault::Duplicate) => &[Duration::ZERO, AGAIN],
        Some(Fault::Reorder) => &[LATE],
        _ => &[Duration::ZERO],
    };
    waits.iter().map(|w| Outgoing { hook: hook.clone(), url: url.to_owned(), after: *w }).collect()
}

pub(super) async fn run(
    world: World,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            next = queue.recv() => match next {
                Some(next) => drop(tokio::spawn(send(world.clone(), next, stopped.clone()))),
                None => break,
            },
        }
    }
}

async fn send(world: World, out: Outgoing, stopped: watch::Receiver<bool>) {
    tokio::time::sleep(out.after).await;
    for attempt in 0..TRIES {
        if *stopped.borrow() {
            return;
        }
        let answered = tokio::time::timeout(ANSWER, post(&out)).await;
        let status = answered.ok().flatten().unwrap_or(0);
        world.delivered(Delivery {
            channel: out.hook.channel.clone(),
            id: out.hook.id.clone(),
            topic: out.hook.topic.clone(),
            status,
        });
        if (200..300).contains(&status) {
            return;
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
    }
}

/// The status of the answer; `None` when there was none.
async fn post(out: &Outgoing) -> Option<u16> {
    let url = url::Url::parse(&out.url).ok()?;
    let host = url.host_str()?;
    let stream = TcpStream::connect((host, url.port_or_known_default()?)).await.ok()?;
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let path = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
    let mut request = http::Request::post(path).header("host", host);
    for (name, value) in &out.hook.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(out.hook.body.clone())).ok()?;
    Some(sender.send_request(request).await.ok()?.status().as_u16())
}
