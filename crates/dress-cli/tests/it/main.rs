//! The `dress` command as other programs call it, on the small model that ships with the examples.

mod ablate;
mod by_parts;
mod choices;
mod compare;
mod corpora;
mod dry_runs;
mod evaluation;
mod export;
mod generation;
mod latency;
mod options;
mod published;
mod quality;
mod rotation;
mod served;
mod training;
mod watching;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv")
}

fn dress(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dress")).args(args).output().unwrap()
}

/// The warning of a shape whose rows quantizers do not take, which small models often have.
const NOT_IN_FULL: &str = "would not be quantized in full";

/// Whether a line says how far long work has come, which a slow machine has time for.
fn is_progress(line: &str) -> bool {
    line.len() > 9
        && line.is_char_boundary(9)
        && line[..9]
            .bytes()
            .zip(*b"00:00:00Z")
            .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
}

/// The JSON object on standard output, which must be all there is.
fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let is_told = |line: &&str| !line.contains(NOT_IN_FULL) && !is_progress(line);
    let besides: Vec<&str> = error.lines().filter(is_told).collect();
    assert_eq!(besides, [""; 0], "a run that is not on a terminal is quiet");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one line on standard error of a run that failed, with nothing on standard output.
fn refusal(args: &[&str]) -> String {
    let output = dress(args);
    assert!(!output.status.success() && output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    let text = match args.contains(&"--json") {
        true => {
            format!("error: {}\n", serde_json::from_str::<Value>(&text).unwrap()["error"].as_str().unwrap())
        }
        // What engines would say of the shape comes before the work.
        false => {
            text.lines().filter(|line| !line.contains(NOT_IN_FULL)).map(|line| format!("{line}\n")).collect()
        }
    };
    assert!(text.starts_with("error: ") && text.lines().count() == 1, "{text}");
    text
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
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn evaluate(model: &str) -> Value {
    let data = text("heldout.txt");
    json(&dress(&[
        "eval",
        "--model",
        model,
        "--data",
        &data,
        "--seqlen",
        "128",
        "--max-blocks",
        "4",
        "--json",
    ]))
}

fn text(name: &str) -> String {
    model().join("../kjv").join(name).display().to_string()
}

#[test]
fn prune_then_eval_keeps_the_contract() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (out, calibration) = (paths.path("out"), text("calibration.txt"));
    let common = ["--model", &model, "--calibration", &calibration, "--axis", "residual", "--ratio", "0.25"];
    let mut args = vec!["prune", "--out", &out, "--samples", "12", "--seqlen", "64", "--json"];
    args.extend(common);
    let report = json(&dress(&args));
    let (before, after) =
        (report["parameters_before"].as_u64().unwrap(), report["parameters"].as_u64().unwrap());
    assert_eq!(report["kept"]["residual"], serde_json::json!([144, 192]));
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    assert!(report["slicing_error"].as_f64().unwrap().is_finite());
    let plan: Value =
        serde_json::from_str(&fs::read_to_string(report["plan"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!((plan["criterion"].as_str(), plan["basis"].as_str()), (Some("pca"), Some("pca-tied")));

    let (dense, pruned) = (evaluate(&model), evaluate(&out));
    assert_eq!(dense["parameters"], before);
    assert_eq!(pruned["parameters"], after);
    assert!(pruned["perplexity"].as_f64().unwrap() > dense["perplexity"].as_f64().unwrap());
    assert_eq!(pruned["tokens"], 512);
    assert!(pruned["tokens_per_second"].as_f64().unwrap() > 0.0);

    let written: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("out/dress.json")).unwrap()).unwrap();
    assert_eq!(written["calibration"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(written["report"]["curve"].as_array().unwrap().len(), 12);
    assert_eq!(written["plan"], plan);
    assert_eq!(written["regularize"]["train"]["learning_rate"]["peak"], 1e-4, "the width is in components");
    assert_eq!(paths.names(), ["out"], "nothing else is left");

    let refused = refusal(&args);
    assert!(refused.contains("already exists") && refused.contains("--force"), "{refused}");
    args.extend(["--force", "--no-regularize"]);
    assert_eq!(json(&dress(&args))["steps"], 0);
    fs::write(paths.path("out/thesis.txt"), "precious").unwrap();
    assert!(refusal(&args).contains("thesis.txt"), "what is no part of a checkpoint is not replaced");
    assert_eq!(fs::read_to_string(paths.path("out/thesis.txt")).unwrap(), "precious");
}

#[test]
fn the_checkpoint_that_is_read_is_never_replaced() {
    let paths = Paths::new();
    let copy = paths.path("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(model()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), Path::new(&copy).join(entry.file_name())).unwrap();
    }
    let mut args = vec!["prune", "--model", &copy, "--axis", "ffn", "--ratio", "0.5", "--no-regularize"];
    args.extend(["--criterion", "magnitude-l2", "--out", &copy, "--force"]);
    assert!(refusal(&args).contains("is the checkpoint that is read"));
    let config = Path::new(&copy).join("config.json").display().to_string();
    assert!(
        refusal(&["costs", "--model", &copy, "--out", &config, "--force"]).contains("not a file of costs")
    );
    assert_eq!(evaluate(&copy)["parameters"], evaluate(&model().display().to_string())["parameters"]);
}

#[test]
#[cfg(unix)]
fn all_files_of_a_result_may_be_read_by_whoever_may_read_one() {
    use std::os::unix::fs::PermissionsExt;
    let (paths, model) = (Paths::new(), model().display().to_string());
    let out = paths.path("out");
    let mut args = vec!["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--no-regularize"];
    args.extend(["--criterion", "magnitude-l2", "--out", &out, "--json"]);
    json(&dress(&args));
    let mode = |name: &str| fs::metadata(format!("{out}/{name}")).unwrap().permissions().mode();
    assert_eq!(mode("model.safetensors"), mode("config.json"));
}

/// A number of the first element of an SVG.
fn attribute(svg: &str, name: &str) -> u32 {
    let value = svg.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    value.parse().unwrap()
}

#[test]
fn a_run_and_a_plan_are_drawn_and_other_files_are_named() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (out, calibration, picture) = (paths.path("out"), text("calibration.txt"), paths.path("run.svg"));
    let mut args = vec!["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--out", &out];
    args.extend(["--calibration", &calibration, "--samples", "3", "--seqlen", "16", "--json"]);
    json(&dress(&args));
    assert!(dress(&["plot", &out, "--out", &picture]).status.success());
    let run = fs::read_to_string(&picture).unwrap();
    for says in ["tokens seen", "llama3-kjv: regularizing", "dense, held back", "sliced after", "what stays"]
    {
        assert!(run.contains(says), "{says}");
    }
    assert!(refusal(&["plot", &out, "--out", &picture]).contains("--force"));
    let refused = refusal(&["plot", &out, "--out", &paths.path("run.pdf")]);
    assert!(refused.contains("run.pdf: pictures are written as SVG or PNG"), "{refused}");
    let png = paths.path("run.png");
    assert!(dress(&["plot", &out, "--out", &png]).status.success());
    let png = fs::read(png).unwrap();
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    let [width, height] = [2 * attribute(&run, "width"), 2 * attribute(&run, "height")];
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && [side(16), side(20)] == [width, height]);
    args.extend(["--no-regularize", "--force"]);
    json(&dress(&args));
    let drawn = |what: &str| {
        assert!(dress(&["plot", what, "--out", &picture, "--force"]).status.success(), "{what}");
        fs::read_to_string(&picture).unwrap()
    };
    let of_run = drawn(&out);
    assert!(of_run.contains("what stays") && !of_run.contains("tokens seen"), "nothing was trained");
    assert!(drawn(&paths.path("out/plan.json")).contains("scores of ffn"));
    let refused = refusal(&["plot", &paths.path("out/config.json"), "--out", &picture, "--force"]);
    assert!(refused.contains("config.json: is a checkpoint's config.json; give a directory"), "{refused}");
}

#[test]
fn a_scored_plan_slices_the_checkpoint_it_was_made_from() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (plan, out) = (paths.path("plan.json"), paths.path("out"));
    let score = ["score", "--model", &model, "--criterion", "magnitude-l2", "--axis", "ffn,heads"];
    let mut score = score.to_vec();
    score.extend(["--ratio", "0.25,0.5", "--out", &plan, "--json"]);
    assert_eq!(json(&dress(&score))["criterion"], "magnitude-l2");
    score.retain(|word| *word != "--json");
    let told = String::from_utf8(dress(&[&score[..], &["--force"]].concat()).stdout).unwrap();
    for says in ["of layers", "0-4", "384 (75.0%)", "together", "parameters stay", "next: dress plot "] {
        assert!(told.contains(says), "{says}: {told}");
    }
    let sliced = json(&dress(&["slice", "--plan", &plan, &model, &out, "--json"]));
    assert!(sliced["parameters"].as_u64() < sliced["parameters_before"].as_u64());
    let config: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("out/config.json")).unwrap()).unwrap();
    assert_eq!([&config["intermediate_size"], &config["num_key_value_heads"]], [384, 1]);
    let other = paths.path("other");
    let refused = refusal(&["slice", "--plan", &plan, &out, &other]);
    assert!(refused.contains("this plan was made for the model with fingerprint"), "{refused}");
}

#[test]
fn inspect_and_generate_print_one_object() {
    let model = model().display().to_string();
    let shape = json(&dress(&["inspect", "--model", &model, "--json"]));
    assert_eq!(shape["architecture"], "LlamaForCausalLM");
    let residual = &shape["axes"][0];
    assert_eq!((&residual["structures"], &residual["exact"]), (&192.into(), &true.into()));
    // Six query heads.
    let steps = ["kept_multiple_of", "kept_multiple_of_in_transformers"].map(|key| residual[key].as_u64());
    assert_eq!((steps, &shape["width_with_heads"]), ([Some(6); 2], &Value::Array(Vec::new())));
    let depth = shape["axes"].as_array().unwrap().iter().find(|axis| axis["kind"] == "depth").unwrap();
    let (layers, each) =
        (depth["structures"].as_u64().unwrap(), depth["parameters_a_structure"].as_u64().unwrap());
    assert!(each > 100_000 && layers * each < shape["parameters"].as_u64().unwrap(), "{depth}");
    let args = ["generate", "--model", &model, "--prompt", "And the LORD", "--max-new-tokens", "8", "--json"];
    let (first, again) = (json(&dress(&args)), json(&dress(&args)));
    assert_eq!(first["tokens"].as_array().unwrap().len(), 8);
    assert_eq!(first["text"], again["text"]);
}

#[test]
fn inspect_says_which_axes_go_together_and_which_are_exact() {
    let of = |name: &str| {
        let place = model().with_file_name(name).display().to_string();
        let json = json(&dress(&["inspect", &place, "--json"]));
        (json, String::from_utf8(dress(&["inspect", &place]).stdout).unwrap())
    };
    let (llama, said) = of("llama3-kjv");
    assert!(said.contains("exact") && !said.contains("together alone"), "{said}");
    assert!(llama["axes"].as_array().unwrap().iter().all(|axis| axis["exact"] == true));
    let (phi, said) = of("phi2-kjv");
    assert_eq!(phi["width_with_heads"], serde_json::json!(["all"]));
    assert!(
        said.contains("`--target all` takes `residual` and `heads` of this model together alone"),
        "{said}"
    );
    let (opt, said) = of("opt-kjv");
    assert_eq!(opt["width_with_heads"], serde_json::json!(["all", "transformers"]));
    assert!(said.contains("Stock software takes `residual` and `heads` of this model together"), "{said}");
}

#[test]
fn bad_input_is_refused_in_one_line_that_says_what_to_do() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (out, data) = (paths.path("out"), text("calibration.txt"));
    let empty = paths.path("empty.txt");
    fs::write(&empty, "\n").unwrap();
    let prune = |axis: &str, ratio: &str, calibration: &str| {
        let args =
            ["prune", "--model", &model, "--axis", axis, "--ratio", ratio, "--calibration", calibration];
        refusal(&[&args[..], &["--out", &out]].concat())
    };
    assert!(prune("residual", "0.01", &data).contains("removes nothing"));
    assert!(prune("residual,ffn", "0.1,0.2,0.3", &data).contains("2 axes and 3 ratios"));
    assert!(prune("residual", "0.25", &empty).contains("empty.txt: there is no text"));
    assert!(prune("residual", "0.25", "/nowhere.txt").contains("/nowhere.txt: cannot be read"));
    let eval =
        |arguments: &[&str]| refusal(&[&["eval", "--model", &model, "--data", &data], arguments].concat());
    assert!(eval(&["--seqlen", "1000000"]).contains("1024 positions"));
    let few = paths.path("few.txt");
    fs::write(&few, "In the beginning").unwrap();
    let short = refusal(&["eval", "--model", &model, "--data", &few, "--seqlen", "1024"]);
    assert!(short.contains("less than one block of 1024"), "{short}");
    let over =
        refusal(&["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--out", &few, "--force"]);
    assert!(over.contains("few.txt: is a file"), "{over}");
    assert_eq!(fs::read_to_string(&few).unwrap(), "In the beginning");
    assert!(eval(&["--device", "tpu"]).contains("`tpu` is not a device"));
    let absent = |name: &str, says: &str| {
        let refused = refusal(&["eval", "--model", &paths.path(name), "--data", &data]);
        assert!(refused.contains(says), "{refused}");
    };
    absent("nowhere", "no such model");
    absent("", "config.json: no such file");
    fs::copy(Path::new(&model).join("config.json"), paths.path("config.json")).unwrap();
    absent("", "tokenizer.json: no such file");
    assert!(prune("residual,residual", "0.1,0.2", &data).contains("given twice"));
    assert!(prune("residual", "0", "/nowhere.txt").contains("every ratio is 0"), "before anything is read");
    let long = |arguments: &[&str]| {
        let args = ["--model", &model, "--axis", "ffn", "--ratio", "0.25", "--calibration", &data];
        let refused =
            refusal(&[arguments, &args, &["--samples", "1", "--seqlen", "1025", "--out", &out]].concat());
        assert!(refused.contains("1024 positions"), "{refused}");
    };
    long(&["prune", "--criterion", "magnitude-l2"]);
    long(&["score"]);
    let settings = ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--calibration", &data];
    let settings =
        [&settings[..], &["--out", &out, "--samples", "1", "--seqlen", "8", "--lambda=-1"]].concat();
    assert!(refusal(&settings).contains("lambda is -1"));
}

#[test]
fn a_plan_made_in_f16_is_one_for_the_checkpoint() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let scored = |dtype: &str| {
        let out = paths.path(dtype);
        let args =
            ["score", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--criterion", "magnitude-l2"];
        json(&dress(&[&args[..], &["--dtype", dtype, "--out", &out, "--json"]].concat()))["fingerprint"]
            .clone()
    };
    assert_eq!(scored("f16"), scored("f32"));
}

#[test]
fn a_ratio_out_of_range_is_refused_before_any_work() {
    let output = dress(&["prune", "--model", "m", "--out", "o", "--axis", "residual", "--ratio", "1.5"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("expected 0 <= ratio < 1"), "{text}");
}

/// The shell's limit on the size of a file stands in for a full disk: writing fails in the middle.
#[test]
#[cfg(unix)]
fn a_disk_that_fills_up_leaves_nothing_behind() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let script = format!(
        "trap '' XFSZ; ulimit -f 500; exec {} prune --model {model} --axis ffn --ratio 0.25 --criterion \
         magnitude-l2 --no-regularize --out {}",
        env!("CARGO_BIN_EXE_dress"),
        paths.path("out")
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(text.contains("model.safetensors") && text.contains("free some space"), "{text}");
    assert_eq!(paths.names(), [""; 0]);
}
