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
