//! What a file of the catalogue has to be like.

use std::collections::BTreeMap;

use super::{
    Afterwards, How, Matcher, Message, Program, Told, Wish, all, by_id, of_caller, template,
};
use crate::model::{Errno, caller::tests::caller};

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

#[test]
fn texts_go_into_sentences_and_tables() {
    for (program, wish) in wishes() {
        let because = wish
            .messages
            .iter()
            .filter_map(|message| message.because.as_deref());
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
