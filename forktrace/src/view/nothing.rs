//! That there was nothing: of how much, and what took it out.

use super::{clean, report::moment};
use crate::recording::LeftOut;

/// "None of 215 failures (2026-11-23 03:48:10 to 03:49:02 UTC) passes the filters: --since leaves out
/// 215." Of `unjudged` more nobody knows whether the filters want them.
pub fn nothing_passed(left_out: &LeftOut, unjudged: u64) -> String {
    let many = left_out.failures.saturating_add(unjudged);
    if many == 0 {
        return "None of 0 failures passes the filters: no failure was recorded.".to_owned();
    }
    let times = match (&left_out.first, &left_out.last) {
        (Some(first), Some(last)) => format!(" ({} to {} UTC)", moment(first), moment(last)),
        _ => String::new(),
    };
    let by = left_out.by.iter();
    let unknown = match unjudged {
        0 => None,
        n => Some(format!("of {n} it isn't recorded")),
    };
    let by: Vec<String> = by
        .map(|(option, n)| format!("{} leaves out {n}", clean(option)))
        .chain(unknown)
        .collect();
    let s = if many == 1 { "" } else { "s" };
    let by = by.join(", ");
    clean(&format!(
        "None of {many} failure{s}{times} passes the filters: {by}."
    ))
    .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_them_out_is_named() {
        let mut left_out = LeftOut::default();
        assert!(nothing_passed(&left_out, 0).starts_with("None of 0 failures"));
        left_out.failures = 215;
        left_out.first = Some("2026-11-23T03:48:10Z".to_owned());
        left_out.last = Some("2026-11-23T03:49:02.5Z".to_owned());
        left_out.by.insert("--since".to_owned(), 215);
        left_out.by.insert("--user".to_owned(), 3);
        assert_eq!(
            nothing_passed(&left_out, 0),
            "None of 215 failures (2026-11-23 03:48:10 to 2026-11-23 03:49:02 UTC) passes the filters: --since leaves out 215, --user leaves out 3."
        );
        let said = nothing_passed(&left_out, 7);
        assert!(said.starts_with("None of 222 failures"), "{said}");
        assert!(
            said.ends_with("--user leaves out 3, of 7 it isn't recorded."),
            "{said}"
        );
    }
}
