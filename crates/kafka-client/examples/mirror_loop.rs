//! The raw data path by hand: fill a topic, copy it batch by batch, compare the two. What the data plane costs without the
//! worker around it, and a way to try brokers that restart, transactions and compaction.
//!
//! ```text
//! mirror_loop fill   to=127.0.0.1:9092 topic=a partitions=4 mb=512 batch_kb=128 codec=lz4 [transactions=true] [keys=1000]
//! mirror_loop copy   from=127.0.0.1:9092 topic=a to=127.0.0.1:9192 into=b [isolation=read_committed] [budget_mb=256]
//! mirror_loop watch  from=127.0.0.1:9092 topic=a at=100 [epoch=3] [id=…]
//! mirror_loop verify from=127.0.0.1:9092 topic=a to=127.0.0.1:9192 into=b [isolation=read_committed]
//! ```
//!
//! `fill` and `copy` print MB/s and CPU seconds per GB, logical (a record of `fill` is 1 KiB) and moved (compressed). `copy`
//! stops at the end offsets of the source at its start; `follow=true` goes on for ever. `watch` reads on from a position that
//! may not fit the log any more, and tells what it finds.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_client::admin::{Isolation as ListIsolation, NewTopic, OffsetSpec};
use kafka_client::budget::{Budget, BudgetPermit};
use kafka_client::fetcher::{Fetched, FetchedPartition, Fetcher, FetcherOptions, Position, Start};
use kafka_client::producer::{Delivery, ProduceError, Producer, ProducerOptions, Unfit};
use kafka_client::{ClientConfig, Cluster, Properties, TopicPartition};
use kafka_wire::batch::{Codec, DecodeLimits, FetchedEntry, Header, Record, RecordBatch};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// `key=value` arguments; those with a dot are Kafka's and go to every client.
struct Args(BTreeMap<String, String>);

impl Args {
    fn get(&self, key: &str) -> Fallible<&str> {
        self.0.get(key).map(String::as_str).ok_or_else(|| format!("argument {key}=… is missing").into())
    }

    fn or<T: std::str::FromStr>(&self, key: &str, default: T) -> T {
        self.0.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    async fn cluster(&self, which: &str) -> Fallible<Cluster> {
        let mut props: Properties = self.0.clone().into_iter().filter(|(key, _)| key.contains('.')).collect();
        props.insert("bootstrap.servers".to_owned(), self.get(which)?.to_owned());
        Ok(Cluster::connect(ClientConfig::parse(&props)?).await?)
    }

    fn budget(&self) -> Budget {
        Budget::new(self.or("budget_mb", 256_u64) << 20)
    }
}

// One thread, as the worker has for a task: what is handed on stays where it is.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let args = Args(words.filter_map(|w| w.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect());
    match command.as_str() {
        "fill" => fill(&args).await,
        "copy" => copy(&args).await,
        "watch" => watch(&args).await,
        "verify" => verify(&args).await,
        other => Err(format!("unknown command {other:?}: fill, copy, watch or verify").into()),
    }
}

/// Creates the topic if need be; answers its partitions.
async fn topic(
    cluster: &Cluster,
    name: &str,
    partitions: i32,
    configs: BTreeMap<String, String>,
) -> Fallible<Vec<i32>> {
    let new = NewTopic { name: name.to_owned(), partitions: Some(partitions), replication_factor: None, configs };
    let created = cluster.admin().create_topics(std::slice::from_ref(&new), false).await?;
    let is_new = created.iter().any(|(_, result)| result.is_ok());
    let mut described = cluster.admin().describe_topics(&[name]).await?;
    let is_whole = |partitions: usize| partitions >= new.partitions.unwrap_or(1) as usize;
    while is_new && !described.iter().all(|(_, info)| info.as_ref().is_ok_and(|info| is_whole(info.partitions.len()))) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        described = cluster.admin().describe_topics(&[name]).await?;
    }
    let info = described.into_iter().next().ok_or("no such topic")?.1.map_err(|error| format!("{error:?}"))?;
    Ok(info.partitions.keys().copied().collect())
}

async fn ends(
    cluster: &Cluster,
    topic: &str,
    partitions: &[i32],
    isolation: ListIsolation,
) -> Fallible<BTreeMap<i32, i64>> {
    let wanted = partitions.iter().map(|&p| (TopicPartition::new(topic, p), OffsetSpec::Latest)).collect();
    let listed = cluster.admin().list_offsets(&wanted, isolation).await?;
    let end = |(tp, listed): (TopicPartition, Result<kafka_client::admin::ListedOffset, _>)| {
        (tp.partition, listed.ok().and_then(|listed| listed.offset).unwrap_or(0))
    };
    Ok(listed.into_iter().map(end).collect())
}

/// What a run has cost.
struct Meter {
    started: Instant,
    cpu_before: f64,
}

impl Meter {
    fn start() -> Self {
        Self { started: Instant::now(), cpu_before: cpu_seconds() }
    }

    fn print(&self, what: &str, logical_bytes: u64, wire_bytes: u64, batches: u64) {
        let (wall, cpu) = (self.started.elapsed().as_secs_f64(), cpu_seconds() - self.cpu_before);
        let (logical_gb, wire_gb) = (logical_bytes as f64 / 1e9, wire_bytes as f64 / 1e9);
        println!(
            "{what}: {batches} batches, {logical_gb:.3} GB logical, {wire_gb:.3} GB moved in {wall:.2} s = {:.0} MB/s; cpu {cpu:.2} s = \
             {:.2} s/GB logical, {:.2} s/GB moved",
            logical_bytes as f64 / 1e6 / wall,
            cpu / logical_gb.max(1e-9),
            cpu / wire_gb.max(1e-9),
        );
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

async fn fill(args: &Args) -> Fallible {
    let cluster = args.cluster("to").await?;
    let name: Arc<str> = args.get("topic")?.into();
    let configs = args.0.iter().filter_map(|(k, v)| Some((k.strip_prefix("topic:")?.to_owned(), v.clone())));
    let partitions = topic(&cluster, &name, args.or("partitions", 4), configs.collect()).await?;
    let codec: Codec = args.or("codec", Codec::None);
    let batch_bytes = args.or("batch_kb", 128_usize) << 10;
    let total = args.or("mb", 64_u64) << 20;
    let keys: u64 = args.or("keys", u64::MAX);
    let transactions = args.or("transactions", false);
    let mut options = ProducerOptions::from_config(cluster.config())?;
    if transactions {
        options.transactional_id = Some(format!("fill-{name}"));
    }
    let producer = Producer::new(cluster, options, args.budget()).await?;
    if transactions {
        producer.init_transactions().await?;
    }
    let meter = Meter::start();
    let (mut sent, mut batches, mut serial) = (0, 0, 0_u64);
    let mut rounds = 0_u64;
    while sent < total {
        if transactions {
            producer.begin_transaction().await?;
        }
        let mut deliveries = Vec::new();
        for &partition in &partitions {
            let records: Vec<Record> = (0..(batch_bytes / 1024).max(1)).map(|_| record(&mut serial, keys)).collect();
            sent += records.len() as u64 * 1024;
            batches += 1;
            deliveries.push(producer.send_records(&name, partition, &records, codec).await?);
        }
        rounds += 1;
        match (transactions, rounds.is_multiple_of(3)) {
            (true, true) => producer.abort_transaction().await?,
            (true, false) => producer.commit_transaction().await?,
            (false, _) => continue,
        }
        for delivery in deliveries {
            // Of aborted transactions, some were never sent.
            let _ = delivery.await;
        }
    }
    producer.flush().await?;
    meter.print("fill", sent, sent, batches);
    println!("stalled: {:?}", producer.stalled().await?);
    Ok(producer.close(Duration::from_secs(10)).await?)
}

/// About 1 KiB of something like JSON, with the headers that clients get wrong: two of one name, one null.
fn record(serial: &mut u64, keys: u64) -> Record {
    *serial += 1;
    let mut value = format!("{{\"id\":{serial},\"name\":\"customer-{}\",\"items\":[", *serial % 977);
    let mut x = *serial;
    while value.len() < 900 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.push_str(&format!("{{\"sku\":\"{:08x}\",\"n\":{}}},", x >> 32, x % 10));
    }
    let header =
        |value: Option<&'static [u8]>| Header { key: Bytes::from_static(b"h"), value: value.map(Bytes::from_static) };
    Record {
        offset: 0,
        timestamp: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64),
        key: Some(format!("key-{}", *serial % keys).into()),
        value: Some(value.into()),
        headers: vec![header(Some(b"1")), header(None), header(Some(b"2"))],
    }
}

async fn copy(args: &Args) -> Fallible {
    let (source, target) = (args.cluster("from").await?, args.cluster("to").await?);
    let (from, into): (&str, Arc<str>) = (args.get("topic")?, args.get("into")?.into());
    let partitions = topic(&source, from, 1, BTreeMap::new()).await?;
    topic(&target, &into, partitions.len() as i32, BTreeMap::new()).await?;
    let mut options = FetcherOptions::from_config(source.config())?;
    if args.or("isolation", String::new()) == "read_committed" {
        options.isolation = kafka_client::fetcher::Isolation::ReadCommitted;
    }
    let mut goals = ends(&source, from, &partitions, ListIsolation::ReadUncommitted).await?;
    let follow = args.or("follow", false);
    let budget = args.budget();
    let producer =
        Producer::new(target.clone(), ProducerOptions::from_config(target.config())?, budget.clone()).await?;
    let mut fetcher = Fetcher::new(source, options, budget.clone());
    let meter = Meter::start();
    fetcher.assign(partitions.iter().map(|&p| (TopicPartition::new(from, p), Position::earliest())));

    let mut acks: VecDeque<Delivery> = VecDeque::new();
    let mut count = Count::default();
    goals.retain(|_, end| *end > 0);
    while follow || !goals.is_empty() || !acks.is_empty() {
        tokio::select! {
            fetched = fetcher.next(), if follow || !goals.is_empty() => match fetched? {
                Fetched::Partition(fetched) => {
                    if goals.get(&fetched.partition).is_some_and(|goal| fetched.next_position >= *goal) {
                        goals.remove(&fetched.partition);
                    }
                    send(&producer, &into, fetched, &mut acks, &mut count).await?;
                }
                Fetched::Event(tp, event) => println!("{tp}: {event:?}"),
            },
            acked = async { acks.front_mut().unwrap().await }, if !acks.is_empty() => {
                acks.pop_front();
                acked?;
                count.max_in_use = count.max_in_use.max(budget.in_use());
            }
        }
    }
    meter.print("copy", count.records * 1024, count.bytes, count.passed + count.rewritten);
    println!("{count:?}");
    Ok(producer.close(Duration::from_secs(10)).await?)
}

#[derive(Debug, Default)]
struct Count {
    passed: u64,
    rewritten: u64,
    aborted: u64,
    records: u64,
    bytes: u64,
    max_in_use: u64,
}

/// Sends what was fetched: as it is where brokers take it, decoded and encoded anew where they do not.
async fn send(
    producer: &Producer,
    into: &Arc<str>,
    fetched: FetchedPartition,
    acks: &mut VecDeque<Delivery>,
    count: &mut Count,
) -> Fallible {
    let FetchedPartition { partition, batches, position_before, permit, aborted_batches, .. } = fetched;
    count.aborted += aborted_batches;
    for entry in batches {
        let bytes = match &entry {
            FetchedEntry::Batch(batch) => batch.len(),
            FetchedEntry::Legacy(set) => set.as_bytes().len(),
        };
        count.bytes += bytes as u64;
        if let FetchedEntry::Batch(batch) = &entry {
            count.records += batch.record_count() as u64;
        }
        let whole = match &entry {
            FetchedEntry::Batch(batch) if batch.base_offset() >= position_before => Some(batch.clone()),
            _ => None,
        };
        let delivery = match whole.map(|batch| producer.send_held(into, partition, batch, permit.clone())) {
            Some(Ok(delivery)) => {
                count.passed += 1;
                delivery
            }
            None | Some(Err(ProduceError::Unfit { reason: Unfit::Sparse { .. } | Unfit::LogAppendTime, .. })) => {
                count.rewritten += 1;
                rewrite(producer, into, partition, &entry, position_before, permit.clone())?
            }
            Some(Err(error)) => return Err(error.into()),
        };
        acks.push_back(delivery);
    }
    Ok(())
}

fn rewrite(
    producer: &Producer,
    into: &Arc<str>,
    partition: i32,
    entry: &FetchedEntry,
    position: i64,
    permit: BudgetPermit,
) -> Fallible<Delivery> {
    let (mut records, codec) = decode(entry)?;
    records.retain(|record| record.offset >= position);
    let stamp = kafka_wire::batch::Stamp::NONE;
    let batch = RecordBatch::parse(kafka_wire::batch::encode(&records, codec, stamp)?)?;
    Ok(producer.send_held(into, partition, batch, permit)?)
}

fn decode(entry: &FetchedEntry) -> Fallible<(Vec<Record>, Codec)> {
    Ok(match entry {
        FetchedEntry::Batch(batch) => (batch.decode(&DecodeLimits::default())?, batch.codec()?),
        FetchedEntry::Legacy(set) => (set.decode(&DecodeLimits::default())?, Codec::None),
    })
}

/// Prints everything that happens to a topic's partitions, until killed.
async fn watch(args: &Args) -> Fallible {
    let cluster = args.cluster("from").await?;
    let name = args.get("topic")?;
    let partitions = cluster.admin().describe_topics(&[name]).await?;
    let info = partitions.into_iter().next().ok_or("no such topic")?.1.map_err(|error| format!("{error:?}"))?;
    println!("topic id {}", info.id);
    let mut position = Position::offset(args.get("at")?.parse()?);
    position.leader_epoch = args.0.get("epoch").map(|epoch| epoch.parse()).transpose()?;
    position.topic_id = args.0.get("id").map(|id| id.parse()).transpose()?;
    let options = FetcherOptions::from_config(cluster.config())?;
    let mut fetcher = Fetcher::new(cluster, options, args.budget());
    fetcher.assign(info.partitions.keys().map(|&p| (TopicPartition::new(name, p), position)));
    loop {
        match fetcher.next().await? {
            Fetched::Event(tp, event) => println!("{tp}: {event:?}"),
            Fetched::Partition(fetched) => println!(
                "{}-{}: {} batches, {}..{}, epoch {:?}, end {}",
                fetched.topic,
                fetched.partition,
                fetched.batches.len(),
                fetched.position_before,
                fetched.next_position,
                fetched.leader_epoch,
                fetched.high_watermark
            ),
        }
    }
}

/// Reads both topics to their ends and compares every partition, record by record: key, value, headers, timestamp. Counts
/// keys too, because those of `fill` are all different unless it was told how many there are.
async fn verify(args: &Args) -> Fallible {
    let (a, b) = tokio::join!(digest(args, "from", "topic"), digest(args, "to", "into"));
    let (a, b) = (a?, b?);
    for (partition, (records, hash)) in &a {
        let other = b.get(partition).copied().unwrap_or_default();
        let verdict = if (*records, *hash) == other { "same" } else { "DIFFERENT" };
        println!("partition {partition}: {records} records, {} there: {verdict}", other.0);
    }
    if a == b { Ok(()) } else { Err("the topics differ".into()) }
}

async fn digest(args: &Args, cluster: &str, topic_key: &str) -> Fallible<BTreeMap<i32, (u64, u64)>> {
    let cluster = args.cluster(cluster).await?;
    let name = args.get(topic_key)?;
    let partitions = topic(&cluster, name, 1, BTreeMap::new()).await?;
    let mut options = FetcherOptions::from_config(cluster.config())?;
    if args.or("isolation", String::new()) == "read_committed" {
        options.isolation = kafka_client::fetcher::Isolation::ReadCommitted;
    }
    let mut goals = ends(&cluster, name, &partitions, ListIsolation::ReadUncommitted).await?;
    goals.retain(|_, end| *end > 0);
    let mut fetcher = Fetcher::new(cluster, options, args.budget());
    fetcher.assign(partitions.iter().map(|&p| (TopicPartition::new(name, p), Position::earliest())));
    let mut digests: HashMap<i32, (u64, DefaultHasher)> = HashMap::new();
    let mut keys = HashSet::new();
    while !goals.is_empty() {
        let fetched = match fetcher.next().await? {
            Fetched::Partition(fetched) => fetched,
            Fetched::Event(tp, event) => {
                println!("{tp}: {event:?}");
                let at = fetcher.position(&tp).map(|position| position.start);
                if matches!((at, goals.get(&tp.partition)), (Some(Start::Offset(at)), Some(goal)) if at >= *goal) {
                    goals.remove(&tp.partition);
                }
                continue;
            }
        };
        let (records, hasher) = digests.entry(fetched.partition).or_default();
        for entry in &fetched.batches {
            for record in decode(entry)?.0 {
                *records += 1;
                keys.insert(record.key.clone());
                (&record.key, &record.value, record.timestamp).hash(hasher);
                record.headers.iter().for_each(|header| (&header.key, &header.value).hash(hasher));
            }
        }
        if goals.get(&fetched.partition).is_some_and(|goal| fetched.next_position >= *goal) {
            goals.remove(&fetched.partition);
        }
    }
    println!("{name}: {} keys on {} records", keys.len(), digests.values().map(|(records, _)| records).sum::<u64>());
    let finished = |(p, (records, hasher)): (i32, (u64, DefaultHasher))| (p, (records, hasher.finish()));
    Ok(digests.into_iter().map(finished).collect())
}
