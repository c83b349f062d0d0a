"""Oddities of the files that hold the weights: tying, names, types, shards, indexes and what stands beside them."""
import json
import struct

import torch
from safetensors.torch import save

from .checkpoint import pickled, sharded, whole
from .registry import ALL, ROTARY, act_on_tensors, add, config, file, layout, shape, without

HEAD = "lm_head.weight"


def dropped(gone):
    return act_on_tensors(lambda tensors, checkpoint: {name: value for name, value in tensors.items() if name != gone})


# Tying.
def head(kind):
    def change(tensors, checkpoint):
        embedding = tensors[checkpoint.embedding]
        tensors.pop(HEAD, None)
        if kind == "equal":
            tensors[HEAD] = embedding.clone()
        elif kind == "different":
            tensors[HEAD] = checkpoint.noise(*embedding.shape)
        elif kind == "one-bit":
            tensors[HEAD] = embedding.clone()
            tensors[HEAD][7, 3] += 0.5
        elif kind == "alone":
            tensors[HEAD] = tensors.pop(checkpoint.embedding)
        elif kind == "bf16":
            tensors[HEAD] = embedding.to(torch.bfloat16)
        elif kind == "wrong-shape":
            tensors[HEAD] = checkpoint.noise(embedding.shape[0] - 4, embedding.shape[1])
        elif kind == "zeros":
            tensors[HEAD] = torch.zeros_like(embedding)
    return act_on_tensors(change)


for kind in ("none", "equal", "different", "one-bit", "alone", "bf16", "wrong-shape", "zeros"):
    add("tying", ALL, f"tied-head-{kind}", shape(tie_word_embeddings=True), head(kind))
    add("tying", ALL, f"untied-head-{kind}", shape(tie_word_embeddings=False), head(kind))
    add("tying", ALL, f"unsaid-head-{kind}", head(kind), without("tie_word_embeddings"))
for kind in ("none", "equal", "different", "alone"):
    add("tying", ALL, f"tied-sharded-head-{kind}", shape(tie_word_embeddings=True), head(kind), layout(sharded, count=3))
    add("tying", ALL, f"tied-bin-head-{kind}", shape(tie_word_embeddings=True), head(kind), layout(pickled))
add("tying", ALL, "text", config(tie_word_embeddings="true"))
add("tying", ALL, "number", config(tie_word_embeddings=1))
add("tying", "phi", "tied-head-bias-none", shape(tie_word_embeddings=True), head("none"),
    dropped("lm_head.bias"))
add("tying", "llama opt", "head-bias", act_on_tensors(lambda tensors, c: tensors.update({"lm_head.bias": c.noise(320)})))
add("tying", "opt", "projected-tied-head-different", shape(word_embed_proj_dim=16), head("different"))


# Names.
def renamed(rename):
    return act_on_tensors(lambda tensors, checkpoint: {rename(name): value for name, value in tensors.items()})


add("names", ALL, "without-model", renamed(lambda name: name.removeprefix("model.")))
add("names", ALL, "without-model-or-head", renamed(lambda name: name.removeprefix("model.")),
    dropped(HEAD))
add("names", ALL, "some-without-model",
    renamed(lambda name: name.removeprefix("model.") if ".1." in name else name))
for prefix in ("_orig_mod.", "module.", "transformer.", "base_model.model.", "model.", "language_model.", "0."):
    add("names", ALL, f"prefix-{prefix}", renamed(lambda name, prefix=prefix: prefix + name), says=prefix)
add("names", ALL, "inner-prefix", renamed(lambda name: name.replace("model.", "model._orig_mod.", 1)))
add("names", ALL, "gamma-beta", renamed(lambda name: name.replace("norm.weight", "norm.gamma").replace("norm.bias", "norm.beta")))
add("names", ALL, "lora-base-layer", renamed(lambda name: name.replace("q_proj.", "q_proj.base_layer.")), says="base_layer")
add("names", ALL, "upper-case", renamed(str.upper))


# Tensors that are not a parameter.
def with_tensors(**made):
    return act_on_tensors(lambda tensors, c: tensors.update({name.replace("__", "."): make(c) for name, make in made.items()}))


def each_layer(stem, make):
    def change(tensors, checkpoint):
        layers = "model.decoder.layers" if checkpoint.family == "opt" else "model.layers"
        tensors.update({f"{layers}.{i}.{stem}": make(checkpoint) for i in range(2)})
    return act_on_tensors(change)


EXTRAS = {"self_attn.rotary_emb.inv_freq": lambda c: torch.arange(4.0), "self_attn.rotary_emb.cos_cached": lambda c: c.noise(1, 1, 128, 8),
          "self_attn.rotary_emb.sin_cached": lambda c: c.noise(1, 1, 128, 8), "self_attn.masked_bias": lambda c: torch.tensor(-1e4),
          "self_attn.q_proj.lora_A.weight": lambda c: c.noise(4, 32), "self_attn.q_norm.weight": lambda c: c.noise(8),
          "self_attn.q_proj.weight_scale": lambda c: torch.ones(1), "mlp.gate.weight": lambda c: c.noise(4, 32),
          "self_attn.bias": lambda c: torch.ones(1, 1, 8, 8, dtype=torch.bool), "self_attn.k_scale": lambda c: torch.ones(())}
for stem, make in EXTRAS.items():
    add("extra", ALL, f"layer-{stem}", each_layer(stem, make))
TOPS = {"model__rotary_emb__inv_freq": lambda c: torch.arange(4.0), "decoder__version": lambda c: torch.tensor([3.0]),
        "model__decoder__version": lambda c: torch.tensor([3.0]), "score__weight": lambda c: c.noise(2, 32),
        "v_head__summary__weight": lambda c: c.noise(1, 32), "model__embed_positions__weight": lambda c: c.noise(128, 32),
        "counter": lambda c: torch.tensor(7), "empty": lambda c: torch.zeros(0, 4), "mask": lambda c: torch.ones(4, dtype=torch.bool),
        "model__norm__bias": lambda c: c.noise(32), "not_a_number": lambda c: torch.tensor([float("nan")])}
for name, make in TOPS.items():
    add("extra", ALL, name.replace("__", "."), with_tensors(**{name: make}))
add("extra", ALL, "one-more-layer", act_on_tensors(lambda tensors, c: tensors.update(
    {name.replace(".layers.1.", ".layers.2."): value.clone() for name, value in tensors.items() if ".layers.1." in name})))
add("extra", ALL, "bias-where-none", act_on_tensors(lambda tensors, c: tensors.update(
    {f"model.{'decoder.' if c.family == 'opt' else ''}layers.0.self_attn.o_proj.bias": c.noise(32)})))


# Lacking.
def less(pick):
    return act_on_tensors(lambda tensors, c: {name: value for name, value in tensors.items() if not pick(name)})


add("lacking", ALL, "embedding", less(lambda name: "embed_tokens" in name))
add("lacking", ALL, "a-layer", less(lambda name: ".layers.1." in name))
add("lacking", ALL, "a-norm", less(lambda name: ".layers.0." in name and "norm" in name))
add("lacking", ALL, "last-norm", less(lambda name: "final_layer" in name or name.startswith("model.norm")))
add("lacking", "opt phi", "a-bias", less(lambda name: name.endswith("1.self_attn.q_proj.bias")))
add("lacking", "phi", "head-bias", less(lambda name: name == "lm_head.bias"))
add("lacking", "opt", "positions", less(lambda name: "embed_positions" in name))


# Types.
def typed(pick):
    return act_on_tensors(lambda tensors, c: {name: value.to(pick(number, name)) for number, (name, value) in enumerate(tensors.items())})


for kind in ("float16", "bfloat16", "float64", "int8", "int64", "float8_e4m3fn", "bool"):
    add("type", ALL, kind, typed(lambda number, name, kind=getattr(torch, kind): kind), config(torch_dtype=kind))
MIXED = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
add("type", ALL, "mixed", typed(lambda number, name: MIXED[number % 4]))
add("type", ALL, "norms-float32", typed(lambda number, name: torch.float32 if "norm" in name else torch.bfloat16))
add("type", ALL, "config-says-other", typed(lambda number, name: torch.bfloat16))
add("type", ALL, "config-says-unknown", config(torch_dtype="float7"))
add("type", ALL, "config-says-auto", config(torch_dtype="auto"))
add("type", ALL, "config-says-torch.float16", config(torch_dtype="torch.float16"))
add("type", ALL, "one-int8", typed(lambda number, name: torch.int8 if "0.self_attn.q_proj.weight" in name else torch.float32))


# Values and shapes.
def changed(stem, change):
    def act(tensors, checkpoint):
        for name in tensors:
            if name.endswith(stem):
                tensors[name] = change(tensors[name])
    return act_on_tensors(act)


def poked(value):
    def change(tensor):
        tensor = tensor.clone()
        tensor.view(-1)[3] = value
        return tensor
    return change


add("values", ALL, "not-a-number", changed("0.self_attn.q_proj.weight", poked(float("nan"))), says="q_proj")
add("values", ALL, "infinite", changed("0.self_attn.q_proj.weight", poked(float("inf"))), says="q_proj")
add("values", ALL, "zeros", changed("0.self_attn.q_proj.weight", torch.zeros_like))
add("values", ALL, "huge", changed("0.self_attn.q_proj.weight", poked(1e30)))
add("values", ALL, "subnormal", changed("0.self_attn.q_proj.weight", poked(1e-42)))
add("values", ALL, "transposed", changed("0.self_attn.k_proj.weight", lambda value: value.t().contiguous()), says="k_proj")
add("values", ALL, "norm-as-column", changed("norm.weight", lambda value: value[:, None]), says="norm")
add("values", ALL, "flat", changed("0.self_attn.q_proj.weight", lambda value: value.reshape(-1)), says="q_proj")
add("values", ALL, "rows-padded", changed("embed_tokens.weight", lambda value: torch.cat([value, value[:8]])), says="embed_tokens")


# Shards and indexes.
def index_change(change):
    return layout(sharded, change=change)


def listed(name, number):
    def change(shards, files, index):
        index["weight_map"][name] = files[number]
    return change


def unlisted(name, make):
    def change(shards, files, index):
        shards[0][name] = make()
    return change


def swapped(shards, files, index):
    map = index["weight_map"]
    index["weight_map"] = {name: files[1 - files.index(file)] for name, file in map.items()}


def twice(shards, files, index):
    """One tensor in both shards, with other numbers in the one that the index does not name."""
    name = next(iter(shards[0]))
    shards[1][name] = shards[0][name] * 2


def twice_listed_second(shards, files, index):
    name = next(iter(shards[0]))
    shards[1][name] = shards[0][name] * 2
    index["weight_map"][name] = files[1]


def unlisted_parameter(shards, files, index):
    del index["weight_map"][next(iter(shards[0]))]


def renamed_keys(shards, files, index):
    index["weight_map"] = {"other." + name: file for name, file in index["weight_map"].items()}


SHARDINGS = {"two": None, "no-metadata": lambda s, f, i: {"weight_map": i["weight_map"]},
             "metadata-null": lambda s, f, i: {"metadata": None, "weight_map": i["weight_map"]},
             "size-wrong": lambda s, f, i: i["metadata"].update(total_size=1), "size-as-text": lambda s, f, i: i["metadata"].update(total_size="9"),
             "lists-inv-freq": listed("model.layers.0.self_attn.rotary_emb.inv_freq", 0), "lists-head": listed(HEAD, 0),
             "lists-unknown": listed("model.layers.0.mystery.weight", 1), "holds-inv-freq":
             unlisted("model.layers.0.self_attn.rotary_emb.inv_freq", lambda: torch.arange(4.0)),
             "holds-unknown": unlisted("mystery.weight", lambda: torch.zeros(3)), "holds-version": unlisted("decoder.version", lambda: torch.zeros(1)),
             "swapped": swapped, "twice": twice, "twice-second-listed": twice_listed_second, "parameter-unlisted": unlisted_parameter,
             "keys-renamed": renamed_keys, "reversed-map": lambda s, f, i: i.update(weight_map=dict(reversed(i["weight_map"].items()))),
             "map-empty": lambda s, f, i: i.update(weight_map={}), "no-map": lambda s, f, i: {"metadata": {}},
             "file-of-another-place": lambda s, f, i: i["weight_map"].update({next(iter(s[0])): "../" + f[0]})}
for name, change in SHARDINGS.items():
    add("shards", ALL, name, index_change(change))
add("shards", ALL, "many", layout(sharded, count=9))
add("shards", ALL, "one", layout(sharded, count=1))
add("shards", ALL, "first-missing", layout(sharded, drop=(0,)), says="00001-of-00002")
add("shards", ALL, "last-missing", layout(sharded, drop=(1,)), says="00002-of-00002")
add("shards", ALL, "bin", layout(sharded, stem="pytorch_model", ending="bin"))
add("shards", ALL, "bin-missing", layout(sharded, stem="pytorch_model", ending="bin", drop=(1,)))


def without_index(checkpoint, directory, tensors):
    sharded(checkpoint, directory, tensors)
    (directory / "model.safetensors.index.json").unlink()


def in_folder(checkpoint, directory, tensors):
    def change(shards, files, index):
        files[:] = ["sub/" + name for name in files]
        index["weight_map"] = {name: "sub/" + file for name, file in index["weight_map"].items()}
    (directory / "sub").mkdir()
    sharded(checkpoint, directory, tensors, change=change)


add("shards", ALL, "no-index", layout(without_index))
add("shards", ALL, "in-a-folder", layout(in_folder))


# Several sets of weights.
def other(tensors):
    return {name: value * 1.1 for name, value in tensors.items()}


def both(first, second):
    """`first` holds the numbers, `second` others."""
    def write(checkpoint, directory, tensors):
        second(checkpoint, directory, other(tensors))
        first(checkpoint, directory, tensors)
    return layout(write)


def bin_sharded(checkpoint, directory, tensors):
    sharded(checkpoint, directory, tensors, stem="pytorch_model", ending="bin")


def stale(write, remove):
    def act(checkpoint, directory, tensors):
        write(checkpoint, directory, other(tensors))
        for path in directory.glob(remove):
            path.unlink()
    return act


SETS = {"safetensors": whole, "shards": sharded, "bin": pickled, "bin-shards": bin_sharded,
        "old-index": stale(sharded, "*-of-*"), "old-bin-index": stale(bin_sharded, "*-of-*"),
        "shards-no-index": without_index}
for first, write in SETS.items():
    for second, write_second in SETS.items():
        if first != second and not {first, second} == {"shards", "shards-no-index"}:
            add("sets", "llama opt" if "bin" in first + second else "llama phi", f"{first}-beside-{second}", both(write, write_second))
add("sets", ALL, "only-old-index", layout(stale(sharded, "*-of-*")))
add("sets", ALL, "consolidated-beside", file("consolidated.00.pth", b"not weights"))
add("sets", ALL, "other-name", layout(whole, file="weights.safetensors"))
add("sets", ALL, "adapter-model-name", layout(whole, file="adapter_model.safetensors"))
add("sets", ALL, "training-leftovers", file("optimizer.pt", b"x"), file("training_args.bin", b"x"), file("scheduler.pt", b"x"))
add("sets", ALL, "variant-beside", file("model.fp16.safetensors", lambda c: save({name: v * 2 for name, v in c.tensors.items()})))
add("sets", ALL, "none", layout(lambda *args: None))


def adapter(checkpoint):
    layers = "model.decoder.layers" if checkpoint.family == "opt" else "model.layers"
    made = {f"base_model.model.{layers}.{i}.self_attn.q_proj.lora_{part}.weight": checkpoint.noise(*size)
            for i in range(2) for part, size in (("A", (4, 32)), ("B", (32, 4)))}
    return save(made, {"format": "pt"})


ADAPTER = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", "base_model_name_or_path": None,
           "inference_mode": True, "bias": "none", "lora_dropout": 0.0}
add("sets", ALL, "adapter-beside", file("adapter_model.safetensors", adapter), file("adapter_config.json", ADAPTER), says="adapter")
add("sets", ALL, "adapter-weights-beside", file("adapter_model.safetensors", adapter))
add("sets", ALL, "adapter-settings-beside", file("adapter_config.json", ADAPTER), says="adapter")


# The files themselves.
def rewritten(change):
    def write(checkpoint, directory, tensors):
        whole(checkpoint, directory, tensors)
        path = directory / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))
    return layout(write)


def header(change):
    def act(data):
        length = struct.unpack("<Q", data[:8])[0]
        made = change(json.loads(data[8:8 + length]))
        made = made if isinstance(made, bytes) else json.dumps(made).encode()
        return struct.pack("<Q", len(made)) + made + data[8 + length:]
    return rewritten(act)


add("file", ALL, "no-metadata", layout(whole, metadata=None))
for name in ("np", "tf", "mlx", "flax", "other"):
    add("file", ALL, f"format-{name}", layout(whole, metadata={"format": name}))
add("file", ALL, "metadata-without-format", layout(whole, metadata={"total_parameters": "9"}))
add("file", ALL, "padded-header", header(lambda made: json.dumps(made).encode() + b" " * 4096))
add("file", ALL, "sorted-header", header(lambda made: dict(sorted(made.items(), reverse=True))))
add("file", ALL, "truncated", rewritten(lambda data: data[:-100]), says="model.safetensors")
add("file", ALL, "trailing-bytes", rewritten(lambda data: data + b"\0" * 64))
add("file", ALL, "empty", rewritten(lambda data: b""))
add("file", ALL, "lfs-pointer", rewritten(lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 +
                                          b"\nsize 100\n"), says="LFS")
add("file", ALL, "html", rewritten(lambda data: b"<!DOCTYPE html><html>login</html>"))
add("file", ALL, "a-pickle", layout(pickled, file="model.safetensors"))
add("file", ALL, "a-safetensors-called-bin", layout(whole, file="pytorch_model.bin"))
add("file", ALL, "no-tensors", layout(lambda c, directory, tensors: whole(c, directory, {})))

# Pickles, of plain tensors alone.
add("pickle", ALL, "plain", layout(pickled))
add("pickle", ALL, "old-format", layout(pickled, _use_new_zipfile_serialization=False))
add("pickle", ALL, "model-key", layout(pickled, wrap=lambda tensors: {"model": tensors, "epoch": 3}), says="model")
add("pickle", ALL, "state-dict-key", layout(pickled, wrap=lambda tensors: {"state_dict": tensors}), says="state_dict")
add("pickle", ALL, "number-beside", layout(pickled, wrap=lambda tensors: tensors | {"step": 7}))
add("pickle", ALL, "metadata", layout(pickled, wrap=lambda tensors: tensors | {"_metadata": {"": {"version": 1}}}))
add("pickle", ALL, "parameters", layout(pickled, wrap=lambda tensors: {n: torch.nn.Parameter(v) for n, v in tensors.items()}))
add("pickle", ALL, "transposed-strides", layout(pickled, wrap=lambda tensors: {n: v.t().contiguous().t() if v.ndim == 2 else v for n, v in tensors.items()}))
add("pickle", ALL, "views-of-one", layout(pickled, wrap=lambda tensors: views(tensors)))
add("pickle", ALL, "bfloat16", typed(lambda number, name: torch.bfloat16), layout(pickled))
add("pickle", ALL, "float64", typed(lambda number, name: torch.float64), layout(pickled))
add("pickle", ALL, "two-protocols", layout(pickled, pickle_protocol=4))
add("pickle", ALL, "expanded", layout(pickled, wrap=lambda tensors: {n: v[:1].expand(v.shape) if n.endswith("bias") else v for n, v in tensors.items()}))
add("pickle", ALL, "shared-head", shape(tie_word_embeddings=True),
    layout(pickled, wrap=lambda tensors: tensors | {HEAD: next(v for n, v in tensors.items() if n.endswith("embed_tokens.weight"))}))
add("pickle", ALL, "called-pth", layout(pickled, file="pytorch_model.pth"))
add("pickle", ALL, "called-model-pt", layout(pickled, file="model.pt"))


def views(tensors):
    joined = torch.cat([value.reshape(-1) for value in tensors.values()])
    made, start = {}, 0
    for name, value in tensors.items():
        made[name] = joined[start:start + value.numel()].view(value.shape)
        start += value.numel()
    return made
