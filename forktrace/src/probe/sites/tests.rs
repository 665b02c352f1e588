use super::*;

/// Functions of made-up machine code, one after the other.
struct Made {
    functions: Functions,
    code: BTreeMap<&'static str, Vec<u8>>,
    next: u64,
}

impl Made {
    fn new() -> Self {
        Self {
            functions: Functions::new(),
            code: BTreeMap::new(),
            next: 0xffff_ffff_8100_0000,
        }
    }

    fn function(&mut self, name: &'static str, code: &[u8]) -> &mut Self {
        let end = self.next + code.len().max(1) as u64;
        self.functions.insert(name, self.next..end);
        self.code.insert(name, code.to_vec());
        self.next = end;
        self
    }

    /// A function that calls others, with a byte between the calls.
    fn caller(&mut self, name: &'static str, callees: &[&'static str]) -> &mut Self {
        let mut code = Vec::new();
        for callee in callees {
            code.push(0x90);
            let next = self.next + code.len() as u64 + instructions::CALL;
            let callee = self.functions.get(callee).map_or(0, |range| range.start);
            let relative = callee.wrapping_sub(next) as u32;
            code.push(0xe8);
            code.extend(relative.to_le_bytes());
        }
        self.function(name, &code)
    }

    fn search(&self) -> Sites {
        let offsets = Offsets {
            pids_counter: 0xc8,
            ..Offsets::UNKNOWN
        };
        search(&self.functions, &self.code, &offsets)
    }
}

fn of(sites: &Sites, role: Role) -> Vec<(&'static str, u64)> {
    let all = sites.errors.iter().filter(|site| site.role == role);
    all.map(|site| (site.function, site.offset)).collect()
}

#[test]
fn calls_of_an_error_path() {
    let mut made = Made::new();
    made.function("capable", &[0xc3])
        .function("exit_creds", &[0xc3])
        .function("security_task_free", &[0xc3])
        .caller("copy_process", &["capable", "exit_creds", "capable"]);
    let sites = made.search();
    let within = |offsets: &[u64]| -> Vec<_> {
        let all = offsets.iter();
        all.map(|&offset| ("copy_process", offset)).collect()
    };
    // None of the two is the question for CAP_SYS_RESOURCE.
    assert_eq!(of(&sites, Role::Nproc), []);
    assert_eq!(of(&sites, Role::Child), within(&[7]));
    let mut code = made.code["copy_process"].clone();
    let first = u32::from_le_bytes([code[2], code[3], code[4], code[5]]);
    // mov $24, %edi; the same call from further on.
    code.extend([0xbf, 24, 0, 0, 0]);
    let at = code.len() as u64;
    code.push(0xe8);
    code.extend(first.wrapping_sub(at as u32 - 1).to_le_bytes());
    made.code.insert("copy_process", code);
    let sites = made.search();
    assert_eq!(of(&sites, Role::Nproc), within(&[1, 13, at]));
    // It isn't called: nothing is probed, and nothing else in its place.
    assert_eq!(of(&sites, Role::Security), []);
    assert_eq!(of(&sites, Role::Overcommit), []);
}

#[test]
fn every_caller_or_none() {
    let mut made = Made::new();
    made.function("copy_process", &[0xc3])
        .caller("kernel_clone", &["copy_process"]);
    assert_eq!(made.search().returns.len(), 1);
    assert_eq!(made.search().returns[0].offset, 6);
    made.caller("create_io_thread", &["copy_process"]);
    assert_eq!(made.search().returns.len(), 2);
    // The compiler has made a jump of this call: what it is answered would go unseen.
    made.function("vhost_task_create", &[0xe9, 0, 0, 0, 0]);
    assert_eq!(made.search().returns, []);
}

#[test]
fn what_overcommit_takes_back_and_not_what_it_promises() {
    let mut made = Made::new();
    made.function("percpu_counter_add_batch", &[0xc3]).caller(
        "__vm_enough_memory",
        &["percpu_counter_add_batch", "percpu_counter_add_batch"],
    );
    assert_eq!(of(&made.search(), Role::Overcommit), []);
    // neg %rbx before the second.
    let mut code = made.code["__vm_enough_memory"].clone();
    code.extend([0x90; 30]);
    code.extend([0x48, 0xf7, 0xdb]);
    let at = code.len() as u64;
    let next = made.functions["__vm_enough_memory"].start + at + instructions::CALL;
    let relative = made.functions["percpu_counter_add_batch"]
        .start
        .wrapping_sub(next) as u32;
    code.push(0xe8);
    code.extend(relative.to_le_bytes());
    made.code.insert("__vm_enough_memory", code);
    assert_eq!(
        of(&made.search(), Role::Overcommit),
        [("__vm_enough_memory", at)]
    );
}

#[test]
fn the_charge_that_is_given_back_last() {
    // lock addq $-1, 0xc8(%rdx); lock addq $-1, (%rsi); and another word's.
    let in_loop: &[u8] = &[0xf0, 0x48, 0x83, 0x82, 0xc8, 0, 0, 0, 0xff];
    let last: &[u8] = &[0xf0, 0x48, 0x83, 0x06, 0xff];
    let other: &[u8] = &[0xf0, 0x48, 0x83, 0x82, 0xd8, 0, 0, 0, 0xff];
    let sites = |parts: &[&[u8]]| {
        let mut made = Made::new();
        made.function("pids_can_fork", &parts.concat());
        made.search()
    };
    let found = sites(&[other, in_loop, last]);
    assert_eq!(of(&found, Role::Pids), [("pids_can_fork", 18)]);
    assert_eq!(found.uncharge.register, 13 * 8);
    assert_eq!(found.uncharge.displacement, 0);
    // One of the two is hidden by somebody's probe, they are in another order, or there are more.
    for parts in [
        &[in_loop][..],
        &[last],
        &[last, in_loop],
        &[in_loop, in_loop, last],
        &[other],
    ] {
        let found = sites(parts);
        assert_eq!(of(&found, Role::Pids), []);
        // Worth another look.
        assert_eq!(found.is_half_hidden, parts != [other]);
    }
}
