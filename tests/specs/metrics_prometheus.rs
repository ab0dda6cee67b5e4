//! What operators see: a real Prometheus scrapes a worker that mirrors between real clusters.
//!
//! - Prometheus takes the answer in all profiles at once, and its own linter has nothing to say against our names.
//! - Every panel of Strimzi's MirrorMaker 2 dashboards has data, in the version for the JMX exporter and in the one for the
//!   metrics reporter; those of the JVM and of the container excepted, which are not ours.
//! - A task that fails can be alerted on, and its restarts are counted.
//! - Our own numbers are right: records and lag by partition, the path of batches, how the offsets of a group stand.

use std::time::Duration;

use harness::prometheus::{Prometheus, check_metrics};
use harness::{GroupOffset, Record, Rest, Runtime, WorkerConfig, clusters, eventually};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

/// What Strimzi's relabelling adds to every series.
const RELABELLED: &[(&str, &str)] = &[
    ("strimzi_io_kind", "KafkaMirrorMaker2"),
    ("strimzi_io_cluster", "mm2"),
    ("namespace", "kafka"),
    ("kubernetes_pod_name", "mm2-mirrormaker2-0"),
    ("pod", "mm2-mirrormaker2-0"),
    ("container", "mm2-mirrormaker2"),
];

const OF_CLUSTER: &str = r#"strimzi_io_kind=~"KafkaMirrorMaker2",strimzi_io_cluster="mm2""#;

/// The panels of both versions: what they have in common in names.
fn common_panels() -> Vec<String> {
    let mirror = |metric: &str| format!("kafka_connect_mirror_mirrorsourceconnector_{metric}{{{OF_CLUSTER}}}");
    let mut panels = vec![
        format!("sum({})", mirror("record_rate")),
        format!("sum({})", mirror("byte_rate")),
        format!(
            "sum by (source, target, topic, partition, group) \
             (kafka_connect_mirror_mirrorcheckpointconnector_checkpoint_latency_ms{{{OF_CLUSTER}}})"
        ),
    ];
    for metric in ["record_age_ms", "replication_latency_ms"] {
        for end in ["", "_avg", "_min", "_max"] {
            panels.push(format!("sum({}) by (partition, topic)", mirror(&format!("{metric}{end}"))));
        }
    }
    panels
}

fn jmx_panels() -> Vec<String> {
    let by_pod = |metric: &str| format!("sum({metric}{{{OF_CLUSTER}}}) by (kubernetes_pod_name)");
    let rate_by_pod = |metric: &str| format!("sum(rate({metric}{{{OF_CLUSTER}}}[5m])) by (kubernetes_pod_name)");
    let commit =
        r#"kafka_connect_connector_task_offset_commit_avg_time_ms{connector=~"\".*SourceConnector\"",task=~"[0-9]+"}"#;
    let lag = format!(
        r#"sum(kafka_consumer_fetch_manager_records_lag{{{OF_CLUSTER},clientid=~".*replication-consumer\""}}) by (topic, partition)"#
    );
    vec![
        format!("sum(kafka_connect_worker_connector_count{{{OF_CLUSTER}}})"),
        format!("sum(kafka_connect_worker_task_count{{{OF_CLUSTER}}})"),
        format!("sum(kafka_connect_worker_rebalance_rebalancing{{{OF_CLUSTER}}})"),
        by_pod("kafka_connect_coordinator_assigned_connectors"),
        by_pod("kafka_connect_coordinator_assigned_tasks"),
        rate_by_pod("kafka_consumer_incoming_byte_total"),
        rate_by_pod("kafka_producer_outgoing_byte_total"),
        format!("sum({commit})/count({commit})"),
        r#"sum(kafka_connect_source_task_source_record_active_count{connector=~"\".*SourceConnector\""})"#.to_owned(),
        r#"sum(kafka_producer_buffer_available_bytes{clientid=~"\".*SourceConnector-[0-9]+\""})"#.to_owned(),
        format!("topk(20, {lag})"),
        lag,
        // Alerts and what the Connect dashboard has on top.
        r#"count(kafka_connect_connector_status{status="running"})"#.to_owned(),
        "sum(kafka_connect_worker_connector_failed_task_count) by (namespace, pod)".to_owned(),
        "sum(kafka_connect_worker_connector_running_task_count)".to_owned(),
        "sum(kafka_connect_task_error_total_record_failures)".to_owned(),
        "sum(kafka_connect_coordinator_join_total) > 0".to_owned(),
        "max(kafka_connect_coordinator_sync_time_avg)".to_owned(),
        "sum(kafka_connect_coordinator_heartbeat_total) > 0".to_owned(),
        "sum(kafka_admin_client_connection_count)".to_owned(),
        "sum(kafka_consumer_connection_count)".to_owned(),
        "sum(kafka_producer_connection_count)".to_owned(),
    ]
}

fn reporter_panels() -> Vec<String> {
    let by_pod = |metric: &str| format!("sum({metric}{{{OF_CLUSTER}}}) by (kubernetes_pod_name)");
    let rate_by_pod = |metric: &str| format!("sum(rate({metric}{{{OF_CLUSTER}}}[5m])) by (kubernetes_pod_name)");
    let commit = r#"kafka_connect_connector_task_metrics_offset_commit_avg_time_ms{connector=~".*SourceConnector",task=~"[0-9]+"}"#;
    let lag = format!(
        r#"sum(kafka_consumer_consumer_fetch_manager_metrics_records_lag{{{OF_CLUSTER},client_id=~".*replication-consumer"}}) by (topic, partition)"#
    );
    let active = r#"sum(kafka_connect_source_task_source_record_active_count{_objectname=~"kafka.connect<type=source-task-metrics, connector=\".*MirrorSourceConnector\", task=1><>source-record-active-count"}) by (_objectname)"#;
    vec![
        format!("sum(kafka_connect_connect_worker_metrics_connector_count{{{OF_CLUSTER}}})"),
        format!("sum(kafka_connect_connect_worker_metrics_task_count{{{OF_CLUSTER}}})"),
        format!("sum(kafka_connect_connect_worker_rebalance_metrics_rebalancing{{{OF_CLUSTER}}})"),
        by_pod("kafka_connect_connect_coordinator_metrics_assigned_connectors"),
        by_pod("kafka_connect_connect_coordinator_metrics_assigned_tasks"),
        rate_by_pod("kafka_consumer_consumer_metrics_incoming_byte"),
        rate_by_pod("kafka_producer_producer_metrics_outgoing_byte"),
        format!("sum({commit})/count({commit})"),
        active.to_owned(),
        "sum(kafka_producer_producer_metrics_buffer_available_bytes) by (client_id)".to_owned(),
        format!("topk(20, {lag})"),
        lag,
        r#"sum(rate(process_cpu_seconds_total{namespace="kafka",pod=~"mm2-mirrormaker2-.+",container="mm2-mirrormaker2"}[5m])) by (pod)"#.to_owned(),
        r#"count(kafka_connect_connector_metrics_status_info{status="running"})"#.to_owned(),
        "sum(kafka_connect_connect_worker_metrics_connector_running_task_count)".to_owned(),
        "sum(kafka_connect_task_error_metrics_total_record_failures)".to_owned(),
        r#"sum(rate(kafka_producer_producer_node_metrics_incoming_byte{node_id="node-1"}[5m]))"#.to_owned(),
        "sum(kafka_producer_producer_metrics_connection_count)".to_owned(),
        "sum(kafka_consumer_consumer_metrics_connection_count)".to_owned(),
        "sum(kafka_admin_client_admin_client_metrics_connection_count)".to_owned(),
    ]
}

/// The numbers of Connect's metric groups that a source connector without transactions has, in the JMX exporter's names.
fn connects_groups() -> Vec<String> {
    let startup = "startup_attempts_total startup_success_total startup_failure_total startup_success_percentage \
                   startup_failure_percentage count";
    let groups = [
        ("kafka_connect_worker_connector_", startup),
        ("kafka_connect_worker_task_", startup),
        (
            "kafka_connect_worker_connector_",
            "total_task_count running_task_count paused_task_count failed_task_count unassigned_task_count \
             destroyed_task_count restarting_task_count",
        ),
        (
            "kafka_connect_worker_rebalance_",
            "epoch completed_rebalances_total rebalancing rebalance_avg_time_ms rebalance_max_time_ms \
             time_since_last_rebalance_ms",
        ),
        ("kafka_connect_connector_status{", "connector="),
        (
            "kafka_connect_connector_task_",
            "running_ratio pause_ratio offset_commit_max_time_ms offset_commit_avg_time_ms \
             offset_commit_success_percentage offset_commit_failure_percentage batch_size_max batch_size_avg",
        ),
        (
            "kafka_connect_source_task_",
            "source_record_poll_total source_record_poll_rate source_record_write_total source_record_write_rate \
             poll_batch_max_time_ms poll_batch_avg_time_ms source_record_active_count source_record_active_count_max \
             source_record_active_count_avg",
        ),
        (
            "kafka_connect_task_error_",
            "total_record_failures total_record_errors total_records_skipped total_retries total_errors_logged \
             last_error_timestamp",
        ),
    ];
    groups.iter().flat_map(|(group, names)| names.split(' ').map(move |name| format!("{group}{name}"))).collect()
}

async fn create(rest: &Rest, name: &str, config: &Value) {
    // As Strimzi names connectors; `>` has to be escaped in a path.
    let name = format!("metered-%3Etarget.{name}");
    rest.put_connector(&name, config).await;
    eventually(&format!("{name} runs"), SOON, async || rest.connector_runs(&name).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_data_for_every_panel_of_strimzi_s_dashboards() {
    let pair = clusters().await;
    let config = WorkerConfig::new(&pair.target, "metrics").with("offset.flush.interval.ms", "500");
    let profiles = "native,strimzi-jmx,strimzi-reporter";
    let worker = config.with("portage.metrics.profile", profiles).start(Runtime::Portage).await;
    pair.source.create_topic("metered", 2).await;
    for partition in [0, 1] {
        pair.source.produce("metered", partition, &vec![Record::new("k", "v"); 50]).await;
    }
    pair.source.set_group_offsets("metered-readers", &[GroupOffset::new("metered", 0, 20)]).await;

    let flow = json!({
        "source.cluster.alias": "metered",
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": pair.target.bootstrap(),
        "topics": "metered",
        "groups": "metered-readers",
        "offset-syncs.topic.location": "target",
        "offset-syncs.topic.replication.factor": "1",
        "checkpoints.topic.replication.factor": "1",
        "replication.factor": "1",
        "emit.checkpoints.interval.seconds": "1",
        "tasks.max": "2",
    });
    let connector = |class: &str| {
        let mut config = flow.clone();
        config["connector.class"] = json!(format!("org.apache.kafka.connect.mirror.{class}"));
        config
    };
    create(worker.rest(), "MirrorSourceConnector", &connector("MirrorSourceConnector")).await;
    create(worker.rest(), "MirrorCheckpointConnector", &connector("MirrorCheckpointConnector")).await;

    let prometheus = Prometheus::start(&[worker.rest().url()], RELABELLED).await;
    prometheus.scrapes().await;
    for panel in common_panels().into_iter().chain(jmx_panels()).chain(reporter_panels()) {
        prometheus.gets(&panel).await;
    }

    let is = async |promql: &str, wanted: f64| {
        eventually(&format!("{promql} is {wanted}"), SOON, async || {
            let values = prometheus.query(promql).await;
            if values == [wanted] { Ok(()) } else { Err(format!("{values:?}")) }
        })
        .await;
    };
    is(r#"sum(portage_mirror_records_total{topic="metered",source="metered"})"#, 100.0).await;
    is(r#"sum(portage_mirror_lag_records{topic="metered"})"#, 0.0).await;
    is(r#"max(portage_mirror_lag_seconds{topic="metered"})"#, 0.0).await;
    is(r#"sum(portage_data_loss_records_total)"#, 0.0).await;
    is(r#"sum(portage_task_batches_total{path="rewrite"})"#, 0.0).await;
    is(r#"portage_group_translation_partitions{group="metered-readers",state="exact"}"#, 1.0).await;
    is(r#"sum(portage_restarts_total)"#, 0.0).await;
    is("portage_worker_is_leader", 1.0).await;
    prometheus.gets(r#"sum(portage_task_batches_total{path="pass"}) > 0"#).await;
    prometheus.gets("sum(rate(portage_mirror_bytes_total[5m])) >= 0").await;
    prometheus.gets("portage_rebalances_total > 0").await;

    eventually("every metric of Connect's groups is there", SOON, async || {
        let text = worker.rest().get("/metrics?profile=strimzi-jmx").await.expect_text();
        let has = |name: &str| text.lines().any(|line| line.starts_with(name) && !line.ends_with("NaN"));
        let missing: Vec<String> = connects_groups().into_iter().filter(|name| !has(name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    check_metrics(&worker.rest().get("/metrics?profile=native").await.expect_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_shows_and_so_does_its_restart() {
    let pair = clusters().await;
    let config = WorkerConfig::new(&pair.target, "metrics-failing").with("portage.restart.backoff.ms", "200");
    let worker = config.with("portage.metrics.profile", "native,strimzi-jmx").start(Runtime::Portage).await;
    let failing = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": "failing",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": pair.target.bootstrap(),
        "topics": "failing-metered",
        "heartbeats.replication.enabled": "false",
        "replication.factor": "1",
        "offset-syncs.topic.location": "target",
        "offset-syncs.topic.replication.factor": "1",
        "sync.topic.configs.enabled": "false",
    });
    // The only record of the only partition is larger than the target takes.
    pair.source.create_topic("failing-metered", 1).await;
    pair.target.create_topic_with("failing.failing-metered", 1, &[("max.message.bytes", "1000")]).await;
    pair.source.produce("failing-metered", 0, &[Record::new("k", "v".repeat(5_000))]).await;

    worker.rest().put_connector("failing", &failing).await;

    eventually("failures and restarts are counted", SOON, async || {
        let text = worker.rest().get("/metrics").await.expect_text();
        let value = |line: &str| {
            let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse::<f64>().ok());
            found.ok_or_else(|| format!("no {line} in {text}"))
        };
        let failures = value(r#"portage_failures_total{connector="failing"}"#)?;
        let restarts = value(r#"portage_restarts_total{connector="failing"}"#)?;
        let starts = value("kafka_connect_worker_task_startup_success_total")?;
        let seen = failures >= 2.0 && restarts >= 1.0 && starts >= 2.0;
        if seen { Ok(()) } else { Err(format!("{failures} failures, {restarts} restarts, {starts} starts")) }
    })
    .await;
    let alert = r#"kafka_connect_connector_status{connector="failing",task="0",status="failed"} 1"#;
    eventually("the failed task can be alerted on", SOON, async || {
        let text = worker.rest().get("/metrics").await.expect_text();
        if text.contains(alert) { Ok(()) } else { Err(text) }
    })
    .await;
}
