"""A GGUF file that an oddity may change in every place: keys, tensors, their order and offsets, and the parts of a split one."""
import functools
import json
import struct

import gguf
import numpy as np
import tokenizers

U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, LIST, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}
WORDS = "it's the light of 12 worlds, and in 1984 they'll see 3.14 suns! "
PROSE = (WORDS + "\n In the beginning there was light; the lights went out, don't they? ") * 3
VOCAB, LAYERS, WIDTH, HEADS, KV_HEADS, HEAD, FFN = 384, 2, 64, 4, 2, 16, 96


@functools.cache
def byte_pairs():
    """A small byte-level vocabulary with its merges; the first three tokens are special."""
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False, min_frequency=1,
                                             initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    trained.train_from_iterator([PROSE], trainer)
    found = sorted(trained.get_vocab(), key=trained.get_vocab().get)
    tokens = found + [f"[unused{id}]" for id in range(len(found), VOCAB)]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in json.loads(trained.to_str())["model"]["merges"]]
    return tokens, merges


@functools.cache
def pieces():
    """SentencePiece's kind: every byte, single characters and some words, with scores."""
    words = ["\u2581", "\u2581the", "\u2581light", "\u2581in", "\u2581a", "th", "he", "\u2581t", "\u2581l", "\u2581li", "\u2581lig", "ligh", "ght", "li", "gh", "the",
             "\u2581i", "in", "at", "an", "\u2581an", "and", "\u2581and", "nd", "\u2581s", "un", "\u2581sun"]
    letters = sorted(set(PROSE) - {" ", "\n"})
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + letters + words
    tokens = list(dict.fromkeys(tokens))[:VOCAB]
    tokens += [f"[unused{id}]" for id in range(len(tokens), VOCAB)]
    scores = [0.0] * 259 + [-1000.0 if len(token) == 1 else -float(len(words) - words.index(token)) if token in words else -2000.0 for token in tokens[259:]]
    return tokens, scores, [2, 3, 3] + [6] * 256 + [1] * (VOCAB - 259)


class File:
    """`keys`: name to (type, value), of a list (LIST, (type, values)); `tensors`: name to an array or to (ggml type, bytes, shape)."""

    def __init__(self, family="llama", vocabulary="gpt2"):
        self.family, self.keys, self.tensors, self.again = family, {}, {}, []
        self.version, self.alignment, self.padding, self.offsets, self.order, self.cut, self.parts = 3, 32, 32, {}, None, 0, None
        self.draw = np.random.default_rng(7)
        self.name = "model.gguf"
        self.set("general.architecture", TEXT, family)
        for key, value in {"context_length": 128, "embedding_length": WIDTH, "block_count": LAYERS, "feed_forward_length": FFN,
                           "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS if family == "llama" else HEADS,
                           "rope.dimension_count": HEAD if family == "llama" else HEAD // 2}.items():
            self.own(key, U32, value)
        self.own("rope.freq_base", F32, 10000.0)
        self.own("attention.layer_norm_rms_epsilon" if family == "llama" else "attention.layer_norm_epsilon", F32, 1e-5)
        (self.gpt2 if vocabulary == "gpt2" else self.sentence_piece)()
        (self.llama if family == "llama" else self.phi)()

    def set(self, key, kind, value):
        self.keys[key] = (kind, value)

    def own(self, key, kind, value):
        """A key of the family's."""
        self.set(f"{self.family}.{key}", kind, value)

    def gpt2(self):
        tokens, merges = byte_pairs()
        self.set("tokenizer.ggml.model", TEXT, "gpt2")
        self.set("tokenizer.ggml.pre", TEXT, "gpt-2")
        self.set("tokenizer.ggml.tokens", LIST, (TEXT, tokens))
        self.set("tokenizer.ggml.token_type", LIST, (I32, [2, 3, 3] + [1] * (len(tokens) - 3)))
        self.set("tokenizer.ggml.merges", LIST, (TEXT, merges))
        self.set("tokenizer.ggml.bos_token_id", U32, 1)
        self.set("tokenizer.ggml.eos_token_id", U32, 2)

    def sentence_piece(self):
        tokens, scores, kinds = pieces()
        self.set("tokenizer.ggml.model", TEXT, "llama")
        self.set("tokenizer.ggml.tokens", LIST, (TEXT, tokens))
        self.set("tokenizer.ggml.scores", LIST, (F32, scores))
        self.set("tokenizer.ggml.token_type", LIST, (I32, kinds))
        self.set("tokenizer.ggml.bos_token_id", U32, 1)
        self.set("tokenizer.ggml.eos_token_id", U32, 2)

    def matrix(self, name, *shape):
        self.tensors[name] = self.draw.normal(0, 0.15, shape).astype(np.float32)

    def vector(self, name, size, mean=0.0):
        self.tensors[name] = (mean + self.draw.normal(0, 0.1, size)).astype(np.float32)

    def llama(self):
        self.matrix("token_embd.weight", VOCAB, WIDTH)
        for layer in range(LAYERS):
            self.vector(f"blk.{layer}.attn_norm.weight", WIDTH, 1)
            self.vector(f"blk.{layer}.ffn_norm.weight", WIDTH, 1)
            for part, rows, columns in (("attn_q", HEADS * HEAD, WIDTH), ("attn_k", KV_HEADS * HEAD, WIDTH), ("attn_v", KV_HEADS * HEAD, WIDTH),
                                        ("attn_output", WIDTH, HEADS * HEAD), ("ffn_gate", FFN, WIDTH), ("ffn_up", FFN, WIDTH), ("ffn_down", WIDTH, FFN)):
                self.matrix(f"blk.{layer}.{part}.weight", rows, columns)
        self.vector("output_norm.weight", WIDTH, 1)
        self.matrix("output.weight", VOCAB, WIDTH)

    def phi(self):
        def linear(name, rows, columns):
            self.matrix(f"{name}.weight", rows, columns)
            self.vector(f"{name}.bias", rows)
        self.matrix("token_embd.weight", VOCAB, WIDTH)
        for layer in range(LAYERS):
            self.vector(f"blk.{layer}.attn_norm.weight", WIDTH, 1)
            self.vector(f"blk.{layer}.attn_norm.bias", WIDTH)
            for part, rows, columns in (("attn_qkv", 3 * WIDTH, WIDTH), ("attn_output", WIDTH, WIDTH), ("ffn_up", FFN, WIDTH), ("ffn_down", WIDTH, FFN)):
                linear(f"blk.{layer}.{part}", rows, columns)
        self.vector("output_norm.weight", WIDTH, 1)
        self.vector("output_norm.bias", WIDTH)
        linear("output", VOCAB, WIDTH)

    def quantize(self, kind, *words):
        """Writes the matrices whose names have one of the words in another of ggml's types."""
        for name, value in self.tensors.items():
            if isinstance(value, np.ndarray) and value.ndim == 2 and (not words or any(word in name for word in words)):
                self.tensors[name] = (int(kind), gguf.quantize(value, kind).tobytes(), value.shape)

    def write(self, directory):
        """The file, or every part of it; the first is returned."""
        names = self.order or list(self.tensors)
        if self.parts is None:
            path = directory / self.name
            path.write_bytes(self.packed(self.keys, names))
            return path
        count, per = len(self.parts), -(-len(names) // len(self.parts))
        for number, (file, keys) in enumerate(self.parts):
            split = {"split.no": (U16, number), "split.count": (U16, count), "split.tensors.count": (I32, len(names))} | keys
            held = (self.keys if number == 0 else {"general.architecture": self.keys["general.architecture"]}) | split
            held = {key: value for key, value in held.items() if value is not None}
            if file:
                (directory / file).write_bytes(self.packed(held, names[number * per:(number + 1) * per]))
        return directory / self.parts[0][0]

    def packed(self, keys, names):
        entries = list(keys.items()) + self.again
        header = b"GGUF" + struct.pack("<IQQ", self.version, len(names), len(entries))
        header += b"".join(text(key) + struct.pack("<I", kind) + value_of(kind, value) for key, (kind, value) in entries)
        offset, data = 0, b""
        for name in names:
            kind, content, shape = as_bytes(self.tensors[name])
            header += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
            header += struct.pack("<IQ", kind, self.offsets.get(name, offset))
            padded = content + b"\0" * (-len(content) % self.padding)
            data, offset = data + padded, offset + len(padded)
        whole = header + b"\0" * (-len(header) % self.alignment) + data
        return whole[:len(whole) - self.cut]


def as_bytes(value):
    if isinstance(value, tuple):
        return value
    return {"float32": 0, "float16": 1}[str(value.dtype)], np.ascontiguousarray(value).tobytes(), value.shape


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value_of(kind, value):
    if kind == TEXT:
        return text(value)
    if kind == LIST:
        element, values = value
        return struct.pack("<IQ", element, len(values)) + b"".join(value_of(element, one) for one in values)
    return struct.pack("<" + FORMATS[kind], value)
