use super::*;
use crate::btf::builder::*;

/// `long` and `int`.
fn numbers(b: &mut Builder) -> (u32, u32) {
    (b.int("long int", 8, 1), b.int("int", 4, 1))
}

fn of(b: &Builder) -> Offsets {
    resolve(&Btf::parse(b.bytes()).unwrap()).offsets
}

#[test]
fn nothing_known() {
    let mut b = Builder::new();
    numbers(&mut b);
    let resolved = resolve(&Btf::parse(b.bytes()).unwrap());
    assert_eq!(resolved.offsets, Offsets::UNKNOWN);
    assert_eq!(resolved.missing.len(), Offsets::NAMES.len());
    // Of the oldest kernel nothing is expected that came later.
    let lacking: Vec<&str> = resolved.lacking().map(|slot| slot.name).collect();
    assert!(lacking.contains(&"user_processes") && lacking.contains(&"kn_parent"));
    assert!(!lacking.contains(&"ucounts_nproc") && !lacking.contains(&"pidns_pid_max"));
}

#[test]
fn the_process_count_before_5_14() {
    let mut b = Builder::new();
    let (_, int) = numbers(&mut b);
    let counts = b.array(int, 12);
    b.aggregate(
        STRUCT,
        "user_struct",
        8,
        false,
        &[("__count", int, 0), ("processes", int, 32)],
    );
    b.aggregate(STRUCT, "ucounts", 48, false, &[("ucount", counts, 0)]);
    b.enumeration(ENUM, "ucount_type", &[("UCOUNT_USER_NAMESPACES", 0)]);
    let offsets = of(&b);
    assert_eq!(offsets.user_processes, 4);
    assert_eq!(offsets.ucounts_nproc, MISSING);
    assert_eq!(offsets.userns_nproc_max, MISSING);
}

#[test]
fn the_process_count_of_5_14() {
    let mut b = Builder::new();
    let (long, int) = numbers(&mut b);
    let atomic = b.aggregate(STRUCT, "", 8, false, &[("counter", long, 0)]);
    let atomic = b.refer(TYPEDEF, "atomic_long_t", atomic);
    let counts = b.array(atomic, 14);
    let maxima = b.array(long, 14);
    b.aggregate(
        STRUCT,
        "ucounts",
        120,
        false,
        &[("count", int, 0), ("ucount", counts, 64)],
    );
    b.aggregate(
        STRUCT,
        "user_namespace",
        112,
        false,
        &[("ucount_max", maxima, 0)],
    );
    b.enumeration(
        ENUM,
        "ucount_type",
        &[("UCOUNT_USER_NAMESPACES", 0), ("UCOUNT_RLIMIT_NPROC", 10)],
    );
    let offsets = of(&b);
    assert_eq!(offsets.ucounts_nproc, 88);
    assert_eq!(offsets.userns_nproc_max, 80);
    assert_eq!(offsets.user_processes, MISSING);
}

/// `io_thread` as an int up to 6.3, as a bit since.
#[test]
fn flags_of_both_kinds() {
    let mut b = Builder::new();
    let (_, int) = numbers(&mut b);
    b.aggregate(
        STRUCT,
        "kernel_clone_args",
        8,
        true,
        &[("io_thread", int, 32), ("kthread", int, 1 << 24 | 13)],
    );
    let offsets = of(&b);
    assert_eq!(
        (offsets.args_io_thread_byte, offsets.args_io_thread_mask),
        (4, 0xff)
    );
}

#[test]
fn renamed_fields_and_other_sizes() {
    let mut b = Builder::new();
    let (long, int) = numbers(&mut b);
    let events = b.array(long, 2);
    b.aggregate(
        STRUCT,
        "kernfs_node",
        16,
        false,
        &[("__parent", long, 64), ("id", int, 0)],
    );
    b.aggregate(
        STRUCT,
        "pids_cgroup",
        32,
        false,
        &[("events_local", events, 64), ("events_limit", long, 0)],
    );
    b.enumeration(
        ENUM,
        "pidcg_event",
        &[("PIDCG_MAX", 0), ("PIDCG_FORKFAIL", 1)],
    );
    let offsets = of(&b);
    assert_eq!(offsets.kn_parent, 8);
    assert_eq!(offsets.kn_id, MISSING, "four bytes where eight are read");
    assert_eq!(offsets.pids_forkfail, 16);
}

#[test]
fn the_running_kernel() {
    let Ok(btf) = Btf::from_sys() else {
        println!("note: no BTF here, nothing tested");
        return;
    };
    let Resolved {
        offsets, missing, ..
    } = resolve(&btf);
    for name in ["task_signal", "cred_uid", "kn_id", "args_flags"] {
        assert!(!missing.iter().any(|slot| slot.name == name), "{name}");
    }
    assert_ne!(
        offsets.user_processes == MISSING,
        offsets.ucounts_nproc == MISSING,
        "exactly one of the two counts"
    );
}

/// Prints the table for the BTF in the file `FORKTRACE_BTF`, to compare
/// with other tools.
#[test]
#[ignore = "prints a table"]
fn print() {
    let path = std::env::var_os("FORKTRACE_BTF").expect("FORKTRACE_BTF");
    let mut best = [std::time::Duration::MAX; 3];
    for _ in 0..20 {
        let started = std::time::Instant::now();
        let bytes = std::fs::read(&path).unwrap();
        let read = started.elapsed();
        let btf = Btf::parse(bytes).unwrap();
        let parsed = started.elapsed();
        resolve(&btf);
        for (best, now) in best.iter_mut().zip([read, parsed, started.elapsed()]) {
            *best = now.min(*best);
        }
    }
    println!("read, parsed, resolved after: {best:?}");
    let btf = Btf::from_file(path.as_ref()).unwrap();
    let resolved = resolve(&btf);
    let missing: Vec<&str> = resolved.missing.iter().map(|slot| slot.name).collect();
    println!("{:#?}\nmissing: {missing:?}", resolved.offsets);
}

/// Every slot is found under its own name, once.
#[test]
fn a_slot_for_each_offset() {
    let mut slots: Vec<&str> = SLOTS.iter().map(|slot| slot.name).collect();
    let mut names = Offsets::NAMES.to_vec();
    slots.sort_unstable();
    names.sort_unstable();
    assert_eq!(slots, names);
}

/// What a kernel should have follows from what else it has.
#[test]
fn lacking_by_age() {
    let mut b = Builder::new();
    let (long, _) = numbers(&mut b);
    b.aggregate(STRUCT, "cred", 8, false, &[("ucounts", long, 0)]);
    let lacking = |b: &Builder| -> Vec<&str> {
        let resolved = resolve(&Btf::parse(b.bytes()).unwrap());
        resolved.lacking().map(|slot| slot.name).collect()
    };
    let before = lacking(&b);
    assert!(before.contains(&"ucounts_nproc"), "since 5.14");
    assert!(!before.contains(&"user_processes"), "until 5.13");
    assert!(!before.contains(&"pidns_pid_max"), "since 6.14");
    b.aggregate(STRUCT, "kernfs_node", 8, false, &[("__parent", long, 0)]);
    assert!(lacking(&b).contains(&"pidns_pid_max"), "6.15 has __parent");
}

/// Whether an address is its lowest bits, extended by their sign (arch/x86/include/asm/page.h
/// `__is_canonical_address`).
fn is_canonical(address: u64, bits: u32) -> bool {
    let above = 64 - bits;
    ((address << above).cast_signed() >> above).cast_unsigned() == address
}

#[test]
fn what_is_missing_is_read_from_no_address_of_any_processor() {
    let of_four_levels =
        [0_u64, 1, 0x1234_5678_9abc, (1 << 47) - 1].map(|low| low | 0xffff_8000 << 32);
    let of_five_levels = [0_u64, 1, 0x12_3456_789a_bcde, (1 << 56) - 1].map(|low| low | 0xff << 56);
    let none = [0_u64, 0x13f0];
    for base in [&of_four_levels[..], &of_five_levels, &none].concat() {
        let address = base.wrapping_add(MISSING);
        for bits in [48, 57] {
            assert!(!is_canonical(address, bits), "{base:#x}: {address:#x}");
        }
    }
}

#[test]
fn what_is_missing_is_in_nobodys_half_on_arm64() {
    // Addresses have at most 52 bits there; bits 52 to 55 are all ones in the kernel's half, all zeroes in a
    // user's, and the byte above them may hold a tag.
    for base in [0, 0x13f0, 0xfff0 << 48, 0xffff_8000_1234_5678_u64] {
        let upper = base.wrapping_add(MISSING) >> 52 & 0xf;
        assert!(upper != 0xf && upper != 0, "{base:#x}: {upper:#x}");
    }
}
