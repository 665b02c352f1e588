//! What to set a limit to: above what it is, above what is in use, and no timid step.

use crate::{
    cause::{Context, words::roomier},
    model::Limit,
};

/// Tasks beyond twice what there is: limits of a few refuse what starts threads by the dozen.
const MORE: u64 = 8;

/// For a limit on tasks: twice what is in use or allowed, whichever is more.
pub(crate) fn tasks(limit: Option<&Limit>) -> u64 {
    readable(most(limit).saturating_mul(2).saturating_add(MORE))
}

/// The same, and no less than what was wanted at once as far as that was seen.
pub(crate) fn wanted(limit: Option<&Limit>, context: &Context) -> u64 {
    let wanted = context.wanted.unwrap_or_default();
    tasks(limit).max(readable(wanted))
}

/// For a limit in bytes: half as much again.
pub(crate) fn bytes(limit: Option<&Limit>) -> u64 {
    roomier(most(limit))
}

/// Usage above the limit: the limit was lowered, or tasks were moved in, or another's limit let them.
fn most(limit: Option<&Limit>) -> u64 {
    limit.map_or(0, |l| l.value.max(l.usage).unwrap_or(0))
}

/// Rounded up to two digits.
fn readable(wanted: u64) -> u64 {
    let mut step = 1u64;
    while wanted / step >= 100 {
        step = step.saturating_mul(10);
    }
    wanted.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LimitKind, Owner, Unit};

    #[test]
    fn it_is_above_limit_and_use() {
        let of = |value, usage| {
            let mut limit = Limit::new(LimitKind::PidsMax, Owner::Host, Unit::Tasks);
            (limit.value, limit.usage) = (Some(value), Some(usage));
            tasks(Some(&limit))
        };
        assert_eq!(of(4, 4), 16);
        assert_eq!(of(30, 86), 180);
        assert_eq!(of(512, 512), 1100);
        for n in 0..5000 {
            assert!(of(n, 0) >= 2 * n && of(0, n) >= 2 * n && of(n, n) > n);
        }
        let _ = of(u64::MAX, u64::MAX);
    }

    #[test]
    fn it_has_room_for_what_was_wanted_at_once() {
        let mut limit = Limit::new(LimitKind::PidsMax, Owner::Host, Unit::Tasks);
        (limit.value, limit.usage) = (Some(8), Some(8));
        let of = |wanted| {
            let context = Context {
                wanted,
                ..Context::default()
            };
            super::wanted(Some(&limit), &context)
        };
        assert_eq!(of(None), 24);
        assert_eq!(of(Some(9)), 24);
        assert_eq!(of(Some(31)), 31);
        assert_eq!(of(Some(131)), 140);
    }
}
