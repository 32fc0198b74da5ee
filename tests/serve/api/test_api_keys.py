"""Keys: who may do what, how much, and that nobody sees another's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import openai
import pytest

from ornstein.serve.books import Books
from ornstein.serve.books.values import now
from tests.serve.api.running import Running, picture, running

ASKED = {"prompt": "a cow"}


def test_without_a_key_nothing_opens_and_a_wrong_one_is_said_to_be_wrong(keyed: Running) -> None:
    for secret in ("wrong", "orn_" + "A" * 43):
        with pytest.raises(openai.AuthenticationError, match="not known"):
            keyed.openai(secret).images.generate(**ASKED)
    with keyed.http() as client:
        for path in ("models", "history", "queue", "costs", "me", "outputs/x"):
            reply = client.get(f"/v1/{path}")
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"] == "Bearer"
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 200
        assert "ornstein_requests_total" in client.get("/metrics").text


def test_a_revoked_key_opens_nothing(keyed: Running) -> None:
    key, secret = keyed.key("short")
    assert keyed.http(secret).get("/v1/me").json()["name"] == "short"
    keyed.service.books.keys.revoke(key.id)
    assert keyed.http(secret).get("/v1/me").status_code == 401


def test_the_first_key_that_is_made_shuts_a_keyless_server_at_once(tmp_path: Path, bundle: Path) -> None:
    with running(tmp_path, bundle) as it:
        assert it.http().post("/v1/images/generations", json=ASKED).status_code == 200
        elsewhere = Books.open(str(it.service.books.database.url), store=tmp_path / "store")
        elsewhere.keys.create("past", ["read"], expires=now() - timedelta(seconds=1))
        assert it.http().get("/v1/me").json()["id"] == "local"
        key, secret = elsewhere.keys.create("first", ["generate", "read"])
        elsewhere.close()
        for path in ("me", "history", "models"):
            assert it.http().get(f"/v1/{path}").status_code == 401
        assert it.http().post("/v1/images/generations", json=ASKED).status_code == 401
        assert it.http("anything").get("/v1/me").status_code == 401
        assert it.http(secret).get("/v1/me").json()["id"] == key.id
        assert it.http(secret).post("/v1/images/generations", json=ASKED).status_code == 200
        it.service.books.keys.revoke(key.id)
        assert it.http().get("/v1/me").status_code == 401  # and it stays shut


def test_scopes_bound_what_a_key_may_do(keyed: Running) -> None:
    _, reading = keyed.key("reader", "read")
    _, writing = keyed.key("writer", "generate")
    with pytest.raises(openai.PermissionDeniedError, match="generate"):
        keyed.openai(reading).images.generate(**ASKED)
    with pytest.raises(openai.PermissionDeniedError, match="edit"):
        keyed.openai(writing).images.edit(image=picture(), **ASKED)
    with pytest.raises(openai.PermissionDeniedError, match="read"):
        keyed.openai(writing).models.list()
    assert keyed.openai(reading).models.list().data
    assert keyed.openai(writing).images.generate(**ASKED).data


def test_nobody_sees_what_another_made_and_an_admin_sees_all(keyed: Running) -> None:
    (_, ann), (_, bob), (_, admin) = keyed.key("ann"), keyed.key("bob"), keyed.key("root", "admin")
    made = keyed.openai(ann).images.generate(**ASKED).data[0].id
    for path in (f"outputs/{made}", f"outputs/{made}/content"):
        assert keyed.http(ann).get(f"/v1/{path}").status_code == 200
        assert keyed.http(bob).get(f"/v1/{path}").status_code == 404
        assert keyed.http(admin).get(f"/v1/{path}").status_code == 200
    assert keyed.http(bob).delete(f"/v1/outputs/{made}").status_code == 404
    assert keyed.http(bob).get("/v1/history").json()["data"] == []
    assert keyed.http(bob).get("/v1/costs").json()["data"] == []
    (cost,) = keyed.http(ann).get("/v1/costs").json()["data"]
    assert cost["pictures"] >= 1
    assert cost["currency"]
    mine, all_of_it = (keyed.http(secret).get("/v1/history").json()["data"] for secret in (ann, admin))
    assert [line["outputs"][0]["id"] for line in mine] == [made]
    assert len(all_of_it) >= len(mine)
    assert keyed.http(bob).get("/v1/history", params={"before": mine[0]["id"]}).status_code == 400
    assert keyed.http(ann).delete(f"/v1/outputs/{made}").json() == {"id": made, "deleted": True}
    assert keyed.http(ann).get(f"/v1/outputs/{made}").status_code == 404


def test_an_idempotency_key_belongs_to_its_api_key(keyed: Running) -> None:
    (_, ann), (_, bob) = keyed.key("ann2"), keyed.key("bob2")
    token = {"Idempotency-Key": "same"}
    one = keyed.openai(ann).images.generate(**ASKED, extra_headers=token).data[0].id
    other = keyed.openai(bob).images.generate(**ASKED, extra_headers=token).data[0].id
    assert one != other


def test_requests_beyond_a_keys_rate_are_told_when_to_come_back(keyed: Running) -> None:
    _, secret = keyed.key("slow", requests_per_minute=2)
    client = keyed.http(secret)
    replies = [
        client.post("/v1/images/generations", json={**ASKED, "num_inference_steps": 1}) for _ in range(3)
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["1", "0", "0"]
    assert 1 <= int(replies[2].headers["retry-after"]) <= 60
    with pytest.raises(openai.RateLimitError):
        keyed.openai(secret).images.generate(**ASKED)


def test_pictures_beyond_a_keys_day_are_refused_and_not_counted(keyed: Running) -> None:
    _, secret = keyed.key("daily", pictures_per_day=3)
    client = keyed.openai(secret)
    assert len(client.images.generate(n=2, **ASKED).data) == 2
    with pytest.raises(openai.RateLimitError, match="3 pictures a day") as over:
        client.images.generate(n=2, **ASKED)
    assert int(over.value.response.headers["retry-after"]) <= 24 * 3600
    assert len(client.images.generate(n=1, **ASKED).data) == 1
    assert keyed.http(secret).get("/v1/me").json()["pictures_today"] == 3


def test_a_keys_largest_side_bounds_its_pictures(keyed: Running) -> None:
    _, secret = keyed.key("small", largest_side=32)
    with pytest.raises(openai.PermissionDeniedError, match="32"):
        keyed.openai(secret).images.generate(size="64x64", **ASKED)


def test_without_keys_pages_of_other_sites_cannot_ask(open_server: Running) -> None:
    with open_server.http() as client:
        assert client.get("/v1/models", headers={"Host": "evil.example"}).status_code == 403
        assert client.get("/v1/models", headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.get("/v1/models", headers={"Origin": open_server.address}).status_code == 200
        assert client.get("/v1/me").json()["id"] == "local"


def test_a_request_id_is_kept_where_it_is_one(open_server: Running) -> None:
    with open_server.http() as client:
        assert client.get("/health", headers={"X-Request-ID": "mine-7"}).headers["x-request-id"] == "mine-7"
        for bad in ("a b", "x" * 200, "<script>"):
            assert client.get("/health", headers={"X-Request-ID": bad}).headers["x-request-id"] != bad
