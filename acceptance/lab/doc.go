// Lab runs an experiment: it makes the hosts and links of a scenario out of
// namespaces, has systems distribute the scenario's artifact there, one after the
// other or side by side, and reports what came of it.
//
//	rackswarm-lab -systems rackswarm,plain,libtorrent -out DIR SCENARIO.yaml
//
// Everything that is made ends with the program, however it ends.
package main
