//! The end: the applications stop, the mirror catches up, and both sides are read back and compared by what is in them.

use kafka_client::TopicPartition;
use kafka_client::admin::GroupOffsets;
use rskafka::client::Client;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::compare::{Comparison, compare};
use super::consumers::{self, GROUPS};
use super::output::Output;
use super::picture::thousands;
use super::readback::Readback;
use super::stage::{self, Stage, TOPICS};
use super::{DRAIN, watch};

/// Between two looks at whether the target is complete.
const PAUSE: Duration = Duration::from_millis(100);

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) records: Comparison,
    /// Workers that were killed; their last records may have been sent again, as delivery is at least once.
    pub(crate) killed: usize,
    /// Group offsets that were checked: one for each group and partition.
    pub(crate) offsets: u64,
    /// Those after which the target has exactly the record that comes next on the source.
    pub(crate) offsets_exact: u64,
    /// What took too long, in words.
    pub(crate) faults: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        let found = &self.records;
        let copied = found.records > 0 && found.is_complete() && (found.repeated == 0 || self.killed > 0);
        copied && self.offsets_exact == self.offsets && self.faults.is_empty()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "event": "verdict",
            "good": self.is_good(),
            "records": self.records.records,
            "lost": self.records.lost,
            "repeated": self.records.repeated,
            "differing": self.records.differing,
            "disordered": self.records.disordered,
            "workers_killed": self.killed,
            "group_offsets": self.offsets,
            "group_offsets_exact": self.offsets_exact,
            "faults": self.faults,
        })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let found = &self.records;
        let word = match (self.is_good(), found.repeated) {
            (true, 0) => "an exact copy",
            (true, _) => "a complete copy",
            (false, _) => "NOT what it should be",
        };
        let mut lines = vec![
            format!("verdict: {word}"),
            format!("  {} records compared on both sides, read back with rskafka", thousands(found.records)),
            format!(
                "  {} lost, {} repeated, {} differing, {} out of order",
                found.lost, found.repeated, found.differing, found.disordered
            ),
            format!("  {} of {} group offsets point to exactly the next record", self.offsets_exact, self.offsets),
        ];
        if self.killed > 0 {
            let note = "what a killed worker had not noted yet is sent again: delivery is at least once, as in Connect";
            lines.push(format!("  workers killed: {} ({note})", self.killed));
        }
        lines.extend(self.faults.iter().map(|fault| format!("  but: {fault}")));
        lines
    }
}

/// A partition on both sides.
struct Pair {
    source: Readback,
    target: Readback,
}

/// The clients that read back.
struct Witnesses {
    source: Client,
    target: Client,
}

impl Stage {
    /// Stops the applications, lets the mirror finish, stops the workers, and compares.
    pub(crate) async fn judge(&mut self, output: &mut Output) -> Result<Verdict, String> {
        self.traffic.stop().await?;
        self.consumers.stop().await?;
        output.judging();
        let witnesses =
            Witnesses { source: stage::client(&self.source).await?, target: stage::client(&self.target).await? };
        let mut verdict = Verdict { killed: self.workers.killed(), ..Verdict::default() };
        let partitions = TOPICS.iter().flat_map(|topic| (0..topic.partitions).map(move |partition| (topic, partition)));
        let mut pairs = Vec::new();
        for (topic, partition) in partitions {
            let mut source = Readback::new(topic.name, partition);
            source.read_on(&witnesses.source, &self.source).await?;
            pairs.push(Pair { source, target: Readback::new(topic.mirrored, partition) });
        }
        self.wait_for_records(&mut pairs, &witnesses, &mut verdict).await?;
        self.wait_for_offsets(&pairs, &mut verdict).await?;
        self.workers.stop().await;
        // What came last of all counts, too.
        for pair in &mut pairs {
            pair.target.read_on(&witnesses.target, &self.target).await?;
            verdict.records.add(compare(&pair.source.prints, &pair.target.prints));
        }
        (verdict.offsets, verdict.offsets_exact) = self.check_offsets(&pairs).await?;
        Ok(verdict)
    }

    async fn wait_for_records(&self, pairs: &mut [Pair], by: &Witnesses, verdict: &mut Verdict) -> Result<(), String> {
        let deadline = Instant::now() + DRAIN;
        loop {
            let mut missing = 0;
            for pair in &mut *pairs {
                pair.target.read_on(&by.target, &self.target).await?;
                missing += compare(&pair.source.prints, &pair.target.prints).lost;
            }
            if missing == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                let missing = thousands(missing);
                verdict.faults.push(format!("{missing} records were not mirrored within {} s", DRAIN.as_secs()));
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// Offsets are translated once a second, so the right ones are waited for.
    async fn wait_for_offsets(&self, pairs: &[Pair], verdict: &mut Verdict) -> Result<(), String> {
        let deadline = Instant::now() + DRAIN;
        loop {
            let (all, exact) = self.check_offsets(pairs).await?;
            if exact == all {
                return Ok(());
            }
            if Instant::now() > deadline {
                let behind = all - exact;
                verdict.faults.push(format!("{behind} group offsets were not translated within {} s", DRAIN.as_secs()));
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// How many group offsets there are, and after how many the same record comes on both sides.
    async fn check_offsets(&self, pairs: &[Pair]) -> Result<(u64, u64), String> {
        let on_source = watch::offsets(&consumers::connect(&self.source).await?).await?;
        let on_target = watch::offsets(&consumers::connect(&self.target).await?).await?;
        let (mut all, mut exact) = (0, 0);
        for group in GROUPS {
            let committed = |side: &std::collections::BTreeMap<&str, GroupOffsets>, log: &Readback| {
                let partition = TopicPartition::new(log.topic, log.partition);
                log.next_after(side.get(group.name)?.get(&partition)?.offset)
            };
            for pair in pairs.iter().filter(|pair| group.topics.contains(&pair.source.topic)) {
                let (wanted, got) = (committed(&on_source, &pair.source), committed(&on_target, &pair.target));
                all += 1;
                exact += u64::from(wanted.is_some() && wanted == got);
            }
        }
        Ok((all, exact))
    }
}
