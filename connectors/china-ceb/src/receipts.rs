//! What customs answer: receipts of orders (312), payments (412), waybills (512), lists (622), cancellations (624), tax
//! bills (816), and the format check of anything (900). Receipts come in any order, repeated, and up to a hundred in
//! one message.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use tradewind_connector::{Error, ErrorTable, signing};
use tradewind_domain::{CustomsReceipt, DeclarationId, FiledDocument};

use crate::envelope::CHINA;
use crate::status::{self, Said};
use crate::xml::{CEB, Steps};

/// Most answers that are read from one message; the schema allows 100 nodes.
const MOST_NODES: usize = 1_000;

/// The fields of an answer, of whatever kind, as they stand in the message: what nobody asks for is not copied.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    guid: Cow<'a, str>,
    order: Cow<'a, str>,
    payment: Cow<'a, str>,
    waybill: Cow<'a, str>,
    cop: Cow<'a, str>,
    invt: Cow<'a, str>,
    status: Cow<'a, str>,
    time: Cow<'a, str>,
    info: Cow<'a, str>,
    tax: Cow<'a, str>,
    /// Original message of a format check: number and content.
    original: Cow<'a, str>,
    content: Cow<'a, str>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, steps: &mut Steps<'a>) -> Result<(), Error> {
        while let Some(name) = steps.child()? {
            let slot = match name {
                "guid" => &mut self.guid,
                "orderNo" => &mut self.order,
                "payTransactionId" => &mut self.payment,
                "logisticsNo" => &mut self.waybill,
                "copNo" => &mut self.cop,
                "invtNo" => &mut self.invt,
                "returnStatus" | "status" => &mut self.status,
                "returnTime" => &mut self.time,
                "returnInfo" => &mut self.info,
                "taxNo" => &mut self.tax,
                "oriCopMsgId" => &mut self.original,
                "oriBizMessage" => &mut self.content,
                _ => {
                    steps.skip()?;
                    continue;
                }
            };
            let value = trimmed(steps.value()?);
            if slot.is_empty() {
                *slot = value;
            } else {
                slot.to_mut().push_str(&value);
            }
        }
        Ok(())
    }

    /// What people know the answer by: the first number in it.
    fn about(&self) -> Option<Cow<'a, str>> {
        let numbers = [&self.cop, &self.invt, &self.order, &self.payment, &self.waybill, &self.original];
        numbers.into_iter().find(|n| !n.is_empty()).cloned()
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// An answer, or why it cannot be read.
pub(crate) type Answer = Result<CustomsReceipt, Error>;

/// Answers in a business message, each by itself: one that is odd keeps back no other. `None`: a message of a kind that says
/// nothing about declarations.
pub(crate) fn read(text: &str, errors: &ErrorTable) -> Result<Option<Vec<Answer>>, Error> {
    let mut steps = Steps::new(text, CEB)?;
    let root = steps.child()?.unwrap_or_default();
    let node = match root {
        "CEB312Message" => "OrderReturn",
        "CEB412Message" => "PaymentReturn",
        "CEB512Message" => "LogisticsReturn",
        "CEB622Message" => "InventoryReturn",
        "CEB624Message" => "InvtCancelReturn",
        "CEB816Message" => "Tax",
        "CEB900Message" => "MessageReturn",
        _ => return Ok(None),
    };
    let mut found = Vec::new();
    while let Some(name) = steps.child()? {
        if name != node {
            steps.skip()?;
            continue;
        }
        if found.len() >= MOST_NODES {
            return Err(Error::decode(format!("more than {MOST_NODES} answers in one message")));
        }
        let mut fields = Fields::default();
        if node == "Tax" {
            while let Some(part) = steps.child()? {
                match part {
                    "TaxHeadRd" => fields.read(&mut steps)?,
                    _ => steps.skip()?,
                }
            }
        } else {
            fields.read(&mut steps)?;
        }
        let about = fields.about();
        found.push(receipt(root, fields, errors).map_err(|e| match about {
            Some(number) => e.of_named("answer about", number),
            None => e.about("answer about ?"),
        }));
    }
    if found.is_empty() {
        return Err(Error::decode(format!("{root} without {node}")));
    }
    Ok(Some(found))
}

fn receipt(root: &str, f: Fields<'_>, errors: &ErrorTable) -> Result<CustomsReceipt, Error> {
    let at = instant(&f.time)?;
    if f.status.is_empty() {
        return Err(Error::decode(format!("{root}: an answer without returnStatus")));
    }
    let kind = root.get(3..6).unwrap_or_default();
    // Answers about several papers come in one message, at one instant, and under its one number: what tells them apart
    // is the paper's own number.
    let key = |own: &str| [kind, &*f.guid, own, &*f.status, &*f.time].join("/");
    let (document, reference) = match root {
        "CEB312Message" => (FiledDocument::Order, &f.order),
        "CEB412Message" => (FiledDocument::Payment, &f.payment),
        "CEB512Message" => (FiledDocument::Waybill, &f.waybill),
        "CEB622Message" => (FiledDocument::Declaration, &f.invt),
        "CEB624Message" => (FiledDocument::Cancellation, &f.invt),
        "CEB816Message" => (FiledDocument::TaxBill, &f.invt),
        _ => {
            let key = key(&f.original);
            return Ok(format_check(f, at, key));
        }
    };
    let key = match document {
        FiledDocument::Declaration | FiledDocument::Cancellation => key(&f.cop),
        FiledDocument::TaxBill => key(&f.tax),
        _ => key(reference),
    };
    let reference = reference.to_string();
    let said = status::of(document, &f.status, errors);
    let message = match document {
        FiledDocument::TaxBill => format!("tax bill {}", f.tax),
        _ => f.info.into_owned(),
    };
    Ok(CustomsReceipt {
        declaration: DeclarationId::new(f.cop).ok(),
        authority_ref: (!f.invt.is_empty()).then(|| f.invt.into_owned()),
        document,
        reference,
        code: f.status.into_owned(),
        message,
        state: match said {
            Said::State(state) => Some(state),
            Said::Nothing | Said::Unknown => None,
        },
        at,
        key,
    })
}

/// A format check (CEB900) carries our message: it tells which document it is about.
fn format_check(f: Fields<'_>, at: Timestamp, key: String) -> CustomsReceipt {
    let carried = carried(&f.content);
    let (document, ours) =
        carried.as_deref().and_then(original).unwrap_or((FiledDocument::Other, Fields::default()));
    let reference = match document {
        FiledDocument::Order => ours.order,
        FiledDocument::Payment => ours.payment,
        FiledDocument::Waybill => ours.waybill,
        FiledDocument::Declaration | FiledDocument::Cancellation => ours.invt,
        FiledDocument::TaxBill | FiledDocument::Other => f.original,
    };
    CustomsReceipt {
        declaration: DeclarationId::new(ours.cop).ok(),
        authority_ref: None,
        document,
        reference: reference.into_owned(),
        state: status::malformed(document, &f.status),
        code: f.status.into_owned(),
        message: f.info.into_owned(),
        at,
        key,
    }
}

/// A message that we sent: its content comes back as base64.
fn carried(content: &str) -> Option<String> {
    let packed: String = content.split_whitespace().collect();
    String::from_utf8(signing::from_base64(&packed).ok()?).ok()
}

/// The keys of a message that we sent.
fn original(text: &str) -> Option<(FiledDocument, Fields<'_>)> {
    let mut steps = Steps::new(text, CEB).ok()?;
    let document = match steps.child().ok()?? {
        "CEB311Message" => FiledDocument::Order,
        "CEB411Message" => FiledDocument::Payment,
        "CEB511Message" => FiledDocument::Waybill,
        "CEB621Message" => FiledDocument::Declaration,
        "CEB623Message" => FiledDocument::Cancellation,
        _ => return None,
    };
    let mut fields = Fields::default();
    steps.child().ok()?;
    if document != FiledDocument::Cancellation {
        steps.child().ok()?;
    }
    // It was malformed in customs' eyes: what was read before the trouble is enough.
    let _ = fields.read(&mut steps);
    Some((document, fields))
}

/// `yyyyMMddHHmmssSSS` on the Chinese clock.
pub(crate) fn instant(text: &str) -> Result<Timestamp, Error> {
    let bad = || {
        Error::decode(format!(
            "returnTime '{}' is not yyyyMMddHHmmssSSS",
            text.chars().take(20).collect::<String>()
        ))
    };
    if text.len() != 17 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let number = |from: usize, to: usize| -> i16 {
        text.get(from..to).unwrap_or_default().bytes().fold(0, |n, b| n * 10 + i16::from(b - b'0'))
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)).unwrap_or(-1);
    let time = DateTime::new(
        number(0, 4),
        small(4),
        small(6),
        small(8),
        small(10),
        small(12),
        i32::from(number(14, 17)) * 1_000_000,
    )
    .map_err(|_| bad())?;
    CHINA.to_timestamp(time).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use tradewind_domain::DeclarationState;

    use super::*;

    /// All answers of a message, each of which can be read.
    fn read(text: &str, errors: &ErrorTable) -> Result<Option<Vec<CustomsReceipt>>, Error> {
        super::read(text, errors)?.map(|found| found.into_iter().collect()).transpose()
    }

    fn errors() -> ErrorTable {
        ErrorTable::parse(include_str!("../errors.toml")).unwrap()
    }

    /// Shaped as the official sample CEB622: default namespace, several nodes, receipts out of order.
    fn message(nodes: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<CEB622Message version=\"1.0\" xmlns=\"http://www.chinaport.gov.cn/ceb\" guid=\"4CDE1CFD-EDED-46B1-946C-B8022E42FC94\">{nodes}</CEB622Message>"
        )
    }

    fn node(status: &str, time: &str, info: &str) -> String {
        format!(
            "<InventoryReturn><guid>4CDE1CFD-EDED-46B1-946C-B8022E42FC94</guid><customsCode>1501</customsCode><copNo>TD01</copNo><preNo>B20160512000001882</preNo><invtNo>150120161I00000001</invtNo><returnStatus>{status}</returnStatus><returnTime>{time}</returnTime><returnInfo>{info}</returnInfo></InventoryReturn>\n"
        )
    }

    #[test]
    fn several_answers_in_one_message() {
        let text = message(
            &[node("800", "20160512102650001", "放行"), node("2", "20160512102646001", "申报 &amp; 中")]
                .concat(),
        );
        let found = read(&text, &errors()).unwrap().unwrap();
        assert_eq!(found.len(), 2);
        let last = &found[0];
        assert_eq!(last.declaration.as_ref().unwrap().as_str(), "TD01");
        assert_eq!(last.authority_ref.as_deref(), Some("150120161I00000001"));
        // 10:26:50.001 in China is 02:26:50.001 UTC.
        assert_eq!(last.at.to_string(), "2016-05-12T02:26:50.001Z");
        assert_eq!(last.state, Some(DeclarationState::Released));
        assert_eq!(found[1].message, "申报 & 中");
        assert_ne!(found[0].key, found[1].key);
    }

    #[test]
    fn one_odd_answer_keeps_back_no_other() {
        let nodes = [("800", "20160512102650001"), ("", "20160512102650001"), ("800", "yesterday")];
        let text = message(&nodes.map(|(status, time)| node(status, time, "")).concat());
        let found = super::read(&text, &errors()).unwrap().unwrap();
        assert_eq!(found[0].as_ref().unwrap().state, Some(DeclarationState::Released));
        for (odd, why) in
            [(&found[1], "an answer without returnStatus"), (&found[2], "returnTime 'yesterday'")]
        {
            let told = odd.as_ref().unwrap_err().to_string();
            assert!(told.contains("answer about TD01") && told.contains(why), "{told}");
        }
    }

    /// Two lists of one message, and two bills on one list: the same number of the message, status and instant.
    #[test]
    fn answers_of_one_message_have_keys_of_their_own() {
        let one = node("120", "20160512102646001", "");
        let text = message(&[one.clone(), one.replace("TD01", "TD02"), one].concat());
        let keys: Vec<String> = read(&text, &errors()).unwrap().unwrap().into_iter().map(|r| r.key).collect();
        assert_ne!(keys[0], keys[1]);
        // A repetition is one.
        assert_eq!(keys[0], keys[2]);
        let bill = |no: &str| {
            format!(
                "<Tax><TaxHeadRd><guid>G</guid><returnTime>20160512102646001</returnTime><invtNo>I1</invtNo><taxNo>{no}</taxNo><status>1</status></TaxHeadRd></Tax>"
            )
        };
        let text = format!(
            "<CEB816Message xmlns=\"http://www.chinaport.gov.cn/ceb\" guid=\"G\" version=\"1.0\">{}{}</CEB816Message>",
            bill("T1"),
            bill("T2")
        );
        let found = read(&text, &errors()).unwrap().unwrap();
        assert_ne!(found[0].key, found[1].key);
    }

    #[test]
    fn a_thousand_chinese_characters_are_kept() {
        let info = "查".repeat(1000);
        let found = read(&message(&node("100", "20160512102646001", &info)), &errors()).unwrap().unwrap();
        assert_eq!(found[0].message.chars().count(), 1000);
        assert_eq!(found[0].state, Some(DeclarationState::Rejected));
    }

    #[test]
    fn an_unknown_status_is_neither_success_nor_failure() {
        for code in ["777", "-999999", "A", "9"] {
            let found = read(&message(&node(code, "20160512102646001", "?")), &errors()).unwrap().unwrap();
            assert_eq!((found[0].state, found[0].code.as_str()), (None, code));
        }
    }

    #[test]
    fn a_format_check_finds_its_document() {
        let ours = "<ceb:CEB621Message xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\"><ceb:Inventory><ceb:InventoryHead><ceb:orderNo>O1</ceb:orderNo><ceb:copNo>TD01</ceb:copNo></ceb:InventoryHead></ceb:Inventory></ceb:CEB621Message>";
        let text = |content: &str| {
            format!(
                "<CEB900Message xmlns=\"http://www.chinaport.gov.cn/ceb\" guid=\"G\" version=\"1.0\"><MessageReturn><guid>G</guid><returnStatus>-1</returnStatus><returnInfo>buyerTelephone</returnInfo><returnTime>20260302080000000</returnTime><oriCopMsgId>M9</oriCopMsgId><oriMessageType>CEB621Message</oriMessageType><oriBizMessage>{content}</oriBizMessage></MessageReturn></CEB900Message>"
            )
        };
        let found = read(&text(&signing::base64(ours.as_bytes())), &errors()).unwrap().unwrap();
        assert_eq!(found[0].declaration.as_ref().unwrap().as_str(), "TD01");
        assert_eq!(
            (found[0].document, found[0].state),
            (FiledDocument::Declaration, Some(DeclarationState::Rejected))
        );
        // Without the content only the number of our message is known.
        let found = read(&text("not base64!"), &errors()).unwrap().unwrap();
        assert_eq!(
            (found[0].document, found[0].reference.as_str(), found[0].state),
            (FiledDocument::Other, "M9", None)
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_other_kinds_are_told_apart() {
        assert!(
            read("<CEB818Message xmlns=\"http://www.chinaport.gov.cn/ceb\"/>", &errors()).unwrap().is_none()
        );
        for bad in [
            message(""),
            message(&node("800", "2016051210264600", "short time")),
            message(&node("800", "20161312102646001", "month 13")),
            message(&node("", "20160512102646001", "no status")),
            message(&node("800", "20160512102646001", "&boom;")),
        ] {
            assert!(read(&bad, &errors()).is_err(), "{bad}");
        }
    }
}
