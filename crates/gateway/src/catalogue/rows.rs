//! From named text fields to a product and a variant: the rules that all formats share.

use std::collections::BTreeMap;

use tradewind_domain::{
    Content, Country, Currency, Decimal, Dimensions, Exact, Grams, Gtin, HsCode, Locale, Money, Product,
    ProductId, Sku, Variant, WeightUnit, parse_decimal,
};

use super::{Item, Reader, Row};

/// Fields of one row in our own names. Absent and blank are the same.
pub(super) struct Fields(pub(super) BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
    }
}

/// The columns of our own formats, for messages and for the documentation.
pub(super) const COLUMNS: &[&str] = &[
    "sku",
    "product",
    "title",
    "description",
    "brand",
    "category",
    "price",
    "currency",
    "cost",
    "cost_currency",
    "quantity",
    "gtin",
    "hs",
    "origin",
    "weight",
    "weight_unit",
    "length_mm",
    "width_mm",
    "height_mm",
    "images",
];

impl Reader {
    /// Whether a column is ours: a known one, `attr:…`, or a known one with a language (`title:de`).
    pub(super) fn known_column(name: &str) -> bool {
        COLUMNS.contains(&name)
            || name.starts_with("attr:")
            || matches!(name.split_once(':'), Some(("title" | "description", locale)) if !locale.is_empty())
    }

    /// One row in our names. All problems of the row are told.
    pub(super) fn take(&mut self, row: Row, fields: &Fields) {
        let before = self.problems.len();
        for (name, value) in &fields.0 {
            if let Some((place, odd)) = control(value) {
                self.problem(row.problem(name, format!("has the control character U+{:04X} as character {place}, which no channel shows: delete it, it often comes with text copied from a terminal or a PDF", u32::from(odd))));
            }
        }
        let item = self.item(&row, fields);
        if let Some(item) = item
            && self.problems.len() == before
        {
            self.keep(item);
        }
    }

    fn item(&mut self, row: &Row, fields: &Fields) -> Option<Item> {
        let facts = self.facts;
        let Some(sku_text) = fields.get("sku") else {
            self.problem(row.problem("sku", "is missing: every row needs a SKU"));
            return None;
        };
        let sku = self.parsed(row, "sku", Sku::new(sku_text))?;
        let mut problems = Vec::new();
        let gtin = match fields.get("gtin").map(Gtin::new) {
            Some(Ok(gtin)) => Some(gtin),
            Some(Err(e)) => {
                // Not refused: most channels sell without; but the offer is held until it is mended.
                problems.push(e.to_string());
                self.warnings.push(row.problem(
                    "gtin",
                    format!("{e}; the offer is held back until it is corrected or left empty"),
                ));
                None
            }
            None => None,
        };
        let currency = match fields.get("currency") {
            Some(code) => Some(self.parsed(row, "currency", Currency::new(code))?),
            None => self.currency,
        };
        let price = match (fields.get("price"), currency, facts) {
            (Some(text), Some(currency), _) => self.price(row, text, currency)?,
            (Some(_), None, _) => {
                self.problem(row.problem(
                    "currency",
                    "is missing: add the column, or set currency for the file in tradewind.toml",
                ));
                return None;
            }
            (None, _, true) => Money::zero(currency.unwrap_or(Currency::EUR)),
            (None, _, false) => {
                self.problem(row.problem("price", "is missing"));
                return None;
            }
        };
        let cost = match fields.get("cost") {
            Some(text) => {
                let of = match fields.get("cost_currency") {
                    Some(code) => self.parsed(row, "cost_currency", Currency::new(code))?,
                    None => currency.unwrap_or(price.currency()),
                };
                let value = self.parsed(row, "cost", parse_decimal(text))?;
                if value.is_sign_negative() && !value.is_zero() {
                    self.problem(row.problem("cost", format!("{text} is negative")));
                    return None;
                }
                Some(Exact::new(value, of))
            }
            None => None,
        };
        let quantity = match fields.get("quantity") {
            Some(text) => Some(self.parsed(
                row,
                "quantity",
                text.parse::<u32>().map_err(|_| format!("'{text}' is no whole number of units from 0 up")),
            )?),
            None => None,
        };
        let hs = match fields.get("hs") {
            Some(text) => Some(self.parsed(row, "hs", HsCode::new(text))?),
            None => None,
        };
        let origin = match fields.get("origin") {
            Some(text) => Some(self.parsed(row, "origin", Country::new(text))?),
            None => None,
        };
        let weight = self.weight(row, fields)?;
        let dimensions = self.dimensions(row, fields)?;
        let title = fields.get("title").unwrap_or_default();
        if title.is_empty() && !facts {
            self.problem(row.problem("title", "is missing"));
            return None;
        }
        let product_id =
            self.parsed(row, "product", ProductId::new(fields.get("product").unwrap_or(sku_text)))?;
        let images = fields
            .get("images")
            .map(|t| t.split('|').map(|u| u.trim().to_owned()).filter(|u| !u.is_empty()).collect());
        let attributes = fields
            .0
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix("attr:")?.to_owned(), v.trim().to_owned())))
            .filter(|(_, v)| !v.is_empty())
            .collect();
        let product = Product {
            id: product_id,
            brand: fields.get("brand").map(str::to_owned),
            category: fields.get("category").map(str::to_owned),
            content: self.words(fields, title),
            variants: Vec::new(),
        };
        let variant = Variant {
            sku,
            gtin,
            price,
            cost,
            quantity,
            hs,
            origin,
            weight,
            dimensions,
            images: images.unwrap_or_default(),
            attributes,
            content: BTreeMap::new(),
            source: Some(row.provenance()),
            problems,
        };
        Some(Item { product, variant, source: row.clone() })
    }

    fn words(&self, fields: &Fields, title: &str) -> BTreeMap<Locale, Content> {
        let mut content = BTreeMap::new();
        if !title.is_empty() {
            let description = fields.get("description").unwrap_or_default().to_owned();
            content.insert(
                self.locale.clone(),
                Content { title: title.to_owned(), description, bullets: Vec::new() },
            );
        }
        for (name, value) in &fields.0 {
            if let Some(locale) = name.strip_prefix("title:")
                && !value.trim().is_empty()
            {
                let description = fields.get(&format!("description:{locale}")).unwrap_or_default().to_owned();
                let words = Content { title: value.trim().to_owned(), description, bullets: Vec::new() };
                content.insert(Locale(locale.to_owned()), words);
            }
        }
        content
    }

    pub(super) fn price(&mut self, row: &Row, text: &str, currency: Currency) -> Option<Money> {
        let price = self.parsed(row, "price", Money::parse(text, currency))?;
        if price.is_negative() {
            self.problem(row.problem("price", format!("{price} is negative: a price is zero or more")));
            return None;
        }
        Some(price)
    }

    fn weight(&mut self, row: &Row, fields: &Fields) -> Option<Option<Grams>> {
        let Some(text) = fields.get("weight") else { return Some(None) };
        let unit_text = fields.get("weight_unit").unwrap_or("g");
        let unit = WeightUnit::parse(unit_text)
            .ok_or_else(|| format!("'{unit_text}' is no unit of weight: use g, kg, lb or oz"));
        let unit = self.parsed(row, "weight_unit", unit)?;
        let value = self.parsed(row, "weight", parse_decimal(text))?;
        let grams = Grams::from_unit(value, unit).ok_or_else(|| format!("'{text}' is no weight"));
        self.parsed(row, "weight", grams).map(Some)
    }

    fn dimensions(&mut self, row: &Row, fields: &Fields) -> Option<Option<Dimensions>> {
        let mut sides = [0_u32; 3];
        let mut given = 0;
        for (side, name) in sides.iter_mut().zip(["length_mm", "width_mm", "height_mm"]) {
            if let Some(text) = fields.get(name) {
                given += 1;
                *side = self.parsed(
                    row,
                    name,
                    text.parse().map_err(|_| format!("'{text}' is no whole number of millimetres")),
                )?;
            }
        }
        match given {
            0 => Some(None),
            3 => Some(Some(Dimensions { length_mm: sides[0], width_mm: sides[1], height_mm: sides[2] })),
            _ => {
                self.problem(
                    row.problem("length_mm", "give all three of length_mm, width_mm, height_mm, or none"),
                );
                None
            }
        }
    }

    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        row: &Row,
        field: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) => {
                self.problem(row.problem(field, e.to_string()));
                None
            }
        }
    }
}

/// The first character that is neither text nor a line end or tab, and its place from 1.
fn control(text: &str) -> Option<(usize, char)> {
    let odd = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    text.chars().enumerate().find(|(_, c)| odd(c)).map(|(n, c)| (n + 1, c))
}

/// A number of a workbook cell as decimal text: what a person sees in it, without float noise. A cell holds a
/// binary double; 15 significant digits are what spreadsheets show and all that it can hold exactly.
pub(super) fn cell_number(shown: &str) -> String {
    match shown.parse::<Decimal>().or_else(|_| Decimal::from_scientific(shown)) {
        Ok(d) => {
            let digits = d.mantissa().unsigned_abs().to_string().len() as u32;
            let keep = d.scale().saturating_sub(digits.saturating_sub(15));
            d.round_dp(keep).normalize().to_string()
        }
        Err(_) => shown.to_owned(),
    }
}
