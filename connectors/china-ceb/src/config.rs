//! Settings of an account: who we are to customs, and how goods, payment providers and carriers are registered there.

use std::collections::BTreeMap;

use serde::Deserialize;
use tradewind_connector::Error;
use url::Url;

/// A company with its customs registration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registered {
    /// Registration (海关注册登记编号), at most 18 characters.
    pub(crate) code: String,
    /// Name as registered, at most 100 characters.
    pub(crate) name: String,
}

/// The bonded zone and its book, for trade mode 1210.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bonded {
    /// Number of the book (账册编号).
    pub(crate) ems_no: String,
    /// Operator in the zone.
    pub(crate) area: Registered,
}

/// How goods of a commodity code are declared in China.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goods {
    /// Ten digits: eight of the tariff and two of customs.
    pub(crate) code: String,
    /// Name in Chinese.
    pub(crate) name: String,
    /// Specification (规格型号), as the declaration elements of the code demand.
    pub(crate) model: String,
    /// First legal unit of the tariff line: `035` kg, `011` pieces or `007` items.
    #[serde(default = "kilograms")]
    pub(crate) legal_unit: String,
    /// Second legal unit, where the line has one.
    #[serde(default)]
    pub(crate) second_unit: Option<String>,
}

fn kilograms() -> String {
    "035".to_owned()
}

/// A document of a filing that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Paper {
    /// CEB311.
    Order,
    /// CEB411.
    Payment,
    /// CEB511.
    Waybill,
    /// CEB621.
    Declaration,
}

/// Where signatures come from, and how they are named.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signer {
    /// Address of the signing service beside the key.
    pub(crate) endpoint: Url,
    /// `SignatureMethod`; what customs prefer when left out.
    #[serde(default = "sm2_sm3")]
    pub(crate) method: String,
    /// `DigestMethod`, ending in `#sm3` or `#sha1`.
    #[serde(default = "sm3")]
    pub(crate) digest: String,
}

fn sm2_sm3() -> String {
    "http://www.chinaport.gov.cn/2022/04/xmldsig#sm2-sm3".to_owned()
}
fn sm3() -> String {
    "http://www.chinaport.gov.cn/2022/04/xmldsig#sm3".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The HTTP bridge of the local E-port.
    pub(crate) endpoint: Url,
    /// Our id at the exchange platform.
    pub(crate) dxp_id: String,
    /// The platform of customs.
    #[serde(default = "import_platform")]
    pub(crate) receiver_id: String,
    /// The company of the connected client.
    pub(crate) client: Registered,
    /// The selling platform (电商平台).
    pub(crate) platform: Registered,
    /// The merchant (电商企业).
    pub(crate) merchant: Registered,
    /// The declarant (申报企业); the client when left out.
    #[serde(default)]
    pub(crate) agent: Option<Registered>,
    /// Who guarantees the taxes (担保企业); the merchant when left out.
    #[serde(default)]
    pub(crate) assure_code: Option<String>,
    /// Customs office of the declaration, four digits.
    pub(crate) customs_code: String,
    /// Port of entry; the office when left out.
    #[serde(default)]
    pub(crate) port_code: Option<String>,
    /// `1210` bonded stock, `9610` straight from abroad.
    pub(crate) trade_mode: String,
    /// Mode of transport, one character.
    pub(crate) traf_mode: String,
    /// Facts of the bonded zone.
    #[serde(default)]
    pub(crate) bonded: Option<Bonded>,
    /// Which documents we send. The payment is the payment company's to send, the waybill the carrier's, unless they
    /// have entrusted us.
    #[serde(default = "order_and_declaration")]
    pub(crate) documents: Vec<Paper>,
    /// Unit of sale: `011` pieces, `007` items.
    #[serde(default = "pieces")]
    pub(crate) unit: String,
    /// Payment providers by our name of them.
    #[serde(default)]
    pub(crate) payment: BTreeMap<String, Registered>,
    /// Carriers by our name of them.
    #[serde(default)]
    pub(crate) carrier: BTreeMap<String, Registered>,
    /// Goods by the beginning of their commodity code; the longest that fits is taken.
    #[serde(default)]
    pub(crate) goods: BTreeMap<String, Goods>,
    /// The signing service.
    pub(crate) signer: Signer,
}

fn import_platform() -> String {
    // Seen as the sender of receipts, not in the specification: UNVERIFIED.
    "DXPEDCCEB0000002".to_owned()
}
fn order_and_declaration() -> Vec<Paper> {
    vec![Paper::Order, Paper::Declaration]
}
fn pieces() -> String {
    "011".to_owned()
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bad = |text: String| Err(Error::config(text));
        // TransInfo of the envelope: at most 16 characters.
        for (name, value) in [("dxp_id", &self.dxp_id), ("receiver_id", &self.receiver_id)] {
            if value.is_empty() || value.len() > 16 {
                return bad(format!("{name} must have 1 to 16 characters"));
            }
        }
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        for (name, value) in [("customs_code", self.customs_code.as_str()), ("port_code", self.port())] {
            if !digits(value, 4) {
                return bad(format!("{name} = \"{value}\": customs offices have 4 digits (JGS/T 18)"));
            }
        }
        match (self.trade_mode.as_str(), &self.bonded) {
            ("1210", None) => return bad("trade_mode 1210 needs bonded = { ems_no, area }".to_owned()),
            ("1210", Some(_)) | ("9610", None) => {}
            ("9610", Some(_)) => {
                return bad("trade_mode 9610 has no bonded zone: leave `bonded` out".to_owned());
            }
            (other, _) => {
                return bad(format!("trade_mode = \"{other}\": this connector files 1210 and 9610"));
            }
        }
        if self.traf_mode.chars().count() != 1 {
            return bad(format!("traf_mode = \"{}\": one character", self.traf_mode));
        }
        if !self.documents.contains(&Paper::Declaration) {
            return bad("documents must contain \"declaration\"".to_owned());
        }
        for (hs, goods) in &self.goods {
            if !digits(&goods.code, 10) {
                return bad(format!("goods.{hs}: code = \"{}\": customs wants 10 digits", goods.code));
            }
            for unit in std::iter::once(&goods.legal_unit).chain(&goods.second_unit) {
                if !["035", "011", "007"].contains(&unit.as_str()) {
                    return bad(format!(
                        "goods.{hs}: legal unit \"{unit}\": a quantity can be given in 035 (kg), 011 (pieces) or 007 (items)"
                    ));
                }
            }
        }
        crate::sign::Digest::of(&self.signer.digest).map(|_| ())
    }

    /// The declarant.
    pub(crate) fn agent(&self) -> &Registered {
        self.agent.as_ref().unwrap_or(&self.client)
    }

    /// The guarantor.
    pub(crate) fn guarantor(&self) -> &str {
        self.assure_code.as_deref().unwrap_or(&self.merchant.code)
    }

    /// The port of entry.
    pub(crate) fn port(&self) -> &str {
        self.port_code.as_deref().unwrap_or(&self.customs_code)
    }

    /// How goods of a code are declared.
    pub(crate) fn goods(&self, hs: &str) -> Option<&Goods> {
        self.goods
            .iter()
            .filter(|(prefix, _)| hs.starts_with(prefix.as_str()))
            .max_by_key(|(p, _)| p.len())
            .map(|(_, g)| g)
    }
}
