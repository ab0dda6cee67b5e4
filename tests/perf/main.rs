//! `perf`: what mirroring costs, measured on two real brokers; `cargo xtask perf` runs it.
//!
//! Topics are loaded by Java's own load generator, then mirrored by one subject after the other, in turn for as many rounds
//! as asked for, always on the same brokers and the same records. The figures are for people to read and compare; nothing is
//! asserted but that everything has arrived.
//!
//! | file | idea |
//! |---|---|
//! | `workload` | what is mirrored |
//! | `subject` | who mirrors |
//! | `run`, `meter` | one run, and what it has used |
//! | `steady` | latency at a steady rate |
//! | `table` | medians and ratios as Markdown |
//! | `options` | the command line |

mod meter;
mod options;
mod run;
mod steady;
mod subject;
mod table;
mod workload;

use harness::Pair;
use options::Options;
use subject::Subject;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{}", options::USAGE);
            std::process::exit(2);
        }
    };
    let lab = harness::lab().await;
    let (source, target) = (lab.cluster("source").as_shipped(), lab.cluster("target").as_shipped());
    let (source, target) = tokio::join!(source.start(), target.start());
    let pair = Pair { source, target };
    let mut text = String::new();
    for workload in &options.workloads {
        workload.load(&pair.source).await;
        let mut runs: Vec<_> = options.subjects.iter().map(|subject| (*subject, Vec::new())).collect();
        for round in 0..options.rounds {
            for index in 0..runs.len() {
                // Nobody always comes first, when the brokers are coldest.
                let (subject, figures): &mut (Subject, Vec<_>) = &mut runs[(index + round) % options.subjects.len()];
                eprintln!("{}, round {}: {}", workload.name, round + 1, subject.title());
                figures.push(run::run(&pair, *subject, workload, round).await);
            }
        }
        pair.source.delete_topic(&workload.topic()).await;
        let table = table::table(workload.title, &runs);
        println!("{table}");
        text.push_str(&table);
        text.push('\n');
    }
    if let Some(seconds) = options.steady_s {
        let table = steady::steady(&pair, &options.subjects, seconds).await;
        println!("{table}");
        text.push_str(&table);
    }
    if let Some(file) = &options.out {
        std::fs::write(file, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}
