use serde_json::Value;

use super::super::testing::*;
use super::super::{AssignView, Configured, Memory, Settings, assign};
use crate::ids::{ConfigOffset, Generation, Now};
use crate::protocol::Subprotocol;

/// Rounds of Kafka 4.3's own assignor in random clusters; `golden/AssignorRounds.java` made them.
#[test]
fn every_decision_is_the_one_that_java_takes() {
    let lives = include_str!("../../../golden/assignor_rounds.jsonl");

    for (number, life) in lives.lines().enumerate() {
        replay(number, life);
    }
}

fn replay(number: usize, life: &str) {
    let life: Value = serde_json::from_str(life).unwrap();
    let settings = Settings { max_delay_ms: life["max_delay"].as_u64().unwrap() as u32 };
    let mut memory = Memory::default();

    for (index, round) in life["rounds"].as_array().unwrap().iter().enumerate() {
        let context = format!("cluster {number}, round {index}: {round}");
        if round.get("forget").is_some() {
            memory = Memory::default();
        }
        let configured = round["configured"].as_object().unwrap();
        let view = AssignView {
            members: members(&round["members"]).map(|(id, work)| (id.into(), member(work, 1))).collect(),
            leader: "A".into(),
            configured: Configured {
                offset: ConfigOffset(1),
                connectors: configured.iter().map(|(c, n)| (c.as_str().into(), n.as_u64().unwrap() as u32)).collect(),
            },
            generation: Generation(round["generation"].as_i64().unwrap() as i32),
            last_completed_generation: Generation(round["completed"].as_i64().unwrap() as i32),
            released: crate::protocol::ConnectorsAndTasks::default(),
        };

        let now = Now(round["now"].as_u64().unwrap());
        let (answer, next) = assign(Subprotocol::Sessioned, &view, memory, now, &settings);
        memory = next;

        for (id, assignment) in &answer.assignments {
            assert_eq!(sorted(&assignment.assigned), expected(&round["assigned"], id.as_str()), "{context}");
            assert_eq!(sorted(&assignment.revoked), expected(&round["revoked"], id.as_str()), "{context}");
            assert_eq!(u64::from(assignment.delay_ms), round["delay"].as_u64().unwrap(), "{context}");
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, crate::protocol::ConnectorsAndTasks)> {
    let names =
        |value: &Value| value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    value.as_object().unwrap().iter().map(move |(id, value)| {
        let names: Vec<String> = names(value);
        (id.as_str(), work(names.iter().map(String::as_str)))
    })
}

fn expected(value: &Value, id: &str) -> Vec<String> {
    members(value).find(|(member, _)| *member == id).map(|(_, work)| sorted(&work)).unwrap_or_default()
}

fn sorted(work: &crate::protocol::ConnectorsAndTasks) -> Vec<String> {
    let mut names = names(work);
    names.sort();
    names
}
