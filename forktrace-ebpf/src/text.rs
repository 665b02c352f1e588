//! Reads the kernel's machine code for user space, which looks for the instructions
//! of an error path in it. Run once at a time by user space, attached to nothing.

use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel, macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use forktrace_common::text::CHUNK;

use crate::maps::{TEXT, TEXT_WANTED};

#[raw_tracepoint]
fn read_text(_: RawTracePointContext) -> i32 {
    let (Some(wanted), Some(text)) = (TEXT_WANTED.get_ptr(0), TEXT.get_ptr_mut(0)) else {
        return -1;
    };
    // SAFETY: live map values; the helper checks the address, and writes no more
    // than `CHUNK`.
    unsafe {
        let (address, len) = ((*wanted).address, (*wanted).len);
        if len == 0 || len > CHUNK as u64 {
            return -1;
        }
        bpf_probe_read_kernel(text.cast(), len as u32, address as *const _) as i32
    }
}
