"""Oddities of where things lie: offsets, alignment, what is there twice, kinds of tensor, and split files."""
import gguf
import numpy as np

from .file import I32, TEXT, U16, U32, U64
from .registry import add, attribute, of_all, put, tensor

BOTH = "llama phi2"
add("plain", families=BOTH, read=True)
add("plain-sentencepiece", vocabulary="llama", read=True)


def aligned(to, written=None):
    return of_all(put("general.alignment", U32, to), attribute("alignment", written or to), attribute("padding", written or to))


# A smaller one than 32 ends llama.cpp.
for to in (64, 4096):
    add(f"alignment-{to}", aligned(to), read=True)
add("alignment-12", aligned(12))
add("alignment-0", aligned(0, 32))
add("alignment-said-alone", aligned(64, 32))
add("alignment-as-u64", of_all(put("general.alignment", U64, 32)))
add("version-2", attribute("version", 2), read=True)
for version in (1, 4):
    add(f"version-{version}", attribute("version", version))


def at(name, change):
    """Another offset for one tensor; `change` gets its own."""
    def act(file):
        offset = 0
        for other, value in file.tensors.items():
            if other == name:
                file.offsets[name] = change(offset)
            offset += -(-value.nbytes // 32) * 32
    return act


def swapped(file):
    names = ["blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"]
    found = {}
    for name in names:
        at(name, lambda offset, name=name: found.setdefault(name, offset))(file)
    file.offsets = {names[0]: found[names[1]], names[1]: found[names[0]]}


add("offset-hole", at("blk.0.ffn_up.weight", lambda offset: offset + 32))
add("offset-overlap", at("blk.0.ffn_up.weight", lambda offset: offset - 32))
add("offset-zero", at("blk.0.ffn_up.weight", lambda offset: 0))
add("offset-unaligned", at("blk.0.ffn_up.weight", lambda offset: offset + 4))
add("offset-beyond", at("output.weight", lambda offset: offset + (1 << 40)))
add("offset-largest", at("output.weight", lambda offset: (1 << 64) - 32))
add("offsets-swapped", swapped)
add("order-reversed", lambda file: setattr(file, "order", list(file.tensors)[::-1]), read=True)
add("order-shuffled", lambda file: setattr(file, "order", sorted(file.tensors, key=lambda name: name[::-1])), families=BOTH, read=True)
for cut in (1, 1000):
    add(f"cut-{cut}", attribute("cut", cut))
add("key-twice", lambda file: file.again.append(("llama.block_count", (U32, 2))))
add("key-twice-otherwise", lambda file: file.again.append(("llama.rope.freq_base", (6, 500000.0))))
add("harmless-key-twice", lambda file: file.again.extend([("general.name", (TEXT, "a")), ("general.name", (TEXT, "b"))]))
add("tensor-twice", lambda file: setattr(file, "order", [*file.tensors, "output_norm.weight"]))
add("unknown-key", put("general.acme", TEXT, "x"), read=True)


def written_as(name, kind, shape=None):
    """Another type for one tensor; its bytes stay."""
    def act(file):
        value = file.tensors[name]
        file.tensors[name] = (kind, value.tobytes(), shape or value.shape)
    return act


add("type-changed-f16", written_as("blk.0.ffn_up.weight", 1))
add("type-changed-f16-at-the-end", written_as("output.weight", 1), says="output.weight")
add("type-changed-q8", written_as("blk.0.ffn_up.weight", 8))
add("type-unknown", written_as("blk.0.ffn_up.weight", 99))
add("shape-transposed", lambda file: written_as("blk.0.ffn_up.weight", 0, file.tensors["blk.0.ffn_up.weight"].shape[::-1])(file))
add("shape-flat", lambda file: written_as("blk.0.ffn_up.weight", 0, (file.tensors["blk.0.ffn_up.weight"].size,))(file))
add("shape-with-ones", lambda file: written_as("blk.0.ffn_up.weight", 0, (1, 1, *file.tensors["blk.0.ffn_up.weight"].shape))(file), read=True)
for kind, limit in (("F16", 1e-2), ("BF16", 3e-2), ("Q8_0", 5e-2), ("Q4_0", 5e-2), ("Q4_1", 5e-2), ("Q5_0", 5e-2), ("Q5_1", 5e-2)):
    read = not kind.startswith("Q5")
    add(f"matrices-{kind}", lambda file, kind=kind: file.quantize(gguf.GGMLQuantizationType[kind]), families=BOTH, limit=limit, read=read, says="type")
add("matrices-mixed", lambda file: [file.quantize(gguf.GGMLQuantizationType.Q8_0, "ffn"), file.quantize(gguf.GGMLQuantizationType.F16, "attn", "token_embd")],
    limit=5e-2, read=True)
add("trailing-tensor-of-zeros", tensor(lambda made: made.update({"extra.weight": np.zeros((4, 4), np.float32)})))
add("lacks-a-matrix", tensor(lambda made: made.pop("blk.1.ffn_up.weight")))
add("lacks-the-embedding", tensor(lambda made: made.pop("token_embd.weight")))
add("lacks-the-last-norm", tensor(lambda made: made.pop("output_norm.weight")))
add("lacks-the-head", tensor(lambda made: made.pop("output.weight")), read=True)
add("lacks-the-head", tensor(lambda made: [made.pop(f"output.{kind}") for kind in ("weight", "bias")]), families="phi2")
add("lacks-the-head-s-bias", tensor(lambda made: made.pop("output.bias")), families="phi2")
add("layer-beyond-the-count", tensor(lambda made: made.update({"blk.9.ffn_up.weight": made["blk.0.ffn_up.weight"]})))


def biased(*names, layers=(0, 1)):
    def act(file):
        for layer in layers:
            for name in names:
                file.vector(f"blk.{layer}.{name}.bias", file.tensors[f"blk.{layer}.{name}.weight"].shape[0])
    return act


ATTENTION = ("attn_q", "attn_k", "attn_v", "attn_output")
add("biases-attention", biased(*ATTENTION), read=True)
add("biases-mlp", biased("ffn_gate", "ffn_up", "ffn_down"), read=True)
add("biases-all", biased(*ATTENTION, "ffn_gate", "ffn_up", "ffn_down"), read=True)
add("biases-of-qkv", biased("attn_q", "attn_k", "attn_v"), says="bias")
add("biases-of-one-layer", biased(*ATTENTION, layers=(0,)), says="bias")
add("biases-of-the-last-layer", biased(*ATTENTION, layers=(1,)), says="bias")


def qkv_apart(file):
    for layer in range(2):
        for kind in ("weight", "bias"):
            joined = file.tensors.pop(f"blk.{layer}.attn_qkv.{kind}")
            for part, name in zip(np.split(joined, 3), ("attn_q", "attn_k", "attn_v")):
                file.tensors[f"blk.{layer}.{name}.{kind}"] = np.ascontiguousarray(part)


add("qkv-apart", qkv_apart, families="phi2", read=True)


def split(count, names="NAME-{part:05}-of-{count:05}.gguf", **changes):
    """`changes`: `part_2={"split.no": (U16, 0)}` for what a part says otherwise, None for a part that is missing."""
    def act(file):
        file.parts = []
        for part in range(1, count + 1):
            keys = changes.get(f"part_{part}", {})
            file.parts.append((names.format(part=part, count=count) if keys is not None else None, keys or {}))
    return act


for count in (2, 3, 7):
    add(f"split-{count}", split(count), families=BOTH, read=True)
add("split-1", split(1), read=True)
add("split-lacks-a-part", split(3, part_2=None))
add("split-lacks-the-last", split(3, part_3=None))
add("split-lacks-number", split(2, part_2={"split.no": None}))
add("split-lacks-count", split(2, part_1={"split.count": None}))
add("split-lacks-the-count-of-tensors", split(2, part_1={"split.tensors.count": None}))
add("split-other-count-of-tensors", split(2, part_1={"split.tensors.count": (I32, 5)}))
add("split-other-number", split(3, part_2={"split.no": (U16, 2)}))
add("split-other-count", split(2, part_1={"split.count": (U16, 3)}))
add("split-count-as-u32", split(2, part_1={"split.count": (U32, 2)}))
add("split-other-names", split(2, names="part{part}.gguf"), says="names")
add("split-from-0", split(2, part_1={"split.no": (U16, 1)}))
add("split-said-alone", of_all(put("split.count", U16, 2), put("split.no", U16, 0)))
add("split-aligned", of_all(split(2), attribute("alignment", 32)), read=True)
