//! Plumbing for the ports: TLS trust and one HTTP connection. It knows no calendar and no cloud.
