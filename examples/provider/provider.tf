terraform {
  required_providers {
    rackswarm = {
      source = "registry.terraform.io/rackswarm/rackswarm"
    }
  }
}

# Any agent that is up serves the whole fleet: name two or three.
provider "rackswarm" {
  endpoints = ["https://web1.ams1.example.net:7422", "https://web1.fra1.example.net:7422"]

  tls = {
    ca_file   = "pki/ca.crt"
    cert_file = "pki/alice.crt"
    key_file  = "pki/alice.key"
  }
}
