//! How many calls an apply will make, with the readings before quantities are sent and the one after: what connectors say of
//! their calls ([`Efforts`]), in the batches of `apply`. What throttles, fails or is published late costs more.

use std::collections::BTreeMap;

use tradewind_connector::{Bounds, Effort, Efforts};
use tradewind_domain::ProductId;

use crate::apply::{batch_size, cut};

/// What is to be done at one account.
#[derive(Debug, Default)]
pub(super) struct Estimate<'a> {
    /// The product of each new listing, in their order.
    pub(super) creates: Vec<&'a ProductId>,
    /// Of each listing that is put again.
    pub(super) updates: Vec<&'a ProductId>,
    pub(super) withdrawals: usize,
    pub(super) quantities: usize,
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Calls for items whose products do not matter, or are as many.
fn plain(effort: Effort, items: usize, batch: usize) -> u32 {
    let (calls, items) = (count(items.div_ceil(batch)), count(items));
    let each = effort.item.saturating_add(effort.product);
    calls.saturating_mul(effort.batch).saturating_add(items.saturating_mul(each))
}

impl Estimate<'_> {
    pub(super) fn calls(&self, bounds: &Bounds) -> u32 {
        let Efforts { bulk, quantity, withdraw, read, .. } = bounds.efforts;
        let of_offers = batch_size(bounds.offers_batch);
        let in_bulk = bounds.bulk_from.is_some_and(|from| self.creates.len() >= from as usize);
        let put = if in_bulk { &[][..] } else { &self.creates[..] };
        let submissions =
            if in_bulk { plain(bulk, self.creates.len(), batch_size(bounds.bulk_batch)) } else { 0 };
        // What shows a quantity is read before one is sent, and everything is read afterwards.
        let shown = self.updates.len() + self.quantities;
        let sent = self.creates.len() + self.updates.len() + self.quantities + self.withdrawals;
        let reading = |items: usize| plain(read, items, batch_size(bounds.listings_batch));
        [
            submissions,
            self.puts(put, of_offers, bounds),
            plain(quantity, self.quantities, batch_size(bounds.stock_batch)),
            plain(withdraw, self.withdrawals, of_offers),
            reading(shown),
            reading(sent),
        ]
        .into_iter()
        .fold(0, u32::saturating_add)
    }

    /// New listings first, then those that are there, in one row of batches.
    fn puts(&self, creates: &[&ProductId], batch: usize, bounds: &Bounds) -> u32 {
        let Bounds { efforts, whole_products, .. } = bounds;
        let all: Vec<_> = creates
            .iter()
            .map(|p| (*p, efforts.create))
            .chain(self.updates.iter().map(|p| (*p, efforts.update)))
            .collect();
        let mut calls: u32 = 0;
        for chunk in cut(all, batch, *whole_products, |(product, _)| product) {
            // A product with new variants and old ones is one all the same.
            let mut products: BTreeMap<&ProductId, u32> = BTreeMap::new();
            for (product, effort) in &chunk {
                let once = products.entry(product).or_default();
                *once = effort.product.max(*once);
            }
            let once = chunk.iter().map(|(_, e)| e.batch).max().unwrap_or(0);
            let parts = products.into_values().chain(chunk.iter().map(|(_, e)| e.item));
            calls = parts.fold(calls.saturating_add(once), u32::saturating_add);
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(names: &[&str]) -> Vec<ProductId> {
        names.iter().filter_map(|n| ProductId::new(*n).ok()).collect()
    }

    fn bounds(efforts: Efforts) -> Bounds {
        let batch = Some(2);
        Bounds {
            offers_batch: batch,
            stock_batch: batch,
            listings_batch: batch,
            efforts,
            ..Bounds::default()
        }
    }

    /// Three new listings of two products, in batches of two: A A, B.
    #[test]
    fn calls_are_counted_as_the_connector_makes_them() {
        let products = products(&["A", "A", "B"]);
        let new = |create: Effort| {
            let of = bounds(Efforts { create, ..Efforts::default() });
            Estimate { creates: products.iter().collect(), ..Estimate::default() }.calls(&of)
        };
        // Two batches are put, and two are read.
        assert_eq!(new(Effort::batch(1)), 2 + 2);
        assert_eq!(new(Effort::batch(3)), 2 * 3 + 2);
        assert_eq!(new(Effort::item(5)), 3 * 5 + 2);
        // A in the first batch, B in the second.
        assert_eq!(new(Effort::product(3)), 2 * 3 + 2);
        assert_eq!(new(Effort::item(1).and_batch(3)), 2 * 3 + 3 + 2);
        // Five quantities in three batches, each read before and after: 3 + 3 + 3.
        let few = Estimate { quantities: 5, ..Estimate::default() };
        assert_eq!(few.calls(&bounds(Efforts::default())), 9);
        // A has a new variant and one that is put again; where products go whole that is one document.
        let of = Bounds {
            whole_products: true,
            ..bounds(Efforts { create: Effort::product(3), update: Effort::product(2), ..Efforts::default() })
        };
        let mixed = Estimate {
            creates: vec![&products[0], &products[2]],
            updates: vec![&products[1]],
            ..Estimate::default()
        };
        // A A, B: 3 + 3; read before: one batch; read after: three in two batches.
        assert_eq!(mixed.calls(&of), 3 + 3 + 1 + 2);
        // In bulk: one submission of at most 1,000 with six calls, and the reading after it.
        let of = Bounds { bulk_from: Some(3), bulk_batch: Some(1_000), ..bounds(Efforts::default()) };
        let of = Bounds { efforts: Efforts { bulk: Effort::batch(6), ..of.efforts }, ..of };
        assert_eq!(Estimate { creates: products.iter().collect(), ..Estimate::default() }.calls(&of), 6 + 2);
    }
}
