"""What holds for every test."""

from collections import Counter

import pytest
from hypothesis import settings

# What an example takes says more about the other programs on the machine than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder(tmp_path_factory):
    """No test, and no program that one starts, writes into the cache folder of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache of the user")))
        yield


def pytest_collection_modifyitems(items):
    """Files with the most slow tests come first, so that the last to begin is short and the processes end together.

    ``--no-loadscope-reorder`` keeps this order; pytest-xdist's own begins with the files of the most tests.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
