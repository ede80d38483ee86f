//! The mailbox at the bridge: receipts and tax bills.

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use tradewind_connector::role::{Receipts, TaxBills};
use tradewind_connector::{
    CallCx, Cursor, Error, Facet, OpCx, OpSpec, Operation, Page, Priority, Safety, WireRequest, WireResponse,
    signing,
};
use tradewind_domain::{CustomsReceipt, Declaration, FiledDocument, TaxBill};

use crate::config::Settings;
use crate::receipts::Answer;
use crate::{ChinaCeb, bills, envelope, receipts};

/// Most messages of one answer.
const PAGE: u32 = 100;
/// Our code of an envelope that cannot be read.
const UNREADABLE: &str = "unreadable";

const LIKE: OpSpec = OpSpec {
    name: "receipts.poll",
    facet: Facet::Receipts,
    safety: Safety::Read,
    priority: Priority::Orders,
    buckets: &["receipts"],
    keep: true,
    doc: "interface specification 202205, section 3; the bridge is a vendor's (fact sheet, section 14)",
};
static POLL: OpSpec = LIKE;
static OF: OpSpec = OpSpec { name: "receipts.of", ..LIKE };
static BILLS: OpSpec = OpSpec { name: "tax_bills.of", facet: Facet::TaxBills, ..LIKE };

/// What is asked of the mailbox.
struct Ask {
    /// Position after which messages are wanted.
    after: u64,
    /// Only messages about this order.
    order: Option<String>,
}

/// Messages, and the position of the last one.
#[derive(Debug, Deserialize)]
struct Mail {
    last: u64,
    messages: Vec<String>,
}

struct Read<'a> {
    settings: &'a Settings,
    spec: &'static OpSpec,
}

impl Operation for Read<'_> {
    type In = Ask;
    type Out = Mail;
    fn spec(&self) -> &OpSpec {
        self.spec
    }
    fn encode(&self, _: &OpCx<'_>, ask: &Ask) -> Result<WireRequest, Error> {
        Ok(WireRequest::new(Method::GET, &self.settings.endpoint, "/receipts")?
            .query("after", ask.after.to_string())
            .query("limit", PAGE.to_string())
            .query_opt("orderNo", ask.order.as_deref()))
    }
    fn decode(&self, _: &OpCx<'_>, ask: &Ask, response: &WireResponse) -> Result<Mail, Error> {
        let mail: Mail = response.json()?;
        if mail.last < ask.after {
            return Err(Error::decode(format!("the mailbox went back from {} to {}", ask.after, mail.last)));
        }
        Ok(mail)
    }
}

impl ChinaCeb {
    /// All envelopes about an order.
    async fn about(&self, spec: &'static OpSpec, cx: &CallCx, order: &str) -> Result<Vec<String>, Error> {
        let read = Read { settings: &self.settings, spec };
        let mut texts = Vec::new();
        let mut after = 0;
        loop {
            let mail = self.pipeline.call(&read, &Ask { after, order: Some(order.to_owned()) }, cx).await?;
            if mail.messages.is_empty() {
                return Ok(texts);
            }
            if mail.last == after {
                return Err(Error::decode("the mailbox gives messages and does not move on"));
            }
            after = mail.last;
            texts.extend(mail.messages);
        }
    }

    /// Answers in an envelope. What cannot be read, the whole or one of its answers, must not block what is behind it: it becomes
    /// an answer that says so, and its bytes are kept with the page.
    fn open_envelope(&self, text: &str) -> Vec<CustomsReceipt> {
        let read =
            envelope::unwrap(text).and_then(|business| receipts::read(&business, self.pipeline.errors()));
        match read {
            Ok(found) => self.readable(text, found.unwrap_or_default()),
            Err(e) => self.readable(text, vec![Err(e)]),
        }
    }

    /// The answers of a message, those that cannot be read as answers that say so.
    fn readable(&self, text: &str, found: Vec<Answer>) -> Vec<CustomsReceipt> {
        let found = found.into_iter().enumerate();
        found.map(|(n, answer)| answer.unwrap_or_else(|e| self.unreadable(text, n, &e))).collect()
    }

    /// `n`: which of the answers in the message it is.
    fn unreadable(&self, text: &str, n: usize, why: &Error) -> CustomsReceipt {
        let digest = signing::hex(&signing::digest(signing::Hash::Sha256, text.as_bytes()));
        // The first is known by the message alone, as a message is of which nothing can be read.
        let own = if n == 0 { String::new() } else { format!("/{n}") };
        CustomsReceipt {
            declaration: None,
            authority_ref: None,
            document: FiledDocument::Other,
            key: format!("{UNREADABLE}/{digest}{own}"),
            reference: digest,
            code: UNREADABLE.to_owned(),
            message: why.to_string(),
            state: None,
            at: self.pipeline.now(),
        }
    }
}

#[async_trait]
impl Receipts for ChinaCeb {
    async fn poll(&self, cx: &CallCx, cursor: Option<&Cursor>) -> Result<Page<CustomsReceipt>, Error> {
        let after = match cursor {
            None => 0,
            Some(Cursor(text)) => text
                .parse()
                .map_err(|_| Error::config(format!("cursor '{text}' is no position of the mailbox")))?,
        };
        let read = Read { settings: &self.settings, spec: &POLL };
        let mail = self.pipeline.call(&read, &Ask { after, order: None }, cx).await?;
        let items = mail.messages.iter().flat_map(|m| self.open_envelope(m)).collect();
        let next = (!mail.messages.is_empty()).then(|| Cursor(mail.last.to_string()));
        Ok(Page { items, next })
    }

    async fn of(&self, cx: &CallCx, declaration: &Declaration) -> Result<Vec<CustomsReceipt>, Error> {
        let texts = self.about(&OF, cx, declaration.order.as_str()).await?;
        let mut found: Vec<CustomsReceipt> = texts.iter().flat_map(|t| self.open_envelope(t)).collect();
        let number = number_of(declaration, &found);
        // One that cannot be read stays, and is kept for a person; it proves nothing.
        found.retain(|r| r.code == UNREADABLE || declaration.is_answered_by(r, number.as_deref()));
        Ok(found)
    }

    fn ingest(&self, bytes: &[u8]) -> Result<Vec<CustomsReceipt>, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::decode("the message is not UTF-8"))?;
        // Files of the official client hold the bare business message.
        let business = envelope::unwrap(text).unwrap_or_else(|_| text.to_owned());
        Ok(self.readable(text, crate::answers(&business, self.pipeline.errors())?))
    }
}

/// The number that customs gave a declaration, as its receipts tell it.
fn number_of(declaration: &Declaration, receipts: &[CustomsReceipt]) -> Option<String> {
    let told = receipts.iter().filter(|r| r.declaration.as_ref() == Some(&declaration.id));
    declaration.number.clone().or_else(|| told.filter_map(|r| r.authority_ref.clone()).next_back())
}

#[async_trait]
impl TaxBills for ChinaCeb {
    async fn of(&self, cx: &CallCx, declaration: &Declaration) -> Result<Vec<TaxBill>, Error> {
        let envelopes = self.about(&BILLS, cx, declaration.order.as_str()).await?;
        let mut texts = Vec::with_capacity(envelopes.len());
        let mut receipts = Vec::new();
        for (i, envelope) in envelopes.iter().enumerate() {
            // It may hold a bill, so what could be read without it is not the whole of the taxes.
            let opened = envelope::unwrap(envelope).and_then(|text| {
                for answer in receipts::read(&text, self.pipeline.errors())?.unwrap_or_default() {
                    receipts.push(answer?);
                }
                Ok(text)
            });
            texts.push(opened.map_err(|e| {
                let order = &declaration.order;
                Error::new(
                    e.kind(),
                    format!(
                        "message {} about order {order} cannot be read, it may be a tax bill: {}",
                        i + 1,
                        e.message()
                    ),
                )
            })?);
        }
        let Some(number) = number_of(declaration, &receipts) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for text in &texts {
            found.extend(bills::read(text, declaration, &number)?);
        }
        Ok(bills::current(found))
    }
}
