//! The threads that records flow on: as many as there are cores, each with a runtime of its own.
//!
//! The loop of a task, its fetcher, its producer and their connections hand every batch on to each other. On a runtime that
//! spreads over all cores, each of these steps may wake a sleeping thread on another core, which costs more than the step
//! itself; within one thread it is a push into a queue. So a task, or a strand of it, stays on one thread with everything it
//! starts, and several use several. The rest of the worker (REST, herder, storage topics) has the main runtime for itself.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tracing::warn;

/// Threads for tasks. They end when this is dropped, and with them whatever still runs there.
#[derive(Debug)]
pub struct DataThreads {
    most: usize,
    /// Started when there are tasks for them.
    started: Mutex<Vec<DataThread>>,
}

#[derive(Debug)]
struct DataThread {
    runtime: Handle,
    /// One reference for each task, and this one.
    tasks: Arc<()>,
    _ends_with_this: oneshot::Sender<()>,
}

/// A place on a thread. Counts as taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) runtime: Handle,
    _taken: Option<Arc<()>>,
}

impl DataThreads {
    /// No threads: tasks run on the runtime that starts them.
    #[must_use]
    pub fn none() -> Self {
        Self { most: 0, started: Mutex::default() }
    }

    /// One for each core.
    #[must_use]
    pub fn of_all_cores() -> Self {
        Self { most: thread::available_parallelism().map_or(1, usize::from), started: Mutex::default() }
    }

    /// How many there may be.
    pub(crate) fn count(&self) -> usize {
        self.most
    }

    /// A place on the thread that has the fewest tasks. Must be called within a runtime, which is used if there are no threads.
    pub(crate) fn place(&self) -> Place {
        // A push is all that happens under the lock.
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let all_busy = started.iter().all(|thread| Arc::strong_count(&thread.tasks) > 1);
        if all_busy && started.len() < self.most {
            match DataThread::start(started.len()) {
                Ok(thread) => started.push(thread),
                Err(error) => warn!(%error, "no thread for tasks could be started, using those there are"),
            }
        }
        match started.iter().min_by_key(|thread| Arc::strong_count(&thread.tasks)) {
            Some(thread) => Place { runtime: thread.runtime.clone(), _taken: Some(Arc::clone(&thread.tasks)) },
            None => Place { runtime: Handle::current(), _taken: None },
        }
    }
}

impl DataThread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        // The runtime is driven, and in the end dropped, by its thread alone.
        thread::Builder::new().name(format!("records-{number}")).spawn(move || {
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, tasks: Arc::default(), _ends_with_this: end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_go_where_the_fewest_are_and_all_of_a_task_stays_on_one_thread() {
        let threads = DataThreads { most: 2, started: Mutex::default() };
        let thread_of = |place: &Place| {
            let (tell, told) = std::sync::mpsc::channel();
            place.runtime.spawn(async move {
                let begun = thread::current().id();
                let spawned = tokio::spawn(async { thread::current().id() }).await.unwrap();
                tell.send((begun, spawned)).unwrap();
            });
            told.recv().unwrap()
        };

        let (first, second) = (threads.place(), threads.place());
        let (one, other) = (thread_of(&first), thread_of(&second));
        assert!(one.0 == one.1 && other.0 == other.1);
        assert_ne!(one.0, other.0);

        drop(first);
        assert_eq!(thread_of(&threads.place()).0, one.0);
        assert_eq!(threads.started.lock().unwrap().len(), 2);
    }
}
