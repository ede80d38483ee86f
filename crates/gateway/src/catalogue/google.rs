//! Google Merchant product feeds: RSS 2.0 or Atom with the `g:` namespace, or tab-separated text.
//!
//! Fields: Google Merchant Center Help, "Product data specification".

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use quick_xml::Reader as XmlReader;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::{BytesStart, Event};
use rust_decimal::{Decimal, RoundingStrategy};
use tradewind_domain::parse_decimal;

use super::rows::Fields;
use super::tables::Table;
use super::{Reader, Row, columns};

/// A feed nests item → field; deeper text belongs to fields we do not read.
const MAX_FIELD: usize = 1024 * 1024;
/// Elements in each other.
const MAX_DEPTH: usize = 100;
/// Google's namespace, to whose attributes a plain element of the same name gives way.
const NAMESPACE: &str = "http://base.google.com/ns/1.0";
/// Attributes that we have no use for, and that nobody misses.
const IDLE: &[&str] = &["link", "guid", "pubdate", "updated", "author", "summary"];

/// Counts the lines of what was parsed.
struct Counted<R> {
    inner: R,
    line: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = self.fill_buf()?;
        let n = filled.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What is filled stays so until it is consumed: no error can come here.
        if let Ok(bytes) = self.inner.fill_buf() {
            self.line += bytes.iter().take(n).filter(|b| **b == b'\n').count() as u64;
        }
        self.inner.consume(n);
    }
}

type Feed = XmlReader<Counted<DecodingReader<BufReader<std::fs::File>>>>;

/// The item that is being read.
struct Item {
    line: u64,
    /// Elements that were open around it.
    depth: usize,
    /// Fields, and whether they are of Google's namespace.
    fields: BTreeMap<String, (bool, String)>,
}

/// The field that is being read.
struct Field {
    name: String,
    google: bool,
    depth: usize,
    value: String,
}

/// Where in a feed we are.
#[derive(Default)]
struct Place {
    /// Names of the open elements, and the lines where they opened.
    open: Vec<(String, u64)>,
    /// Prefixes of Google's namespace.
    prefixes: Vec<String>,
    seen: bool,
    item: Option<Item>,
    field: Option<Field>,
}

impl Reader {
    pub(super) fn read_google_tsv(&mut self, path: &Path) {
        self.each_record(path, Table::Google, |reader, row, fields| {
            reader.take_google(row, &fields);
        });
        self.note_unread();
    }

    pub(super) fn read_google_xml(&mut self, path: &Path) {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        };
        let decoded = DecodingReader::new(BufReader::new(file));
        let mut xml = XmlReader::from_reader(Counted { inner: decoded, line: 1 });
        let mut place = Place { prefixes: vec!["g".to_owned()], ..Place::default() };
        let mut buffer = Vec::new();
        loop {
            let event = xml.read_event_into(&mut buffer);
            let line = xml.get_ref().line;
            let told = match event {
                Ok(Event::Eof) => {
                    if let Err((line, text)) = place.end(line) {
                        self.problem(self.at(line).problem("", text));
                    }
                    return self.note_unread();
                }
                Ok(Event::Decl(declaration)) => encoding(&mut xml, &declaration),
                Ok(event) => self.event(&mut place, event, line),
                Err(e) => Err(format!(
                    "is no XML: {e}. If the file was cut off fetch it again; if it is not in UTF-8 its first line must name the encoding"
                )),
            };
            match told {
                Ok(true) => {}
                Ok(false) => return,
                Err(text) => return self.problem(self.at(line).problem("", text)),
            }
            buffer.clear();
        }
    }

    /// Takes one event in. False: enough was read.
    fn event(&mut self, place: &mut Place, event: Event<'_>, line: u64) -> Result<bool, String> {
        match event {
            // Entities beyond the five of XML are not expanded, so a document type can do nothing; it is refused.
            Event::DocType(_) => {
                return Err("has a document type declaration, which a feed never needs: remove it".to_owned());
            }
            Event::Start(start) => place.start(&start, line)?,
            Event::Empty(start) if !place.seen => {
                place.start(&start, line)?;
                place.open.pop();
            }
            Event::Text(text) => place.add(&text.xml_content(quick_xml::XmlVersion::Implicit1_0)),
            Event::CData(text) => place.add(&text),
            Event::GeneralRef(reference) if place.field.is_some() => match entity(&reference) {
                Some(c) => place.add(c.encode_utf8(&mut [0; 4])),
                None => {
                    return Err(
                        "has an unknown entity: only &amp; &lt; &gt; &quot; &apos; and numbers are XML"
                            .to_owned(),
                    );
                }
            },
            Event::End(_) => {
                place.open.pop();
                let depth = place.open.len();
                if place.field.as_ref().is_some_and(|f| f.depth == depth) {
                    place.keep()?;
                } else if let Some(item) = place.item.take_if(|i| i.depth == depth) {
                    let row = self.at(item.line);
                    if !self.goes_on(&row) {
                        return Ok(false);
                    }
                    let fields = item.fields.into_iter().map(|(name, (_, value))| (name, value)).collect();
                    self.take_google(row, &fields);
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// Names the attributes that were not read: nobody is to believe that a sale price counts.
    fn note_unread(&mut self) {
        if !self.unread.is_empty() {
            let names: Vec<&str> = self.unread.iter().map(String::as_str).take(20).collect();
            let text = format!("attributes that are not read: {}; see docs/catalogue.md", names.join(", "));
            self.warnings.push(self.at(0).problem("", text));
        }
    }

    fn take_google(&mut self, row: Row, feed: &BTreeMap<String, String>) {
        for (name, _) in feed.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let missed = !columns::is_google(name) && !IDLE.contains(&name.as_str());
            if missed && self.unread.len() < 100 && !self.unread.contains(name) {
                self.unread.insert(name.clone());
            }
        }
        let get = |name: &str| feed.get(name).map(|v| v.trim().to_owned()).unwrap_or_default();
        let mut own = BTreeMap::new();
        let mut set = |name: &str, value: String| {
            if !value.is_empty() {
                own.insert(name.to_owned(), value);
            }
        };
        set("sku", get("id"));
        let group = get("item_group_id");
        set("product", if group.is_empty() { get("id") } else { group });
        set("title", get("title"));
        set("description", get("description"));
        set("brand", get("brand"));
        let category = get("product_type");
        set("category", if category.is_empty() { get("google_product_category") } else { category });
        // "999.00 USD"
        for (from, amount, currency) in
            [("price", "price", "currency"), ("cost_of_goods_sold", "cost", "cost_currency")]
        {
            let text = get(from);
            match text.rsplit_once(' ') {
                Some((value, code)) => {
                    set(amount, value.trim().to_owned());
                    set(currency, code.trim().to_owned());
                }
                None => set(amount, text),
            }
        }
        // "1.5 kg"
        let weight = get("shipping_weight");
        if let Some((value, unit)) = weight.rsplit_once(' ') {
            set("weight", value.trim().to_owned());
            set("weight_unit", unit.trim().to_owned());
        } else if !weight.is_empty() {
            self.problem(
                row.problem("shipping_weight", format!("'{weight}' has no unit: write '{weight} g'")),
            );
        }
        let sides = ["shipping_length", "shipping_width", "shipping_height"];
        let given = sides.iter().filter(|s| !get(s).is_empty()).count();
        if given == 3 {
            for (from, to) in sides.iter().zip(["length_mm", "width_mm", "height_mm"]) {
                let text = get(from);
                match millimetres(&text) {
                    Some(mm) => set(to, mm.to_string()),
                    None => self.problem(
                        row.problem(from, format!("'{text}' is no length: write '20 cm' or '8 in'")),
                    ),
                }
            }
        } else if given > 0 {
            self.once(row.problem(
                "shipping_length",
                "is not taken without all three of shipping_length, shipping_width and shipping_height",
            ));
        }
        set("gtin", get("gtin"));
        let sold_out = matches!(get("availability").as_str(), "out_of_stock" | "out of stock");
        set("quantity", if sold_out { "0".to_owned() } else { get("quantity") });
        let images = [get("image_link"), get("additional_image_link").replace(',', "|")];
        set("images", images.into_iter().filter(|i| !i.is_empty()).collect::<Vec<_>>().join("|"));
        for attribute in ["color", "size", "material", "pattern", "gender", "age_group"] {
            set(&format!("attr:{attribute}"), get(attribute));
        }
        self.take(row, &Fields(own));
    }
}

impl Place {
    fn start(&mut self, start: &BytesStart<'_>, line: u64) -> Result<(), String> {
        let name = start.local_name().as_ref().to_owned();
        if !self.seen && name != "rss" && name != "feed" {
            return Err(format!(
                "begins with <{name}>, and a product feed with <rss> or <feed>: export it as RSS 2.0 or Atom"
            ));
        }
        self.seen = true;
        for attribute in start.attributes().flatten() {
            if let Some(prefix) = attribute.key.0.strip_prefix("xmlns:")
                && attribute.value.trim_end_matches('/') == NAMESPACE
                && !self.prefixes.iter().any(|p| p == prefix)
                && self.prefixes.len() < 10
            {
                self.prefixes.push(prefix.to_owned());
            }
        }
        let depth = self.open.len();
        if depth >= MAX_DEPTH {
            return Err(format!("has more than {MAX_DEPTH} elements in each other"));
        }
        if self.item.is_none() && (name == "item" || name == "entry") {
            self.item = Some(Item { line, depth, fields: BTreeMap::new() });
        } else if self.item.is_some() && self.field.is_none() {
            let prefix = start.name().0.split_once(':').map(|(prefix, _)| prefix.to_owned());
            let google = prefix.is_some_and(|p| self.prefixes.contains(&p));
            self.field = Some(Field { name: name.clone(), google, depth, value: String::new() });
        }
        self.open.push((name, line));
        Ok(())
    }

    fn add(&mut self, text: &str) {
        if let Some(field) = &mut self.field {
            // What is too long already is refused at its end.
            if field.value.len() <= MAX_FIELD {
                field.value.push_str(text);
            }
        }
    }

    /// The field ended: it is kept.
    fn keep(&mut self) -> Result<(), String> {
        let (Some(field), Some(item)) = (self.field.take(), &mut self.item) else { return Ok(()) };
        if field.value.len() > MAX_FIELD {
            return Err("has a field longer than 1 MiB".to_owned());
        }
        let value = field.value.trim();
        match item.fields.entry(field.name) {
            Entry::Vacant(free) => {
                free.insert((field.google, value.to_owned()));
            }
            Entry::Occupied(mut known) => {
                let joined = known.key() == "additional_image_link";
                let (google, text) = known.get_mut();
                if field.google && !*google {
                    (*google, *text) = (true, value.to_owned());
                } else if joined {
                    text.push('|');
                    text.push_str(value);
                }
                // Of all else the first counts: product_type names the most exact category first.
            }
        }
        Ok(())
    }

    /// The file ended.
    fn end(&self, line: u64) -> Result<(), (u64, String)> {
        match self.open.iter().rev().find(|(n, _)| n == "item" || n == "entry").or(self.open.last()) {
            Some((name, opened)) => Err((
                line,
                format!(
                    "ends inside <{name}>, which opened on line {opened}: the file was cut off; fetch it again"
                ),
            )),
            None if !self.seen => Err((0, "has no XML element".to_owned())),
            None => Ok(()),
        }
    }
}

/// Goes on in the encoding that the first line declares.
fn encoding(xml: &mut Feed, declaration: &quick_xml::events::BytesDecl<'_>) -> Result<bool, String> {
    let declared = match declaration.encoding() {
        None => return Ok(true),
        Some(Ok(name)) => name.into_owned(),
        Some(Err(e)) => return Err(format!("is no XML: {e}")),
    };
    let unusable =
        || format!("declares the encoding '{declared}', which is not known here: export it as UTF-8");
    let wanted = declaration.encoder().ok_or_else(unusable)?;
    // UTF-16 is known by the first bytes, before there is a declaration to read.
    let now = xml.get_ref().inner.encoding();
    if now == wanted || now.name() != "UTF-8" || wanted.name().starts_with("UTF-16") {
        return Ok(true);
    }
    // The decoder can be changed within the first bytes only, which hold any declaration that a program writes.
    if xml.buffer_position() >= 64 {
        return Err(unusable());
    }
    xml.get_mut().inner.set_encoding(wanted);
    Ok(true)
}

/// "20 cm" or "8 in", in whole millimetres, rounded up: a parcel is never smaller than it is.
fn millimetres(text: &str) -> Option<u32> {
    let (value, unit) = text.rsplit_once(' ')?;
    let factor = match unit.trim() {
        "cm" => Decimal::TEN,
        "in" => Decimal::new(254, 1),
        _ => return None,
    };
    let mm = parse_decimal(value.trim()).ok()?.checked_mul(factor)?;
    u32::try_from(mm.round_dp_with_strategy(0, RoundingStrategy::ToPositiveInfinity)).ok()
}

/// The five entities of XML and numeric references. Nothing else is expanded.
fn entity(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Some(c);
    }
    match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}
