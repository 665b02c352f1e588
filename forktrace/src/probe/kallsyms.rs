//! Addresses of kernel variables and functions, from /proc/kallsyms.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use std::{collections::BTreeMap, ops::Range};

use forktrace_common::offsets::Symbols;

use super::lookup;

/// Why a symbol has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Not listed: another version, or no CONFIG_KALLSYMS_ALL, without which
    /// only functions are.
    NotListed,
    /// Listed with the address 0 (kernel.kptr_restrict, no CAP_SYSLOG).
    Hidden,
    /// Listed at several addresses (static variables of one name): which one
    /// is meant isn't known.
    Ambiguous,
}

/// What /proc/kallsyms lists.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// Addresses; 0 where absent.
    pub symbols: Symbols,
    /// The kernel's names of the absent ones, in the order of [`Symbols`].
    pub absent: Vec<(&'static str, Absence)>,
    /// Where the functions of [`FUNCTIONS`] begin, and the next ones.
    pub functions: BTreeMap<&'static str, Range<u64>>,
}

/// Functions whose machine code, or calls of which, are looked for ([`super::sites`]).
pub const FUNCTIONS: &[&str] = &[
    "copy_process",
    "kernel_clone",
    "create_io_thread",
    "vhost_task_create",
    "capable",
    "exit_creds",
    "security_task_free",
    "pids_can_fork",
    "pids_try_charge",
    "__vm_enough_memory",
    "percpu_counter_add_batch",
];

/// Reads /proc/kallsyms once. Takes 40 to 60 ms for 5.4 MB: seven parts of
/// eight are the kernel's writing it. Where it lists functions alone, and these
/// aren't asked for, that is spared.
pub fn resolve(functions: bool) -> io::Result<Resolved> {
    if !functions && lists_functions_alone() {
        return Ok(Table::default().conclude());
    }
    read(File::open(Path::new("/proc/kallsyms"))?)
}

/// Without CONFIG_KALLSYMS_ALL the kernel knows functions by name, and no
/// variable: of those that all versions have, none.
///
/// The kernel isn't asked for the addresses: of a name that several variables share it
/// would answer any.
fn lists_functions_alone() -> bool {
    let lacks = |name| matches!(lookup::has_symbol(name), Ok(false));
    lacks("max_threads") && lacks("nr_threads") && lacks("_totalram_pages")
}

/// The kernel's names, in the order of [`Symbols`].
const NAMES: [&str; 13] = [
    "nr_threads",
    "max_threads",
    "pid_max",
    "vm_committed_as",
    "sysctl_overcommit_memory",
    "sysctl_overcommit_ratio",
    "sysctl_overcommit_kbytes",
    "sysctl_admin_reserve_kbytes",
    "sysctl_user_reserve_kbytes",
    "_totalram_pages",
    "total_swap_pages",
    "sysctl_max_map_count",
    "ucounts_hashtable",
];

/// In bytes. Reads of a page each would double the time.
const BUFFER: usize = 128 * 1024;

#[derive(Clone, Copy, Default)]
enum Found {
    #[default]
    Nothing,
    At(u64),
    Several,
}

/// What has been found of [`NAMES`] and of [`FUNCTIONS`].
#[derive(Default)]
struct Table {
    variables: [Found; NAMES.len()],
    functions: BTreeMap<&'static str, Found>,
    /// Where the functions end: lines come by address.
    ends: BTreeMap<&'static str, u64>,
    open: Vec<&'static str>,
}

/// Reads the addresses from a file of kallsyms' form.
pub fn read(mut file: impl Read) -> io::Result<Resolved> {
    let mut table = Table::default();
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
            // One line as long as the buffer: no kallsyms. Drop it.
            filled = 0;
            continue;
        };
        let n = match file.read(room) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += n;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        let mut modules = false;
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            modules = line.last() == Some(&b']');
            if modules {
                break;
            }
            table.note(line);
        }
        // Modules come after the kernel itself, whose symbols alone matter.
        if modules {
            break;
        }
        if n == 0 {
            table.note(rest);
            break;
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        filled = left;
    }
    Ok(table.conclude())
}

impl Table {
    /// Takes a line in: `ffffffff81000000 T _text`. The letter doesn't matter:
    /// 6.18 and 7.3 list variables as t and T.
    fn note(&mut self, line: &[u8]) {
        let mut words = line.splitn(3, |&b| b == b' ');
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let variable = NAMES.iter().position(|wanted| wanted.as_bytes() == name);
        let function = FUNCTIONS.iter().find(|wanted| wanted.as_bytes() == name);
        if variable.is_none() && function.is_none() && self.open.is_empty() {
            return;
        }
        let address = std::str::from_utf8(address)
            .ok()
            .and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(address) = address else { return };
        self.close(address);
        if let Some(slot) = variable.and_then(|at| self.variables.get_mut(at)) {
            slot.add(address);
        }
        if let Some(&name) = function {
            self.functions.entry(name).or_default().add(address);
            self.open.push(name);
        }
    }

    /// Functions that begin before this address end here.
    fn close(&mut self, address: u64) {
        let (functions, ends) = (&self.functions, &mut self.ends);
        self.open.retain(|&name| match functions.get(name) {
            Some(Found::At(start)) if *start < address => {
                ends.insert(name, address);
                false
            }
            _ => true,
        });
    }

    fn conclude(self) -> Resolved {
        let mut resolved = conclude(&self.variables);
        for (name, found) in self.functions {
            if let (Found::At(start), Some(&end)) = (found, self.ends.get(name))
                && start != 0
            {
                resolved.functions.insert(name, start..end);
            }
        }
        if let Some(text) = resolved.functions.get("copy_process") {
            resolved.symbols.copy_process = text.start;
            resolved.symbols.copy_process_end = text.end;
        }
        resolved
    }
}

impl Found {
    fn add(&mut self, address: u64) {
        *self = match *self {
            Self::Nothing => Self::At(address),
            Self::At(before) if before == address => Self::At(address),
            Self::At(_) | Self::Several => Self::Several,
        };
    }
}

fn conclude(found: &[Found; NAMES.len()]) -> Resolved {
    let mut resolved = Resolved::default();
    let Symbols {
        nr_threads,
        max_threads,
        pid_max,
        vm_committed_as,
        sysctl_overcommit_memory,
        sysctl_overcommit_ratio,
        sysctl_overcommit_kbytes,
        sysctl_admin_reserve_kbytes,
        sysctl_user_reserve_kbytes,
        totalram_pages,
        total_swap_pages,
        sysctl_max_map_count,
        ucounts_hashtable,
        // Functions: see `Table::conclude`.
        copy_process: _,
        copy_process_end: _,
    } = &mut resolved.symbols;
    let fields = [
        nr_threads,
        max_threads,
        pid_max,
        vm_committed_as,
        sysctl_overcommit_memory,
        sysctl_overcommit_ratio,
        sysctl_overcommit_kbytes,
        sysctl_admin_reserve_kbytes,
        sysctl_user_reserve_kbytes,
        totalram_pages,
        total_swap_pages,
        sysctl_max_map_count,
        ucounts_hashtable,
    ];
    for ((field, name), found) in fields.into_iter().zip(NAMES).zip(found) {
        let absence = match *found {
            Found::At(0) => Absence::Hidden,
            Found::At(address) => {
                *field = address;
                continue;
            }
            Found::Nothing => Absence::NotListed,
            Found::Several => Absence::Ambiguous,
        };
        resolved.absent.push((name, absence));
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one to three bytes at a time.
    struct Drop<'a>(&'a [u8], usize);

    impl Read for Drop<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 % 3 + 1;
            let n = self.1.min(self.0.len()).min(buf.len());
            let (now, later) = self.0.split_at(n);
            buf[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    const SAMPLE: &str = "\
ffffffff81000000 T _text
ffffffff82a01000 D max_threads
ffffffff82a01004 t nr_threads
ffffffff82a01004 T nr_threads
ffffffff82a01008 d pid_max
ffffffff82a02008 b pid_max
0000000000000000 A _totalram_pages
ffffffff82a03000 D sysctl_overcommit_memory_more
not a line
zz T total_swap_pages
ffffffffc0000000 d vm_committed_as\t[mod]
ffffffff82a09000 D vm_committed_as
";

    #[test]
    fn lines() {
        for whole in [true, false] {
            let resolved = if whole {
                read(SAMPLE.as_bytes())
            } else {
                read(Drop(SAMPLE.as_bytes(), 0))
            }
            .unwrap();
            let symbols = resolved.symbols;
            assert_eq!(symbols.max_threads, 0xffff_ffff_82a0_1000);
            assert_eq!(symbols.nr_threads, 0xffff_ffff_82a0_1004);
            assert_eq!(symbols.pid_max, 0);
            let why = |name| resolved.absent.iter().find(|a| a.0 == name).map(|a| a.1);
            assert_eq!(why("nr_threads"), None);
            assert_eq!(why("pid_max"), Some(Absence::Ambiguous));
            assert_eq!(why("_totalram_pages"), Some(Absence::Hidden));
            assert_eq!(why("vm_committed_as"), Some(Absence::NotListed));
            assert_eq!(why("sysctl_overcommit_memory"), Some(Absence::NotListed));
            assert_eq!(why("total_swap_pages"), Some(Absence::NotListed));
        }
    }

    #[test]
    fn functions_end_where_the_next_begins() {
        let text = "\
ffffffff81000000 T copy_process
ffffffff81000000 t copy_process_alias
ffffffff81002000 t kernel_clone
ffffffff81002400 T capable
ffffffff81002500 T other
ffffffff81002600 t capable
";
        let resolved = read(text.as_bytes()).unwrap();
        let range = |name| resolved.functions.get(name).cloned();
        assert_eq!(
            range("copy_process"),
            Some(0xffff_ffff_8100_0000..0xffff_ffff_8100_2000)
        );
        assert_eq!(
            range("kernel_clone"),
            Some(0xffff_ffff_8100_2000..0xffff_ffff_8100_2400)
        );
        // Two of one name: which one is meant isn't known.
        assert_eq!(range("capable"), None);
        assert_eq!(resolved.symbols.copy_process_end, 0xffff_ffff_8100_2000);
        // Hidden addresses are none.
        assert!(
            read(&b"0 T copy_process\n0 T kernel_clone\n"[..])
                .unwrap()
                .functions
                .is_empty()
        );
    }

    #[test]
    fn odd_files() {
        assert_eq!(read(&b""[..]).unwrap().absent.len(), NAMES.len());
        // No newline at the end, and a line longer than the buffer.
        let resolved = read(&b"12 T max_threads"[..]).unwrap();
        assert_eq!(resolved.symbols.max_threads, 0x12);
        let mut long = vec![b'x'; 3 * BUFFER];
        long.extend_from_slice(b"\n12 T max_threads\n");
        assert_eq!(read(&long[..]).unwrap().symbols.max_threads, 0x12);
    }

    #[test]
    fn the_running_kernel() {
        let started = std::time::Instant::now();
        let resolved = resolve(true).unwrap();
        println!("{:?}: {resolved:x?}", started.elapsed());
    }
}
