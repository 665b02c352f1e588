//! Functions for jq. They read raw lines (`jq -nR`), for jq ends at half a line; and they keep nothing
//! but a map, for jq 1.6 copies whatever stands above what is changed.

use serde_json::Value;

use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "jq",
    about: "Functions for jq -nR: records, failures, totals",
    for_people: true,
    how: How::Document(|_, _| TEXT.to_owned()),
};

const TEXT: &str = r#"# Every record. What is no whole line, as a crash leaves one, is passed over.
def records: inputs | fromjson? | select(type == "object" and has("type"));

# [cause, how often] of every failure and of its repeats.
def failures: foreach records as $r ({};
    if $r.type == "session" then (if .session == $r then . else {session: $r} end)
    elif $r.type == "failure" then .["\($r.seq)"] = $r.cause
    else . end;
    if $r.type == "failure" then [$r.cause, 1]
    elif $r.type == "repeat" then [.["\($r.of)"] // "its failure is not here", $r.count]
    else empty end);

# [cause, failures], most first: the numbers of the summary.
def totals: reduce failures as $f ({}; .[$f[0]] += $f[1])
  | to_entries | sort_by(-.value, .key)[] | [.key, .value];
"#;
