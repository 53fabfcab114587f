//! The minimum Rust version: no dependency may need a newer one than the workspace promises.
//!
//! What the workspace's own code uses is checked by clippy's `incompatible_msrv`.

use crate::steps::{cargo, output};
use serde_json::Value;

type Version = (u64, u64, u64);

/// Compares every package of the lock file, for whatever platform or purpose, with the workspace.
///
/// # Errors
///
/// Names the packages that need a newer Rust.
pub(crate) fn check() -> Result<(), String> {
    let metadata = output(&mut cargo("metadata --format-version 1"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let ours = promised(&metadata)?;
    let newer = newer_than(&metadata, ours)?;
    if !newer.is_empty() {
        return Err(format!("Rust {} is promised, but {}", show(ours), newer.join(", ")));
    }
    println!("{} packages build with Rust {}, by their own word", packages(&metadata)?.len(), show(ours));
    Ok(())
}

/// The oldest `rust-version` of the workspace's own packages.
fn promised(metadata: &Value) -> Result<Version, String> {
    let own = packages(metadata)?.iter().filter(|package| package["source"].is_null());
    let versions =
        own.map(|package| rust_version(package)?.ok_or(format!("{} has no rust-version", package["name"])));
    versions.collect::<Result<Vec<_>, _>>()?.into_iter().min().ok_or("no package of our own".into())
}

fn newer_than(metadata: &Value, ours: Version) -> Result<Vec<String>, String> {
    let mut newer = Vec::new();
    for package in packages(metadata)? {
        if let Some(needs) = rust_version(package)?.filter(|&needs| needs > ours) {
            newer.push(format!("{} {} needs {}", package["name"], package["version"], show(needs)));
        }
    }
    Ok(newer)
}

fn packages(metadata: &Value) -> Result<&Vec<Value>, String> {
    metadata["packages"].as_array().ok_or("cargo metadata lists no packages".into())
}

/// `rust-version`, which may have two or three parts, if the package states it.
fn rust_version(package: &Value) -> Result<Option<Version>, String> {
    let Some(text) = package["rust_version"].as_str() else { return Ok(None) };
    let mut parts = text.split('.').map(str::parse);
    let mut part =
        || parts.next().unwrap_or(Ok(0)).map_err(|_| format!("{}: rust-version {text}", package["name"]));
    Ok(Some((part()?, part()?, part()?)))
}

fn show((major, minor, patch): Version) -> String {
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Value, rust_version: Value) -> Value {
        serde_json::json!({"name": name, "version": "1.0.0", "source": source, "rust_version": rust_version})
    }

    #[test]
    fn a_dependency_that_needs_a_newer_rust_is_named() {
        let metadata = serde_json::json!({"packages": [
            package("own", Value::Null, "1.89".into()),
            package("silent", "registry".into(), Value::Null),
            package("same", "registry".into(), "1.89.0".into()),
            package("patch", "registry".into(), "1.89.1".into()),
            package("old", "registry".into(), "1.9".into()),
            package("new", "registry".into(), "1.90".into()),
        ]});
        let ours = promised(&metadata).unwrap();
        assert_eq!(ours, (1, 89, 0));
        let newer = newer_than(&metadata, ours).unwrap();
        assert_eq!(newer, ["\"patch\" \"1.0.0\" needs 1.89.1", "\"new\" \"1.0.0\" needs 1.90.0"]);
    }
}
