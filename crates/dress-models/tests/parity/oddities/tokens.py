"""Oddities of the tokenizer's files: tokens added in four places, first and last tokens, and other kinds of tokenizer."""
import io
import json

import sentencepiece
import tokenizers

from .checkpoint import TEXT, metaspace
from .registry import ALL, add, config, file, shape


def tokens(name, *acts, families=ALL, **options):
    add("tokens", families, name, *acts, **options)


def edit(change):
    def act(checkpoint):
        checkpoint.draw()
        change(checkpoint.tokenizer)
    return act


def settings(**values):
    return file("tokenizer_config.json", values)


def entry(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} | flags


def added(id, content, **flags):
    return edit(lambda made: made["added_tokens"].append({"id": id} | entry(content, **flags)))


START, END = "<|im_start|>", "<|im_end|>"
tokens("plain")
tokens("settings-empty", settings())
tokens("added-json", file("added_tokens.json", {START: 300, END: 301}))
tokens("added-json-gap", file("added_tokens.json", {START: 305, END: 301}))
tokens("added-json-beyond-vocabulary", file("added_tokens.json", {START: 400, END: 401}))
tokens("added-json-known", file("added_tokens.json", {"the": 300}))
tokens("added-json-and-settings", file("added_tokens.json", {START: 300, END: 301}), settings(tokenizer_class="PreTrainedTokenizerFast"))
tokens("added-json-and-decoder", file("added_tokens.json", {START: 300}),
       settings(added_tokens_decoder={"301": entry(END)}, tokenizer_class="PreTrainedTokenizerFast"))
for kind in ("PreTrainedTokenizerFast", "GPT2Tokenizer", "GPT2TokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "TokenizersBackend",
             "CodeGenTokenizer", "Qwen2Tokenizer", "Qwen2TokenizerFast", "GPTNeoXTokenizer", "AutoTokenizer", "AcmeTokenizer", None):
    # Stock looks for a class called AutoTokenizer by calling AutoTokenizer, without end.
    means = (lambda name: f"class-AcmeTokenizer{name}") if kind == "AutoTokenizer" else (lambda name: None)
    tokens(f"class-{kind}", settings(tokenizer_class=kind), means=means(""))
    tokens(f"class-{kind}-added-decoder", settings(tokenizer_class=kind, added_tokens_decoder={"300": entry(START), "301": entry(END)}),
           means=means("-added-decoder"))
    tokens(f"class-{kind}-bos", settings(tokenizer_class=kind, bos_token="<s>", eos_token="</s>", add_bos_token=True), means=means("-bos"))
    # A name that stands for nothing is no token of the class.
    nothing = {name: None for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    tokens(f"class-{kind}-null", settings(tokenizer_class=kind, **nothing), means=means("-null"))
tokens("decoder-not-special", settings(added_tokens_decoder={"300": entry(START, special=False), "301": entry(END, special=False)}))
tokens("decoder-stripping", settings(added_tokens_decoder={"300": entry(START, rstrip=True), "301": entry(END, lstrip=True, rstrip=True)}))
tokens("decoder-single-word", settings(added_tokens_decoder={"300": entry("light", single_word=True), "301": entry("ligh")}))
tokens("decoder-normalized", settings(added_tokens_decoder={"300": entry(START, normalized=True, special=False)}))
tokens("decoder-of-known", settings(added_tokens_decoder={"0": entry("<s>"), "1": entry("</s>"), "2": entry("<pad>")}))
tokens("decoder-contradicts", settings(added_tokens_decoder={"0": entry("</s>"), "1": entry("<s>")}))
tokens("decoder-other-id", settings(added_tokens_decoder={"310": entry(START)}))
tokens("special-map", file("special_tokens_map.json", {"additional_special_tokens": [START, END], "bos_token": "<s>"}))
# Stock wants each of the list as text or as an object of its own class, which a file cannot hold.
tokens("special-map-objects", file("special_tokens_map.json", {"additional_special_tokens": [entry(START), entry(END)]}),
       means="special-map")
tokens("special-map-new-bos", file("special_tokens_map.json", {"bos_token": "<begin>", "eos_token": END}))
tokens("settings-additional", settings(additional_special_tokens=[START, END]))
tokens("settings-extra-special", settings(extra_special_tokens={"image_token": START}))
tokens("settings-extra-special-list", settings(extra_special_tokens=[START, END]))
tokens("settings-new-bos", settings(bos_token="<begin>", eos_token=END, add_bos_token=True))
tokens("settings-bos-as-object", settings(bos_token=entry("<s>") | {"__type": "AddedToken"}, eos_token="</s>", add_bos_token=True))
tokens("settings-bos-stripping", settings(bos_token=entry("<s>", lstrip=True, rstrip=True), eos_token=entry("</s>", rstrip=True)))
tokens("settings-pad-new", settings(pad_token="[PAD]"))
tokens("settings-unk-new", settings(unk_token="<unk>"))
for bos in (True, False, None):
    for eos in (True, False):
        tokens(f"add-bos-{bos}-eos-{eos}".lower(), settings(bos_token="<s>", eos_token="</s>", add_bos_token=bos, add_eos_token=eos))
tokens("add-bos-without-a-token", settings(add_bos_token=True))
tokens("add-bos-text", settings(bos_token="<s>", add_bos_token="false"))
tokens("add-prefix-space", settings(add_prefix_space=True))
tokens("split-special", settings(split_special_tokens=True, bos_token="<s>", eos_token="</s>"))
tokens("lower-case", settings(do_lower_case=True))
tokens("cleans-up", settings(clean_up_tokenization_spaces=True))
tokens("legacy", settings(legacy=False, tokenizer_class="LlamaTokenizer"))
tokens("length-limit", settings(model_max_length=16))
tokens("truncation-side", settings(truncation_side="left", padding_side="left", model_max_length=16))
tokens("chat-template", settings(chat_template="{{ messages }}"))
tokens("settings-broken", file("tokenizer_config.json", "{"))
tokens("special-map-broken", file("special_tokens_map.json", "{"))
tokens("added-json-broken", file("added_tokens.json", "{"))
tokens("settings-auto-map", settings(auto_map={"AutoTokenizer": ["tokenization_acme.Acme", None]}))
tokens("config-names-class", config(tokenizer_class="GPT2Tokenizer"))

TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}
ENDED = json.loads(json.dumps(TEMPLATE)) | {"special_tokens": TEMPLATE["special_tokens"] | {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}}
ENDED["single"].append({"SpecialToken": {"id": "</s>", "type_id": 0}})
tokens("template-bos", edit(lambda made: made.update(post_processor=TEMPLATE)))
tokens("template-bos-eos", edit(lambda made: made.update(post_processor=ENDED)))
for value in (True, False, None):
    tokens(f"template-bos-settings-{value}".lower(), edit(lambda made: made.update(post_processor=TEMPLATE)),
           settings(bos_token="<s>", eos_token="</s>", add_bos_token=value, tokenizer_class="PreTrainedTokenizerFast"))
tokens("template-other-bos", edit(lambda made: made.update(post_processor=TEMPLATE)), settings(bos_token="</s>", add_bos_token=True))
tokens("template-no-bos-settings", edit(lambda made: made.update(post_processor=TEMPLATE)), settings(tokenizer_class="PreTrainedTokenizerFast"))
tokens("truncation", edit(lambda made: made.update(truncation={"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0})))
tokens("padding", edit(lambda made: made.update(padding={"strategy": {"Fixed": 256}, "direction": "Left", "pad_to_multiple_of": None,
                                                         "pad_id": 2, "pad_type_id": 0, "pad_token": "<pad>"})))
tokens("merges-as-text", edit(lambda made: made["model"].update(merges=[m if isinstance(m, str) else " ".join(m) for m in made["model"]["merges"]])))
tokens("merges-as-pairs", edit(lambda made: made["model"].update(merges=[m.split(" ") if isinstance(m, str) else m for m in made["model"]["merges"]])))
tokens("merges-none", edit(lambda made: made["model"].update(merges=[])))
tokens("ignore-merges", edit(lambda made: made["model"].update(ignore_merges=True)))
tokens("dropout-zero", edit(lambda made: made["model"].update(dropout=0.0)))
tokens("no-type", edit(lambda made: made["model"].pop("type", None)))
tokens("normalizer-nfc", edit(lambda made: made.update(normalizer={"type": "NFC"})))
tokens("normalizer-lower-case", edit(lambda made: made.update(normalizer={"type": "Lowercase"})))
tokens("normalizer-unknown", edit(lambda made: made.update(normalizer={"type": "Sparkle"})))
tokens("prefix-space-in-json", edit(lambda made: made["pre_tokenizer"].update(add_prefix_space=True)))
tokens("prefix-space-in-json-denied", edit(lambda made: made["pre_tokenizer"].update(add_prefix_space=True)), settings(add_prefix_space=False))
tokens("split-digits", edit(lambda made: made.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [
    {"type": "Digits", "individual_digits": True}, made["pre_tokenizer"]]})))
tokens("split-llama3", edit(lambda made: made.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"},
     "behavior": "Isolated", "invert": False}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]})))
tokens("in-json-extra", added(300, START), added(301, END))
tokens("in-json-extra-not-special", added(300, START, special=False), added(301, "light", special=False, normalized=True))
tokens("in-json-unsorted", added(301, END), added(300, START))
tokens("in-json-beyond-vocabulary", added(400, START))
tokens("in-json-none", edit(lambda made: made.update(added_tokens=[])))
tokens("in-json-stripping", added(300, START, rstrip=True, lstrip=True))
tokens("no-version", edit(lambda made: made.pop("version")))
tokens("broken", file("tokenizer.json", "{"))
tokens("empty", file("tokenizer.json", ""))
tokens("none", file("tokenizer.json", None))


def vocab_and_merges(keep=False, header=True, **config):
    def act(checkpoint):
        checkpoint.draw()
        model = checkpoint.tokenizer["model"]
        merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
        checkpoint.files["vocab.json"] = model["vocab"]
        checkpoint.files["merges.txt"] = ("#version: 0.2\n" if header else "") + "\n".join(merges) + "\n"
        if config:
            checkpoint.files["tokenizer_config.json"] = config
        if not keep:
            checkpoint.files["tokenizer.json"] = None
    return act


NAMED = dict(bos_token="<s>", eos_token="</s>", unk_token="</s>")
tokens("vocab-merges", vocab_and_merges())
tokens("vocab-merges-no-header", vocab_and_merges(header=False))
for kind in ("GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer", "Qwen2Tokenizer", "GPTNeoXTokenizer", "LlamaTokenizer",
             "PreTrainedTokenizerFast"):
    tokens(f"vocab-merges-{kind}", vocab_and_merges(tokenizer_class=kind, **NAMED))
tokens("vocab-merges-bos", vocab_and_merges(tokenizer_class="GPT2Tokenizer", add_bos_token=True, **NAMED))
tokens("vocab-merges-bos-false", vocab_and_merges(tokenizer_class="GPT2Tokenizer", add_bos_token=False, **NAMED))
tokens("vocab-merges-prefix-space", vocab_and_merges(tokenizer_class="GPT2Tokenizer", add_prefix_space=True, **NAMED))
tokens("vocab-merges-added", vocab_and_merges(tokenizer_class="GPT2Tokenizer", **NAMED), file("added_tokens.json", {START: 300, END: 301}))
tokens("vocab-merges-special-map", vocab_and_merges(tokenizer_class="GPT2Tokenizer"), file("special_tokens_map.json", NAMED))
tokens("vocab-merges-beside", vocab_and_merges(keep=True))
tokens("vocab-alone", vocab_and_merges(), file("merges.txt", None))
tokens("merges-alone", vocab_and_merges(), file("vocab.json", None))


def spaced(change=lambda made: None):
    def act(checkpoint):
        checkpoint.draw()
        checkpoint.files["tokenizer.json"] = json.loads(metaspace())
        change(checkpoint.files["tokenizer.json"])
    return act


SPACED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
tokens("metaspace", spaced(), families="llama")
tokens("metaspace-GemmaTokenizer", spaced(), settings(tokenizer_class="GemmaTokenizer", **SPACED))
for kind in ("LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast"):
    tokens(f"metaspace-{kind}", spaced(), settings(tokenizer_class=kind, **SPACED))
    tokens(f"metaspace-{kind}-bos", spaced(), settings(tokenizer_class=kind, add_bos_token=True, add_eos_token=False, **SPACED))
    tokens(f"metaspace-{kind}-no-bos", spaced(), settings(tokenizer_class=kind, add_bos_token=False, **SPACED))
    tokens(f"metaspace-{kind}-legacy", spaced(), settings(tokenizer_class=kind, legacy=True, **SPACED))
tokens("metaspace-no-prefix-space", spaced(), settings(tokenizer_class="LlamaTokenizer", add_prefix_space=False, **SPACED))
tokens("metaspace-eos", spaced(), settings(tokenizer_class="LlamaTokenizer", add_bos_token=True, add_eos_token=True, **SPACED))
tokens("metaspace-pre-tokenizer", spaced(lambda made: made.update(normalizer=None, pre_tokenizer={
    "type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False})), settings(tokenizer_class="PreTrainedTokenizerFast", **SPACED))


def piece_model(kind, **options):
    """A SentencePiece model, trained on the text: `bpe` as LLaMA's, `unigram` as T5's."""
    def act(checkpoint):
        made = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXT.splitlines() * 3), model_writer=made, model_type=kind, vocab_size=316, byte_fallback=True,
            character_coverage=0.98, hard_vocab_limit=False, minloglevel=2, num_threads=1, **options)
        checkpoint.draw()
        checkpoint.files |= {"tokenizer.model": made.getvalue(), "tokenizer.json": None}
    return act


for kind in ("bpe", "unigram"):
    tokens(f"sentencepiece-{kind}", piece_model(kind), says="tokenizer.model")
    tokens(f"sentencepiece-{kind}-named", piece_model(kind), settings(tokenizer_class="LlamaTokenizer", add_bos_token=True, **SPACED),
           says="tokenizer.model")
tokens("sentencepiece-beside", lambda c: (c.draw(), c.files.update({"tokenizer.model": b"not looked at"})))


def of_model(model, **parts):
    def act(checkpoint):
        made = tokenizers.Tokenizer(model)
        for name, value in parts.items():
            setattr(made, name, value)
        checkpoint.draw()
        checkpoint.files["tokenizer.json"] = json.loads(made.to_str())
        checkpoint.files["tokenizer_config.json"] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    return act


words = sorted(set(TEXT.replace("\n", " ").split(" ")))
pieces = {"[UNK]": 0, "[CLS]": 1} | {word: number + 2 for number, word in enumerate(words)}
tokens("word-level", of_model(tokenizers.models.WordLevel(pieces, unk_token="[UNK]"), pre_tokenizer=tokenizers.pre_tokenizers.WhitespaceSplit()))
letters = {"[UNK]": 0} | {("##" if inner else "") + chr(code): 1 + 2 * (code - 33) + inner for code in range(33, 127) for inner in (0, 1)}
tokens("word-piece", of_model(tokenizers.models.WordPiece(letters, unk_token="[UNK]"), pre_tokenizer=tokenizers.pre_tokenizers.Whitespace()))
tokens("unigram", of_model(tokenizers.models.Unigram([("<unk>", 0.0)] + [(chr(code), -1.0) for code in range(32, 127)], unk_id=0)))
