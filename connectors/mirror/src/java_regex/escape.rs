//! What `\` stands for, outside classes and in them.

use super::JavaRegexError;
use super::class::{ASCII_WORD, HORIZONTAL_SPACE, Set, VERTICAL_SPACE};
use super::translate::{Parser, Token};

impl Parser<'_> {
    /// What follows `\` outside a class.
    pub(super) fn escape(&mut self) -> Result<(), JavaRegexError> {
        let Some(token) = self.next() else {
            return Err(self.syntax("a backslash at the end"));
        };
        let word = ASCII_WORD;
        let translated = match token.char {
            'b' => format!("(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))"),
            'B' => format!("(?:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}]))"),
            'A' | 'G' => r"\A".to_owned(),
            'z' => r"\z".to_owned(),
            'Z' => self.before_last_line_end(),
            'R' => format!(r"(?:\r\n|[{VERTICAL_SPACE}])"),
            'k' => {
                if !self.take('<') {
                    return Err(self.syntax(r"\k is not followed by '<'"));
                }
                let name = self.group_name()?;
                let group = self.names.iter().find(|(other, _)| *other == name).map(|(_, group)| *group);
                let group =
                    group.ok_or_else(|| self.syntax(format!("named capturing group <{name}> does not exist")))?;
                self.back_reference(group)
            }
            digit @ '1'..='9' => {
                let mut group = digit.to_digit(10).unwrap_or(0) as usize;
                // Java takes more digits as long as such a group has been opened.
                while let Some(more) = self.plain(0).and_then(|char| char.to_digit(10)) {
                    let longer = group * 10 + more as usize;
                    if longer > self.groups {
                        break;
                    }
                    group = longer;
                    self.skip();
                }
                self.back_reference(group)
            }
            _ => match self.escaped(token, false)? {
                Set::Char(char) => self.literal(char),
                set => self.set(&set),
            },
        };
        self.atom(translated)
    }

    fn back_reference(&self, group: usize) -> String {
        if group > self.groups {
            // A group that does not exist, or not yet: never matches.
            return "(?!)".to_owned();
        }
        if self.flags.ignore_case { format!(r"(?i:\{group})") } else { format!(r"(?:\{group})") }
    }

    /// What `\` and this token stand for, in a class or outside, if that is a character or a set of them.
    pub(super) fn escaped(&mut self, token: Token, in_class: bool) -> Result<Set, JavaRegexError> {
        let set = |text: &str, negated| Set::Text { text: text.to_owned(), negated };
        Ok(match token.char {
            'd' => set("0-9", false),
            'D' => set("0-9", true),
            'w' => set(ASCII_WORD, false),
            'W' => set(ASCII_WORD, true),
            's' => set(r"\x{9}-\x{d}\x{20}", false),
            'S' => set(r"\x{9}-\x{d}\x{20}", true),
            'h' => set(HORIZONTAL_SPACE, false),
            'H' => set(HORIZONTAL_SPACE, true),
            // In front of a minus it is the vertical tab.
            'v' if in_class && self.plain(0) == Some('-') => Set::Char('\u{b}'),
            'v' => set(VERTICAL_SPACE, false),
            'V' => set(VERTICAL_SPACE, true),
            'p' | 'P' => self.property(token.char == 'P')?,
            't' => Set::Char('\t'),
            'n' => Set::Char('\n'),
            'f' => Set::Char('\u{c}'),
            'r' => Set::Char('\r'),
            'a' => Set::Char('\u{7}'),
            'e' => Set::Char('\u{1b}'),
            'c' => {
                let control = self.next().ok_or_else(|| self.syntax("illegal control escape sequence"))?;
                Set::Char(self.code_point(u32::from(control.char) ^ 64)?)
            }
            '0' => Set::Char(self.octal()?),
            'x' => Set::Char(self.hex()?),
            'u' => Set::Char(self.utf16()?),
            'X' if !in_class => return Err(self.unsupported(r"\X (grapheme clusters)")),
            'N' => return Err(self.unsupported(r"\N (characters by name)")),
            char if char.is_ascii_alphanumeric() => {
                return Err(self.syntax(format!("illegal escape sequence \\{char}")));
            }
            char => Set::Char(char),
        })
    }

    fn code_point(&self, code: u32) -> Result<char, JavaRegexError> {
        char::from_u32(code).ok_or_else(|| self.unsupported("half a surrogate pair"))
    }

    fn digits(&mut self, radix: u32, min: usize, max: usize) -> Option<u32> {
        let mut code = 0_u32;
        for taken in 0..max {
            match self.plain(0).and_then(|char| char.to_digit(radix)) {
                Some(digit) => code = code.checked_mul(radix)?.checked_add(digit)?,
                None if taken >= min => break,
                None => return None,
            }
            self.skip();
        }
        Some(code)
    }

    fn octal(&mut self) -> Result<char, JavaRegexError> {
        let three = self.plain(0).is_some_and(|char| char <= '3');
        let code = self.digits(8, 1, if three { 3 } else { 2 });
        self.code_point(code.ok_or_else(|| self.syntax("illegal octal escape sequence"))?)
    }

    fn hex(&mut self) -> Result<char, JavaRegexError> {
        let illegal = "illegal hexadecimal escape sequence";
        let code = if self.take('{') {
            let code = self.digits(16, 1, 8).ok_or_else(|| self.syntax(illegal))?;
            if !self.take('}') {
                return Err(self.syntax(illegal));
            }
            code
        } else {
            self.digits(16, 2, 2).ok_or_else(|| self.syntax(illegal))?
        };
        self.code_point(code)
    }

    /// Four digits; two escapes that make a surrogate pair are one character.
    fn utf16(&mut self) -> Result<char, JavaRegexError> {
        let illegal = "illegal Unicode escape sequence";
        let unit = self.digits(16, 4, 4).ok_or_else(|| self.syntax(illegal))?;
        if (0xd800..0xdc00).contains(&unit) && self.plain(0) == Some('\\') && self.plain(1) == Some('u') {
            self.skip();
            self.skip();
            let low = self.digits(16, 4, 4).ok_or_else(|| self.syntax(illegal))?;
            let pair = [unit, low].map(|unit| unit as u16);
            let char = char::decode_utf16(pair).next().and_then(Result::ok);
            return char.ok_or_else(|| self.unsupported("half a surrogate pair"));
        }
        self.code_point(unit)
    }
}
