//! `compare-mm2`: MirrorMaker 2 and `portage mirror` mirror the same cluster from the same file, each to a cluster of its own,
//! and everything on the two targets is compared; `cargo xtask compare mm2` runs it.
//!
//! Compared are topics with their partitions and settings, every record, ACLs, checkpoints, offset syncs, committed offsets of
//! groups, and what is stored of connectors. What may differ is a list with a reason each ([`allowed`]). Any other difference,
//! and any allowance that nothing needs any more, makes the exit code 1.
//!
//! | file | idea |
//! |---|---|
//! | `corpus` | what is mirrored, and by which file |
//! | `dump` | all that a target holds, as lines |
//! | `allowed` | what may differ |

mod allowed;
mod corpus;
mod dump;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::{KafkaCluster, MirrorMaker, Runtime, lab};

use allowed::ALLOWED;
use dump::Dump;

/// Both have come to rest when nothing has changed for so long …
const REST: Duration = Duration::from_secs(8);
/// … and whoever has not by now is compared as he is.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let lab = lab().await;
    let start = async |name: &str| lab.cluster(name).authorizer().start().await;
    let (source, java, ours) = tokio::join!(start("source"), start("java"), start("ours"));
    corpus::write(&source).await;
    let began = Instant::now();
    let _java = MirrorMaker::start(Runtime::Java, "mm2-java", &corpus::properties(&source, &java));
    let _ours = MirrorMaker::start(Runtime::Portage, "mm2-ours", &corpus::properties(&source, &ours));
    let (java, ours) = tokio::join!(at_rest(&java), at_rest(&ours));
    println!("both at rest after {:.0} s", began.elapsed().as_secs_f64());
    conclude(&java, &ours)
}

/// What a target holds once it does not change any more.
async fn at_rest(target: &KafkaCluster) -> Dump {
    let began = Instant::now();
    let (mut last, mut since) = (Dump::new(), Instant::now());
    loop {
        let now = dump::dump(target).await;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        let complete = corpus::GROUPS.iter().all(|group| last.contains_key(&format!("group {group} end")));
        if (complete && since.elapsed() >= REST) || began.elapsed() >= PATIENCE {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn conclude(java: &Dump, ours: &Dump) -> ExitCode {
    let places: BTreeSet<&String> = java.keys().chain(ours.keys()).collect();
    let (mut alike, mut used, mut others) = (0, BTreeSet::new(), 0);
    let mut allowed = 0;
    for place in &places {
        let (java, ours) = (java.get(*place), ours.get(*place));
        if java == ours {
            alike += 1;
            continue;
        }
        let allowance = ALLOWED.iter().position(|allowance| allowance.covers(place, java, ours));
        let why = allowance.map(|index| ALLOWED[index].why);
        used.extend(allowance);
        if allowance.is_some() {
            allowed += 1
        } else {
            others += 1
        }
        let shown = |value: Option<&String>| value.map_or("-".to_owned(), |value| value.chars().take(200).collect());
        println!("{place}\n  java {}\n  ours {}", shown(java), shown(ours));
        println!("  {}", why.map_or("NOT ALLOWED".to_owned(), |why| format!("allowed: {why}")));
    }
    let stale: Vec<_> = (0..ALLOWED.len()).filter(|index| !used.contains(index)).map(|index| &ALLOWED[index]).collect();
    for allowance in &stale {
        println!("nothing needs this allowance any more: {} ({})", allowance.at, allowance.why);
    }
    println!(
        "{} things compared: {alike} alike, {allowed} allowed differences by {} rules, {others} other differences",
        places.len(),
        ALLOWED.len()
    );
    if others == 0 && stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
