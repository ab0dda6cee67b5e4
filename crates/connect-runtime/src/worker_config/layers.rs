//! Which client gets which keys (connect-runtime §4.4). Later layers win.

use std::collections::BTreeMap;

use super::WorkerConfig;
use super::def::CLIENT_KEYS;

const PREFIXES: [&str; 3] = ["producer.", "consumer.", "admin."];

impl WorkerConfig {
    /// For the storage topics and the group: the worker's unprefixed client keys.
    #[must_use]
    pub fn storage_client_properties(&self) -> BTreeMap<String, String> {
        let mut properties: BTreeMap<String, String> =
            CLIENT_KEYS.iter().filter_map(|(key, _, _)| Some(((*key).to_owned(), self.get(key)?.to_owned()))).collect();
        let oauth = self.properties.iter().filter(|(key, _)| key.starts_with("sasl.oauthbearer."));
        properties.extend(oauth.map(|(key, value)| (key.clone(), value.clone())));
        properties.insert("bootstrap.servers".into(), self.typed.list("bootstrap.servers").join(","));
        properties
    }

    /// For a connector's data producer: Connect's defaults, then the worker's `producer.*`, then the connector's
    /// `producer.override.*`. Security settings at the worker's top level do not reach it, as in Java.
    #[must_use]
    pub fn producer_properties(
        &self,
        connector_config: &BTreeMap<String, String>,
        task: &str,
    ) -> BTreeMap<String, String> {
        let mut properties = BTreeMap::from([
            ("bootstrap.servers".to_owned(), self.typed.list("bootstrap.servers").join(",")),
            ("acks".to_owned(), "all".to_owned()),
            ("delivery.timeout.ms".to_owned(), i32::MAX.to_string()),
            ("client.id".to_owned(), format!("connector-producer-{task}")),
        ]);
        properties.extend(stripped(&self.properties, "producer."));
        properties.extend(stripped(connector_config, "producer.override."));
        properties
    }

    /// For a connector's admin client: every worker key without a client prefix, then `admin.*`, then the connector's
    /// `admin.override.*`.
    #[must_use]
    pub fn admin_properties(
        &self,
        connector_config: &BTreeMap<String, String>,
        task: &str,
    ) -> BTreeMap<String, String> {
        let mut properties = self.storage_client_properties();
        properties.insert("client.id".to_owned(), format!("connector-adminclient-{task}"));
        properties.extend(stripped(&self.properties, "admin.").filter(|(key, _)| !key.starts_with("listeners")));
        properties.extend(stripped(connector_config, "admin.override."));
        properties
    }

    /// The client overrides of a connector config, without their prefix: what an override policy judges.
    pub fn client_overrides(connector_config: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
        connector_config.keys().filter_map(|key| {
            PREFIXES.iter().find_map(|prefix| {
                let rest = key.strip_prefix(prefix)?.strip_prefix("override.")?;
                Some((key.as_str(), rest))
            })
        })
    }
}

fn stripped<'a>(
    properties: &'a BTreeMap<String, String>,
    prefix: &'a str,
) -> impl Iterator<Item = (String, String)> + 'a {
    properties.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn worker() -> WorkerConfig {
        WorkerConfig::from_properties(map(&[
            ("bootstrap.servers", "a:1,b:2"),
            ("group.id", "g"),
            ("key.converter", "x"),
            ("value.converter", "x"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
            ("security.protocol", "SSL"),
            ("producer.linger.ms", "5"),
            ("producer.acks", "1"),
            ("admin.request.timeout.ms", "7"),
        ]))
        .unwrap()
    }

    #[test]
    fn worker_security_reaches_the_storage_clients_but_not_the_connector_producers() {
        let worker = worker();

        assert_eq!(worker.storage_client_properties()["security.protocol"], "SSL");
        assert!(!worker.producer_properties(&map(&[]), "m-0").contains_key("security.protocol"));
    }

    #[test]
    fn the_connectors_override_wins_over_the_workers_prefix_over_the_default() {
        let config = map(&[("producer.override.linger.ms", "9")]);

        let properties = worker().producer_properties(&config, "m-0");

        assert_eq!(properties["linger.ms"], "9");
        assert_eq!(properties["acks"], "1");
        assert_eq!(properties["client.id"], "connector-producer-m-0");
        assert_eq!(properties["bootstrap.servers"], "a:1,b:2");
    }

    #[test]
    fn overrides_are_found_with_and_without_their_prefix() {
        let config = map(&[("producer.override.acks", "1"), ("consumer.fetch.max.bytes", "2")]);

        let found: Vec<_> = WorkerConfig::client_overrides(&config).collect();

        assert_eq!(found, [("producer.override.acks", "acks")]);
    }
}
