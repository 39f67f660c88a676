"""Which visual tokens a question needs: a small head that reads the question's embeddings, before the decoder reads anything.

It learns where the full plan looks while it answers (`attention_on_picture`), from detached inputs, so the model is not changed by it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from train import tokenizer
from train.model import Decoder, ModelConfig, attention_scores, cast_once, rope_table
from train.packing import IGNORED
from train.whole import decoder_layer, queries_keys_values, text_mask

SCORE_DIM, HIDDEN, NUM_QUERIES, WINDOW = 64, 128, 2, 5
# Tokens of a question that are looked at in training.
MOST_WORDS = 64
# Decoder layers whose attention is learned from.
WATCHED = (2, 6, 8)


class TokenScorer(nn.Module):
    """Scores of visual tokens for questions. Queries are made of WINDOW neighbouring tokens of a question, as a word takes several, and
    of their mean; a token's score is the log of the sum of the exponentials of its products with all of them, and what it is worth to any question."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.words = nn.Conv1d(cfg.model_dim, HIDDEN, WINDOW, padding=WINDOW // 2)
        self.query = nn.Linear(HIDDEN, NUM_QUERIES * SCORE_DIM)
        self.whole = nn.Linear(HIDDEN, NUM_QUERIES * SCORE_DIM)
        self.key_in = nn.Linear(cfg.model_dim, 2 * HIDDEN)
        self.key = nn.Linear(2 * HIDDEN, SCORE_DIM)
        self.prior = nn.Linear(2 * HIDDEN, 1)

    def forward(self, questions: torch.Tensor, is_word: torch.Tensor, visual: torch.Tensor) -> torch.Tensor:
        """[batch, questions, tokens] of embeddings [batch, questions, words, model_dim], which are words where `is_word` says so,
        and `visual` [batch, tokens, model_dim]."""
        known = is_word[..., None]
        words = F.layer_norm(questions, questions.shape[-1:]) * known
        words = F.gelu(self.words(words.flatten(0, 1).mT).mT.view(*is_word.shape, -1)) * known
        mean = words.sum(2) / known.sum(2).clamp(min=1)
        queries = torch.cat([self.query(words), self.whole(mean)[:, :, None]], dim=2).unflatten(-1, (NUM_QUERIES, SCORE_DIM)).flatten(2, 3)
        is_query = F.pad(is_word, (0, 1), value=True).repeat_interleave(NUM_QUERIES, -1)
        inner = F.gelu(self.key_in(F.layer_norm(visual, visual.shape[-1:])))
        products = queries @ self.key(inner).mT[:, None] * SCORE_DIM**-0.5
        return products.masked_fill(~is_query[..., None], float("-inf")).logsumexp(2) + self.prior(inner).mT


def asked_words(text: dict[str, torch.Tensor], chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the questions `chosen` [batch, questions], by block, of packed text: the places of their last MOST_WORDS tokens, which of these
    there are, both [batch, questions, MOST_WORDS], and which tokens of the text tell their answers [batch, questions, num_text]."""
    own = text["block_ids"][:, None] == chosen[..., None]
    answered = own & (text["targets"] != IGNORED)[:, None]
    end = answered.int().argmax(-1, keepdim=True)  # the newline after the question
    places = end - MOST_WORDS + torch.arange(MOST_WORDS, device=end.device)
    return places.clamp(min=0), (places >= own.int().argmax(-1, keepdim=True)) & answered.any(-1, keepdim=True), answered


def draw_questions(text: dict[str, torch.Tensor], count: int) -> torch.Tensor:
    """Blocks [batch, count] by chance, perhaps some twice."""
    num_blocks = text["block_ids"].amax(1, keepdim=True)
    return (torch.rand(len(num_blocks), count, device=num_blocks.device) * num_blocks).long() + 1


def scores_of_questions(scorer: TokenScorer, embed: nn.Module, text: dict[str, torch.Tensor], chosen: torch.Tensor, visual: torch.Tensor) -> torch.Tensor:
    """[batch, questions, tokens], in 32 bits; the model gets no gradients."""
    places, is_question, _ = asked_words(text, chosen)
    with torch.no_grad():
        words = embed(text["ids"].gather(1, places.flatten(1))).view(*places.shape, -1)
    with torch.autocast(visual.device.type, enabled=False):
        return scorer(words.float(), is_question, visual.detach().float())


@torch.no_grad()
def attention_on_picture(decoder: Decoder, visual: torch.Tensor, text: dict[str, torch.Tensor], answered: torch.Tensor) -> torch.Tensor:
    """Where the full plan looks while it tells each answer: shares [batch, questions, tokens] of the attention of all heads of WATCHED."""
    batch, num_first = len(visual), 1 + visual.shape[1]
    x = torch.cat([decoder.embed_tokens(torch.full((batch, 1), tokenizer.BOS, device=visual.device)), visual.float(), decoder.embed_tokens(text["ids"])], dim=1)
    first = torch.arange(num_first, device=visual.device).expand(batch, -1)
    cos, sin = rope_table(torch.cat([first, text["positions"]], dim=1), decoder.cfg.head_dim, decoder.cfg.rope_theta)
    seen = text_mask(text["block_ids"], num_first)[:, None]
    mask = torch.zeros(seen.shape, dtype=cast_once(x[:0]).dtype, device=x.device).masked_fill_(~seen, float("-inf"))
    looked = torch.zeros(*answered.shape[:2], visual.shape[1], device=x.device)
    for i, layer in enumerate(decoder.layers[:max(WATCHED) + 1]):
        if i in WATCHED:
            q, k, _ = queries_keys_values(layer, x, cos, sin)
            shares = (attention_scores(q[:, :, num_first:], k, mask).softmax(-1)[..., 1:num_first]).sum(1)
            looked += answered.to(shares.dtype) @ shares
        x, _, _ = decoder_layer(layer, x, cos, sin, mask, num_first)
    return looked / looked.sum(-1, keepdim=True).clamp(min=1e-6)


def scorer_loss(scores: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Cross entropy with the shares [batch, questions, tokens] of attention; questions without any don't count."""
    is_asked = shares.sum(-1) > 0.5
    apart = -(shares * scores.log_softmax(-1)).sum(-1)
    return torch.where(is_asked, apart, 0.0).sum() / is_asked.sum().clamp(min=1)
