# An index without logic: what there is to run.

# Everything that must hold before a change lands (needs cargo-deny; installs the rest itself).
gate:
    bash .ci/run

test:
    cargo test

demo:
    cargo run --release -- demo

# The world from many seeds: `just sim 1000..2000`.
sim seeds="0..2000":
    CALWAY_SEEDS={{seeds}} cargo test --test it world:: -- --nocapture

# Against parts that others wrote.
real:
    bash tests/real/run.sh

# A fuzz target for some seconds: `just fuzz soap 600`. Needs cargo-fuzz.
fuzz target seconds="600":
    cd fuzz && mkdir -p corpus/{{target}} && RUSTC_BOOTSTRAP=1 cargo fuzz run -s none {{target}} corpus/{{target}} seeds/{{target}} -- -max_total_time={{seconds}}

# Beside an equivalent exchangelib program; writes docs/benchmarks.md's figures to the terminal.
bench:
    bash benches/run.sh

# With 1,000, 15,000 and 50,000 mailboxes: memory, cost of an edit, start, recovery.
scale:
    bash benches/scale.sh

# Instructions a record (needs valgrind).
instructions:
    cargo bench --bench instructions

# Both packages into target/packages, as they are given to people.
packages:
    bash packaging/build.sh

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check
