"""What an exception of a case means, and what a worker says."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.case import Case, Job
from harness.engines.process.worker import classify, work
from harness.measure.subject import NonFiniteOutputError, NoOutputError
from harness.messages import HarnessError

# What PyTorch 2.14.1 says, shortened.
ROOM = "CUDA out of memory. Tried to allocate 2 MiB. GPU 0 has 1.21 GiB of which 1.00 MiB is free."


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("first\nsecond"), ("error", "ValueError: first")),
        (ValueError("\n \n  third  \n"), ("error", "ValueError: third")),
        (ValueError(), ("error", "ValueError")),
        (KeyboardInterrupt(), ("error", "KeyboardInterrupt")),
        (SystemExit(7), ("error", "the module ended the process: exit code 7")),
        (SystemExit(), ("error", "the module ended the process: exit code 0")),
        (HarnessError("give another"), ("error", "give another")),
        (NonFiniteOutputError("3 of 4"), ("invalid", "3 of 4")),
        (NoOutputError("nothing"), ("invalid", "nothing")),
        (MemoryError(), ("oom", "out of memory: MemoryError")),
        (RuntimeError("CUDA out of memory."), ("oom", "out of memory: CUDA out of memory.")),
        (
            RuntimeError(f"{ROOM} Process 7 has 2.00 GiB memory in use. Of the allocated memory"),
            ("oom", f"out of memory: {ROOM}"),
        ),
        (OSError("Cannot allocate memory"), ("oom", "out of memory: Cannot allocate memory")),
        *(
            (RuntimeError(said), ("oom", f"out of memory: {said}"))
            for said in (
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
                "CUDA driver error: out of memory",
                "Triton Error [CUDA]: CUDA_ERROR_OUT_OF_MEMORY",
            )
        ),
        (
            RuntimeError("CUDA error: no kernel image is available for execution on the device"),
            (
                "unsupported",
                "CUDA error: no kernel image is available for execution on the device",
            ),
        ),
        (ValueError("bad_alloc is a word"), ("error", "ValueError: bad_alloc is a word")),
        (NotImplementedError(), ("unsupported", "NotImplementedError")),
        (RuntimeError("x not implemented for Half"), ("unsupported", "x not implemented for Half")),
    ],
)
def test_exceptions_by_kind(error, expected):
    assert classify(error) == expected


@settings(deadline=None, max_examples=80)
@example(text="0\xa0")
@given(text=st.text() | st.text(alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Lo"])))
def test_a_cause_is_one_printable_line_of_bounded_length(text):
    status, cause = classify(RuntimeError(text * 50))
    assert status in ("error", "oom", "unsupported")
    assert "".join(cause.split()).isprintable()  # spaces of other widths stay
    assert "\n" not in cause
    assert 0 < len(cause) <= 520


def said(module, metrics=("params",), **arguments):
    messages = []
    job = Job("s", "l", Case(module, arguments, ((1, 8, 4, 4),)), metrics, 9.0)
    work(job, lambda *message: messages.append(message))
    return messages


def test_messages_come_metric_by_metric():
    messages = said("self_attention", ("params", "flops"))
    used = [message for message in messages if message[0] == "used"]
    kinds = [message[:2] for message in messages if message[0] != "used"]
    assert kinds == [
        ("metric", "params"),
        ("values", "params"),
        ("metric", "flops"),
        ("values", "flops"),
        ("done",),
    ]
    # Before it is run, and at the end: what runs may end the process.
    assert messages.index(used[0]) < messages.index(("metric", "flops"))
    assert messages[-2] == used[-1]
    assert "context_modules.self_attention:SelfAttention" in used[-1][1]["roots"]


def test_a_failure_is_the_last_message_and_has_its_traceback():
    first, used, last = said("self_attention", key_channels="many")
    assert used[0] == "used"
    assert first == ("metric", "params")
    assert last[:2] == ("failed", "error")
    assert "key_channels" in last[2]
    assert any("BuildError" in line for line in last[3])


def test_a_pipe_that_nobody_reads_is_no_second_failure():
    def send(*message):
        raise BrokenPipeError

    work(Job("s", "l", Case("se", {}, ((1, 8, 4, 4),)), ("params",), 9.0), send)
