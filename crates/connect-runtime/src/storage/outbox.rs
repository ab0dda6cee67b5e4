//! What is still to be written to the status topic: per key the newest value only.
//!
//! A status that has been overtaken by a newer one of the same key is never sent, and one that could not be sent is sent
//! again only if nothing newer came meanwhile: neither from here, nor from a worker of a later generation of the group.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

/// Writes that wait, by key. The shell sends what [`take`](Self::take) gives and reports with [`settle`](Self::settle).
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    keys: HashMap<String, Pending>,
    /// The keys that wait, oldest first.
    queue: VecDeque<String>,
}

#[derive(Debug)]
enum Pending {
    /// In the queue.
    Waiting(Option<String>),
    /// Sent, no answer yet; and what is to be sent after it.
    Sent { value: Option<String>, next: Option<Option<String>>, superseded: bool },
}

/// A key and its value; `None` is a tombstone.
pub(crate) type Write = (String, Option<String>);

impl Outbox {
    /// A new write; it takes the place of any older one of its key that has not been sent.
    pub(crate) fn put(&mut self, key: String, value: Option<String>) {
        match self.keys.get_mut(&key) {
            Some(Pending::Waiting(waiting)) => *waiting = value,
            Some(Pending::Sent { next, .. }) => *next = Some(value),
            None => {
                self.queue.push_back(key.clone());
                self.keys.insert(key, Pending::Waiting(value));
            }
        }
    }

    /// Up to `limit` writes to be sent now, oldest first. They count as sent until they are settled.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Write> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(key) = self.queue.pop_front()
        {
            let Some(Pending::Waiting(value)) = self.keys.get_mut(&key) else { continue };
            let value = value.take();
            self.keys.insert(key.clone(), Pending::Sent { value: value.clone(), next: None, superseded: false });
            taken.push((key, value));
        }
        taken
    }

    /// A write that was taken is in the topic, or could not be written.
    pub(crate) fn settle(&mut self, key: &str, written: bool) {
        let Some(Pending::Sent { value, next, superseded }) = self.keys.remove(key) else { return };
        let again = next.or((!written && !superseded).then_some(value));
        if let Some(value) = again {
            self.put(key.to_owned(), value);
        }
    }

    /// The topic has a record. A write of an earlier generation that has not been acknowledged is not sent again: whoever
    /// wrote the record knows better.
    pub(crate) fn saw(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(Pending::Sent { value: Some(sent), superseded, .. }) = self.keys.get_mut(key)
            && generation(value) > generation(Some(sent.as_bytes()))
        {
            *superseded = true;
        }
    }
}

fn generation(status: Option<&[u8]>) -> Option<i64> {
    serde_json::from_slice::<Value>(status?).ok()?.get("generation")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &str, value: &str) -> Write {
        (key.to_owned(), Some(value.to_owned()))
    }

    fn outbox(writes: &[(&str, &str)]) -> Outbox {
        let mut outbox = Outbox::default();
        for (key, value) in writes {
            outbox.put((*key).to_owned(), Some((*value).to_owned()));
        }
        outbox
    }

    #[test]
    fn writes_leave_in_the_order_in_which_their_keys_came() {
        let mut outbox = outbox(&[("b", "1"), ("a", "2"), ("c", "3")]);

        assert_eq!(outbox.take(2), [write("b", "1"), write("a", "2")]);
        assert_eq!(outbox.take(2), [write("c", "3")]);
    }

    #[test]
    fn a_newer_write_takes_the_place_of_one_that_waits() {
        let mut outbox = outbox(&[("a", "old"), ("a", "new")]);

        assert_eq!(outbox.take(9), [write("a", "new")]);
    }

    #[test]
    fn a_key_is_sent_again_only_after_its_last_write_was_settled() {
        let mut outbox = outbox(&[("a", "1")]);
        outbox.take(9);

        outbox.put("a".to_owned(), Some("2".to_owned()));
        assert_eq!(outbox.take(9), []);

        outbox.settle("a", true);
        assert_eq!(outbox.take(9), [write("a", "2")]);
        outbox.settle("a", true);
        assert!(outbox.keys.is_empty());
    }

    #[test]
    fn what_could_not_be_written_is_sent_again() {
        let mut outbox = outbox(&[("a", "1")]);
        outbox.take(9);

        outbox.settle("a", false);

        assert_eq!(outbox.take(9), [write("a", "1")]);
    }

    #[test]
    fn what_could_not_be_written_gives_way_to_a_newer_write() {
        let mut outbox = outbox(&[("a", "1")]);
        outbox.take(9);
        outbox.put("a".to_owned(), None);

        outbox.settle("a", false);

        assert_eq!(outbox.take(9), [("a".to_owned(), None)]);
    }

    #[test]
    fn a_status_of_a_later_generation_stops_the_retries_of_an_earlier_one() {
        let mut outbox = outbox(&[("a", r#"{"state":"UNASSIGNED","generation":3}"#)]);
        outbox.take(9);

        outbox.saw("a", Some(br#"{"state":"RUNNING","generation":4}"#));
        outbox.settle("a", false);

        assert!(outbox.keys.is_empty());
    }

    #[test]
    fn a_status_of_the_same_generation_does_not_stop_the_retries() {
        let mut outbox = outbox(&[("a", r#"{"state":"RUNNING","generation":3}"#)]);
        outbox.take(9);

        outbox.saw("a", Some(br#"{"state":"UNASSIGNED","generation":3}"#));
        outbox.settle("a", false);

        assert!(!outbox.keys.is_empty());
    }
}
