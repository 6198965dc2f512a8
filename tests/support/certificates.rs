//! A certificate authority for one test, its certificates for addresses, and a TLS proxy in front of a plain server.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use base64::Engine as _;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpStream;

/// The ASN.1 tags that a certificate needs.
mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BITS: u8 = 0x03;
    pub const OCTETS: u8 = 0x04;
    pub const OBJECT: u8 = 0x06;
    pub const TEXT: u8 = 0x0c;
    pub const YEAR_OF_TWO: u8 = 0x17;
    pub const YEAR_OF_FOUR: u8 = 0x18;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    /// The address of a machine, in a name.
    pub const ADDRESS: u8 = 0x87;
    pub const VERSION: u8 = 0xa0;
    pub const EXTENSIONS: u8 = 0xa3;
}

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const OTHER_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut whole = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => whole.push(short),
        Ok(long) => whole.extend([0x81, long]),
        Err(_) => whole.extend([&[0x82], &u16::try_from(length).unwrap().to_be_bytes()[..]].concat()),
    }
    whole.extend(content);
    whole
}

struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap().as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random).unwrap();
        Self { pkcs8, pair }
    }
}

fn name(text: &str) -> Vec<u8> {
    let part = der(tag::SEQUENCE, &[&der(tag::OBJECT, &[COMMON_NAME]), &der(tag::TEXT, &[text.as_bytes()])]);
    der(tag::SEQUENCE, &[&der(tag::SET, &[&part])])
}

/// A certificate of a key, signed by another, with one extension. It never expires.
fn certificate(subject: &str, key: &Key, issuer: &str, by: &Key, extension: &[u8]) -> Vec<u8> {
    let algorithm = der(tag::SEQUENCE, &[&der(tag::OBJECT, &[ECDSA_WITH_SHA256])]);
    let always = der(
        tag::SEQUENCE,
        &[&der(tag::YEAR_OF_TWO, &[b"000101000000Z"]), &der(tag::YEAR_OF_FOUR, &[b"99991231235959Z"])],
    );
    let kind = der(tag::SEQUENCE, &[&der(tag::OBJECT, &[ELLIPTIC]), &der(tag::OBJECT, &[P256])]);
    let public = der(tag::SEQUENCE, &[&kind, &der(tag::BITS, &[&[0], key.pair.public_key().as_ref()])]);
    let body = der(
        tag::SEQUENCE,
        &[
            &der(tag::VERSION, &[&der(tag::INTEGER, &[&[2]])]),
            &der(tag::INTEGER, &[&[1]]),
            &algorithm,
            &name(issuer),
            &always,
            &name(subject),
            &public,
            &der(tag::EXTENSIONS, &[&der(tag::SEQUENCE, &[extension])]),
        ],
    );
    let signature = by.pair.sign(&SystemRandom::new(), &body).unwrap();
    der(tag::SEQUENCE, &[&body, &algorithm, &der(tag::BITS, &[&[0], signature.as_ref()])])
}

/// The certificate authority.
pub struct Authority {
    key: Key,
    certificate: Vec<u8>,
}

const NAME: &str = "authority of the tests";

impl Authority {
    pub fn new() -> Self {
        let key = Key::new();
        let constraints = der(tag::SEQUENCE, &[&der(tag::BOOLEAN, &[&[0xff]])]);
        let critical = der(tag::BOOLEAN, &[&[0xff]]);
        let object = der(tag::OBJECT, &[CONSTRAINTS]);
        let extension = der(tag::SEQUENCE, &[&object, &critical, &der(tag::OCTETS, &[&constraints])]);
        let certificate = certificate(NAME, &key, NAME, &key, &extension);
        Self { key, certificate }
    }

    pub fn pem(&self) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// Starts a TLS proxy on loopback that forwards to a server, and returns its address. It ends with the runtime.
    pub fn stand_before(&self, server: &str) -> String {
        self.stand_at(TcpListener::bind("127.0.0.1:0").unwrap(), server)
    }

    /// The same at a listener, which may be in another network than the server.
    pub fn stand_at(&self, listener: TcpListener, server: &str) -> String {
        let address = listener.local_addr().unwrap();
        let acceptor = self.acceptor(address.ip());
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let server = server.trim_start_matches("http://").to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut behind = TcpStream::connect(server).await?;
                    let mut before = acceptor.accept(stream).await?;
                    tokio::io::copy_bidirectional(&mut before, &mut behind).await
                });
            }
        });
        format!("https://{address}")
    }

    /// The server's side of TLS, with a certificate for an address.
    fn acceptor(&self, address: IpAddr) -> tokio_rustls::TlsAcceptor {
        let key = Key::new();
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let names = der(tag::SEQUENCE, &[&der(tag::ADDRESS, &[&octets])]);
        let extension = der(tag::SEQUENCE, &[&der(tag::OBJECT, &[OTHER_NAMES]), &der(tag::OCTETS, &[&names])]);
        let leaf = CertificateDer::from(certificate("server of the tests", &key, NAME, &self.key, &extension));
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], PrivatePkcs8KeyDer::from(key.pkcs8).into())
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}
