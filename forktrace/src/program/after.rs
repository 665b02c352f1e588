//! What comes after a refusal, in sentences: how often a program asks, what it takes to heal it,
//! whether what it says can be trusted.

use super::{Afterwards, How, Message, Program, Said, Told, Wish};
use crate::model::{Errno, Operation};

/// What the kernel may have answered where this was said.
pub fn answered(said: &Said) -> Vec<Errno> {
    match (said.message.told, said.errno) {
        (Told::True, Some(errno)) => vec![errno],
        // What is turned into another errno is one of these.
        (_, Some(errno)) if !errno.is_of_limits() => vec![errno],
        _ if !said.message.answers.is_empty() => said.message.answers.clone(),
        // A seccomp filter that is older than clone3 answers EPERM to it, and glibc doesn't fall back on clone then.
        (_, None) if said.wish.operation == Operation::Thread => {
            vec![Errno::EAGAIN, Errno::ENOMEM, Errno::EPERM]
        }
        // With which errno it was run doesn't tell which one it was this time.
        _ => vec![Errno::EAGAIN, Errno::ENOMEM],
    }
}

/// Whether what a message says is what the kernel answered.
pub fn trust(said: &Said) -> String {
    let because = said.message.because.as_deref();
    let why = because
        .map(|because| format!(": {because}"))
        .unwrap_or_default();
    match (said.message.told, said.errno) {
        (Told::True, Some(errno)) => {
            let note = because.map(|because| format!(" Note: {because}."));
            format!(
                "{errno} is what the kernel answered.{}",
                note.unwrap_or_default()
            )
        }
        (Told::Wrong, Some(errno)) if !errno.is_of_limits() => {
            format!("{errno} is what the kernel answered.")
        }
        (Told::Wrong, Some(errno)) => format!("{errno} may not be the truth{why}."),
        (Told::Misleading, _) => format!("It names no errno, and misleads{why}."),
        _ => format!("It names no errno{why}."),
    }
}

/// How often one wish is asked for, and what happens then.
pub fn next(wish: &Wish) -> Option<String> {
    let pauses = wish.pauses.as_deref();
    let asks = match (wish.attempts, pauses) {
        (Some(1), None) => Some("It asks once".to_owned()),
        (Some(1), Some(pauses)) => Some(format!("It asks once, {pauses}")),
        (Some(times), None) => Some(format!("It asks {times} times")),
        (Some(times), Some(pauses)) => Some(format!("It asks {times} times, {pauses}")),
        (None, Some(pauses)) => Some(format!("It asks again {pauses}")),
        (None, None) => None,
    };
    match (asks, wish.then.as_deref()) {
        (Some(asks), Some(then)) => Some(format!("{asks}; {then}.")),
        (Some(asks), None) => Some(format!("{asks}.")),
        (None, Some(then)) => Some(format!("After it, {then}.")),
        (None, None) => None,
    }
}

impl Afterwards {
    /// What it takes once there is room again.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Waits => "It goes on asking by itself: raising the limit is enough.",
            Self::Next => "The next time it asks anew: raising the limit is enough.",
            Self::Ends => "It has to be started again once there is room.",
            Self::Reload => "Raising the limit is not enough: it has to be reloaded.",
            Self::Restart => "Raising the limit is not enough: it has to be restarted.",
            Self::ByHand => {
                "Raising the limit is not enough: what was refused has to be started by hand."
            }
        }
    }

    /// What is so where no further attempt has come; its subject goes before it.
    pub fn without_attempt(self) -> &'static str {
        match self {
            Self::Waits => {
                "goes on asking while it lacks something: it has that by now, or has ended"
            }
            Self::Next => "asks anew when it wants one the next time",
            Self::Ends => "ends when it is refused, and has to be started again once there is room",
            Self::Reload => "asks no more until it is reloaded, whatever room there is",
            Self::Restart => "asks no more until it is restarted, whatever room there is",
            Self::ByHand => {
                "asks no more until what was refused is started by hand, whatever room there is"
            }
        }
    }

    /// Whether nothing has to be done but to make room.
    pub fn heals(self) -> bool {
        matches!(self, Self::Waits | Self::Next)
    }

    /// Whether it lives on without what was refused, so that nobody starts it again.
    fn lingers(self) -> bool {
        matches!(self, Self::Reload | Self::Restart | Self::ByHand)
    }
}

/// What it takes once there is room, where that is the same for all that it can have wanted.
pub fn afterwards(program: &Program, operation: Operation, errno: Errno) -> Option<Afterwards> {
    let wishes = wishes(program, operation, errno)?;
    let first = wishes.first()?.afterwards;
    let same = wishes.iter().all(|wish| wish.afterwards == first);
    first.filter(|_| same)
}

/// What it can have wanted; `None` where the catalogue can't tell.
fn wishes(program: &Program, operation: Operation, errno: Errno) -> Option<Vec<&Wish>> {
    if !errno.is_of_limits() {
        return None;
    }
    let is_this = |wish: &&Wish| {
        !wish.told_only
            && wish.operation == operation
            && (wish.errno.is_empty() || wish.errno.contains(&errno))
    };
    let wishes: Vec<&Wish> = program.wishes.iter().filter(is_this).collect();
    // What was only read tells what a message means, and not that this was such a wish.
    let all_run = wishes.iter().all(|wish| wish.how == How::Run);
    all_run.then_some(wishes)
}

/// What this program does next, refused such a creation by a limit; `None` where the catalogue can't
/// tell: of wishes that look alike from outside, only what holds for all of them is said.
pub fn note(program: &Program, operation: Operation, errno: Errno) -> Option<String> {
    let wishes = wishes(program, operation, errno)?;
    let name = &program.name;
    if let [wish] = wishes[..] {
        let mut parts = vec![format!("{name}, refused {}.", wish.what)];
        parts.extend(next(wish));
        parts.extend(wish.afterwards.map(|after| after.sentence().to_owned()));
        parts.extend(misleading(wish, errno));
        return (parts.len() > 1).then(|| parts.join(" "));
    }
    let afterwards: Option<Vec<Afterwards>> = wishes.iter().map(|wish| wish.afterwards).collect();
    let afterwards = afterwards.unwrap_or_default();
    if let [first, rest @ ..] = &afterwards[..]
        && rest.iter().all(|after| after == first)
    {
        return Some(format!("{name}: {}", first.sentence()));
    }
    if !afterwards.is_empty() && afterwards.iter().all(|after| after.heals()) {
        return Some(format!(
            "{name}: it asks again: raising the limit is enough."
        ));
    }
    // Which of them it was can't be seen; what somebody would wait for in vain is said.
    let lingering = wishes.iter().filter_map(|wish| {
        let after = wish.afterwards.filter(|after| after.lingers())?;
        let then = wish.then.as_deref()?;
        Some(format!(
            "If it was refused {}, {then}. {}",
            wish.what,
            after.sentence()
        ))
    });
    let lingering: Vec<String> = lingering.collect();
    (!lingering.is_empty()).then(|| format!("{name}: {}", lingering.join(" ")))
}

/// That what it says of this errno isn't so.
fn misleading(wish: &Wish, errno: Errno) -> Option<String> {
    let misleads = |message: &&Message| match message.told {
        Told::Misleading => true,
        Told::Wrong => says(message) != errno,
        Told::True | Told::Hidden => false,
    };
    let message = wish.messages.iter().find(misleads)?;
    let because = message.because.as_deref()?;
    Some(format!("What it says misleads: {because}."))
}

/// The errno that a message which isn't true names: popen(3)'s, or that of pthread_create(3).
pub(super) fn says(message: &Message) -> Errno {
    let example = message.example.to_lowercase();
    let memory = ["cannot allocate memory", "enomem"];
    match memory.iter().any(|text| example.contains(text)) {
        true => Errno::ENOMEM,
        false => Errno::EAGAIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::by_id;

    fn of(id: &str, operation: Operation, errno: Errno) -> String {
        note(by_id(id).unwrap(), operation, errno).unwrap_or_default()
    }

    #[test]
    fn what_has_to_be_done_is_said() {
        let nginx = of("nginx", Operation::Process, Errno::EAGAIN);
        assert!(
            nginx.contains("It asks once; it stays one worker short"),
            "{nginx}"
        );
        assert!(nginx.contains("has to be reloaded"), "{nginx}");
        let bash = of("bash", Operation::Process, Errno::EAGAIN);
        assert!(
            bash.contains("It asks 5 times, after 1, 2, 4 and 8 s; "),
            "{bash}"
        );
        let bash = of("bash", Operation::Process, Errno::ENOMEM);
        assert!(bash.contains("It asks once; "), "{bash}");
        let systemd = of("systemd", Operation::Process, Errno::EAGAIN);
        assert!(
            systemd.contains("with Restart= it is started again"),
            "{systemd}"
        );
    }

    #[test]
    fn without_an_attempt_it_is_said_who_makes_none() {
        let of = |id: &str, operation| {
            let after = afterwards(by_id(id).unwrap(), operation, Errno::EAGAIN);
            after.map(Afterwards::without_attempt).unwrap_or_default()
        };
        assert!(of("nginx", Operation::Process).contains("until it is reloaded"));
        assert!(of("perl", Operation::Process).contains("goes on asking"));
        // Its wishes differ, or were only read.
        assert_eq!(of("tmux", Operation::Process), "");
        assert_eq!(of("postfix", Operation::Process), "");
        assert_eq!(of("nginx", Operation::Thread), "");
    }

    #[test]
    fn of_several_wishes_what_holds_for_all() {
        let one = of("postgresql", Operation::Process, Errno::EAGAIN);
        assert_eq!(
            one,
            "PostgreSQL: it asks again: raising the limit is enough."
        );
        assert_eq!(of("nginx", Operation::Process, Errno::EPERM), "");
        // Only one of them never returns.
        let tmux = of("tmux", Operation::Process, Errno::EAGAIN);
        assert!(
            tmux.starts_with("tmux: If it was refused the command of run-shell, the client never")
                && tmux.ends_with("it has to be restarted."),
            "{tmux}"
        );
        assert_eq!(tmux.matches("If it was").count(), 1, "{tmux}");
        let log = of("rsyslog", Operation::Thread, Errno::EAGAIN);
        assert_eq!(
            log,
            "rsyslogd: Raising the limit is not enough: it has to be restarted."
        );
        // Read, not run.
        assert_eq!(of("postfix", Operation::Process, Errno::EAGAIN), "");
        assert_eq!(of("systemd", Operation::Vfork, Errno::EAGAIN), "");
        assert_eq!(of("nginx", Operation::Thread, Errno::EAGAIN), "");
    }

    #[test]
    fn a_lie_is_one_where_the_kernel_said_otherwise() {
        let copy = of("postgresql", Operation::Vfork, Errno::EAGAIN);
        assert!(copy.contains("misleads: popen(3)"), "{copy}");
        let copy = of("postgresql", Operation::Vfork, Errno::ENOMEM);
        assert!(!copy.is_empty() && !copy.contains("misleads"), "{copy}");
        let thread = of("ruby", Operation::Thread, Errno::EAGAIN);
        assert!(!thread.contains("misleads"), "{thread}");
        let thread = of("ruby", Operation::Thread, Errno::ENOMEM);
        assert!(thread.contains("misleads: pthread_create(3)"), "{thread}");
    }
}
