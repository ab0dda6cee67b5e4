//! What a connector has found, where people look: each finding once in the log, all of them in the connector's status, until
//! they are over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

/// The findings of all jobs.
pub(crate) struct Report {
    context: Arc<dyn ConnectorContext>,
    current: BTreeMap<Subject, BTreeSet<String>>,
}

impl Report {
    pub(crate) fn new(context: Arc<dyn ConnectorContext>) -> Self {
        Self { context, current: BTreeMap::new() }
    }

    /// These are the findings of a job now.
    pub(crate) fn update(&mut self, subject: Subject, findings: &Findings) {
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
