//! Handshakes with a server that we make up, over a pipe in memory.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::store::Identity;
use super::*;
use crate::config::Secret;

struct Authority(Issuer<'static, KeyPair>, String);

struct Issued {
    chain: String,
    key: String,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority(Issuer::new(params, key), pem)
}

impl Authority {
    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        Issued { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

fn inline(pem: &str) -> Material {
    Material::Inline { key: "ssl.truststore.certificates", pem: Secret::new(pem) }
}

fn settings(trust: Material) -> Settings {
    Settings { trust: Some(trust), ..Tls::for_tests().settings }
}

/// A handshake with a server that shows `server` and, if asked to, wants a certificate of `clients`.
async fn handshake(tls: &Tls, host: &str, server: &Issued, clients: Option<&Authority>) -> Result<(), String> {
    let certificates = store::trusted(&inline(&server.chain)).unwrap();
    let key = inline(&server.key);
    let Identity { key, .. } =
        store::identity(&Keys::Pem { chain: inline(&server.chain), key, key_password: None }).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let roots = Arc::new(roots(Some(&inline(&clients.1))).unwrap());
            let provider = Arc::new(ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(certificates, key).unwrap()));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (connected, accepted) = tokio::join!(tls.connect(host, ours), acceptor.accept(theirs));
    connected.map_err(|error| refusal(&error).unwrap_or_else(|| error.to_string()))?;
    accepted.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_broker_is_known_by_its_authority_and_its_name() {
    let (ours, other) = (authority(), authority());
    let server = ours.issue("kafka.example");
    let tls = Tls::new(settings(inline(&ours.1)));

    assert_eq!(handshake(&tls, "kafka.example", &server, None).await, Ok(()));
    let wrong_name = handshake(&tls, "elsewhere.example", &server, None).await.unwrap_err();
    assert!(wrong_name.contains("subjectAltName"), "{wrong_name}");
    let stranger = handshake(&tls, "kafka.example", &other.issue("kafka.example"), None).await.unwrap_err();
    assert!(stranger.contains("truststore"), "{stranger}");
}

#[tokio::test]
async fn without_host_names_the_authority_still_counts() {
    let (ours, other) = (authority(), authority());
    let tls = Tls::new(Settings { verify_hostname: false, ..settings(inline(&ours.1)) });

    assert_eq!(handshake(&tls, "elsewhere.example", &ours.issue("kafka.example"), None).await, Ok(()));
    let stranger = handshake(&tls, "elsewhere.example", &other.issue("kafka.example"), None).await.unwrap_err();
    assert!(stranger.contains("truststore"), "{stranger}");
}

#[tokio::test]
async fn our_certificate_is_shown_to_a_broker_that_wants_one() {
    let ours = authority();
    let (server, client) = (ours.issue("kafka.example"), ours.issue("me"));
    let keys = Keys::Pem { chain: inline(&client.chain), key: inline(&client.key), key_password: None };
    let with_keys = Tls::new(Settings { keys: Some(keys), ..settings(inline(&ours.1)) });
    let without = Tls::new(settings(inline(&ours.1)));

    assert_eq!(handshake(&with_keys, "kafka.example", &server, Some(&ours)).await, Ok(()));
    assert!(handshake(&without, "kafka.example", &server, Some(&ours)).await.is_err());
}

#[tokio::test]
async fn a_renewed_file_is_used_from_the_next_connection_on_and_a_broken_one_is_not() {
    let (before, after) = (authority(), authority());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    // Padding, because a file of the same size in the same tick of the clock looks the same.
    std::fs::write(&path, format!("{}\n", before.1)).unwrap();
    let trust = Material::File { key: "ssl.truststore.location", path: path.display().to_string(), password: None };
    let tls = Tls::new(settings(trust));
    assert_eq!(handshake(&tls, "b", &before.issue("b"), None).await, Ok(()));

    std::fs::write(&path, format!("{}\n\n", after.1)).unwrap();
    assert_eq!(handshake(&tls, "b", &after.issue("b"), None).await, Ok(()));
    assert!(handshake(&tls, "b", &before.issue("b"), None).await.is_err());

    std::fs::write(&path, "half a cert").unwrap();
    assert_eq!(handshake(&tls, "b", &after.issue("b"), None).await, Ok(()));
}

#[test]
fn cipher_suites_are_chosen_by_javas_names() {
    let wanted = |names: &[&str]| provider(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());

    let suites = wanted(&["TLS_AES_128_GCM_SHA256", "TLS_NO_SUCH"]).unwrap().cipher_suites;
    assert_eq!(suites.len(), 1);
    let error = wanted(&["TLS_RSA_WITH_RC4_128_MD5"]).unwrap_err().to_string();
    assert!(error.contains("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), "{error}");
}

/// Made with `openssl pkcs8 -topk8 -v2 aes-256-cbc`, for this test only.
const ENCRYPTED_KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhajvdQUX4lZwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECAOvc7a2lJvrqOaP3gjRQkEgZDw
ASYCyBpOtY/9K+OlNfpv4gVxBwAamhB4oKtHqhf2kJ3OiQddlZPeZpwA+vyxXhRR
2mUB+k9q+FB2veeOAHzE6PPAu62pDc97ZeaMUtOgdr0+XJFwKsy3SvR7ybsIpMfI
mput40d39AMkvXw5s2LAE/+swQutQ7dn3OIHPiMXHI84X2aPN7ReLMD4UK7kTaI=
-----END ENCRYPTED PRIVATE KEY-----";

#[test]
fn an_encrypted_key_is_read_with_its_password_only() {
    let server = authority().issue("me");
    let identity = |password: Option<&str>| {
        let keys = Keys::Pem {
            chain: inline(&server.chain),
            // In one line, as it may stand in a properties file.
            key: Material::Inline { key: "ssl.keystore.key", pem: Secret::new(ENCRYPTED_KEY.replace('\n', " ")) },
            key_password: password.map(Secret::new),
        };
        store::identity(&keys).map(|identity| identity.key).map_err(|error| error.to_string())
    };

    assert!(matches!(identity(Some("keypass")), Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer { .. }))));
    assert!(identity(Some("wrong")).unwrap_err().contains("ssl.key.password is wrong"));
    assert!(identity(None).unwrap_err().contains("set ssl.key.password"));
}

#[test]
fn a_jks_store_is_answered_with_the_command_that_converts_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trust.jks");
    std::fs::write(&path, [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    let path = path.display().to_string();
    let store = Material::File { key: "ssl.truststore.location", path: path.clone(), password: None };

    let error = store::trusted(&store).unwrap_err().to_string();

    assert!(error.contains(&format!("keytool -importkeystore -srckeystore {path} -srcstoretype JKS")), "{error}");
}

#[test]
fn a_store_without_certificates_is_refused() {
    for (pem, says) in
        [("", "no PEM certificate"), ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "not base64")]
    {
        let error = roots(Some(&inline(pem))).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}
