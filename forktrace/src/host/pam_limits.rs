//! What a login of a user gets by limits.conf(5), read as pam_limits reads it.
//!
//! modules/pam_limits/pam_limits.c: /etc/security/limits.conf first, then limits.d/*.conf in the
//! order of their names. A user's own line counts before a group's, that before `*`
//! (`LIMITS_DEF_*`); of lines that are as near, the last; those for `%` are of logins alone. A service of
//! PAM's can have a file of its own (`conf=`), which is all that is read then. Where PAM was built with a vendor's folder
//! (1.5.2+: openSUSE), that has files too, each unless /etc has one of its name (`read_limits_dir`).

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::passwd::Passwd;
use crate::order::Order as _;

/// More isn't read of a file, nor more files.
const LONGEST: usize = 1 << 20;
const MOST: usize = 256;

/// Folders of vendors, the first that is there.
const VENDOR: [&str; 2] = ["usr/etc/security", "usr/share/security"];

/// Which of a user's two limits a line sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `soft`
    Soft,
    /// `hard`
    Hard,
    /// `-`
    Both,
}

impl Which {
    /// As the file has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Both => "-",
        }
    }
}

/// A line that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file that has the line.
    pub file: PathBuf,
    /// `ann`, `@staff`, `*`, `1000:2000`.
    pub domain: String,
    /// Whether the line sets the soft limit, the hard one or both.
    pub which: Which,
    /// `None`: unlimited.
    pub value: Option<u64>,
}

/// As the file has it.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = self.which.word();
        write!(f, "{} {which} nproc ", self.domain)?;
        match self.value {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("unlimited"),
        }
    }
}

/// What the files say of nproc for one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nproc {
    /// The line that sets the soft limit.
    pub soft: Option<Line>,
    /// The line that sets the hard limit.
    pub hard: Option<Line>,
}

impl Nproc {
    /// The line that a login's soft limit is of: pam_limits lowers it to the hard one where that is
    /// lower (`setup_limits`).
    pub fn counts(&self) -> Option<&Line> {
        let bound = |line: &&Line| line.value.unwrap_or(u64::MAX);
        self.soft.iter().chain(&self.hard).min_by_key(bound)
    }
}

/// Whom lines are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `None`: a directory service's (SSSD, LDAP), whom no file of this machine names.
    pub name: Option<String>,
    /// Its number.
    pub uid: u32,
    /// The account's own group, which ranges are compared with.
    pub gid: Option<u32>,
    /// Ids of all groups, and their names where a file has them.
    pub groups: Vec<(Option<String>, u32)>,
}

impl User {
    /// By the files below `root`.
    pub fn read(root: &Path, name: Option<&str>, uid: u32) -> Self {
        let Some(name) = name else {
            return Self {
                uid,
                ..Self::default()
            };
        };
        let gid = Passwd::from_file(&root.join("etc/passwd"))
            .ok()
            .and_then(|passwd| passwd.group(name));
        let groups = groups(root).into_iter();
        let own = groups.filter(|(_, id, members)| {
            Some(*id) == gid || members.iter().any(|member| member == name)
        });
        Self {
            name: Some(name.to_owned()),
            uid,
            gid,
            groups: own.map(|(group, id, _)| (Some(group), id)).collect(),
        }
    }

    /// With the groups of a process of the user's, by its own one and the others: a directory service has
    /// members of groups as well, whom no file names.
    #[must_use]
    pub fn with_groups(mut self, root: &Path, gid: u32, others: &[u32]) -> Self {
        if self.name.is_none() {
            self.gid = Some(gid);
        }
        let names = groups(root);
        for id in [gid].iter().chain(others) {
            if self.groups.iter().all(|(_, known)| known != id) {
                let named = names.iter().find(|(_, named, _)| named == id);
                self.groups
                    .push((named.map(|(name, ..)| name.clone()), *id));
            }
        }
        self
    }
}

/// PAM's services, as far as they ask pam_limits.
pub struct Services(Vec<Service>);

impl Services {
    /// None where there is no file of PAM's: without a folder it reads one for all (pam.conf(5)).
    pub fn read(root: &Path) -> Self {
        Self(services(root))
    }

    /// Whether a login of some kind is known to ask pam_limits: not where there is no PAM (Alpine), or where
    /// none of its services does. What stands in the files may come of them all the same, and is read by
    /// [`Self::nproc`].
    pub fn ask(&self) -> bool {
        self.0.iter().any(|service| service.asks)
    }

    /// nproc of a user by the files below `root`: by those that services read by default, then by each that
    /// one of them names.
    pub fn nproc(&self, root: &Path, user: &User) -> Vec<Nproc> {
        let asks = self.0.iter().filter(|service| service.asks);
        let mut confs: Vec<Option<&PathBuf>> = asks.map(|service| service.conf.as_ref()).collect();
        if self.0.is_empty() {
            confs.push(None);
        }
        confs.order();
        confs.dedup();
        let all = confs.into_iter().map(|conf| match conf {
            None => by_files(&files(root), user),
            Some(conf) => by_files(&[below(root, conf)], user),
        });
        all.collect()
    }
}

fn below(root: &Path, file: &Path) -> PathBuf {
    root.join(file.strip_prefix("/").unwrap_or(file))
}

fn by_files(files: &[PathBuf], user: &User) -> Nproc {
    let mut found: [Option<(u8, Line)>; 2] = [None, None];
    for file in files {
        let text = text(file);
        for line in text.lines() {
            if exempts(line, user) {
                return Nproc::default();
            }
            let Some((nearness, line)) = parse(line, user, file) else {
                continue;
            };
            for (slot, other) in found.iter_mut().zip([Which::Hard, Which::Soft]) {
                let better = slot.as_ref().is_none_or(|(had, _)| nearness <= *had);
                if line.which != other && better {
                    *slot = Some((nearness, line.clone()));
                }
            }
        }
    }
    let [soft, hard] = found.map(|slot| slot.map(|(_, line)| line));
    Nproc { soft, hard }
}

/// A file of one of PAM's services, or a line of it that asks pam_limits.
struct Service {
    asks: bool,
    /// `conf=`
    conf: Option<PathBuf>,
}

fn services(root: &Path) -> Vec<Service> {
    let folders = ["etc/pam.d", "usr/lib/pam.d"].map(|folder| fs::read_dir(root.join(folder)));
    let files = folders.into_iter().flatten().flatten().flatten();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).take(MOST).collect();
    let for_all = root.join("etc/pam.conf");
    if files.is_empty() && for_all.is_file() {
        files.push(for_all);
    }
    let mut services = Vec::new();
    for file in files {
        services.push(Service {
            asks: false,
            conf: None,
        });
        for line in text(&file).lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((_, arguments)) = line.split_once("pam_limits.so") else {
                continue;
            };
            let conf = arguments
                .split_whitespace()
                .find_map(|argument| argument.strip_prefix("conf="));
            services.push(Service {
                asks: true,
                conf: conf.map(PathBuf::from),
            });
        }
    }
    services
}

fn files(root: &Path) -> Vec<PathBuf> {
    let folder = root.join("etc/security");
    let vendor = VENDOR
        .iter()
        .map(|vendor| root.join(vendor))
        // ostree keeps /etc as it was delivered there, which PAM knows nothing of.
        .find(|vendor| vendor.is_dir() && !root.join("run/ostree-booted").exists());
    let mut more = drop_ins(&folder);
    let mut first = folder.join("limits.conf");
    if let Some(vendor) = vendor {
        let theirs = drop_ins(&vendor);
        let is_new = |file: &PathBuf| more.iter().all(|own| own.file_name() != file.file_name());
        let theirs: Vec<PathBuf> = theirs.into_iter().filter(is_new).collect();
        more.extend(theirs);
        if !first.exists() {
            first = vendor.join("limits.conf");
        }
    }
    more.order_by(|one, other| one.file_name().cmp(&other.file_name()));
    more.insert(0, first);
    more
}

fn drop_ins(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder.join("limits.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf") && path.is_file())
        .take(MOST)
        .collect()
}

fn text(file: &Path) -> String {
    let mut bytes = match fs::metadata(file) {
        Ok(meta) if meta.is_file() => fs::read(file).unwrap_or_default(),
        _ => Vec::new(),
    };
    bytes.truncate(LONGEST);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `ann -`, `@staff -`: pam_limits leaves the user's limits as they are, whatever other lines say.
fn exempts(line: &str, user: &User) -> bool {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let (Some(domain), Some("-"), None) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    match domain.strip_prefix('@') {
        Some(group) => user.uid != 0 && is_in(user, group),
        None => Some(domain) == user.name.as_deref() || in_range(domain, user.uid),
    }
}

/// The line and how near it is, smaller being nearer; `None` where it isn't about the user's nproc.
fn parse(line: &str, user: &User, file: &Path) -> Option<(u8, Line)> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    let (domain, which, item, value) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let which = match which {
        "soft" => Which::Soft,
        "hard" => Which::Hard,
        "-" => Which::Both,
        _ => return None,
    };
    let value = match value {
        "unlimited" | "infinity" | "-1" => None,
        number => Some(number.parse().ok()?),
    };
    let nearness = nearness(domain, user)?;
    (item == "nproc").then(|| {
        let line = Line {
            file: file.to_owned(),
            domain: domain.to_owned(),
            which,
            value,
        };
        (nearness, line)
    })
}

fn nearness(domain: &str, user: &User) -> Option<u8> {
    if Some(domain) == user.name.as_deref() {
        return Some(0);
    }
    if domain == "*" {
        // Of all but root.
        return (user.uid != 0).then_some(2);
    }
    if let Some(group) = domain.strip_prefix('@') {
        // Of root neither.
        return (is_in(user, group) && user.uid != 0).then_some(1);
    }
    in_range(domain, user.uid).then_some(0)
}

/// By the name of a group or its id (`:50`), any of the user's; by a range of ids the account's own.
fn is_in(user: &User, group: &str) -> bool {
    match group.split_once(':') {
        None => user
            .groups
            .iter()
            .any(|(name, _)| name.as_deref() == Some(group)),
        Some(("", _)) => user.groups.iter().any(|(_, gid)| in_range(group, *gid)),
        Some(_) => user.gid.is_some_and(|gid| in_range(group, gid)),
    }
}

/// `1000:2000`, `1000:`, `:1000` (one id).
fn in_range(text: &str, id: u32) -> bool {
    let Some((low, high)) = text.split_once(':') else {
        return false;
    };
    match (low.parse::<u32>(), high.parse::<u32>()) {
        (Ok(low), Ok(high)) => (low..=high).contains(&id),
        (Ok(low), Err(_)) if high.is_empty() => id >= low,
        (Err(_), Ok(only)) if low.is_empty() => id == only,
        _ => false,
    }
}

/// Names, ids and members of /etc/group.
fn groups(root: &Path) -> Vec<(String, u32, Vec<String>)> {
    let group = text(&root.join("etc/group"));
    let groups = group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, gid) = (fields.next()?, fields.nth(1)?);
        let members = fields.next()?.split(',').map(str::to_owned);
        Some((name.to_owned(), gid.parse().ok()?, members.collect()))
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    fn nproc(root: &Path, user: &User) -> Vec<Nproc> {
        Services::read(root).nproc(root, user)
    }

    fn is_asked(root: &Path) -> bool {
        Services::read(root).ask()
    }

    fn limit_of(
        name: &str,
        files: &[(&str, &str)],
    ) -> (Option<(String, Option<u64>)>, Option<u64>) {
        let root =
            std::env::temp_dir().join(format!("forktrace-pam-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let fixed = [
            ("etc/passwd", "ann:x:1000:50::/:/bin/sh\n"),
            ("etc/group", "staff:x:50:\nwheel:x:10:bob,ann\n"),
        ];
        for (file, text) in fixed.iter().chain(files) {
            made_up::write(&root, file, text);
        }
        let found = nproc(&root, &User::read(&root, Some("ann"), 1000));
        let found = found.into_iter().next().unwrap_or_default();
        fs::remove_dir_all(&root).unwrap();
        let soft = found.soft.map(|line| {
            let file = line
                .file
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            (file, line.value)
        });
        (soft, found.hard.and_then(|line| line.value))
    }

    fn soft(file: &str, value: u64) -> Option<(String, Option<u64>)> {
        Some((file.to_owned(), Some(value)))
    }

    #[test]
    fn the_nearest_line_counts_and_of_those_the_last() {
        let file = "etc/security/limits.conf";
        assert_eq!(
            limit_of("none", &[(file, "# ann - nproc 4\nbob - nproc 5\n")]),
            (None, None)
        );
        let (found, hard) = limit_of(
            "own",
            &[(
                file,
                "ann soft nproc 20 # few\nann hard nproc 2000\n* - nproc 9\n",
            )],
        );
        assert_eq!((found, hard), (soft("limits.conf", 20), Some(2000)));
        let (found, hard) = limit_of(
            "order",
            &[
                (file, "@staff - nproc 30\n"),
                (
                    "etc/security/limits.d/90-x.conf",
                    "* - nproc 9\n@wheel - nproc 40\n",
                ),
                ("etc/security/limits.d/10-x.conf", "@wheel - nproc 50\n"),
                ("etc/security/limits.d/99-x", "ann - nproc 1\n"),
            ],
        );
        assert_eq!((found, hard), (soft("90-x.conf", 40), Some(40)));
        for exempt in ["ann -", "@wheel - # all of them"] {
            let lines = format!("ann - nproc 4\n{exempt}\n* - nproc 5\n");
            assert_eq!(limit_of("exempt", &[(file, &lines)]), (None, None));
        }
        let lines = "bob -\n@nobody -\nann - nproc 4\n";
        let (found, _) = limit_of("others", &[(file, lines)]);
        assert_eq!(found, soft("limits.conf", 4));
        let ranges = "999:1001 soft nproc 7\n:1000 hard nproc unlimited\n1001: - nproc 3\n@50:60 - nproc 2\n";
        let (found, hard) = limit_of("range", &[(file, ranges)]);
        assert_eq!((found, hard), (soft("limits.conf", 7), None));
        // `%` is of logins.
        let logins = "% - nproc 1\n%staff - nproc 2\n%:10 - nproc 3\n";
        assert_eq!(limit_of("logins", &[(file, logins)]).0, None);
    }

    /// modules/pam_limits/pam_limits.c: pam_modutil_user_in_group_… (by gid) for one id, pw_gid for more.
    #[test]
    fn ranges_of_groups_are_of_the_accounts_own() {
        let file = "etc/security/limits.conf";
        for (domain, counts) in [
            ("@50:60", true),
            ("@50:", true),
            (":1000", true),
            ("1000:", true),
            ("@:50", true),
            ("@:10", true),
            ("@5:10", false),
            ("@51:", false),
            ("@:11", false),
            ("1001:", false),
        ] {
            let lines = format!("{domain} soft nproc 7\n");
            let (found, _) = limit_of("of-groups", &[(file, &lines)]);
            assert_eq!(found.is_some(), counts, "{domain}");
            // A line without an item leaves whom it is about alone.
            let lines = format!("* soft nproc 9\n{domain} -\n");
            let (found, _) = limit_of("of-groups", &[(file, &lines)]);
            assert_eq!(found.is_none(), counts, "{domain}");
        }
    }

    /// Users of a directory service have a number and groups, and no name that a file knows.
    #[test]
    fn a_user_without_a_name() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            made_up::write(root.path(), file, text);
        };
        put("etc/group", "dba:x:501:\n");
        let user = User::read(root.path(), None, 61_234).with_groups(root.path(), 700, &[501, 9]);
        let of = |lines: &str| {
            put("etc/security/limits.d/20-nproc.conf", lines);
            let found = nproc(root.path(), &user).remove(0).soft;
            found.and_then(|line| line.value)
        };
        // As Red Hat delivers it.
        assert_eq!(
            of("* soft nproc 4096\nroot soft nproc unlimited\n"),
            Some(4096)
        );
        assert_eq!(of("* soft nproc 4096\n@dba soft nproc 70\n"), Some(70));
        assert_eq!(of("@:9 soft nproc 7\n@600:800 soft nproc 8\n"), Some(8));
        assert_eq!(of("ann soft nproc 5\n:61234 soft nproc 6\n"), Some(6));
    }

    #[test]
    fn a_service_can_have_a_file_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            made_up::write(root.path(), file, text);
        };
        put("etc/passwd", "ann:x:1000:50::/:/bin/sh\n");
        put("etc/security/limits.conf", "ann soft nproc 5\n");
        put("etc/security/limits.d/x.conf", "ann soft nproc 6\n");
        put("etc/security/ftp.conf", "ann soft nproc 7\n");
        let of = || {
            let user = User::read(root.path(), Some("ann"), 1000);
            let all = nproc(root.path(), &user).into_iter();
            let values: Vec<_> = all
                .map(|all| all.soft.and_then(|line| line.value))
                .collect();
            values
        };
        assert!(of() == [Some(6)] && !is_asked(root.path()));
        put("etc/pam.conf", "login session required pam_limits.so\n");
        assert!(is_asked(root.path()));
        assert_eq!(of(), [Some(6)]);
        put("etc/pam.d/other", "session required pam_unix.so\n");
        assert!(of().is_empty() && !is_asked(root.path()));
        put(
            "etc/pam.d/ftp",
            "session required pam_limits.so debug conf=/etc/security/ftp.conf\n",
        );
        assert_eq!(of(), [Some(7)]);
        put("etc/pam.d/su", "session\trequired\tpam_limits.so\n");
        put(
            "etc/pam.d/login",
            "session required pam_limits.so # conf=/x\n",
        );
        assert_eq!(of(), [Some(6), Some(7)]);
    }

    #[test]
    fn a_vendors_files_count_where_etc_has_none_of_their_name() {
        let vendor = "usr/etc/security/limits.d/50-x.conf";
        let (found, _) = limit_of("vendor", &[(vendor, "* soft nproc 40\n")]);
        assert_eq!(found, soft("50-x.conf", 40));
        let both = [
            (vendor, "* soft nproc 40\n"),
            ("etc/security/limits.d/50-x.conf", "* soft nproc 50\n"),
            ("usr/etc/security/limits.conf", "* soft nproc 9\n"),
        ];
        let (found, _) = limit_of("vendor-masked", &both);
        assert_eq!(found, soft("50-x.conf", 50));
        // In the order of the names, whichever folder they are in.
        let between = [
            (vendor, "* soft nproc 40\n"),
            ("etc/security/limits.d/10-y.conf", "* soft nproc 50\n"),
        ];
        let (found, _) = limit_of("vendor-later", &between);
        assert_eq!(found, soft("50-x.conf", 40));
        // The main file is the vendor's only where /etc has none.
        let main = ("usr/etc/security/limits.conf", "* soft nproc 9\n");
        assert_eq!(limit_of("vendor-main", &[main]).0, soft("limits.conf", 9));
        let own = ("etc/security/limits.conf", "# nothing\n");
        assert_eq!(limit_of("vendor-own", &[main, own]).0, None);
        let ostree = [main, ("run/ostree-booted", "")];
        assert_eq!(limit_of("vendor-ostree", &ostree).0, None);
    }
}
