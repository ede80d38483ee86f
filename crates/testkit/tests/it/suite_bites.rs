//! The suite passes a right connector, and fails each wrong one for the right reason.

use std::path::Path;

use tradewind_connector::role::StockChange;
use tradewind_connector::{Facet, Safety};
use tradewind_testkit::spec::{GraphQl, OpenApi, SpecSet, Top, Xsd};
use tradewind_testkit::{Answer, Call, Report, Suite, cx, json};

use crate::corner::{Defect, Dialect, FACTORY, ONE, looking_first, speaking, with};

const SPEC: &str = r#"{"openapi":"3.0.0","info":{},"paths":{"/stock":{"put":{
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["sku","quantity"],
    "properties":{"sku":{"type":"string"},"quantity":{"type":"integer"}}}}}},
  "responses":{"200":{"description":"","content":{"application/json":{"schema":{"type":"object",
    "properties":{"ok":{"type":"boolean"},"code":{"type":"string"}}}}}}}}}}}"#;

async fn run(defect: Defect, fixtures: &Path) -> Report {
    run_with(defect, fixtures, SpecSet::of("corner", OpenApi::parse("corner.json", SPEC).unwrap())).await
}

async fn run_with(defect: Defect, fixtures: &Path, set: std::sync::Arc<SpecSet>) -> Report {
    with(defect);
    suite(fixtures, set).call(stock(Safety::Natural)).run().await
}

/// What fails with a defect. Several rows about one, that follow each other, have one run.
#[derive(Default)]
pub(crate) struct Runs(Option<(Defect, Vec<String>)>);

impl Runs {
    pub(crate) async fn failures(&mut self, defect: Defect, run: impl AsyncFnOnce() -> Report) -> &[String] {
        if self.0.as_ref().is_none_or(|(last, _)| *last != defect) {
            self.0 = Some((defect, run().await.failures()));
        }
        self.0.as_ref().map_or(&[], |(_, failures)| failures)
    }
}

/// The suite without a call.
pub(crate) fn suite(fixtures: &Path, set: std::sync::Arc<SpecSet>) -> Suite {
    Suite::new(&FACTORY, env!("CARGO_MANIFEST_DIR"))
        .fixtures(fixtures)
        .secret("client_secret", "corner-secret-0001")
        .token(
            "/token",
            Answer::json(200, r#"{"access_token":"tok-12345","token_type":"bearer","expires_in":3600}"#),
        )
        .throttled(Answer::json(200, r#"{"code":"SLOW"}"#))
        .fresh(&["x-sign"])
        .signs_answers(signed, |mut answer| {
            // A blank more: the same words, another length.
            answer.body = [&answer.body[..], b" "].concat().into();
            answer
        })
        .refuses_in_200("", Answer::json(200, r#"{"code":"E42"}"#))
        .spec_set(set)
}

fn signed(answer: Answer, _: jiff::Timestamp) -> Answer {
    let length = answer.body.len().to_string();
    answer.with("x-proof", &length)
}

pub(crate) fn stock(safety: Safety) -> Call {
    Call::new("stock.set", Facet::Stock, safety, |c, input| async move {
        let changes: Vec<StockChange> = json::read(input)?;
        let stock = c.marketplace().and_then(|m| m.stock()).ok_or_else(json::absent)?;
        json::outcomes(stock.set(&cx(), &changes).await?)
    })
}

#[tokio::test]
async fn the_suite_bites() {
    let _alone = ONE.lock().await;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corner");
    let report = run(Defect::None, &fixtures).await;
    report.assert();
    assert!(report.ran() > 60, "{report}");
    if std::env::var_os("TRADEWIND_BLESS").is_some() {
        return; // a defect must never become a golden
    }
    let mut runs = Runs::default();
    for (defect, group, words) in [
        (Defect::WrongField, "Specification", "\"quantity\" is a required"),
        (Defect::WrongField, "Codec", "differs"),
        (Defect::KeyPerAttempt, "Faults", "another request"),
        (Defect::StaleSignature, "Faults", "500: 'x-sign' is not fresh"),
        (Defect::StaleSignature, "Faults", "refused connection, then throttled: 'x-sign' is not fresh"),
        (Defect::LeaksSecret, "Secrets", "client_secret"),
        (Defect::PanicsOnGarbage, "Robustness", "panic"),
        (Defect::TakesErrorForSuccess, "Codec", "taken for success"),
        (Defect::TakesErrorForSuccess, "Faults", "a refusal with status 200 comes out as"),
        (Defect::DeclaresTooMuch, "Declaration", "accessor"),
        (Defect::DeclaresTooMuch, "Manifest", "Prices"),
        (
            Defect::RepeatsInDoubt,
            "Faults",
            "stock.set/ok: truncated body: a write whose answer was lost was sent again",
        ),
        (Defect::CallsAWriteARead, "Declaration", "announced as a write"),
        (Defect::DrawsNothing, "Faults", "PUT /stock draws from no bucket"),
        (Defect::ServesAnotherFacet, "Declaration", "Stock was taken away, and 1 requests left"),
        (
            Defect::HidesAFacet,
            "Declaration",
            "Marketplace::prices is there, but none of [Prices] is declared",
        ),
        (Defect::IgnoresTheLogin, "Faults", "a dead login"),
        (Defect::BelievesForgeries, "Manifest", "answers are said to be signed, and a bare one is believed"),
        (Defect::BelievesForgeries, "Faults", "stock.set/ok #1: a forged answer: Indeterminate expected"),
        (
            Defect::BelievesForgeries,
            "Faults",
            "stock.set/refused #1: a forged answer: Indeterminate expected",
        ),
        (Defect::BelievesForgeries, "Faults", "stock.set/ok: a forged token is used: 1 calls"),
        (Defect::BelievesRefusals, "Faults", "stock.set/ok #1: an unsigned 400: Indeterminate expected"),
        (Defect::BelievesRefusals, "Faults", "stock.set/ok #1: an unsigned 429: Indeterminate expected"),
        (Defect::NamesNothing, "Declaration", "a batch is 2, and of 3 items none is named in a request"),
        (Defect::IgnoresTheBatch, "Declaration", "a batch is 2, and 3 items are in one request"),
        (Defect::AsksAnotherHost, "Codec", "golden: host: {endpoint}"),
        (Defect::TellsTheSecretInTheIntent, "Secrets", "'client_secret' is in an intent"),
        (Defect::LeaksTheToken, "Secrets", "'access_token of /token' is in the outcome"),
        (Defect::LogsTheToken, "Secrets", "'access_token of /token' is in the log"),
        (Defect::ReadsTheErrorItself, "Secrets", "'access_token of /token' is in the outcome"),
        (Defect::SwallowsDoubt, "Faults", "hang, then no connection: Indeterminate expected"),
    ] {
        let failures = runs.failures(defect, async || run(defect, &fixtures).await).await;
        let found = failures.iter().any(|f| f.starts_with(group) && f.contains(words));
        assert!(found, "{defect:?} was not found as {group} '{words}': {failures:#?}");
    }
    with(Defect::None);
    // Without fixtures nothing is proven, and that is a failure.
    let empty = run(Defect::None, Path::new("/nonexistent")).await;
    assert!(!empty.failures().is_empty());
    a_write_behind_a_look_up_is_faulted().await;
    each_kind_of_specification_bites().await;
}

/// The second request of a conversation is faulted as the first is, and a read-only account stops before it.
async fn a_write_behind_a_look_up_is_faulted() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corner-looks-first");
    let case = scratch.join("stock.set/ok");
    std::fs::create_dir_all(&case).unwrap();
    for (name, text) in [
        ("meta.toml", "kind = \"happy\"\nprovenance = \"made by this test\""),
        ("input.json", r#"[{"key":{"sku":"A-1"},"quantity":7}]"#),
        ("response", "200\ncontent-type: application/json\n\n{\"ok\":true}\n"),
        ("response.2", "200\ncontent-type: application/json\n\n{\"ok\":true}\n"),
    ] {
        std::fs::write(case.join(name), text).unwrap();
    }
    let failures = async |defect| -> Vec<String> {
        let all = run(defect, &scratch).await.failures();
        // Goldens are another test's business.
        all.into_iter().filter(|f| f.starts_with("Faults") || f.starts_with("Declaration")).collect()
    };
    looking_first(true);
    assert_eq!(failures(Defect::None).await, Vec::<String>::new());
    for (defect, words) in [
        (
            Defect::RepeatsInDoubt,
            "stock.set/ok #2: truncated body: a write whose answer was lost was sent again",
        ),
        (Defect::KeyPerAttempt, "stock.set/ok #2: 500: the second attempt is another request"),
        (Defect::StaleSignature, "#2: 500: 'x-sign' is not fresh"),
    ] {
        let found = failures(defect).await;
        assert!(found.iter().any(|f| f.contains(words)), "{defect:?} '{words}': {found:#?}");
    }
    looking_first(false);
    with(Defect::None);
}

const GRAPHQL: &str = r#"{"data":{"__schema":{"queryType":{"name":"Query"},"mutationType":{"name":"Mutation"},"directives":[],"types":[
  {"kind":"OBJECT","name":"Query","fields":[]},
  {"kind":"OBJECT","name":"Mutation","fields":[{"name":"setStock","type":{"kind":"OBJECT","name":"Done","ofType":null},"args":[
    {"name":"input","defaultValue":null,"type":{"kind":"NON_NULL","name":null,"ofType":{"kind":"INPUT_OBJECT","name":"StockInput","ofType":null}}}]}]},
  {"kind":"OBJECT","name":"Done","fields":[{"name":"ok","args":[],"type":{"kind":"SCALAR","name":"Boolean","ofType":null}}]},
  {"kind":"INPUT_OBJECT","name":"StockInput","inputFields":[
    {"name":"sku","defaultValue":null,"type":{"kind":"SCALAR","name":"String","ofType":null}},
    {"name":"quantity","defaultValue":null,"type":{"kind":"SCALAR","name":"Int","ofType":null}}]},
  {"kind":"SCALAR","name":"String"},{"kind":"SCALAR","name":"Int"},{"kind":"SCALAR","name":"Boolean"}]}}}"#;

const XSD: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="stock"><xs:complexType><xs:sequence>
    <xs:element name="sku" type="xs:string"/><xs:element name="quantity" type="xs:integer"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="answer"><xs:complexType><xs:sequence><xs:element name="ok" type="xs:boolean"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"#;

const TOP: &str = r#"{"name":"stock.set","requestParams":[{"name":"dto","type":"Dto","required":true,"subParams":[
    {"name":"sku","type":"String","required":true},{"name":"quantity","type":"Number","required":true}]}],
  "responseParams":[{"name":"ok","type":"Boolean"}]}"#;

/// The same one wrong field, in the request and in the recorded answer, under each kind of specification.
async fn each_kind_of_specification_bites() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corner-dialects");
    let mut methods = Top::default();
    methods.parse(TOP).unwrap();
    let kinds = [
        (
            Dialect::Json,
            SpecSet::of("corner", OpenApi::parse("corner.json", SPEC).unwrap()),
            r#"{"ok":true}"#,
            r#"{"ok":"yes"}"#,
        ),
        (
            Dialect::GraphQl,
            SpecSet::of_graphql("corner", GraphQl::parse(GRAPHQL).unwrap()),
            r#"{"data":{"setStock":{"ok":true}}}"#,
            r#"{"data":{"setStock":{"ok":true,"extra":1}}}"#,
        ),
        (
            Dialect::Xml,
            SpecSet::of_xsd("corner", Xsd::parse(&[("corner.xsd".into(), XSD.into())]).unwrap()),
            "<answer><ok>true</ok></answer>",
            "<answer><ok>true</ok><extra/></answer>",
        ),
        (Dialect::Top, SpecSet::of_top("corner", methods), r#"{"ok":true}"#, r#"{"ok":true,"extra":1}"#),
    ];
    for (dialect, set, right, wrong) in kinds {
        speaking(dialect);
        // Goldens are another test's business: only what the specification says counts here.
        let spec_failures = async |defect, answer: &str| {
            let case = scratch.join(format!("{dialect:?}/stock.set/ok"));
            std::fs::create_dir_all(&case).unwrap();
            let (kind, input) = (
                "kind = \"happy\"\nprovenance = \"made by this test\"",
                r#"[{"key":{"sku":"A-1"},"quantity":7}]"#,
            );
            std::fs::write(case.join("meta.toml"), kind).unwrap();
            std::fs::write(case.join("input.json"), input).unwrap();
            let media = if answer.starts_with('<') { "application/xml" } else { "application/json" };
            std::fs::write(case.join("response"), format!("200\ncontent-type: {media}\n\n{answer}\n"))
                .unwrap();
            let report = run_with(defect, &scratch.join(format!("{dialect:?}")), set.clone()).await;
            let checks = report.passed(tradewind_testkit::Group::Specification);
            let failed: Vec<String> =
                report.failures().into_iter().filter(|f| f.starts_with("Specification")).collect();
            assert!(checks + failed.len() >= 2, "{dialect:?}: request and answer are both checked: {report}");
            failed
        };
        assert_eq!(spec_failures(Defect::None, right).await, Vec::<String>::new(), "{dialect:?}");
        let found = spec_failures(Defect::WrongField, right).await;
        assert!(found.iter().any(|f| f.contains("request")), "{dialect:?}: {found:?}");
        let found = spec_failures(Defect::None, wrong).await;
        assert!(found.iter().any(|f| f.contains("answer")), "{dialect:?}: {found:?}");
    }
    speaking(Dialect::Json);
    with(Defect::None);
}
