// Package loop runs a node's machine: it is the sole owner of node.Machine and
// performs what the machine decides, over transport, store and content on disk.
// Run is the table of contents; everything that blocks (dialing, the store, the
// disk, verification) happens in goroutines that report back once.
package loop
