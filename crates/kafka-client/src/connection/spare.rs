//! Memory of large responses, used again.
//!
//! A fetch response is megabytes, and lives until its last batch is acknowledged. Memory that comes fresh from the operating
//! system costs more than what is done with it: every page is cleared, and a fault of its own. So a connection keeps the
//! buffers of its last responses, as long as large ones keep coming.

use std::mem;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;

use super::lock;

/// What is kept at most, in bytes of capacity.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// The spare buffers of one connection.
#[derive(Debug, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use; goes home when its last slice is dropped, if there still is one.
struct Lent {
    bytes: Vec<u8>,
    home: Weak<Mutex<Vec<Vec<u8>>>>,
}

impl Spare {
    /// An empty buffer with room for `size` bytes.
    pub(super) fn take(&mut self, size: usize) -> Vec<u8> {
        let mut spare = lock(&self.0);
        let fits = spare.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= size);
        match fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index) {
            Some(index) => spare.swap_remove(index),
            // Rounded up, so that responses of about one size share buffers.
            None => Vec::with_capacity(size.next_power_of_two()),
        }
    }

    /// The bytes, whose memory comes back here.
    pub(super) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes, home: Arc::downgrade(&self.0) })
    }

    /// Large responses have become rarer: gives a buffer back to the operating system.
    pub(super) fn shrink(&mut self) {
        lock(&self.0).pop();
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
        let mut spare = lock(&home);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= KEPT_BYTES_MAX {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(spare: &Spare) -> Vec<usize> {
        lock(&spare.0).iter().map(Vec::capacity).collect()
    }

    #[test]
    fn a_buffer_is_used_again_when_its_last_slice_is_gone() {
        let mut spare = Spare::default();
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
        let mut spare = Spare::default();
        let lent: Vec<Bytes> = (0..5).map(|_| spare.lend(Vec::with_capacity(2 << 20))).collect();

        drop(lent);
        assert_eq!(kept(&spare), [2 << 20; 4]);

        spare.shrink();
        assert_eq!(kept(&spare), [2 << 20; 3]);
    }

    #[test]
    fn slices_outlive_their_connection() {
        let spare = Spare::default();
        let slice = spare.lend(vec![1, 2, 3]).slice(1..);

        drop(spare);

        assert_eq!(slice[..], [2, 3]);
    }
}
