//! How many entries there are for what a task leaves behind for itself: each CPU has its own, for what
//! is begun on it, and gives up the oldest of them when it has none left.

/// Entries of one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For each CPU.
    pub per_cpu: u32,
    /// Of all CPUs together, where they are few.
    pub least: u32,
}

impl Room {
    /// For so many CPUs, those that can be added while the host runs among them.
    pub fn entries(self, possible_cpus: u32) -> u32 {
        self.per_cpu.saturating_mul(possible_cpus).max(self.least)
    }
}

/// Refusals under way.
pub const NOTES: Room = Room {
    per_cpu: 64,
    least: 1024,
};
/// Creations under way: a vfork is that until its child has executed a program.
pub const ENTERED: Room = Room {
    per_cpu: 128,
    least: 4096,
};
/// Tasks in execve.
pub const EXECS: Room = Room {
    per_cpu: 64,
    least: 1024,
};
/// Threads' stacks between mmap and mprotect.
pub const STACKS: Room = Room {
    per_cpu: 64,
    least: 1024,
};
/// The OOM killer at work: for one task at a time.
pub const CHOICES: Room = Room {
    per_cpu: 4,
    least: 64,
};
/// Processes that it has killed.
pub const VICTIMS: Room = Room {
    per_cpu: 32,
    least: 256,
};

/// Each by the name of its map.
pub const ALL: [(&str, Room); 6] = [
    ("NOTES", NOTES),
    ("ENTERED", ENTERED),
    ("EXECS", EXECS),
    ("STACKS", STACKS),
    ("CHOICES", CHOICES),
    ("VICTIMS", VICTIMS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_has_its_own_and_few_have_more() {
        assert_eq!(NOTES.entries(1), 1024);
        assert_eq!(NOTES.entries(128), 128 * 64);
        assert_eq!(NOTES.entries(u32::MAX), u32::MAX);
    }
}
