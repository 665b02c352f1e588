//! What a file of the catalogue has to be like.

use std::collections::BTreeMap;

use super::{
    Afterwards, How, Matcher, Message, Program, Told, Wish, all, by_id, of_caller, template,
};
use crate::model::{Errno, Operation, caller::tests::caller};

fn wishes() -> impl Iterator<Item = (&'static Program, &'static Wish)> {
    all()
        .iter()
        .flat_map(|program| program.wishes.iter().map(move |wish| (program, wish)))
}

fn messages() -> impl Iterator<Item = (&'static Program, &'static Wish, &'static Message)> {
    wishes().flat_map(|(program, wish)| {
        let messages = wish.messages.iter();
        messages.map(move |message| (program, wish, message))
    })
}

#[test]
fn each_message_is_found_in_its_example_and_nobody_else_claims_that() {
    let matcher = Matcher::new().unwrap();
    for (program, _, message) in messages() {
        let said = matcher.said(message.example.as_bytes());
        let first = said
            .first()
            .unwrap_or_else(|| panic!("{}: {}", program.id, message.example));
        assert_eq!(
            (&*first.program.id, &*first.message.text),
            (&*program.id, &*message.text),
            "{}",
            message.example
        );
        assert_eq!(
            first.errno.is_some(),
            template::has_errno(&message.text),
            "{}",
            message.example
        );
        if message.told == Told::Wrong {
            assert_eq!(
                first.errno,
                Some(super::after::says(message)),
                "{}",
                message.example
            );
        }
        let mine = said.iter().filter(|said| !said.program.library);
        assert!(mine.count() <= 1, "{}: {said:?}", message.example);
    }
}

#[test]
fn each_says_where_it_is_known_from() {
    assert!(all().len() > 50, "{}", all().len());
    for program in all() {
        let id = &program.id;
        assert!(!program.wishes.is_empty(), "{id}");
        assert!(
            program.sources.iter().all(|source| source.what.len() > 4),
            "{id}"
        );
        for wish in &program.wishes {
            let known = program.sources.iter().any(|source| source.how == wish.how);
            assert!(known, "{id}: no source that was {:?}", wish.how);
        }
        assert_eq!(by_id(id).unwrap().id, *id);
    }
    assert!(wishes().any(|(_, wish)| wish.how == How::Run));
}

#[test]
fn a_message_is_true_or_it_says_why_not() {
    for (program, wish, message) in messages() {
        let at = format!("{}: {}", program.id, message.text);
        let has_errno = template::has_errno(&message.text);
        match message.told {
            Told::True => assert!(has_errno, "{at}"),
            Told::Wrong => assert!(has_errno && message.because.is_some(), "{at}"),
            Told::Misleading => assert!(!has_errno && message.because.is_some(), "{at}"),
            Told::Hidden => assert!(!has_errno, "{at}"),
        }
        assert!(!wish.silent, "{at}: it is silent");
        let errno = message.doubt.is_some() || message.sure_after.is_empty();
        assert!(errno, "{at}: sure of what is in no doubt");
        assert!(has_errno || message.beyond.is_empty(), "{at}");
        let literal = template::literal(&message.text);
        assert!(literal.len() >= 5, "{at}: {literal:?} is everywhere");
        assert!(
            !message.beside_name || program.exe.len() + program.process.len() > 0,
            "{at}"
        );
    }
}

#[test]
fn what_comes_next_is_one_story() {
    for (program, wish) in wishes() {
        let at = format!("{}: {}", program.id, wish.what);
        // Who never gives up has no number of attempts, and who does has one.
        if wish.afterwards == Some(Afterwards::Waits) {
            assert!(wish.attempts.is_none() && wish.pauses.is_some(), "{at}");
        } else if wish.pauses.is_some() {
            assert!(wish.attempts.is_some(), "{at}");
        }
        assert_ne!(wish.attempts, Some(0), "{at}");
        let errnos = wish.errno.iter();
        assert!(
            errnos.into_iter().all(|errno| Errno::is_of_limits(*errno)),
            "{at}"
        );
    }
}

/// What was read of other versions doesn't hide what was run.
#[test]
fn what_is_only_told_is_nobodys_wish() {
    for (id, operation) in [
        ("gcc", Operation::Vfork),
        ("git", Operation::Thread),
        ("php", Operation::Process),
        ("ruby", Operation::Thread),
    ] {
        let program = by_id(id).unwrap();
        let mut of = program.wishes.iter().filter(|w| w.operation == operation);
        let told_only = of.find(|wish| wish.told_only);
        let told_only = told_only.unwrap_or_else(|| panic!("{id} has none"));
        assert!(told_only.how == How::Read && !told_only.messages.is_empty());
        let note = super::after::note(program, operation, Errno::EAGAIN);
        assert!(note.is_some(), "{id}");
    }
}

#[test]
fn texts_go_into_sentences_and_tables() {
    for (program, wish) in wishes() {
        let because = wish
            .messages
            .iter()
            .flat_map(|message| [&message.because, &message.doubt])
            .filter_map(Option::as_deref);
        let texts = [
            Some(&*wish.what),
            wish.pauses.as_deref(),
            wish.then.as_deref(),
        ];
        let names = [Some(&*program.name)];
        for text in texts.into_iter().chain(names).flatten().chain(because) {
            assert_eq!(text.trim(), text, "{}", program.id);
            assert!(!text.ends_with('.') && !text.contains("  "), "{text}");
            assert!(!text.contains(['|', '<', '>', '`', '*']), "{text}");
        }
    }
    for (_, _, message) in messages() {
        assert!(!message.text.contains(['\n', '`', '|']), "{}", message.text);
        assert!(!message.example.contains('\n'), "{}", message.example);
    }
}

#[test]
fn no_two_programs_have_a_name() {
    let mut by_name: BTreeMap<&str, &str> = BTreeMap::new();
    for program in all() {
        for name in program.exe.iter().chain(&program.process) {
            let other = by_name.insert(name, &program.id);
            assert_eq!(other, None, "{name} is {}'s, too", program.id);
            assert!(template::word(name).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_caller_is_the_program_that_it_runs() {
    let of = |comm: &str, exe: Option<&str>, tid: u32| {
        let caller = crate::model::Caller {
            comm: comm.to_owned(),
            exe: exe.map(str::to_owned),
            tid,
            ..caller()
        };
        of_caller(&caller).map(|program| program.id.clone())
    };
    let pid = caller().pid;
    let is = |id: &str| Some(id.to_owned());
    assert_eq!(of("x", Some("/usr/sbin/nginx"), pid), is("nginx"));
    assert_eq!(of("x", Some("/usr/sbin/nginx (deleted)"), pid), is("nginx"));
    assert_eq!(
        of("gunicorn", Some("/usr/bin/python3.11"), pid),
        is("gunicorn")
    );
    // The name of another thread says nothing.
    assert_eq!(
        of("gunicorn", Some("/usr/bin/python3.11"), pid + 1),
        is("python")
    );
    assert_eq!(
        of("php-fpm8.2", Some("/usr/sbin/php-fpm8.2"), pid),
        is("php-fpm")
    );
    // Where nothing else is known of a process its name is what there is.
    assert_eq!(of("nginx", None, pid), is("nginx"));
    assert_eq!(of("nginx", None, pid + 1), None);
    assert_eq!(of("x", Some("/opt/nginx/evil"), pid), None);
}

#[test]
fn in_logs_of_each_kind_and_in_any_language() {
    let matcher = Matcher::new().unwrap();
    let said = |line: &str| {
        let said = matcher.said(line.as_bytes());
        said.first()
            .map(|said| (said.program.id.clone(), said.errno))
    };
    let is = |id: &str, errno| Some((id.to_owned(), Some(errno)));
    let fork = "could not fork new process for connection: ";
    assert_eq!(
        said(&format!("LOG:  {fork}Ne peut allouer de la mémoire")),
        is("postgresql", Errno::ENOMEM)
    );
    assert_eq!(
        said(&format!(
            r#"{{"MESSAGE":"LOG:  {fork}资源暂时不可用","PRIORITY":"3"}}"#
        )),
        is("postgresql", Errno::EAGAIN)
    );
    assert_eq!(
        said(
            r#"{"SYSLOG_IDENTIFIER":"sshd","MESSAGE":"error: fork: Resource temporarily unavailable"}"#
        ),
        is("sshd", Errno::EAGAIN)
    );
    assert_eq!(
        said(
            r#"{"log":"fork() failed while spawning \"worker process\" (11: Resource temporarily unavailable)\n"}"#
        ),
        is("nginx", Errno::EAGAIN)
    );
    assert_eq!(
        said(
            r#"level=alert msg="fork() failed while spawning \"worker process\" (12: Cannot allocate memory)""#
        ),
        is("nginx", Errno::ENOMEM)
    );
    assert_eq!(
        said("\x1b[31mbash: \x1b[1mfork: retry:\x1b[0m Resource temporarily unavailable"),
        is("bash", Errno::EAGAIN)
    );
    // Behind another that can't be found.
    let both = "Error: spawn git ENOENT, then Error: spawn git EAGAIN";
    assert_eq!(said(both), is("nodejs", Errno::EAGAIN));
    // The job server's pipe, and a socket that has nothing to read.
    for other in [
        "make: *** read jobs pipe: Resource temporarily unavailable.  Stop.",
        "recv: Resource temporarily unavailable",
        "Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }",
        "everything is fine",
        "",
    ] {
        assert_eq!(said(other), None, "{other}");
    }
}

/// A program that isn't there or may not be run, numbers of something, words that end in the same way, what
/// people write about errnos.
#[test]
fn what_was_not_refused_is_not_said_to_be() {
    let matcher = Matcher::new().unwrap();
    for line in [
        "fork/exec /usr/bin/foo: no such file or directory",
        "fork/exec /usr/bin/foo: permission denied",
        "fork/exec ./foo: exec format error",
        "make: foo: No such file or directory",
        "make[2]: ./configure: Permission denied",
        "java.io.IOException: Cannot run program \"foo\": error=2, No such file or directory",
        "java.io.IOException: Cannot run program \"foo\" (in directory \"/srv\"): error=13, Permission denied",
        "Error: spawn foo ENOENT",
        "Error: spawn foo EACCES",
        "Error: spawnSync /bin/sh ENOENT",
        "posix_spawn: No such file or directory",
        "popen: Permission denied",
        "setpriv: failed to execute foo: No such file or directory",
        "An error occurred trying to start process 'foo' with working directory '/'. No such file or directory",
        "Can not execute /usr/lib/erlang/bin/inet_gethost : enoent",
        "foo.service: Failed to spawn executor: No such file or directory",
        "workers after fork: 2",
        "Merge upstream fork: 12 commits",
        "popen: 11 files",
        "a1b2c3d fork: ENOMEM is retried",
        "pthread_create: EAGAIN is a limit of tasks",
        "pitchfork: Resource temporarily unavailable",
        "my_popen: Cannot allocate memory",
        "webpack dev server exited unexpectedly",
        "INFO No more processes.",
        "Aborted connection 4 to db: 'a' user: 'b' host: 'c' (Out of memory.)",
        "recv() failed (11: Resource temporarily unavailable) while reading response header from upstream",
        "accept4() failed (12: Cannot allocate memory)",
        "mmap: Cannot allocate memory",
        "flock: Resource temporarily unavailable",
        "read(): Resource temporarily unavailable [core/uwsgi.c line 1]",
        "could not send data to client: Resource temporarily unavailable",
        "epoll_create1: Cannot allocate memory",
        "io_setup() failed: Resource temporarily unavailable",
        "fork bomb protection is on",
        "commit 1a2b3c: fork: Resource temporarily unavailable should be retried",
        "BlockingIOError: [Errno 11] write could not complete without blocking",
        "E: Could not get lock /var/lib/dpkg/lock-frontend - open (11: Resource temporarily unavailable)",
        "tar: archive: Read error at byte 0, while reading 512 bytes: Resource temporarily unavailable",
        "flock: 9: Resource temporarily unavailable",
        "OSError: Unable to open file (unable to lock file, errno = 11, error message = 'Resource temporarily unavailable')",
        "bash: xmalloc: cannot allocate 18446744071562067968 bytes (0 bytes allocated)",
        "-bash: /usr/bin/foo: Cannot allocate memory",
        "OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x0, 1, 0) failed; error='Cannot allocate memory' (errno=12)",
        "java.lang.OutOfMemoryError: Java heap space",
        "kernel: Out of memory: Killed process 812 (java) total-vm:1kB, anon-rss:1kB",
        "kernel: oom-kill:constraint=CONSTRAINT_MEMCG,task=sh,pid=1,uid=0",
        "kernel: fork: page allocation failure: order:4, mode:0x40cc0",
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB",
        "RuntimeError: unable to mmap 1024 bytes from file </torch_1_2>: Cannot allocate memory (12)",
        "FATAL:  could not map anonymous shared memory: Cannot allocate memory",
        "fatal error: runtime: cannot allocate memory",
        "runc create failed: unable to start container process: unable to apply cgroup configuration: mkdir /sys/fs/cgroup/x: \
         cannot allocate memory: unknown",
        "exec user process caused: no such file or directory",
        "exec user process caused \"permission denied\"",
        "connect() to unix:/run/php-fpm.sock failed (11: Resource temporarily unavailable) while connecting to upstream",
        "Error: EAGAIN: resource temporarily unavailable, read",
        "Error: getaddrinfo EAI_AGAIN registry.npmjs.org",
        "ssh: Could not resolve hostname github.com: Temporary failure in name resolution",
        "java.io.IOException: error=2, No such file or directory",
        "Cannot run program \"git\": Exec failed, error: 2 (No such file or directory)",
        "Cannot run program \"git\": posix_spawn failed, error: 13 (Permission denied)",
        "nginx: [emerg] mmap() failed: Cannot allocate memory",
        "error: failed to acquire jobserver token: Resource temporarily unavailable (os error 11)",
        "foo: couldn't fork child process: permission denied",
        "812   recvmsg(3, {}, 0) = -1 EAGAIN (Resource temporarily unavailable)",
        "812   mmap(NULL, 4096) = -1 ENOMEM (Cannot allocate memory)",
        "user@0.service: Failed at step CGROUP spawning /lib/systemd/systemd: Device or resource busy",
        "ORA-00020: maximum number of processes (150) exceeded",
        "systemd[1]: foo.service: Main process exited, code=exited, status=219/CGROUP",
        "master: Warning: service(imap-login): process_limit (100) reached, client connections are being dropped",
    ] {
        assert_eq!(matcher.said(line.as_bytes()), [], "{line}");
    }
}

/// What is said of much else is said to be in doubt, unless the lines above tell.
#[test]
fn what_may_be_of_something_else_is_in_doubt() {
    let matcher = Matcher::new().unwrap();
    let doubted = |above: &str, line: &str| {
        let above = || above.as_bytes().to_vec();
        let said = matcher.said_below(&above, line.as_bytes());
        said.first().map(|said| said.doubted)
    };
    let blocking = "BlockingIOError: [Errno 11] Resource temporarily unavailable";
    assert_eq!(doubted("", blocking), Some(true));
    assert_eq!(
        doubted("    fcntl.flock(self.file, LOCK_NB)\n", blocking),
        Some(true)
    );
    for fork in ["pid = os.fork()", "self.pid = _fork_exec(\n    ^^^^"] {
        assert_eq!(
            doubted(&format!("    {fork}\n"), blocking),
            Some(false),
            "{fork}"
        );
    }
    // In one entry of the journal.
    let entry = format!(r#"{{"MESSAGE":"Traceback:\n  os.fork()\n{blocking}"}}"#);
    assert_eq!(doubted("", &entry), Some(false));
    let oserror = "OSError: [Errno 12] Cannot allocate memory: '/dev/shm/x'";
    assert_eq!(doubted("", oserror), Some(true));
    for line in [
        "[ERROR] Worker (pid:813) was sent SIGKILL! Perhaps out of memory?",
        "INFO gave up: a entered FATAL state, too many start retries too quickly",
        "kex_exchange_identification: read: Connection reset by peer",
        "# There is insufficient memory for the Java Runtime Environment to continue.",
        "systemd[1]: foo.service: Failed with result 'resources'.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    ] {
        assert_eq!(doubted("", line), Some(true), "{line}");
    }
    // A program that is known to have been refused comes before one that may have been.
    let both = "spawnerr: Too many processes in process table to spawn 'a', a entered FATAL state";
    assert_eq!(doubted("", both), Some(false));
}

/// bash asks five times after EAGAIN, and once after ENOMEM; nobody has seen what Apache does then.
#[test]
fn what_comes_next_is_that_of_the_errno() {
    let matcher = Matcher::new().unwrap();
    let next = |line: &str| {
        let said = matcher.said(line.as_bytes());
        let first = said.first().unwrap_or_else(|| panic!("{line}"));
        (first.fits, first.wish.attempts)
    };
    let eagain = next("bash: fork: Resource temporarily unavailable");
    let enomem = next("bash: fork: Cannot allocate memory");
    assert_eq!((eagain, enomem), ((true, Some(5)), (true, Some(1))));
    let apache = "(12)Cannot allocate memory: AH00159: fork: Unable to fork new process";
    assert!(!next(apache).0);
}

/// A message that tells no errno, or another one, is said whichever the kernel answered: that it was run with one of
/// them doesn't make it that one. pthread_create(3) answers EPERM as well, and tells it.
#[test]
fn what_tells_no_errno_may_be_either() {
    let matcher = Matcher::new().unwrap();
    let both = [Errno::EAGAIN, Errno::ENOMEM];
    let any = [Errno::EAGAIN, Errno::ENOMEM, Errno::EPERM];
    for (program, wish, message) in messages().filter(|(_, _, message)| message.told != Told::True)
    {
        let said = matcher.said(message.example.as_bytes());
        let answered = super::after::answered(&said[0]);
        let may_be = match (wish.operation, said[0].errno) {
            (Operation::Thread, None) => &any[..],
            _ => &both,
        };
        match message.answers.is_empty() {
            true => assert_eq!(answered, may_be, "{}: {}", program.id, message.text),
            false => assert_eq!(
                answered, message.answers,
                "{}: {}",
                program.id, message.text
            ),
        }
    }
    for line in [
        "cron[812]: (CRON) error (can't fork)",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Resource temporarily unavailable",
    ] {
        assert_eq!(
            super::after::answered(&matcher.said(line.as_bytes())[0]),
            both,
            "{line}"
        );
    }
}

/// A seccomp filter that is older than clone3 answers EPERM to it, and pthread_create(3) hands that on.
#[test]
fn what_tells_the_errno_of_a_thread_may_tell_eperm() {
    let matcher = Matcher::new().unwrap();
    let of_threads = messages().filter(|(_, wish, message)| {
        wish.operation == Operation::Thread && message.told == Told::Wrong
    });
    for (program, _, message) in of_threads {
        let eperm = [
            (
                "Resource temporarily unavailable",
                "Operation not permitted",
            ),
            ("EAGAIN", "EPERM"),
            ("11", "1"),
        ];
        let example = eperm
            .into_iter()
            .fold(message.example.clone(), |text, (from, to)| {
                text.replace(from, to)
            });
        let said = matcher.said(example.as_bytes());
        let first = said.first().unwrap_or_else(|| panic!("{example}"));
        assert_eq!(first.program.id, program.id, "{example}");
        assert_eq!(super::after::answered(first), [Errno::EPERM], "{example}");
        // It was run with a limit.
        assert!(!first.fits, "{example}");
    }
}

/// What is known of one errno alone isn't told of another.
#[test]
fn a_wish_that_names_its_reason_is_told_of_that() {
    for (program, wish, message) in messages().filter(|(_, _, message)| message.told == Told::True)
    {
        let at = format!("{}: {}", program.id, message.text);
        if wish.what.contains("when memory is refused") {
            assert_eq!(message.answers, [Errno::ENOMEM], "{at}");
        }
        if wish.what.contains("over RLIMIT_NPROC") {
            assert_eq!(wish.operation, Operation::Exec, "{at}");
            assert_eq!(message.answers, [Errno::EAGAIN], "{at}");
        }
    }
    let matcher = Matcher::new().unwrap();
    let wish = |line: &str| {
        let said = matcher.said(line.as_bytes());
        said.first().map(|said| &*said.wish.what)
    };
    assert!(
        wish("Error: spawn EAGAIN")
            .unwrap()
            .contains("versions that throw")
    );
    assert!(wish("Error: spawn ENOMEM").unwrap().contains("memory"));
    // Nobody's limit of processes answers so.
    assert_eq!(
        wish("sudo: unable to execute /bin/ls: Cannot allocate memory"),
        None
    );
    let exec = "foo.service: Failed at step EXEC spawning /usr/bin/foo: Cannot allocate memory";
    assert_eq!(wish(exec), None);
}

/// The name of a line's subject is not that of who has written it, and a number before a message may be anything's.
#[test]
fn whose_words_are_anybodys_is_who_speaks() {
    let matcher = Matcher::new().unwrap();
    let eagain = "Resource temporarily unavailable";
    for (line, id) in [
        (&*format!("sshd[812]: error: fork: {eagain}"), "sshd"),
        (
            &*format!("sshd-session[812]: error: do_exec_pty: fork: {eagain}"),
            "sshd",
        ),
        (
            &*format!("<35>1 2026-11-30T10:00:00.000Z web1 sshd 812 - - error: fork: {eagain}"),
            "sshd",
        ),
        (
            &*format!("deploy: could not restart sshd, fork: {eagain}"),
            "glibc",
        ),
        (
            &*format!("backup of screen sessions failed; fork: {eagain}"),
            "glibc",
        ),
        (
            "zsh:1: fork failed: resource temporarily unavailable",
            "zsh",
        ),
        ("deploy.sh:3: fork failed: cannot allocate memory", "zsh"),
        (
            "main.go:81: fork failed: resource temporarily unavailable",
            "glibc",
        ),
        ("server.c:812: fork failed: Cannot allocate memory", "glibc"),
        (
            "open3: fork failed: Cannot allocate memory at x.pl line 3.",
            "glibc",
        ),
        ("open2: fork failed: cannot allocate memory", "glibc"),
        (&*format!("./run.sh: line 12: fork: {eagain}"), "bash"),
        (
            &*format!("fork(): {eagain} [core/uwsgi.c line 1638]"),
            "uwsgi",
        ),
        (
            &*format!("my-daemon: ERROR: fork() failed: {eagain}"),
            "glibc",
        ),
        (
            &*format!("php-fpm8.2[812]: [ERROR] fork() failed: {eagain} (11)"),
            "php-fpm",
        ),
        (
            &*format!("my-daemon: [ERROR] fork() failed: {eagain} (11)"),
            "glibc",
        ),
        (&*format!("fork error: {eagain}"), "glibc"),
        (
            &*format!("memcached[812]: Can't create thread: {eagain}"),
            "memcached",
        ),
        (
            &*format!("my-daemon: Can't create thread: {eagain}"),
            "glibc",
        ),
        (
            &*format!("watch: unable to fork process: {eagain}"),
            "procps",
        ),
        (
            &*format!("my-daemon: unable to fork process: {eagain}"),
            "glibc",
        ),
    ] {
        let said = matcher.said(line.as_bytes());
        assert_eq!(
            said.first().map(|said| &*said.program.id),
            Some(id),
            "{line}"
        );
    }
}

/// What a program says in the words of its interpreter, or of the language that it is written in, is the program's.
#[test]
fn who_hands_on_the_words_of_another_is_named_alone() {
    let matcher = Matcher::new().unwrap();
    for (line, id) in [
        (
            "java.io.IOException: Cannot run program \"nohup\" (in directory \"/srv/ws\"): error=11, x",
            "jenkins",
        ),
        (
            "java.io.IOException: Cannot run program \"nohup\": error=11, x",
            "java",
        ),
        (
            "##[error]An error occurred trying to start process '/usr/bin/bash' with working directory '/w'. \
          Resource temporarily unavailable",
            "github-runner",
        ),
        (
            "INTERNALERROR> RuntimeError: can't start new thread",
            "pytest",
        ),
        (
            "2026-11-30T10:00:00: PM2 error: Error: spawn node EAGAIN",
            "pm2",
        ),
    ] {
        let said = matcher.said(line.as_bytes());
        let programs = said.iter().filter(|said| !said.program.library);
        let ids: Vec<&str> = programs.map(|said| &*said.program.id).collect();
        assert_eq!(ids, [id], "{line}");
    }
}

/// Lines as threads of issues have them, shortened.
#[test]
fn lines_of_the_world() {
    let matcher = Matcher::new().unwrap();
    for (line, id, errno) in [
        (
            "May 14 09:28:44 10 kernel: [  582.073994] cgroup: fork rejected by pids controller in \
          /user.slice/user-1000.slice/session-1.scope",
            "kernel",
            None,
        ),
        (
            "[Wed Sep 30 03:58:46 2020] cgroup: fork rejected by pids controller in /system.slice/icinga2.service",
            "kernel",
            None,
        ),
        (
            "nodejs.EAGAINError: spawn /opt/node/bin/node EAGAIN (uncaughtException throw 1 times on pid:812)",
            "nodejs",
            Some(Errno::EAGAIN),
        ),
        (
            "E0710 15:24:06.605366961 2474524 thd.cc:157]                           pthread_create failed: \
          Resource temporarily unavailable",
            "grpc",
            Some(Errno::EAGAIN),
        ),
        (
            "(reserve pid=630) [2025-02-16 02:29:23,228 E 630 630] logging.cc:108: Unhandled exception: \
          N5boost10wrapexceptINS_6system12system_errorEEE. what(): thread: Resource temporarily unavailable [system:11]",
            "asio",
            Some(Errno::EAGAIN),
        ),
        (
            "WARNING: couldn't fork child process: resource temporarily unavailable",
            "tcl",
            Some(Errno::EAGAIN),
        ),
        (
            "failed to spawn work thread: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }",
            "rust",
            Some(Errno::EAGAIN),
        ),
        (
            "2018-09-08T08:01:38.493538+00:00 app[web.1]: [0908/080137.570490:FATAL:browser_process_sub_thread.cc(92)] \
             Failed to start BrowserThread:IO",
            "chromium",
            None,
        ),
        (
            "/usr/bin/google-chrome: fork: retry: Resource temporarily unavailable",
            "bash",
            Some(Errno::EAGAIN),
        ),
        (
            "rootDiskErr: failed to exec du - fork/exec /usr/bin/nice: resource temporarily unavailable",
            "go",
            Some(Errno::EAGAIN),
        ),
        (
            "runsv confd: warning: unable to fork, sleeping: temporary failure",
            "runit",
            Some(Errno::EAGAIN),
        ),
        (
            "2019/07/27 01:30:06 kid1| ipcCreate: fork: (12) Out of memory",
            "squid",
            Some(Errno::ENOMEM),
        ),
        (
            "Failed to start Git process: Cannot run program \"/usr/bin/git\": posix_spawn failed, error: 0 (none)",
            "java",
            None,
        ),
        (
            r#"{"log":"OCI runtime exec failed: exec failed: unable to start container process: error executing setns process: fork/exec /proc/self/exe: resource temporarily unavailable: unknown\n","stream":"stderr"}"#,
            "runc",
            Some(Errno::EAGAIN),
        ),
        (
            r#"{"t":{"$date":"2026-11-30T10:00:00.000+00:00"},"s":"E","c":"NETWORK","id":22948,"ctx":"listener","msg":"Thread creation failed","attr":{"error":"Resource temporarily unavailable"}}"#,
            "mongodb",
            Some(Errno::EAGAIN),
        ),
        (
            "[0.027s][warning][os,thread] Failed to start thread \"GC Thread#0\" - pthread_create failed (EPERM) for \
          attributes: stacksize: 1024k, guardsize: 4k, detached.",
            "java",
            Some(Errno::EPERM),
        ),
        (
            "[1.005s][warning][os,thread] Failed to start thread - pthread_create failed (EAGAIN) for attributes: \
          stacksize: 1024k, guardsize: 4k, detached.",
            "java",
            Some(Errno::EAGAIN),
        ),
        (
            "OpenBLAS blas_thread_init: RLIMIT_NPROC -1 current, -1 max",
            "openblas",
            None,
        ),
        (
            "1:M 30 Nov 2026 10:00:00.000 # Fatal: Can't initialize Background Jobs. Error message: Operation not permitted",
            "redis",
            Some(Errno::EPERM),
        ),
        (
            "LOG:  could not fork background worker process: Cannot allocate memory",
            "postgresql",
            Some(Errno::ENOMEM),
        ),
        (
            "Error: /Stage[main]/Main/Exec[a]: Could not evaluate: Cannot allocate memory - fork(2)",
            "ruby",
            Some(Errno::ENOMEM),
        ),
        (
            "FATAL: Errno::ENOMEM: Cannot allocate memory - fork(2)",
            "ruby",
            Some(Errno::ENOMEM),
        ),
        (
            "external/org_tensorflow/tensorflow/core/platform/default/env.cc:73] Check failed: ret == 0 (11 vs. 0)Thread \
          creation via pthread_create() failed.",
            "tensorflow",
            Some(Errno::EAGAIN),
        ),
        (
            "Check failed: ret == 0 (1 vs. 0) Thread tf_foreach creation via pthread_create() failed.",
            "tensorflow",
            Some(Errno::EPERM),
        ),
        (
            "lmtp: Error: Thread::try_create(): pthread_create failed with error 11/build/ceph-12.2.4/src/common/Thread.cc: \
          In function 'void Thread::create(const char*, size_t)'",
            "ceph",
            Some(Errno::EAGAIN),
        ),
        (
            "Thread::try_create(): pthread_create failed with error 11common/Thread.cc: In function",
            "ceph",
            Some(Errno::EAGAIN),
        ),
        (
            "runtime: failed to create new OS thread (have 2 already; errno=1)",
            "go",
            Some(Errno::EPERM),
        ),
        (
            "Nov 30 10:00:00 mail dovecot: master: Error: service(imap-login): fork() failed: Resource temporarily \
          unavailable (ulimit -u 4096 reached?)",
            "dovecot",
            Some(Errno::EAGAIN),
        ),
    ] {
        let said = matcher.said(line.as_bytes());
        let first = said.first().unwrap_or_else(|| panic!("{line}"));
        assert_eq!((&*first.program.id, first.errno), (id, errno), "{line}");
    }
}

/// A seccomp filter's answer, and a user namespace's.
#[test]
fn other_errnos_are_a_refusals_where_only_a_creation_can_have_them() {
    let matcher = Matcher::new().unwrap();
    for (line, errno) in [
        (
            "runtime/cgo: pthread_create failed: Operation not permitted",
            Errno::EPERM,
        ),
        (
            "fork/exec /proc/self/exe: no space left on device",
            Errno::ENOSPC,
        ),
        ("cannot clone: Operation not permitted", Errno::EPERM),
    ] {
        let said = matcher.said(line.as_bytes());
        let first = said.first().unwrap_or_else(|| panic!("{line}"));
        assert_eq!(first.errno, Some(errno), "{line}");
        assert_eq!(super::after::answered(first), [errno], "{line}");
    }
}

#[test]
fn any_bytes_are_a_line() {
    let matcher = Matcher::new().unwrap();
    let mut line = b"fork failed: ".repeat(1000);
    line.extend([0xff, 0x1b, b'[', b'{', b'"', 0]);
    assert!(matcher.said(&line).is_empty());
    for end in 0..20 {
        let _ = matcher.said(&line[line.len() - end..]);
    }
}
