//! A small right connector, and the same with one thing wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use tradewind_connector::role::{ItemOutcome, Marketplace, Stock, StockChange};
use tradewind_connector::*;
use url::Url;

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
    info: ConnectorInfo,
    capabilities: Capabilities,
    pipeline: Pipeline,
    op: SetStock,
    secret: SecretString,
}

struct Wire {
    oauth: OAuth2,
}

impl Protocol for Wire {
    fn token_plan(&self, _: &OpCx<'_>, _: &str, _: Option<&TokenSet>) -> Result<TokenPlan> {
        Ok(TokenPlan::Fetch(Box::new(self.oauth.client_credentials()?)))
    }
    fn read_token(&self, cx: &OpCx<'_>, _: &str, _: Option<&TokenSet>, r: &WireResponse) -> Result<TokenSet> {
        OAuth2::read(r, cx.now, None)
    }
    fn sign(&self, cx: &SignCx<'_>, request: &mut WireRequest) -> Result<()> {
        let nonce = if is(Defect::StaleSignature) { "always" } else { cx.op.nonce };
        request.set_header("x-sign", nonce)?;
        let key = if is(Defect::KeyPerAttempt) { cx.op.nonce } else { cx.op.key };
        request.set_header("idempotency-key", key)
    }
    fn upstream(&self, _: &str, r: &WireResponse) -> Option<Upstream> {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
        }
        let problem = r.json::<Problem>().ok().filter(|_| !is(Defect::TakesErrorForSuccess));
        match problem {
            Some(p) => Some(Upstream { http: r.status, code: p.code, ..Upstream::default() }),
            None => (r.status >= 400).then(|| Upstream { http: r.status, ..Upstream::default() }),
        }
    }
}

/// What is looked up.
struct Look(Url);

static LOOK: OpSpec = OpSpec { name: "stock.look", safety: Safety::Read, ..SPEC };
static SET: OpSpec = SPEC;
static LIE: OpSpec = OpSpec { safety: Safety::Read, ..SPEC };

impl Operation for Look {
    type In = ();
    type Out = serde_json::Value;
    fn spec(&self) -> &OpSpec {
        &LOOK
    }
    fn encode(&self, _: &OpCx<'_>, _: &()) -> Result<WireRequest> {
        WireRequest::new(Method::GET, &self.0, "/stock")
    }
    fn decode(&self, _: &OpCx<'_>, _: &(), r: &WireResponse) -> Result<serde_json::Value> {
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
        if is(Defect::CallsAWriteARead) { &LIE } else { &SET }
    }
    fn encode(&self, _: &OpCx<'_>, input: &StockChange) -> Result<WireRequest> {
        let field = if is(Defect::WrongField) { "qty" } else { "quantity" };
        let (sku, quantity) = (&input.key.sku, input.quantity);
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
        WireRequest::new(Method::PUT, &self.0, "/stock")?.json(&body)
    }
    fn decode(&self, _: &OpCx<'_>, _: &StockChange, r: &WireResponse) -> Result<bool> {
        if is(Defect::TakesErrorForSuccess) {
            return Ok(true);
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
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
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
}
#[async_trait]
impl Stock for Corner {
    async fn set(&self, cx: &CallCx, changes: &[StockChange]) -> Result<Submitted<Vec<ItemOutcome>>> {
        let mut out = Vec::new();
        for change in changes {
            if LOOKS_FIRST.load(Ordering::SeqCst) {
                self.pipeline.call(&Look(self.op.0.clone()), &(), cx).await?;
            }
            let mut done = self.pipeline.call(&self.op, change, cx).await;
            if is(Defect::RepeatsInDoubt) && done.as_ref().is_err_and(|e| e.kind() == Kind::Indeterminate) {
                done = self.pipeline.call(&self.op, change, &cx.step("again")).await;
            }
            match done {
                Ok(_) => out.push(ItemOutcome::ok(&change.key.sku, None)),
                Err(e) if is(Defect::LeaksSecret) => {
                    return Err(Error::config(format!("{e} with {}", self.secret.expose_secret())));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(Submitted::Done(out))
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
    Capabilities::new(&[(Facet::Stock, Support::Native), (Facet::Prices, prices)], Bounds::default())
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
    let parts = Parts {
        connector: "corner".parse()?,
        account: config.account.clone(),
        app: "me".into(),
        access: config.access,
        capabilities: Arc::new(capabilities()),
        protocol: Arc::new(Wire { oauth }),
        limits: Limits::parse(LIMITS)?,
        errors: ErrorTable::parse(ERRORS)?,
        patience: config.patience,
    };
    Ok(Arc::new(Corner {
        info: info(),
        capabilities: capabilities(),
        pipeline: Pipeline::new(parts, runtime),
        op: SetStock(settings.endpoint),
        secret,
    }))
}

const LIMITS: &str =
    "[[bucket]]\nname = 'stock'\nscope = 'account'\nburst = 5\nrefill = { units = 1, every = '1s' }";
const ERRORS: &str =
    "[[code]]\ncode = 'E42'\nkind = 'rejected'\n[[code]]\ncode = 'SLOW'\nkind = 'rate_limited'";

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
