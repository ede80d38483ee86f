//! Connector: shopify, the Admin GraphQL API of one shop.
//!
//! Reading order: [`config`](Settings), `auth` (tokens, three layers of errors), `gql` (one call), then the nouns:
//! `products`, `inventory`, `orders`, `actions`, `finance`, `inbound`. The facets below only string calls together.

mod actions;
mod auth;
mod config;
mod finance;
mod gql;
mod inbound;
mod inventory;
mod orders;
mod products;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tradewind_connector::role::{
    ItemOutcome, Listings, Marketplace, Offers, OrderActions, Orders, Payouts, PriceChange, Prices, Stock,
    StockChange, Transactions,
};
use tradewind_connector::{
    AccountConfig, Bounds, CallCx, Capabilities, Connector, ConnectorInfo, Cursor, Error, ErrorTable, Facet,
    Factory, Handle, Inbound, Kind, Limits, Page, Parts, Pipeline, Role, Runtime, Submitted, Support, Window,
};
use tradewind_domain::{
    BalanceTransaction, CancelReason, ConnectorId, ListingRef, ListingState, LiveListing, Offer, Order,
    OrderId, Payout, RefundRequest, ShipmentNotice, Sku,
};

pub use config::Settings;
use config::Shop;
use gql::Call;

/// Version of the Admin API that this connector is written for.
pub const API_VERSION: &str = "2026-10";

/// The connector's line in the registry.
pub static FACTORY: Factory = Factory {
    id: "shopify",
    info,
    capabilities,
    limits: include_str!("../limits.toml"),
    errors: include_str!("../errors.toml"),
    secrets: &["access_token", "client_secret", "refresh_token", "previous_client_secret"],
    example: r#"shop = "my-shop.myshopify.com"
currency = "EUR"
location = "gid://shopify/Location/1"
publication = "gid://shopify/Publication/1"
client_id = "0123456789abcdef0123456789abcdef"
"#,
    open,
};

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: id(),
        name: "Shopify".to_owned(),
        roles: vec![Role::Marketplace],
        api_version: API_VERSION.to_owned(),
        docs: "https://shopify.dev/docs/api/admin-graphql".to_owned(),
    }
}

fn id() -> ConnectorId {
    // A constant that the type accepts; the conformance suite opens it.
    ConnectorId::new("shopify").unwrap_or_else(|_| unreachable!("a valid constant"))
}

fn capabilities() -> Capabilities {
    use Support::{Emulated, Native, NotImplemented, Unsupported};
    Capabilities::new(
        &[
            (Facet::Offers, Native),
            (Facet::Withdraw, Emulated),
            (Facet::Stock, Native),
            (Facet::Prices, Native),
            (Facet::Listings, Native),
            (Facet::Categories, NotImplemented),
            (Facet::Orders, Native),
            (Facet::Acknowledge, Unsupported),
            (Facet::Ship, Native),
            (Facet::Cancel, Native),
            (Facet::Refund, Native),
            (Facet::Returns, NotImplemented),
            (Facet::FeeEstimates, Unsupported),
            (Facet::Statements, Unsupported),
            (Facet::Transactions, Native),
            (Facet::Payouts, Native),
            (Facet::Disputes, NotImplemented),
            (Facet::Webhooks, Native),
        ],
        Bounds {
            offers_batch: Some(250),
            stock_batch: Some(250),
            prices_batch: Some(250),
            listings_batch: Some(READ_BATCH_U32),
            title_chars: Some(255),
            images: Some(250),
            max_quantity: Some(1_000_000_000),
            visibility_lag_minutes: Some(5),
            ..Bounds::default()
        },
    )
}

/// SKUs in one query of the search syntax.
const READ_BATCH: usize = 25;
const READ_BATCH_U32: u32 = 25;
/// Items in one array argument.
const WRITE_BATCH: usize = 250;

/// Operations whose answer may carry `userErrors`.
pub(crate) fn is_mutation(operation: &str) -> bool {
    [
        &products::SET_PRODUCT,
        &products::PUBLISH,
        &products::ARCHIVE,
        &products::DELETE_VARIANTS,
        &products::SET_PRICES,
        &inventory::SET_STOCK,
        &actions::SHIP,
        &actions::CANCEL,
        &actions::REFUND,
    ]
    .iter()
    .any(|s| s.name == operation)
}

fn open(config: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>, Error> {
    let shop = Arc::new(Shop::open(&config)?);
    let protocol = Arc::new(auth::Shopify::open(Arc::clone(&shop), &config)?);
    let mut granted = capabilities();
    granted.bounds.currencies = vec![shop.currency];
    let hooks = config.secrets.get("client_secret").cloned().map(|secret| inbound::Hooks {
        domain: shop.domain.clone(),
        secret,
        previous: config.secrets.get("previous_client_secret").cloned(),
    });
    if hooks.is_none() {
        granted.revoke(Facet::Webhooks);
    }
    let granted = Arc::new(granted);
    let pipeline = Pipeline::new(
        Parts {
            connector: id(),
            account: config.account.clone(),
            app: shop.client_id.clone().unwrap_or_else(|| "custom".to_owned()),
            access: config.access,
            capabilities: Arc::clone(&granted),
            protocol,
            limits: Limits::parse(FACTORY.limits)?,
            errors: ErrorTable::parse(FACTORY.errors)?,
            patience: config.patience,
        },
        runtime,
    );
    Ok(Arc::new(Shopify { info: info(), capabilities: granted, pipeline, shop, hooks }))
}

/// One shop.
struct Shopify {
    info: ConnectorInfo,
    capabilities: Arc<Capabilities>,
    pipeline: Pipeline,
    shop: Arc<Shop>,
    hooks: Option<inbound::Hooks>,
}

impl Connector for Shopify {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        Some(self)
    }
    fn inbound(&self) -> Option<&dyn Inbound> {
        self.hooks.as_ref().map(|h| h as &dyn Inbound)
    }
}

impl Marketplace for Shopify {
    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }
    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
    fn prices(&self) -> Option<&dyn Prices> {
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
    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
    fn payouts(&self) -> Option<&dyn Payouts> {
        Some(self)
    }
}

impl Shopify {
    /// The variants of these SKUs, by SKU. A SKU is not unique in Shopify; the first one found stands for it.
    async fn variants(&self, cx: &CallCx, skus: &[Sku]) -> Result<BTreeMap<Sku, products::Variant>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::READ_VARIANTS,
            text: products::READ_VARIANTS_TEXT,
            cost: 60,
            variables: products::read_variants_variables,
            read: products::read_variants,
        };
        let mut found = BTreeMap::new();
        for batch in skus.chunks(READ_BATCH) {
            let mut query = products::VariantQuery { skus: batch.to_vec(), after: None };
            loop {
                let page = self.pipeline.call(&call, &query, cx).await?;
                let next = page.next();
                for variant in page.nodes {
                    // The search also finds prefixes: only exact SKUs count.
                    if let Some(sku) = batch.iter().find(|s| variant.sku.as_deref() == Some(s.as_str())) {
                        found.entry(sku.clone()).or_insert(variant);
                    }
                }
                if next.is_none() || next == query.after {
                    break;
                }
                query.after = next;
            }
        }
        Ok(found)
    }

    /// Sets levels; when one of several is stale, each is set alone so that the others are not held up.
    async fn set_levels(&self, cx: &CallCx, levels: &[(Sku, inventory::Level)]) -> Vec<ItemOutcome> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &inventory::SET_STOCK,
            text: inventory::SET_STOCK_TEXT,
            cost: 10,
            variables: inventory::variables,
            read: products::nothing,
        };
        let mut outcomes = Vec::with_capacity(levels.len());
        for (n, batch) in levels.chunks(WRITE_BATCH).enumerate() {
            let input: Vec<inventory::Level> = batch.iter().map(|(_, l)| l.clone()).collect();
            let result = self.pipeline.call(&call, input.as_slice(), &cx.step(&format!("stock-{n}"))).await;
            match result {
                Ok(()) => outcomes.extend(batch.iter().map(|(sku, _)| ItemOutcome::ok(sku, None))),
                Err(e) if batch.len() > 1 && e.kind().is_business() => {
                    for (sku, level) in batch {
                        let one = [level.clone()];
                        let result = self
                            .pipeline
                            .call(&call, one.as_slice(), &cx.step(&format!("stock-{sku}")))
                            .await;
                        outcomes.push(ItemOutcome {
                            sku: sku.clone(),
                            result: result.map(|()| tradewind_connector::role::Accepted::default()),
                        });
                    }
                }
                Err(e) => outcomes.extend(batch.iter().map(|(sku, _)| ItemOutcome::err(sku, e.clone()))),
            }
        }
        outcomes
    }

    /// One product: read what exists, upsert, publish, set the stock of variants that were there before.
    async fn put_product(&self, cx: &CallCx, offers: Vec<&Offer>) -> Result<Vec<ItemOutcome>, Error> {
        let Some(first) = offers.first() else { return Ok(Vec::new()) };
        let handle = products::handle(first.product.as_str());
        let read = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::READ_PRODUCT,
            text: products::READ_PRODUCT_TEXT,
            cost: 260,
            variables: products::read_product_variables,
            read: products::read_product,
        };
        let existing = self.pipeline.call(&read, handle.as_str(), cx).await?;
        let known: Vec<(&Offer, Sku)> = offers
            .iter()
            .filter(|o| {
                existing
                    .iter()
                    .flat_map(|e| &e.variants.nodes)
                    .any(|v| v.sku.as_deref() == Some(o.sku.as_str()))
            })
            .map(|o| (*o, o.sku.clone()))
            .collect();
        let set = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::SET_PRODUCT,
            text: products::SET_PRODUCT_TEXT,
            cost: 270,
            variables: |shop, cx, input: &products::Upsert<'_>| {
                products::set_product_variables(shop, cx, input)
            },
            read: |shop, cx, input: &products::Upsert<'_>, r| products::set_product(shop, cx, input, r),
        };
        let upsert = products::Upsert { handle: handle.clone(), offers, existing };
        let step = |what: &str| cx.step(&format!("{what}-{handle}"));
        let mut done = self.pipeline.call(&set, &upsert, &step("set")).await?;
        if self.shop.publication.is_some() {
            let publish = Call {
                shop: Arc::clone(&self.shop),
                spec: &products::PUBLISH,
                text: products::PUBLISH_TEXT,
                cost: 10,
                variables: products::publish_variables,
                read: products::nothing,
            };
            self.pipeline.call(&publish, done.product.as_str(), &step("publish")).await?;
        }
        if !known.is_empty() {
            let skus: Vec<Sku> = known.iter().map(|(_, s)| s.clone()).collect();
            let live = self.variants(cx, &skus).await?;
            let mut levels = Vec::new();
            for (offer, sku) in known {
                if let Some(variant) =
                    live.get(&sku).filter(|v| v.available() != Some(i64::from(offer.quantity)))
                {
                    let level = inventory::Level {
                        item: variant.inventory_item.id.clone(),
                        quantity: offer.quantity,
                        from: variant.available(),
                    };
                    levels.push((sku, level));
                }
            }
            for failed in
                self.set_levels(&step("stock"), &levels).await.into_iter().filter(|o| o.result.is_err())
            {
                if let Some(outcome) = done.outcomes.iter_mut().find(|o| o.sku == failed.sku) {
                    *outcome = failed;
                }
            }
        }
        Ok(done.outcomes)
    }

    /// What is open on an order, and what was done.
    async fn open_order(&self, cx: &CallCx, id: &OrderId) -> Result<actions::Open, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::OPEN,
            text: actions::OPEN_TEXT,
            cost: 300,
            variables: actions::open_variables,
            read: actions::open,
        };
        self.pipeline.call(&call, id, cx).await
    }

    /// The rest of an order's lines, when there were more than one page.
    async fn complete(&self, cx: &CallCx, partial: orders::Partial) -> Result<Order, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &orders::LINES,
            text: orders::LINES_TEXT,
            cost: 300,
            variables: orders::lines_variables,
            read: orders::lines,
        };
        let orders::Partial { mut order, mut more_lines } = partial;
        while let Some(cursor) = more_lines {
            let input = (order.id.clone(), cursor);
            let (lines, next) = self.pipeline.call(&call, &input, cx).await?;
            order.lines.extend(lines);
            if next.as_ref() == Some(&input.1) {
                return Err(Error::decode("the same cursor came twice"));
            }
            more_lines = next;
        }
        Ok(order)
    }
}

#[async_trait]
impl Offers for Shopify {
    async fn put(&self, cx: &CallCx, offers: &[Offer]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut by_product: BTreeMap<&str, Vec<&Offer>> = BTreeMap::new();
        for offer in offers {
            by_product.entry(offer.product.as_str()).or_default().push(offer);
        }
        let mut done: BTreeMap<Sku, ItemOutcome> = BTreeMap::new();
        for group in by_product.into_values() {
            let skus: Vec<Sku> = group.iter().map(|o| o.sku.clone()).collect();
            match self.put_product(cx, group).await {
                Ok(outcomes) => done.extend(outcomes.into_iter().map(|o| (o.sku.clone(), o))),
                Err(e) => done.extend(skus.into_iter().map(|s| (s.clone(), ItemOutcome::err(&s, e.clone())))),
            }
        }
        let missing = |sku: &Sku| ItemOutcome::err(sku, Error::decode("no outcome for this SKU"));
        Ok(Submitted::Done(
            offers.iter().map(|o| done.remove(&o.sku).unwrap_or_else(|| missing(&o.sku))).collect(),
        ))
    }

    /// Archives a product of which every variant is withdrawn; takes single variants out of one that stays.
    async fn withdraw(
        &self,
        cx: &CallCx,
        listings: &[ListingRef],
    ) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let skus: Vec<Sku> = listings.iter().map(|l| l.sku.clone()).collect();
        let live = self.variants(cx, &skus).await?;
        let mut by_product: BTreeMap<String, Vec<(Sku, String)>> = BTreeMap::new();
        for (sku, variant) in &live {
            by_product.entry(variant.product.id.clone()).or_default().push((sku.clone(), variant.id.clone()));
        }
        let mut failed: BTreeMap<Sku, Error> = BTreeMap::new();
        for (product, variants) in by_product {
            let result = self.withdraw_from(cx, &product, &variants).await;
            if let Err(e) = result {
                failed.extend(variants.into_iter().map(|(sku, _)| (sku, e.clone())));
            }
        }
        // What is not there is off sale already.
        let outcome = |sku: &Sku| {
            failed.remove(sku).map_or_else(|| ItemOutcome::ok(sku, None), |e| ItemOutcome::err(sku, e))
        };
        Ok(Submitted::Done(skus.iter().map(outcome).collect()))
    }

    async fn poll(&self, _: &CallCx, handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        Err(Error::invalid(format!("Shopify has no deferred flow '{}' for offers", handle.flow)))
    }
}

impl Shopify {
    async fn withdraw_from(
        &self,
        cx: &CallCx,
        product: &str,
        variants: &[(Sku, String)],
    ) -> Result<(), Error> {
        let read = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::READ_PRODUCT,
            text: products::READ_PRODUCT_TEXT,
            cost: 260,
            variables: |_, _, id: &str| Ok(serde_json::json!({"id": {"id": id}})),
            read: products::read_product,
        };
        let existing = self.pipeline.call(&read, product, cx).await?;
        let stays = existing
            .iter()
            .flat_map(|e| &e.variants.nodes)
            .any(|v| !variants.iter().any(|(_, id)| *id == v.id));
        if stays {
            let delete = Call {
                shop: Arc::clone(&self.shop),
                spec: &products::DELETE_VARIANTS,
                text: products::DELETE_VARIANTS_TEXT,
                cost: 10,
                variables: products::delete_variants_variables,
                read: products::nothing,
            };
            let input = (product.to_owned(), variants.iter().map(|(_, id)| id.clone()).collect());
            return self.pipeline.call(&delete, &input, &cx.step(&format!("delete-{product}"))).await;
        }
        let archive = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::ARCHIVE,
            text: products::SET_PRODUCT_TEXT,
            cost: 270,
            variables: products::archive_variables,
            read: products::nothing,
        };
        self.pipeline.call(&archive, product, &cx.step(&format!("archive-{product}"))).await
    }
}

#[async_trait]
impl Stock for Shopify {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let skus: Vec<Sku> = changes.iter().map(|c| c.key.sku.clone()).collect();
        let live = self.variants(cx, &skus).await?;
        let mut outcomes: BTreeMap<Sku, ItemOutcome> = BTreeMap::new();
        let mut levels = Vec::new();
        for change in changes {
            let sku = &change.key.sku;
            let Some(variant) = live.get(sku) else {
                outcomes.insert(
                    sku.clone(),
                    ItemOutcome::err(sku, Error::new(Kind::NotFound, "no variant has this SKU").after_send()),
                );
                continue;
            };
            let now = variant.available();
            if now == Some(i64::from(change.quantity)) {
                outcomes.insert(sku.clone(), ItemOutcome::ok(sku, None));
                continue;
            }
            // What the caller believes is compared; without a belief, what was read just now.
            let from = change.expected.map(i64::from).or(now);
            levels.push((
                sku.clone(),
                inventory::Level { item: variant.inventory_item.id.clone(), quantity: change.quantity, from },
            ));
        }
        outcomes.extend(self.set_levels(cx, &levels).await.into_iter().map(|o| (o.sku.clone(), o)));
        let missing = |sku: &Sku| ItemOutcome::err(sku, Error::decode("no outcome for this SKU"));
        Ok(Submitted::Done(skus.iter().map(|s| outcomes.remove(s).unwrap_or_else(|| missing(s))).collect()))
    }
}

#[async_trait]
impl Prices for Shopify {
    async fn set(&self, cx: &CallCx, changes: &[PriceChange]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let skus: Vec<Sku> = changes.iter().map(|c| c.key.sku.clone()).collect();
        let live = self.variants(cx, &skus).await?;
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::SET_PRICES,
            text: products::SET_PRICES_TEXT,
            cost: 20,
            variables: products::set_prices_variables,
            read: products::nothing,
        };
        let mut by_product: BTreeMap<String, Vec<(&PriceChange, String)>> = BTreeMap::new();
        let mut outcomes: BTreeMap<Sku, ItemOutcome> = BTreeMap::new();
        for change in changes {
            let sku = &change.key.sku;
            match live.get(sku) {
                Some(v) => by_product.entry(v.product.id.clone()).or_default().push((change, v.id.clone())),
                None => {
                    let error = Error::new(Kind::NotFound, "no variant has this SKU").after_send();
                    outcomes.insert(sku.clone(), ItemOutcome::err(sku, error));
                }
            }
        }
        for (product, batch) in by_product {
            let prices = batch.iter().map(|(c, id)| (id.clone(), c.price)).collect();
            let input = products::NewPrices { product: product.clone(), prices };
            let result = self.pipeline.call(&call, &input, &cx.step(&format!("price-{product}"))).await;
            for (change, _) in batch {
                let sku = &change.key.sku;
                let outcome = match &result {
                    Ok(()) => ItemOutcome::ok(sku, None),
                    Err(e) => ItemOutcome::err(sku, e.clone()),
                };
                outcomes.insert(sku.clone(), outcome);
            }
        }
        let missing = |sku: &Sku| ItemOutcome::err(sku, Error::decode("no outcome for this SKU"));
        Ok(Submitted::Done(skus.iter().map(|s| outcomes.remove(s).unwrap_or_else(|| missing(s))).collect()))
    }
}

#[async_trait]
impl Listings for Shopify {
    async fn read(&self, cx: &CallCx, keys: &[ListingRef]) -> Result<Vec<LiveListing>, Error> {
        let skus: Vec<Sku> = keys.iter().map(|k| k.sku.clone()).collect();
        let mut found = self.variants(cx, &skus).await?;
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            let live = found.remove(&key.sku).map(|v| v.live(&self.shop)).transpose()?.flatten();
            out.push(live.unwrap_or_else(|| LiveListing {
                key: key.clone(),
                state: ListingState::Absent,
                price: None,
                quantity: None,
                title: None,
                issues: Vec::new(),
            }));
        }
        Ok(out)
    }

    async fn sweep(&self, cx: &CallCx, cursor: Option<&Cursor>) -> Result<Page<LiveListing>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::READ_VARIANTS,
            text: products::READ_VARIANTS_TEXT,
            cost: 60,
            variables: products::read_variants_variables,
            read: products::read_variants,
        };
        let query = products::VariantQuery { skus: Vec::new(), after: cursor.map(|c| c.0.clone()) };
        let page = self.pipeline.call(&call, &query, cx).await?;
        let next = page.next().map(Cursor);
        let mut items = Vec::new();
        for variant in &page.nodes {
            items.extend(variant.live(&self.shop)?);
        }
        Ok(Page { items, next })
    }
}

#[async_trait]
impl Orders for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Order>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &orders::SEARCH,
            text: orders::SEARCH_TEXT,
            cost: 900,
            variables: orders::search_variables,
            read: orders::search,
        };
        let input = orders::SearchIn { window, after: cursor.map(|c| c.0.clone()) };
        let page = self.pipeline.call(&call, &input, cx).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for partial in page.items {
            items.push(self.complete(cx, partial).await?);
        }
        Ok(Page { items, next: page.next })
    }

    async fn get(&self, cx: &CallCx, id: &OrderId) -> Result<Order, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &orders::GET,
            text: orders::GET_TEXT,
            cost: 100,
            variables: orders::get_variables,
            read: orders::get,
        };
        let partial = self.pipeline.call(&call, id, cx).await?;
        self.complete(cx, partial).await
    }
}

#[async_trait]
impl OrderActions for Shopify {
    async fn ship(&self, cx: &CallCx, notice: &ShipmentNotice) -> Result<Submitted<()>, Error> {
        let open = self.open_order(cx, &notice.order).await?;
        if open.has_tracking(notice.waybill.as_str()) {
            return Ok(Submitted::Done(()));
        }
        let input = actions::spread(&open, notice)?;
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::SHIP,
            text: actions::SHIP_TEXT,
            cost: 10,
            variables: |shop, cx, input: &actions::ShipIn<'_>| actions::ship_variables(shop, cx, input),
            read: products::nothing,
        };
        self.pipeline.call(&call, &input, cx).await.map(Submitted::Done)
    }

    async fn cancel(&self, cx: &CallCx, order: &Order, reason: CancelReason) -> Result<Submitted<()>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::CANCEL,
            text: actions::CANCEL_TEXT,
            cost: 10,
            variables: actions::cancel_variables,
            read: products::nothing,
        };
        match self.pipeline.call(&call, &(order.id.clone(), reason), cx).await {
            Ok(()) => {}
            Err(e) if e.kind() == Kind::Duplicate => return Ok(Submitted::Done(())),
            Err(e) => return Err(e),
        }
        // Cancelling is a job of its own; reading the order says when it is done.
        let handle = Handle {
            flow: "cancel".to_owned(),
            id: order.id.to_string(),
            step: String::new(),
            state: serde_json::Value::Null,
            not_before: None,
        };
        OrderActions::poll(self, cx, &handle).await
    }

    async fn refund(&self, cx: &CallCx, refund: &RefundRequest) -> Result<Submitted<()>, Error> {
        let open = self.open_order(cx, &refund.order).await?;
        let input = actions::RefundIn { refund, parent: actions::parent(&open, refund)? };
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &actions::REFUND,
            text: actions::REFUND_TEXT,
            cost: 10,
            variables: |shop, cx, input: &actions::RefundIn<'_>| actions::refund_variables(shop, cx, input),
            read: products::nothing,
        };
        self.pipeline.call(&call, &input, cx).await.map(Submitted::Done)
    }

    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<()>, Error> {
        let id = OrderId::new(handle.id.clone()).map_err(|e| Error::invalid(e.to_string()))?;
        let open = self.open_order(cx, &id).await?;
        Ok(if open.cancelled_at.is_some() {
            Submitted::Done(())
        } else {
            Submitted::Deferred(handle.clone())
        })
    }
}

#[async_trait]
impl Payouts for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Payout>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &finance::PAYOUTS,
            text: finance::PAYOUTS_TEXT,
            cost: 60,
            variables: finance::payouts_variables,
            read: finance::payouts,
        };
        self.pipeline.call(&call, &finance::In { window, after: cursor.map(|c| c.0.clone()) }, cx).await
    }
}

#[async_trait]
impl Transactions for Shopify {
    async fn changed(
        &self,
        cx: &CallCx,
        window: Window,
        cursor: Option<&Cursor>,
    ) -> Result<Page<BalanceTransaction>, Error> {
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &finance::TRANSACTIONS,
            text: finance::TRANSACTIONS_TEXT,
            cost: 200,
            variables: finance::transactions_variables,
            read: finance::transactions,
        };
        self.pipeline.call(&call, &finance::In { window, after: cursor.map(|c| c.0.clone()) }, cx).await
    }
}
