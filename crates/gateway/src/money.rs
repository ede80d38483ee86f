//! Money in: transactions, payouts and settlement documents of every account, kept once each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::Serialize;
use tradewind_connector::role::{Payouts, Statements, Transactions};
use tradewind_connector::{CallCx, Connector, Cursor, Error, Page, Window};
use tradewind_domain::{AccountId, MoneyBag, PayoutState};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Filter};

use crate::gateway::{Gateway, GatewayError, Result, ends_all};
use crate::progress::{Progress, back};
use crate::records::{CursorRecord, PayoutRecord, StatementRecord, TransactionRecord};
use crate::unreached::Unreached;

/// How far a first look goes back.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Providers show movements late (PayPal: up to three hours); windows overlap by a day, and by more where a channel's bounds
/// say so.
pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// Numbers of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Collected {
    /// Streams asked: transactions, payouts and statements of every account that has them. After a login that is refused, no
    /// further one of its account.
    pub asked: u32,
    /// New or changed transactions.
    pub transactions: u32,
    /// New or changed payouts.
    pub payouts: u32,
    /// New settlement documents.
    pub statements: u32,
    /// Streams that could not be read; tried again next time.
    pub failed: u32,
    /// Why, for people.
    pub errors: Vec<String>,
    #[serde(skip)]
    unreached: Unreached,
}

impl Collected {
    /// `login`: what to do about it when the login was refused, or nothing.
    fn failed(&mut self, what: &str, error: &Error, login: &str) {
        tracing::info!(%error, what, "could not be read; tried again later");
        self.failed += 1;
        let told = format!("{what} could not be read, tried again next time: {error}{login}");
        let of = error.account().map_or_else(|| what.to_owned(), |id| format!("{what} of {id}"));
        self.unreached.note(&told, of, error);
        self.errors.push(told);
    }

    fn add(&mut self, part: Collected) {
        self.asked += part.asked;
        self.transactions += part.transactions;
        self.payouts += part.payouts;
        self.statements += part.statements;
        self.failed += part.failed;
        self.errors.extend(part.errors);
        self.unreached.add(part.unreached);
    }
}

/// The money facets of an account, whichever role has them.
struct MoneyFacets<'a> {
    transactions: Option<&'a dyn Transactions>,
    payouts: Option<&'a dyn Payouts>,
    statements: Option<&'a dyn Statements>,
}

impl MoneyFacets<'_> {
    fn of(connector: &dyn Connector) -> MoneyFacets<'_> {
        let (m, p) = (connector.marketplace(), connector.payments());
        MoneyFacets {
            transactions: m.and_then(|m| m.transactions()).or_else(|| p.and_then(|p| p.transactions())),
            payouts: m.and_then(|m| m.payouts()).or_else(|| p.and_then(|p| p.payouts())),
            statements: m.and_then(|m| m.statements()).or_else(|| p.and_then(|p| p.statements())),
        }
    }
}

/// An error that is the channel's; one of our own store ends everything.
fn of_channel(e: Error) -> Result<Error> {
    match GatewayError::from(e) {
        GatewayError::Channel(e) => Ok(e),
        own => Err(own),
    }
}

/// The channel tells of money in some way: movements, payouts or documents.
pub(crate) fn tells(connector: &dyn Connector) -> bool {
    let MoneyFacets { transactions, payouts, statements } = MoneyFacets::of(connector);
    transactions.is_some() || payouts.is_some() || statements.is_some()
}

/// A stream of an account: what is read of it in windows, each record kept once.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) connector: &'a dyn Connector,
    /// Name of its cursor.
    pub(crate) name: &'static str,
    /// How far the first look goes back.
    pub(crate) first_look: SignedDuration,
    /// How far each further look goes back behind the one before.
    pub(crate) overlap: SignedDuration,
    /// Verb under which the audit chain tells of each new or changed record; none for movements, which are many and
    /// stand in the journal.
    pub(crate) audit: Option<&'static str>,
}

impl<'a> Stream<'a> {
    fn of(account: &'a AccountId, connector: &'a dyn Connector, name: &'static str) -> Stream<'a> {
        Stream { account, connector, name, first_look: FIRST_LOOK, overlap: overlap(connector), audit: None }
    }
}

/// How late money of a channel may turn up, or change.
fn overlap(connector: &dyn Connector) -> SignedDuration {
    let lag = connector.capabilities().bounds.money_lag_hours;
    lag.map_or(OVERLAP, |hours| SignedDuration::from_hours(i64::from(hours)).max(OVERLAP))
}

impl Gateway {
    /// Collects the money movements of all accounts.
    ///
    /// # Errors
    /// The store failed. A stream that fails is counted and read again next time, from where it stood.
    pub async fn collect(&self) -> Result<Collected> {
        let work = self.accounts.keys().map(|id| async move {
            let mut collected = Collected::default();
            self.collect_account(id, &mut collected).await.map(|_| collected)
        });
        let mut collected = Collected::default();
        for part in self.at_once(work).await {
            collected.add(part?);
        }
        std::mem::take(&mut collected.unreached).told_once(&mut collected.errors);
        Ok(collected)
    }

    /// Collects the money movements of one account; the first failure of a stream, all of which are in `collected`.
    pub(crate) async fn collect_account(
        &self,
        id: &AccountId,
        collected: &mut Collected,
    ) -> Result<Option<Error>> {
        let connector = self.account(id)?.clone();
        let MoneyFacets { transactions, payouts, statements } = MoneyFacets::of(connector.as_ref());
        let mut first = None;
        if let Some(t) = transactions {
            let done = self.stream(
                Stream::of(id, connector.as_ref(), "transactions"),
                |w, c| async move { t.changed(&CallCx::new(), w, c.as_ref()).await },
                |item| TransactionRecord { account: id.clone(), transaction: item },
            );
            collected.asked += 1;
            let (new, failed) = done.await?;
            collected.transactions += new;
            if let Some(e) = failed {
                collected.failed("transactions", &e, &self.login_hint(id, &e));
                if ends_all(&e) {
                    return Ok(Some(e));
                }
                first.get_or_insert(e);
            }
        }
        if let Some(p) = payouts {
            let done = self.stream(
                Stream::of(id, connector.as_ref(), "payouts"),
                |w, c| async move { p.changed(&CallCx::new(), w, c.as_ref()).await },
                |item| PayoutRecord { account: id.clone(), payout: item },
            );
            collected.asked += 1;
            let (new, failed) = done.await?;
            collected.payouts += new;
            if let Some(e) = failed {
                collected.failed("payouts", &e, &self.login_hint(id, &e));
                if ends_all(&e) {
                    return Ok(first.or(Some(e)));
                }
                first.get_or_insert(e);
            }
        }
        if let Some(s) = statements {
            collected.asked += 1;
            if let Some(e) = self.statements(id, connector.as_ref(), s, collected).await? {
                first.get_or_insert(e);
            }
        }
        Ok(first)
    }

    /// Reads a stream in windows: how many records are new or changed, and why it was not read whole, where it was not. What
    /// was read until then is kept, and counts.
    pub(crate) async fn stream<T, R, F, Fut>(
        &self,
        stream: Stream<'_>,
        fetch: F,
        record: impl Fn(T) -> R,
    ) -> Result<(u32, Option<Error>)>
    where
        R: Record + PartialEq,
        F: Fn(Window, Option<Cursor>) -> Fut,
        Fut: Future<Output = Result<Page<Result<T, Error>>, Error>>,
    {
        let mut new = 0;
        let Stream { account, connector, name, first_look, overlap, audit } = stream;
        let mut progress = Progress::of(&*self.store, account, name, first_look).await?.keeping(connector);
        let given_up = progress.given_up();
        for part in self.windows(&progress, overlap, connector) {
            let mut cursor: Option<Cursor> = None;
            let mut seen = std::collections::HashSet::new();
            loop {
                let page = match fetch(part, cursor.clone()).await {
                    Ok(page) => page,
                    Err(e) => return Ok((new, Some(of_channel(e)?))),
                };
                let mut batch = Batch::new();
                for item in page.items {
                    let item = match item {
                        Ok(item) => record(item),
                        Err(e) => {
                            progress.leave(e);
                            continue;
                        }
                    };
                    let known = typed::get::<R>(&*self.store, &item.key()).await?;
                    if known.is_none_or(|k| k.value != item) {
                        new += 1;
                        batch.put(&item)?;
                        if let Some(verb) = audit {
                            batch.audit(self.now(), verb, item.key(), item.state());
                        }
                    }
                }
                self.store.commit(batch).await?;
                match page.next {
                    None => break,
                    Some(next) if seen.insert(next.clone()) => cursor = Some(next),
                    Some(_) => return Ok((new, Some(Error::decode("the same page cursor twice")))),
                }
            }
            progress.read(&*self.store, part.to).await?;
        }
        Ok((new, progress.end(connector, given_up)))
    }

    fn windows(
        &self,
        progress: &Progress,
        overlap: SignedDuration,
        connector: &dyn Connector,
    ) -> Vec<Window> {
        let now = self.now();
        let from = back(progress.since(now), overlap);
        Window { from, to: now }.split(connector.capabilities().bounds.window_hours.unwrap_or(24 * 30))
    }

    async fn statements(
        &self,
        id: &AccountId,
        connector: &dyn Connector,
        facet: &dyn Statements,
        collected: &mut Collected,
    ) -> Result<Option<Error>> {
        let mut progress = Progress::of(&*self.store, id, "statements", FIRST_LOOK).await?.keeping(connector);
        let given_up = progress.given_up();
        for part in self.windows(&progress, overlap(connector), connector) {
            let listed = tradewind_connector::all_pages(|cursor| async move {
                facet.list(&CallCx::new(), part, cursor.as_ref()).await
            })
            .await;
            let listed = match listed {
                Ok(listed) => listed,
                Err(e) => {
                    let e = of_channel(e)?;
                    collected.failed("settlement documents", &e, &self.login_hint(id, &e));
                    return Ok(Some(e));
                }
            };
            for statement in listed {
                let statement = match statement {
                    Ok(statement) => statement,
                    Err(e) => {
                        progress.leave(e);
                        continue;
                    }
                };
                let key = format!("{id}/{}", statement.id);
                if typed::get::<StatementRecord>(&*self.store, &key).await?.is_some() {
                    continue;
                }
                match facet.fetch(&CallCx::new(), &statement.id).await {
                    Ok(document) => {
                        // The document is durable before it counts as collected.
                        let payload = self.store.keep_payload(&document.bytes).await?;
                        let record = StatementRecord {
                            account: id.clone(),
                            statement,
                            provider: document.provider,
                            format: document.format,
                            file_name: document.file_name,
                            payload,
                        };
                        let mut batch = Batch::new();
                        batch.put(&record)?.audit(
                            self.now(),
                            "statement",
                            record.key(),
                            record.payload.clone(),
                        );
                        self.store.commit(batch).await?;
                        collected.statements += 1;
                    }
                    // One that is damaged keeps back no other.
                    Err(e) if e.of_this_call() => progress.leave(e.about(statement.id.as_str())),
                    Err(e) => {
                        let e = of_channel(e)?;
                        collected.failed("a settlement document", &e, &self.login_hint(id, &e));
                        return Ok(Some(e));
                    }
                }
            }
            progress.read(&*self.store, part.to).await?;
        }
        if let Some(e) = progress.end(connector, given_up) {
            collected.failed("settlement documents", &e, "");
        }
        Ok(None)
    }

    /// The connectors of the accounts that are configured.
    fn configured(&self) -> BTreeMap<AccountId, String> {
        let entries = self.config.account.iter().map(|e| (e.id.clone(), e.connector.clone()));
        entries.chain(self.accounts.iter().map(|(id, c)| (id.clone(), c.info().id.to_string()))).collect()
    }

    /// The connector of every account: of one that left the configuration the one that its money was read with. `statements`: all
    /// that are kept.
    pub(crate) async fn connectors(
        &self,
        statements: &[Versioned<StatementRecord>],
    ) -> Result<BTreeMap<AccountId, String>> {
        let mut known: BTreeMap<AccountId, String> = BTreeMap::new();
        for statement in statements {
            known.insert(statement.value.account.clone(), statement.value.provider.clone());
        }
        for cursor in typed::list::<CursorRecord>(&*self.store, Filter::all()).await? {
            let CursorRecord { account, connector, .. } = cursor.value;
            known.extend(connector.map(|c| (account, c)));
        }
        known.extend(self.configured());
        Ok(known)
    }

    /// Payouts that reached the bank, per account and currency, as the providers tell. One that several accounts of a seller
    /// see is the first one's.
    ///
    /// # Errors
    /// The store failed.
    pub async fn paid_out(&self) -> Result<BTreeMap<AccountId, MoneyBag>> {
        let mut bags: BTreeMap<AccountId, MoneyBag> = BTreeMap::new();
        let mut counted = BTreeSet::new();
        let payouts = typed::list::<PayoutRecord>(&*self.store, Filter::all()).await?;
        let mut connectors = self.configured();
        if payouts.iter().any(|p| !connectors.contains_key(&p.value.account)) {
            let statements = typed::list::<StatementRecord>(&*self.store, Filter::all()).await?;
            connectors = self.connectors(&statements).await?;
        }
        for payout in payouts {
            let PayoutRecord { account, payout } = payout.value;
            // Where it is not known any more, the account's own name stands for it.
            let provider = connectors.get(&account).cloned().unwrap_or_else(|| account.to_string());
            if payout.state == PayoutState::Paid && counted.insert((provider, payout.id)) {
                bags.entry(account).or_default().add(payout.amount).map_err(Error::from)?;
            }
        }
        Ok(bags)
    }
}
