//! What goes wrong in the first part of a history, and how it all becomes good.

use super::world::{Happening, World};

/// Whether anything may go wrong.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) on: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self { on: true }
    }
}

impl World {
    /// One thing goes wrong, or gets well again.
    pub(super) fn fault(&mut self) {
        let index = self.random.below(self.workers.len() as u64) as usize;
        let kind = self.random.below(18);
        let worker = &mut self.workers[index];
        let text = match (worker.up, kind) {
            (false, _) => {
                self.restart(index);
                "restart"
            }
            (true, 0) => {
                self.crash(index);
                "crash"
            }
            (true, 1) => {
                if worker.frozen {
                    return;
                }
                self.shut_down(index);
                "shut down"
            }
            (true, 2 | 3) => {
                if worker.frozen {
                    self.thaw(index);
                    "thaw"
                } else {
                    worker.frozen = true;
                    "freeze"
                }
            }
            (true, 4 | 5) => {
                worker.cut_off = !worker.cut_off;
                if worker.cut_off { "cut off from the coordinator" } else { "sees the coordinator again" }
            }
            (true, 6 | 7) => {
                worker.topics_cut_off = !worker.topics_cut_off;
                if worker.topics_cut_off {
                    "cut off from the topics"
                } else {
                    self.message(index, Happening::Pull);
                    "sees the topics again"
                }
            }
            (true, 8) => {
                self.compact();
                "compaction"
            }
            (true, 9) => {
                self.coordinator.moved(self.now);
                "coordinator moves"
            }
            (true, 10 | 11) => {
                // Whatever state it is in gets well again now and then, or the worst of it would last.
                self.cure(index);
                "cure"
            }
            (true, 12 | 13) => {
                self.change_topics();
                "topics change"
            }
            (true, 14) => {
                self.write_a_config_again();
                "a Java leader writes a config again"
            }
            (true, _) => {
                if worker.frozen {
                    return;
                }
                self.break_something(index);
                "something breaks"
            }
        };
        self.totals.faults += 1;
        self.say("--", || format!("! w{index} {text}"));
    }

    fn compact(&mut self) {
        let positions = self.workers.iter().filter(|worker| worker.up).map(|worker| worker.config_position);
        let read_by_all = positions.min().unwrap_or(0);
        self.config.compact(read_by_all, &mut self.random);
    }

    /// Java's leader does so if a connector is given the config that it has.
    fn write_a_config_again(&mut self) {
        let present = |(key, value): (&String, &Option<String>)| {
            (key.starts_with("connector-") && value.is_some()).then(|| (key.clone(), value.clone()))
        };
        let configs: Vec<_> = self.config.last_words.iter().filter_map(present).collect();
        if let Some(record) = self.random.pick(&configs).cloned() {
            self.arrive(vec![record]);
        }
    }

    fn cure(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        worker.cut_off = false;
        worker.topics_cut_off = false;
        if worker.frozen {
            self.thaw(index);
        }
        self.message(index, Happening::Pull);
    }

    /// From now on nothing goes wrong.
    pub(super) fn heal(&mut self) {
        self.say("--", || "! all is well from now on".to_owned());
        self.faults.on = false;
        for index in 0..self.workers.len() {
            if self.workers[index].up {
                self.cure(index);
            } else {
                self.restart(index);
            }
        }
    }
}
