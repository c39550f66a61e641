data "rackswarm_nodes" "web" {
  selector = {
    locations = ["ams1"]
    labels    = { role = "web" }
  }
}

output "down" {
  value = [for n in data.rackswarm_nodes.web.nodes : n.name if !n.alive]
}
