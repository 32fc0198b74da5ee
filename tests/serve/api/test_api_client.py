"""OpenAI's own Python client, unchanged, against a real server."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import openai
import pytest

from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.output import record_of
from tests.serve.api.running import Running, mask, picture, pixels


def _files(reply: object) -> list[bytes]:
    return [base64.b64decode(each.b64_json) for each in reply.data]


def test_a_prompt_becomes_signed_pictures_whose_seeds_count_up(open_server: Running) -> None:
    reply = open_server.openai().images.generate(
        model="small", prompt="red apple", n=3, size="32x32", quality="auto", extra_body={"seed": 7}
    )
    assert [each.seed for each in reply.data] == [7, 8, 9]
    assert (reply.size, reply.quality, reply.output_format, reply.background) == (
        "32x32",
        "medium",
        "png",
        "transparent",
    )
    assert reply.usage.output_tokens == 3 * 16
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens
    for file, seed in zip(_files(reply), (7, 8, 9), strict=True):
        verdict = verify(file, Trust.find())
        assert verdict.state == "trusted"
        assert verdict.claim.seed == seed
        assert record_of(file).request.prompt == "red apple"


def test_a_reply_is_the_picture_that_the_model_makes_alone(open_server: Running) -> None:
    served = open_server.service.models["small"]
    (file,) = _files(
        open_server.openai().images.generate(model="small", prompt="a cow", extra_body={"seed": 3})
    )
    record = record_of(file)
    alone = served.guarded.replay(record)
    shown = np.asarray(alone.output.image.convert("RGBA")).astype(int)
    assert np.abs(shown - pixels(file)).max() <= 1


def test_settings_of_diffusion_models_are_heeded(open_server: Running) -> None:
    reply = open_server.openai().images.generate(
        model="small", prompt="a cow", extra_body={
            "negative_prompt": "grass", "num_inference_steps": 3, "guidance_scale": 2.5, "seed": 1, "sampler": "heun",
            "rule": "rescaled:share=0.5", "schedule": "linear",
        },
    )  # fmt: skip
    request = record_of(_files(reply)[0]).request
    assert (request.negative, request.steps, request.guidance, request.sampler) == ("grass", 3, 2.5, "heun")
    assert (request.rule.kind, request.schedule.kind) == ("rescaled", "linear")


def test_quality_decides_the_steps_unless_they_are_named(open_server: Running) -> None:
    def steps(**said: object) -> int:
        return record_of(
            _files(open_server.openai().images.generate(model="small", prompt="a cow", **said))[0]
        ).request.steps

    assert [steps(quality=quality) for quality in ("low", "auto", "high")] == [2, 4, 8]
    assert steps(quality="high", extra_body={"num_inference_steps": 3}) == 3


@pytest.mark.parametrize(("kind", "mime"), [("png", b"\x89PNG"), ("webp", b"RIFF"), ("jpeg", b"\xff\xd8")])
def test_files_come_in_the_format_and_before_the_background_asked_for(
    open_server: Running, kind: str, mime: bytes
) -> None:
    reply = open_server.openai().images.generate(
        model="small", prompt="a cow", output_format=kind, background="opaque", extra_body={"seed": 1}
    )
    (file,) = _files(reply)
    assert file.startswith(mime)
    assert reply.background == "opaque"
    assert pixels(file)[..., 3].min() == 255
    assert verify(file, Trust.find()).state == "trusted"


def test_compression_makes_files_smaller(open_server: Running) -> None:
    sizes = [
        len(_files(open_server.openai().images.generate(
            model="small", prompt="a cow", output_format="jpeg", output_compression=quality, extra_body={"seed": 1}
        ))[0]) for quality in (100, 5)
    ]  # fmt: skip
    assert sizes[1] < sizes[0]


def test_a_stream_shows_pictures_on_the_way_and_ends_with_the_picture(open_server: Running) -> None:
    said = {"model": "small", "prompt": "a cow", "extra_body": {"seed": 5, "num_inference_steps": 8}}
    events = list(open_server.openai().images.generate(stream=True, partial_images=3, **said))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + [
        "image_generation.completed"
    ]
    assert [event.partial_image_index for event in events[:3]] == [0, 1, 2]
    final = base64.b64decode(events[-1].b64_json)
    assert (
        np.abs(
            pixels(final).astype(int) - pixels(_files(open_server.openai().images.generate(**said))[0])
        ).max()
        <= 1
    )
    away = [
        np.abs(pixels(base64.b64decode(event.b64_json)).astype(int) - pixels(final)).mean()
        for event in events[:3]
    ]
    assert away[0] > away[-1]
    assert events[-1].usage.total_tokens > 0
    assert events[-1].size == "32x32"


def test_pictures_on_the_way_are_signed_as_such(open_server: Running) -> None:
    said = {"model": "small", "prompt": "a cow", "extra_body": {"seed": 5, "num_inference_steps": 8}}
    stream = open_server.openai().images.generate(stream=True, partial_images=3, **said)
    verdicts = [verify(base64.b64decode(event.b64_json), Trust.find()) for event in stream]
    assert {verdict.state for verdict in verdicts} == {"trusted"}
    claims = [verdict.claim for verdict in verdicts]
    assert [claim.partial for claim in claims] == [True, True, True, None]
    assert [claim.evaluations for claim in claims] == [2, 4, 6, 8]
    assert {(claim.seed, claim.policy, claim.watermark_code) for claim in claims} == {
        (5, claims[-1].policy, claims[-1].watermark_code)
    }
    assert [claim.prompt for claim in claims] == [None, None, None, claims[-1].prompt]


def test_a_stream_that_is_refused_is_an_error_before_it_begins(open_server: Running) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        open_server.openai().images.generate(model="small", prompt="naked woman", stream=True)
    assert (refused.value.code, refused.value.type) == (
        "content_policy_violation",
        "image_generation_user_error",
    )


def test_a_masked_edit_keeps_what_is_not_transparent_in_the_mask(open_server: Running) -> None:
    before = picture(32)
    reply = open_server.openai().images.edit(
        model="small", image=("a.png", before), mask=("m.png", mask()), prompt="a cow", extra_body={"seed": 1}
    )
    (file,) = _files(reply)
    after, were = pixels(file).astype(int), pixels(before).astype(int)
    assert (after[16:] == were[16:]).all()
    assert np.abs(after[:16] - were[:16]).mean() > 10
    verdict = verify(file, Trust.find())
    assert verdict.state == "trusted"
    assert any(action.startswith("edited") for action in verdict.actions)


def test_an_edit_without_a_mask_stays_nearer_the_weaker_it_is(open_server: Running) -> None:
    before = picture(32)

    def away(strength: float) -> float:
        reply = open_server.openai().images.edit(
            model="small", image=before, prompt="a cow",
            extra_body={"seed": 1, "strength": strength, "num_inference_steps": 10},
        )  # fmt: skip
        return float(np.abs(pixels(_files(reply)[0]).astype(int) - pixels(before)).mean())

    assert away(0.1) < away(1.0)


def test_edits_stream_too(open_server: Running) -> None:
    events = open_server.openai().images.edit(
        model="small",
        image=picture(),
        prompt="a cow",
        stream=True,
        partial_images=1,
        extra_body={"strength": 1},
    )
    events = list(events)
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    for event in events:
        assert verify(base64.b64decode(event.b64_json), Trust.find()).actions[0] == "opened"


@pytest.mark.filterwarnings("ignore:deprecated")
def test_a_variation_of_our_own_picture_knows_its_prompt(open_server: Running) -> None:
    (file,) = _files(
        open_server.openai().images.generate(model="small", prompt="a cow", extra_body={"seed": 1})
    )
    reply = open_server.openai().images.create_variation(
        model="small", image=file, n=2, response_format="b64_json"
    )
    records = [record_of(each) for each in _files(reply)]
    assert {record.request.prompt for record in records} == {"a cow"}
    assert all(record.source.strength == 0.6 for record in records)
    assert records[0].request.seed != records[1].request.seed


@pytest.mark.filterwarnings("ignore:deprecated")
def test_a_variation_of_a_foreign_picture_asks_what_it_shows(open_server: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="prompt"):
        open_server.openai().images.create_variation(model="small", image=picture())
    reply = open_server.openai().images.create_variation(
        model="small", image=picture(), extra_body={"prompt": "a cow"}
    )
    assert len(reply.data) == 1


def test_a_link_opens_the_picture_without_a_key_until_it_is_too_old(keyed: Running) -> None:
    _, secret = keyed.key("linked")
    reply = keyed.openai(secret).images.generate(prompt="a cow", response_format="url")
    url = reply.data[0].url
    assert reply.data[0].b64_json is None
    assert httpx.get(url).content.startswith(b"\x89PNG")
    late, other = url.replace("expires=1", "expires=0"), url[:-1] + ("0" if url[-1] != "0" else "1")
    bare = url.partition("?")[0]
    assert [httpx.get(each).status_code for each in (late, other, bare)] == [401, 401, 401]


def test_models_are_listed_and_told_of(open_server: Running) -> None:
    client = open_server.openai()
    assert [model.id for model in client.models.list()] == ["small", "grey"]
    facts = client.models.retrieve("grey")
    assert facts.object == "model"
    assert facts.classes == ["coat", "bag", "ankle boot"]


def test_a_model_of_classes_draws_classes_and_names_the_nearest(open_server: Running) -> None:
    client = open_server.openai()
    assert pixels(_files(client.images.generate(model="grey", prompt="coat"))[0]).shape == (28, 28, 4)
    with pytest.raises(openai.BadRequestError, match="bag"):
        client.images.generate(model="grey", prompt="bags of money")


def test_a_prompt_that_the_policy_changes_is_disclosed(open_server: Running) -> None:
    reply = open_server.openai().images.generate(model="small", prompt="a can of Coca-Cola")
    assert "unbranded" in reply.data[0].revised_prompt
    assert any("trade mark" in line for line in reply.data[0].told)


def test_errors_are_the_clients_own_exceptions(open_server: Running) -> None:
    client = open_server.openai()
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="small", prompt="naked woman")
    assert (refused.value.code, refused.value.type) == (
        "content_policy_violation",
        "image_generation_user_error",
    )
    with pytest.raises(openai.NotFoundError, match="small") as unknown:
        client.images.generate(model="smal", prompt="a cow")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="negative_prompt") as field:
        client.images.generate(model="small", prompt="a cow", extra_body={"negative_promt": "x"})
    assert (field.value.code, field.value.param) == ("unknown_parameter", "negative_promt")
