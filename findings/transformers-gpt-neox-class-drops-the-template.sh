#!/usr/bin/env bash
# transformers 5.24.0: GPTNeoXTokenizer leaves out the post-processor of tokenizer.json, and add_bos_token beside it.
#
# Guess: a class that makes normalizer and pre-tokenizer anew keeps the template that puts a token before every text, as GPT2Tokenizer,
#   Qwen2Tokenizer and LlamaTokenizer do; and where tokenizer_config.json says add_bos_token as well, the token is there for sure.
# What happens: AutoTokenizer takes add_bos_token out of the settings where there is a tokenizer.json, since the file's template says it,
#   and GPTNeoXTokenizer then replaces the template by the one that those settings make: none. A family of gpt_neox without a named class
#   has this class. No warning.
#
# Seen 2026-11-30:
#   GPT2Tokenizer: [2, 0, 1]
#   Qwen2Tokenizer: [2, 0, 1]
#   GPTNeoXTokenizer: [0, 1]
#   PreTrainedTokenizerFast: [2, 0, 1]
#   no class, model_type gpt_neox: [0, 1]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 tokenizers==0.23.3 numpy==2.4.6
cat > show.py <<'PY'
import json
import os
from transformers import AutoTokenizer

level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
text, begin = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}
added = {"id": 2, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [added], "normalizer": None, "pre_tokenizer": level,
        "post_processor": {"type": "TemplateProcessing", "single": [begin, text], "pair": [begin, text, text],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]}}}, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {"a": 0, "b": 1, "<s>": 2}, "merges": []}}

def read(words, named, config):
    name = words.replace(" ", "-")
    os.mkdir(name)
    settings = named | {"add_bos_token": True, "bos_token": "<s>", "eos_token": "<s>", "unk_token": "<s>", "pad_token": "<s>"}
    for path, content in {"tokenizer.json": file, "tokenizer_config.json": settings, "config.json": config}.items():
        json.dump(content, open(os.path.join(name, path), "w"))
    print(f"{words}: {AutoTokenizer.from_pretrained(name)('ab').input_ids}")

for kind in ("GPT2Tokenizer", "Qwen2Tokenizer", "GPTNeoXTokenizer", "PreTrainedTokenizerFast"):
    read(kind, {"tokenizer_class": kind}, {"model_type": "llama"})
read("no class, model_type gpt_neox", {}, {"model_type": "gpt_neox"})
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
GPT2Tokenizer: [2, 0, 1]
Qwen2Tokenizer: [2, 0, 1]
GPTNeoXTokenizer: [0, 1]
PreTrainedTokenizerFast: [2, 0, 1]
no class, model_type gpt_neox: [0, 1]
EXPECTED
