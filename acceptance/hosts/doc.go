// Package hosts makes several machines of one: each host is a process tree in
// network, mount, process, IPC and host name namespaces of its own, and the hosts
// are joined by a bridge that nothing else is on. A host has its own /srv, /tmp,
// /run, /dev/shm, /var/lib/rackswarm, and its own changes to /etc, /var, /home,
// /root and /opt; the rest it reads from this machine. It can run a real sshd and
// an agent, and it can die with everything in it at once.
//
//	set, err := hosts.New(ctx, hosts.Options{
//		Names:    []string{"control", "db1", "db2"},
//		Programs: map[string]string{"rackswarm": binary},
//	})
//	defer set.Close()
//	err = set.StartSSHD(ctx, set.Host("db1"))
//	err = set.StartAgents(ctx, hosts.Agents{On: set.Hosts()[1:]})
//	out, err := set.Host("control").Run(ctx, "ssh db1 rackswarm nodes")
//
// It needs root; Unsupported says what is missing. The namespaces have no names on
// this machine and end with their processes, and these end with the process that
// made them, however that ends; the directory is then removed by a shell that
// waits for that. So any number of sets can stand at once, all with the same
// addresses.
package hosts
