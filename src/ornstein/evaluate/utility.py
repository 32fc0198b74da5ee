"""What are generated pictures worth as training data? A classifier trained on them and tested on real ones tells.

Train on synthetic, test on real (Esteban et al. 2017, arXiv 1706.02633), beside the same classifier trained on as many
real pictures, and on both together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ornstein.evaluate.classifier import Classifier, ClassifierConfig, enough, train_classifier
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.fidelity import Figure


def utility(
    generated: tuple[np.ndarray, np.ndarray],
    real: tuple[np.ndarray, np.ndarray],
    unseen: tuple[np.ndarray, np.ndarray],
    config: ClassifierConfig,
    progress: Callable[[str], None] = lambda what: None,
) -> Iterator[Figure]:
    """Accuracy on unseen real pictures after training on generated ones, beside that after real ones.

    Args:
        generated: uint8 (N, H, W, C) pictures and the classes they were asked for, (N,).
        real: as many pictures the model was trained on, and their classes.
        unseen: real pictures to test on, and their classes.
        config: shape of the classifiers; each sees as many pictures in training, repeats included.
        progress: told what comes next.

    Raises:
        OrnsteinError: a class without pictures.
    """

    def accuracy(pictures: np.ndarray, labels: np.ndarray, what: str) -> Estimate:
        progress(f"training on {what}")
        network = train_classifier(lambda chosen: pictures[chosen], labels, config, enough(len(real[1])))
        found = Classifier(network, config, "", {}).classify(unseen[0]).numpy()
        return of_mean(found == unseen[1])

    on_real = accuracy(*real, "real pictures")
    made = accuracy(*generated, "generated pictures")
    both = accuracy(
        np.concatenate([generated[0], real[0]]), np.concatenate([generated[1], real[1]]), "both together"
    )
    count = f"{len(generated[0]):,}"
    yield Figure(
        "tstr", "", f"accuracy on real pictures after training on {count} generated (beside: {count} real)", made,
        on_real, "higher",
    )  # fmt: skip
    yield Figure(
        "tstr-both", "", f"accuracy after training on both (beside: {count} real)", both, on_real, "higher"
    )
