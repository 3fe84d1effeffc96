//! Requests as Microsoft's documentation writes them, where that is to be had.
//!
//! They are taken from `EWS_SAMPLES_DIR`, or from `../shared/samples/ews` beside the repository.

use std::io::Write;
use std::path::PathBuf;

use super::*;

/// Samples that Microsoft's own schema refuses.
const SLIPS: [&str; 4] = [
    "GetStreamingEvents.getstreamingevents-operation.0.xml",
    "GetUserAvailabilityRequest.freebusyviewoptions.1.xml",
    "GetUserAvailabilityRequest.getuseravailabilityrequest.1.xml",
    "Subscribe.subscribe-operation.3.xml",
];

/// Names and texts of those that ask for something that is there.
fn samples() -> Vec<(String, String)> {
    let folder = std::env::var_os("EWS_SAMPLES_DIR").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/ews")
    });
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        Some((name, std::fs::read_to_string(file.path()).ok()?))
    });
    let asks = |name: &str| {
        let element = name.split('.').next().unwrap_or_default();
        super::super::ops::OPERATIONS.iter().any(|(_, own, _)| *own == element)
    };
    texts.filter(|(name, _)| asks(name)).collect()
}

#[test]
fn documented_requests_are_understood() {
    let samples = samples();
    if samples.is_empty() {
        // Past the test harness, which keeps what a passing test prints to itself.
        let line = b"SKIPPED: no EWS samples\n";
        std::io::stderr().write_all(line).expect("a place for a line");
        return;
    }
    let lab = lab();
    let mut slips = Vec::new();
    for (name, text) in samples {
        let headers = HeaderMap::new();
        let call = Call { account: ANN, headers: &headers, back_end: 0, body: text.as_bytes() };
        match lab.service.answer(&call) {
            Answer::Soap { code, .. } if code == "ErrorSchemaValidation" => slips.push(name),
            _ => {}
        }
    }
    slips.sort();
    assert_eq!(slips, SLIPS);
}
