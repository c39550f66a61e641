# Copyright: the rackswarm authors
# SPDX-License-Identifier: Apache-2.0

"""Options by which all modules of the collection reach an agent."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  endpoint:
    description: The agent to talk to, V(unix:///PATH) or V(https://HOST:PORT). By default that of the host.
    type: str
    default: unix:///run/rackswarm/agent.sock
  ca_path:
    description: File on the host with the authority's certificate, for an O(endpoint) with https.
    type: path
  client_cert:
    description: File on the host with a certificate, for an O(endpoint) with https.
    type: path
  client_key:
    description: File on the host with the key of O(client_cert).
    type: path
"""
