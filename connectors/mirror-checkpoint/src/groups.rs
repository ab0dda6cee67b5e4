//! Which groups there are on the source, and what they have committed. Asked for in batches, several at a time: a cluster
//! with thousands of groups answers within seconds.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConnectError;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use kafka_client::BrokerError;
use kafka_client::admin::{Admin, GroupListing, GroupOffsets};
use mirror::config::ClientRole;
use mirror::filter::{GroupFilter, TopicFilter};
use tracing::warn;

use crate::clients;
use crate::left_out::LeftOut;

/// Groups in one request. The answer names every partition of each of them.
const BATCH: usize = 50;
const AT_A_TIME: usize = 4;

/// What a cluster answered about groups, by id.
pub(crate) type Committed = BTreeMap<String, Result<GroupOffsets, BrokerError>>;

/// What groups have committed.
pub(crate) async fn committed(admin: &Admin, role: ClientRole, groups: &[&str]) -> Result<Committed, ConnectError> {
    // Owned, because the worker wants futures that are general over the lifetimes of what they hold.
    let owned = |batch: &[&str]| batch.iter().map(|group| (*group).to_owned()).collect::<Vec<String>>();
    let batches: Vec<Vec<String>> = groups.chunks(BATCH).map(owned).collect();
    let fetched = stream::iter(batches).map(|batch| {
        let admin = admin.clone();
        async move {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            admin.list_group_offsets(&batch, false).await
        }
    });
    let fetched: Vec<Committed> =
        fetched.buffer_unordered(AT_A_TIME).try_collect().await.map_err(|error| clients::refused(role, &error))?;
    Ok(fetched.into_iter().flatten().collect())
}

/// The groups of the source.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// To be checkpointed.
    pub(crate) groups: BTreeSet<String>,
    /// Not, and why.
    pub(crate) left_out: BTreeMap<String, LeftOut>,
}

/// Finds the groups to checkpoint.
#[derive(Debug)]
pub(crate) struct Finder {
    pub(crate) groups: GroupFilter,
    pub(crate) topics: TopicFilter,
}

impl Finder {
    /// The groups that the filter accepts and that have committed an offset on an accepted topic. What could not be learned
    /// leaves a group as it was in `known`: not to know is not to be gone.
    pub(crate) async fn find(&self, source: &Admin, known: &BTreeSet<String>) -> Result<Found, ConnectError> {
        let role = ClientRole::CheckpointSourceAdmin;
        let listed = source.list_groups().await.map_err(|error| clients::refused(role, &error))?;
        for (broker, error) in &listed.errors {
            warn!(broker, %error, "groups of a broker can't be listed; those that are known stay");
        }
        let mut found = Found::default();
        let mut candidates = BTreeSet::new();
        for group in &listed.groups {
            let id = group.group_id.as_str();
            let accepted = self.groups.should_replicate_group(id);
            let accepted = accepted.map_err(|error| ConnectError::config(format!("groups: {error}")))?;
            if accepted && is_consumer_group(group) {
                candidates.insert(id);
            } else {
                let reason = if accepted { LeftOut::NoConsumers } else { LeftOut::Filtered };
                found.left_out.insert(id.to_owned(), reason);
            }
        }
        if !listed.errors.is_empty() {
            candidates.extend(known.iter().map(String::as_str));
        }
        let candidates: Vec<&str> = candidates.into_iter().collect();
        for (group, offsets) in committed(source, role, &candidates).await? {
            let reason = match offsets {
                Ok(offsets) if offsets.is_empty() => Some(LeftOut::NoOffsets),
                Ok(offsets) if self.any_topic(&offsets)? => None,
                Ok(_) => Some(LeftOut::NoMirroredTopic),
                Err(error) => {
                    warn!(group, %error, "offsets of the group can't be read: the principal needs Describe on it");
                    (!known.contains(&group)).then(|| LeftOut::Refused { error: error.to_string() })
                }
            };
            match reason {
                Some(reason) => {
                    found.left_out.insert(group, reason);
                }
                None => {
                    found.groups.insert(group);
                }
            }
        }
        Ok(found)
    }

    fn any_topic(&self, offsets: &GroupOffsets) -> Result<bool, ConnectError> {
        let topics: BTreeSet<&str> = offsets.keys().map(|partition| &*partition.topic).collect();
        for topic in topics {
            let accepted = self.topics.should_replicate_topic(topic);
            if accepted.map_err(|error| ConnectError::config(format!("topics: {error}")))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Consumers, and groups that only have offsets; not Connect's, share or streams groups (Java: `forConsumerGroups`).
fn is_consumer_group(group: &GroupListing) -> bool {
    let kind = group.group_type.to_ascii_lowercase();
    matches!(kind.as_str(), "" | "classic" | "consumer") && matches!(group.protocol_type.as_str(), "" | "consumer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_consumers_count_and_those_of_connect_and_share_do_not() {
        let group = |protocol_type: &str, group_type: &str| GroupListing {
            group_id: "g".to_owned(),
            protocol_type: protocol_type.to_owned(),
            state: "Empty".to_owned(),
            group_type: group_type.to_owned(),
        };

        assert!(is_consumer_group(&group("consumer", "classic")));
        assert!(is_consumer_group(&group("", "Classic")));
        assert!(is_consumer_group(&group("consumer", "consumer")));
        assert!(is_consumer_group(&group("", "")));
        assert!(!is_consumer_group(&group("connect", "classic")));
        assert!(!is_consumer_group(&group("share", "share")));
    }
}
