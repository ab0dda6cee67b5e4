//! The three connectors, created over REST like anybody's.

use serde_json::{Value, json};

use super::rest;
use super::workers::Workers;

/// Name and config of each.
fn configs(source: &str, target: &str) -> [(&'static str, Value); 3] {
    let flow = |class: &str| {
        json!({
            "connector.class": format!("org.apache.kafka.connect.mirror.{class}"),
            "source.cluster.alias": "source",
            "source.cluster.bootstrap.servers": source,
            "target.cluster.alias": "target",
            "target.cluster.bootstrap.servers": target,
        })
    };
    let with = |mut config: Value, more: Value| {
        if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        config
    };
    [
        (
            "mirror-source",
            with(
                flow("MirrorSourceConnector"),
                json!({
                    "topics": "orders|payments",
                    "tasks.max": "4",
                    "replication.factor": "1",
                    "offset-syncs.topic.replication.factor": "1",
                    "sync.topic.acls.enabled": "false",
                    "refresh.topics.interval.seconds": "5",
                }),
            ),
        ),
        (
            "mirror-checkpoint",
            with(
                flow("MirrorCheckpointConnector"),
                json!({
                    "groups": "billing|audit",
                    "tasks.max": "2",
                    "checkpoints.topic.replication.factor": "1",
                    "offset-syncs.topic.replication.factor": "1",
                    "emit.checkpoints.interval.seconds": "1",
                    "refresh.groups.interval.seconds": "2",
                    "sync.group.offsets.enabled": "true",
                    "sync.group.offsets.interval.seconds": "1",
                }),
            ),
        ),
        (
            "mirror-heartbeat",
            with(
                flow("MirrorHeartbeatConnector"),
                json!({ "heartbeats.topic.replication.factor": "1", "emit.heartbeats.interval.seconds": "1" }),
            ),
        ),
    ]
}

/// Creates them at the first worker, which passes on to the leader what is the leader's.
pub(crate) async fn create(workers: &Workers, source: &str, target: &str) -> Result<(), String> {
    let Some(address) = workers.addresses().next() else { return Err("there are no workers".to_owned()) };
    for (name, config) in configs(source, target) {
        let path = format!("/connectors/{name}/config");
        let answer = rest::put(address, &path, &config.to_string()).await;
        let answer = answer.map_err(|error| format!("PUT {path} at {address}: {error}"))?;
        if !matches!(answer.status, 200 | 201) {
            return Err(format!("PUT {path} at {address} was answered with {}: {}", answer.status, answer.body));
        }
    }
    Ok(())
}
