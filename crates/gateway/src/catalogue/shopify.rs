//! Shopify's product export CSV. A product spans rows with the same handle; only the first carries its words.
//!
//! Columns: Shopify Help Center, "Using CSV files to import and export products". The newer template has other names for
//! the same columns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::rows::Fields;
use super::tables::Table;
use super::{MAX_PROBLEMS, Reader, Row};

impl Reader {
    pub(super) fn read_shopify(&mut self, path: &Path) {
        let mut rows: Vec<(Row, BTreeMap<String, String>)> = Vec::new();
        // All rows wait for the last one: a product's words may stand in any. Their many blank fields need not.
        self.each_record(path, Table::Shopify, |_, row, mut fields| {
            fields.retain(|_, value| !value.trim().is_empty());
            rows.push((row, fields));
        });
        if self.currency.is_none() && self.problems.is_empty() {
            return self.whole(
                "Shopify's export names no currency: set currency = \"…\" for this file in tradewind.toml",
            );
        }
        let mut heads: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (_, fields) in &rows {
            let head = heads.entry(get(fields, "handle")).or_default();
            for (name, value) in fields {
                if !value.trim().is_empty() && !name.starts_with("variant ") && name != "image src" {
                    head.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            let image = get(fields, "image src");
            if !image.is_empty() {
                let images = head.entry("images".to_owned()).or_default();
                if !images.is_empty() {
                    images.push('|');
                }
                images.push_str(&image);
            }
        }
        let mut hidden: (u64, BTreeSet<String>) = (0, BTreeSet::new());
        let mut oversold: (u64, Option<Row>) = (0, None);
        for (row, mut fields) in rows {
            // Rows without a price only add an image.
            if get(&fields, "variant price").is_empty() && get(&fields, "variant sku").is_empty() {
                continue;
            }
            let handle = get(&fields, "handle");
            let Some(head) = heads.get(&handle) else { continue };
            let status = get(head, "status").to_lowercase();
            if !matches!(status.as_str(), "" | "active")
                || get(head, "published").eq_ignore_ascii_case("false")
            {
                hidden.0 += 1;
                hidden.1.insert(handle);
                continue;
            }
            if get(&fields, "variant sku").is_empty() {
                self.problem(row.problem(
                    "Variant SKU",
                    format!(
                        "is empty for '{handle}': give every variant a SKU in Shopify, then export again"
                    ),
                ));
                continue;
            }
            if self.problems.len() >= MAX_PROBLEMS {
                return;
            }
            // Shopify counts below zero what it sold without having it.
            let below = get(&fields, "variant inventory qty");
            if below.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            {
                oversold.0 += 1;
                oversold.1.get_or_insert_with(|| row.clone());
                fields.insert("variant inventory qty".to_owned(), "0".to_owned());
            }
            let own = own_names(&handle, head, &fields);
            self.take(row, &Fields(own));
        }
        if hidden.0 > 0 {
            let text = format!(
                "{} SKUs of {} products were left out, which are drafts, archived or not published in Shopify: publish them there and export again if they are to be sold",
                hidden.0,
                hidden.1.len()
            );
            if !self.taken && self.problems.is_empty() {
                return self.whole(format!("has nothing to sell: {text}"));
            }
            self.warnings.push(self.at(0).problem("", text));
        }
        if let (n, Some(row)) = oversold {
            let text = format!(
                "is below zero, here and in {} more rows: Shopify sold more than there was; taken as 0",
                n - 1
            );
            self.warnings.push(row.problem("Variant Inventory Qty", text));
        }
    }
}

fn get(fields: &BTreeMap<String, String>, name: &str) -> String {
    fields.get(name).map(|v| v.trim().to_owned()).unwrap_or_default()
}

fn own_names(
    handle: &str,
    head: &BTreeMap<String, String>,
    row: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut own = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            own.insert(name.to_owned(), value);
        }
    };
    set("product", handle.to_owned());
    set("sku", get(row, "variant sku"));
    set("title", get(head, "title"));
    set("description", get(head, "body (html)"));
    set("brand", get(head, "vendor"));
    let category = get(head, "type");
    set("category", if category.is_empty() { get(head, "product category") } else { category });
    set("price", get(row, "variant price"));
    set("cost", get(row, "cost per item"));
    set("quantity", get(row, "variant inventory qty"));
    // Excel puts an apostrophe before barcodes to keep their zeros.
    set("gtin", get(row, "variant barcode").trim_start_matches('\'').to_owned());
    set("hs", get(row, "variant harmonized system code"));
    set("origin", get(row, "variant country of origin"));
    set("weight", get(row, "variant grams"));
    set("images", get(head, "images"));
    for n in 1..=3 {
        let (name, value) = (get(head, &format!("option{n} name")), get(row, &format!("option{n} value")));
        if !name.is_empty() && name != "Title" {
            set(&format!("attr:{}", name.to_lowercase()), value);
        }
    }
    own
}
