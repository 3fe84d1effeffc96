//! The one integration binary.

mod active;
mod architecture;
mod bad_input;
mod calendar;
mod canaries;
mod cloud;
mod crash;
mod crowd;
mod decorate;
mod discovery;
mod edits;
mod errands;
mod ews;
mod failures;
mod flow;
mod guide;
mod house;
mod join;
mod journal;
mod kms;
mod load;
mod net;
mod office;
mod proxies;
mod wiped;
mod world;
