//! Asymmetric signatures: RSA (PKCS #1 v1.5 and PSS), Ed25519, ECDSA — all through aws-lc-rs. The `rsa` crate
//! is banned (RUSTSEC-2023-0071). aws-lc-rs refuses RSA keys below 2048 bits, which some old Asian channel
//! accounts still hold: such a key must be renewed at the channel.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, Ed25519KeyPair, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm};
use secrecy::{ExposeSecret, SecretString};

use super::from_base64;
use crate::error::Error;

/// An RSA private key.
pub struct RsaKey(RsaKeyPair);

/// The text of a PEM block, or bare base64, as DER bytes.
///
/// # Errors
/// Neither of the two.
pub fn der(text: &str) -> Result<Vec<u8>, Error> {
    let body: String = text
        .lines()
        .filter(|l| !l.starts_with("-----"))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    from_base64(&body).map_err(|_| Error::config("a key must be PEM text or bare base64 DER"))
}

impl RsaKey {
    /// From PKCS #8, as PEM or bare base64.
    ///
    /// # Errors
    /// Not such a key, or shorter than 2048 bits.
    pub fn from_pkcs8(text: &SecretString) -> Result<RsaKey, Error> {
        let bytes = der(text.expose_secret())?;
        RsaKeyPair::from_pkcs8(&bytes).map(RsaKey).map_err(|e| {
            Error::config(format!("RSA private key (PKCS #8, at least 2048 bits) not usable: {e}"))
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256: WeChat Pay v3, Alipay RSA2, Walmart, Antom.
    ///
    /// # Errors
    /// The key failed.
    pub fn sign_pkcs1_sha256(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign(&signature::RSA_PKCS1_SHA256, message)
    }

    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes: Amazon Pay v2.
    ///
    /// # Errors
    /// The key failed.
    pub fn sign_pss_sha256(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign(&signature::RSA_PSS_SHA256, message)
    }

    fn sign(&self, padding: &'static dyn signature::RsaEncoding, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(padding, &SystemRandom::new(), message, &mut out)
            .map_err(|_| Error::config("the RSA key could not sign"))?;
        Ok(out)
    }
}

/// An Ed25519 private key: eBay's digital signatures.
pub struct Ed25519Key(Ed25519KeyPair);

impl Ed25519Key {
    /// From PKCS #8, as PEM or bare base64.
    ///
    /// # Errors
    /// Not such a key.
    pub fn from_pkcs8(text: &SecretString) -> Result<Ed25519Key, Error> {
        let bytes = der(text.expose_secret())?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes)
            .map(Ed25519Key)
            .map_err(|e| Error::config(format!("Ed25519 private key (PKCS #8) not usable: {e}")))
    }

    /// Signs (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// A signature scheme to verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 8192 bits.
    RsaPkcs1Sha256,
    /// RSASSA-PSS with SHA-256.
    RsaPssSha256,
    /// ECDSA on P-256 with SHA-256, signature in ASN.1.
    EcdsaP256Sha256,
    /// ECDSA on P-256 with SHA-1, signature in ASN.1. Broken digest; eBay's notifications use it.
    EcdsaP256Sha1,
    /// Ed25519.
    Ed25519,
}

/// Whether `signature` over `message` is by the owner of the public key (X.509 SubjectPublicKeyInfo DER, or
/// the raw form of its algorithm).
#[must_use]
pub fn verify(scheme: Scheme, public_key: &[u8], message: &[u8], signature_bytes: &[u8]) -> bool {
    let check = |alg: &'static dyn VerificationAlgorithm| {
        UnparsedPublicKey::new(alg, public_key).verify(message, signature_bytes).is_ok()
    };
    match scheme {
        Scheme::RsaPkcs1Sha256 => check(&signature::RSA_PKCS1_2048_8192_SHA256),
        Scheme::RsaPssSha256 => check(&signature::RSA_PSS_2048_8192_SHA256),
        Scheme::EcdsaP256Sha256 => check(&signature::ECDSA_P256_SHA256_ASN1),
        Scheme::EcdsaP256Sha1 => check(&signature::ECDSA_P256_SHA1_ASN1),
        Scheme::Ed25519 => check(&signature::ED25519),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signing vectors live beside the project; without them these checks are skipped, and say so.
    fn vectors() -> Option<(serde_json::Value, SecretString, Vec<u8>)> {
        let text = |name: &str| tradewind_material::sample(&format!("signing-vectors/{name}"));
        let json = text("vectors.json")?;
        let key = text("test-rsa2048-pkcs8-der.base64.txt")?;
        let public = text("test-rsa2048-public.pem")?;
        Some((serde_json::from_str(&json).unwrap(), SecretString::from(key), der(&public).unwrap()))
    }

    #[test]
    fn rsa_vectors() {
        let Some((v, key, public)) = vectors() else { return };
        let key = RsaKey::from_pkcs8(&key).unwrap();
        let text = |a: &str, b: &str| v[a][b].as_str().unwrap().to_owned();
        // PKCS #1 v1.5 is deterministic: bytes must be equal.
        for (case, message, signature) in [
            ("wechat_v3_request", "message", "signature"),
            ("alipay_rsa2_request", "string", "sign"),
            ("antom_request", "content", "signature_b64"),
        ] {
            let (message, wanted) = (text(case, message), text(case, signature));
            let made = key.sign_pkcs1_sha256(message.as_bytes()).unwrap();
            assert_eq!(super::super::base64(&made), wanted, "{case}");
            assert!(verify(Scheme::RsaPkcs1Sha256, &public, message.as_bytes(), &made));
            assert!(!verify(Scheme::RsaPkcs1Sha256, &public, b"other", &made));
        }
        // PSS is randomised: ours and theirs must both verify.
        let message = text("amazon_pay_v2", "string_to_sign");
        let theirs = from_base64(&text("amazon_pay_v2", "sample_signature_random_salt")).unwrap();
        assert!(verify(Scheme::RsaPssSha256, &public, message.as_bytes(), &theirs));
        let ours = key.sign_pss_sha256(message.as_bytes()).unwrap();
        assert!(verify(Scheme::RsaPssSha256, &public, message.as_bytes(), &ours));
    }

    #[test]
    fn ecdsa_with_sha1_verifies_a_published_vector() {
        // The valid case of eBay's event notification SDK (Apache-2.0); body of 434 bytes.
        let key = der("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/upAa/vKIKheOoCyOpcLmi4t0b4uepb7LLjmMr90FUg==").unwrap();
        let body = br#"{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":{"notificationId":"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d","eventDate":"2021-03-19T20:43:59.462Z","publishDate":"2021-03-19T20:43:59.679Z","publishAttemptCount":1,"data":{"username":"test_user","userId":"ma8vp1jySJC","eiasToken":"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="}}}"#;
        let signature = from_base64("MEYCIQCfxfIWuxmWcIBQJ9c5/X7iGDJqs2RCGsBEaAjinyrrfAIhAIV6wGcTiBuV5KJUif2hokyrL+Q9ssHkad+mx2nEE25w").unwrap();
        assert!(verify(Scheme::EcdsaP256Sha1, &key, body, &signature));
        assert!(!verify(Scheme::EcdsaP256Sha1, &key, &body[1..], &signature));
        assert!(!verify(Scheme::EcdsaP256Sha256, &key, body, &signature));
    }

    #[test]
    fn a_bad_key_is_a_clear_error() {
        let Err(e) = RsaKey::from_pkcs8(&SecretString::from("not a key!".to_owned())) else {
            panic!("accepted")
        };
        assert!(e.to_string().contains("PEM"));
        let Err(e) = RsaKey::from_pkcs8(&SecretString::from("AAAA".to_owned())) else { panic!("accepted") };
        assert!(e.to_string().contains("2048"));
    }
}
