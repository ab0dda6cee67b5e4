//! What may happen to a record between its task and the producer (Java: `TransformationChain`, the converters and
//! `RetryWithToleranceOperator`): transforms, each perhaps under a predicate, then converters for key, value and headers.
//!
//! | file | idea |
//! |---|---|
//! | [`catalog`] | every built-in plug-in, by class, with its keys |
//! | [`converters`], [`json`] | values to bytes |
//! | [`header`], [`literal`] | header values to bytes, and literals to header values |
//! | [`predicates`], [`transforms`] | what they decide and change |
//! | [`pattern`], [`java_date`] | Java's regular expressions and date formats, as far as they are needed |
//!
//! A connector that uses none of it has no [`RecordPath::reason`], and its batches pass as they are. Bytes in headers are never
//! rewritten, whatever `header.converter` says: they are what the source sent.

pub mod catalog;
pub mod converters;
pub mod header;
pub mod java_date;
pub mod json;
pub mod literal;
pub mod pattern;
pub mod predicates;
pub mod transforms;

use std::sync::Arc;

use connect_api::config::{ConfigMap, ConfigProblem};
use connect_api::convert::{Converter, Predicate, Transformation};
use connect_api::record::SourceRecord;
use connect_api::{ConnectError, PluginKind};
use kafka_wire::batch::{Header, Record};
use tracing::warn;

use crate::source_task::path::Reason;
use crate::worker_config::WorkerConfig;
use catalog::Made;
use header::HeaderConverter;

/// The way of one task's records.
pub struct RecordPath {
    steps: Vec<Step>,
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
    header: HeaderConverter,
    errors: Errors,
}

struct Step {
    transform: Box<dyn Transformation>,
    predicate: Option<(Box<dyn Predicate>, bool)>,
    alias: String,
}

/// `errors.*`.
#[derive(Debug, Clone, Copy, Default)]
struct Errors {
    tolerated: bool,
    logged: bool,
    with_records: bool,
}

/// A record as the producer takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// The target topic.
    pub topic: Arc<str>,
    /// The target partition; `None` lets the key choose.
    pub partition: Option<i32>,
    /// The record; its offset means nothing.
    pub record: Record,
}

impl RecordPath {
    /// The way that a connector config describes; what it does not say, the worker's does.
    ///
    /// # Errors
    /// Everything that is wrong with it, by key.
    pub fn from_config(worker: &WorkerConfig, config: &ConfigMap) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut steps = Vec::new();
        for alias in aliases(config, "transforms") {
            match step(config, &alias) {
                Ok(step) => steps.push(step),
                Err(found) => problems.extend(found),
            }
        }
        // Those that no transform uses have to be right too.
        for alias in aliases(config, "predicates") {
            if let Err(found) = predicate(config, &alias) {
                problems.extend(found.into_iter().filter(|problem| !problems.contains(problem)).collect::<Vec<_>>());
            }
        }
        let mut converter = |key: &str, kind| match converter(worker, config, key, kind) {
            Ok(made) => Some(made),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let key = converter("key.converter", PluginKind::Converter);
        let value = converter("value.converter", PluginKind::Converter);
        let header = converter("header.converter", PluginKind::HeaderConverter);
        match (key, value, header) {
            (Some(Made::Converter(key)), Some(Made::Converter(value)), Some(Made::HeaderConverter(header)))
                if problems.is_empty() =>
            {
                Ok(Self { steps, key, value, header, errors: Errors::from_config(config) })
            }
            _ => Err(problems),
        }
    }

    /// Why batches of a connector can't pass as they are, if so.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        if !self.steps.is_empty() {
            Some(Reason::Transforms)
        } else if !self.key.passes_bytes() || !self.value.passes_bytes() {
            Some(Reason::Converters)
        } else {
            None
        }
    }

    /// The record as it goes to the target, or `None` if it does not.
    ///
    /// # Errors
    /// A transform or converter can't take it, and `errors.tolerance` is `none`.
    pub fn apply(&mut self, record: SourceRecord) -> Result<Option<Converted>, ConnectError> {
        let shown = self.errors.with_records.then(|| format!("{record:?}"));
        let topic = Arc::clone(&record.topic);
        match self.run(record) {
            Ok(converted) => Ok(converted),
            Err((stage, error)) => {
                if self.errors.logged || self.errors.tolerated {
                    warn!(topic = &*topic, stage, %error, record = shown, "record can't be taken to the target");
                }
                if self.errors.tolerated {
                    return Ok(None);
                }
                Err(ConnectError::fatal(format!(
                    "Tolerance exceeded in error handler: {stage} failed for a record for {topic}: {error}; set \
                     errors.tolerance=all to skip such records"
                )))
            }
        }
    }

    fn run(&mut self, record: SourceRecord) -> Result<Option<Converted>, (String, ConnectError)> {
        let mut record = record;
        for Step { transform, predicate, alias } in &mut self.steps {
            if predicate.as_ref().is_some_and(|(predicate, negate)| predicate.test(&record) == *negate) {
                continue;
            }
            match transform.apply(record).map_err(|error| (format!("transform {alias}"), error))? {
                Some(changed) => record = changed,
                None => return Ok(None),
            }
        }
        let SourceRecord { topic, partition, key_schema, key, value_schema, value, timestamp_ms, headers, .. } = record;
        let failed = |stage: &str| {
            let stage = stage.to_owned();
            move |error| (stage, error)
        };
        let key = self.key.encode(&topic, key_schema.as_deref(), &key).map_err(failed("key.converter"))?;
        let value = self.value.encode(&topic, value_schema.as_deref(), &value).map_err(failed("value.converter"))?;
        let headers = headers
            .into_iter()
            .map(|header| {
                let value = self.header.encode(&topic, header.schema.as_deref(), &header.value)?;
                Ok(Header { key: header.name, value })
            })
            .collect::<Result<_, _>>()
            .map_err(failed("header.converter"))?;
        let timestamp = timestamp_ms.unwrap_or_else(|| chrono::Utc::now().timestamp_millis());
        Ok(Some(Converted { topic, partition, record: Record { offset: 0, timestamp, key, value, headers } }))
    }
}

impl Errors {
    fn from_config(config: &ConfigMap) -> Self {
        let is = |key: &str, text: &str| config.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case(text));
        let logged = is("errors.log.enable", "true");
        Self {
            tolerated: is("errors.tolerance", "all"),
            logged,
            with_records: logged && is("errors.log.include.messages", "true"),
        }
    }
}

/// The items of a list of aliases.
pub(crate) fn aliases(config: &ConfigMap, key: &str) -> Vec<String> {
    let items = config.get(key).map_or("", String::as_str).split(',').map(str::trim);
    items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn step(config: &ConfigMap, alias: &str) -> Result<Step, Vec<ConfigProblem>> {
    let prefix = format!("transforms.{alias}.");
    let made = make(config, &prefix, PluginKind::Transformation)?;
    let (negate, predicate_key) = (format!("{prefix}negate"), format!("{prefix}predicate"));
    if config.contains_key(&negate) && !config.contains_key(&predicate_key) {
        let message = format!(
            "Config '{negate}' was provided but there is no config '{predicate_key}' defining a predicate to be negated."
        );
        return Err(vec![ConfigProblem::new(format!("{prefix}type"), message)]);
    }
    let predicate = match config.get(&predicate_key).map(|name| name.trim()) {
        None | Some("") => None,
        Some(name) if aliases(config, "predicates").iter().any(|known| known == name) => {
            let negate = config.get(&negate).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
            Some((predicate_of(predicate(config, name)?), negate))
        }
        Some(name) => {
            let message = format!(
                "Invalid value {name} for configuration {predicate_key}: predicate alias is not among predicates"
            );
            return Err(vec![ConfigProblem::new(predicate_key, message)]);
        }
    };
    let Made::Transformation(transform) = made else { return Err(Vec::new()) };
    Ok(Step {
        transform,
        predicate: predicate.and_then(|(made, negate)| Some((made?, negate))),
        alias: alias.to_owned(),
    })
}

fn predicate(config: &ConfigMap, alias: &str) -> Result<Made, Vec<ConfigProblem>> {
    make(config, &format!("predicates.{alias}."), PluginKind::Predicate)
}

fn predicate_of(made: Made) -> Option<Box<dyn Predicate>> {
    match made {
        Made::Predicate(predicate) => Some(predicate),
        _ => None,
    }
}

/// The plug-in whose class stands under `<prefix>type`, made of the keys with that prefix.
fn make(config: &ConfigMap, prefix: &str, kind: PluginKind) -> Result<Made, Vec<ConfigProblem>> {
    let key = format!("{prefix}type");
    let Some(class) = config.get(&key).map(|class| class.trim()).filter(|class| !class.is_empty()) else {
        let message = format!("Missing required configuration \"{key}\" which has no default value.");
        return Err(vec![ConfigProblem::new(key, message)]);
    };
    let own = stripped(config, prefix);
    catalog::make(kind, class, &own).map_err(|problems| problems.into_iter().map(|at| at.under(prefix, &key)).collect())
}

/// A converter: the connector's own class with its own keys, else the worker's with the worker's.
fn converter(
    worker: &WorkerConfig,
    config: &ConfigMap,
    key: &str,
    kind: PluginKind,
) -> Result<Made, Vec<ConfigProblem>> {
    let prefix = format!("{key}.");
    let (class, own) = match config.get(key).map(|class| class.trim()).filter(|class| !class.is_empty()) {
        Some(class) => (class.to_owned(), converter_config(config, key)),
        None => (
            worker.get(key).unwrap_or(catalog::DEFAULT_HEADER_CONVERTER).trim().to_owned(),
            typed_converter(worker.with_prefix(&prefix), key),
        ),
    };
    catalog::make(kind, &class, &own)
        .map_err(|problems| problems.into_iter().map(|at| at.under(&prefix, key)).collect())
}

/// The keys of a connector's own converter, such as `key.converter`.
pub(crate) fn converter_config(config: &ConfigMap, key: &str) -> ConfigMap {
    typed_converter(stripped(config, &format!("{key}.")), key)
}

/// A converter is told what it is for.
fn typed_converter(mut own: ConfigMap, key: &str) -> ConfigMap {
    let kind = key.strip_suffix(".converter").unwrap_or(key);
    own.entry(catalog::CONVERTER_TYPE.to_owned()).or_insert_with(|| kind.to_owned());
    own
}

fn stripped(config: &ConfigMap, prefix: &str) -> ConfigMap {
    config.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))).collect()
}

#[cfg(test)]
mod tests;
