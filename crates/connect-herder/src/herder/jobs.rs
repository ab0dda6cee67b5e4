//! What goes through the lane of config writes: checked when its turn has come, written, read back, answered.

use std::collections::VecDeque;

use connect_api::ConfigMap;

use super::Herder;
use super::commands::{AlterOffsets, PutConnector, config_topic_lost};
use super::fencing::Waiter;
use crate::action::Action;
use crate::command::{Outcome, Reply};
use crate::config_log::record::delete_connector;
use crate::config_log::{ConfigRecord, SessionKey, TargetState};
use crate::config_writer::Batch;
use crate::error::HerderError;
use crate::ids::{ConfigOffset, ConnectorName, OpId, RequestId, TaskId};
use crate::restart::{RestartPlan, RestartRequest};
use crate::status_log::Status;
use crate::view::{ConnectorInfo, ConnectorStateInfo, UnitState};

/// A job for the [`ConfigWriter`](crate::config_writer::ConfigWriter).
#[derive(Debug, Clone)]
pub(super) enum Job {
    PutConnector(PutConnector),
    DeleteConnector {
        id: RequestId,
        name: ConnectorName,
    },
    StopConnector {
        id: RequestId,
        name: ConnectorName,
    },
    Restart {
        id: RequestId,
        request: RestartRequest,
    },
    /// A restart that this worker wants itself.
    Repair(RestartRequest),
    /// Without a command it comes from an instance on this worker.
    PutTaskConfigs {
        id: Option<RequestId>,
        name: ConnectorName,
        configs: Vec<ConfigMap>,
    },
    SessionKey(SessionKey),
    AlterOffsets(AlterOffsets),
    Fence {
        name: ConnectorName,
        waiter: Waiter,
    },
    /// The producers have been fenced, for the set of task configs of this generation.
    FencedCount {
        name: ConnectorName,
        generation: Option<u32>,
    },
}

impl Job {
    fn command(&self) -> Option<RequestId> {
        match self {
            Self::PutConnector(PutConnector { id, .. })
            | Self::DeleteConnector { id, .. }
            | Self::StopConnector { id, .. }
            | Self::Restart { id, .. }
            | Self::AlterOffsets(AlterOffsets { id, .. })
            | Self::Fence { waiter: Waiter::Command(id), .. } => Some(*id),
            Self::PutTaskConfigs { id, .. } => *id,
            Self::SessionKey(_) | Self::Fence { .. } | Self::FencedCount { .. } | Self::Repair(_) => None,
        }
    }

    /// What the worker does, in Java's words.
    pub(super) fn stage(&self) -> String {
        match self {
            Self::PutConnector(put) => format!("writing a config for connector {} to the config topic", put.name),
            Self::DeleteConnector { name, .. } => {
                format!("removing the config for connector {name} from the config topic")
            }
            Self::StopConnector { name, .. } => {
                format!("writing the STOPPED target stage for connector {name} to the config topic")
            }
            Self::Restart { request, .. } | Self::Repair(request) => {
                format!("writing restart request for connector {} to the config topic", request.connector)
            }
            Self::PutTaskConfigs { name, configs, .. } => {
                format!("writing {} task configs for connector {name} to the config topic", configs.len())
            }
            Self::SessionKey(_) => "writing a new session key to the config topic".to_owned(),
            Self::AlterOffsets(alter) => format!("modifying offsets for connector {}", alter.name),
            Self::Fence { name, .. } => format!("initiating a round of zombie fencing for connector {name}"),
            Self::FencedCount { name, .. } => {
                format!("writing a task count record for connector {name} to the config topic")
            }
        }
    }
}

impl Herder {
    /// Goes on with the job under way, and begins the next ones.
    pub(super) fn maintain_jobs(&mut self) {
        if let Some(job) = self.writer.take_expired(self.now) {
            self.finish(job, Err(write_failed()));
        }
        if let Some((job, rest)) = self.writer.take_read_back(self.config.offset()) {
            self.write_next(job, rest);
        }
        while self.is_settled()
            && let Some(job) = self.writer.pop()
        {
            self.begin_job(job);
        }
    }

    fn begin_job(&mut self, job: Job) {
        if job.command().is_some_and(|id| !self.replies.is_open(id)) {
            return;
        }
        if self.config_topic_lost {
            self.finish(job, Err(config_topic_lost()));
        } else if let Err(refusal) = self.leader_only() {
            self.finish(job, Err(refusal));
        } else if self.reads_first(&job) {
            let op = self.next_op();
            self.out.push(Action::ReadConfigToEnd { op, timeout_ms: self.settings.config_write_timeout_ms });
            self.writer.reading(job, op, self.after(self.settings.config_write_timeout_ms));
        } else {
            self.decide(job);
        }
    }

    /// Whether the end of the topic has to be known before it can be decided.
    fn reads_first(&self, job: &Job) -> bool {
        match job {
            Job::PutTaskConfigs { .. } | Job::AlterOffsets(_) | Job::Fence { .. } | Job::FencedCount { .. } => true,
            Job::PutConnector(put) => self.is_known(put),
            _ => false,
        }
    }

    /// Whether the connector has this very config.
    fn is_known(&self, put: &PutConnector) -> bool {
        self.config.connector_config(&put.name).is_some_and(|config| **config == put.config)
    }

    pub(super) fn job_has_read(&mut self, op: OpId, result: Result<(), HerderError>) {
        let Some(job) = self.writer.take_read(op) else {
            return;
        };
        match result {
            Ok(()) => self.decide(job),
            Err(_) => {
                let text = match job {
                    Job::AlterOffsets(_) => "Failed to read to end of config topic before modifying connector offsets",
                    Job::Fence { .. } => "Failed to read to end of config topic before performing zombie fencing",
                    _ => "Failed to read to end of config topic",
                };
                self.finish(job, Err(HerderError::Internal(text.to_owned())));
            }
        }
    }

    /// The job's turn has come, and everything before it is known.
    fn decide(&mut self, job: Job) {
        let mut job = match job {
            Job::AlterOffsets(alter) => return self.alter_offsets(alter),
            Job::Fence { name, waiter } => match self.decide_fence(&name, waiter) {
                Some(waiter) => Job::Fence { name, waiter },
                None => return,
            },
            other => other,
        };
        match self.batches(&job) {
            Ok(batches) => {
                if let Job::PutConnector(put) = &mut job {
                    put.existed = self.config.contains(&put.name);
                }
                self.write_next(job, batches);
            }
            Err(refusal) => self.finish(job, Err(refusal)),
        }
    }

    fn batches(&self, job: &Job) -> Result<VecDeque<Batch>, HerderError> {
        let leader = |records: &[ConfigRecord]| Batch {
            records: records.iter().map(ConfigRecord::encode).collect(),
            privileged: true,
        };
        let batches = match job {
            Job::PutConnector(put) => {
                self.may_put(put)?;
                if self.is_known(put) {
                    // As in Java the instance starts anew, and no other tasks follow. But a record would break their seal
                    // for nothing (see `seals`).
                    let restart = RestartRequest::of_instance(put.name.clone());
                    return Ok([leader(&[ConfigRecord::Restart(restart)])].into());
                }
                let connector = put.name.clone();
                let state = put
                    .initial_state
                    .map(|state| ConfigRecord::TargetState { connector: connector.clone(), state: Some(state) });
                let config = ConfigRecord::Connector { connector, config: Some(put.config.clone().into()) };
                vec![leader(&state.into_iter().chain([config]).collect::<Vec<_>>())]
            }
            Job::DeleteConnector { name, .. } => {
                self.existing(name, "Connector {} not found")?;
                vec![leader(&delete_connector(name))]
            }
            Job::StopConnector { name, .. } => {
                self.existing(name, "Unknown connector {}")?;
                // Java writes them one after the other, and a failure between leaves a running connector without tasks
                // that nobody will give it.
                let tasks = ConfigRecord::Commit { connector: name.clone(), tasks: 0 };
                let target = ConfigRecord::TargetState { connector: name.clone(), state: Some(TargetState::Stopped) };
                vec![leader(&[tasks, target])]
            }
            Job::Restart { request, .. } | Job::Repair(request) => {
                self.existing(&request.connector, "Unknown connector: {}")?;
                vec![leader(&[ConfigRecord::Restart(request.clone())])]
            }
            Job::PutTaskConfigs { name, configs, .. } => {
                self.existing(name, "Connector {} not found")?;
                if !configs.is_empty() && self.target(name) == TargetState::Stopped {
                    return Err(HerderError::BadRequest(format!(
                        "Cannot submit non-empty set of task configs for stopped connector {name}"
                    )));
                }
                let tasks: Vec<_> = (0..)
                    .zip(configs)
                    .map(|(task, config)| ConfigRecord::Task {
                        task: TaskId::new(name.clone(), task),
                        config: config.clone().into(),
                    })
                    .collect();
                let count = u32::try_from(configs.len()).unwrap_or(u32::MAX);
                let commit = leader(&[ConfigRecord::Commit { connector: name.clone(), tasks: count }]);
                if tasks.is_empty() { vec![commit] } else { vec![leader(&tasks), commit] }
            }
            Job::SessionKey(key) => vec![leader(&[ConfigRecord::SessionKey(key.clone())])],
            Job::Fence { name, .. } => vec![leader(&[self.count_record(name)])],
            Job::FencedCount { name, generation } => {
                self.check_fenced(name, *generation)?;
                vec![leader(&[self.count_record(name)])]
            }
            Job::AlterOffsets(_) => Vec::new(),
        };
        Ok(batches.into())
    }

    fn write_next(&mut self, job: Job, mut batches: VecDeque<Batch>) {
        let Some(batch) = batches.pop_front() else {
            self.finish(job, Ok(()));
            return;
        };
        // Between two batches leadership may have gone. Half a set of task configs harms nobody: it has no commit.
        if let Err(refusal) = self.leader_only() {
            self.finish(job, Err(refusal));
            return;
        }
        let op = self.next_op();
        self.out.push(Action::WriteConfig { op, records: batch.records, privileged: batch.privileged });
        self.writer.writing(job, op, batches, self.after(self.settings.config_write_timeout_ms));
    }

    pub(super) fn job_has_written(&mut self, op: OpId, result: Result<ConfigOffset, HerderError>) {
        match result {
            Ok(offset) => {
                self.writer.written(op, offset);
            }
            Err(error) => {
                if let Some(job) = self.writer.take_failed(op) {
                    self.finish(job, Err(error));
                }
            }
        }
    }

    pub(super) fn finish(&mut self, job: Job, result: Result<(), HerderError>) {
        let outcome = match (&job, result) {
            (_, Err(error)) => Err(error),
            (Job::PutConnector(put), Ok(())) => Ok(self.put_reply(put)),
            (Job::Restart { request, .. }, Ok(())) => self.restart_reply(request),
            (_, Ok(())) => Ok(Reply::Done),
        };
        let done = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        match (job, done) {
            (Job::PutTaskConfigs { id: None, name, .. }, Ok(())) => self.publisher.done(&name),
            (Job::PutTaskConfigs { id: None, name, .. }, Err(_)) => {
                self.publisher.failed(&name, self.now);
            }
            (Job::SessionKey(_), done) => self.leadership.session_key_written(self.now, done.is_ok()),
            (Job::Fence { waiter, .. }, done) => self.answer_waiter(waiter, done),
            (Job::FencedCount { name, .. }, done) => self.end_fencing(&name, &done),
            (job, _) => {
                if let Some(id) = job.command() {
                    self.reply(id, outcome);
                }
            }
        }
    }

    fn count_record(&self, name: &ConnectorName) -> ConfigRecord {
        ConfigRecord::TaskCount { connector: name.clone(), tasks: self.config.task_count(name) }
    }

    fn put_reply(&self, put: &PutConnector) -> Reply {
        let info = ConnectorInfo {
            name: put.name.clone(),
            config: put.config.clone(),
            tasks: self.config.tasks(&put.name).collect(),
            kind: self.settings.kind(put.config.get("connector.class").map(String::as_str)),
        };
        if put.existed { Reply::Updated(info) } else { Reply::Created(info) }
    }

    fn restart_reply(&self, request: &RestartRequest) -> Outcome {
        let name = &request.connector;
        let Some(plan) = RestartPlan::new(request.clone(), &self.status) else {
            return Err(HerderError::NotFound(format!("Status for connector {name} not found")));
        };
        let unit = |status: &Status| UnitState {
            state: status.state.as_str().to_owned(),
            worker_id: status.worker_id.to_string(),
            version: status.version.clone(),
            trace: status.trace.clone(),
        };
        Ok(Reply::Restarting(ConnectorStateInfo {
            name: name.clone(),
            connector: unit(plan.connector()),
            tasks: plan.tasks().iter().map(|(task, status)| (*task, unit(status))).collect(),
            kind: self.settings.kind(self.connector_class(name)),
        }))
    }
}

fn write_failed() -> HerderError {
    HerderError::Internal(
        "Failed to write to config topic; this may be due to a transient error and the request can be safely retried"
            .to_owned(),
    )
}
