//! What is mirrored: topics of every kind, ACLs, groups; and the one file that both mirror by.

use harness::{Acl, GroupOffset, KafkaCluster, MirrorMaker, Properties, Record};

/// Groups whose last partition is at the end of its log: once they are on the target, so is everything before.
pub(crate) const GROUPS: [&str; 3] = ["readers", "auditors", "laggards"];

/// Fills the source.
pub(crate) async fn write(source: &KafkaCluster) {
    source.create_topic("orders", 3).await;
    source.create_topic_with("state", 1, &[("cleanup.policy", "compact"), ("min.insync.replicas", "1")]).await;
    source
        .create_topic_with("shop.eu.carts", 2, &[("retention.ms", "7200000"), ("max.message.bytes", "2000000")])
        .await;
    source.create_topic("empty", 2).await;
    source.create_topic("payments", 1).await;
    source.create_topic("retained", 1).await;
    source.create_topic("codecs", 4).await;
    let plain = source.producer().open().await;
    for batch in 0..12_i32 {
        let records: Vec<Record> = (0..25)
            .map(|i| {
                Record::new(format!("key-{i}"), format!("{batch}/{i}"))
                    .header("h", "1")
                    .null_header("h")
                    .at(1_700_000_000_000 + i)
            })
            .collect();
        plain.send("orders", batch % 3, &records).await;
        plain.send("shop.eu.carts", batch % 2, &records[..3]).await;
        plain.send("state", 0, &[records[0].clone(), Record::tombstone("gone")]).await;
    }
    for (partition, codec) in (0..).zip(["gzip", "snappy", "lz4", "zstd"]) {
        let compressed = source.producer().codec(codec).open().await;
        compressed.send("codecs", partition, &Record::numbered(150)).await;
    }
    let transacted = source.producer().transactional("payments").open().await;
    for round in 0..9 {
        transacted.begin().await;
        transacted.send("payments", 0, &Record::numbered(1 + round % 3)).await;
        if round % 3 == 1 { transacted.abort().await } else { transacted.commit().await }
    }
    for _ in 0..10 {
        plain.send("retained", 0, &Record::numbered(100)).await;
    }
    source.delete_records("retained", 0, 750).await;
    source
        .create_acls(&[
            Acl::allow("User:reader", "READ", "TOPIC", "orders"),
            Acl::allow("User:writer", "WRITE", "TOPIC", "orders"),
            Acl::allow("User:owner", "ALL", "TOPIC", "orders"),
            Acl::allow("User:outcast", "READ", "TOPIC", "orders").deny(),
            Acl::allow("User:cart", "READ", "TOPIC", "shop.").prefixed(),
            Acl::allow("User:auditor", "DESCRIBE", "TOPIC", "*"),
            Acl::allow("User:reader", "READ", "GROUP", "readers"),
        ])
        .await;
    commit(source).await;
}

async fn commit(source: &KafkaCluster) {
    let end = async |topic: &str, partition: usize| source.end_offsets(topic).await[partition];
    let at = |topic: &str, partition, offset| GroupOffset {
        metadata: format!("{topic} {offset}"),
        ..GroupOffset::new(topic, partition, offset)
    };
    let [orders, payments, retained, codecs] =
        [end("orders", 0).await, end("payments", 0).await, end("retained", 0).await, end("codecs", 3).await];
    let readers = [at("orders", 0, orders), at("orders", 1, 40), at("orders", 2, 0), at("empty", 0, 0)];
    let auditors = [at("payments", 0, payments), at("retained", 0, retained), at("codecs", 3, codecs)];
    let laggards = [at("orders", 0, 3), at("payments", 0, 4), at("retained", 0, 800), at("codecs", 1, 149)];
    for (group, offsets) in GROUPS.iter().zip([&readers[..], &auditors, &laggards]) {
        source.set_group_offsets(group, offsets).await;
    }
    source.set_group_offsets("with,comma", &[at("orders", 0, orders)]).await;
    source.set_group_offsets("console-consumer-1", &[at("orders", 0, orders)]).await;
}

/// The file.
pub(crate) fn properties(source: &KafkaCluster, target: &KafkaCluster) -> Properties {
    let settings = [
        ("clusters", "source, target"),
        ("source.bootstrap.servers", &*source.bootstrap()),
        ("target.bootstrap.servers", &*target.bootstrap()),
        ("source.consumer.isolation.level", "read_committed"),
        ("target.offset.flush.interval.ms", "500"),
        ("source->target.enabled", "true"),
        ("target->source.emit.heartbeats.enabled", "false"),
        ("tasks.max", "2"),
        ("sync.group.offsets.enabled", "true"),
        ("sync.group.offsets.interval.seconds", "1"),
        ("emit.checkpoints.interval.seconds", "1"),
        ("refresh.groups.interval.seconds", "1"),
        ("offset-syncs.topic.location", "target"),
    ];
    MirrorMaker::properties(settings)
}
