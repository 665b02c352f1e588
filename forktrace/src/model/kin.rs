//! Which owners of a limit are of a kind: the same cgroup on another host, or one that a template
//! names, such as the containers of pods. What tells one start of a thing from the next is a `*`.

use super::{
    CgroupOwner, Owner, initial,
    owner::{CGROUP_ID, IN_USER_NAMESPACE, PID_NAMESPACE, UID, USER_NAMESPACE},
};

/// Hexadecimal digits that are an id and no word.
const ID: usize = 12;

impl Owner {
    /// The owner's text with what differs from start to start left out: owners of one kind have the same.
    pub fn kin(&self) -> String {
        match self {
            Self::Cgroup(CgroupOwner { path, .. }) => match path {
                Some(path) => {
                    let parts: Vec<String> = path.split('/').map(component).collect();
                    parts.join("/")
                }
                None => format!("{CGROUP_ID}*"),
            },
            Self::User {
                uid,
                userns: Some(_),
            } => format!("{UID}{uid}{IN_USER_NAMESPACE}*"),
            Self::UserNamespace(namespace) if namespace.inum != initial::USER => {
                format!("{USER_NAMESPACE}*")
            }
            Self::PidNamespace { .. } => format!("{PID_NAMESPACE}*"),
            _ => self.to_string(),
        }
    }
}

/// Whether systemd-run has made this unit's name up: `run-u5.service`, `run-rHEX.scope`,
/// `run-p71-i9.service`, `run-71.scope` (src/run/run.c `make_unit_name`). Others that begin so are units
/// like any.
pub fn is_of_systemd_run(unit: &str) -> bool {
    let name = unit.strip_prefix("run-").and_then(|rest| {
        let of_kind = |kind: &&str| rest.ends_with(kind);
        let kind = [".service", ".scope"].into_iter().find(of_kind)?;
        rest.strip_suffix(kind)
    });
    let Some(name) = name else {
        return false;
    };
    let is = |text: &str, digit: fn(char) -> bool| !text.is_empty() && text.chars().all(digit);
    let decimal = |text: &str| is(text, |c| c.is_ascii_digit());
    let of_process = name
        .strip_prefix('p')
        .and_then(|rest| rest.split_once("-i"));
    let random = name.strip_prefix('r');
    decimal(name.strip_prefix('u').unwrap_or(name))
        || of_process.is_some_and(|(pid, id)| decimal(pid) && decimal(id))
        || random.is_some_and(|text| is(text, |c| c.is_ascii_hexdigit()))
}

/// A folder of a cgroup's path.
fn component(text: &str) -> String {
    if is_of_systemd_run(text)
        && let Some((_, kind)) = text.rsplit_once('.')
    {
        return format!("run-*.{kind}");
    }
    let mut text = without_ids(text);
    if let Some((name, end)) = text.rsplit_once('.')
        && ["service", "scope", "socket", "mount", "slice"].contains(&end)
    {
        if let Some((template, instance)) = name.split_once('@')
            && !instance.is_empty()
        {
            text = format!("{template}@*.{end}");
        } else if end == "scope" || name.starts_with("run-") {
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
            // session-12.scope, session-c2.scope, run-u17.service
            let stem = match stem.rsplit_once('-') {
                Some((before, letters)) if letters.len() <= 1 && stem.len() < name.len() => {
                    format!("{before}-*")
                }
                _ => name.to_owned(),
            };
            text = format!("{stem}.{end}");
        }
    }
    text
}

/// Ids of containers and of pods, in whatever spelling, as `*`.
fn without_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // Not within a word: "postgres" begins with none, "feedbeefcafe0" may.
        let length = id_length(rest);
        if length > 0 {
            out.push('*');
            rest = &rest[length..];
        } else if first.is_ascii_alphanumeric() {
            let word = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            // "pod" stands before a uid without anything between.
            let glued = rest
                .strip_prefix("pod")
                .map_or(0, |uid| id_length(uid).min(1));
            let taken = if glued > 0 { 3 } else { word };
            out.push_str(&rest[..taken]);
            rest = &rest[taken..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Bytes of the id that a text begins with; 0 of anything else.
fn id_length(text: &str) -> usize {
    let hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let ends = |at: usize| {
        text.as_bytes()
            .get(at)
            .is_none_or(|b| !b.is_ascii_alphanumeric())
    };
    // A UUID; systemd's names of slices have `_` in it.
    let mut at = 0;
    for (n, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if n > 0 {
            match text.as_bytes().get(at) {
                Some(b'-' | b'_') => at += 1,
                _ => break,
            }
        }
        if hex(&text[at..]) != digits {
            break;
        }
        at += digits;
        if n == 4 && ends(at) {
            return at;
        }
    }
    let plain = hex(text);
    let has_digit = text.as_bytes()[..plain].iter().any(u8::is_ascii_digit);
    match plain >= ID && has_digit && ends(plain) {
        true => plain,
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_a_kind_have_one_pattern() {
        let id = "0123456789abcdef".repeat(4);
        for (scope, wanted) in [
            ("/system.slice/nginx.service", "/system.slice/nginx.service"),
            (&*format!("/docker/{id}"), "/docker/*"),
            (
                &*format!("/system.slice/docker-{id}.scope"),
                "/system.slice/docker-*.scope",
            ),
            (
                &*format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-\
                     pod0a1b2c3d_0a1b_2c3d_4e5f_0123456789ab.slice/cri-containerd-{id}.scope"
                ),
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod*.slice/\
                 cri-containerd-*.scope",
            ),
            (
                &*format!("/kubepods/pod0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab/{id}"),
                "/kubepods/pod*/*",
            ),
            (
                "/user.slice/user-1000.slice/session-12.scope",
                "/user.slice/user-1000.slice/session-*.scope",
            ),
            (
                "/user.slice/user-0.slice/session-c2.scope",
                "/user.slice/user-0.slice/session-*.scope",
            ),
            (
                "/system.slice/run-u17.service",
                "/system.slice/run-*.service",
            ),
            (
                "/system.slice/run-r0123456789abcdef0123456789abcdef.scope",
                "/system.slice/run-*.scope",
            ),
            (
                "/system.slice/run-p4711-i12.scope",
                "/system.slice/run-*.scope",
            ),
            (
                "/system.slice/run-parts.service",
                "/system.slice/run-parts.service",
            ),
            (
                "/system.slice/app@blue.service",
                "/system.slice/app@*.service",
            ),
            ("/a/deadbeef", "/a/deadbeef"),
            ("/a/facade0defaced", "/a/*"),
            ("/a/worker12", "/a/worker12"),
            ("/größe/é", "/größe/é"),
            ("uid 101", "uid 101"),
            (
                "uid 5 in user namespace 4026532200",
                "uid 5 in user namespace *",
            ),
            ("user namespace 4026531837", "user namespace 4026531837"),
            ("user namespace 4026532200", "user namespace *"),
            ("pid namespace 4026532114", "pid namespace *"),
            ("cgroup id 4711", "cgroup id *"),
            ("host", "host"),
            ("", ""),
            ("/", "/"),
        ] {
            assert_eq!(Owner::from(scope).kin(), wanted, "{scope}");
        }
    }
}
