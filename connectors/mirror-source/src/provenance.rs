//! Cuts the loop of two flows that keep names: with the identity policy, a topic that is mirrored from A to B and from B to A
//! would grow for ever, and no name tells where its records are from.
//!
//! What tells is the topic of offset runs that the flow from the target keeps on our source: it names the topics that have
//! been filled from there. Such a topic is not mirrored back. If two flows start at the same moment, both have begun before
//! either can know; then the one from the smaller alias goes on. `portage.mirror.back` says that it is meant so.

use std::collections::BTreeSet;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use mirror::ReplicationPolicy;
use mirror::config::ClientRole;

use crate::offset_runs;
use crate::plan::{Selection, Topics};

/// The topics of the source that have come from the target under their own names.
pub(crate) async fn from_target(
    config: &ConfigMap,
    selection: &Selection,
    source: &Topics,
    target: &Topics,
) -> Result<BTreeSet<String>, ConnectError> {
    let theirs = ReplicationPolicy::offset_runs_topic(&selection.target_alias);
    if !selection.policy.is_identity() || !source.contains_key(&theirs) {
        return Ok(BTreeSet::new());
    }
    let theirs = with_kept_names(config, ClientRole::OffsetSyncsSourceConsumer, &theirs).await?;
    let ours = ReplicationPolicy::offset_runs_topic(&selection.source_alias);
    let ours = if selection.source_alias < selection.target_alias && target.contains_key(&ours) {
        with_kept_names(config, ClientRole::OffsetRunsTargetConsumer, &ours).await?
    } else {
        BTreeSet::new()
    };
    Ok(theirs.difference(&ours).cloned().collect())
}

async fn with_kept_names(config: &ConfigMap, role: ClientRole, topic: &str) -> Result<BTreeSet<String>, ConnectError> {
    let unreadable = |error: String| {
        ConnectError::retriable(format!(
            "{role}: topic {topic} can't be read, which tells whether topics would be mirrored in a loop: {error}"
        ))
    };
    let runs = offset_runs::read(config, role, topic, offset_runs::fold).await.map_err(unreadable)?;
    let runs = runs.ok_or_else(|| unreadable("it was there a moment ago, and is not".to_owned()))?;
    let kept = runs.keys().filter(|key| *key.source.topic == *key.target_topic);
    Ok(kept.map(|key| key.target_topic.clone()).collect())
}
