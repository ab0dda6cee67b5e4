//! From a connector instance to its tasks: asks instances that run here for task configs and sees them published.
//!
//! One question at a time for each instance; whoever asks in between makes it ask again afterwards. What fails is tried
//! again, later every time (250 ms, doubled up to 60 s), for as long as the instance runs here.

use std::collections::BTreeMap;

use connect_api::ConfigMap;

use crate::ids::{ConnectorName, Now};

const BACKOFF_MS: u64 = 250;
const BACKOFF_MAX_MS: u64 = 60_000;

/// The instances that have something to publish.
#[derive(Debug, Clone, Default)]
pub struct Publisher {
    instances: BTreeMap<ConnectorName, Instance>,
}

#[derive(Debug, Clone)]
struct Instance {
    phase: Phase,
    again: bool,
    failures: u32,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// To be asked.
    Wanted,
    /// Asked; no answer yet.
    Asked,
    /// Has answered; to be sent.
    Made(Vec<ConfigMap>),
    /// On the way to the config topic.
    Sent,
    /// Something has failed.
    BackOff(Now),
}

impl Publisher {
    /// An instance has to be asked (again).
    pub fn want(&mut self, name: &ConnectorName) {
        let instance =
            self.instances.entry(name.clone()).or_insert(Instance { phase: Phase::Wanted, again: false, failures: 0 });
        match instance.phase {
            Phase::Asked | Phase::Sent => instance.again = true,
            Phase::Wanted | Phase::Made(_) | Phase::BackOff(_) => instance.phase = Phase::Wanted,
        }
    }

    /// An instance is gone, or will not be asked any more.
    pub fn forget(&mut self, name: &ConnectorName) {
        self.instances.remove(name);
    }

    /// Takes the instances that are to be asked now.
    #[must_use]
    pub fn take_questions(&mut self, now: Now) -> Vec<ConnectorName> {
        let mut names = Vec::new();
        for (name, instance) in &mut self.instances {
            if instance.phase == Phase::Wanted || matches!(instance.phase, Phase::BackOff(until) if until <= now) {
                instance.phase = Phase::Asked;
                names.push(name.clone());
            }
        }
        names
    }

    /// An instance has answered. Answers whether someone had asked.
    pub fn made(&mut self, name: &ConnectorName, configs: Vec<ConfigMap>) -> bool {
        match self.instances.get_mut(name) {
            Some(instance) if instance.phase == Phase::Asked => {
                instance.phase = Phase::Made(configs);
                true
            }
            _ => false,
        }
    }

    /// Takes the configs that are to be sent now.
    #[must_use]
    pub fn take_made(&mut self) -> Vec<(ConnectorName, Vec<ConfigMap>)> {
        let mut made = Vec::new();
        for (name, instance) in &mut self.instances {
            if let Phase::Made(configs) = &mut instance.phase {
                made.push((name.clone(), std::mem::take(configs)));
                instance.phase = Phase::Sent;
            }
        }
        made
    }

    /// The configs are published, or did not have to be.
    pub fn done(&mut self, name: &ConnectorName) {
        if let Some(instance) = self.instances.get_mut(name)
            && instance.phase == Phase::Sent
        {
            if instance.again {
                *instance = Instance { phase: Phase::Wanted, again: false, failures: 0 };
            } else {
                self.instances.remove(name);
            }
        }
    }

    /// The question, or the sending, has failed: the instance will be asked again. Answers how long from now.
    pub fn failed(&mut self, name: &ConnectorName, now: Now) -> Option<u64> {
        let instance = self.instances.get_mut(name)?;
        if !matches!(instance.phase, Phase::Asked | Phase::Sent) {
            return None;
        }
        let delay_ms = BACKOFF_MS.saturating_mul(1 << instance.failures.min(16)).min(BACKOFF_MAX_MS);
        instance.failures = instance.failures.saturating_add(1);
        instance.again = false;
        instance.phase = Phase::BackOff(Now(now.0.saturating_add(delay_ms)));
        Some(delay_ms)
    }

    /// When there is something to do, if nothing else happens.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        let until = |instance: &Instance| match instance.phase {
            Phase::BackOff(until) => Some(until),
            _ => None,
        };
        self.instances.values().filter_map(until).min()
    }

    /// Whether an instance has nothing to publish.
    #[must_use]
    pub fn is_idle(&self, name: &ConnectorName) -> bool {
        !self.instances.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Publisher {
        let mut publisher = Publisher::default();
        publisher.want(&"m".into());
        assert_eq!(publisher.take_questions(Now(0)), ["m".into()]);
        publisher
    }

    #[test]
    fn an_instance_is_asked_once_and_its_answer_sent_once() {
        let mut publisher = asked();

        assert_eq!(publisher.take_questions(Now(0)), []);
        assert!(publisher.made(&"m".into(), vec![]));
        assert!(!publisher.made(&"m".into(), vec![]));
        assert_eq!(publisher.take_made(), [("m".into(), vec![])]);
        assert_eq!(publisher.take_made(), []);
        publisher.done(&"m".into());

        assert!(publisher.is_idle(&"m".into()));
    }

    #[test]
    fn who_asks_while_an_answer_is_on_its_way_is_heard_afterwards() {
        let mut publisher = asked();

        publisher.want(&"m".into());
        assert_eq!(publisher.take_questions(Now(0)), []);
        publisher.made(&"m".into(), vec![]);
        let _ = publisher.take_made();
        publisher.done(&"m".into());

        assert_eq!(publisher.take_questions(Now(0)), ["m".into()]);
    }

    #[test]
    fn failures_are_tried_again_later_every_time() {
        let mut publisher = asked();

        assert_eq!(publisher.failed(&"m".into(), Now(0)), Some(250));
        assert_eq!(publisher.take_questions(Now(249)), []);
        assert_eq!(publisher.take_questions(Now(250)), ["m".into()]);
        assert_eq!(publisher.failed(&"m".into(), Now(250)), Some(500));

        assert_eq!(publisher.next_timeout(), Some(Now(750)));
    }

    #[test]
    fn the_answer_of_an_instance_that_is_gone_is_not_sent() {
        let mut publisher = asked();

        publisher.forget(&"m".into());

        assert!(!publisher.made(&"m".into(), vec![]));
        assert_eq!(publisher.failed(&"m".into(), Now(0)), None);
    }
}
