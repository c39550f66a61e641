# Copyright: the rackswarm authors
# SPDX-License-Identifier: Apache-2.0

# The action plugin of the same name runs the program in bin/; this file
# documents it.

DOCUMENTATION = r"""
module: replica_seed
short_description: Replicas of a database, seeded from one capture
version_added: 0.1.0
author: the rackswarm authors
description:
  - Captures a live database once, or takes a backup, moves it to the hosts of the play through the swarm, verifies it beside their data,
    and swaps it in, one batch after the other. A replica that does not come up gets its former data back, and those after it are not touched.
  - All hosts of the play make one run, whatever the number of forks is. Every host's part of the task waits for its own database.
  - It is changed on a host if its data directory was replaced.
options:
  database:
    description: The instance, as the agents' configuration names it. Paths, programs and credentials are written there, never in a play.
    type: str
  source:
    description: The node that the database is captured on, mostly the primary. One of O(source) and O(backup) is needed.
    type: str
  backup:
    description: The ID of a backup, or V(latest).
    type: str
  node_names:
    description: The nodes that are seeded. By default the hosts of the play, without O(source).
    type: list
    elements: str
  as:
    description: V(replica) follows the primary that the agent's configuration names; V(standalone) opens on its own.
    type: str
    choices: [replica, standalone]
    default: replica
  batch:
    description: How many databases may be down at a time.
    type: int
    default: 1
  require_replica:
    description: Replace replicas, and missing or empty data directories, only. Without it a stopped database of any kind is replaced, too.
    type: bool
    default: true
  allow_primary:
    description: Replace a database that runs and takes writes, where the configuration of the node has C(allow_primary) for it, too.
    type: bool
    default: false
  force:
    description: Seed replicas that follow well, too. By default they are left alone.
    type: bool
    default: false
  max_lag:
    description: How far behind a healthy replica may be, such as V(16MiB), which is the default.
    type: str
  health_timeout:
    description: Seconds that a replica has to become healthy after its start; 300 by default.
    type: float
  node:
    description: The node that this host is, as in M(rackswarm.swarm.artifact).
    type: str
  run_id:
    description: Join, or abort, the run of this ID. By default the task has a run of its own.
    type: str
  wait:
    description: Wait for this host's part; with C(run_once) for the whole run.
    type: bool
    default: true
  timeout:
    description: Seconds for all of it. The run goes on when they are over.
    type: float
    default: 3600
  state:
    description: V(aborted) ends the run O(run_id); databases that were switched get their former data back.
    type: str
    choices: [present, aborted]
    default: present
extends_documentation_fragment: rackswarm.swarm.agent
attributes:
  check_mode:
    support: partial
    description: Looks whether the nodes have the database, not at the databases. Reports a change for every host that would be looked at.
  diff_mode:
    support: none
  async:
    support: full
notes:
  - The data directory of a running primary is never touched unless O(allow_primary) says so.
"""

EXAMPLES = r"""
- hosts: replicas
  become: true
  tasks:
    - name: Replicas from the primary, one after the other
      rackswarm.swarm.replica_seed:
        database: main
        source: db1

    - name: The way back to last night, after the primary is gone
      rackswarm.swarm.replica_seed:
        database: main
        backup: latest
        as: standalone
        node_names: [db2]
        require_replica: true
      run_once: true
"""

RETURN = r"""
run:
  description: The run's ID.
  returned: success
  type: str
phase:
  description: Of the run, such as V(rolling) or V(complete).
  returned: wait is true
  type: str
node:
  description: This host's name in the fleet.
  returned: always
  type: str
state:
  description: Of this host's part, V(committed), V(skipped), V(failed), V(rolled_back), V(stuck) and others.
  returned: the host has a part
  type: str
backup:
  description: The ID of the backup, if the run has one.
  returned: when known
  type: str
lag_bytes:
  description: How far behind the replica was when it was looked at last.
  returned: when known
  type: int
old_data:
  description: Where the former data are kept.
  returned: when they are
  type: str
members:
  description: All members with state and error.
  returned: with run_once
  type: list
  elements: dict
error:
  description: The failure in parts, C(code), C(subject), C(message) and C(fix).
  returned: failure
  type: dict
"""
