//! Specification conformance: official machine-readable specifications, turned into validators.
//!
//! Four kinds, one vocabulary of findings ([`Violation`]):
//!
//! | kind | what is checked | module |
//! |---|---|---|
//! | OpenAPI 3 and Swagger 2 | path, method, query, headers, request and response bodies | [`openapi`] |
//! | GraphQL | document and variables against the schema, the answer's shape against the document | [`graphql`] |
//! | TOP metadata | a method's parameters and the fields of its answer, nested | [`top`] |
//! | XML Schema, alone or in a service definition (WSDL) | elements, order, counts, attributes, simple types; the answer is that of the request's operation | [`xsd`] |
//!
//! The specifications are not part of the project. They are looked for in `TRADEWIND_SPECS`, by default
//! `../shared/specs` beside the workspace; where they are absent a check is *skipped with a reason*, never passed.

pub mod graphql;
pub mod known;
pub mod openapi;
pub mod schema;
pub mod set;
pub mod top;
pub mod xml;
pub mod xsd;

use std::fmt;
use std::path::PathBuf;

pub use graphql::GraphQl;
pub use openapi::OpenApi;
pub use set::{SpecSet, Verdict};
pub use top::Top;
pub use xsd::Xsd;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// No operation of the specification has this path and method.
    UnknownOperation,
    /// A path parameter has a value that its schema does not allow.
    BadPath,
    /// A query parameter that the operation does not have.
    UnknownQuery,
    /// A required query parameter is missing.
    MissingQuery,
    /// A query parameter has a value that its schema does not allow.
    BadQuery,
    /// A required header is missing, or its value is not allowed.
    BadHeader,
    /// A body is missing, not expected, or of a media type that the operation does not name.
    BadBody,
    /// The status is not one that the operation documents.
    UnknownStatus,
    /// A field that the schema does not list, where it lists fields.
    UnknownField,
    /// A required field or element is missing.
    MissingField,
    /// A value of the wrong type, out of its enumeration, too long, ...
    BadValue,
    /// The text is not JSON, XML or GraphQL at all, or breaks a rule of the language.
    Syntax,
}

/// One deviation from a specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What.
    pub finding: Finding,
    /// Where: a JSON pointer, an element path, a parameter name.
    pub at: String,
    /// Explanation.
    pub message: String,
}

impl Violation {
    /// A violation.
    #[must_use]
    pub fn new(finding: Finding, at: impl Into<String>, message: impl Into<String>) -> Violation {
        Violation { finding, at: at.into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.finding, self.at, self.message)
    }
}

/// A specification could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct SpecError {
    /// Which file.
    pub path: String,
    /// Why.
    pub why: String,
}

impl SpecError {
    pub(crate) fn new(path: impl fmt::Display, why: impl fmt::Display) -> SpecError {
        SpecError { path: path.to_string(), why: why.to_string() }
    }
}

/// How the reason begins for which no specification at all is at hand.
pub(crate) const ABSENT: &str = "no specifications: ";

/// The folder with the official specifications, or why there is none.
///
/// # Errors
/// The reason, for a skip that is counted.
pub fn root() -> Result<PathBuf, String> {
    tradewind_material::specs().map_err(|why| format!("{ABSENT}{why}"))
}
