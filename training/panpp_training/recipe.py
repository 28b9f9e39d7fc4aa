"""The stages' settings; ../README.md says why they are as they are."""
from dataclasses import dataclass

from .data import CropRecipe

VOCABULARY = 'allcases_symbols'


@dataclass(frozen=True)
class Recipe:
    learning_rate: float  # of the whole model
    recognition_rate: float  # of the recognition head
    recognition_weight: float  # of its loss
    vocabulary: str | None
    shares: dict  # kind -> (share at the start, share at the end)
    flip: float
    wide_angle_share: float
    rate_batch: int = 32  # crops a batch from which that rate holds; with fewer it goes with their root
    detection: tuple = ()  # kinds of crops that teach detection
    frozen: str = ''  # what does not learn: see PanPP.freeze
    hold_statistics: bool = False  # of the batch norms outside of the recognition head
    guide_weight: float = 0.0  # of the loss on the decoder's attention (guide.py), falling to 0 with the run
    unknown: float = 0.0  # share of the tokens fed back to the decoder that are hidden from it
    usual_scale: tuple = (0.75, 1.4)
    wide_scale: tuple = (0.5, 2.2)
    on_word: float = 0.8
    tries: int = 1
    words: int = 384  # a step that are read, at most
    max_read: int = 24  # a crop
    uses: int = 1  # of a word, on average, where the network is frozen (replay.py)
    warm_up: float = 0.02  # share of the run
    decay_power: float = 0.9
    weight_decay: float = 0.01
    clip: float = 5.0  # norm of the gradient
    average: float = 0.999  # of the weights that are kept

    def crops(self, size):
        return CropRecipe(size=size, vocabulary=self.vocabulary, shares=self.shares, flip=self.flip,
                          wide_angle_share=self.wide_angle_share, usual_scale=self.usual_scale,
                          wide_scale=self.wide_scale, on_word=self.on_word, tries=self.tries, max_read=self.max_read,
                          detection=self.detection)

    def rate(self, batch):
        """The learning rate of the whole model at a batch of so many crops."""
        return self.learning_rate * min(1.0, batch / self.rate_batch) ** 0.5

    def rate_factor(self, progress):
        """Linear warm-up, then polynomial decay to zero."""
        warm = min(1.0, (progress + 1e-3) / self.warm_up) if self.warm_up else 1.0
        return warm * (1 - min(progress, 1.0)) ** self.decay_power


RECIPES = {
    'detection': Recipe(learning_rate=1e-3, recognition_rate=0.0, recognition_weight=0.0, vocabulary=None,
                        shares={'icdar2015': (0.35, 0.5), 'totaltext': (0.3, 0.4), 'synthetic': (0.35, 0.1)},
                        flip=0.5, wide_angle_share=0.1, detection=('icdar2015', 'totaltext', 'synthetic')),
    'reading': Recipe(learning_rate=0.0, recognition_rate=1.5e-3, recognition_weight=1.0, vocabulary=VOCABULARY,
                      shares={'icdar2015': (0.02, 0.1), 'totaltext': (0.02, 0.1), 'dense': (0.6, 0.3),
                              'cut': (0.36, 0.5)},
                      flip=0.0, wide_angle_share=0.05, frozen='network', usual_scale=(0.8, 1.3),
                      wide_scale=(0.6, 1.7), on_word=1.0, tries=3, words=64, uses=2, max_read=40, guide_weight=1.0,
                      unknown=0.2),
    'joint': Recipe(learning_rate=5e-4, rate_batch=8, recognition_rate=2e-3, recognition_weight=1.0,
                    vocabulary=VOCABULARY,
                    shares={'icdar2015': (0.24, 0.4), 'totaltext': (0.2, 0.3), 'level': (0.46, 0.26),
                            'dense': (0.06, 0.02), 'cut': (0.04, 0.02)},
                    flip=0.0, wide_angle_share=0.05, frozen='layer1', hold_statistics=True, usual_scale=(0.8, 1.3),
                    wide_scale=(0.6, 1.7), tries=3, words=1024, max_read=64, guide_weight=1.0, unknown=0.2,
                    detection=('icdar2015', 'totaltext')),
}
