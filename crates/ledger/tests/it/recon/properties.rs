//! Laws over random worlds, and a slow reference model as oracle.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use tradewind_domain::Currency;
use tradewind_ledger::answer;
use tradewind_ledger::recon::{self, Outcome};

use super::{World, bank_line, charge, laws, order, payout, with};

/// A sale in a random world: amount and fee in cents, cents given back, in which payout.
#[derive(Debug, Clone)]
struct Sale {
    amount: i64,
    fee: i64,
    back: i64,
    payout: usize,
    known: bool,
}

/// How a payout comes to the bank.
#[derive(Debug, Clone)]
struct Arrival {
    state: u8,
    named: bool,
}

#[derive(Debug, Clone)]
struct Plan {
    sales: Vec<Sale>,
    arrivals: Vec<Arrival>,
    extra: Vec<i64>,
}

/// Few different amounts, so that equal ones meet.
fn plans() -> impl Strategy<Value = Plan> {
    let amount = prop_oneof![Just(1000_i64), Just(2500), Just(5000), 1_i64..20_000];
    let sale = (
        amount,
        0_i64..300,
        prop_oneof![3 => Just(0_i64), 1 => 1_i64..1000],
        0_usize..4,
        prop::bool::weighted(0.9),
    )
        .prop_map(|(amount, fee, back, payout, known)| Sale {
            amount,
            fee: fee.min(amount),
            back,
            payout,
            known,
        });
    let arrival = (0_u8..5, any::<bool>()).prop_map(|(state, named)| Arrival { state, named });
    (
        prop::collection::vec(sale, 0..7),
        prop::collection::vec(arrival, 4),
        prop::collection::vec(-3000_i64..6000, 0..3),
    )
        .prop_map(|(sales, arrivals, extra)| Plan { sales, arrivals, extra })
}

fn text(m: i64) -> String {
    format!("{}{}.{:02}", if m < 0 { "-" } else { "" }, m.abs() / 100, m.abs() % 100)
}

/// The rows of a plan, kind by kind.
fn rows(plan: &Plan) -> Vec<(&'static str, Vec<Value>)> {
    let (mut orders, mut txs, mut payouts, mut bank) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sums = [0_i64; 4];
    for (i, s) in plan.sales.iter().enumerate() {
        let id = format!("order-{i}");
        if s.known {
            orders.push(order(&id, "2026-02-01", "EUR", &text(s.amount)));
        }
        txs.push(with(
            charge(&format!("ch{i}"), &id, "2026-02-02", "EUR", &text(s.amount), &text(s.fee)),
            json!({"payout": format!("po_{}", s.payout)}),
        ));
        sums[s.payout] += s.amount - s.fee;
        if s.back > 0 {
            sums[s.payout] -= s.back;
            txs.push(json!({"id": format!("re{i}"), "provider": "stripe", "account": "acct", "kind": "refund", "occurred_at": "2026-02-03T10:00:00Z",
                "currency": "EUR", "amount": text(-s.back), "refers_to": format!("ch{i}"), "payout": format!("po_{}", s.payout)}));
        }
    }
    for (p, arrival) in plan.arrivals.iter().enumerate() {
        let used = plan.sales.iter().any(|s| s.payout == p);
        if !used {
            continue;
        }
        let status = if arrival.state == 4 { "failed" } else { "paid" };
        payouts.push(payout(&format!("po_{p}"), "2026-02-05", "EUR", &text(sums[p]), status));
        let words = if arrival.named { format!("STRIPE po_{p}") } else { "STRIPE".to_owned() };
        // Arrived, arrived one cent short, or not at all.
        match arrival.state {
            0 | 1 => bank.push(bank_line(&format!("B{p}"), "2026-02-06", "EUR", &text(sums[p]), &words)),
            2 => bank.push(bank_line(&format!("B{p}"), "2026-02-06", "EUR", &text(sums[p] - 1), &words)),
            _ => {}
        }
    }
    for (i, m) in plan.extra.iter().enumerate() {
        bank.push(bank_line(&format!("X{i}"), "2026-02-06", "EUR", &text(*m), "TRANSFER"));
    }
    vec![("orders", orders), ("transactions", txs), ("payouts", payouts), ("bank", bank)]
}

fn world(plan: &Plan) -> World {
    rows(plan).iter().fold(World::new().until("2026-02-20"), |w, (kind, rows)| w.file(kind, rows))
}

fn go(w: &World) -> (Outcome, Value) {
    let o = recon::run(&w.facts, &w.options).unwrap();
    let json = answer::json(&o).unwrap();
    (o, json)
}

type Links = BTreeSet<(&'static str, Vec<String>, Vec<String>)>;

fn links(o: &Outcome) -> Links {
    o.matches.iter().map(|m| (m.rule, m.left.clone(), m.right.clone())).collect()
}

fn balance(o: &Outcome, prefix: &str) -> i64 {
    let all = o.journal.trial_balance().unwrap();
    all.get(&Currency::EUR)
        .map_or(0, |a| a.iter().filter(|(n, _)| n.starts_with(prefix)).map(|(_, m)| m.minor()).sum())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the rows moved is in clearing, on its way, at the bank, or in suspense: no cent more, no cent less.
    #[test]
    fn money_is_conserved(plan in plans()) {
        let (o, _) = go(&world(&plan));
        laws(&o);
        let moved: i64 = o.rows.iter().filter(|r| r.posts()).map(|r| r.net.minor()).sum();
        let held = balance(&o, "assets:clearing") + balance(&o, "assets:in-transit") + balance(&o, "assets:bank") + balance(&o, "suspense:bank");
        prop_assert_eq!(moved, held);
        // Every order: what came in is what it is worth, or is open.
        for x in o.orders.iter().filter(|x| x.state != "Void") {
            prop_assert_eq!(x.gross.minor() + x.open.map_or(0, tradewind_domain::Money::minor), x.total.minor());
        }
    }

    /// The order of rows, the document they stand in, and how often they come, change nothing.
    #[test]
    fn order_split_and_repetition_change_nothing(plan in plans(), seed in any::<u64>(), cut in any::<prop::sample::Index>()) {
        let (_, whole) = go(&world(&plan));
        let mut turned = world(&plan);
        // A cheap shuffle by a seed: rotation and reversal of every kind.
        let by = |n: usize| usize::try_from(seed % 7).unwrap() % n.max(1);
        macro_rules! turn { ($($list:ident),+) => {$( let n = turned.facts.$list.len(); turned.facts.$list.rotate_left(by(n)); turned.facts.$list.reverse(); )+} }
        turn!(orders, transactions, payouts, bank);
        prop_assert_eq!(&go(&turned).1["result_hash"], &whole["result_hash"]);
        // In two documents per kind, cut anywhere, and one of them twice: what came in piece by piece is what comes in at once.
        let mut pieces = World::new().until("2026-02-20");
        for (kind, rows) in rows(&plan) {
            let at = if rows.is_empty() { 0 } else { cut.index(rows.len()) };
            pieces = pieces.file(kind, &rows[..at]).file(kind, &rows[at..]).file(kind, &rows[..at]);
        }
        prop_assert_eq!(&go(&pieces).1["result_hash"], &whole["result_hash"]);
    }

    /// Incremental ≡ rebuild: the rows in any number of files, the files in any order, some of them again, and a run after each: the last
    /// answer is that of all at once.
    #[test]
    fn any_split_into_files_is_the_rebuild(
        plan in plans(),
        place in prop::collection::vec(0_usize..5, 40),
        arrive in Just((0_usize..5).collect::<Vec<_>>()).prop_shuffle(),
        again in 0_usize..5,
    ) {
        let (_, whole) = go(&world(&plan));
        let all = rows(&plan);
        let mut w = World::new().until("2026-02-20");
        let mut last = Value::Null;
        for piece in arrive.iter().copied().chain([again]) {
            for (k, (kind, rows)) in all.iter().enumerate() {
                let mine: Vec<Value> = rows
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| place[(k * 11 + i) % place.len()] == piece)
                    .map(|(_, r)| r.clone())
                    .collect();
                w = w.file(kind, &mine);
            }
            last = go(&w).1;
        }
        prop_assert_eq!(&last["result_hash"], &whole["result_hash"]);
        prop_assert_eq!(&last["journal_head"], &whole["journal_head"]);
    }

    /// Undoing a decision restores every byte; a record of another currency changes no link.
    #[test]
    fn undo_restores_and_strangers_change_nothing(plan in plans()) {
        let w = world(&plan);
        let (o, before) = go(&w);
        let mut decided = w.clone().file("decisions", &[json!({"kind": "veto", "records": ["B0", "po_0"]}), json!({"kind": "pin", "records": ["B1", "po_1"]})]);
        laws(&go(&decided).0);
        decided.facts.decisions.clear();
        prop_assert_eq!(&go(&decided).1["result_hash"], &before["result_hash"]);
        let stranger = w
            .file("orders", &[order("stranger", "2026-02-01", "USD", "10.00")])
            .file("transactions", &[with(charge("chx", "stranger", "2026-02-02", "USD", "10.00", "0.00"), json!({"account": "other", "payout": "po_x"}))])
            .file("payouts", &[with(payout("po_x", "2026-02-05", "USD", "10.00", "paid"), json!({"account": "other"}))])
            .file("bank", &[bank_line("Bx", "2026-02-06", "USD", "10.00", "STRIPE po_x")]);
        let more = links(&go(&stranger).0);
        prop_assert!(links(&o).is_subset(&more), "{:?} not in {:?}", links(&o), more);
    }

    /// More tolerance adds matches of the last level; it never rewires an exact one.
    #[test]
    fn tolerance_only_adds(plan in plans(), minor in 1_i64..200) {
        let w = world(&plan);
        let exact = links(&go(&w).0);
        let mut loose = w;
        loose.options.policy.rounding_minor = minor;
        let (o, _) = go(&loose);
        laws(&o);
        let loose = links(&o);
        prop_assert!(exact.is_subset(&loose), "{exact:?} not in {loose:?}");
        prop_assert!(loose.difference(&exact).all(|(rule, ..)| *rule == "tolerance"), "{loose:?} beyond {exact:?}");
    }

    /// One bank line against up to eight payouts, against all their subsets.
    #[test]
    fn covering_sets_agree_with_brute_force(amounts in prop::collection::vec(prop_oneof![Just(100_i64), 50_i64..400], 1..8), pick in any::<u8>(), off in prop_oneof![4 => Just(0_i64), 1 => 500_i64..900]) {
        let target: i64 = amounts.iter().enumerate().filter(|(i, _)| pick >> i & 1 == 1).map(|(_, a)| a).sum::<i64>() + off;
        prop_assume!(target > 0);
        let sent: Vec<Value> = amounts.iter().enumerate().map(|(i, m)| payout(&format!("P{i}"), "2026-05-11", "EUR", &text(*m), "paid")).collect();
        let w = World::new().file("payouts", &sent).file("bank", &[bank_line("B", "2026-05-12", "EUR", &text(target), "STRIPE")]).until("2026-05-13");
        let (o, _) = go(&w);
        laws(&o);
        let name = |set: u32| -> Vec<String> { (0..amounts.len()).filter(|i| set >> i & 1 == 1).map(|i| format!("P{i}")).collect() };
        let sums = |set: u32| amounts.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, a)| a).sum::<i64>() == target;
        let sets: Vec<u32> = (1_u32..1 << amounts.len()).filter(|s| sums(*s)).collect();
        let singles: Vec<Vec<String>> = sets.iter().filter(|s| s.count_ones() == 1).map(|s| name(*s)).collect();
        let several: Vec<Vec<String>> = sets.iter().filter(|s| s.count_ones() > 1).map(|s| name(*s)).collect();
        let line = &o.bank[0];
        match (singles.as_slice(), several.as_slice()) {
            ([one, ..], _) => prop_assert_eq!(&line.matched_to, one),
            ([], [one]) => prop_assert_eq!(&line.matched_to, one),
            ([], []) => prop_assert!(line.matched_to.is_empty() && line.candidates.is_empty()),
            ([], many) => {
                prop_assert!(line.matched_to.is_empty(), "matched by luck");
                prop_assert!(line.candidates.len() > 1 && line.candidates.iter().all(|c| many.contains(c)));
            }
        }
    }

    /// Several lines and payouts without references: whoever is matched by number alone was the only possibility, or one of equals.
    #[test]
    fn nothing_is_matched_by_luck(sent in prop::collection::vec(1_i64..12, 0..6), came in prop::collection::vec(1_i64..12, 0..6)) {
        let payouts: Vec<Value> = sent.iter().enumerate().map(|(i, m)| payout(&format!("P{i}"), "2026-05-11", "EUR", &text(*m), "paid")).collect();
        let lines: Vec<Value> = came.iter().enumerate().map(|(i, m)| bank_line(&format!("B{i}"), "2026-05-12", "EUR", &text(*m), "STRIPE")).collect();
        let (o, _) = go(&World::new().file("payouts", &payouts).file("bank", &lines).until("2026-05-13"));
        laws(&o);
        // Per amount: min(k, j) pairs, by the pool rule.
        let count = |list: &[i64]| list.iter().fold(BTreeMap::<i64, usize>::new(), |mut m, a| { *m.entry(*a).or_default() += 1; m });
        let (s, c) = (count(&sent), count(&came));
        let pairs: usize = s.iter().map(|(a, n)| c.get(a).map_or(0, |k| *k.min(n))).sum();
        let ones = o.matches.iter().filter(|m| matches!(m.rule, "unique" | "pool")).count();
        prop_assert_eq!(ones, pairs);
        for m in &o.matches {
            let want: i64 = m.left.iter().map(|l| came[l[1..].parse::<usize>().unwrap()]).sum();
            let have: i64 = m.right.iter().map(|r| sent[r[1..].parse::<usize>().unwrap()]).sum();
            prop_assert!(want == have || m.rule == "covering", "{m:?}");
        }
    }

    /// Only days move between zones, never totals.
    #[test]
    fn zones_move_days_not_totals(at in prop::collection::vec((0_i64..31_536_000, 1_i64..10_000), 1..12)) {
        let rows: Vec<Value> = at.iter().enumerate().map(|(i, (t, m))| {
            let instant = jiff::Timestamp::from_second(1_767_225_600 + t).unwrap();
            with(charge(&format!("c{i}"), "", "2026-01-01", "EUR", &text(*m), "0.00"), json!({"occurred_at": instant.to_string()}))
        }).collect();
        let w = World::new().file("transactions", &rows).zones(&["Asia/Shanghai", "America/Los_Angeles", "Europe/Berlin", "Pacific/Apia", "UTC"]);
        let (o, _) = go(&w);
        let total: i64 = at.iter().map(|(_, m)| m).sum();
        for days in o.days.values() {
            prop_assert_eq!(days.values().flat_map(|d| d.values()).sum::<i64>(), total);
        }
    }
}

#[test]
fn threads_agree() {
    let plan = Plan {
        sales: (0..6)
            .map(|i| Sale {
                amount: 1000 + i * 7,
                fee: 10,
                back: i,
                payout: usize::try_from(i).unwrap() % 4,
                known: true,
            })
            .collect(),
        arrivals: (0..4).map(|i| Arrival { state: i, named: i % 2 == 0 }).collect(),
        extra: vec![5, 10],
    };
    let w = world(&plan);
    let first = go(&w).1.to_string();
    std::thread::scope(|s| {
        let runs: Vec<_> = (0..8).map(|_| s.spawn(|| go(&w).1.to_string())).collect();
        for r in runs {
            assert_eq!(r.join().unwrap(), first);
        }
    });
}
