//! What was seen against what the catalogue says.

use super::{
    catalogue::Wish,
    play::{After, End, Seen},
    run_data::Run,
    table::{Facts, Verdict},
    traced::Refused,
};
use crate::run;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Compares them.
pub(super) fn compare(run: &Run, wish: &Wish, seen: &Seen, forktrace: &Path) -> Result<Verdict> {
    let said = Said::of(run, wish, &seen.output, forktrace)?;
    let attempts = Attempts::of(run, wish, seen);
    let mut differ = Differences::default();
    differ.counts(run, wish, seen, &attempts);
    differ.calls(wish, &attempts);
    differ.messages(run, wish, &said, &attempts);
    if let Some(prints) = &run.prints {
        let has = String::from_utf8_lossy(&seen.output).contains(&**prints);
        differ.add(!has, || format!("{prints:?} in what it prints"));
    }
    differ.ending(run, wish, seen);
    let first = said
        .of_wish
        .first()
        .map(|telling| &telling["first"]["text"]);
    let facts = Facts {
        attempts: attempts.count,
        calls: list(&attempts.calls()),
        message: first.and_then(Value::as_str).unwrap_or_default().to_owned(),
        end: ending(seen),
        seconds: seen.seconds,
    };
    Ok(match differ.0.is_empty() {
        true => Verdict::Alike(facts),
        false => Verdict::Differs(Some(facts), differ.0),
    })
}

/// What forktrace makes of the program's output.
struct Said {
    /// By the program.
    all: Vec<Value>,
    /// Of these, what belongs to the wish.
    of_wish: Vec<Value>,
}

impl Said {
    fn of(run: &Run, wish: &Wish, output: &[u8], forktrace: &Path) -> Result<Self> {
        let mut all = tellings(output, forktrace)?;
        all.retain(|telling| telling["program"] == *run.program);
        let is_of_wish = |telling: &&Value| telling["wish"] == *wish.what;
        let of_wish = all.iter().filter(is_of_wish).cloned().collect();
        Ok(Self { all, of_wish })
    }
}

/// What the kernel refused.
struct Attempts<'a> {
    /// For the wish.
    mine: Vec<&'a Refused>,
    others: Vec<&'a Refused>,
    /// Of the wish.
    count: u64,
}

impl<'a> Attempts<'a> {
    fn of(run: &Run, wish: &Wish, seen: &'a Seen) -> Self {
        let wanted = wanted_calls(wish);
        let asker = run.asks.as_deref().unwrap_or(&run.program);
        let (mine, others): (Vec<&Refused>, Vec<&Refused>) =
            seen.refused.iter().partition(|refused| {
                let asks = refused.program.as_deref();
                let is_wish = match &wanted {
                    Some(calls) => calls.contains(&*refused.call),
                    None => refused.operation == wish.operation,
                };
                is_wish && (wish.library || asks == Some(asker))
            });
        let count = mine.iter().map(|refused| refused.count).sum();
        Self {
            mine,
            others,
            count,
        }
    }

    fn names(&self, name: fn(&Refused) -> &str) -> BTreeSet<&'a str> {
        self.mine.iter().copied().map(name).collect()
    }

    fn calls(&self) -> BTreeSet<&'a str> {
        self.names(|refused| &refused.call)
    }
}

/// The system calls by which the catalogue says that it is asked.
fn wanted_calls(wish: &Wish) -> Option<BTreeSet<&str>> {
    let call = wish.call.as_ref()?;
    Some(call.split(", then ").collect())
}

fn ending(seen: &Seen) -> String {
    match (seen.end, seen.after) {
        (End::Status(status), _) => format!("status {status}"),
        (End::Signal(signal), _) => format!("signal {signal}"),
        (End::Alive, After::Healed) => "lives, heals by itself".to_owned(),
        (End::Alive, After::ByHand) => "lives, heals when told to".to_owned(),
        (End::Alive, _) => "lives, did not come back".to_owned(),
    }
}

/// In the order: what the catalogue says, and what came.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, is_one: bool, what: impl FnOnce() -> String) {
        if is_one {
            self.0.push(what());
        }
    }

    fn counts(&mut self, run: &Run, wish: &Wish, seen: &Seen, attempts: &Attempts<'_>) {
        let all: u64 = seen.refused.iter().map(|refused| refused.count).sum();
        self.add(all != seen.counted, || {
            format!("forktrace has {all} refusals, pids.events {}", seen.counted)
        });
        let count = attempts.count;
        match wish.attempts {
            Some(one) => self.add(count != one * run.wishes, || {
                format!("{} attempts, and not {count}", one * run.wishes)
            }),
            None => {
                let least = 1 + u64::from(wish.afterwards.as_deref() == Some("waits"));
                self.add(count < least, || {
                    format!("it asks again, and there were {count}")
                });
            }
        }
    }

    fn calls(&mut self, wish: &Wish, attempts: &Attempts<'_>) {
        if attempts.count == 0 {
            for other in &attempts.others {
                let program = other.program.as_deref().unwrap_or("no known program");
                let Refused {
                    comm,
                    operation,
                    call,
                    count,
                    ..
                } = other;
                self.add(true, || {
                    format!(
                        "its own, and not {comm}'s ({program}): {operation}, {call}, {count} times"
                    )
                });
            }
            return;
        }
        let operations = attempts.names(|refused| &refused.operation);
        self.add(!operations.contains(&*wish.operation), || {
            format!("{}, and not {}", wish.operation, list(&operations))
        });
        let calls = attempts.calls();
        self.add(wanted_calls(wish).is_some_and(|w| w != calls), || {
            let wanted = wish.call.as_deref().unwrap_or_default();
            format!("{wanted}, and not {}", list(&calls))
        });
    }

    fn messages(&mut self, run: &Run, wish: &Wish, said: &Said, attempts: &Attempts<'_>) {
        let is_heard = !wish.messages.is_empty() && !run.unheard;
        self.add(said.of_wish.is_empty() && is_heard, || {
            "none of its messages".to_owned()
        });
        self.add(wish.silent && !said.all.is_empty(), || {
            format!("silent, and it said {}", said.all[0]["first"]["text"])
        });
        let errnos = attempts.names(|refused| &refused.errno);
        for telling in &said.of_wish {
            let answered = telling["answered"].as_array().into_iter().flatten();
            let answered: BTreeSet<&str> = answered.filter_map(Value::as_str).collect();
            self.add(!errnos.is_subset(&answered), || {
                format!("{}, and not {}", list(&answered), list(&errnos))
            });
        }
    }

    fn ending(&mut self, run: &Run, wish: &Wish, seen: &Seen) {
        let expected = run.status.or_else(|| status_in(wish.then.as_deref()?));
        if let (Some(expected), None) = (expected, &run.server) {
            self.add(seen.end != End::Status(expected), || {
                format!("status {expected}, and not {:?}", seen.end)
            });
        }
        let afterwards = wish.afterwards.as_deref().unwrap_or_default();
        let is_as_said = match afterwards {
            "ends" => seen.end != End::Alive,
            "waits" => seen.end == End::Alive && seen.after == After::Healed,
            "next" => seen.end != End::Alive || seen.after == After::Healed,
            "reload" | "restart" | "by_hand" => {
                seen.end == End::Alive && seen.after == After::ByHand
            }
            _ => true,
        };
        self.add(!is_as_said, || {
            format!(
                "afterwards {afterwards:?}, and not {:?}, {:?}",
                seen.end, seen.after
            )
        });
    }
}

/// The status that a text names, if it is one.
fn status_in(then: &str) -> Option<i32> {
    let mut parts = then.split("status ").skip(1);
    let number = parts.next()?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    // Of several, which one it is can't be told.
    match parts.next() {
        None => digits.parse().ok(),
        Some(_) => None,
    }
}

/// What forktrace makes of the output.
fn tellings(output: &[u8], forktrace: &Path) -> Result<Vec<Value>> {
    let mut explain = Command::new(forktrace);
    explain.args(["explain", "--format", "json", "-"]);
    let lines = run::through(&mut explain, output)?;
    let lines = String::from_utf8(lines).context("explain prints no UTF-8")?;
    let values: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
    let mut values = values.context("reading what explain prints")?;
    values.retain(|value| value["type"] == "said");
    Ok(values)
}

fn list(names: &BTreeSet<&str>) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.iter().copied().collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::status_in;

    #[test]
    fn a_status_is_one_where_it_is_the_only_one() {
        assert_eq!(status_in("the script ends with status 254"), Some(254));
        assert_eq!(
            status_in("status 1 for a hook, status 128 for the rest"),
            None
        );
        assert_eq!(status_in("it lives on"), None);
    }
}
