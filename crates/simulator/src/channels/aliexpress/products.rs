//! Products: post, audit, edit, stock and price in batches, reading back.

use super::shapes::{field, text, wall};
use super::{AliExpress, CURRENCY, LAG_MS, NAME, Product, Sku, gateway_error, remote_error};
use crate::core::ledger::ListingRecord;
use crate::core::money;
use crate::core::world::World;
use serde_json::{Value, json as j};

/// An audit takes 10 to 40 minutes.
const AUDIT_MS: (i64, i64) = (600_000, 2_400_000);
/// Words the audit does not let pass.
const FORBIDDEN: &[&str] = &["replica", "counterfeit", "cbd"];
const LANGUAGES: &[&str] =
    &["en", "ru", "es", "fr", "it", "tr", "pt", "de", "nl", "in", "ar", "ja", "ko", "th", "vi", "iw"];

fn invalid(sub_code: &str, message: &str) -> Value {
    remote_error(sub_code, message)
}

/// The rules of the metadata, in its order; the sub-codes follow the pattern of the one known code
/// (`F00-00-10007-007`, a doubled `sku_code`).
fn check(request: &Value, whole: bool) -> Result<Vec<Sku>, Value> {
    let missing = |name: &str| invalid("F00-00-10005-001", &format!("The field {name} is required"));
    if whole {
        for name in [
            "language",
            "main_image_urls_list",
            "inventory_deduction_strategy",
            "weight",
            "package_length",
            "package_height",
            "package_width",
            "freight_template_id",
            "shipping_lead_time",
            "service_policy_id",
            "sku_info_list",
        ] {
            if request.get(name).is_none_or(Value::is_null) {
                return Err(missing(name));
            }
        }
        if field(request, "aliexpress_category_id").is_empty() && field(request, "category_id").is_empty() {
            return Err(missing("aliexpress_category_id"));
        }
    }
    let language = field(request, "language");
    if !language.is_empty() && !LANGUAGES.contains(&language.as_str()) {
        return Err(invalid("F00-00-10006-001", "The language is not supported"));
    }
    let subject = subject(request);
    if whole && subject.is_empty() {
        return Err(missing("subject"));
    }
    if subject.chars().count() > 218 {
        return Err(invalid("F00-00-10006-002", "The subject must not be longer than 218 characters"));
    }
    if let Some(images) = request.get("main_image_urls_list").and_then(Value::as_array)
        && (images.is_empty() || images.len() > 6)
    {
        return Err(invalid("F00-00-10006-003", "There must be 1 to 6 main images"));
    }
    if let Some(weight) = request.get("weight") {
        let grams = money::minor(&text(weight), "KWD");
        if grams.is_none_or(|g| g <= 0 || g > 500_000) {
            return Err(invalid("F00-00-10006-004", "The weight must be a text from 0.001 to 500.000"));
        }
    }
    for side in ["package_length", "package_height", "package_width"] {
        if let Some(v) = request.get(side)
            && v.as_i64().is_none_or(|v| !(1..=700).contains(&v))
        {
            return Err(invalid("F00-00-10006-005", &format!("{side} must be from 1 to 700 cm")));
        }
    }
    let strategy = field(request, "inventory_deduction_strategy");
    if !strategy.is_empty()
        && !["place_order_withhold", "payment_success_deduct"].contains(&strategy.as_str())
    {
        return Err(invalid("F00-00-10006-006", "The inventory_deduction_strategy is unknown"));
    }
    let mut skus: Vec<Sku> = Vec::new();
    for item in request.get("sku_info_list").and_then(Value::as_array).into_iter().flatten() {
        let code = field(item, "sku_code");
        if code.is_empty() {
            return Err(missing("sku_code"));
        }
        if skus.iter().any(|s| s.code == code) {
            return Err(invalid("F00-00-10007-007", &format!("The sku_code {code} is duplicated")));
        }
        if !item.get("price").is_some_and(Value::is_string) {
            return Err(invalid("F00-00-10007-001", "The price must be a text"));
        }
        let price = price(&field(item, "price"))?;
        if let Some(discount) = item.get("discount_price") {
            let discount = self::price(&text(discount))?;
            if discount >= price {
                return Err(invalid("F00-00-10007-003", "The discount_price must be lower than the price"));
            }
        }
        let stock = item.get("inventory").and_then(Value::as_u64).unwrap_or(0);
        if !(1..=999_999).contains(&stock) {
            return Err(invalid("F00-00-10007-002", "The inventory must be from 1 to 999999"));
        }
        let ean = field(item, "ean_code");
        skus.push(Sku { code, price, stock, ean, shown_price: price, shown_stock: stock });
    }
    if whole && (skus.is_empty() || skus.len() > 200) {
        return Err(invalid("F00-00-10007-008", "There must be 1 to 200 skus"));
    }
    Ok(skus)
}

fn price(value: &str) -> Result<i64, Value> {
    match money::minor(value, CURRENCY) {
        Some(p) if (1..=99_999_900).contains(&p) => Ok(p),
        _ => Err(invalid(
            "F00-00-10007-004",
            &format!("The price {value} must be from 0.01 to 999999 with two decimals"),
        )),
    }
}

fn subject(request: &Value) -> String {
    let list = request.get("multi_language_subject_list").and_then(Value::as_array);
    list.and_then(|l| l.first()).map(|s| field(s, "subject")).unwrap_or_else(|| field(request, "subject"))
}

fn record(p: &Product, sku: &Sku) -> ListingRecord {
    let state = match p.status.as_str() {
        "onSelling" => "live",
        "auditing" => "pending",
        "editingRequired" => "refused",
        _ => "ended",
    };
    ListingRecord {
        state: state.into(),
        id: p.id.to_string(),
        currency: CURRENCY.into(),
        price: sku.shown_price,
        quantity: sku.shown_stock,
    }
}

fn book(world: &World, p: &Product) {
    world.ledger(|l| {
        for sku in &p.skus {
            l.listing(NAME, "ae_global", &sku.code, record(p, sku));
        }
    });
}

impl AliExpress {
    pub(super) fn post(&self, world: &World, request: Value) -> Result<Value, Value> {
        let skus = check(&request, true)?;
        let first = skus.first().map(|s| s.code.clone()).unwrap_or_default();
        let mut shop = self.shop();
        let count = shop.posts.entry(first.clone()).or_default();
        *count += 1;
        let ordinal = count.to_string();
        let mut draw = world.stream(&[NAME, "product", &first, &ordinal]);
        let id: u64 = format!("100500{}", draw.digits(10)).parse().unwrap_or(1);
        let now = world.now_ms();
        let product = Product {
            id,
            status: "auditing".into(),
            subject: subject(&request),
            request,
            skus,
            created_ms: now,
            modified_ms: now,
            refusal: String::new(),
        };
        book(world, &product);
        if *count > 1 {
            world.ledger(|l| l.complain(NAME, &format!("the product of {first} was posted {ordinal} times")));
        }
        shop.products.insert(id, product);
        drop(shop);
        world.schedule(NAME, draw.between(AUDIT_MS.0, AUDIT_MS.1), "audit", &id.to_string(), Value::Null);
        Ok(j!({"result": {"product_id": id}}))
    }

    pub(super) fn audited(&self, world: &World, key: &str) {
        let mut shop = self.shop();
        let Some(p) = key.parse().ok().and_then(|id: u64| shop.products.get_mut(&id)) else { return };
        if p.status != "auditing" {
            return;
        }
        let low = p.subject.to_lowercase();
        let bad = FORBIDDEN.iter().find(|w| low.contains(*w));
        p.status = if bad.is_some() { "editingRequired" } else { "onSelling" }.to_owned();
        p.refusal = bad.map(|w| format!("the word {w} is not allowed")).unwrap_or_default();
        p.modified_ms = world.now_ms();
        book(world, p);
    }

    /// A change of stock or price becomes visible.
    pub(super) fn show(&self, world: &World, key: &str) {
        let mut shop = self.shop();
        let Some(p) = key.parse().ok().and_then(|id: u64| shop.products.get_mut(&id)) else { return };
        for sku in &mut p.skus {
            sku.shown_price = sku.price;
            sku.shown_stock = sku.stock;
        }
        book(world, p);
    }

    pub(super) fn edit(&self, world: &World, request: Value) -> Result<Value, Value> {
        let skus = check(&request, false)?;
        let id = field(&request, "product_id");
        let mut shop = self.shop();
        let Some(p) = id.parse().ok().and_then(|id: u64| shop.products.get_mut(&id)) else {
            return Err(invalid("F00-00-10003-001", "The product does not exist"));
        };
        let new = subject(&request);
        let again = !new.is_empty() && new != p.subject;
        if !new.is_empty() {
            p.subject = new;
        }
        if !skus.is_empty() {
            // A list given replaces the former one; what is shown follows with the usual lag.
            let old = std::mem::take(&mut p.skus);
            p.skus = skus;
            for sku in &mut p.skus {
                let before = old.iter().find(|o| o.code == sku.code);
                sku.shown_price = before.map_or(sku.price, |o| o.shown_price);
                sku.shown_stock = before.map_or(sku.stock, |o| o.shown_stock);
            }
            for gone in old.iter().filter(|o| !p.skus.iter().any(|s| s.code == o.code)) {
                let ended =
                    ListingRecord { state: "ended".into(), id: p.id.to_string(), ..ListingRecord::default() };
                world.ledger(|l| l.listing(NAME, "ae_global", &gone.code, ended));
            }
        }
        if let (Some(old), Some(new)) = (p.request.as_object_mut(), request.as_object()) {
            old.extend(new.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        p.modified_ms = world.now_ms();
        let key = p.id.to_string();
        // New words are audited again; the product is not for sale meanwhile. A refused one gets its second chance.
        let audit = again || p.status == "editingRequired";
        if audit {
            p.status = "auditing".into();
        }
        book(world, p);
        let answer = j!({"result": {"product_id": p.id}});
        let modified = p.modified_ms.to_string();
        drop(shop);
        world.schedule(NAME, LAG_MS, "show", &key, Value::Null);
        if audit {
            let wait = world.stream(&[NAME, "audit", &key, &modified]).between(AUDIT_MS.0, AUDIT_MS.1);
            world.schedule(NAME, wait, "audit", &key, Value::Null);
        }
        Ok(answer)
    }

    /// Stock (`stock`) or price of up to 20 products with up to 200 SKUs each; each product succeeds or fails
    /// as a whole.
    pub(super) fn batch(&self, world: &World, list: Value, stock: bool) -> Result<Value, Value> {
        let list = list.as_array().cloned().unwrap_or_default();
        if list.is_empty() || list.len() > 20 {
            return Err(gateway_error("InvalidParameter", "ISV", "The list must have 1 to 20 products"));
        }
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for item in &list {
            let id = field(item, "product_id");
            let shown = id.parse::<u64>().map_or(Value::Null, Value::from);
            match self.change(&id, item, stock) {
                Ok(()) => {
                    world.schedule(NAME, LAG_MS, "show", &id, Value::Null);
                    done.push(j!({"product_id": shown}));
                }
                Err((code, message)) => {
                    failed.push(j!({"product_id": shown, "error_code": code, "error_message": message}));
                }
            }
        }
        let all = failed.is_empty();
        let mut answer =
            j!({"update_success": all, "update_successful_list": done, "update_failed_list": failed});
        if !all && let Some(map) = answer.as_object_mut() {
            map.insert("update_error_code".into(), "F00-00-10010-001".into());
            map.insert("update_error_message".into(), "Some products could not be updated".into());
        }
        Ok(answer)
    }

    fn change(&self, id: &str, item: &Value, stock: bool) -> Result<(), (&'static str, String)> {
        let mut shop = self.shop();
        let product = id.parse().ok().and_then(|id: u64| shop.products.get_mut(&id));
        let Some(product) = product.filter(|p| p.status != "deleted") else {
            return Err(("F00-00-10003-001", "The product does not exist".into()));
        };
        let changes =
            item.get("multiple_sku_update_list").and_then(Value::as_array).cloned().unwrap_or_default();
        if changes.is_empty() || changes.len() > 200 {
            return Err(("F00-00-10010-002", "The sku list must have 1 to 200 entries".into()));
        }
        let mut next = product.clone();
        for change in &changes {
            let code = field(change, "sku_code");
            let Some(sku) = next.sku(&code) else {
                return Err(("F00-00-10007-009", format!("The sku_code {code} does not exist")));
            };
            if stock {
                match field(change, "inventory").parse::<u64>() {
                    Ok(q) if q <= 999_999 => sku.stock = q,
                    _ => return Err(("F00-00-10007-002", "The inventory must be from 0 to 999999".into())),
                }
            } else {
                match money::minor(&field(change, "price"), CURRENCY) {
                    Some(p) if p > 0 => sku.price = p,
                    _ => return Err(("F00-00-10007-004", "The price must be from 0.01 to 999999".into())),
                }
            }
        }
        *product = next;
        Ok(())
    }

    /// Takes off the shelf or puts back.
    pub(super) fn shelve(&self, world: &World, ids: &str, on: bool) -> Result<Value, Value> {
        let mut shop = self.shop();
        let mut count = 0;
        for id in ids.split([';', ',']).filter_map(|id| id.trim().parse::<u64>().ok()) {
            if let Some(p) = shop.products.get_mut(&id) {
                match (on, p.status.as_str()) {
                    (false, "onSelling" | "auditing") => p.status = "offline".into(),
                    (true, "offline") => p.status = "onSelling".into(),
                    _ => {}
                }
                p.modified_ms = world.now_ms();
                book(world, p);
                count += 1;
            }
        }
        if count == 0 {
            return Err(invalid("F00-00-10003-001", "The product does not exist"));
        }
        Ok(j!({"result": {"modify_count": count, "success": true}}))
    }

    pub(super) fn delete(&self, world: &World, ids: &str) -> Result<Value, Value> {
        let ids: Vec<u64> =
            ids.trim_matches(['[', ']']).split(',').filter_map(|i| i.trim().parse().ok()).collect();
        if ids.is_empty() || ids.len() > 100 {
            return Err(gateway_error("InvalidParameter", "ISV", "product_ids must have 1 to 100 entries"));
        }
        let mut shop = self.shop();
        for id in ids {
            if let Some(mut p) = shop.products.remove(&id) {
                p.status = "deleted".into();
                book(world, &p);
            }
        }
        Ok(j!({}))
    }

    pub(super) fn list_products(&self, query: Value) -> Result<Value, Value> {
        let status = field(&query, "product_status_type");
        if !["onSelling", "offline", "auditing", "editingRequired"].contains(&status.as_str()) {
            return Err(gateway_error("InvalidParameter", "ISV", "product_status_type is required"));
        }
        let size = query.get("page_size").and_then(Value::as_u64).unwrap_or(20);
        if size == 0 || size >= 100 {
            return Err(gateway_error("InvalidParameter", "ISV", "page_size must be less than 100"));
        }
        let page = query.get("current_page").and_then(Value::as_u64).unwrap_or(1).max(1);
        let (wanted, sku) = (field(&query, "product_id"), field(&query, "sku_code"));
        let shop = self.shop();
        let hits: Vec<&Product> = shop
            .products
            .values()
            .filter(|p| p.status == status)
            .filter(|p| wanted.is_empty() || p.id.to_string() == wanted)
            .filter(|p| sku.is_empty() || p.skus.iter().any(|s| s.code == sku))
            .collect();
        let total = u64::try_from(hits.len()).unwrap_or(0);
        let from = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
        let list: Vec<Value> = hits
            .iter()
            .skip(from)
            .take(usize::try_from(size).unwrap_or(20))
            .map(|p| {
                let prices = p.skus.iter().map(|s| s.shown_price);
                let shown = |v: Option<i64>| money::text(v.unwrap_or(0), CURRENCY);
                j!({"product_id": p.id, "subject": p.subject, "currency_code": CURRENCY,
                    "product_min_price": shown(prices.clone().min()), "product_max_price": shown(prices.max()),
                    "gmt_create": wall(p.created_ms), "gmt_modified": wall(p.modified_ms),
                    "ws_display": if p.status == "offline" { "user_offline" } else { "" },
                    "owner_member_id": "cnsim", "owner_member_seq": 2200000001_u64, "image_u_r_ls": images(p)})
            })
            .collect();
        Ok(
            j!({"result": {"success": true, "product_count": total, "total_page": total.div_ceil(size), "current_page": page,
            "aeop_a_e_product_display_d_t_o_list": list}}),
        )
    }

    pub(super) fn product_info(&self, id: &str) -> Result<Value, Value> {
        let shop = self.shop();
        let Some(p) = id.parse().ok().and_then(|id: u64| shop.products.get(&id)) else {
            return Err(invalid("F00-00-10003-001", "The product does not exist"));
        };
        let skus: Vec<Value> = p
            .skus
            .iter()
            .map(|s| {
                j!({"id": format!("14:{}", s.code), "sku_code": s.code, "sku_price": money::text(s.shown_price, CURRENCY),
                    "currency_code": CURRENCY, "ipm_sku_stock": s.shown_stock, "sku_stock": s.shown_stock > 0,
                    "ean_code": s.ean, "barcode": s.ean, "aeop_s_k_u_property_list": []})
            })
            .collect();
        Ok(j!({"result": {"product_id": p.id, "subject": p.subject, "product_status_type": p.status,
            "currency_code": CURRENCY, "product_price": skus.first().map(|s| field(s, "sku_price")),
            "category_id": p.request.get("aliexpress_category_id"), "gross_weight": p.request.get("weight").map(text),
            "package_length": p.request.get("package_length"), "package_width": p.request.get("package_width"),
            "package_height": p.request.get("package_height"), "image_u_r_ls": images(p),
            "delivery_time": p.request.get("shipping_lead_time"),
            "gmt_create": wall(p.created_ms), "gmt_modified": wall(p.modified_ms),
            "multi_language_subject_list": [{"locale": "en_US", "subject": p.subject}],
            "aeop_ae_product_s_k_us": skus}}))
    }
}

fn images(p: &Product) -> String {
    let list = p.request.get("main_image_urls_list").and_then(Value::as_array);
    list.into_iter().flatten().map(text).collect::<Vec<_>>().join(";")
}
