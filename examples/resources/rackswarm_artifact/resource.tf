# A directory tree. A plan notices changed files by size, mode and time.
resource "rackswarm_artifact" "site" {
  source = "${path.root}/build/site"
}

# A large file with a version of its own: plans do not look at it.
resource "rackswarm_artifact" "model" {
  name        = "model"
  source      = "/srv/models/current.bin"
  source_hash = "2026-11"
}
