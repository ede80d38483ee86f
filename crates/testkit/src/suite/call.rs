//! What the suite is told of one call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tradewind_connector::{Connector, Error, Facet, Safety};

use super::script::Sent;

pub(super) type Outcome = Result<Value, Error>;
type Drive =
    Arc<dyn Fn(Arc<dyn Connector>, Value) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One call of the connector, driven through its facets.
#[derive(Clone)]
pub struct Call {
    pub(super) op: String,
    pub(super) facet: Facet,
    pub(super) also: Vec<Facet>,
    pub(super) safety: Safety,
    pub(super) writes: Vec<(String, Safety)>,
    pub(super) paged: bool,
    pub(super) records: Option<String>,
    pub(super) no_spec: Option<String>,
    pub(super) anonymous: Option<String>,
    pub(super) open_ended: Option<String>,
    /// Reference, and the case of the look-up.
    pub(super) read_back: Vec<(String, String)>,
    pub(super) leaves_siblings: Option<String>,
    pub(super) bulk: bool,
    pub(super) drive: Drive,
}

impl Call {
    /// `op` is the folder of its fixtures and the operation's name; `safety` that of what it writes ([`Safety::Read`]
    /// for a call that only reads, whatever it looks up before it writes; see [`Call::writes`]). The closure gets the opened connector and the case's `input.json`, and gives the outcome as JSON.
    pub fn new<F, Fut>(op: &str, facet: Facet, safety: Safety, drive: F) -> Call
    where
        F: Fn(Arc<dyn Connector>, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let drive: Drive = Arc::new(move |c, v| Box::pin(drive(c, v)));
        Call {
            op: op.to_owned(),
            facet,
            also: Vec::new(),
            safety,
            writes: Vec::new(),
            paged: false,
            records: None,
            no_spec: None,
            anonymous: None,
            open_ended: None,
            read_back: Vec::new(),
            leaves_siblings: None,
            bulk: false,
            drive,
        }
    }

    /// A write of the conversation with a safety of its own, by its operation's name.
    #[must_use]
    pub fn writes(mut self, operation: &str, safety: Safety) -> Call {
        self.writes.push((operation.to_owned(), safety));
        self
    }

    /// What happens when a request of the conversation arrives twice; `None` for a write that was not announced.
    pub(super) fn safety_of(&self, sent: &Sent) -> Option<Safety> {
        let Some(operation) = &sent.writes else { return Some(Safety::Read) };
        let own = self.writes.iter().find(|(name, _)| name == operation).map(|(_, safety)| *safety);
        own.or_else(|| (!self.safety.is_read()).then_some(self.safety))
    }

    /// Serves further facets as well.
    #[must_use]
    pub fn serves(mut self, facets: &[Facet]) -> Call {
        self.also.extend_from_slice(facets);
        self
    }

    /// Gives a `Page`: its outcome has `next`, and `input.cursor` takes it.
    #[must_use]
    pub fn paged(mut self) -> Call {
        self.paged = true;
        self
    }

    /// Where the records of its list stand in the first answer, as a JSON pointer: one of them that is odd must be an error
    /// in its place and keep back no other. Its outcome has `items`, each a record or an `error` ([`json::records`](super::json::records)).
    #[must_use]
    pub fn records(mut self, pointer: &str) -> Call {
        self.records = Some(pointer.to_owned());
        self
    }

    /// The call carries no token, so there is none to renew; counted as a skip.
    #[must_use]
    pub fn anonymous(mut self, why: &str) -> Call {
        self.anonymous = Some(why.to_owned());
        self
    }

    /// Nothing in the answer shows that its end was cut off; counted as a skip.
    #[must_use]
    pub fn open_ended(mut self, why: &str) -> Call {
        self.open_ended = Some(why.to_owned());
        self
    }

    /// The reference that makes a [`Safety::ReadBack`] write of the happy case findable, and the case (`op/name`) in which
    /// the channel is asked for it: it must stand in the write, and decide the look-up.
    #[must_use]
    pub fn read_back(mut self, reference: &str, case: &str) -> Call {
        self.read_back.push((reference.to_owned(), case.to_owned()));
        self
    }

    /// A variant that stays is named in the product's document, and the channel leaves the rest of it as it is: its quantity
    /// is not told again. Why; counted as a skip.
    #[must_use]
    pub fn leaves_siblings(mut self, why: &str) -> Call {
        self.leaves_siblings = Some(why.to_owned());
        self
    }

    /// It is the bulk submission of [`Bounds::bulk_from`](tradewind_connector::Bounds): `Offers::list`.
    #[must_use]
    pub fn bulk(mut self) -> Call {
        self.bulk = true;
        self
    }

    /// Drives an opened connector with an input, outside of a suite.
    ///
    /// # Errors
    /// What the connector answers.
    pub async fn drive(&self, connector: Arc<dyn Connector>, input: Value) -> Result<Value, Error> {
        (self.drive)(connector, input).await
    }

    /// No specification covers this call; counted as a skip.
    #[must_use]
    pub fn without_spec(mut self, why: &str) -> Call {
        self.no_spec = Some(why.to_owned());
        self
    }
}
