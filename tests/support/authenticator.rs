//! A security key in software: it answers the WebAuthn pages of Keycloak as a browser with a key would (ES256, attestation
//! `none`).
#![allow(dead_code, reason = "each test file uses what it needs")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::browser::Browser;

/// The user is present and verified.
const PRESENT: u8 = 0x05;
/// The same, with the data of a new credential.
const PRESENT_WITH_CREDENTIAL: u8 = 0x45;

/// One key, with one credential.
pub struct SecurityKey {
    pair: EcdsaKeyPair,
    id: [u8; 16],
    signatures: u32,
}

impl SecurityKey {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let mut id = [0; 16];
        random.fill(&mut id).unwrap();
        Self { pair, id, signatures: 0 }
    }

    /// Registers on the page that asks for a key.
    pub async fn registers(&self, browser: &mut Browser) {
        let client = client_data("webauthn.create", browser);
        let authenticator = self.authenticator_data(browser.origin(), PRESENT_WITH_CREDENTIAL);
        // {"fmt": "none", "attStmt": {}, "authData": bytes}
        let mut attestation = vec![0xa3, 0x63];
        attestation.extend(b"fmt");
        attestation.push(0x64);
        attestation.extend(b"none");
        attestation.push(0x67);
        attestation.extend(b"attStmt");
        attestation.extend([0xa0, 0x68]);
        attestation.extend(b"authData");
        attestation.push(0x59);
        attestation.extend(u16::try_from(authenticator.len()).unwrap().to_be_bytes());
        attestation.extend(authenticator);
        let fields = [
            ("clientDataJSON", text(&client)),
            ("attestationObject", text(&attestation)),
            ("publicKeyCredentialId", text(&self.id)),
            ("authenticatorLabel", "key".to_owned()),
            ("transports", "usb".to_owned()),
        ];
        browser.submit_form("attestationObject", &fields).await;
    }

    /// Signs on the page that asks for the key.
    pub async fn signs(&mut self, browser: &mut Browser) {
        self.signatures += 1;
        let client = client_data("webauthn.get", browser);
        let authenticator = self.authenticator_data(browser.origin(), PRESENT);
        let mut signed = authenticator.clone();
        signed.extend(digest(&SHA256, &client).as_ref());
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        let fields = [
            ("clientDataJSON", text(&client)),
            ("authenticatorData", text(&authenticator)),
            ("signature", text(signature.as_ref())),
            ("credentialId", text(&self.id)),
        ];
        browser.submit_form("authenticatorData", &fields).await;
    }

    fn authenticator_data(&self, origin: &Url, flags: u8) -> Vec<u8> {
        let host = origin.host_str().unwrap();
        let mut data = digest(&SHA256, host.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.signatures.to_be_bytes());
        if flags == PRESENT_WITH_CREDENTIAL {
            // No model; the identifier; the key.
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(self.id);
            data.extend(self.public_key());
        }
        data
    }

    /// As COSE: {kty: EC2, alg: ES256, crv: P-256, x, y}.
    fn public_key(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend(&point[1..33]);
        key.extend([0x22, 0x58, 0x20]);
        key.extend(&point[33..65]);
        key
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn client_data(sort: &str, browser: &Browser) -> Vec<u8> {
    let origin = browser.origin().origin().ascii_serialization();
    json!({"type": sort, "challenge": browser.challenge(), "origin": origin, "crossOrigin": false})
        .to_string()
        .into_bytes()
}

#[test]
fn signature_is_the_keys_own() {
    let key = SecurityKey::new();
    let signature = key.pair.sign(&SystemRandom::new(), b"data").unwrap();
    let public = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_ASN1,
        key.pair.public_key().as_ref(),
    );
    public.verify(b"data", signature.as_ref()).unwrap();
}
