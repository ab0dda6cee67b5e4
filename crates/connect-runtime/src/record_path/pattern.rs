//! Regular expressions with Java's matching and replacing.

use fancy_regex::{Captures, Regex};

use super::catalog::Problem;

/// A pattern, and the same one for whole texts.
#[derive(Debug, Clone)]
pub struct Pattern {
    anywhere: Regex,
    whole: Regex,
}

impl Pattern {
    /// Reads the pattern under `key`.
    pub(crate) fn from_config(key: &str, text: &str) -> Result<Self, Problem> {
        let compile = |text: &str| {
            Regex::new(text).map_err(|error| {
                Problem::new(key, format!("Invalid value {text} for configuration {key}: Invalid regex: {error}"))
            })
        };
        Ok(Self { anywhere: compile(text)?, whole: compile(&format!(r"\A(?:{text})\z"))? })
    }

    /// Whether the whole text matches. A pattern that runs out of steps does not.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text).unwrap_or(false)
    }

    /// If the whole text matches, the text with the first match replaced (Java: `matches()`, then `replaceFirst`).
    #[must_use]
    pub fn replace(&self, text: &str, replacement: &str) -> Option<String> {
        if !self.matches(text) {
            return None;
        }
        let captures = self.anywhere.captures(text).ok().flatten()?;
        let found = captures.get(0)?;
        Some(format!("{}{}{}", &text[..found.start()], expand(&captures, replacement), &text[found.end()..]))
    }
}

/// Java's `Matcher.appendReplacement`: `$1`, `${name}`, and a backslash that takes what follows literally. A group number takes
/// further digits for as long as there is such a group.
fn expand(captures: &Captures<'_, str>, replacement: &str) -> String {
    let group = |index: usize| captures.get(index).map_or("", |found| found.as_str());
    let mut out = String::new();
    let mut rest = replacement.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\\' => out.extend(rest.next()),
            '$' if rest.peek() == Some(&'{') => {
                let name: String = rest.by_ref().skip(1).take_while(|char| *char != '}').collect();
                out.push_str(captures.name(&name).map_or("", |found| found.as_str()));
            }
            '$' => {
                let mut index = 0;
                let mut digits = 0;
                while let Some(digit) = rest.peek().and_then(|char| char.to_digit(10)) {
                    let longer = index * 10 + digit as usize;
                    if digits > 0 && longer >= captures.len() {
                        break;
                    }
                    (index, digits) = (longer, digits + 1);
                    rest.next();
                }
                if digits > 0 { out.push_str(group(index)) } else { out.push('$') }
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_is_java_s() {
        let replaced = |regex: &str, replacement: &str, text: &str| {
            Pattern::from_config("regex", regex).unwrap().replace(text, replacement)
        };

        for (regex, replacement, text, expected) in [
            (r"(.*)-(\d+)", "$2.$1", "orders-17", Some("17.orders")),
            ("foo", "bar", "foos", None),
            ("a|ab", "x", "ab", Some("xb")),
            (r"(.)(.*)", "$11", "ab", Some("a1")),
            (r"(?<all>.*)", "${all}!", "t", Some("t!")),
            (".*", r"a\$1", "t", Some("a$1")),
        ] {
            assert_eq!(replaced(regex, replacement, text).as_deref(), expected, "{regex}");
        }
        assert!(Pattern::from_config("regex", "(").is_err());
    }
}
