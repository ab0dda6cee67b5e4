//! Both sides of a partition, read with rskafka, as far as they go and further when there is more.

use std::hash::{DefaultHasher, Hash, Hasher};

use kafka_embedded::EmbeddedKafka;
use rskafka::client::Client;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};

use super::compare::Print;

/// Bytes of one answer.
const READ_BYTES: i32 = 4 << 20;

/// One partition of one topic, and what was read of it.
pub(crate) struct Readback {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    log: Option<PartitionClient>,
    pub(crate) start: i64,
    pub(crate) prints: Vec<Print>,
    position: i64,
}

impl Readback {
    pub(crate) fn new(topic: &'static str, partition: i32) -> Self {
        Self { topic, partition, log: None, start: 0, prints: Vec::new(), position: 0 }
    }

    /// Reads what there is, up to now. A topic that does not exist yet is empty.
    pub(crate) async fn read_on(&mut self, client: &Client, cluster: &EmbeddedKafka) -> Result<(), String> {
        let name = format!("{}-{}", self.topic, self.partition);
        let failed = |error: &dyn std::fmt::Display| format!("rskafka can't read {name}: {error}");
        if self.log.is_none() && !cluster.offsets(self.topic).is_empty() {
            let log = client.partition_client(self.topic, self.partition, UnknownTopicHandling::Error).await;
            let log = log.map_err(|error| failed(&error))?;
            self.start = log.get_offset(OffsetAt::Earliest).await.map_err(|error| failed(&error))?;
            self.position = self.start;
            self.log = Some(log);
        }
        let Some(log) = &self.log else { return Ok(()) };
        let end = log.get_offset(OffsetAt::Latest).await.map_err(|error| failed(&error))?;
        while self.position < end {
            let read = log.fetch_records(self.position, 1..READ_BYTES, 1_000).await;
            let (records, _) = read.map_err(|error| failed(&error))?;
            let Some(last) = records.last() else {
                return Err(failed(&format!("nothing at offset {} of {end}", self.position)));
            };
            self.position = last.offset + 1;
            self.prints.extend(records.iter().map(|read| print(&read.record)));
        }
        Ok(())
    }

    /// The record that comes next after a committed offset: `Some(None)` at the end, `None` for an offset out of range.
    pub(crate) fn next_after(&self, offset: i64) -> Option<Option<Print>> {
        let at = usize::try_from(offset - self.start).ok()?;
        (at <= self.prints.len()).then(|| self.prints.get(at).copied())
    }
}

fn print(record: &rskafka::record::Record) -> Print {
    let mut hasher = DefaultHasher::new();
    (&record.key, &record.value, &record.headers, record.timestamp.timestamp_millis()).hash(&mut hasher);
    let number = record.headers.get("trace").and_then(|trace| Some(u64::from_be_bytes(trace[..].try_into().ok()?)));
    Print { number, hash: hasher.finish() }
}
