//! Makes sure that there is a page to embed: the built one from `web/dist`, or one line that says how to build
//! it. Never runs npm: that is the work of `cargo xtask`.
#![allow(clippy::disallowed_methods)] // a build script, not the program

use std::path::PathBuf;

fn main() {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    let built = manifest.join("../../web/dist");
    println!("cargo:rerun-if-changed={}", built.display());
    let folder = if built.join("index.html").is_file() {
        built.canonicalize().unwrap_or(built)
    } else {
        // Also when the folder appears later: the folder above it is watched.
        println!("cargo:rerun-if-changed={}", manifest.join("../../web").join("package.json").display());
        let placeholder = out.join("page");
        std::fs::create_dir_all(&placeholder).expect("the output folder can be written");
        let text = "<!doctype html><title>Taffrail</title><p>The page is not built. Run <code>cargo xtask demo</code>, or npm run build in web/, and build again.\n";
        std::fs::write(placeholder.join("index.html"), text).expect("the output folder can be written");
        placeholder
    };
    println!("cargo:rustc-env=TAFFRAIL_PAGE={}", folder.display());
}
