//! The questions, in order. They tell a story: a worker that knows nothing, mistakes, a mirror that is created, looked at,
//! changed, paused, stopped, its offsets changed, restarted, deleted; odd names; plug-ins; loggers.

mod administration;
mod configs;
mod life;
mod mistakes;
mod others;

use harness::Response;
use serde_json::{Value, json};

/// Where the clusters are.
pub(crate) struct Topics {
    pub(crate) source: String,
    pub(crate) target: String,
}

type Until = Box<dyn Fn(&Response) -> bool>;

/// One request, and what to wait for before its answer is compared.
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    pub(crate) until: Option<Until>,
    /// What is special about a body that is too long to show.
    note: Option<String>,
}

impl Ask {
    /// Without what would make titles differ from run to run.
    pub(crate) fn title(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!(" {name}:{value}")).collect();
        let body = self.note.as_ref().or(self.body.as_ref().filter(|body| body.len() < 80));
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        format!("{} {}{headers}{body}", self.method, self.path)
    }

    pub(crate) fn note(mut self, note: &Value) -> Self {
        self.note = Some(note.to_string());
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn until(mut self, until: impl Fn(&Response) -> bool + 'static) -> Self {
        self.until = Some(Box::new(until));
        self
    }
}

pub(crate) fn ask(method: &'static str, path: &str) -> Ask {
    Ask { method, path: path.to_owned(), headers: Vec::new(), body: None, until: None, note: None }
}

pub(crate) fn send(method: &'static str, path: &str, body: impl ToString) -> Ask {
    Ask { body: Some(body.to_string()), ..ask(method, path) }
}

/// The whole story.
pub(crate) fn script(topics: &Topics) -> Vec<Ask> {
    let mut script = Vec::new();
    script.extend(mistakes::nothing_there());
    script.extend(mistakes::routes_and_methods());
    script.extend(mistakes::bodies());
    script.extend(configs::plugins());
    script.extend(configs::validation(topics));
    script.extend(configs::refused_configs(topics));
    script.extend(life::life(topics));
    script.extend(life::offsets());
    script.extend(life::restarts());
    script.extend(life::initial_states(topics));
    script.extend(others::names(topics));
    script.extend(others::other_connectors(topics));
    script.extend(administration::loggers());
    script.extend(administration::internal());
    script.extend(life::the_end());
    script
}

const CLASSES: [&str; 3] = [
    "org.apache.kafka.connect.mirror.MirrorSourceConnector",
    "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
    "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
];

fn offset(topic: &str, partition: i32, offset: i64) -> Value {
    json!({"offsets": [{
        "partition": {"cluster": "origin", "topic": topic, "partition": partition},
        "offset": {"offset": offset},
    }]})
}

/// With these settings; null takes one away.
fn changed(mut config: Value, changes: Value) -> Value {
    if let (Some(config), Value::Object(changes)) = (config.as_object_mut(), changes) {
        for (key, value) in changes {
            match value {
                Value::Null => drop(config.remove(&key)),
                value => drop(config.insert(key, value)),
            }
        }
    }
    config
}

fn in_state(answer: &Response, state: &str, tasks: usize) -> bool {
    let Ok(status) = serde_json::from_str::<Value>(&answer.body) else { return false };
    let units = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    status["connector"]["state"] == state && units.len() == tasks && units.iter().all(|task| task["state"] == state)
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
