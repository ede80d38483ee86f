//! Who trades: addresses, parties, tax registrations, incoterms, and who collects which tax.

use serde::{Deserialize, Serialize};

use crate::{Country, Money};

/// A postal address. Fields are kept as the channel gave them; only the country is normalised.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Street lines, without blank ones.
    #[serde(default)]
    pub lines: Vec<String>,
    /// City or town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or county, as the channel writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// Country.
    pub country: Country,
    /// Telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// E-mail; many channels give a relay address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Address {
    /// An address of which only the country is known.
    #[must_use]
    pub fn in_country(country: Country) -> Address {
        Address {
            name: None,
            company: None,
            lines: Vec::new(),
            city: None,
            region: None,
            postcode: None,
            country,
            phone: None,
            email: None,
        }
    }
}

/// Personal data stays out of logs: only country and postcode area are shown.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({}, …)", self.country)
    }
}

/// A kind of tax registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxIdKind {
    /// EU Import One-Stop Shop number (Directive 2006/112/EC, art. 369p).
    Ioss,
    /// Economic Operators Registration and Identification number.
    Eori,
    /// VAT number.
    Vat,
    /// Norwegian VAT on E-Commerce.
    Voec,
    /// Goods and services tax number (AU ARN, NZ, SG).
    Gst,
    /// US employer identification number.
    Ein,
    /// Korean personal customs clearance code.
    Pccc,
    /// Brazilian CPF.
    Cpf,
    /// Chinese resident identity card number.
    ChineseId,
    /// Registration with Chinese customs (海关注册登记编号).
    ChineseCustoms,
    /// Anything else.
    Other,
}

/// A tax or customs registration number. Its debug form hides the number: some identify a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxId {
    /// What kind.
    pub kind: TaxIdKind,
    /// The number, as issued.
    pub value: String,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
}

impl std::fmt::Debug for TaxId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TaxId({:?}, …)", self.kind)
    }
}

/// The last four characters of a number, of a short one its second half: enough to tell two apart, not enough to use one.
#[must_use]
pub fn last_four(number: &str) -> String {
    let length = number.chars().count();
    let tail: String = number.chars().skip(length.saturating_sub(4).max(length.div_ceil(2))).collect();
    format!("…{tail}")
}

/// Delivery terms of Incoterms 2020 that parcels use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Incoterm {
    /// Delivered at place: the buyer pays import charges.
    #[serde(rename = "DAP")]
    Dap,
    /// Delivered duty paid: the seller does.
    #[serde(rename = "DDP")]
    Ddp,
}

impl Incoterm {
    /// The three letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Incoterm::Dap => "DAP",
            Incoterm::Ddp => "DDP",
        }
    }
}

/// Who owes a collected tax to the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxCollector {
    /// The seller must remit it.
    Seller,
    /// The marketplace remits it (deemed supplier, marketplace facilitator): never the seller's money.
    Marketplace,
    /// Collected at the border.
    Customs,
    /// The carrier advances and collects it.
    Carrier,
}

/// A kind of tax or duty in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxKind {
    /// VAT, GST, HST and their like.
    Vat,
    /// US-style sales tax.
    Sales,
    /// Customs duty.
    Duty,
    /// Excise or consumption tax.
    Excise,
    /// Another charge by an authority.
    Other,
}

/// A tax that was collected with an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedTax {
    /// Kind.
    pub kind: TaxKind,
    /// Amount, positive.
    pub amount: Money,
    /// Who owes it on.
    pub collector: TaxCollector,
    /// Part of the prices shown (European style) rather than on top of them.
    pub included: bool,
    /// The scheme under which it was collected: an IOSS number and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<TaxId>,
}
