//! The one lane in which this worker writes to the config topic as leader.
//!
//! Java writes on its one herder thread and waits there until it has read its own record, so that every request sees the
//! outcome of the one before. Here a *job* is a list of batches; each is written, and read back by folding the topic up to
//! its offset, before the next; one job at a time. Nothing waits for it but the requests behind.

use std::collections::VecDeque;

use crate::ids::{ConfigOffset, Now, OpId};

/// Records that are written at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Keys and values; `None` is a tombstone.
    pub records: Vec<(String, Option<String>)>,
    /// Only the leader may write them.
    pub privileged: bool,
}

/// The lane. `J` is what a job is for.
#[derive(Debug, Clone)]
pub struct ConfigWriter<J> {
    waiting: VecDeque<J>,
    current: Option<Current<J>>,
}

#[derive(Debug, Clone)]
struct Current<J> {
    job: J,
    step: Step,
    rest: VecDeque<Batch>,
    deadline: Now,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Reading to the end before anything is decided.
    Reading(OpId),
    /// Written; the topic has not answered.
    Writing(OpId),
    /// In the topic; not yet read.
    ReadingBack(ConfigOffset),
}

impl<J> Default for ConfigWriter<J> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), current: None }
    }
}

impl<J> ConfigWriter<J> {
    /// Puts a job at the end of the queue.
    pub fn push(&mut self, job: J) {
        self.waiting.push_back(job);
    }

    /// Takes the next job, if none is under way.
    pub fn pop(&mut self) -> Option<J> {
        if self.current.is_some() { None } else { self.waiting.pop_front() }
    }

    /// The job under way has to know the end of the topic first.
    pub fn reading(&mut self, job: J, op: OpId, deadline: Now) {
        debug_assert!(self.current.is_none(), "one job at a time");
        self.current = Some(Current { job, step: Step::Reading(op), rest: VecDeque::new(), deadline });
    }

    /// The first of the job's batches is on its way; `rest` follows.
    pub fn writing(&mut self, job: J, op: OpId, rest: VecDeque<Batch>, deadline: Now) {
        debug_assert!(self.current.is_none(), "one job at a time");
        self.current = Some(Current { job, step: Step::Writing(op), rest, deadline });
    }

    /// Takes the job that was reading to the end.
    pub fn take_read(&mut self, op: OpId) -> Option<J> {
        self.take_if(|current| current.step == Step::Reading(op)).map(|current| current.job)
    }

    /// A batch is in the topic up to this offset. Answers whether it was ours.
    pub fn written(&mut self, op: OpId, offset: ConfigOffset) -> bool {
        match &mut self.current {
            Some(current) if current.step == Step::Writing(op) => {
                current.step = Step::ReadingBack(offset);
                true
            }
            _ => false,
        }
    }

    /// Takes the job whose batch could not be written.
    pub fn take_failed(&mut self, op: OpId) -> Option<J> {
        self.take_if(|current| current.step == Step::Writing(op)).map(|current| current.job)
    }

    /// Takes the job whose batch has been read back, with the batches that are left of it.
    pub fn take_read_back(&mut self, offset: ConfigOffset) -> Option<(J, VecDeque<Batch>)> {
        self.take_if(|current| matches!(current.step, Step::ReadingBack(until) if until <= offset))
            .map(|current| (current.job, current.rest))
    }

    /// Takes the job whose time is over.
    pub fn take_expired(&mut self, now: Now) -> Option<J> {
        self.take_if(|current| current.deadline <= now).map(|current| current.job)
    }

    /// Takes the job under way if it still has batches to write and must not.
    pub fn take_unfinished(&mut self, must_not: impl FnOnce(&J) -> bool) -> Option<J> {
        self.take_if(|current| !current.rest.is_empty() && must_not(&current.job)).map(|current| current.job)
    }

    fn take_if(&mut self, condition: impl FnOnce(&Current<J>) -> bool) -> Option<Current<J>> {
        if self.current.as_ref().is_some_and(condition) { self.current.take() } else { None }
    }

    /// The job under way.
    #[must_use]
    pub fn current(&self) -> Option<&J> {
        self.current.as_ref().map(|current| &current.job)
    }

    /// Whether a job waits and none is under way.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.current.is_none() && !self.waiting.is_empty()
    }

    /// The jobs that have not been begun.
    pub fn waiting(&self) -> impl Iterator<Item = &J> {
        self.waiting.iter()
    }

    /// When the job under way has run out of time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        self.current.as_ref().map(|current| current.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(key: &str) -> Batch {
        Batch { records: vec![(key.to_owned(), None)], privileged: true }
    }

    #[test]
    fn one_job_at_a_time() {
        let mut writer = ConfigWriter::default();
        writer.push("first");
        writer.push("second");

        let first = writer.pop().unwrap();
        writer.writing(first, OpId(1), VecDeque::new(), Now(10));
        assert_eq!(writer.pop(), None);
        assert!(writer.written(OpId(1), ConfigOffset(3)));
        assert_eq!(writer.take_read_back(ConfigOffset(2)), None);
        assert_eq!(writer.take_read_back(ConfigOffset(3)), Some(("first", VecDeque::new())));

        assert_eq!(writer.pop(), Some("second"));
    }

    #[test]
    fn a_batch_follows_when_the_one_before_has_been_read() {
        let mut writer = ConfigWriter::default();

        writer.writing("job", OpId(1), VecDeque::from([batch("commit")]), Now(10));
        writer.written(OpId(1), ConfigOffset(3));

        assert_eq!(writer.take_read_back(ConfigOffset(4)), Some(("job", VecDeque::from([batch("commit")]))));
    }

    #[test]
    fn a_job_with_batches_left_can_be_called_off() {
        let mut writer = ConfigWriter::default();

        writer.writing("job", OpId(1), VecDeque::from([batch("commit")]), Now(10));
        assert_eq!(writer.take_unfinished(|_| false), None);
        assert_eq!(writer.take_unfinished(|_| true), Some("job"));

        writer.writing("job", OpId(2), VecDeque::new(), Now(10));
        assert_eq!(writer.take_unfinished(|_| true), None);
    }

    #[test]
    fn answers_to_other_questions_are_not_ours() {
        let mut writer = ConfigWriter::default();

        writer.reading("job", OpId(1), Now(10));

        assert_eq!(writer.take_read(OpId(2)), None);
        assert!(!writer.written(OpId(1), ConfigOffset(3)));
        assert_eq!(writer.take_failed(OpId(1)), None);
        assert_eq!(writer.take_read(OpId(1)), Some("job"));
    }

    #[test]
    fn a_job_that_gets_no_answer_ends_at_its_deadline() {
        let mut writer = ConfigWriter::default();

        writer.writing("job", OpId(1), VecDeque::new(), Now(10));

        assert_eq!(writer.take_expired(Now(9)), None);
        assert_eq!(writer.take_expired(Now(10)), Some("job"));
        assert!(!writer.written(OpId(1), ConfigOffset(3)));
    }
}
