//! A network between worker and target that is cut, deaf or slow.
//!
//! - A worker that is cut off from its target for longer than its session gives its work up, keeps quiet, goes on answering, and takes
//!   its work again when the network is whole: nothing is lost, and what had not been stored comes again at most. So it does when its
//!   requests arrive and the answers do not. With exactly-once support every record is there once.
//! - A slow broker of the target holds up its own partitions only: the others get theirs meanwhile, and the worker stays in its
//!   group.

use std::fs;
use std::time::Duration;

use harness::{KafkaCluster, Line, Listener, Proxy, Runtime, Worker, WorkerConfig, clusters, eventually, lab};

use crate::fairness::{flood, sum};
use crate::lifecycle::{Config, Runs, SOON, Stream, end_offset, first_occurrences, run, runs, texts};
use crate::lifecycle_failure::task_starts;

/// A group whose workers, and a mirror whose clients, come to the target by way of its proxies.
fn behind(target: &KafkaCluster, name: &str) -> WorkerConfig {
    WorkerConfig::new(target, name)
        .with("bootstrap.servers", &target.bootstrap_at(Listener::Proxied))
        .with("session.timeout.ms", "3000")
        .with("heartbeat.interval.ms", "500")
        .with("task.shutdown.graceful.timeout.ms", "1000")
}

fn mirror(name: &str, source: &KafkaCluster, target: &KafkaCluster, topic: &str) -> Config {
    Config::mirror(name, source, target, topic)
        .with("target.cluster.bootstrap.servers", &target.bootstrap_at(Listener::Proxied))
        .with("source.consumer.isolation.level", "read_committed")
}

/// What readers of committed records see, once it is so much.
async fn committed(target: &KafkaCluster, topic: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} records are committed in {topic}"), SOON, async || {
        target.try_topic(topic).await.map_err(|error| error.to_string())?;
        let values = texts(&target.read(topic).partition(0).all().await);
        if values.len() >= count { Ok(values) } else { Err(format!("{} are", values.len())) }
    })
    .await
}

/// How many tasks a worker has ended, by its log.
fn ended(worker: &Worker) -> usize {
    let log = worker.process().log();
    log.matches("task stopped").count() + log.matches("was abandoned").count()
}

/// CPU time that a worker has used.
fn cpu(worker: &Worker) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", worker.process().pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Hundredths of a second, of the program and of the kernel for it.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

/// Two seconds in which workers that can't reach their cluster take next to nothing.
async fn keep_quiet(workers: &[&Worker], proxy: &Proxy) {
    let used = || workers.iter().map(|worker| cpu(worker)).sum::<Duration>();
    let (before, came) = (used(), proxy.all_that_came());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (used, came) = (used() - before, proxy.all_that_came() - came);
    println!("{} workers cut off for 2 s: {used:?} of CPU, {came} requests", workers.len());
    assert!(used < Duration::from_millis(300) && came < 200, "{used:?} of CPU, {came} requests in 2 s");
}

#[tokio::test]
async fn workers_cut_off_from_their_target_give_their_work_up_and_take_it_again() {
    let (lab, pair) = (lab().await, clusters().await);
    let target = lab.cluster("cut-target").proxied().start().await;
    let proxy = target.broker(1).proxy();
    let least = behind(&target, "cut-least");
    let once = behind(&target, "cut-once").with("exactly.once.source.support", "enabled");
    let (least, once) = tokio::join!(least.start(Runtime::Portage), once.start(Runtime::Portage));
    let mut streams = Vec::new();
    for (worker, name) in [(&least, "cut-least"), (&once, "cut-once")] {
        pair.source.create_topic(name, 1).await;
        run(worker.rest(), name, &mirror("from", &pair.source, &target, name)).await;
        streams.push((name, Stream::start(&pair.source, name).await));
    }
    let (least_copy, once_copy) = ("from.cut-least", "from.cut-once");
    let more = async || {
        let seen = (end_offset(&target, least_copy, 0).await, committed(&target, once_copy, 0).await.len());
        tokio::join!(
            committed(&target, least_copy, usize::try_from(seen.0).unwrap() + 50),
            committed(&target, once_copy, seen.1 + 50)
        );
    };

    let deaf = Line { answers: false, ..Line::default() };
    for (cuts, line) in [Line::CUT, deaf].into_iter().enumerate() {
        more().await;

        proxy.set(line.clone());

        for (worker, name) in [(&least, "cut-least"), (&once, "cut-once")] {
            eventually(&format!("{name} gives its task up"), SOON, async || match ended(worker) {
                ended if ended > cuts => Ok(()),
                ended => Err(format!("{ended} tasks have ended")),
            })
            .await;
        }
        keep_quiet(&[&least, &once], proxy).await;
        for (worker, name) in [(&least, "cut-least"), (&once, "cut-once")] {
            worker.rest().get(&format!("/connectors/{name}/status")).await.expect(200);
        }
        proxy.set(Line::default());
        for (worker, name) in [(&least, "cut-least"), (&once, "cut-once")] {
            runs(worker.rest(), name).await;
        }
    }
    more().await;

    let mut copies = Vec::new();
    for (name, stream) in streams {
        let written = stream.stop().await;
        let copy = format!("from.{name}");
        let values = eventually("everything has arrived", SOON, async || {
            let values = committed(&target, &copy, written).await;
            let first = first_occurrences(&values);
            if first == Runs::once(written) { Ok(values) } else { Err(format!("{first:?} of {written}")) }
        })
        .await;
        copies.push((Runs::of(&values), written));
    }
    let (at_least_once, exactly_once) = (&copies[0], &copies[1]);
    assert!(at_least_once.0.steps_back() <= 2, "one step back a cut: {:?}", at_least_once.0);
    assert_eq!(exactly_once.0, Runs::once(exactly_once.1));
}

#[tokio::test]
async fn a_slow_broker_of_the_target_holds_up_its_own_partitions_only() {
    const FLOOD: usize = 3_000;
    let (lab, pair) = (lab().await, clusters().await);
    let target = lab.cluster("slow-target").brokers(2).proxied().start().await;
    let (topic, copy) = ("slow-orders", "from.slow-orders");
    pair.source.create_topic(topic, 2).await;
    target.create_topic(copy, 2).await;
    // Partition 0 is the quick one's, partition 1 the slow one's.
    for partition in 0..2 {
        target.move_partition(copy, partition, &[partition + 1]).await;
    }
    eventually("each broker leads a partition", SOON, async || {
        let leaders: Vec<i32> = target.topic(copy).await.partitions.iter().map(|partition| partition.leader).collect();
        if leaders == [1, 2] { Ok(()) } else { Err(format!("{leaders:?}")) }
    })
    .await;
    // The flood is more than the worker may hold.
    let worker = behind(&target, "slow").with("portage.memory.bytes", "8388608").start(Runtime::Portage).await;
    run(worker.rest(), "slow", &mirror("from", &pair.source, &target, topic)).await;
    let rebalances = sum(worker.rest(), "portage_rebalances_total", "").await;
    let slow = Line { delay: Duration::from_millis(500), bytes_per_second: 1_000_000, ..Line::default() };
    target.broker(2).proxy().set(slow);

    flood(&pair.source, topic, 1, FLOOD).await;
    for _ in 0..4 {
        let before = end_offset(&target, copy, 0).await;
        flood(&pair.source, topic, 0, 50).await;
        eventually("the other partition has its records", SOON, async || match end_offset(&target, copy, 0).await {
            now if now >= before + 50 => Ok(()),
            now => Err(format!("{now} after {before}; {} of the flood", end_offset(&target, copy, 1).await)),
        })
        .await;
    }

    let flooded = usize::try_from(end_offset(&target, copy, 1).await).unwrap();
    assert!(flooded < FLOOD, "the flood was over");
    println!("{flooded} records of {FLOOD} had come to the slow broker");
    target.broker(2).proxy().set(Line::default());
    eventually("the flood is over", SOON, async || match end_offset(&target, copy, 1).await {
        all if all >= i64::try_from(FLOOD).unwrap() => Ok(()),
        some => Err(format!("{some}")),
    })
    .await;
    assert_eq!(target.end_offsets(copy).await, [200, i64::try_from(FLOOD).unwrap()], "nothing is there twice");
    runs(worker.rest(), "slow").await;
    assert_eq!(task_starts(&worker), 1, "{}", worker.process().log_tail());
    assert!((sum(worker.rest(), "portage_rebalances_total", "").await - rebalances).abs() < 0.5, "it stayed a member");
}
