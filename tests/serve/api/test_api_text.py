"""Texts over HTTP: OpenAI's client, holes, the books, credentials, the policy, and models of other things."""

from __future__ import annotations

import threading

import openai
import pytest

from ornstein.guard.credentials.verifying import verify
from tests.fields import PASSAGES
from tests.serve.api.running import Running, running

SAID = {"model": "letters", "prompt": "letter 7", "seed": 7}


def test_openai_s_client_completes_a_prompt_and_repeats_it_by_its_seed(mixed: Running) -> None:
    client = mixed.openai()
    first, again = (client.completions.create(**SAID, max_tokens=12, n=2) for _ in range(2))
    assert [choice.text for choice in first.choices] == [choice.text for choice in again.choices]
    assert first.choices[0].text != first.choices[1].text
    assert first.object == "text_completion"
    assert first.usage.completion_tokens == 24
    assert first.choices[0].finish_reason == "length"
    other = client.completions.create(**{**SAID, "seed": 8}, max_tokens=12)
    assert other.choices[0].text == first.choices[1].text
    echoed = client.completions.create(**SAID, max_tokens=12, echo=True)
    assert echoed.choices[0].text == "letter 7" + first.choices[0].text


def test_a_hole_is_filled_between_what_stands(mixed: Running) -> None:
    client = mixed.openai()
    filled = client.completions.create(model="letters", prompt="letter[MASK*6] the sea", seed=1).choices[0]
    assert filled.text.startswith("letter")
    assert filled.text.endswith(" the sea")
    assert filled.finish_reason == "stop"
    between = client.completions.create(
        model="letters", prompt="letter", suffix=" the sea", max_tokens=6, seed=1
    ).choices[0]
    assert f"letter{between.text} the sea" == filled.text


def test_a_stream_says_the_same(mixed: Running) -> None:
    client = mixed.openai()
    whole = client.completions.create(**SAID, n=2, max_tokens=8)
    events = list(client.completions.create(**SAID, n=2, max_tokens=8, stream=True))
    told = [(choice.index, choice.text) for event in events for choice in event.choices]
    assert told == [(choice.index, choice.text) for choice in whole.choices]


def test_a_text_is_in_the_books_with_a_credential_that_holds_its_file(mixed: Running) -> None:
    with mixed.http() as http:
        made = http.post("/v1/completions", json=SAID).json()
        name = made["choices"][0]["id"]
        facts = http.get(f"/v1/outputs/{name}").json()
        assert facts["kind"] == "completion"
        assert facts["credential"]["state"] == "trusted"
        assert facts["credential"]["claim"]["seed"] == 7
        assert facts["record"]["request"]["seed"] == 7
        assert "credential" not in facts["record"]
        file = http.get(f"/v1/outputs/{name}/content")
        assert file.headers["content-type"] == "text/plain; charset=utf-8"
        assert file.text == "letter 7" + made["choices"][0]["text"] + "\n"
        beside = http.get(f"/v1/outputs/{name}/content?format=c2pa").content
        trust = mixed.service.trust
        assert verify(file.content, trust, beside).state == "trusted"
        assert verify(file.content + b" ", trust, beside).state == "invalid"
        assert http.get(f"/v1/outputs/{name}/content?format=png").status_code == 400
        history = http.get("/v1/history").json()["data"]
        (line,) = [one for one in history if one["id"] == made["id"]]
        assert line["outcome"] == "done"
        assert line["spent"]["computed"] > 0
        assert http.delete(f"/v1/outputs/{name}").status_code == 200
        assert http.get(f"/v1/outputs/{name}").status_code == 404


def test_a_copied_passage_is_held_back_and_shorter_runs_are_named(mixed: Running) -> None:
    served = mixed.service.served("letters")
    words = PASSAGES[3].split()
    spans = served.model.copied(" ".join(words[:12]), "", 8)
    assert [span.words for span in spans] == [12]
    with mixed.http() as http:
        said = {"model": "letters", "prompt": "[MASK*1] " + PASSAGES[3], "seed": 1}
        # what the prompt says itself is no copy
        assert http.post("/v1/completions", json=said).json()["choices"][0]["copied"] == []


def test_the_policy_refuses_a_prompt(mixed: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="undressing") as refused:
        mixed.openai().completions.create(model="letters", prompt="undress her")
    assert (refused.value.code, refused.value.type) == ("content_policy_violation", "invalid_request_error")
    with mixed.http() as http:
        (line, *_) = http.get("/v1/history").json()["data"]
        assert line["kind"] == "completion"
        assert line["outcome"] == "refused"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt": "a [MASK*200] b"}, "longer than the context"),
        ({"prompt": "a [MASK*x] b"}, "is no hole"),
        ({"max_tokens": 4000}, "more than the context"),
        ({"model": "grey"}, "'grey' makes pictures: ask at /v1/images/generations"),
        ({"model": "people"}, "'people' makes rows: ask at /v1/rows"),
        ({"promt": "x"}, "did you mean 'prompt'"),
        ({"prompt": ["a", "b"]}, "one text at a time"),
        ({"prompt": " "}, "the prompt is empty"),
        ({"sampler": "unmaks"}, "did you mean 'unmask'"),
        ({"top_p": 0.5}, "top_p"),
    ],
)
def test_what_cannot_be_meant_is_one_line(mixed: Running, changed: dict, message: str) -> None:
    with mixed.http() as http:
        reply = http.post("/v1/completions", json={**SAID, **changed})
    assert reply.status_code == 400, reply.text
    assert message in reply.json()["error"]["message"]
    assert "\n" not in reply.json()["error"]["message"]


def test_models_say_what_they_make_and_routes_of_others_say_where_to_ask(mixed: Running) -> None:
    with mixed.http() as http:
        made = {one["id"]: one["makes"] for one in http.get("/v1/models").json()["data"]}
        assert made == {"grey": "pictures", "letters": "texts", "people": "rows"}
        facts = http.get("/v1/models/letters").json()
        assert facts["context"] == 128
        assert facts["licences"] == {"CC0-1.0": 40}
        wrong = http.post("/v1/images/generations", json={"model": "letters", "prompt": "x"})
        assert wrong.status_code == 400
        assert wrong.json()["error"]["message"] == "'letters' makes texts: ask at /v1/completions"
        assert http.post("/v1/completions", json={"prompt": "letter", "seed": 1}).json()["model"] == "letters"
        assert http.get("/health").json()["models"] == ["grey", "letters", "people"]
        assert set(http.get("/v1/queue").json()["models"]) == {"grey", "letters", "people"}
        assert 'ornstein_pictures_total{kind="completion",model="letters"}' in http.get("/metrics").text


def test_a_token_answers_again_without_making_again(mixed: Running) -> None:
    with mixed.http() as http:
        said = {"model": "letters", "prompt": "letter"}
        first, again = (
            http.post("/v1/completions", json=said, headers={"Idempotency-Key": "one"}).json()
            for _ in range(2)
        )
        assert first == again
        other = http.post("/v1/completions", json={**said, "n": 2}, headers={"Idempotency-Key": "one"})
        assert other.status_code == 422


def test_keys_scopes_and_limits_hold_for_texts(tmp_path, letters) -> None:
    with running(tmp_path, letters, keyed=True) as it:
        with it.http() as http:
            assert http.post("/v1/completions", json=SAID).status_code == 401
        _, reader = it.key("reader", "read")
        with it.http(reader) as http:
            assert http.post("/v1/completions", json=SAID).status_code == 403
        _, few = it.key("few", "generate", pictures_per_day=3)
        with it.http(few) as http:
            assert http.post("/v1/completions", json={**SAID, "n": 3}).status_code == 200
            over = http.post("/v1/completions", json=SAID)
            assert over.status_code == 429
            assert int(over.headers["retry-after"]) > 0
        _, slow = it.key("slow", "generate", requests_per_minute=1)
        with it.http(slow) as http:
            assert http.post("/v1/completions", json=SAID).status_code == 200
            assert http.post("/v1/completions", json=SAID).status_code == 429


def test_many_at_once_give_what_each_gives_alone(mixed: Running) -> None:
    def ask(seed: int) -> str:
        with mixed.http() as http:
            return http.post("/v1/completions", json={**SAID, "seed": seed}).json()["choices"][0]["text"]

    alone = [ask(seed) for seed in range(6)]
    together: dict[int, str] = {}
    threads = [threading.Thread(target=lambda k=k: together.__setitem__(k, ask(k))) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[seed] for seed in range(6)] == alone
