//! The harness itself: what the other specs stand on.
//!
//! - A cluster answers when it was started, and nobody answers there when it was dropped.
//! - The oracle writes and reads everything a Kafka record can be, with every codec, in and out of transactions.
//! - rskafka and the oracle, who share no code, see the same records.
//! - A broker that is killed or stopped comes back with its data; a frozen one is silent until it is thawed.
//! - Java's clients get in at every listener, and are kept out without the right certificate or password.

use std::net::TcpStream;
use std::time::Duration;

use chrono::{DateTime, Utc};
use harness::{
    Acl, CLIENT_PRINCIPAL, Consumed, Listener, Record, Sasl, TimestampType, USER, clusters, eventually, lab,
    secured_cluster,
};
use rskafka::client::partition::{Compression, OffsetAt};

#[tokio::test]
async fn a_dropped_cluster_answers_no_more() {
    let lab = lab().await;
    let cluster = lab.cluster("short-lived").start().await;
    let address = cluster.broker(1).address(Listener::Plaintext);
    assert!(TcpStream::connect(&address).is_ok());

    let data = cluster.broker(1).data_dir();
    drop(cluster);

    assert!(TcpStream::connect(&address).is_err());
    assert!(!data.exists());
}

#[tokio::test]
async fn records_come_back_as_they_were_written_with_every_codec() {
    let pair = clusters().await;
    let records = [
        Record::new("key", "value").at(1_000),
        Record::value("no key").at(1_001),
        Record::tombstone("gone").at(1_002),
        Record::new("", "").at(0),
        Record::default().at(1_003),
        Record::new("headers", "many").header("h", "1").header("h", "2").null_header("h").header("", "").at(1_004),
        Record::value(vec![0xff, 0x00, 0xfe]).header("bytes", vec![0x80, 0x81]).at(1_005),
    ];

    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("facts-codec-{codec}");
        pair.source.create_topic(&topic, 1).await;
        let producer = pair.source.producer().codec(codec).open().await;
        let offsets = producer.send(&topic, 0, &records).await;

        let read = pair.source.consume(&topic).await;

        assert_eq!(offsets, (0..7).collect::<Vec<i64>>());
        assert_eq!(read.iter().map(|r| r.record.clone()).collect::<Vec<_>>(), records, "{codec}");
        assert!(read.iter().all(|r| r.timestamp_type == TimestampType::CreateTime));
        let batches = pair.source.batches(&topic, 0).await;
        assert_eq!(batches.len(), 1, "one send is one batch");
        assert_eq!((batches[0].codec.as_str(), batches[0].count, batches[0].valid), (codec, 7, true));
    }
}

#[tokio::test]
async fn aborted_and_open_transactions_are_seen_by_the_uncommitted_only() {
    let pair = clusters().await;
    let topic = "facts-transactions";
    pair.source.create_topic(topic, 1).await;
    let one = pair.source.producer().transactional("facts-one").open().await;
    let other = pair.source.producer().transactional("facts-other").open().await;

    one.begin().await;
    other.begin().await;
    one.send(topic, 0, &[Record::value("aborted")]).await;
    other.send(topic, 0, &[Record::value("committed")]).await;
    one.abort().await;
    other.commit().await;
    one.begin().await;
    one.send(topic, 0, &[Record::value("open")]).await;

    let texts = |records: Vec<Consumed>| records.iter().map(Consumed::text).collect::<Vec<_>>();
    assert_eq!(texts(pair.source.read(topic).at_least(1).await), ["committed"]);
    assert_eq!(texts(pair.source.read(topic).uncommitted().all().await), ["aborted", "committed", "open"]);
    assert_eq!(pair.source.stable_offsets(topic).await, [4]);
    assert_eq!(pair.source.end_offsets(topic).await, [5]);
    one.commit().await;
    assert_eq!(texts(pair.source.read(topic).at_least(2).await), ["committed", "open"]);
}

#[tokio::test]
async fn the_brokers_clock_can_be_asked_for() {
    let pair = clusters().await;
    let topic = "facts-append-time";
    pair.source.create_topic_with(topic, 1, &[("message.timestamp.type", "LogAppendTime")]).await;

    pair.source.produce(topic, 0, &[Record::value("v").at(1)]).await;

    let read = pair.source.consume(topic).await;
    assert_eq!(read[0].timestamp_type, TimestampType::LogAppendTime);
    assert!(read[0].record.timestamp_ms > Some(1_600_000_000_000));
}

#[tokio::test]
async fn rskafka_and_the_oracle_see_the_same_records() {
    let pair = clusters().await;
    let topic = "facts-witness";
    pair.target.create_topic(topic, 1).await;
    let witness = pair.target.rskafka_partition(topic, 0).await;
    let at = DateTime::<Utc>::from_timestamp_millis(1_700_000_000_123).unwrap();

    let written = rskafka::record::Record {
        key: Some(b"from".to_vec()),
        value: Some(b"rskafka".to_vec()),
        headers: [("h".to_owned(), b"1".to_vec())].into(),
        timestamp: at,
    };
    witness.produce(vec![written.clone()], Compression::NoCompression).await.unwrap();
    pair.target.produce(topic, 0, &[Record::new("from", "oracle").header("h", "2").at(1_700_000_000_124)]).await;

    let read = pair.target.consume(topic).await;
    assert_eq!(read[0].record, Record::new("from", "rskafka").header("h", "1").at(1_700_000_000_123));
    let (seen, high_watermark) = witness.fetch_records(0, 1..1_000_000, 5_000).await.unwrap();
    assert_eq!(seen[0].record, written);
    assert_eq!(seen[1].record.value.as_deref(), Some(&b"oracle"[..]));
    assert_eq!((seen.len(), high_watermark), (2, 2));
    assert_eq!(witness.get_offset(OffsetAt::Latest).await.unwrap(), 2);
}

#[tokio::test]
async fn a_broker_comes_back_with_its_data() {
    let lab = lab().await;
    let cluster = lab.cluster("restarted").brokers(2).start().await;
    cluster.create_replicated_topic("kept", 1, 2, &[]).await;
    cluster.move_partition("kept", 0, &[2, 1]).await;
    cluster.produce("kept", 0, &[Record::value("before")]).await;

    cluster.broker(2).kill();

    eventually("broker 1 leads", Duration::from_secs(20), async || {
        match cluster.topic("kept").await.partitions[0].leader {
            1 => Ok(()),
            other => Err(format!("leader {other}")),
        }
    })
    .await;
    cluster.produce("kept", 0, &[Record::value("meanwhile")]).await;
    cluster.broker(2).start().await;
    eventually("broker 2 is in sync again", Duration::from_secs(20), async || {
        match &cluster.topic("kept").await.partitions[0].isr {
            isr if isr.len() == 2 => Ok(()),
            isr => Err(format!("in sync: {isr:?}")),
        }
    })
    .await;
    cluster.broker(1).restart().await;
    let read = cluster.consume("kept").await;
    assert_eq!(read.iter().map(Consumed::text).collect::<Vec<_>>(), ["before", "meanwhile"]);

    cluster.broker(2).freeze();
    cluster.broker(2).thaw();
    cluster.broker(2).stop().await;
    assert!(!cluster.broker(2).is_running());
}

#[tokio::test]
async fn java_gets_in_at_every_listener() {
    let cluster = secured_cluster().await;
    let topic = "facts-listeners";
    cluster.create_topic(topic, 1).await;
    for principal in [CLIENT_PRINCIPAL.to_owned(), "User:ANONYMOUS".to_owned(), format!("User:{USER}")] {
        cluster.create_acls(&[Acl::allow(&principal, "WRITE", "TOPIC", topic)]).await;
    }
    let mut ways = vec![cluster.client(Listener::Ssl), cluster.client(Listener::Mtls)];
    for sasl in Sasl::all() {
        ways.push(cluster.sasl_client(Listener::SaslPlaintext, &sasl));
        ways.push(cluster.sasl_client(Listener::SaslSsl, &sasl));
    }

    for (i, client) in ways.iter().enumerate() {
        let producer = cluster.producer().client(client.clone()).open().await;
        assert_eq!(producer.send(topic, 0, &[Record::value("v")]).await, [i64::try_from(i).unwrap()], "{client:?}");
    }

    assert_eq!(cluster.consume(topic).await.len(), 10);
}

#[tokio::test]
async fn java_is_kept_out_without_the_right_papers() {
    let cluster = secured_cluster().await;
    let topic = "facts-kept-out";
    cluster.create_topic(topic, 1).await;
    let wrong = "wrong".to_owned();
    let mut no_certificate = cluster.client(Listener::Ssl);
    no_certificate.extend([("bootstrap.servers".to_owned(), cluster.bootstrap_at(Listener::Mtls))]);
    let mut stranger = cluster.client(Listener::Mtls);
    stranger.insert("ssl.keystore.location".to_owned(), cluster.certificates().path("stranger.pem"));
    let cases = [
        ("SslAuthenticationException", no_certificate),
        ("SslAuthenticationException", stranger),
        (
            "SaslAuthenticationException",
            cluster.sasl_client(Listener::SaslSsl, &Sasl::Plain(USER.into(), wrong.clone())),
        ),
        ("SaslAuthenticationException", cluster.sasl_client(Listener::SaslSsl, &Sasl::Scram512(USER.into(), wrong))),
        ("TopicAuthorizationException", cluster.sasl_client(Listener::SaslSsl, &Sasl::OAuthBearer("nobody".into()))),
    ];

    for (expected, client) in cases {
        let refused = cluster.read(topic).client(client.clone()).try_all().await.unwrap_err();

        assert!(refused.is(expected), "{refused} for {client:?}");
    }
}
