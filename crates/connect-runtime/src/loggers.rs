//! Log levels that can be changed while the worker runs, under Java's logger names (KIP-495).
//!
//! People and tools say `org.apache.kafka.connect.mirror`; our log targets are crates. [`targets`] joins the two.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use connect_herder::service::LoggerLevel;

/// Java's name of all loggers together.
pub const ROOT: &str = "root";

/// Our log targets behind Java's packages, the longest name first.
const PACKAGES: &[(&str, &[&str])] = &[
    ("org.apache.kafka.connect.runtime.distributed", &["connect_herder", "connect_runtime::driver"]),
    ("org.apache.kafka.connect.runtime.rest", &["connect_rest"]),
    ("org.apache.kafka.connect.runtime", &["connect_runtime"]),
    ("org.apache.kafka.connect.storage", &["connect_runtime::storage"]),
    ("org.apache.kafka.connect.mirror", &["mirror", "mirror_source", "mirror_checkpoint", "mirror_heartbeat"]),
    ("org.apache.kafka.clients", &["kafka_client"]),
];

/// Levels by logger name, and the way to put them into effect.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, State>>,
    apply: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Clone)]
struct State {
    level: Level,
    last_modified_ms: Option<i64>,
}

/// Java's levels, from loud to silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Everything.
    Trace,
    /// What developers want to see.
    Debug,
    /// What operators want to see.
    Info,
    /// Recovered by itself.
    Warn,
    /// Someone must act.
    Error,
    /// As `Error`.
    Fatal,
    /// Nothing.
    Off,
}

impl Level {
    /// Reads Java's word, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_uppercase().as_str() {
            "ALL" | "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" => Level::Warn,
            "ERROR" => Level::Error,
            "FATAL" => Level::Fatal,
            "OFF" => Level::Off,
            _ => return None,
        })
    }

    /// Java's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
            Level::Off => "OFF",
        }
    }

    fn directive(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error | Level::Fatal => "error",
            Level::Off => "off",
        }
    }
}

impl Loggers {
    /// Starts with a root level. `apply` gets the whole filter as directives (`info,kafka_client=debug`), now and after
    /// every change.
    pub fn new(root: Level, apply: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let levels = BTreeMap::from([(ROOT.to_owned(), State { level: root, last_modified_ms: None })]);
        let loggers = Self { levels: Mutex::new(levels), apply: Box::new(apply) };
        (loggers.apply)(&loggers.directives());
        loggers
    }

    /// Every logger with a level of its own, by name.
    #[must_use]
    pub fn all(&self) -> Vec<LoggerLevel> {
        self.lock()
            .iter()
            .map(|(name, state)| LoggerLevel {
                name: name.clone(),
                level: state.level.as_str().to_owned(),
                last_modified_ms: state.last_modified_ms,
            })
            .collect()
    }

    /// Sets a logger's level and that of everything below it, which for `root` is everything. Answers with the names whose
    /// level that has changed, sorted, or `None` for a word that is no level.
    pub fn set(&self, logger: &str, level: &str, now_ms: i64) -> Option<Vec<String>> {
        let state = State { level: Level::parse(level)?, last_modified_ms: Some(now_ms) };
        let logger = if logger.eq_ignore_ascii_case(ROOT) { ROOT } else { logger };
        let mut changed = Vec::new();
        {
            let mut levels = self.lock();
            let inherited = inherited(&levels, logger).unwrap_or(State { last_modified_ms: None, ..state.clone() });
            levels.entry(logger.to_owned()).or_insert(inherited);
            let below = format!("{logger}.");
            let is_meant = |name: &str| logger == ROOT || name == logger || name.starts_with(&below);
            for (name, old) in levels.iter_mut().filter(|(name, old)| is_meant(name) && old.level != state.level) {
                *old = state.clone();
                changed.push(name.clone());
            }
        }
        (self.apply)(&self.directives());
        Some(changed)
    }

    /// Gives a logger a level at the start, as a file or the command line says. Whether the word is a level.
    pub fn configure(&self, logger: &str, level: &str) -> bool {
        let Some(level) = Level::parse(level) else { return false };
        let logger = if logger.eq_ignore_ascii_case(ROOT) { ROOT } else { logger };
        self.lock().insert(logger.to_owned(), State { level, last_modified_ms: None });
        (self.apply)(&self.directives());
        true
    }

    fn directives(&self) -> String {
        let levels = self.lock();
        let root = levels.get(ROOT).map_or(Level::Info, |state| state.level);
        let mut directives = vec![root.directive().to_owned()];
        for (name, state) in levels.iter().filter(|(name, _)| *name != ROOT) {
            // A name that can be no target must not spoil the whole filter.
            let targets = targets(name).into_iter().filter(|target| is_target(target));
            directives.extend(targets.map(|target| format!("{target}={}", state.level.directive())));
        }
        directives.join(",")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, State>> {
        // A panic while holding the lock can't leave the map half changed.
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_target(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
}

/// What a logger that nobody has set goes by: the nearest one above it.
fn inherited(levels: &BTreeMap<String, State>, logger: &str) -> Option<State> {
    let above = std::iter::successors(Some(logger), |name| name.rsplit_once('.').map(|(parent, _)| parent));
    let mut above = above.filter_map(|name| levels.get(name));
    above.next().or_else(|| levels.get(ROOT)).map(|state| State { last_modified_ms: None, ..state.clone() })
}

/// The log targets of a logger name: those of the Java package it is or lies in, or all packages below it; a name that is
/// no Java package is a target itself.
#[must_use]
pub fn targets(logger: &str) -> Vec<String> {
    let below = format!("{logger}.");
    let children: Vec<String> = PACKAGES
        .iter()
        .filter(|(package, _)| *package == logger || package.starts_with(&below))
        .flat_map(|(_, targets)| targets.iter().map(|target| (*target).to_owned()))
        .collect();
    if !children.is_empty() {
        return children;
    }
    let parent = PACKAGES.iter().find(|(package, _)| logger.starts_with(&format!("{package}.")));
    match parent {
        Some((_, targets)) => targets.iter().map(|target| (*target).to_owned()).collect(),
        None => vec![logger.replace('.', "::")],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn loggers() -> (Loggers, Arc<Mutex<String>>) {
        let applied = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&applied);
        let loggers = Loggers::new(Level::Info, move |directives| *sink.lock().unwrap() = directives.to_owned());
        (loggers, applied)
    }

    #[test]
    fn a_name_that_can_be_no_target_leaves_the_others_in_effect() {
        let (loggers, applied) = loggers();

        loggers.set("a b[=,", "debug", 5);
        assert!(loggers.configure("org.apache.kafka.clients", "WARN"));

        assert_eq!(*applied.lock().unwrap(), "info,kafka_client=warn");
        assert_eq!(loggers.all().iter().find(|logger| logger.level == "WARN").unwrap().last_modified_ms, None);
        assert!(!loggers.configure("x", "LOUD"));
    }

    #[test]
    fn java_names_reach_our_targets() {
        let (loggers, applied) = loggers();

        loggers.set("org.apache.kafka.connect.mirror.MirrorSourceTask", "debug", 5);

        let filter = applied.lock().unwrap().clone();
        assert!(filter.starts_with("info,") && filter.contains("mirror_source=debug"), "{filter}");
    }

    #[test]
    fn a_namespace_takes_what_lies_below_it_along() {
        let (loggers, _) = loggers();
        loggers.set("org.apache.kafka.connect.mirror", "DEBUG", 1);

        let changed = loggers.set("org.apache.kafka.connect", "warn", 2).unwrap();

        assert_eq!(changed, ["org.apache.kafka.connect", "org.apache.kafka.connect.mirror"]);
        let all = loggers.all();
        assert!(all.iter().filter(|logger| logger.name != ROOT).all(|logger| logger.level == "WARN"));
        assert_eq!(all.iter().find(|logger| logger.name == ROOT).unwrap().last_modified_ms, None);
    }

    #[test]
    fn root_takes_everything_along_and_what_has_the_level_already_is_not_changed() {
        let (loggers, _) = loggers();
        loggers.set("a.b", "DEBUG", 1);
        loggers.set("c", "WARN", 2);

        assert_eq!(loggers.set(ROOT, "INFO", 3).unwrap(), ["a.b", "c"]);

        let root = loggers.all().into_iter().find(|logger| logger.name == ROOT).unwrap();
        assert_eq!((root.level.as_str(), root.last_modified_ms), ("INFO", None));
        assert_eq!(loggers.set("d.e", "INFO", 4).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_word_that_is_no_level_changes_nothing() {
        let (loggers, _) = loggers();

        assert_eq!(loggers.set(ROOT, "LOUD", 1), None);
        assert_eq!(loggers.all().len(), 1);
    }
}
