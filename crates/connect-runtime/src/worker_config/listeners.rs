//! Where the REST API listens and what address other workers are told (Java: `RestServerConfig`, `RestServer`).

use super::WorkerConfigError;

/// One `listeners` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whether it speaks TLS.
    pub https: bool,
    /// The host as written; empty for all interfaces.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl Listener {
    /// Parses `http://host:port`, an entry of `listeners`.
    pub fn parse(text: &str) -> Result<Self, WorkerConfigError> {
        Self::parse_as("listeners", text)
    }

    pub(super) fn parse_as(key: &str, text: &str) -> Result<Self, WorkerConfigError> {
        let wrong = |why: &str| WorkerConfigError::Invalid {
            key: key.into(),
            message: format!("{text}: {why}; expected e.g. http://127.0.0.1:8083"),
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("the scheme must be http or https")),
        };
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or_else(|| wrong("no port"))?;
        let port = port.parse().map_err(|_| wrong("the port must be a number from 0 to 65535"))?;
        Ok(Self { https, host: host.trim_matches(['[', ']']).to_owned(), port })
    }

    /// The address to bind, for `ToSocketAddrs`.
    #[must_use]
    pub fn bind_address(&self) -> (String, u16) {
        let host = if self.host.is_empty() { "0.0.0.0".to_owned() } else { self.host.clone() };
        (host, self.port)
    }

    /// Whether anyone but this machine can reach it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !matches!(self.host.as_str(), "127.0.0.1" | "localhost" | "::1")
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

/// This machine's name, for the advertised address where nothing better is known.
#[must_use]
pub fn local_host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_without_host_means_all_interfaces() {
        let listener = Listener::parse("http://:8083").unwrap();

        assert_eq!(listener.bind_address(), ("0.0.0.0".to_owned(), 8083));
        assert!(listener.is_public());
    }

    #[test]
    fn brackets_around_ipv6_are_not_part_of_the_host() {
        let listener = Listener::parse("HTTPS://[::1]:8443/").unwrap();

        assert_eq!(listener, Listener { https: true, host: "::1".into(), port: 8443 });
    }

    #[test]
    fn a_wrong_listener_says_what_is_expected() {
        let error = Listener::parse("ftp://x:1").unwrap_err().to_string();

        assert!(error.contains("ftp://x:1") && error.contains("http://127.0.0.1:8083"), "{error}");
    }
}
