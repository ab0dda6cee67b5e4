//! What is not as it should be while a connector runs on: sentences for its log and its status (pure). One sentence stands
//! for all topics that it is about, so that a thousand topics without a permission are one line.

use std::collections::{BTreeMap, BTreeSet};

/// So many topics are named in a sentence, the others counted.
const TOPICS_NAMED: usize = 10;

/// Sentences, each with the topics that it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<String, BTreeSet<String>>);

impl Findings {
    /// Something about a topic: the sentence goes on behind its name.
    pub fn of_topic(&mut self, sentence: &str, topic: &str) {
        self.0.entry(sentence.to_owned()).or_default().insert(topic.to_owned());
    }

    /// Something about the flow.
    pub fn general(&mut self, sentence: impl Into<String>) {
        self.0.entry(sentence.into()).or_default();
    }

    /// How many things are found: each topic of a sentence is one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().map(|topics| topics.len().max(1) as u64).sum()
    }

    /// The sentences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        self.0.iter().map(|(sentence, topics)| with_topics(sentence, topics)).collect()
    }
}

fn with_topics(sentence: &str, topics: &BTreeSet<String>) -> String {
    if topics.is_empty() {
        return sentence.to_owned();
    }
    let named: Vec<&str> = topics.iter().take(TOPICS_NAMED).map(String::as_str).collect();
    let more = match topics.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if topics.len() == 1 { "topic" } else { "topics" };
    format!("{noun} {}{more}: {sentence}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_with_the_same_trouble_are_one_sentence() {
        let mut findings = Findings::default();
        for number in 10..22 {
            findings.of_topic("can't be created", &format!("t{number}"));
        }
        findings.of_topic("is odd", "x");
        findings.general("the target has no authorizer");

        assert_eq!(findings.count(), 14);
        assert_eq!(
            findings.sentences(),
            [
                "topics t10, t11, t12, t13, t14, t15, t16, t17, t18, t19 and 2 more: can't be created",
                "topic x: is odd",
                "the target has no authorizer",
            ]
        );
    }
}
