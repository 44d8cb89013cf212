//! Compiles in what the load generator is built from, the server that it links included.

fn main() {
    provenance::compile_in(&[
        "src",
        "Cargo.toml",
        "../loadgen-core/src",
        "../loadgen-core/templates",
        "../scenarios",
        "../server/src",
        "../server/templates",
        "../printable/src",
        "../Cargo.toml",
        "../Cargo.lock",
    ]);
}
