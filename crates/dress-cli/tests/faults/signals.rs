//! Signals that end a process.

use crate::{DRESS, Paths, ended, json, model, said, started, text, until};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

fn send(signal: &str, process: u32) {
    assert!(
        Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().unwrap().success()
    );
}

fn has_checkpoint(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("checkpoint-"))
}

/// Those that this process was not started with ignored, as with nohup; what it starts inherits that.
fn signals_that_end<const N: usize>(
    signals: [(&'static str, i32, &'static str); N],
) -> impl Iterator<Item = (&'static str, i32, &'static str)> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    signals.into_iter().filter(move |(name, code, _)| {
        let ignored = mask >> (code - 129) & 1 == 1;
        if ignored {
            // Past what the harness captures. `.ci/run` fails where they are not ignored.
            let _ = writeln!(std::io::stderr(), "SKIPPED for want of signals: SIG{name} is ignored here");
        }
        !ignored
    })
}

#[test]
fn a_run_that_is_terminated_or_hung_up_says_what_is_kept_and_goes_on() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let out = paths.path("out");
    let args = ["prune", "--model", &model, "--calibration", &calibration, "--out", &out, "--axis", "ffn"];
    let much = ["--ratio", "0.25", "--samples", "12", "--seqlen", "32", "--epochs", "20"];
    let args = [&args[..], &much, &["--checkpoint-every", "4"]].concat();
    for (signal, code, says) in signals_that_end([("TERM", 143, "terminated"), ("HUP", 129, "hung up")]) {
        let child = started(&args);
        let run = paths.path("out.run");
        let _ = fs::remove_dir_all(&run);
        until("a checkpoint", || has_checkpoint(Path::new(&run)));
        send(signal, child.id());
        let output = ended(child, &args);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let said = said(&output);
        assert!(said.contains(&format!("{says}; repeat the command to go on after step")), "{said}");
        assert_eq!(paths.names(), ["out.run"], "no lock is left");
    }
    // As under nohup: what is ignored stays ignored.
    let script = format!("trap '' HUP; exec {DRESS} \"$@\"");
    let child = Command::new("bash").args(["-c", &script, "dress"]).args(&args).spawn().unwrap();
    until("the lock", || Path::new(&paths.path(".out.lock")).exists());
    send("HUP", child.id());
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(paths.names(), ["out"]);
}

#[test]
fn a_comparison_that_is_terminated_ends_its_child_too() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let (out, data) = (paths.path("out"), text("heldout.txt"));
    let args = ["compare", "--model", &model, "--calibration", &calibration, "--data", &data, "--out", &out];
    let args =
        [&args[..], &["--unseen", &data, "--presets", "dress", "--ratios", "0.2", "--seqlen", "64"]].concat();
    let args = [&args[..], &["--eval-seqlen", "64", "--max-blocks", "1", "--samples", "64"]].concat();
    let args = [&args[..], &["--checkpoint-every", "1"]].concat();
    let child = started(&args);
    let cells = paths.path("out/cells");
    // The cell that trains is the second.
    let runs = || {
        let entries = fs::read_dir(&out).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "run"))
    };
    until("a training cell", || runs().is_some_and(|run| has_checkpoint(&run)));
    let locks = || {
        let entries = fs::read_dir(&cells).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "lock")).collect::<Vec<_>>()
    };
    let process: u32 = fs::read_to_string(&locks()[0]).unwrap().parse().unwrap();
    assert_ne!(process, child.id());
    send("TERM", child.id());
    let output = ended(child, &args);
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    assert!(said(&output).contains("repeat the command to go on after step"), "{}", said(&output));
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    assert!(status.is_empty() || status.contains("zombie"), "the child goes on");
    assert!(locks().is_empty() && !Path::new(&paths.path(".out.lock")).exists());
    // The same command goes on, and clears what a cell that was killed left.
    let mut dead = Command::new("true").spawn().unwrap();
    let left = format!("{cells}/.dense-0123.json.partial-{}", dead.id());
    dead.wait().unwrap();
    fs::write(&left, "half").unwrap();
    assert!(json(&args)["cells"].as_array().unwrap().len() == 2);
    assert!(!Path::new(&left).exists());
}
