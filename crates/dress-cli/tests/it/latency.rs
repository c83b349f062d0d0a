//! Costs that are measured, and a plan by them.

use crate::{Paths, dress, json as json_of, model, refusal};
use dress_core::burn::tensor::Device;
use dress_core::{CausalLm, SlicePlan};
use dress_models::AnyModel;
use dress_prune::{Latency, Load};
use serde_json::json;
use std::fs;

/// How much of what costs time a checkpoint has.
fn load(model: &str) -> Load {
    Load::of(&dress_cli::declared(model.as_ref()).unwrap())
}

#[test]
fn a_share_of_the_measured_time_becomes_a_plan_and_another_shape_is_refused() {
    let (paths, model) = (Paths::new(), model());
    let model = model.to_str().unwrap();
    let (costs, plan) = (paths.path("costs.json"), paths.path("plan.json"));
    let few = ["--prefill-tokens", "32", "--prompt-tokens", "4", "--new-tokens", "4", "--rounds", "3"];
    let measured =
        json_of(&dress(&[&["costs", "--model", model, "--out", &costs, "--json"][..], &few].concat()));
    let shapes = measured["shapes"].as_array().unwrap();
    let gone: Vec<&str> = shapes[1..].iter().map(|shape| shape["gone"][0].as_str().unwrap()).collect();
    assert_eq!(gone, ["residual", "ffn", "heads", "depth"]);
    let file = dress_cli::CostsFile::read(costs.as_ref(), load(model)).unwrap();
    let seconds = |milliseconds: fn(&dress_cli::TimedShape) -> f64| {
        let timed: Vec<_> =
            file.shapes.iter().map(|shape| (shape.load, milliseconds(shape) / 1000.0)).collect();
        Latency::fit(&timed).unwrap()
    };
    assert_eq!(file.decode, seconds(|shape| shape.decode_ms.median));
    assert_eq!(file.prefill, seconds(|shape| shape.prefill_ms.median));

    // Of a model this small, what a test's few rounds measure is mostly noise: plans are made by costs that are known.
    let mut known = measured;
    let costs_of = json!({
        "decode": { "per_layer": 1e-5, "in_layers": 1e-10, "outside": 3e-10 },
        "prefill": { "per_layer": 1e-4, "in_layers": 1e-9, "outside": 1e-9 },
    });
    known["decode"] = costs_of["decode"].clone();
    known["prefill"] = costs_of["prefill"].clone();
    for shape in known["shapes"].as_array_mut().unwrap() {
        let load: Load = serde_json::from_value(shape["load"].clone()).unwrap();
        for (pass, times) in [("decode", "decode_ms"), ("prefill", "prefill_ms")] {
            let costs: Latency = serde_json::from_value(costs_of[pass].clone()).unwrap();
            shape[times]["median"] = json!(1000.0 * costs.seconds(load));
        }
    }
    fs::write(&costs, known.to_string()).unwrap();

    for pass in ["decode", "prefill"] {
        let score = ["score", "--model", model, "--axis", "residual,ffn", "--criterion", "magnitude-l2"];
        let by = [
            "--latency",
            "0.7",
            "--costs",
            &costs,
            "--latency-of",
            pass,
            "--out",
            &plan,
            "--force",
            "--json",
        ];
        json_of(&dress(&[&score[..], &by].concat()));
        let plan = SlicePlan::from_json(&fs::read_to_string(&plan).unwrap(), plan.as_ref()).unwrap();
        let dense = dress_cli::declared(model.as_ref()).unwrap();
        let sliced = dense.clone().resized(&plan.selection).unwrap().config_json("float32");
        let left = AnyModel::from_config(&sliced, "config.json".as_ref(), &Device::flex()).unwrap();
        let file = dress_cli::CostsFile::read(costs.as_ref(), load(model)).unwrap();
        let costs =
            file.of(if pass == "decode" { dress_cli::Pass::Decode } else { dress_cli::Pass::Prefill });
        let share = costs.seconds(Load::of(&left)) / costs.seconds(Load::of(&dense));
        assert!((share / 0.7 - 1.0).abs() < 0.005, "{pass}: {share}");
    }

    let other = paths.path("other");
    json_of(&dress(&[
        "prune",
        "--model",
        model,
        "--axis",
        "ffn",
        "--ratio",
        "0.25",
        "--criterion",
        "magnitude-l2",
        "--no-regularize",
        "--out",
        &other,
        "--json",
    ]));
    let score = ["score", "--model", &other, "--axis", "ffn", "--criterion", "magnitude-l2", "--out"];
    let says =
        refusal(&[&score[..], &[&paths.path("p.json"), "--latency", "0.7", "--costs", &costs]].concat());
    assert!(says.contains("costs.json") && says.contains("dress costs"), "{says}");
}
