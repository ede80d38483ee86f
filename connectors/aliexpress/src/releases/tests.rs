//! Movements by hand arithmetic.

use super::*;

/// `cent` beside an `amount` of nothing, as a public sample has it: the cents are right (fact sheet §6).
fn usd(cents: i64) -> String {
    format!(r#"{{"amount":"0","cent":{cents},"cent_factor":100,"currency_code":"USD"}}"#)
}

fn line(id: u64, rest: &str) -> String {
    format!(r#"{{"id":{id},"child_order_id":"{id}"{rest}}}"#)
}

fn released(cents: i64, at: &str) -> String {
    format!(r#","loan_info":{{"loan_amount":{},"loan_time":"{at}"}}"#, usd(cents))
}

fn refunded(cents: i64, at: &str) -> String {
    format!(
        r#","refund_info":{{"refund_status":"refund_ok","refund_cash_amt":{},"refund_time":"{at}"}}"#,
        usd(cents)
    )
}

/// A line's escrow fee and affiliates' commission.
fn fees(id: u64, escrow: i64, affiliate: i64) -> String {
    let (escrow, affiliate) = (usd(escrow), usd(affiliate));
    format!(r#"{{"child_order_id":{id},"escrow_fee":{escrow},"affiliate_commission":{affiliate}}}"#)
}

/// An order number beyond 2^53.
const ORDER: &str = "9007199254740993";

fn read(status: &str, total: i64, rest: &str, sons: &[String]) -> Result<Vec<BalanceTransaction>, Error> {
    let loan =
        format!(r#"{{"order_id":{ORDER},"son_order_list":{{"son_order_loan_vo":[{}]}}}}"#, sons.join(","));
    let funds = format!(r#"{{"id":{ORDER},"order_status":"{status}","order_amount":{}{rest}}}"#, usd(total));
    movements(&serde_json::from_str(&loan).unwrap(), &serde_json::from_str(&funds).unwrap())
}

fn lines(all: &[String]) -> String {
    format!(r#","child_order_list":{{"global_aeop_tp_child_order_dto":[{}]}}"#, all.join(","))
}

type Shown = (String, String, i64, Vec<(String, i64)>);

/// Id, instant, what moved, and of what it is made.
fn shown(all: &[BalanceTransaction]) -> Vec<Shown> {
    let parts = |t: &BalanceTransaction| -> Vec<(String, i64)> {
        t.components.iter().map(|c| (c.code.clone(), c.amount.minor())).collect()
    };
    all.iter()
        .map(|t| (t.id.to_string(), t.occurred_at.utc.to_string(), t.net.unwrap().minor(), parts(t)))
        .collect()
}

fn row(id: &str, at: &str, net: i64, parts: &[(&str, i64)]) -> Shown {
    let parts = parts.iter().map(|(code, m)| ((*code).to_owned(), *m)).collect();
    (format!("{ORDER}{id}"), at.to_owned(), net, parts)
}

/// The parts of a movement are all of it.
fn adds_up(t: &BalanceTransaction) -> bool {
    t.components.iter().map(|c| c.amount.minor()).sum::<i64>() == t.net.unwrap().minor()
}

#[test]
fn an_order_that_is_released_as_a_whole() {
    // The sample's 3331.00, of which 31.00 are freight; 8 % of it is 266.48, and 3331.00 − 266.48 = 3064.52.
    let rest = format!(
        r#","logistics_amount":{}{},"loan_status":"loan_ok"{}"#,
        usd(3_100),
        released(306_452, "2026-07-01 10:00:00"),
        lines(&[line(7, "")])
    );
    let parts = [("order_amount", 330_000), ("logistics_amount", 3_100), ("escrow_fee", -26_648)];
    // 10:00 PDT is 17:00 UTC.
    let want = [row("", "2026-07-01T17:00:00Z", 306_452, &parts)];
    let all = read("FINISH", 333_100, &rest, &[fees(7, 26_648, 0)]).unwrap();
    assert_eq!(shown(&all), want);
    let t = &all[0];
    assert_eq!((t.order.as_ref().unwrap().as_str(), t.kind.as_str()), (ORDER, "loan"));
    assert_eq!(t.occurred_at.zone.as_deref(), Some("America/Los_Angeles"));
    assert!(t.balance_affecting && t.payout.is_none() && adds_up(t));
    // The deprecated fee of the details, where the list tells none.
    let deprecated = format!(r#"{rest},"escrow_fee":{}"#, usd(26_648));
    assert_eq!(shown(&read("FINISH", 333_100, &deprecated, &[]).unwrap()), want);
    // Where nobody tells it, it is not made up: the parts are 266.48 more than the movement.
    let untold = read("FINISH", 333_100, &rest, &[]).unwrap();
    assert_eq!(
        shown(&untold)[0].3,
        [("order_amount".to_owned(), 330_000), ("logistics_amount".to_owned(), 3_100)]
    );
    assert!(!adds_up(&untold[0]));
}

#[test]
fn lines_are_released_by_themselves() {
    // Amounts and rates of the answer of 2024-03: the buyer paid 170.54, the seller sold for 171.60, the platform keeps 5 % and
    // affiliates 8 %. Its two lines: 122.59 / 0.87 = 140.91, of which 7.05 and 11.27 are kept; 26.70 / 0.87 = 30.69, of which 1.53 and
    // 2.46. 140.91 + 30.69 = 171.60. The last row is what the first leaves of 170.54: 29.63.
    let at = "2024-02-29 01:54:59";
    let rest = format!(
        r#","seller_order_amount":{{"amount":"171.60","currency_code":"USD"}},"loan_status":"loan_ok"{}"#,
        lines(&[line(11, &released(12_259, at)), line(12, &released(2_670, at))])
    );
    let sons = [fees(11, 705, 1_127), fees(12, 153, 246)];
    let all = read("WAIT_BUYER_ACCEPT_GOODS", 17_054, &rest, &sons).unwrap();
    // 01:54:59 PST is 09:54:59 UTC.
    let first = [("order_amount", 14_091), ("escrow_fee", -705), ("affiliate_commission", -1_127)];
    let second = [
        ("order_amount", 2_963),
        ("seller_order_amount", 106),
        ("escrow_fee", -153),
        ("affiliate_commission", -246),
    ];
    let utc = "2024-02-29T09:54:59Z";
    assert_eq!(shown(&all), [row(":11", utc, 12_259, &first), row(":12", utc, 2_670, &second)]);
    assert!(all.iter().all(adds_up));
}

#[test]
fn a_part_that_was_released_is_no_more_than_itself() {
    // Of 150.00, 92.00 came for a line of 100.00, with 8.00 kept. The other line is to come.
    let first = line(11, &released(9_200, "2026-07-01 10:00:00"));
    let sons = [fees(11, 800, 0), fees(12, 400, 0)];
    let all = read("FINISH", 15_000, &lines(&[first.clone(), line(12, "")]), &sons).unwrap();
    let part = row(":11", "2026-07-01T17:00:00Z", 9_200, &[("order_amount", 10_000), ("escrow_fee", -800)]);
    assert_eq!(shown(&all), std::slice::from_ref(&part));
    // It came a day later: 50.00 less 4.00. The first row stays as it was, wherever its line stands.
    let second = line(12, &released(4_600, "2026-07-02 10:00:00"));
    let all = read("FINISH", 15_000, &lines(&[second, first.clone()]), &sons).unwrap();
    let rest = row(":12", "2026-07-02T17:00:00Z", 4_600, &[("order_amount", 5_000), ("escrow_fee", -400)]);
    assert_eq!(shown(&all), [part, rest]);
    // It all went back instead: nothing will be released of it, and the order is accounted for.
    let second = line(12, &refunded(5_000, "2026-06-30 10:00:00"));
    let all = read("FINISH", 15_000, &lines(&[first, second]), &sons[..1]).unwrap();
    let whole = [("order_amount", 15_000), ("refund_cash_amt", -5_000), ("escrow_fee", -800)];
    assert_eq!(shown(&all), [row(":11", "2026-07-01T17:00:00Z", 9_200, &whole)]);
}

#[test]
fn what_went_back_before_the_release_is_part_of_it_and_later_a_movement() {
    let utc = "2026-07-02T17:00:00Z";
    // Half of 100.00 went back; 8 % of the other half is 4.00.
    let before = refunded(5_000, "2026-07-01 10:00:00");
    let half = format!("{}{before}", released(4_600, "2026-07-02 10:00:00"));
    let want = [("order_amount", 10_000), ("refund_cash_amt", -5_000), ("escrow_fee", -400)];
    // Told of the line, or of the order alone.
    let all = read("FINISH", 10_000, &lines(&[line(11, &half)]), &[fees(11, 400, 0)]).unwrap();
    assert_eq!(shown(&all), [row(":11", utc, 4_600, &want)]);
    let of_order = format!("{half}{}", lines(&[line(11, "")]));
    let all = read("FINISH", 10_000, &of_order, &[fees(11, 400, 0)]).unwrap();
    assert_eq!(shown(&all), [row("", utc, 4_600, &want)]);
    // All of it: a release of nothing, which settles the order.
    let all_back =
        format!("{}{}", released(0, "2026-07-02 10:00:00"), refunded(10_000, "2026-07-01 10:00:00"));
    let all = read("FINISH", 10_000, &lines(&[line(11, &all_back)]), &[fees(11, 0, 0)]).unwrap();
    let want = [("order_amount", 10_000), ("refund_cash_amt", -10_000)];
    assert_eq!(shown(&all), [row(":11", utc, 0, &want)]);
    // After 92.00 of 100.00 were released, 50.00 went back: money that leaves the balance.
    let later =
        format!("{}{}", released(9_200, "2026-07-02 10:00:00"), refunded(5_000, "2026-07-09 10:00:00"));
    let all = read("FINISH", 10_000, &lines(&[line(11, &later)]), &[fees(11, 800, 0)]).unwrap();
    let whole = [("order_amount", 10_000), ("escrow_fee", -800)];
    let back = row(":11:refund", "2026-07-09T17:00:00Z", -5_000, &[("refund_cash_amt", -5_000)]);
    assert_eq!(shown(&all), [row(":11", utc, 9_200, &whole), back]);
    assert_eq!((all[1].kind.as_str(), all[1].refers_to.as_ref()), ("refund", Some(&all[0].id)));
    // A refund that is only asked for is none.
    let asked = later.replace("refund_ok", "wait_refund");
    assert_eq!(read("FINISH", 10_000, &lines(&[line(11, &asked)]), &[fees(11, 800, 0)]).unwrap().len(), 1);
}

#[test]
fn an_order_that_is_settled_in_another_currency_is_not_split() {
    // Sold for 100.00 USD, released as 85.00 EUR less 6.80 EUR: at which rate is not told.
    let eur = |cents: i64| usd(cents).replace("USD", "EUR");
    let loan = format!(r#","loan_info":{{"loan_amount":{},"loan_time":"2026-07-02 10:00:00"}}"#, eur(7_820));
    let fee = fees(11, 680, 0).replace("USD", "EUR");
    let all = read("FINISH", 10_000, &lines(&[line(11, &loan)]), &[fee]).unwrap();
    let money = |m: Money| format!("{} {}", m.amount(), m.currency());
    let [t] = all.as_slice() else { panic!("one movement: {all:?}") };
    let told = (money(t.amount), t.fee.map(money), t.net.map(money));
    assert_eq!(told, ("100.00 USD".into(), Some("6.80 EUR".into()), Some("78.20 EUR".into())));
    assert!(t.components.is_empty() && t.rate.is_none());
}

#[test]
fn a_release_is_not_made_up() {
    let refused =
        |rest: &str| read("FINISH", 10_000, rest, &[fees(11, 800, 0)]).unwrap_err().message().to_owned();
    // Listed, and the details know nothing of it, or not when; an empty object is nothing.
    for none in ["", r#","loan_info":{}"#, r#","loan_info":null"#] {
        assert!(refused(&format!("{none}{}", lines(&[line(11, "")]))).contains("do not tell what"), "{none}");
    }
    for when in ["", "   "] {
        assert!(refused(&lines(&[line(11, &released(9_200, when))])).contains("do not tell when"), "{when}");
    }
    assert!(refused(&lines(&[line(11, &released(9_200, "yesterday"))])).contains("time 'yesterday'"));
    // Fees in another currency than the release are of another release.
    let foreign = [fees(11, 800, 0).replace("USD", "EUR")];
    assert!(
        read("FINISH", 10_000, &lines(&[line(11, &released(9_200, "2026-07-02 10:00:00"))]), &foreign)
            .is_err()
    );
}

#[test]
fn a_list_that_does_not_say_how_many_there_are_is_not_taken_for_none() {
    let list = ListLoans { endpoint: "https://h.example".parse().unwrap() };
    let (account, at) = ("ali".parse().unwrap(), "2026-08-01T00:00:00Z".parse().unwrap());
    let cx = OpCx { account: &account, now: at, nonce: "n", key: "k" };
    let window = Window { from: at, to: at };
    let input = ListIn::of(window, Some(&Cursor("2".to_owned()))).unwrap();
    let read = |result: &str| {
        let text = format!(r#"{{"result":{{{result}}}}}"#);
        list.decode(&cx, &input, &WireResponse::json_text(200, text))
    };
    assert!(read("").unwrap_err().message().contains("no total_item"));
    assert!(read(r#""total_item":0"#).is_ok_and(|(rows, more)| rows.is_empty() && !more));
    let rows =
        format!(r#""order_list":{{"order_loan_item_vo":[{{"order_id":{ORDER}}},{{"order_id":null}}]}}"#);
    // The second page of fifty ends with the hundredth.
    for (total, more) in [(100, false), (101, true)] {
        let (rows, next) = read(&format!(r#"{rows},"total_item":{total}"#)).unwrap();
        assert_eq!(
            (rows[0].as_ref().unwrap().order_id.0.as_str(), rows[1].is_err(), next),
            (ORDER, true, more)
        );
    }
    for odd in ["0", "x", "-1"] {
        assert!(ListIn::of(window, Some(&Cursor(odd.to_owned()))).is_err(), "{odd}");
    }
}
