"""Connections with TLS, and how connections end."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.rabbitmq.broken import SOON, TIMEOUT, Broken, feed, placed, publish_all, receiving
from tests.servers.process import PrivateServer
from tests.servers.proxy import Proxy
from twofold.errors import TransientFailure
from twofold.ports import Outcome, Request
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_rabbitmq import RabbitMQ


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a certificate for 127.0.0.1 that signs itself, in one file with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    certificate.write_text(certificate.read_text() + key.read_text())
    return certificate


@pytest.fixture
async def encrypted(server: PrivateServer, certificate: Path) -> AsyncIterator[Proxy]:
    """Give a network that clients enter with TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    network = Proxy(server.url, context)
    async with network.running():
        yield network


async def test_tls_with_an_option_of_the_url(broken: Broken, encrypted: Proxy, certificate: Path) -> None:
    """The certificate authority is an option of the URL. Publishing and receiving are encrypted."""
    transport = await broken.connect(f"{encrypted.url}?cafile={certificate}")
    messages = placed(10)
    async with receiving(transport, feed()) as received:
        await publish_all(transport, messages)
        await received.all_of(messages)


async def test_tls_with_a_context(broken: Broken, encrypted: Proxy, certificate: Path) -> None:
    """The context is an option of `aio_pika.connect`."""
    context = ssl.create_default_context(cafile=str(certificate))
    async with RabbitMQ(encrypted.url, prefix=broken.prefix, options={"ssl_context": context}) as transport:
        await transport.declare(feed())
        assert set(await transport.publisher.publish(placed(1))) == {Outcome.CONFIRMED}


async def test_a_certificate_that_is_not_trusted(encrypted: Proxy) -> None:
    """The error names the certificate."""
    async with RabbitMQ(encrypted.url, timeout=CEILING) as transport:
        with pytest.raises(TransientFailure, match="certificate verify failed"):
            await transport.open()


async def test_a_stalled_network_with_tls(broken: Broken, encrypted: Proxy, certificate: Path) -> None:
    """Publishing and connecting respect the timeout, although the end of TLS waits for an answer of the peer."""
    outer = Proxy(encrypted.url)
    async with outer.running():
        transport = await broken.connect(f"{outer.url}?cafile={certificate}")
        await transport.declare(feed())
        outer.stall()
        for _ in range(2):  # over the stalled connection, then over none
            with in_time(SOON):
                assert set(await transport.publisher.publish(placed(1))) == {Outcome.UNKNOWN}
        outer.resume()
        await publish_all(transport, placed(10))


async def test_a_network_that_stalls_after_the_tls_handshake(encrypted: Proxy, certificate: Path) -> None:
    """Connecting takes little longer than the timeout: it does not wait for the peer to end TLS."""
    outer = Proxy(encrypted.url)
    async with outer.running(), RabbitMQ(f"{outer.url}?cafile={certificate}", timeout=TIMEOUT) as transport:
        encrypted.stall()
        opening = asyncio.create_task(transport.open())
        await until(lambda: encrypted.connections > 0, "the TLS handshake was to end")
        outer.stall()
        with in_time(SOON), pytest.raises(TransientFailure, match="RabbitMQ does not answer"):
            await opening


async def test_closing_is_orderly(broken: Broken, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the broker nor the driver logs a warning."""
    caplog.set_level(logging.WARNING)

    async def echo(request: Request) -> bytes:
        return request.body

    async with RabbitMQ(broken.server.url, prefix=broken.prefix, timeout=CEILING) as transport:
        messages = placed(10)
        async with receiving(transport, feed()) as received, transport.serve("shop", echo):
            await publish_all(transport, messages)
            await received.all_of(messages)
            assert await transport.request("shop", Request("r1", None, b"1"), seconds=CEILING) == b"1"
    assert not caplog.messages
