# rustc and cargo without a network: a library, a program, a build script, tests; and the program that was built.
set -eu
export CARGO_HOME=$PWD/cargo-home CARGO_NET_OFFLINE=true CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
mkdir -p crate/src
cd crate
printf '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n' >Cargo.toml
printf 'fn main() { println!("cargo:rerun-if-changed=build.rs"); std::fs::write(std::env::var("OUT_DIR").unwrap() + "/made.rs", "const MADE: i32 = 7;").unwrap(); }\n' >build.rs
cat >src/main.rs <<'RS'
include!(concat!(env!("OUT_DIR"), "/made.rs"));
use std::{fs, io::Write, net::TcpStream, process::Command};
fn main() {
    let out = Command::new("/bin/echo").arg("spawned").output().unwrap();
    print!("{}", String::from_utf8_lossy(&out.stdout));
    let missing = Command::new("/no/such/program").status().is_err();
    fs::write("written", "x").unwrap();
    fs::OpenOptions::new().append(true).open("written").unwrap().write_all(b"y").unwrap();
    println!("{} {} {}", fs::read_to_string("written").unwrap(), MADE, missing);
    let port: u16 = std::env::var("TRUTH_HTTP").unwrap().parse().unwrap();
    println!("{}", TcpStream::connect(("127.0.0.1", port)).is_ok());
}
#[test]
fn works() { assert_eq!(MADE, 7) }
RS
cargo build -q --offline -j 2
./target/debug/small
cargo test -q --offline 2>&1 | grep -c '1 passed'
printf 'fn main() { println!("rustc alone") }\n' >alone.rs
rustc -o alone alone.rs && ./alone
