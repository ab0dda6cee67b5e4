//! Two workers whose REST API is guarded: HTTPS that asks for certificates, passwords, `/admin` on a port of its own.
//!
//! - Whoever has no certificate, or one of a stranger, is not spoken to; whoever has one still needs the password.
//! - A request to either worker is done: the one that can't do it asks the other, over HTTPS, with the caller's password.
//! - Task configs reach the leader from a connector on the other worker, signed; unsigned ones are refused.
//! - `/admin` answers on its own port alone, and nothing else does there.
//! - A Java worker and ours in one group ask each other over HTTPS, with certificates, while the leader changes the session key
//!   every second; a log level for the cluster is set on both.
//! - `portage health` asks such a worker with the worker's own file, and a password.
//! - A worker that is to guard itself with what it can't use does not start.

use std::collections::BTreeSet;
use std::path::Path;

use harness::{
    Certificates, Response, Rest, Runtime, Worker, WorkerConfig, clusters, eventually, free_port, workspace,
};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::lifecycle::{Config, SOON, runs, shows};

const EXTENSION: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

struct Guarded {
    _workers: [Worker; 2],
    addresses: [String; 2],
    admin: String,
    certificates: Certificates,
}

impl Guarded {
    /// With certificate and password.
    fn rest(&self, worker: usize) -> Rest {
        self.without_password(worker).basic_auth("ann", "secret")
    }

    fn without_password(&self, worker: usize) -> Rest {
        Rest::new(&self.addresses[worker]).https(&self.certificates.ca, Some(&self.certificates.client))
    }
}

async fn guarded() -> &'static Guarded {
    static GUARDED: OnceCell<Guarded> = OnceCell::const_new();
    GUARDED
        .get_or_init(async || {
            let folder = workspace::service_dir("guarded");
            let certificates = Certificates::write_into(&folder);
            let (jaas, users) = (folder.join("jaas.conf"), folder.join("users.properties"));
            let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
            let section = format!("KafkaConnect {{ {module} required file=\"{}\"; }};", users.display());
            std::fs::write(&jaas, section).unwrap();
            std::fs::write(&users, "ann=secret\n").unwrap();
            let addresses = [(), ()].map(|()| format!("127.0.0.1:{}", free_port()));
            let admin = format!("127.0.0.1:{}", free_port());
            let group = WorkerConfig::new(&clusters().await.target, "guarded")
                .with("listeners.https.ssl.client.auth", "required")
                .with("listeners.https.ssl.keystore.type", "PEM")
                .with("listeners.https.ssl.keystore.location", &certificates.path("broker.pem"))
                .with("listeners.https.ssl.truststore.type", "PEM")
                .with("listeners.https.ssl.truststore.location", &certificates.path("ca.pem"))
                .with("rest.extension.classes", EXTENSION)
                .with("portage.rest.jaas.file", &jaas.display().to_string());
            let listens = |address: &str| group.clone().with("listeners", &format!("https://{address}"));
            let workers = [
                listens(&addresses[0]).with("admin.listeners", &format!("http://{admin}")).spawn(Runtime::Portage),
                listens(&addresses[1]).with("admin.listeners", "").spawn(Runtime::Portage),
            ];
            let guarded = Guarded { _workers: workers, addresses, admin, certificates };
            for worker in [0, 1] {
                shows(&guarded.rest(worker), "/health", "healthy", |health| health["status"] == "healthy").await;
            }
            guarded
        })
        .await
}

fn status(answer: &Response) -> u16 {
    answer.status
}

#[tokio::test]
async fn nobody_gets_in_without_certificate_and_password() {
    let guarded = guarded().await;
    let (address, certificates) = (&guarded.addresses[0], &guarded.certificates);

    for stranger in [None, Some(&certificates.stranger)] {
        let refused = Rest::new(address).https(&certificates.ca, stranger).try_send("GET", "/", None).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let plain = Rest::new(address).try_send("GET", "/", None).await;
    assert!(plain.is_err(), "{plain:?}");
    assert_eq!(status(&guarded.without_password(0).get("/").await), 401);
    let wrong = guarded.without_password(0).basic_auth("ann", "guess");
    assert_eq!(status(&wrong.get("/connectors").await), 401);
    guarded.rest(0).get("/connectors").await.expect(200);
}

#[tokio::test]
async fn either_worker_does_what_it_is_asked() {
    let (guarded, pair) = (guarded().await, clusters().await);
    // More than one, so that a connector is on the worker that does not lead: its task configs go to the leader.
    for (worker, name) in [(0, "guarded-a"), (1, "guarded-b"), (0, "guarded-c")] {
        let config = Config::heartbeat(name, &pair.target);
        let created = guarded.rest(worker).put(&format!("/connectors/{name}/config"), config.json()).await;
        created.expect(201);
        assert_eq!(created.headers["location"], format!("https://{}/connectors/{name}", leader_of(guarded, &created)));
    }
    for (worker, name) in [(1, "guarded-a"), (0, "guarded-b"), (1, "guarded-c")] {
        runs(&guarded.rest(worker), name).await;
    }
    let (mut homes, status) = (Vec::new(), guarded.rest(0).get("/connectors?expand=status").await.expect(200));
    for name in ["guarded-a", "guarded-b", "guarded-c"] {
        homes.push(status[name]["status"]["connector"]["worker_id"].clone());
    }
    homes.sort_by_key(Value::to_string);
    homes.dedup();
    assert_eq!(homes.len(), 2, "connectors on both: {status}");
    for (worker, name) in [(1, "guarded-a"), (0, "guarded-b"), (1, "guarded-c")] {
        assert_eq!(guarded.rest(worker).delete(&format!("/connectors/{name}")).await.status, 204);
    }
    for worker in [0, 1] {
        shows(&guarded.rest(worker), "/connectors", "none left", |names| *names == json!([])).await;
    }
}

/// Which worker's address an answer names.
fn leader_of<'a>(guarded: &'a Guarded, created: &Response) -> &'a str {
    let location = &created.headers["location"];
    guarded.addresses.iter().find(|address| location.contains(*address)).map_or("neither", String::as_str)
}

#[tokio::test]
async fn what_workers_tell_each_other_has_to_be_signed() {
    let guarded = guarded().await;
    let rest = guarded.without_password(0);

    // No password is asked for, but a signature.
    assert_eq!(rest.post("/connectors/x/tasks", &json!([])).await.expect(400)["error_code"], 400);
    let forged = rest.header("X-Connect-Authorization", "AAAA");
    let forged = forged.header("X-Connect-Request-Signature-Algorithm", "HmacSHA256");
    assert_eq!(forged.post("/connectors/x/tasks", &json!([])).await.status, 403);
    assert_eq!(forged.send("PUT", "/connectors/x/fence", None).await.status, 403);
}

#[tokio::test]
async fn administration_has_a_port_of_its_own_or_none() {
    let guarded = guarded().await;
    let admin = Rest::new(&guarded.admin).basic_auth("ann", "secret");

    assert_eq!(admin.get("/admin/loggers/root").await.expect(200)["level"], "INFO");
    assert_eq!(status(&admin.get("/connectors").await), 404);
    assert_eq!(status(&Rest::new(&guarded.admin).get("/admin/loggers").await), 401);
    for worker in [0, 1] {
        assert_eq!(status(&guarded.rest(worker).get("/admin/loggers").await), 404);
    }
}

#[tokio::test]
async fn a_worker_that_can_t_guard_itself_does_not_start() {
    let listener = format!("https://127.0.0.1:{}", free_port());
    for (key, value, why) in [
        ("listeners", listener.as_str(), "ssl.keystore.location"),
        ("rest.extension.classes", "com.example.Guard", "com.example.Guard"),
        ("rest.extension.classes", EXTENSION, "portage.rest.jaas.file"),
        ("response.http.headers.config", "shout X:1", "shout"),
    ] {
        let worker = WorkerConfig::new(&clusters().await.target, "unguarded").with(key, value).spawn(Runtime::Portage);

        eventually("it has ended", SOON, async || match worker.process().exited() {
            Some(status) if !status.success() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        assert!(worker.process().log().contains(why), "{}", worker.process().log());
    }
}

#[tokio::test]
async fn the_health_check_goes_in_with_the_worker_s_file_and_a_password() {
    let guarded = guarded().await;
    let file = workspace::service_dir("guarded-health").join("worker.properties");
    let (keys, trust) = (guarded.certificates.path("broker.pem"), guarded.certificates.path("ca.pem"));
    let text = format!(
        "bootstrap.servers=127.0.0.1:1\ngroup.id=g\nconfig.storage.topic=c\noffset.storage.topic=o\n\
         status.storage.topic=s\nkey.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
         value.converter=org.apache.kafka.connect.converters.ByteArrayConverter\nlisteners=https://{}\n\
         listeners.https.ssl.keystore.type=PEM\nlisteners.https.ssl.keystore.location={keys}\n\
         listeners.https.ssl.truststore.type=PEM\nlisteners.https.ssl.truststore.location={trust}\n",
        guarded.addresses[0]
    );
    std::fs::write(&file, text).unwrap();
    let health = |arguments: &[&str], password: &str| {
        let mut portage = std::process::Command::new(harness::portage::binary());
        portage.arg("health").args(arguments).env("PORTAGE_HEALTH_PASSWORD", password);
        portage.output().unwrap().status.code()
    };
    let file = file.display().to_string();

    assert_eq!(health(&["--worker", &file, "--user", "ann"], "secret"), Some(0));
    assert_eq!(health(&["--worker", &file, "--user", "ann"], "guess"), Some(1));
    assert_eq!(health(&["--worker", &file], ""), Some(1));
    let url = format!("https://{}", guarded.addresses[0]);
    assert_eq!(health(&["--url", &url, "--user", "ann"], "secret"), Some(1));
}

const STORE_PASSWORD: &str = "stores";

/// Key and trust store in the one form that Java's REST API and ours both read.
fn java_stores(folder: &Path, certificates: &Certificates) -> (String, String) {
    let der = |pem: &str| -> Vec<Certificate> {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
        chain.map(|certificate| Certificate::from_der(&certificate.unwrap()).unwrap()).collect()
    };
    let write = |name: &str, alias: &str, entry: KeyStoreEntry| {
        let mut store = KeyStore::new();
        store.add_entry(alias, entry);
        let path = folder.join(name);
        std::fs::write(&path, store.writer(STORE_PASSWORD).write().unwrap()).unwrap();
        path.display().to_string()
    };
    let key = PrivateKeyDer::from_pem_slice(certificates.broker.key.as_bytes()).unwrap();
    let key = PrivateKey::from_der(key.secret_der()).unwrap();
    let chain = PrivateKeyChain::new("worker", key, der(&certificates.broker.certificate));
    let ca = der(&certificates.ca).remove(0);
    (
        write("keys.p12", "worker", KeyStoreEntry::PrivateKeyChain(chain)),
        write("trust.p12", "ca", KeyStoreEntry::Certificate(ca)),
    )
}

#[tokio::test]
async fn a_java_worker_and_ours_ask_each_other_over_https() {
    let pair = clusters().await;
    let folder = workspace::service_dir("guarded-mixed");
    let certificates = Certificates::write_into(&folder);
    let (keys, trust) = java_stores(&folder, &certificates);
    let group = WorkerConfig::new(&pair.target, "guarded-mixed")
        .with("inter.worker.key.ttl.ms", "1000")
        .with("listeners.https.ssl.client.auth", "required")
        .with("listeners.https.ssl.keystore.type", "PKCS12")
        .with("listeners.https.ssl.keystore.location", &keys)
        .with("listeners.https.ssl.keystore.password", STORE_PASSWORD)
        .with("listeners.https.ssl.truststore.type", "PKCS12")
        .with("listeners.https.ssl.truststore.location", &trust)
        .with("listeners.https.ssl.truststore.password", STORE_PASSWORD);
    let addresses = [(), ()].map(|()| format!("127.0.0.1:{}", free_port()));
    let listens = |address: &str| group.clone().with("listeners", &format!("https://{address}"));
    let _workers = [listens(&addresses[0]).spawn(Runtime::Java), listens(&addresses[1]).spawn(Runtime::Portage)];
    let rests = addresses.map(|address| Rest::new(&address).https(&certificates.ca, Some(&certificates.client)));
    for rest in &rests {
        shows(rest, "/health", "healthy", |health| health["status"] == "healthy").await;
    }

    // One of the two leads: it is asked by the other one, and gets task configs from connectors that are there.
    let mut homes = BTreeSet::new();
    for (asked, name) in [(0, "mixed-a"), (1, "mixed-b"), (0, "mixed-c"), (1, "mixed-d")] {
        let config = Config::heartbeat(name, &pair.target);
        eventually(&format!("{name} is created"), SOON, async || {
            let answer = rests[asked].put(&format!("/connectors/{name}/config"), config.json()).await;
            // Java's worker answers 409 during a rebalance.
            if answer.status == 409 { Err(answer.body) } else { Ok(answer) }
        })
        .await
        .expect(201);
        runs(&rests[1 - asked], name).await;
        let status = rests[asked].get(&format!("/connectors/{name}/status")).await.expect(200);
        homes.insert(status["connector"]["worker_id"].to_string());
    }
    assert_eq!(homes.len(), 2, "{homes:?}");
    for (asked, level) in [(0, "DEBUG"), (1, "WARN")] {
        let path = "/admin/loggers/org.apache.kafka.connect.mirror";
        assert_eq!(rests[asked].put(&format!("{path}?scope=cluster"), &json!({"level": level})).await.status, 204);
        for rest in &rests {
            shows(rest, path, level, |shown| shown["level"] == level).await;
        }
    }
    let records = pair.target.consume("guarded-mixed-configs").await;
    let keys = records.iter().filter(|read| read.record.key.as_deref() == Some(b"session-key".as_slice())).count();
    assert!(keys > 3, "{keys} session keys");
}
