//! Wire types, trimmed to what we read. Enums stay text: Amazon adds words without notice.

pub(crate) mod finances;
pub(crate) mod listings;
pub(crate) mod orders;
pub(crate) mod reports;
