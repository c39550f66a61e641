//go:build race

package node_test

// raced: the race detector makes these tests twenty times as slow.
const raced = true
