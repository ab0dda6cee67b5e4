//! What is mirrored, and how it gets onto the source: by Java's own load generator.

use harness::{KafkaCluster, tools};

/// Records of one shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// For the command line and for topics.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) partitions: u32,
    pub(crate) records: u64,
    record_bytes: u64,
    codec: &'static str,
    batch_bytes: u32,
}

const PLAIN: Workload = Workload {
    name: "1kb-none",
    title: "1 kB, uncompressed",
    partitions: 4,
    records: 2_400_000,
    record_bytes: 1_000,
    codec: "none",
    batch_bytes: 131_072,
};

/// All there are. The first three are what `cargo xtask perf` runs when it is told nothing.
pub(crate) const WORKLOADS: [Workload; 8] = [
    PLAIN,
    Workload { name: "1kb-zstd", title: "1 kB, zstd", codec: "zstd", ..PLAIN },
    Workload { name: "100b-lz4", title: "100 B, lz4", records: 20_000_000, record_bytes: 100, codec: "lz4", ..PLAIN },
    Workload { name: "16kb-batches", title: "1 kB, batches of 16 kB", batch_bytes: 16_384, ..PLAIN },
    Workload { name: "1mb-batches", title: "1 kB, batches of 1 MB", batch_bytes: 1_000_000, ..PLAIN },
    Workload { name: "10kb-records", title: "10 kB, uncompressed", records: 240_000, record_bytes: 10_000, ..PLAIN },
    Workload {
        name: "1-record-batches",
        title: "100 B, batches of one record",
        records: 100_000,
        record_bytes: 100,
        batch_bytes: 1,
        ..PLAIN
    },
    Workload { name: "200-partitions", title: "1 kB, 200 partitions", partitions: 200, ..PLAIN },
];

/// The same bytes over more and more partitions.
pub(crate) const BY_PARTITIONS: [Workload; 6] = {
    const fn over(name: &'static str, title: &'static str, partitions: u32) -> Workload {
        Workload { name, title, partitions, records: 1_200_000, ..PLAIN }
    }
    [
        over("1p", "1 partition", 1),
        over("4p", "4 partitions", 4),
        over("10p", "10 partitions", 10),
        over("100p", "100 partitions", 100),
        over("1000p", "1,000 partitions", 1_000),
        over("3000p", "3,000 partitions", 3_000),
    ]
};

/// The same bytes in larger and larger records.
pub(crate) const BY_RECORD: [Workload; 5] = {
    const fn of(name: &'static str, title: &'static str, record_bytes: u64) -> Workload {
        Workload { name, title, record_bytes, records: 1_200_000_000 / record_bytes, ..PLAIN }
    }
    [
        of("100b", "records of 100 B", 100),
        of("1kb", "records of 1 kB", 1_000),
        of("10kb", "records of 10 kB", 10_000),
        of("100kb", "records of 100 kB", 100_000),
        of("1mb", "records of 1 MB", 1_000_000),
    ]
};

impl Workload {
    /// The same with a part of the records.
    pub(crate) fn divided_by(self, divisor: u64) -> Self {
        Self { records: self.records / divisor, ..self }
    }

    /// Record bytes before compression.
    pub(crate) fn bytes(&self) -> f64 {
        (self.records * self.record_bytes) as f64
    }

    pub(crate) fn topic(&self) -> String {
        format!("perf-{}", self.name)
    }

    /// Puts the records into their topic on `source`.
    pub(crate) async fn load(&self, source: &KafkaCluster) {
        source.create_topic(&self.topic(), self.partitions).await;
        let mut arguments = vec![
            "--topic".to_owned(),
            self.topic(),
            "--num-records".to_owned(),
            self.records.to_string(),
            "--record-size".to_owned(),
            self.record_bytes.to_string(),
            "--throughput".to_owned(),
            "-1".to_owned(),
            "--producer-props".to_owned(),
        ];
        arguments.extend([
            format!("bootstrap.servers={}", source.bootstrap()),
            format!("batch.size={}", self.batch_bytes),
            format!("compression.type={}", self.codec),
            "linger.ms=100".to_owned(),
            "buffer.memory=134217728".to_owned(),
        ]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        tools::run(tools::PRODUCER_PERFORMANCE, &arguments).await.expect_success();
    }
}
