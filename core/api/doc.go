// Package api holds the types of the control interface, version 1: what the
// agent serves as HTTP/JSON under /v1 (requirement 44) and what the
// coordination store keeps. The web page, the command line, the Terraform
// provider and the Ansible module all speak only these types.
package api
