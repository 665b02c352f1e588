#!/usr/bin/env bash
# Package: ziglang 0.15.2 (PyPI; its ld.lld is LLD 20.1.2), pyelftools 0.32 (PyPI)
# Seen: of two objects, a linker script discards .eh_frame of one. By the object's name
#   (*b.o(.eh_frame)) LLD discards nothing; by EXCLUDE_FILE(*a.o) it discards both, the
#   excluded one's too. No warning either way. GNU ld keeps the one and drops the other.
# Why it matters: a program that leaves out the tables of all but libgcc's unwinder, to be
#   small, has none at all with this linker, and then whatever captures a stack aborts.
# Exit status: 0 as described, 1 changed, 2 not tried.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
untried() { echo "not tried: $*" >&2; exit 2; }

python=/usr/bin/python3
[[ -x $python ]] || python=$(command -v python3) || untried "there is no Python"
"$python" -m venv "$dir/venv" || untried "a virtual environment can't be made"
timeout 300 "$dir/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --retries 0 \
    "ziglang==0.15.2" "pyelftools==0.32" || untried "the packages can't be installed"
# Its cache stays here.
export ZIG_GLOBAL_CACHE_DIR=$dir/cache ZIG_LOCAL_CACHE_DIR=$dir/cache
zig() { timeout 120 "$dir/venv/bin/python" -m ziglang "$@"; }

cd "$dir"
echo 'int kept(int x) { return x * 3; }' > a.c
printf '%s\n' 'int kept(int);' 'int other(int x) { return kept(x) + 1; }' \
    'void _start(void) { other(2); for (;;) {} }' > b.c
for name in a b; do
    zig cc -target x86_64-linux-gnu -O1 -funwind-tables -c "$name.c" -o "$name.o" || untried "no compiler"
done

functions() {
    venv/bin/python - "$1" <<'PY'
import sys
from elftools.elf.elffile import ELFFile
from elftools.dwarf.callframe import FDE

with open(sys.argv[1], "rb") as file:
    elf = ELFFile(file)
    entries = []
    if elf.get_section_by_name(".eh_frame"):
        entries = elf.get_dwarf_info().EH_CFI_entries()
    print(sum(isinstance(entry, FDE) for entry in entries))
PY
}

seen=
while IFS='|' read -r name discarded; do
    echo "SECTIONS { /DISCARD/ : { $discarded } } INSERT AFTER .text;" > script.ld
    zig ld.lld -T script.ld a.o b.o -o out 2> said || untried "it doesn't link: $(cat said)"
    count=$(functions out) || untried "what was linked can't be read"
    seen+="$name: functions with unwind tables: $count; said: $(wc -c < said) bytes"$'\n'
done <<'EOF'
nothing discarded|*(.nothing)
those of b.o|*b.o(.eh_frame)
all but those of a.o|*(EXCLUDE_FILE(*a.o) .eh_frame)
EOF
printf '%s' "$seen"
[[ $seen == "nothing discarded: functions with unwind tables: 3; said: 0 bytes
those of b.o: functions with unwind tables: 3; said: 0 bytes
all but those of a.o: functions with unwind tables: 0; said: 0 bytes
" ]]
