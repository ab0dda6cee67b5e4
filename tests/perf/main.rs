//! `perf`: what mirroring costs, measured on two real brokers; `cargo xtask perf` runs it.
//!
//! Topics are loaded by Java's own load generator, then mirrored by one subject after the other, in turn for as many rounds
//! as asked for, always on the same brokers and the same records. The figures are for people to read and compare; nothing is
//! asserted. Each run's figures are told as soon as they are known, and a subject that does not get on leaves a gap.
//!
//! | file | idea |
//! |---|---|
//! | `workload` | what is mirrored |
//! | `subject` | who mirrors |
//! | `run`, `meter` | one run, and what it has used |
//! | `steady` | latency at a steady rate |
//! | `proxy` | distance |
//! | `curves` | how cost grows |
//! | `scale` | thousands of partitions and groups |
//! | `floor` | what carrying bytes takes by itself |
//! | `table` | medians and ratios as Markdown |
//! | `options` | the command line |

mod curves;
mod floor;
mod meter;
mod options;
mod proxy;
mod run;
mod scale;
mod steady;
mod subject;
mod table;
mod workload;

use std::time::Duration;

use harness::{KafkaCluster, Pair};
use options::{Command, Options};
use proxy::Proxy;
use subject::Subject;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == "scale").is_some() {
        return scale::scale(words).await;
    }
    if words.next_if(|word| word == "floor").is_some() {
        return println!("{}", floor::floor().unwrap_or_else(|error| panic!("sockets on loopback: {error}")));
    }
    let options = match Options::parse(words) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{}\n\n{}", options::USAGE, scale::USAGE);
            std::process::exit(2);
        }
    };
    // Building takes minutes, and must not be part of anything's start.
    harness::portage::binary();
    let lab = harness::lab().await;
    let target = lab.cluster("target").as_shipped();
    let (source, far) = source(&lab, options.round_trip_ms);
    let (source, target) = tokio::join!(source, target.start());
    let pair = Pair { source, target };
    let text = match options.command {
        Command::Workloads => workloads(&pair, &options, far.as_ref()).await,
        Command::Steady => steady::steady(&pair, &options.subjects, options.seconds).await,
        Command::Curves => curves::curves(&pair, &options).await,
    };
    println!("{text}");
    if let Some(file) = &options.out {
        std::fs::write(file, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}

/// The source cluster, and the wire to it if it is to be far away.
fn source(lab: &harness::Lab, round_trip_ms: u64) -> (impl Future<Output = KafkaCluster>, Option<Proxy>) {
    let cluster = lab.cluster("source").as_shipped();
    if round_trip_ms == 0 {
        return (cluster.start(), None);
    }
    // Everybody is sent to the proxy by the metadata.
    let (port, proxy) = (harness::free_port(), harness::free_port());
    let cluster = cluster.ports_from(port).config("advertised.listeners", &format!("PLAINTEXT://127.0.0.1:{proxy}"));
    (cluster.start(), Some(Proxy::start(proxy, port)))
}

async fn workloads(pair: &Pair, options: &Options, far: Option<&Proxy>) -> String {
    let mut text = String::new();
    for workload in &options.workloads {
        eprintln!("{}: loading", workload.name);
        workload.load(&pair.source).await;
        run::warm_up(pair, workload).await;
        if let Some(proxy) = far {
            proxy.round_trip(Duration::from_millis(options.round_trip_ms));
        }
        let mut runs: Vec<_> = options.subjects.iter().map(|subject| (*subject, Vec::new())).collect();
        for round in 0..options.rounds {
            for index in 0..runs.len() {
                // Nobody always comes first, when the brokers are coldest.
                let (subject, figures): &mut (Subject, Vec<_>) = &mut runs[(index + round) % options.subjects.len()];
                if let Some(proxy) = far {
                    proxy.window(if options.windows { subject.window_bytes() } else { proxy::WIDE_BYTES });
                }
                let limit = Duration::from_secs(options.seconds);
                match run::run(pair, *subject, workload, round, limit).await {
                    Ok(run) => {
                        eprintln!("{}, round {}: {}: {run}", workload.name, round + 1, subject.title());
                        figures.push(run);
                    }
                    Err(error) => eprintln!("{}, round {}: {}: {error}", workload.name, round + 1, subject.title()),
                }
            }
        }
        if let Some(proxy) = far {
            proxy.round_trip(Duration::ZERO);
        }
        pair.source.delete_topic(&workload.topic()).await;
        let table = table::table(workload.title, &runs);
        eprintln!("{table}");
        text.push_str(&table);
        text.push('\n');
    }
    text
}
