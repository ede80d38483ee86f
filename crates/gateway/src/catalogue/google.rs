//! Google Merchant product feeds: RSS 2.0 or Atom with the `g:` namespace, or tab-separated text.
//!
//! Fields: Google Merchant Center Help, "Product data specification".

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

use quick_xml::Reader as XmlReader;
use quick_xml::events::Event;

use super::rows::Fields;
use super::{Reader, Row};

/// A feed nests item → field; deeper text belongs to fields we do not read.
const MAX_FIELD: usize = 1024 * 1024;

impl Reader {
    pub(super) fn read_google_tsv(&mut self, path: &Path) {
        self.each_record(path, b'\t', |reader, row, fields| {
            let fields =
                fields.into_iter().map(|(k, v)| (k.trim().to_lowercase().replace(' ', "_"), v)).collect();
            reader.take_google(row, &fields);
        });
    }

    pub(super) fn read_google_xml(&mut self, path: &Path) {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) => return self.whole(format!("cannot be read: {e}")),
        };
        let mut xml = XmlReader::from_reader(BufReader::new(file));
        let mut buffer = Vec::new();
        let mut item: Option<BTreeMap<String, String>> = None;
        let mut field: Option<(String, String)> = None;
        let mut number = 0_u64;
        loop {
            let event = match xml.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(e) => {
                    let text = format!("is no XML at byte {}: {e}", xml.error_position());
                    return self.whole(text);
                }
            };
            match event {
                Event::Eof => break,
                // Entities beyond the five of XML are not expanded, so a document type can do nothing; it is refused.
                Event::DocType(_) => {
                    return self
                        .whole("has a document type declaration, which a feed never needs: remove it");
                }
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    if name == "item" || name == "entry" {
                        number += 1;
                        item = Some(BTreeMap::new());
                    } else if item.is_some() && field.is_none() {
                        field = Some((name, String::new()));
                    }
                }
                Event::Text(text) => {
                    if let Some((_, value)) = &mut field {
                        value.push_str(&text.xml_content(quick_xml::XmlVersion::Implicit1_0));
                    }
                }
                Event::CData(text) => {
                    if let Some((_, value)) = &mut field {
                        value.push_str(&text);
                    }
                }
                Event::GeneralRef(reference) => {
                    if let Some((_, value)) = &mut field {
                        match entity(&reference) {
                            Some(c) => value.push(c),
                            None => {
                                let problem = self.at(number).problem("", "has an unknown entity: only &amp; &lt; &gt; &quot; &apos; and numbers are XML");
                                return self.problem(problem);
                            }
                        }
                    }
                }
                Event::End(end) => {
                    let name = end.local_name().as_ref().to_owned();
                    if name == "item" || name == "entry" {
                        if let Some(fields) = item.take() {
                            let row = self.at(number);
                            if !self.goes_on(&row) {
                                return;
                            }
                            self.take_google(row, &fields);
                        }
                    } else if field.as_ref().is_some_and(|(n, _)| *n == name)
                        && let (Some((name, value)), Some(item)) = (field.take(), &mut item)
                    {
                        // Fields may repeat (additional_image_link): joined.
                        let slot = item.entry(name).or_default();
                        if !slot.is_empty() {
                            slot.push('|');
                        }
                        slot.push_str(value.trim());
                    }
                }
                _ => {}
            }
            if field.as_ref().is_some_and(|(_, v)| v.len() > MAX_FIELD) {
                let problem = self.at(number).problem("", "has a field longer than 1 MiB");
                return self.problem(problem);
            }
            buffer.clear();
        }
    }

    fn take_google(&mut self, row: Row, feed: &BTreeMap<String, String>) {
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
        let price = get("price");
        match price.rsplit_once(' ') {
            Some((amount, code)) => {
                set("price", amount.trim().to_owned());
                set("currency", code.trim().to_owned());
            }
            None => set("price", price),
        }
        // "1.5 kg"
        let weight = get("shipping_weight");
        if let Some((value, unit)) = weight.rsplit_once(' ') {
            set("weight", value.trim().to_owned());
            set("weight_unit", unit.trim().to_owned());
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
