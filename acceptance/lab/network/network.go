// Package network makes the network of a scenario out of namespaces: a switch for
// each location, a host for each host, and links whose rates are shaped both ways.
package network
