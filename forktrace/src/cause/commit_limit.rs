//! What CommitLimit would have to be set to, from what it is made of.

use super::{
    Context,
    knob::sysctl::{self, Lasting},
};
use crate::model::{Limit, LimitKind, Memory, bytes};

/// The setting that is in use, raised so far that what was refused fits, and a quarter more: a
/// command for now, where one fits, and what lasts. `whole`: what would be promised with all that is asked for after
/// it, at most; that goes by sizes, and is left out where all of RAM and swap couldn't hold it.
pub(super) fn raised(
    limit: &Limit,
    memory: &Memory,
    whole: Option<u64>,
    context: &Context,
) -> Option<(Option<String>, Lasting)> {
    if limit.kind != LimitKind::CommitLimit {
        return None;
    }
    let refused = limit.usage?.saturating_add(limit.requested?);
    let most = memory.total.zip(memory.swap_total);
    let most = most.map_or(0, |(total, swap)| total.saturating_add(swap));
    let whole = whole.filter(|whole| *whole > refused && *whole <= most);
    let raised = whole.and_then(|whole| to_fit(limit, whole, memory, context));
    raised
        .filter(|(now, _)| now.is_some())
        .or_else(|| to_fit(limit, refused, memory, context))
}

/// Raised so far that so many bytes may be promised, and a quarter more.
fn to_fit(
    limit: &Limit,
    asked: u64,
    memory: &Memory,
    context: &Context,
) -> Option<(Option<String>, Lasting)> {
    let reserves = limit.value?.saturating_sub(limit.bound()?);
    let target = asked.saturating_add(asked / 4).saturating_add(reserves);
    // What was promised a moment ago may be taken back by now.
    let least = limit
        .value?
        .saturating_add(limit.requested?.saturating_mul(2));
    let target = target.max(least);
    let swap = memory.swap_total?;
    let from_memory = target.saturating_sub(swap);
    if memory.overcommit_kbytes? > 0 {
        let kbytes = from_memory.div_ceil(1024);
        return Some(setting("vm.overcommit_kbytes", kbytes, context));
    }
    let counted = memory.total?.checked_sub(memory.huge_pages.unwrap_or(0))?;
    let ratio = from_memory.saturating_mul(100).div_ceil(counted.max(1));
    if ratio <= 100 {
        return Some(setting("vm.overcommit_ratio", ratio, context));
    }
    // More than there is of memory: only swap makes such a promise good.
    let more = target.saturating_sub(limit.value?);
    Some((
        None,
        Lasting {
            way: format!(
                "add {} of swap, or promise less; vm.overcommit_ratio would have to be {ratio}, \
                 which is more than all of RAM",
                bytes(more)
            ),
            note: None,
        },
    ))
}

/// A shell's own copy would be promised memory as well: it writes the number itself.
fn setting(key: &str, value: u64, context: &Context) -> (Option<String>, Lasting) {
    let mut lasting = sysctl::lasting(key, Some(value), context);
    lasting.way.push_str(", or add swap");
    (Some(sysctl::write(key, value)), lasting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Owner, Unit};

    const GIB: u64 = 1 << 30;

    fn raised(usage: u64, change: impl FnOnce(&mut Memory)) -> Option<(Option<String>, String)> {
        let limit = Limit {
            value: Some(5 * GIB),
            usage: Some(usage),
            requested: Some(GIB),
            usable: Some(4 * GIB),
            ..Limit::new(LimitKind::CommitLimit, Owner::Host, Unit::Bytes)
        };
        let mut memory = Memory {
            total: Some(8 * GIB),
            huge_pages: Some(0),
            swap_total: Some(GIB),
            overcommit_ratio: Some(50),
            overcommit_kbytes: Some(0),
            ..Memory::default()
        };
        change(&mut memory);
        let (now, lasting) = super::raised(&limit, &memory, None, &Context::default())?;
        Some((now, lasting.way))
    }

    #[test]
    fn the_setting_in_use_is_the_one_to_raise() {
        // 4 GiB are asked for in all, and 5 allowed: with twice the 1 that was refused 7, less 1 of
        // swap, of 8.
        let (now, lasting) = raised(3 * GIB, |_| {}).unwrap();
        assert_eq!(
            now.as_deref(),
            Some("echo 75 > /proc/sys/vm/overcommit_ratio")
        );
        assert!(lasting.contains("vm.overcommit_ratio = 75"));
        let (now, lasting) = raised(3 * GIB, |m| m.overcommit_kbytes = Some(4 << 20)).unwrap();
        assert_eq!(
            now.as_deref(),
            Some("echo 6291456 > /proc/sys/vm/overcommit_kbytes")
        );
        assert!(lasting.contains("vm.overcommit_kbytes = 6291456"));
    }

    #[test]
    fn more_than_all_of_ram_takes_swap() {
        let (now, lasting) = raised(7 * GIB, |_| {}).unwrap();
        // 10 and 1 of reserves, where 5 are allowed.
        assert_eq!(now, None);
        assert!(lasting.starts_with("add 6.0 GiB of swap"), "{lasting}");
        assert!(lasting.contains("would have to be 125"), "{lasting}");
    }

    #[test]
    fn without_numbers_nothing_changes() {
        assert_eq!(raised(3 * GIB, |m| m.swap_total = None), None);
    }
}
