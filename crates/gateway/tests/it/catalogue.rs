//! Catalogue files in: what is taken, what is refused, and with which words.

use tradewind_connector::{Bounds, Capabilities, Facet, Support};
use tradewind_domain::{Locale, Money, Sku};
use tradewind_gateway::catalogue::{Catalogue, Refused};
use tradewind_gateway::config::Config;
use tradewind_gateway::desired;

/// Loads files: name, content, and more lines for its entry in the configuration.
fn load(files: &[(&str, &[u8], &str)]) -> Result<Catalogue, Refused> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = String::new();
    for (name, content, more) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
        config.push_str(&format!("[[catalogue]]\npath = \"{name}\"\n{more}\n"));
    }
    Catalogue::load(&Config::parse(&config, "tradewind.toml").unwrap().catalogue, folder.path())
}

fn csv(text: &str) -> Result<Catalogue, Refused> {
    load(&[("c.csv", text.as_bytes(), "")])
}

/// Refused, and the message has all of these.
fn refused(result: Result<Catalogue, Refused>, says: &[&str]) {
    let told = result.expect_err("taken").to_string();
    for words in says {
        assert!(told.contains(words), "'{words}' is not in: {told}");
    }
}

/// Title and description of a SKU in a language, at a channel that shows variants together or not.
fn words(catalogue: &Catalogue, sku: &str, locale: &str, together: bool) -> (String, String) {
    let config = format!(
        "[guard]\ncustoms_facts = false\n[[account]]\nid = \"a\"\nconnector = \"none\"\n[account.offers]\ncurrency = \"EUR\"\nlocale = \"{locale}\"\n"
    );
    let config = Config::parse(&config, "t").unwrap();
    let rules = config.account[0].offers.as_ref().unwrap();
    let bounds = Bounds { variants_share_words: together, ..Bounds::default() };
    let able = Capabilities::new(&[(Facet::Offers, Support::Native)], bounds);
    let (product, variant) = catalogue.variants()[&Sku::new(sku).unwrap()];
    let priced = || Ok(Money::parse("1.00", tradewind_domain::Currency::EUR).unwrap());
    let offer = desired::offer(product, variant, rules, &config.guard, &able, 1, priced).unwrap();
    (offer.content.title, offer.content.description)
}

fn title(catalogue: &Catalogue, sku: &str, locale: &str) -> String {
    words(catalogue, sku, locale, false).0
}

#[test]
fn each_variant_is_offered_with_its_own_rows_words() {
    let catalogue = csv("sku,product,title,title:de,description,price,currency,quantity\n\
         B,MUG,\"Mug, black\",\"Tasse, schwarz\",Colour black.,1.00,EUR,1\n\
         W,MUG,\"Mug, white\",\"Tasse, weiß\",Colour white.,1.00,EUR,1\n\
         R,MUG,\"Mug, red\",,,1.00,EUR,1\n")
    .unwrap();
    assert_eq!(words(&catalogue, "B", "en", false), ("Mug, black".into(), "Colour black.".into()));
    assert_eq!(words(&catalogue, "W", "en", false), ("Mug, white".into(), "Colour white.".into()));
    assert_eq!(title(&catalogue, "W", "de"), "Tasse, weiß");
    // Nothing German is said of the red one, and neither colour's words nor their description are right of it.
    assert_eq!(words(&catalogue, "R", "de", false), ("Mug, red".into(), String::new()));
    // One listing with three variants has one title, whichever of them it is put for.
    for sku in ["B", "W", "R"] {
        assert_eq!(words(&catalogue, sku, "en", true).0, "Mug, black");
    }
}

#[test]
fn words_that_all_rows_share_are_the_products() {
    let catalogue = csv("sku,product,title,description,title:de,price,currency,quantity\n\
         S,SHIRT,Shirt,,,1.00,EUR,1\n\
         M,SHIRT,Shirt,Soft.,Hemd,1.00,EUR,1\n")
    .unwrap();
    let (product, _) = catalogue.variants()[&Sku::new("S").unwrap()];
    assert!(product.variants.iter().all(|v| v.content.is_empty()), "{product:?}");
    for sku in ["S", "M"] {
        assert_eq!(words(&catalogue, sku, "en", false), ("Shirt".into(), "Soft.".into()));
        assert_eq!(title(&catalogue, sku, "de"), "Hemd");
    }
}

#[test]
fn one_product_has_one_brand_and_one_category() {
    let rows = "sku,product,title,brand,category,price,currency,quantity\nA,P,T,,Cups,1.00,EUR,1\n\
                B,P,T,Tern,,1.00,EUR,1\n";
    let catalogue = csv(rows).unwrap();
    let product = catalogue.products.values().next().unwrap();
    assert_eq!((product.brand.as_deref(), product.category.as_deref()), (Some("Tern"), Some("Cups")));
    // The brand stands in line 3 first, the category in line 2.
    refused(
        csv(&format!("{rows}C,P,T,Heron,,1.00,EUR,1\n")),
        &["c.csv:4 brand", "'Heron'", "'Tern' of c.csv:3"],
    );
    refused(csv(&format!("{rows}C,P,T,,Bowls,1.00,EUR,1\n")), &["c.csv:4 category", "'Cups' of c.csv:2"]);
}

/// The demo's own files, which every variant's words are compared with.
#[test]
fn the_demos_variants_have_the_words_of_their_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/demo");
    let config = std::fs::read_to_string(folder.join("tradewind.toml")).unwrap();
    let config = Config::parse(&config, "tradewind.toml").unwrap();
    let catalogue = Catalogue::load(&config.catalogue, &folder).unwrap();
    let feed = std::fs::read_to_string(folder.join("google-feed.xml")).unwrap();
    let mut seen = 0;
    for item in feed.split("<item>").skip(1) {
        let field = |name: &str| {
            let (_, rest) = item.split_once(&format!("<g:{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        let said = (field("title"), field("description"));
        assert_eq!(words(&catalogue, &field("id"), "en", false), said);
        seen += 1;
    }
    let mut rows = csv::Reader::from_path(folder.join("catalogue.csv")).unwrap();
    for row in rows.deserialize::<std::collections::BTreeMap<String, String>>() {
        let row = row.unwrap();
        assert_eq!(title(&catalogue, &row["sku"], "en"), row["title"]);
        assert_eq!(title(&catalogue, &row["sku"], "de"), row["title:de"]);
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn languages_are_written_as_bcp_47_writes_them() {
    let canonical = |text: &str| Locale::parse(text).map(|l| l.0);
    // RFC 5646, section 2.1.1: two letters upper case, four title case, all else lower case; not after a single letter.
    for (text, tag) in [
        ("ZH_cn", "zh-CN"),
        ("MN-cYRL-MN", "mn-Cyrl-MN"),
        ("en-ca-x-CA", "en-CA-x-ca"),
        ("de-ch-1996", "de-CH-1996"),
        ("es-419", "es-419"),
    ] {
        assert_eq!(canonical(text).as_deref(), Some(tag));
    }
    for text in ["", "d", "de-", "1e", "chinesisch-traditionell", "zh CN"] {
        assert_eq!(canonical(text), None, "{text}");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_told_where_it_opened() {
    let head = "sku,price,currency,title\n";
    refused(csv(&format!("{head}A,1,EUR,\"x\nB,2,EUR,y\nC,3,EUR,z")), &["c.csv:2", "a quote opens here"]);
    // Line 3 is within a quote that is closed; a quote in the middle of a field is text; `""` in a quoted field is, too.
    let open = format!("{head}A,1,EUR,\"x\ny \"\"z\"\"\"\r\nB,2,EUR,27\" disk\nC,3,EUR,\"z\"\"\n");
    refused(csv(&open), &["c.csv:5", "a quote opens here"]);
    let closed = "\u{feff}\"sku\",price,currency,title\nA,1,EUR,\"x, \"\"y\"\"\nz\"\nB,2,EUR,27\" disk";
    let catalogue = csv(closed).unwrap();
    assert_eq!(title(&catalogue, "A", "en"), "x, \"y\"\nz");
    assert_eq!(title(&catalogue, "B", "en"), "27\" disk");
}

#[test]
fn languages_and_attributes_keep_their_case() {
    let rows = "SKU,Title,title:zh-CN,TITLE:pt_br,attr:Colour,price,currency\nA,Mug,杯子,Caneca,red,1,EUR\n";
    let catalogue = csv(rows).unwrap();
    assert_eq!(title(&catalogue, "A", "zh-CN"), "杯子");
    assert_eq!(title(&catalogue, "A", "pt-BR"), "Caneca");
    let (_, variant) = catalogue.variants()[&Sku::new("A").unwrap()];
    assert_eq!(variant.attributes.get("Colour").map(String::as_str), Some("red"));
    refused(csv("sku,title,title:1,price,currency\nA,M,X,1,EUR\n"), &["c.csv:1 title:1", "no language"]);
}

#[test]
fn a_column_that_stands_twice_is_refused() {
    refused(csv("sku,title,price,Price,currency\nA,M,1,2,EUR\n"), &["c.csv:1 Price", "stands twice"]);
    refused(
        csv("sku,title,title:zh-cn,title:zh-CN,price,currency\nA,M,a,b,1,EUR\n"),
        &["title:zh-CN", "stands twice"],
    );
    let json = br#"{"sku":"A","sku":"B","title":"M","price":"1","currency":"EUR"}"#;
    refused(load(&[("c.jsonl", json, "")]), &["c.jsonl:1 sku", "stands twice"]);
}

#[test]
fn every_problem_of_a_row_is_told() {
    refused(
        csv("sku,title,price,currency,quantity,hs,origin,weight\n,,x,EUR,-1,6,UK,heavy\n"),
        &["2 sku", "2 title", "2 price", "2 quantity", "2 hs", "2 origin", "2 weight"],
    );
    let long = "x".repeat(121);
    refused(
        csv(&format!("sku,title,price,currency\n{long},M,1,EUR\n")),
        &["2 sku", "121 bytes, and the limit is 120"],
    );
}

#[test]
fn what_would_be_dropped_is_refused() {
    refused(
        csv("sku,title,description:de,price,currency\nA,M,Text,1,EUR\n"),
        &["c.csv:2 description:de", "title:de"],
    );
    refused(csv("sku,title,title:en,price,currency\nA,M,N,1,EUR\n"), &["c.csv:2 title:en", "other words"]);
    let base = ("a.csv", "sku,title,price,currency\nA,M,1,EUR\n".as_bytes(), "");
    let facts = "sku,title,price,brand,origin\nA,N,2,B,CN\n".as_bytes();
    refused(
        load(&[base, ("f.csv", facts, "facts = true")]),
        &["f.csv:2 title", "f.csv:2 price", "f.csv:2 brand", "facts = true"],
    );
    // A cost without a currency was taken as one in euros.
    refused(
        load(&[base, ("f.csv", b"sku,cost\nA,38.00\n", "facts = true")]),
        &["f.csv:2 cost_currency", "is missing"],
    );
    let more = "sku,images,attr:size,origin\nA,https://i.example/1.jpg,L,CN\n".as_bytes();
    let catalogue = load(&[base, ("f.csv", more, "facts = true")]).unwrap();
    let (_, variant) = catalogue.variants()[&Sku::new("A").unwrap()];
    assert_eq!((variant.images.len(), variant.attributes["size"].as_str()), (1, "L"));
}

#[test]
fn a_file_without_quantities_says_that_nothing_is_offered() {
    let base = ("a.csv", "sku,title,price,currency\nA,M,1,EUR\n".as_bytes(), "");
    let warned = load(&[base]).unwrap().warnings;
    assert!(warned[0].to_string().starts_with("a.csv: no row has a quantity"), "{warned:?}");
    let default = load(&[(base.0, base.1, "quantity = 5")]).unwrap();
    assert!(default.warnings.is_empty());
    assert_eq!(default.variants()[&Sku::new("A").unwrap()].1.quantity, Some(5));
    let stock = load(&[base, ("s.csv", b"sku,quantity\nA,0\n", "facts = true")]).unwrap();
    assert!(stock.warnings.is_empty());
}

#[test]
fn a_json_file_may_begin_with_a_byte_order_mark() {
    let json = "\u{feff}{\"sku\":\"A\",\"title\":\"M\",\"price\":\"1\",\"currency\":\"EUR\"}\n";
    assert_eq!(load(&[("c.jsonl", json.as_bytes(), "")]).unwrap().products.len(), 1);
}

/// A workbook whose cells a function writes.
fn workbook(write: impl Fn(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in ["sku", "title", "price", "currency", "quantity"].iter().enumerate() {
        sheet.write(0, column as u16, *name).unwrap();
    }
    sheet.write(1, 0, "A").unwrap().write(1, 1, "Mug").unwrap();
    sheet.write(1, 2, 12.5).unwrap().write(1, 3, "EUR").unwrap().write(1, 4, 3).unwrap();
    write(sheet);
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbooks_cells_are_text_or_numbers() {
    let catalogue = load(&[("c.xlsx", &workbook(|_| ()), "")]).unwrap();
    assert_eq!(catalogue.variants()[&Sku::new("A").unwrap()].1.price.to_string(), "12.50 EUR");
    let date = rust_xlsxwriter::ExcelDateTime::from_ymd(2007, 7, 1).unwrap();
    let format = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd");
    let wrong = workbook(|s| {
        s.write_with_format(1, 2, &date, &format).unwrap();
        s.write(1, 1, true).unwrap();
    });
    refused(
        load(&[("c.xlsx", &wrong, "")]),
        &["c.xlsx:2 price: cell C2 holds a date", "c.xlsx:2 title: cell B2 holds a truth value", "as text"],
    );
}

/// As a dense range, 16,384 × 20,000 cells of 24 bytes and more.
#[test]
fn a_stray_cell_far_away_costs_nothing_and_is_named() {
    let far = workbook(|s| {
        s.write(19_999, 16_383, "x").unwrap();
    });
    let started = std::time::Instant::now();
    let catalogue = load(&[("c.xlsx", &far, "")]).unwrap();
    assert!(started.elapsed().as_secs() < 10);
    assert_eq!(catalogue.products.len(), 1);
    assert!(catalogue.warnings[0].to_string().contains("cell XFD20000"), "{:?}", catalogue.warnings);
}

#[test]
fn a_workbook_that_unpacks_to_too_much_is_refused_before() {
    let mut book = workbook(|_| ());
    // The first directory entry says that its part has 1 GiB: bytes 24 to 27 (APPNOTE.TXT, 4.3.12).
    let at = book.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    book[at + 24..at + 28].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    refused(load(&[("c.xlsx", &book, "")]), &["unpacks to 1024 MiB", "the limit is 512 MiB"]);
}

const ITEM: &str =
    "<item>\n<g:id>A</g:id><title>Mug</title><g:price>1 EUR</g:price><g:quantity>1</g:quantity>";

fn feed(items: &str) -> Result<Catalogue, Refused> {
    let text = format!("<rss xmlns:g=\"http://base.google.com/ns/1.0\">\n<channel>{items}</channel></rss>");
    load(&[("f.xml", text.as_bytes(), "")])
}

#[test]
fn a_feed_that_was_cut_off_is_refused() {
    feed(&format!("{ITEM}</item>")).unwrap();
    let cut = format!("<rss xmlns:g=\"x\">\n<channel>{ITEM}</item>\n<item>\n<g:id>B</g:id>\n");
    refused(
        load(&[("f.xml", cut.as_bytes(), "")]),
        &["f.xml:6", "ends inside <item>, which opened on line 4"],
    );
    refused(load(&[("f.xml", b"<html><item/></html>", "")]), &["f.xml:1", "<html>", "<rss> or <feed>"]);
    refused(load(&[("f.xml", b"<rss/>", "")]), &["f.xml: has no rows"]);
}

#[test]
fn a_feeds_rows_are_lines() {
    // The second item begins on line 4.
    let second = ITEM.replace(">A<", ">B<").replace("1 EUR", "x EUR");
    refused(feed(&format!("{ITEM}</item>\n{second}</item>")), &["f.xml:4 price"]);
}

#[test]
fn googles_own_attributes_go_before_plain_ones() {
    let catalogue = feed(&format!(
        "{ITEM}<id>https://shop.example/a</id><g:title>Mug, red</g:title><g:product_type>Cups</g:product_type>\
         <g:product_type>Kitchen</g:product_type><g:image_link>i0</g:image_link>\
         <g:additional_image_link>i1</g:additional_image_link><g:additional_image_link>i2</g:additional_image_link></item>"
    ))
    .unwrap();
    let (product, variant) = catalogue.variants()[&Sku::new("A").unwrap()];
    assert_eq!(product.category.as_deref(), Some("Cups"));
    assert_eq!(variant.images, ["i0", "i1", "i2"]);
    assert_eq!(title(&catalogue, "A", "en"), "Mug, red");
}

#[test]
fn a_feeds_cost_and_size_are_taken_and_the_rest_is_named() {
    let catalogue = feed(&format!(
        "{ITEM}<g:cost_of_goods_sold>4.20 USD</g:cost_of_goods_sold><g:shipping_length>20 cm</g:shipping_length>\
         <g:shipping_width>8 in</g:shipping_width><g:shipping_height>1.01 cm</g:shipping_height>\
         <g:sale_price>0.50 EUR</g:sale_price><g:mpn>7</g:mpn></item>"
    ))
    .unwrap();
    let variant = catalogue.variants()[&Sku::new("A").unwrap()].1;
    let cost = variant.cost.unwrap();
    assert_eq!((cost.value().to_string(), cost.currency().code()), ("4.20".to_owned(), "USD"));
    // 8 × 25.4 = 203.2; 1.01 cm = 10.1 mm; both up.
    let d = variant.dimensions.unwrap();
    assert_eq!((d.length_mm, d.width_mm, d.height_mm), (200, 204, 11));
    let told = catalogue.warnings[0].to_string();
    assert!(told.contains("not read: mpn, sale_price"), "{told}");
    refused(
        feed(&format!("{ITEM}<g:shipping_weight>380</g:shipping_weight></item>")),
        &["shipping_weight", "no unit"],
    );
}

#[test]
fn a_feed_is_read_in_the_encoding_that_it_declares() {
    let text = |name: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"{name}\"?>\n<rss><channel>{ITEM}<brand>Größe</brand></item></channel></rss>"
        )
    };
    let latin: Vec<u8> = text("ISO-8859-1").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let mut wide = vec![0xff, 0xfe];
    wide.extend(text("UTF-16").encode_utf16().flat_map(u16::to_le_bytes));
    for bytes in [latin.clone(), wide, text("UTF-8").into_bytes()] {
        let catalogue = load(&[("f.xml", &bytes, "")]).unwrap();
        assert_eq!(catalogue.products.values().next().unwrap().brand.as_deref(), Some("Größe"));
    }
    let undeclared: Vec<u8> = latin.iter().copied().skip_while(|b| *b != b'\n').collect();
    refused(load(&[("f.xml", &undeclared, "")]), &["f.xml:", "UTF-8", "must name the encoding"]);
    refused(load(&[("f.xml", text("klingon").as_bytes(), "")]), &["'klingon'", "export it as UTF-8"]);
}

#[test]
fn shopifys_hidden_products_are_left_out_and_counted() {
    let rows = "Handle,Title,Published,Status,Variant SKU,Variant Inventory Qty,Variant Price\n\
                a,A,TRUE,active,A,-3,1.00\nb,B,TRUE,draft,B,1,1.00\nb,,,,B2,1,1.00\nc,C,FALSE,active,C,1,1.00\n";
    let catalogue = load(&[("s.csv", rows.as_bytes(), "currency = \"EUR\"")]).unwrap();
    assert_eq!(catalogue.variants().keys().map(|s| s.as_str()).collect::<Vec<_>>(), ["A"]);
    assert_eq!(catalogue.variants()[&Sku::new("A").unwrap()].1.quantity, Some(0));
    let told: Vec<String> = catalogue.warnings.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("3 SKUs of 2 products were left out"), "{told:?}");
    assert!(told[1].contains("s.csv:2 Variant Inventory Qty") && told[1].contains("taken as 0"), "{told:?}");
}

#[test]
fn shopifys_newer_template_is_known_and_our_own_handle_is_not_shopifys() {
    let rows = "Title,URL handle,Description,Vendor,Published on online store,Status,SKU,Option1 name,Option1 value,Price,Inventory quantity,Weight value (grams),Product image URL\n\
                Mug,mug,Text,Tern,TRUE,active,A,Colour,red,1.00,4,380,i1\n";
    let catalogue = load(&[("s.csv", rows.as_bytes(), "currency = \"EUR\"")]).unwrap();
    let (product, variant) = catalogue.variants()[&Sku::new("A").unwrap()];
    assert_eq!((product.id.as_str(), product.brand.as_deref()), ("mug", Some("Tern")));
    assert_eq!((variant.quantity, variant.weight.unwrap().0), (Some(4), 380));
    assert_eq!((variant.images.len(), variant.attributes["colour"].as_str()), (1, "red"));
    let own = csv("sku,title,price,currency,attr:handle\nA,Mug,1.00,EUR,steel\n").unwrap();
    assert_eq!(own.variants()[&Sku::new("A").unwrap()].1.attributes["handle"], "steel");
}
