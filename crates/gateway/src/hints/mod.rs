//! Notifications in: a delivery is verified, kept and turned into hints in one commit; a hint is a reading that is owed, and
//! [`Gateway::follow`] makes it with the calls that a poll makes. What a notification tells is never taken for a fact.

mod follow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tradewind_connector::{Hint, InboundRequest, Kind};
use tradewind_domain::{AccountId, ListingId, OrderId, Sku, Waybill};
use tradewind_store::typed::{self, Record, Versioned};
use tradewind_store::{Batch, Collection, Expect, Filter, StoreError};

use crate::gateway::{Gateway, GatewayError, Result};

pub use follow::{Followed, Outcome};

/// A notification comes in a crowd (created, paid, updated): what it names is read once, a moment later.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// How many days a delivery is remembered. Channels repeat one for three days at most.
const REMEMBERED: i32 = 30;
/// How long a program may have stood still, and still takes away what it should have meanwhile.
const STOOD_STILL: i32 = 400;

/// Something to read again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// One order.
    Order(OrderId),
    /// The orders that changed.
    Orders,
    /// The listing of a SKU.
    Sku(Sku),
    /// A listing by the channel's id.
    Listing(ListingId),
    /// Returns that changed.
    Returns,
    /// Disputes that changed.
    Disputes,
    /// Transactions, payouts and settlement documents.
    Money,
    /// Scans of a parcel.
    Parcel(Waybill),
}

impl Reading {
    fn of(hint: Hint) -> Result<Reading, String> {
        Ok(match hint {
            Hint::Order(id) => Reading::Order(id),
            Hint::Listing(id) => Reading::Listing(id),
            Hint::Sku(sku) => Reading::Sku(sku),
            Hint::Transaction(_) | Hint::Payout(_) | Hint::Statement(_) => Reading::Money,
            Hint::Parcel(waybill) => Reading::Parcel(waybill),
            // Whether it is so, the next call tells: nobody is logged out on a notification's word.
            Hint::Disconnected => Reading::Orders,
            Hint::Return(_) => Reading::Returns,
            Hint::Dispute(_) => Reading::Disputes,
            Hint::Unknown(topic) => return Err(topic),
        })
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reading::Order(id) => write!(f, "order/{id}"),
            Reading::Orders => f.write_str("orders"),
            Reading::Sku(sku) => write!(f, "sku/{sku}"),
            Reading::Listing(id) => write!(f, "listing/{id}"),
            Reading::Returns => f.write_str("returns"),
            Reading::Disputes => f.write_str("disputes"),
            Reading::Money => f.write_str("money"),
            Reading::Parcel(waybill) => write!(f, "parcel/{waybill}"),
        }
    }
}

/// A reading that is owed, until it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintRecord {
    /// Account.
    pub account: AccountId,
    /// What to read.
    pub reading: Reading,
    /// When it was last told.
    pub told_at: Timestamp,
    /// Not before.
    pub due: Timestamp,
    /// Readings that failed since it was last told.
    #[serde(default)]
    pub attempts: u32,
    /// Which kind of error the last one ended with. Not its words, which may quote what the channel says of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Record for HintRecord {
    const COLLECTION: Collection = Collection::Hints;
    fn key(&self) -> String {
        hint_key(&self.account, &self.reading)
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
}

fn hint_key(account: &AccountId, reading: &Reading) -> String {
    format!("{account}/{reading}")
}

/// A delivery that was verified. Its body is a payload of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Account.
    pub account: AccountId,
    /// Digest of the channel's own id; where it has none, of the body and the time.
    pub id: String,
    /// When it came.
    pub at: Timestamp,
    /// Hash of the body.
    pub payload: String,
    /// What it made us read.
    pub readings: Vec<Reading>,
    /// Topics of which nothing follows in this version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

impl Record for DeliveryRecord {
    const COLLECTION: Collection = Collection::Deliveries;
    fn key(&self) -> String {
        format!("{}/{}", self.account, self.id)
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn state(&self) -> String {
        day(self.at)
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// What became of a request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is durable, and so are the hints in it.
    New {
        /// Which delivery.
        id: String,
        /// What it made us read.
        readings: Vec<Reading>,
        /// Topics of which nothing follows.
        unread: Vec<String>,
    },
    /// It came before.
    Again {
        /// Which delivery.
        id: String,
    },
    /// Nothing of it is believed or kept. Why, for us: whoever sent it is not told.
    Refused(String),
}

impl Gateway {
    /// Takes in a request that reached the address of an account: verified by its connector, kept, and its hints owed, all
    /// durable when this returns.
    ///
    /// # Errors
    /// The store failed: the sender must send it again.
    pub async fn take_delivery(&self, account: &AccountId, request: &InboundRequest) -> Result<Taken> {
        let Some(inbound) = self.accounts.get(account).and_then(|c| c.inbound()) else {
            return Ok(Taken::Refused("no account takes notifications here".to_owned()));
        };
        let hints = match inbound.verify(request) {
            Ok(hints) => hints,
            Err(e) if e.kind() == Kind::Unauthenticated => return Ok(Taken::Refused(e.message().to_owned())),
            // It is the channel's, and sending it again would make it no clearer. What is unclear about it may be a
            // person's data: it is in the payload, not in a message.
            Err(e) => vec![Hint::Unknown(format!("not understood ({})", e.kind().name()))],
        };
        let (mut readings, mut unread) = (Vec::new(), Vec::new());
        for hint in hints {
            match Reading::of(hint) {
                Ok(reading) if !readings.contains(&reading) => readings.push(reading),
                Ok(_) => {}
                Err(topic) => unread.push(topic.chars().take(120).collect()),
            }
        }
        let payload = self.store.keep_payload(&request.body).await?;
        // Digested: ids are long, and a channel's may hold anything.
        let id = inbound.delivery(request).unwrap_or_else(|| format!("{payload} {}", request.received_at));
        let id = hex::encode(Sha256::digest(id));
        let record = DeliveryRecord {
            account: account.clone(),
            id: id.clone(),
            at: request.received_at,
            payload,
            readings: readings.clone(),
            unread: unread.clone(),
        };
        loop {
            let mut batch = Batch::new();
            batch.put_expecting(&record, Expect::Absent)?;
            for reading in &readings {
                self.owe(account, reading, PAUSE, &mut batch).await?;
            }
            match self.store.commit(batch).await {
                Ok(()) => return Ok(Taken::New { id, readings, unread }),
                Err(StoreError::Conflict { collection, .. })
                    if collection == Collection::Deliveries.table() =>
                {
                    return Ok(Taken::Again { id });
                }
                // Somebody follows or tells the same hint at this moment.
                Err(StoreError::Conflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Adds a reading that is owed to a batch. One that is owed already is told anew: whoever makes it now, with what the
    /// channel knew before, does not settle it.
    pub(crate) async fn owe(
        &self,
        account: &AccountId,
        reading: &Reading,
        after: SignedDuration,
        batch: &mut Batch,
    ) -> Result<()> {
        let now = self.now();
        let due = now.checked_add(after).unwrap_or(now);
        let fresh = HintRecord {
            account: account.clone(),
            reading: reading.clone(),
            told_at: now,
            due,
            attempts: 0,
            note: None,
        };
        let known = typed::get::<HintRecord>(&*self.store, &hint_key(account, reading)).await?;
        let record = match known {
            // A crowd does not put off what its first one made due.
            Some(k) => {
                Versioned { value: HintRecord { due: k.value.due.min(due), ..fresh }, version: k.version }
            }
            None => Versioned { value: fresh, version: 0 },
        };
        batch.put_back(&record)?;
        Ok(())
    }

    /// Readings that are owed, of one account or of all.
    ///
    /// # Errors
    /// The store failed.
    pub async fn owed(&self, account: Option<&AccountId>) -> Result<Vec<HintRecord>> {
        let filter = account.map_or_else(Filter::all, |a| Filter::account(a.as_str()));
        let all = typed::list::<HintRecord>(&*self.store, filter).await?;
        Ok(all.into_iter().map(|h| h.value).collect())
    }

    /// Takes away deliveries that no channel repeats any more; how many. Their payloads stay, as all do.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_deliveries(&self) -> Result<usize> {
        let today = self.now();
        let old: Vec<String> = (REMEMBERED + 1..REMEMBERED + STOOD_STILL)
            .filter_map(|n| today.checked_sub(SignedDuration::from_hours(24 * i64::from(n))).ok())
            .map(day)
            .collect();
        let rows = self.store.list(Collection::Deliveries, Filter::all().states(&old)).await?;
        let mut batch = Batch::new();
        for row in &rows {
            batch.delete(Collection::Deliveries, row.key.clone());
        }
        self.store.commit(batch).await.map_err(GatewayError::from)?;
        Ok(rows.len())
    }
}
