"""Checks of the installed service that compare what expd says with what systemd then does.

Settings and secrets as the unit has them, pauses after failed starts, doctor's findings, and what a
bugreport leaves out.
"""

import json
import re
import shlex

from machine import Failed

DROP_IN = "/etc/systemd/system/expd.service.d/test.conf"
# The network of tests/packages/exp-up knows this device.
UUID = "known-device"
SECRET = "planted-secret-of-the-known-device"


def drop_in(machine, text):
    """Gives the unit this drop-in, or takes it away."""
    if text:
        machine.run(f"mkdir -p $(dirname {DROP_IN}) && printf '%s\\n' '[Service]' '{text}' >{DROP_IN} && systemctl daemon-reload")
    else:
        machine.run(f"rm -rf $(dirname {DROP_IN}) && systemctl daemon-reload")


def write(machine, path, text, mode="644"):
    machine.run(f"cat >{path} <<'END'\n{text}END\nchmod {mode} {path}")


def says(machine, script, *patterns):
    """Holds that the script prints all of this, and gives what it printed."""
    told = machine.run(script, check=False)
    for pattern in patterns:
        if not re.search(pattern, told, re.M):
            raise Failed(f"{script}: {pattern!r} is not in\n{told}")
    return told


def device(secret=""):
    return f'[instances.default.credentials]\ntype = "device"\nuuid = "{UUID}"\n{secret}'


def settings(world):
    """expd check-config --unit says what the service then does.

    A secret may be encrypted, and is where nobody else can read it.
    """
    machine = world.machine
    run = machine.run
    run("apt-get update -qq && apt-get install -y -qq expd", timeout=120)
    check = "expd check-config --unit expd"
    fine = "^no mistakes:"
    restart = "systemctl restart expd.service"

    def online():
        run(restart)
        machine.shows("expd status", "^default  online")

    def refused(pattern):
        run(restart, check=False)
        machine.shows("journalctl -u expd.service --since=-10s -p err -o cat --no-pager", pattern)

    says(machine, check, fine)

    # The environment of the unit, and a file of it, which counts more; the shell's own does not
    # count.
    drop_in(machine, "Environment=EXPD__DAEMON__LOG=loud")
    says(machine, check, "EXPD__DAEMON__LOG: daemon.log", r"^\[exit status 1\]$")
    refused("EXPD__DAEMON__LOG: daemon.log")
    run("cp /etc/default/expd /root/default && echo EXPD__DAEMON__LOG=debug >>/etc/default/expd")
    says(machine, f"EXPD__DAEMON__LOG=loud {check}", fine)
    run(restart)
    machine.shows("expd status", "^default  waiting to be paired")
    run("mv /root/default /etc/default/expd")
    drop_in(machine, "EnvironmentFile=/etc/expd/nowhere")
    says(machine, check, "EnvironmentFile=/etc/expd/nowhere cannot be read", r"^\[exit status 1\]$")
    drop_in(machine, "")

    # A secret that root alone can read is none for the service's user.
    secret = "/etc/expd/device.secret"
    write(machine, secret, f"{SECRET}\n", "600")
    write(machine, "/etc/expd/expd.toml", device(f'secret_file = "{secret}"\n'))
    told = says(machine, check, "the user expd of expd.service cannot read /etc/expd/device.secret", r"^\[exit status 1\]$")
    remedy = re.search(r"LoadCredential=expd\.default\.secret:\S+", told)[0]
    refused("cannot read.*device.secret|device.secret.*Permission denied")
    run(f"chgrp expd {secret} && chmod 640 {secret}")
    says(machine, check, fine)
    online()

    # The credential that the remedy names.
    run(f"chgrp root {secret} && chmod 600 {secret}")
    write(machine, "/etc/expd/expd.toml", device())
    says(machine, check, "secret", r"^\[exit status 1\]$")
    drop_in(machine, remedy)
    says(machine, check, fine)
    online()
    drop_in(machine, "LoadCredential=expd.default.secret:/etc/expd/nowhere")
    says(machine, check, "/etc/expd/nowhere does not exist, so the unit cannot start", r"^\[exit status 1\]$")

    # Encrypted for this host.
    store = "/etc/credstore.encrypted"
    run(f"mkdir -p -m 700 {store} && systemd-creds encrypt --with-key=host --name=expd.default.secret {secret} {store}/expd.default.secret && "
        f"systemd-creds encrypt --with-key=host --name=other {secret} {store}/wrong && rm {secret}")
    drop_in(machine, f"LoadCredentialEncrypted=expd.default.secret:{store}/wrong")
    says(machine, check, "expd.default.secret cannot be decrypted on this host", r"^\[exit status 1\]$")
    machine.run(restart, check=False)
    machine.shows("systemctl show -p Result --value expd.service", "^(exit-code|resources|protocol)$")
    drop_in(machine, "LoadCredential=\nLoadCredentialEncrypted=expd.default.secret")
    says(machine, check, fine)
    online()
    says(machine, "expd doctor --json", r'"check":"login"')
    pid = run("systemctl show -p MainPID --value expd.service").strip()
    found = run(f"grep -rlF {SECRET} /etc /var /run /root /home /tmp /proc/{pid}/environ /proc/{pid}/cmdline 2>/dev/null", check=False).split()
    if [file for file in found if file.startswith("/")] != ["/run/credentials/expd.service/expd.default.secret"]:
        raise Failed(f"the secret is in {found}")
    owner = run("stat -c '%U %a' /run/credentials/expd.service /run/credentials/expd.service/expd.default.secret; "
                "runuser -u nobody -- cat /run/credentials/expd.service/expd.default.secret", check=False)
    if "Permission denied" not in owner:
        raise Failed(f"everybody can read the credential: {owner}")

    # A service of one's own with a dynamic user.
    write(machine, "/etc/own.toml", f'[instances.default.credentials]\ntype = "device"\nuuid = "{UUID}"\nsecret_file = "/etc/own.secret"\n')
    write(machine, "/etc/own.secret", f"{SECRET}\n", "600")
    unit = ("[Service]\nType=notify\nDynamicUser=yes\nRuntimeDirectory=own\nStateDirectory=own\n"
            "ExecStart=/usr/bin/expd serve --config /etc/own.toml --socket /run/own/expd.sock\n")
    write(machine, "/run/systemd/system/own.service", unit)
    run("systemctl daemon-reload")
    says(machine, "expd check-config --unit own", "the dynamic user of own.service cannot read /etc/own.secret", r"^\[exit status 1\]$")
    run("systemctl start own.service")
    machine.shows("journalctl -u own.service -p err -o cat --no-pager", "/etc/own.secret")
    run("systemctl stop own.service")
    write(machine, "/run/systemd/system/own.service", f"{unit}LoadCredential=expd.default.secret:/etc/own.secret\n")
    write(machine, "/etc/own.toml", device())
    run("systemctl daemon-reload")
    says(machine, "expd check-config --unit own", fine)
    run("systemctl start own.service")
    machine.shows("expd status --socket /run/own/expd.sock", "^default  online")
    run("systemctl stop own.service && rm /run/systemd/system/own.service /etc/own.toml /etc/own.secret")

    drop_in(machine, "")
    run(f"rm -r {store} && apt-get purge -y -qq expd && rm -rf /etc/expd")
    return 15


def pauses(machine):
    """Starts that fail: the pauses grow, the status says why, and what is waited for ends them."""
    run, shows = machine.run, machine.shows
    status = "systemctl show -p StatusText --value expd.service"
    run("systemd-run --quiet --unit taken socat TCP-LISTEN:9101,bind=127.0.0.1,fork,reuseaddr SYSTEM:true")
    shows("ss -ltn 2>/dev/null || cat /proc/net/tcp", "9101|:238D")
    settings_file = "/etc/expd/expd.toml"
    run(f"cp -a {settings_file} /root/good.toml && sed -i 's/^#metrics = /metrics = /' {settings_file}")
    run("systemctl restart --no-block expd.service")
    waiting = machine.start("for i in $(seq 30); do timeout 20 expd status && exit; done; exit 1")
    said = r"starting in 3 s: 3 failed starts, the last one: cannot serve metrics on 127\.0\.0\.1:9101"
    shows(status, said)
    shows("systemctl is-active expd.socket", "^active$")
    if waiting.poll() is not None and waiting.returncode:
        raise Failed(f"a program that waits was turned away: {waiting.communicate()[0]}")
    says(machine, "expd doctor", "^FAULT +units +expd.service: .*failed starts, the last one", r"^\[exit status 1\]$")
    # A restart by hand does not wait, and begins to count anew.
    shows(status, r"starting in \d+ s: [4-9] failed starts")
    run("systemctl restart expd.service", check=False)
    shows(status, "starting in 1 s: 2 failed starts")
    # Corrected settings end a pause.
    shows(status, r"starting in \d+ s: [3-9] failed starts")
    run(f"cp -a /root/good.toml {settings_file}")
    shows("systemctl is-active expd.service", "^active$")
    told, _ = waiting.communicate(timeout=40)
    if waiting.returncode:
        raise Failed(f"a program that waited was not served: {told}")
    run("systemctl stop taken.service")

    # What fails before expd runs: no number of failures is the last one, and the socket stays.
    drop_in(machine, "LoadCredential=expd.default.secret:/etc/expd/nowhere")
    run("systemctl restart expd.service", check=False)
    shows("systemctl show -p NRestarts --value expd.service", "^[2-9]$")
    shows("systemctl is-active expd.socket", "^active$")
    drop_in(machine, "")
    run("timeout 30 expd status")
    shows("systemctl is-active expd.service", "^active$")


def findings(machine, command="expd doctor --json"):
    told = machine.run(command, check=False)
    return json.loads(told.split("\n")[0]), told


def finds(machine, check, level, pattern, remedy):
    """Holds that doctor has a finding, with a remedy, and the exit status that goes with it."""
    document, told = findings(machine)
    for it in document["findings"]:
        if it["check"] == check and it["level"] == level and re.search(pattern, f"{it['subject']}: {it['found']}"):
            if not re.search(remedy, it["remedy"]):
                raise Failed(f"no {remedy!r} in {it}")
            if ("[exit status 1]" in told) != (document["faults"] > 0):
                raise Failed(f"the exit status is wrong: {told}")
            return
    raise Failed(f"doctor finds no {level} of {check} with {pattern!r}:\n{told}")


def doctor(machine):
    """Each finding that depends on the system, tried."""
    run = machine.run
    run("timeout 30 expd wait-online")
    document, told = findings(machine)
    if document["faults"] or "[exit status" in told:
        raise Failed(f"doctor is not content with a daemon that is online:\n{told}")
    finds(machine, "units", "ok", r"expd\.service: active", "")
    finds(machine, "units", "ok", r"expd\.socket: active", "")
    # Somebody who may not read the settings is told so, and not of a fault.
    if "this user may not read it" not in (told := run("runuser -u guest -- expd doctor", check=False)):
        raise Failed(f"doctor for anybody: {told}")

    run("systemctl stop expd.socket expd.service")
    finds(machine, "units", "warning", r"expd\.socket: inactive", r"systemctl enable --now expd\.socket")
    finds(machine, "socket", "fault", "", "systemctl start expd.socket")
    run("systemctl mask --runtime expd.socket")
    finds(machine, "units", "fault", r"expd\.socket: masked", r"systemctl unmask expd\.socket")
    run("systemctl unmask --runtime expd.socket && mkdir -p /run/expd/expd.sock")
    finds(machine, "socket", "fault", "not a socket", "never the file")
    run("systemctl disable expd.service; systemctl start expd.socket; timeout 20 expd status; timeout 20 expd wait-online")
    finds(machine, "units", "warning", "does not start at boot", r"systemctl enable expd\.service")
    run("systemctl enable expd.service")

    # A proxy that the service's environment names, and this shell's does not.
    run("cp /etc/default/expd /root/default && echo HTTPS_PROXY=http://127.0.0.1:3129 >>/etc/default/expd && systemctl restart expd.service")
    finds(machine, "proxy", "ok", r"127\.0\.0\.1:3129, from the environment", "")
    finds(machine, "connect", "fault", r"127\.0\.0\.1:3129: .*refused", "")
    run("mv /root/default /etc/default/expd && systemctl restart expd.service && timeout 20 expd wait-online")

    # Addresses of the one family do not answer.
    run("echo '::1 api.goexp.io' >>/etc/hosts")
    finds(machine, "connect", "warning", r"\[::1\]:443: .*refused", "other family")
    run("sed -i '/^::1 api.goexp.io/d' /etc/hosts")

    # A disk that is full, and one that is read-only.
    run("systemctl stop expd.service; mount -t tmpfs -o size=64k,mode=0700 none /var/lib/expd && chown expd: /var/lib/expd; "
        "head -c 1M /dev/zero >/var/lib/expd/full", check=False)
    finds(machine, "disk", "fault", "0 KiB", "vacuum")
    run("mount -o remount,ro /var/lib/expd")
    finds(machine, "disk", "fault", "read-only", "mount it writable")
    run("umount /var/lib/expd && systemctl restart expd.service && timeout 20 expd wait-online")

    # A portal answers in EXP's place.
    write(machine, "/srv/exp/portal", "#!/bin/sh\nread -r asked\nprintf 'HTTP/1.1 302 Found\\r\\nLocation: http://portal.example/\\r\\n"
          "Content-Length: 0\\r\\n\\r\\n'\nsleep 1\n", "755")
    run("systemctl stop exp-tls && systemd-run --quiet --unit portal socat OPENSSL-LISTEN:443,fork,reuseaddr,cert=/srv/exp/cert.pem,"
        "key=/srv/exp/key.pem,verify=0 EXEC:/srv/exp/portal")
    finds(machine, "portal", "fault", r"portal\.example", "log in to this network's portal")
    run("systemctl stop portal; systemctl reset-failed exp-tls.service 2>/dev/null; systemd-run --quiet --unit exp-tls -p Restart=always socat "
        "OPENSSL-LISTEN:443,fork,reuseaddr,cert=/srv/exp/cert.pem,key=/srv/exp/key.pem,verify=0 TCP:127.0.0.1:9000")


def bugreport(machine):
    """Secrets of every place that the service takes them from are not in the report.

    What a vendor needs is.
    """
    planted = [f"planted {kind} 4711" for kind in ("drop-in", "environment", "credential", "inline")]
    write(machine, "/etc/expd/planted", f"{planted[2]}\n", "600")
    drop_in(machine, "\n".join([
        f'Environment="EXPD__INSTANCES__ONE__CREDENTIALS__SECRET={planted[0]}" EXPD__INSTANCES__ONE__CREDENTIALS__UUID=one',
        'Environment=EXPD__INSTANCES__ONE__CREDENTIALS__TYPE=device EXPD__INSTANCES__TWO__CREDENTIALS__TYPE=device',
        'Environment=EXPD__INSTANCES__TWO__CREDENTIALS__UUID=two EXPD__INSTANCES__THREE__CREDENTIALS__TYPE=device',
        'Environment=EXPD__INSTANCES__THREE__CREDENTIALS__UUID=three EXPD__INSTANCES__FOUR__CREDENTIALS__TYPE=device',
        'Environment=EXPD__INSTANCES__FOUR__CREDENTIALS__UUID=four',
        "LoadCredential=expd.three.secret:/etc/expd/planted", f"SetCredential=expd.four.secret:{planted[3]}"]))
    machine.run(f"cp /etc/default/expd /root/default && echo 'EXPD__INSTANCES__TWO__CREDENTIALS__SECRET=\"{planted[1]}\"' >>/etc/default/expd")
    machine.run("systemctl restart expd.service")
    machine.shows("expd status", "^four  ")
    for state in ("running", "stopped"):
        machine.run(f"rm -rf /root/report && expd bugreport /root/report/", timeout=90)
        said = machine.run("cat /root/report/*")
        for wanted in ("instances.default", "EXPD__INSTANCES__ONE__CREDENTIALS__UUID=one", "expd.service", "ExecStart=", "VERSION_CODENAME"):
            if wanted not in said:
                raise Failed(f"the report of a {state} daemon has no {wanted}:\n{said}")
        stored = machine.run("grep -o '\"secret\":\"[^\"]*' /var/lib/expd/default.credentials.json", check=False).split('"')[-1].strip()
        for secret in [*planted, *(["4711"]), stored]:
            if secret and secret in said:
                line = next(line for line in said.splitlines() if secret in line)
                raise Failed(f"the report of a {state} daemon tells a secret: {line}")
        machine.run("systemctl stop expd.service")
    machine.run("mv /root/default /etc/default/expd; rm -r /root/report /etc/expd/planted")
    drop_in(machine, "")
    machine.run("systemctl start expd.service")


def newcomer(machine):
    """Somebody who may not read the service's settings tries expd out beside it."""
    guest = "runuser -l guest -c "
    machine.run(f"{guest} 'timeout 120 expd serve --embedded >started 2>&1 & echo $! >pid'")
    told = machine.shows("cat /home/guest/started", r"(?s)^ +(expd listen menu .*?)\n.*?^ +(expd broadcast .*?)\n.*Ctrl-C")
    if not re.search(r"expd\.toml: this user may not read it; the defaults apply", told.string):
        raise Failed(f"no note about the settings:\n{told.string}")
    listener = machine.start(guest + shlex.quote(f"timeout 100 {told[1]}"))
    machine.shows(guest + shlex.quote(told[2]), "on it")
    says(machine, f"{guest} 'expd serve --embedded --config /etc/expd/expd.toml'", "Permission denied", r"^\[exit status 1\]$")
    # Within the machine, whose processes are its own. The listener would wait for the next daemon.
    machine.run("pkill -u guest", check=False)
    listener.kill()
    listener.wait(20)


def faults(world):
    """Failed starts, doctor's findings, a bugreport's secrets, a newcomer beside the service."""
    machine = world.machine
    machine.run("apt-get update -qq && apt-get install -y -qq expd && useradd --create-home --shell /bin/bash guest", timeout=120)
    world.pair()
    machine.run("timeout 30 expd wait-online")
    for part in (pauses, doctor, bugreport, newcomer):
        try:
            part(machine)
        except Failed as failed:
            raise Failed(f"{part.__name__}: {failed}") from None
    machine.run("apt-get purge -y -qq expd && userdel --remove guest", check=False)
    return 4
