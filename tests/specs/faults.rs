//! Faults that meet one connector: what passes between its task and the shared cluster behind a proxy is lost, damaged, or says
//! that something is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use harness::{Fate, Frame, Proxy, Ruled, eventually, proxied_cluster};
use kafka_protocol::messages::{ApiKey, FetchResponse, ProduceResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::lifecycle::SOON;

/// What is to become of frames.
type Rule = Box<dyn FnMut(&mut Frame) -> Fate + Send>;

/// What happens to frames of one API to or from the task of a connector, so many times.
pub(crate) struct Fault {
    name: String,
    struck: Arc<AtomicUsize>,
    times: usize,
    _ruled: Ruled,
}

impl Fault {
    /// `meddle` answers `None` if this frame is not the one it waits for.
    pub(crate) async fn answers(
        api: ApiKey,
        name: &str,
        times: usize,
        meddle: impl FnMut(&mut Frame) -> Option<Fate> + Send + 'static,
    ) -> Self {
        let what = format!("answers to {api:?}");
        Self::new(what, name, times, meddle, |proxy, rule| proxy.on_answer(api as i16, rule)).await
    }

    pub(crate) async fn requests(
        api: ApiKey,
        name: &str,
        times: usize,
        meddle: impl FnMut(&mut Frame) -> Option<Fate> + Send + 'static,
    ) -> Self {
        let what = format!("{api:?} requests");
        Self::new(what, name, times, meddle, |proxy, rule| proxy.on_request(api as i16, rule)).await
    }

    async fn new(
        what: String,
        name: &str,
        times: usize,
        meddle: impl FnMut(&mut Frame) -> Option<Fate> + Send + 'static,
        set: impl FnOnce(&Proxy, Rule) -> Ruled,
    ) -> Self {
        let struck = Arc::new(AtomicUsize::new(0));
        let rule = counted(name, times, Arc::clone(&struck), meddle);
        let _ruled = set(proxied_cluster().await.broker(1).proxy(), Box::new(rule));
        Self { name: what, struck, times, _ruled }
    }

    /// Waits until it has struck as often as it was meant to.
    pub(crate) async fn has_struck(&self) {
        eventually(&format!("{} of them are met", self.name), SOON, async || {
            match self.struck.load(Ordering::Relaxed) {
                struck if struck >= self.times => Ok(()),
                struck => Err(format!("{struck} of {}", self.times)),
            }
        })
        .await;
    }
}

fn counted(
    name: &str,
    times: usize,
    struck: Arc<AtomicUsize>,
    mut meddle: impl FnMut(&mut Frame) -> Option<Fate> + Send + 'static,
) -> impl FnMut(&mut Frame) -> Fate + Send + 'static {
    // `connector-producer-<name>-0`, `<alias>->target|<name>-0|replication-consumer`
    let task = format!("{name}-0");
    move |frame| {
        let mine = frame.client_id.split('|').any(|part| part == task || part == format!("connector-producer-{task}"));
        if !mine || struck.load(Ordering::Relaxed) >= times {
            return Fate::Pass;
        }
        let fate = meddle(frame);
        struck.fetch_add(usize::from(fate.is_some()), Ordering::Relaxed);
        fate.unwrap_or(Fate::Pass)
    }
}

/// Every frame is lost.
pub(crate) fn lose(_: &mut Frame) -> Option<Fate> {
    Some(Fate::HangUp)
}

/// Changes an answer; it passes as it was if `change` answers `None`.
pub(crate) fn rewrite<R: Decodable + Encodable>(
    frame: &mut Frame,
    change: impl FnOnce(&mut R) -> Option<()>,
) -> Option<Fate> {
    let api = ApiKey::try_from(frame.api_key).unwrap();
    let (version, header_version) = (frame.version, api.response_header_version(frame.version));
    let mut bytes = Bytes::copy_from_slice(&frame.bytes);
    let header = ResponseHeader::decode(&mut bytes, header_version).unwrap();
    let mut answer = R::decode(&mut bytes, version).unwrap();
    change(&mut answer)?;
    let mut changed = BytesMut::new();
    header.encode(&mut changed, header_version).unwrap();
    answer.encode(&mut changed, version).unwrap();
    frame.bytes = changed.to_vec();
    Some(Fate::Pass)
}

/// A partition in an answer to a produce request has this error instead of `was`.
pub(crate) fn produce_error(was: i16, code: i16) -> impl FnMut(&mut Frame) -> Option<Fate> + Send {
    move |frame| {
        rewrite(frame, |answer: &mut ProduceResponse| {
            let mut partitions = answer.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
            let partition = partitions.find(|partition| partition.error_code == was)?;
            (partition.error_code, partition.base_offset) = (code, -1);
            Some(())
        })
    }
}

/// A partition with records has this error instead.
pub(crate) fn fetch_error(code: i16) -> impl FnMut(&mut Frame) -> Option<Fate> + Send {
    move |frame| {
        rewrite(frame, |answer: &mut FetchResponse| {
            let mut partitions = answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
            let partition = partitions.find(|partition| records(partition.records.as_ref()).is_some())?;
            (partition.error_code, partition.records) = (code, None);
            Some(())
        })
    }
}

fn records(records: Option<&Bytes>) -> Option<&Bytes> {
    records.filter(|records| !records.is_empty())
}

/// Flips a bit in the first batch of a fetch answer: in its first record, which follows a header of 61 bytes.
pub(crate) fn flip_fetched(frame: &mut Frame) -> Option<Fate> {
    rewrite(frame, |answer: &mut FetchResponse| {
        let mut partitions = answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
        let partition = partitions.find(|partition| records(partition.records.as_ref()).is_some())?;
        let mut damaged = partition.records.take()?.to_vec();
        damaged[61 + 6] ^= 1;
        partition.records = Some(damaged.into());
        Some(())
    })
}

/// Gives the first batch of a fetch answer a codec that nobody knows, and the checksum that belongs to it.
pub(crate) fn unknown_codec(frame: &mut Frame) -> Option<Fate> {
    rewrite(frame, |answer: &mut FetchResponse| {
        let mut partitions = answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
        let partition = partitions.find(|partition| records(partition.records.as_ref()).is_some())?;
        let mut batches = partition.records.take()?.to_vec();
        let end = 12 + u32::from_be_bytes(*batches[8..].first_chunk().unwrap()) as usize;
        batches[22] |= 7;
        let crc = crc32c::crc32c(&batches[21..end]);
        batches[17..21].copy_from_slice(&crc.to_be_bytes());
        partition.records = Some(batches.into());
        Some(())
    })
}

/// Flips a bit in the last batch of a produce request, whose records are followed by the empty tags of partition, topic and
/// request.
pub(crate) fn flip_produced(frame: &mut Frame) -> Option<Fate> {
    let at = frame.bytes.len() - 3 - 2;
    frame.bytes[at] ^= 1;
    Some(Fate::Pass)
}
