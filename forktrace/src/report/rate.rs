//! How many attempts came in one second at most: a second that begins wherever it may, and not the
//! clock's, which would part a burst at its turn.
//!
//! Counted in tenths of a second. So the number can be smaller than that of the best second, by what
//! came in one tenth, and is never larger.

/// Milliseconds of a part.
const PART: i64 = 100;
/// Parts of a second.
const SECOND: usize = 10;
/// Parts that are remembered: what comes late still finds those around it.
const PARTS: usize = 2 * SECOND;

/// Attempts of one process. Times are milliseconds of any clock.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// The latest parts, the newest last, and its number.
    parts: Vec<u64>,
    newest: i64,
    most: u64,
}

impl Rate {
    /// Takes attempts of which the first and the last came then, spread evenly between.
    pub fn add(&mut self, count: u64, first: i64, last: i64) {
        if count == 0 {
            return;
        }
        let (from, to) = (first.min(last), first.max(last));
        let (start, end) = (from.div_euclid(PART), to.div_euclid(PART));
        if from == to {
            return self.put(start, count);
        }
        let before = |part: i64| before(count, from, to, part.saturating_mul(PART));
        let length = end.saturating_sub(start);
        let reach = PARTS as i64;
        for part in start..=end.min(start.saturating_add(reach)) {
            self.put(part, before(part.saturating_add(1)) - before(part));
        }
        // Between, it is as at both ends.
        if length > reach {
            for part in end.saturating_sub(reach).max(start + reach + 1)..=end {
                self.put(part, before(part.saturating_add(1)) - before(part));
            }
        }
    }

    /// Counts another process's from now on.
    pub(super) fn restart(&mut self) {
        self.parts.clear();
        self.most = 0;
    }

    /// The most that came in one second.
    pub const fn most(&self) -> u64 {
        self.most
    }

    fn put(&mut self, part: i64, count: u64) {
        if self.parts.is_empty() {
            self.newest = part;
            self.parts.push(0);
        }
        let ahead = part.saturating_sub(self.newest);
        if ahead > 0 {
            let new = usize::try_from(ahead).map_or(PARTS, |new| new.min(PARTS));
            let keep = self.parts.len().min(PARTS - new);
            self.parts.drain(..self.parts.len() - keep);
            self.parts.resize(keep + new, 0);
            self.newest = part;
        }
        let back = usize::try_from(self.newest.saturating_sub(part)).unwrap_or(PARTS);
        if back >= PARTS {
            // Too late for those around it.
            self.most = self.most.max(count);
            return;
        }
        while self.parts.len() <= back {
            self.parts.insert(0, 0);
        }
        let at = self.parts.len() - 1 - back;
        self.parts[at] = self.parts[at].saturating_add(count);
        // Any second with this part in it.
        let near = &self.parts[at.saturating_sub(SECOND - 1)..self.parts.len().min(at + SECOND)];
        let mut second = 0_u128;
        let mut most = 0;
        for (n, count) in near.iter().enumerate() {
            second += u128::from(*count);
            let gone = n.checked_sub(SECOND).map_or(0, |gone| near[gone]);
            second -= u128::from(gone);
            most = most.max(second);
        }
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        self.most = self.most.max(most);
    }
}

/// How many came before this time.
fn before(count: u64, first: i64, last: i64, time: i64) -> u64 {
    if time <= first {
        return 0;
    }
    if time > last || count == 1 {
        return count;
    }
    let passed = i128::from(time) - i128::from(first);
    let span = (i128::from(last) - i128::from(first)).max(1);
    // The first came at once, the last at the end, and the others at equal distances.
    let others = (passed * i128::from(count - 1) - 1) / span;
    u64::try_from(others + 1).map_or(count, |n| n.min(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attempts: &[(u64, i64, i64)]) -> u64 {
        let mut rate = Rate::default();
        for (count, first, last) in attempts {
            rate.add(*count, *first, *last);
        }
        rate.most()
    }

    #[test]
    fn the_turn_of_a_second_parts_no_burst() {
        let burst: Vec<_> = (0..6)
            .map(|n| (1, 59_960 + n * 12, 59_960 + n * 12))
            .collect();
        assert_eq!(of(&burst), 6);
    }

    /// One by one, or as repeats of whatever length and wherever they end: the same number.
    #[test]
    fn repeats_count_where_they_came() {
        let at = |n: i64| 500 + n * 125 / 6;
        let one_by_one: Vec<_> = (0..480).map(|n| (1, at(n), at(n))).collect();
        let steady = of(&one_by_one);
        assert!((47..=49).contains(&steady), "{steady}");
        for some in [2, 5, 22, 33, 55, 240, 480] {
            let repeats: Vec<_> = (0..480)
                .step_by(some)
                .map(|n| {
                    let last = (n + some).min(480) - 1;
                    ((last - n + 1) as u64, at(n as i64), at(last as i64))
                })
                .collect();
            let most = of(&repeats);
            assert!(most.abs_diff(steady) <= 2, "{some}: {most}, not {steady}");
        }
        assert_eq!(of(&[(1, 0, 0), (3, 0, 3000)]), 2);
        // A day of repeats, and the ends of time.
        let day = of(&[(86_400 * 30 + 1, 0, 86_400_000)]);
        assert_eq!(day, 30);
        assert!(of(&[(7, i64::MIN, i64::MAX), (9, 0, 0), (2, i64::MAX, i64::MAX)]) >= 9);
        assert_eq!(of(&[(u64::MAX, 5, 5), (u64::MAX, 6, 6)]), u64::MAX);
    }

    #[test]
    fn what_comes_late_finds_those_around_it() {
        assert_eq!(of(&[(5, 1000, 1000), (1, 2500, 2500), (4, 1200, 1300)]), 9);
        assert_eq!(
            of(&[(5, 1000, 1000), (1, 90_000, 90_000), (4, 1200, 1200)]),
            5
        );
        // A second apart is another second.
        assert_eq!(of(&[(5, 1000, 1000), (4, 2000, 2000)]), 5);
    }
}
