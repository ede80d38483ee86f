//! Catalogue files in: six formats, one model. A file is taken whole or not at all; every problem names file,
//! row and remedy, and the problems of a file are told at once, up to a number that a person can work through.
//!
//! A catalogue is held in memory while it is planned, so a file has limits, and reading ends at them.

mod columns;
mod google;
mod rows;
mod shopify;
mod tables;
mod words;
mod workbook;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tradewind_domain::{Currency, Locale, Product, ProductId, Provenance, Sku, Variant};

use crate::config::{CatalogueFile, Format};

/// The largest workbook read: a workbook is unpacked into memory.
const MAX_XLSX: u64 = 64 * 1024 * 1024;
/// The largest text file read. Delimited text and JSON lines are read up to it, so that the row is told.
const MAX_TEXT: u64 = 100 * 1024 * 1024;
/// The most rows of one file. A row costs about two kilobytes of memory once it is read.
const MAX_ROWS: u64 = 250_000;
/// Problems told of one file; reading stops there.
const MAX_PROBLEMS: usize = 50;

/// A problem with one row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// File.
    pub file: String,
    /// Row or line, from 1; 0 for the whole file.
    pub row: u64,
    /// Column or field.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.row, self.field.is_empty()) {
            (0, _) => write!(f, "{}: {}", self.file, self.message),
            (row, true) => write!(f, "{}:{row}: {}", self.file, self.message),
            (row, false) => write!(f, "{}:{row} {}: {}", self.file, self.field, self.message),
        }
    }
}

/// A catalogue file was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}", shown(.0))]
pub struct Refused(pub Vec<Problem>);

fn shown(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Products by id.
    pub products: BTreeMap<ProductId, Product>,
    /// Things that a person should look at; the rows were taken.
    pub warnings: Vec<Problem>,
    /// Where each SKU is: its product, and its place in it.
    index: BTreeMap<Sku, (ProductId, usize)>,
    /// Which row gave a product its brand and its category, where it was not the first.
    givers: BTreeMap<(ProductId, &'static str), Provenance>,
}

impl Catalogue {
    /// All variants with their products, by SKU.
    #[must_use]
    pub fn variants(&self) -> BTreeMap<&Sku, (&Product, &Variant)> {
        self.products.values().flat_map(|p| p.variants.iter().map(move |v| (&v.sku, (p, v)))).collect()
    }

    /// Reads all files of a configuration, in order.
    ///
    /// # Errors
    /// A file is refused; nothing of it is in any catalogue.
    pub fn load(files: &[CatalogueFile], folder: &Path) -> Result<Catalogue, Refused> {
        let mut catalogue = Catalogue::default();
        for file in files {
            catalogue.add(file, folder)?;
        }
        catalogue.products.values_mut().for_each(words::settle);
        catalogue.note_quantities(files);
        Ok(catalogue)
    }

    /// Rows without a quantity offer nothing, and a plan would say that there is nothing to change.
    fn note_quantities(&mut self, files: &[CatalogueFile]) {
        let mut known: BTreeMap<String, bool> =
            files.iter().filter(|f| !f.facts).map(|f| (f.path.display().to_string(), false)).collect();
        for variant in self.products.values().flat_map(|p| &p.variants) {
            if let (Some(_), Some(source)) = (variant.quantity, &variant.source)
                && let Some(known) = known.get_mut(&source.file)
            {
                *known = true;
            }
        }
        for (file, _) in known.into_iter().filter(|(_, known)| !known) {
            let message = "no row has a quantity, so nothing of this file is offered: give the column quantity (here or in a file with facts = true), or set quantity = N for the file in tradewind.toml";
            let (field, message) = (String::new(), message.to_owned());
            self.warnings.push(Problem { file, row: 0, field, message });
        }
    }

    /// Adds one file. When it is refused, what the catalogue holds is of no use: it has a part of the file.
    fn add(&mut self, file: &CatalogueFile, folder: &Path) -> Result<(), Refused> {
        let path = folder.join(&file.path);
        let mut reader = Reader {
            file: file.path.display().to_string(),
            currency: file.currency,
            locale: Locale(file.locale.clone()),
            quantity: file.quantity,
            foreign: false,
            told: BTreeSet::new(),
            unread: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            catalogue: std::mem::take(self),
            rows: 0,
            taken: false,
            at_limit: false,
            facts: file.facts,
        };
        match Locale::parse(&file.locale) {
            Some(locale) => {
                reader.locale = locale;
                reader.read(&path, file.format);
            }
            None => reader.whole(format!(
                "its locale '{}' in tradewind.toml is no language: write a tag such as \"de\" or \"zh-CN\"",
                file.locale
            )),
        }
        if !reader.problems.is_empty() {
            return Err(Refused(reader.problems));
        }
        *self = reader.catalogue;
        self.warnings.append(&mut reader.warnings);
        Ok(())
    }

    fn insert(&mut self, item: Item) -> Result<(), Problem> {
        let Item { product: new, mut variant, source } = item;
        let sku = variant.sku.clone();
        if let Some(first) = self.variant(&sku) {
            let place = first.source.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(source.problem("sku", format!("SKU '{sku}' stands twice, first at {place}: remove one row, or set facts = true for a file that adds to another")));
        }
        let product = match self.products.entry(new.id.clone()) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                let first = known.variants.first().and_then(|v| v.source.clone());
                for (field, has, given) in
                    [("brand", &mut known.brand, new.brand), ("category", &mut known.category, new.category)]
                {
                    let Some(given) = given else { continue };
                    let key = (new.id.clone(), field);
                    match has {
                        None => {
                            *has = Some(given);
                            self.givers.insert(key, source.provenance());
                        }
                        Some(has) if *has != given => {
                            let at = self.givers.get(&key).or(first.as_ref()).map(ToString::to_string);
                            return Err(source.problem(field, format!("'{given}' differs from '{has}' of {} for the same product '{}': a product has one {field}; correct one of the rows, or give them different products", at.unwrap_or_default(), new.id)));
                        }
                        Some(_) => {}
                    }
                }
                // What is common to all rows is found once all are read.
                variant.content = new.content;
                known
            }
            // Most products have one variant: room for just that one, a variant is large.
            Entry::Vacant(free) => free.insert(Product { variants: Vec::with_capacity(1), ..new }),
        };
        self.index.insert(sku, (product.id.clone(), product.variants.len()));
        product.variants.push(variant);
        Ok(())
    }

    fn variant(&self, sku: &Sku) -> Option<&Variant> {
        let (product, place) = self.index.get(sku)?;
        self.products.get(product)?.variants.get(*place)
    }

    fn enrich(&mut self, item: Item) -> Result<(), Problem> {
        let sku = &item.variant.sku;
        let known = self
            .index
            .get(sku)
            .and_then(|(product, place)| self.products.get_mut(product)?.variants.get_mut(*place));
        let Some(known) = known else {
            return Err(item.source.problem("sku", format!("SKU '{sku}' is in no earlier catalogue file: a file with facts = true only adds to known SKUs")));
        };
        let new = item.variant;
        known.hs = new.hs.or(known.hs);
        known.origin = new.origin.or(known.origin);
        known.cost = new.cost.or(known.cost);
        known.weight = new.weight.or(known.weight);
        known.dimensions = new.dimensions.or(known.dimensions);
        known.quantity = new.quantity.or(known.quantity);
        known.gtin = new.gtin.or(known.gtin);
        if !new.images.is_empty() {
            known.images = new.images;
        }
        known.attributes.extend(new.attributes);
        known.problems.extend(new.problems);
        Ok(())
    }
}

/// One row, read.
#[derive(Debug, Clone)]
struct Item {
    product: Product,
    variant: Variant,
    source: Row,
}

/// Where a row is.
#[derive(Debug, Clone)]
struct Row {
    file: String,
    row: u64,
}

impl Row {
    fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        Problem { file: self.file.clone(), row: self.row, field: field.to_owned(), message: message.into() }
    }

    fn provenance(&self) -> Provenance {
        Provenance { file: self.file.clone(), row: self.row }
    }
}

/// Reads one file into a catalogue, and its problems.
struct Reader {
    file: String,
    currency: Option<Currency>,
    locale: Locale,
    /// Units of rows that name none.
    quantity: Option<u32>,
    /// The format is another program's, with columns that we do not choose.
    foreign: bool,
    /// Columns of which something was told that is told once a file.
    told: BTreeSet<String>,
    /// Columns with values that are not read.
    unread: BTreeSet<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// What the files before this one gave, and this one so far: a duplicate is told as soon as it is read.
    catalogue: Catalogue,
    /// Rows seen.
    rows: u64,
    /// Whether a row was taken.
    taken: bool,
    /// A limit of the file was reached.
    at_limit: bool,
    facts: bool,
}

impl Reader {
    fn at(&self, row: u64) -> Row {
        Row { file: self.file.clone(), row }
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Counts a row. False: it is one too many, or there are problems enough.
    fn goes_on(&mut self, row: &Row) -> bool {
        self.rows += 1;
        if self.rows > MAX_ROWS && !self.at_limit {
            self.at_limit = true;
            let problem = row.problem("", format!("is row {}, and the limit of one file is {MAX_ROWS} rows: split the file here, each part of a CSV with the header line, and name the parts as further [[catalogue]] entries", self.rows));
            self.problems.push(problem);
        }
        !self.at_limit && self.problems.len() < MAX_PROBLEMS
    }

    /// Takes one row's content over: a duplicate is a problem.
    fn keep(&mut self, item: Item) {
        let done = if self.facts { self.catalogue.enrich(item) } else { self.catalogue.insert(item) };
        match done {
            Ok(()) => self.taken = true,
            Err(problem) => self.problem(problem),
        }
    }

    /// A warning that a file needs once, however many rows are so.
    fn once(&mut self, warning: Problem) {
        if self.told.insert(warning.field.clone()) {
            self.warnings.push(warning);
        }
    }

    fn whole(&mut self, message: impl Into<String>) {
        let problem = self.at(0).problem("", message);
        self.problem(problem);
    }

    fn read(&mut self, path: &Path, format: Option<Format>) {
        let size = match std::fs::metadata(path) {
            Ok(m) => m.len(),
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        };
        let format = match format.map_or_else(|| detect(path), Ok) {
            Ok(format) => format,
            Err(why) => return self.whole(why),
        };
        let limit = match format {
            Format::Xlsx => Some(MAX_XLSX),
            Format::GoogleXml => Some(MAX_TEXT),
            // Read up to the limit, for the sake of the row.
            Format::Csv | Format::Jsonl | Format::ShopifyCsv | Format::GoogleTsv => None,
        };
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            let (size, limit) = (size / 1_048_576, limit / 1_048_576);
            return self.whole(format!(
                "is {size} MiB, the limit for this format is {limit} MiB: export it as CSV or split it"
            ));
        }
        self.foreign = matches!(format, Format::ShopifyCsv | Format::GoogleXml | Format::GoogleTsv);
        match format {
            Format::Csv => self.read_table(path),
            Format::Xlsx => self.read_workbook(path),
            Format::Jsonl => self.read_jsonl(path),
            Format::ShopifyCsv => self.read_shopify(path),
            Format::GoogleXml => self.read_google_xml(path),
            Format::GoogleTsv => self.read_google_tsv(path),
        }
        if self.problems.len() >= MAX_PROBLEMS {
            let more = self.at(0).problem("", format!("reading stopped at {MAX_PROBLEMS} problems, and more may follow: correct these, then import again"));
            self.problems.push(more);
        } else if !self.taken && self.problems.is_empty() {
            self.whole("has no rows");
        }
    }
}

/// The format, by the name and the first line.
fn detect(path: &Path) -> Result<Format, String> {
    use std::io::{BufRead, Read};
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let first = || {
        let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
        let mut line = Vec::new();
        std::io::BufReader::new(file.take(64 * 1024))
            .read_until(b'\n', &mut line)
            .map_err(|e| e.to_string())?;
        Ok::<String, String>(String::from_utf8_lossy(&line).into_owned())
    };
    Ok(match extension.as_str() {
        "xlsx" => Format::Xlsx,
        "jsonl" | "ndjson" => Format::Jsonl,
        "xml" => Format::GoogleXml,
        "tsv" | "txt" => Format::GoogleTsv,
        "csv" if is_shopify(&first()?) => Format::ShopifyCsv,
        "csv" => Format::Csv,
        other => {
            return Err(format!(
                "the format of '.{other}' is not known: name it with format = \"csv\", \"xlsx\", \"jsonl\", \"shopify-csv\", \"google-xml\" or \"google-tsv\""
            ));
        }
    })
}

/// Whether a header is Shopify's: its column of handles, and not a column of another name that has the word in it.
fn is_shopify(header: &str) -> bool {
    let names =
        header.trim_start_matches('\u{feff}').trim_end().split(',').map(|n| n.trim().trim_matches('"'));
    names.into_iter().any(|name| columns::shopify(name) == "handle")
}

/// The reference of all formats, as Markdown: `docs/catalogue.md`.
#[must_use]
pub fn reference() -> String {
    columns::markdown()
}
