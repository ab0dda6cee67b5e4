//! JAAS files as far as the REST API needs them: sections with one login module and its options. Parsed, never executed.
//!
//! ```text
//! KafkaConnect {
//!     some.LoginModule required
//!     file="/etc/credentials.properties";
//! };
//! ```

use std::collections::BTreeMap;

/// One login module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) module: String,
    pub(super) options: BTreeMap<String, String>,
}

/// The first entry of each section.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Entry>, String> {
    let mut tokens = tokens(text)?.into_iter();
    let mut sections = BTreeMap::new();
    while let Some(name) = tokens.next() {
        if name == ";" {
            continue;
        }
        if tokens.next().as_deref() != Some("{") {
            return Err(format!("\"{{\" is expected after {name}"));
        }
        let mut words = Vec::new();
        loop {
            match tokens.next().as_deref() {
                None => return Err(format!("the section {name} has no end")),
                Some("}") => break,
                Some(word) => words.push(word.to_owned()),
            }
        }
        // What follows the first semicolon is a second login module.
        let mut first = words.into_iter().take_while(|word| word != ";");
        let module = first.next().ok_or_else(|| format!("the section {name} is empty"))?;
        // required, optional, …: with one module it makes no difference.
        first.next();
        let first: Vec<String> = first.collect();
        let options = first.chunks(3).map(|option| match option {
            [key, equals, value] if equals == "=" => Ok((key.clone(), value.clone())),
            other => Err(format!("the options of {module} are no key=value: {}", other.join(" "))),
        });
        let options = options.collect::<Result<_, _>>()?;
        sections.insert(name, Entry { module, options });
    }
    Ok(sections)
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let taken = if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").ok_or("a comment has no end")? + 4
        } else if rest.starts_with("//") || first == '#' {
            rest.find('\n').unwrap_or(rest.len())
        } else if matches!(first, '{' | '}' | ';' | '=') {
            tokens.push(first.to_string());
            1
        } else if first == '"' {
            let (token, taken) = quoted(rest)?;
            tokens.push(token);
            taken
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{};=\"".contains(c)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            end
        };
        rest = &rest[taken..];
    }
}

/// The text between quotes, and how many bytes it took with them.
fn quoted(text: &str) -> Result<(String, usize), String> {
    let mut token = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((token, at + 1)),
            '\\' => token.extend(characters.next().map(|(_, escaped)| escaped)),
            other => token.push(other),
        }
    }
    Err("a quoted text has no end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_java_reads_it() {
        let text = "// a comment\nOther { a.B optional; };\nKafkaConnect {\n  c.Module required /* here */\n  \
                    file=\"/etc/a b.properties\" debug = true;\n};";

        let sections = parse(text).unwrap();

        let entry = &sections["KafkaConnect"];
        assert_eq!(entry.module, "c.Module");
        let options = [("debug", "true"), ("file", "/etc/a b.properties")];
        assert_eq!(entry.options, options.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert_eq!(sections["Other"].module, "a.B");
    }

    #[test]
    fn what_is_no_jaas_file_is_refused() {
        for text in ["KafkaConnect", "KafkaConnect {", "K { a.B required file };", "K { };", "K { \"a", "/* x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
