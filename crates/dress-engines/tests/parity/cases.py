"""The checkpoints that engines are given: every family dense and sliced on every axis, in f32.

They are made of the small models in `examples/models` by `dress prune`, which cuts without training.
"""
import json
import pathlib
import shutil

ROOT = pathlib.Path(__file__).parents[4]
MODELS, TEXTS = ROOT / "examples" / "models", ROOT / "examples" / "models" / "kjv"
UNEVEN = ["--per-layer", "--target", "dress"]
LLAMA_3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 8192}


def axis(kinds, ratio, *more):
    return ["--axis", kinds, "--ratio", str(ratio), *more]


# What it is called, the model, what goes, and how the model's configuration is changed before.
CASES = [
    ("LLaMA-3, dense", "llama3-kjv", None, None),
    ("LLaMA-3, width 144", "llama3-kjv", axis("residual", 0.25), None),
    ("LLaMA-3, width 96 and 3 heads", "llama3-kjv", axis("residual,heads", 0.5), None),
    ("LLaMA-3, 384 neurons", "llama3-kjv", axis("ffn", 0.25), None),
    ("LLaMA-3, 301 neurons", "llama3-kjv", axis("ffn", 0.4121), None),
    ("LLaMA-3, 3 heads", "llama3-kjv", axis("heads", 0.5), None),
    ("LLaMA-3, 4 of 5 layers", "llama3-kjv", axis("depth", 0.2, "--criterion", "block-influence"), None),
    ("LLaMA-3, biases that make up for neurons", "llama3-kjv", axis("ffn", 0.25, "--compensate", "bias"), None),
    ("LLaMA-3, neurons that differ in multiples of 256", "llama3-kjv", axis("ffn", 0.25, "--tile", "256", *UNEVEN), None),
    ("LLaMA-3, neurons that differ", "llama3-kjv", axis("ffn", 0.3, *UNEVEN), None),
    ("LLaMA-3, neurons and heads that differ", "llama3-kjv", axis("ffn,heads", 0.3, *UNEVEN), None),
    ("LLaMA-3, FLAP: neurons and heads that differ, biases", "llama3-kjv",
     axis("ffn,heads", 0.3, "--criterion", "flap", "--compensate", "bias", *UNEVEN), None),
    ("LLaMA-3, 384 neurons, from `rope_parameters` alone", "llama3-kjv", axis("ffn", 0.25), "newer"),
    ("LLaMA-3, 384 neurons, rotary scaling `llama3`", "llama3-kjv", axis("ffn", 0.25), "scaled"),
    ("LLaMA-3, dense, with `rope_parameters` alone", "llama3-kjv", None, "newer"),
    ("LLaMA-2, dense", "llama2-kjv", None, None),
    ("LLaMA-2, width 96", "llama2-kjv", axis("residual", 0.25), None),
    ("LLaMA-2, width 64 and 4 heads", "llama2-kjv", axis("residual,heads", 0.5), None),
    ("LLaMA-2, 258 neurons", "llama2-kjv", axis("ffn", 0.25, "--target", "all"), None),
    ("LLaMA-2, 4 heads", "llama2-kjv", axis("heads", 0.5), None),
    ("OPT, dense", "opt-kjv", None, None),
    ("OPT, width 96 and 6 heads", "opt-kjv", axis("residual,heads", 0.25), None),
    ("OPT, 384 neurons", "opt-kjv", axis("ffn", 0.25), None),
    ("OPT, width 96", "opt-kjv", axis("residual", 0.25, "--target", "dress"), None),
    ("Phi, dense", "phi2-kjv", None, None),
    ("Phi, dense, with `rope_parameters` alone", "phi2-kjv", None, "newer"),
    ("Phi, width 96 and 6 heads", "phi2-kjv", axis("residual,heads", 0.25), None),
    ("Phi, 384 neurons", "phi2-kjv", axis("ffn", 0.25), None),
    ("Phi, width 96", "phi2-kjv", axis("residual", 0.25, "--target", "transformers"), None),
    ("Phi, 6 heads", "phi2-kjv", axis("heads", 0.25, "--target", "transformers"), None),
]


def widened(path):
    """A safetensors file with its bf16 tensors as f32, so that no engine rounds what another does not."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body, parts = json.loads(data[8:8 + length]), data[8 + length:], []
    end = 0
    for name, info in header.items():
        if name == "__metadata__":
            continue
        first, last = info["data_offsets"]
        numbers = body[first:last]
        if info["dtype"] == "BF16":
            wide = bytearray(2 * len(numbers))
            wide[2::4], wide[3::4] = numbers[0::2], numbers[1::2]
            numbers, info["dtype"] = bytes(wide), "F32"
        info["data_offsets"] = [end, end + len(numbers)]
        end += len(numbers)
        parts.append(numbers)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def source(name, changed, place):
    """A copy of a model in f32, its rotary settings spelled as `changed` says."""
    shutil.copytree(MODELS / name, place)
    (place / "model.safetensors").write_bytes(widened(MODELS / name / "model.safetensors"))
    config = json.loads((place / "config.json").read_text()) | {"torch_dtype": "float32"}
    if changed:
        theta = config.pop("rope_theta")
        config.pop("rope_scaling", None)
        scaling = LLAMA_3 if changed == "scaled" else {"rope_type": "default"}
        partial = {key: config.pop(key) for key in ["partial_rotary_factor"] if key in config}
        config["rope_parameters"] = scaling | {"rope_theta": theta} | partial
    (place / "config.json").write_text(json.dumps(config, indent=2))
    return place


def prune_command(dress, model, chosen, out):
    words = [dress, "prune", "--model", model, "--calibration", TEXTS / "calibration.txt", "--no-regularize", "--samples", 8,
             "--seqlen", 128, *chosen, "--out", out, "--json"]
    criterion = [] if "--criterion" in chosen else ["--criterion", "magnitude-l2"]
    return [str(word) for word in [*words, *criterion]]
