//! `sasl.jaas.config`: read, never executed.
//!
//! Java instantiates whatever class such a line names, which has been a way to run code from a
//! configuration (CVE-2023-25194). Here the line is data: a module name out of three, and options.
//! Syntax as in Kafka's `JaasConfig`: `Module flag key="value" ... ;` with Java's string escapes.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

use crate::config::Secret;

/// A login module that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Module {
    Plain,
    Scram,
    OAuthBearer,
}

/// What one JAAS line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Jaas {
    pub(crate) module: Module,
    options: BTreeMap<String, Secret>,
}

const MODULES: &[(&str, Module)] = &[
    ("org.apache.kafka.common.security.plain.PlainLoginModule", Module::Plain),
    ("org.apache.kafka.common.security.scram.ScramLoginModule", Module::Scram),
    ("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule", Module::OAuthBearer),
];
const FLAGS: &[&str] = &["required", "requisite", "sufficient", "optional"];

impl Jaas {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, without repeating any value.
    pub(crate) fn parse(line: &str) -> Result<Jaas, String> {
        let mut tokens = Tokens { chars: line.char_indices().peekable(), line };
        let class = tokens.word("the login module")?;
        let module = MODULES.iter().find(|(name, _)| *name == class).map(|(_, module)| *module).ok_or_else(|| {
            let names: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
            format!("login module {class} is not supported; it must be one of {}", names.join(", "))
        })?;
        let flag = tokens.word("the control flag")?;
        if !FLAGS.contains(&flag.to_ascii_lowercase().as_str()) {
            return Err(format!("control flag {flag} is not one of {}", FLAGS.join(", ")));
        }
        let mut options = BTreeMap::new();
        while !tokens.take(';') {
            let key = tokens.word("an option or the semicolon at the end")?;
            if !tokens.take('=') {
                return Err(format!("option {key} has no value"));
            }
            let value = tokens.value(&key)?;
            options.insert(key, Secret::new(value));
        }
        tokens.skip_space();
        if tokens.chars.peek().is_some() {
            return Err("it must name one login module, there is more after the semicolon".to_owned());
        }
        Ok(Jaas { module, options })
    }

    /// The value of an option.
    pub(crate) fn option(&self, key: &str) -> Option<&Secret> {
        self.options.get(key)
    }

    /// Options whose key begins with `prefix`, by the rest of the key.
    pub(crate) fn options_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Secret)> {
        self.options.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value)))
    }
}

struct Tokens<'a> {
    chars: Peekable<CharIndices<'a>>,
    line: &'a str,
}

impl Tokens<'_> {
    fn skip_space(&mut self) {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.chars.next_if(|(_, c)| *c == wanted).is_some()
    }

    /// A run of anything but space, `=`, `;` and quotes.
    fn word(&mut self, what: &str) -> Result<String, String> {
        self.skip_space();
        let start = self.chars.peek().map_or(self.line.len(), |(at, _)| *at);
        while self.chars.next_if(|(_, c)| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\'')).is_some() {}
        let end = self.chars.peek().map_or(self.line.len(), |(at, _)| *at);
        match &self.line[start..end] {
            "" if end == self.line.len() => {
                Err(format!("it ends where {what} is expected; it must end with a semicolon"))
            }
            "" => Err(format!("{what} is expected at character {start}")),
            word => Ok(word.to_owned()),
        }
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        self.skip_space();
        match self.chars.next_if(|(_, c)| matches!(c, '"' | '\'')) {
            Some((_, quote)) => self.quoted(quote).ok_or_else(|| format!("the value of option {key} is not closed")),
            None => self.word(&format!("the value of option {key}")),
        }
    }

    /// The rest of a string, with the escapes of Java's `StreamTokenizer`.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        loop {
            match self.chars.next()?.1 {
                c if c == quote => return Some(value),
                '\\' => value.push(match self.chars.next()?.1 {
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\u{b}',
                    digit @ '0'..='7' => self.octal(digit)?,
                    other => other,
                }),
                c => value.push(c),
            }
        }
    }

    /// Up to three octal digits, at most `\377`.
    fn octal(&mut self, first: char) -> Option<char> {
        let mut code = first.to_digit(8)?;
        let more = if first <= '3' { 2 } else { 1 };
        for _ in 0..more {
            let Some((_, digit)) = self.chars.next_if(|(_, c)| c.is_digit(8)) else { break };
            code = code * 8 + digit.to_digit(8)?;
        }
        char::from_u32(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(line: &str, key: &str) -> String {
        Jaas::parse(line).unwrap().option(key).unwrap().expose().to_owned()
    }

    #[test]
    fn options_are_read_with_quotes_and_escapes_as_java_reads_them() {
        let line = r#"org.apache.kafka.common.security.plain.PlainLoginModule required
            username="a;b=c" password='it''s' ;"#;
        assert!(Jaas::parse(line).is_err(), "two strings in a row are not one value");

        let line = r#"org.apache.kafka.common.security.plain.PlainLoginModule required
            username="a;b=c" password="q\"\\\n\101\t" plain=unquoted7 ;"#;
        assert_eq!(Jaas::parse(line).unwrap().module, Module::Plain);
        assert_eq!(option(line, "username"), "a;b=c");
        assert_eq!(option(line, "password"), "q\"\\\nA\t");
        assert_eq!(option(line, "plain"), "unquoted7");
    }

    #[test]
    fn a_module_without_options_is_enough_for_oauthbearer() {
        let line = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule REQUIRED;";

        assert_eq!(Jaas::parse(line).unwrap().module, Module::OAuthBearer);
    }

    #[test]
    fn only_known_modules_are_accepted_and_no_secret_is_repeated() {
        let jndi =
            r#"com.sun.security.auth.module.JndiLoginModule required user.provider.url="ldap://x" password="s3cret";"#;

        let error = Jaas::parse(jndi).unwrap_err();

        assert!(error.contains("JndiLoginModule is not supported"), "{error}");
        assert!(!error.contains("s3cret"));
    }

    #[test]
    fn a_line_that_is_not_finished_says_what_is_missing() {
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
        for (line, says) in [
            (String::new(), "the login module"),
            (plain.to_owned(), "the control flag"),
            (format!("{plain} maybe;"), "control flag maybe"),
            (format!("{plain} required username=\"x\""), "must end with a semicolon"),
            (format!("{plain} required username=\"x;"), "is not closed"),
            (format!("{plain} required username;"), "has no value"),
            (format!("{plain} required; {plain} required;"), "one login module"),
        ] {
            let error = Jaas::parse(&line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn options_do_not_show_in_debug_output() {
        let line =
            r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="s3cret";"#;

        assert!(!format!("{:?}", Jaas::parse(line).unwrap()).contains("s3cret"));
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in r#"(org\.apache\.kafka\.common\.security\.plain\.PlainLoginModule )?(required )?[a-z=";'\\0-9 \u{e4}\u{1f600}]*"#) {
            let _ = Jaas::parse(&line);
        }

        #[test]
        fn what_is_quoted_as_java_quotes_is_read_back(value in "\\PC*") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("org.apache.kafka.common.security.plain.PlainLoginModule required a=\"{quoted}\";");
            proptest::prop_assert_eq!(option(&line, "a"), value);
        }
    }
}
