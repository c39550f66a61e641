// Package rackswarm runs our own agents, as users have them, on the hosts of the
// lab's network: the program rackswarm with a configuration, certificates and a
// store in a namespace of its own.
package rackswarm
