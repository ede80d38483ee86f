//! Bulk queries: a catalogue too large for pages comes as one file of JSON lines, some time later.
//!
//! A sweep that meets many variants starts the job and goes on by its cursor: asked about until it is done, then fetched
//! whole. How often it is asked about is a bucket of `limits.toml`, so the wait is the limiter's. A result that is not
//! complete is none: its lines are counted against what the job counted.

use std::collections::HashMap;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, Kind, OpCx, OpSpec, Operation, Page, Priority, Safety, WireRequest,
    WireResponse,
};
use tradewind_domain::LiveListing;
use url::Url;

use crate::Shopify;
use crate::config::Shop;
use crate::gql::{Call, Connection, data};
use crate::products::{Item, ProductOf, Variant};

/// A job is asked about this often, which is an hour; then a person should look at what it does.
const MOST_POLLS: u32 = 180;
/// What a cursor of a job begins with; those of pages are base64 and have no colon.
const CURSOR: &str = "bulk:";

const LIKE: OpSpec = OpSpec {
    name: "",
    facet: Facet::Listings,
    // A job that reads: started twice it reads twice. Five may run at a time.
    safety: Safety::Read,
    priority: Priority::Content,
    buckets: &["cost"],
    keep: false,
    doc: "https://shopify.dev/docs/api/usage/bulk-operations/queries",
};

// ---- the first page, with the number of all --------------------------------------------------------

static SWEEP: OpSpec = OpSpec { name: "listings.sweep", ..LIKE };
const SWEEP_TEXT: &str = "query Sweep($l: ID!, $n: Int!) { productVariantsCount(limit: $n) { count } productVariants(first: 50) { pageInfo { hasNextPage endCursor } \
nodes { id sku price product { id title status } inventoryItem { id inventoryLevel(locationId: $l) { quantities(names: [\"available\"]) { name quantity } } } } } }";

fn sweep_variables(shop: &Shop, _: &OpCx<'_>, (): &()) -> Result<Value, Error> {
    // Counted no further than it matters.
    Ok(json!({"l": shop.location, "n": shop.bulk_from}))
}

/// The number of variants, as far as it was counted, and the first of them.
fn read_sweep(
    _: &Shop,
    _: &OpCx<'_>,
    (): &(),
    response: &WireResponse,
) -> Result<(u32, Connection<Variant>), Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "productVariantsCount")]
        count: Option<Count>,
        #[serde(rename = "productVariants")]
        variants: Connection<Variant>,
    }
    #[derive(Deserialize)]
    struct Count {
        count: u32,
    }
    let data: Data = data(response)?;
    Ok((data.count.map_or(0, |c| c.count), data.variants))
}

// ---- start -----------------------------------------------------------------------------------------

pub(crate) static START: OpSpec = OpSpec { name: "bulk.start", ..LIKE };
const START_TEXT: &str = "mutation Bulk($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id status } userErrors { field message code } } }";

/// The query of the job. It takes no variables: the location is written into it, as a quoted text (a JSON text is one of
/// GraphQL, too).
fn query(shop: &Shop) -> String {
    let location = Value::from(shop.location.as_str());
    format!(
        "{{ products {{ edges {{ node {{ id title status variants {{ edges {{ node {{ id sku price inventoryItem {{ id \
inventoryLevel(locationId: {location}) {{ quantities(names: [\"available\"]) {{ name quantity }} }} }} }} }} }} }} }} }} }}"
    )
}

fn start_variables(shop: &Shop, _: &OpCx<'_>, (): &()) -> Result<Value, Error> {
    Ok(json!({"q": query(shop)}))
}

fn read_start(_: &Shop, _: &OpCx<'_>, (): &(), response: &WireResponse) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "bulkOperationRunQuery")]
        run: Run,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Run {
        bulk_operation: Option<Started>,
    }
    #[derive(Deserialize)]
    struct Started {
        id: String,
    }
    let started = data::<Data>(response)?.run.bulk_operation;
    started.map(|s| s.id).ok_or_else(|| Error::decode("the bulk query was taken in without an operation"))
}

// ---- ask -------------------------------------------------------------------------------------------

static POLL: OpSpec = OpSpec { name: "bulk.poll", buckets: &["cost", "bulk"], ..LIKE };
const POLL_TEXT: &str =
    "query BulkState($id: ID!) { bulkOperation(id: $id) { id status errorCode objectCount url } }";

fn poll_variables(_: &Shop, _: &OpCx<'_>, id: &str) -> Result<Value, Error> {
    Ok(json!({"id": id}))
}

/// `BulkOperation`. Its count is a number in a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    status: String,
    error_code: Option<String>,
    object_count: String,
    url: Option<String>,
}

fn read_poll(_: &Shop, _: &OpCx<'_>, id: &str, response: &WireResponse) -> Result<Job, Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "bulkOperation")]
        job: Option<Job>,
    }
    let gone = || Error::new(Kind::NotFound, format!("Shopify knows no {id}: sweep from the beginning"));
    data::<Data>(response)?.job.ok_or_else(gone)
}

/// How far a job is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Running,
    /// Objects, and where they are; no objects have no file.
    Done(usize, Option<String>),
}

fn progress(id: &str, job: Job) -> Result<Progress, Error> {
    let ended =
        |kind: Kind, how: &str| Err(Error::new(kind, format!("{id} {how}: sweep from the beginning")));
    match (job.status.as_str(), job.error_code.as_deref()) {
        ("CREATED" | "RUNNING", _) => Ok(Progress::Running),
        ("COMPLETED", _) => {
            let count = job.object_count.parse();
            let count = count.map_err(|_| Error::decode(format!("objectCount '{}'", job.object_count)))?;
            match job.url {
                None if count > 0 => Err(Error::decode(format!("{id} has {count} objects and no file"))),
                url => Ok(Progress::Done(count, url)),
            }
        }
        ("FAILED", Some("ACCESS_DENIED")) => {
            let text =
                "the app lacks an access scope for a bulk query: it needs read_products and read_inventory";
            Err(Error::new(Kind::PermissionDenied, text))
        }
        // What it got so far is offered as `partialDataUrl`: a part of a catalogue is no answer.
        ("FAILED", code) => ended(Kind::Unavailable, &format!("failed ({})", code.unwrap_or("no code"))),
        ("CANCELING" | "CANCELED", _) => ended(Kind::Unavailable, "was called off"),
        ("EXPIRED", _) => ended(Kind::NotFound, "has expired, results live seven days"),
        (other, _) => Err(Error::new(Kind::UnknownCode, format!("{id}: status '{other}'"))),
    }
}

// ---- fetch -----------------------------------------------------------------------------------------

/// A pre-signed address of a storage service: it must not see our token.
pub(crate) static FILE: OpSpec = OpSpec { name: "bulk.file", buckets: &[], ..LIKE };

struct Fetch;

impl Operation for Fetch {
    type In = str;
    type Out = Bytes;

    fn spec(&self) -> &OpSpec {
        &FILE
    }
    fn encode(&self, _: &OpCx<'_>, address: &str) -> Result<WireRequest, Error> {
        let url = Url::parse(address).map_err(|e| Error::decode(format!("address of the file: {e}")))?;
        let mut request = WireRequest::new(Method::GET, &url, "")?;
        request.url = url;
        Ok(request)
    }
    fn decode(&self, _: &OpCx<'_>, _: &str, response: &WireResponse) -> Result<Bytes, Error> {
        Ok(response.body.clone())
    }
}

/// A line: a product, or a variant with `__parentId`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    #[serde(rename = "__parentId")]
    parent: Option<String>,
    title: Option<String>,
    status: Option<String>,
    sku: Option<String>,
    price: Option<String>,
    inventory_item: Option<Item>,
}

/// The variants of a file with their products. Lines are read one by one; those of a product need not follow it.
fn variants(file: &[u8], count: usize) -> Result<Vec<Variant>, Error> {
    let lines = || file.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty());
    let read = |(n, line): (usize, &[u8])| -> Result<Line, Error> {
        serde_json::from_slice(line).map_err(|e| Error::decode(format!("line {} of the file: {e}", n + 1)))
    };
    let have = lines().count();
    if have != count {
        return Err(Error::decode(format!("the file has {have} of {count} objects")));
    }
    let mut products = HashMap::new();
    let mut children = Vec::new();
    for line in lines() {
        let line = read(line)?;
        match (line.parent, line.status) {
            (None, Some(status)) => {
                let product = ProductOf { id: line.id.clone(), title: line.title, status };
                products.insert(line.id, product);
            }
            (Some(parent), _) => {
                let part = |what: &str| Error::decode(format!("{} has no {what}", line.id));
                let price = line.price.ok_or_else(|| part("price"))?;
                let item = line.inventory_item.ok_or_else(|| part("inventoryItem"))?;
                children.push((parent, line.id, line.sku, price, item));
            }
            (None, None) => return Err(Error::decode(format!("{} is neither product nor variant", line.id))),
        }
    }
    let joined = children.into_iter().map(|(parent, id, sku, price, inventory_item)| {
        let product = products.get(&parent).cloned();
        let product =
            product.ok_or_else(|| Error::decode(format!("{id}: its product {parent} is not there")))?;
        Ok(Variant { id, sku, price, product, inventory_item })
    });
    joined.collect()
}

// ---- the sweep -------------------------------------------------------------------------------------

impl Shopify {
    /// The first page, or the start of a job where there is much.
    pub(crate) async fn sweep_first(&self, cx: &CallCx) -> Result<Page<LiveListing>, Error> {
        let call = Call::new(&self.shop, &SWEEP, SWEEP_TEXT, 60, sweep_variables, read_sweep);
        let (count, page) = self.pipeline.call(&call, &(), cx).await?;
        if count < self.shop.bulk_from {
            let next = page.next().map(Cursor);
            return Ok(Page { items: self.live(&page.nodes)?, next });
        }
        let start = Call::new(&self.shop, &START, START_TEXT, 10, start_variables, read_start);
        let id = self.pipeline.call(&start, &(), cx).await?;
        Ok(Page { items: Vec::new(), next: Some(cursor(0, &id)) })
    }

    /// Asks about a job; its result, or an empty page with the cursor of the next question. `None`: no cursor of a job.
    pub(crate) async fn sweep_job(
        &self,
        cx: &CallCx,
        text: &str,
    ) -> Option<Result<Page<LiveListing>, Error>> {
        let place = text.strip_prefix(CURSOR)?;
        let (polls, id) = place.split_once(':')?;
        let polls: u32 = polls.parse().ok()?;
        Some(self.ask(cx, polls, id).await)
    }

    async fn ask(&self, cx: &CallCx, polls: u32, id: &str) -> Result<Page<LiveListing>, Error> {
        let poll = Call::new(&self.shop, &POLL, POLL_TEXT, 1, poll_variables, read_poll);
        let job = self.pipeline.call(&poll, id, cx).await?;
        let (count, url) = match progress(id, job)? {
            Progress::Running if polls >= MOST_POLLS => {
                let text = format!("{id} still runs after {polls} questions: sweep from the beginning");
                return Err(Error::new(Kind::Unavailable, text));
            }
            Progress::Running => return Ok(Page { items: Vec::new(), next: Some(cursor(polls + 1, id)) }),
            Progress::Done(_, None) => return Ok(Page::last(Vec::new())),
            Progress::Done(count, Some(url)) => (count, url),
        };
        let file = self.pipeline.call(&Fetch, url.as_str(), cx).await?;
        Ok(Page::last(self.live(&variants(&file, count)?)?))
    }

    /// Variants with a SKU, as listings.
    pub(crate) fn live(&self, variants: &[Variant]) -> Result<Vec<LiveListing>, Error> {
        let live = variants.iter().map(|v| v.live(&self.shop));
        Ok(live.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

fn cursor(polls: u32, id: &str) -> Cursor {
    Cursor(format!("{CURSOR}{polls}:{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCT: &str = r#"{"id":"gid://shopify/Product/1","title":"Tea cup","status":"ACTIVE"}"#;
    const OTHER: &str = r#"{"id":"gid://shopify/Product/2","title":"Lamp","status":"DRAFT"}"#;

    fn variant(id: u32, product: u32) -> String {
        format!(
            r#"{{"id":"gid://shopify/ProductVariant/{id}","sku":"S-{id}","price":"9.99","inventoryItem":{{"id":"gid://shopify/InventoryItem/{id}","inventoryLevel":null}},"__parentId":"gid://shopify/Product/{product}"}}"#
        )
    }

    fn read(lines: &[&str], count: usize) -> Result<Vec<(String, String)>, String> {
        let found = variants(format!("{}\n", lines.join("\n")).as_bytes(), count);
        let pair =
            |v: &Variant| (v.sku.clone().unwrap_or_default(), v.product.title.clone().unwrap_or_default());
        found.map(|v| v.iter().map(pair).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn children_find_their_parents_wherever_they_stand() {
        let (a, b, c) = (variant(1, 1), variant(2, 2), variant(3, 1));
        let pairs = |names: [(&str, &str); 3]| Ok(names.map(|(s, t)| (s.to_owned(), t.to_owned())).to_vec());
        let want = pairs([("S-1", "Tea cup"), ("S-2", "Lamp"), ("S-3", "Tea cup")]);
        // Grouped or not, even before its product: the order is not promised.
        assert_eq!(read(&[PRODUCT, &a, OTHER, &b, &c], 5), want);
        assert_eq!(read(&[&a, PRODUCT, &b, &c, OTHER], 5), want);
        assert_eq!(read(&[PRODUCT], 1), Ok(vec![]));
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        let a = variant(1, 1);
        for (lines, count, why) in [
            (vec![PRODUCT, &a], 3, "the file has 2 of 3 objects"),
            (vec![PRODUCT, &a[..40]], 2, "line 2 of the file"),
            (vec![OTHER, &a], 2, "its product gid://shopify/Product/1 is not there"),
            (vec![r#"{"id":"gid://shopify/Shop/1"}"#], 1, "neither product nor variant"),
        ] {
            let error = read(&lines, count).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_a_completed_job_has_a_result() {
        let job = |status: &str, code: Option<&str>, count: &str, url: Option<&str>| {
            let job = Job {
                status: status.to_owned(),
                error_code: code.map(str::to_owned),
                object_count: count.to_owned(),
                url: url.map(str::to_owned),
            };
            progress("gid://shopify/BulkOperation/1", job).map_err(|e| e.kind())
        };
        let file = Some("https://storage.example/1");
        assert_eq!(job("COMPLETED", None, "3", file), Ok(Progress::Done(3, file.map(str::to_owned))));
        assert_eq!(job("COMPLETED", None, "0", None), Ok(Progress::Done(0, None)));
        for status in ["CREATED", "RUNNING"] {
            assert_eq!(job(status, None, "1", None), Ok(Progress::Running));
        }
        for (status, code, url, kind) in [
            ("COMPLETED", None, None, Kind::Decode),
            ("FAILED", Some("TIMEOUT"), None, Kind::Unavailable),
            ("FAILED", Some("INTERNAL_SERVER_ERROR"), file, Kind::Unavailable),
            ("FAILED", Some("ACCESS_DENIED"), None, Kind::PermissionDenied),
            ("CANCELING", None, None, Kind::Unavailable),
            ("CANCELED", None, None, Kind::Unavailable),
            ("EXPIRED", None, None, Kind::NotFound),
            ("BEAMED_UP", None, file, Kind::UnknownCode),
        ] {
            assert_eq!(job(status, code, "3", url), Err(kind), "{status}");
        }
    }
}
