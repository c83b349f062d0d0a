"""Compares the ids that llama.cpp (through `xllamacpp`) and `dress` make of varied texts, for every `tokenizer.ggml.pre` that is read.

The vocabulary is trained on the texts themselves without any split, so that its merges cross every place where a text may be split and a
split at another place gives other ids. The GGUF file's model is tiny and random; `dress prune` turns the file into a directory, whose
`tokenizer.json` is what dress makes of the metadata. Prints a line for each name; exits with 1 where ids differ.

usage: python compare_pre.py [--dress target/release/dress] [--only NAME]
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import urllib.request

import gguf
import numpy as np
import tokenizers

NAMES = ("default gpt-2 phi-2 mpt olmo jais smollm starcoder refact command-r codeshell llama-bpe llama3 llama-v3 falcon3 pixtral dbrx "
         "smaug-bpe qwen2 deepseek-r1-qwen megrez stablelm2 gpt-4o llama4 tekken").split()
PIECES = ["the", "The", "light", "it's", "IT'S", "I'LL", "we've", "WE'Ve", "'\u017f", "don't", "O'Neil", "'re", "''d", "\u2019s", "caf\u00e9",
          "cafe\u0301", "na\u00efve", "stra\u00dfe", "\u0130stanbul", "\u041f\u0440\u0438\u0432\u0435\u0442", "\u4f60\u597d\u4e16\u754c",
          "\u3053\u3093\u306b\u3061\u306f", "\u30ab\u30bf\u30ab\u30ca", "\ud55c\uad6d\uc5b4", "\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd",
          "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u10d2\u10d0\u10db", "1", "12", "123", "1234", "3.14", "1,000,000",
          "2026-11-29", "0x1F", "\u0663\u0664", "\u2167", "\u00bd", "\u00b2", "\u2460", "\u4e94", "\uff11\uff12", "!", "?!", "...", "\u2026", "--", "\u2014",
          "$5", "\u20ac5", "a+b=c", "x<y>z", "~|^", "`code`", "_under_score", "#tag", "@user", "http://a.b/c?d=e&f", "\\n", "(", ")", "[]", "{}", "\u00ab\u00bb",
          "\u3002", "\u300c", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\u200b", "\u00ad", "\u0301",
          "\U00010348", "\U0001d54f", "A1b2", "1st", "v2.0", "C++", "e\u0301\u0302", "\u02bc", "\u00aa", "\u02b0", "\u1d43", "\ufb01", "\u01c5"]
SPACES = ["", "", " ", " ", " ", "  ", "   ", "\t", "\n", "\n\n", " \n", "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\u2003 ", " \t ", "\x0b", "\x0c", "\x85", "\x1c"]


def texts():
    draw = random.Random(20)
    mixed = ["".join(draw.choice(SPACES) + draw.choice(PIECES) for _ in range(draw.randint(1, 12))) + draw.choice(SPACES) for _ in range(600)]
    return [text for text in mixed + PIECES + [a + b for a in SPACES for b in ("a", "1", ".")] if text]


def vocabulary(found):
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(found, tokenizers.trainers.BpeTrainer(vocab_size=6000, min_frequency=2, initial_alphabet=sorted(alphabet),
                                                                      show_progress=False))
    model = json.loads(trained.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [" ".join(merge) for merge in model["merges"]]


def write(path, pre, tokens, merges):
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in ((writer.add_context_length, 512), (writer.add_embedding_length, 16), (writer.add_block_count, 1),
                       (writer.add_feed_forward_length, 16), (writer.add_head_count, 1), (writer.add_head_count_kv, 1),
                       (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_bos_token_id, 0), (writer.add_eos_token_id, 0)):
        add(value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(merges)
    draw = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), 16), "output_norm": (16,), "blk.0.attn_norm": (16,), "blk.0.ffn_norm": (16,)}
    shapes |= {f"blk.0.{part}": (16, 16) for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", draw.normal(0, 0.1, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def theirs(path):
    """Run in a process of its own: the ids that llama.cpp makes of each text."""
    import xllamacpp
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.warmup, params.cpuparams.n_threads = str(path), 64, False, 1
    server, found = xllamacpp.Server(params), []
    for text in texts():
        body = json.dumps({"content": text, "add_special": True, "parse_special": True}).encode()
        asked = urllib.request.Request(server.listening_address + "/tokenize", data=body, headers={"Content-Type": "application/json"})
        found.append(json.loads(urllib.request.urlopen(asked).read())["tokens"])
    return found


def compare(dress, place, pre, tokens, merges):
    """What differs, or nothing; and llama.cpp's ids."""
    path, text = place / f"{pre}.gguf", place / "text.txt"
    write(path, pre, tokens, merges)
    text.write_text("the light " * 200)
    done = subprocess.run([sys.executable, __file__, "--ids", path], capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("IDS")]
    if not lines:
        return f"llama.cpp does not read it: {done.stderr[-200:]}", None
    expected = json.loads(lines[0][3:])
    out = place / f"{pre}-out"
    done = subprocess.run([dress, "prune", "--model", path, "--calibration", text, "--axis", "ffn", "--ratio", "0.5", "--no-regularize", "--seqlen", "16",
                           "--samples", "1", "--out", out, "--device", "cpu"], capture_output=True, text=True, timeout=120)
    if done.returncode:
        return f"dress refuses it: {done.stderr[-300:]}", expected
    ours = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    apart = [(text, ids, ours.encode(text).ids) for text, ids in zip(texts(), expected) if ours.encode(text).ids != ids]
    shown = [f"\n    {text!r}\n      llama.cpp {[tokens[id] for id in ids]}\n      dress     {[tokens[id] for id in mine]}" for text, ids, mine in apart]
    return f"{len(apart)} of {len(expected)} texts differ{''.join(shown[:3])}" if apart else None, expected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--only", default="")
    parser.add_argument("--ids", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ids:
        print("\nIDS" + json.dumps(theirs(args.ids)), flush=True)
        return
    tokens, merges = vocabulary(texts())
    failed, first = False, None
    with tempfile.TemporaryDirectory() as place:
        for pre in NAMES:
            if args.only in pre:
                why, ids = compare(pathlib.Path(args.dress).absolute(), pathlib.Path(place), pre, tokens, merges)
                first = first or ids
                other = sum(one != another for one, another in zip(ids or [], first or []))
                failed |= bool(why)
                print(f"{pre}: {why or f'{len(ids)} texts have the same ids, {other} of them not those of {NAMES[0]}'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
