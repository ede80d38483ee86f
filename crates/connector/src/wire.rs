//! Requests and responses as values: what `encode` makes and `decode` reads. No I/O here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::Error;

/// The body of a request, kept structured until it is sent so that a signer can see its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes of a media type.
    Bytes {
        /// `application/json`, `text/xml; charset=utf-8`, ...
        content_type: String,
        /// The exact bytes: what is signed is what is sent.
        bytes: Bytes,
    },
    /// `application/x-www-form-urlencoded`, in this order.
    Form(Vec<(String, String)>),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
}

/// One part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Field name.
    pub name: String,
    /// File name, for a file.
    pub file_name: Option<String>,
    /// Media type.
    pub content_type: Option<String>,
    /// Content.
    pub bytes: Bytes,
}

/// A request to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// Method.
    pub method: Method,
    /// Address without query.
    pub url: Url,
    /// Query parameters, in order, not yet escaped.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
}

impl WireRequest {
    /// A request to `base` + `path`. `path` begins with `/` and is escaped already where it carries ids (see
    /// [`segment`]); a path in `base` is kept before it.
    ///
    /// # Errors
    /// The two do not make an address.
    pub fn new(method: Method, base: &Url, path: &str) -> Result<WireRequest, Error> {
        let plain = path.starts_with('/') && !path.contains(['?', '#', '\\']);
        let url = if plain && base.has_host() && base.query().is_none() && base.fragment().is_none() {
            // The host was read when the base was; reading it anew for every call is most of the work.
            let mut url = base.clone();
            match base.path().trim_end_matches('/') {
                "" => url.set_path(path),
                before => url.set_path(&format!("{before}{path}")),
            }
            url
        } else {
            let joined = format!("{}{path}", base.as_str().trim_end_matches('/'));
            Url::parse(&joined).map_err(|e| Error::config(format!("address '{joined}': {e}")))?
        };
        Ok(WireRequest { method, url, query: Vec::new(), headers: HeaderMap::new(), body: Body::Empty })
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> WireRequest {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a query parameter when there is a value.
    #[must_use]
    pub fn query_opt(self, name: &str, value: Option<impl Into<String>>) -> WireRequest {
        match value {
            Some(v) => self.query(name, v),
            None => self,
        }
    }

    /// Sets a header.
    ///
    /// # Errors
    /// Name or value cannot stand in a header.
    pub fn header(mut self, name: &str, value: &str) -> Result<WireRequest, Error> {
        self.set_header(name, value)?;
        Ok(self)
    }

    /// Sets a header in place; for signers.
    ///
    /// # Errors
    /// Name or value cannot stand in a header.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let bad = || Error::invalid(format!("header {name} has a name or value that cannot be sent"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut val = HeaderValue::from_str(value).map_err(|_| bad())?;
        val.set_sensitive(is_secret_header(name));
        self.headers.insert(key, val);
        Ok(())
    }

    /// A JSON body.
    ///
    /// # Errors
    /// The value cannot be serialised.
    pub fn json<T: Serialize>(mut self, value: &T) -> Result<WireRequest, Error> {
        let bytes = serde_json::to_vec(value).map_err(|e| Error::invalid(format!("request body: {e}")))?;
        self.body = Body::Bytes { content_type: "application/json".to_owned(), bytes: bytes.into() };
        Ok(self)
    }

    /// An XML body in UTF-8.
    #[must_use]
    pub fn xml(mut self, text: String) -> WireRequest {
        self.body = Body::Bytes { content_type: "text/xml; charset=utf-8".to_owned(), bytes: text.into() };
        self
    }

    /// A body of given type.
    #[must_use]
    pub fn bytes(mut self, content_type: &str, bytes: impl Into<Bytes>) -> WireRequest {
        self.body = Body::Bytes { content_type: content_type.to_owned(), bytes: bytes.into() };
        self
    }

    /// A form body.
    #[must_use]
    pub fn form(mut self, fields: Vec<(String, String)>) -> WireRequest {
        self.body = Body::Form(fields);
        self
    }

    /// The address with its query, escaped as it is sent.
    #[must_use]
    pub fn full_url(&self) -> Url {
        let mut url = self.url.clone();
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }

    /// The body as the bytes that are sent, with their media type. Multipart bodies have no bytes before they
    /// are sent and give `None`.
    #[must_use]
    pub fn body_bytes(&self) -> Option<(&str, Bytes)> {
        match &self.body {
            Body::Bytes { content_type, bytes } => Some((content_type, bytes.clone())),
            Body::Form(fields) => {
                let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                Some(("application/x-www-form-urlencoded", text.into()))
            }
            Body::Empty | Body::Multipart(_) => None,
        }
    }
}

/// Headers whose values never appear in a log, a recording or an error.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    const WHOLE: [&str; 4] = ["authorization", "cookie", "set-cookie", "proxy-authorization"];
    const WITHIN: [&str; 6] = ["token", "secret", "api-key", "apikey", "signature", "password"];
    // Asked for every header of every call: one look at a letter tells that most words do not begin there.
    let within = |word: &&str| {
        let same = |(ours, theirs): (&u8, &u8)| ours.to_ascii_lowercase() == *theirs;
        let mut places = name.as_bytes().windows(word.len());
        places.any(|part| part.iter().zip(word.as_bytes()).all(same))
    };
    WHOLE.iter().any(|whole| name.eq_ignore_ascii_case(whole)) || WITHIN.iter().any(within)
}

/// One path segment, escaped: a SKU with a slash or a blank stays one segment.
#[must_use]
pub fn segment(text: &str) -> String {
    const SET: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, SET).to_string()
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, decompressed.
    pub body: Bytes,
    /// When it was complete, on our clock.
    pub received_at: Timestamp,
}

impl WireResponse {
    /// A response for tests: status and JSON text.
    #[must_use]
    pub fn json_text(status: u16, body: impl Into<String>) -> WireResponse {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        WireResponse { status, headers, body: Bytes::from(body.into()), received_at: Timestamp::UNIX_EPOCH }
    }

    /// 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Neither 2xx nor 304. A redirection is not followed (a signature is of one address) and did nothing of what was asked.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !self.is_success() && self.status != 304
    }

    /// The body as text.
    ///
    /// # Errors
    /// Not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|e| Error::decode(format!("body is not UTF-8: {e}")))
    }

    /// The body as JSON of a type. The message of an error names the place.
    ///
    /// # Errors
    /// Not UTF-8, not JSON, or not of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // from_str on validated text beats from_slice by a third (dependencies.md §4.1).
        serde_json::from_str(self.text()?).map_err(|e| Error::decode(format!("JSON: {e}")))
    }

    /// A header as text; `None` when absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// A JSON number or string read as an exact decimal from its text, never through a float.
///
/// Use as a field type in wire structs: `amount: Num`. Works for `12.50`, `"12.50"`, `1250`; refuses `1e3`.
/// Not usable inside `#[serde(flatten)]` or untagged enums (serde buffers these).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Num(pub tradewind_domain::Decimal);

impl<'de> serde::Deserialize<'de> for Num {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(d)?;
        let text = raw.get().trim();
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        tradewind_domain::parse_decimal(text).map(Num).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Num {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let raw = serde_json::value::RawValue::from_string(self.0.to_string())
            .map_err(serde::ser::Error::custom)?;
        raw.serialize(s)
    }
}

impl Num {
    /// As money of a currency, exactly.
    ///
    /// # Errors
    /// More decimals than the currency has.
    pub fn money(self, currency: tradewind_domain::Currency) -> Result<tradewind_domain::Money, Error> {
        Ok(tradewind_domain::Money::from_decimal(self.0, currency)?)
    }

    /// As a number inside a JSON value that is built by hand, from its text. Such a value holds a number in binary: what
    /// does not come out as it went in is not sent.
    ///
    /// # Errors
    /// More digits than a JSON value carries.
    pub fn to_value(self) -> Result<serde_json::Value, Error> {
        let value =
            serde_json::to_value(Num(self.0.normalize())).map_err(|e| Error::invalid(e.to_string()))?;
        if tradewind_domain::parse_decimal(&value.to_string())? != self.0 {
            return Err(Error::invalid(format!("{} has more digits than a JSON number carries", self.0)));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        #[derive(serde::Deserialize, Serialize)]
        struct T {
            d: Num,
        }
        let t: T = serde_json::from_str(r#"{"d":12345678901234.5678}"#).unwrap();
        assert_eq!(t.d.0.to_string(), "12345678901234.5678");
        assert_eq!(serde_json::to_string(&t).unwrap(), r#"{"d":12345678901234.5678}"#);
        assert_eq!(serde_json::from_str::<T>(r#"{"d":"1.10"}"#).unwrap().d.0.to_string(), "1.10");
        assert!(serde_json::from_str::<T>(r#"{"d":1e3}"#).is_err());
        assert!(serde_json::from_str::<T>(r#"{"d":null}"#).is_err());
    }

    #[test]
    fn a_number_in_a_value_is_the_number_or_an_error() {
        let num = |text: &str| Num(tradewind_domain::parse_decimal(text).unwrap());
        for text in ["19.99", "0.1", "1500000.00", "-3", "0"] {
            let value = num(text).to_value().unwrap();
            assert_eq!(tradewind_domain::parse_decimal(&value.to_string()).unwrap(), num(text).0, "{text}");
        }
        // 2^53 + 1 with a cent: more than a binary fraction of 53 bits holds.
        assert!(num("9007199254740993.01").to_value().is_err());
    }

    #[test]
    fn paths_and_queries_are_escaped_once() {
        let base = Url::parse("https://h.example/v1/").unwrap();
        let r = WireRequest::new(Method::GET, &base, &format!("/item/{}", segment("A/B 1"))).unwrap();
        assert_eq!(
            r.query("q", "a b&c").full_url().as_str(),
            "https://h.example/v1/item/A%2FB%201?q=a+b%26c"
        );
    }

    /// The short way to an address and the long one give the same.
    #[test]
    fn an_address_is_what_its_text_says() {
        let bases = [
            "https://h.example",
            "https://h.example/",
            "https://h.example/v1",
            "https://h.example/v1/",
            "http://127.0.0.1:80/a%2Fb/",
        ];
        let paths = [
            "/",
            "/item/A%2FB",
            "/a b",
            "/ä",
            "/a/../b",
            "/a//b",
            "/%zz",
            "/x?y=1",
            "/x#y",
            "/a;b=c:d@e",
            "/\\x",
            "/%2e%2e/x",
            "/a|b^c\"<>`{}",
        ];
        for base in bases {
            for path in paths {
                let url = Url::parse(base).unwrap();
                let made = WireRequest::new(Method::GET, &url, path).unwrap().url;
                let read = Url::parse(&format!("{}{path}", base.trim_end_matches('/'))).unwrap();
                assert_eq!(made, read, "{base} {path}");
            }
        }
    }

    #[test]
    fn secret_headers_are_marked() {
        for name in [
            "Authorization",
            "SET-COOKIE",
            "x-amz-access-token",
            "X-API-Key",
            "apikey",
            "Signature-Input",
            "x-ToKen",
            "PASSWORDS",
        ] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in ["content-type", "authorizations", "x-toke", "api_key", "passwor", "t", "date", ""] {
            assert!(!is_secret_header(name), "{name}");
        }
        let base = Url::parse("https://h.example").unwrap();
        let r = WireRequest::new(Method::GET, &base, "/")
            .unwrap()
            .header("x-amz-access-token", "s3cret")
            .unwrap();
        assert!(!format!("{r:?}").contains("s3cret"));
    }
}
