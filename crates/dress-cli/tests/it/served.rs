//! Engines that serve a result.

use super::{NOT_IN_FULL, Paths, dress, json, model, refusal};
use serde_json::Value;
use std::fs;

/// A plan by the weights alone.
fn score(more: &[&str]) -> Vec<String> {
    let args = ["score", "--model", &model().display().to_string(), "--criterion", "magnitude-l2", "--json"];
    args.iter().chain(more).map(ToString::to_string).collect()
}

fn run(args: &[String]) -> std::process::Output {
    dress(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_plan_keeps_to_what_the_engines_take_and_slices_without_a_warning() {
    let paths = Paths::new();
    let (plan, out) = (paths.path("plan.json"), paths.path("out"));
    let axis = ["--axis", "ffn", "--ratio", "0.28", "--out", &plan];
    let scored = run(&score(&[&axis[..], &["--for", "llama.cpp:q8_0,mlx:4bit,vllm"]].concat()));
    assert!(
        scored.status.success() && scored.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&scored.stderr)
    );
    let slice =
        ["slice", "--plan", &plan, &model().display().to_string(), &out, "--for", "mlx:4bit", "--json"];
    json(&dress(&slice));
    let config: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("out/config.json")).unwrap()).unwrap();
    // Of 512 neurons 369 would stay, and 384 is the nearest multiple of 64.
    assert_eq!(config["intermediate_size"], 384);
}

#[test]
fn what_would_not_be_quantized_is_said_and_refused_where_an_engine_is_named() {
    let paths = Paths::new();
    let (plan, out) = (paths.path("plan.json"), paths.path("out"));
    // 282 neurons: 256 are the nearest multiple of 64, and 26 neurons of five layers are 74,880 of 2,361,408 parameters.
    let scored = run(&score(&["--axis", "ffn", "--ratio", "0.45", "--out", &plan]));
    let said = String::from_utf8(scored.stderr).unwrap();
    assert!(said.contains(NOT_IN_FULL) && said.contains("MB") && said.lines().count() == 1, "{said}");
    for part in [
        ". --for llama.cpp:q4_k_m,mlx:4bit keeps to sizes that are quantized",
        "; the nearest is ffn 256 of 512 in place of 282, which moves 3.2%",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let model = model().display().to_string();
    // Whoever says it says it in the same words: here after slicing, where nothing was to be rounded.
    let sliced = dress(&["slice", "--plan", &plan, &model, &paths.path("any")]);
    let said = String::from_utf8(sliced.stderr).unwrap();
    let words = [
        "this shape would not be quantized in full: ",
        " unquantized (",
        " keeps to sizes that are quantized",
    ];
    assert!(words.iter().all(|part| said.contains(part)), "{said}");
    assert!(
        said.len() < 250 && said.lines().count() == 1,
        "a sentence for what, and one for what to do: {said}"
    );
    let said = refusal(&["slice", "--plan", &plan, &model, &out, "--for", "llama.cpp:q8_0"]);
    assert!(said.contains("rows of 282") && said.contains("gets f16 in place of q8_0"), "{said}");
    assert!(dress(&["slice", "--plan", &plan, &model, &out, "--for", "vllm"]).status.success());
}

#[test]
fn a_size_near_one_that_is_quantized_becomes_it_unless_something_is_said_of_sizes() {
    let paths = Paths::new();
    let plan = paths.path("plan.json");
    // 307 neurons would stay: 13 more of five layers are 1.6% of the parameters, which --params 0.75 does not allow.
    let kept = |how_much: [&str; 2], more: &[&str]| {
        let args = [&["--axis", "ffn", "--out", &plan, "--force"][..], &how_much, more].concat();
        let output = dress(
            &score(&args).iter().map(String::as_str).filter(|word| *word != "--json").collect::<Vec<_>>(),
        );
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let plan: Value = serde_json::from_str(&fs::read_to_string(&plan).unwrap()).unwrap();
        (512 - plan["selection"]["ffn.0"]["removed"].as_array().unwrap().len(), told)
    };
    let ratio = ["--ratio", "0.4"];
    let (neurons, told) = kept(ratio, &[]);
    assert_eq!(neurons, 320);
    for part in
        ["ffn 320 of 512 in place of 307 stay", "moves 1.6%", "--target all keeps to what was asked for"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    for more in [["--target", "all"], ["--tile", "1"], ["--for", "vllm"]] {
        let (neurons, told) = kept(ratio, &more);
        assert!(neurons == 307 && !told.contains("in place of"), "{more:?}: {neurons} {told}");
    }
    assert_eq!(kept(["--params", "0.75"], &[]).0, 307);
}

#[test]
fn another_share_than_was_asked_for_is_said_with_what_sizes_are_multiples_of() {
    let paths = Paths::new();
    let plan = paths.path("plan.json");
    let warned = |more: &[&str]| {
        let scored = run(&score(&[&["--axis", "ffn", "--out", &plan, "--force"][..], more].concat()));
        let said = String::from_utf8(scored.stderr).unwrap();
        assert!(scored.status.success(), "{said}");
        said
    };
    // 64 neurons of five layers are 7.8% of the parameters, so that what stays is 84.4% or 76.6%.
    let said = warned(&["--params", "0.8", "--for", "mlx:4bit"]);
    for part in
        ["76.6% of the parameters is left, and 80.0% was asked for: ffn stays in multiples of 64", "mlx:4bit"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // 256 neurons of a layer are a tenth of all.
    let said = warned(&["--ratio", "0.45", "--per-layer", "--target", "dress", "--tile", "256"]);
    let part = "of ffn in all layers is left, and 55.0% was asked for: ffn stays in multiples of 256";
    assert!(said.contains(part), "{said}");
    let said = warned(&["--params", "0.8", "--target", "all"]);
    assert!(!said.contains("was asked for"), "{said}");
}

#[test]
fn a_width_that_no_engine_takes_names_options_that_would_do() {
    let paths = Paths::new();
    let plan = paths.path("plan.json");
    // 6 query heads and blocks of 32 leave 96 of 192 channels.
    let args = score(&["--axis", "residual", "--ratio", "0.25", "--out", &plan, "--for", "llama.cpp:q8_0"]);
    let said = refusal(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        said.contains("--axis residual --ratio 0.5000 (96 of 192)") && said.contains("--axis ffn"),
        "{said}"
    );
}

#[test]
fn inspect_says_what_engines_do_with_a_checkpoint() {
    let model = model().display().to_string();
    let shape = json(&dress(&["inspect", "--model", &model, "--for", "all", "--json"]));
    let served = shape["served"].as_array().unwrap();
    let of = |name: &str| served.iter().find(|report| report["by"] == name).unwrap();
    assert_eq!((&of("vllm")["verdict"], &of("litgpt")["verdict"]), (&"loads".into(), &"refused".into()));
    assert!(of("litgpt")["bytes"].is_null() && of("litgpt")["why"].is_string());
    assert_eq!(of("llama.cpp:q8_0")["unquantized"], Value::Array(Vec::new()));
    // 192 channels are no multiple of 256.
    assert!(of("llama.cpp:q4_k_m")["larger"].as_array().is_some_and(|larger| !larger.is_empty()));
    let text =
        String::from_utf8(dress(&["inspect", "--model", &model, "--for", "mlx:4bit,ctranslate2"]).stdout)
            .unwrap();
    assert!(
        text.contains("\nmlx:4bit") && text.contains("\nctranslate2") && !text.contains("litgpt"),
        "{text}"
    );
    let all = String::from_utf8(dress(&["inspect", "--model", &model, "--for", "all"]).stdout).unwrap();
    let widest = all.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100 && all.contains("a shape that is none of its list"), "{widest}: {all}");
    let without = json(&dress(&["inspect", "--model", &model, "--json"]));
    assert!(without.get("served").is_none());
}

#[test]
fn an_engine_of_one_s_own_is_read_and_a_bad_file_is_an_error() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (file, bad) = (paths.path("mine.toml"), paths.path("bad.toml"));
    let mine = "name = 'mine'\ntried = 'today'\ndefault = 'w'\nloads_like = 'vllm'\n[types.q]\nnumbers = 48\nbytes = 30\n\
                [formats.w]\nweights = 'q'\nvectors = 'stored'\n";
    fs::write(&file, mine).unwrap();
    fs::write(&bad, mine.replace("numbers = 48", "numbers = 0")).unwrap();
    let inspect = |file: &str| {
        ["inspect", "--model", &model, "--for", "mine", "--engines", file, "--json"].map(String::from)
    };
    let report = json(&run(&inspect(&file)))["served"][0].clone();
    // 512 neurons are no multiple of 48, and the file has no other type.
    assert_eq!((&report["by"], &report["verdict"]), (&"mine".into(), &"refused".into()));
    let said = refusal(&inspect(&bad).each_ref().map(String::as_str));
    assert!(said.contains("bad.toml") && said.contains("types.q: `numbers` is 0"), "{said}");
    let unknown = refusal(&["inspect", "--model", &model, "--for", "llama.ccp"]);
    assert!(unknown.contains("`llama.ccp`") && unknown.contains("--engines"), "{unknown}");
    let alone = String::from_utf8(dress(&["inspect", "--model", &model, "--engines", &file]).stderr).unwrap();
    assert!(alone.contains("--for"), "{alone}");
}

#[test]
fn an_engine_that_refuses_the_result_says_so_in_place_of_bytes() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let prune = |out: &str, more: &[&str]| {
        let out = paths.path(out);
        let args = ["prune", "--model", &model, "--ratio", "ffn.0=0.5,ffn=0.25"];
        let how = ["--target", "dress", "--criterion", "magnitude-l2", "--no-regularize", "--out", &out];
        dress(&[&args[..], &how, more].concat())
    };
    // vLLM has one number for all layers, and llama.cpp an architecture with one for each.
    let served = json(&prune("one", &["--json"]))["served"].clone();
    assert_eq!((&served[0]["by"], &served[0]["verdict"]), (&"vllm".into(), &"refused".into()));
    assert!(served[0]["bytes"].is_null() && served[0]["before"].is_u64(), "{served}");
    assert!(served[0]["why"].as_str().unwrap().contains("layers differ"), "{served}");
    assert!(served[1]["verdict"] == "loads-as" && served[1]["bytes"].is_u64(), "{served}");
    let told = String::from_utf8(prune("two", &[]).stdout).unwrap();
    let row = told.lines().find(|line| line.starts_with("bytes, vllm")).unwrap();
    assert!(row.contains(" MB ") && row.ends_with(" refused"), "{told}");
    assert!(told.contains("\nvllm refuses the result: layers differ"), "{told}");
    assert!(!told.contains("llama.cpp:q4_k_m refuses"), "{told}");
}

#[test]
fn prune_says_the_bytes_as_served() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let prune = |out: &str, json: bool| {
        let out = paths.path(out);
        let args = [
            "prune",
            "--model",
            &model,
            "--axis",
            "ffn",
            "--bytes",
            "0.85",
            "--for",
            "llama.cpp:q8_0",
            "--out",
            &out,
        ];
        let rest = ["--criterion", "magnitude-l2", "--no-regularize"];
        dress(&[&args[..], &rest, if json { &["--json"] } else { &[] }].concat())
    };
    let served = json(&prune("one", true))["served"][0].clone();
    let share = served["bytes"].as_f64().unwrap() / served["before"].as_f64().unwrap();
    assert!(served["by"] == "llama.cpp:q8_0" && (0.83..=0.855).contains(&share), "{served}");
    let text = String::from_utf8(prune("two", false).stdout).unwrap();
    assert!(text.contains("bytes, llama.cpp:q8_0"), "{text}");
    let kept = fs::read_to_string(paths.path("two/dress.json")).unwrap();
    assert!(kept.contains("served_by"), "{kept}");
}
