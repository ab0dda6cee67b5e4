//! Fetch requests as they are on the wire.

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::options::{FetcherOptions, Isolation};
use super::session::Request;

/// The first version that has topic ids in place of names (KIP-516).
pub(super) const IDS_FROM: i16 = 13;
const SESSIONS_FROM: i16 = 7;
const LEADER_EPOCHS_FROM: i16 = 9;
const RACKS_FROM: i16 = 11;
const LAST_EPOCHS_FROM: i16 = 12;

/// `request` in `version`; fields that the version does not have are left out.
pub(super) fn fetch(request: &Request, options: &FetcherOptions, max_bytes: i32, version: i16) -> FetchRequest {
    let mut topics: BTreeMap<(&str, Uuid), Vec<FetchPartition>> = BTreeMap::new();
    for (tp, want) in &request.fetch {
        let mut partition = FetchPartition::default()
            .with_partition(tp.partition)
            .with_fetch_offset(want.fetch_offset)
            .with_partition_max_bytes(want.partition_max_bytes);
        if version >= LEADER_EPOCHS_FROM {
            partition.current_leader_epoch = want.current_leader_epoch;
        }
        if version >= LAST_EPOCHS_FROM {
            partition.last_fetched_epoch = want.last_fetched_epoch;
        }
        topics.entry((&tp.topic, want.topic_id)).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|((name, id), partitions)| {
        let topic = FetchTopic::default().with_partitions(partitions);
        if version >= IDS_FROM { topic.with_topic_id(id) } else { topic.with_topic(topic_name(name)) }
    });
    let mut fetch = FetchRequest::default()
        .with_max_wait_ms(options.max_wait_ms)
        .with_min_bytes(options.min_bytes)
        .with_max_bytes(max_bytes)
        .with_isolation_level(i8::from(options.isolation == Isolation::ReadCommitted))
        .with_topics(topics.collect());
    if version >= SESSIONS_FROM {
        fetch.session_id = request.session_id;
        fetch.session_epoch = request.session_epoch;
        fetch.forgotten_topics_data = forgotten(request, version);
    }
    if version >= RACKS_FROM {
        fetch.rack_id = StrBytes::from_string(options.client_rack.clone());
    }
    fetch
}

fn forgotten(request: &Request, version: i16) -> Vec<ForgottenTopic> {
    let mut topics: BTreeMap<(&str, Uuid), Vec<i32>> = BTreeMap::new();
    for (tp, topic_id) in &request.forget {
        topics.entry((&tp.topic, *topic_id)).or_default().push(tp.partition);
    }
    let topics = topics.into_iter().map(|((name, id), partitions)| {
        let topic = ForgottenTopic::default().with_partitions(partitions);
        if version >= IDS_FROM { topic.with_topic_id(id) } else { topic.with_topic(topic_name(name)) }
    });
    topics.collect()
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::protocol::Encodable;

    use super::super::session::Want;
    use super::*;
    use crate::TopicPartition;

    #[test]
    fn every_version_can_be_written() {
        let want = Want {
            version: 0,
            topic_id: Uuid::from_u128(1),
            fetch_offset: 10,
            partition_max_bytes: 1 << 20,
            current_leader_epoch: 3,
            last_fetched_epoch: 2,
        };
        let request = Request {
            session_id: 7,
            session_epoch: 1,
            fetch: vec![(TopicPartition::new("a", 0), want), (TopicPartition::new("a", 1), want)],
            forget: vec![(TopicPartition::new("b", 0), Uuid::from_u128(2))],
        };
        let options = FetcherOptions { client_rack: "r".to_owned(), ..FetcherOptions::default() };

        for version in 4..=18 {
            let fetch = fetch(&request, &options, 1 << 20, version);
            assert_eq!((fetch.topics.len(), fetch.topics[0].partitions.len()), (1, 2));
            fetch.encode(&mut BytesMut::new(), version).unwrap();
        }
    }
}
