//! The meaning of `returnStatus`: positive stages by this table, negative ones (processing errors) by `errors.toml`.
//!
//! Numbers have no order: an inspection (500) may come before the conclusion (399). Which state follows which is the
//! domain's state machine; this table only says what a number means. A number that neither table knows means nothing:
//! it is neither success nor failure, and stays visible in the receipt.

use tradewind_connector::{ErrorTable, Kind, Upstream};
use tradewind_domain::{DeclarationState, FiledDocument};

/// What a status says about the declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is now in this state.
    State(DeclarationState),
    /// Known, and changes nothing.
    Nothing,
    /// Unknown.
    Unknown,
}

use DeclarationState::{
    Acknowledged, Assessed, CancelPending, Cancelled, Held, Registered, Rejected, Released,
};
use Said::{Nothing, State, Unknown};

/// Stages of a declaration list (622); fact sheet, section 9.
pub(crate) const LIST: &[(&str, Said)] = &[
    // Staged at the E-port, being declared, sent to customs.
    ("1", State(Acknowledged)),
    ("2", State(Acknowledged)),
    ("3", State(Acknowledged)),
    // Not sent to customs: the E-port tries again.
    ("4", Nothing),
    // Returned by customs.
    ("100", State(Rejected)),
    // Stored by customs, concluded.
    ("120", State(Registered)),
    ("399", State(Registered)),
    // Looked at by a person, inspected.
    ("300", State(Held)),
    ("500", State(Held)),
    // Detained, returned abroad: the goods do not come, and a person must act.
    ("501", State(Rejected)),
    ("502", State(Rejected)),
    ("503", State(Rejected)),
    ("599", State(Rejected)),
    ("700", State(Rejected)),
    // Released, closed.
    ("800", State(Released)),
    ("899", State(Released)),
];

/// Stages of a cancellation (624).
const CANCELLATION: &[(&str, Said)] = &[
    ("1", State(CancelPending)),
    ("2", State(CancelPending)),
    ("3", State(CancelPending)),
    ("4", Nothing),
    ("120", State(CancelPending)),
    ("399", State(Cancelled)),
    // Refused. Said of a cancellation: the declaration stands where it is.
    ("100", State(Rejected)),
];

/// What a status of a document says.
pub(crate) fn of(document: FiledDocument, code: &str, errors: &ErrorTable) -> Said {
    let known = |table: &[(&str, Said)]| table.iter().find(|(c, _)| *c == code).map(|(_, said)| *said);
    let table = match document {
        FiledDocument::Declaration => known(LIST),
        FiledDocument::Cancellation => known(CANCELLATION),
        // A bill that was made or summarised; 3 is void.
        FiledDocument::TaxBill => {
            return match code {
                "1" | "2" => State(Assessed),
                "3" => Nothing,
                _ => Unknown,
            };
        }
        // An answer about one paper does not decide: the list's own answer will.
        _ => return Nothing,
    };
    if let Some(said) = table {
        return said;
    }
    if !code.starts_with('-') {
        return Unknown;
    }
    let upstream = Upstream { http: 200, code: code.to_owned(), ..Upstream::default() };
    match errors.classify(upstream).kind() {
        // Already there, or customs' own trouble: nothing is decided.
        Kind::Duplicate | Kind::Unavailable => Nothing,
        Kind::UnknownCode => Unknown,
        _ => State(Rejected),
    }
}

/// What a refused format means: customs did not take the document in.
pub(crate) fn malformed(document: FiledDocument, code: &str) -> Option<DeclarationState> {
    let decides = matches!(document, FiledDocument::Declaration | FiledDocument::Cancellation);
    (decides && code.starts_with('-')).then_some(Rejected)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use jiff::Timestamp;
    use tradewind_domain::CustomsReceipt;

    use super::*;

    fn errors() -> &'static ErrorTable {
        static TABLE: LazyLock<ErrorTable> =
            LazyLock::new(|| ErrorTable::parse(include_str!("../errors.toml")).unwrap());
        &TABLE
    }

    fn receipt(document: FiledDocument, code: &str, second: i64) -> CustomsReceipt {
        CustomsReceipt {
            declaration: None,
            authority_ref: None,
            document,
            reference: String::new(),
            code: code.to_owned(),
            message: String::new(),
            state: match of(document, code, errors()) {
                State(state) => Some(state),
                _ => None,
            },
            at: Timestamp::from_second(second).unwrap(),
            key: String::new(),
        }
    }

    fn end(codes: &[&str]) -> DeclarationState {
        let told: Vec<CustomsReceipt> =
            codes.iter().enumerate().map(|(i, c)| receipt(FiledDocument::Declaration, c, i as i64)).collect();
        let forward = DeclarationState::Sent.after(&told);
        // Arrival backwards, and everything twice: the same end.
        let backwards: Vec<CustomsReceipt> = told.iter().rev().chain(&told).cloned().collect();
        assert_eq!(DeclarationState::Sent.after(&backwards), forward, "{codes:?}");
        forward
    }

    /// The graph of the fact sheet, section 9: which status may follow which.
    fn following(code: &str) -> &'static [&'static str] {
        match code {
            "" => &["1", "2"],
            "1" => &["2"],
            "2" => &["3", "4"],
            "4" => &["2", "3"],
            "3" => &["120", "100"],
            "120" => &["300", "500", "399", "100"],
            "300" => &["500", "399", "100", "501", "502", "503", "599", "700"],
            "500" => &["300", "399", "100", "501", "502", "503", "599", "700"],
            "399" => &["500", "800"],
            "800" => &["899"],
            // Corrected and sent again under the same number.
            "100" => &["2"],
            _ => &[],
        }
    }

    /// What each status must end in when it is the last one told.
    fn meaning(path: &[&str]) -> DeclarationState {
        match *path.last().unwrap() {
            "1" | "2" | "3" => Acknowledged,
            // Nothing new: the state before.
            "4" => Acknowledged,
            "120" | "399" => Registered,
            "300" | "500" => Held,
            "800" | "899" => Released,
            "100" | "501" | "502" | "503" | "599" | "700" => Rejected,
            other => panic!("{other}"),
        }
    }

    /// Every legal way through customs of up to nine steps, each end checked.
    #[test]
    fn every_legal_way_ends_where_the_graph_says() {
        let mut ways: Vec<Vec<&str>> = vec![vec![]];
        let mut seen = 0;
        while let Some(way) = ways.pop() {
            if !way.is_empty() {
                assert_eq!(end(&way), meaning(&way), "{way:?}");
                seen += 1;
            }
            if way.len() < 9 {
                for next in following(way.last().copied().unwrap_or_default()) {
                    let mut longer = way.clone();
                    longer.push(next);
                    ways.push(longer);
                }
            }
        }
        assert!(seen > 200, "{seen} ways");
    }

    /// A cancellation asked for at every step of every legal way: refused, the way ends where it ends without it;
    /// accepted while customs still may, it is cancelled. In any order of arrival.
    #[test]
    fn a_cancellation_on_every_way() {
        let list = |(i, code): (usize, &&str)| receipt(FiledDocument::Declaration, code, 100 * i as i64);
        let mut ways: Vec<Vec<&str>> = vec![vec!["2", "3", "120"]];
        let mut seen = 0;
        while let Some(way) = ways.pop() {
            for at in 2..way.len() {
                // Fact sheet, section 9: before the conclusion (399) a list can be cancelled.
                let open = matches!(way[at], "120" | "300" | "500");
                for answer in ["100", "-623005", "399"] {
                    // The simulated and the real port say 2 and 120 first, or nothing at all.
                    for before in [&["2", "3", "120"][..], &[]] {
                        let way = if answer == "399" { &way[..=at] } else { &way[..] };
                        let mut told: Vec<CustomsReceipt> = way.iter().enumerate().map(list).collect();
                        let asked = 100 * at as i64 + 1;
                        for (n, code) in before.iter().chain(&[answer]).enumerate() {
                            told.push(receipt(FiledDocument::Cancellation, code, asked + n as i64));
                        }
                        let want = match answer {
                            "399" if open => Cancelled,
                            "399" => continue,
                            _ => meaning(way),
                        };
                        let forward = DeclarationState::Sent.after(&told);
                        assert_eq!(forward, want, "{way:?}, {before:?} and {answer} at {at}");
                        told.reverse();
                        assert_eq!(DeclarationState::Sent.after(&told), want, "{way:?} backwards");
                        seen += 1;
                    }
                }
            }
            if way.len() < 7 {
                for next in following(way.last().copied().unwrap_or_default()) {
                    ways.push(way.iter().chain(&[*next]).copied().collect());
                }
            }
        }
        assert!(seen > 200, "{seen} cases");
    }

    /// Every pair of states of the shared machine: legal ones are taken, illegal ones change nothing.
    #[test]
    fn every_pair_of_states() {
        for from in DeclarationState::ALL {
            for (code, said) in LIST {
                let State(to) = *said else { continue };
                let after = from.after(&[receipt(FiledDocument::Declaration, code, 1)]);
                let want = match from {
                    // Only what decides on the goods ends the wait for an answer to a cancellation.
                    CancelPending if !to.is_settled() => CancelPending,
                    _ if *from == to || from.next().contains(&to) => to,
                    _ => *from,
                };
                assert_eq!(after, want, "{from} then {code}");
            }
        }
        // After the release nothing takes it back.
        for late in ["1", "2", "3", "100", "120", "300", "399", "500", "700"] {
            assert_eq!(end(&["2", "3", "120", "399", "800", late]), Released, "800 then {late}");
        }
    }

    #[test]
    fn negative_codes_follow_the_error_table() {
        let said = |document, code| of(document, code, errors());
        let list = FiledDocument::Declaration;
        // Limits of a purchase and of the year, wrong numbers, signature: refused.
        for code in ["-621005", "-621018", "-621015", "-621027", "-621028", "-621001"] {
            assert_eq!(said(list, code), State(Rejected), "{code}");
        }
        // The query for the limit failed: customs try again.
        assert_eq!(said(list, "-621013"), Nothing);
        for code in ["-777777", "-1x", "123"] {
            assert_eq!(said(list, code), Unknown, "{code}");
        }
        // A cancellation may be refused as well.
        for code in ["100", "-623003", "-623005"] {
            assert_eq!(said(FiledDocument::Cancellation, code), State(Rejected), "{code}");
        }
        assert_eq!(said(FiledDocument::Cancellation, "-623025"), Nothing);
        assert_eq!(said(FiledDocument::Cancellation, "399"), State(Cancelled));
        assert_eq!(said(FiledDocument::Order, "-301001"), Nothing);
        assert_eq!(said(FiledDocument::TaxBill, "1"), State(Assessed));
        assert_eq!(said(FiledDocument::TaxBill, "7"), Unknown);
    }
}
