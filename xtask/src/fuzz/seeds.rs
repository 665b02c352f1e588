//! What the fuzz targets begin with: small files such as a kernel writes, one a way to read them.

/// `/proc` and its like; the first byte of an input says how the target reads it.
pub(super) const PROC: [(u8, &[u8]); 7] = [
    (
        0,
        b"Name:\tpost\\ngres\nUmask:\t0077\nState:\tS (sleeping)\nTgid:\t812\nNgid:\t0\nPid:\t812\n\
          PPid:\t1\nTracerPid:\t0\nUid:\t112\t112\t112\t112\nGid:\t1\t1\t1\t1\nFDSize:\t64\n\
          Groups:\t1 2 \nNStgid:\t812\t7\nNSpid:\t812\t7\nNSpgid:\t812\t7\nNSsid:\t812\t7\n\
          VmPeak:\t  9 kB\nVmSize:\t  9 kB\nVmLck:\t  0 kB\nRssAnon:\t  100 kB\nRssShmem:\t 24 kB\n\
          VmData:\t 1000 kB\nVmStk:\t  132 kB\nThreads:\t3\nSigQ:\t0/96365\nCapEff:\t000001ffffffffff\n",
    ),
    (
        1,
        b"Limit                     Soft Limit           Hard Limit           Units     \n\
          Max cpu time              unlimited            unlimited            seconds   \n\
          Max data size             unlimited            unlimited            bytes     \n\
          Max processes             96365                96365                processes \n\
          Max locked memory         8388608              8388608              bytes     \n\
          Max address space         unlimited            unlimited            bytes     \n",
    ),
    (
        2,
        b"812 (a) b (c)) S 1 812 812 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 3014 1 2 3 4 5 6 7 8 9 10 \
          11 12 13 14 15 16 17 0 6 0 0 0\n",
    ),
    (
        3,
        b"7f0000000000-7f0000003000 rw-p 00000000 00:00 0 \n\
          7f0000003000-7f0000004000 r-xp 00000000 fe:01 9  /usr/lib/a b\n",
    ),
    (
        4,
        b"\x07ffffffff81000000 T _text\nffffffff82a00000 b nr_threads\nffffffff82a00008 D max_threads\n\
          0000000000000000 d pid_max\nffffffff82a00010 d pid_max\nffffffffc0000000 t x\t[mod]\n",
    ),
    (
        5,
        b"6,339,5140900,-;Out of memory: Killed process 812 (a)\n SUBSYSTEM=acpi\n",
    ),
    (
        5,
        b"root:x:0:0:root:/root:/bin/bash\n\nnobody:x:65534:65534::/:/bin/false\n+::::::\n",
    ),
];

/// Mounts, with a cgroup's path behind the NUL; /proc/PID/cgroup; paths of cgroups.
pub(super) const CGROUP: [(u8, &[u8]); 11] = [
    (
        0,
        b"25 23 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
          31 25 0:27 / /sys/fs/cgroup/pids rw shared:13 - cgroup cgroup rw,pids\n\
          36 25 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\0/system.slice/x.service",
    ),
    (
        0,
        b"28 25 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
          760 759 0:26 /../.. /host rw - cgroup2 cgroup rw\n\
          761 759 0:26 /a\\040b /mnt/c\\134d rw - cgroup2 cgroup rw\n\0/a b/c",
    ),
    (
        1,
        b"12:pids:/docker/0123\n5:cpu,cpuacct:/\n1:name=systemd:/user.slice\n0::/a:b (deleted)\n",
    ),
    (2, b"/system.slice/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope"),
    (2, b"/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/init.scope"),
    (
        2,
        b"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod01234567_89ab_cdef_0123_\
          456789abcdef.slice/cri-containerd-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope",
    ),
    (
        2,
        b"/kubepods/besteffort/pod01234567-89ab-cdef-0123-456789abcdef/\
          0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ),
    (2, b"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x\\x2dy@1.service"),
    (2, b"/machine.slice/libpod-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope"),
    (2, b"/machine.slice/machine-debian.scope/payload/system.slice/cron.service"),
    (2, b"/lxc.payload.web/system.slice/nginx.service"),
];

/// The kernel's types, made small: a struct with a pointer, a union, an array, bits, an enum, and a
/// function (include/uapi/linux/btf.h).
pub(super) fn btf() -> Vec<u8> {
    let names = [
        "",
        "int",
        "task_struct",
        "pid",
        "list",
        "next",
        "A",
        "copy_process",
        "signal",
        "a",
        "b",
    ];
    let mut strings = Vec::new();
    let mut at = [0_u32; 11];
    for (name, at) in names.iter().zip(&mut at) {
        *at = strings.len() as u32;
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let [
        none,
        int,
        task,
        pid,
        list,
        next,
        an_enum,
        copy,
        signal,
        a,
        b,
    ] = at;
    // The kind is in the bits from 24 on, the number of members in the lowest 16.
    let info = |kind: u32, members: u32| kind << 24 | members;
    let types: [&[u32]; 11] = [
        // 1: int of 4 bytes, signed
        &[int, info(1, 0), 4, 1 << 24 | 32],
        // 2: pointer to 3
        &[none, info(2, 0), 3],
        // 3: struct list { list *next; }
        &[list, info(4, 1), 8, next, 2, 0],
        // 4: array of two of 3
        &[none, info(3, 0), 0, 3, 1, 2],
        // 5: union { int a; array b; }
        &[none, info(5, 2), 16, a, 1, 0, b, 4, 0],
        // 6: struct task_struct { int pid; list list; union; int signal : 3; }
        &[
            task,
            1 << 31 | info(4, 4),
            40,
            pid,
            1,
            0,
            list,
            3,
            64,
            none,
            5,
            128,
            signal,
            1,
            3 << 24 | 256,
        ],
        // 7: enum A { a = 1, b = -1 }
        &[an_enum, info(6, 2), 4, a, 1, b, u32::MAX],
        // 8: pointer to 6
        &[none, info(2, 0), 6],
        // 9: function type (list *a) -> task *
        &[none, info(13, 1), 8, a, 2],
        // 10: copy_process of that type
        &[copy, info(12, 1), 9],
        // 11: const, 12 bytes like all that only refer
        &[none, info(10, 0), 1],
    ];
    let types: Vec<u8> = types
        .iter()
        .flat_map(|t| t.iter().flat_map(|w| w.to_le_bytes()))
        .collect();
    let (length, end) = (types.len() as u32, strings.len() as u32);
    let header = [0x0001_eb9f, 24, 0, length, length, end];
    let mut file: Vec<u8> = header.iter().flat_map(|w: &u32| w.to_le_bytes()).collect();
    file.extend(types);
    file.extend(strings);
    file
}
