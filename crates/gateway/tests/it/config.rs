//! Mistakes of a configuration that would switch a guard off or offer nothing are refused, each at its place.

use secrecy::ExposeSecret;
use tradewind_gateway::Engines;
use tradewind_gateway::config::Config;

const GOOD: &str = r#"[guard]
price_jump = "0.30"
mass_delete = "0.20"
margin_floor = "0.10"
[fx]
max_age_days = 5
[shipping]
carrier = "dhl"
parcel_mm = [200, 150, 100]
[shipping.from]
name = "N"
lines = ["1 Road"]
city = "C"
postcode = "1"
country = "CN"
[shipping.scheme]
CN = "cbec_1210"
[landed.to.DE]
scheme = "ioss"
[[account]]
id = "dhl"
connector = "dhl-express"
[[account]]
id = "store"
connector = "amazon"
[account.offers]
currency = "EUR"
locale = "zh-CN"
markup = "1.1"
ending = "0.99"
tax_included = "0.19"
fees = "0.16"
stock_parts = 2
rates = { CNY = { rate = "0.11", source = "s" } }
"#;

fn told(config: &str) -> String {
    match Config::parse(config, "t.toml") {
        Ok(config) => Engines::load(&config, ".".as_ref()).err().map(|e| e.to_string()).unwrap_or_default(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn numbers_out_of_their_range_and_unknown_names_are_told_with_their_place() {
    assert_eq!(told(GOOD), "");
    assert_eq!(told(&GOOD.replace("price_jump = \"0.30\"", "price_jump = \"none\"")), "");
    // A language of three letters alone.
    assert_eq!(told(&GOOD.replace("zh-CN", "fil-PH")), "");
    let other = GOOD.replace(
        "scheme = \"ioss\"",
        "channel = \"courier\"\nincoterm = \"DDP\"\nmode_of_transport = \"air\"",
    );
    assert_eq!(told(&other), "");
    // (what stands there, what is written instead, where the value begins, words of the remedy)
    let cases = [
        ("price_jump = \"0.30\"", "price_jump = \"30\"", "2:14", "for 30 % write \"0.3\""),
        ("price_jump = \"0.30\"", "price_jump = 0.3", "2:14", "in quotes, such as \"0.15\""),
        ("price_jump = \"0.30\"", "price_jump = \"off\"", "2:14", "in quotes, such as \"0.15\""),
        ("mass_delete = \"0.20\"", "mass_delete = \"20\"", "3:15", "for 20 % write \"0.2\""),
        ("mass_delete = \"0.20\"", "mass_delete = \"-1\"", "3:15", "from \"0\" to \"1\""),
        ("margin_floor = \"0.10\"", "margin_floor = \"10\"", "4:16", "for 10 % write \"0.1\""),
        ("margin_floor = \"0.10\"", "margin_floor = \"1\"", "4:16", "to below \"1\""),
        ("max_age_days = 5", "max_age_days = -5", "6:16", "zero or more"),
        ("carrier = \"dhl\"", "carrier = \"dlh\"", "8:11", "account 'dlh', which no [[account]] defines"),
        ("carrier = \"dhl\"", "payments = \"dhl\"", "8:1", "unknown field `payments`"),
        ("[200, 150, 100]", "[0, 150, 100]", "9:13", "length, width and height"),
        (
            "\"cbec_1210\"",
            "\"cbec_9999\"",
            "17:6",
            "the rules of CN know no such scheme; did you mean 'cbec_",
        ),
        ("scheme = \"ioss\"", "channel = \"curier\"", "19:11", "'curier' is unknown: courier"),
        ("scheme = \"ioss\"", "mode_of_transport = \"plane\"", "19:21", "'plane' is unknown: air"),
        ("scheme = \"ioss\"", "incoterm = \"EXW\"", "19:12", "EXW"),
        ("[landed.to.DE]", "[landed.to.DEU]", "18:12", "'DEU' is no country"),
        ("country = \"CN\"", "country = \"China\"", "15:11", "China"),
        ("currency = \"EUR\"", "currency = \"EURO\"", "27:12", "EURO"),
        ("connector = \"amazon\"", "connector = \"amazon\"\naccess = \"write\"", "26:10", "read-write"),
        ("\"ioss\"", "\"iosss\"", "19:10", "did you mean 'ioss'"),
        ("\"zh-CN\"", "\"deu_xx\"", "28:10", "such as \"de\" or \"zh-CN\""),
        ("\"zh-CN\"", "\"deu\"", "28:10", "has a code of two letters: \"de\""),
        ("\"zh-CN\"", "\"chi-Hant-TW\"", "28:10", "has a code of two letters: \"zh-Hant-TW\""),
        ("\"zh-CN\"", "\"\"", "28:10", "such as \"de\" or \"zh-CN\""),
        ("\"zh-CN\"", "\"zh-XX\"", "28:10", "such as \"de\" or \"zh-CN\""),
        ("markup = \"1.1\"", "markup = \"-1\"", "29:10", "above zero"),
        ("ending = \"0.99\"", "ending = \"-7.5\"", "30:10", "to below \"1\""),
        ("ending = \"0.99\"", "ending = \"0.995\"", "30:10", "prices in EUR have 2 decimals"),
        ("tax_included = \"0.19\"", "tax_included = \"19\"", "31:16", "for 19 % write \"0.19\""),
        ("fees = \"0.16\"", "fees = \"16\"", "32:8", "for 16 % write \"0.16\""),
        ("fees = \"0.16\"", "fees = \"-5\"", "32:8", "from \"0\" to below \"1\""),
        ("stock_parts = 2", "stock_parts = 0", "33:15", "1 or more"),
        ("rate = \"0.11\"", "rate = \"0\"", "34:26", "above zero"),
        ("CNY = {", "EURO = {", "34:18", "'EURO' is no currency: ISO 4217"),
    ];
    // An editor that knows the schema marks what the program refuses, where the value alone shows it.
    let schema = Config::schema();
    let editor = jsonschema::draft202012::new(&schema).unwrap();
    let marks = |text: &str| {
        !editor.is_valid(&serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap())
    };
    assert!(!marks(GOOD), "what is right is not marked");
    // These are wrong beside others: an account that is not there, a scheme of the packs, the decimals of the currency.
    let beside = ["carrier = \"dlh\"", "\"cbec_9999\"", "\"iosss\"", "ending = \"0.995\""];
    for (good, bad, place, words) in cases {
        let wrong = GOOD.replacen(good, bad, 1);
        let said = told(&wrong);
        assert!(said.starts_with(&format!("t.toml:{place}: ")) && said.contains(words), "{bad}: {said}");
        assert_eq!(marks(&wrong), !beside.contains(&bad), "{bad}");
    }
}

#[test]
fn a_secret_that_stands_in_the_file_is_refused_and_never_shown() {
    let account = "[[account]]\nid = \"a\"\nconnector = \"amazon\"\n";
    for secrets in [
        "secrets = { client_secret = \"hunter2secret\" }",
        "secrets = { client_secret = [\"hunter2secret\"] }",
        "secrets = { client_secret = { hunter2secret = \"x\" } }",
        "secrets = { client_secret = { value = \"hunter2secret\" } }",
        "secrets = { client_secret = { file = \"f\", value = \"hunter2secret\" } }",
        "secrets = { client_secret = 4711 }",
        "secrets = \"hunter2secret\"",
        "secrets = 4711",
    ] {
        let said = told(&format!("{account}{secrets}\n"));
        assert!(
            said.starts_with("t.toml:4:") && said.contains("a secret does not stand here: name a file"),
            "{said}"
        );
        assert!(!said.contains("hunter2") && !said.contains("4711"), "shown: {said}");
    }
    // Not even TOML.
    let said = told(&format!("{account}secrets = {{ client_secret = hunter2secret }}\n"));
    assert!(said.starts_with("t.toml:4:") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_credential_is_not_looked_for_where_no_systemd_put_it() {
    // Tests are run by cargo, not as a service.
    assert!(std::env::var_os("CREDENTIALS_DIRECTORY").is_none());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "from the wrong place").unwrap();
    let text =
        "[[account]]\nid = \"a\"\nconnector = \"amazon\"\nsecrets = { t = { credential = \"token\" } }\n";
    let config = Config::parse(text, "t.toml").unwrap();
    let said = config.account[0].resolve(dir.path()).unwrap_err().to_string();
    assert!(
        said.starts_with("t.toml:4:17: ") && said.contains("$CREDENTIALS_DIRECTORY is not set"),
        "{said}"
    );
}

#[test]
fn the_network_of_an_account_is_read_and_what_is_wrong_in_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cert.pem", "ca.pem", "key", "word"] {
        std::fs::write(dir.path().join(name), format!("the {name}\n")).unwrap();
    }
    let account = "[[account]]\nid = \"a\"\nconnector = \"amazon\"\n";
    let read = |secrets: &str, network: &str| {
        let text = format!("{account}secrets = {{ {secrets} }}\n[account.network]\n{network}\n");
        let entry = Config::parse(&text, "t.toml").unwrap().account.remove(0);
        let secrets = entry.resolve(dir.path()).unwrap().secrets;
        entry.network(dir.path(), &secrets).map(Option::unwrap)
    };
    let both = "tls_key = { file = \"key\" }, proxy_password = { file = \"word\" }";
    let all = "proxy = \"http://me@proxy.example:3128\"\nauthority = \"ca.pem\"\ncertificate = \"cert.pem\"";
    let network = read(both, all).unwrap();
    assert_eq!(network.proxy.unwrap().as_str(), "http://proxy.example:3128/");
    let (name, password) = network.proxy_login.unwrap();
    assert_eq!((name.as_str(), password.expose_secret()), ("me", "the word"));
    assert_eq!(network.authority.unwrap(), b"the ca.pem\n");
    let (certificate, key) = network.identity.unwrap();
    assert_eq!((certificate.as_slice(), key.expose_secret()), (&b"the cert.pem\n"[..], "the key"));
    for (secrets, network, words) in [
        ("", "certificate = \"cert.pem\"", "secret 'tls_key' is missing"),
        (both, "certificate = \"gone.pem\"", "gone.pem"),
        ("", "proxy = \"http://me@proxy.example:3128\"", "secret 'proxy_password' is missing"),
        ("", "proxy = \"proxy.example:3128\"", "http://host:port"),
        ("", "proxy = \"http://me:hunter2@proxy.example\"", "secret 'proxy_password'"),
    ] {
        let said = read(secrets, network).err().unwrap().to_string();
        assert!(said.contains(words) && said.contains("account 'a'"), "{said}");
        assert!(!said.contains("hunter2"), "shown: {said}");
    }
    // Without the table: the plain way.
    let entry = Config::parse(account, "t.toml").unwrap().account.remove(0);
    assert!(entry.network(dir.path(), &Default::default()).unwrap().is_none());
}

/// Three stores of one seller: what they have in common stands once.
const LIKE: &str = r#"[[account]]
id = "amazon-fr"
connector = "amazon"
like = "amazon-de"
settings = { marketplace = "FR" }
secrets = { notification_key = { env = "FR_KEY" } }
[[account]]
id = "amazon-de"
connector = "amazon"
access = "read-write"
settings = { marketplace = "DE", seller_id = "A1" }
secrets = { refresh_token = { file = "gone" }, notification_key = { env = "DE_KEY" } }
network = { proxy = "http://proxy.example:3128" }
[account.offers]
currency = "EUR"
[[account]]
id = "ebay"
connector = "ebay"
"#;

#[test]
fn an_account_that_is_like_another_takes_what_it_leaves_out() {
    let config = Config::parse(LIKE, "t.toml").unwrap();
    let fr = &config.account[0];
    assert_eq!(fr.settings, "marketplace = \"FR\"\nseller_id = \"A1\"".parse().unwrap());
    assert_eq!(fr.login(), "'notification_key' (environment variable FR_KEY), 'refresh_token' (file gone)");
    assert_eq!(fr.network.as_ref().unwrap().proxy.as_deref(), Some("http://proxy.example:3128"));
    // What may be done there, and what is sold there, is each account's own.
    assert!(fr.offers.is_none());
    assert_eq!(serde_json::to_value(fr.access).unwrap(), "read-only");
    // What is wrong in what it took is told where that stands.
    let (_, problems) = fr.resolve_each(".".as_ref());
    assert!(problems.iter().any(|(_, e)| e.to_string().starts_with("t.toml:12:29: ")), "{problems:?}");
    let wrong = config.mistake_of(&fr.id, "settings of account 'amazon-fr': unknown field `seller_id`");
    assert!(wrong.to_string().starts_with("t.toml:11:46: "), "{wrong}");
    for (like, words) in [
        ("amazon-ed", "which no [[account]] defines"),
        ("ebay", "which is one of ebay: name one of amazon"),
        ("amazon-fr", "which is itself like 'amazon-fr': define one of them in full"),
    ] {
        let said = told(&LIKE.replace("like = \"amazon-de\"", &format!("like = \"{like}\"")));
        assert!(said.starts_with("t.toml:4:8: ") && said.contains(words), "{said}");
    }
    let chain = LIKE.replace("id = \"amazon-de\"\n", "id = \"amazon-de\"\nlike = \"amazon-it\"\n");
    let said = told(&format!("{chain}[[account]]\nid = \"amazon-it\"\nconnector = \"amazon\"\n"));
    assert!(
        said.contains("'amazon-fr' is like 'amazon-de', which is itself like 'amazon-it': name that one"),
        "{said}"
    );
}
