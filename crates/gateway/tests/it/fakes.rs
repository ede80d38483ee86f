//! A channel and a carrier in memory, whose next call can be told to do something first: that is where races live.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tradewind_connector::role::{
    Customs, Declare, Draft, DraftOffer, ItemOutcome, Listed, Listings, Logistics, Marketplace, Offers,
    OrderActions, Orders, Payments, Receipts, Returns, Shipments, Stock, StockChange, Tracking,
    TrackingReport, offers_of,
};
use tradewind_connector::*;
use tradewind_domain::{
    BookedShipment, CustomsReceipt, Declaration, Dispute, Filed, ListingRef, ListingState, LiveListing,
    Mismatch, Order, OrderId, Return, ShipmentId, ShipmentNotice, ShipmentRequest, Sku, TrackingEvent,
    Waybill,
};

type Before = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What the other side knows.
#[derive(Default)]
pub(crate) struct Other {
    pub(crate) listings: BTreeMap<Sku, LiveListing>,
    /// Listings that a sweep leaves out.
    pub(crate) hidden: Vec<Sku>,
    /// Listings of which what the channel tells cannot be read.
    pub(crate) odd_listings: Vec<Sku>,
    /// By their names they are not found.
    pub(crate) lost: bool,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    /// Orders of which what the channel tells cannot be read.
    pub(crate) odd: Vec<OrderId>,
    /// The listing gives the numbers of odd ones all the same, under which they are as odd.
    pub(crate) numbered: bool,
    /// What customs wrote.
    pub(crate) receipts: Vec<CustomsReceipt>,
    /// What was filed with them.
    pub(crate) filed: Vec<Declaration>,
    /// What customs answer to the next filings, cancellations and questions about them; then they have it at once.
    pub(crate) filing: VecDeque<Submitted<Filed>>,
    /// What they were asked to withdraw, and to go on with.
    pub(crate) withdrawn: Vec<Declaration>,
    pub(crate) polled: Vec<Handle>,
    /// The listing of orders tells their numbers alone.
    pub(crate) one_by_one: bool,
    /// Cases, as they stand there.
    pub(crate) returns: Vec<Return>,
    pub(crate) disputes: Vec<Dispute>,
    pub(crate) shipped: Vec<ShipmentNotice>,
    pub(crate) labels: BTreeMap<ShipmentId, Waybill>,
    pub(crate) voided: Vec<Waybill>,
    /// Scans, all of them of each label.
    pub(crate) scans: Vec<TrackingEvent>,
    /// What it tells of every parcel and nobody can read.
    pub(crate) odd_scans: Vec<String>,
    /// Calls, by name.
    pub(crate) calls: Vec<&'static str>,
    /// Keys of writes to listings.
    pub(crate) keys: Vec<String>,
    /// What was put, call by call.
    pub(crate) drafts: Vec<Vec<Draft>>,
    /// The next calls of these names are done later: when they are asked about.
    pub(crate) defer: Vec<&'static str>,
    /// Errors that the next calls of a name end with, after they were carried out.
    pub(crate) fail: Vec<(&'static str, Kind)>,
    /// What such an error says, where it matters.
    pub(crate) says: Option<&'static str>,
    /// Of such an error it is said that the call was carried out in part.
    pub(crate) in_part: bool,
}

pub(crate) struct Fake {
    pipeline: Pipeline,
    other: Mutex<Other>,
    before: Mutex<Vec<(&'static str, Before)>>,
}

impl Fake {
    pub(crate) fn new(id: &str, facets: &[Facet]) -> Arc<Fake> {
        Fake::bounded(id, facets, Bounds { sweep_from: Some(3), ..Bounds::default() })
    }

    pub(crate) fn bounded(id: &str, facets: &[Facet], bounds: Bounds) -> Arc<Fake> {
        let support: Vec<(Facet, Support)> = facets.iter().map(|f| (*f, Support::Native)).collect();
        let capabilities = Capabilities::new(&support, bounds);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runtime = Runtime::in_memory(clock, Arc::new(NoNetwork));
        let parts = Parts {
            info: ConnectorInfo {
                id: "fake".parse().unwrap(),
                name: "Fake".to_owned(),
                roles: vec![Role::Marketplace, Role::Logistics],
                api_version: "1".to_owned(),
                docs: String::new(),
            },
            account: id.parse().unwrap(),
            app: String::new(),
            access: Access::ReadWrite,
            capabilities: Arc::new(capabilities),
            protocol: Arc::new(Quiet),
            limits: Limits::default(),
            errors: ErrorTable::parse("").unwrap(),
            patience: Patience::default(),
        };
        Arc::new(Fake {
            pipeline: Pipeline::new(parts, runtime),
            other: Mutex::default(),
            before: Mutex::default(),
        })
    }

    pub(crate) fn other(&self) -> MutexGuard<'_, Other> {
        self.other.lock().unwrap()
    }

    /// How often a call was made.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.other().calls.iter().filter(|c| **c == call).count()
    }

    /// Does something before the next call of a name is carried out.
    pub(crate) fn before<F>(&self, call: &'static str, what: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.before.lock().unwrap().push((call, Box::new(move || Box::pin(what()))));
    }

    pub(crate) async fn enter(&self, call: &'static str) {
        let next = {
            let mut before = self.before.lock().unwrap();
            before.iter().position(|(name, _)| *name == call).map(|n| before.remove(n).1)
        };
        if let Some(next) = next {
            next().await;
        }
        self.other().calls.push(call);
    }

    /// The handle of a call that is done later.
    fn deferred(&self, call: &'static str) -> Option<Handle> {
        let mut other = self.other();
        let n = other.defer.iter().position(|name| *name == call)?;
        other.defer.remove(n);
        let (flow, id, step) = (call.to_owned(), "job-1".to_owned(), String::new());
        Some(Handle { flow, id, step, state: serde_json::Value::Null, not_before: None })
    }

    pub(crate) fn leave<T>(&self, call: &'static str, answer: T) -> Result<T> {
        let mut other = self.other();
        match other.fail.iter().position(|(name, _)| *name == call) {
            Some(n) => {
                let says = other.says.unwrap_or("told to fail");
                let error = Error::new(other.fail.remove(n).1, says);
                Err(if other.in_part { error.in_part() } else { error })
            }
            None => Ok(answer),
        }
    }
}

struct Quiet;
impl Protocol for Quiet {}

struct NoNetwork;
#[async_trait]
impl Transport for NoNetwork {
    async fn send(&self, _: &WireRequest, _: Duration) -> Result<WireResponse, TransportError> {
        Err(TransportError { maybe_sent: false, message: "no network here".to_owned() })
    }
}

impl Connector for Fake {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        self.capabilities().support(Facet::Offers).works().then_some(self)
    }
    fn customs(&self) -> Option<&dyn Customs> {
        self.capabilities().support(Facet::Declare).works().then_some(self)
    }
    fn inbound(&self) -> Option<&dyn Inbound> {
        self.capabilities().support(Facet::Webhooks).works().then_some(self)
    }
    fn payments(&self) -> Option<&dyn Payments> {
        self.capabilities().support(Facet::Disputes).works().then_some(self)
    }
    fn logistics(&self) -> Option<&dyn Logistics> {
        self.capabilities().support(Facet::Shipments).works().then_some(self)
    }
}

/// Signed by a header that says so; the body is `id topic word`.
impl Inbound for Fake {
    fn verify(&self, request: &InboundRequest) -> Result<Vec<Hint>> {
        if request.headers.get("signed").is_none() {
            return Err(Error::new(Kind::Unauthenticated, "not signed"));
        }
        let text = String::from_utf8(request.body.to_vec()).unwrap();
        let mut words = text.split(' ').skip(1);
        Ok(vec![match (words.next(), words.next()) {
            (Some("order"), Some(id)) => Hint::Order(id.parse().unwrap()),
            (Some("parcel"), Some(id)) => Hint::Parcel(id.parse().unwrap()),
            (Some("sku"), Some(sku)) => Hint::Sku(sku.parse().unwrap()),
            (Some("gone"), _) => Hint::Disconnected,
            (Some("dispute"), Some(id)) => Hint::Dispute(id.to_owned()),
            (Some("odd"), _) => return Err(Error::decode("the name of a buyer")),
            (topic, _) => Hint::Unknown(topic.unwrap().to_owned()),
        }])
    }
    fn delivery(&self, request: &InboundRequest) -> Option<String> {
        Some(String::from_utf8(request.body.to_vec()).unwrap().split(' ').next().unwrap().to_owned())
    }
}

impl Marketplace for Fake {
    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }
    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
    fn listings(&self) -> Option<&dyn Listings> {
        Some(self)
    }
    fn orders(&self) -> Option<&dyn Orders> {
        Some(self)
    }
    fn order_actions(&self) -> Option<&dyn OrderActions> {
        Some(self)
    }
    fn returns(&self) -> Option<&dyn Returns> {
        self.capabilities().support(Facet::Returns).works().then_some(self)
    }
}

#[async_trait]
impl Offers for Fake {
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>> {
        self.enter("put").await;
        self.other().keys.extend(cx.key().map(str::to_owned));
        self.other().drafts.push(drafts.to_vec());
        let listing = |o: &DraftOffer| format!("{}/{}", o.offer.product, o.offer.sku).parse().unwrap();
        let told: Vec<&DraftOffer> = drafts.iter().flat_map(Draft::whole).collect();
        if self.capabilities().bounds.whole_products {
            // What is left out is taken off sale.
            let products: Vec<String> = drafts.iter().map(|d| format!("{}/", d.product)).collect();
            let of = |l: &LiveListing| l.key.listing.as_ref().map(ToString::to_string).unwrap_or_default();
            self.other().listings.retain(|_, l| !products.iter().any(|p| of(l).starts_with(p.as_str())));
        }
        for one in told {
            let offer = &one.offer;
            let live = LiveListing {
                key: ListingRef {
                    sku: offer.sku.clone(),
                    listing: self.capabilities().bounds.whole_products.then(|| listing(one)),
                },
                state: ListingState::Live,
                price: Some(offer.price),
                quantity: Some(offer.quantity),
                title: Some(offer.content.title.clone()),
                issues: Vec::new(),
            };
            self.other().listings.insert(offer.sku.clone(), live);
        }
        let done = offers_of(drafts).map(|o| ItemOutcome::ok(&o.offer.sku, None)).collect();
        self.leave("put", Submitted::Done(done))
    }
    /// Takes effect later: when a test puts the listings there.
    async fn list(&self, _: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>> {
        self.enter("list").await;
        let done = offers_of(drafts).map(|o| ItemOutcome::ok(&o.offer.sku, None)).collect();
        self.leave("list", Submitted::Done(done))
    }
    async fn withdraw(&self, _: &CallCx, gone: &[ListingRef]) -> Result<Submitted<Vec<ItemOutcome>>> {
        self.enter("withdraw").await;
        gone.iter().for_each(|key| drop(self.other().listings.remove(&key.sku)));
        self.leave("withdraw", Submitted::Done(gone.iter().map(|k| ItemOutcome::ok(&k.sku, None)).collect()))
    }
    async fn poll(&self, _: &CallCx, _: &Handle) -> Result<Submitted<Vec<ItemOutcome>>> {
        self.enter("job").await;
        self.leave("job", Submitted::Done(Vec::new()))
    }
}

#[async_trait]
impl Stock for Fake {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>> {
        self.enter("stock").await;
        self.other().keys.extend(cx.key().map(str::to_owned));
        for change in changes {
            if let Some(live) = self.other().listings.get_mut(&change.key.sku) {
                live.quantity = Some(change.quantity);
            }
        }
        if let Some(handle) = self.deferred("stock") {
            return self.leave("stock", Submitted::Deferred(handle));
        }
        let outcomes = changes.iter().map(|c| ItemOutcome::ok(&c.key.sku, None)).collect();
        self.leave("stock", Submitted::Done(outcomes))
    }
    /// All that is there was taken.
    async fn poll(&self, _: &CallCx, _: &Handle) -> Result<Submitted<Vec<ItemOutcome>>> {
        self.enter("feed").await;
        let done = self.other().listings.keys().map(|sku| ItemOutcome::ok(sku, None)).collect();
        self.leave("feed", Submitted::Done(done))
    }
}

#[async_trait]
impl Listings for Fake {
    async fn read(&self, _: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>> {
        self.enter("read").await;
        let found = {
            let other = self.other();
            let live = |k: &ListingRef| match other.odd_listings.contains(&k.sku) {
                true if other.lost => Ok(LiveListing::absent(k.clone())),
                true => Err(odd_listing(&k.sku)),
                false => {
                    Ok(other.listings.get(&k.sku).cloned().unwrap_or_else(|| LiveListing::absent(k.clone())))
                }
            };
            let (read, odd): (Vec<_>, Vec<_>) = keys.iter().map(live).partition(Result::is_ok);
            match odd.into_iter().next() {
                Some(e) if read.is_empty() => e.map(|one| vec![one]),
                _ => read.into_iter().collect(),
            }
        };
        self.leave("read", found)?
    }
    /// Two pages; what `hidden` names is on neither.
    async fn sweep(&self, _: &CallCx, cursor: Option<&Cursor>) -> Result<Page<Result<LiveListing>>> {
        self.enter("sweep").await;
        let all: Vec<Result<LiveListing>> = {
            let other = self.other();
            let shown = other.listings.values().filter(|l| !other.hidden.contains(&l.key.sku));
            let read = |l: &LiveListing| match other.odd_listings.contains(&l.key.sku) {
                true => Err(odd_listing(&l.key.sku)),
                false => Ok(l.clone()),
            };
            shown.map(read).collect()
        };
        let half = all.len() / 2;
        let page = match cursor {
            None => Page { items: all[..half].to_vec(), next: Some(Cursor("2".to_owned())) },
            Some(_) => Page { items: all[half..].to_vec(), next: None },
        };
        self.leave("sweep", page)
    }
}

/// Changed in the window, both ends included.
fn within(window: Window, order: &Order) -> bool {
    (window.from..=window.to).contains(&order.updated_at.utc)
}

fn odd_listing(sku: &Sku) -> Error {
    Error::decode(format!("listing {sku}: no price")).of_record(sku.as_str())
}

fn odd(id: &OrderId) -> Error {
    Error::decode(format!("order {id}: no total"))
}

#[async_trait]
impl Orders for Fake {
    async fn changed(&self, _: &CallCx, window: Window, _: Option<&Cursor>) -> Result<Page<Result<Listed>>> {
        self.enter("orders").await;
        let items = {
            let other = self.other();
            let changed = other.orders.values().filter(|o| within(window, o));
            let read = |o: &Order| match other.odd.contains(&o.id) {
                _ if other.one_by_one => Ok(Listed::Named(o.id.clone())),
                true if other.numbered => Err(odd(&o.id).of_record(o.id.to_string())),
                true => Err(odd(&o.id)),
                false => Ok(Listed::Whole(o.clone())),
            };
            changed.map(read).collect()
        };
        self.leave("orders", Page { items, next: None })
    }
    async fn get(&self, _: &CallCx, id: &OrderId) -> Result<Order> {
        self.enter("order").await;
        let found = self.other().orders.get(id).cloned();
        if self.other().numbered && self.other().odd.contains(id) {
            return Err(odd(id));
        }
        self.leave("order", ())?;
        found.ok_or_else(|| Error::new(Kind::NotFound, "no such order"))
    }
}

#[async_trait]
impl OrderActions for Fake {
    async fn ship(&self, _: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>> {
        self.enter("ship").await;
        if let Some(handle) = self.deferred("ship") {
            return self.leave("ship", Submitted::Deferred(handle));
        }
        self.other().shipped.push(notice.clone());
        self.leave("ship", Submitted::Done(()))
    }
    async fn poll(&self, _: &CallCx, handle: &Handle) -> Result<Submitted<()>> {
        self.enter("told?").await;
        match self.deferred("told?") {
            Some(later) => {
                self.leave("told?", Submitted::Deferred(Handle { id: handle.id.clone(), ..later }))
            }
            None => self.leave("told?", Submitted::Done(())),
        }
    }
}

impl Customs for Fake {
    fn declare(&self) -> Option<&dyn Declare> {
        Some(self)
    }
    fn receipts(&self) -> Option<&dyn Receipts> {
        Some(self)
    }
}

#[async_trait]
impl Declare for Fake {
    fn validate(&self, _: &Declaration) -> Vec<Mismatch> {
        Vec::new()
    }
    async fn submit(&self, _: &CallCx, declaration: &Declaration) -> Result<Submitted<Filed>> {
        self.enter("file").await;
        self.other().filed.push(declaration.clone());
        let answer = self.other().filing.pop_front().unwrap_or(Submitted::Done(Filed::default()));
        self.leave("file", answer)
    }
    async fn cancel(&self, _: &CallCx, declaration: &Declaration, _: &str) -> Result<Submitted<Filed>> {
        self.enter("withdraw").await;
        self.other().withdrawn.push(declaration.clone());
        let answer = self.other().filing.pop_front().unwrap_or(Submitted::Done(Filed::default()));
        // What is given is given, also where the call is told to fail.
        self.leave("withdraw", answer.clone()).map_err(|e| match answer {
            Submitted::Done(given) => e.having(given),
            Submitted::Deferred(_) => e,
        })
    }
    async fn poll(&self, _: &CallCx, handle: &Handle) -> Result<Submitted<Filed>> {
        self.enter("go on").await;
        self.other().polled.push(handle.clone());
        let answer = self.other().filing.pop_front().unwrap_or(Submitted::Done(Filed::default()));
        self.leave("go on", answer)
    }
}

#[async_trait]
impl Receipts for Fake {
    /// From a position on.
    async fn poll(&self, _: &CallCx, cursor: Option<&Cursor>) -> Result<Page<CustomsReceipt>> {
        self.enter("mailbox").await;
        let from: usize = cursor.map_or(0, |c| c.0.parse().unwrap());
        let items = self.other().receipts[from..].to_vec();
        let next = (!items.is_empty()).then(|| Cursor((from + items.len()).to_string()));
        self.leave("mailbox", Page { items, next })
    }
    async fn of(&self, _: &CallCx, declaration: &Declaration) -> Result<Vec<CustomsReceipt>> {
        self.enter("ask").await;
        let all = self.other().receipts.clone();
        self.leave("ask", all.into_iter().filter(|r| declaration.is_answered_by(r, None)).collect())
    }
    fn ingest(&self, _: &[u8]) -> Result<Vec<CustomsReceipt>> {
        Ok(Vec::new())
    }
}

impl Logistics for Fake {
    fn shipments(&self) -> Option<&dyn Shipments> {
        Some(self)
    }
    fn tracking(&self) -> Option<&dyn Tracking> {
        self.capabilities().support(Facet::Tracking).works().then_some(self)
    }
}

#[async_trait]
impl Tracking for Fake {
    async fn track(&self, _: &CallCx, waybills: &[Waybill]) -> Result<Vec<TrackingReport>> {
        self.enter("track").await;
        let events = self.other().scans.clone();
        let unread = self.other().odd_scans.clone();
        let report = |w: &Waybill| TrackingReport {
            waybill: w.clone(),
            events: events.clone(),
            unread: unread.clone(),
        };
        self.leave("track", waybills.iter().map(report).collect())
    }
}

fn label(id: &ShipmentId, waybill: Waybill) -> BookedShipment {
    BookedShipment {
        id: id.clone(),
        waybill,
        pieces: Vec::new(),
        charge: None,
        documents: Vec::new(),
        warnings: Vec::new(),
    }
}

#[async_trait]
impl Shipments for Fake {
    async fn create(&self, _: &CallCx, request: &ShipmentRequest) -> Result<Submitted<BookedShipment>> {
        self.enter("book").await;
        let waybill = Waybill::new(format!("W{}", self.other().labels.len() + 1)).unwrap();
        self.other().labels.insert(request.id.clone(), waybill.clone());
        if let Some(handle) = self.deferred("book") {
            return self.leave("book", Submitted::Deferred(handle));
        }
        self.leave("book", Submitted::Done(label(&request.id, waybill)))
    }
    /// It has no answer of its own.
    async fn poll(&self, _: &CallCx, _: &Handle) -> Result<Submitted<BookedShipment>> {
        self.enter("label?").await;
        self.leave("label?", ())?;
        Err(Error::new(Kind::Unavailable, "later"))
    }
    async fn find(&self, _: &CallCx, id: &ShipmentId, _: jiff::Timestamp) -> Result<Option<BookedShipment>> {
        self.enter("find").await;
        let found = self.other().labels.get(id).cloned();
        self.leave("find", found.map(|waybill| label(id, waybill)))
    }
    async fn void(&self, _: &CallCx, waybill: &Waybill) -> Result<()> {
        self.enter("void").await;
        self.other().labels.retain(|_, w| w != waybill);
        self.other().voided.push(waybill.clone());
        self.leave("void", ())
    }
}
