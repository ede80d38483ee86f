//! Digital signatures: RFC 9421 message signatures and RFC 9530 digests, as eBay profiles them ("Digital Signatures
//! for Public API Calls"). Sellers in the EU and the UK must sign Finances, issueRefund and some Post-Order calls; on
//! the others eBay ignores a signature, so a configured key signs everything.

use jiff::Timestamp;
use tradewind_connector::signing::keys::Ed25519Key;
use tradewind_connector::signing::{base64, content_digest_sha256};
use tradewind_connector::{Error, SecretString, WireRequest};

/// A signing key with the public half that eBay gave for it.
pub(crate) struct Signer {
    key: Ed25519Key,
    jwe: String,
}

impl Signer {
    /// `key` is PKCS #8, PEM or bare base64.
    pub(crate) fn new(jwe: &str, key: &SecretString) -> Result<Signer, Error> {
        if jwe.trim().is_empty() {
            return Err(Error::config(
                "signing_jwe is blank: it is `jwe` of the Key Management API's answer",
            ));
        }
        let key = Ed25519Key::from_pkcs8(key)
            .map_err(|e| Error::config(format!("secret 'signing_key': {}", e.message())))?;
        Ok(Signer { key, jwe: jwe.trim().to_owned() })
    }

    /// Adds the four headers. Called last: what is signed is what is sent.
    pub(crate) fn sign(&self, request: &mut WireRequest, now: Timestamp) -> Result<(), Error> {
        request.set_header("x-ebay-signature-key", &self.jwe)?;
        let mut base = String::new();
        let mut names = Vec::with_capacity(5);
        let mut add = |name: &'static str, value: &str| {
            base.push_str(&format!("\"{name}\": {value}\n"));
            names.push(format!("\"{name}\""));
        };
        // No body, no digest.
        if let Some((_, body)) = request.body_bytes().filter(|(_, b)| !b.is_empty()) {
            let digest = content_digest_sha256(&body);
            add("content-digest", &digest);
            request.set_header("content-digest", &digest)?;
        }
        add("x-ebay-signature-key", &self.jwe);
        add("@method", request.method.as_str());
        // Without the query.
        add("@path", request.url.path());
        add("@authority", &authority(&request.url));
        let params = format!("({});created={}", names.join(" "), now.as_second());
        base.push_str(&format!("\"@signature-params\": {params}"));
        let signature = base64(&self.key.sign(base.as_bytes()));
        request.set_header("signature-input", &format!("sig1={params}"))?;
        request.set_header("signature", &format!("sig1=:{signature}:"))
    }
}

/// Host, and port where it is not the scheme's own: what the `Host` header says.
fn authority(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test key and JWE of eBay's public documentation; the key is that of RFC 9421 B.1.4.
    const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF";
    const JWE: &str = "eyJ6aXAiOiJERUYiLCJlbmMiOiJBMjU2R0NNIiwidGFnIjoiSGdLcjNSSWFlZll0Mkd4blBUUTEwUSIsImFsZyI6IkEyNTZHQ01LVyIsIml2IjoiQTVOQXFYUXlITkNIT01GVSJ9.z3JcS0vvxrYboqpySAq_Znww-3V6AllxmJP5JEMkuLY.K1f4MVMEc8ylbfSS.fASwJyMCk2tXZsNWk13IcuVgSWTOcynSdAoJrK4WApZANlxAP9J0qr0Jz_4aFldFDSZ5tfuxLGqzJmWU7CiZWwNjk2XoVy8q5ogMrFNFwFXP4SrX1XORhNLZPTyS5DEqLDPYn2NX944xendEwfcxxXsTSeNCUnmSyfitiscUC04GYOfn0UWQ2buSWx7Yod0IR2GtTGUsM9o3J-riuNDKhw.rRsWM1Sl_2stTnZLJkWVmQ";

    fn signed(method: http::Method, body: Option<&'static str>) -> WireRequest {
        let base = url::Url::parse("http://localhost:8080").unwrap();
        let mut request = WireRequest::new(method, &base, "/verifysignature").unwrap();
        if let Some(body) = body {
            request = request.bytes("application/json", body);
        }
        let signer = Signer::new(JWE, &SecretString::from(KEY.to_owned())).unwrap();
        signer.sign(&mut request, Timestamp::from_second(1_659_651_955).unwrap()).unwrap();
        request
    }

    #[test]
    fn the_published_sample_comes_out_byte_for_byte() {
        let request = signed(http::Method::POST, Some("{\"hello\": \"world\"}"));
        let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-digest"), "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
        assert_eq!(
            header("signature-input"),
            "sig1=(\"content-digest\" \"x-ebay-signature-key\" \"@method\" \"@path\" \"@authority\");created=1659651955"
        );
        assert_eq!(
            header("signature"),
            "sig1=:uunxYrXKC8KaoupD5D1DKdmQmrOhz6b4Xbhb3o9d4x4xFIpg++XzEZztOyeOI59rMMjM3NIcFgxBH0c1ckpfBw==:"
        );
    }

    #[test]
    fn without_a_body_there_is_no_digest() {
        let request = signed(http::Method::GET, None);
        assert!(!request.headers.contains_key("content-digest"));
        assert_eq!(
            request.headers["signature-input"],
            "sig1=(\"x-ebay-signature-key\" \"@method\" \"@path\" \"@authority\");created=1659651955"
        );
    }

    #[test]
    fn an_unusable_key_names_the_secret() {
        let refused = Signer::new(JWE, &SecretString::from("AAAA".to_owned())).err().unwrap();
        assert!(refused.to_string().contains("signing_key"));
    }
}
