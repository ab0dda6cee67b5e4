//! Measuring: log ends four times a second, groups and placement every second.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kafka_client::admin::GroupOffsets;
use kafka_client::{Cluster, TopicPartition};
use serde_json::Value;
use tokio::time::Instant;

use super::consumers::{self, GROUPS};
use super::picture::{GroupState, Picture, Unit};
use super::stage::{Stage, TOPICS};

/// Rates are averages over this time.
const WINDOW: Duration = Duration::from_secs(3);
/// Groups and placement are asked for this often.
const PAUSE: Duration = Duration::from_secs(1);
/// How far back the age of a record can be told.
const MEMORY: Duration = Duration::from_secs(120);

/// The measurements so far.
pub(crate) struct Watch {
    began: Instant,
    /// Time, written, mirrored.
    samples: VecDeque<(Instant, u64, u64)>,
    asked: Option<Instant>,
    clusters: Option<(Cluster, Cluster)>,
    picture: Picture,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            samples: VecDeque::new(),
            asked: None,
            clusters: None,
            picture: Picture::default(),
        }
    }

    /// The last picture.
    pub(crate) fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The next one.
    pub(crate) async fn look(&mut self, stage: &mut Stage) -> Result<&Picture, String> {
        let now = Instant::now();
        let (written, mirrored) = counts(stage);
        self.samples.push_back((now, written, mirrored));
        while self.samples.front().is_some_and(|(at, ..)| now.duration_since(*at) > MEMORY) {
            self.samples.pop_front();
        }
        let picture = &mut self.picture;
        (picture.elapsed, picture.written, picture.mirrored) = (now.duration_since(self.began), written, mirrored);
        (picture.written_per_s, picture.mirrored_per_s) = rates(&self.samples, now);
        picture.lag = age(&self.samples, now, written, mirrored);
        picture.full = stage.traffic.is_full();
        picture.workers = stage.workers.states();
        if self.asked.is_none_or(|asked| now.duration_since(asked) >= PAUSE) {
            self.asked = Some(now);
            if let Some(status) = stage.workers.get("/connectors?expand=status").await {
                self.picture.placement = placement(&status);
            }
            self.picture.groups = self.groups(stage).await?;
        }
        Ok(&self.picture)
    }

    async fn groups(&mut self, stage: &Stage) -> Result<Vec<GroupState>, String> {
        if self.clusters.is_none() {
            self.clusters = Some((consumers::connect(&stage.source).await?, consumers::connect(&stage.target).await?));
        }
        let Some((source, target)) = &self.clusters else { return Ok(Vec::new()) };
        let (source, target) = (offsets(source).await?, offsets(target).await?);
        Ok(GROUPS.iter().map(|group| group_state(group, stage, &source, &target)).collect())
    }
}

/// Records to be mirrored, and those that are.
fn counts(stage: &Stage) -> (u64, u64) {
    let (mut written, mut mirrored) = (0, 0);
    for topic in TOPICS {
        let copies = stage.target.offsets(topic.mirrored);
        for (partition, (start, end)) in stage.source.offsets(topic.name).into_iter().enumerate() {
            let records = u64::try_from(end - start).unwrap_or(0);
            let copied = copies.get(partition).map_or(0, |(_, end)| u64::try_from(*end).unwrap_or(0));
            // A worker that was killed may have sent some twice.
            (written, mirrored) = (written + records, mirrored + copied.min(records));
        }
    }
    (written, mirrored)
}

/// What all groups have committed.
pub(crate) async fn offsets(cluster: &Cluster) -> Result<BTreeMap<&'static str, GroupOffsets>, String> {
    let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
    let mut listed = cluster.admin().list_group_offsets(&names, false).await.map_err(|error| error.to_string())?;
    let mut offsets = BTreeMap::new();
    for group in GROUPS {
        let of_group = listed.remove(group.name).transpose().map_err(|error| format!("{}: {error}", group.name))?;
        offsets.insert(group.name, of_group.unwrap_or_default());
    }
    Ok(offsets)
}

fn group_state(
    group: &consumers::Group,
    stage: &Stage,
    source: &BTreeMap<&'static str, GroupOffsets>,
    target: &BTreeMap<&'static str, GroupOffsets>,
) -> GroupState {
    let mut state = GroupState { name: group.name, ..GroupState::default() };
    for (topic, mirrored, partition) in group.partitions() {
        let offset = |side: &BTreeMap<&'static str, GroupOffsets>, topic: &str| {
            Some(side.get(group.name)?.get(&TopicPartition::new(topic, partition))?.offset)
        };
        let starts = stage.source.offsets(topic);
        let start = usize::try_from(partition).ok().and_then(|at| starts.get(at)).map_or(0, |(start, _)| *start);
        let translated = offset(target, mirrored);
        state.partitions += 1;
        state.translated += usize::from(translated.is_some());
        state.source += offset(source, topic).map_or(0, |offset| offset - start);
        state.target += translated.unwrap_or(0);
    }
    state
}

fn rates(samples: &VecDeque<(Instant, u64, u64)>, now: Instant) -> (f64, f64) {
    let first = samples.iter().find(|(at, ..)| now.duration_since(*at) <= WINDOW);
    match (first, samples.back()) {
        (Some((from, written, mirrored)), Some((to, written_now, mirrored_now))) if to > from => {
            let seconds = to.duration_since(*from).as_secs_f64();
            let rate = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
            (rate(*written, *written_now), rate(*mirrored, *mirrored_now))
        }
        _ => (0.0, 0.0),
    }
}

/// How long ago there were as many records as are mirrored now.
fn age(samples: &VecDeque<(Instant, u64, u64)>, now: Instant, written: u64, mirrored: u64) -> Duration {
    if mirrored >= written {
        return Duration::ZERO;
    }
    let then = samples.iter().rev().find(|(_, written, _)| *written <= mirrored).or(samples.front());
    then.map_or(Duration::ZERO, |(at, ..)| now.duration_since(*at))
}

/// From `GET /connectors?expand=status`.
fn placement(status: &Value) -> Vec<Unit> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut units = Vec::new();
    for (name, connector) in status.as_object().into_iter().flatten() {
        let connector = &connector["status"];
        let unit = |name: String, is_task, value: &Value| Unit {
            name,
            is_task,
            state: text(&value["state"]),
            worker: text(&value["worker_id"]),
        };
        units.push(unit(name.clone(), false, &connector["connector"]));
        for task in connector["tasks"].as_array().into_iter().flatten() {
            units.push(unit(format!("{name}-{}", task["id"]), true, task));
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placement_is_read_from_the_rest_api() {
        let status = json!({ "m": { "status": {
            "connector": { "state": "RUNNING", "worker_id": "a:1" },
            "tasks": [{ "id": 0, "state": "FAILED", "worker_id": "b:2" }],
        }}});

        let unit = |name: &str, is_task, state: &str, worker: &str| Unit {
            name: name.to_owned(),
            is_task,
            state: state.to_owned(),
            worker: worker.to_owned(),
        };
        assert_eq!(placement(&status), [unit("m", false, "RUNNING", "a:1"), unit("m-0", true, "FAILED", "b:2")]);
    }

    #[test]
    fn the_age_of_what_is_missing_is_when_it_was_written() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let samples = VecDeque::from([(at(0), 10, 0), (at(1), 20, 10), (at(2), 30, 20)]);

        assert_eq!(age(&samples, at(2), 30, 20), Duration::from_secs(1));
        assert_eq!(age(&samples, at(2), 30, 30), Duration::ZERO);
        assert_eq!(rates(&samples, at(2)), (10.0, 10.0));
    }
}
