//! Answers that are lost, damaged or say that something is wrong, on the way between one task and real brokers.
//!
//! - Answers to produce requests are lost after the append: every record is on the target once.
//! - A byte of a batch is flipped on its way from the source: it never reaches the target, and the batch is fetched again. One
//!   that stays damaged stops its partition, which the status says, until its task is restarted.
//! - So does a batch in a codec that nobody knows: it is not skipped.
//! - A byte of a batch is flipped on its way to the target, which the target refuses, and with it the batches behind it, whose
//!   sequence now has a gap: they are sent again, once each and in order. So they are when the target calls the producer or its epoch
//!   unknown.
//! - Leader epochs that the source calls fenced or unknown, leaders that have moved, disks that fail: asked again.
//! - Exactly once: answers to the end of a transaction that are lost or say "not yet" or "not me", and brokers that do not know the
//!   producer, its sequence or its epoch, leave every record on the target once, and nobody has to restart anything.
//!
//! All specs share a cluster that is source and target, behind a proxy; each meddles with its own connector's requests only.

use harness::{Frame, KafkaCluster, Listener, Runtime, Signal, Worker, WorkerConfig, eventually, proxied_cluster};
use kafka_protocol::messages::{AddPartitionsToTxnResponse, ApiKey, EndTxnResponse};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::faults::{Fault, fetch_error, flip_fetched, flip_produced, lose, produce_error, rewrite, unknown_codec};
use crate::lifecycle::{Config, Runs, SOON, Stream, end_offset, run, runs, shows, states, texts};

/// What a broker says to a producer that it does not know, or knows better.
const PRODUCER_LOST: [(i16, &str); 3] =
    [(45, "out of order sequence number"), (59, "unknown producer id"), (47, "invalid producer epoch")];

/// The workers of all connectors here: at least once, exactly once.
async fn workers() -> &'static [Worker; 2] {
    static WORKERS: OnceCell<[Worker; 2]> = OnceCell::const_new();
    WORKERS
        .get_or_init(async || {
            let target = proxied_cluster().await;
            let behind = |name| WorkerConfig::new(target, name).with("bootstrap.servers", &proxied(target));
            let (least, once) =
                (behind("answers"), behind("answers-once").with("exactly.once.source.support", "enabled"));
            // Tasks are started anew several times.
            let once = once.with("portage.restart.backoff.max.ms", "1000");
            tokio::join!(least.start(Runtime::Portage), once.start(Runtime::Portage)).into()
        })
        .await
}

fn proxied(cluster: &KafkaCluster) -> String {
    cluster.bootstrap_at(Listener::Proxied)
}

/// A mirror of the topic `name` within the cluster, and records that keep coming.
struct Flow<'a> {
    name: &'static str,
    worker: &'a Worker,
    stream: Stream,
}

impl<'a> Flow<'a> {
    async fn start(name: &'static str, worker: &'a Worker) -> Self {
        Self::with(name, worker, &[]).await
    }

    async fn with(name: &'static str, worker: &'a Worker, settings: &[(&str, &str)]) -> Self {
        let cluster = proxied_cluster().await;
        cluster.create_topic(name, 1).await;
        let mut config = Config::mirror("here", cluster, cluster, name)
            .with("source.cluster.bootstrap.servers", &proxied(cluster))
            .with("target.cluster.bootstrap.servers", &proxied(cluster))
            .with("source.consumer.isolation.level", "read_committed");
        for (key, value) in settings {
            config = config.with(key, value);
        }
        run(worker.rest(), name, &config).await;
        let flow = Self { name, worker, stream: Stream::start(cluster, name).await };
        flow.flows().await;
        flow
    }

    fn remote(&self) -> String {
        format!("here.{}", self.name)
    }

    /// Waits until there are some more records on the target.
    async fn flows(&self) {
        let cluster = proxied_cluster().await;
        let before = end_offset(cluster, &self.remote(), 0).await;
        eventually("more records flow", SOON, async || match end_offset(cluster, &self.remote(), 0).await {
            now if now >= before + 20 => Ok(()),
            now => Err(format!("{} more", now - before)),
        })
        .await;
    }

    async fn status(&self) -> Value {
        self.worker.rest().get(&format!("/connectors/{}/status", self.name)).await.expect(200)
    }

    /// Waits until its partition stands still with these words, mends the fault and restarts the task.
    async fn stands_still_until_mended(&self, words: &str, fault: Fault) {
        let stopped = |status: &Value| status["tasks"][0]["trace"].as_str().is_some_and(|said| said.contains(words));
        shows(self.worker.rest(), &format!("/connectors/{}/status", self.name), words, stopped).await;
        drop(fault);
        let restart = format!("/connectors/{}/tasks/0/restart", self.name);
        eventually("the task is restarted", SOON, async || {
            match self.worker.rest().post(&restart, &Value::Null).await {
                answer if answer.status == 204 => Ok(()),
                answer => Err(format!("{} {}", answer.status, answer.body)),
            }
        })
        .await;
    }

    /// Ends the stream: every record of it is on the target once, in order, and everything runs.
    async fn every_record_once(self) {
        self.flows().await;
        runs(self.worker.rest(), self.name).await;
        let remote = self.remote();
        let written = self.stream.stop().await;
        let cluster = proxied_cluster().await;
        let mirrored = eventually(&format!("{written} records are in {remote}"), SOON, async || {
            let values = texts(&cluster.read(&remote).partition(0).all().await);
            if values.len() >= written { Ok(values) } else { Err(format!("{} are", values.len())) }
        })
        .await;
        assert_eq!(Runs::of(&mirrored), Runs::once(written));
        self.worker.rest().delete(&format!("/connectors/{}", self.name)).await;
    }
}

#[tokio::test]
async fn answers_lost_after_the_append_leave_every_record_once() {
    let [worker, _] = workers().await;
    let flow = Flow::start("answers-lost", worker).await;

    Fault::answers(ApiKey::Produce, flow.name, 5, lose).await.has_struck().await;
    // The answer that is heard says "maybe".
    for maybe in [/* request timed out */ 7, /* not enough replicas after append */ 20] {
        Fault::answers(ApiKey::Produce, flow.name, 1, produce_error(0, maybe)).await.has_struck().await;
    }

    flow.every_record_once().await;
}

#[tokio::test]
async fn a_flipped_bit_of_a_fetched_batch_never_reaches_the_target() {
    let [worker, _] = workers().await;
    let flow = Flow::start("answers-flipped", worker).await;

    Fault::answers(ApiKey::Fetch, flow.name, 2, flip_fetched).await.has_struck().await;
    flow.flows().await;

    let always = Fault::answers(ApiKey::Fetch, flow.name, usize::MAX, flip_fetched).await;
    flow.stands_still_until_mended("crc", always).await;

    flow.every_record_once().await;
}

#[tokio::test]
async fn a_codec_that_nobody_knows_stops_its_partition_and_skips_nothing() {
    let [worker, _] = workers().await;
    let flow = Flow::start("answers-codec", worker).await;

    let always = Fault::answers(ApiKey::Fetch, flow.name, usize::MAX, unknown_codec).await;

    // It is the only partition of its task.
    flow.stands_still_until_mended("answers-codec-0 refused a batch", always).await;
    flow.every_record_once().await;
}

#[tokio::test]
async fn a_flipped_bit_on_the_way_to_the_target_and_the_gap_behind_it_are_mended() {
    let [worker, _] = workers().await;
    let flow = Flow::start("answers-gap", worker).await;

    Fault::requests(ApiKey::Produce, flow.name, 3, flip_produced).await.has_struck().await;
    flow.flows().await;
    for (code, what) in PRODUCER_LOST {
        println!("{what}");
        // Instead of saying that it is damaged.
        let says = Fault::answers(ApiKey::Produce, flow.name, 1, produce_error(2, code)).await;
        Fault::requests(ApiKey::Produce, flow.name, 1, flip_produced).await.has_struck().await;
        says.has_struck().await;
        flow.flows().await;
    }

    flow.every_record_once().await;
}

#[tokio::test]
async fn epochs_leaders_and_disks_that_the_source_complains_of_are_asked_for_again() {
    let [worker, _] = workers().await;
    let flow = Flow::start("answers-epochs", worker).await;

    for (code, what) in [
        (74, "fenced leader epoch"),
        (75, "unknown leader epoch"),
        (6, "not leader or follower"),
        (56, "Kafka storage error"),
        (9, "replica not available"),
    ] {
        println!("{what}");
        Fault::answers(ApiKey::Fetch, flow.name, 1, fetch_error(code)).await.has_struck().await;
        flow.flows().await;
    }

    let status = flow.status().await;
    assert_eq!((states(&status), &status["tasks"][0]["trace"]), (vec!["RUNNING"; 2], &Value::Null));
    flow.every_record_once().await;
}

#[tokio::test]
async fn transactions_whose_end_is_uncertain_leave_every_record_once() {
    let [_, worker] = workers().await;
    let flow = Flow::start("answers-commit", worker).await;

    Fault::answers(ApiKey::EndTxn, flow.name, 3, lose).await.has_struck().await;
    flow.flows().await;
    // Concurrent transactions, coordinator loading, not available, another one.
    for code in [51, 14, 15, 16] {
        let not_yet = move |frame: &mut Frame| {
            rewrite(frame, |answer: &mut EndTxnResponse| {
                answer.error_code = code;
                Some(())
            })
        };
        Fault::answers(ApiKey::EndTxn, flow.name, 1, not_yet).await.has_struck().await;
        let not_yet = move |frame: &mut Frame| {
            rewrite(frame, |answer: &mut AddPartitionsToTxnResponse| {
                let topics = answer.results_by_topic_v3_and_below.iter_mut();
                topics
                    .flat_map(|topic| &mut topic.results_by_partition)
                    .for_each(|partition| partition.partition_error_code = code);
                Some(())
            })
        };
        Fault::answers(ApiKey::AddPartitionsToTxn, flow.name, 1, not_yet).await.has_struck().await;
        flow.flows().await;
    }

    flow.every_record_once().await;
}

#[tokio::test]
async fn producers_that_the_target_does_not_know_begin_anew_exactly_once() {
    let [_, worker] = workers().await;
    let flow = Flow::start("answers-unknown", worker).await;

    for (code, what) in PRODUCER_LOST {
        println!("{what}");
        Fault::answers(ApiKey::Produce, flow.name, 1, produce_error(0, code)).await.has_struck().await;
        flow.flows().await;
    }

    flow.every_record_once().await;
}

#[tokio::test]
async fn a_task_whose_transaction_timed_out_while_it_was_frozen_goes_on_by_itself() {
    let cluster = proxied_cluster().await;
    let config = WorkerConfig::new(cluster, "answers-late").with("exactly.once.source.support", "enabled");
    // Nobody takes its work over.
    let worker = config.with("session.timeout.ms", "60000").start(Runtime::Portage).await;
    let settings = [
        ("transaction.boundary", "interval"),
        ("transaction.boundary.interval.ms", "500"),
        ("producer.override.transaction.timeout.ms", "2000"),
    ];
    let flow = Flow::with("answers-late", &worker, &settings).await;
    let remote = flow.remote();
    let ends = async || (cluster.stable_offsets(&remote).await[0], cluster.end_offsets(&remote).await[0]);

    eventually("it is frozen amid a transaction", SOON, async || {
        worker.process().signal(Signal::Stop);
        match ends().await {
            (stable, end) if stable < end => Ok(()),
            (_, end) => {
                worker.process().signal(Signal::Cont);
                Err(format!("no open transaction at {end}"))
            }
        }
    })
    .await;
    eventually("the transaction is given up", SOON, async || match ends().await {
        (stable, end) if stable == end => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    worker.process().signal(Signal::Cont);

    flow.every_record_once().await;
}
