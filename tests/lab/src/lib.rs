//! The lab.
pub mod cloud;
pub mod exchange;
pub mod jose;
pub mod kms;
pub mod people;
pub mod tls;
