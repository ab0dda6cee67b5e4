//! What the control plane of a worker has seen since the start: units that started, failed and were started again, and
//! rebalances. Fed by the driver with everything that goes in and out of the herder (pure).

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConnectError;
use connect_herder::ids::{ConnectorName, TaskId};
use connect_herder::view::ClusterView;
use connect_herder::{Action, Event};

/// Counted since the start of the worker.
#[derive(Debug, Default)]
pub struct Counts {
    /// Starts of connector instances.
    pub connector_starts: Starts,
    /// Starts of tasks.
    pub task_starts: Starts,
    /// Connectors and tasks of this worker that failed, also at their start, by connector.
    pub failures: BTreeMap<ConnectorName, u64>,
    /// Failed ones that were started again, by connector.
    pub restarts: BTreeMap<ConnectorName, u64>,
    /// Rebalances that this worker took part in.
    pub rebalances: Rebalances,
    failed: BTreeSet<(ConnectorName, Option<u32>)>,
}

/// Starts and how they went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Starts {
    /// It runs.
    pub succeeded: u64,
    /// It does not.
    pub failed: u64,
}

/// Rebalances, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebalances {
    /// Ended ones.
    pub completed: u64,
    /// The time that they took together.
    pub total_ms: i64,
    /// The time that the longest took.
    pub max_ms: i64,
    /// When the last one ended, since 1970.
    pub last_ended_ms: Option<i64>,
    /// When the one under way began.
    began_ms: Option<i64>,
}

impl Counts {
    /// Something happened.
    pub fn heard(&mut self, event: &Event) {
        match event {
            Event::ConnectorStarted { name, result } => {
                self.connector_starts.add(result);
                if result.is_err() {
                    self.fail(name, None);
                }
            }
            Event::TaskStarted { task, result } => {
                self.task_starts.add(result);
                if result.is_err() {
                    self.fail(&task.connector, Some(task.task));
                }
            }
            Event::ConnectorFailed { name, .. } => self.fail(name, None),
            Event::TaskFailed { task, .. } => self.fail(&task.connector, Some(task.task)),
            _ => {}
        }
    }

    /// Something is to be done.
    pub fn done(&mut self, action: &Action) {
        match action {
            Action::StartConnector { name, .. } => self.start(name, None),
            Action::StartTask { task: TaskId { connector, task }, .. } => self.start(connector, Some(*task)),
            _ => {}
        }
    }

    /// The view has changed.
    pub fn seen(&mut self, view: &ClusterView, now_ms: i64) {
        self.rebalances.is_under_way(view.group.rebalancing, now_ms);
        // Nobody asks any more for what is deleted.
        let exists = |connector: &ConnectorName| view.config.contains(connector);
        self.failures.retain(|connector, _| exists(connector));
        self.restarts.retain(|connector, _| exists(connector));
        self.failed.retain(|(connector, _)| exists(connector));
    }

    fn fail(&mut self, connector: &ConnectorName, task: Option<u32>) {
        *self.failures.entry(connector.clone()).or_default() += 1;
        self.failed.insert((connector.clone(), task));
    }

    fn start(&mut self, connector: &ConnectorName, task: Option<u32>) {
        if self.failed.remove(&(connector.clone(), task)) {
            *self.restarts.entry(connector.clone()).or_default() += 1;
        }
    }
}

impl Starts {
    fn add(&mut self, result: &Result<(), ConnectError>) {
        match result {
            Ok(()) => self.succeeded += 1,
            Err(_) => self.failed += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// The parts that went well and badly, from 0 to 1; 0 if there were none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn shares(&self) -> (f64, f64) {
        let all = self.attempts().max(1) as f64;
        (self.succeeded as f64 / all, self.failed as f64 / all)
    }
}

impl Rebalances {
    fn is_under_way(&mut self, rebalancing: bool, now_ms: i64) {
        match (rebalancing, self.began_ms) {
            (true, None) => self.began_ms = Some(now_ms),
            (false, Some(began_ms)) => {
                let elapsed_ms = (now_ms - began_ms).max(0);
                self.completed += 1;
                self.total_ms += elapsed_ms;
                self.max_ms = self.max_ms.max(elapsed_ms);
                (self.began_ms, self.last_ended_ms) = (None, Some(now_ms));
            }
            _ => {}
        }
    }

    /// The average time, if there was one.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "an average of milliseconds")]
    pub fn average_ms(&self) -> Option<f64> {
        (self.completed > 0).then(|| self.total_ms as f64 / self.completed as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task_failed(task: u32) -> Event {
        Event::TaskFailed { task: TaskId::new("m", task), error: ConnectError::fatal("broken") }
    }

    #[test]
    fn starts_are_counted_by_how_they_went() {
        let mut counts = Counts::default();
        let started = |result| Event::TaskStarted { task: TaskId::new("m", 0), result };

        counts.heard(&started(Ok(())));
        counts.heard(&started(Err(ConnectError::fatal("no"))));

        assert_eq!(counts.task_starts, Starts { succeeded: 1, failed: 1 });
        assert_eq!(counts.task_starts.shares(), (0.5, 0.5));
        assert_eq!(counts.failures[&ConnectorName::from("m")], 1);
    }

    #[test]
    fn only_a_start_after_a_failure_is_a_restart() {
        let mut counts = Counts::default();
        let name = ConnectorName::from("m");

        counts.start(&name, Some(1));
        assert!(counts.restarts.is_empty());
        counts.heard(&task_failed(1));
        counts.start(&name, Some(0));
        counts.start(&name, Some(1));
        counts.start(&name, Some(1));

        assert_eq!(counts.restarts[&name], 1);
    }

    #[test]
    fn rebalances_last_from_the_first_word_of_them_to_the_last() {
        let mut rebalances = Rebalances::default();

        for (under_way, now_ms) in [(false, 1), (true, 10), (true, 15), (false, 30), (true, 50), (false, 60)] {
            rebalances.is_under_way(under_way, now_ms);
        }

        assert_eq!((rebalances.completed, rebalances.max_ms, rebalances.last_ended_ms), (2, 20, Some(60)));
        assert_eq!(rebalances.average_ms(), Some(15.0));
    }
}
