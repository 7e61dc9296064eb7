"""`GET /v1/models` says what the caller may use, in the shapes that the SDKs read."""

import anthropic
import openai
import pytest


def test_openai_sdk_lists_models(world, http2):
    models = {model.id for model in world.openai(http2=http2).models.list()}
    assert {"gemma3-270m", "scripted", "claude-sonnet-5"} <= models


def test_openai_sdk_retrieves_one_model(world):
    assert world.openai().models.retrieve("gemma3-270m").id == "gemma3-270m"


def test_an_unknown_model_is_not_found(world):
    with pytest.raises(openai.NotFoundError) as error:
        world.openai().models.retrieve("no-such-model")
    assert error.value.code == "model_not_found"


def test_anthropic_sdk_lists_models(world):
    models = {model.id for model in world.anthropic().models.list()}
    assert "claude-sonnet-5" in models


def test_anthropic_sdk_does_not_find_an_unknown_model(world):
    with pytest.raises(anthropic.NotFoundError):
        world.anthropic().models.retrieve("no-such-model")


def test_nobody_lists_models_without_a_key(world):
    with world.http() as client:
        assert client.get("/models", headers={"authorization": ""}).status_code == 401
