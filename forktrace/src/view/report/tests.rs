//! Both views.

use textwrap::core::display_width;

use super::{report_page, report_text};
use crate::{
    model::Holder,
    record::Record,
    report::{
        Asked, By, Report,
        tests::{AT, failed, failure, loss, repeat, report, session, summary},
    },
    view::{Look, formats, is_harmful},
};

const HOSTILE: &str =
    "</script><script>alert(1)</script><b onload='x' a=\"y\">&amp;\u{1b}[31m\n\u{202e}\u{9b}2J\0";

fn hostile() -> Report {
    let mut f = failure(1, AT);
    f.caller.comm = HOSTILE.to_owned();
    f.caller.user = Some(HOSTILE.to_owned());
    f.cgroup.path = Some(HOSTILE.to_owned());
    f.cgroup.unit = Some(HOSTILE.to_owned());
    f.cgroup.container = Some(HOSTILE.to_owned());
    f.cgroup.pod = Some(HOSTILE.to_owned());
    f.cgroup.namespace = Some(HOSTILE.to_owned());
    f.cgroup.pod_name = Some(HOSTILE.to_owned());
    let limit = f.limit.as_mut().unwrap();
    limit.kind = HOSTILE.into();
    limit.owner = HOSTILE.into();
    limit.file = Some(HOSTILE.to_owned());
    f.fix[0].now = Some(HOSTILE.to_owned());
    f.fix[0].persistent = Some(HOSTILE.to_owned());
    f.fix[0].note = Some(HOSTILE.to_owned());
    f.holders = vec![Holder {
        kind: HOSTILE.into(),
        name: HOSTILE.to_owned(),
        tasks: 1,
        zombies: 1,
        bytes: Some(1),
        idle: None,
        detail: Some(HOSTILE.to_owned()),
    }];
    let Record::Session(mut about) = session(HOSTILE, HOSTILE) else {
        unreachable!("a session");
    };
    about.kernel = HOSTILE.to_owned();
    about.attach = HOSTILE.to_owned();
    let Record::Summary(mut end) = summary(9, 3) else {
        unreachable!("a summary");
    };
    end.ended = HOSTILE.to_owned();
    report(&[&[
        Record::Session(about),
        Record::Failure(Box::new(f)),
        loss(2, HOSTILE.into()),
        Record::Summary(end),
    ]])
}

#[test]
fn hostile_text_is_harmless_on_the_terminal() {
    for width in [60, 80, 200] {
        let text = report_text(&hostile(), false, width);
        let harmful = text.chars().find(|c| *c != '\n' && is_harmful(*c));
        assert_eq!(harmful, None, "{text}");
        assert!(text.contains("alert(1)"), "{text}");
    }
}

#[test]
fn the_page_calls_a_pod_by_its_name() {
    let mut f = failure(1, AT);
    f.cgroup.pod = Some("5b8c2f9e".to_owned());
    f.cgroup.namespace = Some("shop".to_owned());
    f.cgroup.pod_name = Some("web-0".to_owned());
    let f = Record::Failure(Box::new(f));
    let on = |host: &str| [session(host, AT), f.clone()];
    let (one, other) = (on("node-1"), on("node-2"));
    let called = |files: &[&[Record]]| {
        let page = report_page(&report(files));
        page.matches("<td class=\"long\">shop/web-0</td>").count()
    };
    // Of each host; of several also over all of them.
    assert_eq!((called(&[&one]), called(&[&one, &other])), (1, 3));
}

#[test]
fn hostile_text_is_harmless_in_the_page() {
    let page = report_page(&hostile());
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert_eq!(page.matches("</script").count(), 1, "{page}");
    assert!(!page.contains("<b onload"), "{page}");
    assert!(!page.contains("a=\"y\""), "{page}");
    let harmful = page.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harmful, None);
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
}

#[test]
fn the_page_needs_nothing_from_anywhere() {
    let page = report_page(&hostile());
    assert!(page.contains("default-src 'none'"), "{page}");
    for reference in ["src=", "url(", "@import", "fetch(", " style="] {
        assert!(!page.contains(reference), "{reference}");
    }
    for link in page.split("href=").skip(1) {
        assert!(link.starts_with("\"#explain-"), "{}", &link[..40]);
    }
}

fn usual() -> Report {
    let later = "2026-01-01T00:00:09Z";
    report(&[
        &[
            session("web1.example.net", AT),
            failed(1, AT),
            repeat(1, 1234, AT, later),
            repeat(77, 3, AT, later),
            loss(2, "ring_full".into()),
            summary(1250, 2),
        ],
        &[session("web2", AT), failed(1, later)],
    ])
}

#[test]
fn text_fits_and_says_what_matters() {
    for width in [80, 100] {
        let text = report_text(&usual(), false, width);
        // A command is never wrapped.
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("now "));
        for line in lines {
            assert!(display_width(line) <= width, "{line}");
        }
        for said in [
            "1241 failed creations in 2 files: 2 hosts, 2 sessions",
            "1. 1236 failures: pids.max of /system.slice on 2 hosts (worst",
            "web1.example.net (1235)",
            "     now     echo 200 > /sys/fs/cgroup/system.slice/pids.max",
            "cgroup_pids_max",
            "cause not in these files         3   0.2%",
            "lost in detail                   2   0.2%",
            "postgresql.service",
            "no summary",
            "10 failures of the session of web1.example.net at 2026-01-01 00:00:00",
            "1 session without a summary",
        ] {
            assert!(text.contains(said), "{said:?} in {text}");
        }
        assert!(!text.contains("Who filled"), "{text}");
    }
    let nothing = report_text(&report(&[]), false, 80);
    assert!(
        nothing.starts_with("0 failed creations in 0 files"),
        "{nothing}"
    );
}

fn asked(by: Option<By>, top: Option<usize>) -> Report {
    Report {
        asked: Asked { by, top },
        ..usual()
    }
}

#[test]
fn one_table_is_printed_where_one_is_asked_for() {
    let by = |by| report_text(&asked(Some(by), None), false, 120);
    let hosts = by(By::Host);
    assert!(
        hosts.contains("1240  web1.example.net  99.9%  cgroup_pids_max"),
        "{hosts}"
    );
    assert!(!hosts.contains("What to do first"), "{hosts}");
    assert!(hosts.contains("To know"), "{hosts}");
    let causes = by(By::Cause);
    assert!(causes.contains("5  cause not known"), "{causes}");
    // The name stays, however little room there is.
    let users = report_text(&asked(Some(By::User), Some(1)), false, 40);
    assert!(users.contains("1236  postgres      2"), "{users}");
}

#[test]
fn a_table_as_csv_adds_up_and_is_harmless() {
    let render = |report: &Report, name| {
        let format = formats::REPORT.iter().find(|format| format.name == name);
        let bytes = format.unwrap().render(report, Look::PLAIN).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    for by in By::ALL {
        for top in [None, Some(1)] {
            let csv = render(&asked(Some(by), top), "csv");
            let mut lines = csv.split("\r\n").filter(|line| !line.is_empty());
            let heads = lines.next().unwrap();
            assert!(heads.starts_with("failures,"), "{csv}");
            let sum: u64 = lines
                .map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap())
                .sum();
            let all = match by {
                By::Host | By::Cause => 1241,
                _ => 1236,
            };
            assert_eq!(sum, all, "{csv}");
        }
    }
    for name in ["csv", "markdown"] {
        for by in [None, Some(By::Unit), Some(By::Program), Some(By::Pod)] {
            let report = Report {
                asked: Asked { by, top: None },
                ..hostile()
            };
            let text = render(&report, name);
            let harmful = text
                .chars()
                .find(|c| !['\n', '\r'].contains(c) && is_harmful(*c));
            assert_eq!(harmful, None, "{text}");
            // Code is nobody's markup.
            let mut prose = text.lines().filter(|line| !line.contains("now: `"));
            assert!(
                name == "csv" || !prose.any(|line| line.contains("<script")),
                "{text}"
            );
        }
    }
    let markdown = render(&usual(), "markdown");
    for said in [
        "# 1241 failed creations on 2 hosts",
        "## By limit",
        "| 1236 | pids.max of /system.slice |",
    ] {
        assert!(markdown.contains(said), "{said} in {markdown}");
    }
}

#[test]
fn the_page_shows_every_part() {
    let page = report_page(&usual());
    for said in [
        "<h1>1,241 failed creations on 2 hosts</h1>",
        "echo 200 &gt; /sys/fs/cgroup/system.slice/pids.max",
        "<td class=\"n\" data-v=\"1235\">1,235</td>",
        "aria-label=\"Failures over time by cause, 1 s a bar\"",
        "cause not known",
        "web1.example.net",
        "no summary",
    ] {
        assert!(page.contains(said), "{said:?} in {page}");
    }
}

#[test]
fn forty_columns_are_enough_for_what_is_asked_for_alone() {
    for by in [By::Limit, By::Host] {
        let text = report_text(&asked(Some(by), None), false, 40);
        assert!(
            text.starts_with("1241 failed creations in 2 files:"),
            "{text}"
        );
        for line in text.lines() {
            assert!(display_width(line) <= 40, "{line}");
        }
    }
}

/// The page of a fleet: one limit that is on all hosts, and another.
fn fleet(hosts: usize) -> String {
    use crate::{record::write_line, report::Aggregator};
    let mut all = Aggregator::new(Default::default()).for_page();
    for host in 0..hosts {
        let mut other = failure(2, AT);
        other.limit.as_mut().unwrap().owner = "/other.slice".into();
        let records = [
            session(&format!("web{host}"), AT),
            failed(1, AT),
            Record::Failure(Box::new(other)),
        ];
        all.begin_file();
        for record in &records {
            let mut line = Vec::new();
            write_line(&mut line, record).unwrap();
            all.take(line.trim_ascii_end()).unwrap();
        }
    }
    report_page(&all.finish())
}

#[test]
fn one_picture_of_each_kind_of_limit_and_the_others_folded() {
    let page = fleet(30);
    let (open, folded) = page.split_once("<details class=\"folded\">").unwrap();
    assert_eq!(open.matches("<figure>").count(), 2);
    let (folded, _) = folded.split_once("</details>").unwrap();
    assert_eq!(folded.matches("<figure>").count(), 22);
    assert!(
        folded.starts_with("<summary>22 more, of 58</summary>"),
        "{folded}"
    );
    let one = fleet(1);
    assert_eq!(one.matches("<figure>").count(), 2);
    assert!(!one.contains("class=\"folded\""), "{one}");
}

/// Text that begins at the mark would end outside.
#[test]
fn the_last_time_of_an_axis_stands_before_its_mark() {
    // From 23:59:00 on, 60 s: the last mark is at 23:59:50 or later.
    let times: Vec<String> = (0..60)
        .map(|s| format!("2026-01-01T23:58:{s:02}Z"))
        .collect();
    let mut records = vec![session("web1", AT)];
    records.extend(
        times
            .iter()
            .enumerate()
            .map(|(n, time)| failed(n as u64, time)),
    );
    let page = report_page(&report(&[&records]));
    let plot = page
        .split("aria-label=\"Failures over time")
        .nth(1)
        .unwrap();
    let plot = plot.split("</svg>").next().unwrap();
    for text in plot
        .split("<text")
        .filter(|text| text.contains("y=\"196\""))
    {
        let (_, x) = text.split_once(" x=\"").unwrap();
        let at: f64 = x.split('%').next().unwrap().parse().unwrap();
        assert_eq!(text.contains(" last"), at > 92.0, "{text}");
        assert_eq!(text.contains(" late"), at > 80.0, "{text}");
    }
}

#[test]
fn oom_kills_stand_beside_the_failures_near_by() {
    use crate::record::{OomKill, oom_kill::tests::kill};
    let mut hostile = kill("2026-01-01T00:00:05Z");
    hostile.victim.comm = "\u{1b}[31m<b>".to_owned();
    hostile.cgroup.path = Some(format!("/{}\u{202e}", "a".repeat(90)));
    let record = |kill: OomKill| Record::OomKill(Box::new(kill));
    let mut failure = crate::report::tests::failure(1, AT);
    failure.cause = crate::cause::Cause::Overcommit;
    let report = report(&[&[
        session("web1", AT),
        Record::Failure(Box::new(failure)),
        record(kill(AT)),
        record(hostile),
    ]]);
    for width in [80, 100] {
        let text = report_text(&report, false, width);
        for said in [
            "2 OOM kills, 2026-01-01 00:00:00 UTC to 2026-01-01 00:00:05 UTC",
            "OOM kills within 60 s of a failure for want of memory",
            "01-01 00:00:00 postgres[812] in /x/y.service: memory.max of /x is full;",
        ] {
            assert!(text.contains(said), "{said:?} in {text}");
        }
        let of_kills = text.split_once("OOM kills").expect("a heading").1;
        for line in of_kills.lines() {
            assert!(display_width(line) <= width, "{line}");
        }
        assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{text}");
    }
    let page = report_page(&report);
    assert!(page.contains("1 failure, nearest 5 s before"), "{page}");
    assert!(!page.contains("<b>["), "{page}");
    assert!(page.contains("[31m&lt;b&gt;"), "{page}");
    assert!(!page.chars().any(|c| c != '\n' && is_harmful(c)));
}
