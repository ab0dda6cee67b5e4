//! What a connector has found, where people look: each finding once in the log, all of them in the connector's status, until
//! they are over, and their number among the metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use connect_api::metrics::{Family, Metric, MetricSource};
use connect_api::source::ConnectorContext;
use tracing::{info, warn};

use crate::findings::Findings;

/// What a finding is about: each job replaces its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Topics,
    Configs,
    Acls,
}

static FINDINGS: Family = Family::gauge(
    "portage_mirror_findings",
    "What is not in step between source and target, by what it is about: topics, configs, acls. The connector's status names it.",
);

/// How many findings there are of each subject, counted by topic.
#[derive(Default)]
struct Numbers {
    topics: AtomicU64,
    configs: AtomicU64,
    acls: AtomicU64,
}

impl Numbers {
    fn of(&self, subject: Subject) -> &AtomicU64 {
        match subject {
            Subject::Topics => &self.topics,
            Subject::Configs => &self.configs,
            Subject::Acls => &self.acls,
        }
    }
}

impl MetricSource for Numbers {
    fn collect(&self, _: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        for (about, number) in [("topics", &self.topics), ("configs", &self.configs), ("acls", &self.acls)] {
            sink(FINDINGS.count(&[("about", about)], number.load(Ordering::Relaxed)));
        }
    }
}

/// The findings of all jobs.
pub(crate) struct Report {
    context: Arc<dyn ConnectorContext>,
    numbers: Arc<Numbers>,
    current: BTreeMap<Subject, BTreeSet<String>>,
}

impl Report {
    pub(crate) fn new(context: Arc<dyn ConnectorContext>) -> Self {
        let numbers = Arc::<Numbers>::default();
        context.publish(Arc::clone(&numbers) as _);
        Self { context, numbers, current: BTreeMap::new() }
    }

    /// These are the findings of a job now.
    pub(crate) fn update(&mut self, subject: Subject, findings: &Findings) {
        self.numbers.of(subject).store(findings.count(), Ordering::Relaxed);
        let now: BTreeSet<String> = findings.sentences().into_iter().collect();
        let before = self.current.insert(subject, now.clone()).unwrap_or_default();
        if now == before {
            return;
        }
        for sentence in now.difference(&before) {
            warn!(finding = sentence, "the target is not in step");
        }
        for sentence in before.difference(&now) {
            info!(finding = sentence, "it is over");
        }
        self.context.report_findings(self.current.values().flatten().cloned().collect());
    }
}
