//! `cargo xtask bench explain`: how fast `forktrace explain --log` reads, beside `grep -E` with the messages of
//! the catalogue as patterns, on the same log in the same run.

use crate::{
    local,
    measured::{HEAD, Run, measure},
    paths,
};
use anyhow::{Context, Result, ensure};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
    process::Command,
};

const CATALOGUE: &str = "forktrace/src/program/catalogue";
/// What a server writes when nothing is refused; `#` is a number.
const ORDINARY: [&str; 8] = [
    "2026-11-29T10:00:00.000Z INFO app[#]: GET /orders/# 200 # ms",
    "Nov 29 10:00:00 web1 sshd[#]: Accepted publickey for deploy from 10.0.#.# port # ssh2",
    "Nov 29 10:00:00 web1 systemd[1]: Started Session # of user deploy.",
    "10.0.#.# - - [29/Nov/2026:10:00:00 +0000] \"GET /assets/#.js HTTP/1.1\" 200 # \"-\" \"Mozilla/5.0\"",
    "2026-11-29 10:00:00.000 UTC [#] LOG:  checkpoint complete: wrote # buffers (#%); write=# s",
    "{\"level\":\"info\",\"ts\":#,\"caller\":\"server.go:#\",\"msg\":\"request served\",\"took\":#}",
    "[#.#] eth0: link becomes ready, # Mbps full duplex",
    "worker # took job # from queue default, # left",
];
/// One line in so many is of the catalogue.
const RARE: u64 = 5000;

/// Arguments of `cargo xtask bench explain`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The log's size
    #[arg(long, default_value_t = 1000, value_name = "N")]
    megabytes: u64,
    /// Different messages that are in it: each that forktrace meets for the first time costs it some milliseconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    messages: u16,
    /// Runs of each; the one with the least CPU time is printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// A message of the catalogue: its text, and a line that has it.
struct Message {
    text: String,
    example: String,
}

/// Runs it.
///
/// # Errors
///
/// A program fails, or finds nothing.
pub(crate) fn main(args: &Args) -> Result<()> {
    let messages = messages()?;
    let folder = paths::work_dir("bench")?;
    let (log, patterns) = (folder.join("explain.log"), folder.join("explain.patterns"));
    let all: Vec<String> = messages.iter().map(|m| expression(&m.text)).collect();
    fs::write(&patterns, all.join("\n") + "\n").context("writing patterns")?;
    let step = (messages.len() / usize::from(args.messages)).max(1);
    let said: Vec<&Message> = messages.iter().step_by(step).collect();
    write(&log, args.megabytes, &said)?;
    let done = compare(args, &log, &patterns, all.len());
    let _ = fs::remove_file(&log);
    done
}

fn compare(args: &Args, log: &Path, patterns: &Path, count: usize) -> Result<()> {
    // Into the page cache, so that nobody pays for the disk.
    let bytes = io::copy(&mut File::open(log)?, &mut io::sink())?;
    let program = local::forktrace()?;
    let best = |command: &mut Command| -> Result<Run> {
        let mut best: Option<Run> = None;
        for _ in 0..args.runs {
            let run = measure(command)?;
            if best.as_ref().is_none_or(|best| run.cpu < best.cpu) {
                best = Some(run);
            }
        }
        best.context("no run")
    };
    let mut explain = Command::new(&program);
    let explained = best(
        explain
            .args(["explain", "--format", "json", "--log"])
            .arg(log),
    )?;
    // Bytes, which is the fastest that it does; and only what it has found, as forktrace.
    let mut grep = Command::new("grep");
    grep.env("LC_ALL", "C").args(["-E", "-f"]).arg(patterns);
    let found = best(grep.arg(log))?;
    ensure!(
        !explained.said.is_empty() && !found.said.is_empty(),
        "nothing was found"
    );
    println!("{:.2} GB, {count} messages\n\n{HEAD}", bytes as f64 / 1e9);
    for (name, run) in [("forktrace explain", &explained), ("grep -E", &found)] {
        println!("{}", run.row(name, bytes));
    }
    let ratio = found.cpu.as_secs_f64() / explained.cpu.as_secs_f64();
    println!("\nforktrace takes the CPU of grep, divided by {ratio:.1}.");
    Ok(())
}

/// Every message that the catalogue has with a line of it; but for lines of JSON, which have a message in several fields.
fn messages() -> Result<Vec<Message>> {
    let mut all = Vec::new();
    let folder = paths::root().join(CATALOGUE);
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let text = fs::read_to_string(entry?.path())?;
        let program: toml::Table = toml::from_str(&text)?;
        let wishes = program.get("wish").and_then(toml::Value::as_array);
        let each = wishes.into_iter().flatten();
        let each = each.filter_map(|wish| wish.get("message")?.as_array());
        all.extend(each.flatten().filter_map(|message| {
            Some(Message {
                text: message.get("text")?.as_str()?.to_owned(),
                example: message.get("example")?.as_str()?.to_owned(),
            })
        }));
    }
    all.retain(|message| !message.example.starts_with('{'));
    all.sort_by(|a, b| a.text.cmp(&b.text));
    ensure!(!all.is_empty(), "no message in {}", folder.display());
    Ok(all)
}

/// A message's text as grep takes it: places are what stands there in the C locale.
fn expression(text: &str) -> String {
    const PLACES: [(&str, &str); 6] = [
        (
            "{errno}",
            "(Cannot allocate memory|Resource temporarily unavailable|[A-Za-z][a-z]+( [a-z]+)*)",
        ),
        (
            "{lower}",
            "(cannot allocate memory|resource temporarily unavailable|[a-z]+( [a-z]+)*)",
        ),
        ("{code}", "[0-9A-Za-z_-]+"),
        ("{n}", "[0-9]+([.][0-9]+)*"),
        ("{word}", "[^ ]+"),
        ("{*}", ".*"),
    ];
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((place, pattern)) = PLACES.iter().find(|(place, _)| rest.starts_with(place)) {
            out.push_str(pattern);
            rest = &rest[place.len()..];
            continue;
        }
        if ".[]{}()*+?^$|\\".contains(next) {
            out.push('\\');
        }
        out.push(next);
        rest = &rest[next.len_utf8()..];
    }
    out
}

fn write(path: &Path, megabytes: u64, messages: &[&Message]) -> Result<()> {
    let mut log = BufWriter::new(File::create(path).context("creating the log")?);
    let (mut written, mut line, mut state) = (0, 0_u64, 0x9e37_79b9_u64);
    while written < megabytes * 1_000_000 {
        let mut text = match line.is_multiple_of(RARE) {
            true => messages[(line / RARE) as usize % messages.len()]
                .example
                .clone(),
            false => {
                let kind = ORDINARY[line as usize % ORDINARY.len()];
                let mut text = String::new();
                for (at, part) in kind.split('#').enumerate() {
                    if at > 0 {
                        // Numerical Recipes' generator: the same log everywhere.
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        text.push_str(&(state >> 8 & 0xffff).to_string());
                    }
                    text.push_str(part);
                }
                text
            }
        };
        text.push('\n');
        log.write_all(text.as_bytes())?;
        written += text.len() as u64;
        line += 1;
    }
    log.into_inner().context("writing the log")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_an_expression_that_finds_it() {
        assert_eq!(
            expression("fork() failed ({code}: {errno})"),
            "fork\\(\\) failed \\([0-9A-Za-z_-]+: (Cannot allocate memory|Resource temporarily \
             unavailable|[A-Za-z][a-z]+( [a-z]+)*)\\)"
        );
        for message in messages().unwrap() {
            let mut grep = Command::new("grep");
            grep.args(["-qE", "-e", &expression(&message.text)]);
            let found = crate::run::through(&mut grep, message.example.as_bytes());
            assert!(found.is_ok(), "{}: {}", message.text, message.example);
        }
    }
}
