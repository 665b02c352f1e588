//! Where raising a limit hides what is wrong: by what its holders are.

use crate::{
    host::growth::Growth,
    model::{Fix, Holder, HolderKind},
};

/// What the holders of a limit on tasks say against raising it, if anything.
pub(super) fn warnings(holders: &[Holder]) -> Vec<Fix> {
    // Each task is in one of these rows, or in none: those of other kinds are the same tasks.
    let rows = || {
        holders.iter().filter(|h| {
            matches!(h.kind, HolderKind::Program | HolderKind::Kernel) && h.bytes.is_none()
        })
    };
    let all: u64 = rows().map(|h| h.tasks + h.zombies).sum();
    let zombies: u64 = rows().map(|h| h.zombies).sum();
    let mut notes = Vec::new();
    // A few come and go wherever processes end.
    if zombies >= 3 && zombies >= all.div_ceil(4) {
        let most = rows().max_by_key(|h| h.zombies);
        let whose = most.and_then(|h| h.detail.as_ref());
        let whose = whose.map(|whose| format!(" ({whose})")).unwrap_or_default();
        notes.push(format!(
            "{zombies} of the {all} tasks counted are zombies{whose}: a higher limit only lasts \
             until as many more have ended; the parent that does not reap them has to be mended \
             or restarted"
        ));
    }
    for h in rows() {
        if let Some(idle) = h.idle.filter(|idle| *idle >= 3 && *idle >= all.div_ceil(2)) {
            notes.push(format!(
                "{idle} of the {all} tasks counted are {} backends that wait for their clients: a \
                 connection pooler, or fewer connections, is what lasts",
                h.name
            ));
        }
    }
    let note = |note| Fix {
        now: None,
        persistent: None,
        note: Some(note),
    };
    notes.into_iter().map(note).collect()
}

/// What is said before a limit is raised that the refused program itself has filled just now.
pub(super) fn growing(growth: &Growth) -> Option<Fix> {
    let Growth {
        program,
        seen,
        young,
    } = growth;
    // Of fewer, each can have a reason.
    if *seen < 8 || young * 2 < *seen {
        return None;
    }
    Some(Fix {
        now: None,
        persistent: None,
        note: Some(format!(
            "{program}, which was refused, holds most of it itself, and grows: {young} of {seen} of its \
             tasks began within the last minute; if it shouldn't need so many, stop it before the \
             limit is raised, or a higher one fills as well"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(kind: &str, name: &str, tasks: u64, zombies: u64, idle: Option<u64>) -> Holder {
        Holder {
            kind: kind.into(),
            name: name.to_owned(),
            tasks,
            zombies,
            bytes: None,
            idle,
            detail: (zombies > 0).then(|| "zombies of pid 812 nginx".to_owned()),
        }
    }

    fn notes(holders: &[Holder]) -> Vec<String> {
        let notes = warnings(holders).into_iter();
        notes.filter_map(|fix| fix.note).collect()
    }

    #[test]
    fn zombies_from_a_quarter_on() {
        let of = |tasks, zombies| {
            notes(&[
                holder("program", "worker", 0, zombies, None),
                holder("program", "nginx", tasks, 0, None),
                // The same tasks once more.
                holder("cgroup", "/a", tasks, zombies, None),
            ])
        };
        assert!(of(61, 20).is_empty());
        assert!(of(2, 2).is_empty());
        let notes = of(60, 20);
        assert!(
            notes[0]
                .starts_with("20 of the 80 tasks counted are zombies (zombies of pid 812 nginx): "),
            "{notes:?}"
        );
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn a_program_grows_by_what_has_begun_lately() {
        let of = |seen, young| {
            let program = "sh".to_owned();
            growing(&Growth {
                program,
                seen,
                young,
            })
        };
        assert!(of(7, 7).is_none() && of(60, 29).is_none());
        let note = of(60, 30).unwrap().note.unwrap();
        assert!(
            note.starts_with("sh, which was refused, holds most of it itself, and grows: 30 of 60")
        );
    }

    #[test]
    fn idle_backends_from_half_on() {
        let of = |idle| {
            notes(&[
                holder("program", "postgres", 97, 0, idle),
                holder("program", "bash", 3, 0, None),
            ])
        };
        assert!(of(None).is_empty() && of(Some(49)).is_empty());
        let notes = of(Some(91));
        assert!(
            notes[0].starts_with("91 of the 100 tasks counted are postgres backends"),
            "{notes:?}"
        );
    }

    #[test]
    fn memory_is_no_matter_of_tasks() {
        let mut one = holder("program", "postgres", 90, 90, Some(90));
        one.bytes = Some(1);
        assert!(notes(&[one]).is_empty() && notes(&[]).is_empty());
    }
}
