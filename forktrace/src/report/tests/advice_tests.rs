//! What is advised, and with which numbers.

use super::*;

#[test]
fn the_worst_moment_has_the_say_and_the_latest_the_numbers() {
    let at_usage = |seq, time: &str, usage, fix: &str, holder: Option<&str>| {
        let holder = holder.map(|name| Holder {
            kind: HolderKind::Program,
            name: name.to_owned(),
            tasks: usage,
            zombies: 0,
            bytes: None,
            idle: None,
            detail: None,
        });
        with(seq, time, |f| {
            f.limit.as_mut().unwrap().usage = Some(usage);
            f.fix[0].now = Some(fix.to_owned());
            f.holders = holder.into_iter().collect();
        })
    };
    let records = [
        at_usage(1, LATER, 120, "late", None),
        at_usage(2, AT, 180, "early", Some("fork bomb")),
        at_usage(3, AT, 150, "early", Some("nobody")),
    ];
    for order in [[0, 1, 2], [2, 1, 0]] {
        let records = order.map(|n: usize| records[n].clone());
        let r = report(&[&[session("web1", AT)], &records]);
        let row = &r.limits.rows[0];
        assert_eq!((row.usage, row.highest_usage), (Some(120), Some(180)));
        // An advice above what has been in use, and nothing of the others is left out.
        assert_eq!(row.fix.as_ref().unwrap().now.as_deref(), Some("early"));
        assert_eq!(row.more_fixes[0].now.as_deref(), Some("late"));
        assert_eq!(row.holders[0].name, "fork bomb");
    }
}

/// The limit of Java's was 60 and that of Python's 20, one user's both.
#[test]
fn a_limit_with_several_values_is_advised_above_all_of_them() {
    let of = |seq, value: u64, program: &str| {
        let program = program.to_owned();
        with(seq, AT, move |f| {
            let limit = f.limit.as_mut().unwrap();
            limit.kind = LimitKind::RlimitNproc;
            limit.owner = Owner::User {
                uid: 1001,
                userns: None,
            };
            (limit.value, limit.usage) = (Some(value), Some(value));
            f.caller.exe = Some(format!("/usr/bin/{program}"));
            f.caller.pid = value as u32;
            f.fix[0].now = None;
            f.fix[0].persistent = Some(format!("ann - nproc {}", 2 * value));
        })
    };
    let records = [
        of(1, 60, "java"),
        repeat(1, 443, AT, AT),
        of(2, 20, "python3"),
        repeat(2, 80, AT, AT),
    ];
    let r = report(&[&[session("web1", AT)], &records]);
    assert_eq!(
        r.advice[0].summary,
        "RLIMIT_NPROC of uid 1001 is 60 (444 failures) and 20 (81 failures), in use up to 60"
    );
    let persistent = |fix: &Option<Fix>| fix.as_ref().unwrap().persistent.clone().unwrap();
    assert_eq!(persistent(&r.advice[0].fix), "ann - nproc 120");
    assert_eq!(r.advice[0].more_fixes, []);
    let callers = r.callers.rows.iter();
    let callers: Vec<_> = callers
        .map(|row| {
            (
                row.program.as_str(),
                row.failures,
                row.processes,
                row.most_in_a_second,
            )
        })
        .collect();
    assert_eq!(callers, [("java", 444, 1, 444), ("python3", 81, 1, 81)]);
}

/// Who made no further attempt is named with what that means, where the catalogue knows the program.
#[test]
fn who_asks_no_more_is_named() {
    let of = |programs: &[Option<&str>], operation| {
        let failures = programs.iter().enumerate().map(|(n, program)| {
            with(n as u64 + 1, AT, |f| {
                f.caller.exe = Some("/usr/sbin/nginx".to_owned());
                f.caller.catalogued = program.map(str::to_owned);
                f.operation = if n == 0 {
                    Operation::Process
                } else {
                    operation
                };
            })
        });
        let mut records = vec![session("web1", AT)];
        records.extend(failures);
        records.push(summary(programs.len() as u64, 0));
        let r = report(&[&records]);
        [
            crate::view::report_text(&r, false, 120),
            crate::view::report_digest(&r, false, 120),
            crate::view::report_page(&r),
        ]
    };
    let told = "nginx: no further attempt in the last 24 h: it asks no more until it is reloaded";
    let twice = [Some("nginx"), None];
    for texts in [
        of(&[Some("nginx")], Operation::Process),
        of(&twice, Operation::Process),
    ] {
        for text in texts {
            assert!(text.contains(told), "{text}");
        }
    }
    // What it wanted differs, or nobody knows the program.
    for text in of(&twice, Operation::Thread)
        .iter()
        .chain(&of(&[None], Operation::Process))
    {
        assert!(!text.contains("no further attempt"), "{text}");
    }
}

/// A note that one failure had, and not the latest, is in every view.
#[test]
fn every_note_comes_through() {
    let records = [
        with(1, AT, |f| {
            f.fix[0].note = Some("a connection pooler".to_owned());
        }),
        failed(2, LATER),
    ];
    let r = report(&[&[session("web1", AT)], &records]);
    for text in [
        crate::view::report_text(&r, false, 80),
        crate::view::report_digest(&r, false, 80),
        crate::view::report_page(&r),
        serde_json::to_string(&r).unwrap(),
    ] {
        assert!(text.contains("a connection pooler"), "{text}");
    }
}
