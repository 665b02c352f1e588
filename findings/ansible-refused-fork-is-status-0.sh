#!/usr/bin/env bash
# Package: ansible-core 2.19.14 (PyPI)
# Seen: where the fork of the worker process for a task is refused (EAGAIN), the task does not
#   run, nothing is printed of it, the play's recap is empty, and ansible-playbook ends with
#   status 0. With room for the worker the same play prints the task and its recap.
# Why it matters: a deployment that did nothing on a host passes for one that went well. At a
#   limit only the missing line of the recap tells.
# Exit status: 0 as described, 1 changed, 2 not tried.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
untried() { echo "not tried: $*" >&2; exit 2; }
# A program's own error shows in what was seen. From 124 to 127, timeout or setpriv speaks.
ended() { (($1 < 124 || $1 > 127)) || untried "it could not be run, or took too long"; }

# A Python that an ordinary user may start, since one under root's home may not be.
python=/usr/bin/python3
[[ -x $python ]] || python=$(command -v python3) || untried "there is no Python"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || untried "it takes Python 3.11 to 3.13"
"$python" -m venv "$dir/venv" || untried "a virtual environment can't be made"
timeout 300 "$dir/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --retries 0 \
    "ansible-core==2.19.14" || untried "the packages can't be installed"

# RLIMIT_NPROC doesn't bind root: as root, go on as a user that no process has.
user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    user=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
fi
mkdir "$dir/home"
chmod 755 "$dir"
chmod 777 "$dir/home"
cat >"$dir/play.yml" <<'YML'
- hosts: all
  gather_facts: false
  tasks:
    - debug: msg="it ran"
YML

# Ansible itself and its thread for the results are two.
for processes in 2 60; do
    status=0
    printed=$(cd "$dir/home" && HOME=$dir/home timeout 60 prlimit "--nproc=$processes" "${user[@]}" \
        "$dir/venv/bin/ansible-playbook" -i 'a,' -c local "$dir/play.yml" 2>&1) || status=$?
    ended $status
    grep -q 'it ran' <<<"$printed" && ran=yes || ran=no
    grep -q 'a  *: ok=1' <<<"$printed" && recap=yes || recap=no
    grep -qi 'error\|unavailable\|fail[^e]' <<<"${printed//failed=0/}" && said=yes || said=no
    seen+="$processes: ran $ran, in the recap $recap, an error $said, status $status"$'\n'
done
echo -n "$seen"
[[ $seen == '2: ran no, in the recap no, an error no, status 0
60: ran yes, in the recap yes, an error no, status 0
' ]]
