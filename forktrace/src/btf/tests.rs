use super::builder::*;
use super::*;

/// A small kernel: what the real one has that is awkward to parse.
fn sample() -> Builder {
    let mut b = Builder::new();
    let int = b.int("int", 4, 1);
    let long = b.int("long unsigned int", 8, 0);
    let boolean = b.int("_Bool", 1, 4);
    let boolean = b.refer(TYPEDEF, "bool", boolean);
    let limit = b.aggregate(
        STRUCT,
        "rlimit",
        16,
        false,
        &[("rlim_cur", long, 0), ("rlim_max", long, 64)],
    );
    let limits = b.array(limit, 16);
    let limits = b.refer(CONST, "", limits);
    let inner = b.aggregate(STRUCT, "", 8, false, &[("a", int, 0), ("b", int, 32)]);
    let either = b.aggregate(UNION, "", 8, false, &[("", inner, 0), ("whole", long, 0)]);
    let task = b.aggregate(
        STRUCT,
        "task_struct",
        280,
        true,
        &[
            ("state", int, 0),
            ("three", int, 3 << 24 | 32),
            ("reset", int, 1 << 24 | 43),
            ("wide", int, 9 << 24 | 44),
            ("", either, 64),
            ("rlim", limits, 128),
        ],
    );
    let grid = b.array(int, 4);
    let grid = b.array(grid, 3);
    let open = b.array(int, 0);
    b.aggregate(
        STRUCT,
        "tables",
        48,
        false,
        &[("grid", grid, 0), ("open", open, 384)],
    );
    let pointer = b.refer(PTR, "", task);
    b.aggregate(STRUCT, "holder", 8, false, &[("task", pointer, 0)]);
    // Bitfields as encoded without kind_flag: an integer type of two bits that
    // begins one bit above the member's offset.
    let two = b.raw(INT, "unsigned int", 0, false, 4, &[1 << 16 | 2]);
    b.aggregate(STRUCT, "old", 4, false, &[("flags", two, 4)]);
    b.refer(TYPEDEF, "task_t", task);
    b.enumeration(ENUM, "order", &[("FIRST", 0), ("SECOND", 1), ("LESS", -2)]);
    b.enumeration(ENUM, "", &[("NAMELESS", 7)]);
    b.enumeration(ENUM, "other", &[("SECOND", 5)]);
    b.enumeration(ENUM64, "large", &[("HUGE", 1 << 40), ("MINUS", -1)]);
    let character = b.int("char", 1, 1);
    let character = b.refer(CONST, "", character);
    let name = b.refer(PTR, "", character);
    b.function("copy", &[("task", pointer), ("name", name)], pointer);
    b.function("over", &[("max", long)], boolean);
    b.function("free", &[("", pointer), ("", 0)], 0);
    b.function("twice", &[("max", long)], int);
    b.function("twice", &[], 0);
    let constant = b.refer(CONST, "", pointer);
    b.function("same", &[("p", constant)], int);
    b.function("same", &[("p", constant)], int);
    b
}

fn parsed() -> Btf {
    Btf::parse(sample().bytes()).unwrap()
}

fn at(btf: &Btf, name: &str, path: &str) -> Option<(u32, u32)> {
    let field = btf.field(name, path)?;
    assert_eq!(field.bits, None, "{name}.{path}");
    Some((field.byte_offset, field.size))
}

#[test]
fn fields() {
    let btf = parsed();
    for (name, path, place) in [
        ("task_struct", "state", Some((0, 4))),
        ("task_struct", "a", Some((8, 4))),
        ("task_struct", "b", Some((12, 4))),
        ("task_struct", "whole", Some((8, 8))),
        ("task_struct", "rlim", Some((16, 256))),
        ("task_struct", "rlim[0]", Some((16, 16))),
        ("task_struct", "rlim[6].rlim_cur", Some((112, 8))),
        ("task_struct", "rlim[6].rlim_max", Some((120, 8))),
        ("task_t", "rlim[15]", Some((256, 16))),
        ("tables", "grid[2][3]", Some((44, 4))),
        ("tables", "grid[2]", Some((32, 16))),
        ("tables", "open[3]", Some((60, 4))),
        ("holder", "task", Some((0, size_of::<usize>() as u32))),
        // Beyond the array, through a pointer, of something that has no
        // members, and paths that are none.
        ("task_struct", "rlim[16]", None),
        ("task_struct", "state[0]", None),
        ("task_struct", "state.more", None),
        ("holder", "task.state", None),
        ("task_struct", "missing", None),
        ("missing", "state", None),
        ("copy", "task", None),
        ("task_struct", "", None),
        ("task_struct", ".", None),
        ("task_struct", "rlim[", None),
        ("task_struct", "rlim[]", None),
        ("task_struct", "rlim[-1]", None),
        ("task_struct", "rlim[1]x", None),
        ("task_struct", "rlim[99999999999]", None),
        ("", "state", None),
    ] {
        assert_eq!(at(&btf, name, path), place, "{name}.{path}");
    }
}

#[test]
fn bitfields() {
    let btf = parsed();
    let bits = |name, path| {
        let field = btf.field(name, path).unwrap();
        let bits = field.bits.unwrap();
        (field.byte_offset, field.size, bits.shift, bits.width)
    };
    assert_eq!(bits("task_struct", "three"), (4, 1, 0, 3));
    assert_eq!(bits("task_struct", "reset"), (5, 1, 3, 1));
    // Nine bits that cross a byte's end.
    assert_eq!(bits("task_struct", "wide"), (5, 2, 4, 9));
    assert_eq!(bits("old", "flags"), (0, 1, 5, 2));
    assert_eq!(btf.field("task_struct", "three.x"), None);
}

/// Structs of one name: used where they agree, not where they don't.
#[test]
fn structs_of_the_same_name() {
    let mut b = Builder::new();
    let int = b.int("int", 4, 1);
    b.aggregate(
        STRUCT,
        "s",
        8,
        false,
        &[("same", int, 0), ("moved", int, 0)],
    );
    b.aggregate(
        STRUCT,
        "s",
        12,
        false,
        &[("same", int, 0), ("moved", int, 32), ("own", int, 64)],
    );
    let btf = Btf::parse(b.bytes()).unwrap();
    assert_eq!(at(&btf, "s", "same"), Some((0, 4)));
    assert_eq!(at(&btf, "s", "own"), Some((8, 4)));
    assert_eq!(at(&btf, "s", "moved"), None);
}

#[test]
fn enumerators() {
    let btf = parsed();
    assert_eq!(btf.enumerator(Some("order"), "SECOND"), Some(1));
    assert_eq!(btf.enumerator(Some("other"), "SECOND"), Some(5));
    assert_eq!(btf.enumerator(None, "SECOND"), None, "two that disagree");
    assert_eq!(btf.enumerator(Some("order"), "LESS"), Some(-2));
    assert_eq!(btf.enumerator(None, "NAMELESS"), Some(7));
    assert_eq!(btf.enumerator(Some("large"), "HUGE"), Some(1 << 40));
    assert_eq!(btf.enumerator(None, "MINUS"), Some(-1));
    assert_eq!(btf.enumerator(Some("order"), "NAMELESS"), None);
    assert_eq!(btf.enumerator(Some("missing"), "FIRST"), None);
}

#[test]
fn functions() {
    let btf = parsed();
    let copy = btf.function("copy").unwrap();
    assert_eq!(
        copy.to_string(),
        "(struct task_struct * task, const char * name) -> struct task_struct *"
    );
    assert_eq!(copy.returns.kind, ValueKind::Pointer);
    let over = btf.function("over").unwrap();
    assert_eq!(over.to_string(), "(long unsigned int max) -> bool");
    assert_eq!(over.returns.kind, ValueKind::Bool);
    assert_eq!(over.params[0].ty.kind, ValueKind::Integer);
    assert_eq!(over.params[0].ty.size, Some(8));
    let free = btf.function("free").unwrap();
    assert_eq!(free.returns.kind, ValueKind::Void);
    assert_eq!(free.params[1].ty.text, "...");
    assert_eq!(btf.function("twice"), None);
    assert_eq!(btf.functions("twice").len(), 2);
    let same = btf.function("same").unwrap();
    assert_eq!(same.params[0].ty.text, "struct task_struct * const");
    assert_eq!(btf.function("task_struct"), None);
}

/// 7.1+ says how long kinds are that this parser doesn't know.
#[test]
fn unknown_kinds() {
    let mut b = sample();
    b.raw(33, "future", 2, false, 0, &[1, 2, 3]);
    let int = b.int("late", 4, 1);
    b.aggregate(STRUCT, "after", 4, false, &[("field", int, 0)]);
    assert!(matches!(
        Btf::parse(b.bytes()),
        Err(BtfError::Kind { kind: 33, .. })
    ));
    b.layout(33, 4, 4);
    let btf = Btf::parse(b.bytes()).unwrap();
    assert_eq!(at(&btf, "after", "field"), Some((0, 4)));
}

#[test]
fn what_is_no_btf() {
    assert!(matches!(
        Btf::parse(b"\x7fELF\x02\x01\x01".to_vec()),
        Err(BtfError::Magic(_))
    ));
    let good = sample().bytes();
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    assert!(matches!(Btf::parse(swapped), Err(BtfError::ByteOrder)));
    let mut newer = good;
    newer[2] = 2;
    assert!(matches!(Btf::parse(newer), Err(BtfError::Version(2))));
}

/// Types that contain or name themselves end the look-up, not the program.
#[test]
fn endless_types() {
    let mut b = Builder::new();
    b.refer(TYPEDEF, "loop", 1);
    let members = [("", 2, 0); 40];
    b.aggregate(STRUCT, "self", 8, false, &members);
    b.array(3, 4_000_000_000);
    b.aggregate(STRUCT, "deep", 8, false, &[("array", 3, 0), ("own", 4, 0)]);
    b.refer(PTR, "", 5);
    b.function("f", &[("p", 5), ("q", 1)], 3);
    let btf = Btf::parse(b.bytes()).unwrap();
    assert_eq!(btf.field("loop", "x"), None);
    assert_eq!(btf.field("self", "x"), None);
    assert_eq!(btf.field("deep", "array"), None);
    assert_eq!(btf.field("deep", "array[5][6]"), None);
    assert!(btf.function("f").is_some());
}

/// Everything that can be asked, of whatever parses.
fn ask_everything(btf: &Btf) {
    for name in ["task_struct", "task_t", "tables", "old", "holder", "s"] {
        for path in ["rlim[6].rlim_cur", "b", "wide", "grid[2][3]", "open[9]"] {
            let _ = btf.field(name, path);
        }
    }
    for name in ["SECOND", "HUGE", "NAMELESS"] {
        let _ = btf.enumerator(None, name);
    }
    for name in ["copy", "over", "free", "twice", "same"] {
        let _ = btf.functions(name).first().map(ToString::to_string);
    }
}

#[test]
fn cut_anywhere() {
    let good = sample().bytes();
    for length in 0..good.len() {
        assert!(Btf::parse(good[..length].to_vec()).is_err(), "{length}");
    }
}

#[test]
fn corrupted_anywhere() {
    let good = sample().bytes();
    for at in 0..good.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            if let Ok(btf) = Btf::parse(bad) {
                ask_everything(&btf);
            }
        }
    }
    // Several at once, by a generator that always gives the same.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..5_000 {
        let mut bad = good.clone();
        for _ in 0..=(random() % 4) {
            // Past the header, so that most of it parses.
            let at = 24 + random() % (bad.len() - 24);
            bad[at] = random() as u8;
        }
        if let Ok(btf) = Btf::parse(bad) {
            ask_everything(&btf);
        }
    }
}

#[test]
fn the_running_kernel() {
    let Ok(btf) = Btf::from_sys() else {
        println!("note: no {KERNEL_BTF} here, nothing tested");
        return;
    };
    assert!(btf.type_count() > 1000);
    assert_eq!(at(&btf, "task_struct", "comm").unwrap().1, 16);
    assert_eq!(btf.field("list_head", "prev").unwrap().size, 8);
    let kernel_clone = btf.function("kernel_clone").unwrap();
    assert_eq!(kernel_clone.params.len(), 1);
}
