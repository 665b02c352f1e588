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
    let tellings = tellings(&seen.output, forktrace)?;
    let of_program = |telling: &&Value| telling["program"] == *run.program;
    let said: Vec<&Value> = tellings.iter().filter(of_program).collect();
    let of_wish: Vec<&Value> = said
        .iter()
        .copied()
        .filter(|telling| telling["wish"] == *wish.what)
        .collect();
    let wanted: Option<BTreeSet<&str>> = wish
        .call
        .as_ref()
        .map(|call| call.split(", then ").collect());
    let (mine, others): (Vec<&Refused>, Vec<&Refused>) = seen.refused.iter().partition(|refused| {
        let is_wish = match &wanted {
            Some(calls) => calls.contains(&*refused.call),
            None => refused.operation == wish.operation,
        };
        is_wish && (wish.library || refused.program.as_deref() == Some(&*run.program))
    });
    let attempts: u64 = mine.iter().map(|refused| refused.count).sum();
    let names = |name: fn(&Refused) -> &str| mine.iter().map(|refused| name(refused)).collect();
    let calls: BTreeSet<&str> = names(|refused| &refused.call);
    let errnos: BTreeSet<&str> = names(|refused| &refused.errno);
    let operations: BTreeSet<&str> = names(|refused| &refused.operation);
    let mut differ = Differences::default();

    let all: u64 = seen.refused.iter().map(|refused| refused.count).sum();
    differ.add(all != seen.counted, || {
        format!("forktrace has {all} refusals, pids.events {}", seen.counted)
    });
    match wish.attempts {
        Some(one) => differ.add(attempts != one * run.wishes, || {
            format!("{} attempts, and not {attempts}", one * run.wishes)
        }),
        None => differ.add(
            attempts < 1 + u64::from(wish.afterwards.as_deref() == Some("waits")),
            || format!("it asks again, and there were {attempts}"),
        ),
    }
    for other in others.iter().filter(|_| attempts == 0) {
        let Refused {
            program,
            comm,
            operation,
            call,
            count,
            ..
        } = other;
        let program = program.as_deref().unwrap_or("no known program");
        differ.add(true, || {
            format!("its own, and not {comm}'s ({program}): {operation}, {call}, {count} times")
        });
    }
    differ.add(
        !operations.contains(&*wish.operation) && attempts > 0,
        || format!("{}, and not {}", wish.operation, list(&operations)),
    );
    differ.add(
        wanted.is_some_and(|wanted| wanted != calls) && attempts > 0,
        || {
            format!(
                "{}, and not {}",
                wish.call.as_deref().unwrap_or_default(),
                list(&calls)
            )
        },
    );
    differ.add(
        of_wish.is_empty() && !wish.messages.is_empty() && !run.unheard,
        || "none of its messages".to_owned(),
    );
    differ.add(wish.silent && !said.is_empty(), || {
        format!("silent, and it said {}", said[0]["first"]["text"])
    });
    for telling in &of_wish {
        let answered = telling["answered"].as_array().into_iter().flatten();
        let answered: BTreeSet<&str> = answered.filter_map(Value::as_str).collect();
        differ.add(!errnos.is_subset(&answered), || {
            format!("{}, and not {}", list(&answered), list(&errnos))
        });
    }
    if let Some(prints) = &run.prints {
        let has = String::from_utf8_lossy(&seen.output).contains(&**prints);
        differ.add(!has, || format!("{prints:?} in what it prints"));
    }
    differ.ending(run, wish, seen);
    let first = of_wish.first().map(|telling| &telling["first"]["text"]);
    let facts = Facts {
        attempts,
        calls: list(&calls),
        message: first.and_then(Value::as_str).unwrap_or_default().to_owned(),
        end: match (seen.end, seen.after) {
            (End::Status(status), _) => format!("status {status}"),
            (End::Signal(signal), _) => format!("signal {signal}"),
            (End::Alive, After::Healed) => "lives, heals by itself".to_owned(),
            (End::Alive, After::ByHand) => "lives, heals when told to".to_owned(),
            (End::Alive, _) => "lives, did not come back".to_owned(),
        },
        seconds: seen.seconds,
    };
    Ok(match differ.0.is_empty() {
        true => Verdict::Alike(facts),
        false => Verdict::Differs(Some(facts), differ.0),
    })
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
