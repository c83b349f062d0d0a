//! What the `dress` command does when something goes wrong: full disks, other runs, signals, damaged files,
//! and numbers that mean nothing.
#![cfg(unix)]

mod kept_files;
mod kill;
mod numbers;
mod places;
mod signals;
mod special_files;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DRESS: &str = env!("CARGO_BIN_EXE_dress");

fn model() -> String {
    examples().join("llama3-kjv").display().to_string()
}

fn text(name: &str) -> String {
    examples().join("kjv").join(name).display().to_string()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models")
}

/// A command that runs on its own.
fn started(args: &[&str]) -> Child {
    let mut command = Command::new(DRESS);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What a command says that must come to its end by itself.
fn dress(args: &[&str]) -> Output {
    ended(started(args), args)
}

fn ended(mut child: Child, args: &[&str]) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(600) {
            child.kill().unwrap();
            panic!("{args:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON object that a command prints that succeeds.
fn json(args: &[&str]) -> Value {
    let output = dress(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command says that fails, without a panic.
fn refusal(args: &[&str]) -> String {
    let output = dress(args);
    let said = said(&output);
    let clean = !output.status.success() && output.status.code().is_some() && !said.contains("panicked");
    assert!(clean, "{args:?}: {:?}, {said}", output.status);
    said
}

struct Paths {
    directory: tempfile::TempDir,
}

impl Paths {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A copy of the small model.
    fn copy_of_model(&self, name: &str) -> String {
        let copy = self.path(name);
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(model()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), Path::new(&copy).join(entry.file_name())).unwrap();
        }
        copy
    }
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(300), "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
