"""Scores of a small LLaMA by each criterion's published formula, in float64, for the tests to compare with.

Written from the papers: L1/L2 norms, the norm of the activations, Wanda summed by structure, FLAP's IFV, WIFV and WIFN
and its standardized WIFV, Minitron's mean activations, LLM-Pruner's element-wise and vector-wise Taylor with its four aggregates, Molchanov's Fisher, ShortGPT's block influence
and SLEB's greedy search.

usage: python make_criteria.py FIXTURE > criteria.json
"""
import itertools
import json
import sys

import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float64)
config = model.config
layers = model.model.layers
HEAD = config.head_dim
AXES = ("residual", "ffn.1", "heads.0")
GROUP = config.num_attention_heads // config.num_key_value_heads


def slots(axis):
    """(weight, dimension, indices a structure, module that reads the axis or None)"""
    kind, _, number = axis.partition(".")
    if kind == "residual":
        found = [(model.model.embed_tokens.weight, 1, 1, None), (model.model.norm.weight, 0, 1, None)]
        for layer in layers:
            attention, mlp = layer.self_attn, layer.mlp
            found += [(m.weight, 1, 1, m) for m in (attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj)]
            found += [(m.weight, 0, 1, None) for m in (attention.o_proj, mlp.down_proj)]
            found += [(layer.input_layernorm.weight, 0, 1, None), (layer.post_attention_layernorm.weight, 0, 1, None)]
        if not config.tie_word_embeddings:
            found.append((model.lm_head.weight, 1, 1, model.lm_head))
        return found
    attention, mlp = layers[int(number)].self_attn, layers[int(number)].mlp
    if kind == "ffn":
        return [(mlp.gate_proj.weight, 0, 1, None), (mlp.up_proj.weight, 0, 1, None), (mlp.down_proj.weight, 1, 1, mlp.down_proj)]
    return [(attention.q_proj.weight, 0, HEAD * GROUP, None), (attention.k_proj.weight, 0, HEAD, None),
            (attention.v_proj.weight, 0, HEAD, None), (attention.o_proj.weight, 1, HEAD * GROUP, attention.o_proj)]


def rows(value, dim, block):
    """What each structure owns, a row a structure."""
    value = value if dim == 0 else value.T
    return value.reshape(value.shape[0] // block, -1)


def gradients_of(blocks):
    found = []
    for block in blocks:
        model.zero_grad()
        ids = torch.tensor([block])
        model(ids, labels=ids).loss.backward()
        found.append({p: p.grad.clone() for p in model.parameters()})
    return found


def mean_of(gradients):
    return {p: sum(g[p] for g in gradients) / len(gradients) for p in model.parameters()}


def places(axis, vector):
    """What each structure has in each slot, and whether the slot reads; of vectors, how far one cancels at most."""
    found, worst = [], 1.0
    for w, d, b, m in slots(axis):
        product = w * mean_gradient[w]
        vectors = rows(product, d, 1)
        elements, sums = (rows(of_each[:, None], 0, b).sum(1) for of_each in (vectors.abs().sum(1), vectors.sum(1).abs()))
        worst = max(worst, (elements / sums).max().item())
        found.append((sums if vector else elements, m is not None))
    return found, worst


# The logarithm of a sum that all but cancels shows the rounding of f32 gradients and not the formula: the first blocks
# for which it is far below what the tests allow.
for start in itertools.count():
    blocks = [[(i * i + 5 * n + start) % config.vocab_size for i in range(17)] for n in range(4)]
    mean_gradient = mean_of(gradients_of(blocks))
    magnified = []
    for axis in AXES:
        found, worst = places(axis, True)
        magnified.append(worst / torch.stack([p.log() for p, _ in found]).sum(0).abs().max().item())
    if max(magnified) < 30:
        break
print(f"blocks from {start}: cancellation to greatest logarithm {max(magnified):.1f}", file=sys.stderr)

inputs, streams = {}, []
hooks = [m.register_forward_pre_hook(lambda m, args: inputs.setdefault(m, []).append(args[0].detach().flatten(0, 1)))
         for m in model.modules() if isinstance(m, torch.nn.Linear)]
for layer in layers:
    layer.register_forward_hook(lambda m, args, out, layer=layer: streams.append((layer, args[0], out)))
gradients = gradients_of(blocks)
for hook in hooks:
    hook.remove()
inputs = {m: torch.cat(x) for m, x in inputs.items()}
stream_sites = [torch.cat([before.flatten(0, 1) for layer, before, _ in streams if layer is layers[0]])]
for which in layers:
    stream_sites.append(torch.cat([after.flatten(0, 1) for layer, _, after in streams if layer is which]))


def sizes(module):
    """Of each channel, the L2 norm over blocks of the mean absolute value in each."""
    return inputs[module].reshape(len(blocks), -1, inputs[module].shape[1]).abs().mean(1).norm(dim=0)


def score(name, axis):
    found = slots(axis)
    readers = [(w, d, b, m) for w, d, b, m in found if m is not None]
    by_channel = lambda channel: sum(rows(channel(w, inputs[m])[:, None], 0, b).sum(1) for w, d, b, m in readers)
    if name == "magnitude-l1":
        return sum(rows(w.abs(), d, b).sum(1) for w, d, b, _ in found)
    if name == "magnitude-l2":
        return sum(rows(w ** 2, d, b).sum(1) for w, d, b, _ in found).sqrt()
    if name == "activation-norm":
        if axis == "residual":
            energies = [(x ** 2).sum(0) for x in stream_sites]
            return sum(e / e.mean() for e in energies)
        (_, _, b, m), = readers
        return rows((inputs[m] ** 2).sum(0)[:, None], 0, b).sum(1).sqrt()
    if name == "wanda":
        return by_channel(lambda w, x: w.abs().sum(0) * x.norm(dim=0))
    if name == "flap-ifv":
        return by_channel(lambda w, x: x.var(0))
    if name == "flap-wifv":
        return by_channel(lambda w, x: x.var(0) * (w ** 2).sum(0))
    if name == "flap-wifn":
        return by_channel(lambda w, x: w.abs().mean(0) * (x ** 2).mean(0).sqrt())
    if name == "flap":
        channels = sum((x := inputs[m]).var(0) * (w ** 2).sum(0) for w, d, b, m in readers)
        standard = (channels - channels.mean()) / channels.std()
        return rows(standard[:, None], 0, readers[0][2]).mean(1)
    if name == "minitron":
        if axis == "residual":
            return sum(sizes(m) for layer in layers for m in (layer.self_attn.q_proj, layer.mlp.gate_proj))
        (_, _, b, m), = readers
        return rows(sizes(m)[:, None], 0, b).norm(dim=1)
    if name == "fisher":
        return sum(sum(rows(w * g[w], d, b).sum(1) for w, d, b, _ in found) ** 2 for g in gradients) / len(gradients)
    vector, _, aggregate = name.removeprefix("taylor").removeprefix("-").partition("-") if "vector" in name else \
        ("", "", name.removeprefix("taylor").removeprefix("-"))
    found, _ = places(axis, bool(vector))
    if aggregate == "max":
        return torch.stack([p for p, _ in found]).amax(0)
    if aggregate == "prod":
        return torch.stack([p.log() for p, _ in found]).sum(0)
    if aggregate == "last":
        return sum(p for p, reads in found if reads)
    return sum(p for p, _ in found)


def influence():
    cosine = lambda layer: torch.cat([torch.cosine_similarity(b, a, dim=-1).flatten() for l, b, a in streams if l is layer])
    return torch.stack([1 - cosine(layer).mean() for layer in layers])


def sleb():
    order, left = [], list(range(len(layers)))
    while len(left) > 1:
        losses = {}
        for candidate in left:
            model.model.layers = torch.nn.ModuleList(layers[i] for i in left if i != candidate)
            with torch.no_grad():
                losses[candidate] = sum(model(torch.tensor([b]), labels=torch.tensor([b]), use_cache=False).loss for b in blocks)
        order.append(min(losses, key=losses.get))
        left.remove(order[-1])
    model.model.layers = layers
    return torch.tensor([float(order.index(i)) if i in order else float(len(order)) for i in range(len(layers))])


WIDTHS = ["magnitude-l1", "magnitude-l2", "activation-norm", "wanda", "flap-ifv", "flap-wifv", "flap-wifn", "flap", "minitron", "fisher"]
WIDTHS += [f"taylor{vector}{aggregate}" for vector in ("", "-vector") for aggregate in ("", "-max", "-prod", "-last")]
scores = {name: {axis: score(name, axis).tolist() for axis in AXES} for name in WIDTHS}
scores |= {"block-influence": {"depth": influence().tolist()}, "sleb": {"depth": sleb().tolist()}}
print(json.dumps({"blocks": blocks, "scores": scores}))
