"""Makes the first inputs of every fuzz target in `corpus/TARGET`, from the fixtures and from tiny files of its own.

Needs nothing but Python and the repository; the same inputs every time, 300 KB in all.

usage: python fuzz/make_corpus.py [--dress target/release/dress]
"""
import argparse
import gzip
import json
import pathlib
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "crates" / "dress-models" / "tests" / "fixtures"
TASKS = HERE.parent / "crates" / "dress-eval" / "src" / "tasks" / "files"
CONFIGS = {
    "llama": dict(model_type="llama", hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                  vocab_size=4, hidden_act="silu", rms_norm_eps=1e-5, max_position_embeddings=8, tie_word_embeddings=True, rope_theta=1e4),
    "opt": dict(model_type="opt", hidden_size=4, ffn_dim=4, num_hidden_layers=1, num_attention_heads=2, vocab_size=4, word_embed_proj_dim=4,
                max_position_embeddings=8, activation_function="relu", do_layer_norm_before=True, tie_word_embeddings=True),
    "phi": dict(model_type="phi", hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1,
                vocab_size=4, hidden_act="gelu_new", layer_norm_eps=1e-5, max_position_embeddings=8, partial_rotary_factor=0.5,
                tie_word_embeddings=False, rope_theta=1e4),
}


def shapes(family):
    """The tensors of a layer of the configurations above."""
    square, biased = (4, 4), lambda stem: {f"{stem}.weight": (4, 4), f"{stem}.bias": (4,)}
    if family == "llama":
        layer = {f"self_attn.{part}_proj.weight": ((2, 4) if part in "kv" else square) for part in "qkvo"}
        layer |= {f"mlp.{part}_proj.weight": square for part in ("gate", "up", "down")}
        layer |= {"input_layernorm.weight": (4,), "post_attention_layernorm.weight": (4,)}
        top = {"model.embed_tokens.weight": square, "model.norm.weight": (4,)}
        return top | {f"model.layers.0.{name}": shape for name, shape in layer.items()}
    if family == "opt":
        stems = [f"self_attn.{part}" for part in ("q_proj", "k_proj", "v_proj", "out_proj")] + ["fc1", "fc2"]
        layer = {name: shape for stem in stems for name, shape in biased(stem).items()}
        layer |= {f"{norm}.{kind}": (4,) for norm in ("self_attn_layer_norm", "final_layer_norm") for kind in ("weight", "bias")}
        top = {"model.decoder.embed_tokens.weight": square, "model.decoder.embed_positions.weight": (10, 4),
               "model.decoder.final_layer_norm.weight": (4,), "model.decoder.final_layer_norm.bias": (4,)}
        return top | {f"model.decoder.layers.0.{name}": shape for name, shape in layer.items()}
    stems = [f"self_attn.{part}" for part in ("q_proj", "k_proj", "v_proj", "dense")] + ["mlp.fc1", "mlp.fc2"]
    layer = {name: shape for stem in stems for name, shape in biased(stem).items()}
    layer |= {"input_layernorm.weight": (4,), "input_layernorm.bias": (4,)}
    top = {"model.embed_tokens.weight": square, "model.final_layernorm.weight": (4,), "model.final_layernorm.bias": (4,)}
    return top | biased("lm_head") | {f"model.layers.0.{name}": shape for name, shape in layer.items()}


def safetensors(shapes, kind="F32"):
    size, header, data = {"F32": 4, "BF16": 2}[kind], {}, b""
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        made = struct.pack("<f", 0.5)[4 - size:] * count
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(made)]}
        data += made
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def checkpoints():
    for family, config in CONFIGS.items():
        for kind in ("F32", "BF16"):
            yield f"{family}-{kind}", json.dumps(config).encode() + b"\0" + safetensors(shapes(family), kind)


def byte_level():
    pieces = {"<s>": 0} | {chr(code): code - 32 for code in range(33, 127)} | {"\u0120": 95, "th": 96, "the": 97}
    special = {"id": 0, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [special], "normalizer": None, "pre_tokenizer": level,
            "post_processor": level, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": pieces, "merges": [["t", "h"], ["th", "e"]]}}


def tokenizer_files():
    made = byte_level()
    model = made["model"]
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}
    settings = {"bos_token": "<s>", "add_bos_token": True, "tokenizer_class": "GPT2Tokenizer",
                "added_tokens_decoder": {"98": {"content": "<|im_end|>", "special": True}}}
    dump = lambda value: json.dumps(value, separators=(",", ":")).encode()
    merges = b"#version: 0.2\nt h\nth e\n"
    yield "plain", dump(made)
    yield "template", dump(made | {"post_processor": template, "normalizer": {"type": "NFC"}})
    yield "settings", b"\0".join([dump(made), dump(settings), dump({"<|im_start|>": 99}), dump({"additional_special_tokens": ["<x>"]})])
    yield "vocabulary", b"\0".join([b"", dump(settings), b"", dump({"bos_token": "<s>"}), dump(model["vocab"]), merges])
    yield "unigram", dump(made | {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
                                  "post_processor": None, "decoder": None,
                                  "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["t", -1.0], ["\u2581th", -2.0]]}})


ROWS = {"piqa": {"goal": "open", "sol1": "a", "sol2": "b", "label": 0},
        "hellaswag": {"activity_label": "x", "ctx_a": "A", "ctx_b": "b", "endings": ["c", "d"], "label": "1"},
        "winogrande": {"sentence": "a _ b", "option1": "x", "option2": "y", "answer": "1"},
        "arc_easy": {"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "A"},
        "boolq": {"passage": "p", "question": "q", "label": 1}, "lambada_openai": {"text": "one two"},
        "openbookqa": {"question_stem": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
        "triviaqa": {"question": "q", "answer": {"aliases": ["a", "b"], "value": "a"}}}


def tasks():
    for name, row in ROWS.items():
        yield name, (TASKS / f"{name}.toml").read_bytes() + b"\0" + json.dumps(row).encode()
    loops = 'name = "x"\nkind = "loglikelihood"\ncontext = "{% for i in range(3) %}{{ text }}{% endfor %}"\ntarget = "{{ text }}"\n' \
            'metrics = ["acc"]\nheadline = "acc"\n'
    yield "loop", loops.encode() + b'\0{"text": "a"}'


def written_by(dress, *words, result):
    """The file that a command writes about a small model, or nothing without the binary."""
    if not dress:
        return
    models = HERE.parent / "examples" / "models"
    with tempfile.TemporaryDirectory() as scratch:
        command = [dress, *words, "--model", models / "opt-kjv", "--seqlen", "16", "--out", pathlib.Path(scratch) / result.split("/")[0]]
        subprocess.run([str(word).replace("TEXTS", str(models / "kjv")) for word in command], check=True, capture_output=True)
        yield "written", (pathlib.Path(scratch) / result).read_bytes()


def reports(dress):
    yield "empty", b'{"format":1,"models":[]}'
    yield from written_by(dress, "eval", "--data", "TEXTS/heldout.txt", "--max-blocks", "1", "--speed", "--rounds", "2", "--batches", "1",
                          "--prefill-tokens", "16", "--prompt-tokens", "16", "--new-tokens", "2", result="out/report.json")


def plans(dress):
    yield "empty", b'{"format":1}'
    yield from written_by(dress, "score", "--calibration", "TEXTS/calibration.txt", "--axis", "ffn", "--ratio", "0.25", "--samples", "1",
                          result="plan.json")


def corpora():
    lines = b'{"text": "one"}\n{"text": "two"}\n'
    for number, content in {0: b"one\ntwo\n", 1: lines, 2: b'[{"text":"one"},{"instruction":"a","input":"","output":"b"}]',
                            3: gzip.compress(lines, mtime=0), 6: b'text,label\n"one, two",1\n', 7: gzip.compress(lines, mtime=0)}.items():
        yield f"ending-{number}", bytes([number]) + content
    yield "messages", b'\x01{"messages": [{"role": "user", "content": "hello"}]}\n'
    yield "null", b'\x01{"text": null}\n'


def fixtures(pattern):
    for path in sorted(FIXTURES.glob(pattern)):
        yield "-".join(path.relative_to(FIXTURES).parts), path.read_bytes()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", help="the binary, which writes a plan and a report to start from")
    dress = parser.parse_args().dress
    made = {"checkpoint": checkpoints(), "tokenizer": tokenizer_files(), "task": tasks(), "report": reports(dress), "corpus": corpora(),
            "config": fixtures("*/config*.json"), "shard_index": fixtures("*/*.index.json"), "gguf": fixtures("*.gguf"), "plan": plans(dress)}
    for target, inputs in made.items():
        directory = HERE / "corpus" / target
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in inputs:
            (directory / name).write_bytes(content)


if __name__ == "__main__":
    main()
