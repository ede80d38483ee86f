//! Offers: what should be on sale where, what was sent, and what is really live.

use serde::{Deserialize, Serialize};

use crate::state::states;
use crate::{Content, Country, Dimensions, Grams, Gtin, HsCode, ListingId, Locale, Money, Sku};

states! {
    /// How far an intended change has come. "Accepted" is not "live": only a read-back makes it so.
    ChangeState {
        /// Decided, durable, not sent.
        Intended => [Sent],
        /// Bytes went out; the answer may be lost.
        Sent => [Accepted, Live, Rejected, Indeterminate, Intended],
        /// The channel took it for processing.
        Accepted => [Live, Rejected, Indeterminate, Intended],
        /// Read back from the channel as intended.
        Live => [],
        /// The channel said no. A read-back may find that it lists the offer after all.
        Rejected => [Live, Intended],
        /// Nobody knows yet; settled by reading, never by sending again.
        Indeterminate => [Accepted, Live, Rejected, Intended],
    }
}

/// A complete intended offer for one SKU in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Seller's key.
    pub sku: Sku,
    /// Groups variants on channels that show them together.
    pub product: crate::ProductId,
    /// Price, in the market's currency.
    pub price: Money,
    /// Units to expose.
    pub quantity: u32,
    /// Language of `content`.
    pub locale: Locale,
    /// Words.
    pub content: Content,
    /// Brand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Category at the channel (product type, category id), as mapped by configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Trade item number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<Gtin>,
    /// Commodity code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hs: Option<HsCode>,
    /// Country of origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Country>,
    /// Packed weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Grams>,
    /// Packed dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Dimensions>,
    /// Image addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Options and attributes.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub attributes: std::collections::BTreeMap<String, String>,
}

/// Names one listing: by SKU always, by the channel's id once it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListingRef {
    /// Seller's key.
    pub sku: Sku,
    /// The channel's id, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<ListingId>,
}

/// What the channel says of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListingState {
    /// Buyers can buy it (or could, were there stock).
    Live,
    /// Being processed or reviewed.
    Pending,
    /// There, but not on sale: paused, ended, unpublished.
    Inactive,
    /// Refused or suppressed by the channel; see the issues.
    Invalid,
    /// Not there.
    Absent,
    /// A state this version does not know, verbatim. Neither success nor failure.
    Other(String),
}

/// A remark of the channel about a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingIssue {
    /// The channel's code.
    pub code: String,
    /// Its words.
    pub message: String,
    /// It keeps the listing from being live.
    pub blocking: bool,
    /// Attribute it is about, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
}

/// One listing as read back from the channel: the truth that plans are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveListing {
    /// Which one.
    #[serde(flatten)]
    pub key: ListingRef,
    /// State.
    pub state: ListingState,
    /// Price, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Units exposed, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Title, when told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<ListingIssue>,
}

impl LiveListing {
    /// A listing that the channel does not have.
    #[must_use]
    pub fn absent(key: ListingRef) -> LiveListing {
        LiveListing {
            key,
            state: ListingState::Absent,
            price: None,
            quantity: None,
            title: None,
            issues: Vec::new(),
        }
    }
}
