//! Calls as they are kept, for people: writes from the journal of intents, and answers that were kept whole.

use jiff::Timestamp;
use serde::Serialize;

/// A call that the store tells of. Its request is not kept, and neither is a read that nothing was kept of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptCall {
    /// Names it: `w` and sixteen digits, or `a` and a number.
    pub id: String,
    /// A write: when it was begun. An answer: when it was complete.
    pub at: Timestamp,
    /// Account.
    pub account: String,
    /// Operation.
    pub operation: String,
    /// How it ended, as far as is known.
    pub outcome: CallOutcome,
    /// HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What makes it a write.
    #[serde(flatten)]
    pub write: Option<KeptWrite>,
    /// Hash of the answer's body ([`crate::Store::payload`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// What is kept of a write alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptWrite {
    /// What it was about, in the operation's words; may be empty.
    pub subject: String,
    /// Its idempotency key.
    pub key: String,
    /// The generation of the key: how many refusals the channel remembers under earlier ones.
    pub generation: u32,
    /// Why it was refused or is in doubt. May quote the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Headers of the answer, without those that hold secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// How a kept call ended. What failed for certain on its first try is not kept: its key is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// An answer was kept; what it says is in its status and body.
    Answered,
    /// A write that the channel answered with success.
    Done,
    /// A write that the channel certainly refused.
    Refused,
    /// A write that may have been carried out: its answer was lost, or not understood.
    InDoubt,
    /// A write of which no outcome was noted: it is under way, or its process died, and it may have been sent.
    Begun,
}

impl CallOutcome {
    /// As a person reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CallOutcome::Answered => "answered",
            CallOutcome::Done => "done",
            CallOutcome::Refused => "refused",
            CallOutcome::InDoubt => "in doubt",
            CallOutcome::Begun => "begun, no outcome",
        }
    }
}

/// Which calls to look for: those that name one of the words in subject, key or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFilter {
    /// Of this account.
    pub account: String,
    /// Not before this instant.
    pub since: Timestamp,
    /// Ids: an order's, a parcel's, a SKU.
    pub words: Vec<String>,
}

impl CallFilter {
    /// Whether a text that is not of the channel's making names one: there, case says nothing (a key may hold a handle).
    pub(crate) fn is_in_text(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.words.iter().any(|word| names(text.as_bytes(), word.to_ascii_lowercase().as_bytes()))
    }

    /// Whether a body names one, as it stands: what is compressed or encoded in it is not looked into.
    pub(crate) fn is_in_body(&self, body: &[u8]) -> bool {
        self.words.iter().any(|word| names(body, word.as_bytes()))
    }
}

/// A word stands there whole: `MUG-1` is neither in `MUG-12` nor in `MUG-1-RED`, and is in `set-MUG-1` and `"MUG-1."`.
fn names(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return false };
    let at = |i: usize| text.get(i).copied().unwrap_or(b' ');
    let ends = |i: usize| {
        let joins = b"-_.~".contains(&at(i)) && at(i + 1).is_ascii_alphanumeric();
        !joins && !at(i).is_ascii_alphanumeric()
    };
    let begins = |i: usize| i.checked_sub(1).is_none_or(|before| !at(before).is_ascii_alphanumeric());
    let mut from = 0;
    while let Some(i) =
        text.get(from..).and_then(|rest| rest.iter().position(|b| b == first)).map(|i| from + i)
    {
        if text.get(i..).is_some_and(|rest| rest.starts_with(word)) && begins(i) && ends(i + word.len()) {
            return true;
        }
        from = i + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_word_is_named_whole() {
        for (text, word, told) in [
            (r#"{"sku":"MUG-1"}"#, "MUG-1", true),
            ("set-MUG-1", "MUG-1", true),
            ("plan@2026/MUG-1", "MUG-1", true),
            ("MUG-12 MUG-1", "MUG-1", true),
            ("MUG-1.", "MUG-1", true),
            ("MUG-1", "MUG-1", true),
            ("MUG-12", "MUG-1", false),
            ("MUG-1-RED", "MUG-1", false),
            ("MUG-1_2", "MUG-1", false),
            ("XMUG-1", "MUG-1", false),
            ("anything", "", false),
            ("", "MUG-1", false),
        ] {
            assert_eq!(names(text.as_bytes(), word.as_bytes()), told, "{word} in {text}");
        }
    }
}
