#!/usr/bin/env bash
# transformers 5.24.0: a special_tokens_map.json whose additional_special_tokens are objects cannot be loaded.
#
# Guess: the file says tokens as texts or as objects with their flags, as bos_token and the others may be said; releases of 2023 wrote the
#   additional ones as objects, and such directories load.
# What happens: a list of texts loads. A list of objects, with the same token, ends in a TypeError about a list of AddedToken,
#   although tokenizer_config.json and tokenizer.json beside it are in order.
#
# Seen 2026-11-29:
#   as texts: ['<x>']
#   as objects: TypeError: Input must be a List[Union[str, AddedToken]]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0
cat > show.py <<'PY'
import json, os
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoTokenizer

def read(words, name, value):
    os.makedirs(name)
    Tokenizer(WordLevel({"a": 0, "<x>": 1, "<unk>": 2}, unk_token="<unk>")).save(os.path.join(name, "tokenizer.json"))
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, open(os.path.join(name, "tokenizer_config.json"), "w"))
    json.dump({"additional_special_tokens": value}, open(os.path.join(name, "special_tokens_map.json"), "w"))
    try:
        print(f"{words}: {AutoTokenizer.from_pretrained(name).all_special_tokens}")
    except Exception as error:
        print(f"{words}: {type(error).__name__}: {error}")

token = {"content": "<x>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
read("as texts", "texts", ["<x>"])
read("as objects", "objects", [token])
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
as texts: ['<x>']
as objects: TypeError: Input must be a List[Union[str, AddedToken]]
EXPECTED
