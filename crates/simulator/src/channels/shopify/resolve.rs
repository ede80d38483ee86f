//! Root fields: which tree answers which.

use super::graphql::{Cutter, Fault, Field, Operation, conn, fault};
use super::search::Filter;
use super::shop::{LOCATION, PUBLICATION, Product, SCOPES};
use super::{CURRENCY, DOMAIN, Shopify};
use crate::core::clock::{instant, iso_seconds};
use crate::core::money;
use crate::core::world::World;
use serde_json::{Map, Value, json as j};
use sha2::{Digest as _, Sha256};

/// Mutations that demand `@idempotent` since 2026-04, of those served here.
const KEYED: &[&str] = &["inventorySetQuantities", "refundCreate"];

/// The root fields that are served: an operation is called by its first one. The token endpoint stands beside them.
pub(super) const OPERATIONS: &[&str] = &[
    "oauth",
    "productSet",
    "productCreate",
    "productUpdate",
    "productDelete",
    "productVariantsBulkUpdate",
    "productVariantsBulkDelete",
    "publishablePublish",
    "publishableUnpublish",
    "inventorySetQuantities",
    "orderCancel",
    "refundCreate",
    "fulfillmentCreate",
    "fulfillmentTrackingInfoUpdate",
    "bulkOperationRunQuery",
    "webhookSubscriptionCreate",
    "shop",
    "currentAppInstallation",
    "locations",
    "location",
    "publications",
    "product",
    "productByHandle",
    "productByIdentifier",
    "products",
    "productVariant",
    "productVariants",
    "productVariantsCount",
    "inventoryItem",
    "inventoryItems",
    "order",
    "orders",
    "taxonomy",
    "node",
    "nodes",
    "job",
    "currentBulkOperation",
    "bulkOperation",
    "disputes",
    "shopifyPaymentsAccount",
    "webhookSubscriptions",
];

pub(super) fn when(ms: i64) -> String {
    iso_seconds(instant(ms))
}

/// `gid://shopify/Kind/123` → `123`.
pub(super) fn legacy(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_owned()
}

pub(super) fn user_error(field: &[&str], message: &str, code: &str) -> Value {
    j!({"field": field, "message": message, "code": code})
}

pub(super) fn amount(minor: i64, currency: &str) -> Value {
    j!({"amount": money::text(minor, currency), "currencyCode": currency})
}

pub(super) fn location() -> Value {
    j!({"id": LOCATION, "legacyResourceId": legacy(LOCATION), "name": "Warehouse", "isActive": true, "fulfillsOnlineOrders": true,
        "address": {"countryCode": "CN", "city": "Shenzhen"}})
}

impl Shopify {
    pub(super) fn run(
        &self,
        world: &World,
        operation: &Operation,
        cutter: &mut Cutter,
    ) -> Result<Value, Fault> {
        let mut out = Map::new();
        for field in &operation.fields {
            let tree = if operation.mutation { self.mutate(world, field)? } else { self.look(world, field)? };
            let value = if tree.is_null() { Value::Null } else { cutter.cut(&tree, field)? };
            out.insert(field.key.clone(), value);
        }
        Ok(Value::Object(out))
    }

    fn mutate(&self, world: &World, f: &Field) -> Result<Value, Fault> {
        if KEYED.contains(&f.name.as_str()) {
            let Some(key) = f.idempotent.clone().filter(|k| !k.is_empty()) else {
                return Err(fault(
                    "BAD_REQUEST",
                    "The @idempotent directive is required for this mutation but was not provided.",
                ));
            };
            let digest = hex::encode(Sha256::digest(format!("{}{}", f.name, Value::Object(f.args.clone()))));
            if let Some((earlier, answer)) = self.shop().keys.get(&key) {
                if *earlier == digest {
                    return Ok(answer.clone());
                }
                let error = user_error(
                    &[],
                    "The idempotency key was used with other arguments",
                    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
                );
                return Ok(
                    j!({"userErrors": [error], "inventoryAdjustmentGroup": null, "refund": null, "order": null}),
                );
            }
            let answer = self.mutate_once(world, f)?;
            // Only what was done is remembered: a refusal may be mended under the same key.
            if answer.get("userErrors").and_then(Value::as_array).is_some_and(Vec::is_empty) {
                self.shop().keys.insert(key, (digest, answer.clone()));
            }
            return Ok(answer);
        }
        self.mutate_once(world, f)
    }

    fn mutate_once(&self, world: &World, f: &Field) -> Result<Value, Fault> {
        match f.name.as_str() {
            "productSet" => Ok(self.product_set(world, f)),
            "productCreate" => Ok(self.product_create(world, f)),
            "productUpdate" => Ok(self.product_update(world, f)),
            "productDelete" => Ok(self.product_delete(world, f)),
            "productVariantsBulkUpdate" => Ok(self.variants_update(world, f)),
            "productVariantsBulkDelete" => Ok(self.variants_delete(world, f)),
            "publishablePublish" => Ok(self.publish(world, f, true)),
            "publishableUnpublish" => Ok(self.publish(world, f, false)),
            "inventorySetQuantities" => self.set_quantities(world, f),
            "orderCancel" => Ok(self.order_cancel(world, f)),
            "refundCreate" => Ok(self.refund_create(world, f)),
            "fulfillmentCreate" => Ok(self.fulfillment_create(world, f)),
            "fulfillmentTrackingInfoUpdate" => Ok(self.tracking_update(world, f)),
            "bulkOperationRunQuery" => Ok(self.bulk_start(world, f)),
            "webhookSubscriptionCreate" => Ok(self.subscribe(f)),
            other => {
                Err(fault("undefinedField", format!("Field '{other}' doesn't exist on type 'Mutation'")))
            }
        }
    }

    pub(super) fn look(&self, world: &World, f: &Field) -> Result<Value, Fault> {
        let filter = Filter::read(f.text("query"));
        Ok(match f.name.as_str() {
            "shop" => {
                j!({"id": "gid://shopify/Shop/60010001", "name": "Sim Shop", "currencyCode": CURRENCY, "myshopifyDomain": DOMAIN,
                "ianaTimezone": "Etc/UTC", "email": "owner@example.com", "taxesIncluded": false, "plan": {"displayName": "Basic", "publicDisplayName": "Basic"},
                "enabledPresentmentCurrencies": ["USD", "EUR", "GBP", "CNY"]})
            }
            "currentAppInstallation" => {
                let scopes: Vec<Value> = SCOPES.split(',').map(|s| j!({"handle": s})).collect();
                j!({"id": "gid://shopify/AppInstallation/1", "accessScopes": scopes})
            }
            "locations" => conn(vec![location()]),
            "location" => location(),
            "publications" => {
                conn(vec![j!({"id": PUBLICATION, "name": "Online Store", "autoPublish": false})])
            }
            "product" => self.shop().products.get(f.text("id")).map_or(Value::Null, |p| product(p, true)),
            "productByHandle" | "productByIdentifier" => {
                let (id, handle) = match f.arg("identifier") {
                    Value::Object(m) => (text(m.get("id")), text(m.get("handle"))),
                    _ => (String::new(), f.text("handle").to_owned()),
                };
                let shop = self.shop();
                shop.products
                    .values()
                    .find(|p| p.id == id || (!handle.is_empty() && p.handle == handle))
                    .map_or(Value::Null, |p| product(p, true))
            }
            "products" => {
                let shop = self.shop();
                let hits = shop.products.values().filter(|p| {
                    filter.holds(|field| match field {
                        "id" => Some(legacy(&p.id)),
                        "handle" => Some(p.handle.clone()),
                        "title" => Some(p.title.clone()),
                        "status" => Some(p.status.clone()),
                        "vendor" => Some(p.vendor.clone()),
                        "updated_at" => Some(when(p.updated_ms)),
                        "sku" => p
                            .variants
                            .iter()
                            .map(|v| v.sku.clone())
                            .find(|s| f.text("query").contains(s.as_str()))
                            .or(Some(String::new())),
                        _ => None,
                    })
                });
                conn(hits.map(|p| with_cursor(product(p, true), &cursor_of(f, p))).collect())
            }
            "productVariant" => {
                find_variants(&self.shop().products, |v| v.id == f.text("id")).pop().unwrap_or(Value::Null)
            }
            "productVariants" => conn(find_variants(&self.shop().products, |v| matches(&filter, v))),
            "productVariantsCount" => {
                let all = find_variants(&self.shop().products, |_| true).len() as u64;
                // Counted up to `limit`, ten thousand unless said otherwise; null counts all.
                let limit = match f.args.get("limit") {
                    Some(Value::Null) => u64::MAX,
                    Some(n) => n.as_u64().unwrap_or(10_000),
                    None => 10_000,
                };
                j!({"count": all.min(limit), "precision": if all > limit { "AT_LEAST" } else { "EXACT" }})
            }
            "inventoryItem" => {
                items(&self.shop().products, |v| v.item == f.text("id")).pop().unwrap_or(Value::Null)
            }
            "inventoryItems" => conn(items(&self.shop().products, |v| matches(&filter, v))),
            "order" => self.shop().orders.get(f.text("id")).map_or(Value::Null, super::tree::tree),
            "orders" => {
                let shop = self.shop();
                let by = f.text("sortKey");
                let hits = shop.orders.values().filter(|o| super::tree::matches(&filter, o));
                conn(
                    hits.map(|o| {
                        let at = if by == "UPDATED_AT" { o.updated_ms } else { o.created_ms };
                        let key = if by == "ID" { legacy(&o.id) } else { format!("{at:016}|{}", o.id) };
                        with_cursor(super::tree::tree(o), &key)
                    })
                    .collect(),
                )
            }
            "taxonomy" => super::taxonomy::root(f),
            "node" => self.node(f.text("id")),
            "nodes" => {
                let ids = f.arg("ids").as_array().cloned().unwrap_or_default();
                Value::Array(ids.iter().map(|id| self.node(id.as_str().unwrap_or_default())).collect())
            }
            "job" => {
                let shop = self.shop();
                let id = f.text("id");
                shop.jobs.get(id).map_or(Value::Null, |end| j!({"id": id, "done": world.now_ms() >= *end}))
            }
            "currentBulkOperation" => {
                self.shop().bulks.last().map_or(Value::Null, |b| super::bulk::tree(b, world))
            }
            "bulkOperation" => self
                .shop()
                .bulks
                .iter()
                .find(|b| b.id == f.text("id"))
                .map_or(Value::Null, |b| super::bulk::tree(b, world)),
            // Nobody disputes a card payment of this shop; what PayPal took is disputed there.
            "disputes" => conn(Vec::new()),
            "shopifyPaymentsAccount" => self.payments(&f.fields),
            "webhookSubscriptions" => {
                let shop = self.shop();
                conn(shop.subscriptions.iter().map(|(topic, uri)| j!({"id": subscription_id(topic), "topic": topic, "uri": uri, "format": "JSON"})).collect())
            }
            other => {
                return Err(fault(
                    "undefinedField",
                    format!("Field '{other}' doesn't exist on type 'QueryRoot'"),
                ));
            }
        })
    }

    fn node(&self, id: &str) -> Value {
        if let Some(found) = super::taxonomy::node(id) {
            return found;
        }
        let shop = self.shop();
        if let Some(p) = shop.products.get(id) {
            return product(p, true);
        }
        if let Some(o) = shop.orders.get(id) {
            return super::tree::tree(o);
        }
        let variant = find_variants(&shop.products, |v| v.id == id).pop();
        variant.or_else(|| items(&shop.products, |v| v.item == id).pop()).unwrap_or(Value::Null)
    }

    fn subscribe(&self, f: &Field) -> Value {
        let topic = f.text("topic").to_owned();
        let uri = text(f.arg("webhookSubscription").get("uri"));
        if !uri.starts_with("https://") && !uri.starts_with("pubsub://") && !uri.starts_with("arn:") {
            return j!({"webhookSubscription": null, "userErrors": [{"field": ["webhookSubscription", "uri"], "message": "Address protocol http:// is not supported"}]});
        }
        let mut shop = self.shop();
        if shop.subscriptions.iter().any(|s| s.0 == topic && s.1 == uri) {
            return j!({"webhookSubscription": null, "userErrors": [{"field": ["webhookSubscription", "uri"], "message": "Address for this topic has already been taken"}]});
        }
        shop.subscriptions.push((topic.clone(), uri.clone()));
        j!({"webhookSubscription": {"id": subscription_id(&topic), "topic": topic, "uri": uri, "format": "JSON"}, "userErrors": []})
    }
}

fn subscription_id(topic: &str) -> String {
    let digest = Sha256::digest(topic);
    let (head, _) = digest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    format!("gid://shopify/WebhookSubscription/{}", u32::from_be_bytes(*head))
}

pub(super) fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn with_cursor(mut tree: Value, cursor: &str) -> Value {
    if let Some(map) = tree.as_object_mut() {
        map.insert("__cursor".into(), cursor.into());
    }
    tree
}

fn cursor_of(f: &Field, p: &Product) -> String {
    match f.text("sortKey") {
        "UPDATED_AT" => format!("{:016}|{}", p.updated_ms, p.id),
        "CREATED_AT" => format!("{:016}|{}", p.created_ms, p.id),
        _ => p.id.clone(),
    }
}

fn matches(filter: &Filter, v: &super::shop::Variant) -> bool {
    filter.holds(|field| match field {
        "sku" => Some(v.sku.clone()),
        "barcode" => Some(v.barcode.clone().unwrap_or_default()),
        "id" => Some(legacy(&v.id)),
        _ => None,
    })
}

fn find_variants(
    products: &std::collections::BTreeMap<String, Product>,
    want: impl Fn(&super::shop::Variant) -> bool,
) -> Vec<Value> {
    products
        .values()
        .flat_map(|p| p.variants.iter().map(move |v| (p, v)))
        .filter(|(_, v)| want(v))
        .map(|(p, v)| with_cursor(variant(p, v), &v.id))
        .collect()
}

fn items(
    products: &std::collections::BTreeMap<String, Product>,
    want: impl Fn(&super::shop::Variant) -> bool,
) -> Vec<Value> {
    products
        .values()
        .flat_map(|p| p.variants.iter().map(move |v| (p, v)))
        .filter(|(_, v)| want(v))
        .map(|(p, v)| {
            let mut item = inventory_item(v);
            if let Some(map) = item.as_object_mut() {
                map.insert("variant".into(), variant(p, v));
            }
            with_cursor(item, &v.item)
        })
        .collect()
}

fn inventory_item(v: &super::shop::Variant) -> Value {
    let named = |name: &str, quantity: i64| j!({"name": name, "quantity": quantity, "id": format!("gid://shopify/InventoryQuantity/{}?name={name}", legacy(&v.item))});
    let quantities = j!({"__named": [named("available", v.available), named("committed", v.committed), named("on_hand", v.available + v.committed),
        named("incoming", 0), named("reserved", 0), named("damaged", 0), named("safety_stock", 0), named("quality_control", 0)]});
    let level = j!({"id": format!("gid://shopify/InventoryLevel/{}?inventory_item_id={}", legacy(LOCATION), legacy(&v.item)), "location": location(), "quantities": quantities});
    j!({"id": v.item, "legacyResourceId": legacy(&v.item), "sku": v.sku, "tracked": v.tracked, "requiresShipping": true,
        "countryCodeOfOrigin": v.origin, "harmonizedSystemCode": v.hs, "inventoryLevel": level.clone(),
        "inventoryLevels": conn(vec![level])})
}

pub(super) fn variant(p: &Product, v: &super::shop::Variant) -> Value {
    let options: Vec<Value> = v.options.iter().map(|(n, value)| j!({"name": n, "value": value})).collect();
    let title = v.options.iter().map(|o| o.1.as_str()).collect::<Vec<_>>().join(" / ");
    let parent = product(p, false);
    j!({"id": v.id, "legacyResourceId": legacy(&v.id), "sku": v.sku, "barcode": v.barcode, "title": title, "displayName": format!("{} - {title}", p.title),
        "price": money::text(v.price, CURRENCY), "compareAtPrice": v.compare_at.map(|c| money::text(c, CURRENCY)),
        "inventoryPolicy": if v.oversell { "CONTINUE" } else { "DENY" }, "inventoryQuantity": v.available, "availableForSale": v.available > 0 || v.oversell,
        "taxable": true, "selectedOptions": options, "inventoryItem": inventory_item(v), "product": parent,
        "createdAt": when(p.created_ms), "updatedAt": when(p.updated_ms)})
}

pub(super) fn product(p: &Product, whole: bool) -> Value {
    let options: Vec<Value> = p
        .options
        .iter()
        .enumerate()
        .map(|(n, (name, values))| {
            let values: Vec<Value> = values.iter().map(|v| j!({"id": format!("gid://shopify/ProductOptionValue/{v}"), "name": v})).collect();
            let names: Vec<&Value> = values.iter().filter_map(|v| v.get("name")).collect();
            j!({"id": format!("{}/option-{n}", p.id.replace("/Product/", "/ProductOption/")), "name": name, "position": n + 1, "values": names, "optionValues": values})
        })
        .collect();
    let live = if p.live { vec![PUBLICATION] } else { vec![] };
    let url = p.live.then(|| format!("https://{DOMAIN}/products/{}", p.handle));
    let publications: Vec<Value> = p.published.then(|| j!({"isPublished": p.live, "publication": {"id": PUBLICATION, "name": "Online Store"}, "publishDate": when(p.updated_ms)})).into_iter().collect();
    let mut tree = j!({"id": p.id, "legacyResourceId": legacy(&p.id), "handle": p.handle, "title": p.title, "descriptionHtml": p.html,
        "vendor": p.vendor, "productType": p.kind, "status": p.status, "tags": p.tags, "options": options, "createdAt": when(p.created_ms),
        "updatedAt": when(p.updated_ms), "publishedAt": p.live.then(|| when(p.updated_ms)), "onlineStoreUrl": url,
        "publishedOnPublication": {"__in": live}, "resourcePublicationsV2": conn(publications), "availablePublicationsCount": {"count": i32::from(p.live)},
        "totalInventory": p.variants.iter().map(|v| v.available).sum::<i64>(), "variantsCount": {"count": p.variants.len()}});
    if whole && let Some(map) = tree.as_object_mut() {
        let variants = p.variants.iter().map(|v| variant(p, v)).collect();
        map.insert("variants".into(), conn(variants));
    }
    tree
}
