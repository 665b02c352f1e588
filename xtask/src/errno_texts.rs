//! The texts of errnos in the languages of glibc, as `forktrace explain` looks for them in log lines: from the
//! catalogues that Debian's libc-l10n installs.

use crate::{apt, paths, run};
use anyhow::{Context, Result, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

/// What a refused creation is told as, by glibc's sysdeps/gnu/errlist.h.
const ERRNOS: [(&str, &str); 6] = [
    ("EAGAIN", "Resource temporarily unavailable"),
    ("ENOMEM", "Cannot allocate memory"),
    ("EPERM", "Operation not permitted"),
    ("EACCES", "Permission denied"),
    ("ENOSPC", "No space left on device"),
    ("ENOENT", "No such file or directory"),
];

const LOCALES: &str = "/usr/share/locale";
const FILE: &str = "forktrace/src/program/errno_texts.toml";

/// Writes the file anew.
pub(crate) fn main() -> Result<()> {
    let catalogue = Path::new(LOCALES).join("fr/LC_MESSAGES/libc.mo");
    apt::require(
        &[apt::Package::new("libc-l10n", &catalogue)],
        "the texts of errnos in all languages",
    )?;
    let version =
        run::capture(Command::new("dpkg-query").args(["-W", "-f=${Version}", "libc-l10n"]))?;
    let mut texts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut languages = 0;
    for locale in fs::read_dir(LOCALES)? {
        let path = locale?.path().join("LC_MESSAGES/libc.mo");
        if !path.exists() {
            continue;
        }
        let bytes = fs::read(&path)?;
        let messages = messages(&bytes).with_context(|| format!("reading {}", path.display()))?;
        languages += 1;
        for (errno, english) in ERRNOS {
            let of = texts.entry(errno).or_default();
            of.insert(english.to_owned());
            let translated = messages.get(english).filter(|text| !text.is_empty());
            of.extend(translated.cloned());
        }
    }
    let mut out = format!(
        "# Generated: cargo xtask errno-texts, from the {languages} catalogues of glibc (Debian's libc-l10n {version}).\n"
    );
    for (errno, _) in ERRNOS {
        let _ = writeln!(out, "{errno} = [");
        for text in &texts[errno] {
            let _ = writeln!(out, "    {text:?},");
        }
        out.push_str("]\n");
    }
    fs::write(paths::root().join(FILE), out)?;
    println!("{FILE}: {languages} languages");
    Ok(())
}

/// What a catalogue of gettext's has, by what is translated (gettext's manual, "The Format of GNU MO Files").
fn messages(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let number = |at: usize| -> Result<usize> {
        let four = bytes.get(at..at + 4).context("it ends early")?;
        Ok(u32::from_le_bytes(four.try_into()?) as usize)
    };
    if number(0)? != 0x9504_12de {
        bail!("no catalogue of this byte order");
    }
    let text = |table: usize, index: usize| -> Result<String> {
        let (length, at) = (number(table + 8 * index)?, number(table + 8 * index + 4)?);
        let text = bytes.get(at..at + length).context("it ends early")?;
        Ok(std::str::from_utf8(text)
            .context("its texts are no UTF-8")?
            .to_owned())
    };
    let (count, from, to) = (number(8)?, number(12)?, number(16)?);
    (0..count)
        .map(|index| Ok((text(from, index)?, text(to, index)?)))
        .collect()
}
