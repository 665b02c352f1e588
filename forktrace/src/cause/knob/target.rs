//! What to set a limit to: above what it is, above what is in use, and no timid step; never below what
//! somebody has set it to since it refused, and no number where what it allowed isn't known.

use std::fmt;

use crate::{
    cause::{Context, words::roomier},
    model::{Limit, amount},
};

/// Tasks beyond twice what there is: limits of a few refuse what starts threads by the dozen.
const MORE: u64 = 8;

/// A number to set a limit to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None`: what the limit allowed isn't known, or there is none any more.
    number: Option<u64>,
    /// It allows more by now than it did.
    is_raised: bool,
}

impl Target {
    /// The number, where there is one.
    pub(crate) fn number(self) -> Option<u64> {
        self.number
    }

    /// Whether it is known to be above another number.
    pub(crate) fn is_above(self, other: u64) -> bool {
        self.number.is_some_and(|number| number > other)
    }

    /// A command that sets it, where it is still to be set.
    pub(crate) fn command(self, of: impl FnOnce(u64) -> String) -> Option<String> {
        self.number.filter(|_| !self.is_raised).map(of)
    }

    /// Not below the one, nor above the other.
    pub(crate) fn within(self, least: u64, most: u64) -> Self {
        Self {
            number: self.number.map(|number| number.clamp(least, most)),
            ..self
        }
    }

    /// Above this limit and its use, whoever has changed it since.
    fn above(limit: Option<&Limit>, context: &Context, raised: impl Fn(u64) -> u64) -> Self {
        let Some((value, most)) = limit.and_then(|l| Some((l.value?, l.value.max(l.usage)?)))
        else {
            return Self::default();
        };
        match context.current {
            Some(None) => Self {
                number: None,
                is_raised: true,
            },
            Some(Some(current)) if current > value => Self {
                number: Some(raised(most).max(current)),
                is_raised: true,
            },
            _ => Self {
                number: Some(raised(most)),
                is_raised: false,
            },
        }
    }
}

/// `N` stands for a number that isn't known, as on causes' pages.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => number.fmt(f),
            None => f.write_str("N"),
        }
    }
}

#[cfg(test)]
impl From<u64> for Target {
    fn from(number: u64) -> Self {
        Self {
            number: Some(number),
            is_raised: false,
        }
    }
}

/// For a limit on tasks: twice what is in use or allowed, whichever is more. Usage above the limit: it
/// was lowered, or tasks were moved in, or another's limit let them.
pub(crate) fn tasks(limit: Option<&Limit>, context: &Context) -> Target {
    Target::above(limit, context, twice)
}

/// The same, and no less than what was wanted at once as far as that was seen.
pub(crate) fn wanted(limit: Option<&Limit>, context: &Context) -> Target {
    let wanted = readable(context.wanted.unwrap_or_default());
    Target::above(limit, context, |most| twice(most).max(wanted))
}

/// For a limit in bytes: half as much again.
pub(crate) fn bytes(limit: Option<&Limit>, context: &Context) -> Target {
    Target::above(limit, context, roomier)
}

/// What somebody has made of the limit since it refused.
pub(crate) fn since(limit: &Limit, context: &Context) -> Option<String> {
    let current = context.current?;
    let reads = match current {
        Some(current) => amount(current, limit.unit),
        None => "max".to_owned(),
    };
    let title = limit.title();
    match (limit.value, current) {
        (Some(value), Some(current)) if current == value => None,
        (Some(value), Some(current)) if current < value => Some(format!(
            "{title} has been lowered since: it reads {reads} now"
        )),
        (Some(_), _) => Some(format!(
            "{title} has been raised since: it reads {reads} now"
        )),
        (None, _) => Some(format!(
            "what {title} allowed when it refused isn't known, as it was changed at that moment: it \
             reads {reads} now"
        )),
    }
}

fn twice(most: u64) -> u64 {
    readable(most.saturating_mul(2).saturating_add(MORE))
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
            tasks(Some(&limit), &Context::default()).number().unwrap()
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
            super::wanted(Some(&limit), &context).number()
        };
        assert_eq!(of(None), Some(24));
        assert_eq!(of(Some(9)), Some(24));
        assert_eq!(of(Some(31)), Some(31));
        assert_eq!(of(Some(131)), Some(140));
    }

    fn now(value: Option<u64>, current: Option<Option<u64>>) -> (Target, Option<String>) {
        let limit = Limit {
            value,
            usage: Some(10),
            ..Limit::new(LimitKind::PidsMax, Owner::cgroup("/a"), Unit::Tasks)
        };
        let context = Context {
            current,
            ..Context::default()
        };
        (tasks(Some(&limit), &context), since(&limit, &context))
    }

    #[test]
    fn it_is_never_below_what_the_limit_has_become() {
        let command = |target: Target| target.command(|number| number.to_string());
        for (current, number, told) in [
            (None, Some(28), None),
            (Some(Some(10)), Some(28), None),
            (
                Some(Some(5)),
                Some(28),
                Some("lowered since: it reads 5 now"),
            ),
        ] {
            let (target, note) = now(Some(10), current);
            assert_eq!(target.number(), number);
            assert_eq!(command(target), number.map(|number| number.to_string()));
            assert_eq!(note.is_some(), told.is_some());
            assert!(told.is_none_or(|told| note.unwrap().ends_with(told)));
        }
        for (current, number, reads) in [
            (Some(Some(12)), Some(28), "12"),
            (Some(Some(5000)), Some(5000), "5000"),
            (Some(None), None, "max"),
        ] {
            let (target, note) = now(Some(10), current);
            assert_eq!((target.number(), command(target)), (number, None));
            let told = format!("pids.max of /a has been raised since: it reads {reads} now");
            assert_eq!(note, Some(told));
        }
    }

    #[test]
    fn what_is_not_known_gives_no_number() {
        for current in [None, Some(Some(5)), Some(None)] {
            let (target, note) = now(None, current);
            assert_eq!(
                (target.number(), target.to_string()),
                (None, "N".to_owned())
            );
            assert_eq!(target.command(|number| number.to_string()), None);
            assert_eq!(note.is_some(), current.is_some());
        }
        assert_eq!(tasks(None, &Context::default()), Target::default());
    }
}
