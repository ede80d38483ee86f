//! Cases in: goods that buyers send back, and payments that they dispute. Read like orders, in overlapping windows, each
//! case kept once by account and the channel's id, its payload before it.
//!
//! A return names its order. A dispute names a payment: which order that was is looked up when it is asked for, because the
//! order, or the movement that names it, may come in after the dispute.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Serialize;
use tradewind_connector::role::{Disputes, Returns};
use tradewind_connector::{CallCx, Connector, Error, Facet};
use tradewind_domain::{
    AccountId, Dispute, DisputeState, OrderLineId, Return, ReturnState, Sku, TransactionId,
};
use tradewind_store::Filter;
use tradewind_store::typed;

use crate::gateway::{Gateway, Result};
use crate::money::{OVERLAP, Stream};
use crate::records::{DisputeRecord, OrderRecord, ReturnRecord, TransactionRecord, order_key};

/// How far a first look goes back: goods come back for weeks, and a dispute that is open still has a date by which to answer.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Numbers of a look at returns or at disputes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PulledCases {
    /// Accounts asked.
    pub asked: u32,
    /// New or changed cases.
    pub new: u32,
    /// Accounts that could not be read; tried again next time.
    pub failed: u32,
    /// Why, for people.
    pub errors: Vec<String>,
}

impl PulledCases {
    fn add(&mut self, other: PulledCases) {
        self.asked += other.asked;
        self.new += other.new;
        self.failed += other.failed;
        self.errors.extend(other.errors);
    }
}

/// A return beside its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReturnCase {
    /// Account.
    pub account: AccountId,
    /// The case.
    #[serde(flatten)]
    pub case: Return,
    /// The order was imported.
    pub order_known: bool,
    /// What comes back, as far as the channel or the order tells: units of each SKU.
    pub goods: BTreeMap<Sku, u32>,
}

/// A dispute beside its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisputeCase {
    /// Account at the provider.
    pub account: AccountId,
    /// The case.
    #[serde(flatten)]
    pub case: Dispute,
    /// The order of the payment, when we know it: account and the channel's id.
    pub order: Option<OrderRef>,
}

/// An order, named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OrderRef {
    /// Account.
    pub account: AccountId,
    /// The channel's id.
    pub id: String,
}

impl ReturnCase {
    /// The seller must say yes or no.
    #[must_use]
    pub fn waits_for_us(&self) -> bool {
        self.case.state == ReturnState::Requested
    }

    /// Nothing more is to be done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.case.state, ReturnState::Refunded | ReturnState::Declined | ReturnState::Closed)
    }
}

impl DisputeCase {
    /// The seller must answer.
    #[must_use]
    pub fn waits_for_us(&self) -> bool {
        self.case.state == DisputeState::NeedsResponse
    }

    /// It is decided.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.case.state, DisputeState::Won | DisputeState::Lost | DisputeState::Accepted)
    }

    /// It is decided, against us.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.case.state, DisputeState::Lost | DisputeState::Accepted)
    }
}

fn returns_of(connector: &dyn Connector) -> Option<&dyn Returns> {
    let works = connector.capabilities().support(Facet::Returns).works();
    connector.marketplace().and_then(|m| m.returns()).filter(|_| works)
}

fn stream<'a>(
    account: &'a AccountId,
    connector: &'a dyn Connector,
    name: &'static str,
    verb: &'static str,
) -> Stream<'a> {
    Stream { account, connector, name, first_look: FIRST_LOOK, overlap: OVERLAP, audit: Some(verb) }
}

fn disputes_of(connector: &dyn Connector) -> Option<&dyn Disputes> {
    let works = connector.capabilities().support(Facet::Disputes).works();
    connector.payments().and_then(|p| p.disputes()).filter(|_| works)
}

impl Gateway {
    /// Pulls returns of all marketplaces that tell them.
    ///
    /// # Errors
    /// The store failed. An account that fails is counted and read again next time, from where it stood.
    pub async fn pull_returns(&self) -> Result<PulledCases> {
        let work = self.accounts.keys().map(|id| async move {
            let mut pulled = PulledCases::default();
            self.pull_returns_of(id, &mut pulled).await.map(|_| pulled)
        });
        let mut pulled = PulledCases::default();
        for part in self.at_once(work).await {
            pulled.add(part?);
        }
        Ok(pulled)
    }

    /// Pulls returns of one account; nothing where it tells none. Why it could not be read, which is in `pulled` too.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn pull_returns_of(
        &self,
        id: &AccountId,
        pulled: &mut PulledCases,
    ) -> Result<Option<Error>> {
        let connector = self.account(id)?.clone();
        let Some(facet) = returns_of(connector.as_ref()) else { return Ok(None) };
        let read = self.stream(
            stream(id, connector.as_ref(), "returns", "return"),
            |w, c| async move { facet.changed(&CallCx::new(), w, c.as_ref()).await },
            |case| ReturnRecord { account: id.clone(), case },
        );
        Ok(self.count(id, "returns", read.await?, pulled))
    }

    /// Pulls disputes of all accounts that tell them.
    ///
    /// # Errors
    /// As of [`Gateway::pull_returns`].
    pub async fn pull_disputes(&self) -> Result<PulledCases> {
        let work = self.accounts.keys().map(|id| async move {
            let mut pulled = PulledCases::default();
            self.pull_disputes_of(id, &mut pulled).await.map(|_| pulled)
        });
        let mut pulled = PulledCases::default();
        for part in self.at_once(work).await {
            pulled.add(part?);
        }
        Ok(pulled)
    }

    /// Pulls disputes of one account; as [`Gateway::pull_returns_of`].
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn pull_disputes_of(
        &self,
        id: &AccountId,
        pulled: &mut PulledCases,
    ) -> Result<Option<Error>> {
        let connector = self.account(id)?.clone();
        let Some(facet) = disputes_of(connector.as_ref()) else { return Ok(None) };
        let read = self.stream(
            stream(id, connector.as_ref(), "disputes", "dispute"),
            |w, c| async move { facet.changed(&CallCx::new(), w, c.as_ref()).await },
            |case| DisputeRecord { account: id.clone(), case },
        );
        Ok(self.count(id, "disputes", read.await?, pulled))
    }

    fn count(
        &self,
        id: &AccountId,
        what: &str,
        (new, failed): (u32, Option<Error>),
        pulled: &mut PulledCases,
    ) -> Option<Error> {
        pulled.asked += 1;
        pulled.new += new;
        failed.inspect(|e| {
            tracing::info!(account = %id, error = %e, what, "could not be read; tried again later");
            let login = self.login_hint(id, e);
            pulled.failed += 1;
            pulled
                .errors
                .push(format!("{what} of {id} could not be read, tried again next time: {e}{login}"));
        })
    }

    /// Returns that are stored: those that wait for us first, then those that are open, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn returns(&self) -> Result<Vec<ReturnCase>> {
        let mut cases = Vec::new();
        for record in typed::list::<ReturnRecord>(&*self.store, Filter::all()).await? {
            let ReturnRecord { account, case } = record.value;
            let order =
                typed::get::<OrderRecord>(&*self.store, &order_key(&account, case.order.as_str())).await?;
            let sku = |line: &OrderLineId| {
                order.as_ref()?.value.order.lines.iter().find(|l| l.id == *line)?.sku.clone()
            };
            let mut goods: BTreeMap<Sku, u32> = BTreeMap::new();
            for line in &case.lines {
                if let Some(sku) = sku(&line.line) {
                    let units = goods.entry(sku).or_default();
                    *units = units.saturating_add(line.quantity);
                }
            }
            for part in &case.skus {
                let units = goods.entry(part.sku.clone()).or_default();
                *units = units.saturating_add(part.quantity);
            }
            cases.push(ReturnCase { account, case, order_known: order.is_some(), goods });
        }
        cases.sort_by_key(|c| (!c.waits_for_us(), c.is_over(), c.case.opened_at.utc));
        Ok(cases)
    }

    /// Disputes that are stored: those that wait for us first, the nearest deadline first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn disputes(&self) -> Result<Vec<DisputeCase>> {
        let records = typed::list::<DisputeRecord>(&*self.store, Filter::all()).await?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let orders = typed::list::<OrderRecord>(&*self.store, Filter::all()).await?;
        let orders: Vec<OrderRecord> = orders.into_iter().map(|o| o.value).collect();
        let movements = typed::list::<TransactionRecord>(&*self.store, Filter::all()).await?;
        let movements: Vec<TransactionRecord> = movements.into_iter().map(|t| t.value).collect();
        let payments = Payments::of(&orders, &movements);
        let mut cases: Vec<DisputeCase> = records
            .into_iter()
            .map(|r| {
                let DisputeRecord { account, case } = r.value;
                let order = case.transaction.as_ref().and_then(|t| payments.order(&account, t));
                DisputeCase { account, case, order }
            })
            .collect();
        cases.sort_by_key(|c| {
            (
                !c.waits_for_us(),
                c.is_over(),
                c.case.respond_by.is_none(),
                c.case.respond_by,
                c.case.opened_at.utc,
            )
        });
        Ok(cases)
    }
}

impl Gateway {
    /// Returns and disputes of one order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn cases_of(
        &self,
        account: &AccountId,
        order: &str,
    ) -> Result<(Vec<ReturnCase>, Vec<DisputeCase>)> {
        let mut returns = self.returns().await?;
        returns.retain(|c| c.account == *account && c.case.order.as_str() == order);
        let mut disputes = self.disputes().await?;
        disputes.retain(|c| c.order.as_ref().is_some_and(|o| o.account == *account && o.id == order));
        Ok((returns, disputes))
    }
}

/// Which order a payment is of: as the channel names it with the order, or as a movement of the provider does.
struct Payments<'a> {
    /// Orders by the payments that they name.
    paid: BTreeMap<&'a str, Vec<OrderRef>>,
    /// Orders by what people and providers call them: the channel's id, the second number.
    named: BTreeMap<&'a str, Vec<OrderRef>>,
    /// By the letters and digits of these names, as the books link them: providers drop what they do not like.
    squeezed: BTreeMap<String, Vec<OrderRef>>,
    movements: &'a [TransactionRecord],
}

impl<'a> Payments<'a> {
    fn of(orders: &'a [OrderRecord], movements: &'a [TransactionRecord]) -> Payments<'a> {
        let mut paid: BTreeMap<&str, Vec<OrderRef>> = BTreeMap::new();
        let mut named: BTreeMap<&str, Vec<OrderRef>> = BTreeMap::new();
        for o in orders.iter().map(|r| &r.order) {
            let this = || OrderRef { account: o.account.clone(), id: o.id.to_string() };
            for t in o.payments.iter().filter_map(|p| p.transaction.as_ref()) {
                paid.entry(t.as_str()).or_default().push(this());
            }
            for name in [Some(o.id.as_str()), o.number.as_deref()].into_iter().flatten() {
                named.entry(name).or_default().push(this());
            }
        }
        let mut squeezed: BTreeMap<String, Vec<OrderRef>> = BTreeMap::new();
        for (name, orders) in &named {
            squeezed.entry(squeeze(name)).or_default().extend(orders.iter().cloned());
        }
        Payments { paid, named, squeezed, movements }
    }

    /// The one order of a name; of eight letters and digits or more also in another spelling.
    fn called(&self, name: &str) -> Option<OrderRef> {
        if let Some(orders) = self.named.get(name) {
            return only(orders);
        }
        let name = squeeze(name);
        only(self.squeezed.get(&name).filter(|_| name.chars().count() >= 8)?)
    }

    /// Nothing is guessed: a payment or a number that several orders go by leads to none of them.
    fn order(&self, account: &AccountId, payment: &TransactionId) -> Option<OrderRef> {
        if let Some(order) = self.paid.get(payment.as_str()).and_then(|all| only(all)) {
            return Some(order);
        }
        // The payment itself, one of several movements under its number, or one that refers to it.
        let about = |t: &TransactionRecord| {
            let rest = t.transaction.id.as_str().strip_prefix(payment.as_str());
            t.account == *account
                && (rest.is_some_and(|r| r.is_empty() || r.starts_with(':'))
                    || t.transaction.refers_to.as_ref() == Some(payment))
        };
        let told = self.movements.iter().filter(|t| about(t)).filter_map(|t| t.transaction.order.as_ref());
        let found: Vec<OrderRef> = told.filter_map(|name| self.called(name.as_str())).collect();
        only(&found)
    }
}

fn squeeze(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn only(orders: &[OrderRef]) -> Option<OrderRef> {
    match orders {
        [first, rest @ ..] if rest.iter().all(|o| o == first) => Some(first.clone()),
        _ => None,
    }
}
