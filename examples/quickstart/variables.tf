variable "source_path" {
  description = "The tree or file to distribute, on the machine that runs Terraform."
  type        = string
}

variable "path" {
  description = "Where it belongs on every node, inside an allowed root of the agents."
  type        = string
}

variable "name" {
  description = "Name of the artifact and of the distribution."
  type        = string
  default     = "quickstart"
}

variable "endpoints" {
  description = "Agents; by default those that RACKSWARM_ENDPOINTS names, else the one on this machine."
  type        = list(string)
  default     = null
}
