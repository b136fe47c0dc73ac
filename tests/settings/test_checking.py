import pytest

from edgenas.errors import InputError
from edgenas.settings.option import Setting, settings_of
from edgenas.settings.search import SearchSettings

TEXTS = [
    each
    for each in settings_of(SearchSettings)
    if each.kind is str and not each.choices and each.option.normal is None
]


@pytest.mark.parametrize("setting", TEXTS, ids=[each.flag for each in TEXTS])
@pytest.mark.parametrize("character", ["\x1b", "\0", "\r", "\x9b", "\ud800"])
def test_a_setting_cannot_hold_what_the_files_of_a_run_cannot(setting: Setting, character: str) -> None:
    asked = {"device": "jetson-nano", "max_latency": "20ms", setting.name: f"a{character}b"}
    refusal = rf"^{setting.flag}: 'a\\\S+b' has control characters, or is not UTF-8; give other text"
    with pytest.raises(InputError, match=refusal):
        SearchSettings(**asked)
