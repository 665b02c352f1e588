use super::*;

const STATUS: &[u8] = b"Name:\tpost\xffgres\nUmask:\t0077\nState:\tS (sleeping)\nTgid:\t812\n\
    Ngid:\t0\nPid:\t812\nPPid:\t1\nTracerPid:\t0\nUid:\t112\t112\t112\t112\n\
    Gid:\t1\t1\t1\t1\nFDSize:\t64\nGroups:\t1 2 \nNStgid:\t812\t7\nNSpid:\t812\t7\n\
    NSpgid:\t800\t7\nNSsid:\t700\t7\nVmPeak:\t   10 kB\nVmSize:\t     9 kB\nVmLck:\t 0 kB\n\
    VmData:\t     3 kB\nVmStk:\t     1 kB\nThreads:\t4\nSigQ:\t0/96000\n\
    CapEff:\t0000000000200000\nodd";

#[test]
fn status_with_a_name_that_is_no_text() {
    let status = Status::parse(STATUS).unwrap();
    assert_eq!((status.pid, status.parent, status.uid), (812, 1, 112));
    assert_eq!((status.state, status.threads), ('S', 4));
    assert_eq!(status.comm, "post\u{fffd}gres");
    assert_eq!((status.group, status.session), (Some(800), Some(700)));
    assert_eq!(status.pids, [812, 7]);
    assert_eq!(status.vm_size, Some(9 * 1024));
    assert!(status.has_capability(21) && !status.has_capability(24));
    assert_eq!(Status::parse(b"Name:\tx\n"), None);
    assert_eq!(Status::parse(b""), None);
}

#[test]
fn a_process_lives_on_without_its_first_thread() {
    let zombie = |state, threads| {
        let status = Status {
            state,
            threads,
            ..Status::default()
        };
        status.is_zombie()
    };
    assert!(zombie('Z', 1) && zombie('Z', 0) && zombie('X', 1));
    assert!(!zombie('Z', 2) && !zombie('S', 1));
}

#[test]
fn limits() {
    let limits = Limits::parse(
        b"Limit                     Soft Limit           Hard Limit           Units     \n\
          Max data size             unlimited            unlimited            bytes     \n\
          Max stack size            8388608              unlimited            bytes     \n\
          Max processes             100                  96000                processes \n\
          Max locked memory         8388608              unlimited            bytes     \n\
          Max address space         unlimited            unlimited            bytes     \n",
    )
    .unwrap();
    assert_eq!(limits.processes.soft, Some(100));
    assert_eq!(limits.processes.hard, Some(96_000));
    assert_eq!(limits.address_space, Bounds::default());
    assert_eq!(limits.thread_stack(), 8 << 20);
    assert_eq!(Limits::default().thread_stack(), 2 << 20);
    assert_eq!(Limits::parse(b""), None);
}

#[test]
fn fields_behind_a_hostile_name() {
    let mut stat = b"7 (a) R 6 (b) S 1".to_vec();
    for n in 5..=45 {
        stat.extend(format!(" {n}").bytes());
    }
    assert_eq!(stat_field(&stat, 22), Some(&b"22"[..]));
    assert_eq!(stat_field(&stat, 41), Some(&b"41"[..]));
    assert_eq!(stat_field(b"", 41), None);
    assert_eq!(stat_field(b")", 41), None);
}

#[test]
fn this_process() {
    let (proc, own) = (Path::new("/proc"), std::process::id());
    let status = Status::read(proc, own).unwrap();
    assert_eq!(status.pid, own);
    assert!(status.threads >= 1 && !status.is_zombie());
    assert!(Limits::read(proc, own).is_ok());
    assert!(mappings(proc, own).unwrap() > 5);
    assert!(!is_deadline(proc, own));
    assert!(started(proc, own).is_some());
    assert!(
        all(proc)
            .unwrap()
            .contains(&Status::read(proc, own).unwrap())
            || status.threads > 1
    );
}
