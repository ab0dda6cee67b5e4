//! The levels of a log4j properties file, of version 2 (Kafka 4, Strimzi) or 1 (older): `rootLogger.level`, `logger.X.name` with
//! `logger.X.level`; `log4j.rootLogger`, `log4j.logger.NAME`. Appenders, layouts and all else are Java's own.

use std::collections::BTreeMap;
use std::path::Path;

use connect_runtime::loggers::ROOT;
use connect_runtime::worker_config::read_properties;

/// Loggers and their levels, parents first.
///
/// # Errors
/// The file can't be read.
pub(super) fn levels(file: &Path) -> Result<Vec<(String, String)>, String> {
    let properties = read_properties(file).map_err(|error| error.to_string())?;
    Ok(levels_of(&properties))
}

/// Loggers and their levels, parents first, of what such a file holds.
pub(crate) fn levels_of(properties: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let of = |(key, value): (&String, &String)| {
        let logger = if matches!(key.as_str(), "rootLogger" | "rootLogger.level" | "log4j.rootLogger") {
            ROOT.to_owned()
        } else if let Some(name) = key.strip_prefix("log4j.logger.") {
            name.to_owned()
        } else {
            let id = key.strip_prefix("logger.")?.strip_suffix(".level")?;
            properties.get(&format!("logger.{id}.name"))?.trim().to_owned()
        };
        Some((logger, level(properties, value)?))
    };
    let mut levels: Vec<_> = properties.iter().filter_map(of).collect();
    levels.sort_by_key(|(logger, _)| (logger != ROOT, logger.clone()));
    levels
}

/// The level in front of the appenders; `${name}` and `${name:-default}` stand for `property.name` or `name`.
fn level(properties: &BTreeMap<String, String>, value: &str) -> Option<String> {
    let value = value.split(',').next().map(str::trim).filter(|value| !value.is_empty())?;
    let Some(reference) = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return Some(value.to_owned());
    };
    let (name, default) = reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
    let found = properties.get(&format!("property.{name}")).or_else(|| properties.get(name)).map(String::as_str);
    Some(found.or(default).unwrap_or(value).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        levels(file.path()).unwrap().into_iter().map(|(logger, level)| format!("{logger}={level}")).collect()
    }

    #[test]
    fn a_file_of_strimzi_s_says_levels_and_much_else() {
        let text = "appender.console.type = Console\nappender.console.layout.pattern = %d %p %m (%c) [%t]%n\n\
                    rootLogger.level = ${connect.root.level:-WARN}\nrootLogger.appenderRefs = console\n\
                    logger.mirror.name = org.apache.kafka.connect.mirror\nlogger.mirror.level = DEBUG\n\
                    logger.nameless.level = TRACE\nmonitorInterval = 30\n";

        assert_eq!(read(text), ["root=WARN", "org.apache.kafka.connect.mirror=DEBUG"]);
    }

    #[test]
    fn a_file_of_version_1_says_them_too() {
        let text = "connect.level=ERROR\nlog4j.rootLogger=${connect.level}, stdout\n\
                    log4j.logger.org.apache.kafka.clients=INFO\nlog4j.appender.stdout=org.apache.log4j.ConsoleAppender\n";

        assert_eq!(read(text), ["root=ERROR", "org.apache.kafka.clients=INFO"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert!(levels(Path::new("/nowhere/log4j2.properties")).unwrap_err().contains("/nowhere/log4j2.properties"));
    }
}
