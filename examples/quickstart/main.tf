# Puts a directory tree, or a file, on every node of a fleet and keeps it there.
#
#   export RACKSWARM_ENDPOINTS=unix:///run/rackswarm/agent.sock
#   terraform init
#   terraform apply -var source_path=/usr/local/go -var path=/srv/go

terraform {
  required_providers {
    rackswarm = {
      source = "registry.terraform.io/rackswarm/rackswarm"
    }
  }
}

# Any agent that is up serves the whole fleet.
provider "rackswarm" {
  endpoints = var.endpoints
}

resource "rackswarm_artifact" "content" {
  name   = var.name
  source = var.source_path
}

resource "rackswarm_distribution" "everywhere" {
  name            = var.name
  artifact_digest = rackswarm_artifact.content.digest
  path            = var.path
}

data "rackswarm_nodes" "all" {}
