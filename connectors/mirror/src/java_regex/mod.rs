//! `java.util.regex`, as far as names of topics, groups and configs need it: does the whole text match?
//!
//! A pattern is translated construct by construct, so that nothing depends on what the two syntaxes happen to
//! share: `\w` is ASCII, `[a-z&&[^b]]` intersects, `[\w-.]` holds a minus, `\Q…\E` quotes, `(?i)` folds ASCII. What cannot be
//! expressed is an error that names it. The target is `fancy-regex`, which hands everything without look-around, possessive
//! quantifiers and back-references to an engine that needs linear time; the rest backtracks within a limit, and reaching the
//! limit is an error too, never a quiet "no".
//!
//! `golden/java_regex.json` holds the answers of Java 17 for 299 patterns on 127 texts. Known differences, none of them
//! likely in a name: `\b` knows ASCII words only (as Java does since 19), and back-references to groups of a branch that has
//! been given up do not match.

mod class;
mod escape;
mod property;
mod translate;

use std::sync::{Arc, OnceLock};

use fancy_regex::{Regex, RegexBuilder};
use thiserror::Error;

use translate::{Lines, translate};

/// Compiled size of a pattern above which it is refused: room for ten thousand names joined by `|`.
const SIZE_LIMIT_BYTES: usize = 64 << 20;
/// Steps of the backtracking engine after which a text is given up.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Why a pattern or a match has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JavaRegexError {
    /// Java refuses the pattern, too.
    #[error("regex {pattern:?}: {problem} (at character {at})")]
    Syntax {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        problem: String,
        /// Where, counted in characters from 0.
        at: usize,
    },
    /// Java knows it, this program does not.
    #[error("regex {pattern:?} uses {construct}, which is not supported here: write it without (at character {at})")]
    Unsupported {
        /// The pattern.
        pattern: String,
        /// What it uses.
        construct: String,
        /// Where, counted in characters from 0.
        at: usize,
    },
    /// The pattern cannot be compiled.
    #[error("regex {pattern:?} cannot be compiled: {problem}")]
    NotCompiled {
        /// The pattern.
        pattern: String,
        /// What the engine says.
        problem: String,
    },
    /// Matching was given up.
    #[error("regex {pattern:?} backtracks too much on {text:?}: write it without nested repetition")]
    TooMuchBacktracking {
        /// The pattern.
        pattern: String,
        /// The text.
        text: String,
    },
}

/// A compiled pattern. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JavaRegex(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    pattern: String,
    /// For texts of one line: `.` is any character, `$` the end.
    one_line: Regex,
    /// For texts with line ends, where these mean more. Nobody names a group so, until somebody does.
    many_lines: OnceLock<Result<Regex, JavaRegexError>>,
}

impl JavaRegex {
    /// Compiles a pattern (Java: `Pattern.compile`).
    pub fn new(pattern: &str) -> Result<Self, JavaRegexError> {
        let one_line = compile(pattern, Lines::One)?;
        Ok(Self(Arc::new(Compiled { pattern: pattern.to_owned(), one_line, many_lines: OnceLock::new() })))
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.0.pattern
    }

    /// Whether the whole text matches (Java: `Matcher.matches`).
    pub fn matches(&self, text: &str) -> Result<bool, JavaRegexError> {
        self.regex_for(text)?.is_match(text).map_err(|_| self.given_up(text))
    }

    /// The groups of a match of the whole text, the text itself first (Java: `Matcher.group`); a group that took no part is
    /// empty. `None` if it does not match.
    pub fn groups(&self, text: &str) -> Result<Option<Vec<String>>, JavaRegexError> {
        let captures = self.regex_for(text)?.captures(text).map_err(|_| self.given_up(text))?;
        let text_of = |group: Option<fancy_regex::Match<'_>>| group.map_or("", |group| group.as_str()).to_owned();
        Ok(captures.map(|captures| captures.iter().map(text_of).collect()))
    }

    fn regex_for(&self, text: &str) -> Result<&Regex, JavaRegexError> {
        if !text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return Ok(&self.0.one_line);
        }
        let compiled = self.0.many_lines.get_or_init(|| compile(&self.0.pattern, Lines::Many));
        compiled.as_ref().map_err(Clone::clone)
    }

    fn given_up(&self, text: &str) -> JavaRegexError {
        JavaRegexError::TooMuchBacktracking { pattern: self.0.pattern.clone(), text: text.to_owned() }
    }
}

fn compile(pattern: &str, lines: Lines) -> Result<Regex, JavaRegexError> {
    let translated = translate(pattern, lines)?;
    RegexBuilder::new(&format!(r"\A(?:{translated})\z"))
        .delegate_size_limit(SIZE_LIMIT_BYTES)
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .map_err(|error| JavaRegexError::NotCompiled { pattern: pattern.to_owned(), problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Golden {
        subjects: Vec<String>,
        patterns: Vec<(String, Option<Vec<usize>>)>,
    }

    fn golden() -> Golden {
        let mut json: serde_json::Value = serde_json::from_str(include_str!("../../golden/java_regex.json")).unwrap();
        Golden {
            subjects: serde_json::from_value(json["subjects"].take()).unwrap(),
            patterns: serde_json::from_value(json["patterns"].take()).unwrap(),
        }
    }

    /// Java knows these and we do not: each is an error, none a wrong answer.
    const NOT_SUPPORTED: &[&str] = &[
        "(?=a)*a",
        r"\X",
        r"\N{LATIN SMALL LETTER A}",
        r"\p{InGreek}",
        r"\p{javaLowerCase}",
        "(?x) a b",
        "(?x)a#c",
        r"(?U)\w+",
    ];

    #[test]
    fn texts_match_as_in_java_and_what_java_refuses_is_refused() {
        let golden = golden();
        let mut wrong = Vec::new();
        for (pattern, expected) in &golden.patterns {
            let regex = JavaRegex::new(pattern);
            let Some(expected) = expected.as_ref().filter(|_| !NOT_SUPPORTED.contains(&pattern.as_str())) else {
                if regex.is_ok() {
                    wrong.push(format!("{pattern:?} is accepted"));
                }
                continue;
            };
            let regex = match regex {
                Ok(regex) => regex,
                Err(error) => {
                    wrong.push(error.to_string());
                    continue;
                }
            };
            for (index, text) in golden.subjects.iter().enumerate() {
                if regex.matches(text) != Ok(expected.contains(&index)) {
                    wrong.push(format!("{pattern:?} on {text:?}: {:?}", regex.matches(text)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn an_error_names_the_pattern_and_what_to_do() {
        let error = |pattern| JavaRegex::new(pattern).unwrap_err().to_string();

        assert_eq!(
            error(r"a|\p{InGreek}"),
            r#"regex "a|\\p{InGreek}" uses the Unicode block \p{InGreek}, which is not supported here: write it without (at character 12)"#
        );
        assert_eq!(error("a|*"), r#"regex "a|*": dangling meta character '*' (at character 2)"#);
        assert_eq!(error("(a"), r#"regex "(a": a group is not closed (at character 1)"#);
        assert!(error(r"\p{IsKlingon}").contains("cannot be compiled"));
    }

    #[test]
    fn nested_repetition_takes_linear_time_where_nothing_needs_backtracking() {
        let regex = JavaRegex::new("(x+x+)+y").unwrap();

        assert_eq!(regex.matches(&"x".repeat(10_000)), Ok(false));
    }

    #[test]
    fn too_much_backtracking_is_an_error_and_no_answer() {
        let regex = JavaRegex::new(r"(x+x+)+\1y").unwrap();

        let error = regex.matches(&"x".repeat(60)).unwrap_err();

        assert!(matches!(error, JavaRegexError::TooMuchBacktracking { .. }), "{error}");
    }

    #[test]
    fn ten_thousand_names_are_one_pattern() {
        let names: Vec<String> = (0..10_000).map(|number| format!("some-team.some-topic-{number}")).collect();
        let regex = JavaRegex::new(&names.join("|")).unwrap();

        assert_eq!(regex.matches("some-team.some-topic-9999"), Ok(true));
        assert_eq!(regex.matches("some-team.some-topic-10000"), Ok(false));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        assert!(JavaRegex::new(&"[".repeat(100_000)).is_err());
        assert!(JavaRegex::new(&"[a&&".repeat(100_000)).is_err());
        assert!(JavaRegex::new(&format!("[{}]", "a&&".repeat(100_000))).is_err());
        assert!(JavaRegex::new(&format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000))).is_err());
    }

    #[test]
    fn line_ends_mean_what_they_mean_in_java() {
        let matches = |pattern, text| JavaRegex::new(pattern).unwrap().matches(text).unwrap();

        assert!(!matches("a.*", "a\nb"));
        assert!(matches("(?s)a.*", "a\nb"));
        assert!(matches(r"a$\s", "a\n"));
        assert!(!matches("a$", "a\n"));
    }
}
