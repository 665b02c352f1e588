//! `cargo xtask page`: the report's page of many hosts in a real browser: what it says to the console, what it
//! asks of anybody, keys, widths, how long it takes to open. Screenshots are left to be looked at.

mod browser;
mod fleet;

use self::browser::Browser;
use crate::apt::{self, Package};
use crate::{local, paths, run};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Arguments of `cargo xtask page`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Failures in the recordings that are made up
    #[arg(long, default_value_t = 1_000_000)]
    failures: u64,
    /// Hosts that they are of
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    hosts: u64,
    /// The forktrace to use; without it one is built
    #[arg(long)]
    forktrace: Option<PathBuf>,
}

/// Within this the page has to be open.
const OPEN: f64 = 2.0;

pub(crate) fn main(args: &Args) -> Result<()> {
    let chromium = Path::new("/usr/bin/chromium");
    apt::require(&[Package::new("chromium", chromium)], "the page's test")?;
    let forktrace = match &args.forktrace {
        Some(path) => path.clone(),
        None => local::forktrace()?,
    };
    let folder = paths::work_dir("page")?;
    let recording = folder.join("fleet.ndjson");
    fleet::write(&recording, args.hosts, args.failures)?;
    let page = folder.join("fleet.html");
    let mut report = Command::new(&forktrace);
    report
        .args(["report", "--utc", "--force", "--html"])
        .arg(&page);
    let made = run::quiet(report.arg(&recording));
    // A gigabyte.
    fs::remove_file(&recording)?;
    made?;
    let profile = folder.join("profile");
    let _ = fs::remove_dir_all(&profile);
    let tried = try_it(
        &mut Browser::start(chromium, &profile)?,
        &page,
        &folder,
        args,
    );
    let _ = fs::remove_dir_all(&profile);
    tried
}

fn try_it(browser: &mut Browser, page: &Path, folder: &Path, args: &Args) -> Result<()> {
    size(browser, 1280, 900)?;
    let address = format!("file://{}", page.display());
    browser.ask("Page.navigate", json!({"url": address}))?;
    browser.wait_for("Page.loadEventFired")?;
    // Laid out and drawn, not only loaded.
    let opened = browser.value(
        "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0)))",
    )?;
    let seconds = opened.as_f64().context("no time")? / 1000.0;
    let bytes = fs::metadata(page)?.len();
    println!(
        "{} failures of {} hosts: {bytes} bytes, open after {seconds:.2} s",
        args.failures, args.hosts
    );
    ensure!(seconds <= OPEN, "the page takes {seconds:.2} s to open");
    shot(browser, folder, "wide")?;
    keys(browser)?;
    for (name, width, dark) in [
        ("dark", 1280, true),
        ("narrow", 400, false),
        ("narrow-dark", 400, true),
    ] {
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.ask("Emulation.setEmulatedMedia", feature)?;
        size(browser, width, 900)?;
        let wide = browser.value("document.documentElement.scrollWidth")?;
        ensure!(
            wide.as_i64() <= Some(width),
            "{name}: {wide} pixels of {width}"
        );
        let ground = browser.value("getComputedStyle(document.body).backgroundColor")?;
        ensure!((ground == "rgb(255, 255, 255)") != dark, "{name}: {ground}");
        shot(browser, folder, name)?;
    }
    let pdf = browser.ask("Page.printToPDF", json!({"printBackground": true}))?;
    let pdf = pdf["data"].as_str().context("no PDF")?;
    ensure!(pdf.len() > 10_000, "an empty print");
    quiet(browser, &address)
}

/// Nothing on the console, and nothing asked of anybody.
fn quiet(browser: &Browser, address: &str) -> Result<()> {
    for event in &browser.events {
        let params = &event["params"];
        let method = event["method"].as_str().unwrap_or_default();
        let bad = [
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
        ];
        ensure!(!bad.contains(&method), "{method}: {params}");
        if method == "Network.requestWillBeSent" {
            let asked = params["request"]["url"].as_str().unwrap_or_default();
            ensure!(asked == address, "the page asks for {asked}");
        }
    }
    Ok(())
}

/// The page by keys alone.
fn keys(browser: &mut Browser) -> Result<()> {
    let shown =
        "Array.from(document.querySelectorAll('tbody tr')).filter(r => r.offsetParent).length";
    let rows = |browser: &mut Browser| browser.value(shown).map(|n| n.as_u64().unwrap_or(0));
    let all = rows(browser)?;
    browser.press("/", "/")?;
    ensure!(
        browser.value("document.activeElement.id")? == "filter",
        "/ goes nowhere"
    );
    ensure!(
        browser.value("document.activeElement.value")? == "",
        "/ is typed"
    );
    browser.ask("Input.insertText", json!({"text": "db-7 uid"}))?;
    pause();
    let few = rows(browser)?;
    ensure!(
        few > 0 && few < all,
        "the filter leaves {few} of {all} rows"
    );
    let found = browser.value("document.getElementById('found').textContent")?;
    ensure!(
        found.as_str().is_some_and(|text| text.ends_with(" found")),
        "{found}"
    );
    browser.press("Escape", "")?;
    pause();
    ensure!(rows(browser)? == all, "Escape doesn't show all again");
    // A head by Enter, twice.
    browser.value("document.querySelector('th.n > button').focus()")?;
    // The first head for numbers may be one that nobody sorts by.
    let order = "document.querySelector('th.n > button').parentNode.getAttribute('aria-sort')";
    browser.press("Enter", "\r")?;
    let first = browser.value(order)?;
    browser.press("Enter", "\r")?;
    let second = browser.value(order)?;
    ensure!(
        first == "descending" && second == "ascending",
        "sorted {first}, then {second}"
    );
    browser.value("document.querySelector('button.all').focus()")?;
    browser.press("Enter", "\r")?;
    ensure!(rows(browser)? > all, "nothing is unfolded");
    // A single failure, a copy of it, and the page of its cause.
    browser.value("document.querySelector('details.sample > summary').focus()")?;
    browser.press("Enter", "\r")?;
    ensure!(
        browser.value("document.querySelector('details.sample').open")? == true,
        "it stays closed"
    );
    browser.value("document.querySelector('details.sample .copy').click()")?;
    pause();
    let copied = browser.value("document.querySelector('details.sample .copy').textContent")?;
    ensure!(copied != "copy", "the button says {copied}");
    browser.value("document.querySelector('.advice a').click()")?;
    pause();
    let opened = "document.getElementById(location.hash.slice(1)).open";
    ensure!(browser.value(opened)? == true, "the link opens nothing");
    browser.value("scrollTo(0, 0)")?;
    Ok(())
}

fn pause() {
    std::thread::sleep(Duration::from_millis(400));
}

fn size(browser: &mut Browser, width: i64, height: i64) -> Result<()> {
    let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
    browser.ask("Emulation.setDeviceMetricsOverride", params)?;
    Ok(())
}

/// The whole page, as far as a picture reaches.
fn shot(browser: &mut Browser, folder: &Path, name: &str) -> Result<()> {
    let height = browser.value("Math.min(document.documentElement.scrollHeight, 6000)")?;
    let width = browser.value("document.documentElement.clientWidth")?;
    let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
    let params = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
    let taken = browser.ask("Page.captureScreenshot", params)?;
    let path = folder.join(format!("{name}.png"));
    let data = taken["data"].as_str().context("no picture")?;
    fs::write(&path, decode(data)?)?;
    println!("{}", path.display());
    Ok(())
}

/// Base64 (RFC 4648).
fn decode(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut have) = (0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => anyhow::bail!("no base64"),
        };
        bits = bits << 6 | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Ok(out)
}
