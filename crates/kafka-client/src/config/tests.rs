use super::*;

fn parse(extra: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
    let mut props = Properties::from([("bootstrap.servers".to_owned(), "a:1".to_owned())]);
    props.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    ClientConfig::parse(&props)
}

fn error(extra: &[(&str, &str)]) -> String {
    parse(extra).unwrap_err().to_string()
}

const PLAIN: &str =
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="s3cret";"#;

#[test]
fn what_is_not_set_has_kafkas_defaults() {
    let config = parse(&[]).unwrap();

    assert_eq!(config.request_timeout().as_millis(), 30_000);
    assert_eq!(config.api_timeout().as_millis(), 60_000);
    assert_eq!(config.retry_backoff().as_millis(), 100);
    assert_eq!(config.retry_backoff_max().as_millis(), 1_000);
    assert_eq!(config.reconnect_backoff().as_millis(), 50);
    assert_eq!(config.metadata_max_age().as_millis(), 300_000);
    assert_eq!(config.connections_max_idle().unwrap().as_millis(), 540_000);
    assert_eq!(config.client_id(), "");
    assert!(config.rebootstrap());
    assert!(!config.security().tls_enabled);
    assert!(config.security().tls.verify_hostname);
}

#[test]
fn bootstrap_servers_are_hosts_and_ports_of_every_kind() {
    let servers = |list: &str| parse(&[("bootstrap.servers", list)]).map(|config| config.bootstrap_servers().to_vec());

    let both = vec![("a".to_owned(), 1), ("::1".to_owned(), 2)];
    assert_eq!(servers(" a:1 ,SSL://[::1]:2,"), Ok(both));
    for bad in ["a", "a:", "a:0", "a:65536", "::1:2", ":1", ",", "a:b"] {
        assert!(servers(bad).unwrap_err().to_string().contains("bootstrap.servers"), "{bad}");
    }
    assert_eq!(ClientConfig::parse(&Properties::new()).unwrap_err(), ConfigError::Missing("bootstrap.servers"));
}

#[test]
fn unknown_keys_are_collected_with_a_guess_and_known_ones_are_not() {
    let config = parse(&[
        ("securty.protocol", "SSL"),
        ("my.own.key", "x"),
        ("compression.type", "zstd"),
        ("metrics.context.connect.group.id", "x"),
    ])
    .unwrap();

    let unknown: Vec<_> = config.unknown_keys().iter().map(|k| (k.key.as_str(), k.did_you_mean)).collect();
    assert_eq!(unknown, [("my.own.key", None), ("securty.protocol", Some("security.protocol"))]);
    assert_eq!(config.get("compression.type"), Some("zstd"));
}

#[test]
fn no_secret_is_seen_in_debug_output() {
    let config = parse(&[
        ("sasl.jaas.config", PLAIN),
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("ssl.key.password", "s3cret"),
        ("ssl.keystore.passwd", "s3cret"),
        ("client.id", "me"),
    ])
    .unwrap();

    let seen = format!("{config:?} {:?}", config.security());
    assert!(!seen.contains("s3cret"), "{seen}");
    assert!(seen.contains(r#""client.id": "me""#), "{seen}");
}

#[test]
fn a_value_that_cannot_be_read_is_named_with_its_key() {
    for (key, value, says) in [
        (
            "request.timeout.ms",
            "soon",
            "invalid value soon for configuration request.timeout.ms: must be a whole number",
        ),
        ("retry.backoff.ms", "-1", "must be at least 0"),
        ("security.protocol", "TLS", "must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("client.dns.lookup", "default", "must be one of use_all_dns_ips"),
        ("send.buffer.bytes", "-2", "must be -1"),
        ("ssl.endpoint.identification.algorithm", "ldaps", "must be https, or empty"),
        ("ssl.enabled.protocols", "TLSv1.1", "must hold TLSv1.2 or TLSv1.3"),
        ("ssl.engine.factory.class", "com.example.Factory", "Java classes cannot be loaded"),
        ("sasl.login.callback.handler.class", "com.example.Handler", "built in are"),
    ] {
        let error = error(&[(key, value)]);
        assert!(error.contains(says) && error.contains(key), "{error}");
    }
}

#[test]
fn words_are_read_in_any_case() {
    let config = parse(&[("security.protocol", "ssl"), ("metadata.recovery.strategy", "NONE")]).unwrap();

    assert!(config.security().tls_enabled);
    assert!(!config.rebootstrap());
}

#[test]
fn an_empty_identification_algorithm_turns_host_names_off() {
    let config = parse(&[("ssl.endpoint.identification.algorithm", "")]).unwrap();

    assert!(!config.security().tls.verify_hostname);
}

#[test]
fn sasl_says_what_it_lacks() {
    let sasl = ("security.protocol", "sasl_plaintext");
    let mechanism = |name| ("sasl.mechanism", name);

    assert!(error(&[sasl, ("sasl.jaas.config", PLAIN)]).contains("GSSAPI, that is Kerberos, is not supported"));
    assert!(error(&[sasl, mechanism("PLAIN")]).contains("sasl.jaas.config"));
    assert!(error(&[sasl, mechanism("OAUTHBEARER"), ("sasl.jaas.config", PLAIN)]).contains("OAuthBearerLoginModule"));
    let nobody = "org.apache.kafka.common.security.scram.ScramLoginModule required password=\"s3cret\";";
    let error = error(&[sasl, mechanism("SCRAM-SHA-256"), ("sasl.jaas.config", nobody)]);
    assert!(error.contains("option username is missing") && !error.contains("s3cret"), "{error}");
    // As in Java, PLAIN and SCRAM take their user from either module.
    assert!(parse(&[sasl, mechanism("SCRAM-SHA-512"), ("sasl.jaas.config", PLAIN)]).is_ok());
}

#[test]
fn certificates_in_the_configuration_come_complete_and_alone() {
    let chain = ("ssl.keystore.certificate.chain", "-----BEGIN...");
    let key = ("ssl.keystore.key", "-----BEGIN...");

    assert!(parse(&[chain, key]).is_ok());
    assert!(error(&[chain]).contains("ssl.keystore.key"));
    assert!(error(&[key]).contains("ssl.keystore.certificate.chain"));
    assert!(error(&[chain, key, ("ssl.keystore.location", "/x")]).contains("together with ssl.keystore.key"));
}

#[test]
fn another_client_id_leaves_the_original_alone() {
    let config = parse(&[("client.id", "a")]).unwrap();

    let other = config.clone().with_client_id("b");

    assert_eq!((config.client_id(), other.client_id(), other.get("client.id")), ("a", "b", Some("b")));
}
