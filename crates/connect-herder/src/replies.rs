//! Commands that wait for their answer: each gets exactly one, whatever happens.
//!
//! Whoever has an answer must [`close`](Replies::close) the command first, and may answer only if that says so.

use std::collections::BTreeMap;

use crate::ids::{Now, RequestId};

/// The commands that have not been answered yet, with their deadlines.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    open: BTreeMap<RequestId, Now>,
}

impl Replies {
    /// A command has come. Answers whether it is new.
    pub fn open(&mut self, id: RequestId, deadline: Now) -> bool {
        self.open.insert(id, deadline).is_none()
    }

    /// Answers whether the command may be answered; it can't be a second time.
    #[must_use]
    pub fn close(&mut self, id: RequestId) -> bool {
        self.open.remove(&id).is_some()
    }

    /// Whether the command still waits. Work for one that does not is not begun.
    #[must_use]
    pub fn is_open(&self, id: RequestId) -> bool {
        self.open.contains_key(&id)
    }

    /// The commands whose time is over.
    #[must_use]
    pub fn expired(&self, now: Now) -> Vec<RequestId> {
        self.open.iter().filter(|(_, deadline)| **deadline <= now).map(|(id, _)| *id).collect()
    }

    /// Every command that waits.
    #[must_use]
    pub fn all(&self) -> Vec<RequestId> {
        self.open.keys().copied().collect()
    }

    /// The next deadline.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        self.open.values().copied().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_answered_once() {
        let mut replies = Replies::default();

        assert!(replies.open(RequestId(1), Now(100)));

        assert!(replies.close(RequestId(1)));
        assert!(!replies.close(RequestId(1)));
    }

    #[test]
    fn a_command_expires_at_its_deadline() {
        let mut replies = Replies::default();
        replies.open(RequestId(1), Now(100));
        replies.open(RequestId(2), Now(50));

        assert_eq!(replies.next_timeout(), Some(Now(50)));
        assert_eq!(replies.expired(Now(49)), []);
        assert_eq!(replies.expired(Now(50)), [RequestId(2)]);
    }
}
