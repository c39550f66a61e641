# Copyright: the rackswarm authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.rackswarm.swarm.plugins.plugin_utils.swarm import SwarmAction


class ActionModule(SwarmAction):
    """Puts content on all hosts of the play at once."""

    MODULE = "artifact"

    def _remote_src(self):
        return boolean(self._task.args.get("remote_src", False), strict=False)

    def _leader(self):
        """src on a managed host is that of the play's first host."""
        hosts = self._vars.get("ansible_play_hosts") or [self._host]
        return hosts[0] if self._task.args.get("src") and self._remote_src() and not self._task.run_once else None

    def _prepare(self):
        args = super()._prepare()
        source = args.get("src")
        if not source or self._remote_src() or args.get("state") == "absent":
            return args
        if not isinstance(source, str):
            raise AnsibleActionFail("src: %r is not a path" % (source,))
        self._source = os.path.realpath(self._find_needle("files", source))
        self._content = self._describe_content(self._source)
        if self._content["kind"] == "file" and not args.get("mode"):
            args["mode"] = "%04o" % (os.stat(self._source).st_mode & 0o777)
        return args
