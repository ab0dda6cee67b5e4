//! What Java's start scripts are told by system properties, `-Dname=value` in `KAFKA_OPTS`, and holds here, too.

use connect_runtime::worker_config::WorkerConfig;
use kafka_client::config::allow_oauth_urls;

/// The file of names and passwords.
const JAAS_FILE: &str = "java.security.auth.login.config";
const OAUTH_URLS: &str = "org.apache.kafka.sasl.oauthbearer.allowed.urls";

/// Where Java finds the JAAS file.
pub(crate) fn jaas_file() -> Option<String> {
    property(&std::env::var("KAFKA_OPTS").ok()?, JAAS_FILE)
}

/// Allows the OAuth URLs that a worker allows to every client of this process: those of the worker, of its connectors, and of
/// the other workers of the same file.
pub(crate) fn allow_oauth_urls_of(config: &WorkerConfig) {
    let options = std::env::var("KAFKA_OPTS").unwrap_or_default();
    let listed = property(&options, OAUTH_URLS).unwrap_or_default();
    let listed = listed.split(',').map(str::trim).filter(|url| !url.is_empty());
    allow_oauth_urls(config.oauth_urls_allowed().iter().cloned().chain(listed.map(str::to_owned)));
}

/// The value of a system property.
fn property(options: &str, name: &str) -> Option<String> {
    options.split_whitespace().find_map(|option| {
        let value = option.trim_matches('"').strip_prefix("-D")?.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_found_among_other_options() {
        let options = "-Xmx1g -Da.b=\"/x\" \"-Dc=1,2\" -Dcc=3";

        assert_eq!(property(options, "c"), Some("1,2".to_owned()));
        assert_eq!(property(options, "cc"), Some("3".to_owned()));
        assert_eq!(property(options, "d"), None);
    }
}
