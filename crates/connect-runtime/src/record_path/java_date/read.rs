//! Text to times, as leniently as Java's `SimpleDateFormat` does it: numbers may be longer or shorter than the pattern, a 13th
//! month is the next January, blanks before a field and all that follows the last one count for nothing.

use super::{DAYS, Format, MONTHS, Part};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What stood in the text. Java lets the later of two rivals win: a day of the month or of the year, an hour of the day or of
/// its half.
#[derive(Debug, Clone, Default)]
struct Found {
    before_christ: bool,
    year: Option<i64>,
    month: i64,
    day: Day,
    hour: Hour,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    millisecond: i64,
    zone_ms: i64,
}

#[derive(Debug, Clone, Copy)]
enum Day {
    OfMonth(i64),
    OfYear(i64),
}

impl Default for Day {
    fn default() -> Self {
        Day::OfMonth(1)
    }
}

#[derive(Debug, Clone, Copy)]
enum Hour {
    OfDay(i64),
    OfHalf(i64),
}

impl Default for Hour {
    fn default() -> Self {
        Hour::OfDay(0)
    }
}

impl Format {
    /// The time that a text means, in ms since 1970, or `None` if it does not follow the pattern. Years of two digits are
    /// those from `this_year - 80` on, if the pattern has no more letters for them.
    #[must_use]
    pub fn read(&self, text: &str, this_year: i32) -> Option<i64> {
        let mut found = Found::default();
        let mut rest = text;
        for (index, part) in self.parts.iter().enumerate() {
            rest = match part {
                Part::Text(literal) => rest.strip_prefix(literal.as_str())?,
                Part::Field(letter, width) => {
                    let rest = rest.trim_start_matches([' ', '\t']);
                    // Before another number, a number ends where its letters end.
                    let bounded = self.parts.get(index + 1).is_some_and(Part::is_number).then_some(*width);
                    found.take(*letter, *width, bounded, rest, i64::from(this_year))?
                }
            };
        }
        found.time_ms()
    }
}

impl Part {
    fn is_number(&self) -> bool {
        match self {
            Part::Text(_) => false,
            Part::Field('M' | 'L', width) => *width <= 2,
            Part::Field(letter, _) => "ydDFuHkKhmsS".contains(*letter),
        }
    }
}

impl Found {
    /// Takes one field from the start of a text, and gives back what follows it.
    fn take<'a>(
        &mut self,
        letter: char,
        width: usize,
        bounded: Option<usize>,
        text: &'a str,
        this_year: i64,
    ) -> Option<&'a str> {
        match letter {
            'G' => {
                let (era, rest) = name(text, &["AD", "BC"], 2)?;
                self.before_christ = era == 1;
                return Some(rest);
            }
            'M' | 'L' if width >= 3 => {
                let (month, rest) = name(text, &MONTHS, 3)?;
                self.set_month(month);
                return Some(rest);
            }
            // With a day of the month beside it, it says nothing new.
            'E' => return Some(name(text, &DAYS, 3)?.1),
            'a' => {
                let (half, rest) = name(text, &["AM", "PM"], 2)?;
                self.afternoon = Some(half == 1);
                return Some(rest);
            }
            'Z' | 'z' => {
                let (offset_ms, rest) = zone(text)?;
                self.zone_ms = offset_ms;
                return Some(rest);
            }
            'X' => {
                let (offset_ms, rest) = iso_zone(text, width)?;
                self.zone_ms = offset_ms;
                return Some(rest);
            }
            _ => {}
        }
        let (number, rest) = number(text, bounded)?;
        match letter {
            'y' => {
                let digits = text.len() - rest.len();
                let two = width <= 2 && digits == 2 && number >= 0;
                self.year = Some(if two { of_this_century(number, this_year) } else { number });
            }
            'M' | 'L' => self.set_month(number.checked_sub(1)?),
            'd' => self.day = Day::OfMonth(number),
            'D' => self.day = Day::OfYear(number),
            'H' => self.hour = Hour::OfDay(number),
            'k' => self.hour = Hour::OfDay(if number == 24 { 0 } else { number }),
            'K' => self.hour = Hour::OfHalf(number),
            'h' => self.hour = Hour::OfHalf(if number == 12 { 0 } else { number }),
            'm' => self.minute = number,
            's' => self.second = number,
            'S' => self.millisecond = number,
            // `F` and `u`, as `E`.
            _ => {}
        }
        Some(rest)
    }

    fn set_month(&mut self, month: i64) {
        self.month = month;
        if let Day::OfYear(_) = self.day {
            self.day = Day::OfMonth(1);
        }
    }

    fn time_ms(&self) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        let year = if self.before_christ { 1_i64.checked_sub(year)? } else { year };
        let days = match self.day {
            Day::OfYear(day) => days_since_1970(year, 0)?.checked_add(day)?.checked_sub(1)?,
            Day::OfMonth(day) => days_since_1970(year, self.month)?.checked_add(day)?.checked_sub(1)?,
        };
        let hour = match self.hour {
            Hour::OfDay(hour) => hour,
            Hour::OfHalf(hour) => hour.checked_add(if self.afternoon == Some(true) { 12 } else { 0 })?,
        };
        let parts = [
            (days, DAY_MS),
            (hour, HOUR_MS),
            (self.minute, MINUTE_MS),
            (self.second, SECOND_MS),
            (self.millisecond, 1),
            (self.zone_ms, -1),
        ];
        parts.into_iter().try_fold(0_i64, |sum, (count, unit_ms)| sum.checked_add(count.checked_mul(unit_ms)?))
    }
}

/// The hundred years of which two digits name one begin 80 years ago.
fn of_this_century(two_digits: i64, this_year: i64) -> i64 {
    let first = this_year - 80;
    let year = first - first.rem_euclid(100) + two_digits;
    if year < first { year + 100 } else { year }
}

/// The day of the first of a month; months count from 0 and may be any number. `None` if it is out of reach.
fn days_since_1970(year: i64, month: i64) -> Option<i64> {
    let year = i32::try_from(year.checked_add(month.div_euclid(12))?).ok()?;
    let month = u32::try_from(month.rem_euclid(12)).ok()? + 1;
    let first = chrono::NaiveDate::from_ymd_opt(year, month, 1)?;
    Some(first.signed_duration_since(chrono::NaiveDate::default()).num_days())
}

/// A number, perhaps negative, of at most `bounded` characters, which then have to be there.
fn number(text: &str, bounded: Option<usize>) -> Option<(i64, &str)> {
    let field = match bounded {
        Some(width) => text.get(..width)?,
        None => text,
    };
    let unsigned = field.strip_prefix('-').unwrap_or(field);
    let digits = unsigned.len() - unsigned.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let end = field.len() - unsigned.len() + digits;
    Some((field[..end].parse().ok()?, &text[end..]))
}

/// One of these names in any case, whole or its first letters; its place in the list.
fn name<'a>(text: &'a str, names: &[&str], short: usize) -> Option<(i64, &'a str)> {
    let starts = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let find = |cut: fn(&str, usize) -> &str| {
        let found = names.iter().position(|name| starts(cut(name, short)))?;
        Some((i64::try_from(found).ok()?, &text[cut(names[found], short).len()..]))
    };
    find(|name, _| name).or_else(|| find(|name, short| &name[..short]))
}

/// `UTC`, `GMT`, `GMT+1:30`, `+0130`, `+01:30`.
fn zone(text: &str) -> Option<(i64, &str)> {
    let named = ["GMT", "UTC"].iter().find(|name| text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name)));
    match named {
        Some(&"GMT") if text[3..].starts_with(['+', '-']) => offset(&text[3..], true),
        Some(_) => Some((0, &text[3..])),
        None => offset(text, false),
    }
}

/// `Z`, or `+01`, `+0130`, `+01:30` with one, two or three letters.
fn iso_zone(text: &str, width: usize) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let length = [3, 5, 6][width.clamp(1, 3) - 1];
    let (field, rest) = text.split_at_checked(length)?;
    let colon = field.contains(':');
    let (offset_ms, more) = offset(field, width == 1)?;
    (more.is_empty() && colon == (width == 3)).then_some((offset_ms, rest))
}

/// Sign, hours and minutes; without minutes, or with an hour of one digit, only where that is allowed.
fn offset(text: &str, short: bool) -> Option<(i64, &str)> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let text = &text[1..];
    let count = text.bytes().take(4).take_while(u8::is_ascii_digit).count();
    let (hours, minutes, length) = match (count, text.as_bytes().get(count)) {
        (1 | 2, Some(b':')) => (&text[..count], text.get(count + 1..count + 3)?, count + 3),
        (4, _) => (&text[..2], &text[2..4], 4),
        (1 | 2, _) if short => (&text[..count], "0", count),
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some((sign * (hours * HOUR_MS + minutes * MINUTE_MS), &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked of Java 17 in 2026, but for the last block.
    #[test]
    fn texts_mean_what_they_mean_to_java() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd", "2024-13-45", Some(1_739_491_200_000)),
            ("yyyyMMdd", "20240102", Some(1_704_153_600_000)),
            ("yyyyMMddHHmmssSSS", "20240102030405678", Some(1_704_164_645_678)),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2024-01-02T03:04:05.678Z", Some(1_704_164_645_678)),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2024-01-02T03:04:05.678+02:00", Some(1_704_157_445_678)),
            ("yyyy-MM-dd'T'HH:mm:ssZ", "2024-01-02T03:04:05-0130", Some(1_704_170_045_000)),
            ("yyyy-MM-dd'T'HH:mm:ssZ", "2024-01-02T03:04:05GMT+2:00", Some(1_704_157_445_000)),
            ("EEE, dd MMM yyyy HH:mm:ss z", "Tue, 02 Jan 2024 03:04:05 GMT", Some(1_704_164_645_000)),
            ("dd/MM/yy", "02/01/24", Some(1_704_153_600_000)),
            ("dd/MM/yy", "02/01/99", Some(915_235_200_000)),
            ("h:mm a", "3:04 pm", Some(54_240_000)),
            ("h:mm a", "12:04 AM", Some(240_000)),
            ("hh:mm", "12:04", Some(240_000)),
            ("k:mm", "24:30", Some(1_800_000)),
            ("K:mm a", "0:30 PM", Some(45_000_000)),
            ("yyyy D", "2024 60", Some(1_709_164_800_000)),
            ("D yyyy MM dd", "60 2024 01 02", Some(1_704_153_600_000)),
            ("HH:mm:ss.S", "15:26:06.5", Some(55_566_005)),
            ("HH:mm:ss.SSS", "15:26:06.123456", Some(55_689_456)),
            ("MMMM d, yyyy", "january 2, 2024", Some(1_704_153_600_000)),
            ("MMM d, yyyy", "January 2, 2024", Some(1_704_153_600_000)),
            ("MMMM d, yyyy", "jan 2, 2024", Some(1_704_153_600_000)),
            ("yyyy-MM-dd", "  2024-1-2 trailing", Some(1_704_153_600_000)),
            ("yyyy-MM-dd HH:mm:ss", "2024-01-02 25:61:61", Some(1_704_247_321_000)),
            ("yyyy-MM-dd F", "2024-01-02 1", Some(1_704_153_600_000)),
            ("SSS", "-5", Some(-5)),
            ("HHmm", "0304", Some(11_040_000)),
            ("HHmm", "304", Some(108_240_000)),
            ("yyyyMM", "202401", Some(1_704_067_200_000)),
            ("LLLL yyyy", "March 2024", Some(1_709_251_200_000)),
            ("X", "+02", Some(-7_200_000)),
            ("XX", "+0200", Some(-7_200_000)),
            ("''yyyy''", "'2024'", Some(1_704_067_200_000)),
            ("HH mm", "03  4", Some(11_040_000)),
            ("XXX", "+0200", None),
            ("yyyy-MM-dd", "2024/01/02", None),
            ("yyyy-MM-dd", "2024-01", None),
            ("yyyy-MM-dd", "x", None),
            ("MM", "Jan", None),
            ("yyyy'T'", "2024t", None),
            // What Java knows, and we refuse.
            ("z", "PST", None),
            // Whatever the number.
            ("yyyy", "99999999999999999999", None),
            ("yyyy", "9999999999", None),
            ("MM", "-9223372036854775808", None),
            ("HH", "9223372036854775807", None),
            ("X", "+é", None),
            ("yyyyMM", "20é4", None),
        ] {
            let format = Format::parse(pattern).unwrap();
            assert_eq!(format.read(text, 2026), expected, "{pattern} of {text}");
        }
    }
}
