//! What a user decided survives every run, and undoing it restores.

use serde_json::{Value, json};

use super::{World, bank_line, payout};

fn world() -> World {
    let sent: Vec<Value> = [("P1", "600.00"), ("P2", "400.00"), ("P3", "250.00"), ("P4", "750.00")]
        .iter()
        .map(|(id, m)| payout(id, "2026-05-11", "EUR", m, "paid"))
        .collect();
    World::new()
        .file("payouts", &sent)
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "1000.00", "STRIPE")])
        .until("2026-05-13")
}

#[test]
fn a_pin_settles_an_ambiguity_and_its_undoing_restores_it() {
    let before = world().run();
    let pinned = world().file("decisions", &[json!({"kind": "pin", "records": ["B", "P1", "P2"]})]).run();
    assert_eq!(pinned.bank("B")["matched_to"], json!(["P1", "P2"]));
    assert_eq!(pinned.outcome.matches.iter().find(|m| m.left == ["B"]).unwrap().rule, "pin");
    pinned.none("AMBIGUOUS");
    pinned.clean();
    assert_eq!(before.json, world().run().json);
}

#[test]
fn a_veto_leaves_the_other_explanation() {
    // P3 never belongs to B: 250 + 750 is out, 600 + 400 is the only set.
    let a = world().file("decisions", &[json!({"kind": "veto", "records": ["B", "P3"]})]).run();
    assert_eq!(a.bank("B")["matched_to"], json!(["P1", "P2"]));
    // A veto stands against a reference too.
    let w = World::new()
        .file("payouts", &[payout("po_1", "2026-05-11", "EUR", "80.00", "paid")])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "80.00", "STRIPE po_1")])
        .until("2026-05-13");
    assert_eq!(w.clone().run().bank("B")["matched_to"], json!(["po_1"]));
    let a = w.file("decisions", &[json!({"kind": "veto", "records": ["B", "po_1"]})]).run();
    assert_eq!(a.bank("B")["matched_to"], json!([]));
}

#[test]
fn an_accepted_difference_is_explained_and_stays_in_the_list() {
    let w = World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "80.00", "paid")])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "79.99", "STRIPE P1")])
        .until("2026-05-13");
    assert_eq!(w.clone().run().json["unexplained"]["EUR"], "-0.01");
    let a = w
        .clone()
        .file("decisions", &[json!({"kind": "accept", "records": ["B"], "reason": "AMOUNT_MISMATCH"})])
        .run();
    assert_eq!(
        (&a.json["unexplained"]["EUR"], &a.only("AMOUNT_MISMATCH")["accepted"]),
        (&json!("0.00"), &json!(true))
    );
    // Another reason, or other records: not this one.
    for d in [
        json!({"kind": "accept", "records": ["B"], "reason": "ROUNDING"}),
        json!({"kind": "accept", "records": ["other"]}),
    ] {
        assert_eq!(w.clone().file("decisions", &[d]).run().json["unexplained"]["EUR"], "-0.01");
    }
}

#[test]
fn a_pin_of_unequal_amounts_names_the_rest() {
    let a = world().file("decisions", &[json!({"kind": "pin", "records": ["B", "P4"]})]).run();
    assert_eq!(a.bank("B")["matched_to"], json!(["P4"]));
    // 1,000.00 arrived, 750.00 was sent.
    assert_eq!(
        (&a.only("AMOUNT_MISMATCH")["amount"], &a.json["unexplained"]["EUR"]),
        (&json!("250.00"), &json!("250.00"))
    );
    assert_eq!(a.balance("EUR", "suspense"), "-250.00");
}

#[test]
fn a_pin_links_a_row_to_an_order() {
    let pay = super::charge("ch", "unreadable", "2026-02-01", "EUR", "60.00", "0.00");
    let w = World::new()
        .file("orders", &[super::order("o", "2026-02-01", "EUR", "60.00")])
        .file("transactions", &[pay])
        .until("2026-02-02");
    assert_eq!(w.clone().run().order("o")["state"], "Expected");
    let a = w.file("decisions", &[json!({"kind": "pin", "records": ["o", "ch"]})]).run();
    assert_eq!(a.order("o")["state"], "Settled");
    a.none("PROVIDER_ONLY");
}

#[test]
fn an_accept_is_about_the_difference_that_has_all_its_records_and_its_amount() {
    let w = World::new()
        .file("payouts", &[payout("P1", "2026-05-11", "EUR", "80.00", "paid")])
        .file("bank", &[bank_line("B", "2026-05-12", "EUR", "79.99", "STRIPE P1")])
        .file("orders", &[super::order("o", "2026-05-13", "EUR", "5.00")])
        .until("2026-05-13");
    // 79.99 − 80.00 = −0.01.
    for (decision, left) in [
        (json!({"records": ["B", "P1"]}), "0.00"),
        (json!({"records": ["B"], "amount": "-0.01", "currency": "EUR"}), "0.00"),
        // A word of no list is a note.
        (json!({"records": ["B", "P1"], "reason": "bank fee, CFO agreed"}), "0.00"),
        (json!({"records": ["B"], "amount": "-0.02"}), "-0.01"),
        (json!({"records": ["B"], "currency": "USD"}), "-0.01"),
        (json!({"records": ["B", "o"]}), "-0.01"),
    ] {
        let a =
            w.clone().file("decisions", &[super::with(decision.clone(), json!({"kind": "accept"}))]).run();
        assert_eq!(a.json["unexplained"]["EUR"], left, "{decision}");
        // What was accepted is not what is here: told, with what is.
        let drifted = left != "0.00" && decision["records"] == json!(["B"]);
        let told: Vec<&str> = a.outcome.errors.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(told.len(), usize::from(drifted), "{told:?}");
        assert!(told.iter().all(|t| t.contains("the difference of B is -0.01 EUR")), "{told:?}");
    }
    // An amount that is no text is refused: no number is read through a float.
    let a = w.file("decisions", &[json!({"kind": "accept", "records": ["B"], "amount": -0.01})]).run();
    assert!(a.outcome.errors[0].message.contains("amount"), "{:?}", a.outcome.errors);
}

#[test]
fn a_decision_about_nothing_is_told() {
    for (decision, word) in [
        (json!({"kind": "pin", "records": ["bX", "poX"]}), "bX, poX"),
        (json!({"kind": "pin", "records": ["B", "poX"]}), "poX"),
        (json!({"kind": "pin", "records": ["B"]}), "one only"),
        (json!({"kind": "veto", "records": ["bX", "poX"]}), "bX, poX"),
        (json!({"kind": "accept", "records": ["B", "NOPE"]}), "NOPE"),
    ] {
        let a = world().file("decisions", std::slice::from_ref(&decision)).run();
        let [e] = a.outcome.errors.as_slice() else { panic!("{decision}: {:?}", a.outcome.errors) };
        assert!(e.message.contains(word) && e.row == 1, "{e:?}");
        assert_eq!(a.json["status"], "incomplete");
    }
    // A veto of something that is not here yet is a veto.
    let a = world().file("decisions", &[json!({"kind": "veto", "records": ["B", "poX"]})]).run();
    assert!(a.outcome.errors.is_empty());
}

#[test]
fn a_field_that_no_decision_has_is_refused_with_the_name_it_meant() {
    for (decision, says) in [
        (json!({"kind": "pin", "recrods": ["B", "P1"]}), "unknown field 'recrods': is it 'records'?"),
        // Dropped, the accept would be about more than was said.
        (
            json!({"kind": "accept", "records": ["B"], "amuont": "5.00"}),
            "unknown field 'amuont': is it 'amount'?",
        ),
        (json!({"kind": "accept", "records": ["B"], "linse": 3}), "unknown field 'linse': is it 'line'?"),
        (json!({"kind": "pin", "records": ["B", 7]}), "records: 7 names no record"),
        (json!({"kind": "accept", "records": ["B"], "reason": 3}), "reason: 3 is no text"),
    ] {
        let a = world()
            .file("decisions", &[json!({"kind": "veto", "records": ["B", "P3"]}), decision.clone()])
            .run();
        let [e] = a.outcome.errors.as_slice() else { panic!("{decision}: {:?}", a.outcome.errors) };
        assert!(e.message.contains(says) && e.row == 2, "{e:?}");
        assert_eq!(a.json["status"], "incomplete");
    }
    // The kinds of file and the sides of a pair are names of records.
    for decision in [
        json!({"kind": "pin", "bank": "B", "payouts": ["P1", "P2"]}),
        json!({"action": "pin", "left": "B", "right": [{"id": "P1"}, {"id": "P2"}], "note": "by phone", "by": "CFO"}),
    ] {
        let a = world().file("decisions", &[decision]).run();
        assert_eq!(a.bank("B")["matched_to"], json!(["P1", "P2"]));
    }
}

#[test]
fn decisions_that_contradict_each_other_are_told() {
    let w = |decisions: &[serde_json::Value]| {
        let orders = ["o1", "o2"].map(|o| super::order(o, "2026-05-11", "EUR", "5.00"));
        World::new()
            .file("orders", &orders)
            .file("transactions", &[super::charge("t", "", "2026-05-11", "EUR", "5.00", "0.00")])
            .file("decisions", decisions)
            .run()
    };
    let pin = |order: &str| json!({"kind": "pin", "records": ["t", order]});
    let a = w(&[pin("o1"), pin("o2")]);
    assert_eq!(a.outcome.errors.len(), 1, "{:?}", a.outcome.errors);
    assert!(a.outcome.errors[0].message.contains("row t is pinned to order o1 and to order o2"));
    let a = w(&[pin("o2"), json!({"kind": "veto", "records": ["o2", "t"]})]);
    assert!(
        a.outcome.errors[0].message.contains("o2 and t belong together, a veto"),
        "{:?}",
        a.outcome.errors
    );
    // The same pin twice is one.
    assert!(w(&[pin("o1"), pin("o1")]).outcome.errors.is_empty());
}
