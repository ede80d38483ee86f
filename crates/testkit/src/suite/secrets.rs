//! A channel that repeats in its error what it was sent, and whoever listens to our log.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::fixture::Case;
use super::report::{Group, Report};
use super::script::{Answer, ECHO};
use super::{Call, Suite};

impl Suite {
    /// Refused and broken to the end by answers that repeat the request: nothing secret comes out, nor is it logged.
    pub(super) async fn echoed(&self, call: &Call, happy: &Case, report: &mut Report) {
        let log = Log::default();
        let listening = tracing::subscriber::set_default(log.clone());
        let mut told = Vec::new();
        for answer in [self.dead_token(), self.broken.clone()] {
            let Some((bench, outcome)) = self.drive(call, happy, vec![], Some(echoing(&answer))).await else {
                return;
            };
            self.left_behind(&happy.label(), &bench, report);
            told.push(outcome);
        }
        drop(listening);
        for outcome in &told {
            self.leaks(&happy.label(), outcome, report);
        }
        let heard = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, value) in self.secrets_to_keep() {
            report.expect(Group::Secrets, !heard.contains(value.as_str()), || {
                format!("{}: the secret '{name}' is in the log", happy.label())
            });
        }
    }
}

/// The answer with the request in every text that is words.
fn echoing(answer: &Answer) -> Answer {
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(Value::Object(map)) if map.is_empty() => format!(r#"{{"message":"{ECHO}","error":"{ECHO}"}}"#),
        Ok(mut value) => {
            say_again(&mut value);
            value.to_string()
        }
        Err(_) => format!("{} {ECHO}", String::from_utf8_lossy(&answer.body)),
    };
    Answer { body: body.into(), ..answer.clone() }
}

fn say_again(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(' ') => {
            text.push(' ');
            text.push_str(ECHO);
        }
        Value::Array(items) => items.iter_mut().for_each(say_again),
        Value::Object(map) => map.values_mut().for_each(say_again),
        _ => {}
    }
}

/// Takes down every span and event, whatever its level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn take_down(&self, record: impl FnOnce(&mut Words)) {
        let mut words = Words(String::new());
        record(&mut words);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&words.0);
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.take_down(|words| span.record(words));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        self.take_down(|words| values.record(words));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.take_down(|words| event.record(words));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a text does not fail.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}
