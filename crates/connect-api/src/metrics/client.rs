//! The numbers of a Kafka client under the names of Java's clients, from whoever has them: no client is named here.

use std::time::Duration;

use super::{Family, Metric};

/// Java's kinds of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// `kafka.admin.client`
    Admin,
    /// `kafka.consumer`
    Consumer,
    /// `kafka.producer`
    Producer,
}

/// What a client has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientNumbers {
    /// Bytes read from sockets.
    pub incoming_bytes: u64,
    /// Bytes written to sockets.
    pub outgoing_bytes: u64,
    /// Requests sent.
    pub requests: u64,
    /// Responses read.
    pub responses: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections made.
    pub connections_created: u64,
    /// How long brokers have asked it to wait (quotas), in milliseconds.
    pub throttled_ms: u64,
}

struct Families {
    numbers: [Family; 6],
}

const fn families(domain: &'static str, bean: &'static str) -> Families {
    Families {
        numbers: [
            Family::bean(domain, bean, "incoming-byte-total", "Bytes that a client has read from its brokers."),
            Family::bean(domain, bean, "outgoing-byte-total", "Bytes that a client has sent to its brokers."),
            Family::bean(domain, bean, "request-total", "Requests that a client has sent."),
            Family::bean(domain, bean, "response-total", "Responses that a client has received."),
            Family::bean(domain, bean, "connection-count", "Connections that a client has open."),
            Family::bean(domain, bean, "connection-creation-total", "Connections that a client has made."),
        ],
    }
}

/// Java has averages of half a minute, under a name for each kind of request.
static THROTTLED: Family = Family::counter(
    "portage_client_throttled_seconds_total",
    "For how long brokers have asked a client to wait, because of their quotas, in seconds.",
);
static ADMIN: Families = families("kafka.admin.client", "admin-client-metrics");
static CONSUMER: Families = families("kafka.consumer", "consumer-metrics");
static PRODUCER: Families = families("kafka.producer", "producer-metrics");

impl ClientNumbers {
    /// Tells them, as those of the client with this `client.id`.
    pub fn tell(&self, kind: ClientKind, client_id: &str, sink: &mut dyn FnMut(Metric<'_>)) {
        let families = match kind {
            ClientKind::Admin => &ADMIN,
            ClientKind::Consumer => &CONSUMER,
            ClientKind::Producer => &PRODUCER,
        };
        let values = [
            self.incoming_bytes,
            self.outgoing_bytes,
            self.requests,
            self.responses,
            self.connections,
            self.connections_created,
        ];
        for (family, value) in families.numbers.iter().zip(values) {
            sink(family.count(&[("client-id", client_id)], value));
        }
        let throttled_s = Duration::from_millis(self.throttled_ms).as_secs_f64();
        sink(THROTTLED.number(&[("client-id", client_id)], throttled_s));
    }
}
