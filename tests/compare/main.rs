//! `compare`: asks a worker of Java Connect and one of ours the same questions, and prints what they answer differently;
//! `cargo xtask compare rest` runs it.
//!
//! Both workers keep their state in the same Kafka, each in a group of its own, and mirror the same topic. The questions
//! are a fixed list ([`script`]); what may differ is another, with a reason each ([`allowed`]). Any other difference, and
//! any allowance that nothing needs any more, makes the exit code 1.
//!
//! - `-v` prints every exchange.

mod allowed;
mod difference;
mod guarded;
mod script;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::{Response, Rest, Runtime, WorkerConfig, clusters};
use serde_json::json;

use difference::differences;
use script::{Ask, Topics};

/// How long a state that was asked for may take to come, on either side.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let verbose = std::env::args().any(|argument| argument == "-v");
    let began = Instant::now();
    let mut report = Report { verbose, ..Report::default() };
    // Building it takes longer than a worker of Java waits to be spoken to.
    harness::portage::binary();
    open_workers(&mut report).await;
    guarded::compare(&mut report).await;
    println!("{:.0} s", began.elapsed().as_secs_f64());
    report.conclude()
}

/// Workers as most people have them: plain HTTP, nothing guarded.
async fn open_workers(report: &mut Report) {
    let pair = clusters().await;
    let topics = Topics { source: pair.source.bootstrap(), target: pair.target.bootstrap() };
    pair.source.create_topic("compared", 2).await;
    let record = harness::Record::new("key", "value");
    for partition in [0, 1] {
        pair.source.produce("compared", partition, &[record.clone(), record.clone()]).await;
    }
    // Java's worker leaves a failed task alone, and so shall ours here.
    let start = async |runtime, group| {
        WorkerConfig::new(&pair.target, group).with("portage.restart.enabled", "false").start(runtime).await
    };
    let (java, ours) = tokio::join!(start(Runtime::Java, "java"), start(Runtime::Portage, "ours"));
    for ask in script::script(&topics) {
        report.compare(&ask, java.rest(), ours.rest()).await;
    }
    tokio::join!(java.stop(), ours.stop());
}

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Report {
    verbose: bool,
    asked: usize,
    alike: usize,
    allowances_used: Vec<usize>,
    others: usize,
}

impl Report {
    /// Asks both, and notes what differs.
    pub(crate) async fn compare(&mut self, ask: &Ask, java: &Rest, ours: &Rest) {
        let (java, ours) = tokio::join!(settled(ask, java), settled(ask, ours));
        self.asked += 1;
        if self.verbose {
            println!("{}\n  java {}\n  ours {}", ask.title(), shown(&java), shown(&ours));
        }
        let differences = differences(&java, &ours);
        if differences.is_empty() {
            self.alike += 1;
        }
        let mut other = differences;
        other.retain(|difference| {
            let allowed = allowed::ALLOWED.iter().position(|allowance| allowance.covers(&ask.title(), difference));
            self.allowances_used.extend(allowed);
            allowed.is_none()
        });
        if !other.is_empty() {
            println!("{} ({}/{})", ask.title(), java.status, ours.status);
            other.iter().for_each(|difference| println!("  {difference}"));
        }
        self.others += other.len();
    }

    fn conclude(self) -> ExitCode {
        let stale: Vec<_> = (0..allowed::ALLOWED.len())
            .filter(|index| !self.allowances_used.contains(index))
            .map(|index| &allowed::ALLOWED[index])
            .filter(|allowance| !allowance.by_chance)
            .collect();
        for allowance in &stale {
            println!("nothing needs this allowance any more: {} {} ({})", allowance.asked, allowance.at, allowance.why);
        }
        println!(
            "{} requests: {} answered alike, {} allowed differences by {} rules, {} other differences",
            self.asked,
            self.alike,
            self.allowances_used.len(),
            allowed::ALLOWED.len(),
            self.others
        );
        if self.others == 0 && stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn shown(answer: &Response) -> String {
    let body: String = answer.body.chars().take(600).collect();
    format!("{} {:?} {body}", answer.status, answer.headers)
}

/// Asks until the answer is what the script waits for; the last answer counts, whatever it is. A question that is refused
/// as wrong will not become right.
async fn settled(ask: &Ask, rest: &Rest) -> Response {
    let since = Instant::now();
    loop {
        let answer = once(ask, rest).await;
        let settled = ask.until.as_ref().is_none_or(|until| until(&answer)) || answer.status == 400;
        if settled || since.elapsed() > SETTLES_WITHIN {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn once(ask: &Ask, rest: &Rest) -> Response {
    let asking = ask.headers.iter().fold(rest.clone(), |rest, (name, value)| rest.header(name, value));
    let mut answer = asking.send(ask.method, &ask.path, ask.body.as_deref()).await;
    // The one thing in which the two must differ.
    let address = rest.address();
    answer.body = answer.body.replace(address, "WORKER");
    for value in answer.headers.values_mut() {
        *value = value.replace(address, "WORKER");
    }
    answer
}

/// The config of a mirror of the topic that both mirror.
pub(crate) fn mirror(topics: &Topics) -> serde_json::Value {
    json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": "origin",
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": topics.source,
        "target.cluster.bootstrap.servers": topics.target,
        "topics": "compared",
        "tasks.max": "2",
        "replication.factor": "1",
        "offset-syncs.topic.replication.factor": "1",
        "heartbeats.replication.enabled": "false",
        "sync.topic.acls.enabled": "false",
        "refresh.topics.interval.seconds": "1",
    })
}
