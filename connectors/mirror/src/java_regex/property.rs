//! `\p{…}`: Java's names for sets of characters.

use super::JavaRegexError;
use super::class::Set;
use super::translate::Parser;

/// General categories that both sides know by the same name.
const CATEGORIES: &[&str] = &[
    "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Pd",
    "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf", "L", "M", "N", "Z", "P", "S", "LC",
];

/// Binary properties by the name that follows `Is`, in lower case, and what they are in the target syntax.
const BINARY: &[(&str, &str)] = &[
    ("alphabetic", r"\p{Alphabetic}"),
    ("letter", r"\p{L}"),
    ("ideographic", r"\p{Ideographic}"),
    ("lowercase", r"\p{Lowercase}"),
    ("uppercase", r"\p{Uppercase}"),
    ("titlecase", r"\p{Lt}"),
    ("white_space", r"\p{White_Space}"),
    ("whitespace", r"\p{White_Space}"),
    ("control", r"\p{Cc}"),
    ("punctuation", r"\p{P}"),
    ("digit", r"\p{Nd}"),
    ("alnum", r"\p{Alphabetic}\p{Nd}"),
];

/// With `(?i)`, a letter of one case stands for a letter of any.
const ANY_CASE: &str = r"\p{Lu}\p{Ll}\p{Lt}";
const ANY_CASE_BINARY: &str = r"\p{Uppercase}\p{Lowercase}\p{Lt}";

impl Parser<'_> {
    /// What follows `\p` or `\P`.
    pub(super) fn property(&mut self, negated: bool) -> Result<Set, JavaRegexError> {
        let name = if self.take('{') {
            let mut name = String::new();
            loop {
                match self.next() {
                    Some(token) if token.char == '}' => break name,
                    Some(token) => name.push(token.char),
                    None => return Err(self.syntax("unclosed character family")),
                }
            }
        } else {
            self.next().ok_or_else(|| self.syntax("empty character family"))?.char.to_string()
        };
        let set = self.named(&name)?;
        Ok(if negated { Set::Not(Box::new(set)) } else { set })
    }

    fn named(&self, name: &str) -> Result<Set, JavaRegexError> {
        let text = |text: &str| Set::Text { text: text.to_owned(), negated: false };
        if let Some((key, value)) = name.split_once('=') {
            return match key.to_ascii_lowercase().as_str() {
                "sc" | "script" => self.script(value, name),
                "gc" | "general_category" => self.named(value),
                _ => Err(self.unsupported(format!(r"\p{{{name}}}"))),
            };
        }
        if let Some(binary) = name.strip_prefix("Is") {
            let lower = binary.to_ascii_lowercase();
            if self.flags.ignore_case && matches!(&*lower, "uppercase" | "lowercase" | "titlecase") {
                return Ok(text(ANY_CASE_BINARY));
            }
            return match BINARY.iter().find(|(known, _)| *known == lower) {
                Some((_, class)) => Ok(text(class)),
                None if CATEGORIES.contains(&binary) => self.named(binary),
                None => self.script(binary, name),
            };
        }
        Ok(match name {
            "Lower" => Set::Range('a', 'z'),
            "Upper" => Set::Range('A', 'Z'),
            "ASCII" => text(r"\x{0}-\x{7f}"),
            "Alpha" => text("A-Za-z"),
            "Digit" => text("0-9"),
            "Alnum" => text("0-9A-Za-z"),
            "Punct" => text(r"\x{21}-\x{2f}\x{3a}-\x{40}\x{5b}-\x{60}\x{7b}-\x{7e}"),
            "Graph" => text(r"\x{21}-\x{7e}"),
            "Print" => text(r"\x{20}-\x{7e}"),
            "Blank" => text(r"\x{9}\x{20}"),
            "Cntrl" => text(r"\x{0}-\x{1f}\x{7f}"),
            "XDigit" => text("0-9A-Fa-f"),
            "Space" => text(r"\x{9}-\x{d}\x{20}"),
            "L1" => text(r"\x{0}-\x{ff}"),
            "LD" => text(r"\p{L}\p{Nd}"),
            "Lu" | "Ll" | "Lt" if self.flags.ignore_case => text(ANY_CASE),
            category if CATEGORIES.contains(&category) => text(&format!(r"\p{{{category}}}")),
            block if block.starts_with("In") => {
                return Err(self.unsupported(format!(r"the Unicode block \p{{{block}}}")));
            }
            java if java.starts_with("java") => return Err(self.unsupported(format!(r"\p{{{java}}}"))),
            other => return Err(self.syntax(format!("unknown character property name {{{other}}}"))),
        })
    }

    /// A script; the engine knows their names, and `NotCompiled` says so if it does not.
    fn script(&self, script: &str, name: &str) -> Result<Set, JavaRegexError> {
        if script.is_empty() || !script.chars().all(|char| char.is_ascii_alphabetic() || char == '_') {
            return Err(self.syntax(format!("unknown character property name {{{name}}}")));
        }
        Ok(Set::Text { text: format!(r"\p{{Script={script}}}"), negated: false })
    }
}
