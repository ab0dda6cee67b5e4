//! Which configs the source has been seen to set and which ACLs to have, kept over lives of the connector in a compacted topic of our
//! own on the target: what the source takes away while nobody looks has to go on the target, too, and what only the target has must
//! not.
//!
//! ```text
//! key    {"connector":"mirror","topic":"orders"}          {"connector":"mirror","acls":"orders"}
//! value  ["cleanup.policy","retention.ms"]                ["[3,\"User:alice\",\"*\",3,3]"]
//! ```
//! Without it (no permission, no topic) a connector knows what it has seen since it started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connect_api::config::ConfigMap;
use kafka_client::log::LogRecord;
use kafka_client::producer::{Producer, ProducerOptions};
use kafka_client::{Budget, Cluster};
use kafka_wire::batch::Record;
use mirror::ReplicationPolicy;
use mirror::config::ClientRole;
use serde_json::{Value, json};
use tokio::time::sleep;
use tracing::{debug, info};

use crate::clients;
use crate::offset_runs::read;

/// How often the topic is looked for, and how long after each other.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// The field of a key that says which topic's configs these are.
pub(crate) const CONFIGS: &str = "topic";
/// The field of a key that says under which name these ACLs are.
pub(crate) const ACLS: &str = "acls";

/// Names of configs by topic of the source, or ACLs as text by the name that they are about.
pub(crate) type Names = BTreeMap<String, BTreeSet<String>>;

/// What is noted.
pub(crate) struct Copied {
    /// [`CONFIGS`] or [`ACLS`].
    what: &'static str,
    connector: String,
    topic: Arc<str>,
    /// `None`: the topic has not been read yet.
    noted: Option<Names>,
    refused: bool,
}

impl Copied {
    pub(crate) fn new(what: &'static str, config: &ConfigMap, source_alias: &str) -> Self {
        let connector = config.get("name").cloned().unwrap_or_default();
        let topic = ReplicationPolicy::copied_configs_topic(source_alias).into();
        Self { what, connector, topic, noted: None, refused: false }
    }

    /// What earlier lives have noted, once.
    pub(crate) async fn recall(&mut self, config: &ConfigMap) -> Option<Names> {
        if self.noted.is_some() {
            return None;
        }
        for _ in 0..TRIES {
            let (what, connector) = (self.what, self.connector.clone());
            let fold = move |names: &mut Names, record: &LogRecord| fold(what, &connector, names, record);
            match read(config, ClientRole::OffsetRunsTargetConsumer, &self.topic, fold).await {
                Ok(Some(names)) => {
                    self.noted = Some(names.clone());
                    return Some(names);
                }
                // It has just been created, and the broker has not heard of it.
                Ok(None) => sleep(PAUSE).await,
                Err(error) => {
                    self.refuse(&error);
                    return None;
                }
            }
        }
        self.refuse("the topic does not exist");
        None
    }

    /// These are at the source now. Names that are left out stay as they were noted.
    pub(crate) async fn note(&mut self, config: &ConfigMap, now: Names) {
        let Some(noted) = &self.noted else { return };
        let changed: Names = now.into_iter().filter(|(topic, names)| noted.get(topic) != Some(names)).collect();
        if changed.is_empty() {
            return;
        }
        match append(config, &self.topic, records(self.what, &self.connector, &changed)).await {
            Ok(()) => {
                debug!(topic = &*self.topic, what = self.what, names = changed.len(), "copied configs or acls noted");
                self.noted.get_or_insert_default().extend(changed);
            }
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&mut self, error: &str) {
        if !std::mem::replace(&mut self.refused, true) {
            info!(
                topic = &*self.topic,
                what = self.what,
                error,
                "copied configs or acls can't be noted: what the source takes away while the connector is down stays"
            );
        }
    }
}

fn records(what: &str, connector: &str, names: &Names) -> Vec<Record> {
    let timestamp = clients::now_ms();
    let record = |(name, names): (&String, &BTreeSet<String>)| Record {
        offset: 0,
        timestamp,
        key: Some(format!(r#"{{"connector":{},{}:{}}}"#, json!(connector), json!(what), json!(name)).into()),
        value: Some(json!(names).to_string().into()),
        headers: Vec::new(),
    };
    names.iter().map(record).collect()
}

/// What cannot be read says nothing.
fn fold(what: &str, connector: &str, names: &mut Names, record: &LogRecord) {
    let parse = |bytes: Option<&[u8]>| serde_json::from_slice::<Value>(bytes?).ok();
    let Some(key) = parse(record.key.as_deref()).filter(|key| key["connector"] == connector) else { return };
    let Some(name) = key[what].as_str() else { return };
    let Some(Value::Array(list)) = parse(record.value.as_deref()) else { return };
    names.insert(name.to_owned(), list.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect());
}

async fn append(config: &ConfigMap, topic: &Arc<str>, records: Vec<Record>) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let client = clients::parse(config, ClientRole::OffsetRunsTargetProducer).map_err(|error| text(&error))?;
    let options = ProducerOptions::from_config(&client).map_err(|error| text(&error))?;
    let codec = options.codec;
    let cluster = Cluster::connect(client).await.map_err(|error| text(&error))?;
    let producer =
        Producer::new(cluster, options, Budget::new(Budget::MIN_BYTES)).await.map_err(|error| text(&error))?;
    // A batch of topics, some hundred bytes each, is far below what topics take by default.
    for records in records.chunks(500) {
        let sent = producer.send_records(topic, 0, records, codec).await.map_err(|error| text(&error))?;
        sent.await.map_err(|error| text(&error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_recalled_by_the_connector_that_has_noted_it() {
        let names = Names::from([("orders".to_owned(), ["retention.ms".to_owned()].into())]);
        let mut read = Names::new();

        let other = Names::from([("orders".to_owned(), ["[]".to_owned()].into())]);
        let noted =
            [records(CONFIGS, "mine", &names), records(CONFIGS, "other", &other), records(ACLS, "mine", &other)];
        for record in noted.into_iter().flatten() {
            let Record { key, value, .. } = record;
            fold(CONFIGS, "mine", &mut read, &LogRecord { partition: 0, offset: 0, timestamp_ms: 0, key, value });
        }

        assert_eq!(read, names);
        let nonsense = LogRecord { partition: 0, offset: 1, timestamp_ms: 0, key: Some("{".into()), value: None };
        fold(CONFIGS, "mine", &mut read, &nonsense);
        assert_eq!(read, names);
    }
}
