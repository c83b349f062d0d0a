#!/usr/bin/env bash
# transformers 5.24.0: a tokenizer_class of GPT2Tokenizer drops the normalizer that tokenizer.json has.
#
# Guess: where a directory has a tokenizer.json, it decides the ids; tokenizer_class only decides which Python class wraps it.
# What happens: for GPT2Tokenizer (also where only the model_type of config.json, such as opt, leads to it) vocabulary and merges are taken
#   from tokenizer.json and the rest is built anew by the class, without the file's normalizer and without a word. The same directory
#   gives other ids in transformers and in everything that reads tokenizer.json through the tokenizers library.
#
# Seen 2026-11-29:
#   PreTrainedTokenizerFast: normalizer Lowercase, ids of "AB" [0, 1]
#   GPT2Tokenizer: normalizer none, ids of "AB" [2, 3]
#   no class, model_type opt: normalizer none, ids of "AB" [2, 3]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0
cat > show.py <<'PY'
import json, os
from transformers import AutoTokenizer

level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {"a": 0, "b": 1, "A": 2, "B": 3}, "merges": []}}

def read(words, settings, config):
    name = words.replace(" ", "-")
    os.mkdir(name)
    for path, content in {"tokenizer.json": file, "tokenizer_config.json": settings, "config.json": config}.items():
        json.dump(content, open(os.path.join(name, path), "w"))
    tokenizer = AutoTokenizer.from_pretrained(name)
    normalizer = type(tokenizer.backend_tokenizer.normalizer).__name__.replace("NoneType", "none")
    ids = tokenizer("AB", add_special_tokens=False).input_ids
    print(f'{words}: normalizer {normalizer}, ids of "AB" {ids}')

read("PreTrainedTokenizerFast", {"tokenizer_class": "PreTrainedTokenizerFast"}, {"model_type": "llama"})
read("GPT2Tokenizer", {"tokenizer_class": "GPT2Tokenizer"}, {"model_type": "llama"})
read("no class, model_type opt", {}, {"model_type": "opt"})
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
PreTrainedTokenizerFast: normalizer Lowercase, ids of "AB" [0, 1]
GPT2Tokenizer: normalizer none, ids of "AB" [2, 3]
no class, model_type opt: normalizer none, ids of "AB" [2, 3]
EXPECTED
