//! What a server says while one signs in: the list of ways it offers, and SPNEGO's tokens.

use calway::calendar::ews::Auth;
use calway::calendar::ews::sign_in::{choose, is_offered, token};
use calway::calendar::ews::spnego;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

const WAYS: [Auth; 3] = [Auth::Negotiate, Auth::Ntlm, Auth::Basic];

/// Reads the bytes as a token, and each line of them as a header.
pub fn check(bytes: &[u8]) {
    tokens(bytes);
    let mut headers = HeaderMap::new();
    let lines = bytes.split(|byte| *byte == b'\n').take(100);
    for value in lines.filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(WWW_AUTHENTICATE, value);
    }
    for way in WAYS {
        let carried = token(&headers, way);
        assert!(carried.is_none() || is_offered(&headers, way), "a token of what is not offered");
        assert_eq!(choose(&[way], &headers), is_offered(&headers, way).then_some(way));
        carried.as_deref().map(tokens);
    }
    let first = WAYS.into_iter().find(|way| is_offered(&headers, *way));
    assert_eq!(choose(&WAYS, &headers), first, "the first that is wanted, not the first offered");
}

fn tokens(bytes: &[u8]) {
    if let Some(answer) = spnego::read(bytes)
        && let Some(token) = answer.token
    {
        let inside = bytes.windows(token.len().max(1)).any(|part| part == token);
        assert!(token.is_empty() || inside, "a token that nobody sent");
    }
    let offer = spnego::offer(bytes);
    assert!(offer.len() > bytes.len() && offer.len() < bytes.len() + 64);
    assert!(offer.ends_with(bytes));
    assert_eq!(spnego::read(&offer), None, "an offer is no answer");
}
