// Package swarmapi holds the words that the reconciler and the swarm loop share:
// what the reconciler asks of the loop (Swarm), what the loop asks of content on
// disk (Content), and what the loop tells the reconciler (Notice). It has no
// behaviour, so that neither of the two imports the other.
package swarmapi
