//! What nobody can go below who carries bytes from one broker to another: reading them from a socket and writing them to one.
//!
//! No protocol, no checksum, nothing to wait for but the sockets: a thread that carries what another one writes to a third one
//! that drops it. Only the carrier's CPU counts.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use crate::meter::ticks_as_seconds;

const BYTES: usize = 4_000_000_000;
/// What is carried at a time: about what our client reads at once under load, and what a request to the target holds at most.
const AT_ONCE: [usize; 3] = [64 << 10, 192 << 10, 1 << 20];
/// As much memory as is in use one piece after the other: what a worker has for records.
const MEMORY_BYTES: usize = 48 << 20;

pub(crate) fn floor() -> io::Result<String> {
    let mut text = String::from("| carried at a time | MB/s | CPU s/GB |\n|---|---|---|\n");
    for bytes in AT_ONCE {
        let (seconds, cpu_s) = carry(bytes)?;
        let gb = BYTES as f64 / 1e9;
        // Writing to a string can't fail.
        let _ = writeln!(text, "| {} KiB | {:.0} | {:.2} |", bytes >> 10, gb * 1_000.0 / seconds, cpu_s / gb);
    }
    Ok(text)
}

/// Seconds, and CPU seconds of the carrier.
fn carry(at_once: usize) -> io::Result<(f64, f64)> {
    let (mut from, mut source) = pair()?;
    let (mut sink, mut to) = pair()?;
    let write = thread::spawn(move || {
        let (bytes, mut left) = (vec![7; 1 << 20], BYTES);
        while left > 0 {
            left -= source.write(&bytes[..left.min(1 << 20)])?;
        }
        Ok::<_, io::Error>(())
    });
    let drop_all = thread::spawn(move || io::copy(&mut sink, &mut io::sink()));
    let carrier = thread::spawn(move || {
        let mut memory = vec![0; MEMORY_BYTES];
        let (started, cpu_before) = (Instant::now(), cpu_seconds());
        let mut left = BYTES;
        for piece in (0..MEMORY_BYTES / at_once).cycle() {
            if left == 0 {
                break;
            }
            let bytes = &mut memory[piece * at_once..][..at_once.min(left)];
            from.read_exact(bytes)?;
            to.write_all(bytes)?;
            left -= bytes.len();
        }
        Ok::<_, io::Error>((started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before))
    });
    let ended = "a thread of the floor has panicked";
    let carried = carrier.join().expect(ended)?;
    write.join().expect(ended)?;
    drop_all.join().expect(ended)?;
    Ok(carried)
}

/// Both ends of a connection on loopback.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    Ok((near, listener.accept()?.0))
}

/// Of this thread.
fn cpu_seconds() -> f64 {
    ticks_as_seconds(&fs::read_to_string("/proc/thread-self/stat").unwrap_or_default())
}
