#!/usr/bin/env bash
# CTranslate2 4.8.5 (transformers 5.24.0): of the tokens that end a text it knows the tokenizer's eos_token and no other.
#
# Guess: the converter takes eos_token_id from generation_config.json, with all of a list (LLaMA-3's instruct models have three), or at
#   least from config.json, since it reads the model's configuration anyway.
# What happens: config.json of the converted model has one eos_token, that of tokenizer_config.json. A text goes on behind every other
#   token that ends it, to the length that is allowed, without a word. transformers stops at each.
#
# Seen 2026-11-29:
#   generation_config ends at [0, b]: transformers adds 4 tokens, CTranslate2 12
#   config ends at b: transformers adds 4 tokens, CTranslate2 12
#   the tokenizer's eos_token is b: transformers adds 12 tokens, CTranslate2 3
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet ctranslate2==4.8.5 transformers==5.24.0 torch==2.15.0 tokenizers==0.23.3
cat > show.py <<'PY'
import json
import ctranslate2
import tokenizers
import torch
import transformers
from ctranslate2.converters import TransformersConverter

LETTERS, NEW = [chr(97 + i) for i in range(16)], 12
config = transformers.LlamaConfig(vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                                  num_key_value_heads=2, initializer_range=1.0, bos_token_id=0, eos_token_id=0, pad_token_id=0)
tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({letter: id for id, letter in enumerate(LETTERS)}, []))
prompt = torch.tensor([[1, 2]])

def greedy(model):
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=NEW, pad_token_id=0)
    return out[0, 2:].tolist()

# The first model whose fourth token is a new one and no end.
for seed in range(1000):
    torch.manual_seed(seed)
    model = transformers.LlamaForCausalLM(config).eval()
    added = greedy(model)
    if len(added) == NEW and 0 not in added and added[3] not in added[:3] + [1, 2]:
        break
end = added[3]

def show(words, in_config, in_generation, of_tokenizer):
    model.config.eos_token_id, model.generation_config.eos_token_id = in_config, in_generation
    model.save_pretrained("model")
    tokenizer.save("model/tokenizer.json")
    names = {"bos_token": "a", "eos_token": of_tokenizer, "tokenizer_class": "PreTrainedTokenizerFast"}
    json.dump(names, open("model/tokenizer_config.json", "w"))
    stock = greedy(transformers.AutoModelForCausalLM.from_pretrained("model"))
    TransformersConverter("model").convert("converted", force=True)
    other = ctranslate2.Generator("converted").generate_batch(
        [[LETTERS[id] for id in prompt[0].tolist()]], max_length=NEW, sampling_topk=1, include_prompt_in_result=False)
    print(f"{words}: transformers adds {len(stock)} tokens, CTranslate2 {len(other[0].sequences_ids[0])}")

show("generation_config ends at [0, b]", 0, [0, end], "a")
show("config ends at b", end, end, "a")
show("the tokenizer's eos_token is b", 0, 0, LETTERS[end])
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
generation_config ends at [0, b]: transformers adds 4 tokens, CTranslate2 12
config ends at b: transformers adds 4 tokens, CTranslate2 12
the tokenizer's eos_token is b: transformers adds 12 tokens, CTranslate2 3
EXPECTED
