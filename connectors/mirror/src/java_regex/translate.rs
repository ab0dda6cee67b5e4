//! A Java pattern as a pattern of `fancy-regex`, construct by construct.

use super::JavaRegexError;
use super::class::Set;

/// Which texts the translation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Texts without line ends.
    One,
    /// Any text.
    Many,
}

/// `Pattern`'s flags, as far as they are supported.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`
    pub(super) ignore_case: bool,
    /// `u`
    pub(super) unicode_case: bool,
    /// `s`
    dot_all: bool,
    /// `m`
    multi_line: bool,
    /// `d`
    unix_lines: bool,
}

/// The translation of a pattern, to be matched against the whole text.
pub(super) fn translate(pattern: &str, lines: Lines) -> Result<String, JavaRegexError> {
    let tokens = unquote(pattern);
    let mut parser = Parser {
        pattern,
        tokens,
        at: 0,
        lines,
        flags: Flags::default(),
        open: Vec::new(),
        groups: 0,
        names: Vec::new(),
        out: String::new(),
    };
    while let Some(token) = parser.next() {
        parser.construct(token)?;
    }
    if parser.open.is_empty() { Ok(parser.out) } else { Err(parser.syntax("a group is not closed")) }
}

/// A character; one that was quoted by `\Q…\E` stands for itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) char: char,
    pub(super) quoted: bool,
    /// Its place in the pattern, in characters.
    at: usize,
}

fn unquote(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars().enumerate().peekable();
    let mut quoted = false;
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (char, quoted, next) {
            ('\\', false, Some('Q')) | ('\\', true, Some('E')) => {
                quoted = !quoted;
                chars.next();
            }
            ('\\', false, Some(escaped)) => {
                tokens.push(Token { char, quoted, at });
                tokens.push(Token { char: escaped, quoted, at: at + 1 });
                chars.next();
            }
            _ => tokens.push(Token { char, quoted, at }),
        }
    }
    tokens
}

pub(super) struct Parser<'a> {
    pattern: &'a str,
    tokens: Vec<Token>,
    at: usize,
    lines: Lines,
    pub(super) flags: Flags,
    /// The flags before each open group.
    open: Vec<Flags>,
    /// Capturing groups opened so far.
    pub(super) groups: usize,
    pub(super) names: Vec<(String, usize)>,
    out: String,
}

impl Parser<'_> {
    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).copied();
        self.at += usize::from(token.is_some());
        token
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    /// The character `ahead` places on, if it is not quoted.
    pub(super) fn plain(&self, ahead: usize) -> Option<char> {
        self.tokens.get(self.at + ahead).filter(|token| !token.quoted).map(|token| token.char)
    }

    /// Takes the next character if it is this one, unquoted.
    pub(super) fn take(&mut self, char: char) -> bool {
        let found = self.plain(0) == Some(char);
        self.at += usize::from(found);
        found
    }

    fn place(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.at)
    }

    pub(super) fn syntax(&self, problem: impl Into<String>) -> JavaRegexError {
        JavaRegexError::Syntax { pattern: self.pattern.to_owned(), problem: problem.into(), at: self.place() }
    }

    pub(super) fn unsupported(&self, construct: impl Into<String>) -> JavaRegexError {
        JavaRegexError::Unsupported { pattern: self.pattern.to_owned(), construct: construct.into(), at: self.place() }
    }

    /// One construct; atoms with their quantifier.
    fn construct(&mut self, token: Token) -> Result<(), JavaRegexError> {
        if token.quoted {
            return self.atom(self.literal(token.char));
        }
        match token.char {
            '|' => self.out.push('|'),
            '(' => self.open_group()?,
            ')' => {
                self.flags = self.open.pop().ok_or_else(|| self.syntax("unmatched closing ')'"))?;
                return self.atom(")".to_owned());
            }
            '[' => {
                let set = self.class(0)?;
                return self.atom(self.set(&set));
            }
            '.' => return self.atom(self.dot()),
            '^' => return self.atom(self.line_start()),
            '$' => return self.atom(self.line_end()),
            '\\' => return self.escape(),
            '*' | '+' | '?' => return Err(self.syntax(format!("dangling meta character '{}'", token.char))),
            '{' => return Err(self.syntax("illegal repetition")),
            char => return self.atom(self.literal(char)),
        }
        Ok(())
    }

    pub(super) fn atom(&mut self, translated: String) -> Result<(), JavaRegexError> {
        self.out.push_str(&translated);
        let quantifier = match self.plain(0) {
            Some(char @ ('*' | '+' | '?')) => {
                self.at += 1;
                char.to_string()
            }
            Some('{') => {
                self.at += 1;
                self.counts()?
            }
            _ => return Ok(()),
        };
        self.out.push_str(&quantifier);
        if let Some(mode @ ('?' | '+')) = self.plain(0) {
            self.at += 1;
            self.out.push(mode);
        }
        Ok(())
    }

    /// What follows `{`: `n}`, `n,}` or `n,m}`.
    fn counts(&mut self) -> Result<String, JavaRegexError> {
        let min = self.number().ok_or_else(|| self.syntax("illegal repetition"))?;
        let max = if self.take(',') { self.number() } else { Some(min) };
        if !self.take('}') {
            return Err(self.syntax("unclosed counted closure"));
        }
        match max {
            Some(max) if max < min => Err(self.syntax("illegal repetition range")),
            Some(max) => Ok(format!("{{{min},{max}}}")),
            None => Ok(format!("{{{min},}}")),
        }
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.plain(0).and_then(|char| char.to_digit(10)) {
            number = Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit));
            self.at += 1;
        }
        number
    }

    /// What follows `(`.
    fn open_group(&mut self) -> Result<(), JavaRegexError> {
        let before = self.flags;
        if !self.take('?') {
            self.groups += 1;
            self.open.push(before);
            self.out.push('(');
            return Ok(());
        }
        let opening = match (self.plain(0), self.plain(1)) {
            (Some('<'), Some(look @ ('=' | '!'))) => {
                self.at += 2;
                format!("(?<{look}")
            }
            (Some('<'), _) => {
                self.at += 1;
                let name = self.group_name()?;
                if self.names.iter().any(|(other, _)| *other == name) {
                    return Err(self.syntax(format!("named capturing group <{name}> is already defined")));
                }
                self.groups += 1;
                self.names.push((name, self.groups));
                "(".to_owned()
            }
            (Some(kind @ (':' | '=' | '!' | '>')), _) => {
                self.at += 1;
                format!("(?{kind}")
            }
            _ => {
                self.change_flags()?;
                // Flags without a group hold to the end of the group around them, across `|`.
                if self.take(')') {
                    return Ok(());
                }
                if !self.take(':') {
                    return Err(self.syntax("unknown inline modifier"));
                }
                "(?:".to_owned()
            }
        };
        self.open.push(before);
        self.out.push_str(&opening);
        Ok(())
    }

    pub(super) fn group_name(&mut self) -> Result<String, JavaRegexError> {
        let mut name = String::new();
        while let Some(char) = self.next().filter(|token| !token.quoted).map(|token| token.char) {
            match char {
                '>' if !name.is_empty() => return Ok(name),
                'a'..='z' | 'A'..='Z' => name.push(char),
                '0'..='9' if !name.is_empty() => name.push(char),
                _ => break,
            }
        }
        Err(self.syntax("a group name is a letter, then letters and digits, then '>'"))
    }

    fn change_flags(&mut self) -> Result<(), JavaRegexError> {
        let mut on = true;
        while let Some(char) = self.plain(0) {
            let flags = &mut self.flags;
            let flag = match char {
                'i' => &mut flags.ignore_case,
                'u' => &mut flags.unicode_case,
                's' => &mut flags.dot_all,
                'm' => &mut flags.multi_line,
                'd' => &mut flags.unix_lines,
                '-' if on => {
                    on = false;
                    self.at += 1;
                    continue;
                }
                'x' | 'U' => return Err(self.unsupported(format!("the flag (?{char})"))),
                _ => return Ok(()),
            };
            *flag = on;
            self.at += 1;
        }
        Ok(())
    }

    pub(super) fn literal(&self, char: char) -> String {
        self.set(&Set::Char(char))
    }

    pub(super) fn set(&self, set: &Set) -> String {
        let text = set.to_pattern(self.flags.ignore_case);
        if self.flags.ignore_case && self.flags.unicode_case { format!("(?i:{text})") } else { text }
    }

    fn dot(&self) -> String {
        match self.lines {
            Lines::Many if !self.flags.dot_all => match self.flags.unix_lines {
                true => r"[^\n]".to_owned(),
                false => r"[^\n\r\x{85}\x{2028}\x{2029}]".to_owned(),
            },
            _ => "(?s:.)".to_owned(),
        }
    }

    /// With `(?m)`, the start of a line that is not the end of the text, not even of an empty one.
    fn line_start(&self) -> String {
        match (self.lines, self.flags.multi_line, self.flags.unix_lines) {
            (_, false, _) => r"\A".to_owned(),
            (Lines::One, true, _) => r"(?:\A(?!\z))".to_owned(),
            (Lines::Many, true, true) => r"(?:(?:\A|(?<=\n))(?!\z))".to_owned(),
            (Lines::Many, true, false) => r"(?:(?:\A|(?<=[\n\x{85}\x{2028}\x{2029}])|(?<=\r)(?!\n))(?!\z))".to_owned(),
        }
    }

    fn line_end(&self) -> String {
        match (self.lines, self.flags.multi_line, self.flags.unix_lines) {
            (Lines::One, _, _) => r"\z".to_owned(),
            (_, false, _) => self.before_last_line_end(),
            (_, _, true) => r"(?=\n|\z)".to_owned(),
            (_, _, false) => r"(?:(?=[\r\x{85}\x{2028}\x{2029}]|\z)|(?<!\r)(?=\n))".to_owned(),
        }
    }

    pub(super) fn before_last_line_end(&self) -> String {
        match (self.lines, self.flags.unix_lines) {
            (Lines::One, _) => r"\z".to_owned(),
            (_, true) => r"(?=\n?\z)".to_owned(),
            (_, false) => r"(?:(?=(?:\r\n|[\r\x{85}\x{2028}\x{2029}])?\z)|(?<!\r)(?=\n\z))".to_owned(),
        }
    }
}
