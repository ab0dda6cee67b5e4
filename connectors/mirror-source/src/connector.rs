//! The connector: splits the partitions of mirrored topics into tasks, and keeps topics, configs and ACLs of the target in
//! step with the source (Java: `MirrorSourceConnector`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, TypedConfig};
use connect_api::source::{ConnectorContext, SourceConnector};
use mirror::assignment::{encode_partitions, keep_shares};
use mirror::config::ClientRole;
use mirror::config_def::{MIRROR_BACK, source_config_def};
use mirror::filter::{ConfigPropertyFilter, TopicFilter};
use mirror::{ReplicationPolicy, TopicPartition};
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{info, warn};

use crate::clients;
use crate::copied_configs::{ACLS, CONFIGS, Copied};
use crate::findings::Findings;
use crate::flow::{Flow, Look};
use crate::internal_topics;
use crate::plan::{Selection, Topics, partitions};
use crate::report::{Report, Subject};
use crate::syncs::SyncsTopic;
use crate::throttle::Limits;
use crate::topic_acls::AclSync;
use crate::topic_configs::{ConfigSync, SyncError};

/// How often a connector that keeps names looks whether its records come back.
const LOOP_CHECK: Duration = Duration::from_secs(10);

/// A running connector instance.
pub struct MirrorSourceConnector {
    config: ConfigMap,
    enabled: bool,
    refresh: Option<Duration>,
    sync_configs: Option<Duration>,
    sync_acls: Option<Duration>,
    flow: Flow,
    /// The admin clients, as they are shown.
    admins: Arc<clients::Admins>,
    /// The mirrored topics of the source, as the tasks know them.
    known: Mutex<Topics>,
    /// The partitions of each task, as they were dealt out last.
    shares: Mutex<Vec<Vec<TopicPartition>>>,
    /// What the first look has found.
    found: Findings,
    context: Arc<dyn ConnectorContext>,
}

impl MirrorSourceConnector {
    pub(crate) async fn start(config: ConfigMap, context: Arc<dyn ConnectorContext>) -> Result<Self, ConnectError> {
        let typed = parse(&config)?;
        mirror_clients::warn_of_removed_keys(&config);
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(error.to_string());
        let selection = Selection {
            filter: TopicFilter::from_config(&config).map_err(|error| wrong(&error))?,
            policy: ReplicationPolicy::from_config(&config).map_err(|error| wrong(&error))?,
            source_alias: typed.string("source.cluster.alias").to_owned(),
            target_alias: typed.string("target.cluster.alias").to_owned(),
            heartbeats: typed.boolean("heartbeats.replication.enabled"),
        };
        let source = clients::connect(&config, ClientRole::SourceAdmin).await?;
        let target = clients::connect(&config, ClientRole::TargetAdmin).await?;
        let flow = Flow {
            selection,
            property_filter: ConfigPropertyFilter::from_config(&config).map_err(|error| wrong(&error))?,
            mirrors_back: typed.boolean(MIRROR_BACK),
            replication_factor: i16::try_from(typed.int("replication.factor")).ok().filter(|factor| *factor > 0),
            source: source.admin(),
            target: target.admin(),
        };
        let mut connector = Self {
            enabled: typed.boolean("enabled"),
            refresh: interval(&typed, "refresh.topics"),
            sync_configs: interval(&typed, "sync.topic.configs"),
            sync_acls: interval(&typed, "sync.topic.acls"),
            flow,
            admins: Arc::new(clients::Admins(vec![source, target])),
            known: Mutex::default(),
            shares: Mutex::default(),
            found: Findings::default(),
            config,
            context,
        };
        connector.context.publish(Arc::clone(&connector.admins) as _);
        if connector.enabled {
            connector.create_internal_topics(typed.int("offset-syncs.topic.replication.factor")).await?;
            let Look { topics, missing, mut findings } = connector.flow.look(&connector.config).await?;
            info!(topics = topics.len(), to_create = missing.topics.len(), "topics to mirror found");
            connector.flow.create(&missing, &mut findings).await?;
            connector.found = findings;
            *connector.known() = topics;
        }
        Ok(connector)
    }

    /// The topics for what consumer groups need, offset syncs and offset runs, and for the connector's own memory.
    async fn create_internal_topics(&self, replication_factor: i64) -> Result<(), ConnectError> {
        let selection = &self.flow.selection;
        if let Some(syncs) = SyncsTopic::of(&self.config, &selection.policy) {
            let admin = clients::connect(&self.config, syncs.admin).await?.admin();
            internal_topics::create(&admin, &syncs.name, replication_factor).await;
        }
        let runs = ReplicationPolicy::offset_runs_topic(&selection.source_alias);
        internal_topics::create(&self.flow.target, &runs, replication_factor).await;
        if self.sync_configs.is_some() || self.sync_acls.is_some() {
            let copied = ReplicationPolicy::copied_configs_topic(&selection.source_alias);
            internal_topics::create(&self.flow.target, &copied, replication_factor).await;
        }
        Ok(())
    }

    /// Looks again; a change of what is to be mirrored makes new task configs. Says whether there was one.
    async fn look_again(&self) -> Result<(Findings, bool), ConnectError> {
        let Look { topics, missing, mut findings } = self.flow.look(&self.config).await?;
        if !missing.is_empty() {
            self.flow.create(&missing, &mut findings).await?;
        }
        let changed = *self.known() != topics;
        if changed {
            info!(topics = topics.len(), "topics to mirror have changed");
            *self.known() = topics;
            self.context.request_task_reconfiguration();
        }
        Ok((findings, changed))
    }

    /// Whether records could come back under their own names.
    fn may_loop(&self) -> bool {
        self.flow.selection.policy.is_identity() && !self.flow.mirrors_back
    }

    /// Whether there is a flow from the target to the source.
    async fn is_mirrored_from(&self) -> bool {
        let runs = ReplicationPolicy::offset_runs_topic(&self.flow.selection.target_alias);
        let described = self.flow.source.describe_topics(&[&runs]).await;
        described.is_ok_and(|described| described.get(&runs).is_some_and(Result::is_ok))
    }

    fn topics(&self) -> Vec<String> {
        self.known().keys().cloned().collect()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Topics> {
        // A panic while holding the lock can't leave the map half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sync_configs(&self, configs: &mut ConfigSync, copied: &mut Copied) -> Result<Findings, SyncError> {
        if let Some(names) = copied.recall(&self.config).await {
            configs.remember(names);
        }
        let findings = configs.sync(&self.flow, &self.topics()).await?;
        copied.note(&self.config, configs.own()).await;
        Ok(findings)
    }

    async fn sync_acls(&self, acls: &mut AclSync, copied: &mut Copied) -> Result<Findings, ConnectError> {
        if let Some(names) = copied.recall(&self.config).await {
            acls.remember(&names);
        }
        let findings = acls.sync(&self.flow, &self.topics()).await?;
        copied.note(&self.config, acls.seen()).await;
        Ok(findings)
    }

    /// Keeps topics, configs and ACLs in step, each in its own interval; new topics get the latter two at once.
    async fn keep_in_step(&self, mut acls: AclSync) {
        let mut configs = ConfigSync::default();
        let [mut copied_configs, mut copied_acls] =
            [CONFIGS, ACLS].map(|what| Copied::new(what, &self.config, &self.flow.selection.source_alias));
        let mut report = Report::new(Arc::clone(&self.context));
        report.update(Subject::Topics, &self.found);
        let [mut refresh_due, mut configs_due, mut acls_due] =
            [self.refresh, self.sync_configs, self.sync_acls].map(|interval| interval.map(every));
        // A flow in the other direction may begin at any time.
        let mut loop_due = self.may_loop().then(|| every(LOOP_CHECK));
        for due in [&mut refresh_due, &mut loop_due].into_iter().flatten() {
            // Looked at the start.
            due.reset();
        }
        loop {
            tokio::select! {
                () = tick(&mut loop_due) => if self.is_mirrored_from().await {
                    // A look sees to it.
                    match &mut refresh_due {
                        Some(due) => due.reset_immediately(),
                        None => refresh_due = Some(every(LOOP_CHECK)),
                    }
                },
                () = tick(&mut refresh_due) => match self.look_again().await {
                    Ok((findings, changed)) => {
                        report.update(Subject::Topics, &findings);
                        for due in [&mut configs_due, &mut acls_due].into_iter().flatten().filter(|_| changed) {
                            due.reset_immediately();
                        }
                    }
                    Err(error) => {
                        warn!(%error, "topics could not be refreshed; trying again after refresh.topics.interval.seconds");
                    }
                },
                () = tick(&mut configs_due) => match self.sync_configs(&mut configs, &mut copied_configs).await {
                    Ok(findings) => report.update(Subject::Configs, &findings),
                    Err(error @ SyncError::TooOld) => {
                        self.context.raise_error(ConnectError::fatal(error.to_string()));
                        configs_due = None;
                    }
                    Err(error) => warn!(
                        %error,
                        "topic configs could not be kept in step; trying again after sync.topic.configs.interval.seconds"
                    ),
                },
                () = tick(&mut acls_due) => match self.sync_acls(&mut acls, &mut copied_acls).await {
                    Ok(findings) => report.update(Subject::Acls, &findings),
                    Err(error) => {
                        warn!(%error, "acls could not be kept in step; trying again after sync.topic.acls.interval.seconds");
                    }
                },
            }
        }
    }
}

impl SourceConnector for MirrorSourceConnector {
    async fn task_configs(&self, tasks_max: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        if !self.enabled {
            return Ok(Vec::new());
        }
        let partitions = partitions(&self.known());
        let limits = Limits::from_config(&self.config)?;
        // A panic while holding the lock can't leave the shares half changed.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        *shares = keep_shares(&shares, &partitions, tasks_max);
        Ok(shares
            .iter()
            .enumerate()
            .map(|(index, share)| {
                let mut config = self.config.clone();
                config.insert("task.assigned.partitions".to_owned(), encode_partitions(share));
                config.insert("task.index".to_owned(), index.to_string());
                limits.share(&mut config, share, &partitions);
                config
            })
            .collect())
    }

    async fn run(&self) {
        // Both were parsed at the start.
        let acls = parse(&self.config).and_then(|typed| AclSync::from_config(&self.config, &typed));
        match acls {
            Ok(acls) if self.enabled => self.keep_in_step(acls).await,
            Ok(_) => std::future::pending().await,
            Err(error) => self.context.raise_error(error),
        }
    }

    async fn stop(&self) {}
}

fn parse(config: &ConfigMap) -> Result<TypedConfig, ConnectError> {
    source_config_def().parse(config).map_err(ConnectError::config_problems)
}

/// The interval of a job by its keys. `None`: never.
fn interval(typed: &TypedConfig, job: &str) -> Option<Duration> {
    let seconds = u64::try_from(typed.int(&format!("{job}.interval.seconds"))).ok().filter(|seconds| *seconds > 0)?;
    typed.boolean(&format!("{job}.enabled")).then(|| Duration::from_secs(seconds))
}

/// Due at once and then after each interval, however long the work takes.
fn every(interval: Duration) -> Interval {
    let mut due = tokio::time::interval(interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due
}

async fn tick(due: &mut Option<Interval>) {
    match due {
        Some(due) => {
            due.tick().await;
        }
        None => std::future::pending().await,
    }
}
