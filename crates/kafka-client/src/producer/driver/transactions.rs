//! What the transaction that is open does to the traffic: partitions are announced before their first batch, a transaction
//! that is given up comes to rest first.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::warn;

use super::super::state::Identity;
use super::super::transaction::{Added, Scope};
use super::{Driver, Event};

impl Driver {
    pub(super) fn announce_partitions(&mut self) {
        let Some(scope) = &mut self.scope else { return };
        let partitions = &self.partitions;
        let name = |p: usize| (Arc::clone(&partitions[p].topic), partitions[p].index);
        if let Some(announcement) = scope.announce(&self.cluster, self.identity, &name) {
            let events = self.events_from.clone();
            tokio::spawn(async move {
                let _ = events.send(Event::Added(announcement.await));
            });
        }
    }

    pub(super) fn partitions_added(&mut self, added: Added) {
        let Some(scope) = &mut self.scope else { return };
        match scope.announced(added) {
            Ok(partitions) => {
                for p in partitions {
                    self.route(p);
                }
                self.announce_partitions();
            }
            Err(error) => {
                warn!(client_id = self.cluster.config().client_id(), %error, "transaction failed");
                // Nothing of it may be sent any more.
                self.abandon_lines();
            }
        }
        self.abandoned();
    }

    fn abandon_lines(&mut self) {
        for p in 0..self.partitions.len() {
            let mut settled = Vec::new();
            self.partitions[p].line.abandon(&mut settled);
            self.settle(p, settled);
        }
    }

    pub(super) fn abandon(&mut self, reply: oneshot::Sender<bool>) {
        if let Some(scope) = &mut self.scope {
            scope.close();
        }
        self.abandoning = Some(reply);
        self.abandon_lines();
        self.abandoned();
    }

    /// Tells who gave the transaction up that nothing of it is under way any more, once that is so. An EndTxn that overtakes
    /// an announcement would end nothing, and the announcement would open a transaction that nobody ends.
    pub(super) fn abandoned(&mut self) {
        let announcing = self.scope.as_ref().is_some_and(Scope::is_announcing);
        if self.progress.is_idle()
            && !announcing
            && let Some(reply) = self.abandoning.take()
        {
            let _ = reply.send(self.scope.as_ref().is_some_and(Scope::has_partitions));
        }
    }

    pub(super) fn ended(&mut self, identity: Identity) {
        self.identity = identity;
        if let Some(scope) = &mut self.scope {
            scope.ended();
        }
        for partition in &mut self.partitions {
            partition.line.restart(identity);
        }
    }
}
