//! How far a stream of an account was read. What could not be read is asked for again, together with all that changed since.

use jiff::{SignedDuration, Timestamp};
use tradewind_connector::{Connector, Error, Kind};
use tradewind_domain::AccountId;
use tradewind_store::typed;
use tradewind_store::{Batch, Store};

use crate::gateway::Result;
use crate::records::CursorRecord;

/// Records of a stream that are named when they cannot be read.
const NAMED: usize = 5;

/// A stream of an account.
pub(crate) struct Progress {
    account: AccountId,
    stream: &'static str,
    /// How far a first look goes back. For as long, and no longer, is something asked for again that cannot be read: the
    /// window would grow for ever, beyond what a channel lists.
    look: SignedDuration,
    /// All before was read.
    until: Option<Timestamp>,
    /// All before was listed, but something of it could not be read.
    listed: Option<Timestamp>,
    /// What could not be.
    left: Vec<Error>,
    /// Of which connector the account is, where that is kept.
    connector: Option<String>,
}

impl Progress {
    pub(crate) async fn of(
        store: &dyn Store,
        account: &AccountId,
        stream: &'static str,
        look: SignedDuration,
    ) -> Result<Progress> {
        let known = typed::get::<CursorRecord>(store, &format!("{account}/{stream}")).await?;
        let (until, listed) = known.map_or((None, None), |c| (c.value.until, c.value.listed_to));
        Ok(Progress {
            account: account.clone(),
            stream,
            look,
            until,
            listed,
            left: Vec::new(),
            connector: None,
        })
    }

    /// Keeps of which connector the account is.
    pub(crate) fn keeping(self, connector: &dyn Connector) -> Progress {
        Progress { connector: Some(connector.info().id.to_string()), ..self }
    }

    /// Since when to read; an overlap comes on top.
    pub(crate) fn since(&self, now: Timestamp) -> Timestamp {
        self.until.max(self.retried()).unwrap_or_else(|| back(now, self.look))
    }

    /// All before was read; `None`: nothing was yet.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// What could not be read since this reading began.
    pub(crate) fn left(&self) -> &[Error] {
        &self.left
    }

    fn retried(&self) -> Option<Timestamp> {
        self.listed.map(|to| back(to, self.look))
    }

    /// Something of the part at hand could not be read.
    pub(crate) fn leave(&mut self, what: Error) {
        self.left.push(what);
    }

    /// A part of the window was read to its end. Only as far as all could be read does the next reading begin later.
    pub(crate) async fn read(&mut self, store: &dyn Store, to: Timestamp) -> Result<()> {
        let whole = self.left.is_empty();
        if whole {
            self.until = Some(to);
        }
        let mut batch = Batch::new();
        batch.put(&CursorRecord {
            account: self.account.clone(),
            stream: self.stream.to_owned(),
            until: self.until,
            listed_to: (!whole).then_some(to),
            cursor: None,
            connector: self.connector.clone(),
        })?;
        Ok(store.commit(batch).await?)
    }

    /// What is not asked for any more, for people. To be asked before anything is read.
    pub(crate) fn given_up(&self) -> Option<String> {
        let (from, until) = (self.retried()?, self.until?);
        (from > until).then(|| {
            let days = self.look.as_hours() / 24;
            format!(
                "what changed there from {until} to {from} and could not be read for {days} days is not asked for any more: \
                 look it up there"
            )
        })
    }

    /// What could not be read, as one error; `given_up`: what else is to be said.
    pub(crate) fn end(self, connector: &dyn Connector, given_up: Option<String>) -> Option<Error> {
        let kind = self.left.first().map_or(Kind::Decode, Error::kind);
        let mut said: Vec<String> = self.left.iter().take(NAMED).map(|e| e.message().to_owned()).collect();
        if self.left.len() > NAMED {
            said.push(format!("and {} more", self.left.len() - NAMED));
        }
        said.extend(given_up);
        let error = || Error::new(kind, said.join("; ")).after_send();
        (!said.is_empty()).then(|| error().at(&connector.info().id, &self.account, self.stream))
    }
}

/// So long before; the first of all instants where there is none.
pub(crate) fn back(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_sub(by).unwrap_or(Timestamp::MIN)
}
