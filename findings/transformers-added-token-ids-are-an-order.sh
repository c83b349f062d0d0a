#!/usr/bin/env bash
# transformers 5.24.0 (tokenizers 0.23.x): the ids in added_tokens.json and in added_tokens_decoder are an order, not ids.
#
# Guess: a token that added_tokens.json (or the added_tokens_decoder of tokenizer_config.json) maps to id 100 has id 100,
#   since both files exist to say which token has which id, and the rows of the embedding were trained by it.
# What happens: without a word the tokens get the next free ids, in the order of the ids that the file gives. A checkpoint whose
#   vocabulary has a gap before its added tokens (a padded vocabulary, a removed token) reads other rows of the embedding.
#
# Seen 2026-11-29:
#   declared 100 and 200 in tokenizer_config.json: ids 3 and 4
#   declared 100 and 200 in added_tokens.json: ids 3 and 4
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0
cat > show.py <<'PY'
import json, os
from transformers import AutoTokenizer

plain = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
         "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
         "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "[UNK]": 2}, "unk_token": "[UNK]"}}
ids = {"<x>": 100, "<y>": 200}
decoder = {str(number): {"content": token, "special": True} for token, number in ids.items()}

def read(name, config, files):
    os.mkdir(name)
    for file, content in {"tokenizer.json": plain, "tokenizer_config.json": config, **files}.items():
        json.dump(content, open(os.path.join(name, file), "w"))
    tokenizer = AutoTokenizer.from_pretrained(name)
    return [tokenizer.convert_tokens_to_ids(token) for token in ids]

kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
for place, found in [
    ("tokenizer_config.json", read("decoder", {**kind, "added_tokens_decoder": decoder}, {})),
    ("added_tokens.json", read("json", kind, {"added_tokens.json": ids})),
]:
    print(f"declared 100 and 200 in {place}: ids {found[0]} and {found[1]}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
declared 100 and 200 in tokenizer_config.json: ids 3 and 4
declared 100 and 200 in added_tokens.json: ids 3 and 4
EXPECTED
