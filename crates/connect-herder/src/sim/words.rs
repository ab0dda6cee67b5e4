//! Events and actions in a few words, for the history.

use crate::Action;
use crate::event::{Event, GroupEvent};
use crate::protocol::{Assignment, ConnectorsAndTasks, WorkerMetadata};

pub(super) fn event(event: &Event) -> String {
    match event {
        Event::ConfigRecord { offset, key, value, .. } => {
            format!("record {offset} {key} {}", if value.is_some() { "" } else { "tombstone" })
        }
        Event::Group(GroupEvent::Joined { generation, leader_id, members, .. }) => {
            let role = if members.is_empty() { "follows" } else { "leads" };
            format!("joined g{generation} {role} {leader_id}")
        }
        Event::Group(GroupEvent::Synced { generation, assignment }) => {
            let assignment = Assignment::decode(assignment);
            match assignment {
                Ok(a) => format!(
                    "synced g{generation} offset {} error {:?} delay {} + {} - {}",
                    a.config_offset,
                    a.error,
                    a.delay_ms,
                    units(&a.assigned),
                    units(&a.revoked)
                ),
                Err(error) => format!("synced g{generation} {error}"),
            }
        }
        other => short(&format!("{other:?}")),
    }
}

fn units(work: &ConnectorsAndTasks) -> String {
    let connectors = work.connectors.iter().map(ToString::to_string);
    let all: Vec<String> = connectors.chain(work.tasks.iter().map(ToString::to_string)).collect();
    format!("[{}]", all.join(" "))
}

pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Join { protocols } => {
            let metadata = protocols.first().and_then(|(_, bytes)| WorkerMetadata::decode(bytes).ok());
            match metadata {
                Some(m) => {
                    let held = m.allocation.map_or("nothing".to_owned(), |a| units(&a.assigned));
                    format!("join at {} with {held}", m.config_offset)
                }
                None => "join".to_owned(),
            }
        }
        Action::Sync { generation, assignments } => format!("sync g{generation} {}", assignments.len()),
        other => short(&format!("{other:?}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(240).collect()
}
