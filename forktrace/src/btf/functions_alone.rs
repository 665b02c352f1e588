//! The numbers of functions with next to nothing behind them: types for aya, which only
//! asks what number a function has.

use aya_obj::btf::{BtfType, Func, FuncLinkage, Ptr};

use super::{Btf, raw::Kind};

impl Btf {
    /// BTF in which each function of these names has the number that it has
    /// here, and that has nothing else. aya keeps each type as a value of its own,
    /// and takes 20 ms and 15 MB to parse all that a kernel has.
    /// Of several functions of one name the first has it; names that no
    /// function has are left out.
    pub fn functions_alone(&self, names: &[&str]) -> aya::Btf {
        let mut numbers: Vec<(u32, &str)> = names
            .iter()
            .filter_map(|&name| Some((self.named(&[Kind::Func], name).min()?, name)))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();

        let mut alone = aya::Btf::new();
        // The first type is number 1: 0 is void, which is there already.
        let mut next = 1;
        for (id, name) in numbers {
            for _ in next..id {
                alone.add_type(BtfType::Ptr(Ptr::new(0, 0)));
            }
            let name = alone.add_string(name);
            alone.add_type(BtfType::Func(Func::new(name, 0, FuncLinkage::Static)));
            next = id + 1;
        }
        alone
    }
}

#[cfg(test)]
mod tests {
    use aya_obj::btf::BtfKind;

    use super::super::builder::{Builder, FUNC, PROTO, STRUCT};
    use super::*;

    fn number(btf: &aya::Btf, name: &str) -> Option<u32> {
        btf.id_by_type_name_kind(name, BtfKind::Func).ok()
    }

    #[test]
    fn functions_keep_their_numbers_and_are_all_there_is() {
        let mut b = Builder::new();
        let proto = b.raw(PROTO, "", 0, false, 0, &[]);
        b.raw(STRUCT, "copy_process", 0, false, 0, &[]);
        let first = b.raw(FUNC, "copy_process", 0, false, proto, &[]);
        b.raw(FUNC, "copy_process", 0, false, proto, &[]);
        b.raw(FUNC, "unasked", 0, false, proto, &[]);
        let last = b.raw(FUNC, "bpf_iter_task", 0, false, proto, &[]);
        let whole = Btf::parse(b.bytes()).unwrap();
        let names = ["bpf_iter_task", "no_such", "copy_process", "copy_process"];

        let alone = whole.functions_alone(&names);

        assert_eq!(number(&alone, "copy_process"), Some(first));
        assert_eq!(number(&alone, "bpf_iter_task"), Some(last));
        assert_eq!(number(&alone, "unasked"), None);
        assert_eq!(number(&alone, "no_such"), None);
    }

    #[test]
    fn the_running_kernels_are_as_aya_finds_them_itself() {
        let (Ok(own), Ok(whole)) = (Btf::from_sys(), aya::Btf::from_sys_fs()) else {
            return;
        };
        let name = "copy_process";
        assert_eq!(
            number(&own.functions_alone(&["bpf_iter_task", name]), name),
            number(&whole, name)
        );
    }
}
