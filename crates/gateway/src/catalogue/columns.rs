//! The columns of every format: what the readers go by, what messages name, and what `docs/catalogue.md` shows.

use std::fmt::Write as _;

use tradewind_domain::Locale;

/// A column of our own formats.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// A file with `facts = true` may have it.
    pub(super) fact: bool,
    what: &'static str,
}

const fn column(name: &'static str, fact: bool, what: &'static str) -> Column {
    Column { name, fact, what }
}

/// The columns of our own formats.
pub(super) const COLUMNS: &[Column] = &[
    column("sku", true, "key of the variant in every channel; required"),
    column("product", false, "groups variants; left out: the SKU"),
    column("title", false, "required; in the file's `locale`, in another language `title:de`, `title:zh-CN`"),
    column(
        "description",
        false,
        "text or simple HTML; in another language `description:de`, beside `title:de`",
    ),
    column("brand", false, "one for all variants of a product"),
    column("category", false, "one for all variants of a product; accounts map it under `offers.categories`"),
    column("price", false, "required; a decimal point, no thousands separator: `1299.00`"),
    column("currency", true, "ISO 4217; left out: the file's `currency`"),
    column("cost", true, "purchase cost of one unit; the margin floor needs it"),
    column("cost_currency", true, "left out: `currency`"),
    column(
        "quantity",
        true,
        "whole units in stock; left out: the file's `quantity`, else nothing is offered",
    ),
    column("gtin", true, "EAN, UPC or GTIN-14 with its check digit; a wrong one holds the offer back"),
    column("hs", true, "HS code of 6, 8 or 10 digits; needed to cross a border"),
    column("origin", true, "country of origin, ISO 3166-1 alpha-2; needed to cross a border"),
    column("weight", true, "of one unit, packed; rounded up to grams"),
    column("weight_unit", true, "`g`, `kg`, `lb` or `oz`; left out: `g`"),
    column("length_mm", true, "of one unit, packed, in whole millimetres; all three sides or none"),
    column("width_mm", true, "see length_mm"),
    column("height_mm", true, "see length_mm"),
    column("images", true, "addresses, the main one first, with `|` between them"),
];

/// Our columns, for a message.
pub(super) fn names() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|c| c.name).collect();
    names.join(", ")
}

/// A column's name as we write it: what stands before a colon in lower case, a language as BCP 47 writes it.
pub(super) fn own(name: &str) -> Result<String, String> {
    let unknown = || format!("is no known column: use {}, attr:NAME or title:LANGUAGE", names());
    let Some((head, tail)) = name.split_once(':') else {
        let name = name.trim().to_lowercase();
        return if COLUMNS.iter().any(|c| c.name == name) { Ok(name) } else { Err(unknown()) };
    };
    let (head, tail) = (head.trim().to_lowercase(), tail.trim());
    match head.as_str() {
        "attr" if !tail.is_empty() => Ok(format!("attr:{tail}")),
        "title" | "description" => match Locale::parse(tail) {
            Some(locale) => Ok(format!("{head}:{}", locale.0)),
            None => Err(format!("'{tail}' is no language: write a tag such as {head}:de or {head}:zh-CN")),
        },
        _ => Err(unknown()),
    }
}

/// Whether a file with `facts = true` may have a column.
pub(super) fn is_fact(name: &str) -> bool {
    name.starts_with("attr:") || COLUMNS.iter().any(|c| c.fact && c.name == name)
}

/// Shopify's columns: in exports, in the newer template, and what they become.
const SHOPIFY: &[(&str, &str, &str)] = &[
    ("Handle", "URL handle", "product"),
    ("Title", "Title", "title, of the product"),
    ("Body (HTML)", "Description", "description, of the product"),
    ("Vendor", "Vendor", "brand"),
    ("Type", "Type", "category"),
    ("Product Category", "Product category", "category, where Type is blank"),
    ("Published", "Published on online store", "`FALSE`: the product is left out"),
    ("Status", "Status", "`draft` or `archived`: the product is left out"),
    ("Option1 Name", "Option1 name", "with Option1 Value: attr:…; the same of 2 and 3"),
    ("Option1 Value", "Option1 value", "see Option1 Name"),
    ("Variant SKU", "SKU", "sku"),
    ("Variant Price", "Price", "price, in the file's `currency`"),
    ("Cost per item", "Cost per item", "cost"),
    ("Variant Inventory Qty", "Inventory quantity", "quantity; below zero (sold more than there was): 0"),
    ("Variant Barcode", "Barcode", "gtin"),
    ("Variant Harmonized System Code", "", "hs"),
    ("Variant Country of Origin", "", "origin"),
    ("Variant Grams", "Weight value (grams)", "weight"),
    ("Image Src", "Product image URL", "images, of the product"),
];

/// A column of Shopify under the name that its exports give it, in lower case.
pub(super) fn shopify(name: &str) -> String {
    let known = SHOPIFY.iter().find(|(_, newer, _)| !newer.is_empty() && newer.eq_ignore_ascii_case(name));
    known.map_or(name, |(name, ..)| name).to_lowercase()
}

/// Google's attributes, and what they become.
const GOOGLE: &[(&str, &str)] = &[
    ("id", "sku; the product's id too, without item_group_id"),
    ("item_group_id", "product"),
    ("title", "title"),
    ("description", "description"),
    ("brand", "brand"),
    ("product_type", "category; the first, where there are several"),
    ("google_product_category", "category, without product_type"),
    ("price", "price and currency: `16.90 EUR`"),
    ("cost_of_goods_sold", "cost and cost_currency"),
    ("availability", "`out_of_stock`: quantity 0"),
    ("quantity", "quantity"),
    ("gtin", "gtin"),
    ("shipping_weight", "weight, with its unit: `1.5 kg`"),
    ("shipping_length", "length_mm, from `cm` or `in`, rounded up; all three sides or none is taken"),
    ("shipping_width", "width_mm"),
    ("shipping_height", "height_mm"),
    ("image_link", "images, the main one"),
    ("additional_image_link", "images; may be repeated"),
    ("color", "attr:color"),
    ("size", "attr:size"),
    ("material", "attr:material"),
    ("pattern", "attr:pattern"),
    ("gender", "attr:gender"),
    ("age_group", "attr:age_group"),
];

/// Whether an attribute of Google's is read.
pub(super) fn is_google(name: &str) -> bool {
    GOOGLE.iter().any(|(known, _)| *known == name)
}

/// The reference of all formats, as Markdown.
pub(super) fn markdown() -> String {
    let mut text = String::from(
        "# Catalogue files\n\nNamed by `[[catalogue]]` in `tradewind.toml`. A file is taken whole or not at all, and all its problems are told at \
         once.\n\n## Own CSV, workbook (XLSX), JSON lines\n\nThe same columns in all three. CSV is UTF-8 with commas; a workbook's first sheet is read, \
         its first row names the columns, and codes that begin with zeros stand in cells formatted as text; JSON lines have one object per line, with \
         texts, numbers or (images) a list of texts. `attr:NAME` is an option or attribute (`attr:colour`). A file with `facts = true` adds the columns \
         marked so to SKUs of earlier files; other columns but `attr:NAME` are refused in it.\n\nWords differ by variant or are the product's: where all \
         rows of a product say the same they are the product's; where they differ each SKU is listed with its own, and a channel that shows the variants \
         of a product under one title shows the first row's.\n\n| column | `facts` | |\n|---|---|---|\n",
    );
    for c in COLUMNS {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            c.name,
            if c.fact { "yes" } else { "" },
            c.what.replace('|', "\\|")
        );
    }
    text.push_str(
        "\n## Shopify's product CSV\n\nKnown by a column `Handle` or `URL handle`. It names no currency: set `currency` for the file. Other columns are not \
         read. Products that are drafts, archived or not published are left out, and their number is told.\n\n| export | newer template | becomes |\n|---|---|---|\n",
    );
    for (name, newer, ours) in SHOPIFY {
        let _ = writeln!(text, "| {name} | {newer} | {ours} |");
    }
    text.push_str(
        "\n## Google Merchant feed\n\nRSS 2.0 or Atom (`.xml`), or tab-separated text (`.tsv`, `.txt`). In XML an attribute of Google's namespace (`g:id`) goes \
         before one of the same name without. Other attributes are not read, and are named in a note (`sale_price` among them: prices are made by the \
         price book).\n\n| attribute | becomes |\n|---|---|\n",
    );
    for (name, ours) in GOOGLE {
        let _ = writeln!(text, "| {name} | {ours} |");
    }
    text
}
