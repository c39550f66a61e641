# Copyright: the rackswarm authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from ansible_collections.rackswarm.swarm.plugins.plugin_utils.swarm import SwarmAction


class ActionModule(SwarmAction):
    """Seeds replicas of a database on the hosts of the play, in one run."""

    MODULE = "replica_seed"
