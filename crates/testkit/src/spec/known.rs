//! Where an official specification is known to be wrong, as data: what is excused, and why.
//!
//! An excuse is as narrow as it can be, is counted in the report, and names its source. A deviation of *ours* is
//! never excused here.

use super::{Finding, Violation};

/// One known mistake of a specification.
#[derive(Debug, Clone, Copy)]
pub struct Mistake {
    /// Channel, as in `SpecSet::for_channel`.
    pub channel: &'static str,
    /// Document, by the beginning of its file name.
    pub document: &'static str,
    /// The finding that is excused.
    pub finding: Finding,
    /// The place contains this text; after a `|`, words that the finding must contain as well.
    pub at: &'static str,
    /// Why we believe that the specification is wrong.
    pub reason: &'static str,
}

impl Mistake {
    fn fits(&self, v: &Violation) -> bool {
        let (place, words) = self.at.split_once('|').unwrap_or((self.at, ""));
        v.at.contains(place) && v.message.contains(words)
    }
}

/// The list.
pub const MISTAKES: &[Mistake] = &[
    Mistake {
        channel: "ebay",
        document: "sell_inventory_v1",
        finding: Finding::BadValue,
        at: "/product/aspects",
        reason: "typed `string`, but described and served as a map from name to list of values (Inventory API, createOrReplaceInventoryItem)",
    },
    Mistake {
        channel: "dhl-express",
        document: "dpdhl-express-api-3.1.1",
        finding: Finding::MissingField,
        at: "|\"shipmentTrackingNumber\" is a required",
        reason: "upload-image requires a property that its schema does not have and, being closed, forbids: the number is in the path",
    },
    Mistake {
        channel: "ebay",
        document: "cancellation_oas3",
        finding: Finding::BadBody,
        at: "body",
        reason: "the document describes no body of any call; a cancellation is named in it (Post-Order API, createCancellation: legacyOrderId, cancelReason)",
    },
    Mistake {
        channel: "ebay",
        document: "cancellation_oas3",
        finding: Finding::UnknownStatus,
        at: "status",
        reason: "the document lists 200 for every call and no refusal, of which the reference has many (Post-Order API, createCancellation, errors)",
    },
    Mistake {
        channel: "ebay",
        document: "return_oas3",
        finding: Finding::UnknownQuery,
        at: "|/return/search has no query parameter",
        reason: "the document describes no parameter of the search; its reference has twelve (Post-Order API, Search Returns)",
    },
    Mistake {
        channel: "ebay",
        document: "return_oas3",
        finding: Finding::UnknownStatus,
        at: "status",
        reason: "the document lists 200 for every call and no refusal, of which the reference has many (Post-Order API, Search Returns)",
    },
];

/// Takes out what is excused; returns the reasons that applied.
pub(crate) fn excuse(
    channel: &str,
    document: &str,
    found: Vec<Violation>,
) -> (Vec<Violation>, Vec<&'static str>) {
    let mut reasons = Vec::new();
    let left = found
        .into_iter()
        .filter(|v| {
            let known = MISTAKES.iter().find(|m| {
                m.channel == channel
                    && document.starts_with(m.document)
                    && m.finding == v.finding
                    && m.fits(v)
            });
            reasons.extend(known.map(|m| m.reason));
            known.is_none()
        })
        .collect();
    (left, reasons)
}
