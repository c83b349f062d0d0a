"""A checkpoint's tokenizer in transformers, for the scripts beside this one."""
import json

from transformers import AutoTokenizer, PreTrainedTokenizerFast


def tokenizer_of(directory):
    """The tokenizer.json itself where nothing says more of it: the class that transformers guesses may rewrite it."""
    if (directory / "tokenizer_config.json").is_file():
        return AutoTokenizer.from_pretrained(directory)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(directory / "tokenizer.json"))
    ids = json.loads((directory / "config.json").read_text())
    for name in ("bos_token", "eos_token"):
        if ids.get(f"{name}_id") is not None:
            setattr(tokenizer, name, tokenizer.convert_ids_to_tokens(ids[f"{name}_id"]))
    return tokenizer
