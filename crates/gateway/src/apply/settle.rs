//! Settling: the results of deferred submissions, and the read-back that alone makes a change live.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::SignedDuration;
use serde::Serialize;
use tradewind_connector::role::ItemOutcome;
use tradewind_connector::{CallCx, Connector, Error, Kind, Submitted};
use tradewind_domain::{AccountId, ChangeState, ListingRef, LiveListing, Sku};
use tradewind_store::typed::{self, Versioned};
use tradewind_store::{Batch, Filter, StoreError};

use super::{Applied, batch_size, judge};
use crate::gateway::{Gateway, GatewayError, LONGEST_CALL, Result, ends_all};
use crate::records::{JobFacet, JobRecord, OfferRecord, offer_key};

/// How long the question about a submission may fail before its end is looked for in the listings. Channels end one within a
/// day, or drop it.
const JOB_LIFE: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What a read-back found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Settled {
    /// Now live as intended.
    pub live: u32,
    /// Refused after all.
    pub rejected: u32,
    /// Still being processed.
    pub waiting: u32,
    /// Of these, such as could not be read: their channel did not answer.
    pub unread: u32,
    /// Was never carried out: intended again.
    pub again: u32,
}

impl Settled {
    fn add(&mut self, part: Settled) {
        self.live += part.live;
        self.rejected += part.rejected;
        self.waiting += part.waiting;
        self.unread += part.unread;
        self.again += part.again;
    }
}

/// Asks about a submission, by the facet that it was made by.
async fn poll(connector: &dyn Connector, job: &JobRecord) -> Result<Submitted<Vec<ItemOutcome>>, Error> {
    let cx = CallCx::new();
    let market = connector.marketplace();
    let gone = || {
        Error::new(Kind::Unsupported, format!("the account cannot be asked about {:?} any more", job.facet))
    };
    match job.facet {
        JobFacet::Offers => match market.and_then(|m| m.offers()) {
            Some(offers) => offers.poll(&cx, &job.handle).await,
            None => Err(gone()),
        },
        JobFacet::Stock => match market.and_then(|m| m.stock()) {
            Some(stock) => stock.poll(&cx, &job.handle).await,
            None => Err(gone()),
        },
    }
}

impl Gateway {
    /// Asks for the results of deferred submissions, then reads back everything that is not known to be live, and the
    /// listings of units that came back with cancelled orders. What channels said meanwhile is in the second answer.
    ///
    /// # Errors
    /// The store failed. Channels that fail are asked again next time.
    pub async fn settle(&self) -> Result<(Settled, Applied)> {
        let mut applied = Applied::default();
        let mut dead: BTreeSet<AccountId> = BTreeSet::new();
        for job in typed::list::<JobRecord>(&*self.store, Filter::all()).await? {
            let Versioned { value: job, version } = job;
            if job.handle.not_before.is_some_and(|t| t > self.now()) {
                applied.deferred += job.skus.len() as u32;
                continue;
            }
            let Some(connector) = self.accounts.get(&job.account).cloned() else {
                applied.deferred += job.skus.len() as u32;
                applied.tell(format!(
                    "account '{}' is not configured any more: what became of {} changes that it works on is asked when it is again",
                    job.account,
                    job.skus.len()
                ));
                continue;
            };
            let n = job.skus.len() as u32;
            if dead.contains(&job.account) {
                applied.deferred += n;
                continue;
            }
            match poll(connector.as_ref(), &job).await {
                Ok(Submitted::Deferred(handle)) => {
                    applied.deferred += n;
                    let mut batch = Batch::new();
                    batch.put_back(&Versioned { value: JobRecord { handle, ..job }, version })?;
                    match self.store.commit(batch).await {
                        // Another process asked as well; it knows as much, or that it is done.
                        Err(StoreError::Conflict { .. }) => {}
                        written => written?,
                    }
                }
                Ok(Submitted::Done(items)) => {
                    self.items(&job.account, items, Some(&job.id), &mut applied).await?;
                }
                Err(e) if self.is_lost(&job, &e).await? => {
                    if ends_all(&e) {
                        dead.insert(job.account.clone());
                    }
                    // Nobody will say what became of it: the read-back decides, as for a call whose answer was lost.
                    let lost = e.into_indeterminate();
                    let items = job.skus.iter().map(|sku| ItemOutcome::err(sku, lost.clone())).collect();
                    self.items(&job.account, items, Some(&job.id), &mut applied).await?;
                }
                Err(e) => {
                    applied.tell(self.told(&e));
                    applied.deferred += n;
                    if ends_all(&e) {
                        dead.insert(job.account);
                    }
                }
            }
        }
        let mut settled = Settled::default();
        let work = self.accounts.keys().map(|id| {
            let dead = dead.contains(id);
            async move {
                let (mut settled, mut applied) = (Settled::default(), Applied::default());
                if self.read_back(id, dead, &mut settled, &mut applied).await? {
                    self.read_returned(id, &mut applied).await?;
                }
                Ok::<_, GatewayError>((settled, applied))
            }
        });
        for part in self.at_once(work).await {
            let (found, said) = part?;
            settled.add(found);
            applied.add(said);
        }
        Ok((settled, applied))
    }

    /// A submission will not be told of any more: the channel does not know it, or understands the question no better next
    /// time; or it could not be asked for so long that it has ended in any case.
    async fn is_lost(&self, job: &JobRecord, error: &Error) -> Result<bool> {
        if error.kind().is_business() || matches!(error.kind(), Kind::UnknownCode | Kind::Indeterminate) {
            return Ok(true);
        }
        let mut sent = None;
        for sku in &job.skus {
            let offer = typed::get::<OfferRecord>(&*self.store, &offer_key(&job.account, sku)).await?;
            sent = sent.max(offer.and_then(|o| o.value.sent_at));
        }
        Ok(sent.is_some_and(|at| self.now().duration_since(at) > JOB_LIFE))
    }

    /// `dead`: the channel has said already that it knows this account no more. What is open stays so, and nothing is asked. Whether
    /// more can be asked.
    async fn read_back(
        &self,
        id: &AccountId,
        mut dead: bool,
        settled: &mut Settled,
        applied: &mut Applied,
    ) -> Result<bool> {
        let connector = self.account(id)?.clone();
        let Some(listings) = connector.marketplace().and_then(|m| m.listings()) else { return Ok(false) };
        let open = [ChangeState::Accepted, ChangeState::Indeterminate];
        let mut records =
            typed::list::<OfferRecord>(&*self.store, Filter::account(id.as_str()).states(&open)).await?;
        // A process that died between sending and writing left `Sent`: nobody knows, unless a job still asks.
        let jobs = typed::list::<JobRecord>(&*self.store, Filter::account(id.as_str())).await?;
        let sent = typed::list::<OfferRecord>(
            &*self.store,
            Filter::account(id.as_str()).states(&[ChangeState::Sent]),
        )
        .await?;
        let asked: HashSet<&Sku> = jobs.iter().flat_map(|j| &j.value.skus).collect();
        for record in sent.into_iter().filter(|r| !asked.contains(&r.value.sku)) {
            // Or another process is in the middle of the call, and what is to be seen now is not yet what it does.
            let at = record.value.sent_at;
            if at.is_some_and(|at| self.now().duration_since(at) < LONGEST_CALL) {
                settled.waiting += 1;
            } else {
                records.push(record);
            }
        }
        let size = batch_size(connector.capabilities().bounds.listings_batch);
        for chunk in records.chunks(size) {
            let n = chunk.len() as u32;
            if dead {
                settled.waiting += n;
                settled.unread += n;
                continue;
            }
            let keys: Vec<ListingRef> = chunk
                .iter()
                .map(|r| ListingRef { sku: r.value.sku.clone(), listing: r.value.listing.clone() })
                .collect();
            let found = match listings.read(&CallCx::new(), &keys).await {
                Ok(found) => found,
                Err(e) => {
                    applied.tell(self.told(&e));
                    settled.waiting += n;
                    settled.unread += n;
                    dead = ends_all(&e);
                    continue;
                }
            };
            loop {
                match self.judge_chunk(id, chunk, &found, settled, applied).await {
                    // Somebody wrote one of them: they are read again.
                    Err(GatewayError::Store(StoreError::Conflict { .. })) => {}
                    other => break other?,
                }
            }
        }
        Ok(!dead)
    }

    /// Judges offers by what was read of them. One that was sent anew during the reading is not in it as it is now: it is
    /// asked for again.
    async fn judge_chunk(
        &self,
        id: &AccountId,
        chunk: &[Versioned<OfferRecord>],
        found: &[LiveListing],
        settled: &mut Settled,
        applied: &mut Applied,
    ) -> Result<()> {
        let mut batch = Batch::new();
        let mut part = Settled::default();
        let mut said: BTreeMap<String, Vec<Sku>> = BTreeMap::new();
        for listed in chunk {
            let key = offer_key(id, &listed.value.sku);
            let Some(mut known) = typed::get::<OfferRecord>(&*self.store, &key).await? else { continue };
            let record = &mut known.value;
            if (record.state, record.sent_at) != (listed.value.state, listed.value.sent_at) {
                part.waiting += 1;
                continue;
            }
            let live = found.iter().find(|l| l.key.sku == record.sku);
            judge::judge(record, live, self.now(), &mut part);
            if record.state == ChangeState::Rejected {
                let why = record.note.clone().unwrap_or_default();
                said.entry(format!("refused after all: {why}")).or_default().push(record.sku.clone());
            }
            if live.is_some() {
                batch.put_back(&known)?;
            }
        }
        self.store.commit(batch).await?;
        settled.add(part);
        applied.tell_items(id, said);
        Ok(())
    }
}
