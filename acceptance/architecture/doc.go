// Package architecture checks the promises that docs/architecture.md makes of
// the source: the pure packages keep no clock, goroutine, lock, socket, file or
// global randomness, and imports follow the arrows. Its tests read the source of
// the tree; there is nothing to call.
package architecture
