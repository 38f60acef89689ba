"""The guide's examples, as programs of their own."""

import re
import subprocess
import sys

import pytest
from daemon import PATIENCE, until

FOLDER = "examples/guide/python"

#: Examples that a test has run.
ran = set()


def run(repository, name, *arguments):
    ran.add(name)
    done = subprocess.run(
        [sys.executable, str(repository / FOLDER / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


@pytest.fixture
def beside(repository, tmp_path):
    """Starts an example that listens, and waits until it does."""
    started = []

    def start(name):
        ran.add(name)
        out = tmp_path / f"{name}.out"
        with open(out, "w") as file:
            program = str(repository / FOLDER / f"{name}.py")
            started.append(subprocess.Popen([sys.executable, program], stdout=file, stderr=file))
        until(lambda: "listening" in out.read_text(), name)
        return started[-1], out

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_starting_as_the_daemons_identity_and_as_one_of_its_own(repository):
    out = run(repository, "starting", "lobby-screen", "lobby-screen-secret")
    assert out == "the daemon is front-door\nthis program is lobby-screen\n"


def test_the_flags_of_a_channel(repository):
    heard, refused = run(repository, "channels").splitlines()
    assert heard == "for devices and users"
    assert re.match("refused: .*system", refused)


def test_broadcast_listen_and_cancel(repository, beside):
    listener, out = beside("listen")
    assert run(repository, "broadcast") == ""
    assert listener.wait(PATIENCE) == 0
    assert out.read_text() == "listening\nmessage received: hello\n"


def test_broadcast_with_responses(repository, beside):
    import signal

    responders = [beside("respond") for _ in range(2)]
    assert run(repository, "broadcast") == "response: Nice to meet you!\n" * 2
    for responder, _ in responders:
        responder.send_signal(signal.SIGINT)
        assert responder.wait(PATIENCE) == 0


def test_creating_a_device_and_hearing_its_update(repository):
    assert run(repository, "device_update") == "the device was updated: my_sweeter_device\n"


def test_changing_an_experience_in_place(repository):
    assert run(repository, "experience") == "the experience is now called new name\n"


def test_contexts(repository):
    assert run(repository, "contexts") == "menu heard: who hears this?\nclock heard: None\n"


def test_fork(repository):
    assert run(repository, "fork") == "the second instance heard: hello\n"


def test_the_same_with_asyncio(repository):
    assert run(repository, "asynchronous") == "responses: ['Nice to meet you!']\n"


def test_no_example_was_not_run(repository):
    assert ran == {file.stem for file in (repository / FOLDER).glob("*.py")}
