//! Connector: AliExpress (速卖通) seller API on the IOP gateway.
//!
//! Publishes, edits and deletes products (one offer = one product with one SKU), sets stock and prices in batches,
//! reads listings back, takes orders in with lines and address, reports shipments, and tells what was released of each order.
//! Errors come inside status 200 in three layers; order times are Pacific wall clock. What is not covered, and why, is in the README.

mod auth;
mod categories;
mod config;
mod issues;
mod map;
mod orders;
mod products;
mod releases;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use tradewind_connector::role::{
    self, Cancellation, Connector, ConnectorInfo, Draft, DraftOffer, ItemOutcome, Listed, Marketplace,
    PriceChange, Role, StockChange, offers_of,
};
use tradewind_connector::{
    AccountConfig, Bounds, CallCx, Capabilities, Cursor, Effort, Efforts, Error, Facet, Factory, Handle,
    Kind, Opening, Page, Pipeline, Runtime, Submitted, Support, Window,
};
use tradewind_domain::{
    ConnectorId, ListingId, ListingRef, LiveListing, Order, OrderId, OrderState, ShipmentNotice, Sku,
};

use crate::auth::Iop;
use crate::orders::{ListIn, ShipIn};
use crate::products::{BATCH, EditIn, FindIn, On, ReadIn, STATUSES};

/// This connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "aliexpress",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["app_secret", "refresh_token"],
    example: include_str!("../example.toml"),
    open,
};

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: ConnectorId::literal("aliexpress"),
        name: "AliExpress".to_owned(),
        roles: vec![Role::Marketplace],
        api_version: "IOP gateway, aliexpress.solution.*, issue.* and trade.* methods".to_owned(),
        docs: "https://openservice.aliexpress.com/doc/api.htm".to_owned(),
    }
}

fn capabilities() -> Capabilities {
    use Support::{Native, NotImplemented, Unsupported};
    let support = [
        (Facet::Offers, Native),
        (Facet::Withdraw, Native),
        (Facet::Stock, Native),
        (Facet::Prices, Native),
        (Facet::Listings, Native),
        (Facet::Orders, Native),
        (Facet::Ship, Native),
        (Facet::Categories, Native),
        (Facet::Returns, Native),
        // The buyer's wish alone: a seller has no call that cancels.
        (Facet::Cancel, Native),
        // A seller gives no money back of his own accord: it follows from an issue's solution.
        (Facet::Refund, Unsupported),
        (Facet::Webhooks, NotImplemented),
        (Facet::Transactions, Native),
        // No method for statements or payouts is known (fact sheet §5): what was released lies there until it is withdrawn.
        (Facet::Statements, Unsupported),
        (Facet::Payouts, Unsupported),
    ];
    let bounds = Bounds {
        offers_batch: Some(1),
        stock_batch: Some(20),
        prices_batch: Some(20),
        listings_batch: Some(1),
        // Which product has a SKU is looked for status by status; a new one is in none of them.
        efforts: Efforts {
            create: Effort::item(STATUSES.len() as u32 + 1),
            update: Effort::item(2),
            quantity: Effort::batch(1),
            withdraw: Effort::item(1),
            read: Effort::item(1),
            ..Efforts::default()
        },
        title_chars: Some(218),
        images: Some(6),
        max_quantity: Some(products::MAX_QUANTITY),
        // The repeated hour of November is ambiguous in their times (fact sheet §9).
        visibility_lag_minutes: Some(70),
        ..Bounds::default()
    };
    Capabilities::new(&support, bounds)
}

fn open(config: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let login = config::login(&config)?;
    let settings = login.settings.clone();
    let mut capabilities = capabilities();
    capabilities.bounds.currencies = vec![settings.currency];
    let opening = Opening { app: settings.app_key.clone(), capabilities, protocol: Arc::new(Iop { login }) };
    let endpoint = settings.endpoint.clone();
    Ok(Arc::new(AliExpress {
        pipeline: FACTORY.pipeline(&config, opening, runtime)?,
        find: products::Find { endpoint: endpoint.clone() },
        publish: products::Publish { settings: settings.clone() },
        edit: products::Edit { settings: settings.clone() },
        delete: products::Delete { endpoint: endpoint.clone() },
        stock: products::SetStock { endpoint: endpoint.clone() },
        price: products::SetPrice { settings: settings.clone() },
        read: products::Read { endpoint: endpoint.clone() },
        suggest: categories::Suggest { endpoint: endpoint.clone() },
        attributes: categories::Attributes { endpoint: endpoint.clone() },
        list: orders::List { endpoint: endpoint.clone() },
        issues: issues::ListIssues { endpoint: endpoint.clone() },
        issue: issues::GetIssue { endpoint: endpoint.clone() },
        loans: releases::ListLoans { endpoint: endpoint.clone() },
        funds: releases::GetFunds { endpoint: endpoint.clone() },
        accept_cancel: issues::AcceptCancel { endpoint: endpoint.clone() },
        get: orders::Get { endpoint },
        ship: orders::Ship { settings },
    }))
}

/// An AliExpress account, ready to be called.
struct AliExpress {
    pipeline: Pipeline,
    find: products::Find,
    publish: products::Publish,
    edit: products::Edit,
    delete: products::Delete,
    stock: products::SetStock,
    price: products::SetPrice,
    read: products::Read,
    suggest: categories::Suggest,
    attributes: categories::Attributes,
    list: orders::List,
    issues: issues::ListIssues,
    issue: issues::GetIssue,
    loans: releases::ListLoans,
    funds: releases::GetFunds,
    accept_cancel: issues::AcceptCancel,
    get: orders::Get,
    ship: orders::Ship,
}

impl AliExpress {
    /// The product that holds a SKU: from the reference, or by looking through the statuses.
    async fn locate(&self, sku: &Sku, known: Option<&ListingId>) -> Result<Option<ListingId>, Error> {
        if let Some(id) = known {
            return Ok(Some(id.clone()));
        }
        for status in STATUSES {
            let query = FindIn { sku: sku.to_string(), status };
            if let Some(id) = self.pipeline.call(&self.find, &query, &CallCx::new()).await? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    async fn put_one(&self, cx: &CallCx, draft: &DraftOffer) -> Result<ListingId, Error> {
        let offer = &draft.offer;
        match self.locate(&offer.sku, draft.listing.as_ref()).await? {
            // An edit states the quantity, and none is not taken: it waits for stock. No refusal of what is offered.
            Some(_) if offer.quantity == 0 => {
                let text = format!(
                    "{}: AliExpress takes no edit of a product that is sold out; sent when there is stock",
                    offer.sku
                );
                Err(Error::new(Kind::Conflict, text))
            }
            Some(product) => {
                let input = EditIn { offer: offer.clone(), product };
                self.pipeline.call(&self.edit, &input, &cx.step(&format!("edit-{}", offer.sku))).await
            }
            None => self.pipeline.call(&self.publish, offer, &cx.step(&format!("post-{}", offer.sku))).await,
        }
    }

    /// Looks the products up; a change whose product is not there gets its outcome at once.
    async fn place<T: Clone>(
        &self,
        changes: &[T],
        key: impl Fn(&T) -> &ListingRef,
    ) -> Result<(Vec<(usize, On<T>)>, Vec<(usize, ItemOutcome)>), Error> {
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for (n, change) in changes.iter().enumerate() {
            let at = key(change);
            match self.locate(&at.sku, at.listing.as_ref()).await? {
                Some(product) => found.push((n, On { product, change: change.clone() })),
                None => {
                    let text = format!("no AliExpress product carries the SKU {}", at.sku);
                    lost.push((n, ItemOutcome::err(&at.sku, Error::new(Kind::NotFound, text))));
                }
            }
        }
        Ok((found, lost))
    }
}

/// Fails the items of one call with its error; the other calls go on.
fn fail(skus: &[Sku], error: &Error) -> Vec<ItemOutcome> {
    skus.iter().map(|sku| ItemOutcome::err(sku, error.clone())).collect()
}

fn in_order(mut outcomes: Vec<(usize, ItemOutcome)>) -> Submitted<Vec<ItemOutcome>> {
    outcomes.sort_by_key(|(n, _)| *n);
    Submitted::Done(outcomes.into_iter().map(|(_, o)| o).collect())
}

impl Connector for AliExpress {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        Some(self)
    }
}

impl Marketplace for AliExpress {
    fn offers(&self) -> Option<&dyn role::Offers> {
        Some(self)
    }
    fn stock(&self) -> Option<&dyn role::Stock> {
        Some(self)
    }
    fn prices(&self) -> Option<&dyn role::Prices> {
        Some(self)
    }
    fn listings(&self) -> Option<&dyn role::Listings> {
        Some(self)
    }
    fn categories(&self) -> Option<&dyn role::Categories> {
        Some(self)
    }
    fn orders(&self) -> Option<&dyn role::Orders> {
        Some(self)
    }
    fn order_actions(&self) -> Option<&dyn role::OrderActions> {
        Some(self)
    }
    fn returns(&self) -> Option<&dyn role::Returns> {
        Some(self)
    }
    fn transactions(&self) -> Option<&dyn role::Transactions> {
        Some(self)
    }
}

#[async_trait]
impl role::Offers for AliExpress {
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::new();
        for one in offers_of(drafts) {
            outcomes.push(ItemOutcome::of(&one.offer.sku, self.put_one(cx, one).await.map(Some)));
        }
        Ok(Submitted::Done(outcomes))
    }

    async fn withdraw(
        &self,
        cx: &CallCx,
        listings: &[ListingRef],
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut outcomes = Vec::with_capacity(listings.len());
        for key in listings {
            let result = match self.locate(&key.sku, key.listing.as_ref()).await {
                Ok(Some(id)) => {
                    let step = cx.step(&format!("delete-{id}"));
                    self.pipeline.call(&self.delete, &id, &step).await.map(|()| Some(id))
                }
                Ok(None) => Ok(None), // not there: withdrawn already
                Err(e) => Err(e),
            };
            outcomes.push(match result {
                Ok(id) => ItemOutcome::ok(&key.sku, id),
                Err(e) if e.kind() == Kind::NotFound => ItemOutcome::ok(&key.sku, None),
                Err(e) => ItemOutcome::err(&key.sku, e),
            });
        }
        Ok(Submitted::Done(outcomes))
    }

    async fn poll(&self, _: &CallCx, _: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        Err(Error::new(Kind::Unsupported, "offers of AliExpress are never deferred"))
    }
}

#[async_trait]
impl role::Stock for AliExpress {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let (found, mut outcomes) = self.place(changes, |c| &c.key).await?;
        let (places, found): (Vec<usize>, Vec<On<StockChange>>) = found.into_iter().unzip();
        for (n, (batch, at)) in found.chunks(BATCH).zip(places.chunks(BATCH)).enumerate() {
            let skus: Vec<Sku> = batch.iter().map(|on| on.change.key.sku.clone()).collect();
            let result = self.pipeline.call(&self.stock, batch, &cx.step(&format!("batch-{n}"))).await;
            let done = result.unwrap_or_else(|e| fail(&skus, &e));
            outcomes.extend(at.iter().copied().zip(done));
        }
        Ok(in_order(outcomes))
    }
}

#[async_trait]
impl role::Prices for AliExpress {
    async fn set(&self, cx: &CallCx, changes: &[PriceChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let (found, mut outcomes) = self.place(changes, |c| &c.key).await?;
        let (places, found): (Vec<usize>, Vec<On<PriceChange>>) = found.into_iter().unzip();
        for (n, (batch, at)) in found.chunks(BATCH).zip(places.chunks(BATCH)).enumerate() {
            let skus: Vec<Sku> = batch.iter().map(|on| on.change.key.sku.clone()).collect();
            let result = self.pipeline.call(&self.price, batch, &cx.step(&format!("batch-{n}"))).await;
            let done = result.unwrap_or_else(|e| fail(&skus, &e));
            outcomes.extend(at.iter().copied().zip(done));
        }
        Ok(in_order(outcomes))
    }
}

#[async_trait]
impl role::Listings for AliExpress {
    async fn read(&self, cx: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>, Error> {
        role::read_each(keys, |key| async move {
            let Some(product) = self.locate(&key.sku, key.listing.as_ref()).await? else {
                return Ok(LiveListing::absent(key));
            };
            self.pipeline.call(&self.read, &ReadIn { key, product }, cx).await
        })
        .await
    }

    async fn sweep(&self, _: &CallCx, _: Option<&Cursor>) -> Result<Page<Result<LiveListing, Error>>, Error> {
        // The list names products, not SKUs; a sweep would cost one detail call per product and status.
        Err(Error::new(Kind::Unsupported, "AliExpress lists products without their SKUs; read them by SKU"))
    }
}

#[async_trait]
impl role::Categories for AliExpress {
    async fn find(&self, cx: &CallCx, words: &str) -> Result<Vec<role::Category>, Error> {
        self.pipeline.call(&self.suggest, words, cx).await
    }

    async fn attributes(&self, cx: &CallCx, category: &str) -> Result<Vec<role::CategoryAttribute>, Error> {
        let number: u64 = category
            .parse()
            .map_err(|_| Error::invalid(format!("category '{category}' is not an AliExpress number")))?;
        self.pipeline.call(&self.attributes, &number, cx).await
    }
}

#[async_trait]
impl role::Orders for AliExpress {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<Listed, Error>>, Error> {
        let page = self.pipeline.call(&self.list, &ListIn { window, cursor: cursor.cloned() }, cx).await?;
        Ok(page.map_read(Listed::Named))
    }

    async fn get(&self, cx: &CallCx, id: &OrderId) -> Result<Order, Error> {
        Ok(self.pipeline.call(&self.get, id, cx).await?.order)
    }
}

#[async_trait]
impl role::OrderActions for AliExpress {
    async fn ship(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>, Error> {
        // Whether this is all of it decides the order's next state, so it is read, not guessed.
        let orders::Detail { order, waybills } =
            self.pipeline.call(&self.get, &notice.order, &CallCx::new()).await?;
        // Telling is not idempotent at the channel: a parcel that it knows is done.
        if waybills.iter().any(|w| w == notice.waybill.as_str()) {
            return Ok(Submitted::Done(()));
        }
        let covers = |line: &tradewind_domain::OrderLine| {
            let told = notice.lines.iter().filter(|l| l.line == line.id).map(|l| l.quantity).sum::<u32>();
            told >= line.open()
        };
        let all = order.lines.iter().all(covers);
        let input = ShipIn { notice: notice.clone(), all };
        self.pipeline.call(&self.ship, &input, cx).await.map(Submitted::Done)
    }

    async fn cancel(&self, cx: &CallCx, what: &Cancellation) -> Result<Submitted<()>, Error> {
        what.only_whole()?;
        let order = &what.order;
        // As it is now: an answer that was lost is found here, and a wish that the buyer took back is not granted.
        let now = self.pipeline.call(&self.get, &order.id, &CallCx::new()).await?.order;
        match now.state {
            OrderState::Cancelled => Ok(Submitted::Done(())),
            OrderState::CancelRequested => {
                let buyer = now
                    .buyer
                    .id
                    .ok_or_else(|| Error::decode(format!("order {} does not name its buyer", order.id)))?;
                let input = (order.id.clone(), buyer);
                self.pipeline.call(&self.accept_cancel, &input, cx).await.map(Submitted::Done)
            }
            _ if order.state == OrderState::CancelRequested => Err(Error::new(
                Kind::Conflict,
                format!(
                    "order {}: the buyer does not ask to cancel ({}), read it again",
                    order.id, now.raw_status
                ),
            )),
            _ => Err(Error::new(
                Kind::Unsupported,
                format!(
                    "order {}: AliExpress has no call by which a seller cancels; ask the buyer to, then it is granted",
                    order.id
                ),
            )),
        }
    }
}
