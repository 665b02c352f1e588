//! What arguments can be, and what is said of what they can't.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use forktrace::{
    cause::{Cause, Lookup, Near, lookup},
    record::{Errno, NoErrno},
    recording::when,
    report::By,
    view::{Format, clean, zone},
};

use super::{ErrnoChoice, range::Typed};

/// Takes the name of one of a command's formats.
pub(crate) fn one_of<T: 'static>(
    formats: &'static [Format<T>],
) -> impl TypedValueParser<Value = &'static Format<T>> {
    let names = formats
        .iter()
        .map(|f| PossibleValue::new(f.name).help(f.about));
    let find = |name: String| formats.iter().find(|format| format.name == name);
    PossibleValuesParser::new(names).try_map(move |name| find(name).ok_or("no such format"))
}

/// What a report is summed up by.
pub(crate) fn by() -> impl TypedValueParser<Value = By> {
    let find = |name: String| By::ALL.into_iter().find(|by| by.name() == name);
    PossibleValuesParser::new(By::ALL.map(By::name))
        .try_map(move |name| find(name).ok_or("no such thing"))
}

/// Rows of a table.
pub(crate) fn parse_rows(text: &str) -> Result<usize, String> {
    let rows = text.parse().ok().filter(|rows| (1..=2048).contains(rows));
    rows.ok_or_else(|| "give a number of rows, from 1 to 2048".to_owned())
}

pub(crate) fn parse_cause(text: &str) -> Result<Cause, String> {
    // A cause that no verdict can name would filter everything out, silently.
    if let Some(cause) = Cause::judged().find(|c| c.id() == text) {
        return Ok(cause);
    }
    let meant: Vec<Cause> = match lookup(text) {
        Lookup::One(page) => vec![page.cause],
        Lookup::Several(pages) => pages.iter().map(|page| page.cause).collect(),
        Lookup::Nothing(near) => near.iter().map(|near| near.cause).collect(),
    };
    if let [cause] = meant[..]
        && cause.id() == text
    {
        return Err("it is explained, and no failure is given it yet".to_owned());
    }
    let ids = meant.iter().filter(|c| Cause::judged().any(|j| j == **c));
    let ids: Vec<String> = ids.map(|cause| format!("'{}'", cause.id())).collect();
    Err(match &ids[..] {
        [] => "no failure is given this cause; `forktrace explain` lists all".to_owned(),
        ids => format!("no failure is given this cause; did you mean {}?", or(ids)),
    })
}

/// What `explain` says of what it doesn't know.
pub(crate) fn no_page(text: &str, near: &[Near]) -> String {
    let names = near.iter().map(|near| match near.name == near.cause.id() {
        true => format!("'{}'", near.name),
        false => format!("'{}' ({})", near.name, near.cause.id()),
    });
    let names: Vec<String> = names.collect();
    let text = clean(text);
    match &names[..] {
        [] => format!(
            "there is no page about '{text}'; `forktrace explain` lists the causes, and takes limits \
             (pids.max, TasksMax, 'ulimit -u'), errnos and error messages as well, \
             and lines that a program wrote (`forktrace explain --programs` lists them)"
        ),
        names => format!(
            "there is no page about '{text}'; did you mean {}?",
            or(names)
        ),
    }
}

/// "a", "a or b", "a, b or c".
fn or(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

pub(crate) fn parse_pid(text: &str) -> Result<u32, String> {
    let pid = text.parse().ok().filter(|pid| *pid > 0);
    pid.ok_or_else(|| "give the number of a process, as ps shows it".to_owned())
}

/// A login shell's name begins with a hyphen, an option with two.
pub(crate) fn parse_comm(text: &str) -> Result<String, String> {
    match text.starts_with("--") {
        true => Err("give a thread's name, as ps shows it".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// By name, by number, or all.
pub(crate) fn parse_errno(text: &str) -> Result<ErrnoChoice, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(ErrnoChoice::All);
    }
    let number = text.parse().ok().and_then(Errno::from_number);
    let errno = match number {
        Some(errno) => errno,
        None => text.parse().map_err(|error: NoErrno| {
            let near = near_errno(text).map(|name| format!("; did you mean '{name}'?"));
            format!("{error}{}", near.unwrap_or_default())
        })?,
    };
    Ok(ErrnoChoice::One(errno))
}

fn near_errno(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_uppercase();
    let rated = Errno::names().map(|name| (strsim::jaro_winkler(&text, name), name));
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.85).then_some(best.1)
}

/// Whether it is one; which, the zone decides.
pub(crate) fn parse_time(text: &str) -> Result<Typed, String> {
    match when::parse(text, &zone::now()) {
        Ok(_) => Ok(Typed(text.to_owned())),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || "give a number of seconds, or one with s, m, h or d behind it".to_owned();
    let (number, factor) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    let seconds: f64 = number.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(seconds * factor).map_err(|_| bad())
}

/// A host's name; DNS has none that is longer.
pub(crate) fn parse_host(text: &str) -> Result<String, String> {
    let fits = (1..=253).contains(&text.len());
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    (fits && plain)
        .then(|| text.to_owned())
        .ok_or_else(|| "give a name of 1 to 253 characters without spaces".to_owned())
}

/// 4096 bytes at least: a `session` alone is one.
pub(crate) fn parse_file_size(text: &str) -> Result<u64, String> {
    let bad = || "give a number of bytes, or one with K, M, G or T behind it, from 4K".to_owned();
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some((at, 't' | 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
        .filter(|n| *n >= 4096)
        .ok_or_else(bad)
}

pub(crate) fn parse_size(text: &str) -> Result<u32, String> {
    const SMALLEST: u32 = 64 * 1024;
    const LARGEST: u32 = 256 * 1024 * 1024;
    let bad =
        || "give a number of bytes, or one with K or M behind it, from 64K to 256M".to_owned();
    let (number, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1024),
        Some((at, 'm' | 'M')) => (&text[..at], 1024 * 1024),
        _ => (text, 1),
    };
    let bytes = number
        .parse::<u32>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .filter(|n| (SMALLEST..=LARGEST).contains(n))
        .ok_or_else(bad)?;
    // The kernel wants a power of two, and whole pages.
    Ok(bytes.next_power_of_two())
}
