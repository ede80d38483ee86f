//! Why a document did not come in.

use std::fmt;
use std::path::PathBuf;

use tradewind_domain::{Currency, Money};

/// What kind of fault made the importer refuse a document. A document is taken whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The lines do not sum to the total that the document itself states.
    NotFooting,
    /// The document ends before its own end mark, or has fewer rows than it counts.
    Truncated,
    /// The bytes are not the format that the provider publishes.
    Malformed,
    /// A well-formed file of a kind that no importer reads (a consumer export, another provider's report).
    Unsupported,
    /// The file is larger, or unpacks to more, than the importer allows.
    TooLarge,
    /// The file could not be read from disk or stream.
    Unreadable,
}

impl RefusalKind {
    /// The stable code shown to users and programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            RefusalKind::NotFooting => "NOT_FOOTING",
            RefusalKind::Truncated => "TRUNCATED",
            RefusalKind::Malformed => "MALFORMED",
            RefusalKind::Unsupported => "UNSUPPORTED",
            RefusalKind::TooLarge => "TOO_LARGE",
            RefusalKind::Unreadable => "UNREADABLE",
        }
    }
}

/// Two amounts that should have been equal, at the scale of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footing {
    /// Statement, batch or bill the document calls itself.
    pub statement: String,
    /// Currency of both amounts, when the document names one that we know.
    pub currency: Option<Currency>,
    /// Sum of the lines as read, decimal text.
    pub sum: String,
    /// Total as the document states it, decimal text.
    pub total: String,
    /// `total − sum`, decimal text.
    pub difference: String,
}

/// A document that was refused whole, with the place and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong.
    pub kind: RefusalKind,
    /// The file, where there is one.
    pub path: Option<PathBuf>,
    /// Line (or record) of the document, 1-based; 0 when the fault is not at one line.
    pub line: u64,
    /// What happened and what to do.
    pub message: String,
    /// The numbers, for [`RefusalKind::NotFooting`].
    pub footing: Option<Box<Footing>>,
}

impl Refusal {
    /// A refusal at a line (0: the whole document).
    #[must_use]
    pub fn new(kind: RefusalKind, line: u64, message: impl Into<String>) -> Refusal {
        Refusal { kind, path: None, line, message: message.into(), footing: None }
    }

    pub(crate) fn malformed(line: u64, message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Malformed, line, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Unsupported, 0, message)
    }

    pub(crate) fn truncated(line: u64, message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Truncated, line, message)
    }

    pub(crate) fn not_footing(footing: Footing, cause: &str) -> Refusal {
        let currency = footing.currency.map(|c| format!(" {c}")).unwrap_or_default();
        // At the currency's own decimals, where the document writes fewer.
        let written = |text: &str| {
            let amount = footing.currency.and_then(|c| Money::parse(text, c).ok());
            amount.map_or_else(|| text.to_owned(), Money::amount)
        };
        Refusal {
            kind: RefusalKind::NotFooting,
            path: None,
            line: 0,
            message: format!(
                "{}: the lines sum to {}{currency}, the document states {}{currency} (difference {}); likeliest cause: {cause}",
                footing.statement,
                written(&footing.sum),
                written(&footing.total),
                written(&footing.difference)
            ),
            footing: Some(Box::new(footing)),
        }
    }

    /// The same refusal, naming its file.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Refusal {
        self.path = Some(path.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        } else if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<std::io::Error> for Refusal {
    fn from(e: std::io::Error) -> Refusal {
        if let Some(inner) = e.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()) {
            return inner.clone();
        }
        Refusal::new(RefusalKind::Unreadable, 0, format!("the file could not be read: {e}"))
    }
}

/// What every importer function returns.
pub type ImportResult<T> = Result<T, Refusal>;
