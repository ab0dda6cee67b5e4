//! What really lies in a partition's log: the batches in its segments, on the disk of the broker that leads it.
//!
//! A cleaner at work takes a segment away before its successor has the name; what is read here is read between that.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use bytes::{Buf, Bytes};
use serde_json::{Value, json};

use super::KafkaCluster;
use crate::eventually;

impl KafkaCluster {
    /// The batches in a partition's segments, as Kafka's own classes read them.
    pub async fn batches(&self, topic: &str, partition: i32) -> Vec<Batch> {
        self.read_segments(topic, partition, async |segments| {
            let rows = self.try_call("batches", json!({"segments": segments})).await.map_err(|e| e.to_string())?;
            Ok(rows.as_array().map_or(&[][..], Vec::as_slice).iter().map(Batch::from_json).collect())
        })
        .await
    }

    /// The same batches as bytes: what a fetch would answer, by nobody's client.
    pub async fn raw_batches(&self, topic: &str, partition: i32) -> Vec<Bytes> {
        self.read_segments(topic, partition, async |segments| split(segments).map_err(|e| e.to_string())).await
    }

    /// What `read` makes of a partition's segment files, when they were the same before and after it.
    async fn read_segments<T>(
        &self,
        topic: &str,
        partition: i32,
        read: impl AsyncFn(&[PathBuf]) -> Result<T, String>,
    ) -> T {
        let folder = self.leader_dir(topic, partition).await;
        let what = format!("the segments in {} can be read", folder.display());
        eventually(&what, Duration::from_secs(10), async || {
            let before = segments_in(&folder)?;
            let found = read(&before).await?;
            if segments_in(&folder)? == before { Ok(found) } else { Err("they change while they are read".to_owned()) }
        })
        .await
    }

    async fn leader_dir(&self, topic: &str, partition: i32) -> PathBuf {
        let info = self.topic(topic).await;
        let leader = usize::try_from(partition).ok().and_then(|index| info.partitions.get(index)).map(|p| p.leader);
        let leader = leader.and_then(|leader| usize::try_from(leader).ok());
        let leader = leader.unwrap_or_else(|| panic!("{topic}-{partition} of {} has no leader", self.name()));
        self.broker(leader).partition_dir(topic, partition)
    }
}

/// The segments in offset order, or why they can't be told now.
fn segments_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = entries.map_err(|e: io::Error| e.to_string())?;
    let is = |path: &PathBuf, wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
    if let Some(coming) = paths.iter().find(|path| is(path, "swap")) {
        return Err(format!("{} takes another's place", coming.display()));
    }
    paths.retain(|path| is(path, "log"));
    paths.sort();
    Ok(paths)
}

fn split(segments: &[PathBuf]) -> io::Result<Vec<Bytes>> {
    let mut batches = Vec::new();
    for segment in segments {
        let mut rest = Bytes::from(fs::read(segment)?);
        while rest.len() > BATCH_LENGTH_END {
            let length = (&rest[BATCH_LENGTH_END - 4..]).get_u32() as usize;
            batches.push(rest.split_to(BATCH_LENGTH_END + length));
        }
    }
    Ok(batches)
}

/// A batch begins with its offset (8 bytes) and the length of what follows these two (4 bytes).
const BATCH_LENGTH_END: usize = 12;

/// A batch as it lies in a segment, in the words of Java's `RecordBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Kafka's own names")]
pub struct Batch {
    pub base_offset: i64,
    pub last_offset: i64,
    pub count: i64,
    pub size_bytes: i64,
    pub magic: i64,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub codec: String,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: String,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i64,
    pub base_sequence: i64,
    pub leader_epoch: i64,
    pub transactional: bool,
    pub control: bool,
    pub delete_horizon: bool,
    /// Does the CRC fit the bytes?
    pub valid: bool,
}

impl Batch {
    fn from_json(row: &Value) -> Self {
        let number = |field: &str| row[field].as_i64().unwrap_or(-1);
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let flag = |field: &str| row[field].as_bool().unwrap_or(false);
        Self {
            base_offset: number("baseOffset"),
            last_offset: number("lastOffset"),
            count: number("count"),
            size_bytes: number("sizeBytes"),
            magic: number("magic"),
            codec: text("codec"),
            timestamp_type: text("timestampType"),
            max_timestamp: number("maxTimestamp"),
            producer_id: number("producerId"),
            producer_epoch: number("producerEpoch"),
            base_sequence: number("baseSequence"),
            leader_epoch: number("leaderEpoch"),
            transactional: flag("transactional"),
            control: flag("control"),
            delete_horizon: flag("deleteHorizon"),
            valid: flag("valid"),
        }
    }
}
