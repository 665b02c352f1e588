//! prlimit(1) of a running process, where that is worth naming: it has to live on, and neither its
//! soft nor its hard limit may be lowered by it.

use super::target::Target;
use crate::host::lineage::Member;

/// Younger processes may well have ended by the time that somebody reads of them.
const LASTING_SECONDS: u64 = 5;

/// The command that gives a process `target` of a resource, by prlimit's option for it; `None` where
/// the process isn't known to live on, or has as much by now.
pub(crate) fn command(process: Option<&Member>, option: &str, target: u64) -> Option<String> {
    let process = process.filter(|p| lives_on(p))?;
    if process.bounds.soft.is_none_or(|soft| soft >= target) {
        return None;
    }
    // Without the colon prlimit sets the hard limit as well.
    let colon = match process.bounds.hard {
        Some(hard) if hard < target => "",
        _ => ":",
    };
    Some(format!(
        "prlimit --pid {} --{option}={target}{colon}",
        process.pid
    ))
}

/// `target` as systemd and PAM take it, without lowering the hard limit: `hard` is `None` where it
/// isn't known, and `Some(None)` where there is none.
pub(crate) fn with_hard(target: Target, hard: Option<Option<u64>>) -> String {
    match hard {
        Some(None) => format!("{target}:infinity"),
        Some(Some(hard)) if target.number().is_none_or(|target| hard > target) => {
            format!("{target}:{hard}")
        }
        _ => target.to_string(),
    }
}

/// Whether it is old enough to be believed to be there for a while.
pub(crate) fn lives_on(process: &Member) -> bool {
    process.seconds.is_some_and(|age| age >= LASTING_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::Bounds;

    fn member(seconds: u64, soft: u64, hard: Option<u64>) -> Member {
        Member {
            pid: 7,
            seconds: Some(seconds),
            bounds: Bounds {
                soft: Some(soft),
                hard,
            },
            ..Member::default()
        }
    }

    #[test]
    fn it_lowers_nothing() {
        let of = |soft, hard, target| command(Some(&member(60, soft, hard)), "nproc", target);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of(40, Some(2000), 100),
            some("prlimit --pid 7 --nproc=100:")
        );
        assert_eq!(of(40, None, 100), some("prlimit --pid 7 --nproc=100:"));
        assert_eq!(of(40, Some(40), 100), some("prlimit --pid 7 --nproc=100"));
        assert_eq!(of(200, Some(2000), 100), None);
    }

    #[test]
    fn a_unit_keeps_its_hard_limit() {
        assert_eq!(with_hard(100.into(), None), "100");
        assert_eq!(with_hard(100.into(), Some(Some(40))), "100");
        assert_eq!(with_hard(100.into(), Some(Some(2000))), "100:2000");
        assert_eq!(with_hard(100.into(), Some(None)), "100:infinity");
        let unknown = Target::default();
        assert_eq!(with_hard(unknown, Some(Some(2000))), "N:2000");
    }

    #[test]
    fn what_has_just_begun_may_end_as_soon() {
        assert_eq!(command(Some(&member(1, 40, None)), "nproc", 100), None);
        assert_eq!(command(None, "nproc", 100), None);
    }
}
