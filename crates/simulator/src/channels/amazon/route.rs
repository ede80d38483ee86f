//! Names of operations: method and path → operation, path parameters, rate bucket.
//! Rates: `x-amzn-ratelimit` notes of the official models (burst, requests per second).

use crate::core::faults::Fault;
use crate::core::quota::Bucket;
use bytes::Bytes;
use http::{HeaderMap, Method};

/// (method, path pattern, operation, rate in millionths per second, burst). Burst 0: no bucket.
const ROUTES: &[(&str, &str, &str, u64, u32)] = &[
    ("POST", "/auth/o2/token", "token", 0, 0),
    ("POST", "/tokens/2021-03-01/restrictedDataToken", "createRestrictedDataToken", 1_000_000, 10),
    ("GET", "/sellers/v1/marketplaceParticipations", "getMarketplaceParticipations", 16_000, 15),
    ("PUT", "/listings/2021-08-01/items/{}/{}", "putListingsItem", 5_000_000, 10),
    ("PATCH", "/listings/2021-08-01/items/{}/{}", "patchListingsItem", 5_000_000, 5),
    ("GET", "/listings/2021-08-01/items/{}/{}", "getListingsItem", 5_000_000, 10),
    ("DELETE", "/listings/2021-08-01/items/{}/{}", "deleteListingsItem", 5_000_000, 5),
    ("GET", "/listings/2021-08-01/items/{}", "searchListingsItems", 5_000_000, 5),
    ("POST", "/feeds/2021-06-30/documents", "createFeedDocument", 500_000, 15),
    ("GET", "/feeds/2021-06-30/documents/{}", "getFeedDocument", 22_200, 10),
    ("POST", "/feeds/2021-06-30/feeds", "createFeed", 8_300, 15),
    ("GET", "/feeds/2021-06-30/feeds", "getFeeds", 22_200, 10),
    ("GET", "/feeds/2021-06-30/feeds/{}", "getFeed", 2_000_000, 15),
    ("DELETE", "/feeds/2021-06-30/feeds/{}", "cancelFeed", 2_000_000, 15),
    ("GET", "/orders/2026-01-01/orders", "searchOrders", 5_600, 20),
    ("GET", "/orders/2026-01-01/orders/{}", "getOrder", 500_000, 30),
    ("GET", "/orders/v0/orders", "getOrdersV0", 16_700, 20),
    ("GET", "/orders/v0/orders/{}", "getOrderV0", 500_000, 30),
    ("GET", "/orders/v0/orders/{}/orderItems", "getOrderItemsV0", 500_000, 30),
    ("GET", "/orders/v0/orders/{}/address", "getOrderAddressV0", 500_000, 30),
    ("GET", "/orders/v0/orders/{}/buyerInfo", "getOrderBuyerInfoV0", 500_000, 30),
    ("POST", "/orders/v0/orders/{}/shipmentConfirmation", "confirmShipment", 2_000_000, 10),
    ("POST", "/reports/2021-06-30/reports", "createReport", 16_700, 15),
    ("GET", "/reports/2021-06-30/reports", "getReports", 22_200, 10),
    ("GET", "/reports/2021-06-30/reports/{}", "getReport", 2_000_000, 15),
    ("DELETE", "/reports/2021-06-30/reports/{}", "cancelReport", 22_200, 10),
    ("GET", "/reports/2021-06-30/documents/{}", "getReportDocument", 16_700, 15),
    ("GET", "/finances/2024-06-19/transactions", "listTransactions", 500_000, 10),
    ("GET", "/finances/v0/financialEventGroups", "listFinancialEventGroups", 500_000, 30),
    ("POST", "/products/fees/v0/listings/{}/feesEstimate", "getMyFeesEstimateForSKU", 1_000_000, 2),
    ("POST", "/notifications/v1/destinations", "createDestination", 1_000_000, 5),
    ("GET", "/notifications/v1/destinations", "getDestinations", 1_000_000, 5),
    ("POST", "/notifications/v1/subscriptions/{}", "createSubscription", 1_000_000, 5),
    ("GET", "/notifications/v1/subscriptions/{}", "getSubscription", 1_000_000, 5),
    ("DELETE", "/notifications/v1/subscriptions/{}/{}", "deleteSubscriptionById", 1_000_000, 5),
    // Presigned documents are a store beside the API: no token, no quota.
    ("PUT", "/document/{}", "uploadDocument", 0, 0),
    ("GET", "/document/{}", "downloadDocument", 0, 0),
];

/// Every operation.
pub(super) fn names() -> Vec<&'static str> {
    ROUTES.iter().map(|(_, _, operation, _, _)| *operation).collect()
}

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Req {
    pub(super) operation: &'static str,
    /// Decoded path parameters, in order.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) lie: bool,
}

impl Req {
    pub(super) fn of(parts: &http::request::Parts, body: Bytes) -> Option<Self> {
        let (operation, path, _) = find(&parts.method, parts.uri.path())?;
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect();
        let lie = parts.extensions.get::<Fault>() == Some(&Fault::Lie);
        Some(Self { operation, path, query, headers: parts.headers.clone(), body, lie })
    }

    /// The path parameter at `at`.
    pub(super) fn part(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// The first query value called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// The values called `name`: comma separated or repeated.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.query
            .iter()
            .filter(|(k, _)| k == name)
            .flat_map(|(_, v)| v.split(','))
            .filter(|v| !v.is_empty())
            .collect()
    }

    /// The instant called `name`, in milliseconds; `Err` names a value that is none.
    pub(super) fn instant(&self, name: &str) -> Result<Option<i64>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => match text.parse::<jiff::Timestamp>() {
                Ok(at) => Ok(Some(at.as_millisecond())),
                Err(_) => Err(format!("{name} is not an ISO 8601 date-time: {text}")),
            },
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// The operation of a method and path.
pub(super) fn find(method: &Method, path: &str) -> Option<(&'static str, Vec<String>, Option<Bucket>)> {
    let segments: Vec<&str> = path.split('/').collect();
    ROUTES.iter().find_map(|(m, pattern, operation, rate_micro, burst)| {
        if *m != method.as_str() {
            return None;
        }
        let wanted: Vec<&str> = pattern.split('/').collect();
        if wanted.len() != segments.len() {
            return None;
        }
        let mut params = Vec::new();
        for (want, got) in wanted.iter().zip(&segments) {
            if *want == "{}" {
                params.push(percent_encoding::percent_decode_str(got).decode_utf8_lossy().into_owned());
            } else if want != got {
                return None;
            }
        }
        let bucket = (*burst > 0).then_some(Bucket { burst: *burst, rate_micro: *rate_micro });
        Some((*operation, params, bucket))
    })
}

/// Requests per second as the header shows them: `5.0`, `0.0056`.
pub(super) fn rate_text(bucket: Bucket) -> String {
    let text = format!("{}.{:06}", bucket.rate_micro / 1_000_000, bucket.rate_micro % 1_000_000);
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_and_decoded() {
        let (op, params, bucket) =
            find(&Method::PUT, "/listings/2021-08-01/items/A1/red%2Fsmall%201").unwrap();
        assert_eq!((op, params[1].as_str()), ("putListingsItem", "red/small 1"));
        assert_eq!(rate_text(bucket.unwrap()), "5.0");
        assert_eq!(find(&Method::GET, "/orders/2026-01-01/orders").unwrap().0, "searchOrders");
        assert_eq!(rate_text(Bucket { burst: 1, rate_micro: 5_600 }), "0.0056");
        assert!(find(&Method::GET, "/nope").is_none());
    }
}
