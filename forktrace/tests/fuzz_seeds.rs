//! The seeds of the fuzz targets (`fuzz/`), whole and cut off, without a build for coverage: what
//! `cargo xtask fuzz` begins with can't be broken unnoticed between two runs of it.

#[path = "../../fuzz/src/btf.rs"]
mod btf;
#[path = "../../fuzz/src/cgroup.rs"]
mod cgroup;
#[path = "../../fuzz/src/proc.rs"]
mod proc;
#[path = "../../fuzz/src/reader.rs"]
mod reader;
#[path = "../../xtask/src/fuzz/seeds.rs"]
mod seeds;

/// Places at which a seed is cut off.
const CUTS: usize = 32;

const RECORDINGS: [&str; 2] = [
    include_str!("data/schema-1.ndjson"),
    include_str!("data/oom-kill.ndjson"),
];

fn each_part(seed: &[u8], take: fn(&[u8])) {
    for cut in 0..CUTS {
        take(&seed[..seed.len() * cut / CUTS]);
    }
    take(seed);
}

/// Each behind the byte that says how the target reads it.
fn each_way(seeds: &[(u8, &[u8])], take: fn(&[u8])) {
    for (way, seed) in seeds {
        each_part(&[&[*way], *seed].concat(), take);
    }
}

#[test]
fn the_kernels_types() {
    each_part(&seeds::btf(), btf::take);
}

#[test]
fn mounts_and_cgroups() {
    each_way(&seeds::CGROUP, cgroup::take);
}

#[test]
fn files_of_proc() {
    each_way(&seeds::PROC, proc::take);
}

#[test]
fn recordings() {
    for line in RECORDINGS.iter().flat_map(|text| text.lines()) {
        for way in 0..4 {
            let seed = [&[way], line.as_bytes(), b"\n"].concat();
            reader::take(&seed);
            reader::take(&seed[..seed.len() / 2]);
        }
    }
}
