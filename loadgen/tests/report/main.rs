//! Every format of a result, made from four constructed ones: a PASS, a FAIL with findings, an INCONCLUSIVE and an
//! INVALID one.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not the functions that they call"
)]

mod accounts;
mod answer;
mod claims;
mod compare;
mod document;
mod faults;
mod fixtures;
mod formats;
mod invalid;
mod never;
mod page;
mod recipes;
mod site;
mod words;
mod workflows;
