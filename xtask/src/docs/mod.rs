//! What documents show of forktrace is what it prints: the tests compare, and `cargo xtask docs` writes it
//! anew. What forktrace recorded for that, on a test kernel, is in docs/examples.

use crate::arch::Arch;
use crate::guest::Programs;
use crate::paths;
use crate::test::Tally;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

mod examples;
mod links;
mod pictures;
mod scene;

use examples::Tools;

/// Arguments of `cargo xtask docs`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Record what the documents and pictures show anew, on a test kernel
    #[arg(long)]
    record: bool,
    /// Use this static forktrace instead of building one
    #[arg(long, value_name = "FILE")]
    forktrace: Option<PathBuf>,
    /// Use this static init instead of building scenarios (with --record)
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
}

/// Runs `cargo xtask docs`: what forktrace prints now goes into the documents and pictures.
pub(crate) fn main(args: &Args) -> Result<()> {
    // Without a test machine nobody needs its init.
    let init = args
        .init
        .clone()
        .or_else(|| (!args.record).then(|| "/bin/true".into()));
    let programs = Programs::get(Arch::HERE, args.forktrace.clone(), init)?;
    if args.record {
        scene::record(&programs)?;
    }
    let tools = Tools::new(&programs.forktrace)?;
    for document in documents()? {
        let text = fs::read_to_string(&document)?;
        let new = examples::rewritten(&text, &tools)?;
        if new != text {
            println!("{} shows what forktrace prints now", document.display());
            fs::write(&document, new)?;
        }
    }
    for (path, picture) in pictures::draw(&tools)? {
        fs::write(&path, picture).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Compares all of it.
pub(crate) fn check(forktrace: &Path, tally: &mut Tally) -> Result<()> {
    let tools = Tools::new(forktrace)?;
    let mut count = 0;
    for document in documents()? {
        let text = fs::read_to_string(&document)?;
        let name = document.strip_prefix(paths::root())?.display().to_string();
        for (n, example) in examples::of(&text).iter().enumerate() {
            tally.step(
                &format!("{name}: example {}", n + 1),
                &example.check(&tools),
            );
            count += 1;
        }
    }
    ensure!(count > 0, "the documents have no examples");
    tally.step("documents: links", &links::check(&documents()?));
    tally.step("documents: pictures", &pictures::check(&tools));
    Ok(())
}

/// The README, and all in docs/ but what a command prints as a whole.
fn documents() -> Result<Vec<PathBuf>> {
    let mut all = vec![paths::root().join("README.md")];
    for entry in fs::read_dir(paths::root().join("docs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "md") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}
