//! `probes`: what this kernel allows, and which evidence it gives.

use std::io;

use forktrace::{
    probe::{
        oom,
        style::{HOOKS, SECCOMP, Style},
    },
    tracer::{Attached, Options, attach_probes, holders_by, missing_capabilities},
    view::{Look, Probes, RefusedProbe, without_numbers},
};
use forktrace_common::settings::Settings;

use crate::{cli::ProbesArgs, exit::Exit};

pub(super) fn run(args: &ProbesArgs) -> anyhow::Result<Exit> {
    let options = Options {
        attach: args.attach.style(),
        btf: args.btf.clone(),
        seccomp: args.seccomp,
        settings: Settings::default(),
        selection: forktrace::tracer::Selection::default(),
        ring_bytes: 64 * 1024,
        host: None,
        debug: false,
        filters: Default::default(),
    };
    let shown = shown(&attach_probes(&options)?);
    let mut output = args.format.open(Box::new(io::stdout()), Look::PLAIN);
    output.show(&shown)?;
    if shown.style.is_none() {
        let missing = missing_capabilities();
        if !missing.is_empty() {
            eprintln!("forktrace: missing capabilities: {}", missing.join(", "));
        }
        return Ok(Exit::Unable);
    }
    Ok(Exit::Done)
}

fn shown(all: &Attached) -> Probes {
    let Attached {
        kernel,
        probes,
        tasks,
        ..
    } = all;
    let attached = probes.attached.iter();
    let refused = probes.refused.iter().map(|r| RefusedProbe {
        target: r.target.clone(),
        style: r.style.name(),
        why: without_numbers(&r.why),
    });
    let lost = HOOKS
        .iter()
        .chain([&SECCOMP, &oom::CHOICE])
        .filter(|h| !probes.has(h.role))
        .filter(|h| probes.refused.iter().any(|r| r.role == Some(h.role)))
        .map(|h| format!("{}: {}", h.targets[0], h.lost));
    Probes {
        style: probes.style().map(Style::name),
        attached: attached
            .map(|a| (a.target.clone(), a.style.name()))
            .collect(),
        refused: refused.collect(),
        absent: kernel
            .absent
            .iter()
            .map(|why| without_numbers(why))
            .collect(),
        lost: lost.collect(),
        holders_by: holders_by(tasks.is_ok()),
        holders_why: tasks.as_ref().err().map(|why| without_numbers(why)),
    }
}
