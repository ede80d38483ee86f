//! A dead endpoint is told once, with all that was asked of it: not once for each of its accounts and streams.

use tradewind_connector::{Error, Kind, Phase};

/// What could not be reached, beside the text in which it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unreached(Vec<Miss>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Miss {
    told: String,
    what: String,
    why: String,
}

impl Unreached {
    /// Keeps in mind what was told of an error, where nothing reached the channel; `what`: what was to be read.
    pub(crate) fn note(&mut self, told: &str, what: String, error: &Error) {
        if error.kind() == Kind::Transport && error.phase() == Phase::BeforeSend {
            // It names host and port.
            let why = error.message().to_owned();
            self.0.push(Miss { told: told.to_owned(), what, why });
        }
    }

    pub(crate) fn add(&mut self, more: Unreached) {
        self.0.extend(more.0);
    }

    /// Puts one text in the place of all that say the same of one endpoint.
    pub(crate) fn told_once(self, errors: &mut Vec<String>) {
        let mut of: Vec<(String, Vec<Miss>)> = Vec::new();
        for miss in self.0 {
            match of.iter_mut().find(|(why, _)| *why == miss.why) {
                Some((_, all)) => all.push(miss),
                None => of.push((miss.why.clone(), vec![miss])),
            }
        }
        for (why, all) in of.into_iter().filter(|(_, all)| all.len() > 1) {
            let Some(at) = errors.iter().position(|e| all.iter().any(|m| m.told == *e)) else { continue };
            let what: Vec<&str> = all.iter().map(|m| m.what.as_str()).collect();
            let text = format!("{} could not be read, tried again next time: {why}", what.join(", "));
            errors.retain(|e| all.iter().all(|m| m.told != *e));
            errors.insert(at.min(errors.len()), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_endpoint_is_told_once_and_another_beside_it() {
        let mut errors = vec!["first".to_owned()];
        let mut unreached = Unreached::default();
        let mut fail = |what: &str, error: Error| {
            let told = format!("{what}: {error}");
            unreached.note(&told, what.to_owned(), &error);
            errors.push(told);
        };
        fail("orders of de", Error::new(Kind::Transport, "could not connect to a:1"));
        fail("orders of fr", Error::new(Kind::Transport, "could not connect to b:2"));
        fail("orders of it", Error::new(Kind::Transport, "could not connect to a:1"));
        // Something was sent: it is alive.
        fail("orders of es", Error::new(Kind::Transport, "could not connect to a:1").after_send());
        unreached.told_once(&mut errors);
        assert_eq!(
            errors,
            [
                "first",
                "orders of de, orders of it could not be read, tried again next time: could not connect to a:1",
                "orders of fr: transport: could not connect to b:2",
                "orders of es: transport: could not connect to a:1",
            ]
        );
    }
}
