//! The work of a task, round after round: what have the groups committed, where is that on the target, which of it is news.
//!
//! An error ends a round, not the task: the next round begins anew with what the clusters say then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, TypedConfig};
use kafka_client::TopicPartition;
use kafka_client::admin::{Admin, CommittedOffset};
use mirror::assignment::assigned_groups;
use mirror::checkpoint_view::{CheckpointView, Emission, checkpoint_topic};
use mirror::config::ClientRole;
use mirror::config_def::OFFSET_TRANSLATION;
use mirror::filter::TopicFilter;
use mirror::offset_sync_store::Translated;
use mirror::runs::{RunsKey, Translation, UnknownReason};
use mirror::{Checkpoint, ReplicationPolicy};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::comparison::{Comparison, Question};
use crate::feeds::{self, Feeds};
use crate::group_offsets::GroupSyncs;
use crate::logs::{Logs, TopicIds};
use crate::numbers::{Numbers, Standings, standing};
use crate::places::BEFORE;
use crate::settled::Settled;
use crate::translator::{Answer, Mode, NotTranslated, answer};
use crate::{clients, groups};

/// Everything that a task knows.
pub(crate) struct Rounds {
    config: ConfigMap,
    groups: BTreeSet<String>,
    topics: TopicFilter,
    policy: ReplicationPolicy,
    source_alias: String,
    target_alias: String,
    mode: Mode,
    emit_every: Duration,
    /// `None`: group offsets are not synced.
    sync_every: Option<Duration>,
    source: Admin,
    target: Admin,
    numbers: Arc<Numbers>,
    standings: Standings,
    feeds: Feeds,
    comparison: Comparison,
    checkpoints: CheckpointView,
    settled: Settled,
    syncs: GroupSyncs,
    /// The target's topics that the checkpoints are about.
    about: TopicIds,
    /// Why partitions of groups have no checkpoint, as it was said last.
    untranslated: BTreeMap<(String, TopicPartition), NotTranslated>,
}

/// One committed offset that is to be translated.
struct Wanted {
    group: String,
    source: TopicPartition,
    /// The topic of the checkpoint.
    target_topic: String,
    committed: CommittedOffset,
}

impl Rounds {
    pub(crate) async fn start(config: ConfigMap, typed: &TypedConfig) -> Result<Self, ConnectError> {
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(error.to_string());
        let policy = ReplicationPolicy::from_config(&config).map_err(|error| wrong(&error))?;
        let groups: BTreeSet<String> = assigned_groups(&config).map_err(|error| wrong(&error))?.into_iter().collect();
        let source_alias = typed.string("source.cluster.alias").to_owned();
        let mode = if typed.string(OFFSET_TRANSLATION) == "mm2" { Mode::Mm2 } else { Mode::Exact };
        let every = |key: &str| u64::try_from(typed.int(key)).ok().map(|seconds| Duration::from_secs(seconds.max(1)));
        let (checkpoints, restored) = feeds::restore(&config, &policy.checkpoints_topic(&source_alias), &groups).await;
        let sync_every = every("sync.group.offsets.interval.seconds");
        let source = clients::connect(&config, ClientRole::CheckpointSourceAdmin).await?;
        let target = clients::connect(&config, ClientRole::CheckpointTargetAdmin).await?;
        let target_alias = typed.string("target.cluster.alias").to_owned();
        let admins = vec![source.clone(), target.clone()];
        Ok(Self {
            numbers: Arc::new(Numbers::new(&source_alias, &target_alias, admins)),
            standings: Standings::new(),
            comparison: Comparison::new(config.clone()),
            feeds: Feeds::new(&config, &policy, mode == Mode::Exact, restored),
            source: source.admin(),
            target: target.admin(),
            topics: TopicFilter::from_config(&config).map_err(|error| wrong(&error))?,
            target_alias,
            emit_every: every("emit.checkpoints.interval.seconds").unwrap_or(Duration::from_secs(60)),
            sync_every: sync_every.filter(|_| typed.boolean("sync.group.offsets.enabled")),
            settled: Settled::default(),
            syncs: GroupSyncs::default(),
            about: TopicIds::new(),
            untranslated: BTreeMap::new(),
            config,
            groups,
            policy,
            source_alias,
            mode,
            checkpoints,
        })
    }

    /// What is shown of the groups.
    pub(crate) fn numbers(&self) -> Arc<Numbers> {
        Arc::clone(&self.numbers)
    }

    /// Until nobody takes the checkpoints any more. While nobody asks for them, the connector being paused, none are made.
    pub(crate) async fn run(mut self, news: mpsc::Sender<Vec<Checkpoint>>) {
        info!(groups = self.groups.len(), mode = ?self.mode, "checkpointing");
        let mut emit_at = Instant::now();
        let (mut sync_at, mut looked) = (emit_at, false);
        loop {
            tokio::select! {
                asked = async { sleep_until(emit_at).await; news.reserve().await } => {
                    let Ok(asked) = asked else { return };
                    emit_at = Instant::now() + self.emit_every;
                    match self.round().await {
                        Ok(checkpoints) => {
                            if !std::mem::replace(&mut looked, true) {
                                // What an earlier life has left is committed only now.
                                sync_at = Instant::now();
                            }
                            debug!(checkpoints = checkpoints.len(), "checkpoints to write");
                            asked.send(checkpoints);
                        }
                        Err(error) => {
                            warn!(%error, "checkpoints could not be made; trying again after emit.checkpoints.interval.seconds");
                        }
                    }
                }
                () = sleep_until(sync_at), if self.sync_every.is_some() => {
                    sync_at = Instant::now() + self.sync_every.unwrap_or_default();
                    let about = (self.mode == Mode::Exact).then_some(&self.about);
                    self.syncs.sync(&self.target, &self.checkpoints, about).await;
                    self.numbers.synced(self.syncs.words());
                }
            }
        }
    }

    /// The checkpoints that are news.
    async fn round(&mut self) -> Result<Vec<Checkpoint>, ConnectError> {
        let all = self.settled.begin(Instant::now());
        let wanted = self.committed().await?;
        // After the groups' offsets: what a group has read has been mirrored, if at all, before it was committed or will be
        // seen with the next round.
        self.feeds.catch_up(&self.config).await?;
        let logs = match self.mode {
            Mode::Exact => {
                let pairs = wanted.iter().map(|wanted| (&wanted.source, wanted.target_topic.as_str()));
                Logs::look(&self.source, &self.target, pairs).await?
            }
            Mode::Mm2 => Logs::default(),
        };
        self.know(&logs);
        let answers: Vec<Answer> =
            wanted.iter().map(|wanted| self.translate(wanted, wanted.committed.offset, &logs)).collect();
        let open = wanted.iter().zip(&answers).filter_map(|(wanted, answer)| self.question(wanted, *answer, &logs));
        let open = open.collect();
        self.comparison.look(open, all, &self.source, &self.target).await;
        let mut news = Vec::new();
        for (wanted, by_runs) in wanted.into_iter().zip(answers) {
            let answer = match logs.target(&wanted.at_target()) {
                Some(log) => {
                    self.checkpoints.forget_beyond(&wanted.group, &wanted.remote(), log.end);
                    self.comparison.better(by_runs, &wanted.key(), wanted.committed.offset, log)
                }
                None => by_runs,
            };
            if matches!(answer, Answer::At { exact: true, .. }) {
                self.settled.settle(&wanted.group, &wanted.source, wanted.committed.offset);
            }
            let sure = answer == by_runs;
            if let Some(checkpoint) = self.checkpoint(wanted, answer, sure) {
                self.syncs.changed(&checkpoint.group);
                self.checkpoints.apply(checkpoint.clone());
                news.push(checkpoint);
            }
        }
        self.numbers.round(std::mem::take(&mut self.standings));
        Ok(news)
    }

    /// Remembers which topics of the target there are. What was said of one that is another by now is about records that are gone.
    fn know(&mut self, logs: &Logs) {
        for (topic, id) in logs.target_ids() {
            if self.about.insert(topic.clone(), *id).is_some_and(|before| before != *id) {
                self.checkpoints.forget_topic(topic);
            }
        }
    }

    /// What the groups have committed on topics that count, and has no place yet.
    async fn committed(&mut self) -> Result<Vec<Wanted>, ConnectError> {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let fetched = groups::committed(&self.source, ClientRole::CheckpointSourceAdmin, &groups).await?;
        let mut topics: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut wanted = Vec::new();
        self.standings.clear();
        for (group, offsets) in fetched {
            let offsets = match offsets {
                Ok(offsets) => offsets,
                Err(error) => {
                    warn!(group, %error, "offsets of the group can't be read; its checkpoints stay as they are");
                    continue;
                }
            };
            let settled = self.settled.of(&group);
            let mut exact = 0;
            for (source, committed) in offsets {
                if settled.is_some_and(|settled| settled.get(&source) == Some(&committed.offset)) {
                    exact += 1;
                    continue;
                }
                let target_topic = match topics.get(&*source.topic) {
                    Some(known) => known.clone(),
                    None => {
                        let target_topic = self.target_topic(&source.topic)?;
                        topics.insert(source.topic.to_string(), target_topic.clone());
                        target_topic
                    }
                };
                if let Some(target_topic) = target_topic {
                    wanted.push(Wanted { group: group.clone(), source, target_topic, committed });
                }
            }
            if exact > 0 {
                self.standings.entry(group).or_default().insert("exact", exact);
            }
        }
        Ok(wanted)
    }

    /// The topic of the target in which readers of a source topic go on; `None` if the topic does not count.
    fn target_topic(&self, topic: &str) -> Result<Option<String>, ConnectError> {
        let accepted = self.topics.should_replicate_topic(topic);
        let accepted = accepted.map_err(|error| ConnectError::config(format!("topics: {error}")))?;
        Ok(accepted.then(|| checkpoint_topic(&self.policy, &self.source_alias, &self.target_alias, topic)))
    }

    /// The checkpoint, if it is news. `sure`: what is called exact comes from runs.
    fn checkpoint(&mut self, wanted: Wanted, answer: Answer, sure: bool) -> Option<Checkpoint> {
        let standings = self.standings.entry(wanted.group.clone()).or_default();
        *standings.entry(standing(&answer)).or_default() += 1;
        let Wanted { group, source, target_topic, committed } = wanted;
        let partition = source.partition;
        let (downstream, exact) = match answer {
            Answer::At { offset, exact } => {
                if !self.untranslated.is_empty() {
                    self.untranslated.remove(&(group.clone(), source.clone()));
                }
                (offset, exact)
            }
            Answer::Nowhere(reason) => {
                if reason == NotTranslated::Recreated {
                    // What was said of the topic before is about records that are gone.
                    self.checkpoints.forget_topic(&target_topic);
                }
                let key = (group, source);
                if self.untranslated.get(&key) != Some(&reason) {
                    debug!(
                        group = key.0,
                        topic = &*key.1.topic,
                        partition = key.1.partition,
                        ?reason,
                        "no translation"
                    );
                    self.untranslated.insert(key, reason);
                }
                return None;
            }
        };
        let checkpoint = Checkpoint {
            group,
            topic_partition: mirror::TopicPartition::new(target_topic, partition),
            upstream: committed.offset,
            downstream,
            metadata: committed.metadata,
        };
        let emission = self.checkpoints.emission(&checkpoint);
        // Runs don't go back, but a target topic that was created anew or cut does.
        let written = emission.is_written() || (emission == Emission::WouldGoBack && exact && sure);
        if written {
            let Checkpoint { group, upstream, downstream, .. } = &checkpoint;
            debug!(group, topic = &*source.topic, partition, upstream, downstream, exact, "offset translated");
        }
        written.then_some(checkpoint)
    }

    /// What runs and offset syncs say about an offset of the partition.
    fn translate(&self, wanted: &Wanted, offset: i64, logs: &Logs) -> Answer {
        let key = wanted.key();
        let anew = self.feeds.runs.as_ref().is_some_and(|runs| runs.store().is_anew(&key));
        let by_syncs = if anew {
            // They may point past records that the topic as it is now has never got.
            Translated::NoSync
        } else {
            self.feeds.syncs.store().get().translate(&key.source, offset)
        };
        let by_runs = self.by_runs(wanted, offset, logs);
        answer(self.mode, by_runs, by_syncs, logs.target(&wanted.at_target()))
    }

    fn by_runs(&self, wanted: &Wanted, offset: i64, logs: &Logs) -> Translation {
        match &self.feeds.runs {
            None => Translation::Unknown { reason: UnknownReason::NoMap, earliest: None },
            Some(runs) => {
                let ids = logs.ids(&wanted.source.topic, &wanted.target_topic);
                runs.store().translate(&wanted.key(), ids, offset)
            }
        }
    }

    /// What is to be found out by comparing records.
    fn question(&self, wanted: &Wanted, answer: Answer, logs: &Logs) -> Option<Question> {
        match answer {
            _ if self.mode == Mode::Mm2 => return None,
            Answer::At { exact: true, .. } => return None,
            Answer::Nowhere(NotTranslated::Recreated | NotTranslated::NotReady) => return None,
            Answer::At { .. } | Answer::Nowhere(NotTranslated::NotMirrored | NotTranslated::TooOld) => {}
        }
        let committed = wanted.committed.offset;
        Some(Question {
            key: wanted.key(),
            ids: logs.ids(&wanted.source.topic, &wanted.target_topic),
            committed,
            log: logs.target(&wanted.at_target())?,
            floor: self.translate(wanted, (committed - BEFORE).max(0), logs).offset(),
            ahead: match self.by_runs(wanted, committed, logs) {
                Translation::NotYetMirrored { .. } => true,
                // The first runs of a new topic may be on their way.
                Translation::Unknown { reason, .. } => reason == UnknownReason::NoMap,
                Translation::Exact(_) => false,
            },
        })
    }
}

impl Wanted {
    fn key(&self) -> RunsKey {
        let source = mirror::TopicPartition::new(self.source.topic.clone(), self.source.partition);
        RunsKey { source, target_topic: self.target_topic.clone() }
    }

    fn at_target(&self) -> TopicPartition {
        TopicPartition::new(self.target_topic.as_str(), self.source.partition)
    }

    /// The partition of the checkpoint.
    fn remote(&self) -> mirror::TopicPartition {
        mirror::TopicPartition::new(self.target_topic.as_str(), self.source.partition)
    }
}
