# Copyright: the rackswarm authors
# SPDX-License-Identifier: Apache-2.0

# The action plugin of the same name runs the program in bin/; this file
# documents it.

DOCUMENTATION = r"""
module: artifact
short_description: Content on all hosts of a play, fetched from each other
version_added: 0.1.0
author: the rackswarm authors
description:
  - Puts a file or a directory tree at a path of every host of the play, and has their rackswarm agents keep it there.
  - The first host that comes to the task has the content published and tells the fleet where it belongs. From then on all
    hosts of the play fetch it from each other, those of later batches and beyond the number of forks included. Every host's
    part of the task then only waits for its own copy.
  - It is changed on a host if bytes, owner, group or mode at O(dest) are changed there.
options:
  src:
    description:
      - A file or directory of the controller, found as ansible.builtin.copy finds it. It is sent to one host, through that
        host's temporary directory, and only if nothing that is published is the same. Its agent keeps a copy.
      - A directory becomes O(dest) itself, whether O(src) ends with a slash or not.
      - With O(remote_src) a path of the play's first host, which is published in place, without a copy.
      - One of O(src), O(url) and O(digest) is needed, unless O(state=absent).
    type: str
  remote_src:
    description: O(src) is on the play's first host, or with C(run_once) on the host that the task runs on.
    type: bool
    default: false
  url:
    description: A https or http URL that one host's agent downloads once, or V(node://NAME/PATH), a path that another node publishes.
    type: str
  headers:
    description: Sent with the requests to O(url), such as C(Authorization). Values do not occur in results.
    type: dict
  digest:
    description: What is published already, as C(rackswarm artifacts) lists it.
    type: str
  checksum:
    description: V(sha256:) and the checksum that a file must have.
    type: str
  dest:
    description: The absolute path on the hosts, inside a root of their agents.
    type: path
  name:
    description: Of the distribution. By default made of O(dest), V(srv-app) of V(/srv/app).
    type: str
  owner:
    description: A user's name or number. By default it is left alone.
    type: str
  group:
    description: A group's name or number. By default it is left alone.
    type: str
  mode:
    description: Octal, in quotes, of a file or of the top directory of a tree. By default that of what is published.
    type: str
  force:
    description: Replace what stands at O(dest) and was not put there by rackswarm.
    type: bool
    default: false
    aliases: [overwrite]
  keep_previous:
    description: Keep the version before, so that C(rackswarm rollback) moves no bytes.
    type: bool
    default: false
  activate:
    description: V(each) host switches as soon as it has the content, or all V(together) when the last one has. With V(together) and
      fewer forks than hosts nothing is different, as the hosts fetch at the same time.
    type: str
    choices: [each, together]
    default: each
  hooks_before:
    description: Commands of the agents' configuration that look at new content before it stands, and may refuse it.
    type: list
    elements: str
  hooks_after:
    description: Commands of the agents' configuration that look at what stands; if one refuses, the version before comes back.
    type: list
    elements: str
  priority:
    description: Where links are short, what is more urgent goes first, and the rest waits. By default V(normal).
    type: str
    choices: [background, normal, urgent]
  max_download:
    description: What each node receives at most, such as V(10MiB/s) or V(200Mbit). By default there is no ceiling.
    type: str
  max_upload:
    description: What each node sends at most, such as V(10MiB/s) or V(200Mbit). By default there is no ceiling.
    type: str
  windows:
    description:
      - Rates of each node at times of the week, for what it receives and for what it sends, such as V(mon-fri 08:00-18:00 20Mbit)
        or V(sat,sun 00:00-24:00 unlimited). V(otherwise 1MiB/s) is what holds outside of all windows, by default no limit.
      - Where windows overlap, the lowest rate counts. The rate 0 lets nothing move.
    type: list
    elements: str
  time_zone:
    description: That the times of O(windows) are in, such as V(Europe/Amsterdam). By default UTC.
    type: str
  locations:
    description: Nodes in one of these locations, rather than the hosts of the play.
    type: list
    elements: str
  labels:
    description: Nodes that have all of these labels, rather than the hosts of the play.
    type: dict
  node_names:
    description: These nodes, rather than the hosts of the play.
    type: list
    elements: str
  node:
    description:
      - The node that this host is. By default the variable C(rackswarm_node); else it is the one whose agent answers on the host, and the
        others find it by the inventory's name, the first part of that, or C(ansible_host) as an address.
    type: str
  wait:
    description: Wait until this host has it. A host that is not selected, and C(run_once), wait for all.
    type: bool
    default: true
  timeout:
    description: Seconds for all of it.
    type: float
    default: 3600
  state:
    description: V(absent) ends the distribution and removes the content.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment: rackswarm.swarm.agent
attributes:
  check_mode:
    support: full
    description: Nothing is published. Whether content of a URL that tells no version would change is not known; then it is reported as changed.
  diff_mode:
    support: full
    description: Digest and metadata at O(dest), not contents.
  async:
    support: full
    description: Publishing is over when the task goes to the background; the waiting is what goes there.
notes:
  - Needs an agent on every host, and the right to talk to its socket, as root by default (C(become)). One that has a publisher's key
    has to come first, unless O(digest) is given.
  - A distribution is about all its nodes. A play that leaves some of them out, such as with C(--limit), does not change it behind their back
    but fails. All hosts of a play with C(serial) get new content at once.
  - No Python is needed on the hosts, unless for C(async).
"""

EXAMPLES = r"""
- name: The site, from the controller
  rackswarm.swarm.artifact:
    src: build/site
    dest: /srv/site
    owner: www-data

- name: A release, downloaded once for all hosts
  rackswarm.swarm.artifact:
    url: https://releases.example.net/model-7.bin
    headers: {Authorization: "Bearer {{ token }}"}
    checksum: sha256:8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4
    dest: /srv/model.bin
    mode: "0644"

- name: What the first host has built, switched to by all together
  rackswarm.swarm.artifact:
    src: /srv/build/app
    remote_src: true
    dest: /opt/app
    activate: together
    keep_previous: true
    hooks_after: [restart-app]

- name: Little by day, and after everything else
  rackswarm.swarm.artifact:
    src: build/archive
    dest: /srv/archive
    priority: background
    windows: ["mon-fri 08:00-18:00 20Mbit", "otherwise unlimited"]
    time_zone: Europe/Amsterdam

- name: In the background
  rackswarm.swarm.artifact:
    digest: "{{ digest }}"
    dest: /srv/data
  async: 86400
  poll: 0

- name: Away with it
  rackswarm.swarm.artifact:
    dest: /srv/site
    state: absent
"""

RETURN = r"""
name:
  description: Of the distribution.
  returned: always
  type: str
  sample: srv-site
dest:
  description: The path on the hosts.
  returned: always
  type: str
  sample: /srv/site
digest:
  description: Of the content. In check mode it may not be known.
  returned: state is present
  type: str
  sample: sha256:1f3c5b8f0c6f4f0f4b3c7d5e9a1b2c3d4e5f60718293a4b5c6d7e8f901234567
size:
  description: Bytes of the content.
  returned: state is present
  type: int
  sample: 1288490188
node:
  description: This host's name in the fleet.
  returned: the result is about this host
  type: str
  sample: web17
bytes_from:
  description: Where this host's bytes came from, since the last change of what is wanted.
  returned: wait is true and the result is about this host
  type: dict
  contains:
    rack: {description: Bytes from nodes in the same location., type: int}
    datacenter: {description: Bytes from elsewhere under the same first part of the location., type: int}
    wan: {description: Bytes from anywhere else., type: int}
    seed: {description: Of all these the bytes from nodes that served the published source., type: int}
    disk: {description: Bytes from the host's own disk., type: int}
peers:
  description: Nodes that it was connected to.
  returned: wait is true and the result is about this host
  type: int
seconds:
  description: From its start to its end on this host.
  returned: when it was installed
  type: float
rate:
  description: Bytes per second from other nodes on average.
  returned: when it was installed
  type: int
nodes:
  description: All targets with their phase and error.
  returned: the task waited for all
  type: list
  elements: dict
summary:
  description: All targets, counted.
  returned: the task waited for all
  type: dict
error:
  description: The failure in parts, C(code), C(subject), C(message) and C(fix).
  returned: failure
  type: dict
"""
