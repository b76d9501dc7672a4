"""A Llama in plain PyTorch, by Hugging Face parameter names; `c` is the engine's LlamaConfig as JSON, `w` name -> tensor."""

import torch
from torch.nn.functional import scaled_dot_product_attention, silu


def parameter_shapes(c):
    h, q, k, i, v = c["hiddenSize"], c["heads"] * c["headSize"], c["keyValueHeads"] * c["headSize"], c["intermediateSize"], c["vocabSize"]
    shapes = {"model.embed_tokens.weight": (v, h)}
    for n in range(c["layers"]):
        layer = f"model.layers.{n}."
        shapes |= {
            layer + "input_layernorm.weight": (h,),
            layer + "self_attn.q_proj.weight": (q, h),
            layer + "self_attn.k_proj.weight": (k, h),
            layer + "self_attn.v_proj.weight": (k, h),
            layer + "self_attn.o_proj.weight": (h, q),
            layer + "post_attention_layernorm.weight": (h,),
            layer + "mlp.gate_proj.weight": (i, h),
            layer + "mlp.up_proj.weight": (i, h),
            layer + "mlp.down_proj.weight": (h, i),
        }
    shapes["model.norm.weight"] = (h,)
    if not c["tieWordEmbeddings"]:
        shapes["lm_head.weight"] = (v, h)
    return shapes


def rms_norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotary_tables(c, start, length):
    """cos and sin, each (length, headSize)."""
    frequencies = 1.0 / c["ropeTheta"] ** (torch.arange(0, c["headSize"], 2, dtype=torch.float32) / c["headSize"])
    angles = torch.arange(start, start + length, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x, tables):
    """x (B, heads, T, headSize): the first half of a head pairs with its second."""
    low, high = x.chunk(2, -1)
    return x * tables[0] + torch.cat([-high, low], -1) * tables[1]


def logits_of(c, w, tokens, cache=None):
    """tokens (B, T) -> logits (B, T, vocabulary). `cache`, a list of (keys, values) by layer or empty, is extended."""
    return hidden_of(c, w, tokens, cache) @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T


def hidden_of(c, w, tokens, cache=None):
    """tokens (B, T) -> the last hidden state after its norm (B, T, hiddenSize)."""
    batch, length = tokens.shape
    start = cache[0][0].shape[2] if cache else 0
    tables = rotary_tables(c, start, length)
    split = lambda y, heads: y.view(batch, length, heads, c["headSize"]).transpose(1, 2)
    x = w["model.embed_tokens.weight"][tokens]
    for n in range(c["layers"]):
        p = lambda part: w[f"model.layers.{n}.{part}.weight"]
        h = rms_norm(x, p("input_layernorm"), c["rmsNormEpsilon"])
        q = rotate(split(h @ p("self_attn.q_proj").T, c["heads"]), tables)
        k = rotate(split(h @ p("self_attn.k_proj").T, c["keyValueHeads"]), tables)
        v = split(h @ p("self_attn.v_proj").T, c["keyValueHeads"])
        if cache is not None:
            if start:
                k, v = torch.cat([cache[n][0], k], 2), torch.cat([cache[n][1], v], 2)
                cache[n] = (k, v)
            else:
                cache.append((k, v))
        attended = scaled_dot_product_attention(q, k, v, is_causal=length > 1, enable_gqa=c["heads"] != c["keyValueHeads"])
        x = x + attended.transpose(1, 2).reshape(batch, length, -1) @ p("self_attn.o_proj").T
        h = rms_norm(x, p("post_attention_layernorm"), c["rmsNormEpsilon"])
        x = x + (silu(h @ p("mlp.gate_proj").T) * (h @ p("mlp.up_proj").T)) @ p("mlp.down_proj").T
    return rms_norm(x, w["model.norm.weight"], c["rmsNormEpsilon"])
