//! What the store knows about money, as facts for the ledger.
//!
//! Settlement documents are read from their kept bytes; what the providers' interfaces told (movements, payouts) and what we
//! know ourselves (orders, refunds, parcels) stands beside them. Money of an account that left the configuration stays in the
//! books: its provider is kept with it. Two rules keep a cent from being counted twice:
//!
//! - Accounts of one seller see the same money (three Amazon stores, one seller): a movement, payout or document that several
//!   accounts collected is taken once, for the account that sells in its currency.
//! - Where a provider's documents settle a period, they post and the interface's rows of that period only informed us.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tradewind_domain::{AccountId, Currency, Money, OrderState, SourceTime, TaxKind};
use tradewind_ledger::facts::{self, Facts, Moment, Origin, Provider};
use tradewind_ledger::import::{self, CodeTable, Document, Import, ImportedFile, Out, Sidecar, Tx};
use tradewind_store::Filter;
use tradewind_store::typed::{self, Versioned};

use crate::gateway::{Gateway, Result};
use crate::records::{OrderRecord, PayoutRecord, ShipmentRecord, StatementRecord, TransactionRecord};

fn moment(t: &SourceTime) -> Moment {
    Moment { at: t.utc, zone: t.zone.clone().unwrap_or_else(|| "UTC".to_owned()), day_only: false }
}

fn instant(at: Timestamp) -> Moment {
    Moment { at, zone: "UTC".to_owned(), day_only: false }
}

/// The accounts, as the books see them.
struct Accounts {
    provider: BTreeMap<AccountId, Provider>,
    /// Their connectors by name, also of those whose money no importer reads.
    connectors: BTreeMap<AccountId, String>,
    /// Providers whose documents restate movements without their ids, as the provider's own table says.
    restating: BTreeSet<Provider>,
    sells_in: BTreeMap<AccountId, Currency>,
}

impl Accounts {
    async fn of(gateway: &Gateway, statements: &[Versioned<StatementRecord>]) -> Result<Accounts> {
        let entries = &gateway.config.account;
        let connectors = gateway.connectors(statements).await?;
        let provider: BTreeMap<AccountId, Provider> =
            connectors.iter().filter_map(|(id, c)| Some((id.clone(), c.parse().ok()?))).collect();
        let restates = |p: &Provider| CodeTable::builtin(*p).is_some_and(|t| t.traits.restates);
        Ok(Accounts {
            restating: provider.values().copied().filter(restates).collect(),
            provider,
            connectors,
            sells_in: entries
                .iter()
                .filter_map(|e| Some((e.id.clone(), e.offers.as_ref()?.currency)))
                .collect(),
        })
    }

    /// Where money moves later than a policy expects, as the provider's own table says.
    fn payment_days(&self) -> BTreeMap<String, i32> {
        let of = |(account, provider): (&AccountId, &Provider)| {
            let days = CodeTable::builtin(*provider)?.traits.payment_days?;
            Some((account.to_string(), days))
        };
        self.provider.iter().filter_map(of).collect()
    }

    /// Why rows of an account are not in the books, and what to do.
    fn left_out(&self, account: &AccountId, rows: u64) -> facts::RowError {
        let what =
            format!("{rows} movements, payouts and documents of account '{account}' are not in the books");
        let message = match self.connectors.get(account) {
            Some(connector) => format!("{what}: nothing here reads the money of connector '{connector}'"),
            None => format!(
                "{what}: it is not in the configuration, and of which provider it was is not kept: put its [[account]] back"
            ),
        };
        facts::RowError { file: "store/money".to_owned(), row: 0, message }
    }

    /// The account among several that collected the same thing: the one that sells in its currency, else the first by name.
    fn choose<'a>(
        &self,
        seen_by: &'a BTreeSet<AccountId>,
        currency: Option<Currency>,
    ) -> Option<&'a AccountId> {
        seen_by
            .iter()
            .find(|a| currency.is_some() && self.sells_in.get(*a).copied() == currency)
            .or_else(|| seen_by.first())
    }
}

/// The same thing collected by several accounts, once.
struct Once<T> {
    by: BTreeMap<(Provider, String), (T, BTreeSet<AccountId>)>,
}

/// Rows of accounts whose provider is not known.
type LeftOut = BTreeMap<AccountId, u64>;

impl<T> Once<T> {
    fn new() -> Once<T> {
        Once { by: BTreeMap::new() }
    }
    fn add(&mut self, accounts: &Accounts, left: &mut LeftOut, account: AccountId, id: String, item: T) {
        match accounts.provider.get(&account) {
            Some(p) => {
                self.by.entry((*p, id)).or_insert_with(|| (item, BTreeSet::new())).1.insert(account);
            }
            None => *left.entry(account).or_default() += 1,
        }
    }
}

impl Gateway {
    /// Everything that the store knows for a reconciliation: [`tradewind_ledger::recon::run`] takes it from here.
    ///
    /// Bank lines and carriers' invoices come from elsewhere; [`Facts::extend`] adds them.
    ///
    /// # Errors
    /// The store failed. A document that cannot be read is in [`Facts::errors`] or [`Facts::refused`] and stops nothing.
    pub async fn facts(&self) -> Result<Facts> {
        let statements = typed::list::<StatementRecord>(&*self.store, Filter::all()).await?;
        let accounts = Accounts::of(self, &statements).await?;
        let mut left = LeftOut::new();
        let mut import = self.documents(statements, &accounts, &mut left).await?;
        self.movements(&accounts, &mut left, &mut import).await?;
        import.settle_overlaps();
        let mut facts = facts::native::from_import(&import);
        facts.errors.extend(left.iter().map(|(account, rows)| accounts.left_out(account, *rows)));
        self.sales(&mut facts).await?;
        facts.payments_untold = self
            .accounts
            .iter()
            .filter(|(_, c)| c.marketplace().is_some() && !crate::money::tells(c.as_ref()))
            .map(|(id, _)| id.to_string())
            .collect();
        facts.payment_days = accounts.payment_days();
        self.reference_rates(&mut facts);
        Ok(facts)
    }

    /// The rates that the configuration names, of the publisher whose rates prices use: what exchange is measured with.
    fn reference_rates(&self, facts: &mut Facts) {
        for published in self.engines.rates.published(&self.engines.fx.source) {
            facts.rates.extend(published.quotes.iter().map(|(quote, q)| facts::RateRow {
                date: published.date,
                base: published.base,
                quote: *quote,
                rate: q.rate,
                source: published.source.clone(),
            }));
        }
    }

    async fn documents(
        &self,
        statements: Vec<Versioned<StatementRecord>>,
        accounts: &Accounts,
        left: &mut LeftOut,
    ) -> Result<Import> {
        let mut once: Once<StatementRecord> = Once::new();
        for record in statements {
            let r = record.value;
            let (account, payload) = (r.account.clone(), r.payload.clone());
            once.add(accounts, left, account, payload, r);
        }
        let mut found: Vec<_> = once.by.into_iter().collect();
        // The order of arrival, which tells the first of two versions: by the end of the period, then by name.
        found.sort_by(|a, b| {
            (a.1.0.statement.to, &a.1.0.file_name).cmp(&(b.1.0.statement.to, &b.1.0.file_name))
        });
        let mut import = Import::default();
        for ((provider, sha256), (record, seen_by)) in found {
            let path = format!("store/{provider}/{}", record.file_name);
            let Some(bytes) = self.store.payload(&record.payload).await? else {
                import.refused.push(
                    import::Refusal::new(import::RefusalKind::Malformed, 0, "its kept bytes are gone")
                        .at(path),
                );
                continue;
            };
            match import::read_bytes(provider, &bytes, &Sidecar::default()) {
                Ok(document) => {
                    let currency = document.statements.first().map(|s| s.total.currency());
                    let account = accounts.choose(&seen_by, currency).unwrap_or(&record.account).to_string();
                    import.files.push(ImportedFile {
                        path: path.into(),
                        provider,
                        account,
                        sha256,
                        document,
                    });
                }
                Err(refusal) => import.refused.push(refusal.at(path)),
            }
        }
        Ok(import)
    }

    /// What the providers' interfaces told, as one document per account.
    async fn movements(&self, accounts: &Accounts, left: &mut LeftOut, import: &mut Import) -> Result<()> {
        let mut settled_until: BTreeMap<(Provider, Currency), Timestamp> = BTreeMap::new();
        for file in &import.files {
            for s in &file.document.statements {
                let end = s.to.as_ref().map_or(Timestamp::MIN, |t| t.at);
                let slot = settled_until.entry((file.provider, s.total.currency())).or_insert(end);
                *slot = end.max(*slot);
            }
        }
        let mut payouts: Once<tradewind_domain::Payout> = Once::new();
        for record in typed::list::<PayoutRecord>(&*self.store, Filter::all()).await? {
            let PayoutRecord { account, payout } = record.value;
            let id = payout.id.to_string();
            payouts.add(accounts, left, account, id, payout);
        }
        let mut rows: Once<tradewind_domain::BalanceTransaction> = Once::new();
        for record in typed::list::<TransactionRecord>(&*self.store, Filter::all()).await? {
            let TransactionRecord { account, transaction } = record.value;
            let id = transaction.id.to_string();
            rows.add(accounts, left, account, id, transaction);
        }
        let known: BTreeSet<(Provider, String)> = payouts.by.keys().cloned().collect();
        let settled_groups: BTreeSet<&str> = payouts
            .by
            .iter()
            .filter(|((provider, _), (p, _))| {
                accounts.restating.contains(provider) && settled_by_document(import, *provider, p)
            })
            .map(|((_, id), _)| id.as_str())
            .collect();
        let mut documents: BTreeMap<(Provider, String), Document> = BTreeMap::new();
        for ((provider, _), (t, seen_by)) in rows.by {
            let currency = t.net.map_or(t.amount.currency(), Money::currency);
            // Documents that carry the rows' own ids are compared row by row. Where they do not, a row belongs to the document
            // that settles its event group, or, while it named none, to the period that holds it. Periods are printed in whole
            // seconds.
            let settled = accounts.restating.contains(&provider)
                && match t.payout.as_ref().filter(|g| known.contains(&(provider, g.to_string()))) {
                    Some(group) => settled_groups.contains(group.as_str()),
                    None => settled_until
                        .get(&(provider, currency))
                        .is_some_and(|end| t.occurred_at.utc.as_second() <= end.as_second()),
                };
            if settled {
                continue;
            }
            let Some(account) = accounts.choose(&seen_by, Some(currency)) else { continue };
            let mut row = Tx::new(t.id.to_string(), t.kind, moment(&t.occurred_at), t.amount);
            row.event_code = t.event_code;
            row.fee = t.fee;
            row.net = t.net;
            row.rate = t.rate;
            row.order = t.order.map(|o| o.to_string());
            row.refers_to = t.refers_to.map(|r| r.to_string());
            // An event group that is still open is a balance, not a payout.
            row.payout = t.payout.map(|p| p.to_string()).filter(|p| known.contains(&(provider, p.clone())));
            row.affects = t.balance_affecting;
            row.components = t.components.into_iter().map(|c| (c.code, c.amount)).collect();
            documents.entry((provider, account.to_string())).or_default().transactions.push(row);
        }
        for ((provider, id), (p, seen_by)) in payouts.by {
            let Some(account) = accounts.choose(&seen_by, Some(p.amount.currency())) else { continue };
            let zone = import_zone(&p.initiated_at);
            let out = Out {
                id,
                amount: p.amount,
                status: if p.raw_status.is_empty() { p.state.to_string() } else { p.raw_status },
                arrival: p.arrival.map(|at| at.to_zoned(zone).date()),
                group: None,
                converted: p.converted,
                trace: p.trace_id,
            };
            documents.entry((provider, account.to_string())).or_default().payouts.push(out);
        }
        for ((provider, account), document) in documents {
            let path = format!("store/{provider}/{account}/interface").into();
            import.files.push(ImportedFile { path, provider, account, sha256: String::new(), document });
        }
        Ok(())
    }

    /// What we know ourselves: orders, refunds, parcels.
    async fn sales(&self, facts: &mut Facts) -> Result<()> {
        let mut waybills: BTreeMap<String, String> = BTreeMap::new();
        for record in typed::list::<ShipmentRecord>(&*self.store, Filter::all()).await? {
            if let Some(booked) = &record.value.booked {
                waybills.insert(record.value.request.id.to_string(), booked.waybill.to_string());
            }
        }
        // The books write off what a dispute holds once it is lost: the word is the order's state of payment.
        let lost = self.disputes().await?.into_iter().filter(|d| d.is_lost());
        let lost: BTreeSet<(String, String)> =
            lost.filter_map(|d| d.order).map(|o| (o.account.to_string(), o.id)).collect();
        let file: std::sync::Arc<str> = "store/orders".into();
        let (mut count, mut refunds) = (0, 0);
        let mut tells: BTreeSet<String> = BTreeSet::new();
        for (row, record) in (1_u64..).zip(typed::list::<OrderRecord>(&*self.store, Filter::all()).await?) {
            let OrderRecord { order: o, shipment, .. } = record.value;
            let origin = Origin { arrival: 0, file: file.clone(), row };
            let c = o.currency;
            let duties = o.all_taxes().filter(|t| t.kind == TaxKind::Duty && t.amount.currency() == c);
            let duties = duties.fold(0_i64, |sum, t| sum.saturating_add(t.amount.minor()));
            if o.refunded.is_positive() {
                refunds += 1;
                tells.insert(o.account.to_string());
                facts.refunds.push(facts::Refund {
                    id: format!("refund:{}/{}", o.account, o.id),
                    order: o.id.to_string(),
                    account: Some(o.account.to_string()),
                    requested: moment(&o.updated_at),
                    amount: o.refunded,
                    origin: origin.clone(),
                });
            }
            count += 1;
            facts.orders.push(facts::Order {
                id: o.id.to_string(),
                account: o.account.to_string(),
                placed: moment(&o.placed_at),
                total: o.total,
                reference: o.number.clone(),
                collected_duties: (duties != 0).then(|| Money::from_minor(duties, c)),
                paid: o.payments.iter().filter_map(|p| p.paid_at).max().map(instant),
                payment_state: Some(match o.state {
                    _ if lost.contains(&(o.account.to_string(), o.id.to_string())) => {
                        "dispute lost".to_owned()
                    }
                    OrderState::Cancelled => "cancelled".to_owned(),
                    OrderState::PendingPayment if o.told_total().is_none() => "payment pending".to_owned(),
                    _ => o.raw_status.clone(),
                }),
                tracking: shipment.as_ref().and_then(|s| waybills.get(s)).cloned(),
                quoted: None,
                origin,
            });
        }
        facts.given.insert("orders", count);
        facts.given.insert("refunds", refunds);
        // Not every channel tells refunds with its orders: where none was told, there is nothing to hold the provider's against.
        facts.refunds_untold =
            facts.orders.iter().map(|o| o.account.clone()).filter(|a| !tells.contains(a)).collect();
        Ok(())
    }
}

/// One of the documents is the settlement of an event group: same total, sent within five days.
fn settled_by_document(import: &Import, provider: Provider, group: &tradewind_domain::Payout) -> bool {
    let mut all = import.files.iter().filter(|f| f.provider == provider).flat_map(|f| &f.document.statements);
    let sent = group.arrival.map(|at| at.to_zoned(import_zone(&group.initiated_at)).date());
    all.any(|s| {
        let near = match (s.deposit_date, sent) {
            (Some(d), Some(a)) => d.until(a).is_ok_and(|span| span.get_days().abs() <= 5),
            _ => true,
        };
        s.total == group.amount && near
    })
}

fn import_zone(t: &SourceTime) -> jiff::tz::TimeZone {
    t.zone.as_deref().and_then(|z| jiff::tz::TimeZone::get(z).ok()).unwrap_or(jiff::tz::TimeZone::UTC)
}
