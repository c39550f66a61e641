# Copyright: the rackswarm authors
# SPDX-License-Identifier: Apache-2.0

"""What the action plugins of this collection share.

A task has two steps. One host submits for all hosts of the play; then every
host waits for its own part. Which host submits, and what it was answered, the
workers of one run of ansible-playbook tell each other by files in its temporary
directory (Meeting).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tarfile
import tempfile
import time

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var

try:  # ansible-core 2.19 and later
    from ansible.executor.module_common import _BuiltModule
except ImportError:
    _BuiltModule = None

BIN = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bin")
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

# Whose failure it is that a host cannot submit: all hosts' (another would fail as
# well), its own alone (another submits, it has failed), or none's as long as
# another one can.
ALL, OWN, UNABLE = "all", "own", "unable"
WHOSE = {"unreachable": OWN, "cannot_publish": UNABLE}

# Seconds.
FIRST_POLL = 2
LAST_POLL = 10
LEADER_PATIENCE = 60  # for the only one that may submit
OTHERS_PATIENCE = 10  # for anyone, by a host that cannot


class SwarmAction(ActionBase):
    """Runs the Go module of the target's architecture, step by step."""

    TRANSFERS_FILES = True  # super().run makes the remote temporary directory
    MODULE = None  # its name

    def run(self, tmp=None, task_vars=None):
        self._supports_check_mode = True
        self._supports_async = True
        self._remote = None
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._host = self._vars.get("inventory_hostname", "")
        self._began = time.monotonic()
        self._binary = self._choose_binary()
        self._content = None
        args = self._prepare()

        record, result = Meeting(self._key(), self._host, self._leader(), self._seconds_left).attend(lambda task: self._submit(args, task))
        if result is None:
            result = self._await(args, record)
        return wrap_var(result)

    # Hooks for the modules.

    def _prepare(self):
        """Returns the options that the module gets."""
        return dict(self._task.args)

    def _leader(self):
        """The only host that may submit, None for any."""
        return None

    # The steps.

    def _submit(self, args, task):
        """Returns what was submitted, or None, a failure, and whose that is."""
        answer, result = self._call(args, step="submit", task=task, content=self._content)
        if answer.get("want_content"):
            self._say("sending %s to this host's agent" % self._task.args["src"])
            path = self._bring_content()
            answer, result = self._call(args, step="submit", task=task, content=dict(self._content, path=path))
        if result.get("failed"):
            return None, result, WHOSE.get((result.get("error") or {}).get("code", "unreachable"), ALL)
        for warning in result.get("warnings", []):
            self._display.warning("%s: %s" % (self._host, warning))
        return answer["submitted"], None, None

    def _await(self, args, submitted):
        """Waits for this host's part and returns the task's result."""
        call = {"step": "wait", "submitted": submitted, "content": self._content, "everyone": bool(self._task.run_once)}
        if self._task.async_val:
            call["background"] = True
            return self._execute_module(module_name=self._task.action, module_args=self._arguments(args, call), task_vars=self._vars, wrap_async=True)
        poll, stuck, said = FIRST_POLL, 0, None
        while True:
            answer, result = self._call(args, patience=poll, left=max(self._seconds_left(), 0.1), stuck=stuck, **call)
            if result.get("failed") or answer.get("done"):
                return result
            line, stuck = answer.get("progress"), answer.get("stuck", 0)
            if line != said:
                self._say(line)
                said = line
            poll = min(poll * 1.5, LAST_POLL)

    def _say(self, line):
        if not self._task.no_log:
            self._display.display("%s: %s" % (self._host, line))

    # Options of the task that the plugin itself needs.

    def _seconds_left(self):
        try:
            timeout = float(self._task.args.get("timeout") or 3600)
        except (TypeError, ValueError):
            timeout = 3600  # the module refuses it
        return timeout - (time.monotonic() - self._began)

    def _key(self):
        """What is the same for all hosts of this task, or of one round of its loop."""
        shared = {k: v for k, v in self._task.args.items() if k != "node"}
        return self._task._uuid + json.dumps(shared, sort_keys=True, default=str)

    def _play_hosts(self):
        hostvars = self._vars.get("hostvars", {})
        found = []
        for name in self._vars.get("ansible_play_hosts_all") or [self._host]:
            of_host = hostvars[name] if name in hostvars else {}
            found.append({"name": name, "address": str(of_host.get("ansible_host") or ""), "node": str(of_host.get("rackswarm_node") or "")})
        return found

    # Running the module.

    def _arguments(self, args, call):
        call = dict(call, module=self.MODULE, host=self._host, hosts=self._play_hosts(), delegated=bool(self._task.delegate_to))
        args = dict(args, _swarm=call)
        if "node" not in args and self._vars.get("rackswarm_node"):
            args["node"] = self._vars["rackswarm_node"]
        args["_ansible_check_mode"] = bool(self._task.check_mode)
        args["_ansible_diff"] = bool(self._task.diff)
        return args

    def _call(self, args, **call):
        """Runs one step. Returns what the module tells the plugin, and its result."""
        shell = self._connection._shell
        args_path = shell.join_path(shell.tmpdir, "args")
        self._transfer_data(args_path, json.dumps(self._arguments(args, call), default=str))
        if self._remote is None:
            remote = shell.join_path(shell.tmpdir, os.path.basename(self._binary))
            self._transfer_file(self._binary, remote)
            self._fixup_perms2([shell.tmpdir, remote, args_path])
            self._remote = remote
        command = " ".join(p for p in (self._compute_environment_string(), shell.quote(self._remote), shell.quote(args_path)) if p)
        done = self._low_level_execute_command(command)
        for line in reversed(done.get("stdout", "").splitlines()):
            if line.startswith("{"):
                try:
                    result = json.loads(line)
                except ValueError:
                    break
                return result.pop("_swarm", None) or {}, result
        said = (done.get("stderr", "") + done.get("stdout", "")).strip()
        raise AnsibleActionFail("%s did not run on %s (exit code %s): %s" % (os.path.basename(self._binary), self._host, done.get("rc"), said or "it said nothing"))

    def _choose_binary(self):
        of_target = self._vars
        if self._task.delegate_to:
            of_target = (self._vars.get("ansible_delegated_vars") or {}).get(self._task.delegate_to) or {}
        machine = (of_target.get("ansible_facts") or {}).get("architecture") or of_target.get("ansible_architecture")
        if not machine:
            machine = self._low_level_execute_command("uname -m", sudoable=False).get("stdout", "").strip()
        if machine not in ARCHITECTURES:
            raise AnsibleActionFail("rackswarm has no program for the architecture %r of %s: it runs on Linux on %s"
                                    % (machine, self._host, ", ".join(sorted(ARCHITECTURES))))
        path = os.path.join(BIN, "rackswarm-module-linux-" + ARCHITECTURES[machine])
        if not os.path.exists(path):
            raise AnsibleActionFail("the collection lacks %s: install the archive that 'make collection' builds, not the source tree" % path)
        return path

    def _configure_module(self, module_name, module_args, task_vars):
        """Has the base class run our program where it would look for a module."""
        if module_name != self._task.action:
            return super()._configure_module(module_name, module_args, task_vars)
        if _BuiltModule is None:
            return "binary", None, None, self._binary
        return _BuiltModule(b_module_data=b"", module_style="binary", shebang=None, serialization_profile="legacy"), self._binary

    # Content of the controller.

    def _describe_content(self, source):
        """Says what a path of the controller is, so that the same content is known
        again."""
        try:
            if os.path.isdir(source):
                return {"kind": "tree", "name": "%s.%s" % (safe_name(source), tree_digest(source))}
            return {"kind": "file", "name": safe_name(source), "checksum": "sha256:" + file_digest(source)}
        except OSError as e:
            raise AnsibleActionFail("src: %s" % e) from e

    def _bring_content(self):
        """Puts the content where the module can read it; a tree as an archive."""
        shell = self._connection._shell
        remote = shell.join_path(shell.tmpdir, "content")
        if self._content["kind"] == "file":
            self._transfer_file(self._source, remote)
        else:
            handle, archive = tempfile.mkstemp(dir=C.DEFAULT_LOCAL_TMP)
            try:
                with os.fdopen(handle, "wb") as out:
                    pack(self._source, out)
                self._transfer_file(archive, remote)
            finally:
                os.unlink(archive)
        self._fixup_perms2([shell.tmpdir, remote], execute=False)
        return remote


class Meeting:
    """Where the hosts of one task agree on who submits.

    A lock says who does; it is free again when that worker ends, however that
    ends. A record beside it has the answer. Each host takes a record once: who
    sees one a second time runs the task again, and submits again.
    """

    def __init__(self, key, host, leader, seconds_left):
        self._dir = os.path.join(C.DEFAULT_LOCAL_TMP, "rackswarm")
        os.makedirs(self._dir, mode=0o700, exist_ok=True)
        self._key = hashlib.sha256(key.encode()).hexdigest()[:24]
        self._host = host
        self._leader = leader
        self._seconds_left = seconds_left

    def attend(self, submit):
        """Returns what was submitted, or a failure as a result."""
        lonely_since, failure = time.monotonic(), None
        with open(self._path("lock"), "w") as lock:
            while True:
                record = self._read()
                if record is None and self._try(lock):
                    try:
                        record = self._read()
                        if record is None and failure is None and self._leader in (None, self._host):
                            submitted, failure, whose = self._lead(submit)
                            lonely_since = time.monotonic()
                            if failure is None or whose != UNABLE:
                                return submitted, failure
                    finally:
                        fcntl.flock(lock, fcntl.LOCK_UN)
                elif record is None:
                    lonely_since = time.monotonic()
                if record is not None:
                    return self._take(record)
                lonely = time.monotonic() - lonely_since
                if failure is not None and lonely > OTHERS_PATIENCE:
                    return None, failure
                if lonely > LEADER_PATIENCE:
                    raise AnsibleActionFail("%s, which has src, has not begun this task: there are too few forks for the order of the hosts, or it failed"
                                            % self._leader)
                if self._seconds_left() <= 0:
                    raise AnsibleActionFail("no host has submitted this task in the time given: allow more by timeout")
                time.sleep(0.1)

    def _try(self, lock):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    def _lead(self, submit):
        """Submits, and leaves a record unless another host is to try."""
        number = self._number() + 1
        submitted, failure, whose = submit("ansible-%s-%d" % (self._key[:16], number))
        if whose in (None, ALL):
            record = {"number": number, "submitted": submitted, "failure": failure}
            self._write("record", json.dumps(record))
            submitted, failure = self._take(record)
        return submitted, failure, whose

    def _take(self, record):
        self._write("taken-%d-%s" % (record["number"], hashlib.sha256(self._host.encode()).hexdigest()[:24]), "")
        if record["failure"] is None:
            return record["submitted"], None
        return None, dict(record["failure"], changed=False)

    def _read(self):
        """The record, None if there is none that this host has not taken."""
        record = self._load()
        if record is None or os.path.exists(self._path("taken-%d-%s" % (record["number"], hashlib.sha256(self._host.encode()).hexdigest()[:24]))):
            return None
        return record

    def _number(self):
        record = self._load()
        return record["number"] if record else 0

    def _load(self):
        try:
            with open(self._path("record")) as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def _write(self, name, text):
        handle, temporary = tempfile.mkstemp(dir=self._dir)
        with os.fdopen(handle, "w") as f:
            f.write(text)
        os.rename(temporary, self._path(name))

    def _path(self, name):
        return os.path.join(self._dir, self._key + "." + name)


def safe_name(path):
    """The last part of a path as a name that an artifact can have."""
    name = os.path.basename(os.path.normpath(path))
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).lstrip("._-")[:60] or "content"


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            block = f.read(1 << 20)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def entries(top):
    """The names of all that a tree has, the top first, in a fixed order."""
    yield "."
    for directory, directories, files in os.walk(top, onerror=raise_error):
        directories.sort()
        for name in sorted(directories + files):
            yield os.path.relpath(os.path.join(directory, name), top)


def raise_error(error):
    raise error


def tree_digest(top):
    """A digest over names, modes, link targets and contents."""
    digest = hashlib.sha256()
    for name in entries(top):
        path = os.path.join(top, name)
        what = ""
        if os.path.islink(path):
            what = "-> " + os.readlink(path)
        elif os.path.isfile(path):
            what = file_digest(path)
        elif not os.path.isdir(path):
            raise AnsibleActionFail("src: %s is neither a file nor a directory nor a link" % path)
        mode = 0 if os.path.islink(path) else os.lstat(path).st_mode & 0o7777
        digest.update(os.fsencode("%s\0%o\0%s\0" % (name, mode, what)))
    return digest.hexdigest()[:32]


def pack(top, out):
    """Writes a tree as a tar archive."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in entries(top):
            archive.add(os.path.join(top, name), arcname=name, recursive=False, filter=anonymous)


def anonymous(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
