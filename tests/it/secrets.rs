//! `calway secret` and `calway setup`, as an administrator calls them: what they write and where,
//! what a running connector makes of a new secret, and that nothing that was stored is shown. In
//! the place of systemd-creds stands a program that only wraps.

mod command;
mod rotation;
mod setup;
