"""One setting by its name: wrong names and values are refused with the nearest right one."""

import pytest

from maskcls.config.one_setting import did_you_mean, read_value, require_setting
from maskcls.config.resolve import flat_json, resolve, to_json
from maskcls.core.errors import UserError


@pytest.mark.parametrize("name", ["optim.lr", "loss.name", "loss.focal.gamma", "created"])
def test_names_that_there_are(name: str):
    require_setting(name, "--sort", ["created"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("optim.rl", r"^here: there is no optim\.rl; did you mean optim\.lr\?$"),
        ("loss.focal.gama", "did you mean loss.focal.gamma"),
        ("loss.fokal.gamma", "did you mean loss.focal.gamma"),
        ("creatd", "did you mean created"),
        ("zzzzzzzzz", "see maskcls train --help"),
        ("cluster.gpus", "places the work and changes no number"),
    ],
)
def test_names_that_there_are_not(name: str, says: str):
    with pytest.raises(UserError, match=says):
        require_setting(name, "here", ["created"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("train.keep", "lst", r"^here: there is no 'lst'; did you mean last\?$"),
        ("train.keep", "zzz", r"^here: there is no 'zzz'; choose from best, last\.$"),
        ("loss.name", "focl", r"there is no 'focl'; did you mean focal\?"),
        ("loss.name", "f1+focl", r"there is no 'focl'; did you mean focal\?"),
        ("augment.name", "non", r"did you mean none\?"),
        ("augment.name", "flip+none", "there is no 'none'"),
        ("augment.cutmix.partner", "olf", r"did you mean old\?"),
        ("tta.crops", "4", r"there is no '4'; choose from 1, 5\."),
        ("folds.scheme", "kfolds", r"did you mean kfold\?"),
        ("optim.lr", "fast", "should be a valid number"),
        ("optim.lr", "-1", "greater than 0"),
        ("optim.lr", "true", "true and false are not valid here"),
        ("image.size", "224", "HEIGHTxWIDTH"),
        ("train.micro_batch_size", "some", "should be"),
        ("loss.focal.gamma", "high", "should be a number"),
    ],
)
def test_values_that_a_setting_cannot_have(name: str, text: str, says: str):
    with pytest.raises(UserError, match=says) as e:
        read_value(name, text, "here")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("optim.lr", "1e-3"),
        ("optim.lr", ".5"),
        ("optim.ema", "0"),
        ("image.size", "224x200"),
        ("image.crop", "face"),
        ("rows.drop_ages", "57"),
        ("rows.age_border", "58"),
        ("rows.age_border", "auto"),
        ("loss.name", "focal"),
        ("augment.name", "none"),
        ("augment.name", "flip+erasing"),
        ("model.backbone", "1e3"),
        ("model.weights", "none"),
        ("optim.min_lr", "0.5"),
        ("tta.crops", "5"),
        ("tta.flip", "true"),
        ("train.micro_batch_size", "8"),
        ("folds.scheme", "given"),
    ],
)
def test_a_value_is_as_the_configuration_has_it(name: str, text: str):
    also = {"optim.min_lr": ["optim.lr=1", "optim.schedule=cosine"]}
    config = resolve("plain", sets=[f"{name}={text}", *also.get(name, [])])
    assert read_value(name, text, "here") == flat_json(to_json(config))[name]


def test_a_choices_own_value():
    assert read_value("loss.focal.gamma", "4", "here") == 4.0
    assert read_value("loss.f1.absent", "count", "here") == "count"
    assert read_value("head.separate.mask_weights", "007", "here") == "007"


def test_few_words_are_all_named():
    assert did_you_mean("x", ["abc", "def"]) == "; choose from abc, def."
