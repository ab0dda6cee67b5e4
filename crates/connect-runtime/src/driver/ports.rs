//! The ways out of the driver: small channels to those who talk to the brokers. Sending never waits.
//!
//! The other ends are actors over `kafka-client` ([`crate::storage`], [`crate::group`]), or in tests a few lines of memory.
//! An actor that is gone loses what is sent to it: that happens at the end of a worker only.

use bytes::Bytes;
use connect_herder::ids::{Generation, MemberId, OpId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// For the config topic, answered by events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConfigRequest {
    /// Append in one batch, after all earlier ones; `ConfigWritten`.
    Write { op: OpId, records: Vec<(String, Option<String>)>, privileged: bool },
    /// Shut former leaders out (KIP-618). Not answered: a claim that fails is made again by the next privileged write.
    Claim,
    /// Read up to the end as it is now; `ConfigReadToEnd`.
    ReadToEnd { op: OpId, timeout_ms: u64 },
}

/// For the status topic: a key and its newest value.
pub(crate) type StatusWrite = (String, Option<String>);

/// For the group, answered by group events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GroupRequest {
    /// Join, or join again.
    Join { protocols: Vec<(String, Bytes)> },
    /// Complete the join of that generation.
    Sync { generation: Generation, assignments: Vec<(MemberId, Bytes)> },
    /// Leave.
    Leave,
}

/// The driver's ends.
#[derive(Debug)]
pub(crate) struct Ports {
    config: UnboundedSender<ConfigRequest>,
    status: UnboundedSender<StatusWrite>,
    group: UnboundedSender<GroupRequest>,
}

/// The actors' ends.
#[derive(Debug)]
pub(crate) struct PortEnds {
    pub(crate) config: UnboundedReceiver<ConfigRequest>,
    pub(crate) status: UnboundedReceiver<StatusWrite>,
    pub(crate) group: UnboundedReceiver<GroupRequest>,
}

impl Ports {
    pub(crate) fn new() -> (Self, PortEnds) {
        let (config, config_end) = unbounded_channel();
        let (status, status_end) = unbounded_channel();
        let (group, group_end) = unbounded_channel();
        (Self { config, status, group }, PortEnds { config: config_end, status: status_end, group: group_end })
    }

    pub(crate) fn write_config(&self, op: OpId, records: Vec<(String, Option<String>)>, privileged: bool) {
        let _ = self.config.send(ConfigRequest::Write { op, records, privileged });
    }

    pub(crate) fn claim_config_writes(&self) {
        let _ = self.config.send(ConfigRequest::Claim);
    }

    pub(crate) fn read_config_to_end(&self, op: OpId, timeout_ms: u64) {
        let _ = self.config.send(ConfigRequest::ReadToEnd { op, timeout_ms });
    }

    pub(crate) fn write_status(&self, write: StatusWrite) {
        let _ = self.status.send(write);
    }

    pub(crate) fn join(&self, protocols: Vec<(String, Bytes)>) {
        let _ = self.group.send(GroupRequest::Join { protocols });
    }

    pub(crate) fn sync(&self, generation: Generation, assignments: Vec<(MemberId, Bytes)>) {
        let _ = self.group.send(GroupRequest::Sync { generation, assignments });
    }

    pub(crate) fn leave(&self) {
        let _ = self.group.send(GroupRequest::Leave);
    }
}
