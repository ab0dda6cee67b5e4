//! Calls into plug-ins, kept at arm's length: each in a task of its own, with a deadline, its panics caught.
//!
//! A plug-in may hang, panic or take for ever; the worker goes on and has a sentence about it (KAFKA-9374). Dropping a call
//! ends it at its next await point.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use connect_api::ConnectError;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tracing::Instrument;

/// How long each kind of call may take. Java has no limit but the last; ours are far above what a working plug-in needs,
/// and turn a silent hang into a status that says so.
pub(crate) mod deadline {
    use std::time::Duration;

    /// `start` of a connector instance.
    pub(crate) const START: Duration = Duration::from_secs(300);
    /// `task_configs`; asked again later.
    pub(crate) const TASK_CONFIGS: Duration = Duration::from_secs(120);
    /// `validate` and `alter_offsets`; Java's limit for the request that waits for it.
    pub(crate) const CHECK: Duration = Duration::from_secs(90);
    /// `stop` of a connector instance (Java: `CONNECTOR_GRACEFUL_SHUTDOWN_TIMEOUT_MS`).
    pub(crate) const STOP: Duration = Duration::from_secs(5);
    /// From the end of a task's patience to the end of the task: the time to reach an await point.
    pub(crate) const ABANDON: Duration = Duration::from_millis(500);
}

/// Runs plug-in code. `what` begins the sentence of an error: `start of connector "m"`.
///
/// # Errors
/// It panicked, or was not done in time; the latter is retriable.
pub(crate) async fn call<T: Send + 'static>(
    what: &str,
    limit: Duration,
    code: impl Future<Output = T> + Send + 'static,
) -> Result<T, ConnectError> {
    outcome(what, limit, Guarded::spawn(code)).await
}

/// [`call`] for code that does not await, such as lexical checks. It can't be ended: after the deadline it is left alone.
///
/// # Errors
/// As [`call`].
pub(crate) async fn call_blocking<T: Send + 'static>(
    what: &str,
    limit: Duration,
    code: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ConnectError> {
    let span = tracing::Span::current();
    outcome(what, limit, Guarded(tokio::task::spawn_blocking(move || span.in_scope(code)))).await
}

async fn outcome<T>(what: &str, limit: Duration, task: Guarded<T>) -> Result<T, ConnectError> {
    match timeout(limit, task).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ended(what, error)),
        Err(_) => Err(ConnectError::retriable(format!("{what} was not done within {} s", limit.as_secs()))),
    }
}

/// The sentence for a task that did not end by itself.
pub(crate) fn ended(what: &str, error: JoinError) -> ConnectError {
    match error.try_into_panic() {
        Ok(panic) => ConnectError::fatal(format!("{what} panicked: {}", panic_text(panic.as_ref()))),
        Err(_) => ConnectError::fatal(format!("{what} was cancelled")),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// A tokio task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Guarded<T>(JoinHandle<T>);

impl<T: Send + 'static> Guarded<T> {
    /// Spawns `code` within the current span.
    pub(crate) fn spawn(code: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(code.in_current_span()))
    }

    /// Spawns `code` on `runtime`, within the current span.
    pub(crate) fn spawn_on(runtime: &Handle, code: impl Future<Output = T> + Send + 'static) -> Self {
        Self(runtime.spawn(code.in_current_span()))
    }
}

impl<T> Guarded<T> {
    /// Ends it at its next await point.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

impl<T> Future for Guarded<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let error = call("start of connector \"m\"", deadline::START, async { panic!("no luck, code {}", 7) });

        let error = error.await.map(|(): ()| ()).unwrap_err();

        assert_eq!(error.message(), "start of connector \"m\" panicked: no luck, code 7");
        assert!(!error.is_retriable());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_with_its_deadline() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let hang = async move {
            std::future::pending::<()>().await;
            drop(held);
        };

        let error = call("task configs of connector \"m\"", deadline::TASK_CONFIGS, hang).await.unwrap_err();

        assert_eq!(error.message(), "task configs of connector \"m\" was not done within 120 s");
        assert!(error.is_retriable());
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[tokio::test]
    async fn a_dropped_call_ends_its_code() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let guarded = Guarded::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });

        drop(guarded);
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
