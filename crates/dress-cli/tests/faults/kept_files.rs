//! A flipped byte in whatever a command keeps to go on from: refused by name, or measured anew, and never
//! believed.

use crate::{Paths, dress, ended, json, model, refusal, said, started, text, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// Runs `then` with a byte of a file flipped, at each of some places, and puts the file back.
fn flipped(path: &Path, mut then: impl FnMut(usize)) {
    let whole = fs::read(path).unwrap();
    for at in [whole.len() / 3, whole.len() - 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x04;
        fs::write(path, bytes).unwrap();
        then(at);
        fs::write(path, &whole).unwrap();
    }
}

#[test]
fn a_flipped_byte_in_any_file_of_a_checkpoint_or_of_the_teachers_cache_is_refused() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let out = paths.path("out");
    let args = ["prune", "--model", &model, "--calibration", &calibration, "--out", &out, "--axis", "ffn"];
    let much =
        ["--ratio", "0.25", "--samples", "8", "--seqlen", "32", "--epochs", "20", "--checkpoint-every", "4"];
    let more =
        ["--early-stopping", "0.25", "--early-stopping-every", "2", "--early-stopping-patience", "999"];
    let args = [&args[..], &much, &more, &["--distill", "0.5", "--distill-cache"]].concat();
    let child = started(&args);
    let run = PathBuf::from(paths.path("out.run"));
    let checkpoint = || files(&run).iter().any(|path| path.ends_with("checkpoint-12/contents.json"));
    until("a checkpoint", checkpoint);
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let stopped = ended(child, &args);
    assert_eq!(stopped.status.code(), Some(143), "{}", said(&stopped));
    let kept = files(&run);
    let names: Vec<String> =
        kept.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for name in ["model.bpk", "optimizer.bpk", "position.json", "contents.json", "teacher.cache"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
    // Only the latest checkpoint is gone on from; one before it may be there still.
    let number = |path: &Path| {
        path.parent()?.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse::<usize>().ok()
    };
    let latest = kept.iter().filter_map(|path| number(path)).max();
    let is_read = |path: &&PathBuf| {
        !path.parent().unwrap().ends_with("checkpoint.partial")
            && (number(path).is_none() || number(path) == latest)
    };
    for path in kept.iter().filter(is_read) {
        // The curve beside the checkpoints is a copy for people to look at.
        if path.parent() == Some(&run) && path.ends_with("curve.jsonl") {
            continue;
        }
        flipped(path, |at| {
            let output = dress(&args);
            assert!(!output.status.success(), "{path:?} at {at}: {}", said(&output));
            let refused = said(&output);
            let named = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
            let is_named = refused.contains(&named) || refused.contains("teacher.cache");
            assert!(is_named && refused.contains("remove"), "{path:?} at {at}: {refused}");
            assert!(!Path::new(&out).exists());
        });
    }
    let whole: Vec<_> = kept.iter().filter_map(|path| Some((path, fs::read(path).ok()?))).collect();
    let output = dress(&args);
    assert!(output.status.success() && said(&output).contains("goes on after step"), "{}", said(&output));
    // All of it as it was, and every file damaged.
    for (path, mut bytes) in whole {
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x04);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let output = dress(&[&args[..], &["--force"]].concat());
    assert!(output.status.success() && !said(&output).contains("goes on after step"), "{}", said(&output));
}

#[test]
fn a_flipped_byte_in_a_kept_evaluation_is_refused_by_name() {
    let (paths, model, data) = (Paths::new(), model(), text("heldout.txt"));
    let (out, rows, folder) = (paths.path("out"), paths.path("rows.jsonl"), paths.path(""));
    fs::write(&rows, "{\"a\":\"And the LORD\",\"b\":\"said\"}\n".repeat(4)).unwrap();
    let task = paths.path("mine.toml");
    let fields = "name = 'mine'\nkind = 'loglikelihood'\ndata = ['rows.jsonl']\ncontext = '{{ a }}'\n\
                  target = ' {{ b }}'\nmetrics = ['acc']\nheadline = 'acc'\n";
    fs::write(&task, fields).unwrap();
    let args =
        ["eval", "--model", &model, "--data", &data, "--seqlen", "64", "--max-blocks", "4", "--out", &out];
    let args = [&args[..], &["--tasks", &task, "--task-data", &folder, "--against", &model]].concat();
    let first = json(&args);
    let kept = files(Path::new(&paths.path("out/cache")));
    assert!(kept.len() >= 3, "a text, a task and a departure: {kept:?}");
    for path in &kept {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        flipped(path, |at| {
            let refused = refusal(&args);
            assert!(
                refused.contains(&name) && refused.contains("remove that file, or give --force"),
                "{name} at {at}: {refused}"
            );
            let forced = json(&[&args[..], &["--force"]].concat());
            assert_eq!(forced["perplexity"], first["perplexity"], "{name} at {at}");
        });
        // What a run that died in the middle of a line left is measured again.
        let whole = fs::read(path).unwrap();
        fs::write(path, &whole[..whole.len() - 5]).unwrap();
        assert_eq!(json(&args)["perplexity"], first["perplexity"]);
        // Rows that are asked in other company may differ in their last bits.
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines(&fs::read(path).unwrap()), lines(&whole), "{name}: whole again");
    }
    let report = paths.path("out/report.json");
    let whole = fs::read(&report).unwrap();
    fs::write(&report, &whole[..whole.len() / 2]).unwrap();
    let refused = refusal(&args);
    assert!(refused.contains("report.json") && refused.contains("--force"), "{refused}");
    assert_eq!(json(&[&args[..], &["--force"]].concat())["perplexity"], first["perplexity"]);
    json(&args);
}

#[test]
fn damaged_texts_of_a_run_that_died_are_refused_by_name_and_begun_anew_by_force() {
    let (paths, model) = (Paths::new(), model());
    let out = paths.path("own.jsonl");
    let args = ["generate", "--model", &model, "--texts", "2", "--max-new-tokens", "4", "--out", &out];
    fs::create_dir(paths.path("own.jsonl.run")).unwrap();
    fs::write(paths.path("own.jsonl.run/texts.jsonl"), "no line of this command\n").unwrap();
    let refused = refusal(&args);
    assert!(refused.contains("texts.jsonl, line 1") && refused.contains("give --force"), "{refused}");
    assert!(!Path::new(&out).exists());
    assert_eq!(json(&[&args[..], &["--force"]].concat())["found"], 0);
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 2);
    assert_eq!(paths.names(), ["own.jsonl"]);
}

#[test]
fn a_flipped_byte_in_a_kept_cell_is_refused_by_name() {
    let (paths, model, data) = (Paths::new(), model(), text("heldout.txt"));
    let out = paths.path("out");
    let args = ["compare", "--model", &model, "--data", &data, "--unseen", &data, "--out", &out];
    let args = [&args[..], &["--presets", "magnitude", "--ratios", "0.2", "--eval-seqlen", "64"]].concat();
    let args =
        [&args[..], &["--max-blocks", "1", "--calibration", &data, "--samples", "2", "--seqlen", "64"]]
            .concat();
    let first = json(&args);
    let kept = files(Path::new(&paths.path("out/cells")));
    assert_eq!(kept.len(), 2, "{kept:?}");
    for path in &kept {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        flipped(path, |at| {
            let refused = refusal(&args);
            assert!(
                refused.contains(&name) && refused.contains("remove that file"),
                "{name} at {at}: {refused}"
            );
        });
        fs::remove_file(path).unwrap();
        assert_eq!(json(&args)["cells"].as_array().unwrap().len(), first["cells"].as_array().unwrap().len());
    }
}

#[test]
fn a_run_that_diverges_ends_with_an_error_and_without_a_result() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let out = paths.path("out");
    let data =
        ["--model", &model, "--calibration", &calibration, "--samples", "8", "--seqlen", "32", "--out", &out];
    for command in [
        &["prune", "--axis", "ffn", "--ratio", "0.25"][..],
        &["prune", "--axis", "residual", "--ratio", "0.25"],
        &["recover"],
        &["recover", "--full"],
    ] {
        let refused = refusal(&[command, &data, &["--learning-rate", "1e3"]].concat());
        assert!(
            refused.contains("lower --learning-rate") || refused.contains("not a number"),
            "{command:?}: {refused}"
        );
        assert!(!Path::new(&out).exists(), "{command:?}");
        let _ = fs::remove_dir_all(paths.path("out.run"));
    }
}
