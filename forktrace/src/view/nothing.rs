//! That there was nothing: of how much, and what took it out.

use super::{clean, report::moment};
use crate::recording::LeftOut;

/// "None of 215 failures (2026-11-23 03:48:10 to 03:49:02 UTC) passes the filters: --since leaves out
/// 215."
pub fn nothing_passed(left_out: &LeftOut) -> String {
    let many = left_out.failures;
    if many == 0 {
        return "None of 0 failures passes the filters: no failure was recorded.".to_owned();
    }
    let times = match (&left_out.first, &left_out.last) {
        (Some(first), Some(last)) => format!(" ({} to {} UTC)", moment(first), moment(last)),
        _ => String::new(),
    };
    let by = left_out.by.iter();
    let by: Vec<String> = by
        .map(|(option, n)| format!("{} leaves out {n}", clean(option)))
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
        assert!(nothing_passed(&left_out).starts_with("None of 0 failures"));
        left_out.failures = 215;
        left_out.first = Some("2026-11-23T03:48:10Z".to_owned());
        left_out.last = Some("2026-11-23T03:49:02.5Z".to_owned());
        left_out.by.insert("--since".to_owned(), 215);
        left_out.by.insert("--user".to_owned(), 3);
        assert_eq!(
            nothing_passed(&left_out),
            "None of 215 failures (2026-11-23 03:48:10 to 2026-11-23 03:49:02 UTC) passes the filters: --since leaves out 215, --user leaves out 3."
        );
    }
}
