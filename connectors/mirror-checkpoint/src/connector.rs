//! The connector: creates the topic of checkpoints, finds the groups to follow, splits them into tasks (Java:
//! `MirrorCheckpointConnector`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use connect_api::source::{ConnectorContext, SourceConnector};
use kafka_client::ErrorCode;
use kafka_client::admin::{Admin, NewTopic};
use mirror::ReplicationPolicy;
use mirror::assignment::{chunks, put_assigned_groups};
use mirror::config::ClientRole;
use mirror::filter::{GroupFilter, TopicFilter};
use tracing::{debug, info, warn};

use crate::groups::{Finder, Found};
use crate::left_out::GroupsLeftOut;
use crate::{clients, parse};

/// A running connector instance.
pub struct MirrorCheckpointConnector {
    config: ConfigMap,
    enabled: bool,
    finder: Finder,
    refresh: Option<Duration>,
    source: Admin,
    known: Mutex<BTreeSet<String>>,
    left_out: Arc<GroupsLeftOut>,
    context: Arc<dyn ConnectorContext>,
}

impl MirrorCheckpointConnector {
    pub(crate) async fn start(config: ConfigMap, context: Arc<dyn ConnectorContext>) -> Result<Self, ConnectError> {
        let typed = parse(&config)?;
        mirror_clients::warn_of_removed_keys(&config);
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(error.to_string());
        let policy = ReplicationPolicy::from_config(&config).map_err(|error| wrong(&error))?;
        let seconds = |key: &str| u64::try_from(typed.int(key)).ok();
        let emits = typed.boolean("emit.checkpoints.enabled") && seconds("emit.checkpoints.interval.seconds").is_some();
        let refresh = seconds("refresh.groups.interval.seconds")
            .filter(|seconds| *seconds > 0 && typed.boolean("refresh.groups.enabled"));
        let connector = Self {
            enabled: typed.boolean("enabled") && emits,
            finder: Finder {
                groups: GroupFilter::from_config(&config).map_err(|error| wrong(&error))?,
                topics: TopicFilter::from_config(&config).map_err(|error| wrong(&error))?,
            },
            refresh: refresh.map(Duration::from_secs),
            source: clients::connect(&config, ClientRole::CheckpointSourceAdmin).await?.admin(),
            known: Mutex::default(),
            left_out: Arc::new(GroupsLeftOut::new(
                typed.string("source.cluster.alias"),
                typed.string("target.cluster.alias"),
            )),
            config,
            context,
        };
        if connector.enabled {
            let target = clients::connect(&connector.config, ClientRole::CheckpointTargetAdmin).await?.admin();
            let topic = policy.checkpoints_topic(typed.string("source.cluster.alias"));
            create_topic(&target, &topic, typed.int("checkpoints.topic.replication.factor")).await;
            let groups = connector.find().await?;
            info!(groups = groups.len(), "consumer groups to checkpoint found");
            *connector.known() = groups;
            connector.context.publish(Arc::clone(&connector.left_out) as _);
        }
        Ok(connector)
    }

    /// Looks again; a change of the groups makes new task configs.
    async fn refresh(&self) -> Result<(), ConnectError> {
        let groups = self.find().await?;
        if groups != *self.known() {
            info!(groups = groups.len(), "consumer groups to checkpoint have changed");
            *self.known() = groups;
            self.context.request_task_reconfiguration();
        }
        Ok(())
    }

    async fn find(&self) -> Result<BTreeSet<String>, ConnectError> {
        let known = self.known().clone();
        let Found { groups, left_out } = self.finder.find(&self.source, &known).await?;
        self.left_out.found(left_out);
        Ok(groups)
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // A panic while holding the lock can't leave the set half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SourceConnector for MirrorCheckpointConnector {
    async fn task_configs(&self, tasks_max: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        if !self.enabled {
            return Ok(Vec::new());
        }
        let groups: Vec<String> = self.known().iter().cloned().collect();
        Ok(chunks(&groups, tasks_max)
            .iter()
            .enumerate()
            .map(|(index, share)| {
                let mut config = self.config.clone();
                put_assigned_groups(&mut config, share);
                config.insert("task.index".to_owned(), index.to_string());
                config
            })
            .collect())
    }

    async fn run(&self) {
        let (Some(interval), true) = (self.refresh, self.enabled) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(interval).await;
            if let Err(error) = self.refresh().await {
                warn!(%error, "groups could not be refreshed; trying again after refresh.groups.interval.seconds");
            }
        }
    }
}

/// Creates the topic as MirrorMaker 2 does. One that exists, or that we may not create, is used as it is.
async fn create_topic(target: &Admin, name: &str, replication_factor: i64) {
    let topic = NewTopic {
        name: name.to_owned(),
        partitions: Some(1),
        replication_factor: i16::try_from(replication_factor).ok().filter(|factor| *factor > 0),
        configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    let results = match target.create_topics(&[topic], false).await {
        Ok(results) => results,
        Err(error) => return warn!(topic = name, %error, "topic can't be created; checkpoints wait until it exists"),
    };
    for (topic, result) in results {
        match result {
            Ok(_) => info!(topic, "topic created"),
            Err(error) if error.code == ErrorCode::TOPIC_ALREADY_EXISTS => debug!(topic, "topic is there already"),
            Err(error) => warn!(
                topic,
                %error,
                "topic can't be created; create it, or see checkpoints.topic.replication.factor and restart the connector"
            ),
        }
    }
}
