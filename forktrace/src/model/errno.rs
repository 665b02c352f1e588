//! The errno of a `failure` record.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The errno that the creation answered: positive, at most MAX_ERRNO (4095,
/// include/linux/err.h). In records it is its name, as in errno(3), or
/// `errno N` for a number without a name: who refuses (a seccomp filter, a
/// security module) may answer any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

/// The names, and constants for those that the causes ask for.
macro_rules! errnos {
    ($($(#[$doc:meta])* const $own:ident;)* $(and $name:ident)*) => {
        impl Errno {
            $($(#[$doc])* pub const $own: Self = Self(libc::$own);)*
        }

        /// Numbers differ between architectures, so they come from libc.
        const NAMES: &[(i32, &str)] = &[
            $((libc::$own, stringify!($own)),)*
            $((libc::$name, stringify!($name)),)*
        ];
    };
}

errnos! {
    /// "Resource temporarily unavailable".
    const EAGAIN;
    /// "Cannot allocate memory".
    const ENOMEM;
    /// "Operation not permitted".
    const EPERM;
    /// "Interrupted system call".
    const EINTR;
    /// "Permission denied".
    const EACCES;
    /// "Bad file descriptor".
    const EBADF;
    /// "Device or resource busy".
    const EBUSY;
    /// "File exists".
    const EEXIST;
    /// "No such device".
    const ENODEV;
    /// "Invalid argument".
    const EINVAL;
    /// "Too many open files".
    const EMFILE;
    /// "Too many open files in system".
    const ENFILE;
    /// "No space left on device".
    const ENOSPC;
    /// "No such file or directory".
    const ENOENT;
    /// "Operation not supported".
    const EOPNOTSUPP;
    // include/uapi/asm-generic/errno-base.h
    and ESRCH and EIO and ENXIO and E2BIG and ENOEXEC and ECHILD and EFAULT and ENOTBLK
    and EXDEV and ENOTDIR and EISDIR and ENOTTY and ETXTBSY and EFBIG and ESPIPE
    and EROFS and EMLINK and EPIPE and EDOM and ERANGE
    // include/uapi/asm-generic/errno.h
    and EDEADLK and ENAMETOOLONG and ENOLCK and ENOSYS and ENOTEMPTY and ELOOP and ENOMSG
    and EIDRM and ECHRNG and EL2NSYNC and EL3HLT and EL3RST and ELNRNG and EUNATCH and ENOCSI
    and EL2HLT and EBADE and EBADR and EXFULL and ENOANO and EBADRQC and EBADSLT and EBFONT
    and ENOSTR and ENODATA and ETIME and ENOSR and ENONET and ENOPKG and EREMOTE and ENOLINK
    and EADV and ESRMNT and ECOMM and EPROTO and EMULTIHOP and EDOTDOT and EBADMSG
    and EOVERFLOW and ENOTUNIQ and EBADFD and EREMCHG and ELIBACC and ELIBBAD and ELIBSCN
    and ELIBMAX and ELIBEXEC and EILSEQ and ERESTART and ESTRPIPE and EUSERS and ENOTSOCK
    and EDESTADDRREQ and EMSGSIZE and EPROTOTYPE and ENOPROTOOPT and EPROTONOSUPPORT
    and ESOCKTNOSUPPORT and EPFNOSUPPORT and EAFNOSUPPORT and EADDRINUSE and EADDRNOTAVAIL
    and ENETDOWN and ENETUNREACH and ENETRESET and ECONNABORTED and ECONNRESET and ENOBUFS
    and EISCONN and ENOTCONN and ESHUTDOWN and ETOOMANYREFS and ETIMEDOUT and ECONNREFUSED
    and EHOSTDOWN and EHOSTUNREACH and EALREADY and EINPROGRESS and ESTALE and EUCLEAN
    and ENOTNAM and ENAVAIL and EISNAM and EREMOTEIO and EDQUOT and ENOMEDIUM and EMEDIUMTYPE
    and ECANCELED and ENOKEY and EKEYEXPIRED and EKEYREVOKED and EKEYREJECTED and EOWNERDEAD
    and ENOTRECOVERABLE and ERFKILL and EHWPOISON
}

/// include/linux/err.h
const MAX_ERRNO: i32 = 4095;

impl Errno {
    /// From the positive number; `None` for what is no errno.
    pub fn from_number(n: i32) -> Option<Self> {
        (1..=MAX_ERRNO).contains(&n).then_some(Self(n))
    }

    /// The positive number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Reported without being asked for: what a limit on tasks or memory
    /// answers.
    pub fn is_of_limits(self) -> bool {
        self == Self::EAGAIN || self == Self::ENOMEM
    }

    /// Every name, as in errno(3).
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }

    /// The name, as in errno(3).
    pub fn name(self) -> Cow<'static, str> {
        match NAMES.iter().find(|(n, _)| *n == self.0) {
            Some((_, name)) => Cow::Borrowed(name),
            None => Cow::Owned(format!("{UNNAMED}{}", self.0)),
        }
    }
}

/// What stands before a number without a name.
const UNNAMED: &str = "errno ";

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Text that names no errno.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no errno is called {0:?}; errno(3) lists them")]
pub struct NoErrno(String);

/// From the name, in capitals or not, or from `errno N`.
impl FromStr for Errno {
    type Err = NoErrno;

    fn from_str(text: &str) -> Result<Self, NoErrno> {
        let named = NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(text));
        if let Some((number, _)) = named {
            return Ok(Self(*number));
        }
        text.strip_prefix(UNNAMED)
            .and_then(|n| n.parse().ok())
            .and_then(Self::from_number)
            .ok_or_else(|| NoErrno(text.to_owned()))
    }
}

impl Serialize for Errno {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Errno {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Errno {
    fn schema_name() -> Cow<'static, str> {
        "Errno".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The errno that the creation answered: EAGAIN or ENOMEM, and with \
                            --errno others; `errno N` for a number without a name.",
            "type": "string",
            "pattern": "^(E[A-Z0-9]+|errno [0-9]+)$",
            "examples": ["EAGAIN", "ENOMEM", "ENOSPC"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_a_record() {
        for n in 1..=MAX_ERRNO {
            let errno = Errno::from_number(n).unwrap();
            let text = serde_json::to_string(&errno).unwrap();
            assert_eq!(serde_json::from_str::<Errno>(&text).unwrap(), errno);
        }
        for n in [-11, 0, 4096] {
            assert_eq!(Errno::from_number(n), None);
        }
        assert_eq!(serde_json::to_value(Errno::ENOSPC).unwrap(), "ENOSPC");
        assert_eq!(
            serde_json::to_value(Errno::from_number(3000).unwrap()).unwrap(),
            "errno 3000"
        );
    }

    #[test]
    fn names_are_taken_in_any_case_and_nothing_else_is() {
        assert_eq!("enospc".parse(), Ok(Errno::ENOSPC));
        for bad in [
            "",
            "ENOPE",
            "12",
            "errno 0",
            "errno 5000",
            "errno x",
            " EPERM",
        ] {
            assert!(bad.parse::<Errno>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_number_has_two_names() {
        let mut numbers: Vec<i32> = NAMES.iter().map(|(n, _)| *n).collect();
        numbers.sort_unstable();
        let all = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), all);
        assert!(all > 120);
    }
}
