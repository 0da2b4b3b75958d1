"""The pipe between a case and its engine: whole messages, whatever else arrives, never a wait."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.process.answer import AnswerError, AnswerReader, AnswerWriter


@pytest.fixture
def pipe():
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    yield ends
    for end in ends:
        os.close(end)


VALUES = st.recursive(
    # NaN and infinity arrive as nothing.
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(
    messages=st.lists(st.tuples(st.text(max_size=9), VALUES), max_size=6),
    size=st.integers(1, 50),
)
def test_messages_arrive_whole_in_whatever_pieces(messages, size):
    reading, writing = os.pipe()
    inner_reading, inner_writing = os.pipe()
    try:
        for message in messages:
            AnswerWriter(inner_writing).send(*message)
        os.set_blocking(inner_reading, False)
        reader, arrived = AnswerReader(reading), []
        while True:
            try:
                piece = os.read(inner_reading, size)
            except BlockingIOError:
                break
            os.write(writing, piece)
            arrived += reader.take()
        assert arrived == [list(message) for message in messages]
    finally:
        for end in (reading, writing, inner_reading, inner_writing):
            os.close(end)


def test_an_empty_pipe_and_half_a_message_do_not_block(pipe):
    reader = AnswerReader(pipe[0])
    assert reader.take() == []
    os.write(pipe[1], b'["metric", "fl')
    assert reader.take() == []
    os.write(pipe[1], b'ops"]\n')
    assert reader.take() == [["metric", "flops"]]


def test_a_closed_pipe_is_empty():
    reading, writing = os.pipe()
    reader = AnswerReader(reading)
    AnswerWriter(writing).send("done")
    os.close(writing)
    assert reader.take() == [["done"]]
    assert reader.take() == []
    os.close(reading)


@settings(deadline=None, max_examples=60)
@given(garbage=st.binary(min_size=1, max_size=200))
def test_garbage_never_hides_the_messages_around_it(garbage):
    reading, writing = os.pipe()
    try:
        reader = AnswerReader(reading)
        AnswerWriter(writing).send("first")
        os.write(writing, garbage)
        AnswerWriter(writing).send("last", 1)
        arrived = []
        for _ in range(garbage.count(b"\n") + 3):
            try:
                arrived += reader.take()
            except AnswerError:
                continue
        assert arrived[0] == ["first"]
        assert arrived[-1] == ["last", 1]
    finally:
        os.close(reading)
        os.close(writing)


DEEP = b'["values", "x", {"a": ' + b"[" * 400 + b"]" * 400 + b"}, 1]"


@pytest.mark.parametrize(
    "line", [b"3", b"[]", b"{}", b'[3, "x"]', b"[" * 100_000, DEEP, b"\xff\xfe", b"null"]
)
def test_what_is_no_message_is_an_error_and_not_a_crash(line):
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        reader = AnswerReader(reading)
        data = line + b"\n"

        def pass_on():
            rest = data
            while rest:
                rest = rest[os.write(writing, rest) :]
                reader.take()

        with pytest.raises(AnswerError):
            pass_on()
    finally:
        os.close(reading)
        os.close(writing)


def test_a_line_without_end_is_an_error_before_it_fills_the_memory(pipe):
    reader = AnswerReader(pipe[0])

    def flood():
        sent = 0
        while sent < 1 << 28:
            sent += os.write(pipe[1], b"x" * 65536)
            reader.take()

    with pytest.raises(AnswerError, match="without an end"):
        flood()
    AnswerWriter(pipe[1]).send("metric", "flops")
    assert reader.take() == [["metric", "flops"]]


def test_what_json_cannot_say_is_an_error_of_the_sender(pipe):
    with pytest.raises(TypeError):
        AnswerWriter(pipe[1]).send("values", object())
    assert AnswerReader(pipe[0]).take() == []
