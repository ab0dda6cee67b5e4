//! A worker's way to the topics, as its shell goes it: what only the leader may write is fenced where the world is exactly-once.

use super::world::{Happening, World};
use crate::HerderError;
use crate::event::Event;
use crate::ids::{ConfigOffset, OpId};
use crate::settings::ExactlyOnce;

impl World {
    /// A request to the config topic sets out. It comes late now and then, and arrives even if its worker does not live to
    /// see it; but the requests of one worker stay in order.
    pub(super) fn send_to_config_topic(&mut self, index: usize, request: Happening) {
        let delay_ms = match self.random.below(100) {
            0..12 if self.faults.on => self.random.between(1_000, 25_000),
            12..15 => self.random.between(0, 2_000),
            _ => self.random.between(0, 30),
        };
        let at = (self.now + delay_ms).max(self.workers[index].config_write_at);
        self.workers[index].config_write_at = at;
        self.later(index, at - self.now, request);
    }

    /// A leader takes the right to write the config topic (KIP-618).
    pub(super) fn claim(&mut self, index: usize) {
        let claim = (!self.workers[index].topics_cut_off).then(|| self.config.claim());
        self.say(&self.name(index), || format!("* claims the config topic: {claim:?}"));
        self.workers[index].claim = claim;
    }

    pub(super) fn append(&mut self, index: usize, op: OpId, records: Vec<(String, Option<String>)>, privileged: bool) {
        let failed = || Err(HerderError::Internal("the config topic does not answer".to_owned()));
        let cut_off = self.workers[index].topics_cut_off;
        if cut_off && self.random.chance(50) {
            self.workers[index].claim = None;
            self.later(index, 3_000, Happening::Event(Event::ConfigWritten { op, result: failed() }));
            return;
        }
        if privileged && self.exactly_once != ExactlyOnce::Disabled {
            match self.workers[index].claim {
                // The writer claims anew, a while after the failure.
                None => {
                    self.claim(index);
                    self.later(index, 250, Happening::Append { op, records, privileged });
                    return;
                }
                Some(claim) if !self.config.is_newest(claim) => {
                    self.say(&self.name(index), || "* is fenced from the config topic".to_owned());
                    self.totals.fenced_writes += 1;
                    self.workers[index].claim = None;
                    self.event(index, Event::ConfigWritten { op, result: failed() });
                    return;
                }
                Some(_) => {}
            }
        }
        let end = self.arrive(records);
        // The records are in, but whether the writer hears of it is another question.
        let result = if cut_off { failed() } else { Ok(ConfigOffset(end)) };
        self.event(index, Event::ConfigWritten { op, result });
    }

    /// Records get into the config topic, and workers get to know. Answers with the position after the last.
    pub(super) fn arrive(&mut self, records: Vec<(String, Option<String>)>) -> i64 {
        for (key, _) in &records {
            self.say("--", || format!("+ {key}"));
        }
        let end = self.config.append(records, &mut self.random);
        for index in 0..self.workers.len() {
            self.message(index, Happening::Pull);
        }
        end
    }

    pub(super) fn flush_statuses(&mut self, index: usize) {
        if self.workers[index].topics_cut_off {
            return;
        }
        for (key, value) in std::mem::take(&mut self.workers[index].status_out) {
            self.say(&self.name(index), || format!("# {key} {}", value.as_deref().unwrap_or("-")));
            self.status.records.push((key, value.map(bytes::Bytes::from)));
        }
        for index in 0..self.workers.len() {
            self.message(index, Happening::Pull);
        }
    }

    pub(super) fn pull(&mut self, index: usize) {
        if self.workers[index].topics_cut_off {
            return;
        }
        self.flush_statuses_quietly(index);
        let records = self.config.from(self.workers[index].config_position).to_vec();
        for record in records {
            self.workers[index].config_position = record.offset + 1;
            let committed = record.key.strip_prefix("commit-").map(str::to_owned);
            let event = Event::ConfigRecord {
                offset: record.offset,
                key: record.key,
                value: record.value,
                timestamp_ms: self.now as i64,
            };
            self.apply(index, event);
            if let Some(connector) = committed {
                self.workers[index].commits.insert(connector.clone(), record.offset);
                self.compare_with_set(index, &connector);
            }
        }
        let statuses = self.status.records[self.workers[index].status_position..].to_vec();
        for (key, value) in statuses {
            self.workers[index].status_position += 1;
            self.apply(index, Event::StatusRecord { key, value });
        }
        let worker = &mut self.workers[index];
        let (position, mut done) = (worker.config_position, Vec::new());
        worker.reads.retain(|(op, end)| {
            let read = *end < position;
            if read {
                done.push(*op);
            }
            !read
        });
        let first = !std::mem::replace(&mut worker.status_ready, true);
        for op in done {
            self.apply(index, Event::ConfigReadToEnd { op, result: Ok(()) });
        }
        if first {
            self.apply(index, Event::StatusReadToEnd);
        }
    }

    pub(super) fn flush_statuses_quietly(&mut self, index: usize) {
        if !self.workers[index].status_out.is_empty() {
            self.flush_statuses(index);
        }
    }

    pub(super) fn read_timeout(&mut self, index: usize, op: OpId) {
        let worker = &mut self.workers[index];
        let before = worker.reads.len();
        worker.reads.retain(|(read, _)| *read != op);
        if worker.reads.len() < before {
            let result = Err(HerderError::Unavailable("the config topic can't be read".to_owned()));
            self.apply(index, Event::ConfigReadToEnd { op, result });
        }
    }
}
