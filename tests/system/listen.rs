//! Notifications through the real binary over real sockets: a simulated shop sends them, signed, and `tradewind listen` takes
//! them behind a proxy that the simulator plays.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tradewind_connector::signing::{Hash, base64, digest, hex, hmac};
use tradewind_simulator::{Demand, Fault, HOOKS, Profile, Simulator};

use crate::{get, raw, text, tradewind};

const PUBLIC: &str = "https://hooks.shop.example";

/// A simulated shop with its configuration. Buyers come when time moves.
struct Shop {
    folder: tempfile::TempDir,
    simulator: Simulator,
    _runtime: Runtime,
}

impl Shop {
    /// `buyers` a day; the world begins half a day ago, so that its orders are of the past.
    fn open(buyers: u32, profile: Profile) -> Shop {
        Shop::open_on(&["shopify", "ebay"], buyers, profile, |_, config| config)
    }

    /// On these channels, with a configuration that is made of the plain one.
    fn open_on(
        channels: &[&str],
        buyers: u32,
        profile: Profile,
        edit: impl Fn(&Simulator, String) -> String,
    ) -> Shop {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let demand = Demand { orders_per_day: buyers, days: 1, ..Demand::default() };
        let began = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(12);
        let builder = Simulator::builder().demand(demand).start_at(began).channels(channels.iter().copied());
        let simulator = runtime.block_on(builder.start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let shop = simulator.credentials("shopify");
        let ebay = simulator.credentials("ebay");
        for name in ["access_token", "client_secret"] {
            write(&format!("shop-{name}"), shop.get(name));
        }
        for name in ["client_secret", "refresh_token", "signing_key"] {
            write(&format!("ebay-{name}"), ebay.get(name));
        }
        write("token", "71745723-d031-455c-bfa5-f90d11b4f20a");
        write(
            "c.csv",
            "sku,title,brand,price,currency,cost,cost_currency,quantity,hs,origin\nMUG,Mug,Harbour,20.00,USD,5,USD,500,691200,CN\n",
        );
        let config = format!(
            r#"
[[catalogue]]
path = "c.csv"
[guard]
margin_floor = "0.10"
[listen]
url = "{PUBLIC}"
[[account]]
id = "shop"
connector = "shopify"
access = "read-write"
settings = {{ currency = "USD", endpoint = "{}", shop = "{}", location = "{}", publication = "{}" }}
secrets = {{ access_token = {{ file = "shop-access_token" }}, client_secret = {{ file = "shop-client_secret" }} }}
[account.offers]
currency = "USD"
[[account]]
id = "ebay"
connector = "ebay"
[account.settings]
marketplace = "EBAY_GB"
endpoint = "{}"
finances_endpoint = "{}"
client_id = "{}"
merchant_location = "{}"
fulfillment_policy = "{}"
payment_policy = "{}"
return_policy = "{}"
signing_jwe = "{}"
notification_keys = {{ "7f1a52d6-5c1f-4c5e-9a4d-0d6f1f6f2a10" = "{}" }}
[account.secrets]
client_secret = {{ file = "ebay-client_secret" }}
refresh_token = {{ file = "ebay-refresh_token" }}
signing_key = {{ file = "ebay-signing_key" }}
verification_token = {{ file = "token" }}
"#,
            simulator.base_url("shopify"),
            shop.get("shop_domain"),
            shop.get("location_id"),
            shop.get("publication_id"),
            simulator.base_url("ebay"),
            simulator.base_url("ebay"),
            ebay.get("client_id"),
            ebay.get("merchant_location_key"),
            ebay.get("fulfillment_policy_id"),
            ebay.get("payment_policy_id"),
            ebay.get("return_policy_id"),
            ebay.get("signing_jwe"),
            ebay.get("notification_key"),
        );
        write("tradewind.toml", &edit(&simulator, config));
        simulator.world().faults(|f| f.set_all(profile));
        Shop { folder, simulator, _runtime: runtime }
    }

    /// With the mug on sale at the shop.
    fn selling(buyers: u32, profile: Profile) -> Shop {
        let shop = Shop::open(buyers, Profile::None);
        shop.run(&["import"], 0);
        shop.run(&["plan", "--out", "p"], 2);
        shop.run(&["apply", "p"], 0);
        shop.simulator.world().faults(|f| f.set_all(profile));
        shop
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str], code: i32) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = tradewind(self.path(), &args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Starts to listen, and has the shop's notifications sent there.
    fn listen(&self) -> Listening {
        let listening = Listening::start(self.path(), &["--bind", "127.0.0.1:0"]);
        self.simulator.proxy(PUBLIC, &format!("http://{}", listening.address));
        listening
    }

    fn orders(&self) -> Vec<String> {
        let listed = self.run(&["orders", "--offline"], 0);
        let all = listed["orders"].as_array().unwrap();
        all.iter().map(|o| o["order"]["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Calls that reached a channel, by operation as the fake names them.
    fn calls(&self, channel: &str) -> usize {
        self.simulator.world().journal().iter().filter(|l| l.channel == channel).count()
    }
}

/// The program, listening.
struct Listening {
    child: Child,
    events: Receiver<Value>,
    address: String,
    seen: Vec<Value>,
}

impl Listening {
    fn start(folder: &Path, args: &[&str]) -> Listening {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tradewind"))
            .current_dir(folder)
            .args(["listen", "--json"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut listening = Listening { child, events, address: String::new(), seen: Vec::new() };
        let told = listening.wait(|e| e["event"] == "listening");
        listening.address = told["address"].as_str().unwrap().to_owned();
        listening
    }

    fn wait(&mut self, which: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                panic!("did not happen; this did: {:#?}", self.seen)
            };
            self.seen.push(event.clone());
            if which(&event) {
                return event;
            }
        }
    }

    /// Waits until all that the simulator sends was taken in, or known already.
    fn all_in(&mut self, simulator: &Simulator) {
        while self.count("taken") + self.count("again") < simulator.world().outgoing() {
            self.wait(|e| e["event"] == "taken" || e["event"] == "again");
        }
    }

    fn count(&mut self, event: &str) -> usize {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().filter(|e| e["event"] == event).count()
    }

    fn raw(&self, parts: &[&[u8]]) -> String {
        raw(&self.address, parts)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> (u16, String) {
        let headers: String = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: hooks.shop.example\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        let answer = self.raw(&[head.as_bytes(), body]);
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, b)| b.to_owned()).unwrap_or_default())
    }

    #[cfg(unix)]
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Headers of a Shopify delivery: base64(HMAC-SHA256(secret, body)), fact sheet §11.
fn signed(secret: &str, domain: &str, id: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("X-Shopify-Topic", "orders/create".to_owned()),
        ("X-Shopify-Hmac-Sha256", base64(&hmac(Hash::Sha256, secret.as_bytes(), body))),
        ("X-Shopify-Shop-Domain", domain.to_owned()),
        ("X-Shopify-Webhook-Id", id.to_owned()),
    ]
}

#[cfg(unix)]
#[test]
fn a_buyers_order_is_told_read_and_imported_once() {
    let shop = Shop::selling(8, Profile::None);
    let mut listening = shop.listen();
    assert!(shop.simulator.subscribe("shopify", &format!("{PUBLIC}/hooks/shop")));
    // Buyers come. Some deliveries go out twice, some late: a profile of faults that strikes hooks and spares calls.
    shop.simulator.world().faults(|f| {
        f.set_profile("shopify", Profile::Hostile);
        // One at least, whatever the profile's dice say.
        f.script("shopify", Some(HOOKS), Fault::Duplicate, 1);
    });
    shop.simulator.advance(Duration::from_secs(12 * 3_600));
    shop.simulator.world().faults(|f| f.set_profile("shopify", Profile::None));
    let placed = shop.simulator.ledger().placed_count();
    assert!(placed >= 2, "{placed} buyers came");
    let read = |l: &mut Listening| {
        l.wait(|e| e["event"] == "read" && e["outcome"] == "read");
    };
    for _ in 0..placed {
        read(&mut listening);
    }
    listening.all_in(&shop.simulator);
    assert_eq!(listening.count("failed"), 0, "{:#?}", listening.seen);
    let mut orders = shop.orders();
    orders.dedup();
    assert_eq!(orders.len(), placed, "each once");
    // Created and paid: two deliveries an order at least, all answered with 2xx, and read together.
    let (deliveries, sent) = (shop.simulator.deliveries(), shop.simulator.world().outgoing());
    assert!(sent >= 2 * placed && deliveries.iter().all(|d| d.status == 200), "{deliveries:?}");
    assert!(listening.count("read") < sent);
    let (taken, again) = (listening.count("taken"), listening.count("again"));
    assert_eq!(taken + again, sent);
    assert!(again > 0, "some came twice: {deliveries:?}");
    // A poll finds nothing that is not known.
    assert_eq!(shop.run(&["orders"], 0)["pulled"]["new"], 0);
    let (code, told) = listening.end("-TERM");
    assert_eq!(code, Some(0), "{told}");
}

#[cfg(unix)]
#[test]
fn a_repetition_is_answered_and_not_read_again_and_a_forgery_leaves_nothing() {
    let shop = Shop::open(0, Profile::None);
    let mut listening = shop.listen();
    let credentials = shop.simulator.credentials("shopify");
    let (secret, domain) = (credentials.get("client_secret"), credentials.get("shop_domain"));
    let body = br#"{"id":1,"admin_graphql_api_id":"gid://shopify/Order/1","email":"buyer@example.com"}"#;
    // Nothing tells whether the account, its keys or the signature was wrong.
    let forged = signed("another secret", domain, "d-1", body);
    let good = signed(secret, domain, "d-1", body);
    let refusals = [
        listening.send("POST", "/hooks/shop", &forged, body),
        listening.send("POST", "/hooks/nobody", &good, body),
        listening.send("POST", "/hooks/shop", &[], body),
        listening.send("POST", "/hooks/ebay", &good, body),
        listening.send("GET", "/hooks/shop?challenge_code=1", &[], b""),
    ];
    assert!(refusals.iter().all(|r| *r == (401, String::new())), "{refusals:?}");
    assert_eq!(listening.send("POST", "/elsewhere", &good, body).0, 404);
    assert_eq!(listening.send("DELETE", "/hooks/shop", &good, body).0, 405);
    assert_eq!((listening.count("taken"), listening.count("refused")), (0, 1), "one line a second");
    let store = std::fs::read(shop.path().join("tradewind.db")).unwrap();
    let log = std::fs::read(shop.path().join("tradewind.db-wal")).unwrap_or_default();
    assert!(!contains(&store, "Order/1") && !contains(&log, "Order/1"), "nothing of it is kept");
    // The same id, signed: the forgery has not taken it.
    assert_eq!(listening.send("POST", "/hooks/shop", &good, body).0, 200);
    listening.wait(|e| e["event"] == "taken");
    // There is no such order: it is put off, and stays owed.
    let put_off = listening.wait(|e| e["event"] == "read");
    assert_eq!(
        (&put_off["outcome"], &put_off["reading"]),
        (&json!("put_off"), &json!("order/gid://shopify/Order/1"))
    );
    let calls = shop.calls("shopify");
    assert_eq!(listening.send("POST", "/hooks/shop/orders", &good, body).0, 200);
    listening.wait(|e| e["event"] == "again");
    // What was told names numbers, and nobody.
    assert!(!listening.seen.iter().any(|e| e.to_string().contains("buyer@example.com")));
    // Ctrl-C ends it as a service manager does.
    assert_eq!(listening.end("-INT").0, Some(0));
    // The reading is owed, and put off as before: there is nothing to do now.
    let once = tradewind(shop.path(), &["listen", "--once", "--json"]);
    assert_eq!(String::from_utf8_lossy(&once.stdout).trim(), r#"{"event":"stopped","owed":1}"#);
    assert_eq!(shop.calls("shopify"), calls, "a repetition is no reason to read");
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|w| w == what.as_bytes())
}

#[test]
fn killed_between_answer_and_reading_it_reads_after_the_next_start() {
    let shop = Shop::selling(6, Profile::None);
    let mut listening = shop.listen();
    assert!(shop.simulator.subscribe("shopify", &format!("{PUBLIC}/hooks/shop")));
    let before = shop.calls("shopify");
    shop.simulator.advance(Duration::from_secs(12 * 3_600));
    let placed = shop.simulator.ledger().placed_count();
    assert!(placed >= 1);
    // Two seconds lie between the first delivery and its reading.
    listening.all_in(&shop.simulator);
    listening.child.kill().unwrap();
    listening.child.wait().unwrap();
    assert_eq!(shop.calls("shopify"), before, "it died before it read");
    assert!(shop.orders().is_empty());
    let output = tradewind(shop.path(), &["listen", "--once", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let mut orders = shop.orders();
    orders.dedup();
    assert_eq!(orders.len(), placed);
    // Nothing is owed any more.
    let again = tradewind(shop.path(), &["listen", "--once", "--json"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout).trim(), r#"{"event":"stopped","owed":0}"#);
}

#[test]
fn ebay_asks_whose_address_it_is_and_tells_signed() {
    let shop = Shop::open(0, Profile::None);
    let mut listening = shop.listen();
    // Fact sheet §9: hex(SHA256(challengeCode + verificationToken + endpoint)).
    let (code, token) = ("a8628072-3d33-45ee-9004-bee86830a22d", "71745723-d031-455c-bfa5-f90d11b4f20a");
    let expected = hex(&digest(Hash::Sha256, format!("{code}{token}{PUBLIC}/hooks/ebay").as_bytes()));
    let (status, body) = listening.send("GET", &format!("/hooks/ebay?challenge_code={code}"), &[], b"");
    assert_eq!((status, body), (200, format!(r#"{{"challengeResponse":"{expected}"}}"#)));
    // A notification that nobody signed as eBay does.
    let body =
        br#"{"metadata":{"topic":"ORDER_CONFIRMATION"},"notification":{"data":{"order":{"orderId":"1"}}}}"#;
    assert_eq!(listening.send("POST", "/hooks/ebay", &[], body).0, 401);
    assert_eq!(listening.count("taken"), 0);
}

/// PayPal's certificates are at PayPal's addresses, and no other is believed; the fake's are on this machine.
const CERTIFICATE: &str =
    "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270";

/// Signed by eBay's key over the body and by PayPal's certificate over transmission, time, webhook and the body's CRC: both are
/// taken in by the program as it stands in the shop, and what was signed otherwise is not.
#[cfg(unix)]
#[test]
fn what_ebay_and_paypal_sign_is_taken_and_a_change_of_it_is_not() {
    let shop = Shop::open_on(&["shopify", "ebay", "paypal"], 60, Profile::None, |simulator, config| {
        let selling = r#"connector = "ebay"
access = "read-write"
offers = { currency = "GBP", categories = { "*" = "29223" }, rates = { USD = { rate = "0.8", source = "test" } } }"#;
        let paypal = simulator.credentials("paypal");
        let base = simulator.base_url("paypal");
        let cert = format!("{base}/certs/CERT-360caa42-fca2a594-1d93a270");
        format!(
            r#"{}
[[account]]
id = "paypal"
connector = "paypal"
settings = {{ currency = "USD", endpoint = "{base}", client_id = "{}", webhook_id = "{}", webhook_keys = {{ "{CERTIFICATE}" = "{}" }} }}
secrets = {{ client_secret = {{ file = "paypal-secret" }} }}
"#,
            config.replace("connector = \"ebay\"", selling),
            paypal.get("client_id"),
            paypal.get("webhook_id"),
            base64(&public_key(&certificate(&cert))),
        )
    });
    std::fs::write(
        shop.path().join("paypal-secret"),
        shop.simulator.credentials("paypal").get("client_secret"),
    )
    .unwrap();
    // eBay publishes nothing without an image.
    let rows = "sku,title,brand,price,currency,cost,cost_currency,quantity,hs,origin,images\n\
                MUG,Mug,Harbour,20.00,USD,5,USD,500,691200,CN,https://images.example/mug.jpg\n";
    std::fs::write(shop.path().join("c.csv"), rows).unwrap();
    shop.run(&["import"], 0);
    shop.run(&["plan", "--out", "p"], 2);
    shop.run(&["apply", "p"], 0);
    let mut listening = shop.listen();
    assert!(shop.simulator.subscribe("ebay", &format!("{PUBLIC}/hooks/ebay")));
    // PayPal's are taken to the door by hand, for the address of their certificate, which is not signed.
    assert!(shop.simulator.subscribe("paypal", "https://by.hand.example/hooks/paypal"));
    shop.simulator.advance(Duration::from_secs(12 * 3_600));
    listening.all_in(&shop.simulator);
    let deliveries = shop.simulator.deliveries();
    assert!(deliveries.iter().all(|d| d.status == 200), "{deliveries:?}");
    let told = shop.simulator.world().take_hooks("paypal");
    let first = told.first().expect("a buyer of the shop paid through PayPal");
    let headers: Vec<(&str, String)> = first
        .headers
        .iter()
        .map(|(k, v)| (k.as_str(), if k == "paypal-cert-url" { CERTIFICATE.to_owned() } else { v.clone() }))
        .collect();
    let changed = [first.body.as_slice(), b" "].concat();
    assert_eq!(listening.send("POST", "/hooks/paypal", &headers, &changed).0, 401);
    assert_eq!(listening.send("POST", "/hooks/paypal", &headers, &first.body).0, 200);
    listening.wait(|e| e["event"] == "taken" && e["account"] == "paypal");
    for account in ["ebay", "paypal"] {
        let taken =
            listening.seen.iter().filter(|e| e["event"] == "taken" && e["account"] == account).count();
        assert!(taken > 0, "{account}: {:#?}", listening.seen);
    }
    // An order of eBay's was told, read and imported.
    let read = |e: &Value| e["event"] == "read" && e["account"] == "ebay" && e["outcome"] == "read";
    if !listening.seen.iter().any(read) {
        listening.wait(read);
    }
    let orders = shop.run(&["orders", "--offline"], 0);
    let all = orders["orders"].as_array().unwrap();
    assert!(all.iter().any(|o| o["order"]["account"] == "ebay"), "{orders}");
    // Without their signatures.
    let taken = listening.count("taken");
    for path in ["/hooks/ebay", "/hooks/paypal"] {
        assert_eq!(listening.send("POST", path, &[], b"{}").0, 401);
    }
    assert_eq!(listening.count("taken"), taken);
    // Ctrl-C ends it as a service manager does.
    let (code, told) = listening.end("-INT");
    assert_eq!(code, Some(0), "{told}");
}

/// A file that a simulated channel shows to anybody, PEM decoded.
#[cfg(unix)]
fn certificate(url: &str) -> Vec<u8> {
    let answer = get(url);
    let pem = answer.split_once("-----BEGIN CERTIFICATE-----").unwrap().1.split("-----END").next().unwrap();
    let text: String = pem.split_ascii_whitespace().collect();
    tradewind_connector::signing::from_base64(&text).unwrap()
}

/// The `SubjectPublicKeyInfo` of a certificate of an RSA key of 2048 bits: SEQUENCE, two bytes of length, then the algorithm
/// rsaEncryption (RFC 8017, appendix A.1).
#[cfg(unix)]
fn public_key(certificate: &[u8]) -> Vec<u8> {
    const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let at = certificate.windows(RSA.len()).position(|w| w == RSA).unwrap();
    let key = &certificate[at - 4..];
    assert_eq!(key[..2], [0x30, 0x82]);
    key[..4 + usize::from(u16::from_be_bytes([key[2], key[3]]))].to_vec()
}

#[test]
fn sizes_and_waits_are_bounded() {
    let shop = Shop::open(0, Profile::None);
    let listening = shop.listen();
    // A body of five megabytes, declared and not.
    let head = |more: &str| format!("POST /hooks/shop HTTP/1.1\r\nhost: h\r\n{more}\r\n\r\n");
    let declared = head("content-length: 5000000");
    assert!(listening.raw(&[declared.as_bytes()]).starts_with("HTTP/1.1 413"));
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 0x10_0000], b"\r\n"].concat();
    let chunked = head("transfer-encoding: chunked");
    let parts = [chunked.as_bytes(), &chunk, &chunk, &chunk, &chunk, &chunk];
    let answer = listening.raw(&parts);
    // The answer may be lost to a sender who does not stop sending.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer:.100}");
    // A head without an end.
    let field = format!("x-much: {}\r\n", "y".repeat(1_000));
    let long = format!("POST /hooks/shop HTTP/1.1\r\nhost: h\r\n{}", field.repeat(40));
    let answer = listening.raw(&[long.as_bytes()]);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:.100}");
    // Somebody who sends a byte and waits, with a head and with a body: ten seconds, and the door is shut.
    let began = Instant::now();
    let at = &listening.address;
    let slow = std::thread::scope(|s| {
        let half = s.spawn(|| raw(at, &[b"POST /hooks/shop HT"]));
        let body = s.spawn(|| raw(at, &[head("content-length: 100").as_bytes(), b"{"]));
        [half.join().unwrap(), body.join().unwrap()]
    });
    assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
    assert!(!slow[0].starts_with("HTTP/1.1 2") && slow[1].starts_with("HTTP/1.1 408"), "{slow:?}");
    // And others are served meanwhile and after.
    assert_eq!(listening.send("POST", "/hooks/shop", &[], b"{}").0, 401);
}

#[test]
fn beyond_loopback_only_when_asked_and_addresses_are_shown() {
    let shop = Shop::open(0, Profile::None);
    let refused = tradewind(shop.path(), &["listen", "--bind", "0.0.0.0:0", "--for", "1"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("--beyond-loopback"), "{}", text(&refused));
    let heard = tradewind(shop.path(), &["listen", "--bind", "0.0.0.0:0", "--beyond-loopback", "--for", "1"]);
    assert_eq!(heard.status.code(), Some(0), "{}", text(&heard));
    let told = shop.run(&["check"], 0);
    assert_eq!(told["hooks"][0], json!({"account": "shop", "url": format!("{PUBLIC}/hooks/shop")}));
    assert_eq!(told["hooks"][1]["url"], format!("{PUBLIC}/hooks/ebay"));
    // Without keys nothing is taken, and what is missing is said.
    let path = shop.path().join("tradewind.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let without: String =
        config.lines().filter(|l| !l.starts_with("notification_keys")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&path, without).unwrap();
    let told = shop.run(&["check"], 0);
    assert!(told["hooks"][1]["why_not"].as_str().unwrap().contains("tradewind connectors ebay"), "{told}");
}
