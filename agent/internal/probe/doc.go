// Package probe reads what tells how busy links and this host are: counters of
// switches and routers by SNMP, and files of the kernel. What the numbers mean
// decides core/bandwidth.
//
// A device gets at most one query per second, whatever happens: no retries in
// between, and the packets of a search or of a key exchange wait for their turn
// like all others. It is asked for all of its links in one query.
package probe
