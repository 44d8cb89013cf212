//! Compiles in what the server is built from.

fn main() {
    provenance::compile_in(&[
        "src",
        "templates",
        "Cargo.toml",
        "../printable/src",
        "../Cargo.toml",
        "../Cargo.lock",
    ]);
}
