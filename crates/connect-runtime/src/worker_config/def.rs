//! The worker's declared keys, as Kafka 4.3.0 has them (Java: `WorkerConfig`, `DistributedConfig`), and Portage's own.

use connect_api::config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Validator};

use crate::metrics::profile::Profile;

use ConfigType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use DefaultValue::{Null, Required};
use Importance::{High, Low, Medium};

const fn is(text: &'static str) -> DefaultValue {
    DefaultValue::is(text)
}

fn key(name: &'static str, kind: ConfigType, default: DefaultValue, importance: Importance) -> ConfigKey {
    ConfigKey::new(name, kind, default, importance, "")
}

const PARTITIONS: Validator = Validator::Check(|value| match value {
    connect_api::config::Parsed::Int(number) if *number == -1 || *number > 0 => Ok(()),
    _ => Err("Value must be at least 1, or -1 to use the broker's default".to_owned()),
});

const PROFILES: Validator = Validator::Check(|value| match value {
    connect_api::config::Parsed::String(text) => Profile::parse_list(text).map(|_| ()),
    _ => Err("must be a list of metrics profiles".to_owned()),
});

/// Every key a distributed worker knows.
#[must_use]
pub fn worker_config_def() -> ConfigDef {
    portage_keys(distributed_keys(client_keys(common_keys(ConfigDef::new()))))
}

fn common_keys(def: ConfigDef) -> ConfigDef {
    let at_least_0 = Validator::at_least(0);
    [
        key("bootstrap.servers", List, Required, High),
        key("key.converter", Class, Required, High),
        key("key.converter.plugin.version", String, Null, Low),
        key("value.converter", Class, Required, High),
        key("value.converter.plugin.version", String, Null, Low),
        key("header.converter", Class, is("org.apache.kafka.connect.storage.SimpleHeaderConverter"), Low),
        key("header.converter.plugin.version", String, Null, Low),
        key("task.shutdown.graceful.timeout.ms", Long, is("5000"), Low).valid(at_least_0),
        key("offset.flush.interval.ms", Long, is("60000"), Low).valid(at_least_0),
        key("offset.flush.timeout.ms", Long, is("5000"), Low).valid(at_least_0),
        key("plugin.path", List, Null, Low),
        key("plugin.discovery", String, is("hybrid_warn"), Low),
        key("metrics.sample.window.ms", Long, is("30000"), Low).valid(at_least_0),
        key("metrics.num.samples", Int, is("2"), Low).valid(Validator::at_least(1)),
        key("metrics.recording.level", String, is("INFO"), Low).valid(Validator::OneOf(&["INFO", "DEBUG", "TRACE"])),
        key("metric.reporters", List, is("org.apache.kafka.common.metrics.JmxReporter"), Low),
        key("config.providers", List, is(""), Low),
        key("connector.client.config.override.policy", String, is("All"), Medium),
        key("connector.client.config.override.allowlist", List, is(""), Medium),
        key("topic.creation.enable", Boolean, is("true"), Low),
        key("topic.tracking.enable", Boolean, is("true"), Low),
        key("topic.tracking.allow.reset", Boolean, is("true"), Low),
        key("listeners", List, is("http://:8083"), Low),
        key("rest.advertised.host.name", String, Null, Low),
        key("rest.advertised.port", Int, Null, Low),
        key("rest.advertised.listener", String, Null, Low),
        key("access.control.allow.origin", String, is(""), Low),
        key("access.control.allow.methods", String, is(""), Low),
        key("response.http.headers.config", String, is(""), Low),
        key("ssl.client.auth", String, is("none"), Low).valid(Validator::OneOf(&["required", "requested", "none"])),
        key("portage.rest.jaas.file", String, Null, Low),
        key("rest.extension.classes", List, is(""), Low),
        key("admin.listeners", List, Null, Low),
    ]
    .into_iter()
    .fold(def, ConfigDef::define)
}

fn client_keys(def: ConfigDef) -> ConfigDef {
    CLIENT_KEYS.iter().fold(def, |def, (name, kind, default)| {
        let default = default.map_or(Null, DefaultValue::is);
        def.define(key(name, *kind, default, Medium))
    })
}

/// Keys of the worker file that the clients for the storage topics and the group take as they are.
pub(super) const CLIENT_KEYS: &[(&str, ConfigType, Option<&str>)] = &[
    ("client.dns.lookup", String, Some("use_all_dns_ips")),
    ("metadata.max.age.ms", Long, Some("300000")),
    ("send.buffer.bytes", Int, Some("131072")),
    ("receive.buffer.bytes", Int, Some("32768")),
    ("reconnect.backoff.ms", Long, Some("50")),
    ("reconnect.backoff.max.ms", Long, Some("1000")),
    ("socket.connection.setup.timeout.ms", Long, Some("10000")),
    ("socket.connection.setup.timeout.max.ms", Long, Some("30000")),
    ("retry.backoff.ms", Long, Some("100")),
    ("retry.backoff.max.ms", Long, Some("1000")),
    ("request.timeout.ms", Int, Some("40000")),
    ("connections.max.idle.ms", Long, Some("540000")),
    ("metadata.recovery.strategy", String, Some("rebootstrap")),
    ("metadata.recovery.rebootstrap.trigger.ms", Long, Some("300000")),
    ("security.protocol", String, Some("PLAINTEXT")),
    ("ssl.protocol", String, Some("TLSv1.3")),
    ("ssl.provider", String, None),
    ("ssl.cipher.suites", List, Some("")),
    ("ssl.enabled.protocols", List, Some("TLSv1.2,TLSv1.3")),
    ("ssl.keystore.type", String, Some("JKS")),
    ("ssl.keystore.location", String, None),
    ("ssl.keystore.password", Password, None),
    ("ssl.key.password", Password, None),
    ("ssl.keystore.key", Password, None),
    ("ssl.keystore.certificate.chain", Password, None),
    ("ssl.truststore.certificates", Password, None),
    ("ssl.truststore.type", String, Some("JKS")),
    ("ssl.truststore.location", String, None),
    ("ssl.truststore.password", Password, None),
    ("ssl.keymanager.algorithm", String, Some("SunX509")),
    ("ssl.trustmanager.algorithm", String, Some("PKIX")),
    ("ssl.endpoint.identification.algorithm", String, Some("https")),
    ("ssl.secure.random.implementation", String, None),
    ("ssl.engine.factory.class", Class, None),
    ("sasl.mechanism", String, Some("GSSAPI")),
    ("sasl.jaas.config", Password, None),
    ("sasl.client.callback.handler.class", Class, None),
    ("sasl.login.callback.handler.class", Class, None),
    ("sasl.login.class", Class, None),
    ("sasl.kerberos.service.name", String, None),
    ("sasl.kerberos.kinit.cmd", String, Some("/usr/bin/kinit")),
    ("sasl.kerberos.ticket.renew.window.factor", Double, Some("0.8")),
    ("sasl.kerberos.ticket.renew.jitter", Double, Some("0.05")),
    ("sasl.kerberos.min.time.before.relogin", Long, Some("60000")),
    ("sasl.login.refresh.window.factor", Double, Some("0.8")),
    ("sasl.login.refresh.window.jitter", Double, Some("0.05")),
    ("sasl.login.refresh.min.period.seconds", Short, Some("60")),
    ("sasl.login.refresh.buffer.seconds", Short, Some("300")),
    ("sasl.login.connect.timeout.ms", Int, None),
    ("sasl.login.read.timeout.ms", Int, None),
    ("sasl.login.retry.backoff.max.ms", Long, Some("10000")),
    ("sasl.login.retry.backoff.ms", Long, Some("100")),
    ("sasl.oauthbearer.scope", String, None),
    ("sasl.oauthbearer.client.credentials.client.id", String, None),
    ("sasl.oauthbearer.client.credentials.client.secret", Password, None),
    ("sasl.oauthbearer.scope.claim.name", String, Some("scope")),
    ("sasl.oauthbearer.sub.claim.name", String, Some("sub")),
    ("sasl.oauthbearer.token.endpoint.url", String, None),
    ("sasl.oauthbearer.jwks.endpoint.url", String, None),
    ("sasl.oauthbearer.clock.skew.seconds", Int, Some("30")),
    ("sasl.oauthbearer.expected.audience", List, Some("")),
    ("sasl.oauthbearer.expected.issuer", String, None),
    ("sasl.oauthbearer.header.urlencode", Boolean, Some("false")),
];

fn distributed_keys(def: ConfigDef) -> ConfigDef {
    let at_least_0 = Validator::at_least(0);
    let eos = Validator::OneOfIgnoringCase(&["DISABLED", "ENABLED", "PREPARING"]);
    [
        key("group.id", String, Required, High).valid(Validator::NonEmpty),
        key("client.id", String, is(""), Low),
        key("session.timeout.ms", Int, is("10000"), High).valid(at_least_0),
        key("rebalance.timeout.ms", Int, is("60000"), High).valid(at_least_0),
        key("heartbeat.interval.ms", Int, is("3000"), High).valid(at_least_0),
        key("exactly.once.source.support", String, is("disabled"), High).valid(eos),
        key("worker.sync.timeout.ms", Int, is("3000"), Medium).valid(at_least_0),
        key("worker.unsync.backoff.ms", Int, is("300000"), Medium).valid(at_least_0),
        key("offset.storage.topic", String, Required, High).valid(Validator::NonEmpty),
        key("offset.storage.partitions", Int, is("25"), Low).valid(PARTITIONS),
        key("offset.storage.replication.factor", Short, is("3"), Low).valid(PARTITIONS),
        key("config.storage.topic", String, Required, High).valid(Validator::NonEmpty),
        key("config.storage.replication.factor", Short, is("3"), Low).valid(PARTITIONS),
        key("status.storage.topic", String, Required, High).valid(Validator::NonEmpty),
        key("status.storage.partitions", Int, is("5"), Low).valid(PARTITIONS),
        key("status.storage.replication.factor", Short, is("3"), Low).valid(PARTITIONS),
        key("connect.protocol", String, is("sessioned"), Low).valid(Validator::OneOfIgnoringCase(&[
            "eager",
            "compatible",
            "sessioned",
        ])),
        key("scheduled.rebalance.max.delay.ms", Int, is("300000"), Low).valid(at_least_0),
        key("inter.worker.key.ttl.ms", Int, is("3600000"), Low).valid(at_least_0),
        key("inter.worker.key.generation.algorithm", String, is("HmacSHA256"), Low),
        key("inter.worker.key.size", Int, Null, Low),
        key("inter.worker.signature.algorithm", String, is("HmacSHA256"), Low),
        key("inter.worker.verification.algorithms", List, is("HmacSHA256"), Low),
    ]
    .into_iter()
    .fold(def, ConfigDef::define)
}

fn portage_keys(def: ConfigDef) -> ConfigDef {
    [
        key("portage.memory.bytes", Long, is("67108864"), Low).valid(Validator::at_least(1 << 20)),
        key("portage.metrics.listeners", List, is(""), Low),
        key("portage.metrics.profile", String, is(Profile::DEFAULT), Low).valid(PROFILES),
        key("portage.metrics.series.max", Int, is("10000"), Low).valid(Validator::at_least(1)),
        key("portage.sasl.oauthbearer.allowed.urls", List, is(""), Low),
        key("portage.restart.enabled", Boolean, is("true"), Low),
        key("portage.restart.max.attempts", Int, is("10"), Low).valid(Validator::at_least(0)),
        key("portage.restart.backoff.ms", Long, is("1000"), Low).valid(Validator::at_least(1)),
        key("portage.restart.backoff.max.ms", Long, is("60000"), Low).valid(Validator::at_least(1)),
    ]
    .into_iter()
    .fold(def, ConfigDef::define)
}
