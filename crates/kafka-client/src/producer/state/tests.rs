use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules { transactional: false, retry_backoff_ms: 100, retry_backoff_max_ms: 1000 };
const ID: Identity = Identity { producer_id: 7, epoch: 0 };
const LEADER: i32 = 1;
const NEVER: u64 = u64::MAX;

fn line() -> Line<u32> {
    Line::new(RULES, ID)
}

/// A line whose broker knows us: one batch of one record has been acknowledged at time 0.
fn proven() -> Line<u32> {
    let mut line = line();
    line.push(0, 1, NEVER).unwrap();
    let (ticket, ..) = line.take(LEADER, 0).unwrap();
    assert_eq!(answer(&mut line, ticket, acked(0), 0), [(0, Outcome::Acked(ack(0)))]);
    line
}

fn ack(offset: i64) -> Ack {
    Ack { base_offset: Some(offset), log_append_time_ms: None }
}

fn acked(offset: i64) -> Answer {
    Answer::Acked(ack(offset))
}

fn failed(code: ErrorCode) -> Answer {
    Answer::Failed { code, message: None }
}

fn rejected(code: ErrorCode) -> Outcome {
    Outcome::Rejected { code, message: None, maybe_written: false }
}

const SKIPPED: Outcome = Outcome::Skipped { maybe_written: false };

fn answer(line: &mut Line<u32>, ticket: Ticket, answer: Answer, now_ms: u64) -> Vec<Settled<u32>> {
    let mut settled = Vec::new();
    line.answer(ticket, answer, now_ms, &mut settled);
    settled
}

/// Everything that may be sent now: batch, epoch and sequence.
fn sent(line: &mut Line<u32>, now_ms: u64) -> Vec<(Ticket, u32, i16, i32)> {
    std::iter::from_fn(|| {
        line.take(LEADER, now_ms)
            .map(|(ticket, stamp, batch)| (ticket, *batch, stamp.producer_epoch, stamp.base_sequence))
    })
    .collect()
}

fn batches(sent: &[(Ticket, u32, i16, i32)]) -> Vec<(u32, i16, i32)> {
    sent.iter().map(|&(_, batch, epoch, sequence)| (batch, epoch, sequence)).collect()
}

#[test]
fn the_first_batch_of_a_producer_goes_alone() {
    let mut line = line();
    for batch in 0..7 {
        line.push(batch, 10, NEVER).unwrap();
    }

    let first = sent(&mut line, 0);
    assert_eq!(batches(&first), [(0, 0, 0)]);

    answer(&mut line, first[0].0, acked(0), 0);
    assert_eq!(batches(&sent(&mut line, 0)), [(1, 0, 10), (2, 0, 20), (3, 0, 30), (4, 0, 40), (5, 0, 50)]);
    assert_eq!(line.sendable_at(LEADER, 0), None);
}

#[test]
fn after_a_long_silence_one_batch_goes_alone_again() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();
    line.push(2, 1, NEVER).unwrap();
    assert_eq!(batches(&sent(&mut line, PROOF_MS)), [(1, 0, 1)]);
}

#[test]
fn a_batch_is_not_sent_to_a_new_leader_while_the_old_one_has_others() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();
    line.push(2, 1, NEVER).unwrap();
    assert!(line.take(LEADER, 0).is_some());

    assert_eq!(line.sendable_at(LEADER + 1, 0), None);
    assert_eq!(line.sendable_at(LEADER, 0), Some(0));
}

#[test]
fn a_moved_leader_is_retried_in_order_and_alone_under_the_same_numbers() {
    let mut line = proven();
    for batch in 1..4 {
        line.push(batch, 1, NEVER).unwrap();
    }
    let tickets = sent(&mut line, 0);

    for ticket in &tickets {
        assert_eq!(answer(&mut line, ticket.0, failed(ErrorCode::NOT_LEADER_OR_FOLLOWER), 0), []);
    }

    assert_eq!(line.sendable_at(2, 0), Some(100));
    let again = sent(&mut line, 100);
    assert_eq!(batches(&again), [(1, 0, 1)]);
    answer(&mut line, again[0].0, acked(1), 110);
    assert_eq!(batches(&sent(&mut line, 110)), [(2, 0, 2), (3, 0, 3)]);
}

#[test]
fn a_batch_that_waits_for_one_before_it_is_not_a_reason_for_a_new_epoch() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();
    line.push(2, 1, NEVER).unwrap();
    let tickets = sent(&mut line, 0);

    answer(&mut line, tickets[0].0, failed(ErrorCode::NOT_ENOUGH_REPLICAS), 0);
    answer(&mut line, tickets[1].0, failed(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), 0);

    assert_eq!(batches(&sent(&mut line, 100)), [(1, 0, 1)]);
}

#[test]
fn a_gap_before_the_first_batch_in_line_starts_a_new_epoch() {
    for code in [ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode::UNKNOWN_PRODUCER_ID] {
        let mut line = proven();
        line.push(1, 1, NEVER).unwrap();
        line.push(2, 1, NEVER).unwrap();
        let tickets = sent(&mut line, 0);

        answer(&mut line, tickets[0].0, failed(code), 0);
        assert_eq!(line.sendable_at(LEADER, 0), None, "the second batch is in flight under the old epoch");
        answer(&mut line, tickets[1].0, failed(code), 0);

        let again = sent(&mut line, 100);
        assert_eq!(batches(&again), [(1, 1, 0)]);
        answer(&mut line, again[0].0, acked(1), 110);
        assert_eq!(batches(&sent(&mut line, 110)), [(2, 1, 1)]);
    }
}

#[test]
fn a_fenced_producer_waits_for_a_new_id() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();
    let tickets = sent(&mut line, 0);

    answer(&mut line, tickets[0].0, failed(ErrorCode::INVALID_PRODUCER_EPOCH), 0);
    assert!(line.wants_identity());
    assert_eq!(line.sendable_at(LEADER, 1000), None);

    line.renewed(Identity { producer_id: 8, epoch: 0 });
    assert!(!line.wants_identity());
    assert_eq!(line.take(LEADER, 1000).unwrap().1.producer_id, 8);
}

#[test]
fn the_last_epoch_is_followed_by_a_new_id() {
    let mut line = Line::new(RULES, Identity { producer_id: 7, epoch: i16::MAX - 1 });
    line.push(1, 1, NEVER).unwrap();
    let tickets = sent(&mut line, 0);

    answer(&mut line, tickets[0].0, failed(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), 0);

    assert!(line.wants_identity());
}

#[test]
fn nothing_is_written_past_a_rejected_batch_until_the_line_is_reset() {
    let mut line = proven();
    for batch in 1..4 {
        line.push(batch, 1, NEVER).unwrap();
    }
    let first = line.take(LEADER, 0).unwrap().0;
    let second = line.take(LEADER, 0).unwrap().0;

    let too_large = ErrorCode::MESSAGE_TOO_LARGE;
    assert_eq!(answer(&mut line, first, failed(too_large), 0), [(1, rejected(too_large)), (3, SKIPPED)]);
    assert_eq!(line.push(4, 1, NEVER), Err(4));
    line.reset();
    line.push(5, 1, NEVER).unwrap();
    assert_eq!(line.sendable_at(LEADER, 0), None, "a batch of the old epoch is in flight");

    let gap = failed(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(answer(&mut line, second, gap, 0), [(2, SKIPPED)]);
    assert_eq!(batches(&sent(&mut line, 0)), [(5, 1, 0)]);
}

#[test]
fn batches_before_a_rejected_one_are_still_delivered() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();
    line.push(2, 1, NEVER).unwrap();
    let tickets = sent(&mut line, 0);

    answer(&mut line, tickets[0].0, Answer::Lost, 0);
    answer(&mut line, tickets[1].0, failed(ErrorCode::MESSAGE_TOO_LARGE), 0);

    assert!(line.halted);
    assert_eq!(batches(&sent(&mut line, 100)), [(1, 0, 1)]);
}

#[test]
fn not_more_than_five_batches_overtake_one_that_is_not_acknowledged() {
    let mut line = proven();
    for batch in 1..9 {
        line.push(batch, 1, NEVER).unwrap();
    }
    let tickets = sent(&mut line, 0);
    assert_eq!(tickets.len(), 5);

    answer(&mut line, tickets[0].0, failed(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND), 0);
    for ticket in &tickets[1..] {
        answer(&mut line, ticket.0, acked(0), 0);
    }

    assert_eq!(batches(&sent(&mut line, 100)), [(1, 0, 1)], "the broker would not know it any more after batch 6");
}

#[test]
fn a_topic_that_may_not_be_written_fails_what_waits() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();
    line.push(2, 1, NEVER).unwrap();
    line.push(3, 1, NEVER).unwrap();
    let first = line.take(LEADER, 0).unwrap().0;
    let denied = ErrorCode::TOPIC_AUTHORIZATION_FAILED;

    let mut settled = Vec::new();
    line.refuse(denied, &mut settled);

    assert_eq!(settled, [(2, rejected(denied)), (3, SKIPPED)]);
    assert_eq!(answer(&mut line, first, acked(1), 0), [(1, Outcome::Acked(ack(1)))], "it was on its way before");
}

#[test]
fn a_damaged_batch_is_tried_three_times() {
    let mut line = proven();
    line.push(1, 1, NEVER).unwrap();

    for try_at in [0, 1000] {
        let ticket = line.take(LEADER, try_at).unwrap().0;
        assert_eq!(answer(&mut line, ticket, failed(ErrorCode::CORRUPT_MESSAGE), try_at), []);
    }
    let ticket = line.take(LEADER, 2000).unwrap().0;
    let end = answer(&mut line, ticket, failed(ErrorCode::CORRUPT_MESSAGE), 2000);

    assert_eq!(end, [(1, rejected(ErrorCode::CORRUPT_MESSAGE))]);
}

#[test]
fn a_batch_that_expires_says_whether_it_may_be_written() {
    for (answer_, maybe_written) in [(Answer::NotSent, false), (Answer::Lost, true)] {
        let mut line = proven();
        line.push(1, 1, 500).unwrap();
        line.push(2, 1, 500).unwrap();
        let ticket = line.take(LEADER, 0).unwrap().0;
        answer(&mut line, ticket, answer_, 10);

        let mut settled = Vec::new();
        line.expire(499, &mut settled);
        assert_eq!(settled, []);
        line.expire(500, &mut settled);
        assert_eq!(settled, [(1, Outcome::Expired { last_code: None, maybe_written }), (2, SKIPPED)]);
        assert!(line.halted);
    }
}

#[test]
fn the_pause_grows_to_its_maximum() {
    let pauses: Vec<_> = (1..=6).map(|attempts| RULES.backoff_ms(attempts)).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    assert_eq!(RULES.backoff_ms(u32::MAX), 1000);
}

#[test]
fn sequence_numbers_wrap_to_zero() {
    assert_eq!(following(i32::MAX - 2, 2), i32::MAX);
    assert_eq!(following(i32::MAX - 2, 3), 0);
    assert_eq!(following(i32::MAX, 1), 0);
    assert_eq!(following(i32::MAX, i32::MAX), i32::MAX - 1);
}

#[test]
fn a_producer_without_an_id_sends_one_batch_at_a_time() {
    let mut line = Line::new(RULES, Identity::NONE);
    line.push(1, 1, NEVER).unwrap();
    line.push(2, 1, NEVER).unwrap();

    let tickets = sent(&mut line, 0);
    assert_eq!(batches(&tickets), [(1, -1, -1)]);
    answer(&mut line, tickets[0].0, acked(0), 0);
    assert_eq!(batches(&sent(&mut line, 0)), [(2, -1, -1)]);
}

#[test]
fn a_gap_ends_a_transaction_and_a_restart_begins_the_next() {
    let mut line = Line::new(Rules { transactional: true, ..RULES }, ID);
    line.push(1, 1, NEVER).unwrap();
    let (ticket, stamp, _) = line.take(LEADER, 0).unwrap();
    assert!(stamp.transactional);

    let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    assert_eq!(answer(&mut line, ticket, failed(gap), 0), [(1, rejected(gap))]);
    assert_eq!(line.push(2, 1, NEVER), Err(2));

    line.restart(Identity { epoch: 1, ..ID });
    line.push(3, 1, NEVER).unwrap();
    assert_eq!(batches(&sent(&mut line, 0)), [(3, 1, 0)]);
}

/// A partition as brokers keep it: the log, and what they remember of each producer.
#[derive(Default)]
struct Broker {
    log: Vec<u32>,
    producers: BTreeMap<i64, ProducerState>,
}

struct ProducerState {
    epoch: i16,
    last_sequence: i32,
    /// First sequence, last sequence and offset of the last five batches.
    recent: VecDeque<(i32, i32, i64)>,
}

impl Broker {
    fn append(&mut self, request: &Request) -> Answer {
        let Request { stamp, batch, records, .. } = *request;
        let (first, last) = (stamp.base_sequence, following(stamp.base_sequence, records - 1));
        if let Some(state) = self.producers.get(&stamp.producer_id) {
            if stamp.producer_epoch < state.epoch {
                return failed(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            let same_epoch = stamp.producer_epoch == state.epoch;
            if let Some(known) = state.recent.iter().find(|known| same_epoch && (known.0, known.1) == (first, last)) {
                return acked(known.2);
            }
            let expected = if same_epoch { following(state.last_sequence, 1) } else { 0 };
            if first != expected {
                return failed(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
        }
        let offset = self.log.len() as i64;
        self.log.extend(std::iter::repeat_n(batch, records as usize));
        let state = self.producers.entry(stamp.producer_id).or_insert_with(|| ProducerState {
            epoch: stamp.producer_epoch,
            last_sequence: 0,
            recent: VecDeque::new(),
        });
        if state.epoch != stamp.producer_epoch {
            state.recent.clear();
        }
        state.epoch = stamp.producer_epoch;
        state.last_sequence = last;
        state.recent.push_back((first, last, offset));
        if state.recent.len() > 5 {
            state.recent.pop_front();
        }
        acked(offset)
    }
}

#[derive(Clone)]
struct Request {
    ticket: Ticket,
    stamp: Stamp,
    batch: u32,
    records: i32,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push {
        records: i32,
    },
    /// The broker takes the next request and its answer arrives.
    Deliver,
    /// It appends, and says that it is not sure.
    AppendedWithError,
    /// It refuses, for now or for good, before it looks at the sequence.
    Refuse(i16),
    /// The connection breaks: no answers. What was in flight may still reach the broker (`Zombie`).
    Break,
    /// The broker finds a request of a broken connection in its queue.
    Zombie,
    Wait,
    /// The caller has seen the failure.
    Reset,
    /// Nobody writes for long; the broker forgets the producer.
    Forget,
}

struct World {
    line: Line<u32>,
    broker: Broker,
    wire: VecDeque<Request>,
    zombies: VecDeque<Request>,
    now_ms: u64,
    next_batch: u32,
    next_id: i64,
    sizes: BTreeMap<u32, i32>,
    ends: BTreeMap<u32, Outcome>,
}

impl World {
    fn new() -> Self {
        Self {
            line: line(),
            broker: Broker::default(),
            wire: VecDeque::new(),
            zombies: VecDeque::new(),
            now_ms: 0,
            next_batch: 0,
            next_id: 100,
            sizes: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        let mut settled = Vec::new();
        self.line.answer(ticket, answer, self.now_ms, &mut settled);
        for (batch, outcome) in settled {
            assert!(self.ends.insert(batch, outcome).is_none(), "batch {batch} ended twice");
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push { records } => {
                self.sizes.insert(self.next_batch, records);
                if let Err(batch) = self.line.push(self.next_batch, records, NEVER) {
                    self.ends.insert(batch, SKIPPED);
                }
                self.next_batch += 1;
            }
            Step::Deliver => {
                let Some(request) = self.wire.pop_front() else { return };
                let answer = self.broker.append(&request);
                self.answer(request.ticket, answer);
            }
            Step::AppendedWithError => {
                let Some(request) = self.wire.pop_front() else { return };
                let answer = match self.broker.append(&request) {
                    Answer::Acked(_) => failed(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
                    answer => answer,
                };
                self.answer(request.ticket, answer);
            }
            Step::Refuse(code) => {
                let Some(request) = self.wire.pop_front() else { return };
                self.answer(request.ticket, failed(ErrorCode(code)));
            }
            Step::Break => {
                for request in std::mem::take(&mut self.wire) {
                    self.answer(request.ticket, Answer::Lost);
                    self.zombies.push_back(request);
                }
            }
            Step::Zombie => {
                if let Some(request) = self.zombies.pop_front() {
                    self.broker.append(&request);
                }
            }
            Step::Wait => self.now_ms += 1000,
            Step::Reset => self.line.reset(),
            Step::Forget => {
                // With requests of broken connections about, forgetting makes duplicates, and no client can help it.
                if self.line.len() == 0 && self.zombies.is_empty() {
                    self.broker.producers.clear();
                    self.now_ms += PROOF_MS;
                }
            }
        }
        self.send();
    }

    fn send(&mut self) {
        if self.line.wants_identity() {
            self.line.renewed(Identity { producer_id: self.next_id, epoch: 0 });
            self.next_id += 1;
        }
        while let Some((ticket, stamp, &batch)) = self.line.take(LEADER, self.now_ms) {
            assert!(!self.ends.contains_key(&batch), "batch {batch} is sent after its end");
            self.wire.push_back(Request { ticket, stamp, batch, records: self.sizes[&batch] });
        }
        assert!(self.line.in_flight == self.wire.len() && self.wire.len() as u64 <= MAX_IN_FLIGHT);
    }

    fn check(&self) {
        let mut in_log = self.broker.log.clone();
        in_log.dedup();
        assert!(in_log.is_sorted(), "out of order: {in_log:?}");
        let distinct: BTreeSet<_> = in_log.iter().collect();
        assert_eq!(distinct.len(), in_log.len(), "out of order: {in_log:?}");

        for (batch, &records) in &self.sizes {
            let written = self.broker.log.iter().filter(|&b| b == batch).count();
            assert!(written == 0 || written == records as usize, "batch {batch} is in the log twice");
            match &self.ends[batch] {
                Outcome::Acked(ack) => {
                    let offset = self.broker.log.iter().position(|b| b == batch);
                    assert_eq!(offset.map(|o| o as i64), ack.base_offset, "batch {batch}");
                }
                Outcome::Rejected { maybe_written: false, .. } | Outcome::Skipped { maybe_written: false } => {
                    assert_eq!(written, 0, "batch {batch} failed and is in the log");
                }
                _ => {}
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4_i32).prop_map(|records| Step::Push { records }),
        8 => Just(Step::Deliver),
        2 => Just(Step::AppendedWithError),
        2 => prop_oneof![Just(6_i16), Just(19), Just(3)].prop_map(Step::Refuse),
        1 => prop_oneof![Just(10_i16), Just(87), Just(2)].prop_map(Step::Refuse),
        2 => Just(Step::Break),
        3 => Just(Step::Zombie),
        4 => Just(Step::Wait),
        1 => Just(Step::Reset),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Order, exactly one end per batch, acknowledged batches in the log once and where the ack says, failed batches not in
    /// it: over any pattern of refusals, lost answers, late requests and forgotten producers.
    #[test]
    fn order_and_once_hold_whatever_fails(steps in proptest::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        // Then all goes well, until everything has ended.
        for _ in 0..2000 {
            if world.line.len() == 0 {
                break;
            }
            world.step(Step::Wait);
            world.step(Step::Deliver);
        }
        while !world.zombies.is_empty() {
            world.step(Step::Zombie);
        }

        prop_assert_eq!(world.line.len(), 0);
        world.check();
    }
}
