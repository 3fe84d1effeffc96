//! The one integration binary.

mod architecture;
mod bad_input;
mod world;
mod canaries;
mod crash;
mod edits;
mod flow;
