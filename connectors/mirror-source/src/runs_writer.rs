//! Writes records of offset runs, one batch after the other: a later statement is never overtaken by an earlier one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_client::admin::Admin;
use kafka_client::producer::{ProduceError, Producer};
use kafka_wire::batch::Record;
use mirror::runs::RunsRecord;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::clients;

/// Records of one batch have at most so many bytes together, which is far below what topics take by default.
const BATCH_BYTES: usize = 256 << 10;

/// What is to be written together, and who waits for it.
struct Order {
    records: Vec<RunsRecord>,
    written: Option<oneshot::Sender<()>>,
}

/// The task's end of the line.
pub(crate) struct RunsWriter {
    orders: mpsc::UnboundedSender<Order>,
    state: Arc<State>,
    writing: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// A write has failed: what it said has to be said again.
    failed: AtomicBool,
    /// Orders that are not carried out yet.
    open: AtomicUsize,
}

impl RunsWriter {
    /// `missing`: the topic was not there when it was last looked for.
    pub(crate) fn start(producer: Producer, topic: Arc<str>, admin: Admin, missing: bool) -> Self {
        let (orders, told) = mpsc::unbounded_channel();
        let state = Arc::<State>::default();
        let writer = Writer { producer, topic, missing, admin, state: Arc::clone(&state) };
        Self { orders, state, writing: tokio::spawn(writer.run(told)) }
    }

    /// Nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.open.load(Ordering::Acquire) == 0
    }

    /// Whether a write has failed, and nobody has taken note.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.failed.load(Ordering::Acquire)
    }

    /// Whether a write has failed since this was asked last.
    pub(crate) fn take_failure(&self) -> bool {
        self.state.failed.swap(false, Ordering::AcqRel)
    }

    /// Does not wait. `written` is answered when these records and all before them are there, or could not be written.
    pub(crate) fn write(&self, records: Vec<RunsRecord>, written: Option<oneshot::Sender<()>>) {
        self.state.open.fetch_add(1, Ordering::AcqRel);
        // The other end lives as long as this one.
        let _ = self.orders.send(Order { records, written });
    }

    /// Whoever wanted to wait has waited.
    pub(crate) async fn close(self) {
        self.writing.abort();
        let _ = self.writing.await;
    }
}

struct Writer {
    producer: Producer,
    topic: Arc<str>,
    /// A producer would wait for it, and hold stored offsets up.
    missing: bool,
    admin: Admin,
    state: Arc<State>,
}

impl Writer {
    async fn run(mut self, mut told: mpsc::UnboundedReceiver<Order>) {
        while let Some(Order { records, written }) = told.recv().await {
            if !records.is_empty() && !self.write(records).await {
                self.state.failed.store(true, Ordering::Release);
            }
            self.state.open.fetch_sub(1, Ordering::AcqRel);
            if let Some(written) = written {
                // Who does not wait any more needs no answer.
                let _ = written.send(());
            }
        }
    }

    async fn write(&mut self, records: Vec<RunsRecord>) -> bool {
        if self.missing && !self.is_there().await {
            debug!(topic = &*self.topic, "topic of offset runs is still missing");
            return false;
        }
        let count = records.len();
        for batch in batches(records) {
            if let Err(error) = self.append(&batch).await {
                warn!(topic = &*self.topic, %error, "offset runs can't be written; trying again with the next offsets");
                // The batch that failed was the last one under way, or stood behind one that nobody waited for.
                let _ = self.producer.reset_partition(&self.topic, 0);
                return false;
            }
        }
        debug!(topic = &*self.topic, records = count, "offset runs written");
        true
    }

    async fn is_there(&mut self) -> bool {
        let described = self.admin.describe_topics(&[&self.topic]).await;
        let there = described.is_ok_and(|described| described.get(&*self.topic).is_some_and(Result::is_ok));
        self.missing = !there;
        there
    }

    async fn append(&self, records: &[Record]) -> Result<(), ProduceError> {
        let codec = self.producer.options().codec;
        self.producer.send_records(&self.topic, 0, records, codec).await?.await.map(|_| ())
    }
}

/// In batches that brokers take.
fn batches(records: Vec<RunsRecord>) -> Vec<Vec<Record>> {
    let timestamp = clients::now_ms();
    let mut batches: Vec<Vec<Record>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        let size = record.bytes();
        let RunsRecord { key, value } = record;
        let record = Record { offset: 0, timestamp, key: Some(key), value, headers: Vec::new() };
        match batches.last_mut().filter(|_| bytes + size <= BATCH_BYTES) {
            Some(batch) => batch.push(record),
            None => {
                batches.push(vec![record]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    batches
}
