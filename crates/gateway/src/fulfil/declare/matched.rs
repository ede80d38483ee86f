//! What is declared of an order: order, payment and parcel in one document, if they agree.

use tradewind_domain::{
    AccountId, Country, Currency, Declaration, DeclarationId, DeclarationLine, DeclaredPayment,
    DeclaredWaybill, Flow, Grams, Money, PackedGoods,
};
use tradewind_store::typed::Record;

use super::{amounts, declaration_id};
use crate::config::ShippingConfig;
use crate::fulfil::book::clean;
use crate::gateway::{Gateway, Result};
use crate::records::{OrderRecord, ShipmentRecord};

impl Gateway {
    /// What is to be declared of an order, or why it cannot be. Makes no call.
    pub(in crate::fulfil) async fn declarable(
        &self,
        record: &OrderRecord,
        shipment: &ShipmentRecord,
    ) -> Result<Result<Declaration, String>> {
        let shipping = self.sender()?;
        let country = shipment.request.to.country;
        let account = match customs_of(shipping, country) {
            Ok(account) => account,
            Err(why) => return Ok(Err(why)),
        };
        let customs = self.account(account)?.clone();
        let Some(filing) = customs.customs().and_then(|c| c.declare()) else {
            return Ok(Err(format!("account '{account}' files no declarations")));
        };
        let id = declaration_id(shipment.request.id.as_str());
        let accepted = customs.capabilities().bounds.currencies.clone();
        let declaration = match self.declaration(record, shipment, &id, &accepted) {
            Ok(declaration) => declaration,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(scheme) = shipping.scheme.get(&declaration.to.country)
            && let Some(why) = self.scheme_refuses(&declaration, scheme, &record.key()).await?
        {
            return Ok(Err(format!("not filed, {why}")));
        }
        let mismatches = filing.validate(&declaration);
        if !mismatches.is_empty() {
            let why = mismatches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Ok(Err(format!("not filed, the documents do not match: {why}")));
        }
        Ok(Ok(declaration))
    }

    fn declaration(
        &self,
        record: &OrderRecord,
        shipment: &ShipmentRecord,
        id: &str,
        accepted: &[Currency],
    ) -> Result<Declaration, String> {
        let order = &record.order;
        let shipping = self.config.shipping.as_ref().ok_or("[shipping] is missing")?;
        let booked = shipment.booked.as_ref().ok_or("the parcel is not booked")?;
        let request = &shipment.request;
        let amounts = amounts::of(order, amounts::total(order, accepted)?)?;
        let open = order.lines.iter().zip(&amounts.lines).filter(|(line, _)| line.open() > 0);
        let lines: Vec<DeclarationLine> = open
            .zip(&request.contents)
            .map(|((line, (unit_value, value)), packed)| DeclarationLine {
                sku: packed.sku.clone(),
                name: packed.description.clone(),
                specification: String::new(),
                hs: packed.hs,
                origin: packed.origin,
                quantity: line.open(),
                net: packed.net,
                unit_value: *unit_value,
                value: *value,
            })
            .collect();
        let payment = order
            .payments
            .first()
            .ok_or("the channel names no payment for this order, and customs want one")?;
        // The channel tells the payment in the order's currency; of a whole payment the buyer's total is the same money.
        let amount = if payment.amount == order.total { amounts.paid } else { payment.amount };
        let gross = Grams(request.parcels.iter().map(|p| p.weight.0).sum());
        let carrier = self.account(&shipment.account).map_err(|e| e.to_string())?.info().id.to_string();
        let to = clean(order.ship_to.clone().ok_or("the channel did not give an address")?);
        let pieces = u32::try_from(request.parcels.len()).map_err(|_| "too many parcels")?;
        Ok(Declaration {
            id: DeclarationId::new(id).map_err(|e| e.to_string())?,
            flow: Flow::Import,
            order: order.id.clone(),
            platform: shipping.platform.clone(),
            ordered_at: order.placed_at.utc,
            buyer: order.buyer.clone(),
            from: request.from.clone(),
            to,
            lines,
            goods: amounts.goods,
            freight: amounts.freight,
            discount: amounts.discount,
            taxes: amounts.taxes,
            paid: amounts.paid,
            payment: Some(DeclaredPayment {
                provider: payment.provider.clone(),
                provider_code: None,
                transaction: payment
                    .transaction
                    .clone()
                    .ok_or("the channel names no transaction number of the payment")?,
                amount,
                paid_at: payment.paid_at.unwrap_or(order.placed_at.utc),
                payer: order.buyer.clone(),
            }),
            waybill: Some(DeclaredWaybill {
                carrier,
                carrier_code: None,
                waybill: booked.waybill.clone(),
                pieces,
                gross,
                freight: amounts.freight,
                insurance: Money::zero(amounts.paid.currency()),
                to: request.to.clone(),
                contents: request
                    .contents
                    .iter()
                    .map(|c| PackedGoods { sku: c.sku.clone(), quantity: c.quantity })
                    .collect(),
            }),
            registrations: shipping.registrations.clone(),
            gross,
            transport: None,
            number: None,
            references: Vec::new(),
        })
    }
}

/// The customs account for parcels to a country, or that there is none.
pub(super) fn customs_of(shipping: &ShippingConfig, country: Country) -> Result<&AccountId, String> {
    let named = shipping.customs.get(&country);
    named.ok_or_else(|| format!("[shipping.customs] names no account for {country}"))
}
