//! Exactly-once tasks ask before they write (KIP-618): that their predecessors be fenced, and whether they are still
//! wanted. The leader fences; the others ask it.

use super::Herder;
use super::commands::{AlterOffsets, Pending};
use super::jobs::Job;
use crate::action::Action;
use crate::command::Reply;
use crate::error::HerderError;
use crate::fencing::{self, Need};
use crate::ids::{ConnectorName, OpId, RequestId, TaskId};
use crate::work::Unit;

/// Who waits for a round of fencing.
#[derive(Debug, Clone)]
pub(super) enum Waiter {
    /// A worker that leads not, through its request.
    Command(RequestId),
    /// A task on this worker.
    Task(OpId),
    /// A change of offsets, which goes on afterwards.
    Offsets(AlterOffsets),
}

impl Herder {
    /// A task wants its predecessors fenced. It waits until the group is settled.
    pub(super) fn task_asks_to_fence(&mut self, task: TaskId, ask: OpId) {
        self.asks.push((task, ask));
    }

    pub(super) fn maintain_asks(&mut self) {
        if !self.is_settled() {
            return;
        }
        for (task, ask) in std::mem::take(&mut self.asks) {
            if self.membership.is_leader() {
                self.fence(task.connector, Waiter::Task(ask));
            } else if let Some(leader_url) = self.membership.leader_url().map(str::to_owned) {
                let op = self.next_op();
                self.pending.insert(op, Pending::ForwardedFence(ask));
                self.out.push(Action::ForwardFence { op, name: task.connector, leader_url });
            } else {
                self.out.push(Action::AnswerTask { op: ask, result: self.leader_only() });
            }
        }
    }

    pub(super) fn fence_forwarded(&mut self, op: OpId, result: Result<(), HerderError>) {
        match self.pending.remove(&op) {
            Some(Pending::ForwardedFence(ask)) => self.out.push(Action::AnswerTask { op: ask, result }),
            Some(other) => {
                self.pending.insert(op, other);
            }
            None => {}
        }
    }

    pub(super) fn fence(&mut self, name: ConnectorName, waiter: Waiter) {
        self.writer.push(Job::Fence { name, waiter });
    }

    /// The end of the config is known. Answers with what to write before the waiter may go on, or `None` if that is
    /// settled otherwise.
    pub(super) fn decide_fence(&mut self, name: &ConnectorName, waiter: Waiter) -> Option<Waiter> {
        if let Err(refusal) = self.may_fence(name) {
            self.answer_waiter(waiter, Err(refusal));
            return None;
        }
        match fencing::need(&self.config, name) {
            Need::Nothing => self.answer_waiter(waiter, Ok(())),
            Need::CountOnly => return Some(waiter),
            Need::Fence(tasks) => {
                if let Err(waiter) = self.fencings.join(name, waiter) {
                    let op = self.next_op();
                    let config = self.config.connector_config(name).map(|config| config.as_ref().clone());
                    let generation = self.config.task_config_generation(name);
                    self.fencings.begin(name.clone(), op, generation, waiter);
                    let config = config.unwrap_or_default();
                    self.out.push(Action::FenceZombies { op, name: name.clone(), config, tasks });
                }
            }
        }
        None
    }

    fn may_fence(&self, name: &ConnectorName) -> Result<(), HerderError> {
        self.leader_only()?;
        self.existing(name, "Connector {} not found")?;
        if self.settings.kind(self.connector_class(name)) != "source" {
            return Err(HerderError::BadRequest(format!("Connector {name} is not a source connector")));
        }
        Ok(())
    }

    pub(super) fn zombies_fenced(&mut self, op: OpId, result: Result<(), HerderError>) {
        let Some(fenced) = self.fencings.fenced(op) else {
            return;
        };
        match result {
            Ok(()) => self.writer.push(Job::FencedCount { name: fenced.name, generation: fenced.generation }),
            Err(error) => self.end_fencing(&fenced.name, &Err(error)),
        }
    }

    /// The producers have been fenced and the end of the config is known: was it for the tasks of now?
    pub(super) fn check_fenced(&self, name: &ConnectorName, generation: Option<u32>) -> Result<(), HerderError> {
        if self.config.task_config_generation(name) == generation {
            return Ok(());
        }
        let text = "Fencing failed because new task configurations were generated for the connector";
        Err(HerderError::Conflict(text.to_owned()))
    }

    pub(super) fn end_fencing(&mut self, name: &ConnectorName, result: &Result<(), HerderError>) {
        for waiter in self.fencings.end(name) {
            self.answer_waiter(waiter, result.clone());
        }
    }

    /// New task configs make fencing for the former ones pointless.
    pub(super) fn end_fencing_of_former_tasks(&mut self, name: &ConnectorName) {
        let text = "Failed to complete zombie fencing because a new set of task configs was generated";
        self.end_fencing(name, &Err(HerderError::Conflict(text.to_owned())));
    }

    /// This worker leads no more.
    pub(super) fn end_all_fencing(&mut self) {
        let refusal = self.leader_only();
        for waiter in self.fencings.end_all() {
            self.answer_waiter(waiter, refusal.clone());
        }
    }

    pub(super) fn answer_waiter(&mut self, waiter: Waiter, result: Result<(), HerderError>) {
        match (waiter, result) {
            (Waiter::Command(id), result) => self.reply(id, result.map(|()| Reply::Done)),
            (Waiter::Task(op), result) => self.out.push(Action::AnswerTask { op, result }),
            (Waiter::Offsets(alter), Ok(())) => self.begin_to_alter_offsets(alter),
            (Waiter::Offsets(alter), Err(error)) => {
                let text = format!(
                    "Failed to perform zombie fencing for source connector prior to modifying offsets: {error}"
                );
                self.reply(alter.id, Err(HerderError::Internal(text)));
            }
        }
    }

    /// A task has opened its producer. Whether it may go on is only known at the end of the config topic.
    pub(super) fn task_asks_ownership(&mut self, task: TaskId, ask: OpId) {
        let op = self.next_op();
        self.pending.insert(op, Pending::Ownership(task, ask));
        self.out.push(Action::ReadConfigToEnd { op, timeout_ms: self.settings.config_write_timeout_ms });
    }

    pub(super) fn answer_ownership(&mut self, task: TaskId, ask: OpId, result: Result<(), HerderError>) {
        let result = result.and_then(|()| {
            let generation = self.config.task_config_generation(&task.connector);
            if self.task_generations.get(&task) != Some(&generation) {
                return Err(HerderError::Conflict(format!(
                    "Cannot start source task {task} with exactly-once support as the connector has already generated a \
                     new set of task configs"
                )));
            }
            if !self.work.is_assigned(&Unit::Task(task.clone())) {
                return Err(HerderError::Conflict(format!(
                    "Cannot start source task {task} as it has already been revoked from this worker"
                )));
            }
            Ok(())
        });
        self.out.push(Action::AnswerTask { op: ask, result });
    }
}
