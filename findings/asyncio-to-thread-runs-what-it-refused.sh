#!/usr/bin/env bash
# Package: CPython 3.11.2, 3.12.1, 3.13.0 (asyncio.to_thread), anyio 4.16.0 (PyPI)
# Seen: at a process limit asyncio.to_thread raises "can't start new thread", but the call
#   stays queued. The next call that gets a thread runs it too: the work of which the caller
#   was told that it had failed is done later, and twice if the caller tried again.
#   anyio's to_thread.run_sync raises the same text and drops the work.
# Why it matters: payments, mails and deletions behind to_thread (or run_in_executor, or
#   ThreadPoolExecutor.submit, whose queue it is) happen twice after a short shortage of
#   threads, and trying again is what doubles them.
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
"$python" -m venv "$dir/venv" || untried "a virtual environment can't be made"
timeout 300 "$dir/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --retries 0 \
    "anyio==4.16.0" || untried "the packages can't be installed"

# RLIMIT_NPROC doesn't bind root: as root, go on as a user that no process has.
user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    user=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
    chmod 755 "$dir"
fi

seen=$(timeout 60 "${user[@]}" "$dir/venv/bin/python" - <<'PY'
import asyncio
import resource

import anyio
import anyio.to_thread

done = []


def processes(soft):
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard if soft is None else soft, hard))


async def refused_then_retried(to_thread):
    done.clear()
    processes(1)
    try:
        await to_thread(done.append, "order 1")
    except RuntimeError as error:
        text = str(error)
    processes(None)
    await to_thread(done.append, "order 1")
    for _ in range(50):  # the first one to be taken up need not be the first to end
        await asyncio.sleep(0.01)
    return text, len(done)


print("asyncio:", *asyncio.run(refused_then_retried(asyncio.to_thread)))
print("anyio:", *anyio.run(refused_then_retried, anyio.to_thread.run_sync))
PY
) || ended $?
echo "$seen"
[[ $seen == "asyncio: can't start new thread 2
anyio: can't start new thread 1" ]]
