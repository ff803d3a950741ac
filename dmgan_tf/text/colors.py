"""English words that name colours."""

from dmgan_tf.text.vocabulary import Vocabulary

COLOR_WORDS = frozenset(
    "amber aqua beige black blond blonde blue bronze brown chestnut copper coral cream crimson "
    "cyan emerald fuchsia ginger gold golden gray green grey indigo ivory khaki lavender lilac "
    "lime magenta maroon navy olive orange peach pink purple red rose ruby scarlet silver tan "
    "tanned teal turquoise violet white yellow".split()
)


def ids_of_colors(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Returns the ids of the words that name colours."""
    return tuple(index for index, word in enumerate(vocabulary.words) if word in COLOR_WORDS)
