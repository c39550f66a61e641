// Package network makes the network of a scenario out of namespaces: a switch for
// each location, a host for each host, one more for the store, and links between
// them whose rates are shaped both ways.
//
//	n, err := network.New(ctx, scenario)
//	defer n.Close()
//	p, err := n.Host("ams/b-5/1").Start(exec.Command("rackswarm", "agent", ...))
//	err = n.Partition("ams/b-5")
//	crossed, err := n.Crossed("ams/b-5")
//
// Everything is on one IPv4 network, 10.77.0.0/16, which only these namespaces see:
// any number of networks can stand at once. Each machine knows the addresses of all
// others, and each switch knows where they are, so that nothing is on the links but
// what programs send. Rates are those on layer 2: a full packet is 1514 bytes.
//
// The namespaces have no names and are held by this process alone. They end with
// it, however it ends, as do the programs that were started in them.
package network
