//! Commits translated offsets on the target in the name of groups that nobody works in there (KIP-545). Each batch of groups
//! is described, read and written at once, so that what was decided is still true when it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kafka_client::admin::{Admin, CommittedOffset, GroupOffsets};
use kafka_client::{BrokerError, ErrorCode};
use mirror::checkpoint_view::CheckpointView;
use mirror::config::ClientRole;
use mirror::group_sync::{GroupSync, OffsetToCommit, SkipReason, TargetGroup, TargetOffsets, plan_group_sync};
use mirror::{Checkpoint, TopicPartition};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::groups;
use crate::logs::{self, TopicIds};

/// Groups in one request.
const BATCH: usize = 50;
/// Requests that are asked at a time. Few groups together, so that little time passes between look and commit.
const BATCHES_AT_A_TIME: usize = 4;
/// Groups that are committed at a time.
const AT_A_TIME: usize = 16;

/// What became of a group at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many partitions were committed.
    Committed(usize),
    /// Nothing was.
    Skipped(SkipReason),
    /// The target refused.
    Refused(String),
}

/// Groups that are in step are looked at so often even if nothing has changed: somebody may have reset them on the target.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The last outcome of every group.
#[derive(Debug, Default)]
pub(crate) struct GroupSyncs {
    outcomes: BTreeMap<String, Outcome>,
    /// Groups with checkpoints that they had not at the last look.
    changed: BTreeSet<String>,
    all_looked_at: Option<Instant>,
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Committed(_) => "committed",
            Outcome::Refused(_) => "refused",
            Outcome::Skipped(SkipReason::UpToDate) => "up_to_date",
            Outcome::Skipped(SkipReason::Active { .. }) => "active",
            Outcome::Skipped(SkipReason::NoCheckpoint) => "no_checkpoint",
            Outcome::Skipped(SkipReason::OtherTopic) => "other_topic",
            Outcome::Skipped(SkipReason::StateUnknown { .. } | SkipReason::OffsetsUnknown { .. }) => "unknown",
        }
    }

    /// Only a new checkpoint makes something to do.
    fn is_in_step(&self) -> bool {
        matches!(self, Outcome::Committed(_) | Outcome::Skipped(SkipReason::UpToDate))
    }
}

impl GroupSyncs {
    /// A group has a new checkpoint.
    pub(crate) fn changed(&mut self, group: &str) {
        if !self.changed.contains(group) {
            self.changed.insert(group.to_owned());
        }
    }

    /// Brings the target up to the checkpoints. `about`: the topics of the target that they are about; `None`: whatever has the name.
    pub(crate) async fn sync(&mut self, target: &Admin, checkpoints: &CheckpointView, about: Option<&TopicIds>) {
        let all = self.all_looked_at.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN);
        if all {
            self.all_looked_at = Some(Instant::now());
        }
        let changed = std::mem::take(&mut self.changed);
        let due = |group: &&str| {
            all || changed.contains(*group) || !self.outcomes.get(*group).is_some_and(Outcome::is_in_step)
        };
        let mut groups: Vec<&str> = checkpoints.groups().filter(due).collect();
        groups.sort_unstable();
        for together in groups.chunks(BATCH * BATCHES_AT_A_TIME) {
            let (states, offsets) = look_at(target, together).await;
            let mut plans: Vec<(String, GroupSync)> = together
                .iter()
                .filter_map(|group| {
                    let plan = plan(group, checkpoints.of_group(group)?, &states, &offsets);
                    Some(((*group).to_owned(), plan))
                })
                .collect();
            if let Some(about) = about {
                plans = on_topics(target, plans, about).await;
            }
            let done = stream::iter(plans).map(|(group, plan)| {
                let target = target.clone();
                async move {
                    let outcome = carry_out(&target, &group, plan).await;
                    (group, outcome)
                }
            });
            let done: Vec<(String, Outcome)> = done.buffer_unordered(AT_A_TIME).collect().await;
            for (group, outcome) in done {
                self.note(&group, outcome);
            }
        }
    }

    /// What became of each group at the last look, as the word of a label.
    pub(crate) fn words(&self) -> BTreeMap<String, &'static str> {
        self.outcomes.iter().map(|(group, outcome)| (group.clone(), outcome.word())).collect()
    }

    /// Says what has changed.
    fn note(&mut self, group: &str, outcome: Outcome) {
        if self.outcomes.get(group) == Some(&outcome) && !matches!(outcome, Outcome::Committed(_)) {
            return;
        }
        match &outcome {
            Outcome::Committed(partitions) => debug!(group, partitions, "group offsets committed on the target"),
            Outcome::Skipped(reason) => debug!(group, ?reason, "group offsets are not committed on the target"),
            Outcome::Refused(error) => warn!(group, error, "group offsets could not be committed on the target"),
        }
        if !self.outcomes.contains_key(group) && matches!(outcome, Outcome::Committed(_)) {
            info!(group, "group is kept in step on the target");
        }
        self.outcomes.insert(group.to_owned(), outcome);
    }
}

type States = BTreeMap<String, TargetGroup>;
type Offsets = BTreeMap<String, TargetOffsets>;

/// States and offsets of groups on the target, several requests at a time.
async fn look_at(target: &Admin, groups: &[&str]) -> (States, Offsets) {
    let owned = |batch: &[&str]| batch.iter().map(|group| (*group).to_owned()).collect::<Vec<String>>();
    let batches: Vec<Vec<String>> = groups.chunks(BATCH).map(owned).collect();
    let looks = stream::iter(batches).map(|batch| {
        let target = target.clone();
        async move {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            look(&target, &batch).await
        }
    });
    let looks: Vec<(States, Offsets)> = looks.buffer_unordered(BATCHES_AT_A_TIME).collect().await;
    let (states, offsets): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
    (states.into_iter().flatten().collect(), offsets.into_iter().flatten().collect())
}

/// States and offsets of groups on the target. What could not be learned is said to be unknown, never to be empty.
async fn look(target: &Admin, batch: &[&str]) -> (States, Offsets) {
    let (described, committed) = tokio::join!(
        target.describe_groups(batch),
        groups::committed(target, ClientRole::CheckpointTargetAdmin, batch)
    );
    let states = match described {
        Ok(described) => described
            .into_iter()
            .map(|(group, description)| {
                let state = match description {
                    Ok(description) => TargetGroup::from_state(&description.state),
                    Err(error) if error.code == ErrorCode::GROUP_ID_NOT_FOUND => TargetGroup::Dead,
                    Err(error) => TargetGroup::Unknown { error: error.to_string() },
                };
                (group, state)
            })
            .collect(),
        Err(error) => {
            let unknown = TargetGroup::Unknown { error: error.to_string() };
            batch.iter().map(|group| ((*group).to_owned(), unknown.clone())).collect()
        }
    };
    let offsets = match committed {
        Ok(committed) => committed.into_iter().map(|(group, offsets)| (group, known(offsets))).collect(),
        Err(error) => {
            let unknown = TargetOffsets::Unknown { error: error.message().to_owned() };
            batch.iter().map(|group| ((*group).to_owned(), unknown.clone())).collect()
        }
    };
    (states, offsets)
}

fn known(offsets: Result<GroupOffsets, BrokerError>) -> TargetOffsets {
    match offsets {
        Ok(offsets) => TargetOffsets::Known(
            offsets
                .into_iter()
                .map(|(partition, offset)| (TopicPartition::new(partition.topic, partition.partition), offset.offset))
                .collect(),
        ),
        // A group that does not exist has committed nothing.
        Err(error) if error.code == ErrorCode::GROUP_ID_NOT_FOUND => TargetOffsets::Known(BTreeMap::new()),
        Err(error) => TargetOffsets::Unknown { error: error.to_string() },
    }
}

fn plan(
    group: &str,
    checkpoints: &BTreeMap<TopicPartition, Checkpoint>,
    states: &States,
    offsets: &Offsets,
) -> GroupSync {
    let unanswered = || "the target did not answer for it".to_owned();
    let no_state = TargetGroup::Unknown { error: unanswered() };
    let no_offsets = TargetOffsets::Unknown { error: unanswered() };
    plan_group_sync(checkpoints, states.get(group).unwrap_or(&no_state), offsets.get(group).unwrap_or(&no_offsets))
}

/// Leaves out what would be committed on topics that are others by now, or that no round of this task has looked at.
async fn on_topics(target: &Admin, plans: Vec<(String, GroupSync)>, about: &TopicIds) -> Vec<(String, GroupSync)> {
    let topics: BTreeSet<String> = plans
        .iter()
        .filter_map(|(_, plan)| if let GroupSync::Commit(offsets) = plan { Some(offsets) } else { None })
        .flat_map(|offsets| offsets.keys().map(|partition| partition.topic.to_string()))
        .collect();
    let now = logs::ids(target, ClientRole::CheckpointTargetAdmin, topics.iter().map(String::as_str)).await;
    let checked = |plan: GroupSync| match (&now, &plan) {
        (Ok((now, _)), _) => plan.on_topics(|topic| about.get(topic).is_some_and(|id| now.get(topic) == Some(id))),
        (Err(error), GroupSync::Commit(_)) => {
            GroupSync::Skip(SkipReason::StateUnknown { error: error.message().to_owned() })
        }
        (Err(_), GroupSync::Skip(_)) => plan,
    };
    plans.into_iter().map(|(group, plan)| (group, checked(plan))).collect()
}

async fn carry_out(target: &Admin, group: &str, plan: GroupSync) -> Outcome {
    let to_commit = match plan {
        GroupSync::Skip(reason) => return Outcome::Skipped(reason),
        GroupSync::Commit(to_commit) => to_commit,
    };
    let count = to_commit.len();
    let committed = |(partition, OffsetToCommit { offset, metadata }): (TopicPartition, OffsetToCommit)| {
        let partition = kafka_client::TopicPartition::new(partition.topic, partition.partition);
        // Leader epochs of the source mean nothing on the target.
        (partition, CommittedOffset { offset, leader_epoch: None, metadata })
    };
    let offsets: GroupOffsets = to_commit.into_iter().map(committed).collect();
    match target.alter_group_offsets(group, &offsets).await {
        Err(error) => Outcome::Refused(error.to_string()),
        Ok(results) => match results.into_iter().find_map(|(partition, result)| Some((partition, result.err()?))) {
            None => Outcome::Committed(count),
            // A member has come since we looked.
            Some((_, error)) if error.code == ErrorCode::UNKNOWN_MEMBER_ID => {
                Outcome::Skipped(SkipReason::Active { state: error.code.to_string() })
            }
            Some((partition, error)) => Outcome::Refused(format!("{partition}: {error}")),
        },
    }
}
