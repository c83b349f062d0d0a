//! What a user says that goes or stays, beside scores.

use crate::{Paths, dress, json, model, refusal};
use serde_json::{Value, json as object};
use std::fs;

fn plan(paths: &Paths, more: &[&str]) -> Value {
    let (model, out) = (model().display().to_string(), paths.path("plan.json"));
    let args = ["score", "--model", &model, "--out", &out, "--force", "--json"];
    let default: &[&str] = if more.contains(&"--criterion") { &[] } else { &["--criterion", "magnitude-l2"] };
    json(&dress(&[&args[..], default, more].concat()));
    serde_json::from_str(&fs::read_to_string(out).unwrap()).unwrap()
}

fn gone(plan: &Value, axis: &str) -> Vec<u64> {
    let removed = plan["selection"][axis]["removed"].as_array();
    removed.into_iter().flatten().map(|index| index.as_u64().unwrap()).collect()
}

#[test]
fn what_is_protected_stays_and_as_many_go() {
    let paths = Paths::new();
    let free = plan(&paths, &["--axis", "heads,width", "--ratio", "0.5,0.25"]);
    let (head, channel) = (gone(&free, "heads.3")[0], gone(&free, "residual")[0]);
    let protect = [format!("heads=3.{head}"), format!("residual={channel}")];
    let more = ["--axis", "attention,residual", "--ratio", "0.5,0.25", "--protect", &protect[0], "--protect"];
    let kept = plan(&paths, &[&more[..], &[&protect[1]]].concat());
    assert_eq!((gone(&kept, "heads.3"), gone(&kept, "heads.2")), (vec![1 - head], gone(&free, "heads.2")));
    let channels = gone(&kept, "residual");
    assert_eq!((channels.len(), channels.contains(&channel)), (gone(&free, "residual").len(), false));
}

#[test]
fn layers_may_stay_whole_or_have_ratios_of_their_own() {
    let paths = Paths::new();
    let counts =
        |plan: &Value| (0..5).map(|layer| gone(plan, &format!("ffn.{layer}")).len()).collect::<Vec<_>>();
    let own = plan(&paths, &["--ratio", "ffn.0-1=0,ffn.4=0.5,ffn=0.25", "--target", "dress"]);
    assert_eq!(counts(&own), [0, 0, 128, 128, 256]);
    let protected = ["--axis", "mlp", "--ratio", "0.25", "--protect", "layers=0,3", "--target", "dress"];
    assert_eq!(counts(&plan(&paths, &protected)), [0, 128, 128, 0, 128]);
    let ranked = [&protected[..], &["--per-layer"]].concat();
    let ranked = counts(&plan(&paths, &ranked));
    assert_eq!((ranked[0], ranked[3]), (0, 0), "{ranked:?}");
    assert!((ranked.iter().sum::<usize>() as i64 - 5 * 128).abs() <= 1, "{ranked:?}");
    let named = counts(&plan(&paths, &["--ratio", "ffn=0.25", "--per-layer", "--target", "dress"]));
    assert!((named.iter().sum::<usize>() as i64 - 5 * 128).abs() <= 1, "{named:?}");
    let depth = plan(
        &paths,
        &["--axis", "layers", "--criterion", "random", "--ratio", "0.8", "--protect", "layers=2"],
    );
    assert_eq!(gone(&depth, "depth"), [0, 1, 3, 4]);
}

#[test]
fn choices_that_cannot_be_are_refused_with_what_would_do() {
    let (model, paths) = (model().display().to_string(), Paths::new());
    let refused = |more: &[&str]| {
        let args =
            ["score", "--model", &model, "--criterion", "magnitude-l2", "--out", &paths.path("plan.json")];
        refusal(&[&args[..], more].concat())
    };
    let stock = refused(&["--axis", "ffn", "--ratio", "0.25", "--protect", "layers=0"]);
    assert!(stock.contains("--target dress"), "{stock}");
    assert!(refused(&["--ratio", "ffn.0=0,ffn=0.3"]).contains("--target dress"));
    assert!(refused(&["--axis", "ffn", "--ratio", "ffn=0.3,0.2"]).contains("ffn.0-3=0"));
    let none = refused(&["--ratio", "ffn=0.25,ffn.3-9=0", "--target", "dress"]);
    assert!(none.contains("ffn.5"), "{none}");
    let own = refused(&["--ratio", "ffn=0.25,ffn.3=0", "--per-layer", "--target", "dress"]);
    assert!(own.contains("ratios of single layers"), "{own}");
    let beyond = refused(&["--axis", "heads", "--ratio", "0.5", "--protect", "heads=9.0"]);
    assert!(beyond.contains("heads.9"), "{beyond}");
    assert!(
        refused(&["--axis", "heads", "--ratio", "0.5", "--protect", "heads=1.7"]).contains("has 2 of them")
    );
    assert!(refused(&["--axis", "heads", "--ratio", "0.5", "--protect", "heads=1.0-1"]).contains("leaves 1"));
}

#[test]
fn a_plan_made_by_hand_needs_axes_and_indices_alone() {
    let (model, paths) = (model().display().to_string(), Paths::new());
    let (hand, out, pruned) = (paths.path("mine.json"), paths.path("out"), paths.path("pruned"));
    let mut selection = serde_json::Map::new();
    for layer in 0..4 {
        selection.insert(format!("ffn.{layer}"), object!([0, 1, 2, 500]));
    }
    let others: Vec<usize> = (4..512).collect();
    selection.insert("ffn.4".into(), object!({ "kept": others }));
    fs::write(&hand, object!({ "selection": selection }).to_string()).unwrap();
    let sliced = json(&dress(&["slice", "--plan", &hand, &model, &out, "--json"]));
    assert_eq!(
        sliced["parameters_before"].as_u64().unwrap() - sliced["parameters"].as_u64().unwrap(),
        5 * 4 * 3 * 192
    );
    let args = ["prune", "--model", &model, "--plan", &hand, "--no-regularize", "--out", &pruned, "--json"];
    let report = json(&dress(&args));
    assert_eq!((&report["parameters"], &report["criterion"]), (&sliced["parameters"], &"by hand".into()));
    let written: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("pruned/plan.json")).unwrap()).unwrap();
    assert_eq!(gone(&written, "ffn.4"), [0, 1, 2, 3]);
    assert_eq!(written["fingerprint"].as_str().unwrap().len(), 64, "it is of this model now");
    fs::write(&hand, r#"{"selection": {"ffn.0": [512]}}"#).unwrap();
    assert!(refusal(&["slice", "--plan", &hand, &model, &out, "--force"]).contains("512"));
    fs::write(&hand, r#"{"selection": {"ffn.9": [0]}}"#).unwrap();
    assert!(refusal(&["slice", "--plan", &hand, &model, &out, "--force"]).contains("ffn.9"));
}
