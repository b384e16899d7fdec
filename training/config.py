"""The sizes of the embedded model, and the constants of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BLOCK = 128  # documents begin at multiples of this in a row: the longest compression block, and the window
HF_KINDS = {0: "sliding_attention", 4: "compressed_sparse_attention", 128: "heavily_compressed_attention"}


@dataclass(frozen=True)
class ModelConfig:
    """Every size of a model. Field names are the engine's, as in `training.gguf_layout.ModelShape`.

    Attributes:
        ratios: Per layer, tokens per compressed row; 0 is a layer of the sliding window alone.
        n_hash: Layers routed by token id, the first ones.
        idx_top_k: Compressed rows that a query of a ratio-4 layer attends to: a quarter of a full context's.
    """

    n_vocab: int = 4096
    n_embd: int = 256
    ratios: tuple[int, ...] = (0, 0, 4, 128, 4, 4, 128, 4)
    n_hash: int = 3
    n_head: int = 8
    head_dim: int = 128
    n_rot: int = 64
    q_rank: int = 96
    n_group: int = 4
    o_rank: int = 64
    n_expert: int = 8
    n_expert_used: int = 6
    n_ff: int = 64
    expert_scale: float = 1.5
    clamp: float = 10.0
    n_stream: int = 4
    n_sinkhorn: int = 20
    idx_head: int = 16
    idx_dim: int = 64
    idx_top_k: int = 256
    n_window: int = BLOCK
    n_context: int = 4096
    theta: float = 10_000.0
    theta_compressed: float = 160_000.0
    eps: float = 1e-6

    @property
    def n_layer(self) -> int:
        """Layers."""
        return len(self.ratios)

    def huggingface(self, *, bos: int, eos: int, pad: int) -> dict[str, Any]:
        """The config.json of the exported checkpoint, for `DeepseekV4Config`."""
        return {
            "architectures": ["DeepseekV4ForCausalLM"],
            "model_type": "deepseek_v4",
            "vocab_size": self.n_vocab,
            "hidden_size": self.n_embd,
            "num_hidden_layers": self.n_layer,
            "layer_types": [HF_KINDS[r] for r in self.ratios],
            "num_attention_heads": self.n_head,
            "num_key_value_heads": 1,
            "head_dim": self.head_dim,
            "qk_rope_head_dim": self.n_rot,
            "q_lora_rank": self.q_rank,
            "o_groups": self.n_group,
            "o_lora_rank": self.o_rank,
            "sliding_window": self.n_window,
            "index_n_heads": self.idx_head,
            "index_head_dim": self.idx_dim,
            "index_topk": self.idx_top_k,
            "n_routed_experts": self.n_expert,
            "num_experts_per_tok": self.n_expert_used,
            "n_shared_experts": 1,
            "moe_intermediate_size": self.n_ff,
            "routed_scaling_factor": self.expert_scale,
            "num_hash_layers": self.n_hash,
            "swiglu_limit": self.clamp,
            "hc_mult": self.n_stream,
            "hc_sinkhorn_iters": self.n_sinkhorn,
            "rope_theta": self.theta,
            "compress_rope_theta": self.theta_compressed,
            "max_position_embeddings": self.n_context,
            "num_nextn_predict_layers": 0,
            "tie_word_embeddings": False,
            "bos_token_id": bos,
            "eos_token_id": eos,
            "pad_token_id": pad,
        }


@dataclass(frozen=True)
class TrainConfig:
    """How the model is trained. Times are seconds of training, without the start of the program.

    Attributes:
        n_row: Rows of `ModelConfig.n_context` tokens per step.
        prompt_weight: Weight of a prompt's tokens in the loss; targets weigh 1.
        late_prompt_weight, focus_from: Their weight after this part of the schedule: what cannot be foretold in prompts
            then leaves the room to the targets.
        short_weight: Weight of the tokens of targets of a few tokens.
        decisive_weight: Weight of target tokens that decide: which tool, how a value or an answer begins.
        spoken_weight: Weight of the first token of an answer in words where tools are there and nothing is thought
            before; a call's weighs 1. A call always begins with the same token, an answer in words with one of many, so
            the likeliest token would be a call's too often.
        another_weight: Weight of the token after a call that says that another one follows; an end's is that of what
            decides. A turn of several calls ends too early in thirty cases for one where it ends too late; but weights
            of 4, 5 and 9 left it so.
        short_prompts, whole_from: Share of prompts with tools that lack the instructions which are the same in all of
            them, up to this part of the schedule; then all are whole.
        first, first_until: Share of what is learned first (`training.data.mixture.FIRST`), beside its share of the
            mixture, up to this part of the schedule.
        late_from: Part of the schedule after which skills come as often as `training.data.mixture.LATE` says.
        budget_s: The schedule's whole length.
        rate: Factor on all learning rates.
        decay: Last part of the schedule in which the learning rates fall linearly.
        prune_from: Part of the schedule after which attention sees only the rows that the indexer chose.
        index_stride: One query in so many takes part in the indexer's loss.
        muon_lr: Learning rate of matrices, before Muon's own scale.
        weight_decay: Of matrices: what a step takes off them, in parts of the learning rate.
        embed_lr, head_lr, vector_lr, small_lr: AdamW's, for the embedding, the output matrix, norms and
            hyper-connections, and for sinks and position biases.
        balance: Step of the bias that keeps routed experts equally busy.
    """

    seed: int = 1
    n_row: int = 16
    prompt_weight: float = 0.1
    late_prompt_weight: float = 0.01
    focus_from: float = 0.62
    short_weight: float = 3.0
    decisive_weight: float = 4.0
    spoken_weight: float = 6.0
    another_weight: float = 5.0
    short_prompts: float = 0.75
    whole_from: float = 0.65
    first: float = 0.25
    first_until: float = 0.2
    late_from: float = 0.6
    budget_s: float = 800.0
    rate: float = 1.25
    decay: float = 0.65
    warm_steps: int = 100
    prune_from: float = 0.85
    index_stride: int = 16
    muon_lr: float = 0.02
    weight_decay: float = 0.01
    embed_lr: float = 5e-3
    head_lr: float = 2e-3
    vector_lr: float = 3e-3
    small_lr: float = 1e-2
    balance: float = 2e-3
    n_worker: int = 14
    eval_at: tuple[float, ...] = (0.5,)
    eval_per_skill: int = 40
