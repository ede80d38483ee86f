//! HTTP Basic, the version header, and the problem format.

use serde::Deserialize;
use tradewind_connector::{
    Error, ExposeSecret, FieldError, Protocol, SecretString, Secrets, SignCx, Upstream, WireRequest,
    WireResponse, signing, snippet,
};

pub(crate) struct Basic {
    header: SecretString,
}

impl Basic {
    pub(crate) fn new(secrets: &Secrets) -> Result<Basic, Error> {
        let (user, password) = (secrets.need("username")?, secrets.need("password")?);
        let pair = format!("{}:{}", user.expose_secret(), password.expose_secret());
        Ok(Basic { header: SecretString::from(format!("Basic {}", signing::base64(pair.as_bytes()))) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    #[serde(default)]
    detail: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    additional_details: Vec<String>,
}

impl Protocol for Basic {
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<(), Error> {
        request.set_header("authorization", self.header.expose_secret())?;
        request.set_header("x-version", "3.1.0")?;
        // Echoed back, at most 36 characters; no duplicate detection hangs on it.
        request.set_header(
            "message-reference",
            &format!("TW-{}", cx.op.nonce.chars().take(32).collect::<String>()),
        )
    }

    fn upstream(&self, _operation: &str, response: &WireResponse) -> Option<Upstream> {
        if !response.is_refusal() {
            return None;
        }
        let request_id = response.header("invocation-id").map(str::to_owned);
        let Ok(problem) = response.json::<Problem>() else {
            return Some(Upstream {
                http: response.status,
                message: snippet(&response.body),
                request_id,
                ..Upstream::default()
            });
        };
        let words = [&problem.detail, &problem.message, &problem.title]
            .into_iter()
            .find(|t| !t.is_empty())
            .cloned()
            .unwrap_or_default();
        // `7008: The requested service …`: the number is the code, the words are the message.
        let code: String = words.chars().take_while(char::is_ascii_digit).collect();
        let message = words[code.len()..].trim_start_matches([':', ' ']).to_owned();
        let fields = problem
            .additional_details
            .iter()
            .map(|d| FieldError { field: String::new(), code: String::new(), message: d.clone() })
            .collect();
        Some(Upstream { http: response.status, code, message, request_id, fields, ..Upstream::default() })
    }
}

#[cfg(test)]
mod tests {
    use tradewind_connector::{OpCx, SignCx};

    use super::*;

    #[test]
    fn basic_header_of_the_fact_sheet() {
        let basic =
            Basic::new(&Secrets::of(&[("username", "demo-user"), ("password", "demo-pass")])).unwrap();
        let account = "dhl".parse().unwrap();
        let op = OpCx {
            account: &account,
            now: jiff::Timestamp::UNIX_EPOCH,
            nonce: "0123456789abcdef0123456789abcdef",
            key: "",
        };
        let base = url::Url::parse("https://dhl.example").unwrap();
        let mut request = WireRequest::new(http::Method::GET, &base, "/rates").unwrap();
        basic.sign(&SignCx { op, operation: "rates", token: None }, &mut request).unwrap();
        assert_eq!(request.headers["authorization"], "Basic ZGVtby11c2VyOmRlbW8tcGFzcw==");
        assert!(request.headers["message-reference"].len() <= 36);
        assert!(!format!("{request:?}").contains("ZGVtby11"));
    }

    #[test]
    fn the_number_that_leads_the_detail_is_the_code() {
        let basic = Basic::new(&Secrets::of(&[("username", "a"), ("password", "b")])).unwrap();
        let body = r#"{"instance":"/x","detail":"7008: The requested service is not available","title":"Bad request","message":"Bad request","status":"400"}"#;
        let found = basic.upstream("x", &WireResponse::json_text(400, body)).unwrap();
        assert_eq!((found.code.as_str(), found.http), ("7008", 400));
        assert_eq!(found.message, "The requested service is not available");
    }
}
