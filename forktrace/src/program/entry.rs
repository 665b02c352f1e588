//! What the catalogue has of a program: the schema of its files.

use serde::{Deserialize, Serialize};

use crate::model::{Cause, Errno, Operation};

/// A program, or a library whose answers programs hand on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The name of its file.
    #[serde(default)]
    pub id: String,
    /// As people call it.
    pub name: String,
    /// Programs hand on what it says: any of them may be the one that speaks.
    #[serde(default)]
    pub library: bool,
    /// File names of its executables; `{n}` is a version's number.
    #[serde(default)]
    pub exe: Vec<String>,
    /// Names of its processes where the executable is an interpreter's, or one of many programs'.
    #[serde(default)]
    pub process: Vec<String>,
    /// Where all this is known from.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
    /// What it may want a process or thread for, and what comes of a refusal.
    #[serde(rename = "wish")]
    pub wishes: Vec<Wish>,
}

/// Where something is known from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Whether it was run or read.
    pub how: How,
    /// Package and version, or the document.
    pub what: String,
}

/// How something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The program was run and refused, and forktrace and the cgroup's counters were compared with
    /// what it said.
    Run,
    /// Its source or documentation says so.
    Read,
}

/// Something that a program wants a process or thread for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// What it wants, in a few words: `a connection`.
    pub what: String,
    /// As records name it.
    pub operation: Operation,
    /// The system call; absent where that isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What the kernel had answered; empty: whichever it was, it's the same.
    #[serde(default)]
    pub errno: Vec<Errno>,
    /// How often it asks for one wish; absent where that isn't known, and where it never gives up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When it asks again: `after 1, 2, 4 and 8 s`, `every 5 s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pauses: Option<String>,
    /// What happens then: `the script ends with status 254`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// What it takes once there is room again; absent where that isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub afterwards: Option<Afterwards>,
    /// It says nothing at all.
    #[serde(default)]
    pub silent: bool,
    /// What its messages mean is known, and no more: other versions' wishes, and what was only read of a program
    /// that was run. Of a caller nobody says that it wanted this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told_only: bool,
    /// Whether this was run or read.
    pub how: How,
    /// What it says meanwhile; nothing where it is `silent`.
    #[serde(default, rename = "message")]
    pub messages: Vec<Message>,
}

/// What it takes to get the program to work once there is room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// Nothing: it goes on asking.
    Waits,
    /// Nothing: what was refused is given up, and the next wish asks anew.
    Next,
    /// It has ended, and has to be started again.
    Ends,
    /// It lives on with less than it should have, and asks again when it is told to reload.
    Reload,
    /// It lives on with less than it should have, or hangs, and asks no more.
    Restart,
    /// It has given up what was refused, and asks again when it is told to start that.
    ByHand,
}

/// What a program says of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its text. `{errno}` is the errno's text in any language, `{lower}` the same where it begins with a small
    /// letter, `{code}` its name or its number, `{n}` a number, `{word}` a word, `{*}` anything.
    pub text: String,
    /// How it stands in a log; names, times and numbers are made up.
    pub example: String,
    /// Whether the message is true.
    pub told: Told,
    /// Why, where it isn't true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What the kernel answered wherever this is said; empty: whatever it tells, or whichever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Errno>,
    /// What alone can stand behind it; empty: whatever its errno can come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Others say the same: it is this program's where that is named in the line as who speaks.
    #[serde(default)]
    pub beside_name: bool,
    /// Others say the same: it is this program's where nothing else stands in the line.
    #[serde(default)]
    pub alone: bool,
    /// Errnos beside EAGAIN and ENOMEM with which it says that a creation was refused. With others it is of
    /// something else: a program that isn't there, above all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<Errno>,
    /// Why nothing need have been refused: of what else it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// There is no doubt where one of these stands in the line before it, or in one of those above: a
    /// traceback's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sure_after: Vec<String>,
}

impl Message {
    /// Whether a creation was refused where it names this errno.
    pub fn is_of(&self, errno: Errno) -> bool {
        errno.is_of_limits() || self.beyond.contains(&errno)
    }

    /// Whether it is this message where such an errno is named, and not the same words of something else.
    pub(super) fn may_be_of(&self, errno: Errno) -> bool {
        let told = self.told != Told::True || self.answers.is_empty();
        self.is_of(errno) && (told || self.answers.contains(&errno))
    }
}

/// Whether a message tells the errno that the kernel answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The errno in it is what the kernel answered.
    True,
    /// It has an errno that the kernel may not have answered.
    Wrong,
    /// It has none, and blames something else.
    Misleading,
    /// It has none.
    Hidden,
}
