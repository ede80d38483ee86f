//! Signatures over sorted parameters: one signer for the families of the Chinese and South-East Asian
//! platforms. A family is a value of [`ParamSigner`]; a new one is a new constant, not new code.
//!
//! Rules that all share: keys are sorted as bytes, empty values are left out, values are signed as they are
//! before they are escaped, and what is signed is what is sent.

use super::{Hash, base64, digest, hex, hmac};

/// How the digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Lower-case hexadecimal.
    LowerHex,
    /// Upper-case hexadecimal.
    UpperHex,
    /// Base64.
    Base64,
}

/// Where the secret goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// Before and after the base string, which is then digested.
    Wrapped,
    /// Key of an HMAC over the base string.
    Keyed,
    /// Both.
    WrappedAndKeyed,
    /// Behind the base string, after this separator; then digested.
    Appended(&'static str),
}

/// How pairs are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// `k1v1k2v2`
    Plain,
    /// `k1=v1&k2=v2`
    Query,
}

/// A family of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamSigner {
    /// How pairs are joined.
    pub pairs: Pairs,
    /// Where the secret goes.
    pub secret: Secret,
    /// Digest.
    pub hash: Hash,
    /// Output.
    pub text: Text,
    /// Sort the joined pairs instead of the keys (1688).
    pub sort_joined: bool,
}

/// Taobao/Tmall `sign_method=md5`, JD, Pinduoduo, Temu, Dangdang (family A).
pub const TOP_MD5: ParamSigner = ParamSigner {
    pairs: Pairs::Plain,
    secret: Secret::Wrapped,
    hash: Hash::Md5,
    text: Text::UpperHex,
    sort_joined: false,
};
/// Taobao/Tmall `sign_method=hmac` (family A′).
pub const TOP_HMAC_MD5: ParamSigner = ParamSigner {
    pairs: Pairs::Plain,
    secret: Secret::Keyed,
    hash: Hash::Md5,
    text: Text::UpperHex,
    sort_joined: false,
};
/// Lazada, AliExpress, Alibaba.com and Taobao's `hmac-sha256` (family B).
pub const IOP_SHA256: ParamSigner = ParamSigner {
    pairs: Pairs::Plain,
    secret: Secret::Keyed,
    hash: Hash::Sha256,
    text: Text::UpperHex,
    sort_joined: false,
};
/// TikTok Shop (family C).
pub const TIKTOK: ParamSigner = ParamSigner {
    pairs: Pairs::Plain,
    secret: Secret::WrappedAndKeyed,
    hash: Hash::Sha256,
    text: Text::LowerHex,
    sort_joined: false,
};
/// Kuaishou `MD5` (family F).
pub const KUAISHOU_MD5: ParamSigner = ParamSigner {
    pairs: Pairs::Query,
    secret: Secret::Appended("&signSecret="),
    hash: Hash::Md5,
    text: Text::LowerHex,
    sort_joined: false,
};
/// 1688 `param2` gateway (family H).
pub const PARAM2_SHA1: ParamSigner = ParamSigner {
    pairs: Pairs::Plain,
    secret: Secret::Keyed,
    hash: Hash::Sha1,
    text: Text::UpperHex,
    sort_joined: true,
};
/// WeChat Pay v2: `k=v&…&key=secret`, MD5.
pub const WECHAT_V2_MD5: ParamSigner = ParamSigner {
    pairs: Pairs::Query,
    secret: Secret::Appended("&key="),
    hash: Hash::Md5,
    text: Text::UpperHex,
    sort_joined: false,
};
/// Alipay legacy MAPI: `k=v&…` + secret, MD5.
pub const ALIPAY_MAPI_MD5: ParamSigner = ParamSigner {
    pairs: Pairs::Query,
    secret: Secret::Appended(""),
    hash: Hash::Md5,
    text: Text::LowerHex,
    sort_joined: false,
};

impl ParamSigner {
    /// The string to sign: `prefix` (a path, where the family has one), the pairs, `suffix` (a body).
    #[must_use]
    pub fn base(&self, prefix: &str, params: &[(String, String)], suffix: &str) -> String {
        let mut pairs: Vec<&(String, String)> =
            params.iter().filter(|(k, v)| !k.is_empty() && !v.is_empty()).collect();
        pairs.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let joined: Vec<String> = pairs
            .iter()
            .map(|(k, v)| match self.pairs {
                Pairs::Plain => format!("{k}{v}"),
                Pairs::Query => format!("{k}={v}"),
            })
            .collect();
        let mut joined = joined;
        if self.sort_joined {
            joined.sort_unstable();
        }
        let separator = if self.pairs == Pairs::Query { "&" } else { "" };
        format!("{prefix}{}{suffix}", joined.join(separator))
    }

    /// The signature of a base string.
    #[must_use]
    pub fn sign(&self, secret: &str, base: &str) -> String {
        let bytes = match self.secret {
            Secret::Wrapped => digest(self.hash, format!("{secret}{base}{secret}").as_bytes()),
            Secret::Keyed => hmac(self.hash, secret.as_bytes(), base.as_bytes()),
            Secret::WrappedAndKeyed => {
                hmac(self.hash, secret.as_bytes(), format!("{secret}{base}{secret}").as_bytes())
            }
            Secret::Appended(separator) => digest(self.hash, format!("{base}{separator}{secret}").as_bytes()),
        };
        match self.text {
            Text::LowerHex => hex(&bytes),
            Text::UpperHex => hex(&bytes).to_uppercase(),
            Text::Base64 => base64(&bytes),
        }
    }
}

#[cfg(test)]
mod tests;
