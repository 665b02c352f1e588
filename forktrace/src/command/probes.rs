//! `probes`: what this kernel allows, and which evidence it gives.

use std::io::{self, Write as _};

use forktrace::{
    probe::{
        oom,
        style::{HOOKS, SECCOMP, Style},
    },
    record::TASK_ITER,
    tracer::{Attached, Options, attach_probes, holders_by, missing_capabilities},
    view::clean,
};
use forktrace_common::settings::Settings;

use crate::{
    cli::{Format, ProbesArgs},
    exit::Exit,
};

pub fn run(args: &ProbesArgs) -> anyhow::Result<Exit> {
    let options = Options {
        attach: args.attach.style(),
        btf: args.btf.clone(),
        seccomp: args.seccomp,
        settings: Settings::default(),
        selection: forktrace::tracer::Selection::default(),
        ring_bytes: 64 * 1024,
        debug: false,
        filters: Default::default(),
    };
    let Attached {
        kernel,
        probes,
        tasks,
        ..
    } = attach_probes(&options)?;
    let holders_by = holders_by(tasks.is_ok());
    let mut out = io::stdout().lock();
    if args.format == Format::Json {
        let attached: Vec<_> = probes
            .attached
            .iter()
            .map(|a| serde_json::json!({"target": a.target, "style": a.style.name()}))
            .collect();
        let refused: Vec<_> = probes
            .refused
            .iter()
            .map(|r| serde_json::json!({"target": r.target, "style": r.style.name(), "why": r.why}))
            .collect();
        let all = serde_json::json!({
            "attach": probes.style().map(Style::name),
            "attached": attached,
            "refused": refused,
            "absent": kernel.absent,
            "holders": {"by": holders_by, "why": tasks.as_ref().err()},
        });
        writeln!(out, "{all:#}")?;
    } else {
        match probes.style() {
            Some(style) => writeln!(out, "Failing returns are seen by {style}.\n")?,
            None => writeln!(out, "No probe could be attached.\n")?,
        }
        for attached in &probes.attached {
            writeln!(out, "  {:<28} {}", attached.target, attached.style)?;
        }
        let by = holders_by.unwrap_or("nobody");
        write!(out, "\nHolders of a limit on tasks are told by {by}")?;
        match &tasks {
            Ok(_) => writeln!(out, ".")?,
            Err(why) => writeln!(out, ": {TASK_ITER}: {}", clean(why))?,
        }
        if !probes.refused.is_empty() {
            writeln!(out, "\nTried and refused by this kernel:")?;
            for refused in &probes.refused {
                writeln!(
                    out,
                    "  {:<28} {}: {}",
                    refused.target,
                    refused.style,
                    clean(&refused.why)
                )?;
            }
        }
        let lost: Vec<String> = HOOKS
            .iter()
            .chain([&SECCOMP, &oom::CHOICE])
            .filter(|h| !probes.has(h.role))
            .filter(|h| probes.refused.iter().any(|r| r.role == Some(h.role)))
            .map(|h| format!("{}: {}", h.targets[0], h.lost))
            .chain(kernel.absent)
            .collect();
        if !lost.is_empty() {
            writeln!(out, "\nEvidence that is absent:")?;
            for line in lost {
                writeln!(out, "  {}", clean(&line))?;
            }
        }
    }
    if probes.style().is_none() {
        let missing = missing_capabilities();
        if !missing.is_empty() {
            eprintln!("forktrace: missing capabilities: {}", missing.join(", "));
        }
        return Ok(Exit::Unable);
    }
    Ok(Exit::Done)
}
