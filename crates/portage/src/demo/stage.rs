//! Everything that has to be there before the demo can be watched, and the end of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kafka_embedded::{EmbeddedKafka, Options};
use rskafka::client::{Client, ClientBuilder};

use super::connectors;
use super::consumers::Consumers;
use super::options::Demo;
use super::output::Output;
use super::traffic::Traffic;
use super::workers::Workers;

/// Record bytes that each cluster may hold. The applications stop when little of it is left.
const MEMORY_BYTES_MAX: usize = 384 << 20;

/// A topic that is mirrored.
pub(crate) struct Topic {
    /// Its name on the source.
    pub(crate) name: &'static str,
    /// Its name on the target.
    pub(crate) mirrored: &'static str,
    pub(crate) partitions: i32,
}

/// What is mirrored.
pub(crate) const TOPICS: &[Topic] = &[
    Topic { name: "orders", mirrored: "source.orders", partitions: 6 },
    Topic { name: "payments", mirrored: "source.payments", partitions: 4 },
];

/// The clusters, the workers and the applications.
pub(crate) struct Stage {
    pub(crate) source: Arc<EmbeddedKafka>,
    pub(crate) target: Arc<EmbeddedKafka>,
    pub(crate) workers: Workers,
    pub(crate) traffic: Traffic,
    pub(crate) consumers: Consumers,
    folder: PathBuf,
}

impl Stage {
    /// Starts everything, in the order in which it needs each other.
    pub(crate) async fn set(options: &Demo, output: &mut Output) -> Result<Self, String> {
        let source = Arc::new(cluster("source", "--source-port", options.source_port).await?);
        let target = Arc::new(cluster("target", "--target-port", options.target_port).await?);
        output.clusters(&source.bootstrap(), &target.bootstrap());
        let witness = client(&source).await?;
        let traffic = Traffic::prepare(&witness, options, Arc::clone(&source), Arc::clone(&target)).await?;
        let folder = folder()?;
        let mut workers = Workers::start(options, &target.bootstrap(), &folder)?;
        workers.ready().await?;
        output.workers(&workers);
        // The applications were there before anybody thought of mirroring.
        traffic.start();
        let consumers = Consumers::start(&source).await?;
        connectors::create(&workers, &source.bootstrap(), &target.bootstrap()).await?;
        output.started(&workers, &source.bootstrap(), &target.bootstrap());
        Ok(Self { source, target, workers, traffic, consumers, folder })
    }

    /// Where the workers' files and logs are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends everything; the logs stay if they may be wanted.
    pub(crate) async fn clear(&mut self, good: bool) {
        self.workers.stop().await;
        if good {
            // What can't be removed is a few kilobytes in a temporary folder.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

async fn cluster(name: &str, flag: &str, port: u16) -> Result<EmbeddedKafka, String> {
    let options = Options {
        port,
        cluster_id: format!("demo-{name}"),
        memory_bytes_max: MEMORY_BYTES_MAX,
        group_initial_rebalance_delay: Duration::from_millis(500),
        ..Options::default()
    };
    EmbeddedKafka::start(options).await.map_err(|error| port_error(&error, name, flag, port))
}

/// Why something can't listen, and what to do.
pub(crate) fn port_error(error: &std::io::Error, what: &str, flag: &str, port: u16) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} on 127.0.0.1, meant for the {what}, is in use; end what holds it, or choose another with {flag} (0 \
             takes a free one)"
        ),
        _ => format!("cannot listen on 127.0.0.1:{port} for the {what}: {error}; choose another port with {flag}"),
    }
}

/// A client that shares no code with what it looks at.
pub(crate) async fn client(cluster: &EmbeddedKafka) -> Result<Client, String> {
    let client = ClientBuilder::new(vec![cluster.bootstrap()]).client_id("application").build().await;
    client.map_err(|error| format!("rskafka can't connect to {}: {error}", cluster.bootstrap()))
}

fn folder() -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("portage-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    Ok(folder)
}
