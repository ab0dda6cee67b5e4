//! Fetching: when a broker is asked, for how much, and what is done with its answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::batch::FetchedEntry;
use tokio::time::Instant;
use tracing::{debug, info};
use uuid::Uuid;

use super::super::partition::{Partition, Rules};
use super::super::{parse, request};
use super::{Broker, Driver, Event, Item, Message, Response};
use crate::TopicPartition;
use crate::budget::Reservation;
use crate::cluster::Purpose;
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::proto::Api;

/// Responses from one broker that nobody has taken yet, after which it rests.
const UNTAKEN_MAX: usize = 2;
/// A fetch that brings as much as was asked for, and takes longer than this and its bytes, comes from far away,
const FAR: Duration = Duration::from_millis(50);
/// if so many in a row do: a broker can be slow once.
const FAR_AFTER: u32 = 4;
/// What a near broker's bytes take at least.
const NEAR_BYTES_PER_MS: usize = 400_000;
/// Half a batch is cut from a portion in the mean, which is a sixteenth of so many.
const PORTION_BATCHES_MAX: u32 = 8;
/// From this version on, brokers compare the epoch of the last record read with every fetch (KIP-595).
const EPOCHS_COMPARED_FROM: i16 = 12;

impl Broker {
    fn is_far(&self) -> bool {
        self.slow >= FAR_AFTER
    }
}

/// A share of a response, so that all partitions that have unread records are in it: requests to the target take one batch of
/// each. In whole batches, because a broker cuts the last one where it is told to stop, and that one is read twice. Rounded,
/// so that all shares together fill two thirds of the window at least; `least` batches, where less would be cut too often.
fn portion(window: u32, sharing: usize, batch_bytes: u32, least: u32) -> i32 {
    let (share, batch_bytes) = (window as usize / sharing.max(1), batch_bytes.max(1) as usize);
    let batches = ((share + batch_bytes / 2) / batch_bytes).max(least.max(1) as usize);
    i32::try_from(batches * batch_bytes).unwrap_or(i32::MAX)
}

/// Of `bytes` as much as whole portions fill, so that the last partition of a response is not cut either.
fn whole_portions(bytes: usize, portion: usize) -> usize {
    if portion == 0 || portion > bytes { bytes } else { bytes - bytes % portion }
}

/// How many batches a portion is to have at least, after a response of `bytes`, of which `whole` were in batches that the broker
/// has not cut. Every portion ends with a cut one unless all are of one size, and less of many is lost by that.
fn least_batches(least: u32, bytes: usize, whole: usize) -> u32 {
    let cut = bytes.saturating_sub(whole);
    match least.max(1) {
        least if cut > bytes / 8 => (least * 2).min(PORTION_BATCHES_MAX),
        least if cut < bytes / 32 => (least / 2).max(1),
        least => least,
    }
}

fn takes_long(elapsed: Duration, bytes: usize) -> bool {
    elapsed > FAR + Duration::from_millis((bytes / NEAR_BYTES_PER_MS) as u64)
}

impl Driver {
    /// What a fetch asks for at least.
    pub(super) fn window_min(&self) -> u32 {
        self.options.partition_max_bytes.max(64 << 10).unsigned_abs().min(self.window_max())
    }

    fn window_max(&self) -> u32 {
        self.options.max_bytes.unsigned_abs().min(self.budget.fetch_bytes_max())
    }

    fn window_max_far(&self) -> u32 {
        self.options.max_bytes.unsigned_abs().min(self.budget.fetch_bytes_max_far())
    }

    /// What to read at once of a partition that has unread batches of some size; `None` leaves it at what the options say.
    fn portions(&mut self, node_id: i32, now: Instant) -> Option<impl Fn(u32) -> i32 + use<>> {
        if !self.options.partition_max_adapts {
            return None;
        }
        let from_here = |partition: &&Partition| partition.source(now) == Some(node_id);
        let unread = self.partitions.values().filter(from_here).filter_map(Partition::unread_batch_bytes).count();
        let most = self.options.partition_max_bytes;
        let broker = self.broker(node_id);
        let (far, window, least) = (broker.is_far(), broker.window, broker.portion_batches);
        Some(move |batch_bytes| {
            let bytes = portion(window, unread, batch_bytes, least);
            if far { bytes } else { bytes.min(most) }
        })
    }

    /// Prepares a fetch from every broker that can be asked for something.
    pub(super) fn fetch(&mut self) {
        let now = Instant::now();
        // Also brokers that the metadata do not list: trying is what finds out that the metadata are wrong.
        let sources: BTreeSet<i32> = self.partitions.values().filter_map(|partition| partition.source(now)).collect();
        for node_id in sources {
            let (cluster, budget, least) = (self.cluster.clone(), self.budget.clone(), self.window_min());
            let broker = self.broker(node_id);
            if broker.busy || broker.untaken >= UNTAKEN_MAX || broker.not_before.is_some_and(|at| at > now) {
                continue;
            }
            broker.busy = true;
            let window = broker.window;
            self.tasks.spawn(async move {
                let ready = match cluster.broker(node_id, Purpose::Fetch).await {
                    Ok(connection) => Ok((connection, budget.fetch(least, window).await)),
                    Err(error) => Err(error),
                };
                Event::Ready { node_id, ready }
            });
        }
    }

    pub(super) fn ready(&mut self, node_id: i32, ready: Result<(Connection, Reservation), ClientError>) {
        let now = Instant::now();
        let version = ready.as_ref().ok().and_then(|(connection, _)| connection.version_of(Api::Fetch));
        if version.is_some_and(|version| version < EPOCHS_COMPARED_FROM) {
            for partition in self.partitions.values_mut().filter(|partition| partition.want(node_id, now).is_some()) {
                self.questions |= partition.validate_first();
            }
        }
        let portions = self.portions(node_id, now);
        let mut largest = 0;
        let wanted = self.partitions.iter().filter_map(|(tp, partition)| {
            let mut want = partition.want(node_id, now)?;
            if let (Some(portion), Some(batch_bytes)) = (&portions, partition.unread_batch_bytes()) {
                want.partition_max_bytes = portion(batch_bytes);
                largest = largest.max(want.partition_max_bytes);
            }
            // Brokers that speak of ids have them all; the metadata will say.
            (version < Some(request::IDS_FROM) || !want.topic_id.is_nil()).then(|| (tp.clone(), want))
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        let (connection, reservation) = match ready {
            Ok(_) if wanted.is_empty() => {
                self.broker(node_id).busy = false;
                return;
            }
            Ok(ready) => ready,
            Err(error) => {
                let asked: Vec<_> = wanted.into_iter().map(|(tp, want)| (tp, want.version)).collect();
                return self.unreachable(node_id, &asked, &error);
            }
        };
        // Versions with ids answer by id, the others by name.
        let mut topics: Vec<(Arc<str>, Uuid)> = Vec::new();
        for (tp, want) in &wanted {
            if topics.last().is_none_or(|(name, id)| *name != tp.topic || *id != want.topic_id) {
                topics.push((Arc::clone(&tp.topic), want.topic_id));
            }
        }
        let names: BTreeSet<Arc<str>> = topics.iter().map(|(name, _)| Arc::clone(name)).collect();
        let ids: HashMap<Uuid, Arc<str>> = topics.into_iter().map(|(name, id)| (id, name)).collect();
        let request = self.broker(node_id).session.request(wanted);
        let options = Arc::clone(&self.options);
        self.tasks.spawn(async move {
            let timeout =
                connection.request_timeout() + Duration::from_millis(options.max_wait_ms.unsigned_abs().into());
            let asked = whole_portions(reservation.bytes(), largest.unsigned_abs() as usize);
            let max_bytes = i32::try_from(asked).unwrap_or(i32::MAX);
            let fill = |version| Ok(request::fetch(&request, &options, max_bytes, version));
            let started = Instant::now();
            let result = connection.call_with(fill, timeout).await.map(|response| Response {
                code: ErrorCode(response.error_code),
                session_id: response.session_id,
                elapsed: started.elapsed(),
                bytes: parse::record_bytes(&response),
                // Here, because checksums take time, and brokers can be checked side by side.
                answers: parse::answers(response, options.check_crcs, |name, id| match id.is_nil() {
                    true => names.get(name).cloned(),
                    false => ids.get(&id).cloned(),
                }),
                asked,
                reservation,
            });
            Event::Fetched { node_id, connection, result }
        });
    }

    pub(super) fn fetched(&mut self, node_id: i32, connection: &Connection, response: Response) {
        let Response { code, session_id, elapsed, bytes, answers, asked, reservation } = response;
        let batches = answers.iter().flat_map(|(_, answer)| &answer.entries);
        let whole = batches.map(FetchedEntry::byte_len).sum();
        let reserved = reservation.bytes();
        let least = self.window_min();
        let full = bytes >= asked / 8 * 5;
        let (most_near, most_far) = (self.window_max(), self.window_max_far());
        let broker = self.broker(node_id);
        if full {
            broker.portion_batches = least_batches(broker.portion_batches, bytes, whole);
            broker.slow = if takes_long(elapsed, bytes) { broker.slow.saturating_add(1) } else { 0 };
        }
        let most = if broker.is_far() { most_far } else { most_near };
        broker.session.answered(code, session_id);
        if !code.is_ok() {
            debug!(node_id, error = %code, "fetch session refused");
            return self.unreachable(node_id, &[], &ClientError::broker("Fetch", code, None));
        }
        broker.busy = false;
        broker.failures = 0;
        broker.not_before = None;
        // Asks for more when it was all used, and for less when little of it was.
        if full {
            broker.window = broker.window.saturating_mul(2).min(most).max(least);
        } else if bytes < reserved / 4 {
            broker.window = (broker.window / 2).max(least);
        }

        let permit = reservation.permit(bytes);
        let mut items = Vec::new();
        let mut reconnect = false;
        let now = Instant::now();
        for (tp, answer) in answers {
            let asked = self.broker(node_id).session.version(&tp);
            let Some(partition) = self.partitions.get_mut(&tp).filter(|p| asked == Some(p.version)) else { continue };
            let step = partition.fetched(answer, now);
            reconnect |= step.reconnect;
            self.take(&tp, step, Some(&permit), &mut items);
        }
        if reconnect {
            connection.close("damaged records were fetched");
            self.broker(node_id).session.lost();
        }
        let has_data = items.iter().any(|(_, _, item)| matches!(item, Item::Data(_)));
        if has_data {
            self.broker(node_id).untaken += 1;
        }
        self.send(Message { node_id: has_data.then_some(node_id), items });
    }

    /// A broker did not answer, or not as it should.
    pub(super) fn unreachable(&mut self, node_id: i32, asked: &[(TopicPartition, u64)], error: &ClientError) {
        let now = Instant::now();
        let Rules { retry_backoff, retry_backoff_max, .. } = self.rules;
        let broker = self.broker(node_id);
        if broker.failures == 0 {
            info!(node_id, %error, "fetch failed, trying again");
        }
        broker.busy = false;
        broker.session.lost();
        broker.failures = broker.failures.saturating_add(1);
        let pause = retry_backoff.saturating_mul(1 << (broker.failures - 1).min(16)).min(retry_backoff_max);
        broker.not_before = Some(now + pause);
        self.wake_by(now + pause);
        let mut items = Vec::new();
        for (tp, version) in asked {
            if let Some(partition) = self.partitions.get_mut(tp).filter(|partition| partition.version == *version) {
                let step = partition.unreachable(error, now);
                self.take(tp, step, None, &mut items);
            }
        }
        self.send(Message { node_id: None, items });
        self.refresh();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_with_unread_records_share_a_response_in_whole_batches() {
        assert_eq!(portion(1_500, 4, 125, 1), 375);
        assert_eq!(portion(1_500, 4, 130, 1), 390, "rounded");
        assert_eq!(portion(1_500, 1, 100, 1), 1_500);
        assert_eq!(portion(1_500, 200, 130, 0), 130, "one at least");
        assert_eq!(portion(1_500, 200, 130, 4), 520, "so many at least");
        assert_eq!(portion(0, 0, 0, 0), 1);
    }

    #[test]
    fn portions_grow_while_much_of_them_is_cut() {
        assert_eq!(least_batches(0, 1_600, 1_100), 2);
        assert_eq!(least_batches(2, 1_600, 1_390), 4);
        assert_eq!(least_batches(4, 1_600, 1_500), 4, "it will do");
        assert_eq!(least_batches(4, 1_600, 1_590), 2, "one size");
        assert_eq!((least_batches(8, 1_600, 0), least_batches(1, 1_600, 1_600)), (8, 1));
    }

    #[test]
    fn a_response_holds_whole_portions() {
        assert_eq!(whole_portions(1_500, 400), 1_200);
        assert_eq!(whole_portions(1_500, 1_600), 1_500, "one that is larger is cut");
        assert_eq!(whole_portions(1_500, 0), 1_500, "nothing is known yet");
    }

    #[test]
    fn shares_fill_most_of_a_window() {
        for batch_bytes in 1..=1_000 {
            assert!(portion(1_000, 4, batch_bytes, 1) * 4 >= 660, "batches of {batch_bytes} bytes");
        }
    }
}
