//! The plan: what would change where, why, at what cost in calls — and what is stopped. Bound by hash to its
//! inputs: `apply` refuses a plan whose world has moved.

mod against;
mod calls;
mod untended;

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tradewind_connector::Capabilities;
use tradewind_domain::{AccountId, ChangeState, ListingRef, Offer, Product, Sku, Variant};
use tradewind_store::Collection;
use tradewind_store::typed::Record;

use self::against::{Against, against, lowered, withdrawal};
use self::calls::Estimate;
use crate::config::{Config, OfferRules};
use crate::desired::{self, Guard, Stop};
use crate::landed::Engines;
use crate::pricing::Prices;
use crate::records::{Asked, OfferRecord, StockRecord, offer_key};

/// One field that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Field.
    pub field: String,
    /// What is live.
    pub from: String,
    /// What should be.
    pub to: String,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Put a new offer up.
    Create {
        /// The offer.
        offer: Box<Offer>,
    },
    /// Put the complete offer again.
    Update {
        /// The offer.
        offer: Box<Offer>,
        /// Listing it replaces.
        key: ListingRef,
        /// What differs.
        fields: Vec<FieldChange>,
    },
    /// Lower the quantity.
    Lower {
        /// Listing.
        key: ListingRef,
        /// What is live.
        from: u32,
        /// What should be.
        to: u32,
    },
    /// Raise the quantity, by units that the listing was never given.
    Raise {
        /// Listing.
        key: ListingRef,
        /// What is live.
        from: u32,
        /// What should be.
        to: u32,
    },
    /// Take it off sale.
    Withdraw {
        /// Listing.
        key: ListingRef,
    },
}

/// A change, and whether it may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Account.
    pub account: AccountId,
    /// SKU.
    pub sku: Sku,
    /// What; `None` when a guard stopped it before there was an offer.
    #[serde(flatten)]
    pub action: Option<Action>,
    /// Why it came up: `catalogue.csv:12`.
    pub cause: String,
    /// Why it may not go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
}

/// Numbers of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// New offers.
    pub create: u32,
    /// Updates.
    pub update: u32,
    /// Lowered quantities.
    pub lower: u32,
    /// Raised quantities.
    #[serde(default)]
    pub raise: u32,
    /// Withdrawals.
    pub withdraw: u32,
    /// Stopped by a guard.
    pub blocked: u32,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Hash of inputs and changes ([`Plan::name`]).
    pub id: String,
    /// Hash of what the plan was made from.
    pub inputs: String,
    /// Made at.
    pub made_at: Timestamp,
    /// Changes, by account and SKU.
    pub changes: Vec<Change>,
    /// Estimated calls per account, those of reading included: see `plan/calls.rs`.
    pub calls: BTreeMap<AccountId, u32>,
    /// Numbers.
    pub totals: Totals,
    /// What no change says, a line for each account: listings that nobody tends, SKUs that have no units for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Record for Plan {
    const COLLECTION: Collection = Collection::Plans;
    fn key(&self) -> String {
        self.id.clone()
    }
}

impl Plan {
    /// The name that inputs and changes give. A plan whose id is another one was changed after it was made: a stop taken
    /// out, a price or a quantity put in that no guard has seen.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.inputs, &self.changes)
    }
}

fn name(inputs: &str, changes: &[Change]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(inputs.as_bytes());
    // Not as one text first: that of a first plan is as large as the catalogue.
    let mut writer = BufWriter::with_capacity(1 << 16, Digested(&mut hasher));
    let written = serde_json::to_writer(&mut writer, changes).map_err(|e| e.to_string());
    let written = written.and_then(|()| std::io::Write::flush(&mut writer).map_err(|e| e.to_string()));
    drop(writer);
    if let Err(e) = written {
        // No change has a shape that JSON lacks; were there one, its plan would get a name of its own.
        hasher.update(e);
    }
    hex::encode(&hasher.finalize()[..12])
}

/// Takes in what is written.
struct Digested<'a>(&'a mut Sha256);

impl std::io::Write for Digested<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// SKUs that a thread takes at a time.
const SHARE: usize = 256;

/// Takes in what a plan is made from, each as it is stored: as JSON, so that a name of our own code decides nothing.
struct InputsHash {
    hasher: Sha256,
    /// One for all: a large shop has hundreds of thousands of rows.
    text: Vec<u8>,
}

impl InputsHash {
    fn add<T: Serialize + ?Sized>(&mut self, tag: &str, value: &T) {
        self.text.clear();
        if let Err(e) = serde_json::to_writer(&mut self.text, value) {
            // Nothing in here has a shape that JSON lacks (all of it is stored so); were there one, it would be seen.
            self.text.extend(e.to_string().as_bytes());
        }
        for part in [tag.as_bytes(), &self.text] {
            self.hasher.update((part.len() as u64).to_be_bytes());
            self.hasher.update(part);
        }
    }
}

type Catalogue<'a> = [(&'a Sku, &'a (Product, Variant))];

/// What a plan is made from, all of it in memory: planning makes no call.
pub struct Inputs<'a> {
    /// Configuration.
    pub config: &'a Config,
    /// Catalogue by SKU.
    pub variants: &'a BTreeMap<Sku, (Product, Variant)>,
    /// Known offers by key.
    pub offers: &'a BTreeMap<String, OfferRecord>,
    /// Stock by SKU.
    pub stock: &'a BTreeMap<Sku, StockRecord>,
    /// Capabilities of the accounts that are open.
    pub capabilities: &'a BTreeMap<AccountId, Capabilities>,
    /// Price book, rule packs, exchange rates.
    pub engines: &'a Engines,
}

impl Inputs<'_> {
    /// Hash of everything that decides the changes.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut inputs = InputsHash { hasher: Sha256::new(), text: Vec::new() };
        let rules: Vec<_> = self.config.account.iter().map(|a| (&a.id, &a.offers)).collect();
        inputs.add("engines", &self.engines.digest);
        inputs.add("rules", &(rules, &self.config.guard, &self.config.stock));
        // Goods that leave from another country pay another duty, and the price book asks for it.
        inputs.add("ships from", &self.config.shipping.as_ref().map(|s| s.from.country));
        inputs.add("limits", self.capabilities);
        for (sku, (product, variant)) in self.variants {
            inputs.add(sku.as_str(), &(&product.brand, &product.category, &product.content, variant));
        }
        for (key, offer) in self.offers {
            // When it was read does not matter, what was read does.
            inputs.add(key, &(offer.state, &offer.desired, &offer.live, &offer.made, &offer.own_title));
            let refused = matches!(&offer.asked, Asked::Quantity(alone) if alone.refused.is_some());
            if refused || offer.state != ChangeState::Live {
                inputs.add("asked", &offer.asked);
            }
        }
        for (sku, stock) in self.stock {
            inputs.add(sku.as_str(), stock);
        }
        hex::encode(inputs.hasher.finalize())
    }

    /// Makes the plan, on all processors.
    #[must_use]
    pub fn plan(&self, now: Timestamp) -> Plan {
        self.plan_on(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), now)
    }

    /// Makes the plan on so many threads. It is the same plan, byte for byte, whatever their number: each SKU is planned
    /// for itself, and the shares are put together in the order of the catalogue.
    #[must_use]
    pub fn plan_on(&self, threads: NonZeroUsize, now: Timestamp) -> Plan {
        let prices = Prices::new(self.config, self.engines, now);
        let accounts: Vec<_> = self
            .config
            .account
            .iter()
            .filter_map(|a| Some((&a.id, a.offers.as_ref()?, self.capabilities.get(&a.id)?)))
            .collect();
        let catalogue: Vec<_> = self.variants.iter().collect();
        let shares: Vec<&Catalogue<'_>> = catalogue.chunks(SHARE).collect();
        let next = AtomicUsize::new(0);
        // Whoever is free takes the next share; what it finds there is kept by account.
        let work = || {
            let mut done = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(share) = shares.get(n) else { return done };
                let found: Vec<Vec<Change>> = accounts
                    .iter()
                    .map(|(id, rules, able)| self.plan_share(id, rules, able, &prices, share))
                    .collect();
                done.push((n, found));
            }
        };
        let (mut done, inputs) = if threads == NonZeroUsize::MIN {
            (work(), self.hash())
        } else {
            std::thread::scope(|scope| {
                let helpers: Vec<_> =
                    (1..threads.get().min(shares.len())).map(|_| scope.spawn(work)).collect();
                let hash = scope.spawn(|| self.hash());
                let mut done = work();
                for helper in helpers {
                    done.extend(joined(helper));
                }
                (done, joined(hash))
            })
        };
        done.sort_unstable_by_key(|(n, _)| *n);
        let found = done.iter().flat_map(|(_, found)| found).map(Vec::len).sum();
        let mut changes = Vec::with_capacity(found);
        for (i, (id, ..)) in accounts.iter().enumerate() {
            let first = changes.len();
            for found in done.iter_mut().filter_map(|(_, found)| found.get_mut(i)) {
                changes.extend(std::mem::take(found));
            }
            self.plan_withdrawals(id, &mut changes);
            self.guard_mass_delete(id, first, &mut changes);
        }
        self.plan_farewells(&mut changes);
        let (calls, totals) = self.totals(&changes);
        let id = name(&inputs, &changes);
        Plan { id, inputs, made_at: now, changes, calls, totals, notes: self.notes() }
    }

    fn plan_share(
        &self,
        account: &AccountId,
        rules: &OfferRules,
        capabilities: &Capabilities,
        prices: &Prices<'_>,
        share: &Catalogue<'_>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let terms = prices.terms(account);
        for (sku, (product, variant)) in share.iter().copied() {
            if !is_among(rules, product) {
                let known = self.offers.get(&offer_key(account, sku));
                changes.extend(
                    known.and_then(|k| withdrawal(k, "its category is not in offers.only of the account")),
                );
                continue;
            }
            let shelf = self.stock.get(sku);
            let quantity = shelf.map_or(0, |s| s.allotted_to(account));
            let cause = variant.source.as_ref().map(ToString::to_string).unwrap_or_default();
            let known = self.offers.get(&offer_key(account, sku));
            let change = |action, stop| Change {
                account: account.clone(),
                sku: sku.clone(),
                action,
                cause: cause.clone(),
                stop,
            };
            let guard = &self.config.guard;
            let priced = || match terms {
                Some(terms) => prices.price(terms, variant),
                None => desired::price(variant, rules, guard).map(|(price, _)| price),
            };
            match desired::offer(product, variant, rules, guard, capabilities, quantity, priced) {
                Err(stop) => {
                    changes.push(change(None, Some(stop)));
                    // Whatever stops the offer: the listing sells, and what is not there must not be sold.
                    changes.extend(lowered(known, quantity).map(|action| change(Some(action), None)));
                }
                Ok(offer) => {
                    let quantity = offer.quantity;
                    let may_show = |shown| shelf.map_or(0, |s| s.may_show(account, shown));
                    match against(known, offer, guard.price_jump, may_show) {
                        Against::Same => {
                            changes.extend(lowered(known, quantity).map(|a| change(Some(a), None)))
                        }
                        Against::Go(action) => changes.push(change(Some(action), None)),
                        Against::Stopped(action, stop) => {
                            changes.push(change(action, Some(stop)));
                            changes.extend(lowered(known, quantity).map(|a| change(Some(a), None)));
                        }
                    }
                }
            }
        }
        changes
    }

    /// What is live and no longer in the catalogue goes.
    fn plan_withdrawals(&self, account: &AccountId, changes: &mut Vec<Change>) {
        for known in self.known_at(account) {
            if !self.variants.contains_key(&known.sku) {
                changes.extend(withdrawal(known, "no longer in the catalogue"));
            }
        }
    }

    /// The known offers of an account, by SKU.
    fn known_at(&self, account: &AccountId) -> impl Iterator<Item = &OfferRecord> {
        let prefix = format!("{account}/");
        let all = self.offers.range(prefix.clone()..);
        all.take_while(move |(k, _)| k.starts_with(&prefix)).map(|(_, o)| o)
    }

    fn guard_mass_delete(&self, account: &AccountId, first: usize, changes: &mut Vec<Change>) {
        let live = self.known_at(account).filter(|o| o.may_sell()).count();
        let goes = |c: &Change| matches!(c.action, Some(Action::Withdraw { .. }));
        let going = changes[first..].iter().filter(|c| goes(c)).count();
        let limit = rust_decimal::Decimal::from(live) * self.config.guard.mass_delete;
        if rust_decimal::Decimal::from(going) <= limit {
            return;
        }
        let mut lower = Vec::new();
        for change in changes[first..].iter_mut().filter(|c| goes(c)) {
            let why = format!(
                "{going} of {live} listings would go at once, the limit is {}: check the catalogue files, or raise guard.mass_delete",
                limit.floor()
            );
            change.stop = Some(Stop::new(Guard::MassDelete, why));
            let quantity = self.stock.get(&change.sku).map_or(0, |s| s.allotted_to(account));
            let action = lowered(self.offers.get(&offer_key(account, &change.sku)), quantity);
            lower.extend(action.map(|a| Change { action: Some(a), stop: None, ..change.clone() }));
        }
        changes.extend(lower);
    }

    fn totals(&self, changes: &[Change]) -> (BTreeMap<AccountId, u32>, Totals) {
        let mut totals = Totals::default();
        let mut accounts: BTreeMap<AccountId, Estimate<'_>> = BTreeMap::new();
        for change in changes {
            if change.stop.is_some() {
                totals.blocked += 1;
                continue;
            }
            let estimate = accounts.entry(change.account.clone()).or_default();
            match &change.action {
                Some(Action::Create { offer }) => {
                    totals.create += 1;
                    // What may be there is read first, and goes by itself, as an update does.
                    let known = self.offers.get(&offer_key(&change.account, &change.sku));
                    let first = known.is_none_or(|k| !k.may_be_there());
                    let all = if first { &mut estimate.creates } else { &mut estimate.updates };
                    all.push(&offer.product);
                }
                Some(Action::Update { offer, .. }) => {
                    totals.update += 1;
                    estimate.updates.push(&offer.product);
                }
                Some(Action::Withdraw { .. }) => {
                    totals.withdraw += 1;
                    estimate.withdrawals += 1;
                }
                Some(Action::Lower { .. }) => {
                    totals.lower += 1;
                    estimate.quantities += 1;
                }
                Some(Action::Raise { .. }) => {
                    totals.raise += 1;
                    estimate.quantities += 1;
                }
                None => {}
            }
        }
        let calls = accounts.into_iter().map(|(account, estimate)| {
            let bounds = self.capabilities.get(&account).map(|c| c.bounds.clone()).unwrap_or_default();
            let calls = estimate.calls(&bounds);
            (account, calls)
        });
        (calls.collect(), totals)
    }
}

/// The rules of an account do not leave the product out.
fn is_among(rules: &OfferRules, product: &Product) -> bool {
    rules.only.is_empty() || product.category.as_ref().is_some_and(|c| rules.only.contains(c))
}

/// What a thread found. Were it to panic, so would its caller have, had it done the work itself.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
