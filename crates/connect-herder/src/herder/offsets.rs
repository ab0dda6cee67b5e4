//! Changing stored offsets of a stopped connector (KIP-875).

use super::Herder;
use super::commands::{AlterOffsets, Pending};
use super::fencing::Waiter;
use crate::action::Action;
use crate::command::Reply;
use crate::config_log::TargetState;
use crate::error::HerderError;
use crate::ids::OpId;
use crate::settings::ExactlyOnce;

impl Herder {
    /// The end of the config is known. With exactly-once support the producers of the former tasks are fenced first: the
    /// change is written with the transactional id of one of them.
    pub(super) fn alter_offsets(&mut self, alter: AlterOffsets) {
        if let Err(refusal) = self.may_alter_offsets(&alter) {
            self.reply(alter.id, Err(refusal));
        } else if self.settings.exactly_once == ExactlyOnce::Enabled {
            self.fence(alter.name.clone(), Waiter::Offsets(alter));
        } else {
            self.begin_to_alter_offsets(alter);
        }
    }

    pub(super) fn begin_to_alter_offsets(&mut self, alter: AlterOffsets) {
        // Fencing took its time: all of it has to hold still.
        if let Err(refusal) = self.leader_only().and_then(|()| self.may_alter_offsets(&alter)) {
            self.reply(alter.id, Err(refusal));
            return;
        }
        let AlterOffsets { id, name, offsets } = alter;
        let config = self.config.connector_config(&name).map(|config| config.as_ref().clone()).unwrap_or_default();
        let op = self.next_op();
        self.pending.insert(op, Pending::Offsets(id));
        self.out.push(Action::AlterOffsets { op, name, config, offsets });
    }

    /// The connector has to be stopped and to have no tasks.
    fn may_alter_offsets(&self, AlterOffsets { name, .. }: &AlterOffsets) -> Result<(), HerderError> {
        self.existing(name, "Connector {} not found")?;
        if self.target(name) == TargetState::Stopped && self.config.task_count(name) == 0 {
            return Ok(());
        }
        Err(HerderError::BadRequest(format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
             specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
        )))
    }

    pub(super) fn offsets_altered(&mut self, op: OpId, result: Result<String, HerderError>) {
        match self.pending.remove(&op) {
            Some(Pending::Offsets(id)) => self.reply(id, result.map(Reply::Message)),
            Some(other) => {
                self.pending.insert(op, other);
            }
            None => {}
        }
    }
}
