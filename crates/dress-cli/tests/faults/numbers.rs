//! Numbers that mean nothing are refused by every option that takes one. The options are those that clap
//! knows, so that a new one is tried without being named here.

use crate::{Paths, dress, model, said, text};
use clap::builder::ValueParser;
use clap::{Arg, Command, CommandFactory};
use dress_cli::commands::Cli;
use dress_core::Ratio;

const LARGEST: &str = "18446744073709551615";
const LARGER: &str = "18446744073709551616";

/// What means something though it is at an end of the numbers: options of a most that may be any, seeds, and
/// counts of which there may be none.
const MEANINGFUL: [(&str, &[&str]); 9] = [
    ("seed", &["0", LARGEST]),
    ("seeds", &["0", LARGEST]),
    ("max-new-tokens", &["0"]),
    ("fewshot-seed", &["0"]),
    ("fewshot", &["0"]),
    ("warmup-steps", &["0"]),
    ("checkpoint-every", &["0"]),
    ("warmup", &["0"]),
    ("hold-back", &["0"]),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Whole,
    Fraction,
}

fn kind(option: &Arg) -> Option<Kind> {
    let found = option.get_value_parser().type_id();
    let is = |parser: ValueParser| parser.type_id() == found;
    let whole = is(clap::value_parser!(u64).into())
        || is(clap::value_parser!(u32).into())
        || found == std::any::TypeId::of::<usize>();
    let fraction = found == std::any::TypeId::of::<f64>()
        || found == std::any::TypeId::of::<f32>()
        || found == std::any::TypeId::of::<Ratio>();
    if !option.get_action().takes_values() {
        return None;
    }
    whole.then_some(Kind::Whole).or(fraction.then_some(Kind::Fraction))
}

/// A command that is complete but for an option.
fn base(command: &str, option: &str, place: &Paths) -> Vec<String> {
    let (model, calibration, data) = (model(), text("calibration.txt"), text("heldout.txt"));
    let (out, folder) = (place.path("out"), place.path(""));
    let task = place.path("mine.toml");
    let fields = "name = 'mine'\nkind = 'loglikelihood'\ndata = ['rows.jsonl']\ncontext = '{{ a }}'\n\
                  target = ' {{ b }}'\nmetrics = ['acc']\nheadline = 'acc'\n";
    std::fs::write(&task, fields).unwrap();
    std::fs::write(place.path("rows.jsonl"), "{\"a\":\"And\",\"b\":\"said\"}\n".repeat(4)).unwrap();
    let mut args: Vec<&str> = vec![command];
    let shares = ["ratio", "params", "flops", "bytes", "latency"].contains(&option);
    let select: &[&str] = if shares { &["--axis", "ffn"] } else { &["--axis", "ffn", "--ratio", "0.25"] };
    let few = |args: &mut Vec<&str>| {
        let sizes = [("samples", "2"), ("seqlen", "16")];
        for (name, value) in sizes.iter().filter(|(name, _)| *name != option) {
            args.push(["--samples", "--seqlen"][usize::from(*name == "seqlen")]);
            args.push(value);
        }
    };
    let calibrated = ["--calibration", calibration.as_str()];
    match command {
        "eval" => {
            args.extend(["--model", &model, "--data", &data]);
            let few = [("seqlen", "--seqlen", "16"), ("max-blocks", "--max-blocks", "1")];
            few.iter().filter(|few| few.0 != option).for_each(|few| args.extend([few.1, few.2]));
        }
        "generate" => args.extend(["--model", &model, "--prompt", "And"]),
        "costs" => args.extend(["--model", &model, "--out", &out]),
        "join" => args.extend([&folder, "--model", &model, "--out", &out]),
        "logits" => args.extend(["--model", &model, "--data", &data, "--out", &out]),
        "compare" | "ablate" => {
            args.extend(["--model", &model, "--out", &out, "--data", &data]);
            args.extend(calibrated);
            few(&mut args);
        }
        "inspect" | "plot" | "report" | "slice" => args.extend(["--model", &model]),
        _ => {
            args.extend(["--model", &model, "--out", &out]);
            args.extend(calibrated);
            few(&mut args);
        }
    }
    match command {
        "score" | "prune" => args.extend(select),
        "ablate" => args.extend([select, &["--vary", "lambda=5"]].concat()),
        "compare" => {
            args.extend(["--unseen", &data, "--presets", "magnitude"]);
            if option != "ratios" {
                args.extend(["--ratios", "0.2"]);
            }
        }
        _ => {}
    }
    for (options, needed) in NEEDED {
        if options.contains(&option) && !(command == "recover" && option.starts_with("lora")) {
            args.extend(needed);
        }
    }
    if command == "recover" && ["distill-temperature", "distill-alpha"].contains(&option) {
        args.retain(|arg| !["--distill", "0.5"].contains(arg));
        args.extend(["--distill-from", &model]);
    }
    if args.contains(&"piqa") {
        args.retain(|arg| !["--tasks", "piqa"].contains(arg));
        args.extend(["--tasks", &task, "--task-data", &folder]);
    }
    args.into_iter().map(String::from).collect()
}

/// Options that need others.
const NEEDED: [(&[&str], &[&str]); 5] = [
    (&["early-stopping-every", "early-stopping-patience"], &["--early-stopping", "0.5"]),
    (&["distill-temperature", "distill-hidden"], &["--distill", "0.5"]),
    (&["lora-rank", "lora-alpha"], &["--gate", "cosine:0.5"]),
    (&["prefill-tokens", "prompt-tokens", "new-tokens", "batches", "rounds", "warmup"], &["--speed"]),
    (&["limit", "fewshot", "fewshot-seed", "batch-tokens"], &["--tasks", "piqa"]),
];

#[test]
fn every_number_has_its_bounds_where_it_enters() {
    let mut wrong: Vec<String> = Vec::new();
    let (mut tried, mut known) = (0, Vec::<String>::new());
    let mut cli = Cli::command();
    cli.build();
    let mut commands: Vec<&Command> = cli.get_subcommands().collect();
    commands.sort_by_key(|command| ["compare", "ablate"].contains(&command.get_name()));
    for command in commands {
        let options = command.get_arguments().filter_map(|option| Some((kind(option)?, option.get_long()?)));
        // Those that a cell shares with prune are refused by the cell, as prune does it.
        let shared = ["compare", "ablate"].contains(&command.get_name());
        let own = options.filter(|(_, option)| !shared || !known.contains(&option.to_string()));
        for (kind, option) in own.collect::<Vec<_>>() {
            known.push(option.into());
            tried += 1;
            wrong.extend(accepted(command, kind, option));
        }
    }
    eprintln!("{tried} options");
    assert!(tried > 60, "{tried}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What an option takes that means nothing, or refuses without its name.
fn accepted(command: &Command, kind: Kind, option: &str) -> Vec<String> {
    let place = Paths::new();
    let values: &[&str] = match kind {
        Kind::Whole => &["nan", "-1", "0", LARGEST, LARGER],
        Kind::Fraction => &["nan", "-1", "inf"],
    };
    let fine = MEANINGFUL.iter().find(|(name, _)| *name == option).map_or(&[][..], |(_, fine)| fine);
    let mut wrong = Vec::new();
    for value in values.iter().filter(|value| !fine.contains(value)) {
        let mut args = base(command.get_name(), option, &place);
        if option == "rounds" && command.get_name() != "eval" || command.get_name() == "costs" {
            args.retain(|arg| arg != "--speed");
        }
        args.push(format!("--{option}={value}"));
        let output = dress(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let said = said(&output);
        // Of an evaluation's own length it is said what is said of any.
        let option = option.strip_prefix("eval-").unwrap_or(option);
        let named = [option.to_string(), option.replace('-', " "), option.replace('-', "_")];
        let first = said.lines().next().unwrap_or_default();
        let names =
            named.iter().any(|name| first.contains(name.as_str()) || said.contains(&format!("--{option}")));
        let clean = !said.contains("panicked") && output.status.code().is_some();
        if output.status.success() || !names || !clean {
            eprintln!("{} --{option}={value}: {:?}: {first}", command.get_name(), output.status.code());
            wrong.push(format!(
                "{} --{option}={value}: {:?}: {first}",
                command.get_name(),
                output.status.code()
            ));
        }
        if std::path::Path::new(&place.path("out")).exists() {
            let out = place.path("out");
            let _ = std::fs::remove_dir_all(&out).or_else(|_| std::fs::remove_file(&out));
        }
    }
    wrong
}
