//! Which batches of all partitions are settled, as far as a flush needs to know.
//!
//! Batches are counted by generation. A flush ends the present generation and waits until it and all before it are empty.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    /// The number of the first of `generations`.
    first: u64,
    /// Never empty; the last one is the present.
    generations: VecDeque<Generation>,
}

#[derive(Debug, Default)]
struct Generation {
    unsettled: usize,
    waiters: Vec<oneshot::Sender<()>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { first: 0, generations: VecDeque::from([Generation::default()]) }
    }
}

impl Progress {
    /// A batch comes in. Answers its generation, for [`end`](Self::end).
    pub(super) fn begin(&mut self) -> u64 {
        if let Some(present) = self.generations.back_mut() {
            present.unsettled += 1;
        }
        self.first + self.generations.len() as u64 - 1
    }

    /// A batch of `generation` is settled.
    pub(super) fn end(&mut self, generation: u64) {
        let index = generation.saturating_sub(self.first) as usize;
        if let Some(generation) = self.generations.get_mut(index) {
            generation.unsettled = generation.unsettled.saturating_sub(1);
        }
        self.complete();
    }

    /// Tells `waiter` when everything that has come in so far is settled.
    pub(super) fn wait(&mut self, waiter: oneshot::Sender<()>) {
        if let Some(present) = self.generations.back_mut() {
            present.waiters.push(waiter);
        }
        self.generations.push_back(Generation::default());
        self.complete();
    }

    /// Nothing is unsettled.
    pub(super) fn is_idle(&self) -> bool {
        self.generations.iter().all(|generation| generation.unsettled == 0)
    }

    fn complete(&mut self) {
        while self.generations.len() > 1
            && let Some(done) = self.generations.pop_front_if(|first| first.unsettled == 0)
        {
            self.first += 1;
            for waiter in done.waiters {
                // A flush that nobody waits for any more.
                let _ = waiter.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(progress: &mut Progress) -> oneshot::Receiver<()> {
        let (waiter, done) = oneshot::channel();
        progress.wait(waiter);
        done
    }

    #[test]
    fn a_flush_of_nothing_is_done_at_once() {
        assert!(waiting(&mut Progress::default()).try_recv().is_ok());
    }

    #[test]
    fn a_flush_waits_for_what_came_before_it_and_not_for_what_came_after() {
        let mut progress = Progress::default();
        let (one, two) = (progress.begin(), progress.begin());
        let mut first = waiting(&mut progress);
        let three = progress.begin();
        let mut second = waiting(&mut progress);

        progress.end(three);
        progress.end(one);
        assert!(first.try_recv().is_err() && second.try_recv().is_err());

        progress.end(two);
        assert!(first.try_recv().is_ok() && second.try_recv().is_ok());
        assert!(progress.is_idle());
    }
}
