//! A small right connector, and the same with one thing wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use tradewind_connector::role::{
    ItemOutcome, Marketplace, Offers, OrderActions, PriceChange, Prices, Stock, StockChange,
};
use tradewind_connector::*;
use tradewind_domain::{Money, Offer};
use url::Url;

mod trade;

/// What is wrong with it. The factory is a static, so the defect is, too: one per connector id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Defect {
    None,
    WrongField,
    KeyPerAttempt,
    StaleSignature,
    LeaksSecret,
    PanicsOnGarbage,
    TakesErrorForSuccess,
    DeclaresTooMuch,
    RepeatsInDoubt,
    CallsAWriteARead,
    SendsNoKey,
    NamesNothing,
    LooksForNothing,
    LooksBlindly,
    DrawsNothing,
    ServesAnotherFacet,
    HidesAFacet,
    IgnoresTheLogin,
    ForgetsTheCursor,
    RoundsMoney,
    ShiftsMoney,
    IgnoresTheBatch,
    TakesAnyTitle,
    CountsNoBytes,
    AsksAnotherHost,
    TellsTheSecretInTheIntent,
    LeaksTheToken,
    SwallowsDoubt,
    LogsTheToken,
    ReadsTheErrorItself,
    BelievesForgeries,
    BelievesRefusals,
    ForgetsItsJobs,
    EndsJobsUnasked,
    AsksNobody,
    EndsJobsOnErrors,
    DropsSiblings,
    PutsSiblingsAsShown,
    CancelsAnything,
    TakesWholeLines,
    CancelsMoreThanIsOpen,
    NamesNoUnits,
    NamesNoLines,
    ReversesOutcomes,
    LeavesOutcomesOut,
    OverfillsTheBulk,
    LosesTheRest,
    FillsHalfTheBulk,
}

/// Tests of the suite run one at a time: what is wrong is a static.
pub(crate) static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What makes its write safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Safe {
    Natural,
    Keyed,
    ReadBack,
}

static SAFE: AtomicU8 = AtomicU8::new(0);

pub(crate) fn safe(by: Safe) {
    SAFE.store(by as u8, Ordering::SeqCst);
}

/// The last answer, kept beside the pipeline by a connector that should not.
static SAID: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());

static SELLS: AtomicBool = AtomicBool::new(false);

/// Whether it has offers, too.
pub(crate) fn selling(sells: bool) {
    SELLS.store(sells, Ordering::SeqCst);
}

static LOADS: AtomicBool = AtomicBool::new(false);

/// Whether it takes three new offers in one submission, and works on them later.
pub(crate) fn loading(in_bulk: bool) {
    LOADS.store(in_bulk, Ordering::SeqCst);
}

static DEFERS: AtomicBool = AtomicBool::new(false);

/// Whether it works on quantities and says later what became of them.
pub(crate) fn deferring(later: bool) {
    DEFERS.store(later, Ordering::SeqCst);
}

/// How it takes products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Takes {
    /// Each SKU alone.
    Offers,
    /// A document of the whole product, with the siblings that it is given.
    Whole,
    /// The same, with the variants that it reads first: of those that stay the id is enough.
    WholeAsRead,
}

static TAKES: AtomicU8 = AtomicU8::new(0);

pub(crate) fn taking(products: Takes) {
    TAKES.store(products as u8, Ordering::SeqCst);
}

fn takes(products: Takes) -> bool {
    TAKES.load(Ordering::SeqCst) == products as u8
}

static CANCELS: std::sync::Mutex<Option<Cancels>> = std::sync::Mutex::new(None);

/// What it can cancel; `None`: nothing.
pub(crate) fn cancelling(least: Option<Cancels>) {
    *CANCELS.lock().unwrap() = least;
}

static DEFECT: AtomicU8 = AtomicU8::new(0);

pub(crate) fn with(defect: Defect) {
    DEFECT.store(defect as u8, Ordering::SeqCst);
}

/// How it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Dialect {
    Json,
    GraphQl,
    Xml,
    Top,
}

static DIALECT: AtomicU8 = AtomicU8::new(0);

pub(crate) fn speaking(dialect: Dialect) {
    DIALECT.store(dialect as u8, Ordering::SeqCst);
}

static LOOKS_FIRST: AtomicBool = AtomicBool::new(false);

/// Whether it looks something up before it writes.
pub(crate) fn looking_first(first: bool) {
    LOOKS_FIRST.store(first, Ordering::SeqCst);
}

fn is(defect: Defect) -> bool {
    DEFECT.load(Ordering::SeqCst) == defect as u8
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    endpoint: Url,
}

struct Corner {
    pipeline: Pipeline,
    op: SetStock,
    secret: SecretString,
}

struct Wire {
    oauth: OAuth2,
}

impl Protocol for Wire {
    fn token_plan(&self, _: &OpCx<'_>, _: &str, _: Option<&TokenSet>) -> Result<TokenPlan> {
        if is(Defect::IgnoresTheLogin) {
            return Ok(TokenPlan::Fixed(TokenSet::fixed("none".to_owned().into())));
        }
        Ok(TokenPlan::Fetch(Box::new(self.oauth.client_credentials()?)))
    }
    fn read_token(&self, cx: &OpCx<'_>, _: &str, _: Option<&TokenSet>, r: &WireResponse) -> Result<TokenSet> {
        OAuth2::read(r, cx.now, None)
    }
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<()> {
        if is(Defect::LogsTheToken) {
            tracing::info!(token = cx.token.map(|t| t.access().to_owned()), "signed");
        }
        if let Some(token) = cx.token {
            request.set_header("authorization", &format!("Bearer {}", token.access()))?;
        }
        let nonce = if is(Defect::StaleSignature) { "always" } else { cx.op.nonce };
        request.set_header("x-sign", nonce)?;
        if is(Defect::SendsNoKey) {
            return Ok(());
        }
        let key = if is(Defect::KeyPerAttempt) { cx.op.nonce } else { cx.op.key };
        request.set_header("idempotency-key", key)
    }
    fn verify(&self, _: &SignCx<'_>, r: &WireResponse) -> Result<()> {
        // A proof as good as this shop needs one: the body's length.
        let proven = r.header("x-proof") == Some(&r.body.len().to_string());
        let believed = is(Defect::BelievesForgeries) || (is(Defect::BelievesRefusals) && r.status >= 400);
        if proven || believed { Ok(()) } else { Err(Error::decode("the signature does not fit")) }
    }
    fn upstream(&self, _: &str, r: &WireResponse) -> Option<Upstream> {
        if is(Defect::ReadsTheErrorItself) {
            return None;
        }
        #[derive(Deserialize)]
        struct Problem {
            #[serde(alias = "error")]
            code: String,
        }
        let problem = r.json::<Problem>().ok().filter(|_| !is(Defect::TakesErrorForSuccess));
        match problem {
            Some(p) => Some(Upstream { http: r.status, code: p.code, ..Upstream::default() }),
            None => (r.status >= 400).then(|| Upstream { http: r.status, ..Upstream::default() }),
        }
    }
}

/// What is looked up, and by which SKU.
struct Look(Url);

static LOOK: OpSpec = OpSpec { name: "stock.look", safety: Safety::Read, ..SPEC };
static SET: OpSpec = SPEC;
static LIE: OpSpec = OpSpec { safety: Safety::Read, ..SPEC };
static DRY: OpSpec = OpSpec { buckets: &[], ..SPEC };
static STRAY: OpSpec = OpSpec { facet: Facet::Auth, ..SPEC };
static KEYED: OpSpec =
    OpSpec { safety: Safety::Keyed { ttl: std::time::Duration::from_secs(86_400) }, ..SPEC };
static BACK: OpSpec = OpSpec { safety: Safety::ReadBack, ..SPEC };

impl Operation for Look {
    type In = String;
    type Out = serde_json::Value;
    fn spec(&self) -> &OpSpec {
        &LOOK
    }
    fn encode(&self, _: &OpCx<'_>, _: &String) -> Result<WireRequest> {
        WireRequest::new(Method::GET, &self.0, "/stock")
    }
    fn decode(&self, _: &OpCx<'_>, _: &String, r: &WireResponse) -> Result<serde_json::Value> {
        r.json()
    }
}

struct SetStock(Url);

const SPEC: OpSpec = OpSpec {
    name: "stock.set",
    facet: Facet::Stock,
    safety: Safety::Natural,
    priority: Priority::Stock,
    buckets: &["stock"],
    keep: false,
    doc: "",
};

impl Operation for SetStock {
    type In = StockChange;
    type Out = bool;
    fn spec(&self) -> &OpSpec {
        match SAFE.load(Ordering::SeqCst) {
            _ if is(Defect::CallsAWriteARead) => &LIE,
            _ if is(Defect::DrawsNothing) => &DRY,
            _ if is(Defect::ServesAnotherFacet) => &STRAY,
            1 => &KEYED,
            2 => &BACK,
            _ => &SET,
        }
    }
    fn subject(&self, input: &StockChange) -> String {
        if is(Defect::TellsTheSecretInTheIntent) {
            "corner-secret-0001".into()
        } else {
            input.key.sku.to_string()
        }
    }
    fn encode(&self, _: &OpCx<'_>, input: &StockChange) -> Result<WireRequest> {
        let field = if is(Defect::WrongField) { "qty" } else { "quantity" };
        let nobody = "X".parse()?;
        let (sku, quantity) =
            (if is(Defect::NamesNothing) { &nobody } else { &input.key.sku }, input.quantity);
        let body = serde_json::json!({ "sku": sku, field: quantity });
        let dialect = DIALECT.load(Ordering::SeqCst);
        if dialect == Dialect::GraphQl as u8 {
            let query = "mutation($in: StockInput!) { setStock(input: $in) { ok } }";
            let body = serde_json::json!({ "query": query, "variables": { "in": body } });
            return WireRequest::new(Method::POST, &self.0, "/graphql.json")?.json(&body);
        }
        if dialect == Dialect::Xml as u8 {
            let text = format!("<stock><sku>{sku}</sku><{field}>{quantity}</{field}></stock>");
            return Ok(WireRequest::new(Method::POST, &self.0, "/stock")?.bytes("application/xml", text));
        }
        if dialect == Dialect::Top as u8 {
            let form = vec![("dto".to_owned(), body.to_string())];
            return Ok(WireRequest::new(Method::POST, &self.0, "/sync")?
                .query("method", "stock.set")
                .form(form));
        }
        let other = "https://api.other.example".parse().map_err(|_| Error::config("a literal"))?;
        let base = if is(Defect::AsksAnotherHost) { &other } else { &self.0 };
        WireRequest::new(Method::PUT, base, "/stock")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &StockChange, r: &WireResponse) -> Result<bool> {
        if is(Defect::TakesErrorForSuccess) {
            return Ok(true);
        }
        if is(Defect::ReadsTheErrorItself) && r.status >= 400 {
            *SAID.lock().unwrap() = String::from_utf8_lossy(&r.body).into_owned();
        }
        if r.body.starts_with(b"<") {
            return Ok(r.body.windows(4).any(|w| w == b"true"));
        }
        let value: serde_json::Value = r.json()?;
        let value = value.pointer("/data/setStock").unwrap_or(&value);
        if is(Defect::PanicsOnGarbage) {
            return Ok(value["ok"].as_bool().unwrap());
        }
        value["ok"].as_bool().ok_or_else(|| Error::decode("no 'ok'"))
    }
}

impl Connector for Corner {
    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
    fn marketplace(&self) -> Option<&dyn Marketplace> {
        Some(self)
    }
}
impl Marketplace for Corner {
    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
    fn prices(&self) -> Option<&dyn Prices> {
        is(Defect::HidesAFacet).then_some(self as &dyn Prices)
    }
    fn offers(&self) -> Option<&dyn Offers> {
        SELLS.load(Ordering::SeqCst).then_some(self as &dyn Offers)
    }
    fn order_actions(&self) -> Option<&dyn OrderActions> {
        CANCELS.lock().unwrap().map(|_| self as &dyn OrderActions)
    }
}
#[async_trait]
impl Prices for Corner {
    async fn set(&self, _: &CallCx, _: &[PriceChange]) -> Result<Submitted<Vec<ItemOutcome>>> {
        Ok(Submitted::Done(vec![]))
    }
}
/// A write or a read of a body made beforehand, for the calls that tests make without a facet.
pub(crate) struct Send {
    spec: &'static OpSpec,
    path: &'static str,
    body: serde_json::Value,
}

static OFFER: OpSpec = OpSpec { name: "offers.put", facet: Facet::Offers, ..SPEC };
static PAGE: OpSpec = OpSpec { name: "stock.page", safety: Safety::Read, ..SPEC };
static PRICE: OpSpec = OpSpec { name: "stock.price", safety: Safety::Read, ..SPEC };
static REPRICE: OpSpec = OpSpec { name: "stock.reprice", ..SPEC };
static MANY: OpSpec = OpSpec { name: "stock.many", ..SPEC };
static JOB: OpSpec = OpSpec { name: "stock.job", safety: Safety::Read, ..SPEC };

impl Send {
    fn offer(offer: &Offer) -> Send {
        let title = offer.content.title.as_str();
        Send { spec: &OFFER, path: "/offers", body: serde_json::json!({ "sku": offer.sku, "title": title }) }
    }
    pub(crate) fn page(cursor: Option<&str>) -> Send {
        let cursor = cursor.filter(|_| !is(Defect::ForgetsTheCursor));
        Send { spec: &PAGE, path: "/page", body: serde_json::json!({ "page": cursor }) }
    }
    pub(crate) fn price() -> Send {
        Send { spec: &PRICE, path: "/price", body: serde_json::json!({}) }
    }
    pub(crate) fn reprice(to: Money) -> Send {
        // In hundredths, whatever the currency has.
        let shifted = format!("{}.{:02}", to.minor() / 100, to.minor() % 100);
        let amount = if is(Defect::ShiftsMoney) { shifted } else { to.amount().to_string() };
        let body = serde_json::json!({ "price": amount, "currency": to.currency() });
        Send { spec: &REPRICE, path: "/price", body }
    }
}

impl Operation for Send {
    type In = ();
    type Out = serde_json::Value;
    fn spec(&self) -> &OpSpec {
        self.spec
    }
    fn encode(&self, _: &OpCx<'_>, _: &()) -> Result<WireRequest> {
        let title = self.body["title"].as_str().unwrap_or_default();
        let bytes = if is(Defect::CountsNoBytes) { 0 } else { title.len() };
        if (title.chars().count() > 10 || bytes > 14) && !is(Defect::TakesAnyTitle) {
            return Err(Error::invalid("the title has more than 10 characters, or 14 bytes"));
        }
        let base = "https://api.corner.example".parse().map_err(|_| Error::config("a literal"))?;
        WireRequest::new(Method::POST, &base, self.path)?.json(&self.body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &(), r: &WireResponse) -> Result<serde_json::Value> {
        let mut answer: serde_json::Value = r.json()?;
        if self.spec.name == "stock.price" {
            let text =
                |name: &str| answer[name].as_str().map(str::to_owned).ok_or_else(|| Error::decode("price"));
            let (amount, currency) = (text("amount")?, text("currency")?);
            let whole = amount.split('.').next().unwrap_or_default();
            let amount = if is(Defect::RoundsMoney) && currency == "JPY" { whole } else { &amount };
            let money = Money::parse(amount, currency.parse()?)?;
            answer = serde_json::to_value(money).map_err(|e| Error::decode(e.to_string()))?;
        }
        Ok(answer)
    }
}
#[async_trait]
impl Stock for Corner {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>> {
        let mut out = Vec::new();
        if is(Defect::IgnoresTheBatch) {
            let skus: Vec<&str> = changes.iter().map(|c| c.key.sku.as_str()).collect();
            let all = Send { spec: &MANY, path: "/stock", body: serde_json::json!({ "skus": skus }) };
            self.pipeline.call(&all, &(), cx).await?;
        }
        for change in changes {
            if LOOKS_FIRST.load(Ordering::SeqCst) {
                let sku = change.key.sku.to_string();
                let found = self.pipeline.call(&Look(self.op.0.clone()), &sku, cx).await?;
                let same =
                    found["sku"] == sku.as_str() || (is(Defect::LooksBlindly) && !found["sku"].is_null());
                if same && !is(Defect::LooksForNothing) {
                    out.push(ItemOutcome::ok(&change.key.sku, None));
                    continue;
                }
            }
            let mut done = self.pipeline.call(&self.op, change, cx).await;
            if is(Defect::RepeatsInDoubt) && done.as_ref().is_err_and(|e| e.kind() == Kind::Indeterminate) {
                done = self.pipeline.call(&self.op, change, &cx.step("again")).await;
            }
            match done {
                Ok(_) => out.push(ItemOutcome::ok(&change.key.sku, None)),
                Err(e) if is(Defect::SwallowsDoubt) && e.kind() == Kind::Indeterminate => {
                    out.push(ItemOutcome::ok(&change.key.sku, None));
                }
                Err(_) if is(Defect::ReadsTheErrorItself) => {
                    return Err(Error::config(SAID.lock().unwrap().clone()));
                }
                Err(e) if is(Defect::LeaksTheToken) => {
                    return Err(Error::config(format!("{e} with tok-12345")));
                }
                Err(e) if is(Defect::LeaksSecret) => {
                    return Err(Error::config(format!("{e} with {}", self.secret.expose_secret())));
                }
                Err(e) => return Err(e),
            }
        }
        if DEFERS.load(Ordering::SeqCst) {
            let (flow, id) = ("stock".to_owned(), "J1".to_owned());
            let state = serde_json::Value::Null;
            return Ok(Submitted::Deferred(Handle {
                flow,
                id,
                step: String::new(),
                state,
                not_before: None,
            }));
        }
        Ok(Submitted::Done(out))
    }
    async fn poll(&self, cx: &CallCx, handle: &Handle) -> Result<Submitted<Vec<ItemOutcome>>> {
        if is(Defect::ForgetsItsJobs) {
            return Err(Error::new(Kind::Unsupported, "no"));
        }
        if is(Defect::EndsJobsUnasked) {
            return Ok(Submitted::Done(vec![]));
        }
        if is(Defect::AsksNobody) {
            return Ok(Submitted::Deferred(handle.clone()));
        }
        let body = serde_json::json!({ "job": handle.id });
        let told = self.pipeline.call(&Send { spec: &JOB, path: "/job", body }, &(), cx).await;
        if is(Defect::EndsJobsOnErrors) && told.is_err() {
            return Ok(Submitted::Done(vec![]));
        }
        Ok(match told?["done"].as_bool() {
            Some(true) => Submitted::Done(vec![]),
            _ => Submitted::Deferred(handle.clone()),
        })
    }
}

fn info() -> ConnectorInfo {
    ConnectorInfo {
        id: "corner".parse().unwrap(),
        name: "Corner".into(),
        roles: vec![Role::Marketplace],
        api_version: "1".into(),
        docs: String::new(),
    }
}

fn capabilities() -> Capabilities {
    let prices = if is(Defect::DeclaresTooMuch) { Support::Native } else { Support::NotImplemented };
    let offers = if SELLS.load(Ordering::SeqCst) { Support::Native } else { Support::NotImplemented };
    let least = *CANCELS.lock().unwrap();
    let cancel = if least.is_some() { Support::Native } else { Support::NotImplemented };
    let bounds = Bounds {
        stock_batch: Some(2),
        offers_batch: Some(2),
        bulk_from: LOADS.load(Ordering::SeqCst).then_some(2),
        bulk_batch: LOADS.load(Ordering::SeqCst).then_some(3),
        title_chars: Some(10),
        title_bytes: Some(14),
        whole_products: !takes(Takes::Offers),
        cancels: least.unwrap_or_default(),
        ..Bounds::default()
    };
    let support = [
        (Facet::Stock, Support::Native),
        (Facet::Prices, prices),
        (Facet::Offers, offers),
        (Facet::Cancel, cancel),
    ];
    Capabilities::new(&support, bounds)
}

fn open(config: AccountConfig, runtime: Runtime) -> Result<Arc<dyn Connector>> {
    let settings: Settings = config.settings()?;
    let secret = config.secrets.need("client_secret")?.clone();
    let oauth = OAuth2 {
        token_url: settings.endpoint.join("/token").map_err(|e| Error::config(e.to_string()))?,
        client_id: "me".into(),
        client_secret: secret.clone(),
        auth: ClientAuth::Basic,
        scopes: vec![],
    };
    let opening =
        Opening { app: "me".into(), capabilities: capabilities(), protocol: Arc::new(Wire { oauth }) };
    Ok(Arc::new(Corner {
        pipeline: FACTORY.pipeline(&config, opening, runtime)?,
        op: SetStock(settings.endpoint),
        secret,
    }))
}

const LIMITS: &str =
    "[[bucket]]\nname = 'stock'\nscope = 'account'\nburst = 5\nrefill = { units = 1, every = '1s' }";
const ERRORS: &str = "[[code]]\ncode = 'invalid_grant'\nkind = 'unauthenticated'\n[[code]]\ncode = 'E42'\nkind = 'rejected'\n[[code]]\ncode = 'SLOW'\nkind = 'rate_limited'";

pub(crate) static FACTORY: Factory = Factory {
    id: "corner",
    info,
    capabilities,
    limits: LIMITS,
    errors: ERRORS,
    secrets: &["client_secret"],
    example: "endpoint = 'https://api.corner.example'",
    open,
};
