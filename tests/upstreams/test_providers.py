"""A provider from its settings: the caller's patience, the authorities it trusts, the proxy it goes through."""

from proxy.app.providers import _origin
from proxy.nouns import Asks, Call, Endpoint
from proxy.settings import Provider as Settings
from proxy.upstreams.http import ConnectFailed, HttpPool, Timeouts
from proxy.upstreams.providers import HttpProvider, patient
from tests.upstreams.certificates import certificates
from tests.upstreams.rawserver import OK, answers, run, serving, tunnel


def call(read_timeout_s=None):
    asks = Asks(read_timeout_s=read_timeout_s)
    return Call("r", Endpoint.CHAT, b"/chat/completions", b"", (), asks, 0.0, 0.0)


async def asked(settings):
    """One call with these settings: (status, or the name of what was raised)."""
    pool = HttpPool(_origin(settings))
    try:
        response = await HttpProvider("p", pool, Timeouts()).send(call(), b"/chat/completions", b"{}")
        await response.read_all(100)
        response.close()
    except ConnectFailed as error:
        return type(error).__name__
    else:
        return response.status
    finally:
        pool.close()


def test_the_callers_patience_shortens_ours_and_never_lengthens_it() -> None:
    """`x-stainless-read-timeout` bounds the wait for a head and every silence after it, a little after the caller's own
    timer; a patient caller changes nothing."""
    ours = Timeouts(first_byte_s=600, idle_s=60)
    assert patient(ours, call()) is ours
    assert patient(ours, call(3600)) is ours
    hurried = patient(ours, call(20))
    assert 20 <= hurried.first_byte_s < 30
    assert 20 <= hurried.idle_s < 30
    assert hurried.connect_s == ours.connect_s


def test_a_provider_trusts_the_authorities_of_its_ca_file_and_no_others() -> None:
    """The same server, with the file and without."""
    made = certificates()

    async def test():
        async with serving(answers(OK), tls=made.server) as server:
            url = f"https://localhost:{server.port}/v1"
            assert await asked(Settings(base_url=url, ca_file=made.authority)) == 200
            assert await asked(Settings(base_url=url)) == "ConnectFailed"

    run(test)


def test_a_provider_goes_through_its_own_proxy() -> None:
    """A tunnel for https with the proxy's credentials, which the provider never sees."""
    made = certificates()

    async def test():
        async with serving(answers(OK), tls=made.server) as server, serving(tunnel) as middle:
            settings = Settings(
                base_url=f"https://localhost:{server.port}/v1",
                ca_file=made.authority,
                proxy=f"http://user:secret@127.0.0.1:{middle.port}",
            )
            assert await asked(settings) == 200
            (through,) = middle.requests
            assert through.line == b"CONNECT localhost:%d HTTP/1.1" % server.port
            assert through.headers[b"proxy-authorization"].startswith(b"Basic ")
            assert b"proxy-authorization" not in server.requests[0].headers

    run(test)
