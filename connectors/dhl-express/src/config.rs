//! Settings of an account.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tradewind_connector::Error;
use url::Url;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Shipper account.
    pub(crate) account_number: String,
    /// IANA zone of the place of hand-over: MyDHL wants its local time.
    pub(crate) origin_zone: String,
    /// Product code.
    #[serde(default = "worldwide")]
    pub(crate) product: String,
    /// Product code within one country.
    #[serde(default = "domestic")]
    pub(crate) domestic_product: String,
    /// Product code between two countries of the European Union.
    #[serde(default = "european")]
    pub(crate) eu_product: String,
    /// Label format.
    #[serde(default = "pdf")]
    pub(crate) label: String,
    /// Contents line of a parcel without customs block.
    #[serde(default = "merchandise")]
    pub(crate) description: String,
    /// Telephone number printed for receivers whose marketplace withholds theirs, usually the shop's own.
    #[serde(default)]
    pub(crate) default_phone: Option<String>,
    /// API address.
    #[serde(default = "production")]
    pub(crate) endpoint: Url,
}

fn worldwide() -> String {
    "P".to_owned()
}
fn domestic() -> String {
    "N".to_owned()
}
fn european() -> String {
    "U".to_owned()
}
fn pdf() -> String {
    "pdf".to_owned()
}
fn merchandise() -> String {
    "Merchandise".to_owned()
}
fn production() -> Url {
    match Url::parse("https://express.api.dhl.com/mydhlapi") {
        Ok(url) => url,
        Err(_) => unreachable!("the literal is a valid address"),
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.account_number.is_empty() || self.account_number.len() > 12 {
            return Err(Error::config("account_number must have 1 to 12 characters"));
        }
        if !["pdf", "zpl", "lp2", "epl"].contains(&self.label.as_str()) {
            return Err(Error::config(format!("label = \"{}\": use pdf, zpl, lp2 or epl", self.label)));
        }
        self.zone().map(|_| ())
    }

    pub(crate) fn zone(&self) -> Result<TimeZone, Error> {
        TimeZone::get(&self.origin_zone)
            .map_err(|_| Error::config(format!("origin_zone '{}' is no IANA time zone", self.origin_zone)))
    }

    /// `2025-01-18T17:00:00 GMT+01:00`: local time of the origin, a blank before GMT.
    pub(crate) fn local(&self, at: Timestamp) -> Result<String, Error> {
        Ok(at.to_zoned(self.zone()?).strftime("%Y-%m-%dT%H:%M:%S GMT%:z").to_string())
    }
}
