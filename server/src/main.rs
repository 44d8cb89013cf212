//! The `server` program: the only place that ends the process.

fn main() {}
