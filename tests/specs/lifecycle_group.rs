//! Two of our workers in one group: a first look.
//!
//! - They share connectors and tasks, each running some; both show all of it.
//! - What is asked of either is done: a request that the leader has to answer is passed on to it.
//! - A log level for the cluster is set on both, whichever is asked.
//! - They find each other where they say that they are (`rest.advertised.*`), which need not be where they listen.
//! - When one is killed, be it the leader or the follower, the other runs everything, and what is mirrored has no gap.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::{Runtime, Worker, WorkerConfig, clusters, free_port};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::lifecycle::{Config, Runs, arrive, first_occurrences, gone, id, run, runs, shows, workers, write};

/// Two workers of a new group; the first one leads it.
async fn two(name: &str) -> (Worker, Worker) {
    let target = &clusters().await.target;
    let group = WorkerConfig::new(target, name).with("session.timeout.ms", "3000").with("heartbeat.interval.ms", "500");
    (group.start(Runtime::Portage).await, group.start(Runtime::Portage).await)
}

/// A mirror of a topic of four partitions in four tasks.
async fn mirror(name: &str) -> Config {
    let pair = clusters().await;
    pair.source.create_topic(name, 4).await;
    Config::mirror(name, &pair.source, &pair.target, name).with("tasks.max", "4")
}

#[tokio::test]
async fn two_workers_share_the_work_and_either_takes_requests() {
    let (leader, follower) = two("shared").await;
    let config = mirror("shared-work").await;

    for (worker, name) in [(&leader, "by-leader"), (&follower, "by-follower")] {
        let body = json!({"name": name, "config": config.clone().with("source.cluster.alias", name).json()});
        let created = worker.rest().post("/connectors", &body).await;
        assert_eq!(created.expect(201)["name"], name);
    }

    for name in ["by-leader", "by-follower"] {
        let path = format!("/connectors/{name}/status");
        let here = shows(leader.rest(), &path, "two workers and four tasks", |status| {
            let running = workers(status);
            running.len() == 5 && running.iter().collect::<BTreeSet<_>>().len() == 2
        })
        .await;
        shows(follower.rest(), &path, "the same", |status| *status == here).await;
        let both = BTreeSet::from([id(&leader), id(&follower)]);
        assert_eq!(workers(&here).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), both);
        runs(follower.rest(), name).await;
    }
    for worker in [&leader, &follower] {
        let changed = config.clone().with("source.cluster.alias", "by-leader").with("client.id", &id(worker));
        let answer = worker.rest().put("/connectors/by-leader/config", changed.json()).await;
        assert_eq!(answer.expect(200)["config"], changed.named("by-leader"));
        for name in ["by-leader", "by-follower"] {
            runs(worker.rest(), name).await;
            let restarted = worker.rest().send("POST", &format!("/connectors/{name}/restart"), None).await;
            assert_eq!(restarted.status, 204, "{}", restarted.body);
            let restarted = worker.rest().send("POST", &format!("/connectors/{name}/tasks/0/restart"), None).await;
            assert_eq!(restarted.status, 204, "{}", restarted.body);
        }
    }
    for (worker, name) in [(&leader, "by-follower"), (&follower, "by-leader")] {
        assert_eq!(worker.rest().delete(&format!("/connectors/{name}")).await.status, 204);
        gone(leader.rest(), name).await;
        gone(follower.rest(), name).await;
    }
}

#[tokio::test]
async fn a_log_level_for_the_cluster_is_set_on_every_worker() {
    let (leader, follower) = two("logging").await;
    for (asked, logger, level) in [
        (&leader, "org.apache.kafka.connect.mirror", "DEBUG"),
        (&follower, "org.apache.kafka.connect.mirror.MirrorSourceTask", "TRACE"),
    ] {
        let path = format!("/admin/loggers/{logger}");

        let set = asked.rest().put(&format!("{path}?scope=cluster"), &json!({"level": level})).await;

        assert_eq!((set.status, set.body.as_str()), (204, ""));
        for worker in [&leader, &follower] {
            shows(worker.rest(), &path, level, |shown| shown["level"] == level).await;
        }
    }
    // One for a worker stays there.
    let changed = leader.rest().put("/admin/loggers/org.apache.kafka.clients", &json!({"level": "ERROR"})).await;
    assert!(changed.expect(200).as_array().unwrap().contains(&json!("org.apache.kafka.clients")));
    assert_eq!(follower.rest().get("/admin/loggers/org.apache.kafka.clients").await.status, 404);
}

/// Passes connections on to `address`, and counts them. Answers with the port where it does so.
async fn relay_to(address: &str) -> (u16, Arc<AtomicUsize>) {
    let (door, address) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), address.to_owned());
    let (port, count) = (door.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut guest, _)) = door.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let address = address.clone();
            tokio::spawn(async move {
                if let Ok(mut host) = TcpStream::connect(&address).await {
                    let _ = copy_bidirectional(&mut guest, &mut host).await;
                }
            });
        }
    });
    (port, count)
}

#[tokio::test]
async fn workers_find_each_other_where_they_say_that_they_are() {
    let target = &clusters().await.target;
    let mut members = Vec::new();
    for _ in 0..2 {
        let address = format!("127.0.0.1:{}", free_port());
        let (port, visits) = relay_to(&address).await;
        let worker = WorkerConfig::new(target, "advertised")
            // The second one is not what others are told.
            .with("listeners", &format!("http://{address},http://127.0.0.1:0"))
            .with("rest.advertised.listener", "http")
            .with("rest.advertised.host.name", "localhost")
            .with("rest.advertised.port", &port.to_string())
            .spawn(Runtime::Portage);
        let rest = harness::Rest::new(&address);
        shows(&rest, "/health", "healthy", |health| health["status"] == "healthy").await;
        members.push((worker, rest, format!("localhost:{port}"), visits));
    }
    let [(_, _, leader, visits_of_leader), (_, follower, other, _)] = &members[..] else { panic!("there are two") };

    // Names, so that the follower has one of the connectors, and has to hand its tasks to the leader.
    for name in ["advertised-a", "advertised-b"] {
        let before = visits_of_leader.load(Ordering::Relaxed);
        let config = Config::heartbeat(name, target);
        let body = json!({"name": name, "config": config.json()});
        let created = follower.post("/connectors", &body).await;
        created.expect(201);
        assert_eq!(created.headers["location"], format!("http://{leader}/connectors/{name}"));
        assert!(visits_of_leader.load(Ordering::Relaxed) > before, "it went another way");
        runs(follower, name).await;
    }
    let status = follower.get("/connectors?expand=status").await.expect(200);
    let homes: BTreeSet<String> =
        status.as_object().unwrap().values().flat_map(|shown| workers(&shown["status"])).map(str::to_owned).collect();
    assert_eq!(homes, BTreeSet::from([leader.clone(), other.clone()]));
}

/// Kills one of two workers while they mirror.
async fn killed(name: &str, pick: impl Fn(Worker, Worker) -> (Worker, Worker)) {
    let pair = clusters().await;
    let (victim, heir) = {
        let (leader, follower) = two(name).await;
        pick(leader, follower)
    };
    run(heir.rest(), name, &mirror(name).await).await;
    let remote = format!("{name}.{name}");
    for partition in 0..4 {
        write(&pair.source, name, partition, 0, 50).await;
        arrive(&pair.target, &remote, partition, 50).await;
    }
    let path = format!("/connectors/{name}/status");
    shows(heir.rest(), &path, "work of both", |status| workers(status).contains(&id(&victim).as_str())).await;

    victim.process().kill();
    for partition in 0..4 {
        write(&pair.source, name, partition, 50, 100).await;
    }

    shows(heir.rest(), &path, "the heir everywhere", |status| workers(status) == vec![id(&heir); 5]).await;
    runs(heir.rest(), name).await;
    for partition in 0..4 {
        // At least once: what the victim had not stored comes again.
        let mirrored = arrive(&pair.target, &remote, partition, 100).await;
        assert_eq!(first_occurrences(&mirrored), Runs::once(100), "partition {partition}");
    }
}

#[tokio::test]
async fn a_killed_follower_s_work_goes_to_the_other() {
    killed("follower-dies", |leader, follower| (follower, leader)).await;
}

#[tokio::test]
async fn a_killed_leader_s_work_goes_to_the_other() {
    killed("leader-dies", |leader, follower| (leader, follower)).await;
}
