//! The terminal envelope `DxpMsg` around a business message, and the platform's refusal `DxpRep`.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use tradewind_connector::{Error, Upstream, signing};

use crate::config::Settings;
use crate::xml::{DXP, Elements, Steps, refused};

/// China's time, all year.
pub(crate) const CHINA: Offset = Offset::constant(8);

/// An instant on the Chinese clock.
pub(crate) fn china(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::fixed(CHINA)).strftime(format).to_string()
}

/// A message number: 36 characters, upper case. Made from what is filed and nothing else, so that the same filing bears
/// the same number in every attempt and every process.
pub(crate) fn guid(account: &str, key: &str, kind: &str) -> String {
    signing::uuid8(&format!("{account}\n{key}\n{kind}")).to_uppercase()
}

/// Wraps a business message. `CreatTime` is the schema's own spelling.
pub(crate) fn wrap(
    settings: &Settings,
    kind: &str,
    guid: &str,
    now: Timestamp,
    business: &str,
) -> Result<String, Error> {
    let mut w = Elements::new("");
    w.open("DxpMsg", &[("xmlns", DXP), ("ver", "1.0")]);
    w.open("TransInfo", &[]);
    w.text("CopMsgId", guid, 255);
    w.text("SenderId", &settings.dxp_id, 16);
    w.open("ReceiverIds", &[]);
    w.text("ReceiverId", &settings.receiver_id, 16);
    w.close("ReceiverIds");
    w.text("CreatTime", &china(now, "%Y-%m-%dT%H:%M:%S"), 19);
    w.text("MsgType", kind, 30);
    w.close("TransInfo");
    w.text("Data", &signing::base64(business.as_bytes()), usize::MAX);
    w.close("DxpMsg");
    let text = w.finish().map_err(|faults| refused(&faults))?;
    Ok(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}"))
}

/// The business message in an envelope.
pub(crate) fn unwrap(text: &str) -> Result<String, Error> {
    let mut steps = Steps::new(text, DXP)?;
    if steps.child()? != Some("DxpMsg") {
        return Err(Error::decode("not a DxpMsg"));
    }
    while let Some(name) = steps.child()? {
        if name != "Data" {
            steps.skip()?;
            continue;
        }
        let data: String = steps.value()?.split_whitespace().collect();
        let bytes = signing::from_base64(&data)?;
        return String::from_utf8(bytes).map_err(|_| Error::decode("the business message is not UTF-8"));
    }
    Err(Error::decode("a DxpMsg without Data"))
}

/// What the platform says when it refuses an envelope; `None` when the text is no refusal.
pub(crate) fn refusal(text: &str) -> Option<Upstream> {
    let mut steps = Steps::new(text, DXP).ok()?;
    if steps.child().ok()? != Some("DxpRep") {
        return None;
    }
    let mut said = Upstream { http: 200, ..Upstream::default() };
    // Anything unreadable after this point is still a refusal, with what was read of it.
    let _ = read_refusal(&mut steps, &mut said);
    Some(said)
}

fn read_refusal(steps: &mut Steps<'_>, said: &mut Upstream) -> Result<(), Error> {
    while let Some(name) = steps.child()? {
        match name {
            // The receiver's own code is finer than the platform's one digit.
            "Response" | "Results" | "Result" => read_refusal(steps, said)?,
            "Code" => said.code = steps.value()?.trim().to_owned(),
            "ResponseCode" => {
                let code = steps.value()?.trim().to_owned();
                if said.code.is_empty() {
                    said.code = code;
                }
            }
            "Info" | "ResponseInfo" => said.message = steps.value()?.trim().to_owned(),
            _ => steps.skip()?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_numbers_are_stable_upper_case_and_36_long() {
        let a = guid("customs", "D1/order", "CEB311Message");
        assert_eq!(a, guid("customs", "D1/order", "CEB311Message"));
        assert_ne!(a, guid("customs", "D1/order", "CEB411Message"));
        assert_ne!(a, guid("customs", "D2/order", "CEB311Message"));
        assert_eq!((a.len(), a.to_uppercase()), (36, a.clone()));
        assert_eq!((&a[14..15], &a[8..9]), ("8", "-"));
    }

    #[test]
    fn a_refusal_gives_the_receivers_code() {
        let text = "<DxpRep xmlns=\"http://www.chinaport.gov.cn/dxp\" ver=\"1.0\"><RecevierId>X</RecevierId><Response><ResponseCode>2</ResponseCode><ResponseInfo>no</ResponseInfo><Results><Result><RecId>Y</RecId><Code>2001</Code><Info>unknown ReceiverId</Info></Result></Results></Response></DxpRep>";
        let said = refusal(text).unwrap();
        assert_eq!((said.code.as_str(), said.message.as_str()), ("2001", "unknown ReceiverId"));
        assert_eq!(refusal("OK").map(|u| u.code), None);
        assert_eq!(refusal("<a/>").map(|u| u.code), None);
    }

    #[test]
    fn china_is_eight_hours_ahead() {
        let at = "2026-12-31T16:00:01Z".parse().unwrap();
        assert_eq!(china(at, "%Y%m%d%H%M%S"), "20270101000001");
    }
}
