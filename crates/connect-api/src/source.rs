//! Who moves records: connectors that watch and split, tasks that poll (KIP-26; Java: `SourceConnector`, `SourceTask`).
//!
//! Lifecycle: [`SourcePlugin::validate`] is lexical only. `start` may do I/O but leaves nothing running behind; background
//! work is [`SourceConnector::run`], which the worker drives and drops. `poll` is cancel-safe. `stop` consumes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::{ConfigDef, ConfigMap, ConfigProblem};
use crate::error::ConnectError;
use crate::metrics::MetricSource;
use crate::record::{Ack, Polled, SourceOffset, SourcePartition};

/// A future that the worker can hold without knowing its type.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Key of a connector's config: over how many threads each of its tasks is split ([`SourcePlugin::split_task`]). A plug-in that
/// splits declares it; the worker goes by it, or by its number of cores.
pub const TASK_THREADS: &str = "portage.task.threads";

/// A kind of source connector: its description and its factories. One value a worker, shared.
pub trait SourcePlugin: Send + Sync + 'static {
    /// What [`Self::start`] makes.
    type Connector: SourceConnector;
    /// What [`Self::start_task`] makes.
    type Task: SourceTask;

    /// The full Java class name, so that existing configs work unchanged.
    fn class(&self) -> &'static str;

    /// The version shown by the REST API.
    fn version(&self) -> &'static str;

    /// The plugin's own keys (the worker adds the common ones).
    fn config_def(&self) -> ConfigDef;

    /// Rules that span keys; the [`ConfigDef`] has been applied before. Touches nothing but its argument.
    fn validate(&self, config: &ConfigMap) -> Vec<ConfigProblem> {
        let _ = config;
        Vec::new()
    }

    /// Whether the connector keeps exactly-once semantics with this config (KIP-618). `None`: it does not say.
    fn exactly_once_support(&self, config: &ConfigMap) -> Option<ExactlyOnceSupport> {
        let _ = config;
        None
    }

    /// Checks offsets that a user wants to store for the connector (KIP-875). `None` values reset a partition.
    ///
    /// Returns whether the connector needs nothing else to be done; errors name the wrong field.
    fn alter_offsets(
        &self,
        config: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        let _ = (config, offsets);
        Ok(false)
    }

    /// Starts the connector instance. References such as `${file:…}` are resolved in `config`.
    fn start(
        &self,
        config: ConfigMap,
        context: Arc<dyn ConnectorContext>,
    ) -> impl Future<Output = Result<Self::Connector, ConnectError>> + Send;

    /// Splits the config of a task into those of at most `parts` strands: instances that the worker runs side by side, each
    /// on a thread of its own, and shows as one task. A source partition belongs to one strand alone. Numbers that several
    /// strands show under one name with the same labels are added up. Touches nothing but its arguments; not called for tasks
    /// with exactly-once support. By default a task is one whole.
    fn split_task(&self, config: &ConfigMap, parts: usize) -> Vec<ConfigMap> {
        let _ = parts;
        vec![config.clone()]
    }

    /// Starts one task, or one strand of it. References are resolved in `config`.
    fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> impl Future<Output = Result<Self::Task, ConnectError>> + Send;
}

/// KIP-618's answer to "exactly once?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// Records and offsets are exact with this config.
    Supported,
    /// They are not with this config.
    Unsupported,
}

/// A running connector instance. Shared by the worker's calls, hence `&self`.
pub trait SourceConnector: Send + Sync + 'static {
    /// Splits the work into at most `tasks_max` task configs.
    ///
    /// A retriable error is tried again with back-off; the tasks stay as they are meanwhile.
    fn task_configs(&self, tasks_max: usize) -> impl Future<Output = Result<Vec<ConfigMap>, ConnectError>> + Send;

    /// Background work (refreshing topics, copying configs). Driven by the worker until the connector stops, then dropped
    /// at an await point. Returning early means there is none left to do.
    fn run(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Ends the instance. [`Self::run`] is not running any more.
    fn stop(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What a connector may ask of its worker (Java: `ConnectorContext`).
pub trait ConnectorContext: Send + Sync {
    /// The connector's name.
    fn connector(&self) -> &str;

    /// Asks for [`SourceConnector::task_configs`] to be called again; new configs restart the tasks.
    fn request_task_reconfiguration(&self);

    /// Names what is not as it should be while the connector runs on, or nothing any more. Shown in its status.
    fn report_findings(&self, findings: Vec<String>) {
        let _ = findings;
    }

    /// Marks the connector FAILED. The instance goes on until it is stopped.
    fn raise_error(&self, error: ConnectError);

    /// Shows numbers among the worker's metrics for as long as the plugin holds them (KIP-877).
    fn publish(&self, numbers: Arc<dyn MetricSource>) {
        let _ = numbers;
    }
}

/// What a task may ask of its worker (Java: `SourceTaskContext`).
pub trait SourceTaskContext: Send + Sync {
    /// The connector's name.
    fn connector(&self) -> &str;

    /// The task's number.
    fn task(&self) -> u32;

    /// The stored source offsets of partitions, in the order asked (Java: `OffsetStorageReader::offsets`).
    fn offsets<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> BoxFuture<'a, Result<Vec<Option<SourceOffset>>, ConnectError>>;

    /// Names the partitions that stand still or have lost something, or none. Shown in the task's status while it runs on.
    fn report_faults(&self, faults: Vec<PartitionFault>);

    /// All partitions of this instance stand still. Whether that holds for the whole task: if not, its other strands go on.
    fn nothing_left(&self) -> bool {
        true
    }

    /// Shows numbers among the worker's metrics for as long as the task holds them (KIP-877).
    fn publish(&self, numbers: Arc<dyn MetricSource>) {
        let _ = numbers;
    }
}

/// Something about one partition that people have to know while the task runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFault {
    /// The partition as people know it, such as `orders-3`.
    pub partition: String,
    /// The source offset at which it stands, if known.
    pub offset: Option<i64>,
    /// Nothing of the partition is mirrored until it is over.
    pub stands_still: bool,
    /// What happened and what to do about it.
    pub message: String,
}

/// A task: owns everything it touches; called from one place only.
pub trait SourceTask: Send + 'static {
    /// Waits for the next records. Cancel-safe: a dropped call loses nothing.
    fn poll(&mut self) -> impl Future<Output = Result<Polled, ConnectError>> + Send;

    /// The target holds these batches now. Called in order for each tag; must not block.
    fn acked(&mut self, acks: &[Ack]) {
        let _ = acks;
    }

    /// The target holds one more of the records that the task handed out singly with this source partition: the oldest that
    /// it has not been told of. Must not block.
    fn record_acked(&mut self, partition: &SourcePartition) {
        let _ = partition;
    }

    /// The target refused a batch of this tag for good. No later batch of the tag has been written or will be until the
    /// task seeks back itself. `Ok`: the task has stopped that partition and goes on; `Err`: the task is FAILED.
    fn failed(&mut self, tag: usize, error: ConnectError) -> Result<(), ConnectError> {
        let _ = tag;
        Err(error)
    }

    /// Called before each storing of source offsets: what has to be durable before them. It covers at least what
    /// [`Self::acked`] has told so far; the worker awaits it beside its other work, for at most `offset.flush.timeout.ms`, and
    /// stores the offsets whatever came of it. `None`: there is nothing to do.
    fn before_commit(&mut self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Stored source offsets are durable (Java: `SourceTask::commit`).
    fn committed(&mut self) -> impl Future<Output = Result<(), ConnectError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends the task; everything acknowledged has been reported before.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// [`SourceConnector`] as the worker holds it.
pub trait DynSourceConnector: Send + Sync {
    /// See [`SourceConnector::task_configs`].
    fn task_configs(&self, tasks_max: usize) -> BoxFuture<'_, Result<Vec<ConfigMap>, ConnectError>>;
    /// See [`SourceConnector::run`].
    fn run(&self) -> BoxFuture<'_, ()>;
    /// See [`SourceConnector::stop`].
    fn stop(&self) -> BoxFuture<'_, ()>;
}

impl<C: SourceConnector> DynSourceConnector for C {
    fn task_configs(&self, tasks_max: usize) -> BoxFuture<'_, Result<Vec<ConfigMap>, ConnectError>> {
        Box::pin(SourceConnector::task_configs(self, tasks_max))
    }

    fn run(&self) -> BoxFuture<'_, ()> {
        Box::pin(SourceConnector::run(self))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(SourceConnector::stop(self))
    }
}

/// [`SourceTask`] as the worker holds it.
pub trait DynSourceTask: Send {
    /// See [`SourceTask::poll`].
    fn poll(&mut self) -> BoxFuture<'_, Result<Polled, ConnectError>>;
    /// See [`SourceTask::acked`].
    fn acked(&mut self, acks: &[Ack]);
    /// See [`SourceTask::record_acked`].
    fn record_acked(&mut self, partition: &SourcePartition);
    /// See [`SourceTask::failed`].
    fn failed(&mut self, tag: usize, error: ConnectError) -> Result<(), ConnectError>;
    /// See [`SourceTask::before_commit`].
    fn before_commit(&mut self) -> Option<BoxFuture<'static, ()>>;
    /// See [`SourceTask::committed`].
    fn committed(&mut self) -> BoxFuture<'_, Result<(), ConnectError>>;
    /// See [`SourceTask::stop`].
    fn stop(self: Box<Self>) -> BoxFuture<'static, ()>;
}

impl<T: SourceTask> DynSourceTask for T {
    fn poll(&mut self) -> BoxFuture<'_, Result<Polled, ConnectError>> {
        Box::pin(SourceTask::poll(self))
    }

    fn acked(&mut self, acks: &[Ack]) {
        SourceTask::acked(self, acks);
    }

    fn record_acked(&mut self, partition: &SourcePartition) {
        SourceTask::record_acked(self, partition);
    }

    fn failed(&mut self, tag: usize, error: ConnectError) -> Result<(), ConnectError> {
        SourceTask::failed(self, tag, error)
    }

    fn before_commit(&mut self) -> Option<BoxFuture<'static, ()>> {
        SourceTask::before_commit(self)
    }

    fn committed(&mut self) -> BoxFuture<'_, Result<(), ConnectError>> {
        Box::pin(SourceTask::committed(self))
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(SourceTask::stop(*self))
    }
}
