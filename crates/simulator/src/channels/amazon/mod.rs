//! Amazon Selling Partner API: login, listings items, feeds, orders (2026-01-01 and v0 with
//! restricted tokens), shipment confirmation, reports with the V2 settlement file, finances,
//! notifications. Written from the official Swagger models and the developer guide; what was chosen
//! where they are silent is said in each module.
//!
//! Not there: FBA stock, catalogue, pricing, product type definitions, merchant fulfilment labels,
//! report schedules, deferred transactions.

mod auth;
mod documents;
mod errors;
mod listings;
mod notifications;
mod orders;
mod reports;
mod route;
mod settlement;
mod site;
mod state;
mod view;

use crate::core::buyers::{Afterthought, Offer, Purchase};
use crate::core::channel::{Call, Channel, Credentials, News, raw, set};
use crate::core::quota::Verdict;
use crate::core::world::{Event, World};
use auth::Grant;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use errors::{fail, missing};
use http::request::Parts;
use route::Req;
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const NAME: &str = "amazon";
const CLIENT_ID: &str = "amzn1.application-oa2-client.simulated";
const CLIENT_SECRET: &str = "amzn1.oa2-cs.v1.simulated";
const REFRESH_TOKEN: &str = "Atzr|simulated";
const SELLER_ID: &str = "A1SIMULATED01";

/// The fake.
#[derive(Debug, Default)]
pub struct Amazon {
    state: Mutex<State>,
}

impl Amazon {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, world: &World, req: &Req) -> Response {
        let mut state = self.state();
        let state = &mut *state;
        match req.operation {
            "token" => return auth::token(world, req),
            "uploadDocument" => return documents::upload(world, state, req),
            "downloadDocument" => return documents::download(world, state, req),
            _ => {}
        }
        let agent = req.header("user-agent");
        if agent.is_empty() || agent.len() > 500 {
            return fail(
                400,
                "InvalidInput",
                "A User-Agent header of at most 500 characters is required",
                "",
            );
        }
        let grant = match auth::grant(world, state, req) {
            Ok(grant) => grant,
            Err(why) => return fail(403, "Unauthorized", "Access to requested resource is denied.", why),
        };
        let grantless =
            matches!(req.operation, "createDestination" | "getDestinations" | "deleteSubscriptionById");
        // A restricted token is good for the v0 order reads only.
        let fits = match grant {
            Grant::Seller => !grantless,
            Grant::Grantless => grantless,
            Grant::Restricted => req.operation.ends_with("V0"),
        };
        if !fits {
            return reports::no_grant();
        }
        match req.operation {
            "createRestrictedDataToken" => auth::restricted(world, state, req),
            "getMarketplaceParticipations" => reports::participations(),
            "putListingsItem" | "patchListingsItem" | "deleteListingsItem" => {
                listings::write(world, state, req)
            }
            "getListingsItem" => listings::read(state, req),
            "searchListingsItems" => listings::search(state, req),
            "createFeedDocument" => documents::create(world, state, req),
            "getFeedDocument" => documents::get_document(world, state, req),
            "createFeed" => documents::create_feed(world, state, req),
            "getFeed" => documents::get_feed(state, req),
            "getFeeds" => documents::get_feeds(state, req),
            "cancelFeed" => documents::cancel_feed(state, req),
            "searchOrders" => view::search(world, state, req),
            "getOrder" => view::get(state, req),
            "getOrdersV0" => view::search_v0(world, state, req),
            "getOrderV0" | "getOrderItemsV0" | "getOrderAddressV0" | "getOrderBuyerInfoV0" => {
                view::get_v0(state, req)
            }
            "confirmShipment" => orders::confirm(world, state, req),
            "createReport" => reports::create(world, state, req),
            "getReports" => reports::list(world, state, req),
            "getReport" => reports::get(state, req),
            "cancelReport" => reports::cancel(state, req),
            "getReportDocument" => reports::document(world, state, req),
            "listTransactions" => reports::transactions(state, req),
            "listFinancialEventGroups" => reports::groups(state, req),
            "getMyFeesEstimateForSKU" => reports::fees(req),
            "createDestination" | "getDestinations" => notifications::destinations(world, state, req),
            "createSubscription" | "getSubscription" | "deleteSubscriptionById" => {
                notifications::subscriptions(world, state, req)
            }
            _ => missing("No such operation"),
        }
    }
}

async fn handle(amazon: Arc<Amazon>, world: World, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return fail(400, "InvalidInput", "The body could not be read", "");
    };
    match Req::of(&parts, body) {
        Some(req) => amazon.answer(&world, &req),
        None => missing("The requested resource does not exist"),
    }
}

impl Channel for Amazon {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>, world: World) -> Router {
        Router::new().fallback(move |request: Request| handle(Arc::clone(&self), world.clone(), request))
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("searchOrders", "/orders"),
            ("getOrdersV0", "/payload/Orders"),
            ("listTransactions", "/payload/transactions"),
        ]
    }

    fn operations(&self) -> Option<Vec<&'static str>> {
        Some(route::names())
    }

    fn classify(&self, parts: &Parts, body: &Bytes) -> Call {
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let Some((operation, _, bucket)) = route::find(&parts.method, parts.uri.path()) else {
            return Call { faults: false, ..Call::new("unknown", path) };
        };
        let key = match operation {
            // Presigned links and tokens differ from try to try.
            "token" => String::new(),
            "uploadDocument" | "downloadDocument" => parts.uri.path().to_owned(),
            _ => format!("{path} {}", String::from_utf8_lossy(body)),
        };
        let call = Call::new(operation, key);
        match bucket {
            Some(bucket) => call.on(operation, bucket, 1),
            None => call,
        }
    }

    fn credentials(&self) -> Credentials {
        let marketplaces: Vec<&str> = site::SITES.iter().map(|s| s.id).collect();
        Credentials::of(&[
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", REFRESH_TOKEN),
            ("seller_id", SELLER_ID),
            ("marketplace_ids", &marketplaces.join(",")),
        ])
    }

    fn throttled(&self, call: &Call, _verdict: Verdict) -> Response {
        if call.operation == "token" {
            return fail(429, "TooManyRequests", "Too many requests", "");
        }
        // No rate header and no Retry-After on 429.
        fail(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "")
    }

    fn broken(&self, call: &Call) -> Response {
        if call.operation.ends_with("Document")
            && (call.operation.starts_with("up") || call.operation.starts_with("down"))
        {
            return raw(
                503,
                "application/xml",
                "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
            );
        }
        fail(500, "InternalFailure", "We encountered an internal error. Please try again.", "")
    }

    fn expired(&self, call: &Call) -> Option<Response> {
        let own = !matches!(call.operation.as_str(), "token" | "uploadDocument" | "downloadDocument");
        own.then(|| {
            fail(
                403,
                "Unauthorized",
                "Access to requested resource is denied.",
                "The access token you provided has expired.",
            )
        })
    }

    fn decorate(&self, call: &Call, verdict: Option<Verdict>, response: &mut Response<Body>) {
        let status = response.status().as_u16();
        if let (Some((_, bucket, _)), Some(_), 200..=299 | 400 | 404) = (&call.bucket, verdict, status) {
            set(response, "x-amzn-ratelimit-limit", &route::rate_text(*bucket));
        }
        let id = crate::core::rng::number(0, &[&call.operation, &call.key]);
        set(response, "x-amzn-requestid", &format!("{id:016x}"));
    }

    fn on_event(&self, world: &World, event: &Event) {
        let mut state = self.state();
        match event.kind.as_str() {
            "publish" => listings::publish(world, &mut state, event),
            "paid" => orders::paid(world, &mut state, &event.key),
            "feed-start" => documents::start(world, &mut state, event),
            "feed-end" => documents::end(world, &mut state, event),
            "report-end" => reports::end(world, &mut state, event),
            _ => {}
        }
    }

    fn on_day(&self, world: &World, day: u32) {
        settlement::close(world, &mut self.state(), day);
    }

    fn offers(&self, _world: &World) -> Vec<Offer> {
        let state = self.state();
        let live = state.listings.iter().filter(|(_, l)| l.published && l.available > 0);
        live.filter_map(|((marketplace, sku), l)| {
            let site = site::find(marketplace)?;
            Some(Offer {
                sku: sku.clone(),
                listing: l.asin.clone(),
                site: site.id.into(),
                currency: site.currency.into(),
                price: l.price?,
                available: l.available,
                countries: site.buyers.iter().map(|c| (*c).to_owned()).collect(),
            })
        })
        .collect()
    }

    fn place(&self, world: &World, purchase: &Purchase) -> Option<String> {
        orders::place(world, &mut self.state(), purchase)
    }

    fn afterthought(&self, world: &World, order: &str, what: Afterthought) {
        let mut state = self.state();
        match what {
            Afterthought::Cancel => orders::buyer_cancels(world, &mut state, order),
            Afterthought::Return => orders::buyer_returns(world, &mut state, order),
        }
    }

    fn on_news(&self, world: &World, news: &News) {
        if let News::Delivered { tracking, .. } = news {
            orders::delivered(world, &mut self.state(), tracking);
        }
    }
}
