//! Tells the linker where the memory of the board is.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let board = if std::env::var_os("CARGO_FEATURE_CHECKS").is_some() { "an385" } else { "lm3s6965" };
    println!("cargo:rustc-link-search={folder}/boards/{board}");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed=boards");
}
