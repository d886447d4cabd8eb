"""A DFlash drafter in PyTorch, written from the equations of the format (z-lab
export, draft forward pass), independent of lib/Import. One class serves as the
judge of `draft` (f32 or f64, no cache) and as what train_demo_drafter trains.

Tensor names of the module are those of the checkpoint. Run it in the
environment of tools/dev/oracle."""

import json
import os

import torch
from torch import nn


def rms_norm(x, weight, eps):
    """y = w * x / sqrt(mean(x^2) + eps)."""
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))


def rotate(x, positions, theta):
    """NeoX half-split rotation of x [G,heads,rows,d] at positions [G,rows]."""
    half = x.shape[-1] // 2
    angle = positions[..., None].double() * theta ** (
        -torch.arange(half, dtype=torch.float64) / half)
    cos, sin = (f(angle).to(x.dtype)[:, None] for f in (torch.cos, torch.sin))
    u, v = x[..., :half], x[..., half:]
    return torch.cat([u * cos - v * sin, v * cos + u * sin], -1)


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv, self.width = \
            c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        hidden, self.theta = c["hidden_size"], c["rope_theta"]
        self.q_proj = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.k_proj = nn.Linear(hidden, self.kv * self.width, bias=False)
        self.v_proj = nn.Linear(hidden, self.kv * self.width, bias=False)
        self.o_proj = nn.Linear(self.heads * self.width, hidden, bias=False)
        self.q_norm = Norm(self.width, c["rms_norm_eps"])
        self.k_norm = Norm(self.width, c["rms_norm_eps"])

    def split(self, x, heads):
        return x.unflatten(-1, (heads, self.width)).transpose(1, 2)

    def keys(self, x, positions):
        """Rotated keys and values [G,kv,rows,d] of rows x."""
        k = self.k_norm(self.split(self.k_proj(x), self.kv))
        return rotate(k, positions, self.theta), self.split(self.v_proj(x), self.kv)

    def forward(self, x, context, at, context_at, mask):
        q = rotate(self.q_norm(self.split(self.q_proj(x), self.heads)), at, self.theta)
        past, block = self.keys(context, context_at), self.keys(x, at)
        k, v = (torch.cat(pair, 2).repeat_interleave(self.heads // self.kv, 1)
                for pair in zip(past, block))
        scores = q @ k.transpose(-1, -2) * self.width ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        return self.o_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden, wide = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = nn.Linear(hidden, wide, bias=False)
        self.up_proj = nn.Linear(hidden, wide, bias=False)
        self.down_proj = nn.Linear(wide, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn, self.mlp = Attention(c), Mlp(c)

    def forward(self, x, *rest):
        x = x + self.self_attn(self.input_layernorm(x), *rest)
        return x + self.mlp(self.post_attention_layernorm(x))


class DFlashDraft(nn.Module):
    """`config` is the checkpoint's config.json as a dict."""

    def __init__(self, config):
        super().__init__()
        taps, hidden = config["dflash_config"]["target_layer_ids"], config["hidden_size"]
        self.config, self.block = config, config["block_size"]
        self.fc = nn.Linear(len(taps) * hidden, hidden, bias=False)
        self.hidden_norm = Norm(hidden, config["rms_norm_eps"])
        self.norm = Norm(hidden, config["rms_norm_eps"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, embeds, features, at, context_at, mask=None):
        """Rows u behind the last norm. embeds [G,Q,H] are the target's embeddings
        of the block ids, features [G,C,K*H] the tapped rows of the context,
        at [G,Q] and context_at [G,C] sequence indices, mask [G,Q,C+Q] what is
        visible (None: everything)."""
        context = self.hidden_norm(self.fc(features))
        for layer in self.layers:
            embeds = layer(embeds, context, at, context_at, mask)
        return self.norm(embeds)

    def propose(self, table, head, anchor, features, start):
        """Logits of slots 1..B-1 for one sequence: table [V,H] and head [V,H] are
        the target's, features [start,K*H] its tapped rows 0..start-1."""
        mask_id = self.config["dflash_config"]["mask_token_id"]
        ids = torch.tensor([anchor] + [mask_id] * (self.block - 1))
        at = torch.arange(start, start + self.block)
        rows = self(table[ids][None], features[None], at[None], torch.arange(start)[None])
        return rows[0, 1:] @ head.T


def load(folder):
    """The drafter of a checkpoint folder, in f32."""
    from safetensors.torch import load_file
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        draft = DFlashDraft(json.load(file))
    state = load_file(os.path.join(folder, "model.safetensors"))
    draft.load_state_dict({name: value.float() for name, value in state.items()})
    return draft.eval()
