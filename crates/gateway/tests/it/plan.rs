//! The plan of a shop with more SKUs than one thread takes at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde_json::{Value, json};
use tradewind_connector::{Bounds, Capabilities, Facet, Support};
use tradewind_domain::{AccountId, ChangeState, Currency, Locale, Money, Offer, Product, Sku, Variant};
use tradewind_gateway::config::Config;
use tradewind_gateway::desired::Guard;
use tradewind_gateway::plan::{Action, Plan};
use tradewind_gateway::pricing::Prices;
use tradewind_gateway::records::{OfferRecord, offer_key};

use crate::shop::{Shop, live};

const CONFIG: &str = r#"
[guard]
customs_facts = false
mass_delete = "1"
[pricing]
book = "prices.toml"
[landed]
goods = "goods.toml"
[landed.to.DE]
channel = "courier"
incoterm = "DDP"
[[account]]
id = "market"
connector = "none"
[account.offers]
currency = "EUR"
channel = "market"
sold_via = "marketplace"
[[account]]
id = "shop"
connector = "none"
[account.offers]
currency = "EUR"
channel = "shop"
sold_via = "marketplace"
"#;

/// One channel with a markup, one whose price is solved for.
const BOOK: &str = r#"
[costs]
packing = "0.40 EUR"
[channels.market]
currency = "EUR"
market = "DE"
vat = "landed"
floor = "0.05"
markup = "1"
ending = ".99"
[channels.shop]
currency = "EUR"
market = "DE"
vat = "landed"
floor = "0.05"
target = "0.20"
"#;

/// Above 150 EUR the tariff decides: of mugs from China and from Viet Nam it is known, of teapots it is not.
const GOODS: &str = r#"
[[goods]]
hs = "691200"
origin = ["CN"]
rates = { duty = "0.12" }
source = "test"
[[goods]]
hs = "691200"
origin = ["VN"]
rates = { duty = "0.05" }
source = "test"
"#;

const NOW: &str = "2026-08-01T10:00:00Z";

fn variant(n: usize) -> Value {
    let money = |amount: String| json!({"amount": amount, "currency": "EUR"});
    let (hs, origin) = [("691200", "CN"), ("691200", "VN"), ("691110", "CN")][n % 3];
    let mut variant = json!({"sku": format!("SKU-{n:04}"), "price": money(format!("{}.00", 20 + n % 11 * 20)),
        "cost": money(format!("{}.00", 4 + n % 7 * 30)), "hs": hs, "origin": origin, "weight": 250, "quantity": 5,
        "source": {"file": "catalogue.csv", "row": n + 2}});
    match n % 50 {
        // Guards have something to stop.
        7 => variant["price"] = money("0.00".to_owned()),
        8 => variant["hs"] = Value::Null,
        _ => {}
    }
    variant
}

/// A shop of so many SKUs, and one listing for each account whose SKU left the catalogue.
fn shop(skus: usize) -> Shop {
    let mut shop = Shop::open(CONFIG, &[("prices.toml", BOOK), ("goods.toml", GOODS)]);
    for n in 0..skus {
        let product = json!({"id": format!("P-{n}"), "variants": [],
            "content": {"en": {"title": format!("Mug {n}"), "description": "", "bullets": []}}});
        shop.put(product, variant(n));
    }
    for account in shop.config.account.iter().map(|a| &a.id) {
        let offer = Offer {
            sku: "OLD-1".parse().unwrap(),
            product: "OLD".parse().unwrap(),
            price: Money::from_minor(2_000, Currency::EUR),
            quantity: 1,
            locale: Locale("en".to_owned()),
            content: serde_json::from_value(json!({"title": "Old"})).unwrap(),
            brand: None,
            category: None,
            gtin: None,
            hs: None,
            origin: None,
            weight: None,
            dimensions: None,
            images: Vec::new(),
            attributes: BTreeMap::new(),
        };
        shop.offers.extend([live(account, Box::new(offer), "")]);
    }
    shop
}

/// A plan of engines that remember nothing.
fn plan(shop: &Shop, threads: usize) -> Plan {
    let engines = shop.engines.clone();
    shop.inputs_with(&engines).plan_on(NonZeroUsize::new(threads).unwrap(), NOW.parse().unwrap())
}

#[test]
fn a_plan_is_the_same_on_any_number_of_threads() {
    let shop = shop(520);
    let text = |threads| serde_json::to_string(&plan(&shop, threads)).unwrap();
    let one = text(1);
    for threads in [2, 5] {
        assert!(text(threads) == one, "{threads} threads make another plan");
    }
    let plan: Plan = serde_json::from_str(&one).unwrap();
    assert_eq!(plan.totals.withdraw, 2);
    // In the order of accounts and SKUs, what left the catalogue last.
    let order: Vec<(&str, bool, &str)> = plan
        .changes
        .iter()
        .map(|c| (c.account.as_str(), matches!(c.action, Some(Action::Withdraw { .. })), c.sku.as_str()))
        .collect();
    assert!(order.is_sorted());
    // Each SKU once for each account, whatever becomes of it, and two listings to withdraw.
    assert_eq!(order.len(), 2 * 520 + 2);
}

/// Goods that are alike share a question at the border; those that are not must not.
#[test]
fn a_price_in_a_plan_is_the_price_of_the_sku_alone() {
    let shop = shop(60);
    let plan = plan(&shop, 2);
    let mut priced = 0;
    for change in &plan.changes {
        let Some((_, variant)) = shop.variants.get(&change.sku) else { continue };
        let prices = Prices::new(&shop.config, &shop.engines, NOW.parse().unwrap());
        let alone = prices.explain(prices.terms(&change.account).unwrap(), variant);
        let planned = match &change.action {
            Some(Action::Create { offer }) => Ok(offer.price),
            other => Err(change.stop.clone().unwrap_or_else(|| panic!("{other:?} without stop"))),
        };
        priced += i32::from(planned.is_ok());
        assert_eq!(planned, alone.map(|p| p.price), "{} {}", change.account, change.sku);
    }
    assert!(priced > 40, "{priced} prices");
}

/// What is live of one SKU, whose 30 units two accounts have 15 of each, against what should be: a listing is lowered to what
/// is allotted and raised by what it was never given, and an update of its price carries no more units than these allow.
#[test]
fn no_change_exposes_more_than_is_shown_and_fresh_or_allotted() {
    let mut shop = shop(1);
    let account: AccountId = "market".parse().unwrap();
    let wanted = plan(&shop, 1).changes.into_iter().find(|c| c.account == account).unwrap();
    let Some(Action::Create { offer }) = wanted.action else { panic!("{wanted:?}") };
    assert_eq!(offer.quantity, 15);
    let mut change = |shown: u32, fresh: u32, cents: i64| {
        let shelf = shop.stock.get_mut(&offer.sku).unwrap();
        shelf.fresh = [(account.clone(), fresh)].into();
        let (key, mut record) = live(&account, offer.clone(), "");
        let listing = record.live.as_mut().unwrap();
        listing.quantity = Some(shown);
        listing.price = Some(Money::from_minor(offer.price.minor() - cents, Currency::EUR));
        shop.offers.insert(key, record);
        plan(&shop, 1).changes.into_iter().find(|c| c.account == account && c.sku == offer.sku)?.action
    };
    // Shown, never given, cents that the price should rise, what is done: lowered or raised to, or updated with.
    for (shown, fresh, cents, set, updated) in [
        (20, 0, 0, Some(15), None),
        (20, 9, 0, Some(15), None),
        (15, 0, 0, None, None),
        (10, 0, 0, None, None),
        // 10 + 3: two of the fifteen are sold and not heard of. 13 + 9 is more than is allotted.
        (10, 3, 0, Some(13), None),
        (13, 9, 0, Some(15), None),
        (0, 15, 0, Some(15), None),
        (20, 0, 100, None, Some(15)),
        (10, 0, 100, None, Some(10)),
        (10, 3, 100, None, Some(13)),
    ] {
        let (mut lower, mut update) = (None, None);
        match change(shown, fresh, cents) {
            Some(Action::Lower { from, to, .. } | Action::Raise { from, to, .. }) => {
                assert_eq!(from, shown);
                lower = Some(to);
            }
            Some(Action::Update { offer, .. }) => update = Some(offer.quantity),
            None => {}
            other => panic!("{other:?}"),
        }
        assert_eq!((lower, update), (set, updated), "{shown} shown, {fresh} fresh, {cents} cents");
    }
}

/// A guard stops the offer; what is not on the shelf must not be sold all the same.
#[test]
fn whatever_stops_an_offer_its_quantity_is_lowered() {
    let account: AccountId = "market".parse().unwrap();
    let of = |shop: &Shop, sku: &Sku| -> Vec<(Option<u32>, bool)> {
        let mine = plan(shop, 1).changes.into_iter().filter(|c| c.account == account && c.sku == *sku);
        mine.map(|c| match c.action {
            Some(Action::Lower { to, .. }) => (Some(to), c.stop.is_some()),
            _ => (None, c.stop.is_some()),
        })
        .collect()
    };
    let base = shop(1);
    let wanted = plan(&base, 1).changes.into_iter().find(|c| c.account == account).unwrap();
    let Some(Action::Create { offer }) = wanted.action else { panic!("{wanted:?}") };
    let sku = offer.sku.clone();
    let lived = |state: ChangeState| {
        let mut shop = base.clone();
        let (key, mut record) = live(&account, offer.clone(), "");
        record.live.as_mut().unwrap().quantity = Some(20);
        record.state = state;
        record.note = Some("8541: the title is not allowed".to_owned());
        shop.offers.insert(key, record);
        shop
    };
    // The price that the guard does not let through, and no cost at all.
    let mut stopped = lived(ChangeState::Live);
    stopped.variants.get_mut(&sku).unwrap().1.cost = None;
    assert_eq!(of(&stopped, &sku), [(None, true), (Some(15), false)]);
    // A price that jumps.
    let mut jumps = lived(ChangeState::Live);
    for record in jumps.offers.values_mut() {
        record.live.as_mut().unwrap().price = Some(Money::from_minor(1, Currency::EUR));
    }
    assert_eq!(of(&jumps, &sku), [(None, true), (Some(15), false)]);
    // What the channel refused is said, with its words.
    let refused = lived(ChangeState::Rejected);
    assert_eq!(of(&refused, &sku), [(None, true), (Some(15), false)]);
    let told =
        plan(&refused, 1).changes.into_iter().find_map(|c| c.stop.filter(|s| s.guard == Guard::Refused));
    assert!(told.unwrap().why.contains("8541"));
    // What is under way is settled first.
    assert_eq!(of(&lived(ChangeState::Accepted), &sku), []);
}

/// Each part of an offer that a channel is sent and does not tell back is compared with what was sent.
#[test]
fn whatever_of_an_offer_changes_is_sent() {
    let account: AccountId = "market".parse().unwrap();
    let base = shop(1);
    let wanted = plan(&base, 1).changes.into_iter().find(|c| c.account == account).unwrap();
    let Some(Action::Create { offer }) = wanted.action else { panic!("{wanted:?}") };
    type Edit<'a> = &'a dyn Fn(&mut Product, &mut Variant);
    let edits: [(&str, Edit<'_>); 5] = [
        ("brand", &|p, _| p.brand = Some("Harbour".to_owned())),
        ("gtin", &|_, v| v.gtin = Some("4006381333931".parse().unwrap())),
        ("origin", &|_, v| v.origin = Some("VN".parse().unwrap())),
        ("images", &|_, v| v.images.push("https://shop.example/new.jpg".to_owned())),
        ("attributes", &|_, v| drop(v.attributes.insert("size".to_owned(), "XXL".to_owned()))),
    ];
    for (field, edit) in edits {
        let mut shop = base.clone();
        let (key, record) = live(&account, offer.clone(), "");
        shop.offers.insert(key, record);
        let (product, variant) = shop.variants.get_mut(&offer.sku).unwrap();
        edit(product, variant);
        let plan = plan(&shop, 1);
        let change = plan.changes.iter().find(|c| c.account == account && c.sku == offer.sku).unwrap();
        let Some(Action::Update { fields, .. }) = &change.action else { panic!("{field}: {change:?}") };
        assert!(fields.iter().any(|f| f.field == field), "{fields:?}");
    }
}

/// What was put up at an account does not go on selling when the account, or its `[account.offers]`, is taken out.
#[test]
fn listings_of_an_account_that_does_not_sell_any_more_are_withdrawn_or_told() {
    let with = |config: &str| {
        let mut shop = shop(1);
        shop.config = Config::parse(config, "tradewind.toml").unwrap();
        plan(&shop, 1)
    };
    assert_eq!(with(CONFIG).notes, Vec::<String>::new());
    let silent = CONFIG.rsplit_once("[account.offers]").unwrap().0;
    let at_shop = |plan: &Plan| {
        let mine = plan.changes.iter().filter(|c| c.account.as_str() == "shop");
        mine.map(|c| (c.action.clone(), c.stop.as_ref().map(|s| s.guard))).collect::<Vec<_>>()
    };
    // One listing, of a SKU that the catalogue does not have.
    let told = with(silent);
    assert!(matches!(at_shop(&told)[..], [(Some(Action::Withdraw { .. }), None)]), "{told:?}");
    // By the same guard as all that goes; what is not there is not sold meanwhile.
    let told = at_shop(&with(&silent.replace("mass_delete = \"1\"", "mass_delete = \"0.5\"")));
    let [(Some(Action::Withdraw { .. }), Some(Guard::MassDelete)), (Some(Action::Lower { to: 0, .. }), None)] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    let told = with(CONFIG.rsplit_once("[[account]]").unwrap().0);
    assert_eq!(at_shop(&told), []);
    let [note] = &told.notes[..] else { panic!("{:?}", told.notes) };
    assert!(note.contains("'shop'") && note.contains("1 listings") && note.contains("[[account]]"), "{note}");
}

/// Units do not move to an account that comes later, and nothing is to be changed there: that is said.
#[test]
fn an_account_that_has_no_units_at_all_is_told() {
    let (market, shop_id): (AccountId, AccountId) = ("market".parse().unwrap(), "shop".parse().unwrap());
    let base = shop(3);
    let notes = |edit: &dyn Fn(&mut Shop)| {
        let mut shop = base.clone();
        edit(&mut shop);
        plan(&shop, 1).notes
    };
    let give = |shop: &mut Shop, units: u32| {
        shop.stock.values_mut().for_each(|s| s.allotted = [(market.clone(), units)].into());
    };
    let told = notes(&|s| give(s, 30));
    let [note] = &told[..] else { panic!("{told:?}") };
    assert!(note.contains("'shop'") && note.contains("no units of 3 SKUs"), "{note}");
    // Of one unit for two accounts one has none; what was listed there is sold out.
    assert_eq!(notes(&|s| give(s, 1)), Vec::<String>::new());
    let sold_out = notes(&|s| {
        give(s, 30);
        for sku in s.stock.keys() {
            let record = OfferRecord::new(shop_id.clone(), sku.clone());
            s.offers.insert(offer_key(&shop_id, sku), record);
        }
    });
    assert_eq!(sold_out, Vec::<String>::new());
    // Nothing of it is meant to be offered there.
    let only = CONFIG.replace("channel = \"shop\"", "channel = \"shop\"\nonly = [\"Hats\"]");
    let none = notes(&|s| {
        give(s, 30);
        s.config = Config::parse(&only, "tradewind.toml").unwrap();
    });
    assert_eq!(none, Vec::<String>::new());
}

/// Whatever decides a change is in the hash, and nothing else: not when a listing was read.
#[test]
fn the_hash_of_the_inputs_changes_with_each_of_them() {
    let base = shop(1);
    let hash = |edit: &dyn Fn(&mut Shop)| {
        let mut shop = base.clone();
        edit(&mut shop);
        shop.inputs().hash()
    };
    let same = hash(&|_| {});
    assert_eq!(hash(&|s| s.offers.values_mut().for_each(|o| o.read_at = Some(NOW.parse().unwrap()))), same);
    let edits: [&dyn Fn(&mut Shop); 9] = [
        &|s| s.variants.values_mut().for_each(|(_, v)| v.price = v.price.negated()),
        &|s| s.variants.values_mut().for_each(|(p, _)| p.brand = Some("Harbour".to_owned())),
        &|s| s.stock.values_mut().for_each(|r| r.reserved += 1),
        &|s| s.offers.values_mut().for_each(|o| o.live.as_mut().unwrap().quantity = Some(2)),
        &|s| s.offers.values_mut().for_each(|o| o.desired = None),
        &|s| s.engines.digest.push('x'),
        &|s| {
            s.config =
                Config::parse(&CONFIG.replace("mass_delete = \"1\"", "mass_delete = \"0.9\""), "t").unwrap()
        },
        &|s| {
            s.config =
                Config::parse(&CONFIG.replace("channel = \"shop\"", "channel = \"market\""), "t").unwrap()
        },
        &|s| {
            let bounds = Bounds { title_chars: Some(80), ..Bounds::default() };
            let able = Capabilities::new(&[(Facet::Offers, Support::Native)], bounds);
            s.capabilities.values_mut().for_each(|c| *c = able.clone());
        },
    ];
    let mut all: Vec<String> = edits.iter().map(|edit| hash(edit)).collect();
    all.push(same);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 10);
}
