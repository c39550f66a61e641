// Package cli is the command lines of rackswarm and rackswarm-backup. Commands
// speak to an agent through core/client, except for agent, which is one, and pki,
// which needs none.
//
// Results go to stdout, as tables or with --json as JSON of the types in
// core/api; progress, notes and errors go to stderr. Exit codes:
//
//	0    done
//	1    failed
//	2    the command line is wrong
//	3    partial success: some nodes hold the content, or have the database,
//	     fewer than asked for
//	130  interrupted
package cli
