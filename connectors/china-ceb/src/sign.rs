//! The signature of a message: W3C XML-DSig, enveloped, Canonical XML 1.0 (interface specification 2022-05, annex 3).
//!
//! The private key sits in a hardware token or a signing server and never here. A *signing service* beside it is asked
//! with the exact bytes to sign (the canonical `SignedInfo`) and answers with the value, the certificate's number and
//! the certificate; the connector's README describes that small HTTP contract. What is ours is everything around:
//! canonical form, digest, the order of elements, and that not a byte changes after signing.

use serde::{Deserialize, Serialize};
use tradewind_connector::{Error, signing};

use crate::config::Signer;
use crate::xml::{CEB, DS, Elements, refused};

/// A digest that customs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha1,
    Sm3,
}

impl Digest {
    /// The digest of a `DigestMethod` address. Two name spaces are in use in the field, so only the end decides.
    pub(crate) fn of(method: &str) -> Result<Digest, Error> {
        match method.rsplit_once('#').map(|(_, name)| name) {
            Some("sha1") => Ok(Digest::Sha1),
            Some("sm3") => Ok(Digest::Sm3),
            _ => Err(Error::config(format!("signer.digest = \"{method}\": it must end in #sm3 or #sha1"))),
        }
    }

    fn bytes(self, text: &[u8]) -> Vec<u8> {
        match self {
            Digest::Sha1 => signing::digest(signing::Hash::Sha1, text),
            Digest::Sm3 => crate::sm3::digest(text),
        }
    }
}

const C14N: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// `SignedInfo` over a canonical message. `namespaces`: as the apex of its own canonical form, which is what is signed;
/// inside the message they are inherited and not written again.
fn signed_info(signer: &Signer, message: &str, namespaces: bool) -> Result<String, Error> {
    let digest = signing::base64(&Digest::of(&signer.digest)?.bytes(message.as_bytes()));
    let mut w = Elements::new("ds");
    let apex: &[(&str, &str)] = if namespaces { &[("xmlns:ceb", CEB), ("xmlns:ds", DS)] } else { &[] };
    let method = |w: &mut Elements, name: &str, algorithm: &str| {
        w.open(name, &[("Algorithm", algorithm)]);
        w.close(name);
    };
    w.open("SignedInfo", apex);
    method(&mut w, "CanonicalizationMethod", C14N);
    method(&mut w, "SignatureMethod", &signer.method);
    w.open("Reference", &[("URI", "")]);
    w.open("Transforms", &[]);
    method(&mut w, "Transform", ENVELOPED);
    w.close("Transforms");
    method(&mut w, "DigestMethod", &signer.digest);
    w.text("DigestValue", &digest, 64);
    w.close("Reference");
    w.close("SignedInfo");
    w.finish().map_err(|faults| refused(&faults))
}

/// What the signing service is asked.
#[derive(Debug, Serialize)]
pub(crate) struct Question<'a> {
    /// `SignatureMethod`, so that the service takes the right key.
    method: &'a str,
    /// Canonical `SignedInfo`, base64: the exact bytes to sign.
    signed_info: String,
}

/// What it answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Signature {
    /// The value, base64.
    value: String,
    /// Number of the certificate.
    cert_no: String,
    /// X.509 certificate, base64 DER.
    certificate: String,
}

/// The question about a message without its signature.
pub(crate) fn question<'a>(signer: &'a Signer, message: &str) -> Result<Question<'a>, Error> {
    let bytes = signed_info(signer, message, true)?;
    Ok(Question { method: &signer.method, signed_info: signing::base64(bytes.as_bytes()) })
}

/// The message with its signature as the last child of the root.
pub(crate) fn attach(signer: &Signer, message: &str, signature: &Signature) -> Result<String, Error> {
    for (name, value) in [("value", &signature.value), ("certificate", &signature.certificate)] {
        if value.trim().is_empty() || signing::from_base64(value).is_err() {
            return Err(Error::decode(format!("the signing service's '{name}' is not base64")));
        }
    }
    if signature.cert_no.trim().is_empty() {
        return Err(Error::decode("the signing service named no cert_no"));
    }
    let mut key = Elements::new("ds");
    key.text("SignatureValue", signature.value.trim(), usize::MAX);
    key.open("KeyInfo", &[]);
    key.text("KeyName", signature.cert_no.trim(), 200);
    key.open("X509Data", &[]);
    key.text("X509Certificate", signature.certificate.trim(), usize::MAX);
    key.close("X509Data");
    key.close("KeyInfo");
    let key = key.finish().map_err(|faults| refused(&faults))?;
    let info = signed_info(signer, message, false)?;
    let (inside, end) =
        message.rsplit_once("</").ok_or_else(|| Error::invalid("a message without end tag"))?;
    Ok(format!("{inside}<ds:Signature>{info}{key}</ds:Signature></{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(method: &str, digest: &str) -> Signer {
        Signer {
            endpoint: url::Url::parse("http://signer.example").unwrap(),
            method: method.to_owned(),
            digest: digest.to_owned(),
        }
    }

    const MESSAGE: &str = "<ceb:CEB621Message xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" guid=\"G\" version=\"1.0\"><ceb:x>1</ceb:x></ceb:CEB621Message>";

    /// Canonical XML 1.0 of `SignedInfo` inside a document whose root declares both prefixes. Canonical form and digest of
    /// the whole message of the fixture `declaration.submit/happy` were compared with libxml2's once, and are equal.
    #[test]
    fn the_signed_bytes_are_canonical() {
        let signer =
            signer("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1");
        let bytes = signing::from_base64(&question(&signer, MESSAGE).unwrap().signed_info).unwrap();
        let digest = signing::base64(&signing::digest(signing::Hash::Sha1, MESSAGE.as_bytes()));
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!(
                "<ds:SignedInfo xmlns:ceb=\"http://www.chinaport.gov.cn/ceb\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\"></ds:SignatureMethod><ds:Reference URI=\"\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha1\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
            )
        );
    }

    /// Taking the signature out again gives the signed bytes back: the enveloped-signature transform.
    #[test]
    fn the_signature_envelops_the_message_and_changes_nothing_else() {
        let answer = Signature {
            value: "AAAA".to_owned(),
            cert_no: "03000000000abcde".to_owned(),
            certificate: "AAAA".to_owned(),
        };
        for (method, digest, length) in [
            ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1", 28),
            (
                "http://www.chinaport.gov.cn/2022/04/xmldsig#sm2-sm3",
                "http://www.chinaport.gov.cn/2022/04/xmldsig#sm3",
                44,
            ),
            // What a client in production was seen to send.
            ("http://www.w3.org/2000/09/xmldsig#sm2-sm3", "http://www.w3.org/2000/09/xmldsig#sha1", 28),
        ] {
            let signer = signer(method, digest);
            let signed = attach(&signer, MESSAGE, &answer).unwrap();
            let start = signed.find("<ds:Signature>").unwrap();
            let end = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
            assert_eq!(format!("{}{}", &signed[..start], &signed[end..]), MESSAGE);
            let value = signed.split("<ds:DigestValue>").nth(1).unwrap().split('<').next().unwrap();
            assert_eq!(value.len(), length, "{digest}");
            assert!(signed.contains(&format!("SignatureMethod Algorithm=\"{method}\"")));
        }
        assert!(Digest::of("http://www.w3.org/2001/04/xmlenc#sha256").is_err());
        let empty = Signature { value: String::new(), ..answer };
        let signer = signer("m", "http://www.w3.org/2000/09/xmldsig#sha1");
        assert!(attach(&signer, MESSAGE, &empty).is_err());
    }
}
