//! Recordings that are hard on engines which guess types, and the numbers that are in them.

use crate::paths;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;

const RECORDING: &str = "forktrace/tests/data/schema-1.ndjson";

/// A recording, and what is in it.
pub(super) struct Case {
    pub name: &'static str,
    pub text: String,
    pub wanted: Numbers,
}

/// What each tool is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Failures, repeats included.
    pub failures: u64,
    /// Failures that have a limit.
    pub limits: u64,
    /// The largest value of a limit.
    pub highest: u64,
}

/// The recording that is as old as the schema.
pub(super) fn recording() -> Result<String> {
    fs::read_to_string(paths::root().join(RECORDING))
        .with_context(|| format!("reading {RECORDING}"))
}

/// A session and a failure, of which others are made.
pub(super) fn samples(text: &str) -> Result<(&str, Value)> {
    let session = text.lines().next().context("a session")?;
    let failure = text
        .lines()
        .find(|line| line.contains("\"limit\":{") && line.contains("\"failure\""))
        .context("a failure with a limit")?;
    Ok((session, serde_json::from_str(failure)?))
}

/// All of them.
pub(super) fn cases() -> Result<Vec<Case>> {
    let text = recording()?;
    let (session, failure) = samples(&text)?;
    let many = |count: u64, change: &dyn Fn(u64, &mut Value)| {
        let mut text = format!("{session}\n");
        for seq in 1..=count {
            let mut failure = failure.clone();
            failure["seq"] = json!(seq);
            change(seq, &mut failure);
            text.push_str(&format!("{failure}\n"));
        }
        text
    };
    let torn = &text[..text.len() - 40];
    let case = |name, text: String| -> Result<Case> {
        let wanted = numbers(&text)?;
        Ok(Case { name, text, wanted })
    };
    [
        case("ordinary", text.clone()),
        case("storm without repeats", many(3000, &|_, _| {})),
        case(
            "30,000 null limits first",
            many(30_100, &|seq, failure| {
                if seq <= 30_000 {
                    failure["limit"] = Value::Null;
                }
            }),
        ),
        case("torn", torn.to_owned()),
        case(
            "huge numbers",
            many(30_005, &|seq, failure| {
                let huge = [(1 << 53) + 1, 1 << 63, u64::MAX, u64::MAX - 1, 1 << 62];
                if let Some(at) = seq.checked_sub(30_001) {
                    failure["limit"]["value"] = json!(huge[at as usize]);
                }
            }),
        ),
    ]
    .into_iter()
    .collect()
}

/// What is in the whole lines, by no tool.
fn numbers(text: &str) -> Result<Numbers> {
    let mut numbers = Numbers {
        failures: 0,
        limits: 0,
        highest: 0,
    };
    for line in text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        let record: Value = serde_json::from_str(line)?;
        match record["type"].as_str() {
            Some("failure") => numbers.failures += 1,
            Some("repeat") => numbers.failures += record["count"].as_u64().context("a count")?,
            _ => continue,
        }
        numbers.limits += u64::from(record["limit"].is_object());
        let value = record["limit"]["value"].as_u64();
        numbers.highest = numbers.highest.max(value.unwrap_or(0));
    }
    Ok(numbers)
}

/// Three numbers of a line.
pub(super) fn parse(printed: &str) -> Result<Numbers> {
    let numbers: Result<Vec<u64>, _> = printed.split_whitespace().map(str::parse).collect();
    let numbers = numbers.with_context(|| format!("it printed {printed:?}"))?;
    let [failures, limits, highest] = numbers[..] else {
        anyhow::bail!("it printed {printed:?}");
    };
    Ok(Numbers {
        failures,
        limits,
        highest,
    })
}
