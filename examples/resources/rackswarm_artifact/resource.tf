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

# A file that the agent downloads, no more than once: the checksum says what it is.
resource "rackswarm_artifact" "image" {
  source   = "https://images.example.net/base-12.img"
  checksum = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
}
