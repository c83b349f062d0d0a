"""Oddities of the vocabulary: ways to split, types of token, first and last tokens, scores and merges."""
from .file import BOOL, LIST, TEXT, U32, VOCAB
from .registry import add, drop, of_all, put

BOTH = "llama phi2"
KEY = "tokenizer.ggml."


def replaced(**values):
    """Tokens at the end of the vocabulary under other texts: `t1="<|im_end|>"` for the last."""
    def act(file):
        tokens = list(file.keys[KEY + "tokens"][1][1])
        for number, text in values.items():
            tokens[-int(number[1:])] = text
        file.set(KEY + "tokens", LIST, (TEXT, tokens))
    return act


def typed(**values):
    """Types of tokens at the end of the vocabulary."""
    def act(file):
        element, kinds = file.keys[KEY + "token_type"][1]
        kinds = list(kinds)
        for number, kind in values.items():
            kinds[-int(number[1:])] = kind
        file.set(KEY + "token_type", LIST, (element, kinds))
    return act


def cut(name, change):
    """Another list in the place of one."""
    def act(file):
        element, values = file.keys[KEY + name][1]
        file.set(KEY + name, LIST, (element, change(list(values))))
    return act


for pre in ("default", "gpt-2", "phi-2", "mpt", "olmo", "smollm", "starcoder", "refact", "llama-bpe", "llama3", "falcon3", "qwen2"):
    add(f"pre-{pre}", put(KEY + "pre", TEXT, pre), families=BOTH, read=True)
for pre in ("deepseek-llm", "gpt-4o", "tekken", "bloom", "viking", "poro-chat"):
    add(f"pre-{pre}", put(KEY + "pre", TEXT, pre), says=pre)
add("pre-acme", put(KEY + "pre", TEXT, "acme"))
add("pre-empty", put(KEY + "pre", TEXT, ""), says="pre")
add("pre-missing", drop(KEY + "pre"), families=BOTH, read=True)
add("pre-missing-llama3-vocabulary", of_all(drop(KEY + "pre"), replaced(t1="<|begin_of_text|>")), says="pre")

for vocabulary in ("gpt2", "llama"):
    for name in ("bos", "eos"):
        for value in (True, False):
            add(f"{vocabulary}-add-{name}-{value}", put(f"{KEY}add_{name}_token", BOOL, value), vocabulary=vocabulary, read=True)
        add(f"{vocabulary}-{name}-missing", drop(f"{KEY}{name}_token_id"), vocabulary=vocabulary, read=True)
        add(f"{vocabulary}-{name}-beyond", put(f"{KEY}{name}_token_id", U32, VOCAB + 5), vocabulary=vocabulary, read=True)
        add(f"{vocabulary}-{name}-other", of_all(put(f"{KEY}{name}_token_id", U32, 9), put(f"{KEY}add_{name}_token", BOOL, True)), vocabulary=vocabulary,
            read=True)
    add(f"{vocabulary}-add-both", of_all(put(KEY + "add_bos_token", BOOL, True), put(KEY + "add_eos_token", BOOL, True)), vocabulary=vocabulary, read=True)
    add(f"{vocabulary}-add-bos-missing", of_all(put(KEY + "add_bos_token", BOOL, True), drop(KEY + "bos_token_id")), vocabulary=vocabulary,
        says="bos_token_id", read=vocabulary == "llama")
    add(f"{vocabulary}-add-eos-missing", of_all(put(KEY + "add_eos_token", BOOL, True), drop(KEY + "eos_token_id")), vocabulary=vocabulary,
        says="eos_token_id", read=vocabulary == "llama")
    add(f"{vocabulary}-types-missing", drop(KEY + "token_type"), vocabulary=vocabulary, says="token_type")
    add(f"{vocabulary}-types-too-few", cut("token_type", lambda kinds: kinds[:-1]), vocabulary=vocabulary)
    add(f"{vocabulary}-types-too-many", cut("token_type", lambda kinds: kinds + [1]), vocabulary=vocabulary, says="token_type")
    add(f"{vocabulary}-tokens-too-few", of_all(cut("tokens", lambda tokens: tokens[:-1]), cut("token_type", lambda kinds: kinds[:-1])), vocabulary="gpt2")
    add(f"{vocabulary}-text-has-special", vocabulary=vocabulary, text="</s>the light<s> of</s> 12 worlds <unk> is", read=True)
    for kind in (3, 4):
        add(f"{vocabulary}-added-{kind}", of_all(replaced(t1="<|x|>", t2="<|x|>y"), typed(t1=kind, t2=kind)), vocabulary=vocabulary,
            text="the <|x|>light<|x|>y in <|x|> a", read=True)
    add(f"{vocabulary}-end-by-name", replaced(t1="<|im_end|>"), vocabulary=vocabulary, text="the light<|im_end|> in a<|im_end|>", read=True)
    add(f"{vocabulary}-end-by-name-eot", replaced(t1="<|eot_id|>", t2="<|endoftext|>"), vocabulary=vocabulary, text="a<|eot_id|>the<|endoftext|> in", read=True)
    add(f"{vocabulary}-empty-token", replaced(t1=""), vocabulary=vocabulary, read=True)
    # A model of that name needs <|endoftext|> in llama.cpp.
    add(f"{vocabulary}-named-phi-3", of_all(put("general.name", TEXT, "Llama of Phi-3 mini"), replaced(t1="<|user|>", t2="<|endoftext|>"),
                                            typed(t1=3, t2=3)), vocabulary=vocabulary,
        text="<|user|> \n the light<|user|>  in <s>  a", read=True)
    add(f"{vocabulary}-odd-texts", vocabulary=vocabulary, text="  caf\u00e9\u3000\u4f60\u597d \U0001f600\n\n\t x'S 1234 \u0663\u00bd  ", read=True)
add("merges-missing", drop(KEY + "merges"))
add("merges-fewer", cut("merges", lambda merges: merges[:20]), read=True)
add("merges-none", cut("merges", lambda merges: []), read=True)
add("model-acme", put(KEY + "model", TEXT, "acme"))
add("model-missing", drop(KEY + "model"))
add("tokens-missing", drop(KEY + "tokens"))
add("scores-missing", drop(KEY + "scores"), vocabulary="llama", says="scores")
add("scores-too-few", cut("scores", lambda scores: scores[:-1]), vocabulary="llama")
add("scores-equal", cut("scores", lambda scores: [0.0] * len(scores)), vocabulary="llama", read=True)
add("scores-reversed", cut("scores", lambda scores: [-score for score in scores]), vocabulary="llama", read=True)
for value in (True, False):
    add(f"add-space-prefix-{value}", put(KEY + "add_space_prefix", BOOL, value), vocabulary="llama", read=True)
add("pre-of-sentencepiece", put(KEY + "pre", TEXT, "default"), vocabulary="llama", read=True)
add("chat-template", put("tokenizer.chat_template", TEXT, "{{ messages }}"), read=True)
add("end-of-turn", put(KEY + "eot_token_id", U32, 7), read=True)
