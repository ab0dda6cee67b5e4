//! A fetch session (KIP-227): after the first, full request only what changed is asked for, and only what has news is
//! answered. A value: it says what to put into the next request, and takes in what came of it.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::TopicPartition;
use crate::codes::ErrorCode;

/// What a fetch request says about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// Of the position, as the driver counts; brokers do not see it.
    pub(super) version: u64,
    /// Nil for brokers before 2.8, and until the metadata say.
    pub(super) topic_id: Uuid,
    pub(super) fetch_offset: i64,
    pub(super) partition_max_bytes: i32,
    /// -1 when not known.
    pub(super) current_leader_epoch: i32,
    /// Epoch of the record before the position, -1 when not known; lets the broker notice a diverged log (KIP-595).
    pub(super) last_fetched_epoch: i32,
}

/// One fetch request, as far as the session decides it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) session_id: i32,
    pub(super) session_epoch: i32,
    pub(super) fetch: Vec<(TopicPartition, Want)>,
    /// With the topic ids under which the broker knows them.
    pub(super) forget: Vec<(TopicPartition, Uuid)>,
}

/// The state of a session with one broker.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// 0: none.
    id: i32,
    /// 0: the next request is a full one, and opens a session.
    epoch: i32,
    /// What the broker knows of us.
    known: BTreeMap<TopicPartition, Want>,
}

impl Session {
    /// The next request, so that the broker fetches what `wanted` says and nothing else. Everything must then be told to
    /// [`answered`](Self::answered) or [`lost`](Self::lost).
    pub(super) fn request(&mut self, wanted: BTreeMap<TopicPartition, Want>) -> Request {
        let mut request =
            Request { session_id: self.id, session_epoch: self.epoch, fetch: Vec::new(), forget: Vec::new() };
        if self.epoch == 0 {
            request.fetch.extend(wanted.iter().map(|(tp, want)| (tp.clone(), *want)));
        } else {
            // Side by side, because there may be thousands, and few of them have changed.
            let mut known = self.known.iter().peekable();
            for (tp, want) in &wanted {
                while let Some((gone, before)) = known.next_if(|(other, _)| *other < tp) {
                    request.forget.push((gone.clone(), before.topic_id));
                }
                let before = known.next_if(|(other, _)| *other == tp).map(|(_, before)| before);
                // A topic that came back under another id is another topic for the broker.
                if let Some(other) = before.filter(|before| before.topic_id != want.topic_id) {
                    request.forget.push((tp.clone(), other.topic_id));
                }
                if before != Some(want) {
                    request.fetch.push((tp.clone(), *want));
                }
            }
            request.forget.extend(known.map(|(gone, before)| (gone.clone(), before.topic_id)));
        }
        self.known = wanted;
        request
    }

    /// The version of a partition's position that the last request was made of.
    pub(super) fn version(&self, tp: &TopicPartition) -> Option<u64> {
        self.known.get(tp).map(|want| want.version)
    }

    /// The partitions of the last request, with their versions.
    pub(super) fn asked(&self) -> Vec<(TopicPartition, u64)> {
        self.known.iter().map(|(tp, want)| (tp.clone(), want.version)).collect()
    }

    /// The broker answered, with `code` and `session_id` at the top of its response.
    pub(super) fn answered(&mut self, code: ErrorCode, session_id: i32) {
        if !code.is_ok() {
            return self.lost();
        }
        if self.epoch == 0 {
            // An id of 0 means that the broker has no room for sessions: the next request is full again.
            self.id = session_id;
            self.epoch = i32::from(session_id != 0);
        } else {
            self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
        }
    }

    /// Nobody knows what the broker knows: the next request closes the session, if there still is one, and opens another.
    pub(super) fn lost(&mut self) {
        self.epoch = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(fetch_offset: i64) -> Want {
        Want {
            version: 0,
            topic_id: Uuid::from_u128(1),
            fetch_offset,
            partition_max_bytes: 1 << 20,
            current_leader_epoch: 3,
            last_fetched_epoch: -1,
        }
    }

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, Want> {
        offsets.iter().map(|&(partition, offset)| (TopicPartition::new("t", partition), want(offset))).collect()
    }

    fn numbers(request: &Request) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
        (
            request.session_id,
            request.session_epoch,
            request.fetch.iter().map(|(tp, want)| (tp.partition, want.fetch_offset)).collect(),
            request.forget.iter().map(|(tp, _)| tp.partition).collect(),
        )
    }

    /// A session of partitions 0 and 1, opened as number 77.
    fn opened() -> Session {
        let mut session = Session::default();
        let full = session.request(wanted(&[(0, 10), (1, 20)]));
        assert_eq!(numbers(&full), (0, 0, vec![(0, 10), (1, 20)], vec![]));
        session.answered(ErrorCode::NONE, 77);
        session
    }

    #[test]
    fn only_what_changed_is_asked_for_again() {
        let mut session = opened();

        assert_eq!(numbers(&session.request(wanted(&[(0, 10), (1, 25)]))), (77, 1, vec![(1, 25)], vec![]));
        session.answered(ErrorCode::NONE, 77);
        assert_eq!(numbers(&session.request(wanted(&[(0, 10), (2, 0)]))), (77, 2, vec![(2, 0)], vec![1]));
        session.answered(ErrorCode::NONE, 77);
        assert_eq!(numbers(&session.request(wanted(&[(0, 10), (2, 0)]))), (77, 3, vec![], vec![]));
    }

    #[test]
    fn a_session_that_the_broker_lost_is_replaced_by_a_full_request() {
        for code in [ErrorCode::FETCH_SESSION_ID_NOT_FOUND, ErrorCode::INVALID_FETCH_SESSION_EPOCH] {
            let mut session = opened();
            session.request(wanted(&[(0, 10)]));

            session.answered(code, 0);

            assert_eq!(numbers(&session.request(wanted(&[(0, 10)]))), (77, 0, vec![(0, 10)], vec![]));
            session.answered(ErrorCode::NONE, 78);
            assert_eq!(numbers(&session.request(wanted(&[(0, 11)]))), (78, 1, vec![(0, 11)], vec![]));
        }
    }

    #[test]
    fn after_a_lost_connection_everything_is_asked_for_again() {
        let mut session = opened();
        session.request(wanted(&[(0, 10), (1, 20)]));

        session.lost();

        assert_eq!(numbers(&session.request(wanted(&[(1, 20)]))), (77, 0, vec![(1, 20)], vec![]));
    }

    #[test]
    fn a_broker_without_room_for_sessions_gets_full_requests() {
        let mut session = Session::default();
        session.request(wanted(&[(0, 10)]));
        session.answered(ErrorCode::NONE, 0);

        assert_eq!(numbers(&session.request(wanted(&[(0, 10)]))), (0, 0, vec![(0, 10)], vec![]));
    }

    #[test]
    fn a_topic_under_a_new_id_is_forgotten_under_the_old_one() {
        let mut session = opened();
        let mut recreated = wanted(&[(0, 10), (1, 0)]);
        if let Some(want) = recreated.get_mut(&TopicPartition::new("t", 1)) {
            want.topic_id = Uuid::from_u128(2);
        }

        let request = session.request(recreated);

        assert_eq!(numbers(&request), (77, 1, vec![(1, 0)], vec![1]));
        assert_eq!(request.forget[0].1, Uuid::from_u128(1));
    }

    #[test]
    fn the_session_epoch_wraps_past_zero() {
        let mut session = opened();
        session.epoch = i32::MAX;
        session.answered(ErrorCode::NONE, 77);

        assert_eq!(session.epoch, 1);
    }
}
