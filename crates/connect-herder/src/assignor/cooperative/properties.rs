//! What holds in whatever happens to a cluster.

use proptest::prelude::*;

use super::super::Memory;
use super::super::testing::*;
use crate::ids::MemberId;

/// Something that happens before a rebalance.
#[derive(Debug, Clone)]
enum Happening {
    Configure(&'static str, u32),
    Delete(&'static str),
    Join(&'static str),
    Leave(&'static str),
    /// Back so fast that the group did not notice it was away.
    Restart(&'static str),
    LeaderChange,
    Pass(u64),
    /// A round of which only these hear.
    HeardBy(Vec<&'static str>),
    Unheard,
    Heard,
}

const WORKERS: [&str; 5] = ["w1", "w2", "w3", "w4", "w5"];
const CONNECTORS: [&str; 5] = ["a", "b", "c", "d", "e"];
const MAX_DELAY_MS: u32 = 10_000;

fn happening() -> impl Strategy<Value = Happening> {
    let worker = || prop::sample::select(WORKERS.to_vec());
    let connector = || prop::sample::select(CONNECTORS.to_vec());
    prop_oneof![
        3 => (connector(), 0..8_u32).prop_map(|(connector, tasks)| Happening::Configure(connector, tasks)),
        1 => connector().prop_map(Happening::Delete),
        3 => worker().prop_map(Happening::Join),
        2 => worker().prop_map(Happening::Leave),
        1 => worker().prop_map(Happening::Restart),
        1 => Just(Happening::LeaderChange),
        2 => prop::sample::select(vec![1, 50, 3_000, 10_000]).prop_map(Happening::Pass),
        1 => prop::sample::subsequence(WORKERS.to_vec(), 0..=5).prop_map(Happening::HeardBy),
        1 => Just(Happening::Unheard),
        5 => Just(Happening::Heard),
    ]
}

fn happen(cluster: &mut Cluster, happening: Happening) {
    match happening {
        Happening::Configure(connector, tasks) => cluster.configure([(connector, tasks)]),
        Happening::Delete(connector) => cluster.delete(connector),
        Happening::Join(worker) if !cluster.members.contains_key(worker) => cluster.join([worker]),
        Happening::Leave(worker) if cluster.members.contains_key(worker) && cluster.members.len() > 1 => {
            cluster.leave(worker);
        }
        Happening::Restart(worker) if cluster.members.contains_key(worker) => {
            cluster.leave(worker);
            cluster.join([worker]);
        }
        Happening::Join(_) | Happening::Leave(_) | Happening::Restart(_) => {}
        Happening::LeaderChange => cluster.memory = Memory::default(),
        Happening::Pass(ms) => cluster.pass(ms),
        Happening::HeardBy(workers) => {
            let workers: Vec<MemberId> = workers.into_iter().map(MemberId::from).collect();
            checked(cluster, |cluster| cluster.rebalance_heard_by(&workers));
        }
        Happening::Unheard => checked(cluster, Cluster::rebalance_unheard),
        Happening::Heard => checked(cluster, Cluster::rebalance),
    }
}

/// A round, and what holds for each.
fn checked(cluster: &mut Cluster, rebalance: impl Fn(&mut Cluster)) {
    let mut again = cluster.clone();
    let running_before = cluster.running();

    rebalance(cluster);
    rebalance(&mut again);

    assert!(cluster.assignments().eq(again.assignments()), "the same again");
    assert_eq!(cluster.memory, again.memory, "the same again");
    let given = cluster.gave_out();
    for unit in &given {
        assert!(!running_before.contains(unit), "{unit:?} is given out, but somebody runs it");
        assert_eq!(given.iter().filter(|other| *other == unit).count(), 1, "{unit:?} is given out twice");
        assert!(cluster.configured.units().contains(unit), "{unit:?} does not exist");
    }
    let running = cluster.running();
    assert!(running.windows(2).all(|pair| pair[0] != pair[1]), "something runs twice: {running:?}");
    assert!(cluster.delay_ms() <= MAX_DELAY_MS);
}

proptest! {
    #[test]
    fn everything_runs_once_and_in_balance_when_all_is_quiet(
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut cluster = Cluster::new(MAX_DELAY_MS);
        cluster.join(["w1"]);
        for happening in happenings {
            happen(&mut cluster, happening);
        }

        let mut rounds = 0;
        loop {
            checked(&mut cluster, Cluster::rebalance);
            if cluster.changed_nothing() && cluster.delay_ms() == 0 {
                break;
            }
            rounds += 1;
            prop_assert!(rounds <= 7, "still moving: {:?} {:?}", cluster.gave_out(), cluster.took_away());
            cluster.pass(u64::from(cluster.delay_ms()));
        }

        // A new leader finds only in its second round what it has not given out itself.
        checked(&mut cluster, Cluster::rebalance);
        checked(&mut cluster, Cluster::rebalance);
        cluster.assert_complete_and_balanced();
        checked(&mut cluster, Cluster::rebalance);
        prop_assert!(cluster.changed_nothing());
    }
}
