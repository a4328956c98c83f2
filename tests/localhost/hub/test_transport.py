"""The hub's gRPC address: ordinary gRPC clients on one side, broken ones on the other."""

import asyncio
import struct
from contextlib import asynccontextmanager

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
import pytest
from google.protobuf import empty_pb2
from hpack import Decoder

from localhost.hub.transport.frames import PREFACE, Flag, Http2Error, Kind, frame, header_block, unpadded
from localhost.hub.transport.server import MAX_MESSAGE, CallError, GrpcServer, Streaming, Unary

SERVICE = "/TaskHubSidecarService/"
REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", SERVICE + "Hello"), (":authority", "x")]
EMPTY_MESSAGE = b"\0\0\0\0\0"
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Service:
    """Operations that show what a call can do."""

    def __init__(self):
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()

    async def echo(self, request):
        return pb.CreateInstanceResponse(instanceId=request.instanceId)

    async def wait(self, _request):
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return pb.GetInstanceResponse()

    async def refuse(self, request):
        raise CallError(grpc.StatusCode.NOT_FOUND, f"There is no {request.instanceId}.")

    async def fail(self, _request):
        raise ValueError("a secret of the hub")

    async def stream(self, request):
        for n in range(50):
            yield pb.HistoryChunk(events=[pb.HistoryEvent(eventId=n)] * 2000)
        if request.instanceId == "breaks":
            raise CallError(grpc.StatusCode.ABORTED, "halfway")

    async def hello(self, _request):
        return empty_pb2.Empty()


@asynccontextmanager
async def serving():
    service = Service()
    server = GrpcServer(
        {
            SERVICE + "StartInstance": Unary(pb.CreateInstanceRequest.FromString, service.echo),
            SERVICE + "WaitForInstanceStart": Unary(pb.GetInstanceRequest.FromString, service.wait),
            SERVICE + "GetInstance": Unary(pb.GetInstanceRequest.FromString, service.refuse),
            SERVICE + "RaiseEvent": Unary(pb.RaiseEventRequest.FromString, service.fail),
            SERVICE + "Hello": Unary(empty_pb2.Empty.FromString, service.hello),
            SERVICE + "StreamInstanceHistory": Streaming(pb.StreamInstanceHistoryRequest.FromString, service.stream),
        }
    )
    address = await server.start()
    try:
        yield address, service
    finally:
        await server.stop()


@asynccontextmanager
async def client(address, options=LARGE):
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield stubs.TaskHubSidecarServiceStub(channel)


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 65_535, 65_536, 2**20, 2**22 + 1, 9 * 2**20, MAX_MESSAGE - 100])
async def test_a_message_of_any_size_comes_and_goes_whole(size):
    """Whatever frames and windows it takes, both ways."""
    async with serving() as (address, _), client(address) as stub:
        answer = await stub.StartInstance(pb.CreateInstanceRequest(instanceId="é"[: size % 2] + "x" * size))
        assert answer.instanceId == "é"[: size % 2] + "x" * size


async def test_a_message_over_the_limit_is_refused_and_the_connection_lives():
    """The caller reads the limit; the next call on the same connection is answered."""
    async with serving() as (address, _), client(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.StartInstance(pb.CreateInstanceRequest(instanceId="x" * (MAX_MESSAGE + 1)))
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert str(MAX_MESSAGE) in refused.value.details()
        assert (await stub.StartInstance(pb.CreateInstanceRequest(instanceId="x"))).instanceId == "x"


async def test_a_refusal_brings_its_status_and_words():
    """Words outside ASCII survive the header that carries them."""
    async with serving() as (address, _), client(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetInstance(pb.GetInstanceRequest(instanceId="señor 100% \n ünknown"))
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
        assert refused.value.details() == "There is no señor 100% \n ünknown."


async def test_an_unexpected_failure_says_nothing_of_itself():
    async with serving() as (address, _), client(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.RaiseEvent(pb.RaiseEventRequest())
        assert failed.value.code() == grpc.StatusCode.UNKNOWN
        assert "secret" not in failed.value.details()


async def test_an_operation_that_is_not_there_is_unimplemented():
    async with serving() as (address, _), client(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await stub.PurgeInstances(pb.PurgeInstancesRequest())
        assert unknown.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_stream_brings_everything_however_slowly_it_is_read():
    """100,000 events are more than any window: they arrive all, in order."""
    async with serving() as (address, _), client(address) as stub:
        seen = []
        async for chunk in stub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId="x")):
            seen.append(chunk.events[0].eventId)
            assert len(chunk.events) == 2000
            await asyncio.sleep(0.001)
        assert seen == list(range(50))


async def test_a_stream_that_breaks_ends_with_its_status():
    """What was sent before stays sent."""
    async with serving() as (address, _), client(address) as stub:
        call = stub.StreamInstanceHistory(pb.StreamInstanceHistoryRequest(instanceId="breaks"))
        assert [await call.read() != grpc.aio.EOF for _ in range(50)] == [True] * 50
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await call.read()
        assert (broken.value.code(), broken.value.details()) == (grpc.StatusCode.ABORTED, "halfway")


async def test_a_caller_that_leaves_ends_its_call():
    async with serving() as (address, service), client(address) as stub:
        call = stub.WaitForInstanceStart(pb.GetInstanceRequest())
        waiting = asyncio.ensure_future(service.waiting.wait())
        await waiting
        call.cancel()
        async with asyncio.timeout(10):
            await service.cancelled.wait()


async def test_a_connection_that_breaks_ends_its_calls():
    """Nothing goes on waiting for a client that is gone."""
    async with serving() as (address, service):
        _reader, writer = await connected(address)
        writer.write(request(1, [*REQUEST[:2], (":path", SERVICE + "WaitForInstanceStart")]))
        await service.waiting.wait()
        writer.transport.abort()
        async with asyncio.timeout(10):
            await service.cancelled.wait()


async def test_a_deadline_ends_a_call_on_both_sides():
    async with serving() as (address, service), client(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await stub.WaitForInstanceStart(pb.GetInstanceRequest(), timeout=0.05)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(10):
            await service.cancelled.wait()


async def test_a_thousand_calls_at_once_share_one_connection():
    async with serving() as (address, _), client(address) as stub:
        calls = [stub.StartInstance(pb.CreateInstanceRequest(instanceId=str(n))) for n in range(1000)]
        assert [answer.instanceId for answer in await asyncio.gather(*calls)] == [str(n) for n in range(1000)]


async def test_a_stop_answers_who_still_waits():
    """A waiting caller is told at once that the hub is gone, and does not hang."""
    async with serving() as (address, service):
        channel = client(address)
        stub = await channel.__aenter__()
        stopped = asyncio.ensure_future(_code(stub.WaitForInstanceStart(pb.GetInstanceRequest())))
        await service.waiting.wait()
    assert await stopped == grpc.StatusCode.UNAVAILABLE
    await channel.__aexit__(None, None, None)


async def _code(call):
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()


# Clients that keep to no protocol


async def connected(address):
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(PREFACE + frame(Kind.SETTINGS, 0, 0))
    return reader, writer


def request(stream_id, fields=REQUEST, message=EMPTY_MESSAGE):
    return frame(Kind.HEADERS, Flag.END_HEADERS, stream_id, header_block(fields)) + frame(
        Kind.DATA, Flag.END_STREAM, stream_id, message
    )


async def frames_until_closed(reader):
    async with asyncio.timeout(10):
        content = await reader.read()
    found = []
    while content:
        length = int.from_bytes(content[:3])
        found.append((content[3], content[4], int.from_bytes(content[5:9]), content[9 : 9 + length]))
        content = content[9 + length :]
    return found


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        PREFACE + b"\xff\xff\xff\0\0\0\0\0\x01",
        PREFACE + frame(Kind.SETTINGS, 0, 0, b"12345"),
        PREFACE + frame(Kind.CONTINUATION, 0, 1, b""),
        PREFACE + frame(Kind.HEADERS, 0, 1, b"") + frame(Kind.PING, 0, 0, b"12345678"),
        PREFACE + frame(Kind.HEADERS, Flag.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
        PREFACE + frame(Kind.HEADERS, Flag.PADDED | Flag.END_HEADERS, 1, b"\xff12"),
        PREFACE + frame(Kind.HEADERS, 0, 1, b"x" * 16_000) + frame(Kind.CONTINUATION, 0, 1, b"x" * 16_000) * 5,
        PREFACE + frame(Kind.HEADERS, Flag.END_HEADERS, 1, header_block([("x", "y" * 65_600)])),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_shown_out(garbage):
    """Its connection is closed with a reason; those of others live on."""
    async with serving() as (address, _), client(address) as stub:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(garbage)
        kinds = [kind for kind, *_ in await frames_until_closed(reader)]
        assert kinds[-1] == Kind.GOAWAY
        writer.close()
        await stub.Hello(empty_pb2.Empty())


@pytest.mark.parametrize("cut", range(1, 120, 7))
async def test_bytes_may_arrive_in_any_pieces(cut):
    async with serving() as (address, _):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        whole = PREFACE + frame(Kind.SETTINGS, 0, 0) + request(1)
        for piece in (whole[:cut], whole[cut:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
        assert await status(reader) == "0"
        writer.close()


async def status(reader):
    """Return the gRPC status that the next answer ends with."""
    decoder = Decoder()
    async with asyncio.timeout(10):
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == Kind.HEADERS:
                fields = dict(decoder.decode(payload))
                if "grpc-status" in fields:
                    return fields["grpc-status"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "13"),
        (b"\0\0\0", "13"),
        (b"\0\0\0\0\x05ab", "13"),
        (EMPTY_MESSAGE * 2, "13"),
        (b"\x01\0\0\0\0", "12"),
        (b"\0" + struct.pack(">I", 3) + b"\xff\xff\xff", "13"),
    ],
)
async def test_a_broken_message_fails_its_call_only(message, code):
    async with serving() as (address, _):
        reader, writer = await connected(address)
        writer.write(request(1, [*REQUEST[:2], (":path", SERVICE + "StartInstance")], message))
        assert await status(reader) == code
        writer.close()


async def test_padding_priority_and_continuation_are_read_past():
    block = header_block(REQUEST)
    async with serving() as (address, _):
        reader, writer = await connected(address)
        flags = Flag.PADDED | Flag.PRIORITY
        writer.write(frame(Kind.HEADERS, flags, 1, b"\x03" + b"\0" * 5 + block[:10] + b"pad"))
        writer.write(frame(Kind.CONTINUATION, Flag.END_HEADERS, 1, block[10:]))
        writer.write(frame(0x7F, 0, 1, b"of another time"))
        writer.write(frame(Kind.DATA, Flag.PADDED | Flag.END_STREAM, 1, b"\x02" + EMPTY_MESSAGE + b"pa"))
        assert await status(reader) == "0"
        writer.close()


async def test_headers_that_point_into_the_table_mean_what_is_there_now():
    """The same bytes name another operation once the table has changed."""

    def added(path):
        return b"\x83\x86\x40\x05:path" + bytes([len(path)]) + path.encode()

    latest = b"\x83\x86\xbe"
    async with serving() as (address, _):
        reader, writer = await connected(address)
        seen = []
        known, unknown = added(SERVICE + "Hello"), added(SERVICE + "Nothing")
        for number, block in enumerate([known, latest, latest, unknown, latest, known, latest]):
            writer.write(frame(Kind.HEADERS, Flag.END_HEADERS, 2 * number + 1, block))
            writer.write(frame(Kind.DATA, Flag.END_STREAM, 2 * number + 1, EMPTY_MESSAGE))
            seen.append(await status(reader))
        assert seen == ["0", "0", "0", "12", "12", "0", "0"]
        writer.close()


async def test_a_ping_is_answered_with_what_it_brought():
    async with serving() as (address, _):
        reader, writer = await connected(address)
        writer.write(frame(Kind.PING, 0, 0, b"12345678"))
        async with asyncio.timeout(10):
            while (head := await reader.readexactly(9))[3] != Kind.PING:
                await reader.readexactly(int.from_bytes(head[:3]))
            assert await reader.readexactly(8) == b"12345678"
        writer.close()


def test_more_padding_than_payload_is_an_error():
    with pytest.raises(Http2Error):
        unpadded(b"", Flag.PADDED)
