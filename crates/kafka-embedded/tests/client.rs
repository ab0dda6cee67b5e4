//! Portage's own client and the embedded broker: that they understand each other in everything that the worker asks for.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_client::admin::{
    AclFilter, AlterConfig, AlterOp, CommittedOffset, ConfigResource, Isolation, NewTopic, OffsetSpec,
};
use kafka_client::fetcher::{Fetched, Fetcher, FetcherOptions, PartitionEvent, Position};
use kafka_client::group::{GroupEvent, GroupMember, GroupSettings};
use kafka_client::producer::{Producer, ProducerOptions};
use kafka_client::{Budget, ClientConfig, Cluster, ErrorCode, TopicPartition};
use kafka_embedded::{ApiKey, EmbeddedKafka, Fault, Options, Tombstones};
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_wire::batch::{Codec, DecodeLimits, FetchedEntry, Header, Record};

#[path = "client/group.rs"]
mod group;

const TIMEOUT: Duration = Duration::from_secs(20);

async fn kafka() -> EmbeddedKafka {
    EmbeddedKafka::start(Options::default()).await.unwrap()
}

fn config(kafka: &EmbeddedKafka, more: &[(&str, &str)]) -> ClientConfig {
    let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), kafka.bootstrap())]);
    properties.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    ClientConfig::parse(&properties).unwrap()
}

async fn cluster(kafka: &EmbeddedKafka) -> Cluster {
    Cluster::connect(config(kafka, &[])).await.unwrap()
}

async fn create(cluster: &Cluster, topic: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let topic = NewTopic { name: topic.to_owned(), partitions: Some(1), replication_factor: None, configs };
    for created in cluster.admin().create_topics(&[topic], false).await.unwrap().into_values() {
        created.unwrap();
    }
}

async fn producer(kafka: &EmbeddedKafka, more: &[(&str, &str)]) -> Producer {
    let config = config(kafka, more);
    let options = ProducerOptions::from_config(&config).unwrap();
    Producer::new(Cluster::connect(config).await.unwrap(), options, Budget::new(0)).await.unwrap()
}

async fn send(producer: &Producer, topic: &str, records: &[Record]) -> i64 {
    let delivery = producer.send_records(&Arc::from(topic), 0, records, Codec::Lz4).await.unwrap();
    delivery.await.unwrap().base_offset.unwrap()
}

fn record(key: &str, value: &str) -> Record {
    let bytes = |text: &str| Some(Bytes::from(text.to_owned()));
    Record { timestamp: 1_700_000_000_000, key: bytes(key), value: bytes(value), ..Record::default() }
}

fn fetcher(cluster: &Cluster, topic: &str, position: Position, isolation: Isolation) -> Fetcher {
    let options = FetcherOptions { isolation, ..FetcherOptions::from_config(cluster.config()).unwrap() };
    let mut fetcher = Fetcher::new(cluster.clone(), options, Budget::new(0));
    fetcher.add([(TopicPartition::new(topic, 0), position)]);
    fetcher
}

/// Offsets and values from the beginning, up to offset `until`.
async fn read(kafka: &EmbeddedKafka, topic: &str, until: i64, isolation: Isolation) -> Vec<(i64, String)> {
    let cluster = cluster(kafka).await;
    let mut fetcher = fetcher(&cluster, topic, Position::offset(0), isolation);
    let mut read = Vec::new();
    loop {
        let fetched = tokio::time::timeout(TIMEOUT, fetcher.next()).await.expect("records in time").unwrap();
        let Fetched::Partition(partition) = fetched else { panic!("{fetched:?}") };
        for entry in partition.batches {
            let FetchedEntry::Batch(batch) = entry else { panic!("{entry:?}") };
            let records = batch.decode(&DecodeLimits::default()).unwrap();
            let text = |value: Option<Bytes>| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned();
            read.extend(records.into_iter().map(|record| (record.offset, text(record.value))));
        }
        if partition.next_position >= until {
            return read;
        }
    }
}

#[tokio::test]
async fn records_arrive_as_they_were_sent() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let header = |value: Option<&'static str>| Header { key: Bytes::from("h"), value: value.map(Bytes::from) };
    let mut sent = record("k", "v");
    sent.headers = vec![header(Some("1")), header(None), header(Some("1"))];

    send(&producer(&kafka, &[]).await, "t", &[record("a", "1"), sent.clone()]).await;

    let mut fetcher = fetcher(&cluster, "t", Position::offset(1), Isolation::ReadUncommitted);
    let Fetched::Partition(read) = fetcher.next().await.unwrap() else { panic!("an event") };
    let FetchedEntry::Batch(batch) = &read.batches[0] else { panic!("not a batch") };
    assert_eq!(batch.verify_crc(), Ok(()));
    assert_eq!(batch.decode(&DecodeLimits::default()).unwrap()[1], Record { offset: 1, ..sent });
    assert_eq!((read.high_watermark, read.next_position, read.leader_epoch), (2, 2, Some(0)));
}

#[tokio::test]
async fn a_long_poll_ends_when_a_record_comes() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let options = FetcherOptions { max_wait_ms: 60_000, ..FetcherOptions::from_config(cluster.config()).unwrap() };
    let mut fetcher = Fetcher::new(cluster.clone(), options, Budget::new(0));
    fetcher.add([(TopicPartition::new("t", 0), Position::offset(0))]);

    let (fetched, _) = tokio::join!(tokio::time::timeout(TIMEOUT, fetcher.next()), async {
        send(&producer(&kafka, &[]).await, "t", &[record("k", "v")]).await
    });

    assert!(matches!(fetched, Ok(Ok(Fetched::Partition(_)))), "{fetched:?}");
}

#[tokio::test]
async fn who_gives_nothing_back_stops_fetching_within_the_budget_and_goes_on_when_it_does() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let producer = producer(&kafka, &[]).await;
    let noise = |seed: u32| {
        let mut state = seed + 1;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        Record { value: Some((0..50_000).map(|_| byte()).collect()), ..record("k", "") }
    };
    for i in 0..100 {
        send(&producer, "t", &[noise(i)]).await;
    }
    let budget = Budget::new(Budget::MIN_BYTES);
    let mut fetcher = Fetcher::new(cluster.clone(), FetcherOptions::default(), budget.clone());
    fetcher.add([(TopicPartition::new("t", 0), Position::offset(0))]);

    let (mut held, mut batches) = (Vec::new(), 0);
    // Nothing comes once the budget is used up; the pause only says that nothing more is to be expected.
    while let Ok(fetched) = tokio::time::timeout(Duration::from_millis(500), fetcher.next()).await {
        if let Fetched::Partition(fetched) = fetched.unwrap() {
            batches += fetched.batches.len();
            held.push(fetched);
            assert!(budget.in_use() <= Budget::MIN_BYTES);
        }
    }
    assert!((10..90).contains(&batches), "{batches} batches of 50 kB in a budget of 4 MiB");

    held.clear();
    while batches < 100 {
        if let Fetched::Partition(fetched) = tokio::time::timeout(TIMEOUT, fetcher.next()).await.unwrap().unwrap() {
            batches += fetched.batches.len();
        }
    }
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_there_once() {
    let kafka = kafka().await;
    create(&cluster(&kafka).await, "t", &[]).await;
    kafka.control(ApiKey::Produce, |call| if call.count == 0 { Fault::LoseAnswer } else { Fault::Pass });

    let offset = send(&producer(&kafka, &[]).await, "t", &[record("k", "v")]).await;

    assert_eq!((offset, kafka.offsets("t")), (0, vec![(0, 1)]));
}

#[tokio::test]
async fn a_client_gets_over_a_broker_that_hangs_up() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    kafka.control(ApiKey::CreateTopics, |call| if call.count < 2 { Fault::Disconnect } else { Fault::Pass });

    create(&cluster, "t", &[]).await;

    assert_eq!(kafka.offsets("t"), [(0, 0)]);
}

#[tokio::test]
async fn a_scripted_answer_is_what_the_client_gets_until_it_is_released() {
    let kafka = kafka().await;
    let admin = cluster(&kafka).await.admin();
    kafka.control(ApiKey::DescribeCluster, |call| {
        assert!(call.request::<DescribeClusterRequest>().is_some());
        Fault::answer(DescribeClusterResponse::default().with_error_code(ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0))
    });

    let refused = admin.describe_cluster().await.unwrap_err();
    kafka.release(ApiKey::DescribeCluster);
    let described = admin.describe_cluster().await.unwrap();

    assert!(refused.to_string().contains("CLUSTER_AUTHORIZATION_FAILED"), "{refused}");
    assert_eq!((described.cluster_id.as_deref(), described.brokers.len()), (Some("embedded"), 1));
}

#[tokio::test]
async fn readers_of_the_committed_do_not_see_what_was_aborted() {
    let kafka = kafka().await;
    create(&cluster(&kafka).await, "t", &[]).await;
    let producer = producer(&kafka, &[("transactional.id", "tx")]).await;
    producer.init_transactions().await.unwrap();
    for (value, commit) in [("aborted", false), ("committed", true)] {
        producer.begin_transaction().await.unwrap();
        send(&producer, "t", &[record("k", value)]).await;
        if commit {
            producer.commit_transaction().await.unwrap();
        } else {
            producer.abort_transaction().await.unwrap();
        }
    }

    let committed = read(&kafka, "t", 4, Isolation::ReadCommitted).await;
    let all = read(&kafka, "t", 4, Isolation::ReadUncommitted).await;

    assert_eq!(committed, [(2, "committed".to_owned())]);
    assert_eq!(all, [(0, "aborted".to_owned()), (2, "committed".to_owned())]);
}

#[tokio::test]
async fn an_open_transaction_hides_what_follows_until_a_newer_producer_fences_it() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let old = producer(&kafka, &[("transactional.id", "tx")]).await;
    old.init_transactions().await.unwrap();
    old.begin_transaction().await.unwrap();
    send(&old, "t", &[record("k", "open")]).await;
    let latest = BTreeMap::from([(TopicPartition::new("t", 0), OffsetSpec::Latest)]);
    let stable_end = async || {
        let listed = cluster.admin().list_offsets(&latest, Isolation::ReadCommitted).await.unwrap();
        listed.into_values().next().unwrap().unwrap().offset
    };
    assert_eq!(stable_end().await, Some(0));

    producer(&kafka, &[("transactional.id", "tx")]).await.init_transactions().await.unwrap();

    assert_eq!(stable_end().await, Some(2));
    assert!(old.commit_transaction().await.is_err());
}

#[tokio::test]
async fn group_offsets_are_kept_listed_and_deleted() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let admin = cluster.admin();
    let (known, unknown) = (TopicPartition::new("t", 0), TopicPartition::new("nowhere", 0));
    let offset = CommittedOffset { offset: 7, leader_epoch: Some(0), metadata: "note".to_owned() };
    let offsets = BTreeMap::from([(known.clone(), offset.clone()), (unknown.clone(), offset.clone())]);

    let committed =
        admin.clone().with_timeout(Duration::from_millis(300)).alter_group_offsets("app", &offsets).await.unwrap();

    assert!(committed[&known].is_ok());
    assert_eq!(committed[&unknown].as_ref().unwrap_err().code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let listed = admin.list_group_offsets(&["app", "nobody"], true).await.unwrap();
    assert_eq!(listed["app"].as_ref().unwrap(), &BTreeMap::from([(known, offset)]));
    assert!(listed["nobody"].as_ref().unwrap().is_empty());
    let groups = admin.list_groups().await.unwrap().groups;
    assert_eq!((groups.len(), groups[0].state.as_str()), (1, "Empty"));
    admin.delete_groups(&["app"]).await.unwrap()["app"].as_ref().unwrap();
    assert!(admin.list_groups().await.unwrap().groups.is_empty());
}

#[tokio::test]
async fn topics_are_created_grown_configured_and_deleted() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    let admin = cluster.admin();
    create(&cluster, "t", &[("cleanup.policy", "compact")]).await;
    let again = NewTopic { name: "t".to_owned(), partitions: None, replication_factor: None, configs: BTreeMap::new() };
    let three = NewTopic { name: "u".to_owned(), replication_factor: Some(3), ..again.clone() };
    let refused = admin.create_topics(&[again, three], false).await.unwrap();
    assert_eq!(refused["t"].as_ref().unwrap_err().code, ErrorCode::TOPIC_ALREADY_EXISTS);
    assert_eq!(refused["u"].as_ref().unwrap_err().code, ErrorCode::INVALID_REPLICATION_FACTOR);

    admin.create_partitions(&BTreeMap::from([("t".to_owned(), 3)]), false).await.unwrap()["t"].as_ref().unwrap();
    assert_eq!(admin.list_topics().await.unwrap()["t"].partitions, 3);

    let resource = ConfigResource::Topic("t".to_owned());
    let set = AlterConfig { name: "retention.ms".to_owned(), op: AlterOp::Set("5".to_owned()) };
    let altered =
        admin.incremental_alter_configs(&BTreeMap::from([(resource.clone(), vec![set])]), false).await.unwrap();
    altered[&resource].as_ref().unwrap();
    let described = admin.describe_configs(std::slice::from_ref(&resource)).await.unwrap();
    let described = described[&resource].as_ref().unwrap();
    assert_eq!(described["retention.ms"].value.as_deref(), Some("5"));
    assert!(described["max.message.bytes"].is_default && !described["cleanup.policy"].is_default);

    admin.delete_topics(&["t"]).await.unwrap()["t"].as_ref().unwrap();
    assert!(admin.list_topics().await.unwrap().is_empty());
}

#[tokio::test]
async fn lost_and_cut_logs_are_seen_by_the_fetcher() {
    let kafka = kafka().await;
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let producer = producer(&kafka, &[]).await;
    for n in 0..4 {
        send(&producer, "t", &[record("k", &n.to_string())]).await;
    }
    let delete = BTreeMap::from([(TopicPartition::new("t", 0), 2)]);
    cluster.admin().delete_records(&delete).await.unwrap().into_values().next().unwrap().unwrap();
    let mut late = fetcher(&cluster, "t", Position::offset(0), Isolation::ReadUncommitted);
    let Fetched::Event(_, event) = late.next().await.unwrap() else { panic!("records that are gone") };
    assert!(matches!(event, PartitionEvent::OutOfRange { .. }), "{event:?}");

    kafka.elect_leader("t", 0, Some(3)).unwrap();
    send(&producer, "t", &[record("k", "other")]).await;
    let position = Position::offset(4).with_leader_epoch(0);
    let other = Cluster::connect(config(&kafka, &[])).await.unwrap();
    let mut ahead = fetcher(&other, "t", position, Isolation::ReadUncommitted);
    let Fetched::Event(_, event) = ahead.next().await.unwrap() else { panic!("records of another log") };
    assert!(matches!(event, PartitionEvent::Diverged { .. }), "{event:?}");
}

#[tokio::test]
async fn a_compacted_topic_is_read_over_its_holes() {
    let kafka = kafka().await;
    create(&cluster(&kafka).await, "t", &[("cleanup.policy", "compact")]).await;
    let producer = producer(&kafka, &[]).await;
    for value in ["1", "2"] {
        send(&producer, "t", &[record("a", value), record("b", value)]).await;
    }
    send(&producer, "t", &[record("a", "3"), record("c", "3")]).await;

    kafka.compact("t", Tombstones::Keep).unwrap();

    let values = read(&kafka, "t", 6, Isolation::ReadUncommitted).await;
    assert_eq!(values, [(3, "2".to_owned()), (4, "3".to_owned()), (5, "3".to_owned())]);
}

#[tokio::test]
async fn a_broker_without_authorizer_says_so() {
    let kafka = kafka().await;

    let described = cluster(&kafka).await.admin().describe_acls(&AclFilter::ANY).await;

    assert!(described.unwrap_err().to_string().contains("SECURITY_DISABLED"));
}

#[tokio::test]
async fn a_full_memory_refuses_records_and_takes_them_when_there_is_room() {
    let kafka = EmbeddedKafka::start(Options { memory_bytes_max: 1000, ..Options::default() }).await.unwrap();
    let cluster = cluster(&kafka).await;
    create(&cluster, "t", &[]).await;
    let producer = producer(&kafka, &[]).await;
    let large = || record("k", &"x".repeat(600));
    let topic: Arc<str> = Arc::from("t");
    producer.send_records(&topic, 0, &[large()], Codec::None).await.unwrap().await.unwrap();

    let waits = producer.send_records(&topic, 0, &[large()], Codec::None).await.unwrap();
    assert_eq!(kafka.offsets("t"), [(0, 1)]);
    let delete = BTreeMap::from([(TopicPartition::new("t", 0), 1)]);
    cluster.admin().delete_records(&delete).await.unwrap();

    tokio::time::timeout(TIMEOUT, waits).await.unwrap().unwrap();
    assert_eq!(kafka.offsets("t"), [(1, 2)]);
}
