//! The worker and connector configs that a file comes to, in Kafka's keys. Secrets are hidden; references to them are not.

use std::io::{self, Write};
use std::path::Path;

use kafka_client::config::is_secret;
use mirror_files::{RunState, Settings};
use serde_json::{Map, Value, json};

use super::{Output, load};
use crate::exit;
use crate::mirror::load::{Mirroring, Options};

/// Shows a file's configs, with `origin` also where each value comes from; answers with the exit code.
pub(crate) fn show(file: &Path, options: &Options, output: Output, origin: bool) -> u8 {
    let mirroring = match load(file, options) {
        Ok(mirroring) => mirroring,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return exit::FATAL;
        }
    };
    let text = match output {
        Output::Json => format!("{:#}\n", as_json(&mirroring)),
        Output::Text => as_text(&mirroring, origin),
    };
    // A reader that has seen enough, such as head, is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    exit::OK
}

fn as_text(mirroring: &Mirroring, origin: bool) -> String {
    let mut text = String::new();
    for flow in &mirroring.flows {
        text += &format!("# worker of {}\n{}", flow.name, lines(&flow.worker, origin));
        for connector in &flow.connectors {
            let state = connector.state.map(|state| format!(", {}", word(state))).unwrap_or_default();
            text += &format!("\n# connector {}{state}\n{}", connector.name, lines(&connector.settings, origin));
        }
        text.push('\n');
    }
    text
}

fn lines(settings: &Settings, origin: bool) -> String {
    let line = |(key, given): (&str, &mirror_files::settings::Given)| {
        let value = shown(key, &given.text).replace('\\', "\\\\").replace('\n', "\\n");
        let from = match given.line {
            _ if !origin => String::new(),
            Some(line) => format!("# line {line}\n"),
            None => format!("# {}\n", given.place.unwrap_or("derived")),
        };
        format!("{from}{key}={value}\n")
    };
    settings.iter().map(line).collect()
}

fn as_json(mirroring: &Mirroring) -> Value {
    let config = |settings: &Settings| -> Value {
        let values = settings.iter().map(|(key, given)| (key.to_owned(), json!(shown(key, &given.text))));
        Value::Object(values.collect::<Map<_, _>>())
    };
    let flow = |flow: &mirror_files::Flow| {
        let connectors = flow.connectors.iter().map(|connector| {
            json!({
                "name": connector.name,
                "state": connector.state.map(word),
                "config": config(&connector.settings),
            })
        });
        json!({"name": flow.name, "worker": config(&flow.worker), "connectors": connectors.collect::<Vec<_>>()})
    };
    json!({"groups": mirroring.flows.iter().map(flow).collect::<Vec<_>>()})
}

/// A value as anyone may see it.
fn shown<'a>(key: &str, text: &'a str) -> &'a str {
    let whole_reference = text.starts_with("${") && text.ends_with('}') && !text[2..].contains("${");
    let sensitive = key.rsplit('.').next().is_some_and(|word| word.contains("password") || word.contains("secret"));
    let mut rest = key;
    let secret = loop {
        match rest.split_once('.') {
            _ if is_secret(rest) => break true,
            Some((_, below)) => rest = below,
            None => break sensitive,
        }
    };
    if secret && !whole_reference { "[hidden]" } else { text }
}

fn word(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_behind_every_prefix_and_references_are_not() {
        for key in
            ["sasl.jaas.config", "source.cluster.ssl.keystore.key", "producer.ssl.key.password", "x.basic.password"]
        {
            assert_eq!(shown(key, "s3cret"), "[hidden]", "{key}");
            assert_eq!(shown(key, "${file:/x:y}"), "${file:/x:y}", "{key}");
            assert_eq!(shown(key, "${a:b:c}s3cret${d:e:f}"), "[hidden]", "{key}");
        }
        assert_eq!(shown("topics", "x"), "x");
    }
}
