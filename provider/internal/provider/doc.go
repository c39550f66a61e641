// Package provider is the Terraform provider of rackswarm: published content
// and its distributions as resources, the fleet's nodes as a data source. It
// talks to agents through core/client only; any live agent serves the whole
// fleet. DESIGN.md, beside the program, says why it behaves as it does.
package provider
