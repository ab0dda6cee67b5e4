//! Kafka's command line tools, by main class: what `bin/kafka-*.sh` run.

use std::process::ExitStatus;
use std::time::Duration;

use crate::process::Process;
use crate::{dist, workspace};

/// `kafka-console-consumer.sh`.
pub const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// `kafka-console-producer.sh`.
pub const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
/// `kafka-topics.sh`.
pub const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
/// `kafka-configs.sh`.
pub const CONFIGS: &str = "kafka.admin.ConfigCommand";
/// `kafka-acls.sh`.
pub const ACLS: &str = "org.apache.kafka.tools.AclCommand";
/// `kafka-consumer-groups.sh`.
pub const CONSUMER_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
/// `kafka-delete-records.sh`.
pub const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
/// `kafka-get-offsets.sh`.
pub const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
/// `kafka-dump-log.sh`.
pub const DUMP_LOG: &str = "org.apache.kafka.tools.DumpLogSegments";
/// `kafka-producer-perf-test.sh`.
pub const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";

/// How a tool ended, and all it printed.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output and standard error.
    pub text: String,
}

impl ToolOutput {
    /// What it printed, if it ended well.
    pub fn expect_success(self) -> String {
        assert!(self.status.success(), "{}:\n{}", self.status, self.text);
        self.text
    }
}

/// Runs a tool to its end, at most two minutes. A JVM each: where there is a method of
/// [`KafkaCluster`](crate::KafkaCluster) for it, that one is quicker.
///
/// ```no_run
/// # use harness::tools;
/// # async fn spec(cluster: &harness::KafkaCluster) {
/// let servers = cluster.bootstrap();
/// let groups = tools::run(tools::CONSUMER_GROUPS, &["--bootstrap-server", &servers, "--list"]).await;
/// assert!(groups.expect_success().contains("orders-app"));
/// # }
/// ```
pub async fn run(main_class: &str, arguments: &[&str]) -> ToolOutput {
    let name = main_class.rsplit('.').next().unwrap_or(main_class);
    let log = workspace::service_dir(name).join("output.log");
    let mut java = dist::java(256);
    java.arg("-Dharness.log.level=warn").arg(main_class).args(arguments);
    let tool = Process::spawn(name, &mut java, &log);
    let status = tool.wait(Duration::from_secs(120)).await;
    ToolOutput { status, text: tool.log() }
}
