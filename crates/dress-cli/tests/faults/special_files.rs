//! Pipes and devices in place of files: refused by name, never waited for.

use crate::{DRESS, Paths, dress as ends, model, text};
use std::fs;
use std::path::Path;
use std::process::Command;

fn pipe(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_pipe_in_place_of_a_file_is_refused_by_name() {
    let (paths, model, data) = (Paths::new(), model(), text("heldout.txt"));
    let (fifo, task) = (paths.path("fifo"), paths.path("fifo.toml"));
    pipe(&fifo);
    pipe(&task);
    let out = paths.path("out");
    let eval = ["eval", "--model", &model, "--seqlen", "16", "--max-blocks", "1"];
    let ffn = ["--model", &model, "--axis", "ffn"];
    let quarter = ["--ratio", "0.25", "--criterion", "magnitude-l2"];
    let tasks = ["--tasks", &task, "--task-data", &paths.path("")];
    for args in [
        [&eval[..], &["--data", &fifo]].concat(),
        [&eval[..], &tasks].concat(),
        vec!["eval", "--model", &fifo, "--data", &data],
        vec!["inspect", "--model", &fifo],
        vec!["slice", "--plan", &fifo, &model, &out],
        vec!["report", &fifo],
        [&["score"], &ffn[..], &quarter, &["--out", &fifo, "--force"]].concat(),
        [&["prune"], &ffn[..], &["--ratio", "0.25", "--calibration", &fifo, "--out", &out]].concat(),
        [&["prune"], &ffn[..], &["--latency", "0.5", "--costs", &fifo, "--out", &out]].concat(),
        vec!["prune", "--model", &model, "--plan", &fifo, "--no-regularize", "--out", &out],
    ] {
        let said = ends(&args);
        let said = (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned());
        assert!(!said.0 && said.1.contains("fifo"), "{args:?}: {}", said.1);
        assert!(
            said.1.contains("pipe") || said.1.contains("not a") || said.1.contains("unexpected"),
            "{args:?}: {}",
            said.1
        );
    }
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_pipe_among_a_checkpoints_files_is_refused_by_name() {
    let (paths, data) = (Paths::new(), text("heldout.txt"));
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        let copy = paths.copy_of_model(name);
        let at = Path::new(&copy).join(name);
        let _ = fs::remove_file(&at);
        pipe(&at.display().to_string());
        let eval = ["eval", "--model", &copy, "--data", &data, "--seqlen", "16", "--max-blocks", "1"];
        let generate = ["generate", "--model", &copy, "--prompt", "And", "--max-new-tokens", "1"];
        let args: &[&str] = if name == "generation_config.json" { &generate } else { &eval };
        let said = ends(args);
        let text = String::from_utf8_lossy(&said.stderr);
        // What no evaluation reads is in nobody's way, as long as nobody waits for it.
        assert!(said.status.success() || (text.contains("pipe") && text.contains(name)), "{name}: {text}");
        assert!(!said.status.success() || name == "generation_config.json", "{name}: {text}");
        let sliced = ends(&[
            "prune",
            "--model",
            &copy,
            "--axis",
            "ffn",
            "--ratio",
            "0.25",
            "--criterion",
            "magnitude-l2",
            "--no-regularize",
            "--out",
            &paths.path("out"),
        ]);
        let text = String::from_utf8_lossy(&sliced.stderr);
        assert!(!sliced.status.success() && text.contains("pipe") && text.contains(name), "{name}: {text}");
        assert!(!paths.names().iter().any(|name| name.starts_with("out") || name.starts_with(".out")));
    }
}

#[test]
fn standard_input_is_read_and_a_device_is_neither_read_nor_replaced() {
    let (paths, model, data) = (Paths::new(), model(), text("heldout.txt"));
    let eval = ["eval", "--model", &model, "--seqlen", "16", "--max-blocks", "1", "--data"];
    let piped = Command::new(DRESS)
        .args([&eval[..], &["-"]].concat())
        .stdin(fs::File::open(&data).unwrap())
        .output()
        .unwrap();
    assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
    let said = ends(&[&eval[..], &["/dev/zero"]].concat());
    assert!(String::from_utf8_lossy(&said.stderr).contains("a device"));
    let link = paths.path("link.svg");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let said = ends(&["plot", &model, "--out", &link, "--force"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("not a file, so it is not replaced"));
}
