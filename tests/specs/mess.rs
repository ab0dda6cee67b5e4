//! Topics in disorder, from a seed: transactions that are committed, aborted, or stay open; keys that are compacted away,
//! tombstones, records that a filter drops, logs that are cut. Remembers what has been written where.

use std::collections::BTreeMap;

use harness::{Consumed, JavaProducer, KafkaCluster, Record, eventually};

use crate::lifecycle::SOON;

const DAY_MS: i64 = 86_400_000;
/// Records with this header are dropped by a mirror that filters.
pub(crate) const DROP: &str = "drop";
/// The header that numbers the records.
const NUMBER: &str = "number";
/// Writes of one round.
const WRITES: usize = 50;

/// Random numbers that a seed repeats (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to before `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % sides
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    /// From 0 to `end`; the ends more often than what lies between.
    pub(crate) fn offset(&mut self, start: i64, end: i64) -> i64 {
        match self.roll(8) {
            0 => 0,
            1 => start,
            2 => end,
            _ => i64::try_from(self.roll(usize::try_from(end).unwrap() + 1)).unwrap(),
        }
    }
}

/// A partition, by the short name of its topic.
pub(crate) type Place = (&'static str, i32);

/// Plain, transacted, never written, of a thousand records the last 250, and all deleted.
pub(crate) const LOG: [Place; 5] = [("log", 0), ("log", 1), ("log", 2), ("log", 3), ("log", 4)];
/// Compacted: plain, and transacted.
pub(crate) const KEYED: [Place; 2] = [("keyed", 0), ("keyed", 1)];
const PLAIN: Place = LOG[0];
const TRANSACTED: Place = LOG[1];
const CUT: Place = LOG[3];
const EMPTIED: Place = LOG[4];

/// The topics, and all that was ever written to them.
pub(crate) struct Mess {
    prefix: &'static str,
    source: &'static KafkaCluster,
    pub(crate) dice: Dice,
    plain: JavaProducer,
    transacted: JavaProducer,
    /// Its transaction stays open from one round to the next.
    lingering: JavaProducer,
    lingers: bool,
    started_ms: i64,
    round: i64,
    written: BTreeMap<Place, BTreeMap<i64, Numbered>>,
    count: u32,
}

/// What tells a record from all others, and its payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbered {
    pub(crate) number: String,
    payload: (Option<Vec<u8>>, Option<Vec<u8>>),
    pub(crate) dropped: bool,
}

impl Numbered {
    fn of(record: &Record) -> Self {
        let header = |name: &str| record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let number = header(NUMBER).and_then(Option::as_ref).map(|text| String::from_utf8_lossy(text).into_owned());
        let bytes = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
        Self {
            number: number.unwrap_or_else(|| panic!("a record without a number: {record:?}")),
            payload: (bytes(&record.key), bytes(&record.value)),
            dropped: header(DROP).is_some(),
        }
    }
}

impl Mess {
    /// Creates the topics.
    pub(crate) async fn create(prefix: &'static str, source: &'static KafkaCluster, seed: u64) -> Self {
        let compacted = [
            ("cleanup.policy", "compact,delete"),
            ("min.cleanable.dirty.ratio", "0"),
            ("segment.ms", "1000"),
            ("message.timestamp.after.max.ms", "9223372036854775807"),
        ];
        source.create_topic(&format!("{prefix}-log"), u32::try_from(LOG.len()).unwrap()).await;
        source.create_topic_with(&format!("{prefix}-keyed"), u32::try_from(KEYED.len()).unwrap(), &compacted).await;
        let transacted = |id: &str| {
            let producer = source.producer().transactional(&format!("{prefix}-{id}")).codec("lz4");
            producer.config("transaction.timeout.ms", "600000").open()
        };
        Self {
            prefix,
            source,
            dice: Dice::of(seed),
            plain: source.producer().codec("zstd").open().await,
            transacted: transacted("transacted").await,
            lingering: transacted("lingering").await,
            lingers: false,
            started_ms: chrono::Utc::now().timestamp_millis(),
            round: 0,
            written: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    pub(crate) fn places() -> impl Iterator<Item = Place> {
        LOG.into_iter().chain(KEYED)
    }

    /// All that was ever written to a partition, by its offset.
    pub(crate) fn written(&self, place: Place) -> impl Iterator<Item = (i64, &Numbered)> + Clone {
        self.written.get(&place).into_iter().flatten().map(|(offset, record)| (*offset, record))
    }

    /// The state in which the mirrors find the topics.
    pub(crate) async fn begin(&mut self) {
        for (place, batches) in [(CUT, 10), (EMPTIED, 1)] {
            for _ in 0..batches {
                let records = self.records(place, 100);
                self.send(place, &records, false).await;
            }
        }
        self.source.delete_records(&self.topic(CUT.0), CUT.1, 750).await;
        self.source.delete_records(&self.topic(EMPTIED.0), EMPTIED.1, 100).await;
        self.write().await;
        let written = KEYED.iter().map(|place| self.written(*place).count()).sum::<usize>();
        eventually("the source is compacted", SOON, async || {
            match self.source.read(&self.topic("keyed")).uncommitted().all().await.len() {
                left if left * 3 < written * 2 => Ok(()),
                left => Err(format!("{left} of {written} are left")),
            }
        })
        .await;
    }

    /// One more round of writing.
    pub(crate) async fn write(&mut self) {
        if std::mem::take(&mut self.lingers) {
            if self.dice.chance(50) { self.lingering.commit().await } else { self.lingering.abort().await }
        }
        for _ in 0..WRITES {
            let place = [PLAIN, TRANSACTED, CUT, KEYED[0], KEYED[1]][self.dice.roll(5)];
            let count = 1 + self.dice.roll(9);
            let records = self.records(place, count);
            let transacted = [TRANSACTED, KEYED[1]].contains(&place) && self.dice.chance(70);
            if transacted {
                self.transacted.begin().await;
            }
            self.send(place, &records, transacted).await;
            if transacted {
                if self.dice.chance(35) { self.transacted.abort().await } else { self.transacted.commit().await }
            }
        }
        // A day later than the markers of transactions: closes the segments, and only closed ones are compacted.
        self.round += 1;
        for place in KEYED {
            let records = self.records(place, 1);
            self.send(place, &records, false).await;
        }
        if self.dice.chance(50) {
            self.lingers = true;
            let records = self.records(TRANSACTED, 3);
            self.lingering.begin().await;
            let offsets = self.lingering.send(&self.topic(TRANSACTED.0), TRANSACTED.1, &records).await;
            self.note(TRANSACTED, &offsets, &records);
        }
    }

    /// Deletes a part of what a partition still has.
    pub(crate) async fn cut(&mut self, place: Place) {
        let start = self.source.start_offsets(&self.topic(place.0)).await[index(place)];
        let end = self.source.end_offsets(&self.topic(place.0)).await[index(place)];
        let before = start + i64::try_from(self.dice.roll(usize::try_from(end - start).unwrap() + 1)).unwrap();
        self.source.delete_records(&self.topic(place.0), place.1, before).await;
    }

    async fn send(&mut self, place: Place, records: &[Record], transacted: bool) {
        let producer = if transacted { &self.transacted } else { &self.plain };
        let offsets = producer.send(&self.topic(place.0), place.1, records).await;
        self.note(place, &offsets, records);
    }

    fn note(&mut self, place: Place, offsets: &[i64], records: &[Record]) {
        let written = self.written.entry(place).or_default();
        written.extend(offsets.iter().copied().zip(records.iter().map(Numbered::of)));
    }

    fn records(&mut self, place: Place, count: usize) -> Vec<Record> {
        let at = self.started_ms + if place.0 == "keyed" { self.round * DAY_MS } else { 0 };
        let mut record = || {
            self.count += 1;
            let (number, key) = (self.count.to_string(), format!("key-{}", self.dice.roll(20)));
            let record = match place {
                ("log", _) => Record::value(format!("value {number}")),
                _ if self.dice.chance(15) => Record::tombstone(key),
                _ => Record::new(key, format!("value {number}")),
            };
            let record = record.at(at + i64::from(self.count)).header(NUMBER, number);
            if self.dice.chance(25) { record.header(DROP, "") } else { record }
        };
        (0..count).map(|_| record()).collect()
    }
}

/// The records of a topic that were read, by partition and offset.
pub(crate) fn by_offset(read: &[Consumed]) -> BTreeMap<i32, BTreeMap<i64, Numbered>> {
    let mut partitions: BTreeMap<i32, BTreeMap<i64, Numbered>> = BTreeMap::new();
    for consumed in read {
        let partition = partitions.entry(consumed.partition).or_default();
        partition.insert(consumed.offset, Numbered::of(&consumed.record));
    }
    partitions
}

pub(crate) fn index(place: Place) -> usize {
    usize::try_from(place.1).unwrap()
}
