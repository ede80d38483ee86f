//! `errors.toml`: from a channel's code to our kind. Status alone never decides.

use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Kind, Upstream};
use crate::limits::{Limits, Scope, duration};

/// The error table of one connector.
///
/// ```toml
/// [[code]]
/// code = "QuotaExceeded"      # exact; together with `http` and `sub_code` where given
/// kind = "rate_limited"
/// retry_after = "2s"          # when the answer names no time
/// bucket = "orders.search"    # which of the drawn buckets refused; or scope = "app", all of the application's
///
/// [[pattern]]                 # tried in order when no exact code fits
/// code_prefix = "isv."
/// message_contains = "not exist"
/// operation = "orders."       # of operations whose names begin so; rows of both kinds
/// kind = "not_found"
/// ```
///
/// A refusal for quota parks the narrowest of what the call drew from (an object's before an account's before the
/// application's): one shop's trouble is not everybody's, unless its row says so.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorTable {
    #[serde(default)]
    code: Vec<CodeRow>,
    #[serde(default)]
    pattern: Vec<PatternRow>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeRow {
    code: String,
    sub_code: Option<String>,
    http: Option<u16>,
    operation: Option<String>,
    kind: Kind,
    #[serde(default, deserialize_with = "duration::option")]
    retry_after: Option<Duration>,
    bucket: Option<String>,
    scope: Option<Scope>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternRow {
    http: Option<u16>,
    code_prefix: Option<String>,
    code_contains: Option<String>,
    message_contains: Option<String>,
    operation: Option<String>,
    kind: Kind,
    #[serde(default, deserialize_with = "duration::option")]
    retry_after: Option<Duration>,
    bucket: Option<String>,
    scope: Option<Scope>,
}

/// A refusal and whose quota it is about, as far as its row says.
pub(crate) struct Classified {
    pub(crate) error: Error,
    pub(crate) bucket: Option<String>,
    pub(crate) scope: Option<Scope>,
}

impl ErrorTable {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// Not TOML of this shape (the message names line and column), the same code twice, or a pattern that
    /// would match everything.
    pub fn parse(text: &str) -> Result<ErrorTable, Error> {
        let table: ErrorTable =
            toml::from_str(text).map_err(|e| Error::config(format!("errors.toml: {e}")))?;
        for (i, row) in table.code.iter().enumerate() {
            let same = |r: &&CodeRow| {
                r.code == row.code
                    && r.sub_code == row.sub_code
                    && r.http == row.http
                    && r.operation == row.operation
            };
            if table.code[..i].iter().any(|r| same(&r)) {
                return Err(Error::config(format!("errors.toml: code '{}' stands twice", row.code)));
            }
        }
        for row in &table.pattern {
            if row.http.is_none()
                && row.code_prefix.is_none()
                && row.code_contains.is_none()
                && row.message_contains.is_none()
            {
                return Err(Error::config(
                    "errors.toml: a [[pattern]] without any condition matches everything",
                ));
            }
        }
        Ok(table)
    }

    /// Whether the quotas that rows name are in the table of quotas.
    ///
    /// # Errors
    /// A bucket or window that is not there: its refusal would park another one.
    pub fn check(&self, limits: &Limits) -> Result<(), Error> {
        let codes = self.code.iter().filter_map(|r| Some((r.code.as_str(), r.bucket.as_deref()?)));
        let patterns = self.pattern.iter().filter_map(|r| Some(("a [[pattern]]", r.bucket.as_deref()?)));
        match codes.chain(patterns).find(|(_, bucket)| !limits.names().any(|n| n == *bucket)) {
            None => Ok(()),
            Some((row, bucket)) => Err(Error::config(format!(
                "errors.toml: {row} names bucket '{bucket}', and limits.toml has no bucket or window of this name: add it, or correct the name"
            ))),
        }
    }

    /// Classifies what the channel said: exact code (the most specific row first), then patterns, then the
    /// HTTP status — and `UnknownCode` for a code in a successful status that no row knows. For what is said of one item
    /// inside an answer; rows of single operations do not count here.
    #[must_use]
    pub fn classify(&self, upstream: Upstream) -> Error {
        self.of("", upstream).error
    }

    /// The same for the answer to an operation.
    pub(crate) fn of(&self, operation: &str, upstream: Upstream) -> Classified {
        let meant =
            |prefix: &Option<String>| prefix.as_ref().is_none_or(|p| operation.starts_with(p.as_str()));
        let exact = self
            .code
            .iter()
            .filter(|r| {
                r.code == upstream.code
                    && meant(&r.operation)
                    && r.http.is_none_or(|h| h == upstream.http)
                    && r.sub_code.as_ref().is_none_or(|s| Some(s) == upstream.sub_code.as_ref())
            })
            .max_by_key(|r| (r.operation.as_ref().map(String::len), r.sub_code.is_some(), r.http.is_some()));
        let hit = exact.map(|r| (r.kind, r.retry_after, &r.bucket, r.scope)).or_else(|| {
            let row = self.pattern.iter().find(|r| meant(&r.operation) && pattern_fits(r, &upstream))?;
            Some((row.kind, row.retry_after, &row.bucket, row.scope))
        });
        let (kind, wait, bucket, scope) = hit.unwrap_or((by_status(upstream.http), None, &None, None));
        let error = Error::upstream(kind, upstream).retry_after(wait);
        Classified { error, bucket: bucket.clone(), scope }
    }

    /// Every kind that a row names, for the generated error list.
    pub fn rows(&self) -> impl Iterator<Item = (String, Kind)> + '_ {
        let codes = self.code.iter().map(|r| {
            let sub = r.sub_code.as_ref().map(|s| format!(" / {s}")).unwrap_or_default();
            let of = r.operation.as_ref().map(|o| format!(" of {o}…")).unwrap_or_default();
            (format!("{}{sub}{of}", r.code), r.kind)
        });
        let patterns = self.pattern.iter().map(|r| {
            let part = |name: &str, v: &Option<String>| v.as_ref().map(|v| format!("{name} '{v}'"));
            let parts: Vec<String> = [
                r.http.map(|h| format!("HTTP {h}")),
                part("code begins", &r.code_prefix),
                part("code contains", &r.code_contains),
                part("message contains", &r.message_contains),
                part("operation begins", &r.operation),
            ]
            .into_iter()
            .flatten()
            .collect();
            (parts.join(", "), r.kind)
        });
        codes.chain(patterns)
    }
}

fn pattern_fits(row: &PatternRow, upstream: &Upstream) -> bool {
    let code = format!("{}/{}", upstream.code, upstream.sub_code.as_deref().unwrap_or_default());
    row.http.is_none_or(|h| h == upstream.http)
        && row.code_prefix.as_ref().is_none_or(|p| {
            upstream.code.starts_with(p) || upstream.sub_code.as_ref().is_some_and(|s| s.starts_with(p))
        })
        && row.code_contains.as_ref().is_none_or(|p| code.contains(p))
        && row
            .message_contains
            .as_ref()
            .is_none_or(|p| upstream.message.to_lowercase().contains(&p.to_lowercase()))
}

/// Shared HTTP defaults (RFC 9110, RFC 6585), for answers whose body says nothing.
fn by_status(status: u16) -> Kind {
    match status {
        200..=399 => Kind::UnknownCode,
        401 => Kind::Unauthenticated,
        403 => Kind::PermissionDenied,
        404 | 410 => Kind::NotFound,
        408 | 425 => Kind::Unavailable,
        409 | 412 => Kind::Conflict,
        405 | 406 | 501 => Kind::Unsupported,
        429 => Kind::RateLimited,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(http: u16, code: &str, sub: Option<&str>, message: &str) -> Upstream {
        Upstream {
            http,
            code: code.into(),
            sub_code: sub.map(Into::into),
            message: message.into(),
            ..Upstream::default()
        }
    }

    #[test]
    fn the_most_specific_row_wins() {
        let table = ErrorTable::parse(
            r#"
            [[code]]
            code = "15"
            kind = "rejected"
            [[code]]
            code = "15"
            sub_code = "isp.top-remote-connection-timeout"
            kind = "unavailable"
            [[pattern]]
            code_prefix = "isv."
            kind = "invalid_request"
            [[pattern]]
            message_contains = "TOO MANY"
            kind = "rate_limited"
            retry_after = "3s"
            "#,
        )
        .unwrap();
        assert_eq!(table.classify(up(200, "15", None, "")).kind(), Kind::Rejected);
        assert_eq!(
            table.classify(up(200, "15", Some("isp.top-remote-connection-timeout"), "")).kind(),
            Kind::Unavailable
        );
        assert_eq!(table.classify(up(200, "isv.x", None, "")).kind(), Kind::InvalidRequest);
        let limited = table.classify(up(200, "7", None, "Too many calls"));
        assert_eq!((limited.kind(), limited.wait()), (Kind::RateLimited, Some(Duration::from_secs(3))));
        assert_eq!(table.classify(up(200, "new-code", None, "")).kind(), Kind::UnknownCode);
        assert_eq!(table.classify(up(503, "", None, "")).kind(), Kind::Unavailable);
    }

    #[test]
    fn a_row_may_be_one_operations_alone() {
        let table = ErrorTable::parse(
            "[[code]]\ncode='7'\nkind='rejected'\n\
             [[code]]\ncode='7'\noperation='orders.'\nkind='not_found'\n\
             [[pattern]]\nhttp=409\noperation='orders.ship'\nkind='duplicate'\n",
        )
        .unwrap();
        let kind = |operation: &str, u: Upstream| table.of(operation, u).error.kind();
        assert_eq!(kind("orders.ship", up(400, "7", None, "")), Kind::NotFound);
        assert_eq!(kind("stock.set", up(400, "7", None, "")), Kind::Rejected);
        assert_eq!(kind("orders.ship", up(409, "", None, "")), Kind::Duplicate);
        assert_eq!(kind("orders.cancel", up(409, "", None, "")), Kind::Conflict);
        assert_eq!(table.classify(up(400, "7", None, "")).kind(), Kind::Rejected);
    }

    #[test]
    fn a_bad_table_is_refused() {
        for bad in [
            "[[code]]\ncode='a'\nkind='nonsense'",
            "[[pattern]]\nkind='rejected'",
            "[[code]]\ncode='a'\nkind='rejected'\n[[code]]\ncode='a'\nkind='conflict'",
            "[[kode]]",
        ] {
            assert!(ErrorTable::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bucket_that_a_row_names_is_a_quota_of_the_connector() {
        let limits = "[[bucket]]\nname='calls'\nscope='app'\nburst=2\nrefill={units=1,every='1s'}\n\
                      [[window]]\nname='daily'\nscope='app'\nlimit=5\nevery='day'";
        let limits = Limits::parse(limits).unwrap();
        let said = |rows: &str| ErrorTable::parse(rows).unwrap().check(&limits).map_err(|e| e.to_string());
        let good = "[[code]]\ncode='7'\nkind='quota_exhausted'\nbucket='daily'\n[[pattern]]\nhttp=429\nkind='rate_limited'\nbucket='calls'";
        assert_eq!(said(good), Ok(()));
        let of_code = said(&good.replace("'daily'", "'dayly'")).unwrap_err();
        assert!(of_code.contains("7 names bucket 'dayly'"), "{of_code}");
        assert!(said(&good.replace("'calls'", "'call'")).unwrap_err().contains("'call'"));
    }
}
