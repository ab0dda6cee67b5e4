//! Source transactions that stay open: they hold up whoever reads committed records, so it is said whose they are.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_client::TopicPartition;
use kafka_client::admin::{Admin, OpenTransaction};
use kafka_client::fetcher::FetchedPartition;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::clients;

/// Transactions that take no longer are nobody's business.
const PATIENCE: Duration = Duration::from_secs(10);

/// The partitions that wait, by tag.
pub(super) struct OpenTransactions {
    admin: Admin,
    waiting: BTreeMap<usize, Waiting>,
    looks: JoinSet<Vec<Found>>,
}

#[derive(Debug)]
struct Waiting {
    partition: TopicPartition,
    /// The first offset that is not to be read yet.
    from: i64,
    since: Instant,
    looked: bool,
    said: Option<String>,
}

struct Found {
    tag: usize,
    from: i64,
    words: String,
}

impl OpenTransactions {
    pub(super) fn new(admin: Admin) -> Self {
        Self { admin, waiting: BTreeMap::new(), looks: JoinSet::new() }
    }

    /// Something was fetched. Whether what was said of the partition is over.
    pub(super) fn fetched(&mut self, tag: usize, fetched: &FetchedPartition, now: Instant) -> bool {
        let from = fetched.last_stable_offset;
        let waits = from < fetched.high_watermark && from == fetched.next_position;
        if self.waiting.is_empty() && !waits {
            return false;
        }
        if waits && self.waiting.get(&tag).is_some_and(|waiting| waiting.from == from) {
            return false;
        }
        let before = self.waiting.remove(&tag);
        if waits {
            let partition = TopicPartition::new(fetched.topic.clone(), fetched.partition);
            self.waiting.insert(tag, Waiting { partition, from, since: now, looked: false, said: None });
        }
        before.is_some_and(|before| before.said.is_some())
    }

    /// Waits until there is something to say of a partition, which [`Self::said`] then has. Cancel-safe.
    pub(super) async fn news(&mut self) {
        loop {
            let due =
                self.waiting.values().filter(|waiting| !waiting.looked).map(|waiting| waiting.since + PATIENCE).min();
            tokio::select! {
                Some(found) = self.looks.join_next() => {
                    if self.take_in(found.unwrap_or_default()) {
                        return;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.look(),
                else => std::future::pending().await,
            }
        }
    }

    /// What there is to say of a partition.
    pub(super) fn said(&self, tag: usize) -> Option<&str> {
        self.waiting.get(&tag)?.said.as_deref()
    }

    fn take_in(&mut self, found: Vec<Found>) -> bool {
        let mut news = false;
        for Found { tag, from, words } in found {
            // It may have ended in the meantime.
            if let Some(waiting) = self.waiting.get_mut(&tag).filter(|waiting| waiting.from == from) {
                let TopicPartition { topic, partition } = &waiting.partition;
                warn!(topic = &**topic, partition, offset = from, "a source transaction stays open: {words}");
                waiting.said = Some(words);
                news = true;
            }
        }
        news
    }

    fn look(&mut self) {
        let now = Instant::now();
        let due = self.waiting.iter_mut().filter(|(_, waiting)| !waiting.looked && waiting.since + PATIENCE <= now);
        let due: Vec<(usize, i64, TopicPartition)> = due
            .map(|(tag, waiting)| {
                waiting.looked = true;
                (*tag, waiting.from, waiting.partition.clone())
            })
            .collect();
        let admin = self.admin.clone();
        self.looks.spawn(async move {
            let partitions: Vec<TopicPartition> = due.iter().map(|(_, _, partition)| partition.clone()).collect();
            let open = admin.open_transactions(&partitions).await.unwrap_or_else(|error| {
                debug!(%error, "open transactions can't be described");
                BTreeMap::new()
            });
            let words = |(tag, from, partition): (usize, i64, TopicPartition)| {
                let first = open.get(&partition).and_then(|open| open.as_ref().ok()?.first());
                Found { tag, from, words: words(&partition, from, first, clients::now_ms()) }
            };
            due.into_iter().map(words).collect()
        });
    }
}

fn words(partition: &TopicPartition, from: i64, transaction: Option<&OpenTransaction>, now_ms: i64) -> String {
    let TopicPartition { topic, partition } = partition;
    let whose = transaction.map_or_else(
        || " (the source does not say whose)".to_owned(),
        |OpenTransaction { producer_id, epoch, last_written_ms, .. }| {
            let silent_s = (now_ms - last_written_ms).max(0) / 1000;
            format!(" of producer id {producer_id}, epoch {epoch}, which had written nothing for {silent_s} s when this was noticed")
        },
    );
    let start = transaction.map_or(from, |transaction| transaction.first_offset);
    format!(
        "records from offset {from} on wait for the end of a transaction{whose}; if its producer is gone for good: \
         kafka-transactions.sh abort --topic {topic} --partition {partition} --start-offset {start}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_whose_transaction_it_is_and_how_to_end_it() {
        let open = OpenTransaction { producer_id: 7, epoch: 2, first_offset: 40, last_written_ms: 1_000 };

        let said = words(&TopicPartition::new("orders", 3), 40, Some(&open), 13_500);

        let whose = "records from offset 40 on wait for the end of a transaction of producer id 7, epoch 2, which had written nothing \
                     for 12 s when this was noticed";
        assert!(said.starts_with(whose), "{said}");
        assert!(said.ends_with("abort --topic orders --partition 3 --start-offset 40"), "{said}");
    }
}
