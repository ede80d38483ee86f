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
    // Refused: the declaration stands.
    ("100", State(Registered)),
];

/// What a status of a document says.
pub(crate) fn of(document: FiledDocument, code: &str, errors: &ErrorTable) -> Said {
    let known = |table: &[(&str, Said)]| table.iter().find(|(c, _)| *c == code).map(|(_, said)| *said);
    let (table, refused) = match document {
        FiledDocument::Declaration => (known(LIST), State(Rejected)),
        FiledDocument::Cancellation => (known(CANCELLATION), State(Registered)),
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
        _ => refused,
    }
}

/// What a refused format means: customs did not take the document in.
pub(crate) fn malformed(document: FiledDocument, code: &str) -> Option<DeclarationState> {
    let refused = code.starts_with('-');
    match document {
        FiledDocument::Declaration if refused => Some(Rejected),
        FiledDocument::Cancellation if refused => Some(Registered),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tradewind_domain::CustomsReceipt;

    use super::*;

    fn errors() -> ErrorTable {
        ErrorTable::parse(include_str!("../errors.toml")).unwrap()
    }

    fn receipt(document: FiledDocument, code: &str, second: i64) -> CustomsReceipt {
        CustomsReceipt {
            declaration: None,
            authority_ref: None,
            document,
            reference: String::new(),
            code: code.to_owned(),
            message: String::new(),
            state: match of(document, code, &errors()) {
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

    /// Every pair of states of the shared machine: legal ones are taken, illegal ones change nothing.
    #[test]
    fn every_pair_of_states() {
        for from in DeclarationState::ALL {
            for (code, said) in LIST {
                let State(to) = *said else { continue };
                let after = from.after(&[receipt(FiledDocument::Declaration, code, 1)]);
                let want = if *from == to || from.next().contains(&to) { to } else { *from };
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
        let said = |document, code| of(document, code, &errors());
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
        // A refused cancellation leaves the declaration where it was: with customs.
        assert_eq!(said(FiledDocument::Cancellation, "-623005"), State(Registered));
        assert_eq!(said(FiledDocument::Cancellation, "399"), State(Cancelled));
        assert_eq!(said(FiledDocument::Order, "-301001"), Nothing);
        assert_eq!(said(FiledDocument::TaxBill, "1"), State(Assessed));
        assert_eq!(said(FiledDocument::TaxBill, "7"), Unknown);
    }
}
