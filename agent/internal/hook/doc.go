// Package hook runs the commands that a node's own configuration names, around
// the switch to new content. Distributions only choose among them by name: what
// is run never comes from the API or the store, whose records are not signed.
package hook
