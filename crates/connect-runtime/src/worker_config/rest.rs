//! The keys of the REST API beyond `listeners` (Java: `RestServerConfig`): who may ask, where `/admin` is, TLS.

use std::collections::BTreeMap;

use super::{Listener, WorkerConfig, WorkerConfigError};

/// `admin.listeners`: where `/admin` is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListeners {
    /// With everything else (not given).
    Shared,
    /// Nowhere (given, and empty).
    Disabled,
    /// On listeners of its own.
    Own(Vec<Listener>),
}

impl AdminListeners {
    pub(super) fn parse(properties: &BTreeMap<String, String>) -> Result<Self, WorkerConfigError> {
        let Some(text) = properties.get("admin.listeners") else { return Ok(Self::Shared) };
        let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        if items.is_empty() {
            return Ok(Self::Disabled);
        }
        let listeners = items.into_iter().map(|item| Listener::parse_as("admin.listeners", item));
        listeners.collect::<Result<_, _>>().map(Self::Own)
    }
}

impl WorkerConfig {
    /// `admin.listeners`.
    #[must_use]
    pub fn admin_listeners(&self) -> &AdminListeners {
        &self.admin_listeners
    }

    /// `ssl.*` for listeners: the keys with `prefix` (`listeners.https.`, `admin.listeners.https.`) if there is any,
    /// without it; else the worker's own. The two are never mixed, as in Java.
    #[must_use]
    pub fn listener_ssl(&self, prefix: &str) -> BTreeMap<String, String> {
        let own: BTreeMap<String, String> = self
            .properties
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
            .collect();
        if !own.is_empty() {
            return own;
        }
        let top = self.properties.iter().filter(|(key, _)| key.starts_with("ssl."));
        top.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// `access.control.allow.origin` and `access.control.allow.methods`.
    #[must_use]
    pub fn cross_origin(&self) -> (&str, &str) {
        (self.typed.string("access.control.allow.origin"), self.typed.string("access.control.allow.methods"))
    }

    /// `response.http.headers.config`.
    #[must_use]
    pub fn response_headers(&self) -> &str {
        self.typed.string("response.http.headers.config")
    }

    /// `rest.extension.classes`.
    #[must_use]
    pub fn rest_extensions(&self) -> &[String] {
        self.typed.list("rest.extension.classes")
    }

    /// `portage.rest.jaas.file`: what Java is told with `-Djava.security.auth.login.config`.
    #[must_use]
    pub fn rest_jaas_file(&self) -> Option<&str> {
        self.typed.optional_string("portage.rest.jaas.file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::worker_config;

    #[test]
    fn admin_listeners_are_shared_own_or_none() {
        let own = |text| Listener::parse(text).unwrap();

        assert_eq!(worker_config(&[]).admin_listeners(), &AdminListeners::Shared);
        assert_eq!(worker_config(&[("admin.listeners", "")]).admin_listeners(), &AdminListeners::Disabled);
        assert_eq!(
            worker_config(&[("admin.listeners", "http://127.0.0.1:1, https://[::1]:2")]).admin_listeners(),
            &AdminListeners::Own(vec![own("http://127.0.0.1:1"), own("https://[::1]:2")])
        );
    }

    #[test]
    fn keys_with_the_prefix_replace_all_others() {
        let top = [("ssl.keystore.location", "/top"), ("ssl.client.auth", "required")];
        let both = [top[0], top[1], ("listeners.https.ssl.keystore.location", "/own")];

        assert_eq!(worker_config(&top).listener_ssl("listeners.https.").len(), 2);
        let own = worker_config(&both).listener_ssl("listeners.https.");
        assert_eq!(own.into_iter().collect::<Vec<_>>(), [("ssl.keystore.location".to_owned(), "/own".to_owned())]);
    }
}
