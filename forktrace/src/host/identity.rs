//! What a cgroup's path says about who lives there: systemd unit, container,
//! Kubernetes pod.
//!
//! Names alone are judged: nothing is asked of systemd or a container runtime.

use crate::model::Qos;

/// Who lives in a cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The unit of the host's systemd (or of a user's, see `user_manager`).
    /// Units of a systemd that runs inside a container aren't meant: the
    /// host's systemctl doesn't know them.
    pub unit: Option<String>,
    /// Whose systemd manages the unit, if not the system's: the uid of
    /// `user@UID.service`.
    pub user_manager: Option<u32>,
    /// Container: its 64-digit id, or the name where the path has one.
    pub container: Option<String>,
    /// Kubernetes pod: its uid as the API shows it.
    pub pod: Option<String>,
    /// The pod's class, by the folder that kubelet puts it into: of the three,
    /// Guaranteed has none.
    pub qos: Option<Qos>,
}

/// What the path, from the hierarchy's root, names.
///
/// Of nested containers the innermost is named: that is where the process is.
/// The unit is the last one at or above the outermost.
pub fn identify(path: &str) -> Identity {
    let mut identity = Identity::default();
    let mut slice = None;
    let mut parent = "";
    let mut in_kubepods = false;
    let mut class = None;
    for component in path.split('/').filter(|c| !c.is_empty()) {
        if component.contains("kubepods") {
            in_kubepods = true;
            class = None;
        }
        class = qos(component).or(class);
        if in_kubepods && let Some(pod) = pod(component) {
            identity.pod = Some(pod);
            identity.qos = Some(class.unwrap_or(Qos::Guaranteed));
        }
        let inside = identity.container.is_some();
        if let Some(container) = container(parent, component) {
            identity.container = Some(container);
        }
        if !inside {
            let name = unescape_cgroup(component);
            if UNITS.iter().any(|suffix| is_unit(name, suffix)) {
                // The unit before this one, if it is a user's manager,
                // manages this one.
                let manager = identity.unit.as_deref().and_then(user_manager);
                identity.user_manager = manager.or(identity.user_manager);
                identity.unit = Some(name.to_owned());
            } else if is_unit(name, ".slice") {
                slice = Some(name);
            }
        }
        parent = component;
    }
    if identity.unit.is_none() {
        identity.unit = slice.map(str::to_owned);
    }
    identity
}

/// The class that a component is for: kubelet puts pods below `burstable` and
/// `besteffort`, or these into the slices' names; Guaranteed ones have none of
/// their own (pkg/kubelet/cm/qos_container_manager_linux.go).
pub(super) fn qos(component: &str) -> Option<Qos> {
    component.split(['-', '.']).find_map(|word| match word {
        "burstable" => Some(Qos::Burstable),
        "besteffort" => Some(Qos::BestEffort),
        _ => None,
    })
}

/// Units that have cgroups, slices apart.
pub(super) const UNITS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

pub(super) fn is_unit(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|stem| !stem.is_empty())
}

/// systemd puts `_` before names that could be taken for a cgroup's own files,
/// such as memory.service (`cg_escape`).
pub(super) fn unescape_cgroup(component: &str) -> &str {
    component.strip_prefix('_').unwrap_or(component)
}

/// The uid of the user whose manager this unit is.
pub fn user_manager(unit: &str) -> Option<u32> {
    let uid = unit.strip_prefix("user@")?.strip_suffix(".service")?;
    uid.parse().ok()
}

/// The container that a component names.
pub(super) fn container(parent: &str, component: &str) -> Option<String> {
    let stem = component.strip_suffix(".scope");
    // Podman's pods, where it makes the cgroups itself: its containers are `libpod-ID`.
    if parent == "libpod_parent" && is_hex(component, 64) {
        return None;
    }
    // Docker, containerd, CRI-O, Podman: an id after the runtime's name
    // (`docker-ID.scope`, `libpod-ID`, `…:cri-containerd:ID`) or alone.
    if let Some(id) = id(stem.unwrap_or(component)) {
        return Some(id.to_owned());
    }
    // Kata Containers: the cgroup of a sandbox, which is a virtual machine.
    if let Some(id) = component.strip_prefix("kata_").filter(|id| is_hex(id, 64)) {
        return Some(id.to_owned());
    }
    // LXC 4+; before, its own folder below `lxc.payload` (3), or `lxc` in each hierarchy.
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return non_empty(name);
    }
    if matches!(parent, "lxc" | "lxc.payload") {
        return non_empty(component);
    }
    // systemd-nspawn: by its unit, or registered with machined. libvirt's
    // virtual machines are registered too, and are no containers.
    let nspawn = component
        .strip_prefix("systemd-nspawn@")
        .and_then(|rest| rest.strip_suffix(".service"));
    let machine = stem.and_then(|stem| stem.strip_prefix("machine-"));
    let name = unescape_unit(nspawn.or(machine)?);
    if name.starts_with("qemu-") {
        return None;
    }
    non_empty(&name)
}

fn non_empty(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// The 64-digit id at the end of a name.
fn id(name: &str) -> Option<&str> {
    let (runtime, id) = match name.rfind(['-', ':']) {
        Some(at) => name.split_at_checked(at)?,
        None => ("", name),
    };
    let id = id.trim_start_matches(['-', ':']);
    // Podman's and CRI-O's monitors live beside the container, not in it.
    let is_monitor = runtime.ends_with("conmon");
    (is_hex(id, 64) && !is_monitor).then_some(id)
}

pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The uid of the pod that a component names: `podUID`, or
/// `kubepods-burstable-podUID.slice` with `_` for `-`. A UUID, or the 32
/// digits of a pod from a node's own manifest.
pub(super) fn pod(component: &str) -> Option<String> {
    let name = component.split(':').next().unwrap_or(component);
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None => name.rsplit_once("-pod")?.1,
    };
    let uid = uid.replace('_', "-");
    (is_uuid(&uid) || is_hex(&uid, 32)).then_some(uid)
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.split('-').all(|part| is_hex(part, part.len()))
}

/// systemd writes `-` and the like within a name as `\x2d`.
pub(crate) fn unescape_unit(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'\\'
            && let Some((code, after)) = after.split_at_checked(3)
            && let Some(digits) = code.strip_prefix(b"x")
            && let Ok(digits) = std::str::from_utf8(digits)
            && let Ok(byte) = u8::from_str_radix(digits, 16)
        {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A container's id.
    const ID: &str = "3f1c0a5ce9b44c1f8d27ab6e05a1f3c29d8e7b60514f3a2c9e8d7b6a50413f2e";
    const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000ff";
    const POD: &str = "5b8c2f9e-3d41-4a77-9c05-1f2e3d4c5b6a";

    /// Path, unit, container, pod. `ID`, `OTHER`, `POD` and `P_D` (the pod's
    /// uid with underscores) stand for the constants.
    const TABLE: &[(&str, &str, &str, &str)] = &[
        // systemd
        ("/", "", "", ""),
        ("", "", "", ""),
        ("/init.scope", "init.scope", "", ""),
        ("/system.slice", "system.slice", "", ""),
        (
            "/system.slice/postgresql.service",
            "postgresql.service",
            "",
            "",
        ),
        (
            "/system.slice/nginx.service/worker",
            "nginx.service",
            "",
            "",
        ),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            "getty@tty1.service",
            "",
            "",
        ),
        ("/system.slice/_memory.service", "memory.service", "", ""),
        ("/system.slice/boot-efi.mount", "boot-efi.mount", "", ""),
        ("/system.slice/docker.socket", "docker.socket", "", ""),
        ("/system.slice/dev-vdb.swap", "dev-vdb.swap", "", ""),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            "session-3.scope",
            "",
            "",
        ),
        ("/user.slice/user-1000.slice", "user-1000.slice", "", ""),
        ("/a/b", "", "", ""),
        ("/.service/.slice", "", "", ""),
        // Docker
        ("/system.slice/docker-ID.scope", "docker-ID.scope", "ID", ""),
        (
            "/system.slice/docker-ID.scope/system.slice/inner.service",
            "docker-ID.scope",
            "ID",
            "",
        ),
        ("/docker/ID", "", "ID", ""),
        ("/docker/ID/docker/OTHER", "", "OTHER", ""),
        (
            "/system.slice/docker.service/docker/ID",
            "docker.service",
            "ID",
            "",
        ),
        // containerd
        ("/k8s.io/ID", "", "ID", ""),
        (
            "/system.slice/nerdctl-ID.scope",
            "nerdctl-ID.scope",
            "ID",
            "",
        ),
        // Podman
        (
            "/machine.slice/libpod-ID.scope/container",
            "libpod-ID.scope",
            "ID",
            "",
        ),
        (
            "/machine.slice/libpod-conmon-ID.scope",
            "libpod-conmon-ID.scope",
            "",
            "",
        ),
        ("/libpod_parent/libpod-ID", "", "ID", ""),
        ("/libpod_parent/OTHER/libpod-ID", "", "ID", ""),
        ("/libpod_parent/OTHER", "", "", ""),
        // Kubernetes
        ("/kubepods/burstable/podPOD/ID", "", "ID", "POD"),
        ("/kubepods/podPOD", "", "", "POD"),
        (
            "/kubepods/besteffort/pod0123456789abcdef0123456789abcdef/ID",
            "",
            "ID",
            "0123456789abcdef0123456789abcdef",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice/cri-containerd-ID.scope",
            "cri-containerd-ID.scope",
            "ID",
            "POD",
        ),
        (
            "/kubepods.slice/kubepods-podP_D.slice/crio-ID.scope",
            "crio-ID.scope",
            "ID",
            "POD",
        ),
        (
            "/kubepods.slice/kubepods-podP_D.slice/crio-conmon-ID.scope",
            "crio-conmon-ID.scope",
            "",
            "POD",
        ),
        (
            "/kubepods.slice/kubepods-podP_D.slice",
            "kubepods-podP_D.slice",
            "",
            "POD",
        ),
        (
            "/system.slice/containerd.service/kubepods-burstable-podP_D.slice:cri-containerd:ID",
            "containerd.service",
            "ID",
            "POD",
        ),
        (
            "/docker/OTHER/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podP_D.slice/cri-containerd-ID.scope",
            "",
            "ID",
            "POD",
        ),
        ("/podPOD", "", "", ""),
        ("/kubepods/podium", "", "", ""),
        // Kata
        ("/kubepods/podPOD/kata_ID", "", "ID", "POD"),
        ("/kata_overhead/ID", "", "ID", ""),
        // LXC, nspawn, libvirt
        ("/lxc.payload.web", "", "web", ""),
        ("/lxc.payload.web/system.slice/ssh.service", "", "web", ""),
        ("/lxc.monitor.web", "", "", ""),
        ("/lxc.payload/web", "", "web", ""),
        ("/lxc.monitor/web", "", "", ""),
        ("/lxc/101/ns", "", "101", ""),
        (
            "/machine.slice/machine-deb\\x2dian.scope",
            "machine-deb\\x2dian.scope",
            "deb-ian",
            "",
        ),
        (
            "/machine.slice/systemd-nspawn@web.service/payload",
            "systemd-nspawn@web.service",
            "web",
            "",
        ),
        (
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/emulator",
            "machine-qemu\\x2d1\\x2dvm.scope",
            "",
            "",
        ),
        // Nearly an id
        ("/docker/0123456789ab", "", "", ""),
        ("/system.slice/x-IDf.scope", "x-IDf.scope", "", ""),
    ];

    #[test]
    fn paths() {
        for row in TABLE {
            let fill = |text: &str| {
                text.replace("OTHER", OTHER)
                    .replace("ID", ID)
                    .replace("POD", POD)
                    .replace("P_D", &POD.replace('-', "_"))
            };
            let some = |text: &str| (!text.is_empty()).then(|| fill(text));
            let expected = Identity {
                unit: some(row.1),
                container: some(row.2),
                pod: some(row.3),
                user_manager: None,
                qos: identify(&fill(row.0)).qos,
            };
            assert_eq!(identify(&fill(row.0)), expected, "{}", row.0);
            assert_eq!(expected.qos.is_some(), expected.pod.is_some(), "{}", row.0);
        }
    }

    #[test]
    fn classes_of_pods() {
        const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";
        for (path, class) in [
            ("/kubepods/podUID/x", Qos::Guaranteed),
            ("/kubepods/burstable/podUID", Qos::Burstable),
            ("/kubepods/besteffort/podUID/x", Qos::BestEffort),
            ("/kubepods.slice/kubepods-podUID.slice", Qos::Guaranteed),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID.slice/x",
                Qos::Burstable,
            ),
            (
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podUID.slice",
                Qos::BestEffort,
            ),
            // A cluster in a pod of another.
            (
                "/kubepods/burstable/podUID/x/kubepods/podUID",
                Qos::Guaranteed,
            ),
        ] {
            let path = path.replace("UID", UID);
            assert_eq!(identify(&path).qos, Some(class), "{path}");
        }
        assert_eq!(identify("/burstable/x.service").qos, None);
    }

    #[test]
    fn units_of_users() {
        let base = "/user.slice/user-1000.slice/user@1000.service";
        for (path, unit, manager) in [
            ("", "user@1000.service", None),
            ("/init.scope", "init.scope", Some(1000)),
            (
                "/app.slice/app-gnome-x.scope",
                "app-gnome-x.scope",
                Some(1000),
            ),
            (
                "/app.slice/shell.service/part.scope",
                "part.scope",
                Some(1000),
            ),
        ] {
            let identity = identify(&format!("{base}{path}"));
            assert_eq!(identity.unit.as_deref(), Some(unit), "{path}");
            assert_eq!(identity.user_manager, manager, "{path}");
        }
    }

    /// Names are anybody's to choose.
    #[test]
    fn odd_names() {
        for path in [
            "////",
            "\\x",
            "/machine-\\x.scope",
            "/machine-\\xzz\\xff\\.scope",
            "/machine-.scope",
            "/lxc/",
            "/lxc.payload.",
            "/kubepods/pod",
            "/kubepods-pod",
            "/…-\u{fffd}.scope",
            "/kubepods/pod________",
            "/user@99999999999.service/x.service",
        ] {
            let _ = identify(path);
        }
        assert_eq!(unescape_unit("a\\x2db\\x"), "a-b\\x");
        assert_eq!(unescape_unit("\\xc3\\xa9\\xff"), "é\u{fffd}");
    }
}
