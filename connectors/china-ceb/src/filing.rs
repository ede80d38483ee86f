//! Filing: the papers of a declaration, the signature, and the way to customs.

use std::marker::PhantomData;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use tradewind_connector::role::Declare;
use tradewind_connector::{
    CallCx, Error, Facet, OpCx, OpSpec, Operation, Priority, Safety, Submitted, WireRequest, WireResponse,
    snippet,
};
use tradewind_domain::{CustomsReference, Declaration, Filed, FiledDocument, Mismatch, ReferenceKind};

use crate::ChinaCeb;
use crate::config::{Paper, Settings};
use crate::message::{self, Action, Filing, Kind};
use crate::xml::refused;
use crate::{auth, envelope, sign};

const LIKE: OpSpec = OpSpec {
    name: "declaration.submit",
    facet: Facet::Declare,
    // A message bears a number made from what is filed. The platform takes a number once, and customs answer a paper
    // that they have with "duplicate", which changes nothing: twice is the same as once.
    safety: Safety::Natural,
    priority: Priority::Orders,
    buckets: &["submit"],
    keep: false,
    doc: "interface specification 202205, sections 4.1 to 4.9",
};
static SUBMIT: OpSpec = LIKE;
static AMEND: OpSpec = OpSpec { name: "declaration.amend", facet: Facet::Amend, ..LIKE };
static CANCEL: OpSpec = OpSpec { name: "declaration.cancel", facet: Facet::CancelDeclaration, ..LIKE };
/// A signature is worth nothing until it is sent, so asking twice is harmless: a read. A flow that signs asks first whether
/// the account may send ([`Pipeline::check`](tradewind_connector::Pipeline::check)).
static SIGN: OpSpec = OpSpec { name: auth::SIGN, safety: Safety::Read, buckets: &["signer"], ..LIKE };

/// A message before it has a time.
struct Draft<'a> {
    settings: &'a Settings,
    declaration: &'a Declaration,
    kind: Kind,
    action: Action,
    guid: String,
    reason: &'a str,
}

impl Draft<'_> {
    fn write(&self, at: Timestamp) -> Result<String, Vec<Mismatch>> {
        message::write(&Filing {
            settings: self.settings,
            declaration: self.declaration,
            kind: self.kind,
            action: self.action,
            guid: &self.guid,
            at,
            reason: self.reason,
        })
    }
}

/// Asks the signing service. The marker is the life of the input.
struct Sign<'a>(PhantomData<&'a ()>);

impl<'a> Operation for Sign<'a> {
    type In = Draft<'a>;
    type Out = String;
    fn spec(&self) -> &OpSpec {
        &SIGN
    }
    fn encode(&self, cx: &OpCx<'_>, draft: &Draft<'a>) -> Result<WireRequest, Error> {
        let message = draft.write(cx.now).map_err(|f| refused(&f))?;
        let signer = &draft.settings.signer;
        WireRequest::new(Method::POST, &signer.endpoint, "/sign")?.json(&sign::question(signer, &message)?)
    }
    fn decode(&self, cx: &OpCx<'_>, draft: &Draft<'a>, response: &WireResponse) -> Result<String, Error> {
        // The clock is frozen during an attempt: this is the message that was signed.
        let message = draft.write(cx.now).map_err(|f| refused(&f))?;
        sign::attach(&draft.settings.signer, &message, &response.json()?)
    }
}

/// A message on its way: signed bytes are sent as they are.
struct Outgoing<'a> {
    draft: Draft<'a>,
    signed: Option<String>,
}

/// Hands a message to the bridge.
struct Send<'a> {
    spec: &'static OpSpec,
    life: PhantomData<&'a ()>,
}

impl<'a> Operation for Send<'a> {
    type In = Outgoing<'a>;
    type Out = ();
    fn spec(&self) -> &OpSpec {
        self.spec
    }
    fn subject(&self, out: &Outgoing<'a>) -> String {
        out.draft.declaration.id.to_string()
    }
    fn encode(&self, cx: &OpCx<'_>, out: &Outgoing<'a>) -> Result<WireRequest, Error> {
        let draft = &out.draft;
        let message = match &out.signed {
            Some(signed) => signed.clone(),
            None => draft.write(cx.now).map_err(|f| refused(&f))?,
        };
        let business = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{message}");
        let text = envelope::wrap(draft.settings, draft.kind.name(), &draft.guid, cx.now, &business)?;
        Ok(WireRequest::new(Method::POST, &draft.settings.endpoint, "/cebcmsg")?
            .bytes("application/xml; charset=utf-8", text))
    }
    fn decode(&self, _: &OpCx<'_>, _: &Outgoing<'a>, response: &WireResponse) -> Result<(), Error> {
        match response.text()?.trim() {
            "OK" => Ok(()),
            _ => Err(Error::decode(format!("'{}' where the bridge says OK", snippet(&response.body)))),
        }
    }
}

impl ChinaCeb {
    /// Signs where customs demand it, and sends. What is had is the message's number: the platform gives none of its own at
    /// once, and its people look a message up by this one.
    async fn send(
        &self,
        spec: &'static OpSpec,
        cx: &CallCx,
        declaration: &Declaration,
        kind: Kind,
        action: Action,
        reason: &str,
    ) -> Result<CustomsReference, Error> {
        // Without a key of the caller's the declaration itself is the intention.
        let key = cx.key().unwrap_or(declaration.id.as_str());
        let account = self.pipeline.account().as_str();
        let guid = envelope::guid(account, &format!("{}/{key}", spec.name), kind.name());
        let step = CallCx::keyed(key).step(kind.name());
        let draft =
            || Draft { settings: &self.settings, declaration, kind, action, guid: guid.clone(), reason };
        let signed = match kind.is_signed() {
            true => Some(self.pipeline.call(&Sign(PhantomData), &draft(), &step).await?),
            false => None,
        };
        let send = Send { spec, life: PhantomData };
        self.pipeline.call(&send, &Outgoing { draft: draft(), signed }, &step).await?;
        Ok(CustomsReference::new(ReferenceKind::Message, guid, self.pipeline.now()))
    }

    /// All papers that we send, in the order in which customs want to see them. Papers that disagree are not sent, whether
    /// the caller has looked or not.
    async fn file(
        &self,
        spec: &'static OpSpec,
        cx: &CallCx,
        declaration: &Declaration,
        action: Action,
    ) -> Result<Submitted<Filed>, Error> {
        self.pipeline.check(spec)?;
        let mismatches = self.validate(declaration);
        if !mismatches.is_empty() {
            return Err(refused(&mismatches));
        }
        let mut filed = Filed::default();
        for paper in self.papers() {
            filed.references.push(self.send(spec, cx, declaration, Kind::Paper(paper), action, "").await?);
        }
        Ok(Submitted::Done(filed))
    }

    fn papers(&self) -> Vec<Paper> {
        let mut papers = self.settings.documents.clone();
        papers.sort_unstable();
        papers.dedup();
        papers
    }
}

#[async_trait]
impl Declare for ChinaCeb {
    fn validate(&self, declaration: &Declaration) -> Vec<Mismatch> {
        let mut found = declaration.pre_match();
        for paper in self.papers() {
            let draft = Draft {
                settings: &self.settings,
                declaration,
                kind: Kind::Paper(paper),
                action: Action::New,
                guid: envelope::guid("", declaration.id.as_str(), ""),
                reason: "",
            };
            if let Err(faults) = draft.write(Timestamp::UNIX_EPOCH) {
                for fault in faults {
                    // The papers share fields: each trouble is told once.
                    if !found.contains(&fault) {
                        found.push(fault);
                    }
                }
            }
        }
        found
    }

    async fn submit(&self, cx: &CallCx, declaration: &Declaration) -> Result<Submitted<Filed>, Error> {
        self.file(&SUBMIT, cx, declaration, Action::New).await
    }

    /// Customs take changes until the list is concluded, and after they returned it (status 100): the same papers again
    /// under the same numbers of order, payment and waybill.
    async fn amend(&self, cx: &CallCx, declaration: &Declaration) -> Result<Submitted<Filed>, Error> {
        self.file(&AMEND, cx, declaration, Action::Change).await
    }

    /// A list that customs numbered is cancelled by CEB623, before its conclusion. One without a number is to be stopped by
    /// deleting its papers: customs then find nothing to match it with, and return it. They may number it all the same: the
    /// list stands until it was cancelled itself, which the conflict says. The same call later, with the number, does that.
    async fn cancel(
        &self,
        cx: &CallCx,
        declaration: &Declaration,
        reason: &str,
    ) -> Result<Submitted<Filed>, Error> {
        self.pipeline.check(&CANCEL)?;
        if declaration.number.is_some() {
            let sent = self.send(&CANCEL, cx, declaration, Kind::Cancellation, Action::New, reason).await?;
            return Ok(Submitted::Done(Filed { references: vec![sent] }));
        }
        let papers: Vec<Paper> = self.papers().into_iter().filter(|p| *p != Paper::Declaration).collect();
        if papers.is_empty() {
            return Err(Error::invalid(
                "customs have not numbered the list yet, and we sent no other paper: wait for receipt 120 and cancel then",
            ));
        }
        let mut deleted = Filed::default();
        for paper in papers {
            let sent = self.send(&CANCEL, cx, declaration, Kind::Paper(paper), Action::Delete, "").await;
            match sent {
                Ok(reference) => {
                    let document = match paper {
                        Paper::Order => FiledDocument::Order,
                        Paper::Payment => FiledDocument::Payment,
                        Paper::Waybill => FiledDocument::Waybill,
                        Paper::Declaration => FiledDocument::Declaration,
                    };
                    deleted.references.push(CustomsReference { document, ..reference });
                }
                Err(e) => return Err(e.having(deleted)),
            }
        }
        Err(Error::new(
            tradewind_connector::Kind::Conflict,
            "its papers are deleted, but customs have neither numbered nor returned the list yet: if they number it (receipt 120) \
             it is still to be cancelled",
        )
        .after_send()
        .having(deleted))
    }
}
