"""Every flag file is one that its command takes, and says in its head how to use it."""

import dataclasses
import pathlib

import pytest
from commands import defined_flags

from dmgan_tf import prepare_data, pretrain_damsm, train
from dmgan_tf.command import read_settings
from dmgan_tf.training.config import DMGANConfig, PretrainingConfig

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.flags"))
# The paper's section 4 and the authors' code; what is not named is the default.
RECIPES = {
    "cub_dmgan": {"objective": "paper", "epochs": 600, "batch_size": 10},
    "cub_dmgan_release": {"objective": "release", "epochs": 800, "batch_size": 10},
    "coco_dmgan": {"objective": "paper", "epochs": 120, "batch_size": 10},
    "coco_dmgan_release": {"objective": "release", "epochs": 200, "batch_size": 16},
    "cub_damsm": {"epochs": 200, "max_words": 18},
    "coco_damsm": {"epochs": 100, "max_words": 15},
}
DAMSM = {
    "image_backbone": "inception_v3",
    "image_size": 299,
    "batch_size": 48,
    "word_dim": 256,
    "embedding_dim": 300,
    "dropout": 0.5,
    "learning_rate": 0.002,
    "learning_rate_decay": 0.98,
    **{"gamma1": 4.0, "gamma2": 5.0, "gamma3": 10.0},
}
ROWS = {  # of Table 3
    "baseline": ("attention", True, True),
    "memory": ("memory", False, False),
    "writing_gate": ("memory", True, False),
    "response_gate": ("memory", True, True),
}


@pytest.fixture
def settings():
    """The settings that a command makes of flag files."""

    def read(*files):
        is_damsm = any("damsm" in name for name in files)
        with defined_flags(pretrain_damsm if is_damsm else train) as flags:
            flags(["command", *(f"--flagfile={CONFIGS / name}" for name in files)])
            return read_settings(PretrainingConfig if is_damsm else DMGANConfig)

    return read


@pytest.mark.parametrize("name", FILES)
def test_the_command_takes_it_and_the_head_shows_how(name, settings):
    if name.endswith("data.flags"):
        with defined_flags(prepare_data) as flags:
            flags(["command", f"--flagfile={CONFIGS / name}"])
    else:
        settings(name)
    text = (CONFIGS / name).read_text(encoding="utf-8")
    assert text.startswith("# ") and "python " in text
    assert f"configs/{name}" in text or "benchmarks/ablation.py" in text
    if name.startswith(("cub", "coco")):
        for part in ("# Data:", "# Command:", "# Score:", "# Time:"):
            assert part in text, part


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_published_one(name, settings):
    config = dataclasses.asdict(settings(f"{name}.flags"))
    assert {key: config[key] for key in RECIPES[name]} == RECIPES[name]
    if name.endswith("damsm"):
        assert {key: config[key] for key in DAMSM} == DAMSM
        return
    assert config["kl_weight"] == 1.0
    assert config["generator_learning_rate"] == config["discriminator_learning_rate"] == 2e-4
    coco = name.startswith("coco")
    sizes = (config["num_residual_blocks"], config["max_words"], config["damsm_weight"])
    assert sizes == ((3, 12, 50.0) if coco else (2, 18, 5.0))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_ablation_changes_a_recipe_by_its_switches_alone(row, settings):
    recipe = settings("cub_dmgan.flags")
    config = settings("cub_dmgan.flags", f"ablation/{row}.flags")
    switches = (config.refinement, config.writing_gate, config.response_gate)
    assert switches == ROWS[row]
    changed = {
        field.name
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(recipe, field.name)
    }
    assert changed <= {"refinement", "writing_gate", "response_gate"}
