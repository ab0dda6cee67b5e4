//! What a cluster shall be, and its start.

use std::time::Duration;

use super::broker::Java;
use super::listeners::{Listener, secured_properties};
use super::{Broker, KafkaCluster, new_id};
use crate::{Certificates, Properties, Proxy, free_port, workspace};

/// Builds a [`KafkaCluster`]; obtained from [`Lab::cluster`](crate::Lab::cluster).
#[derive(Debug)]
pub struct ClusterBuilder {
    name: String,
    brokers: usize,
    heap_mb: u32,
    secured: bool,
    authorizer: bool,
    proxied: bool,
    room_bytes: Option<u64>,
    as_shipped: bool,
    ports: Option<u16>,
    config: Properties,
}

impl ClusterBuilder {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            brokers: 1,
            heap_mb: 320,
            secured: false,
            authorizer: false,
            proxied: false,
            room_bytes: None,
            as_shipped: false,
            ports: None,
            config: Properties::new(),
        }
    }

    /// So many brokers, 1 to 3. Of one or two, broker 1 is the only controller: kill the other one. Of three, all are
    /// controllers, and any one may die. Internal topics have a replica on each.
    #[must_use]
    pub fn brokers(mut self, brokers: usize) -> Self {
        assert!((1..=3).contains(&brokers), "1 to 3 brokers, not {brokers}");
        self.brokers = brokers;
        self
    }

    /// `-Xmx` of each broker.
    #[must_use]
    pub fn heap_mb(mut self, heap_mb: u32) -> Self {
        self.heap_mb = heap_mb;
        self
    }

    /// With the JVM options and the heap of Kafka's own scripts: slower to start, and as fast as they are.
    #[must_use]
    pub fn as_shipped(mut self) -> Self {
        self.as_shipped = true;
        self
    }

    /// With the listeners for TLS, mTLS and SASL, see [`Listener`].
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// With Kafka's `StandardAuthorizer`: nobody may anything without an ACL, but the super users, who are
    /// `User:ANONYMOUS` (the plain listener, and so the oracle) and `User:admin`. Implies [`secured`](Self::secured).
    #[must_use]
    pub fn authorizer(mut self) -> Self {
        self.authorizer = true;
        self.secured()
    }

    /// With a [`Proxy`] in front of each broker, for those who come by [`Listener::Proxied`].
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// With disks that are full once a file has so many bytes (more than the 10 MiB of an index), until
    /// [`Broker::give_room`]. A file of a broker can't grow then, which is an error of the disk to it, as on one without space;
    /// unlike a small file system, this needs no rights.
    #[must_use]
    pub fn room_bytes(mut self, bytes: u64) -> Self {
        self.room_bytes = Some(bytes);
        self
    }

    /// A broker setting, in the words of `server.properties`; it wins over the harness's own.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Fixed ports: broker 1 listens without encryption on `first`, broker 2 on `first + 1`, ….
    #[must_use]
    pub fn ports_from(mut self, first: u16) -> Self {
        self.ports = Some(first);
        self
    }

    /// Starts it and waits until every broker knows all of them.
    pub async fn start(self) -> KafkaCluster {
        let id = new_id();
        let folders: Vec<_> =
            (1..=self.brokers).map(|node_id| workspace::service_dir(&format!("{}-{node_id}", self.name))).collect();
        let certificates = self.secured.then(|| Certificates::write_into(&folders[0]));
        let controllers = if self.brokers < 3 { 1 } else { self.brokers };
        let controller_ports: Vec<u16> = (0..controllers).map(|_| free_port()).collect();
        let voters: Vec<String> =
            controller_ports.iter().zip(1..).map(|(port, node_id)| format!("{node_id}@127.0.0.1:{port}")).collect();
        let brokers = folders.into_iter().zip(1..).map(|(folder, node_id): (_, u16)| {
            let plaintext = self.ports.map_or_else(free_port, |first| first + node_id - 1);
            let mut listeners = vec![(Listener::Plaintext, plaintext)];
            if self.secured {
                listeners.extend(Listener::SECURED.map(|listener| (listener, free_port())));
            }
            let behind = self.proxied.then(free_port);
            let proxy = behind.map(|behind| Proxy::start(free_port(), behind));
            listeners.extend(proxy.as_ref().map(|proxy| (Listener::Proxied, proxy.port())));
            let controller = controller_ports.get(usize::from(node_id) - 1).copied();
            let mut properties = self.common_properties(&voters.join(","), certificates.as_ref());
            properties.extend(own_properties(node_id, &listeners, behind, controller));
            properties.extend(self.config.clone());
            Broker::new(&format!("{}-{node_id}", self.name), folder, &id, listeners, proxy, &properties, self.java())
                .with_room(self.room_bytes)
        });
        let cluster =
            KafkaCluster { name: self.name.clone(), id: id.clone(), brokers: brokers.collect(), certificates };
        for broker in cluster.brokers() {
            broker.spawn();
        }
        cluster.is_ready(self.brokers).await;
        cluster
    }

    fn java(&self) -> Java {
        if self.as_shipped { Java::AsShipped } else { Java::Small { heap_mb: self.heap_mb } }
    }

    fn common_properties(&self, voters: &str, certificates: Option<&Certificates>) -> Properties {
        let replicas = self.brokers.to_string();
        let mut properties: Properties = [
            ("controller.quorum.voters", voters),
            ("controller.listener.names", "CONTROLLER"),
            ("inter.broker.listener.name", "PLAINTEXT"),
            // Topics are made by whoever means to.
            ("auto.create.topics.enable", "false"),
            ("offsets.topic.replication.factor", &replicas),
            ("offsets.topic.num.partitions", "2"),
            ("transaction.state.log.replication.factor", &replicas),
            ("transaction.state.log.num.partitions", "2"),
            ("transaction.state.log.min.isr", "1"),
            ("share.coordinator.state.topic.replication.factor", &replicas),
            ("share.coordinator.state.topic.num.partitions", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("group.min.session.timeout.ms", "1000"),
            // Records of a spec may be of any age.
            ("log.retention.ms", "-1"),
            // What happens in the background happens soon.
            ("log.initial.task.delay.ms", "500"),
            ("log.retention.check.interval.ms", "500"),
            ("log.cleaner.backoff.ms", "500"),
            ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"),
            // And takes little.
            ("log.cleaner.dedupe.buffer.size", "4194304"),
            ("num.network.threads", "2"),
            ("num.io.threads", "3"),
            ("background.threads", "2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        if self.brokers > 1 {
            // A broker that was killed is noticed soon.
            properties.insert("broker.heartbeat.interval.ms".to_owned(), "500".to_owned());
            properties.insert("broker.session.timeout.ms".to_owned(), "4000".to_owned());
        }
        if let Some(certificates) = certificates {
            properties.extend(secured_properties(certificates));
        }
        if self.authorizer {
            let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
            properties.insert("authorizer.class.name".to_owned(), authorizer.to_owned());
            properties.insert("super.users".to_owned(), "User:ANONYMOUS;User:admin".to_owned());
        }
        properties
    }
}

fn own_properties(
    node_id: u16,
    listeners: &[(Listener, u16)],
    behind_proxy: Option<u16>,
    controller: Option<u16>,
) -> Properties {
    let address = |listener: &Listener, port: &u16| format!("{}://127.0.0.1:{port}", listener.name());
    let advertised: Vec<String> = listeners.iter().map(|(listener, port)| address(listener, port)).collect();
    let bound = |listener: &Listener, port| behind_proxy.filter(|_| *listener == Listener::Proxied).unwrap_or(port);
    let mut addresses: Vec<String> =
        listeners.iter().map(|(listener, port)| address(listener, &bound(listener, *port))).collect();
    let mut protocols: Vec<String> =
        listeners.iter().map(|(listener, _)| format!("{}:{}", listener.name(), listener.protocol())).collect();
    protocols.push("CONTROLLER:PLAINTEXT".to_owned());
    addresses.extend(controller.map(|port| format!("CONTROLLER://127.0.0.1:{port}")));
    let roles = if controller.is_some() { "broker,controller" } else { "broker" };
    [
        ("node.id", node_id.to_string()),
        ("process.roles", roles.to_owned()),
        ("listeners", addresses.join(",")),
        ("advertised.listeners", advertised.join(",")),
        ("listener.security.protocol.map", protocols.join(",")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// How long a broker may take to end after SIGTERM.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(30);
