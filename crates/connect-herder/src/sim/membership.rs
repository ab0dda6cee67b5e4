//! A worker's way to the coordinator, as its shell goes it: one thing after the other, tried again until it works.

use super::coordinator::{JOIN_REFUSED, Request};
use super::life::Protocols;
use super::world::{HEARTBEAT_MS, Happening, World};
use crate::event::{Event, GroupEvent};
use crate::ids::Generation;

impl World {
    pub(super) fn heartbeat(&mut self, index: usize) {
        self.later(index, HEARTBEAT_MS, Happening::Heartbeat);
        let now = self.now;
        let worker = &mut self.workers[index];
        if worker.cut_off {
            if !worker.told_unknown && now >= worker.heard_of_coordinator + HEARTBEAT_MS {
                worker.told_unknown = true;
                let unheard_ms = now - worker.heard_of_coordinator;
                self.apply(index, Event::Group(GroupEvent::CoordinatorUnknown { unheard_ms }));
            }
            return;
        }
        worker.heard_of_coordinator = now;
        if std::mem::take(&mut worker.told_unknown) {
            self.apply(index, Event::Group(GroupEvent::CoordinatorKnown));
        }
        let worker = &self.workers[index];
        if let Some(member) = worker.member.clone().filter(|_| worker.joining.is_none()) {
            let request = Request::Heartbeat { member, generation: worker.generation };
            self.message(index, Happening::Group(request));
        }
    }

    pub(super) fn join(&mut self, index: usize, protocols: Protocols) {
        let worker = &mut self.workers[index];
        worker.joining = Some(protocols.clone());
        let member = worker.member.clone();
        self.message(index, Happening::Group(Request::Join { member, protocols }));
    }

    pub(super) fn group_request(&mut self, index: usize, request: Request) {
        let worker = &self.workers[index];
        let life = worker.life;
        // The shell tries again what matters.
        if worker.cut_off {
            if !matches!(request, Request::Heartbeat { .. }) && self.is_current(index, &request) {
                self.later(index, 1_000, Happening::Group(request));
            }
            return;
        }
        if self.is_current(index, &request) {
            self.coordinator.request(self.now, (index, life), request);
            self.deliver_group_answers();
        }
    }

    /// Whether the worker still waits for the answer.
    fn is_current(&self, index: usize, request: &Request) -> bool {
        let worker = &self.workers[index];
        match request {
            Request::Join { member, protocols } => {
                worker.joining.as_ref() == Some(protocols) && *member == worker.member
            }
            Request::Sync { member, generation, .. } | Request::Heartbeat { member, generation } => {
                worker.joining.is_none() && worker.member.as_ref() == Some(member) && worker.generation == *generation
            }
            Request::Leave { .. } => true,
        }
    }

    pub(super) fn deliver_group_answers(&mut self) {
        for text in std::mem::take(&mut self.coordinator.completed) {
            self.totals.rounds += 1;
            self.say("--", || format!("* {text}"));
        }
        for ((index, life), event) in std::mem::take(&mut self.coordinator.out) {
            let worker = &mut self.workers[index];
            if !worker.up || worker.life != life {
                continue;
            }
            match &event {
                GroupEvent::Joined { generation, member_id, .. } => {
                    if worker.joining.take().is_none() {
                        continue;
                    }
                    worker.member = Some(member_id.clone());
                    worker.generation = *generation;
                    // What has been joined is out of date already.
                    if let Some(newer) = worker.newer_join.take() {
                        self.join(index, newer);
                        continue;
                    }
                }
                GroupEvent::Lost { reason } if reason == JOIN_REFUSED => {
                    worker.member = None;
                    if let Some(protocols) = worker.newer_join.take().or(worker.joining.take()) {
                        self.join(index, protocols);
                    }
                    continue;
                }
                // Whoever joins waits for nothing else any more.
                _ if worker.joining.is_some() => continue,
                GroupEvent::Lost { .. } => {
                    worker.member = None;
                    worker.generation = Generation::NONE;
                }
                _ => {}
            }
            self.group_event(index, event.clone());
            if self.random.chance(2) && event == GroupEvent::RebalanceNeeded {
                self.group_event(index, event);
            }
        }
    }

    fn group_event(&mut self, index: usize, event: GroupEvent) {
        let delay_ms = if self.random.chance(3) { self.random.between(0, 2_000) } else { self.random.between(0, 30) };
        let at = (self.now + delay_ms).max(self.workers[index].group_word_at);
        self.workers[index].group_word_at = at;
        self.later(index, at - self.now, Happening::Event(Event::Group(event)));
    }
}
