//! Ways of an account's own: a client certificate, a private authority, a proxy. The certificates in `tests/tls` were made for
//! this test by OpenSSL: an authority, a server at 127.0.0.1 and a client; the key of the authority is nowhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tradewind_connector::*;

const AUTHORITY: &[u8] = include_bytes!("../tls/ca.pem");
const CLIENT: &[u8] = include_bytes!("../tls/client.pem");
const CLIENT_KEY: &str = include_str!("../tls/client.key");

const DONE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";

/// The head of a request, lines without their ends.
fn head(from: &mut impl Read) -> Vec<String> {
    let lines = BufReader::new(from).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// A server that answers whoever proves itself by a certificate of our authority.
fn server() -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .unwrap();
    let chain = CertificateDer::from_pem_slice(include_bytes!("../tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/server.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![chain], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
            // Nothing is read from one who does not prove itself.
            if !head(&mut stream).is_empty() {
                let _ = stream.write_all(DONE);
            }
            tls.send_close_notify();
            let _ = tls.complete_io(&mut tcp);
        }
    });
    at
}

async fn ask(network: &Network, url: &str) -> Result<String> {
    let http = HttpTransport::over(Arc::new(SystemClock), network)?;
    let request = WireRequest::new(http::Method::GET, &url.parse().unwrap(), "/orders")?;
    let answer = http.send(&request, Duration::from_secs(10)).await?;
    Ok(answer.text()?.to_owned())
}

#[tokio::test]
async fn a_server_that_asks_for_our_certificate_gets_the_accounts() {
    let url = format!("https://{}", server());
    let believing = || Network { authority: Some(AUTHORITY.to_vec()), ..Network::default() };
    let key = || SecretString::from(CLIENT_KEY.to_owned());
    let known = Network { identity: Some((CLIENT.to_vec(), key())), ..believing() };
    assert_eq!(ask(&known, &url).await.unwrap(), "done");
    // Each account has connections of its own: another one is not known by this one's.
    ask(&believing(), &url).await.unwrap_err();
    // And the server's authority is believed by the account that names it alone.
    let e = ask(&Network { authority: None, ..known }, &url).await.unwrap_err();
    assert_eq!((e.kind(), e.phase()), (Kind::Transport, Phase::BeforeSend), "{e}");
}

#[tokio::test]
async fn a_certificate_that_is_none_is_told_before_anything_is_sent() {
    let key = || SecretString::from(CLIENT_KEY.to_owned());
    let none = SecretString::from("not a key");
    for (network, words) in [
        (
            Network { identity: Some((b"nonsense".to_vec(), key())), ..Network::default() },
            "client certificate",
        ),
        (Network { identity: Some((CLIENT.to_vec(), none)), ..Network::default() }, "client certificate"),
        (Network { authority: Some(b"nonsense".to_vec()), ..Network::default() }, "authority"),
    ] {
        let e = HttpTransport::over(Arc::new(SystemClock), &network).err().unwrap();
        assert_eq!(e.kind(), Kind::Config);
        assert!(e.message().contains(words) && !e.message().contains("PRIVATE KEY"), "{e}");
    }
}

/// A proxy that says what it was asked, and answers for the channel.
fn proxy() -> (SocketAddr, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, (asked, questions)) = (listener.local_addr().unwrap(), channel());
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let _ = asked.send(head(&mut tcp));
            let _ = tcp.write_all(DONE);
        }
    });
    (at, questions)
}

#[tokio::test]
async fn a_proxy_of_the_account_carries_its_requests() {
    let (at, questions) = proxy();
    let login = ("me".to_owned(), SecretString::from("pass".to_owned()));
    let proxy = Some(format!("http://{at}").parse().unwrap());
    let network = Network { proxy, proxy_login: Some(login), ..Network::default() };
    assert_eq!(ask(&network, "http://channel.invalid").await.unwrap(), "done");
    let asked = questions.recv().unwrap();
    assert_eq!(asked[0], "GET http://channel.invalid/orders HTTP/1.1");
    // base64 of "me:pass".
    assert!(
        asked.iter().any(|l| l.eq_ignore_ascii_case("proxy-authorization: Basic bWU6cGFzcw==")),
        "{asked:?}"
    );
}
