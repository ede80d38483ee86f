//! One rule: the bulk pass settles the orders that the reconciliation calls paid, from the same files, whole or in pieces, in any order
//! and with repetitions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use tradewind_domain::{Currency, Money};
use tradewind_ledger::bulk::OpenItems;
use tradewind_ledger::facts::{Facts, native, read};
use tradewind_ledger::import::{Import, ImportedFile, Provider, Sidecar, read_bytes};
use tradewind_ledger::recon::{self, Options};

use crate::bulk::TITLES;

/// A sale or a refund of one order in one settlement; amounts in cents.
#[derive(Debug, Clone)]
struct Event {
    settlement: usize,
    order: usize,
    refund: bool,
    goods: i64,
    shipping: i64,
    discount: i64,
    tax: i64,
    withheld: i64,
    fee: i64,
}

const ORDERS: usize = 5;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let withheld = prop_oneof![2 => Just(None), 1 => (0_i64..900).prop_map(Some), 2 => Just(Some(0))];
    let event = (
        (0_usize..4, 0..ORDERS, prop::bool::weighted(0.25)),
        (1_i64..9_000, 0_i64..500, prop_oneof![2 => Just(0_i64), 1 => 1_i64..400]),
        (prop_oneof![Just(0_i64), 1_i64..900], withheld, 0_i64..300),
    )
        .prop_map(|((settlement, order, refund), (goods, shipping, discount), (tax, withheld, fee))| Event {
            settlement,
            order,
            refund,
            goods,
            shipping,
            discount,
            tax,
            // All of the tax, none of it, or some other sum; a refund releases what it takes back.
            withheld: if refund { tax } else { withheld.unwrap_or(tax) },
            fee,
        });
    prop::collection::vec(event, 1..14)
}

fn text(minor: i64) -> String {
    Money::from_minor(minor, Currency::EUR).amount()
}

/// The lines of an event: code and cents.
fn lines(e: &Event) -> Vec<(&'static str, i64)> {
    let sign = if e.refund { -1 } else { 1 };
    let all = [
        ("ItemPrice\tPrincipal", e.goods * sign),
        ("ItemPrice\tShipping", e.shipping * sign),
        ("ItemPrice\tTax", e.tax * sign),
        ("Promotion\tPrincipal", -e.discount * sign),
        ("ItemWithheldTax\tMarketplaceFacilitatorTax-Principal", -e.withheld * sign),
        ("ItemFees\tCommission", -e.fee * sign),
    ];
    all.into_iter().filter(|(_, m)| *m != 0).collect()
}

/// One file of these settlements; `None`: nothing in them.
fn file(all: &[Event], settlements: &[usize]) -> Option<String> {
    let mut out = TITLES.to_owned();
    for s in settlements {
        let mine: Vec<&Event> = all.iter().filter(|e| e.settlement == *s).collect();
        if mine.is_empty() {
            continue;
        }
        let total: i64 = mine.iter().flat_map(|e| lines(e)).map(|(_, m)| m).sum();
        let _ = writeln!(
            out,
            "70{s}\t2026-06-01 00:00:00 UTC\t2026-06-14 00:00:00 UTC\t2026-06-16 00:00:00 UTC\t{}\tEUR{}",
            text(total),
            "\t".repeat(18)
        );
        for (n, e) in mine.iter().enumerate() {
            for (code, m) in lines(e) {
                let _ = writeln!(
                    out,
                    "70{s}\t\t\t\t\tEUR\t{}\torder-{}\t\t\tS{n}\tamazon.de\t{code}\t{}\tAFN\t05.06.2026\t2026-06-05 08:14:22 UTC\t{n}\t\t\tX\t1\t",
                    if e.refund { "Refund" } else { "Order" },
                    e.order,
                    text(m)
                );
            }
        }
    }
    (out.len() > TITLES.len()).then_some(out)
}

/// Worked from the events: what the buyer paid, and what of it the marketplace kept as tax (settlement by settlement).
fn by_hand(all: &[Event], order: usize) -> (i64, i64) {
    let sales = |s: usize| all.iter().filter(move |e| e.order == order && e.settlement == s && !e.refund);
    let paid = (0..4).flat_map(sales).map(|e| e.goods + e.shipping + e.tax - e.discount).sum();
    let kept =
        (0..4).map(|s| sales(s).map(|e| e.tax).sum::<i64>().min(sales(s).map(|e| e.withheld).sum())).sum();
    (paid, kept)
}

fn open(due: &BTreeMap<usize, i64>) -> OpenItems {
    let mut items = OpenItems::new();
    for (o, d) in due {
        items.add(format!("order-{o}").as_bytes(), Money::from_minor(*d, Currency::EUR)).unwrap();
    }
    items
}

/// (paid, settled) of every item.
fn state(items: &OpenItems) -> BTreeMap<String, (i64, bool)> {
    let unsettled: Vec<&str> = items.unsettled().map(|i| i.reference).collect();
    (0..ORDERS)
        .map(|o| format!("order-{o}"))
        .map(|id| {
            let paid = items.get(&id).unwrap().paid.minor();
            let settled = !unsettled.contains(&id.as_str());
            (id, (paid, settled))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bulk_and_reconciliation_settle_the_same_orders(
        all in events(),
        ways in prop::collection::vec(0_u8..3, ORDERS),
        pieces in prop::collection::vec(0_usize..4, 1..8),
    ) {
        // Due: what was paid, or that without the tax that was kept, or a cent beside it.
        let due: BTreeMap<usize, i64> = (0..ORDERS)
            .map(|o| {
                let (paid, kept) = by_hand(&all, o);
                let due = match ways[o] { 0 => paid, 1 => paid - kept, _ => paid + 1 };
                (o, if due == 0 { 1 } else { due })
            })
            .collect();
        let whole = file(&all, &[0, 1, 2, 3]).unwrap();
        let mut at_once = open(&due);
        at_once.settle(Provider::Amazon, whole.as_bytes()).unwrap();
        let told = state(&at_once);
        for o in 0..ORDERS {
            let (paid, kept) = by_hand(&all, o);
            prop_assert_eq!(told[&format!("order-{o}")], (paid, paid == due[&o] || kept != 0 && paid - kept == due[&o]));
        }
        // File by file, in any order and some of them again: as at once.
        let mut by_piece = open(&due);
        for s in pieces.iter().chain(&[3, 1, 0, 2]) {
            if let Some(f) = file(&all, &[*s]) {
                prop_assert!(by_piece.settle(Provider::Amazon, f.as_bytes()).unwrap().conflicts.is_empty());
            }
        }
        prop_assert_eq!(&state(&by_piece), &told);
        // The reconciliation of the same file calls the same orders paid.
        let mut facts = Facts::default();
        let orders: String = due
            .iter()
            .map(|(o, d)| format!("{{\"id\":\"order-{o}\",\"account\":\"amazon\",\"placed_at\":\"2026-06-05T00:00:00Z\",\"currency\":\"EUR\",\"total\":\"{}\"}}\n", text(*d)))
            .collect();
        read::read_bytes("orders", "orders.jsonl", 0, orders.as_bytes(), &mut facts);
        let mut import = Import::default();
        import.files.push(ImportedFile {
            path: "a.txt".into(),
            provider: Provider::Amazon,
            account: "amazon".to_owned(),
            sha256: String::new(),
            document: read_bytes(Provider::Amazon, whole.as_bytes(), &Sidecar::default()).unwrap(),
        });
        facts.extend(native::from_import(&import));
        let books = recon::run(&facts, &Options::default()).unwrap();
        for x in &books.orders {
            let (paid, settled) = told[&x.id];
            prop_assert_eq!(x.gross.minor() != 0 && x.open.is_some_and(Money::is_zero), settled && paid != 0, "{:?}", x);
            // Where the total leaves the tax out, so does the order's gross.
            let (_, kept) = by_hand(&all, x.id.trim_start_matches("order-").parse().unwrap());
            let gross = if settled && paid != x.total.minor() { paid - kept } else { paid };
            prop_assert_eq!(x.gross.minor(), gross, "{:?}", x);
        }
    }
}

#[test]
fn another_content_under_a_settlements_id_is_a_conflict_and_the_first_stays() {
    let event = |goods: i64| Event {
        settlement: 1,
        order: 0,
        refund: false,
        goods,
        shipping: 0,
        discount: 0,
        tax: 0,
        withheld: 0,
        fee: 0,
    };
    let mut items = open(&BTreeMap::from([(0, 1_000)]));
    items.settle(Provider::Amazon, file(&[event(1_000)], &[1]).unwrap().as_bytes()).unwrap();
    let r = items.settle(Provider::Amazon, file(&[event(1_001)], &[1]).unwrap().as_bytes()).unwrap();
    assert_eq!((r.conflicts, r.repeated), (vec!["701".to_owned()], Vec::new()));
    assert_eq!(items.get("order-0").unwrap().paid.minor(), 1_000);
    assert_eq!(items.unsettled().count(), 0);
}
