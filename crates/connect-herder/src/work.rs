//! What runs on this worker, and what should: the only truth of it.
//!
//! Three sets. *Assigned* is what the group has given us. *Admitted* is the part of it that may run now: a round has to be
//! resolved before its new work starts, and a task whose configs have changed waits for the next round. *Here* is what has
//! been started and has not been reported as stopped. [`Work::reconcile`] brings *here* to *admitted*: it stops what is
//! too much and starts what is missing, and it does so again after every event. So a task that is taken away and given back
//! while it still stops needs no care: it starts when it has stopped.
//!
//! Promise: starts and stops of a unit alternate, and nothing starts that is not assigned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ids::{ConnectorName, TaskId};

/// The least that can be started and stopped. Connector instances come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A connector instance.
    Connector(ConnectorName),
    /// A task.
    Task(TaskId),
}

impl Unit {
    /// The connector that it is, or belongs to.
    #[must_use]
    pub fn connector(&self) -> &ConnectorName {
        match self {
            Self::Connector(name) => name,
            Self::Task(task) => &task.connector,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connector(name) => name.fmt(f),
            Self::Task(task) => task.fmt(f),
        }
    }
}

/// How a unit is that is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Start asked for, no answer yet.
    Starting,
    /// It runs, or is there without doing anything (paused).
    Running,
    /// It has failed and is still there, so that it has to be stopped.
    Broken,
    /// It has failed and is gone. Stays so until someone restarts it or it goes elsewhere.
    Failed,
    /// Stop asked for, no answer yet.
    Stopping(StopReason),
}

/// Why a unit stops, which decides what its status becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It leaves, or waits for the next round: UNASSIGNED.
    Release,
    /// Someone wants it restarted: RESTARTING.
    Restart,
    /// Its config or target state has changed; it starts again at once, and that is its next status.
    Change,
}

/// One thing to do about a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start it.
    Start(Unit),
    /// Nothing is left of it but the memory that it has failed, and it is ours no more.
    Forget(Unit),
    /// Stop it.
    Stop(Unit),
}

/// The units of this worker.
#[derive(Debug, Clone, Default)]
pub struct Work {
    assigned: BTreeSet<Unit>,
    admitted: BTreeSet<Unit>,
    here: BTreeMap<Unit, Run>,
    bounces: BTreeMap<Unit, StopReason>,
}

impl Work {
    /// The group has given us this and no more. What is new waits for [`admit`](Self::admit).
    pub fn assign(&mut self, units: BTreeSet<Unit>) {
        self.admitted.retain(|unit| units.contains(unit));
        self.assigned = units;
    }

    /// All that is assigned may run.
    pub fn admit(&mut self) {
        self.admitted.clone_from(&self.assigned);
    }

    /// Stops a unit until the next [`admit`](Self::admit). Answers whether it was admitted.
    pub fn hold(&mut self, unit: &Unit) -> bool {
        self.admitted.remove(unit)
    }

    /// Stops and starts a unit. One that is not here, or already stops, starts anew anyway. Answers whether it had failed
    /// and was gone, so that nothing will be stopped.
    pub fn bounce(&mut self, unit: &Unit, reason: StopReason) -> bool {
        match self.here.get(unit) {
            Some(Run::Failed) => {
                self.here.remove(unit);
                true
            }
            Some(Run::Starting | Run::Running | Run::Broken) => {
                // A restart that someone waits to see is not made silent by a change.
                let known = self.bounces.entry(unit.clone()).or_insert(reason);
                if reason == StopReason::Restart {
                    *known = reason;
                }
                false
            }
            Some(Run::Stopping(_)) | None => false,
        }
    }

    /// Brings what is here to what should be, stops first.
    #[must_use]
    pub fn reconcile(&mut self) -> Vec<Step> {
        let mut steps = self.stop_excess();
        let starts: Vec<Unit> = self.admitted.iter().filter(|unit| !self.here.contains_key(*unit)).cloned().collect();
        for unit in &starts {
            self.here.insert(unit.clone(), Run::Starting);
        }
        steps.extend(starts.into_iter().map(Step::Start));
        steps
    }

    /// The half of [`reconcile`](Self::reconcile) that stops.
    #[must_use]
    pub fn stop_excess(&mut self) -> Vec<Step> {
        let mut stops = Vec::new();
        let mut gone = Vec::new();
        for (unit, run) in &mut self.here {
            let reason = match (self.admitted.contains(unit), self.bounces.get(unit)) {
                (false, _) => StopReason::Release,
                (true, Some(reason)) => *reason,
                (true, None) => continue,
            };
            match run {
                Run::Starting | Run::Running | Run::Broken => {
                    *run = Run::Stopping(reason);
                    stops.push(Step::Stop(unit.clone()));
                }
                Run::Failed => gone.push(unit.clone()),
                Run::Stopping(_) => {}
            }
        }
        self.bounces.clear();
        for unit in &gone {
            self.here.remove(unit);
        }
        gone.into_iter().map(Step::Forget).chain(stops).collect()
    }

    /// The shell says that a unit runs. Answers whether that is news.
    pub fn started(&mut self, unit: &Unit) -> bool {
        self.change(unit, |run| *run == Run::Starting, Run::Running)
    }

    /// The shell says that a unit could not start, or has failed and ended. Answers whether that is news.
    pub fn failed(&mut self, unit: &Unit) -> bool {
        self.change(unit, |run| matches!(run, Run::Starting | Run::Running | Run::Broken), Run::Failed)
    }

    /// The shell says that a unit has failed, but is still there. Answers whether that is news.
    pub fn broken(&mut self, unit: &Unit) -> bool {
        self.change(unit, |run| matches!(run, Run::Starting | Run::Running), Run::Broken)
    }

    fn change(&mut self, unit: &Unit, from: impl Fn(&Run) -> bool, to: Run) -> bool {
        match self.here.get_mut(unit) {
            Some(run) if from(run) => {
                *run = to;
                true
            }
            _ => false,
        }
    }

    /// The shell says that a unit has stopped. Answers why it had to, or `None` if nobody asked for it.
    pub fn stopped(&mut self, unit: &Unit) -> Option<StopReason> {
        match self.here.get(unit) {
            Some(Run::Stopping(reason)) => {
                let reason = *reason;
                self.here.remove(unit);
                Some(reason)
            }
            _ => None,
        }
    }

    /// How a unit is; `None` if it is not here.
    #[must_use]
    pub fn run(&self, unit: &Unit) -> Option<Run> {
        self.here.get(unit).copied()
    }

    /// Whether the unit is assigned to this worker.
    #[must_use]
    pub fn is_assigned(&self, unit: &Unit) -> bool {
        self.assigned.contains(unit)
    }

    /// Whether the unit may run.
    #[must_use]
    pub fn is_admitted(&self, unit: &Unit) -> bool {
        self.admitted.contains(unit)
    }

    /// The assigned units.
    pub fn assigned(&self) -> impl Iterator<Item = &Unit> {
        self.assigned.iter()
    }

    /// All that is here, and how it is.
    pub fn here(&self) -> impl Iterator<Item = (&Unit, Run)> {
        self.here.iter().map(|(unit, run)| (unit, *run))
    }

    /// The units that are yet to stop.
    pub fn stopping(&self) -> impl Iterator<Item = &Unit> {
        self.here.iter().filter(|(_, run)| matches!(run, Run::Stopping(_))).map(|(unit, _)| unit)
    }

    /// Debug builds: what holds after every event.
    pub fn check(&self) {
        debug_assert!(self.admitted.is_subset(&self.assigned), "work that may run is assigned");
        debug_assert!(
            self.here.iter().all(|(unit, run)| self.admitted.contains(unit) || matches!(run, Run::Stopping(_))),
            "work that may not run stops: {:?}",
            self.here
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: u32) -> Unit {
        Unit::Task(TaskId::new("m", number))
    }

    fn running(units: &[Unit]) -> Work {
        let mut work = Work::default();
        work.assign(units.iter().cloned().collect());
        work.admit();
        let _ = work.reconcile();
        for unit in units {
            assert!(work.started(unit));
        }
        work
    }

    #[test]
    fn assigned_work_starts_once_it_is_admitted() {
        let mut work = Work::default();

        work.assign(BTreeSet::from([task(0)]));
        assert_eq!(work.reconcile(), []);

        work.admit();
        assert_eq!(work.reconcile(), [Step::Start(task(0))]);
        assert_eq!(work.reconcile(), []);
    }

    #[test]
    fn a_revoked_task_is_not_started_again_until_it_has_stopped() {
        let mut work = running(&[task(0)]);

        work.assign(BTreeSet::new());
        assert_eq!(work.reconcile(), [Step::Stop(task(0))]);
        work.assign(BTreeSet::from([task(0)]));
        work.admit();
        assert_eq!(work.reconcile(), []);
        assert_eq!(work.stopped(&task(0)), Some(StopReason::Release));

        assert_eq!(work.reconcile(), [Step::Start(task(0))]);
    }

    #[test]
    fn a_held_task_stops_and_starts_after_the_next_round() {
        let mut work = running(&[task(0), task(1)]);

        assert!(work.hold(&task(0)));
        assert_eq!(work.reconcile(), [Step::Stop(task(0))]);
        work.stopped(&task(0));
        assert_eq!(work.reconcile(), []);

        work.admit();
        assert_eq!(work.reconcile(), [Step::Start(task(0))]);
    }

    #[test]
    fn a_bounce_stops_first_and_starts_after() {
        let mut work = running(&[task(0)]);

        assert!(!work.bounce(&task(0), StopReason::Change));
        assert!(!work.bounce(&task(0), StopReason::Restart));
        assert_eq!(work.reconcile(), [Step::Stop(task(0))]);
        assert!(!work.bounce(&task(0), StopReason::Change));
        assert_eq!(work.reconcile(), []);

        assert_eq!(work.stopped(&task(0)), Some(StopReason::Restart));
        assert_eq!(work.reconcile(), [Step::Start(task(0))]);
    }

    #[test]
    fn a_failed_task_stays_failed_until_it_is_bounced() {
        let mut work = running(&[task(0)]);

        assert!(work.failed(&task(0)));
        assert_eq!(work.reconcile(), []);

        assert!(work.bounce(&task(0), StopReason::Restart));
        assert_eq!(work.reconcile(), [Step::Start(task(0))]);
    }

    #[test]
    fn a_failed_task_leaves_without_a_stop_and_a_broken_connector_with_one() {
        let connector = Unit::Connector("m".into());
        let mut work = running(&[connector.clone(), task(0)]);
        work.failed(&task(0));
        work.broken(&connector);

        work.assign(BTreeSet::new());

        assert_eq!(work.reconcile(), [Step::Forget(task(0)), Step::Stop(connector)]);
        assert_eq!(work.run(&task(0)), None);
    }

    #[test]
    fn words_about_a_unit_that_stops_change_nothing() {
        let mut work = running(&[task(0)]);
        work.assign(BTreeSet::new());
        let _ = work.reconcile();

        assert!(!work.started(&task(0)));
        assert!(!work.failed(&task(0)));
        assert_eq!(work.stopped(&task(0)), Some(StopReason::Release));
        assert_eq!(work.stopped(&task(0)), None);
    }
}
