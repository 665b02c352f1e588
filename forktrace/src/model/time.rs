//! Times of records. Nearly all are forktrace's own, UTC and of one form, which is read here; every other
//! one is jiff's to read.

use jiff::Timestamp;

/// A time, RFC 3339.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    quick(text.as_bytes()).or_else(|| text.parse().ok())
}

/// Milliseconds since 1970; `None` before, too.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    u64::try_from(timestamp(text)?.as_millisecond()).ok()
}

/// `2026-11-22T13:14:15.123456789Z`.
fn quick(text: &[u8]) -> Option<Timestamp> {
    let (date, fraction) = text.split_first_chunk::<19>()?;
    let fraction = fraction.strip_suffix(b"Z")?;
    for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if date[at] != mark {
            return None;
        }
    }
    let year = i64::from(number(&date[..4])?);
    let month = number(&date[5..7])?;
    let day = number(&date[8..10])?;
    let (hour, minute, second) = (
        number(&date[11..13])?,
        number(&date[14..16])?,
        number(&date[17..])?,
    );
    let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_date || year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanoseconds = match fraction.split_first() {
        None => 0,
        Some((b'.', digits)) if (1..=9).contains(&digits.len()) => {
            number(digits)? * 10_u32.pow(9 - digits.len() as u32)
        }
        Some(_) => return None,
    };
    let days = days_since_1970(year, i64::from(month), i64::from(day));
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Timestamp::new(days * 86_400 + seconds, nanoseconds as i32).ok()
}

/// Digits alone.
fn number(digits: &[u8]) -> Option<u32> {
    let digit = |digit: &u8| Some(u32::from(digit.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
    digits
        .iter()
        .try_fold(0_u32, |sum, byte| Some(sum * 10 + digit(byte)?))
}

/// Days of a month of the Gregorian calendar.
fn days_of(year: i64, month: u32) -> u32 {
    let is_leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Of the Gregorian calendar, whose years are taken to begin in March, so that February is the last month.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_jiff_reads() {
        for year in [1969, 1970, 1999, 2000, 2023, 2024, 2100, 2400, 9999] {
            for month in 0..=13 {
                for day in 0..=32 {
                    for rest in [
                        "00:00:00",
                        "23:59:59.5",
                        "12:00:60",
                        "24:00:00",
                        "07:08:09.123456789",
                    ] {
                        let text = format!("{year}-{month:02}-{day:02}T{rest}Z");
                        assert_eq!(timestamp(&text), text.parse().ok(), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_stands_there_is_read_as_jiff_reads_it() {
        let time = "2026-11-22T13:14:15.123456789Z";
        assert!(quick(time.as_bytes()).is_some());
        assert!(quick(b"2026-11-30T13:14:15Z").is_some());
        for at in 0..time.len() {
            for byte in b' '..=b'~' {
                let mut other = time.as_bytes().to_vec();
                other[at] = byte;
                let other = String::from_utf8(other).unwrap();
                assert_eq!(timestamp(&other), other.parse().ok(), "{other}");
                let short = &other[..at];
                assert_eq!(timestamp(short), short.parse().ok(), "{short}");
            }
        }
        for other in [
            "",
            "Z",
            "2026-11-22T13:14:15.1234567890Z",
            "2026-11-22T13:14:15.Z",
            "2026-11-22 13:14:15+05:30",
        ] {
            assert_eq!(timestamp(other), other.parse().ok(), "{other}");
        }
        assert_eq!(milliseconds("1970-01-01T00:00:01.5Z"), Some(1500));
        assert_eq!(milliseconds("1969-12-31T00:00:01.5Z"), None);
    }
}
