//! What our worker may answer differently from Java's, and why. Nothing else may.

use crate::difference::Difference;

/// One tolerated difference. In all patterns `*` stands for any text.
pub(crate) struct Allowed {
    /// The request: method and path, as the script prints it.
    pub(crate) asked: &'static str,
    /// The statuses of both answers, Java's first.
    pub(crate) statuses: &'static str,
    /// The place in the answer.
    pub(crate) at: &'static str,
    /// Java's value there.
    java: &'static str,
    /// Why it is better so, or why nobody minds.
    pub(crate) why: &'static str,
    /// Java differs from itself here: the difference is not there each time.
    pub(crate) by_chance: bool,
}

const fn allow(asked: &'static str, statuses: &'static str, at: &'static str, why: &'static str) -> Allowed {
    Allowed { asked, statuses, at, java: "*", why, by_chance: false }
}

/// The same where Java differs from itself.
const fn by_chance(asked: &'static str, statuses: &'static str, at: &'static str, why: &'static str) -> Allowed {
    Allowed { by_chance: true, ..allow(asked, statuses, at, why) }
}

/// Another sentence than this one of Java's in a refusal with the same status.
const fn reword(java: &'static str, why: &'static str) -> Allowed {
    Allowed { asked: "*", statuses: "400/400", at: "body.message", java, why, by_chance: false }
}

/// The list.
pub(crate) const ALLOWED: &[Allowed] = &[
    // Who we are.
    allow("GET /", "200/200", "body.commit", "our own; tools look at the version only"),
    allow("*", "200/200", "*.documentation", "our own words; keys, types, defaults, groups, order, widths are Java's"),
    allow("GET /connector-plugins*", "200/200", "body[*FileStream*", "example connectors, which we do not have"),
    allow("*", "200/200", "*[portage.*", "keys of our own, with defaults that keep Java's meaning"),
    // Better than Java.
    allow("*", "500/400", "*", "a client's mistake is 400 with a sentence that names it, not 500 with an exception"),
    allow("PUT /admin/loggers/root {\"level\":\"\"}", "500/404", "*", "no level is a wrong level as any other"),
    allow("PATCH /connectors/x/config null", "404/400", "*", "a body that is none is noticed first"),
    allow("* {\"name\":\"other\"}", "200/400", "*", "Java stores another name in the config of a connector"),
    allow("*", "404/404", "header content-type", "JSON is declared as such where Java forgets to"),
    allow("*", "405/405", "header content-type", "as above"),
    allow("*", "406/406", "header content-type", "as above"),
    allow("*", "415/415", "header content-type", "as above"),
    allow("*", "405/405", "header allow", "RFC 9110 wants 405 to say what is allowed"),
    allow("* Upgrade:h2c", "400/200", "*", "Java's HTTP client offers h2c; Jetty refuses it without the other headers"),
    allow("GET //connectors", "400/404", "*", "Jetty refuses paths that it finds ambiguous, in HTML"),
    allow("GET /connectors//x", "400/404", "*", "as above"),
    allow("* /connectors/a%2Fb*", "400/*", "*", "names with a slash can be used in Java's API only in bodies"),
    allow("* /connectors/100%25*", "400/*", "*", "as above: percent"),
    allow("* /connectors/a%252Fb*", "400/*", "*", "as above: percent"),
    allow("* /connectors/a%5Cb*", "400/*", "*", "as above: backslash"),
    allow("GET /connectors", "200/200", "body[a*", "what has a name that Java's API can't name can't be deleted there"),
    allow("GET /connectors", "200/200", "body[100%]", "as above"),
    allow("* /connectors/%*", "400/40*", "*", "bytes that are no text are refused in JSON, not in HTML"),
    allow("POST /connectors [\"{x}\"]", "500/201", "*", "Java takes the name for a template, after creating it"),
    allow("GET /connectors/a;b=c", "404/404", "body.message", "Java drops what follows a semicolon"),
    allow(
        "POST /connectors [*",
        "201/201",
        "header location",
        "every reserved character is encoded: the address works",
    ),
    reword("\"Connector config {*", "Java prints the whole config, passwords included"),
    reword("*PluginDesc{*", "Java's list names its own classes, and an exception's class"),
    reword("*Value must be non-null*", "one mistake, one error"),
    reword("\"Input byte*", "a decoder's words"),
    allow(
        "*/config/validate *",
        "200/200",
        "body.configs[*].value.value",
        "a wrong value is shown, so that a form can mark it; Java shows null",
    ),
    allow(
        "*/config/validate *\"many\"*",
        "200/200",
        "body.configs[tasks.max].value.errors[*null*",
        "one mistake, one error",
    ),
    allow("*/config/validate *\"tasks.max\":\"many\"*", "200/200", "body.error_count", "as above"),
    allow(
        "*MirrorSourceConnector/config/validate *\"connector.class\":\"MirrorSource\"*",
        "400/200",
        "*",
        "an alias means its class, whichever of both is in the path",
    ),
    allow("*", "401/401", "*", "as an error in JSON, and with the challenge that RFC 9110 wants and browsers need"),
    allow("GET /connectors Authorization:Basic !", "500/401", "*", "a client's mistake"),
    allow("GET /nonsense", "404/401", "*", "whoever has no password is not told what there is"),
    allow("GET /admin/loggers", "404/401", "*", "as above"),
    allow(
        "*\"replication.policy.class\":\"Nope\"}",
        "200/200",
        "body.configs[replication.policy.class].value.errors*",
        "classes can't be loaded: the error says which are built in",
    ),
    allow(
        "*\"topic.creation.groups\":\"g*",
        "200/200",
        "body.configs[topic.creation.*",
        "what is missing is said here; Java's connector fails for it when it starts",
    ),
    allow("*\"topic.creation.groups\":\"g*", "200/200", "body.error_count", "as above"),
    allow(
        "*/config/validate *",
        "200/200",
        "body.configs[transforms.t.*].value.errors[Invalid value *",
        "the whole key is named; and one mistake, one error",
    ),
    allow("*/config/validate *", "200/200", "body.configs[predicates.p.*].value.errors[Invalid value *", "as above"),
    allow("*/config/validate *", "200/200", "body.configs[transforms.t.*].value.errors[Configuration *", "as above"),
    allow("*/config/validate *RegexRouter\"}", "200/200", "body.error_count", "as above"),
    allow("*/config/validate *InsertHeader\"*", "200/200", "body.error_count", "as above"),
    allow("*/config/validate *TopicNameMatches\"}", "200/200", "body.error_count", "as above"),
    allow(
        "*\"exactly.once.support\":\"required\"*",
        "200/200",
        "body.configs[exactly.once.support].value.errors*",
        "all that stands against it; in Java the connector's word hides the worker's",
    ),
    allow("*\"exactly.once.support\":\"required\"*", "200/200", "body.error_count", "as above"),
    allow(
        "*\"producer.override.linger.ms\":\"5\"}",
        "200/200",
        "body.configs[producer.override.linger.ms]",
        "a client's keys are checked where the client is made, and shown here when a policy refuses them",
    ),
    allow("*.override.*", "200/200", "body.configs[*.override.*].definition", "as above: not described"),
    allow("*.override.*", "200/200", "body.configs order", "as they stand in the config"),
    allow("*\"producer.override.sasl.jaas.config\"*", "200/200", "body.configs[producer.override.s*", "as above"),
    allow("*ExtractField$Value\"*a.`b*", "200/200", "body.*error*", "said here; in Java the task fails for it"),
    allow("*TimestampConverter$Value\"*\"string\"}", "200/200", "body.*error*", "as above"),
    allow("*InsertField$Value\"*", "200/200", "body.*error*", "as above"),
    allow("*Cast$Value\"}", "200/200", "body.*error*", "one mistake, one error"),
    // Java's own order is that of a hash table.
    allow("*.converter\":\"*.JsonConverter\"*", "200/200", "body.configs order", "as it is in /connector-plugins"),
    allow("*.converter\":\"*.JsonConverter\"*", "200/200", "body.groups order", "as above"),
    allow("GET /connectors", "200/200", "body order", "sorted by name"),
    by_chance("POST /connectors/m/restart?*", "202/202", "body.tasks[*].id", "the plan is sorted by task"),
    by_chance(
        "POST /connectors/m/restart?*",
        "202/202",
        "body.*.version",
        "Java leaves it null in a plan now and then",
    ),
    // What is the same thing in both, and can't be the same text.
    allow(
        "*/offsets",
        "200/200",
        "body.offsets[*].offset.leaderEpoch",
        "stored beside Java's field, which Java reads alone",
    ),
    allow("*/offsets", "200/200", "body.offsets[*].offset.topicId", "as above"),
    by_chance("*/offsets", "200/200", "body.offsets[*].offset.seenMs", "as above, once the end has been reached"),
    allow("*/fails/*", "20*", "body*.trace", "a stack trace is Java's own"),
    allow("*/admin/loggers*", "200/200", "body*.last_modified", "the moment"),
    allow("*/admin/loggers*", "200/200", "body.*", "Java's has a logger for each of its classes"),
    allow("PUT /admin/loggers/*", "200/200", "body[org.*", "as above"),
    allow("PUT /admin/loggers/*", "200/200", "body[state.*", "as above"),
];

impl Allowed {
    pub(crate) fn covers(&self, asked: &str, difference: &Difference) -> bool {
        matches(self.asked, asked)
            && matches(self.statuses, &difference.statuses)
            && matches(self.at, &difference.at)
            && matches(self.java, &difference.java)
    }
}

/// Whether `text` is of the form of `pattern`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            rest.is_empty()
                || (0..=text.len()).filter(|&at| text.is_char_boundary(at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}
