//! What is written together, and what is read.

use jiff::Timestamp;

/// A table of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named for what they hold
pub enum Collection {
    Products,
    Variants,
    Offers,
    Stock,
    Reservations,
    Orders,
    Shipments,
    Declarations,
    Receipts,
    Quotes,
    Allowances,
    Transactions,
    Payouts,
    Statements,
    Returns,
    Disputes,
    Pickups,
    Plans,
    Jobs,
    Cursors,
    Deliveries,
    Hints,
}

impl Collection {
    /// Every table.
    pub const ALL: [Collection; 22] = [
        Collection::Products,
        Collection::Variants,
        Collection::Offers,
        Collection::Stock,
        Collection::Reservations,
        Collection::Orders,
        Collection::Shipments,
        Collection::Declarations,
        Collection::Receipts,
        Collection::Quotes,
        Collection::Allowances,
        Collection::Transactions,
        Collection::Payouts,
        Collection::Statements,
        Collection::Returns,
        Collection::Disputes,
        Collection::Pickups,
        Collection::Plans,
        Collection::Jobs,
        Collection::Cursors,
        Collection::Deliveries,
        Collection::Hints,
    ];

    /// Its bodies may name persons: buyers, receivers, numbers of identity cards. A store seals them at rest; what lists
    /// filter by (key, account, state) stays readable, and must name nobody.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(
            self,
            Collection::Orders
                | Collection::Shipments
                | Collection::Declarations
                | Collection::Receipts
                | Collection::Quotes
                | Collection::Allowances
                | Collection::Pickups
        )
    }

    /// Its state is what a person is found by (a hash that anybody could compute): a store keeps a hash under its own key
    /// in place of it. The state of a row that was read is that hash.
    #[must_use]
    pub const fn state_names_a_person(self) -> bool {
        matches!(self, Collection::Quotes | Collection::Allowances)
    }

    /// Its name in the database.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Collection::Products => "products",
            Collection::Variants => "variants",
            Collection::Offers => "offers",
            Collection::Stock => "stock",
            Collection::Reservations => "reservations",
            Collection::Orders => "orders",
            Collection::Shipments => "shipments",
            Collection::Declarations => "declarations",
            Collection::Receipts => "receipts",
            Collection::Quotes => "quotes",
            Collection::Allowances => "allowances",
            Collection::Transactions => "transactions",
            Collection::Payouts => "payouts",
            Collection::Statements => "statements",
            Collection::Returns => "returns",
            Collection::Disputes => "disputes",
            Collection::Pickups => "pickups",
            Collection::Plans => "plans",
            Collection::Jobs => "jobs",
            Collection::Cursors => "cursors",
            Collection::Deliveries => "deliveries",
            Collection::Hints => "hints",
        }
    }
}

/// What must be stored already for a write to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything or nothing.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(i64),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Insert or replace a record.
    Put {
        /// Table.
        collection: Collection,
        /// Key.
        key: String,
        /// Account to filter by.
        account: String,
        /// State to filter by.
        state: String,
        /// JSON.
        body: String,
        /// Condition.
        expect: Expect,
    },
    /// Take a record away; one that is not there is fine.
    Delete {
        /// Table.
        collection: Collection,
        /// Key.
        key: String,
    },
    /// Append to the audit chain.
    Audit {
        /// When.
        at: Timestamp,
        /// Verb.
        action: String,
        /// On what.
        subject: String,
        /// More.
        detail: String,
    },
}

/// Changes that are written together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub(crate) writes: Vec<Write>,
}

impl Batch {
    /// Empty.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Adds a record.
    pub fn put_row(
        &mut self,
        collection: Collection,
        key: String,
        account: String,
        state: String,
        body: String,
        expect: Expect,
    ) -> &mut Batch {
        self.writes.push(Write::Put { collection, key, account, state, body, expect });
        self
    }

    /// Takes a record away.
    pub fn delete(&mut self, collection: Collection, key: impl Into<String>) -> &mut Batch {
        self.writes.push(Write::Delete { collection, key: key.into() });
        self
    }

    /// Adds a line to the audit chain.
    pub fn audit(
        &mut self,
        at: Timestamp,
        action: &str,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> &mut Batch {
        let (subject, detail) = (subject.into(), detail.into());
        self.writes.push(Write::Audit { at, action: action.to_owned(), subject, detail });
        self
    }
}

/// Which records to read. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this account.
    pub account: Option<String>,
    /// In one of these states; empty means any.
    pub states: Vec<String>,
    /// Key begins with.
    pub prefix: Option<String>,
    /// Key after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl Filter {
    /// All.
    #[must_use]
    pub fn all() -> Filter {
        Filter::default()
    }

    /// Of an account.
    #[must_use]
    pub fn account(account: impl Into<String>) -> Filter {
        Filter { account: Some(account.into()), ..Filter::default() }
    }

    /// In one of these states.
    #[must_use]
    pub fn states<S: ToString>(mut self, states: &[S]) -> Filter {
        self.states = states.iter().map(ToString::to_string).collect();
        self
    }

    /// Key begins with.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Filter {
        self.prefix = Some(prefix.into());
        self
    }
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Key.
    pub key: String,
    /// Account.
    pub account: String,
    /// State.
    pub state: String,
    /// JSON.
    pub body: String,
    /// Version, from 1.
    pub version: i64,
}
