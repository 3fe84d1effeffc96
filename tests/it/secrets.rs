//! `calway secret`, as an administrator calls it: what it writes and where, and that nothing that
//! was stored is shown. In the place of systemd-creds stands a program that only wraps.

mod command;
