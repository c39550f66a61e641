// Package links decides what this node may move over its own link and over the
// uplinks of the locations that it stands in. What a link can carry and what others
// use of it comes from the configuration, from operators, and from devices that one
// agent at a time asks; who uses a link tells the others in the store what it wants,
// and all divide what is left in the same way. The rules are those of core/bandwidth.
//
// Rates are on the wire, but for the budgets that the swarm gets: these are of block
// payload.
package links
