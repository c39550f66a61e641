// Package fleet keeps the records of what is wanted on the nodes: distributions,
// and the artifacts that they need. Whoever changes one, for a client or for a
// run, does it here, so that no two claim one path on one node and nothing that is
// needed is withdrawn. Decisions are made inside the store's transactions.
package fleet
