#!/usr/bin/env bash
# transformers 5.24.0: of a model_type qwen2 the tokenizer is a Qwen2Tokenizer, also where tokenizer_class says PreTrainedTokenizerFast.
#
# Guess: tokenizer_class PreTrainedTokenizerFast is the way to have tokenizer.json taken as it is, for every family.
# What happens: qwen2 is on a list of families whose files are known to name the wrong class, so that the class of the family goes before
#   the one that is named. Normalizer and pre-tokenizer are made anew, and a file with others has other ids than in everything that reads
#   it through the tokenizers library, without a word. The same files beside a model_type qwen3 are taken as they are.
#
# Seen 2026-11-30:
#   qwen2, PreTrainedTokenizerFast: Qwen2Tokenizer, normalizer NFC, ids of "AB" [2, 3]
#   qwen3, PreTrainedTokenizerFast: TokenizersBackend, normalizer Lowercase, ids of "AB" [0, 1]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 tokenizers==0.23.3 numpy==2.4.6
cat > show.py <<'PY'
import json
import os
from transformers import AutoTokenizer

level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {"a": 0, "b": 1, "A": 2, "B": 3}, "merges": []}}

for family in ("qwen2", "qwen3"):
    os.mkdir(family)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    for path, content in {"tokenizer.json": file, "tokenizer_config.json": settings, "config.json": {"model_type": family}}.items():
        json.dump(content, open(os.path.join(family, path), "w"))
    tokenizer = AutoTokenizer.from_pretrained(family)
    normalizer, ids = type(tokenizer.backend_tokenizer.normalizer).__name__, tokenizer("AB", add_special_tokens=False).input_ids
    print(f'{family}, PreTrainedTokenizerFast: {type(tokenizer).__name__}, normalizer {normalizer}, ids of "AB" {ids}')
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
qwen2, PreTrainedTokenizerFast: Qwen2Tokenizer, normalizer NFC, ids of "AB" [2, 3]
qwen3, PreTrainedTokenizerFast: TokenizersBackend, normalizer Lowercase, ids of "AB" [0, 1]
EXPECTED
