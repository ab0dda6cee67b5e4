//! Worker keys from the environment, by the rule of Confluent's images: `CONNECT_` and the key in capitals, `.` as `_`, `-` as
//! `__`, `_` as `___`.

use std::collections::BTreeMap;

const PREFIX: &str = "CONNECT_";
/// Not keys: the images make a log4j file of these.
const LOG4J: &str = "CONNECT_LOG4J_";

/// The worker keys that variables stand for.
pub fn environment_overrides(variables: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let variables = variables.into_iter().filter(|(name, _)| !name.starts_with(LOG4J));
    variables.filter_map(|(name, value)| Some((key(name.strip_prefix(PREFIX)?)?, value))).collect()
}

/// The log levels that variables stand for: `CONNECT_LOG4J_ROOT_LOGLEVEL`, and `CONNECT_LOG4J_LOGGERS` as in `a=DEBUG,b=WARN`.
pub fn environment_levels(variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut levels = Vec::new();
    for (name, value) in variables {
        match name.as_str() {
            "CONNECT_LOG4J_ROOT_LOGLEVEL" => levels.insert(0, ("root".to_owned(), value)),
            "CONNECT_LOG4J_LOGGERS" => levels.extend(value.split(',').filter_map(|entry| {
                let (logger, level) = entry.split_once('=')?;
                Some((logger.trim().to_owned(), level.trim().to_owned()))
            })),
            _ => {}
        }
    }
    levels
}

/// `A_B__C___D` is `a.b-c_d`; longer runs of underscores are taken three by three. Nothing for a name with small letters.
fn key(name: &str) -> Option<String> {
    if name.is_empty() || name.chars().any(|letter| letter.is_ascii_lowercase()) {
        return None;
    }
    let marked = name.replace("___", "\u{1}").replace("__", "\u{2}").replace('_', ".");
    Some(marked.replace('\u{1}', "_").replace('\u{2}', "-").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn underscores_are_dots_dashes_and_underscores() {
        let overrides = environment_overrides(variables(&[
            ("CONNECT_BOOTSTRAP_SERVERS", "a:1"),
            ("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "5"),
            ("CONNECT_A__B___C_D", "x"),
            ("CONNECT_", "nothing"),
            ("CONNECT_lower", "nothing"),
            ("CONNECT_LOG4J_ROOT_LOGLEVEL", "DEBUG"),
            ("KAFKA_CONNECT_X", "nothing"),
        ]));

        let expected = [("a-b_c.d", "x"), ("bootstrap.servers", "a:1"), ("offset.flush.interval.ms", "5")];
        assert_eq!(overrides.into_iter().collect::<Vec<_>>(), variables(&expected));
    }

    #[test]
    fn log_levels_have_variables_of_their_own() {
        let levels = environment_levels(variables(&[
            ("CONNECT_LOG4J_LOGGERS", "org.apache.kafka.connect=DEBUG, org.reflections=ERROR"),
            ("CONNECT_LOG4J_ROOT_LOGLEVEL", "WARN"),
        ]));

        let expected = [("root", "WARN"), ("org.apache.kafka.connect", "DEBUG"), ("org.reflections", "ERROR")];
        assert_eq!(levels, variables(&expected));
    }
}
