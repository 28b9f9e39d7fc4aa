"""The two stages' settings; ../README.md says why they are as they are."""
from dataclasses import dataclass

from .data import CropRecipe

VOCABULARY = 'allcases_symbols'


@dataclass(frozen=True)
class Recipe:
    learning_rate: float  # of the whole model, at a batch of 32
    recognition_rate: float  # of the recognition head
    recognition_weight: float  # of its loss
    vocabulary: str | None
    shares: dict  # kind -> (share at the start, share at the end)
    flip: float
    wide_angle_share: float
    warm_up: float = 0.02  # share of the run
    decay_power: float = 0.9
    weight_decay: float = 0.01
    clip: float = 5.0  # norm of the gradient
    average: float = 0.999  # of the weights that are kept

    def crops(self, size):
        return CropRecipe(size=size, vocabulary=self.vocabulary, shares=self.shares, flip=self.flip,
                          wide_angle_share=self.wide_angle_share)

    def rate_factor(self, progress):
        """Linear warm-up, then polynomial decay to zero."""
        warm = min(1.0, (progress + 1e-3) / self.warm_up) if self.warm_up else 1.0
        return warm * (1 - min(progress, 1.0)) ** self.decay_power


RECIPES = {
    'detection': Recipe(learning_rate=1e-3, recognition_rate=0.0, recognition_weight=0.0, vocabulary=None,
                        shares={'icdar2015': (0.35, 0.5), 'totaltext': (0.3, 0.4), 'synthetic': (0.35, 0.1)},
                        flip=0.5, wide_angle_share=0.1),
    'joint': Recipe(learning_rate=5e-4, recognition_rate=1e-3, recognition_weight=0.5, vocabulary=VOCABULARY,
                    shares={'icdar2015': (0.2, 0.4), 'totaltext': (0.15, 0.3), 'synthetic': (0.65, 0.3)},
                    flip=0.0, wide_angle_share=0.05),
}
