//! Importers: what channels, payment providers, carriers and banks send, read into one vocabulary.
//!
//! This is the room where foreign formats end. Behind it nothing knows what a backtick or an implied decimal is.
//! [`read_file`] takes one document of one provider, [`read_dir`] a folder of `settlements/<provider>/…`; both give
//! [`Document`]s. The rules of the house:
//!
//! - **A document is taken whole or refused whole** ([`Refusal`]), and it is refused when its lines do not sum to its own
//!   total, when it was cut off, or when it is not what the provider publishes.
//! - Nothing is guessed: a decimal mark is proven by the sum, a sign comes from the provider's own column, a scale from the
//!   provider and the channel, a zone from the document, the provider's rule or the sidecar.
//! - Codes stay the provider's own words; the tables in `config/fees` read them, and an unknown one does not stop anything.
//! - Input is untrusted: text is decoded strictly, archives unpack within bounds, XML expands no entity, rows and lines have a
//!   largest size, and a file is read as a stream.

mod adyen;
mod alipay;
mod amazon;
mod amount;
mod bank;
mod camt;
mod carrier;
mod cn;
mod codes;
mod dir;
mod ebay;
mod error;
mod json;
mod number;
mod paypal;
mod row;
mod shopify;
mod sidecar;
mod source;
mod stripe;
mod table;
mod text;
mod time;
mod wechat;

use std::fmt;
use std::io::{Cursor, Read};
use std::str::FromStr;

use foldhash::{HashMap, HashMapExt};

pub use codes::{Class, CodeTable, Deferred, StatementKind, Traits};
pub(crate) use codes::{tables, traits};
pub use dir::{Import, ImportedFile, read_dir};
pub use error::{Footing, ImportResult, Refusal, RefusalKind};
pub(crate) use number::parse as read_number;
pub use number::{Mark, excel_mangled};
pub use row::{Bank, Carrier, Document, Out, Stmt, Tx};
pub use sidecar::Sidecar;
pub use text::TextReader;
pub(crate) use time::zone;
pub use time::{DayOrder, Moment};

use source::{Bounded, Shape};

/// Whose documents an importer reads. The names are those of the folders and of `provider` in the normalised files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Provider {
    /// Amazon settlements and financial event groups.
    Amazon,
    /// eBay Finances.
    Ebay,
    /// Shopify Payments.
    Shopify,
    /// PayPal reports and Transaction Search.
    Paypal,
    /// Stripe reports and API.
    Stripe,
    /// Adyen settlement detail.
    Adyen,
    /// WeChat Pay bills.
    Wechatpay,
    /// Alipay bills.
    Alipay,
    /// AliExpress: movements of its interface alone, there is no document to import.
    Aliexpress,
    /// Carriers' duty and tax invoices.
    Carrier,
    /// Bank statements.
    Bank,
}

impl Provider {
    /// All, in the order of their names' declaration.
    pub const ALL: [Provider; 11] = [
        Provider::Amazon,
        Provider::Ebay,
        Provider::Shopify,
        Provider::Paypal,
        Provider::Stripe,
        Provider::Adyen,
        Provider::Wechatpay,
        Provider::Alipay,
        Provider::Aliexpress,
        Provider::Carrier,
        Provider::Bank,
    ];

    /// The name in folders and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Provider::Amazon => "amazon",
            Provider::Ebay => "ebay",
            Provider::Shopify => "shopify",
            Provider::Paypal => "paypal",
            Provider::Stripe => "stripe",
            Provider::Adyen => "adyen",
            Provider::Wechatpay => "wechatpay",
            Provider::Alipay => "alipay",
            Provider::Aliexpress => "aliexpress",
            Provider::Carrier => "carrier",
            Provider::Bank => "bank",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Provider {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Provider::ALL.into_iter().find(|p| p.name() == s).ok_or_else(|| {
            let known: Vec<&str> = Provider::ALL.iter().map(|p| p.name()).collect();
            Refusal::unsupported(format!("no importer for '{s}': known are {}", known.join(", ")))
        })
    }
}

/// Reads one document of a provider: a file as downloaded (also zipped or gzipped), an export, or API answers.
///
/// The gateway's `settle` hands over what a connector fetched; the folder reader hands over files. Which of the provider's
/// formats it is, the content says.
///
/// # Errors
/// The document is refused whole: see [`RefusalKind`].
pub fn read_file<R: Read>(provider: Provider, source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    read_nested(provider, Box::new(Bounded::new(source, source::MAX_DOCUMENT, "the file")), sidecar, 0)
}

/// [`read_file`] over bytes in memory.
///
/// # Errors
/// As [`read_file`].
pub fn read_bytes(provider: Provider, bytes: &[u8], sidecar: &Sidecar) -> ImportResult<Document> {
    read_file(provider, Cursor::new(bytes), sidecar)
}

fn read_nested(
    provider: Provider,
    mut source: Box<dyn Read + '_>,
    sidecar: &Sidecar,
    depth: u8,
) -> ImportResult<Document> {
    let mut head = vec![0_u8; 4096];
    let mut n = 0;
    while let Some(rest) = head.get_mut(n..).filter(|r| !r.is_empty()) {
        match source.read(rest)? {
            0 => break,
            k => n += k,
        }
    }
    head.truncate(n);
    if n == 0 {
        return Err(Refusal::unsupported("the file is empty"));
    }
    let shape = source::shape(&head);
    let whole = Cursor::new(head).chain(source);
    match shape {
        Shape::Zip | Shape::Gzip if depth > 0 => {
            Err(Refusal::new(RefusalKind::TooLarge, 0, "an archive within an archive is not unpacked"))
        }
        Shape::Gzip => {
            let inner = flate2::read::MultiGzDecoder::new(whole);
            read_nested(
                provider,
                Box::new(Bounded::new(inner, source::MAX_DOCUMENT, "the unpacked file")),
                sidecar,
                1,
            )
        }
        Shape::Zip => {
            let mut all = Document::default();
            let mut read = 0;
            source::unzip(whole, &mut |name, entry| {
                // The summary beside a detail file repeats its totals.
                if name.contains("汇总") {
                    return Ok(());
                }
                read += 1;
                let document = read_nested(provider, entry, sidecar, 1).map_err(|mut r| {
                    r.message = format!("{name}: {}", r.message);
                    r
                })?;
                all.append(document);
                Ok(())
            })?;
            if read == 0 {
                return Err(Refusal::unsupported("the archive holds no document"));
            }
            Ok(all)
        }
        shape => {
            let mut document = plain(provider, shape, whole, sidecar)?;
            document.finish(provider);
            Ok(document)
        }
    }
}

fn plain<R: Read>(provider: Provider, shape: Shape, source: R, sidecar: &Sidecar) -> ImportResult<Document> {
    // JSON is UTF-8; editors put a mark before it, or save it as UTF-16.
    let json = |source: R| TextReader::new(source, encoding_rs::UTF_8);
    match (provider, shape) {
        (Provider::Amazon, Shape::Json) => amazon::event_groups(json(source)),
        (Provider::Amazon, Shape::Text) => amazon::flat_file(source, sidecar),
        (Provider::Ebay, Shape::Json) => ebay::answers(json(source), sidecar),
        (Provider::Shopify, Shape::Json) => shopify::answers(json(source), sidecar),
        (Provider::Paypal, Shape::Json) => paypal::search(json(source), sidecar),
        (Provider::Paypal, Shape::Text) => paypal::report(source, sidecar),
        (Provider::Stripe, Shape::Json) => stripe::api(json(source), sidecar),
        (Provider::Stripe, Shape::Text) => stripe::report(source, sidecar),
        (Provider::Adyen, Shape::Text) => adyen::settlement_detail(source, sidecar),
        (Provider::Wechatpay, Shape::Text) => wechat::bill(source, sidecar),
        (Provider::Alipay, Shape::Text) => alipay::bill(source, sidecar),
        (Provider::Carrier, Shape::Text) => carrier::invoice(source, sidecar),
        (Provider::Bank, Shape::Xml) => camt::statement(source, sidecar),
        (Provider::Bank, Shape::Mt940) => bank::mt940(source, sidecar),
        (Provider::Bank, Shape::Text) => bank::csv(source, sidecar),
        (provider, shape) => {
            let what = match shape {
                Shape::Json => "JSON",
                Shape::Xml => "XML",
                Shape::Mt940 => "an MT940 message",
                _ => "text",
            };
            Err(Refusal::unsupported(format!("{what} is not a format of {provider} that an importer reads")))
        }
    }
}

impl Document {
    fn append(&mut self, other: Document) {
        self.account = self.account.take().or(other.account);
        self.transactions.extend(other.transactions);
        self.statements.extend(other.statements);
        self.payouts.extend(other.payouts);
        self.bank.extend(other.bank);
        self.carrier.extend(other.carrier);
        self.warnings.extend(other.warnings);
    }

    /// Makes the ids of different rows unique within the document: they are numbered in the order of their content, so that the order of
    /// rows in the file does not matter. Rows that are equal in everything keep one id, unless the provider's can be real
    /// ([`Traits::repeats`]): whether the copy counts is decided where all documents are known, by the statement's total or as a
    /// `DUPLICATE`. Where an id is of one row ([`Traits::own_ids`]), another content under it is a `CONFLICT`.
    fn finish(&mut self, provider: Provider) {
        let of = traits(provider);
        if of.own_ids {
            return;
        }
        let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, tx) in self.transactions.iter().enumerate() {
            by_id.entry(tx.id.clone()).or_default().push(i);
        }
        for (id, at) in by_id {
            if at.len() < 2 {
                continue;
            }
            let mut rows: Vec<(usize, _)> = at
                .into_iter()
                .filter_map(|i| self.transactions.get(i).map(|t| (i, t)))
                .map(|(i, t)| {
                    let net = t.net.map(tradewind_domain::Money::minor);
                    (i, (t.occurred.at, t.amount.minor(), net, t.order.clone(), format!("{t:?}")))
                })
                .collect();
            rows.sort_by(|a, b| a.1.cmp(&b.1));
            let mut n = 0;
            let mut before = None;
            for (i, content) in rows {
                if of.repeats || before.as_ref() != Some(&content) {
                    n += 1;
                }
                if let Some(tx) = self.transactions.get_mut(i).filter(|_| n > 1) {
                    tx.id = format!("{id}#{n}");
                }
                before = Some(content);
            }
        }
    }
}
