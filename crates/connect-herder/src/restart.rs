//! Restarting a connector and its tasks on request (KIP-745).
//!
//! The leader makes a plan, answers with it and writes the [`RestartRequest`] to the config topic; every worker that reads
//! the record makes the plan again from its own view and restarts the part that it runs.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::ids::{ConnectorName, TaskId};
use crate::protocol::ConnectorsAndTasks;
use crate::status_log::{State, Status, StatusState};

/// What someone wants restarted.
///
/// Ordered by connector, then by impact: of several pending requests for a connector the greatest wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RestartRequest {
    /// The connector.
    pub connector: ConnectorName,
    /// Leave alone what has not failed.
    pub only_failed: bool,
    /// The tasks too, not the connector instance alone.
    pub include_tasks: bool,
}

impl RestartRequest {
    /// The plain restart of a connector's instance.
    #[must_use]
    pub fn of_instance(connector: ConnectorName) -> Self {
        Self { connector, only_failed: false, include_tasks: false }
    }

    /// Whether a connector instance in this state is to restart.
    #[must_use]
    pub fn selects_connector(&self, state: State) -> bool {
        !self.only_failed || state == State::Failed
    }

    /// Whether a task in this state is to restart.
    #[must_use]
    pub fn selects_task(&self, state: State) -> bool {
        self.include_tasks && (!self.only_failed || state == State::Failed)
    }

    /// Whether this is the plain restart of the instance, as it was before KIP-745.
    #[must_use]
    pub fn is_connector_only(&self) -> bool {
        !self.only_failed && !self.include_tasks
    }

    /// More units restart with a higher rank, in all likelihood.
    fn impact_rank(&self) -> (bool, bool) {
        (!self.only_failed, self.include_tasks)
    }
}

impl Ord for RestartRequest {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.connector, self.impact_rank()).cmp(&(&other.connector, other.impact_rank()))
    }
}

impl PartialOrd for RestartRequest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A request, applied to the statuses of the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPlan {
    request: RestartRequest,
    connector: Status,
    restarts_connector: bool,
    tasks: BTreeMap<u32, Status>,
    tasks_to_restart: Vec<TaskId>,
}

impl RestartPlan {
    /// The plan for a request; `None` if the connector has no status, which is to say that nobody knows of it.
    #[must_use]
    pub fn new(request: RestartRequest, statuses: &StatusState) -> Option<Self> {
        let mut connector = statuses.connector(&request.connector)?.clone();
        let restarts_connector = request.selects_connector(connector.state);
        if restarts_connector {
            connector.state = State::Restarting;
        }
        let mut tasks = statuses.tasks(&request.connector).clone();
        let mut tasks_to_restart = Vec::new();
        for (task, status) in tasks.iter_mut().filter(|(_, status)| request.selects_task(status.state)) {
            status.state = State::Restarting;
            tasks_to_restart.push(TaskId::new(request.connector.clone(), *task));
        }
        Some(Self { request, connector, restarts_connector, tasks, tasks_to_restart })
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &RestartRequest {
        &self.request
    }

    /// The status of the connector instance, `RESTARTING` if it is to restart.
    #[must_use]
    pub fn connector(&self) -> &Status {
        &self.connector
    }

    /// The statuses of the tasks by number, those that are to restart being `RESTARTING`.
    #[must_use]
    pub fn tasks(&self) -> &BTreeMap<u32, Status> {
        &self.tasks
    }

    /// Whether the connector instance is to restart.
    #[must_use]
    pub fn restarts_connector(&self) -> bool {
        self.restarts_connector
    }

    /// The tasks that are to restart, by number.
    #[must_use]
    pub fn tasks_to_restart(&self) -> &[TaskId] {
        &self.tasks_to_restart
    }

    /// The part of the plan that the owner of `assignment` carries out.
    #[must_use]
    pub fn part_of(&self, assignment: &ConnectorsAndTasks) -> ConnectorsAndTasks {
        let name = &self.request.connector;
        let connector = self.restarts_connector && assignment.connectors.contains(name);
        let tasks = self.tasks_to_restart.iter().filter(|task| assignment.tasks.contains(task));
        ConnectorsAndTasks {
            connectors: connector.then(|| name.clone()).into_iter().collect(),
            tasks: tasks.cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Generation;
    use crate::status_log::StatusRecord;

    const ALL: [State; 6] =
        [State::Unassigned, State::Running, State::Paused, State::Failed, State::Restarting, State::Stopped];

    fn request(only_failed: bool, include_tasks: bool) -> RestartRequest {
        RestartRequest { connector: "c".into(), only_failed, include_tasks }
    }

    /// Connector `c` in a state, a task in each state, and another connector that has failed with its task.
    fn statuses(connector: State) -> StatusState {
        let mut statuses = StatusState::new();
        let status = |state| {
            let trace = (state == State::Failed).then(|| "boom".to_owned());
            Some(Status { state, trace, worker_id: "w".into(), generation: Generation(1), version: None })
        };
        let mut put = |record: StatusRecord| {
            let (key, value) = record.encode();
            statuses.apply(&key, value.as_deref().map(str::as_bytes)).unwrap();
        };
        put(StatusRecord::Connector { connector: "c".into(), status: status(connector) });
        put(StatusRecord::Connector { connector: "other".into(), status: status(State::Failed) });
        put(StatusRecord::Task { task: TaskId::new("other", 0), status: status(State::Failed) });
        for (task, state) in (0..).zip(ALL) {
            put(StatusRecord::Task { task: TaskId::new("c", task), status: status(state) });
        }
        statuses
    }

    #[test]
    fn a_plan_restarts_what_the_request_selects_and_nothing_else() {
        for connector in ALL {
            for (only_failed, include_tasks) in [(false, false), (false, true), (true, false), (true, true)] {
                let plan = RestartPlan::new(request(only_failed, include_tasks), &statuses(connector)).unwrap();

                assert_eq!(plan.restarts_connector(), !only_failed || connector == State::Failed);
                let selected = |state| include_tasks && (!only_failed || state == State::Failed);
                let expected =
                    (0..).zip(ALL).filter(|(_, state)| selected(*state)).map(|(task, _)| TaskId::new("c", task));
                assert_eq!(plan.tasks_to_restart(), expected.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_plan_shows_restarting_for_what_restarts_and_the_rest_as_it_is() {
        let plan = RestartPlan::new(request(true, true), &statuses(State::Running)).unwrap();

        assert_eq!(plan.connector().state, State::Running);
        let shown: Vec<State> = plan.tasks().values().map(|status| status.state).collect();
        assert_eq!(shown, ALL.map(|state| if state == State::Failed { State::Restarting } else { state }));
        assert_eq!(plan.tasks()[&3].trace.as_deref(), Some("boom"), "as in Java");
    }

    #[test]
    fn there_is_no_plan_for_a_connector_that_nobody_knows() {
        assert_eq!(RestartPlan::new(request(false, true), &StatusState::new()), None);
    }

    #[test]
    fn a_worker_restarts_only_what_it_runs() {
        let plan = RestartPlan::new(request(false, true), &statuses(State::Running)).unwrap();
        let mine = ConnectorsAndTasks {
            connectors: vec!["other".into()],
            tasks: vec![TaskId::new("c", 4), TaskId::new("other", 0), TaskId::new("c", 1)],
        };

        let part = plan.part_of(&mine);

        assert_eq!(part.connectors, []);
        assert_eq!(part.tasks, [TaskId::new("c", 1), TaskId::new("c", 4)]);
        let owner = ConnectorsAndTasks { connectors: vec!["c".into()], tasks: Vec::new() };
        assert_eq!(plan.part_of(&owner).connectors, ["c".into()]);
    }

    #[test]
    fn the_request_with_more_impact_is_the_greater_one() {
        let by_rank = [request(true, false), request(true, true), request(false, false), request(false, true)];

        assert!(by_rank.is_sorted());
        assert!(by_rank.windows(2).all(|pair| pair[0] < pair[1]));
        let earlier = RestartRequest { connector: "b".into(), ..request(false, true) };
        assert!(earlier < by_rank[0], "connectors are compared first");
    }

    #[test]
    fn only_the_plain_restart_is_for_the_connector_alone() {
        assert!(request(false, false).is_connector_only());
        assert!(!request(true, false).is_connector_only());
        assert!(!request(false, true).is_connector_only());
    }
}
