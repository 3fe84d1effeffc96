//! The simulated Exchange as a program.
