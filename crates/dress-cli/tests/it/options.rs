//! Options that the others leave without effect, and places where no result can be put.

use crate::{Paths, dress, json, model, refusal, text};
use clap::CommandFactory;
use dress_cli::commands::Cli;
use dress_core::{AxisKind, Basis, Divergence, Draw, StockTarget};
use dress_data::{Bos, Protocol};
use dress_importance::Criterion;
use dress_models::FloatType;
use dress_models::gguf::GgufType;
use dress_prune::{Compensation, LocalInputs, Preset};
use dress_regularize::{GateNorms, PenaltyKind};
use dress_train::{Decay, GradientCheckpointing, OptimizerConfig, Precision};
use serde_json::Value;
use std::fs;

/// What `dress prune` of the neurons says to more options that it refuses.
fn refused(more: &[&str]) -> String {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let args = ["prune", "--model", &model, "--calibration", &calibration, "--out", &out];
    let said = refusal(&[&args[..], more].concat());
    assert_eq!(paths.names(), [""; 0], "it is refused before anything is written");
    said
}

#[test]
fn an_option_that_would_be_ignored_is_refused_by_name() {
    let ffn = |more: &[&str]| refused(&[&["--axis", "ffn", "--ratio", "0.25"], more].concat());
    for option in
        [&["--lambda", "3"][..], &["--writers-only"], &["--ffn-weight", "2"], &["--schedule", "linear"]]
    {
        for off in [&["--gate", "cosine:0.2"][..], &["--no-penalty"]] {
            let said = ffn(&[off, option].concat());
            assert!(
                said.contains(option[0]) && said.contains(off[0]) && said.contains("has no effect"),
                "{said}"
            );
        }
    }
    assert!(ffn(&["--normalize-penalty"]).contains("--normalize-penalty has no effect"));
    assert!(ffn(&["--criterion", "sleb"]).contains("`sleb` scores none of the axes given"));
    assert!(ffn(&["--criterion", "wanda,taylor"]).contains("`wanda` was given before it"));
    let width = |more: &[&str]| refused(&[&["--axis", "residual", "--ratio", "0.25"], more].concat());
    assert!(width(&["--compensate", "ridge"]).contains("the compensation ridge has no effect"));
    let said = width(&["--basis", "pca", "--criterion", "wanda"]);
    assert!(said.contains("the criterion wanda has no effect in the basis pca"), "{said}");
    let slice = dress(&["slice", "--plan", "p", "in", "out", "--dtype", "bf16"]);
    assert!(String::from_utf8_lossy(&slice.stderr).contains("unexpected argument '--dtype'"));
}

#[test]
fn without_calibration_it_is_said_what_needs_it() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let out = paths.path("out");
    let prune = |axis: &str, more: &[&str]| {
        let args = ["prune", "--model", &model, "--axis", axis, "--ratio", "0.25", "--out", &out];
        refusal(&[&args[..], more].concat())
    };
    assert!(prune("residual", &[]).contains("`the basis pca-tied` needs calibration data"));
    assert!(prune("ffn", &["--no-regularize"]).contains("`activation-norm` needs calibration data"));
    assert!(
        prune("ffn", &["--criterion", "magnitude-l2"]).contains("`regularization` needs calibration data")
    );
}

#[test]
fn a_place_where_no_result_can_be_is_refused_before_the_work() {
    let (paths, model, data) = (Paths::new(), model().display().to_string(), text("heldout.txt"));
    let file = paths.path("run.svg");
    fs::write(&file, "").unwrap();
    let inside = paths.path("run.svg/x");
    let score =
        ["score", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--criterion", "magnitude-l2"];
    let prune = [&["prune", "--no-regularize"][..], &score[1..]].concat();
    for args in [&score[..], &prune, &["logits", "--model", &model, "--data", &data]] {
        let said = refusal(&[args, &["--out", &inside]].concat());
        assert!(said.contains("run.svg: there is no directory of that name"), "{said}");
    }
    assert!(
        refusal(&[&score[..], &["--out", &paths.path("nowhere/plan.json")]].concat())
            .contains("no directory")
    );
    let said = refusal(&[&score[..], &["--out", &file, "--force"]].concat());
    assert!(said.contains("run.svg: not a plan"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    let plan = paths.path("plan.json");
    json(&dress(&[&score[..], &["--out", &plan, "--json"]].concat()));
    json(&dress(&[&score[..], &["--out", &plan, "--force", "--json"]].concat()));
}

#[test]
fn what_goes_far_beside_what_was_asked_for_is_said() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let plan = paths.path("plan.json");
    let score =
        ["score", "--model", &model, "--axis", "heads", "--ratio", "0.3", "--criterion", "magnitude-l2"];
    let output = dress(&[&score[..], &["--out", &plan]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "heads 1 of 2 in place of 1.4 stay, the nearest that the config and the tile allow";
    assert!(output.status.success() && said.contains(expected), "{said}");
    let tiled = [
        "score",
        "--model",
        &model,
        "--axis",
        "depth",
        "--ratio",
        "0.2",
        "--criterion",
        "random",
        "--tile",
        "64",
    ];
    let depth = json(&dress(&[&tiled[..], &["--out", &paths.path("depth.json"), "--json"]].concat()));
    assert_eq!(depth["criterion"], "random");
}

#[test]
fn a_slice_records_the_type_of_the_files() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (plan, out) = (paths.path("plan.json"), paths.path("out"));
    let score =
        ["score", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--criterion", "magnitude-l2"];
    json(&dress(&[&score[..], &["--out", &plan, "--json"]].concat()));
    json(&dress(&["slice", "--plan", &plan, &model, &out, "--json"]));
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(paths.path(&format!("out/{name}"))).unwrap()).unwrap()
    };
    assert_eq!(read("dress.json")["dtype"], "bf16");
    assert_eq!(read("config.json")["torch_dtype"], "bfloat16");
}

/// The types of which a command line can give one of a few names, as clap knows them, and the names.
fn closed_types() -> Vec<(clap::builder::ValueParser, Vec<&'static str>)> {
    use clap::value_parser;
    vec![
        (value_parser!(AxisKind).into(), AxisKind::NAMES.into()),
        (value_parser!(Basis).into(), Basis::NAMES.into()),
        (value_parser!(Divergence).into(), Divergence::NAMES.into()),
        (value_parser!(Draw).into(), Draw::NAMES.into()),
        (value_parser!(StockTarget).into(), StockTarget::NAMES.into()),
        (value_parser!(Bos).into(), Bos::NAMES.into()),
        (value_parser!(Protocol).into(), Protocol::NAMES.into()),
        (value_parser!(FloatType).into(), FloatType::NAMES.into()),
        (value_parser!(GgufType).into(), GgufType::NAMES.into()),
        (value_parser!(Criterion).into(), Criterion::all().map(Criterion::name).collect()),
        (value_parser!(Compensation).into(), Compensation::NAMES.into()),
        (value_parser!(Preset).into(), Preset::all().map(Preset::name).collect()),
        (value_parser!(LocalInputs).into(), LocalInputs::NAMES.into()),
        (value_parser!(GateNorms).into(), GateNorms::NAMES.into()),
        (value_parser!(PenaltyKind).into(), PenaltyKind::NAMES.into()),
        (value_parser!(Decay).into(), Decay::NAMES.into()),
        (value_parser!(GradientCheckpointing).into(), GradientCheckpointing::NAMES.into()),
        (value_parser!(OptimizerConfig).into(), OptimizerConfig::NAMES.into()),
        (value_parser!(Precision).into(), Precision::NAMES.into()),
    ]
}

#[test]
fn every_option_of_a_few_values_lists_them() {
    let (command, closed) = (Cli::command(), closed_types());
    let mut seen = vec![false; closed.len()];
    for subcommand in command.get_subcommands() {
        for arg in subcommand.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let of =
                closed.iter().position(|(parser, _)| parser.type_id() == arg.get_value_parser().type_id());
            let Some(index) = of else { continue };
            let listed: Vec<String> =
                arg.get_possible_values().iter().map(|value| value.get_name().into()).collect();
            assert_eq!(listed, closed[index].1, "dress {} --{}", subcommand.get_name(), arg.get_id());
            // What a type of numbers is called says what it is.
            let is_type = listed == FloatType::NAMES || listed == GgufType::NAMES;
            let told = arg.get_possible_values().iter().all(|value| value.get_help().is_some());
            assert!(told || is_type, "dress {} --{}", subcommand.get_name(), arg.get_id());
            seen[index] = true;
        }
    }
    let unseen: Vec<_> =
        closed.iter().zip(seen).filter(|(_, seen)| !seen).map(|((_, names), _)| names).collect();
    assert!(unseen.is_empty(), "no option takes one of {unseen:?}");
}

#[test]
fn the_concepts_explain_every_name_that_outputs_use() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/concepts.md");
    let concepts = fs::read_to_string(path).unwrap();
    let table =
        concepts.split("## Names that outputs use").nth(1).unwrap().split("## Identities").next().unwrap();
    let criteria = Criterion::all().map(Criterion::name).filter(|name| !name.starts_with("taylor-"));
    let presets = Preset::all().map(Preset::name);
    let others =
        [AxisKind::NAMES.as_slice(), &Basis::NAMES, &Compensation::NAMES, &PenaltyKind::NAMES].concat();
    for name in criteria.chain(presets).chain(others).chain(["search"]) {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn help_and_refusals_name_the_values() {
    let short = String::from_utf8(dress(&["prune", "-h"]).stdout).unwrap();
    assert!(
        short.lines().count() < 80 && short.contains("--ratio") && !short.contains("--gate-norms"),
        "{short}"
    );
    let help = String::from_utf8(dress(&["prune", "--help"]).stdout).unwrap();
    let sections = [
        "What goes:",
        "How much stays, in place of --ratio:",
        "Calibration:",
        "Regularization:",
        "Training:",
    ];
    for section in sections {
        assert!(help.contains(section), "{section}: {help}");
    }
    for values in [
        "- pca-tied: principal components that leave a tied head tied",
        "- activation-norm: the norm of its activations",
        "- adafactor: state for rows and columns alone",
        "- count: over kept + g^2 removed channels",
        "zero after 1/lambda of the steps [default: 5]",
        dress_machine::device::NAMES,
    ] {
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(values), "{help}");
    }
    let said = dress(&["inspect", "--model", "m", "--dtype", "f64"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("[possible values: f32, f16, bf16]"), "{said}");
    let said = refusal(&["inspect", "--model", "m", "--dtype", "float32"]);
    assert!(said.contains("m"), "PyTorch's name is taken too: {said}");
}
