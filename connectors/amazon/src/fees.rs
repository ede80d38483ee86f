//! Fee estimates (Product Fees v0): what a sale at a price would cost.

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use tradewind_connector::role::{FeeEstimate, FeeEstimates};
use tradewind_connector::{
    CallCx, Error, Facet, Kind, Num, OpCx, OpSpec, Operation, Priority, Safety, Upstream, WireRequest,
    WireResponse, segment,
};
use tradewind_domain::{Currency, FeeKind, ListingRef, Money, Sku};

use crate::Amazon;
use crate::config::Site;

static ESTIMATE: OpSpec = OpSpec {
    name: "fees.estimate",
    facet: Facet::FeeEstimates,
    safety: Safety::Read,
    priority: Priority::Report,
    buckets: &["fees"],
    keep: false,
    doc: "https://developer-docs.amazon.com/sp-api/reference/getmyfeesestimateforsku",
};

struct Estimate<'a>(&'a Site);

#[derive(Deserialize)]
struct Answer {
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    fees_estimate_result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    status: String,
    fees_estimate: Option<Estimated>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Estimated {
    #[serde(default)]
    fee_detail_list: Vec<Fee>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fee {
    fee_type: String,
    final_fee: Amount,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Amount {
    currency_code: String,
    amount: Num,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Problem {
    code: String,
    message: String,
}

impl Operation for Estimate<'_> {
    type In = (Sku, Money);
    type Out = Vec<FeeEstimate>;

    fn spec(&self) -> &OpSpec {
        &ESTIMATE
    }

    fn encode(&self, _: &OpCx<'_>, (sku, price): &(Sku, Money)) -> Result<WireRequest, Error> {
        if price.currency() != self.0.currency {
            return Err(Error::invalid(format!(
                "this store sells in {}, the price is {price}",
                self.0.currency
            )));
        }
        let body = json!({"FeesEstimateRequest": {
            "MarketplaceId": self.0.marketplace_id,
            "IsAmazonFulfilled": false,
            "PriceToEstimateFees": {"ListingPrice": {"CurrencyCode": price.currency(), "Amount": Num(price.decimal()).to_value()?}},
            // Echoed back; names the request in their logs.
            "Identifier": sku.as_str(),
        }});
        let path = format!("/products/fees/v0/listings/{}/feesEstimate", segment(sku.as_str()));
        WireRequest::new(Method::POST, &self.0.endpoint, &path)?.json(&body)
    }

    fn decode(
        &self,
        _: &OpCx<'_>,
        (sku, _): &(Sku, Money),
        response: &WireResponse,
    ) -> Result<Self::Out, Error> {
        let outcome = response.json::<Answer>()?.payload.fees_estimate_result;
        if outcome.status != "Success" {
            let problem = outcome.error;
            let (code, message) = problem.map_or_else(Default::default, |p| (p.code, p.message));
            let kind = match outcome.status.as_str() {
                "ClientError" => Kind::Rejected,
                "ServiceError" => Kind::Unavailable,
                _ => Kind::UnknownCode,
            };
            let message = format!("no estimate for {sku}: {message}");
            return Err(Error::upstream(
                kind,
                Upstream { http: response.status, code, message, ..Upstream::default() },
            ));
        }
        let fees = outcome.fees_estimate.ok_or_else(|| Error::decode("an estimate without FeesEstimate"))?;
        // The list's first level: a fee that has parts (FBAFees) is their sum, the parts would count twice.
        let fee = |f: Fee| -> Result<FeeEstimate, Error> {
            let amount = f.final_fee.amount.money(Currency::new(&f.final_fee.currency_code)?)?;
            Ok(FeeEstimate { kind: kind(&f.fee_type), code: f.fee_type, amount })
        };
        fees.fee_detail_list.into_iter().map(fee).collect()
    }
}

/// Amazon's word for a fee. The vocabulary is open; the word itself is kept.
fn kind(word: &str) -> FeeKind {
    match word {
        "ReferralFee" => FeeKind::Commission,
        "PerItemFee" | "FixedClosingFee" | "VariableClosingFee" => FeeKind::PerOrder,
        "FBAFees" => FeeKind::Fulfilment,
        "DigitalServicesFee" => FeeKind::Regulatory,
        _ => FeeKind::Other,
    }
}

#[async_trait]
impl FeeEstimates for Amazon {
    async fn estimate(&self, cx: &CallCx, key: &ListingRef, price: Money) -> Result<Vec<FeeEstimate>, Error> {
        self.pipeline.call(&Estimate(&self.site), &(key.sku.clone(), price), cx).await
    }
}
