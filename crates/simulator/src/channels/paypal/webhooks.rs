//! Webhooks: registered, signed with a certificate's key, verified online.
//!
//! Signed is `transmission_id|transmission_time|webhook_id|crc32(body)`, CRC-32 (IEEE) as unsigned
//! decimal, RSA PKCS #1 v1.5 with SHA-256.

use super::answers::invalid;
use super::{NAME, WEBHOOK};
use crate::core::channel::{json, raw};
use crate::core::clock::{iso_millis, iso_seconds};
use crate::core::world::World;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as B64;
use serde_json::value::RawValue;
use serde_json::{Value, json as j};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The key, made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Signer(OnceLock<Option<RsaKeyPair>>);

fn crc(body: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(body);
    crc.sum()
}

impl Signer {
    fn key(&self) -> Option<&RsaKeyPair> {
        self.0.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).ok()).as_ref()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let Some(key) = self.key() else { return Vec::new() };
        let mut out = vec![0; key.public_modulus_len()];
        match key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out) {
            Ok(()) => out,
            Err(_) => Vec::new(),
        }
    }

    /// Pushes an event to every webhook that wants it.
    pub(super) fn push(
        &self,
        world: &World,
        webhooks: &BTreeMap<String, Value>,
        topic: &str,
        kind: &str,
        id: &str,
        resource: &Value,
    ) {
        for (webhook, record) in webhooks {
            let wants = record.get("event_types").and_then(Value::as_array).is_some_and(|all| {
                all.iter()
                    .filter_map(|t| t.get("name").and_then(Value::as_str))
                    .any(|n| n == "*" || n == topic)
            });
            if !wants {
                continue;
            }
            let event = format!("WH-{}", world.stream(&[NAME, "event", webhook, topic, id]).alnum(17));
            let body = j!({"id": event, "event_version": "1.0", "create_time": iso_millis(world.now()), "resource_type": kind,
                "resource_version": "2.0", "event_type": topic, "summary": topic, "resource": resource, "links": []});
            let body = serde_json::to_vec(&body).unwrap_or_default();
            let transmission =
                format!("t{}", world.stream(&[NAME, "transmission", webhook, topic, id]).hex(31));
            let time = iso_seconds(world.now());
            let message = format!("{transmission}|{time}|{webhook}|{}", crc(&body));
            let headers = [
                ("content-type", "application/json"),
                ("paypal-auth-algo", "SHA256withRSA"),
                (
                    "paypal-cert-url",
                    &format!("{}/certs/CERT-360caa42-fca2a594-1d93a270", world.base_url(NAME)),
                ),
                ("paypal-transmission-id", &transmission),
                ("paypal-transmission-sig", &B64.encode(self.sign(message.as_bytes()))),
                ("paypal-transmission-time", &time),
            ];
            let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let to = record.get("url").and_then(Value::as_str).unwrap_or_default();
            world.hook(NAME, &event, topic, to, headers, body);
        }
    }

    /// The certificate with the public key, PEM.
    pub(super) fn certificate(&self) -> Response {
        let Some(key) = self.key() else { return raw(500, "text/plain", "no key") };
        let tbs = tbs(key.public_key().as_ref());
        let mut signature = vec![0];
        signature.extend(self.sign(&tbs));
        let certificate =
            der(0x30, &[tbs, der(0x30, &[SHA256_RSA.to_vec(), NULL.to_vec()]), der(0x03, &[signature])]);
        let body = B64.encode(certificate);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        raw(200, "application/x-pem-file", pem)
    }

    /// The online verification. The event must come as the bytes that were pushed.
    pub(super) fn verify(&self, webhooks: &BTreeMap<String, Value>, body: &[u8], sent: &Value) -> Response {
        let get = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default();
        for name in [
            "auth_algo",
            "cert_url",
            "transmission_id",
            "transmission_sig",
            "transmission_time",
            "webhook_id",
        ] {
            if get(name).is_empty() {
                return invalid("MISSING_REQUIRED_PARAMETER", name);
            }
        }
        let raw_body: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).unwrap_or_default();
        let Some(event) = raw_body.get("webhook_event") else {
            return invalid("MISSING_REQUIRED_PARAMETER", "webhook_event");
        };
        let message = format!(
            "{}|{}|{}|{}",
            get("transmission_id"),
            get("transmission_time"),
            get("webhook_id"),
            crc(event.get().as_bytes())
        );
        let signature = B64.decode(get("transmission_sig")).unwrap_or_default();
        let good = webhooks.contains_key(get("webhook_id"))
            && self.key().is_some_and(|key| {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
                    .verify(message.as_bytes(), &signature)
                    .is_ok()
            });
        json(200, &j!({"verification_status": if good { "SUCCESS" } else { "FAILURE" }}))
    }
}

/// Registers a webhook. The first one has the id that the credentials name.
pub(super) fn register(webhooks: &mut BTreeMap<String, Value>, sent: &Value) -> Response {
    let url = sent.get("url").and_then(Value::as_str).unwrap_or_default();
    if !url.starts_with("https://")
        || sent.get("event_types").and_then(Value::as_array).is_none_or(Vec::is_empty)
    {
        return invalid("VALIDATION_ERROR", "url must be https, event_types must not be empty.");
    }
    if webhooks.values().any(|w| w.get("url").and_then(Value::as_str) == Some(url)) {
        return invalid("WEBHOOK_URL_ALREADY_EXISTS", "Webhook URL already exists.");
    }
    let id = if webhooks.is_empty() {
        WEBHOOK.to_owned()
    } else {
        format!("{}SIM4291016473214C", webhooks.len() + 1)
    };
    let mut record = sent.clone();
    if let Some(map) = record.as_object_mut() {
        map.insert("id".into(), id.clone().into());
        map.insert("links".into(), j!([]));
    }
    webhooks.insert(id, record.clone());
    json(201, &record)
}

// The little DER that a self-signed X.509 certificate needs (RFC 5280).
const NULL: [u8; 2] = [0x05, 0x00];
const SHA256_RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content: Vec<u8> = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length: Vec<u8> = u32::try_from(content.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes()
                .into_iter()
                .skip_while(|b| *b == 0)
                .collect();
            out.push(0x80 | u8::try_from(length.len()).unwrap_or(4));
            out.extend(length);
        }
    }
    out.extend(content);
    out
}

fn tbs(public: &[u8]) -> Vec<u8> {
    let name = der(
        0x30,
        &[der(
            0x31,
            &[der(
                0x30,
                &[COMMON_NAME.to_vec(), der(0x0c, &[b"messageverificationcerts.paypal.com".to_vec()])],
            )],
        )],
    );
    let mut bits = vec![0];
    bits.extend_from_slice(public);
    let key = der(0x30, &[der(0x30, &[RSA.to_vec(), NULL.to_vec()]), der(0x03, &[bits])]);
    let validity =
        der(0x30, &[der(0x17, &[b"250101000000Z".to_vec()]), der(0x17, &[b"351231235959Z".to_vec()])]);
    der(
        0x30,
        &[
            der(0xa0, &[der(0x02, &[vec![2]])]),
            der(0x02, &[vec![1]]),
            der(0x30, &[SHA256_RSA.to_vec(), NULL.to_vec()]),
            name.clone(),
            validity,
            name,
            key,
        ],
    )
}
