//! Words of a request that name something: an unknown one is refused or told, never read as its default.

use tradewind_domain::{Country, nearest};

use crate::fields::instead;
use crate::request::Request;

use super::{QuoteError, bad};

/// Tax schemes: those of the request format and of the packs. Others may come with a pack; they are told, not refused.
const SCHEMES: [&str; 13] = [
    "none",
    "ioss",
    "voec",
    "uk_omp",
    "au_gst",
    "nz_gst",
    "sg_ovr",
    "my_lvg",
    "remessa_conforme",
    "cbec_9610",
    "cbec_1210",
    "ch_platform",
    "postal",
];

/// Incoterms 2020 (ICC), and the two of earlier editions that are still written.
const INCOTERMS: [&str; 13] =
    ["EXW", "FCA", "CPT", "CIP", "DAP", "DPU", "DDP", "FAS", "FOB", "CFR", "CIF", "DAT", "DDU"];

/// Parts of member states where Union VAT does not apply, by ISO 3166-2 (Council Directive 2006/112/EC, Article 6), and those
/// with rates of their own (Article 105: Azores, Madeira). No pack has their rules.
const APART: [(&str, &[&str]); 5] = [
    ("FR", &["GP", "MQ", "GF", "RE", "YT", "BL", "MF", "PM", "971", "972", "973", "974", "976"]),
    ("ES", &["CN", "GC", "TF", "CE", "ML"]),
    ("FI", &["01"]),
    ("GR", &["69"]),
    ("PT", &["20", "30"]),
];

/// Refuses what can only be a slip. Flags for words that are not known.
pub(super) fn check(req: &Request) -> Result<Vec<String>, QuoteError> {
    let mut flags = Vec::new();
    if let Some(v) = req.scheme.as_deref().filter(|v| !SCHEMES.contains(v)) {
        if nearest(v, &SCHEMES).is_some() {
            return Err(bad("scheme", format!("'{v}' is no scheme{}", instead(v, &SCHEMES))));
        }
        flags.push(format!("UNKNOWN_SCHEME:{v}"));
    }
    if let Some(v) = req.incoterm.as_deref().filter(|v| !INCOTERMS.contains(v)) {
        return Err(bad("incoterm", format!("'{v}' is no Incoterm{}", instead(v, &INCOTERMS))));
    }
    // Any other word is the seller's own shop, whatever they call it.
    if let Some(v) =
        req.sold_via.as_deref().filter(|v| *v != "marketplace" && nearest(v, &["marketplace"]).is_some())
    {
        return Err(bad("sold_via", format!("'{v}' is unknown; did you mean 'marketplace'?")));
    }
    Ok(flags)
}

/// A region of a country whose pack has no rules by region: outside of what the pack covers, or of no account.
pub(super) enum Region {
    Apart,
    NotUsed,
}

pub(super) fn region(country: Country, region: &str) -> Region {
    let code = region.strip_prefix(country.code()).and_then(|r| r.strip_prefix('-')).unwrap_or(region);
    let apart = APART.iter().any(|(c, all)| *c == country.code() && all.contains(&code));
    if apart { Region::Apart } else { Region::NotUsed }
}
