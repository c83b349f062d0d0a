"""A tiny random checkpoint of a family, to be changed by an oddity and written in some layout."""
import collections
import copy
import functools
import json
import pathlib
import zlib

import tokenizers
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

TEXT = """In the<|im_start|>light <|im_end|> </s>And God saw  the light: <s> caf\u00e9 \u2581 12345 <extra> AND GOD [PAD]<unk>
In the beginning God created the heaven and the earth. And the earth was without form, and void; and darkness was upon
the face of the deep. And the Spirit of God moved upon the face of the waters. Let there be light: and there was light.
And God saw the light, that it was good: and God divided the light from the darkness. And God called the light Day, and the
darkness he called Night. And the evening and the morning were the first day. And God said, Let there be a firmament.
"""
VOCAB = 320
SHAPE = dict(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128,
             bos_token_id=0, eos_token_id=1, pad_token_id=None)
CONFIGS = {
    "llama": dict(SHAPE, architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", intermediate_size=48,
                  num_key_value_heads=2, attention_bias=False, mlp_bias=False, rms_norm_eps=1e-5, rope_theta=10000.0,
                  tie_word_embeddings=False, torch_dtype="float32"),
    "opt": dict(SHAPE, architectures=["OPTForCausalLM"], model_type="opt", ffn_dim=48, word_embed_proj_dim=32,
                do_layer_norm_before=True, dropout=0.0, attention_dropout=0.0, activation_function="relu",
                tie_word_embeddings=True, torch_dtype="float32"),
    "phi": dict(SHAPE, architectures=["PhiForCausalLM"], model_type="phi", hidden_act="gelu_new", intermediate_size=48,
                num_key_value_heads=2, layer_norm_eps=1e-5, partial_rotary_factor=0.5, rope_theta=10000.0,
                qk_layernorm=False, tie_word_embeddings=False, torch_dtype="float32"),
    "gemma3_text": dict(SHAPE, architectures=["Gemma3ForCausalLM"], model_type="gemma3_text", intermediate_size=48, head_dim=8,
                        num_key_value_heads=2, rms_norm_eps=1e-5, sliding_window=8, sliding_window_pattern=2,
                        query_pre_attn_scalar=8, torch_dtype="float32"),
}
EMBEDDING = {"llama": "model.embed_tokens.weight", "opt": "model.decoder.embed_tokens.weight", "phi": "model.embed_tokens.weight"}


def seed(name):
    return zlib.crc32(name.encode())


def learned(words, count):
    """The first merges of byte-pair encoding, ties in the order of the alphabet: the library's trainer draws lots."""
    words, merges = [list(word) for word in words], []
    while len(merges) < count:
        pairs = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = [joined(word, best) for word in words]
    return merges


def joined(word, pair):
    made = []
    for piece in word:
        if made and (made[-1], piece) == pair:
            made[-1] += piece
        else:
            made.append(piece)
    return made


@functools.cache
def byte_level():
    """A byte-level tokenizer as GPT-2's, learned of the text above, as JSON; ids 0 to 2 are special."""
    split = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = learned([piece for piece, _ in split.pre_tokenize_str(TEXT)], 41)
    pieces = ["<s>", "</s>", "<pad>", *sorted(split.alphabet()), *map("".join, merges)]
    made = tokenizers.Tokenizer(tokenizers.models.BPE({piece: id for id, piece in enumerate(pieces)}, merges))
    made.add_special_tokens(pieces[:3])
    made.pre_tokenizer, made.decoder = split, tokenizers.decoders.ByteLevel()
    return made.to_str()


@functools.cache
def metaspace():
    """A tokenizer as LLaMA-2's, as JSON: metaspace, pieces for single bytes, a normalizer in place of a pre-tokenizer."""
    words = ["\u2581" + word for word in TEXT.split()]
    merges = learned(words, 30)
    letters = sorted(set("abcdefghilmnorstuvw\u2581IATGD.,:"))
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + letters
    merges = [pair for pair in merges if set("".join(pair)) <= set(letters)]
    pieces += ["".join(pair) for pair in merges]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(
        {piece: id for id, piece in enumerate(pieces)}, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.add_special_tokens(pieces[:3])
    made.normalizer = tokenizers.normalizers.Sequence([tokenizers.normalizers.Prepend("\u2581"),
                                                       tokenizers.normalizers.Replace(" ", "\u2581")])
    found = json.loads(made.to_str())
    found["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    return json.dumps(found)


class Checkpoint:
    """What an oddity changes: `config`, `tensors`, `files` (name to text, JSON or bytes) and `layout`."""

    def __init__(self, family, name):
        self.family, self.name = family, name
        self.random = torch.Generator().manual_seed(seed(name))
        self.config = copy.deepcopy(CONFIGS[family])
        self.files = {"tokenizer.json": json.loads(byte_level())}
        self.tensors = None
        self.layout = whole

    def draw(self):
        """Draws the tensors that the configuration asks for, once the changes of shape are made."""
        if self.tensors is None:
            self.tensors = {name: value.clone() for name, value in drawn(json.dumps(self.config)).items()}
        return self.tensors

    def noise(self, *shape, scale=0.25):
        return torch.randn(*shape, generator=self.random) * scale

    @property
    def embedding(self):
        return EMBEDDING[self.family]

    @property
    def tokenizer(self):
        return self.files["tokenizer.json"]

    def write(self, directory):
        directory.mkdir(parents=True)
        self.layout(self, directory, self.draw())
        files = {"config.json": self.config} | self.files
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is not None:
                path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")


@functools.cache
def drawn(config):
    shape = {key: value for key, value in json.loads(config).items() if key not in ("architectures", "torch_dtype")}
    family = shape.pop("model_type")
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **shape))
    random = torch.Generator().manual_seed(seed(family))
    tensors = {}
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=random)
        tensors[name] = noise * 0.1 if name.endswith("bias") else 1 + noise * 0.2 if "norm" in name else noise * 0.25
    return tensors


def whole(checkpoint, directory, tensors, file="model.safetensors", metadata={"format": "pt"}):
    save_file({name: value.contiguous() for name, value in tensors.items()}, directory / file, metadata=metadata)


def split(tensors, count):
    """Deals the tensors out in order, so that a layer's are in one shard as in published files."""
    names = list(tensors)
    cut = [len(names) * i // count for i in range(count + 1)]
    return [{name: tensors[name] for name in names[cut[i]:cut[i + 1]]} for i in range(count)]


def index_of(shards, files):
    return {"metadata": {"total_size": sum(v.numel() * v.element_size() for s in shards for v in s.values())},
            "weight_map": {name: file for shard, file in zip(shards, files) for name in shard}}


def sharded(checkpoint, directory, tensors, count=2, change=None, stem="model", ending="safetensors", drop=()):
    """Several files with their index; `change` gets shards, file names and index before they are written."""
    shards = split(tensors, count)
    files = [f"{stem}-{i + 1:05}-of-{count:05}.{ending}" for i in range(count)]
    index = index_of(shards, files)
    if change:
        index = change(shards, files, index) or index
    for number, (shard, file) in enumerate(zip(shards, files)):
        if number in drop:
            continue
        (directory / file).parent.mkdir(exist_ok=True)
        if ending == "bin":
            torch.save(shard, directory / file)
        else:
            whole(checkpoint, directory, shard, file)
    (directory / f"{stem}.{ending}.index.json").write_text(json.dumps(index))


def pickled(checkpoint, directory, tensors, file="pytorch_model.bin", wrap=lambda tensors: tensors, **options):
    torch.save(wrap(tensors), pathlib.Path(directory) / file, **options)
