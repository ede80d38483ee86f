//! From named text fields to a product and a variant: the rules that all formats share.

use std::collections::BTreeMap;

use tradewind_domain::{
    Content, Country, Currency, Decimal, Dimensions, Exact, Grams, Gtin, HsCode, InvalidId, Locale, Money,
    Product, ProductId, Sku, Variant, WeightUnit, parse_decimal,
};

use super::{Item, Reader, Row, columns};

/// Fields of one row in our own names. Absent and blank are the same.
pub(super) struct Fields(pub(super) BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
    }
}

impl Reader {
    /// One row in our names. All problems of the row are told.
    pub(super) fn take(&mut self, row: Row, fields: &Fields) {
        let before = self.problems.len();
        for (name, value) in &fields.0 {
            if let Some((place, odd)) = control(value) {
                self.problem(row.problem(name, format!("has the control character U+{:04X} as character {place}, which no channel shows: delete it, it often comes with text copied from a terminal or a PDF", u32::from(odd))));
            }
        }
        if self.facts {
            self.only_facts(&row, fields);
        }
        let item = self.item(&row, fields);
        if let Some(item) = item
            && self.problems.len() == before
        {
            self.keep(item);
        }
    }

    /// A file of facts changes neither words nor prices of what it adds to.
    fn only_facts(&mut self, row: &Row, fields: &Fields) {
        for name in fields.0.keys().filter(|n| !columns::is_fact(n) && fields.get(n).is_some()) {
            let text = "is not taken from a file with facts = true: change it in the file that has the SKU, or leave facts out";
            if self.foreign {
                // Its columns are not ours to delete.
                self.once(row.problem(name, text));
            } else if self.told.insert(name.clone()) {
                self.problem(row.problem(name, text));
            }
        }
    }

    /// What the row says; `None` or a problem told where it cannot be taken. Nothing ends at the first problem.
    fn item(&mut self, row: &Row, fields: &Fields) -> Option<Item> {
        let facts = self.facts;
        let sku_text = fields.get("sku");
        let sku = match sku_text {
            Some(text) => self.parsed(row, "sku", Sku::new(text).map_err(|e| with_limit(&e, text))),
            None => {
                self.problem(row.problem("sku", "is missing: every row needs a SKU"));
                None
            }
        };
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
            Some(code) => self.parsed(row, "currency", Currency::new(code)).map(Some).ok_or(()),
            None => Ok(self.currency),
        };
        let price = match (fields.get("price"), currency) {
            // Not of a row of facts.
            _ if facts => Some(Money::zero(self.currency.unwrap_or(Currency::EUR))),
            (Some(text), Ok(Some(currency))) => self.price(row, text, currency),
            (Some(_), Ok(None)) => {
                self.problem(row.problem(
                    "currency",
                    "is missing: add the column, or set currency for the file in tradewind.toml",
                ));
                None
            }
            (Some(_), Err(())) => None,
            (None, _) => {
                self.problem(row.problem("price", "is missing"));
                None
            }
        };
        let cost = fields.get("cost").and_then(|text| self.cost(row, fields, text, currency));
        let quantity = match fields.get("quantity") {
            Some(text) => self.parsed(
                row,
                "quantity",
                text.parse::<u32>().map_err(|_| format!("'{text}' is no whole number of units from 0 up")),
            ),
            None if facts => None,
            None => self.quantity,
        };
        let hs = fields.get("hs").and_then(|text| self.parsed(row, "hs", HsCode::new(text)));
        let origin = fields.get("origin").and_then(|text| self.parsed(row, "origin", Country::new(text)));
        let weight = self.weight(row, fields);
        let dimensions = self.dimensions(row, fields);
        let title = fields.get("title").unwrap_or_default();
        if title.is_empty() && !facts {
            self.problem(row.problem("title", "is missing"));
        }
        let product_id = match fields.get("product").or(sku_text) {
            Some(text) => self.parsed(row, "product", ProductId::new(text).map_err(|e| with_limit(&e, text))),
            None => None,
        };
        let content = self.words(row, fields, title);
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
            id: product_id?,
            brand: fields.get("brand").map(str::to_owned),
            category: fields.get("category").map(str::to_owned),
            content,
            variants: Vec::new(),
        };
        let variant = Variant {
            sku: sku?,
            gtin,
            price: price?,
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

    fn words(&mut self, row: &Row, fields: &Fields, title: &str) -> BTreeMap<Locale, Content> {
        let mut content = BTreeMap::new();
        let words = |title: &str, description: Option<&str>| Content {
            title: title.to_owned(),
            description: description.unwrap_or_default().to_owned(),
            bullets: Vec::new(),
        };
        if !title.is_empty() {
            content.insert(self.locale.clone(), words(title, fields.get("description")));
        }
        for name in fields.0.keys() {
            let Some((kind, locale)) = name.split_once(':') else { continue };
            if kind == "description"
                && fields.get(name).is_some()
                && fields.get(&format!("title:{locale}")).is_none()
            {
                self.problem(row.problem(name, format!("has no title beside it: give title:{locale}, too")));
            }
            if kind == "title"
                && let Some(title) = fields.get(name)
            {
                let words = words(title, fields.get(&format!("description:{locale}")));
                let known = content.insert(Locale(locale.to_owned()), words.clone());
                if known.is_some_and(|k| k != words) {
                    self.problem(row.problem(name, format!("says other words than title and description, which are in '{locale}' too: leave one of them out, or set another locale for the file")));
                }
            }
        }
        content
    }

    fn cost(
        &mut self,
        row: &Row,
        fields: &Fields,
        text: &str,
        currency: Result<Option<Currency>, ()>,
    ) -> Option<Exact> {
        let of = match (fields.get("cost_currency"), currency) {
            (Some(code), _) => self.parsed(row, "cost_currency", Currency::new(code)),
            (None, Ok(Some(currency))) => Some(currency),
            (None, Ok(None)) => {
                self.problem(row.problem(
                    "cost_currency",
                    "is missing: add the column, or set currency for the file in tradewind.toml",
                ));
                None
            }
            (None, Err(())) => None,
        };
        let value = self.parsed(row, "cost", parse_decimal(text))?;
        if value.is_sign_negative() && !value.is_zero() {
            self.problem(row.problem("cost", format!("{text} is negative")));
            return None;
        }
        Some(Exact::new(value, of?))
    }

    pub(super) fn price(&mut self, row: &Row, text: &str, currency: Currency) -> Option<Money> {
        let price = self.parsed(row, "price", Money::parse(text, currency))?;
        if price.is_negative() {
            self.problem(row.problem("price", format!("{price} is negative: a price is zero or more")));
            return None;
        }
        Some(price)
    }

    fn weight(&mut self, row: &Row, fields: &Fields) -> Option<Grams> {
        let text = fields.get("weight")?;
        let unit_text = fields.get("weight_unit").unwrap_or("g");
        let unit = WeightUnit::parse(unit_text)
            .ok_or_else(|| format!("'{unit_text}' is no unit of weight: use g, kg, lb or oz"));
        let unit = self.parsed(row, "weight_unit", unit);
        let value = self.parsed(row, "weight", parse_decimal(text))?;
        let grams = Grams::from_unit(value, unit?).ok_or_else(|| format!("'{text}' is no weight"));
        self.parsed(row, "weight", grams)
    }

    fn dimensions(&mut self, row: &Row, fields: &Fields) -> Option<Dimensions> {
        let mut side = |name| {
            let text = fields.get(name)?;
            let side = text.parse().map_err(|_| format!("'{text}' is no whole number of millimetres"));
            self.parsed(row, name, side)
        };
        let (length, width, height) = (side("length_mm"), side("width_mm"), side("height_mm"));
        let given = ["length_mm", "width_mm", "height_mm"].iter().filter(|n| fields.get(n).is_some()).count();
        if given == 1 || given == 2 {
            self.problem(
                row.problem("length_mm", "give all three of length_mm, width_mm, height_mm, or none"),
            );
        }
        Some(Dimensions { length_mm: length?, width_mm: width?, height_mm: height? })
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

/// Most bytes of a SKU and of a product's id.
const MAX_ID: usize = 120;

fn with_limit(error: &InvalidId, text: &str) -> String {
    match text.len() {
        n if n > MAX_ID => format!("{error}: it has {n} bytes, and the limit is {MAX_ID}"),
        _ => error.to_string(),
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
