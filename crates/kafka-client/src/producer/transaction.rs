//! Transactions: what the driver must know of the one that is open ([`Scope`]), and the calls that begin and end it.
//!
//! A partition is announced to the coordinator before its first batch of a transaction; see [`coordinator`] for the protocol.
//!
//! ```text
//!  init ─► ready ─begin─► open ─batch fails─► failed
//!            ▲             │commit              │
//!            └─────────────┴──────── abort ◄────┘        fenced: from anywhere, and for good
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::debug;

use super::driver::Command;
use super::error::ProduceError;
use super::state::Identity;
use super::{Producer, coordinator};
use crate::BoxFuture;
use crate::cluster::Cluster;
use crate::codes::ErrorCode;
use crate::error::ClientError;

/// The driver's side of a transaction.
pub(super) struct Scope {
    transactional_id: Arc<str>,
    state: State,
    /// Counts transactions, so that an answer for an earlier one is recognised.
    round: u64,
    added: BTreeSet<usize>,
    to_add: BTreeSet<usize>,
    adding: bool,
    /// The coordinator has been told of a partition, or may have.
    touched: bool,
}

enum State {
    Closed,
    Open,
    Failed { reason: String, fenced: bool },
}

/// Partitions that the coordinator knows now, by the driver's numbers, for the transaction of that round.
pub(super) struct Added {
    round: u64,
    result: Result<BTreeSet<usize>, ProduceError>,
}

impl Scope {
    pub(super) fn new(transactional_id: &str) -> Self {
        Self {
            transactional_id: transactional_id.into(),
            state: State::Closed,
            round: 0,
            added: BTreeSet::new(),
            to_add: BTreeSet::new(),
            adding: false,
            touched: false,
        }
    }

    fn error(&self, reason: impl Into<String>, fenced: bool) -> ProduceError {
        error(&self.transactional_id, reason, fenced)
    }

    pub(super) fn begin(&mut self) -> Result<(), ProduceError> {
        match &self.state {
            State::Closed => {
                self.state = State::Open;
                Ok(())
            }
            State::Open => Err(self.error("is open already; commit or abort it first", false)),
            State::Failed { reason, fenced } => Err(self.error(reason.as_str(), *fenced)),
        }
    }

    /// Why no batch is taken now.
    pub(super) fn refusal(&self) -> Option<ProduceError> {
        match &self.state {
            State::Open => None,
            State::Closed => Some(self.error("is not open; begin it first", false)),
            State::Failed { reason, fenced } => Some(self.error(reason.as_str(), *fenced)),
        }
    }

    /// A batch of the transaction failed: it can only be aborted.
    pub(super) fn fail(&mut self, cause: &ProduceError) {
        if matches!(self.state, State::Open) {
            let fenced = match cause {
                ProduceError::Transaction { fenced, .. } => *fenced,
                ProduceError::Rejected { code, .. } => *code == ErrorCode::PRODUCER_FENCED,
                _ => false,
            };
            self.state = State::Failed { reason: format!("has failed and must be aborted: {cause}"), fenced };
        }
    }

    /// No more batches. Answers whether there is anything to commit.
    pub(super) fn seal(&mut self) -> Result<bool, ProduceError> {
        match self.refusal() {
            Some(refusal) => Err(refusal),
            None => {
                self.state = State::Closed;
                Ok(self.touched)
            }
        }
    }

    /// No more batches, whatever they were for.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.to_add.clear();
    }

    pub(super) fn is_announcing(&self) -> bool {
        self.adding
    }

    pub(super) fn has_partitions(&self) -> bool {
        self.touched
    }

    /// The transaction is over.
    pub(super) fn ended(&mut self) {
        self.close();
        self.added.clear();
        self.round += 1;
        self.adding = false;
        self.touched = false;
    }

    /// Whether batches of the partition may go out; if not, it is noted to be announced.
    pub(super) fn admits(&mut self, p: usize) -> bool {
        let admitted = self.added.contains(&p);
        if !admitted {
            self.to_add.insert(p);
        }
        admitted
    }

    /// Announces all partitions that wait for it, unless an announcement is under way.
    pub(super) fn announce(
        &mut self,
        cluster: &Cluster,
        identity: Identity,
        name: &dyn Fn(usize) -> (Arc<str>, i32),
    ) -> Option<impl Future<Output = Added> + Send + use<>> {
        self.to_add.retain(|p| !self.added.contains(p));
        if self.adding || self.to_add.is_empty() {
            return None;
        }
        self.adding = true;
        self.touched = true;
        let partitions = std::mem::take(&mut self.to_add);
        let mut topics: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
        for (topic, index) in partitions.iter().map(|&p| name(p)) {
            topics.entry(topic).or_default().push(index);
        }
        let (cluster, id, round) = (cluster.clone(), Arc::clone(&self.transactional_id), self.round);
        Some(async move {
            let result = coordinator::add_partitions(&cluster, &id, identity, topics).await;
            Added {
                round,
                result: result.map(|()| partitions).map_err(|cause| failed(&id, "AddPartitionsToTxn", cause)),
            }
        })
    }

    /// Takes in an announcement's end. Answers the partitions that may go on.
    pub(super) fn announced(&mut self, added: Added) -> Result<BTreeSet<usize>, ProduceError> {
        if added.round != self.round {
            return Ok(BTreeSet::new());
        }
        self.adding = false;
        match added.result {
            Ok(partitions) => {
                self.added.extend(&partitions);
                Ok(partitions)
            }
            Err(cause) => {
                self.fail(&cause);
                Err(cause)
            }
        }
    }
}

fn error(transactional_id: &str, reason: impl Into<String>, fenced: bool) -> ProduceError {
    ProduceError::Transaction { transactional_id: transactional_id.to_owned(), reason: reason.into(), fenced }
}

/// What a coordinator's refusal means for the producer.
fn failed(transactional_id: &str, api: &str, cause: ClientError) -> ProduceError {
    let fenced = matches!(cause.code(), Some(ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH));
    error(transactional_id, format!("{api}: {cause}"), fenced)
}

impl Producer {
    /// Takes the transactional id over: ends what the producer before left open, and fences that producer. To be called
    /// once before the first transaction, and again after a commit whose outcome is unknown. Not cancel-safe; it may be
    /// called again.
    pub fn init_transactions<'a>(&'a self) -> BoxFuture<'a, Result<(), ProduceError>> {
        Box::pin(async move {
            let (id, mut held) = self.transactional().await?;
            self.abandon().await?;
            *held = None;
            let identity = coordinator::transactional(&self.shared.cluster, &self.shared.options, id, None)
                .await
                .map_err(|cause| failed(id, "InitProducerId", cause))?;
            debug!(transactional_id = id, epoch = identity.epoch, "transactional producer ready");
            *held = Some(identity);
            self.command(Command::Ended { identity })
        })
    }

    /// Begins a transaction; no network.
    pub fn begin_transaction<'a>(&'a self) -> BoxFuture<'a, Result<(), ProduceError>> {
        Box::pin(async move {
            let (id, held) = self.transactional().await?;
            if held.is_none() {
                return Err(error(id, "is not initialised; call init_transactions first", false));
            }
            self.ask(Command::Begin).await?
        })
    }

    /// Waits for all batches of the transaction, then commits it. If one of them failed, nothing is committed, and the
    /// transaction is to be aborted.
    ///
    /// # Errors
    /// With `reason` "outcome unknown", the coordinator did not answer in time: the transaction may have been committed.
    /// Call [`init_transactions`](Self::init_transactions), read back what was committed, go on from there. Not cancel-safe:
    /// after a cancelled commit do the same.
    pub fn commit_transaction<'a>(&'a self) -> BoxFuture<'a, Result<(), ProduceError>> {
        Box::pin(async move {
            let (id, mut held) = self.transactional().await?;
            let identity = held.ok_or_else(|| error(id, "is not initialised", false))?;
            self.flush().await?;
            if self.ask(Command::Seal).await?? {
                *held = None;
                if let Err(cause) = coordinator::end(&self.shared.cluster, id, identity, true).await {
                    return Err(match cause.code() {
                        Some(_) => failed(id, "EndTxn", cause),
                        None => error(id, format!("outcome unknown: {cause}"), false),
                    });
                }
                *held = Some(identity);
            }
            self.command(Command::Ended { identity })
        })
    }

    /// Gives up the transaction: batches not yet sent are dropped ([`ProduceError::Skipped`]), the others become invisible
    /// to read_committed readers. The producer goes on under a new epoch. Not cancel-safe: when it is cancelled or fails, call
    /// [`init_transactions`](Self::init_transactions), which aborts too.
    pub fn abort_transaction<'a>(&'a self) -> BoxFuture<'a, Result<(), ProduceError>> {
        Box::pin(async move {
            let (id, mut held) = self.transactional().await?;
            let identity = held.ok_or_else(|| error(id, "is not initialised", false))?;
            let mut identity = identity;
            if self.abandon().await? {
                *held = None;
                match coordinator::end(&self.shared.cluster, id, identity, false).await {
                    // No partition was accepted, so there is nothing to abort.
                    Err(cause) if cause.code() != Some(ErrorCode::INVALID_TXN_STATE) => {
                        return Err(failed(id, "EndTxn", cause));
                    }
                    _ => {}
                }
                // Whatever of this transaction is still on some wire belongs to an epoch of the past.
                identity = coordinator::transactional(&self.shared.cluster, &self.shared.options, id, Some(identity))
                    .await
                    .map_err(|cause| failed(id, "InitProducerId", cause))?;
                *held = Some(identity);
            }
            self.command(Command::Ended { identity })
        })
    }

    async fn abandon(&self) -> Result<bool, ProduceError> {
        self.ask(Command::Abandon).await
    }

    async fn transactional(&self) -> Result<(&str, tokio::sync::MutexGuard<'_, Option<Identity>>), ProduceError> {
        match self.shared.options.transactional_id.as_deref() {
            Some(id) => Ok((id, self.shared.transaction.lock().await)),
            None => Err(error("(none)", "the producer has no transactional.id", false)),
        }
    }
}
