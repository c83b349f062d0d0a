//! The directory beside a result in which a run keeps what it takes to go on.

use std::fs;
use std::path::{Path, PathBuf};

/// What a run and its checkpoints write, beside directories.
const FILES: [&str; 6] =
    ["curve.jsonl", "position.json", "contents.json", "teacher.cache", "teacher.partial", "last-good.bpk"];

/// Where a run keeps its curve and its checkpoints while it goes on, and the last good weights if it fails.
#[derive(Debug, Clone)]
pub(super) struct RunDirectory {
    /// The directory.
    pub path: PathBuf,
    /// Whether what a run with other settings left there is replaced.
    pub replace: bool,
}

impl RunDirectory {
    /// That of a run whose result goes to `out`.
    pub fn of(out: &Path, replace: bool) -> Self {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path: out.with_file_name(format!("{name}.run")), replace }
    }

    /// Removes what runs write there, and the directory where it holds nothing else.
    pub fn remove(&self) {
        remove(&self.path);
    }

    /// Says on an interrupt from the keyboard and on SIGTERM where the run can be gone on with. Where the process was started with
    /// interrupts ignored, they stay ignored.
    pub fn explain_interrupt(&self) {
        crate::signals::explain_interrupts(self.path.clone(), what_is_kept);
    }
}

fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if is_run(&name) {
            remove(&path);
        } else if FILES.contains(&name.as_str()) || name.ends_with(".bpk") {
            let _ = fs::remove_file(path);
        }
    }
    let _ = fs::remove_dir(directory);
}

/// Whether a directory of this name is a checkpoint, a round or a slice of a run.
fn is_run(name: &str) -> bool {
    ["checkpoint.partial", "slice.partial"].contains(&name)
        || number_behind(name, "checkpoint-").or(number_behind(name, "round-")).is_some()
}

fn number_behind(name: &str, start: &str) -> Option<usize> {
    name.strip_prefix(start)?.parse().ok()
}

/// What repeating the command goes on from.
fn what_is_kept(directory: &Path) -> String {
    let latest = |directory: &Path, start: &str| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| number_behind(&entry.file_name().to_string_lossy(), start)).max()
    };
    let of_rounds = || {
        let rounds = (1..=latest(directory, "round-")?).rev();
        let steps = |round| latest(&directory.join(format!("round-{round}")), "checkpoint-");
        rounds.filter_map(|round| Some((steps(round)?, round))).next()
    };
    match (latest(directory, "checkpoint-"), of_rounds()) {
        (Some(steps), _) => format!("repeat the command to go on after step {steps}"),
        (None, Some((steps, round))) => {
            format!("repeat the command to go on after step {steps} of round {round}")
        }
        (None, None) => "nothing was kept yet, so the same command begins anew".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_files(names: &[&str]) -> (tempfile::TempDir, RunDirectory) {
        let place = tempfile::tempdir().unwrap();
        let run = RunDirectory::of(&place.path().join("out"), false);
        for name in names {
            let path = run.path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        (place, run)
    }

    #[test]
    fn only_what_a_run_writes_is_removed() {
        let written = [
            "curve.jsonl",
            "checkpoint-8/model.bpk",
            "checkpoint-8/contents.json",
            "slice.partial/optimizer.bpk",
            "round-2/curve.jsonl",
        ];
        let (_place, run) = with_files(&written);
        run.remove();
        assert!(!run.path.exists());
        let (_place, run) = with_files(&[&written[..], &["thesis.txt", "checkpoint-8/notes.txt"]].concat());
        run.remove();
        assert!(run.path.join("thesis.txt").exists() && run.path.join("checkpoint-8/notes.txt").exists());
        assert!(!run.path.join("curve.jsonl").exists() && !run.path.join("round-2").exists());
    }

    #[test]
    fn an_interrupt_says_what_was_kept() {
        let (_place, run) = with_files(&["curve.jsonl"]);
        assert!(what_is_kept(&run.path).contains("nothing was kept yet"));
        let (_place, run) = with_files(&["checkpoint-8/model.bpk", "checkpoint-16/model.bpk"]);
        assert!(what_is_kept(&run.path).ends_with("go on after step 16"));
        let (_place, run) = with_files(&["round-1/checkpoint-9/model.bpk", "round-2/checkpoint-3/model.bpk"]);
        assert!(what_is_kept(&run.path).ends_with("go on after step 3 of round 2"));
    }
}
