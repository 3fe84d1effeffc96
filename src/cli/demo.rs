//! `calway demo`: being written.
use super::Failure;
/// The demo.
#[derive(clap::Args, Debug)]
pub(super) struct Demo {}
impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        Ok(())
    }
}
