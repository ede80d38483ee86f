//! The facets of the catalogue: offers, stock, prices, and reading back. They string calls together.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tradewind_connector::role::{
    Draft, DraftOffer, ItemOutcome, Listings, Offers, PriceChange, Prices, Stock, StockChange, read_each,
};
use tradewind_connector::{CallCx, Cursor, Error, Handle, Kind, Page, Submitted, all_pages};
use tradewind_domain::{ListingRef, LiveListing, Offer, Sku};

use crate::gql::Call;
use crate::{READ_BATCH, Shopify, WRITE_BATCH, inventory, products, variants};

/// Variants by SKU.
type Found = BTreeMap<Sku, Result<variants::Variant, Error>>;

impl Shopify {
    /// The variants of these SKUs, by SKU; an error where there is one that cannot be read. A SKU is not unique in Shopify;
    /// the first one found stands for it.
    async fn variants(&self, cx: &CallCx, skus: &[Sku]) -> Result<Found, Error> {
        let call = &Call {
            shop: Arc::clone(&self.shop),
            spec: &variants::READ,
            text: variants::text(&self.shop),
            cost: 60,
            variables: variants::variables,
            read: variants::read,
        };
        let mut found = Found::new();
        for batch in skus.chunks(READ_BATCH) {
            let pages = all_pages(|at| async move {
                let after = at.map(|Cursor(after)| after);
                let query = variants::Query { skus: batch.to_vec(), after };
                self.pipeline.call(call, &query, cx).await
            });
            let mut unnamed = None;
            for variant in pages.await? {
                let named = match &variant {
                    Ok(variant) => variant.sku.as_deref(),
                    Err(e) => e.record(),
                };
                // The search also finds prefixes: only exact SKUs count.
                match (batch.iter().find(|s| named == Some(s.as_str())), variant) {
                    (Some(sku), variant) => {
                        found.entry(sku.clone()).or_insert(variant);
                    }
                    (None, Err(e)) if e.record().is_none() => unnamed = Some(e),
                    (None, _) => {}
                }
            }
            // It may be any of those that were not found: these are not therefore absent.
            if let Some(e) = unnamed {
                for sku in batch {
                    found.entry(sku.clone()).or_insert_with(|| Err(e.clone()));
                }
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
                        outcomes.push(ItemOutcome::of(sku, result.map(|()| None)));
                    }
                }
                Err(e) => outcomes.extend(batch.iter().map(|(sku, _)| ItemOutcome::err(sku, e.clone()))),
            }
        }
        outcomes
    }

    /// One product: read what exists, upsert, publish, set the stock of variants that were there before.
    async fn put_product(&self, cx: &CallCx, draft: &Draft) -> Result<Vec<ItemOutcome>, Error> {
        let offers: Vec<&Offer> = draft.offers.iter().map(|o| &o.offer).collect();
        let handle = products::handle(draft.product.as_str());
        let read = Call {
            shop: Arc::clone(&self.shop),
            spec: &products::READ_PRODUCT,
            text: products::READ_PRODUCT_TEXT,
            cost: 260,
            variables: products::read_product_variables,
            read: products::read_product,
        };
        let existing = self.pipeline.call(&read, handle.as_str(), cx).await?;
        let known: Vec<&DraftOffer> = draft
            .offers
            .iter()
            .filter(|o| {
                existing
                    .iter()
                    .flat_map(|e| &e.variants.nodes)
                    .any(|v| v.sku.as_deref() == Some(o.offer.sku.as_str()))
            })
            .collect();
        products::check_room(existing.as_ref(), offers.len() - known.len())?;
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
        let upsert =
            products::Upsert { handle: handle.clone(), offers, images: products::images(draft), existing };
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
            let published = self.pipeline.call(&publish, done.product.as_str(), &step("publish")).await;
            // New variants of a product that is on sale are on sale with their units.
            published.map_err(Error::in_part)?;
        }
        // Where the quantity is not meant to change, what was sold since it was read stays sold.
        let moved: Vec<_> = known.into_iter().filter(|o| o.shown != Some(o.offer.quantity)).collect();
        if !moved.is_empty() {
            let skus: Vec<Sku> = moved.iter().map(|o| o.offer.sku.clone()).collect();
            let live = self.variants(cx, &skus).await.map_err(Error::in_part)?;
            let (mut levels, mut unread) = (Vec::new(), Vec::new());
            for DraftOffer { offer, shown, .. } in moved {
                let variant = match live.get(&offer.sku) {
                    Some(Ok(variant)) => variant,
                    Some(Err(e)) => {
                        unread.push(ItemOutcome::err(&offer.sku, e.clone().in_part()));
                        continue;
                    }
                    None => continue,
                };
                if variant.available() == Some(i64::from(offer.quantity)) {
                    continue;
                }
                let level = inventory::Level {
                    item: variant.inventory_item.id.clone(),
                    quantity: offer.quantity,
                    // Not what is there by now: a sale since then would be taken for the base, and come back.
                    from: shown.map(i64::from).or(variant.available()),
                };
                levels.push((offer.sku.clone(), level));
            }
            let set = self.set_levels(&step("stock"), &levels).await;
            for failed in set.into_iter().filter(|o| o.result.is_err()).chain(unread) {
                if let Some(outcome) = done.outcomes.iter_mut().find(|o| o.sku == failed.sku) {
                    *outcome = failed;
                }
            }
        }
        Ok(done.outcomes)
    }
}

#[async_trait]
impl Offers for Shopify {
    async fn put(&self, cx: &CallCx, drafts: &[Draft]) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
        let mut done = Vec::new();
        for draft in drafts {
            let outcomes = self.put_product(cx, draft).await;
            done.extend(outcomes.unwrap_or_else(|e| {
                draft.offers.iter().map(|o| ItemOutcome::err(&o.offer.sku, e.clone())).collect()
            }));
        }
        Ok(Submitted::Done(done))
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
        let mut failed: BTreeMap<Sku, Error> = BTreeMap::new();
        for (sku, variant) in live {
            match variant {
                Ok(v) => by_product.entry(v.product.id).or_default().push((sku, v.id)),
                Err(e) => drop(failed.insert(sku, e)),
            }
        }
        for (product, variants) in by_product {
            let result = self.withdraw_from(cx, &product, &variants).await;
            if let Err(e) = result
                && e.kind() != Kind::NotFound
            {
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
        let stays = existing.iter().any(|e| {
            e.has_more() || e.variants.nodes.iter().any(|v| !variants.iter().any(|(_, id)| *id == v.id))
        });
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
            let variant = match live.get(sku) {
                Some(Ok(variant)) => variant,
                Some(Err(e)) => {
                    outcomes.insert(sku.clone(), ItemOutcome::err(sku, e.clone()));
                    continue;
                }
                None => {
                    let error = Error::new(Kind::NotFound, "no variant has this SKU").after_send();
                    outcomes.insert(sku.clone(), ItemOutcome::err(sku, error));
                    continue;
                }
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
                Some(Ok(v)) => {
                    by_product.entry(v.product.id.clone()).or_default().push((change, v.id.clone()));
                }
                Some(Err(e)) => drop(outcomes.insert(sku.clone(), ItemOutcome::err(sku, e.clone()))),
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
                outcomes.insert(sku.clone(), ItemOutcome::of(sku, result.clone().map(|()| None)));
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
        let found = &self.variants(cx, &skus).await?;
        read_each(keys, |key| async move {
            let live = match found.get(&key.sku) {
                Some(variant) => variant.as_ref().map_err(Error::clone)?.live(&self.shop)?,
                None => None,
            };
            Ok(live.unwrap_or_else(|| LiveListing::absent(key)))
        })
        .await
    }

    async fn sweep(
        &self,
        cx: &CallCx,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Result<LiveListing, Error>>, Error> {
        let Some(Cursor(after)) = cursor else { return self.sweep_first(cx).await };
        if let Some(page) = self.sweep_job(cx, after).await {
            return page;
        }
        let call = Call {
            shop: Arc::clone(&self.shop),
            spec: &variants::READ,
            text: variants::text(&self.shop),
            cost: 60,
            variables: variants::variables,
            read: variants::read,
        };
        let query = variants::Query { skus: Vec::new(), after: Some(after.clone()) };
        Ok(self.live(self.pipeline.call(&call, &query, cx).await?))
    }
}
