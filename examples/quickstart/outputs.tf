output "digest" {
  description = "Identity of the content."
  value       = rackswarm_artifact.content.digest
}

output "seconds" {
  description = "From the first node's start to the last one's installation."
  value       = rackswarm_distribution.everywhere.seconds
}

output "uplink_copies" {
  description = "How often the content entered each location; one is ideal."
  value       = rackswarm_distribution.everywhere.uplink_copies
}

output "seeding_ratio" {
  description = "How often the publishing node sent the content."
  value       = rackswarm_distribution.everywhere.seeding_ratio
}

output "nodes" {
  description = "The fleet: where each node is."
  value       = { for n in data.rackswarm_nodes.all.nodes : n.name => n.location }
}
