//! Building the page: its packages when the lock changed, then the page itself. And finding a browser for its
//! tests.

use crate::run::{command, run};
use crate::workspace::{root, which};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// Installs the packages of the lock file, unless these are the ones that are there.
pub fn install() -> Result<()> {
    let web = root().join("web");
    let lock = fs::read(web.join("package-lock.json")).context("web/package-lock.json cannot be read")?;
    let stamp = web.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        println!("web packages are up to date");
        return Ok(());
    }
    if which("npm").is_none() {
        bail!("npm is not on the path: install Node.js 20 or newer");
    }
    run(&mut command("npm", &["ci", "--no-audit", "--no-fund"], &web))?;
    fs::write(stamp, lock).context("web/node_modules cannot be written")
}

/// Runs a script of the page's package.
pub fn script(name: &str, environment: &[(&str, String)]) -> Result<()> {
    let mut npm = command("npm", &["run", "--silent", name], &root().join("web"));
    npm.envs(environment.iter().map(|(key, value)| (key, value)));
    run(&mut npm)
}

/// A Chromium for the page tests; Debian's is installed when there is none and we may.
pub fn chromium() -> Result<PathBuf> {
    let find = || ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].iter().find_map(|name| which(name));
    if let Some(named) = std::env::var_os("TAFFRAIL_CHROMIUM").map(PathBuf::from).filter(|path| path.is_file()) {
        return Ok(named);
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    let way_out = "install Chromium (Debian: apt-get install chromium), or name one in TAFFRAIL_CHROMIUM, or pass --skip-page";
    // SAFETY: geteuid has no preconditions and cannot fail.
    #[allow(unsafe_code)] // the standard library has no call for it
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root || which("apt-get").is_none() {
        bail!("the page tests need a Chromium and none is here: {way_out}");
    }
    println!("no Chromium is here: installing Debian's");
    let apt = |arguments: &[&str]| run(command("apt-get", arguments, &root()).env("DEBIAN_FRONTEND", "noninteractive"));
    apt(&["update", "-q"])?;
    apt(&["install", "-y", "-q", "--no-install-recommends", "chromium"])?;
    find().with_context(|| format!("Chromium was installed but is not on the path: {way_out}"))
}
