"""How the stories are run: on one worker, so that none waits for another one's processes."""

import pytest

pytestmark = pytest.mark.e2e


def test_every_story_is_in_the_group_that_keeps_to_one_worker(request: pytest.FixtureRequest):
    stories = [item for item in request.session.items if item.get_closest_marker("e2e")]
    assert {mark.args for story in stories for mark in story.iter_markers("xdist_group")} == {("stories",)}
    if hasattr(request.config, "workerinput"):
        assert all(story.nodeid.endswith("@stories") for story in stories)
