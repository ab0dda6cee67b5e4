//! Memory of large responses, used again.
//!
//! A fetch response is megabytes, and lives until its last batch is acknowledged. Memory that comes fresh from the operating
//! system costs more than what is done with it: every page is cleared, and a fault of its own. So a client keeps the buffers
//! of its last responses, of all its connections together, as long as large ones keep coming. As many as are kept have been
//! in use at one time, so the memory budget that bounds those bounds these.

use std::mem;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;

use super::lock;

/// What is kept at most, in bytes of capacity: about as much as is under way when a target is slower than its source.
const KEPT_BYTES_MAX: usize = 24 << 20;
/// So many small responses in a row mean that large ones have become rarer.
const SMALL_IN_A_ROW: u32 = 8;

/// The spare buffers of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare(Arc<Mutex<Pool>>);

#[derive(Debug, Default)]
struct Pool {
    buffers: Vec<Vec<u8>>,
    small_in_a_row: u32,
}

/// A buffer in use; goes home when its last slice is dropped, if there still is one.
struct Lent {
    bytes: Vec<u8>,
    home: Weak<Mutex<Pool>>,
}

impl Spare {
    /// An empty buffer with room for `size` bytes.
    pub(super) fn take(&self, size: usize) -> Vec<u8> {
        let mut pool = lock(&self.0);
        pool.small_in_a_row = 0;
        let fits = pool.buffers.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= size);
        match fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index) {
            Some(index) => pool.buffers.swap_remove(index),
            // Rounded up, so that responses of about one size share buffers.
            None => Vec::with_capacity(size.next_power_of_two()),
        }
    }

    /// The bytes, whose memory comes back here.
    pub(super) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes, home: Arc::downgrade(&self.0) })
    }

    /// A small response has come. When large ones have become rarer, a buffer goes back to the operating system.
    pub(super) fn small(&self) {
        let mut pool = lock(&self.0);
        pool.small_in_a_row = pool.small_in_a_row.saturating_add(1);
        if pool.small_in_a_row > SMALL_IN_A_ROW {
            pool.buffers.pop();
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(home) = self.home.upgrade() else { return };
        let mut buffer = mem::take(&mut self.bytes);
        buffer.clear();
        let mut pool = lock(&home);
        let kept: usize = pool.buffers.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= KEPT_BYTES_MAX {
            pool.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(spare: &Spare) -> Vec<usize> {
        lock(&spare.0).buffers.iter().map(Vec::capacity).collect()
    }

    #[test]
    fn a_buffer_is_used_again_when_its_last_slice_is_gone() {
        let spare = Spare::default();
        let mut buffer = spare.take(100_000);
        buffer.extend_from_slice(&[7; 100_000]);
        let address = buffer.as_ptr();
        let response = spare.lend(buffer);
        let slice = response.slice(10..20);

        drop(response);
        assert!(kept(&spare).is_empty());
        assert_eq!(slice[..], [7; 10]);
        drop(slice);

        let again = spare.take(90_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
    }

    #[test]
    fn not_more_is_kept_than_allowed_and_less_when_it_is_not_needed() {
        let spare = Spare::default();
        let most = KEPT_BYTES_MAX / (2 << 20);
        let lent: Vec<Bytes> = (0..=most).map(|_| spare.lend(Vec::with_capacity(2 << 20))).collect();

        drop(lent);
        assert_eq!(kept(&spare), vec![2 << 20; most]);

        (0..SMALL_IN_A_ROW).for_each(|_| spare.small());
        assert_eq!(kept(&spare).len(), most);
        spare.small();
        assert_eq!(kept(&spare).len(), most - 1);

        drop(spare.take(2 << 20));
        spare.small();
        assert_eq!(kept(&spare).len(), most - 2, "large ones come again");
    }

    #[test]
    fn slices_outlive_their_connection() {
        let spare = Spare::default();
        let slice = spare.lend(vec![1, 2, 3]).slice(1..);

        drop(spare);

        assert_eq!(slice[..], [2, 3]);
    }
}
