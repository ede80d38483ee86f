//! Settlement (STL) and transaction (TRR) report files, read from a mirror of PayPal's SFTP folder.
//!
//! PayPal offers these files by SFTP alone. The connector has no second transport: it reads a directory that
//! something else (rclone, a cron job with sftp) serves over HTTP. Files go to the ledger's importer byte for byte.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tradewind_connector::role::MoneyDocument;
use tradewind_connector::{
    Error, Facet, OpCx, OpSpec, Operation, Priority, Safety, WireRequest, WireResponse, segment,
};
use tradewind_domain::{Currency, Statement, StatementId};
use url::Url;

use crate::auth::FILES;

static LIST: OpSpec = OpSpec {
    name: "statements.list",
    facet: Facet::Statements,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["files"],
    keep: false,
    doc: "https://developer.paypal.com/docs/reports/sftp-reports/",
};
static FETCH: OpSpec = OpSpec {
    name: "statements.fetch",
    keep: true,
    doc: "https://developer.paypal.com/docs/reports/sftp-reports/settlement-report/",
    ..LIST
};

/// The directory.
pub(crate) struct List {
    pub(crate) base: Url,
    pub(crate) currency: Currency,
}

impl Operation for List {
    type In = ();
    type Out = Vec<Statement>;

    fn spec(&self) -> &OpSpec {
        &LIST
    }
    fn encode(&self, _: &OpCx<'_>, (): &()) -> Result<WireRequest, Error> {
        WireRequest::new(http::Method::GET, &self.base, "/")
    }
    fn decode(&self, _: &OpCx<'_>, (): &(), response: &WireResponse) -> Result<Vec<Statement>, Error> {
        let mut names = names(response.text()?);
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| statement(name, self.currency)).collect()
    }
    fn audience(&self) -> &'static str {
        FILES
    }
}

/// Report file names anywhere in a listing: HTML, JSON or plain lines.
fn names(listing: &str) -> Vec<&str> {
    listing
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
        .filter(|word| {
            let upper = word.to_ascii_uppercase();
            (upper.starts_with("STL-") || upper.starts_with("TRR-"))
                && upper.ends_with(".CSV")
                && day(word).is_some()
        })
        .collect()
}

/// The day in `STL-yyyymmdd.…`.
fn day(name: &str) -> Option<Date> {
    let digits = name.get(4..12)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    Date::new(number(0, 4)?, i8::try_from(number(4, 6)?).ok()?, i8::try_from(number(6, 8)?).ok()?).ok()
}

/// The day of a report begins in the zone of its reporting window, which only the file tells; the listing uses the
/// UTC day and is good for choosing files, not for bookkeeping.
fn statement(name: &str, currency: Currency) -> Result<Statement, Error> {
    let bad = || Error::decode(format!("'{name}' is not the name of a report"));
    let day = day(name).ok_or_else(bad)?;
    let start: Timestamp = day.to_zoned(TimeZone::UTC).map_err(|_| bad())?.timestamp();
    Ok(Statement {
        id: StatementId::new(name).map_err(Error::decode)?,
        currency,
        from: start,
        to: start.checked_add(24.hours()).map_err(|_| bad())?,
        total: None,
    })
}

/// One file.
pub(crate) struct Fetch {
    pub(crate) base: Url,
}

impl Operation for Fetch {
    type In = StatementId;
    type Out = MoneyDocument;

    fn spec(&self) -> &OpSpec {
        &FETCH
    }
    fn encode(&self, _: &OpCx<'_>, id: &StatementId) -> Result<WireRequest, Error> {
        WireRequest::new(http::Method::GET, &self.base, &format!("/{}", segment(id.as_str())))
    }
    fn decode(
        &self,
        _: &OpCx<'_>,
        id: &StatementId,
        response: &WireResponse,
    ) -> Result<MoneyDocument, Error> {
        let format = match id.as_str().get(..3).map(str::to_ascii_uppercase).as_deref() {
            Some("STL") => "stl",
            Some("TRR") => "trr",
            _ => return Err(Error::invalid(format!("'{id}' is neither an STL nor a TRR report"))),
        };
        // Both begin with a report header row, possibly after a byte order mark and a quote.
        let head = String::from_utf8_lossy(&response.body[..response.body.len().min(16)]).into_owned();
        if !head.trim_start_matches(['\u{feff}', '"']).starts_with("RH") {
            return Err(Error::decode(format!("'{id}' does not begin with a report header (RH)")));
        }
        // The last row is the file's footer: without it the file was cut off on its way.
        let whole = String::from_utf8_lossy(&response.body);
        let last = whole.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default();
        if !last.trim_start_matches('"').starts_with("FF") {
            return Err(Error::decode(format!("'{id}' does not end with its footer (FF): it was cut off")));
        }
        Ok(MoneyDocument {
            id: id.clone(),
            provider: "paypal".to_owned(),
            format: format.to_owned(),
            file_name: id.to_string(),
            bytes: response.body.clone(),
        })
    }
    fn audience(&self) -> &'static str {
        FILES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_listing() {
        let html = r#"<a href="STL-20260106.01.009.csv">x</a> <a href="../">..</a> TRR-20260125.01.008.CSV DDR-20260106.csv STL-2026.csv"#;
        assert_eq!(names(html), ["STL-20260106.01.009.csv", "TRR-20260125.01.008.CSV"]);
        let s = statement("STL-20260106.01.009.csv", Currency::new("USD").unwrap()).unwrap();
        assert_eq!(
            (s.from.to_string(), s.to.to_string()),
            ("2026-01-06T00:00:00Z".into(), "2026-01-07T00:00:00Z".into())
        );
    }

    #[test]
    fn a_file_that_is_no_report_is_refused() {
        let op = Fetch { base: Url::parse("https://files.example/ppreports/outgoing").unwrap() };
        let account = "paypal".parse().unwrap();
        let cx = OpCx { account: &account, now: Timestamp::UNIX_EPOCH, nonce: "", key: "" };
        let id: StatementId = "STL-20260106.01.009.csv".parse().unwrap();
        assert_eq!(op.encode(&cx, &id).unwrap().url.path(), "/ppreports/outgoing/STL-20260106.01.009.csv");
        let good = op
            .decode(&cx, &id, &WireResponse::json_text(200, "\u{feff}\"RH\",2026/01/07\n\"FF\",0\n"))
            .unwrap();
        assert_eq!((good.format.as_str(), good.provider.as_str()), ("stl", "paypal"));
        assert!(op.decode(&cx, &id, &WireResponse::json_text(200, "<html>login</html>")).is_err());
    }
}
