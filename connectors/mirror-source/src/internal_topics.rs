//! The topics in which a flow keeps its own notes (Java: `MirrorUtils.createCompactedTopic`).

use std::collections::BTreeMap;

use kafka_client::ErrorCode;
use kafka_client::admin::{Admin, NewTopic};
use tracing::{debug, info, warn};

/// Creates a compacted topic of one partition. One that exists, or that we may not create, is used as it is; everything else
/// is named, and no reason not to mirror.
pub(crate) async fn create(admin: &Admin, name: &str, replication_factor: i64) {
    let topic = NewTopic {
        name: name.to_owned(),
        partitions: Some(1),
        replication_factor: i16::try_from(replication_factor).ok().filter(|factor| *factor > 0),
        configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    let results = match admin.create_topics(&[topic], false).await {
        Ok(results) => results,
        Err(error) => return warn!(topic = name, %error, "topic can't be created; it is used as soon as it exists"),
    };
    for (topic, result) in results {
        match result {
            Ok(_) => info!(topic, "topic created"),
            Err(error) if is_quiet(error.code) => debug!(topic, %error, "topic is used as it is"),
            Err(error) => warn!(
                topic,
                %error,
                "topic can't be created; create it, or see offset-syncs.topic.replication.factor and restart the connector"
            ),
        }
    }
}

/// Where Java says nothing, too: somebody else has created it, or will.
fn is_quiet(code: ErrorCode) -> bool {
    code == ErrorCode::TOPIC_ALREADY_EXISTS
        || code == ErrorCode::TOPIC_AUTHORIZATION_FAILED
        || code == ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        || code == ErrorCode::UNSUPPORTED_VERSION
}
