"""Access to the console: hosts, tokens, sessions, forms."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import Route

from tests.adapters.console.conftest import ORIGIN, TOKEN, Client, NewClient, csrf_of
from tests.adapters.console.shop import new_shop
from twofold import Application
from twofold.errors import ConfigurationError
from twofold_console import create_console, serve

CHANGES = sorted(
    route.path
    for route in create_console(new_shop()).routes
    if isinstance(route, Route) and "POST" in (route.methods or ())
)
"""The paths that change something."""


async def signed_in(new_client: NewClient, **options: Any) -> Client:
    """Return a client that has signed in with the token."""
    client = new_client(token=TOKEN, **options)
    await client.page("/login")
    assert (await client.submit("/login", {"token": TOKEN})).status_code == 303
    await client.page("/subscription?name=mail")
    return client


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8025", ""])
async def test_a_foreign_host_name_is_refused_on_loopback(client: Client, host: str) -> None:
    """DNS rebinding: a page of another name that resolves to 127.0.0.1 cannot read the console."""
    response = await client.get("/", headers={"host": host})
    assert response.status_code == 421
    assert "shop" not in response.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8025", "[::1]:8025", "LOCALHOST:1"])
async def test_names_of_the_loopback_interface_are_served(client: Client, host: str) -> None:
    """A browser on the same machine is served under each name of the loopback interface."""
    assert (await client.get("/", headers={"host": host})).status_code == 200


async def test_without_a_token_only_this_machine_is_served(new_client: NewClient) -> None:
    """An address of another machine is refused, whatever the Host header says; so is what a proxy has forwarded."""
    assert (await new_client(address="192.0.2.7").get("/")).status_code == 403
    assert (await new_client().get("/", headers={"x-forwarded-for": "192.0.2.7"})).status_code == 403
    assert (await new_client(address="::1").get("/")).status_code == 200


async def test_a_token_is_demanded_elsewhere(shop: Application) -> None:
    """Other hosts without a token are refused at start, and so is a token that can be guessed, without repeating it."""
    with pytest.raises(ConfigurationError, match="demands a token"):
        await serve(shop, host="0.0.0.0")  # noqa: S104 -- refused
    with pytest.raises(ConfigurationError, match="token"):
        create_console(shop, hosts=["console.example.org"])
    with pytest.raises(ConfigurationError) as refused:
        create_console(shop, token="hunter2")
    assert "hunter2" not in str(refused.value)


async def test_every_page_demands_the_session(new_client: NewClient) -> None:
    """Without a session, pages lead to the form for the token, and changes are refused."""
    client = new_client(token=TOKEN, address="192.0.2.7", base_url="http://console.example.org")
    for path in ("/", "/events", "/parked", "/parked/event", "/nothing", "/%2e%2e/login", "/static/../"):
        response = await client.get(path)
        assert (response.status_code, response.headers["location"]) == (303, "/login")
        assert "order" not in response.text
    for path in set(CHANGES) - {"/login"}:
        headers = {"origin": "http://console.example.org"}
        assert (await client.post(path, data={}, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "token", ["", "a", TOKEN[:-1], TOKEN + "x", "ä" * 20, "\ud800".encode("utf-8", "replace").decode()]
)
async def test_a_wrong_token_opens_no_session(new_client: NewClient, token: str) -> None:
    """A wrong token is refused, and no cookie is set."""
    client = new_client(token=TOKEN)
    await client.page("/login")
    response = await client.submit("/login", {"token": token})
    assert response.status_code == 403
    assert "set-cookie" not in response.headers
    assert (await client.get("/")).status_code == 303


async def test_the_session_is_a_strict_cookie(new_client: NewClient) -> None:
    """The cookie is HttpOnly and SameSite=Strict, Secure over HTTPS, and does not contain the token. No URL does."""
    client = new_client(token=TOKEN, base_url="https://localhost")
    await client.page("/login")
    response = await client.submit("/login", {"token": TOKEN}, headers={"origin": "https://localhost"})
    cookie = response.headers["set-cookie"].lower()
    assert all(each in cookie for each in ("httponly", "samesite=strict", "secure", "path=/"))
    assert TOKEN not in cookie + response.headers["location"] + await client.page("/")


async def test_signing_out_ends_the_session(new_client: NewClient) -> None:
    """A cookie that was copied before does not open the console afterwards."""
    client = await signed_in(new_client)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    assert (await client.submit("/logout")).status_code == 303
    assert (await client.get("/", headers={"cookie": cookie})).status_code == 303


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:1"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "http://localhost@evil.example"},
    ],
)
async def test_a_change_needs_the_origin_of_the_console(client: Client, path: str, headers: dict[str, str]) -> None:
    """A form of another site, or without an origin, is refused although its CSRF token is right."""
    await client.page("/subscription?name=mail")
    assert client.csrf
    assert (await client.submit(path, {"subscription": "mail"}, headers=headers)).status_code == 403


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("csrf", ["", "0" * 64, "ü"])
async def test_a_change_needs_the_csrf_token(client: Client, path: str, csrf: str) -> None:
    """A form without the token of the page, or with another one, changes nothing."""
    response = await client.post(path, data={"csrf": csrf, "subscription": "mail"}, headers=ORIGIN)
    assert response.status_code == 403


async def test_a_csrf_token_belongs_to_its_session(new_client: NewClient, shop: Application) -> None:
    """The CSRF token of one session is refused in another session of the same console."""
    client = await signed_in(new_client)
    foreign = csrf_of((await client.get("/login", headers={"cookie": "twofold_console=another"})).text)
    client.csrf = foreign
    assert (await client.submit("/pause", {"subscription": "mail"})).status_code == 403
    assert [each.pause for each in await shop.operations.status() if each.name == "mail"] == [None]


@pytest.mark.parametrize("path", sorted(set(CHANGES) - {"/login", "/logout"}))
async def test_read_only_mode_refuses_every_change(new_client: NewClient, path: str) -> None:
    """A read-only console refuses a change at the server, with a session and a right CSRF token."""
    client = await signed_in(new_client, read_only=True)
    client.csrf = csrf_of(await client.page("/"))
    response = await client.submit(path, {"subscription": "mail", "key": "shop_order-2"})
    assert (response.status_code, response.text) == (403, "The console is read-only.\n")


async def test_read_only_pages_have_no_forms_that_change(new_client: NewClient) -> None:
    """A read-only console shows no buttons that it would refuse."""
    client = new_client(read_only=True)
    for path in ("/", "/subscription?name=mail", "/parked?subscription=mail", "/schedule"):
        assert 'method="post"' not in await client.page(path)


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/console.css", "/static/nothing", "/events?since=x"])
async def test_every_response_is_protected(client: Client, path: str) -> None:
    """Scripts and styles come from the console only, and no other site can frame or embed a page."""
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../_settings.py",
        "/static/%2e%2e/_settings.py",
        "/static/..%2f_settings.py",
        "/static//etc/passwd",
        "/static/",
    ],
)
async def test_static_files_stay_in_their_folder(client: Client, path: str) -> None:
    """A path that leaves the folder of static files is not found."""
    assert (await client.get(path)).status_code == 404


async def test_a_form_is_limited(client: Client) -> None:
    """A form of more than 2 MiB, of too many fields, or of another type is refused."""
    await client.page("/subscription?name=mail")
    assert (await client.submit("/pause", {"reason": "x" * 2_100_000})).status_code == 413
    assert (await client.submit("/pause", {str(number): 1 for number in range(100)})).status_code == 400
    assert (await client.post("/pause", json={}, headers=ORIGIN)).status_code == 415


async def test_hosts_limit_the_names_of_a_console_with_a_token(new_client: NewClient) -> None:
    """Named hosts are served, and others are not."""
    client = new_client(token=TOKEN, hosts=["console.example.org"], base_url="http://console.example.org:8025")
    assert (await client.get("/login")).status_code == 200
    assert (await client.get("/login", headers={"host": "other.example.org"})).status_code == 421
