//! Signatures of all families that channels use. Pure functions over bytes; keys are passed in.
//!
//! [`params`] serves the signers over sorted parameters (Alibaba's and its relatives), [`keys`] the asymmetric
//! ones. This module holds what both need: digests, keyed digests, comparison in constant time.

pub mod keys;
pub mod params;

use aws_lc_rs as lc;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Digest;
use subtle::ConstantTimeEq;

use crate::error::Error;

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// MD5. Broken; some channels know nothing else.
    Md5,
    /// SHA-1. Broken; some channels know nothing else.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The digest of some bytes.
#[must_use]
pub fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Md5 => md5::Md5::digest(bytes).to_vec(),
        Hash::Sha1 => lc::digest::digest(&lc::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec(),
        Hash::Sha256 => lc::digest::digest(&lc::digest::SHA256, bytes).as_ref().to_vec(),
        Hash::Sha512 => lc::digest::digest(&lc::digest::SHA512, bytes).as_ref().to_vec(),
    }
}

/// A UUID made from a text: the same text, the same UUID, in every process. Version 8 (RFC 9562 §5.8), lower case.
#[must_use]
pub fn uuid8(text: &str) -> String {
    let mut bytes = digest(Hash::Sha256, text.as_bytes());
    bytes.truncate(16);
    if let [_, _, _, _, _, _, version, _, variant, ..] = bytes.as_mut_slice() {
        *version = (*version & 0x0f) | 0x80;
        *variant = (*variant & 0x3f) | 0x80;
    }
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The keyed digest (HMAC, RFC 2104) of some bytes.
#[must_use]
pub fn hmac(hash: Hash, key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        // A digest that the library for the others does not have any more.
        Hash::Md5 => {
            // HMAC takes keys of every length; the error type only exists for other MACs.
            return Hmac::<md5::Md5>::new_from_slice(key)
                .map_or_else(|_| Vec::new(), |mac| mac.chain_update(bytes).finalize().into_bytes().to_vec());
        }
        Hash::Sha1 => lc::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => lc::hmac::HMAC_SHA256,
        Hash::Sha512 => lc::hmac::HMAC_SHA512,
    };
    lc::hmac::sign(&lc::hmac::Key::new(algorithm, key), bytes).as_ref().to_vec()
}

/// Equal? In a time that does not depend on where they differ. Different lengths are unequal, empty never equal.
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    !left.is_empty() && left.len() == right.len() && bool::from(left.ct_eq(right))
}

/// Standard base64 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// From standard base64.
///
/// # Errors
/// Not base64.
pub fn from_base64(text: &str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text.trim()).map_err(|_| Error::decode("a base64 text"))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2];
    let written = ::hex::encode_to_slice(bytes, &mut text);
    // The library's own step into a text goes from character to character.
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_else(|| ::hex::encode(bytes))
}

/// Checks a webhook whose header carries base64(HMAC-SHA256(secret, body)): Shopify, WooCommerce, Adyen.
#[must_use]
pub fn hmac_sha256_base64_matches(secret: &[u8], body: &[u8], given: &str) -> bool {
    from_base64(given).is_ok_and(|g| equal(&hmac(Hash::Sha256, secret, body), &g))
}

/// An RFC 9530 `Content-Digest` value: `sha-256=:…:`.
#[must_use]
pub fn content_digest_sha256(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64(&digest(Hash::Sha256, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_their_standards() {
        // RFC 1321 A.5, FIPS 180-4 examples for "abc".
        assert_eq!(hex(&digest(Hash::Md5, b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&digest(Hash::Sha1, b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex(&digest(Hash::Sha256, b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        // RFC 4231 test case 2.
        assert_eq!(
            hex(&hmac(Hash::Sha256, b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_uuid_of_a_text() {
        // SHA-256 of "abc" as above, its first 16 bytes, with 8 as the version and 10 as the variant's bits: cfea → 8fea,
        // 4141 → 8141.
        assert_eq!(uuid8("abc"), "ba7816bf-8f01-8fea-8141-40de5dae2223");
    }

    #[test]
    fn webhook_vectors() {
        let body = br#"{"id":623721858,"status":"paid"}"#;
        assert!(hmac_sha256_base64_matches(
            b"shpss_test",
            body,
            "ewqnnEYe22t6QuHaq5DRbk+RFfA4GIh7DU5KNJN0NzM="
        ));
        assert!(!hmac_sha256_base64_matches(
            b"shpss_test",
            b"{}",
            "ewqnnEYe22t6QuHaq5DRbk+RFfA4GIh7DU5KNJN0NzM="
        ));
        assert!(!hmac_sha256_base64_matches(b"shpss_test", body, ""));
        // Stripe: hex(HMAC-SHA256(secret, "t.body")).
        let payload = br#"1767225600.{"id":"evt_1","object":"event","type":"payout.paid"}"#;
        assert_eq!(
            hex(&hmac(Hash::Sha256, b"whsec_entrepot_test_secret", payload)),
            "109123eea9ec2d2504585c9e3b729aa47e0a0cbd09dd9d572f8fddd1fef57384"
        );
        // Adyen: the key is hexadecimal, the data joined by colons.
        let key = ::hex::decode("44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056").unwrap();
        let data = b"7914073381342284::TestMerchant:TestPayment-1407325143704:1130:EUR:AUTHORISATION:true";
        assert_eq!(base64(&hmac(Hash::Sha256, &key, data)), "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=");
    }
}
