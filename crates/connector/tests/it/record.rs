//! Record and replay: what is recorded holds no secret, and gives the same outcome when it is played again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use tradewind_connector::*;

use crate::script::{op, over};

const SECRET: &str = "toy-access-7f3a9c";

/// A channel that repeats in its answer what it was sent.
struct Shop;

#[async_trait]
impl Transport for Shop {
    async fn send(&self, request: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        let body = match request.url.path() {
            "/token" => {
                format!(r#"{{"access_token":"{SECRET}","token_type":"bearer","expires_in":3600}}"#)
            }
            path => {
                format!(
                    r#"{{"path":"{path}","sent":"{}"}}"#,
                    request.headers["authorization"].to_str().unwrap()
                )
            }
        };
        Ok(WireResponse::json_text(200, &body))
    }
}

async fn recorded() -> (String, Vec<Recorded>) {
    let recorder = RecordingTransport::new(Shop, Scrubber::new(vec![SECRET.to_owned()], &["access_token"]));
    let tape = recorder.tape();
    let said = over(Arc::new(recorder)).call(&op(Safety::Read), "orders", &CallCx::new()).await.unwrap();
    let tape = tape.lock().unwrap().clone();
    (said, tape)
}

fn replay(tape: Vec<Recorded>) -> ReplayTransport {
    let start = "2026-08-01T00:00:00Z".parse().unwrap();
    ReplayTransport::new(tape, Arc::new(VirtualClock::starting(start)))
}

#[tokio::test]
async fn a_recording_has_no_secret_and_plays_again() {
    let (said, tape) = recorded().await;
    assert!(said.contains(SECRET), "{said}");
    let asked: Vec<(&str, &str)> = tape.iter().map(|r| (r.method.as_str(), r.url.as_str())).collect();
    assert_eq!(asked, [("POST", "https://toy.example/token"), ("POST", "https://toy.example/orders")]);
    let sent = tape[1].headers.iter().find(|(name, _)| name == "authorization").unwrap();
    assert_eq!(sent.1, "***");
    let file = serde_json::to_string(&tape).unwrap();
    assert!(!file.contains(SECRET), "{file}");
    let tape: Vec<Recorded> = serde_json::from_str(&file).unwrap();
    let again = over(Arc::new(replay(tape))).call(&op(Safety::Read), "orders", &CallCx::new()).await.unwrap();
    assert_eq!(again, said.replace(SECRET, "***"));
}

#[tokio::test]
async fn a_request_that_was_not_recorded_is_refused_unsent() {
    let (_, tape) = recorded().await;
    let replay = replay(tape);
    let base = "https://toy.example".parse().unwrap();
    for (path, says) in [
        ("/returns", "the recording expects POST https://toy.example/token"),
        ("/orders", ""),
        ("/orders", "the recording is at its end"),
    ] {
        let request = WireRequest::new(Method::POST, &base, path).unwrap();
        match replay.send(&request, Duration::from_secs(1)).await {
            Ok(response) => assert_eq!((response.status, says), (200, "")),
            Err(e) => assert_eq!((e.maybe_sent, e.message.as_str()), (false, says)),
        }
    }
}
