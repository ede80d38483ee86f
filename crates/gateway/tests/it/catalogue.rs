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
