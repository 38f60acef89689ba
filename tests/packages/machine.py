"""A booted Debian with systemd as its first process: a layer over the image, in systemd-nspawn.

It is gone with this process.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
# What has not come by then does not come; on a machine that has much else to do, later
# (EXPD_PATIENCE, in seconds).
PATIENCE = float(os.environ.get("EXPD_PATIENCE", "30"))


class Failed(Exception):
    """Something in the machine is not as it has to be."""


class Machine:
    """To be made in a mount namespace of the process's own."""

    def __init__(self, image):
        self.folder = tempfile.mkdtemp(prefix="expd-machine-")
        self.root = f"{self.folder}/root"
        layer = f"{self.folder}/layer"
        os.makedirs(self.root)
        os.makedirs(layer)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", layer], check=True)
        os.makedirs(f"{layer}/upper")
        os.makedirs(f"{layer}/work")
        options = f"lowerdir={image},upperdir={layer}/upper,workdir={layer}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        self.init = None
        with open(f"{self.folder}/console", "wb") as console:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--directory", self.root, "--boot", "--register=no", "--keep-unit",
                 "--private-network", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        try:
            self.eventually(self.find_init, "the machine has no first process")
            self.shows("systemctl is-system-running", "^(running|degraded)$")
        except Failed:
            self.end()
            raise

    def find_init(self):
        if self.nspawn.poll() is not None:
            with open(f"{self.folder}/console", encoding="utf-8", errors="replace") as console:
                raise Failed(f"systemd-nspawn ended:\n{console.read()}")
        with open(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children", encoding="utf-8") as children:
            found = children.read().split()
        # nspawn's first child is gone once its own child is the first process of the new namespace.
        self.init = next((pid for pid in found if self.is_first_process(pid)), None)
        return self.init

    @staticmethod
    def is_first_process(pid):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as status, open(f"/proc/{pid}/comm", encoding="utf-8") as name:
                return bool(re.search(r"^NSpid:\s+\d+\s+1$", status.read(), re.M)) and name.read() == "systemd\n"
        except OSError:
            return False

    def command(self, script):
        """The command that runs a script in the machine."""
        return ["nsenter", "--target", self.init, "--all", "bash", "-c", script]

    def run(self, script, check=True, timeout=60):
        """Runs a script as root and gives what it printed.

        A status other than 0 is a failure, or is appended.
        """
        try:
            told = subprocess.run(self.command(script), env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=max(timeout, 4 * PATIENCE), cwd="/")
        except subprocess.TimeoutExpired as late:
            raise Failed(f"has not ended within {timeout} s: {script}\n{(late.output or b'').decode('utf-8', 'replace')}") from None
        output = told.stdout.decode("utf-8", "replace")
        if told.returncode and check:
            raise Failed(f"ended with status {told.returncode}: {script}\n{output}")
        return output if not told.returncode else f"{output}[exit status {told.returncode}]\n"

    def start(self, script):
        """Starts a script that goes on; `communicate` of what it gives waits for its end."""
        return subprocess.Popen(self.command(script), env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, cwd="/")

    def eventually(self, condition, complaint, patience=PATIENCE):
        """Waits until the condition holds, and gives what it gave."""
        until = time.monotonic() + patience
        while not (held := condition()):
            if time.monotonic() > until:
                raise Failed(complaint() if callable(complaint) else complaint)
            time.sleep(0.05)
        return held

    def shows(self, script, pattern, patience=PATIENCE):
        """Waits until what the script prints matches, and gives the match."""
        last = ""

        def matched():
            nonlocal last
            last = self.run(script, check=False)
            return re.search(pattern, last, re.M)

        return self.eventually(matched, lambda: f"never matched {pattern!r}: {script}\n{last}", patience)

    def end(self):
        if self.init:
            subprocess.run(self.command("systemctl poweroff --force"), env=ENVIRONMENT, capture_output=True)
        try:
            self.nspawn.wait(15)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        for mount in (self.root, f"{self.folder}/layer"):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
