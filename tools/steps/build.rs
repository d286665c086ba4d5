//! Tells the program which tract it is built with.

fn main() {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let after = lock.split("name = \"tract-onnx\"\nversion = \"").nth(1);
    let version = after.and_then(|rest| rest.split('"').next()).unwrap_or("of some version");
    println!("cargo::rustc-env=TRACT={version}");
}
