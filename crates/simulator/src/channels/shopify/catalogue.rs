//! Products, prices, publication and stock.

use super::graphql::{Fault, Field, fault};
use super::resolve::{product, text, user_error, variant};
use super::shop::{LOCATION, PUBLICATION, Product, Variant};
use super::{CURRENCY, NAME, Shopify};
use crate::core::ledger::ListingRecord;
use crate::core::money;
use crate::core::world::World;
use serde_json::{Value, json as j};

/// Until a change of price or stock is seen by buyers.
const SHOWN_MS: i64 = 60_000;

fn book(world: &World, p: &Product) {
    world.ledger(|l| {
        for v in p.variants.iter().filter(|v| !v.sku.is_empty()) {
            let state = match (p.live && p.status == "ACTIVE", p.published) {
                (true, _) => "live",
                (false, true) if p.status == "ACTIVE" => "pending",
                _ => "ended",
            };
            let record = ListingRecord {
                state: state.into(),
                id: v.id.clone(),
                currency: CURRENCY.into(),
                price: v.shown_price,
                quantity: u64::try_from(v.shown_stock).unwrap_or(0),
            };
            l.listing(NAME, "online_store", &v.sku, record);
        }
    });
}

fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.to_lowercase().chars() {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches('-').to_owned()
}

fn price(value: Option<&Value>) -> Result<Option<i64>, Value> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(v) => {
            let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            match money::minor(&text, CURRENCY) {
                Some(p) if p >= 0 => Ok(Some(p)),
                _ => Err(user_error(
                    &["input", "variants", "price"],
                    "Price must be a non-negative amount",
                    "INVALID_VARIANT",
                )),
            }
        }
    }
}

/// Takes what an input says of a variant.
fn fill(v: &mut Variant, input: &Value) -> Result<(), Value> {
    if let Some(p) = price(input.get("price"))? {
        v.price = p;
    }
    if input.get("compareAtPrice").is_some() {
        v.compare_at = price(input.get("compareAtPrice"))?;
    }
    let some = |key: &str, from: &Value| from.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(sku) = some("sku", input) {
        v.sku = sku;
    }
    if let Some(barcode) = some("barcode", input) {
        v.barcode = Some(barcode);
    }
    if let Some(policy) = some("inventoryPolicy", input) {
        v.oversell = policy == "CONTINUE";
    }
    if let Some(item) = input.get("inventoryItem") {
        if let Some(sku) = some("sku", item) {
            v.sku = sku;
        }
        if let Some(tracked) = item.get("tracked").and_then(Value::as_bool) {
            v.tracked = tracked;
        }
        if let Some(hs) = some("harmonizedSystemCode", item) {
            if !(6..=13).contains(&hs.len()) || !hs.bytes().all(|b| b.is_ascii_digit()) {
                return Err(user_error(
                    &["input", "variants", "inventoryItem", "harmonizedSystemCode"],
                    "Harmonized system code must be a number between 6 and 13 digits",
                    "INVALID_VARIANT",
                ));
            }
            v.hs = Some(hs);
        }
        if let Some(origin) = some("countryCodeOfOrigin", item) {
            v.origin = Some(origin);
        }
    }
    for q in input.get("inventoryQuantities").and_then(Value::as_array).into_iter().flatten() {
        if text(q.get("locationId")) != LOCATION {
            return Err(user_error(
                &["input", "variants", "inventoryQuantities"],
                "The specified location could not be found",
                "INVENTORY_QUANTITIES_LIMIT_EXCEEDED",
            ));
        }
        let given = q.get("quantity").or_else(|| q.get("availableQuantity")).and_then(Value::as_i64);
        if let Some(quantity) = given {
            v.available = quantity;
        }
    }
    let options: Vec<(String, String)> = input
        .get("optionValues")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|o| (text(o.get("optionName")), text(o.get("name"))))
        .collect();
    if !options.is_empty() {
        v.options = options;
    }
    Ok(())
}

fn describe(p: &mut Product, input: &Value) {
    let set = |slot: &mut String, key: &str| {
        if let Some(v) = input.get(key).and_then(Value::as_str) {
            *slot = v.to_owned();
        }
    };
    set(&mut p.title, "title");
    set(&mut p.html, "descriptionHtml");
    set(&mut p.vendor, "vendor");
    set(&mut p.kind, "productType");
    set(&mut p.status, "status");
    set(&mut p.handle, "handle");
    if let Some(tags) = input.get("tags").and_then(Value::as_array) {
        p.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(options) = input.get("productOptions").and_then(Value::as_array) {
        p.options = options
            .iter()
            .map(|o| {
                let values = o.get("values").and_then(Value::as_array);
                (text(o.get("name")), values.into_iter().flatten().map(|v| text(v.get("name"))).collect())
            })
            .collect();
    }
}

impl Shopify {
    fn refused(error: Value) -> Value {
        j!({"product": null, "productSetOperation": null, "productVariants": null, "userErrors": [error]})
    }

    /// Creates or replaces a whole product; a list that is given is the whole list.
    pub(super) fn product_set(&self, world: &World, f: &Field) -> Value {
        let input = f.arg("input");
        let identifier = f.arg("identifier");
        let (by_id, by_handle) =
            (text(identifier.get("id")).max(text(input.get("id"))), text(identifier.get("handle")));
        let mut shop = self.shop();
        let found = shop
            .products
            .values()
            .find(|p| p.id == by_id || (!by_handle.is_empty() && p.handle == by_handle))
            .cloned();
        if found.is_none() && !by_id.is_empty() {
            return Self::refused(user_error(
                &["identifier"],
                "Product does not exist",
                "PRODUCT_DOES_NOT_EXIST",
            ));
        }
        let title = text(input.get("title"));
        if found.is_none() && title.trim().is_empty() {
            return Self::refused(user_error(&["input", "title"], "Title can't be blank", "BLANK"));
        }
        if title.chars().count() > 255 {
            return Self::refused(user_error(
                &["input", "title"],
                "Title is too long (maximum is 255 characters)",
                "INVALID_INPUT",
            ));
        }
        let handle = [by_handle, text(input.get("handle")), slug(&title)]
            .into_iter()
            .find(|h| !h.is_empty())
            .unwrap_or_default();
        let now = world.now_ms();
        let fresh = found.is_none();
        let mut p = found.unwrap_or_else(|| {
            let n = shop.creations.entry(handle.clone()).or_default();
            *n += 1;
            let id = world.stream(&[NAME, "product", &handle, &n.to_string()]).digits(13);
            Product {
                id: format!("gid://shopify/Product/{id}"),
                handle: handle.clone(),
                status: "ACTIVE".into(),
                created_ms: now,
                ..Product::default()
            }
        });
        describe(&mut p, input);
        if let Some(list) = input.get("variants").and_then(Value::as_array) {
            if list.len() > 2_048 {
                return Self::refused(user_error(
                    &["input", "variants"],
                    "Too many variants",
                    "VARIANTS_OVER_LIMIT",
                ));
            }
            let old = std::mem::take(&mut p.variants);
            for (n, item) in list.iter().enumerate() {
                let (id, sku) = (text(item.get("id")), text(item.get("sku")));
                let sku = if sku.is_empty() { text(item.pointer("/inventoryItem/sku")) } else { sku };
                let before = old
                    .iter()
                    .find(|v| if id.is_empty() { !sku.is_empty() && v.sku == sku } else { v.id == id });
                if !id.is_empty() && before.is_none() {
                    return Self::refused(user_error(
                        &["input", "variants"],
                        "Product variant does not exist",
                        "PRODUCT_VARIANT_DOES_NOT_EXIST",
                    ));
                }
                let mut v = before.cloned().unwrap_or_else(|| {
                    let mut draw = world.stream(&[NAME, "variant", &p.id, &sku, &n.to_string()]);
                    Variant {
                        id: format!("gid://shopify/ProductVariant/{}", draw.digits(14)),
                        item: format!("gid://shopify/InventoryItem/{}", draw.digits(14)),
                        ..Variant::default()
                    }
                });
                if let Err(error) = fill(&mut v, item) {
                    return Self::refused(error);
                }
                for (name, value) in &v.options {
                    if !p.options.iter().any(|(n, values)| n == name && values.contains(value)) {
                        return Self::refused(user_error(
                            &["input", "variants", "optionValues"],
                            &format!("Option value {value} of {name} does not exist"),
                            "INVALID_PRODUCT_OPTION",
                        ));
                    }
                }
                if v.options.is_empty() && !p.options.is_empty() {
                    return Self::refused(user_error(
                        &["input", "variants", "optionValues"],
                        "Every variant needs a value for every option",
                        "INVALID_VARIANT",
                    ));
                }
                if p.variants.iter().any(|other| other.options == v.options) {
                    return Self::refused(user_error(
                        &["input", "variants"],
                        "The variant already exists. Please change at least one option value.",
                        "DUPLICATED_VARIANT",
                    ));
                }
                if before.is_none() {
                    v.shown_price = v.price;
                    v.shown_stock = v.available;
                }
                p.variants.push(v);
            }
            for gone in old.iter().filter(|o| !p.variants.iter().any(|v| v.id == o.id)) {
                let ended =
                    ListingRecord { state: "ended".into(), id: gone.id.clone(), ..ListingRecord::default() };
                world.ledger(|l| l.listing(NAME, "online_store", &gone.sku, ended));
            }
        }
        if shop.products.values().any(|o| o.id != p.id && o.handle == p.handle) {
            return Self::refused(user_error(
                &["input", "handle"],
                "Handle has already been taken",
                "HANDLE_NOT_UNIQUE",
            ));
        }
        p.updated_ms = now;
        if fresh && p.variants.is_empty() {
            let mut draw = world.stream(&[NAME, "variant", &p.id, "", "0"]);
            p.variants.push(Variant {
                id: format!("gid://shopify/ProductVariant/{}", draw.digits(14)),
                item: format!("gid://shopify/InventoryItem/{}", draw.digits(14)),
                ..Variant::default()
            });
        }
        book(world, &p);
        let tree = product(&p, true);
        let id = p.id.clone();
        shop.products.insert(id.clone(), p);
        drop(shop);
        world.schedule(NAME, SHOWN_MS, "show", &id, Value::Null);
        let operation = j!({"id": id.replace("/Product/", "/ProductSetOperation/"), "status": "COMPLETE", "product": tree, "userErrors": []});
        j!({"product": if f.arg("synchronous") == &Value::Bool(false) { Value::Null } else { tree }, "productSetOperation": operation, "userErrors": []})
    }

    pub(super) fn product_create(&self, world: &World, f: &Field) -> Value {
        let mut args = f.args.clone();
        let input =
            if f.arg("product").is_null() { f.arg("input").clone() } else { f.arg("product").clone() };
        args.insert("input".into(), input);
        args.remove("identifier");
        self.product_set(world, &Field { args, ..f.clone() })
    }

    pub(super) fn product_update(&self, world: &World, f: &Field) -> Value {
        let input = if f.arg("product").is_null() { f.arg("input") } else { f.arg("product") };
        let mut shop = self.shop();
        let Some(p) = shop.products.get_mut(&text(input.get("id"))) else {
            return Self::refused(user_error(
                &["product", "id"],
                "Product does not exist",
                "PRODUCT_DOES_NOT_EXIST",
            ));
        };
        describe(p, input);
        p.updated_ms = world.now_ms();
        book(world, p);
        j!({"product": product(p, true), "userErrors": []})
    }

    pub(super) fn product_delete(&self, world: &World, f: &Field) -> Value {
        let id = text(f.arg("input").get("id"));
        match self.shop().products.remove(&id) {
            Some(mut p) => {
                p.status = "DELETED".into();
                book(world, &p);
                j!({"deletedProductId": id, "userErrors": []})
            }
            None => {
                j!({"deletedProductId": null, "userErrors": [user_error(&["id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")]})
            }
        }
    }

    pub(super) fn variants_update(&self, world: &World, f: &Field) -> Value {
        let mut shop = self.shop();
        let Some(p) = shop.products.get_mut(f.text("productId")) else {
            return Self::refused(user_error(
                &["productId"],
                "Product does not exist",
                "PRODUCT_DOES_NOT_EXIST",
            ));
        };
        let partial = f.arg("allowPartialUpdates") == &Value::Bool(true);
        let (mut next, mut errors, mut touched) = (p.clone(), Vec::new(), Vec::new());
        for (n, item) in f.arg("variants").as_array().into_iter().flatten().enumerate() {
            let (at, id) = (n.to_string(), text(item.get("id")));
            let Some(v) = next.variants.iter_mut().find(|v| v.id == id) else {
                errors.push(user_error(
                    &["variants", &at, "id"],
                    "Product variant does not exist",
                    "PRODUCT_VARIANT_DOES_NOT_EXIST",
                ));
                continue;
            };
            let mut changed = v.clone();
            match fill(&mut changed, item) {
                Ok(()) => {
                    *v = changed;
                    touched.push(id);
                }
                Err(_) => errors.push(user_error(
                    &["variants", &at, "price"],
                    "Price must be greater than or equal to 0",
                    "GREATER_THAN_OR_EQUAL_TO",
                )),
            }
        }
        if !errors.is_empty() && !partial {
            return j!({"product": null, "productVariants": null, "userErrors": errors});
        }
        next.updated_ms = world.now_ms();
        *p = next;
        let list: Vec<Value> =
            p.variants.iter().filter(|v| touched.contains(&v.id)).map(|v| variant(p, v)).collect();
        let (tree, id) = (product(p, true), p.id.clone());
        drop(shop);
        world.schedule(NAME, SHOWN_MS, "show", &id, Value::Null);
        j!({"product": tree, "productVariants": list, "userErrors": errors})
    }

    /// All of them or none.
    pub(super) fn variants_delete(&self, world: &World, f: &Field) -> Value {
        let mut shop = self.shop();
        let Some(p) = shop.products.get_mut(f.text("productId")) else {
            return j!({"product": null, "userErrors": [user_error(&["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")]});
        };
        let ids: Vec<String> =
            f.arg("variantsIds").as_array().into_iter().flatten().map(|id| text(Some(id))).collect();
        let (gone, stay): (Vec<_>, Vec<_>) = p.variants.iter().cloned().partition(|v| ids.contains(&v.id));
        let refused = if gone.len() < ids.len() {
            Some((
                "Variant does not belong to the product",
                "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT",
            ))
        } else if stay.is_empty() {
            Some(("Cannot delete default variant", "CANNOT_DELETE_LAST_VARIANT"))
        } else {
            None
        };
        if let Some((message, code)) = refused {
            return j!({"product": null, "userErrors": [user_error(&["variantsIds"], message, code)]});
        }
        book(world, &Product { status: "DELETED".into(), variants: gone, ..p.clone() });
        p.variants = stay;
        p.updated_ms = world.now_ms();
        j!({"product": product(p, true), "userErrors": []})
    }

    pub(super) fn publish(&self, world: &World, f: &Field, on: bool) -> Value {
        let mut shop = self.shop();
        let input = f.arg("input").as_array().cloned().unwrap_or_default();
        let fail = |message: &str| j!({"publishable": null, "shop": null, "userErrors": [{"field": ["input"], "message": message}]});
        if input.iter().any(|i| text(i.get("publicationId")) != PUBLICATION) {
            return fail("Publication does not exist or is not publishable");
        }
        let Some(p) = shop.products.get_mut(f.text("id")) else { return fail("The resource does not exist") };
        p.published = on;
        if !on {
            p.live = false;
        }
        book(world, p);
        let (tree, id) = (product(p, true), p.id.clone());
        drop(shop);
        if on {
            let wait = world.stream(&[NAME, "publish", &id]).between(60_000, 300_000);
            world.schedule(NAME, wait, "publish", &id, Value::Null);
        }
        j!({"publishable": tree, "shop": {"id": "gid://shopify/Shop/60010001"}, "userErrors": []})
    }

    /// What is asked for becomes what is seen.
    pub(super) fn shown(&self, world: &World, id: &str) {
        let mut shop = self.shop();
        let Some(p) = shop.products.get_mut(id) else { return };
        for v in &mut p.variants {
            v.shown_price = v.price;
            v.shown_stock = v.available;
        }
        // A publication takes at least a minute, which a mere change of stock does not shorten.
        if p.published && p.status == "ACTIVE" {
            p.live = true;
        }
        book(world, p);
    }

    pub(super) fn set_quantities(&self, world: &World, f: &Field) -> Result<Value, Fault> {
        let input = f.arg("input");
        let list = input.get("quantities").and_then(Value::as_array).cloned().unwrap_or_default();
        for q in &list {
            if q.get("changeFromQuantity").is_none() {
                return Err(fault(
                    "INVALID_FIELD_ARGUMENTS",
                    "InventoryQuantityInput.changeFromQuantity must be given (null skips the comparison)",
                ));
            }
            if let Some(extra) = q.as_object().and_then(|m| {
                m.keys().find(|k| {
                    !["inventoryItemId", "locationId", "quantity", "changeFromQuantity"].contains(&k.as_str())
                })
            }) {
                return Err(fault(
                    "argumentNotAccepted",
                    format!("InputObject 'InventoryQuantityInput' doesn't accept argument '{extra}'"),
                ));
            }
        }
        let fail = |field: &[&str], message: &str, code: &str| {
            Ok(j!({"inventoryAdjustmentGroup": null, "userErrors": [user_error(field, message, code)]}))
        };
        let name = text(input.get("name"));
        if name != "available" && name != "on_hand" {
            return fail(
                &["input", "name"],
                "The quantity name must be either 'available' or 'on_hand'",
                "INVALID_NAME",
            );
        }
        if text(input.get("reason")).is_empty() {
            return fail(&["input", "reason"], "The specified reason is invalid", "INVALID_REASON");
        }
        let mut shop = self.shop();
        // All or nothing: first every line is checked.
        for (n, q) in list.iter().enumerate() {
            let at = n.to_string();
            let here = ["input", "quantities", at.as_str()];
            if text(q.get("locationId")) != LOCATION {
                return fail(&here, "The specified location could not be found", "INVALID_LOCATION");
            }
            let quantity = q.get("quantity").and_then(Value::as_i64).unwrap_or(-1);
            if !(0..=1_000_000_000).contains(&quantity) {
                return fail(&here, "The quantity can't be negative", "INVALID_QUANTITY_NEGATIVE");
            }
            let Some(v) = shop.variant(&text(q.get("inventoryItemId"))) else {
                return fail(
                    &here,
                    "The specified inventory item could not be found",
                    "INVALID_INVENTORY_ITEM",
                );
            };
            let have = if name == "available" { v.available } else { v.available + v.committed };
            if q.get("changeFromQuantity").and_then(Value::as_i64).is_some_and(|expected| expected != have) {
                return fail(
                    &here,
                    "The changeFromQuantity argument no longer matches the persisted quantity",
                    "CHANGE_FROM_QUANTITY_STALE",
                );
            }
        }
        let mut owners = Vec::new();
        for q in &list {
            let item = text(q.get("inventoryItemId"));
            if let Some(v) = shop.variant(&item) {
                let quantity = q.get("quantity").and_then(Value::as_i64).unwrap_or(0);
                v.available = if name == "available" { quantity } else { quantity - v.committed };
            }
            if let Some(p) = shop.products.values().find(|p| p.variants.iter().any(|v| v.item == item)) {
                owners.push(p.id.clone());
            }
        }
        drop(shop);
        for id in owners {
            world.schedule(NAME, SHOWN_MS, "show", &id, Value::Null);
        }
        let group = j!({"id": "gid://shopify/InventoryAdjustmentGroup/1", "reason": input.get("reason"), "referenceDocumentUri": input.get("referenceDocumentUri"), "createdAt": super::resolve::when(world.now_ms())});
        Ok(j!({"inventoryAdjustmentGroup": group, "userErrors": []}))
    }
}
