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
use crate::gql::{Call, Each, data};
use crate::variants::{self, Item, ProductOf, Variant, Variants, variant_fields};

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
const SWEEP_TEXT: &str = concat!(
    "query Sweep($l: ID!, $n: Int!) { productVariantsCount(limit: $n) { count } productVariants(first: 50) { ",
    variant_fields!(""),
    " } }"
);
const SWEEP_PUBLISHED_TEXT: &str = concat!(
    "query Sweep($l: ID!, $n: Int!, $p: ID!) { productVariantsCount(limit: $n) { count } productVariants(first: 50) { ",
    variant_fields!(" publishedOnPublication(publicationId: $p)"),
    " } }"
);

fn sweep_variables(shop: &Shop, _: &OpCx<'_>, (): &()) -> Result<Value, Error> {
    // Counted no further than it matters.
    let mut variables = json!({"l": shop.location, "n": shop.bulk_from});
    if let Some(publication) = &shop.publication {
        variables["p"] = publication.as_str().into();
    }
    Ok(variables)
}

/// The number of variants, as far as it was counted, and the first of them.
fn read_sweep(_: &Shop, _: &OpCx<'_>, (): &(), response: &WireResponse) -> Result<(u32, Variants), Error> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "productVariantsCount")]
        count: Option<Count>,
        #[serde(rename = "productVariants")]
        variants: Each,
    }
    #[derive(Deserialize)]
    struct Count {
        count: u32,
    }
    let data: Data = data(response)?;
    Ok((data.count.map_or(0, |c| c.count), variants::page(&data.variants)))
}

// ---- start -----------------------------------------------------------------------------------------

pub(crate) static START: OpSpec = OpSpec { name: "bulk.start", ..LIKE };
const START_TEXT: &str = "mutation Bulk($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id status } userErrors { field message code } } }";

/// The query of the job. It takes no variables: location and publication are written into it, as quoted texts (a JSON text is
/// one of GraphQL, too).
fn query(shop: &Shop) -> String {
    let location = Value::from(shop.location.as_str());
    let published = shop
        .publication
        .as_deref()
        .map_or_else(String::new, |p| format!(" publishedOnPublication(publicationId: {})", Value::from(p)));
    format!(
        "{{ products {{ edges {{ node {{ id title status{published} variants {{ edges {{ node {{ id sku price inventoryItem {{ id \
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
    #[serde(rename = "publishedOnPublication")]
    published: Option<bool>,
    sku: Option<String>,
    price: Option<String>,
    inventory_item: Option<Item>,
}

/// A line of the file. One that cannot be read is named by its SKU, where it tells one.
fn line(n: usize, text: &[u8]) -> Result<Line, Error> {
    #[derive(Deserialize)]
    struct Named {
        sku: Option<String>,
    }
    serde_json::from_slice(text).map_err(|e| {
        let e = Error::decode(format!("line {} of the file: {e}", n + 1));
        match serde_json::from_slice::<Named>(text).ok().and_then(|n| n.sku) {
            Some(sku) => e.of_named("listing", sku),
            None => e,
        }
    })
}

/// The variants of a file with their products. Lines are read one by one, and one that cannot be is an error of its own,
/// before the variants; those of a product need not follow it.
fn variants(file: &[u8], count: usize) -> Result<Vec<Result<Variant, Error>>, Error> {
    let lines = || file.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty());
    let have = lines().count();
    if have != count {
        return Err(Error::decode(format!("the file has {have} of {count} objects")));
    }
    let mut products = HashMap::new();
    let mut children = Vec::new();
    let mut found = Vec::new();
    for (n, text) in lines() {
        let line = match line(n, text) {
            Ok(line) => line,
            Err(e) => {
                found.push(Err(e));
                continue;
            }
        };
        match (line.parent, line.status) {
            (None, Some(status)) => {
                let product =
                    ProductOf { id: line.id.clone(), title: line.title, status, published: line.published };
                products.insert(line.id, product);
            }
            (Some(parent), _) => children.push((parent, line.id, line.sku, line.price, line.inventory_item)),
            (None, None) => {
                found.push(Err(Error::decode(format!("{} is neither product nor variant", line.id))));
            }
        }
    }
    found.extend(children.into_iter().map(|(parent, id, sku, price, item)| {
        let odd = |what: String| {
            let e = Error::decode(format!("{id}: {what}"));
            match &sku {
                Some(sku) => e.of_named("listing", sku.as_str()),
                None => e,
            }
        };
        let price = price.ok_or_else(|| odd("no price".to_owned()))?;
        let inventory_item = item.ok_or_else(|| odd("no inventoryItem".to_owned()))?;
        let product = products.get(&parent).cloned();
        let product =
            product.ok_or_else(|| odd(format!("its product {parent} is not there, or cannot be read")))?;
        Ok(Variant { id, sku, price, product, inventory_item })
    }));
    Ok(found)
}

// ---- the sweep -------------------------------------------------------------------------------------

impl Shopify {
    /// The first page, or the start of a job where there is much.
    pub(crate) async fn sweep_first(&self, cx: &CallCx) -> Result<Page<Result<LiveListing, Error>>, Error> {
        let text = if self.shop.publication.is_some() { SWEEP_PUBLISHED_TEXT } else { SWEEP_TEXT };
        let call = Call::new(&self.shop, &SWEEP, text, 60, sweep_variables, read_sweep);
        let (count, page) = self.pipeline.call(&call, &(), cx).await?;
        if count < self.shop.bulk_from {
            return Ok(self.live(page));
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
    ) -> Option<Result<Page<Result<LiveListing, Error>>, Error>> {
        let place = text.strip_prefix(CURSOR)?;
        let (polls, id) = place.split_once(':')?;
        let polls: u32 = polls.parse().ok()?;
        Some(self.ask(cx, polls, id).await)
    }

    async fn ask(
        &self,
        cx: &CallCx,
        polls: u32,
        id: &str,
    ) -> Result<Page<Result<LiveListing, Error>>, Error> {
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
        Ok(self.live(Page::last(variants(&file, count)?)))
    }

    /// Variants with a SKU, as listings.
    pub(crate) fn live(&self, page: Variants) -> Page<Result<LiveListing, Error>> {
        let live = |v: Result<Variant, Error>| v.and_then(|v| v.live(&self.shop)).transpose();
        Page { items: page.items.into_iter().filter_map(live).collect(), next: page.next }
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

    fn rows(lines: &[&str], count: usize) -> Result<Vec<Result<Variant, Error>>, String> {
        variants(format!("{}\n", lines.join("\n")).as_bytes(), count).map_err(|e| e.to_string())
    }

    fn read(lines: &[&str], count: usize) -> Result<Vec<(String, String)>, String> {
        let pair =
            |v: Variant| (v.sku.clone().unwrap_or_default(), v.product.title.clone().unwrap_or_default());
        rows(lines, count)?.into_iter().map(|v| v.map(pair).map_err(|e| e.to_string())).collect()
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
        let error = read(&[PRODUCT, &variant(1, 1)], 3).unwrap_err();
        assert!(error.contains("the file has 2 of 3 objects"), "{error}");
    }

    #[test]
    fn a_line_that_is_odd_keeps_back_no_other_and_is_named() {
        let (good, odd) = (variant(1, 1), variant(2, 1));
        let unpriced = odd.replace(r#""price":"9.99","#, "");
        let twisted = odd.replace(r#""price":"9.99""#, r#""price":{}"#);
        let orphan = variant(2, 2);
        for (line, sku, why) in [
            (&odd[..40], None, "line 2 of the file"),
            (&twisted, Some("S-2"), "listing S-2: unexpected answer: line 2 of the file"),
            (&unpriced, Some("S-2"), "no price"),
            (&orphan, Some("S-2"), "its product gid://shopify/Product/2 is not there"),
            (r#"{"id":"gid://shopify/Shop/1"}"#, None, "neither product nor variant"),
        ] {
            let found = rows(&[PRODUCT, line, &good], 3).unwrap();
            let skus: Vec<_> = found.iter().flatten().map(|v| v.sku.as_deref()).collect();
            assert_eq!((found.len(), skus), (2, vec![Some("S-1")]), "{why}");
            let error = found.iter().find_map(|r| r.as_ref().err()).unwrap();
            assert_eq!(error.record(), sku, "{error}");
            assert!(error.to_string().contains(why), "{error}");
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
