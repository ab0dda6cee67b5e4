//! One budget of bytes for everything the worker holds between two brokers.
//!
//! Fetched batches wait for the target, batches wait for their acknowledgement: both are memory, and both are bounded here.
//! The budget has two sides, one for fetching and one for producing, because a fetch that had taken everything would leave
//! nothing to send it with. A batch that is passed through is paid for once: a clone of its response's [`BudgetPermit`]
//! travels with it until the target has acknowledged it.
//!
//! Waiters are served in order of arrival. A request larger than its side is cut down to it, so it waits until that side is
//! empty and then goes alone, instead of waiting for ever.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A fetch from a broker that is near costs less by the byte the larger it is, but hardly beyond this; what it does cost is memory.
const NEAR_FETCH_BYTES_MAX: u32 = 13 << 17;

/// Bytes that may be in memory at one time, shared by every fetcher and producer that got a clone.
#[derive(Clone)]
pub struct Budget {
    fetch: Side,
    produce: Side,
}

#[derive(Clone)]
struct Side {
    room: Arc<Semaphore>,
    bytes: u32,
}

/// Bytes taken from a [`Budget`], given back when the last clone is dropped.
///
/// All batches of a fetch response share one permit of its size: a batch is a slice of the response, so as long as one batch
/// is held, the memory of all of them is.
#[derive(Clone, Default)]
pub struct BudgetPermit(Option<Arc<OwnedSemaphorePermit>>);

/// Bytes set aside for a response that has not come yet.
pub(crate) struct Reservation {
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// The smallest budget: below this, a single ordinary fetch would not fit.
    pub const MIN_BYTES: u64 = 4 << 20;

    /// A budget of `bytes`, three quarters for fetching and one for producing. Raised to [`MIN_BYTES`](Self::MIN_BYTES)
    /// and cut to 4 GiB.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let bytes = bytes.clamp(Self::MIN_BYTES, u64::from(u32::MAX));
        // Both fit: the sum was cut to 32 bits just now.
        let produce = (bytes / 4) as u32;
        Self { fetch: Side::new(bytes as u32 - produce), produce: Side::new(produce) }
    }

    /// Bytes taken at the moment, on both sides.
    #[must_use]
    pub fn in_use(&self) -> u64 {
        self.fetch.in_use() + self.produce.in_use()
    }

    /// The most that one fetch should ask for. A response stays in memory until its last batch is acknowledged, so a
    /// partition that is stuck holds a few whole responses; those must not be all there is.
    pub(crate) fn fetch_bytes_max(&self) -> u32 {
        (self.fetch.bytes / 14).min(NEAR_FETCH_BYTES_MAX)
    }

    /// The same for a broker that is far away, where a response has to fill the time that a question and its answer take: one
    /// is on its way while the one before is written.
    pub(crate) fn fetch_bytes_max_far(&self) -> u32 {
        self.fetch.bytes / 2
    }

    /// Waits for `least` bytes of the fetching side, and takes up to `wanted` if they are free. Cancel-safe: a dropped call
    /// takes nothing, and loses its place.
    pub(crate) async fn fetch(&self, least: u32, wanted: u32) -> Reservation {
        let mut reservation = Reservation { permit: self.fetch.take(least).await };
        reservation.grow(&self.fetch, wanted);
        reservation
    }

    /// Waits for `bytes` of the producing side. Cancel-safe, like [`fetch`](Self::fetch).
    pub(crate) async fn produce(&self, bytes: usize) -> BudgetPermit {
        BudgetPermit(self.produce.take(u32::try_from(bytes).unwrap_or(u32::MAX)).await.map(Arc::new))
    }
}

impl Default for Budget {
    /// 128 MiB.
    fn default() -> Self {
        Self::new(128 << 20)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u64::from(self.fetch.bytes) + u64::from(self.produce.bytes);
        f.debug_struct("Budget").field("bytes", &bytes).field("in_use", &self.in_use()).finish()
    }
}

impl Side {
    fn new(bytes: u32) -> Self {
        Self { room: Arc::new(Semaphore::new(bytes as usize)), bytes }
    }

    fn in_use(&self) -> u64 {
        u64::from(self.bytes) - self.room.available_permits() as u64
    }

    async fn take(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        // An error means a closed semaphore, and nobody closes this one.
        Arc::clone(&self.room).acquire_many_owned(bytes.min(self.bytes)).await.ok()
    }
}

impl BudgetPermit {
    /// A permit for nothing, for bytes that nobody counts.
    #[must_use]
    pub const fn free() -> Self {
        Self(None)
    }

    /// Bytes held by this permit and its clones together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |permit| permit.num_permits())
    }
}

impl Reservation {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// A permit for the `bytes` that came; the rest is given back. A response can be larger than what was set aside, when
    /// its first batch alone is; nothing is waited for then.
    pub(crate) fn permit(mut self, bytes: usize) -> BudgetPermit {
        let rest = self.bytes().saturating_sub(bytes);
        drop(self.permit.as_mut().and_then(|permit| permit.split(rest)));
        BudgetPermit(self.permit.map(Arc::new))
    }

    /// Takes more, up to `wanted` in all, if it is free at this moment.
    fn grow(&mut self, side: &Side, wanted: u32) {
        let more = (wanted.min(side.bytes) as usize).saturating_sub(self.bytes()).min(side.room.available_permits());
        let Some(held) = &mut self.permit else { return };
        // Below 4 GiB, because `wanted` is; someone else may be faster, then there is no more.
        if let Ok(extra) = Arc::clone(&side.room).try_acquire_many_owned(more as u32) {
            held.merge(extra);
        }
    }
}

impl fmt::Debug for BudgetPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BudgetPermit").field(&self.bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Polls once: what the future says without anyone giving bytes back meanwhile.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_is_taken_is_given_back_with_the_last_clone() {
        let budget = Budget::new(8 << 20);
        let permit = now(budget.fetch(1 << 20, 2 << 20)).unwrap().permit(2 << 20);
        assert_eq!((permit.bytes(), budget.in_use()), (2 << 20, 2 << 20));

        let clone = permit.clone();
        drop(permit);
        assert_eq!(budget.in_use(), 2 << 20);

        drop(clone);
        assert_eq!(budget.in_use(), 0);
    }

    #[test]
    fn an_exhausted_fetching_side_leaves_room_to_produce() {
        let budget = Budget::new(8 << 20);

        let held = now(budget.fetch(1, u32::MAX)).unwrap();

        assert_eq!(held.bytes(), 6 << 20);
        assert!(now(budget.fetch(1, 1)).is_none());
        assert!(now(budget.produce(1 << 20)).is_some());
    }

    #[test]
    fn more_than_the_whole_side_goes_alone() {
        let budget = Budget::new(8 << 20);

        let giant = now(budget.produce(100 << 20)).unwrap();
        assert!(now(budget.produce(1)).is_none());

        drop(giant);
        assert!(now(budget.produce(1)).is_some());
    }

    #[test]
    fn a_response_keeps_what_it_needs_of_its_reservation() {
        let budget = Budget::new(8 << 20);

        let small = now(budget.fetch(1000, 1000)).unwrap().permit(300);
        assert_eq!((small.bytes(), budget.in_use()), (300, 300));

        let oversized = now(budget.fetch(1000, 1000)).unwrap().permit(5000);
        assert_eq!((oversized.bytes(), budget.in_use()), (1000, 1300));
    }
}
