//! What is owed by a rule: duty, taxes and fees, in the order in which one is in the base of the next.

use tradewind_domain::Money;

use super::answer::{Charge, FeeLine, Waived};
use super::collect::{Treatment, treatment, waive};
use super::known::Known;
use super::prepare::Order;
use super::{Engine, QuoteError, charges, fees};
use crate::pack::{Formula, Part, Rule};

/// What a rule gave beside the charges of the lines.
pub(super) struct Owed {
    /// Who collects.
    pub(super) treatment: Treatment,
    /// Fees of the whole order.
    pub(super) fees: Vec<FeeLine>,
    /// Taxes too small to be collected.
    pub(super) waived: Vec<Waived>,
}

impl Engine<'_> {
    /// Applies the formulas of the rule to the lines.
    pub(super) fn owed(
        &self,
        order: &mut Order<'_>,
        rule: &Rule,
        known: &mut Known,
    ) -> Result<Owed, QuoteError> {
        let treatment = treatment(order, rule);
        if let Some(scheme) = &treatment.scheme
            && rule.sale.as_ref().is_some_and(|s| s.only_with_scheme)
            && order.req.scheme_id.as_deref().is_none_or(str::is_empty)
        {
            // The declaration must carry the number, or the tax is paid twice.
            known.flag(format!("SCHEME_ID_MISSING:{scheme}"));
        }
        self.duties(order, rule, &treatment, known)?;
        excise(order, rule, known);
        for p in &rule.partial {
            known.soft(p.to_string());
        }
        if let Some(f) = &rule.tax {
            if treatment.nobody {
                known.flag("NO_TAX_AT_SALE:SELLER_NOT_REGISTERED".to_owned());
            } else if treatment.reverse_charge {
                known.flag("REVERSE_CHARGE".to_owned());
            } else {
                tax(order, rule, f, &treatment, known)?;
            }
        }
        let waived = waive(order, rule, known)?;
        let fees = if rule.layers { fees::fees(order, known)? } else { Vec::new() };
        Ok(Owed { treatment, fees, waived })
    }

    /// The duty, what is levied like one, and the additional duties on top.
    fn duties(
        &self,
        order: &mut Order<'_>,
        rule: &Rule,
        treatment: &Treatment,
        known: &mut Known,
    ) -> Result<(), QuoteError> {
        let maker = charges::Maker { meta: &rule.meta, collector: &treatment.duty, pack: &order.pack.digest };
        charges::duty(order, rule, &rule.duty, &maker, self.tariff, known, true)?;
        for f in &rule.extra {
            charges::duty(order, rule, f, &maker, self.tariff, known, false)?;
        }
        if rule.layers {
            charges::layers(order, rule, self.tariff, known)?;
        }
        Ok(())
    }
}

/// Excise is owed on goods of the rule's set, and is not computed: it comes on top.
fn excise(order: &mut Order<'_>, rule: &Rule, known: &mut Known) {
    let Some(set) = &rule.excise else { return };
    for line in &mut order.lines {
        if line.hs.as_ref().is_some_and(|h| order.pack.in_set(set, h.as_str())) {
            known.soft(format!("lines.{}.excise", line.req.id));
            line.excise = None;
        }
    }
}

/// The tax of the VAT kind. Where excise is owed and not known, the tax on the rest is computed as what is due at least: it is in the
/// bounds and among the charges, and the line's own tax stays unknown.
fn tax(
    order: &mut Order<'_>,
    rule: &Rule,
    f: &Formula,
    treatment: &Treatment,
    known: &mut Known,
) -> Result<(), QuoteError> {
    let unknown: Vec<bool> = order.lines.iter().map(|l| l.excise.is_none()).collect();
    for line in &mut order.lines {
        line.excise = Some(Money::zero(order.cur));
    }
    charges::tax(order, rule, f, &treatment.tax, known)?;
    let taxed = f.base.contains(&Part::Excise);
    for (line, _) in order.lines.iter_mut().zip(unknown).filter(|(_, u)| *u) {
        line.excise = None;
        if taxed {
            line.vat = None;
            for c in line.charges.iter_mut().filter(|c| is_tax_on(c, f)) {
                c.note = Some("at least: the excise in its base is not known".into());
            }
        }
    }
    Ok(())
}

/// The charge is one of this tax: by its base, which no duty shares.
fn is_tax_on(charge: &Charge, tax: &Formula) -> bool {
    charge.components.iter().any(|(p, _)| *p == Part::Excise) && charge.formula == tax.kind.name()
}
