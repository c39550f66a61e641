# On all web servers of two sites, and on those that join later.
resource "rackswarm_distribution" "site" {
  name            = "site"
  artifact_digest = rackswarm_artifact.site.digest
  path            = "/srv/site"
  owner           = "www-data"
  group           = "www-data"

  selector = {
    locations = ["ams1", "fra1"]
    labels    = { role = "web" }
  }

  # Some nodes may be down: warn, and go on with the next apply.
  min_success_percent = 95
  on_partial          = "warn"

  timeouts = {
    create = "30m"
    update = "30m"
  }

  # Fail the apply, the first one too, unless that many nodes hold the content.
  lifecycle {
    postcondition {
      condition     = self.converged
      error_message = "Only ${self.converged_count} of ${self.target_count} nodes hold the content."
    }
  }
}

# Removed from the nodes when it is destroyed, and hashed anew every month.
resource "rackswarm_distribution" "model" {
  name            = "model"
  artifact_digest = rackswarm_artifact.model.digest
  path            = "/srv/model.bin"
  mode            = "0640"
  on_destroy      = "remove"
  triggers        = { checked = "2026-11" }
}

# All nodes switch to a new version together, once each of them has it and its
# hook has passed it. The version before stays: rackswarm rollback image.
resource "rackswarm_distribution" "image" {
  name            = "image"
  artifact_digest = rackswarm_artifact.image.digest
  path            = "/srv/base.img"
  activate        = "together"
  keep_previous   = true
  hooks           = { before = ["drain"], after = ["check"] }
}
