//! A declaration to file: the worked example of the fact sheet, section 15. The person is invented: district 999999 does
//! not exist.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use tradewind_domain::Declaration;

/// 2 × 199.00 + freight 12.00 + tax 37.31 = 447.31.
pub(crate) fn declaration() -> Declaration {
    serde_json::from_str(include_str!("../fixtures/declaration.submit/happy/input.json")).unwrap()
}

/// XML inside a body: the content of a `DxpMsg`, and the messages of a mailbox answer with their contents.
pub(crate) fn documents(body: &[u8]) -> Vec<String> {
    let content = |message: &str| {
        let data = message.split("<Data>").nth(1)?.split("</Data>").next()?;
        String::from_utf8(B64.decode(data.trim()).ok()?).ok()
    };
    let text = String::from_utf8_lossy(body);
    if text.starts_with('<') {
        return content(&text).into_iter().collect();
    }
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let messages = json["messages"].as_array().cloned().unwrap_or_default();
    messages
        .iter()
        .filter_map(|m| m.as_str())
        .flat_map(|m| std::iter::once(m.to_owned()).chain(content(m)))
        .collect()
}
