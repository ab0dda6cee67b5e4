//! What happens to a cluster, and what the leader makes of it. The stories are those of Kafka's
//! `IncrementalCooperativeAssignorTest`.

use super::super::testing::*;

const DELAY_MS: u32 = 300_000;

/// Two connectors of four tasks, and one worker.
fn cluster(workers: impl IntoIterator<Item = &'static str>) -> Cluster {
    let mut cluster = Cluster::new(DELAY_MS);
    cluster.configure([("a", 4), ("b", 4)]);
    cluster.join(workers);
    cluster
}

/// As [`cluster`], and everything runs.
fn running_cluster(workers: impl IntoIterator<Item = &'static str>) -> Cluster {
    let mut cluster = cluster(workers);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
    cluster
}

#[test]
fn a_worker_that_joins_gets_its_share_once_others_have_stopped_it() {
    let mut cluster = running_cluster(["w1"]);

    cluster.join(["w2"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1], vec![0, 4]));

    cluster.rebalance();
    assert!(cluster.took_away().is_empty());
    cluster.assert_complete_and_balanced();

    cluster.rebalance();
    assert!(cluster.changed_nothing());
    assert_eq!(cluster.delay_ms(), 0);
}

#[test]
fn revocations_in_round_after_round_are_put_off_for_longer_and_longer() {
    let mut cluster = cluster(["w1"]);
    cluster.configure([("c", 4)]);
    cluster.rebalance();

    // The second worker is served at once.
    cluster.join(["w2"]);
    cluster.rebalance();
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 2], vec![0, 6]));

    // The third comes right after: what was revoked is given out, but nothing more is revoked.
    cluster.join(["w3"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 40);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1, 2], vec![3, 3, 6]));

    // The wait is over.
    cluster.pass(40);
    cluster.join(["w4"]);
    cluster.rebalance();
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 0, 1, 1], vec![0, 3, 3, 3]));

    cluster.join(["w5"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 1_600);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 0, 1, 1, 1], vec![1, 2, 3, 3, 3]));

    cluster.pass(1_600);
    cluster.join(["w6"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 0, 0, 1, 1, 1], vec![0, 1, 2, 2, 2, 2]));

    cluster.rebalance();
    cluster.assert_complete_and_balanced();
}

#[test]
fn the_back_off_starts_anew_after_a_round_in_balance() {
    let mut cluster = Cluster::new(DELAY_MS);
    cluster.configure([("a", 8), ("b", 8)]);
    cluster.join(["w1"]);
    cluster.rebalance();
    cluster.join(["w2"]);
    cluster.rebalance();
    cluster.join(["w3"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 40);
    cluster.pass(40);
    cluster.rebalance();
    cluster.rebalance();
    cluster.assert_complete_and_balanced();
    assert_eq!(cluster.delay_ms(), 0);

    cluster.join(["w4"]);
    cluster.rebalance();
    cluster.join(["w5"]);
    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 40);
}

#[test]
fn without_a_delay_there_is_no_back_off_either() {
    let mut cluster = Cluster::new(0);
    cluster.configure([("a", 4), ("b", 4), ("c", 4)]);
    cluster.join(["w1"]);
    cluster.rebalance();
    cluster.join(["w2"]);
    cluster.rebalance();
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 2], vec![0, 6]));

    cluster.join(["w3"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1, 1], vec![3, 3, 4]));

    cluster.rebalance();
    cluster.assert_complete_and_balanced();
}

#[test]
fn the_back_off_is_never_longer_than_the_delay() {
    let mut cluster = Cluster::new(1);
    cluster.configure([("a", 4), ("b", 4), ("c", 4)]);
    cluster.join(["w1"]);
    cluster.rebalance();
    cluster.join(["w2"]);
    cluster.rebalance();

    cluster.join(["w3"]);
    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 1);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1, 2], vec![3, 3, 6]));
}

#[test]
fn nothing_is_revoked_for_a_worker_that_joins_during_the_back_off() {
    let mut cluster = cluster(["w1"]);
    cluster.configure([("c", 4)]);
    cluster.rebalance();
    cluster.join(["w2"]);
    cluster.rebalance();
    cluster.join(["w3"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 40);

    cluster.pass(20);
    cluster.join(["w4"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 20);
    assert!(cluster.took_away().is_empty());
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 0, 1, 2], vec![0, 3, 3, 6]));

    cluster.pass(20);
    cluster.join(["w5"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 0, 0, 1, 1], vec![0, 0, 2, 3, 3]));

    cluster.rebalance();
    cluster.assert_complete_and_balanced();
}

#[test]
fn the_work_of_a_worker_that_has_left_waits_before_others_get_it() {
    let mut cluster = running_cluster(["w1", "w2"]);

    cluster.leave("w2");
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), DELAY_MS);
    assert!(cluster.changed_nothing());

    cluster.pass(u64::from(DELAY_MS) / 2);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), DELAY_MS / 2);
    assert!(cluster.changed_nothing());

    cluster.pass(u64::from(DELAY_MS) / 2);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
}

#[test]
fn a_worker_that_comes_back_in_time_gets_its_work_back() {
    let mut cluster = running_cluster(["w1", "w2"]);
    let before = cluster.members.clone();
    cluster.leave("w2");
    cluster.rebalance();
    cluster.pass(u64::from(DELAY_MS) / 2);

    cluster.join(["w2"]);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), DELAY_MS / 2);
    assert!(cluster.changed_nothing(), "the wait is not over yet");

    cluster.pass(u64::from(DELAY_MS) / 2);
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert!(cluster.took_away().is_empty());
    assert_eq!(cluster.members, before);
}

#[test]
fn lost_work_goes_round_all_workers_that_have_come_meanwhile() {
    let mut cluster = running_cluster(["w1", "w2"]);
    cluster.leave("w2");
    cluster.rebalance();
    cluster.pass(1_000);
    cluster.join(["w3"]);
    cluster.rebalance();
    cluster.pass(1_000);
    cluster.join(["w0"]);
    cluster.rebalance();

    cluster.pass(u64::from(DELAY_MS));
    cluster.rebalance();

    // In the order that they came: the one connector to the first, two tasks to each.
    assert_eq!(names(&cluster.members["w3"]), ["b", "a-1", "b-1"]);
    assert_eq!(names(&cluster.members["w0"]), ["a-3", "b-3"]);
}

#[test]
fn a_worker_that_comes_back_and_leaves_again_is_no_candidate() {
    let mut cluster = running_cluster(["w1", "w2", "w3"]);
    cluster.leave("w3");
    cluster.rebalance();
    cluster.pass(1_000);
    cluster.join(["w3"]);
    cluster.rebalance();
    cluster.pass(1_000);
    cluster.leave("w3");
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), DELAY_MS - 2_000);

    cluster.pass(u64::from(DELAY_MS));
    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
}

#[test]
fn what_a_worker_has_said_it_has_stopped_waits_for_nobody() {
    let mut cluster = running_cluster(["w1", "w2"]);
    let theirs = cluster.members["w2"].clone();

    cluster.leave("w2");
    cluster.released = theirs;
    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
}

#[test]
fn without_a_delay_lost_work_goes_to_others_at_once() {
    let mut cluster = Cluster::new(0);
    cluster.configure([("a", 4), ("b", 4)]);
    cluster.join(["w1", "w2", "w3"]);
    cluster.rebalance();

    cluster.leave("w3");
    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
}

#[test]
fn a_new_leader_gives_out_the_work_of_the_old_one_at_once() {
    let mut cluster = running_cluster(["w1", "w2", "w3"]);

    cluster.leader_leaves("w1");
    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();

    // The old one comes back as a follower, like any new worker.
    cluster.join(["w1"]);
    cluster.rebalance();
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1, 1], vec![0, 3, 3]));
    cluster.rebalance();
    cluster.assert_complete_and_balanced();
}

#[test]
fn a_first_assignment_that_nobody_hears_of_is_made_again() {
    let mut cluster = cluster(["w1", "w2"]);
    cluster.rebalance_heard_by(&[]);
    assert_eq!(cluster.running(), []);

    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
}

#[test]
fn a_worker_that_misses_its_assignment_does_not_make_others_wait() {
    let mut cluster = cluster(["w1", "w2"]);
    cluster.rebalance_heard_by(&["w1".into()]);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1], vec![0, 4]));

    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 0);
    cluster.assert_complete_and_balanced();
}

#[test]
fn revocations_that_nobody_hears_of_are_made_again_after_the_back_off() {
    for leader_hears in [true, false] {
        let mut cluster = running_cluster(["w1", "w2"]);
        cluster.join(["w3"]);
        match leader_hears {
            true => cluster.rebalance_heard_by(&[]),
            false => cluster.rebalance_unheard(),
        }
        assert_eq!(cluster.delay_ms(), 0);
        assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1, 1], vec![0, 4, 4]));

        cluster.rebalance();
        assert_eq!(cluster.delay_ms(), 40);
        assert!(cluster.changed_nothing());

        cluster.pass(40);
        cluster.rebalance();
        assert_eq!(cluster.delay_ms(), 0);
        assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1, 1], vec![0, 3, 3]));

        cluster.rebalance();
        cluster.assert_complete_and_balanced();
    }
}

#[test]
fn a_deleted_connector_is_revoked_with_its_tasks() {
    let mut cluster = cluster(["w1", "w2"]);
    cluster.configure([("c", 4)]);
    cluster.rebalance();
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![1, 2], vec![6, 6]));

    cluster.delete("c");
    cluster.rebalance();

    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!(cluster.took_away().len(), 5);
    cluster.assert_complete_and_balanced();
}

#[test]
fn tasks_that_a_connector_has_no_more_are_revoked() {
    let mut cluster = running_cluster(["w1", "w2"]);

    cluster.configure([("a", 1)]);
    cluster.rebalance();

    let gone = ["a-1", "a-2", "a-3"].map(unit);
    assert!(gone.iter().all(|unit| cluster.took_away().contains(unit)));
    assert!(gone.iter().all(|unit| !cluster.running().contains(unit)));
}

#[test]
fn what_runs_twice_is_stopped_everywhere_and_then_given_out_again() {
    let mut cluster = running_cluster(["w1"]);
    cluster.join_running("w2", work(["a", "a-0", "a-1", "a-2", "a-3"]));

    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1], vec![0, 4]));

    cluster.rebalance();
    assert!(cluster.took_away().is_empty());
    cluster.assert_complete_and_balanced();

    cluster.rebalance();
    assert!(cluster.changed_nothing());
}

#[test]
fn what_runs_twice_and_is_deleted_is_not_given_out_again() {
    let mut cluster = running_cluster(["w1"]);
    cluster.delete("a");
    cluster.join_running("w2", work(["a", "a-0", "a-1", "a-2", "a-3"]));

    cluster.rebalance();
    assert_eq!(cluster.delay_ms(), 0);
    assert_eq!((cluster.connectors(), cluster.tasks()), (vec![0, 1], vec![0, 2]));

    cluster.rebalance();
    assert!(cluster.took_away().is_empty());
    cluster.assert_complete_and_balanced();
}

#[test]
fn new_work_goes_round_workers_with_the_same_load_by_their_id() {
    let mut cluster = running_cluster(["w1", "w2"]);

    cluster.configure([("c", 3), ("d", 0), ("e", 0)]);
    cluster.rebalance();

    assert_eq!(names(&cluster.members["w1"]), ["c", "e", "a", "c-0", "c-2", "a-0", "a-2", "b-0", "b-2"]);
    assert_eq!(names(&cluster.members["w2"]), ["d", "b", "c-1", "a-1", "a-3", "b-1", "b-3"]);
}

#[test]
fn new_work_goes_to_those_with_the_least_until_all_have_the_same() {
    let mut cluster = Cluster::new(DELAY_MS);
    cluster.configure([("a", 4), ("b", 3), ("c", 2)]);
    cluster.join_running("w1", work(["a", "a-0", "a-1"]));
    cluster.join_running("w2", work(["b", "b-0"]));
    cluster.join_running("w3", work([]));
    cluster.join_running("w4", work(["a-2"]));

    cluster.rebalance();

    assert!(cluster.took_away().is_empty());
    assert_eq!(cluster.tasks(), [2, 2, 2, 3]);
}

#[test]
fn the_first_in_the_order_of_the_allocation_are_revoked() {
    let mut cluster = Cluster::new(DELAY_MS);
    cluster.configure([("a", 4)]);
    cluster.join_running("w1", work(["a-3", "a-1", "a", "a-0", "a-2"]));
    cluster.join(["w2"]);

    cluster.rebalance();

    let mut revoked = cluster.took_away();
    revoked.sort();
    assert_eq!(revoked, ["a-1", "a-3"].map(unit));
}

#[test]
fn an_inconsistent_connector_loses_its_tasks_and_keeps_its_instance() {
    let mut cluster = running_cluster(["w1", "w2"]);

    cluster.configure([("a", 0)]);
    cluster.rebalance();

    assert!(cluster.running().contains(&unit("a")));
    assert!(!cluster.running().contains(&unit("a-0")));
}

#[test]
fn a_new_leader_finds_what_is_deleted_in_its_second_round() {
    let mut cluster = running_cluster(["w1", "w2", "w3"]);
    cluster.delete("a");

    cluster.leader_leaves("w3");
    cluster.rebalance();
    assert!(cluster.running().contains(&unit("a")), "as in Java");

    cluster.rebalance();
    cluster.rebalance();
    cluster.assert_complete_and_balanced();
}

#[test]
fn without_anything_configured_nothing_is_balanced() {
    let mut cluster = Cluster::new(DELAY_MS);
    cluster.join_running("w1", work(["a", "a-0", "a-1"]));
    cluster.join(["w2"]);

    cluster.rebalance();
    assert!(cluster.changed_nothing(), "a new leader does not know that it is deleted");

    cluster.rebalance();
    assert_eq!(cluster.running(), []);
}
