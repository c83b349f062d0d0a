//! The directory in which a run keeps what it takes to go on, and the names of all that is in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The curve, one point a line.
pub(crate) const CURVE: &str = "curve.jsonl";
/// Where a checkpoint's run stood.
pub(crate) const POSITION: &str = "position.json";
/// What the files of a checkpoint were when they were written.
pub(crate) const CONTENTS: &str = "contents.json";
/// The weights of a checkpoint.
pub(crate) const MODEL: &str = "model.bpk";
/// The optimizer's state, of a checkpoint or while it is sliced.
pub(crate) const OPTIMIZER: &str = "optimizer.bpk";
/// The weights with the least loss on the blocks held out.
pub(crate) const BEST: &str = "best.bpk";
/// The last good weights of a run that failed.
pub(crate) const LAST_GOOD: &str = "last-good.bpk";
/// The dense model's outputs.
const TEACHER: &str = "teacher.cache";
/// The same while it is written.
const TEACHER_PARTIAL: &str = "teacher.partial";
/// What a search has found so far.
const SEARCH: &str = "search.json";
/// Texts that a model has written so far.
const TEXTS: &str = "texts.jsonl";
/// A checkpoint while it is written.
const CHECKPOINT_PARTIAL: &str = "checkpoint.partial";
/// A checkpoint while another takes its place.
const CHECKPOINT_REPLACED: &str = "checkpoint.replaced";
/// What slicing needs for a moment.
const SLICE_PARTIAL: &str = "slice.partial";
/// What a checkpoint's name begins with, before its steps.
const CHECKPOINT: &str = "checkpoint-";
/// What the name of a round's own directory begins with, before its number.
const ROUND: &str = "round-";
/// What the name of a layer's own directory begins with, before its number.
const LAYER: &str = "layer-";
/// What the name of the streams before a layer begins with, before the layer's number.
const STREAM: &str = "stream-";
/// What a part of a run over layers is of.
const PART: &str = "part.json";
/// What is known of a layer that is finished.
const FINISHED: &str = "finished.json";
/// The weights of a layer that is finished.
const FINISHED_WEIGHTS: &str = "finished.bpk";

/// Every file that a run and its checkpoints write.
const FILES: [&str; 14] = [
    CURVE,
    POSITION,
    CONTENTS,
    MODEL,
    OPTIMIZER,
    BEST,
    LAST_GOOD,
    TEACHER,
    TEACHER_PARTIAL,
    SEARCH,
    TEXTS,
    FINISHED,
    FINISHED_WEIGHTS,
    PART,
];

/// Where a run keeps its curve and its checkpoints while it goes on, and the last good weights if it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

/// How far a run came that was interrupted: what the same run, started again, goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSteps {
    /// Steps that its latest checkpoint has behind it.
    pub steps: usize,
    /// The round that the checkpoint is of, where there are several.
    pub round: Option<usize>,
}

impl RunDirectory {
    /// The run that keeps its files in the directory at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// That of a run whose result goes to `out`: `OUT.run` beside it.
    pub fn beside(out: &Path) -> Self {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path: out.with_file_name(format!("{name}.run")) }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of one round of several, from 1.
    #[must_use]
    pub fn round(&self, number: usize) -> Self {
        Self { path: self.path.join(format!("{ROUND}{number}")) }
    }

    /// The directory of one layer that is trained alone, from 0.
    #[must_use]
    pub fn layer(&self, number: usize) -> Self {
        Self { path: self.path.join(format!("{LAYER}{number}")) }
    }

    /// The file of what is known of a layer that is finished.
    pub fn finished(&self) -> PathBuf {
        self.path.join(FINISHED)
    }

    /// The file of the weights of a layer that is finished.
    pub fn finished_weights(&self) -> PathBuf {
        self.path.join(FINISHED_WEIGHTS)
    }

    /// The file of the streams before a layer, from 0.
    pub fn stream(&self, layer: usize) -> PathBuf {
        self.path.join(format!("{STREAM}{layer}"))
    }

    /// Whether a file of this name holds the streams before a layer, or is to when it is complete.
    pub fn is_stream(name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        number_behind(complete_name(&name), STREAM).is_some()
    }

    /// The file that says what a part of a run over layers is of.
    pub fn part(&self) -> PathBuf {
        self.path.join(PART)
    }

    /// The file of the dense model's outputs.
    pub fn teacher_cache(&self) -> PathBuf {
        self.path.join(TEACHER)
    }

    /// The file of what a search has found so far.
    pub fn search(&self) -> PathBuf {
        self.path.join(SEARCH)
    }

    /// The file of the texts that a model has written so far.
    pub fn texts(&self) -> PathBuf {
        self.path.join(TEXTS)
    }

    pub(crate) fn checkpoint(&self, steps: usize) -> PathBuf {
        self.path.join(format!("{CHECKPOINT}{steps}"))
    }

    pub(crate) fn checkpoint_partial(&self) -> PathBuf {
        self.path.join(CHECKPOINT_PARTIAL)
    }

    pub(crate) fn checkpoint_replaced(&self) -> PathBuf {
        self.path.join(CHECKPOINT_REPLACED)
    }

    pub(crate) fn slice_partial(&self) -> PathBuf {
        self.path.join(SLICE_PARTIAL)
    }

    /// Whether there is nothing to go on from or to look into: no checkpoint, no finished layer, no streams,
    /// nothing of a search, and no last good weights.
    pub fn keeps_nothing(&self) -> bool {
        let has = |name: &&str| self.path.join(name).exists();
        self.kept().is_none()
            && self.kept_layer().is_none()
            && latest(&self.path, STREAM).is_none()
            && ![LAST_GOOD, SEARCH, TEACHER, BEST].iter().any(has)
    }

    /// Removes what runs write there, and the directory where it holds nothing else.
    pub fn remove(&self) {
        remove(&self.path);
    }

    /// Removes what a run that died was writing there.
    pub fn clear_unfinished(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if complete_name(&name) != name && is_file_of_a_run(&name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The layer, from 0, that a run of one layer after the other goes on with, if anything was kept; the
    /// last round's where there are several.
    pub fn kept_layer(&self) -> Option<usize> {
        let rounds = latest(&self.path, ROUND).map_or(0, |round| round + 1);
        let of_round = (1..rounds).rev().find_map(|round| self.round(round).kept_layer());
        of_round.or_else(|| {
            (0..=latest(&self.path, LAYER)?).rev().find_map(|number| {
                let layer = self.layer(number);
                let begun = latest(layer.path(), CHECKPOINT).is_some();
                if layer.finished().exists() { Some(number + 1) } else { begun.then_some(number) }
            })
        })
    }

    /// Removes the checkpoints of a run that is over.
    pub fn discard_checkpoints(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if steps_of(&entry.file_name().to_string_lossy()).is_some() {
                remove(&entry.path());
            }
        }
    }

    /// What the same run goes on from, if a checkpoint was left.
    pub fn kept(&self) -> Option<KeptSteps> {
        if let Some(steps) = latest(&self.path, CHECKPOINT) {
            return Some(KeptSteps { steps, round: None });
        }
        let rounds = (1..=latest(&self.path, ROUND)?).rev();
        let of_round = |round| {
            let steps = latest(self.round(round).path(), CHECKPOINT)?;
            Some(KeptSteps { steps, round: Some(round) })
        };
        rounds.filter_map(of_round).next()
    }
}

/// The steps of the checkpoint of this name.
pub(crate) fn steps_of(name: &str) -> Option<usize> {
    number_behind(name, CHECKPOINT)
}

fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if is_run(&name) {
            remove(&path);
        } else if is_file_of_a_run(&name) {
            let _ = fs::remove_file(path);
        }
    }
    let _ = fs::remove_dir(directory);
}

/// Whether a file of this name is one that a run writes.
fn is_file_of_a_run(name: &str) -> bool {
    let name = complete_name(name);
    FILES.contains(&name) || name.ends_with(".bpk") || number_behind(name, STREAM).is_some()
}

/// The name that a file has when it is complete. Burn's weights are `NAME.PROCESS-NUMBER.tmp` while they are
/// written.
fn complete_name(name: &str) -> &str {
    let ours = || name.strip_prefix('.')?.split_once(".partial-").map(|(name, _process)| name);
    let burns = || name.strip_suffix(".tmp")?.rsplit_once('.').map(|(name, _process)| name);
    ours().or_else(burns).unwrap_or(name)
}

/// Whether a directory of this name is a checkpoint, a round or a slice of a run.
fn is_run(name: &str) -> bool {
    [CHECKPOINT_PARTIAL, CHECKPOINT_REPLACED, SLICE_PARTIAL].contains(&name)
        || [CHECKPOINT, ROUND, LAYER].iter().any(|start| number_behind(name, start).is_some())
}

fn number_behind(name: &str, start: &str) -> Option<usize> {
    name.strip_prefix(start)?.parse().ok()
}

fn latest(directory: &Path, start: &str) -> Option<usize> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| number_behind(&entry.file_name().to_string_lossy(), start)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_files(names: &[&str]) -> (tempfile::TempDir, RunDirectory) {
        let place = tempfile::tempdir().unwrap();
        let run = RunDirectory::beside(&place.path().join("out"));
        for name in names {
            let path = run.path().join(name);
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
            "layer-3/finished.bpk",
            "layer-3/finished.bpk.12-0.tmp",
            "checkpoint.replaced/model.bpk",
            "stream-3",
            ".stream-4.partial-12",
            "part.json",
        ];
        let (_place, run) = with_files(&written);
        run.remove();
        assert!(!run.path().exists());
        let (_place, run) = with_files(&[&written[..], &["thesis.txt", "checkpoint-8/notes.txt"]].concat());
        run.remove();
        assert!(run.path().join("thesis.txt").exists() && run.path().join("checkpoint-8/notes.txt").exists());
        assert!(!run.path().join("curve.jsonl").exists() && !run.path().join("round-2").exists());
    }

    #[test]
    fn a_curve_alone_is_nothing_to_go_on_from() {
        let keeps_nothing = |names: &[&str]| with_files(names).1.keeps_nothing();
        let (_place, run) = with_files(&["curve.jsonl"]);
        assert!(run.keeps_nothing());
        let kept = [
            "last-good.bpk",
            "search.json",
            "checkpoint-8/model.bpk",
            "round-2/checkpoint-3/model.bpk",
            "layer-1/finished.json",
            "stream-3",
        ];
        for kept in kept {
            let (_place, run) = with_files(&["curve.jsonl", "part.json", kept]);
            assert!(!run.keeps_nothing(), "{kept}");
        }
        assert!(keeps_nothing(&[]));
    }

    #[test]
    fn what_a_dead_run_was_writing_goes_and_nothing_else() {
        let (_place, run) = with_files(&["stream-3", ".stream-4.partial-12", ".thesis.txt.partial-12"]);
        run.clear_unfinished();
        let left: Vec<_> =
            fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.len() == 2 && !left.contains(&".stream-4.partial-12".into()), "{left:?}");
        assert!(RunDirectory::is_stream("stream-3".as_ref()) && !RunDirectory::is_stream("stream".as_ref()));
    }

    #[test]
    fn what_was_kept_is_the_latest_checkpoint_of_the_latest_round_that_has_one() {
        let (_place, run) = with_files(&["curve.jsonl"]);
        assert_eq!(run.kept(), None);
        let (_place, run) = with_files(&["checkpoint-8/model.bpk", "checkpoint-16/model.bpk"]);
        assert_eq!(run.kept(), Some(KeptSteps { steps: 16, round: None }));
        let (_place, run) = with_files(&["round-1/checkpoint-9/model.bpk", "round-2/checkpoint-3/model.bpk"]);
        assert_eq!(run.kept(), Some(KeptSteps { steps: 3, round: Some(2) }));
    }
}
