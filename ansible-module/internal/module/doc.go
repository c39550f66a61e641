// Package module makes one Ansible task true: that content belongs at a path on
// the nodes that a selector matches, or does not. It reads the task's options,
// decides what differs from what the fleet wants already, changes that unless in
// check mode, and waits until the nodes have it.
package module
