//! Who shares clusters and who has their own.

use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::{ClusterBuilder, KafkaCluster};

/// A source and a target cluster.
#[derive(Debug)]
pub struct Pair {
    /// Where records come from.
    pub source: KafkaCluster,
    /// Where they go.
    pub target: KafkaCluster,
}

/// The pair that all specs of this process share, started by whoever asks first. Use names of your own for topics,
/// groups and connectors; break nothing.
pub async fn clusters() -> &'static Pair {
    static PAIR: OnceCell<Pair> = OnceCell::const_new();
    PAIR.get_or_init(async || {
        let (source, target) =
            tokio::join!(ClusterBuilder::new("source").start(), ClusterBuilder::new("target").start());
        Pair { source, target }
    })
    .await
}

/// A shared cluster with all [`Listener`](crate::Listener)s and an authorizer.
pub async fn secured_cluster() -> &'static KafkaCluster {
    static SECURED: OnceCell<KafkaCluster> = OnceCell::const_new();
    SECURED.get_or_init(async || ClusterBuilder::new("secured").authorizer().start().await).await
}

/// A shared cluster behind a [`Proxy`](crate::Proxy), for faults that meet one connector only: leave its line alone.
pub async fn proxied_cluster() -> &'static KafkaCluster {
    static PROXIED: OnceCell<KafkaCluster> = OnceCell::const_new();
    PROXIED.get_or_init(async || ClusterBuilder::new("proxied").proxied().start().await).await
}

/// So many specs may have clusters of their own at a time.
static LABS: Semaphore = Semaphore::const_new(2);

/// A place for clusters of one's own, to be broken at will.
///
/// ```no_run
/// # async fn spec() {
/// let lab = harness::lab().await;
/// let source = lab.cluster("source").brokers(2).config("message.max.bytes", "2000000").start().await;
/// source.broker(2).kill();
/// # }
/// ```
#[derive(Debug)]
pub struct Lab {
    _permit: SemaphorePermit<'static>,
}

/// Waits for a free [`Lab`]. Ask once a spec, and keep it: two specs that each wait for a second one wait forever.
pub async fn lab() -> Lab {
    let permit = LABS.acquire().await.unwrap_or_else(|e| panic!("the labs are closed: {e}"));
    Lab { _permit: permit }
}

impl Lab {
    /// A cluster to be.
    pub fn cluster(&self, name: &str) -> ClusterBuilder {
        ClusterBuilder::new(name)
    }
}
