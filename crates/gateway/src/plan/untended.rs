//! What no SKU's own change tells: listings of accounts that do not sell any more, and accounts for which no units are left.

use std::collections::BTreeMap;

use tradewind_domain::AccountId;

use super::{Change, Inputs, is_among, withdrawal};
use crate::records::offer_key;
use crate::untended::untended;

impl Inputs<'_> {
    /// What we put up at an account that is there and has no rules for offers any more goes, as what left the catalogue does.
    pub(super) fn plan_farewells(&self, changes: &mut Vec<Change>) {
        let silent = self.config.account.iter().filter(|a| a.offers.is_none());
        for id in silent.map(|a| &a.id).filter(|id| self.capabilities.contains_key(*id)) {
            let first = changes.len();
            let ours = self.known_at(id).filter(|o| o.desired.is_some());
            changes
                .extend(ours.filter_map(|o| withdrawal(o, "its account has no [account.offers] any more")));
            self.guard_mass_delete(id, first, changes);
        }
    }

    /// A line for each account of which something is to be said.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        // Of those that are configured, each is a change of its own.
        let left_behind = untended(self.config, self.offers.values()).into_iter().filter(|u| !u.configured);
        notes.extend(left_behind.map(|u| u.to_string()));
        for (id, skus) in self.without_units() {
            notes.push(format!(
                "account '{id}' has no units of {skus} SKUs, all are allotted to other accounts: it gets its part of what is counted \
                 on top of them"
            ));
        }
        notes
    }

    /// SKUs that an account should offer, never offered, and has no units of, though its part of what the others have is one or
    /// more: units are allotted when they are counted, and do not move to an account that comes later (ADR 3).
    fn without_units(&self) -> BTreeMap<&AccountId, u32> {
        let selling = self.config.account.iter().filter_map(|a| Some((&a.id, a.offers.as_ref()?)));
        let selling: Vec<_> = selling.filter(|(id, _)| self.capabilities.contains_key(*id)).collect();
        let parts: u64 = selling.iter().map(|(_, rules)| u64::from(rules.stock_parts)).sum();
        let mut found: BTreeMap<&AccountId, u32> = BTreeMap::new();
        for (sku, shelf) in self.stock {
            let given: u64 = shelf.allotted.values().map(|n| u64::from(*n)).sum();
            for (id, rules) in &selling {
                let part = given.saturating_mul(rules.stock_parts.into());
                let missing = shelf.allotted_to(id) == 0 && part >= parts;
                if missing
                    && self.variants.get(sku).is_some_and(|(product, _)| is_among(rules, product))
                    && !self.offers.contains_key(&offer_key(id, sku))
                {
                    *found.entry(*id).or_default() += 1;
                }
            }
        }
        found
    }
}
