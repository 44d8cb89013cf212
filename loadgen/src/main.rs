//! The `loadgen` program: the only place that ends the process.

fn main() {}
