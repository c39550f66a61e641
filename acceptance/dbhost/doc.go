// Package dbhost runs PostgreSQL 15 on hosts of acceptance/hosts, laid out as
// Debian does it, and tells agents there of it. A host has one instance, "main",
// on port 5432.
//
//	db1, db2 := dbhost.On(set.Host("db1"), dbhost.Options{}), dbhost.On(set.Host("db2"), dbhost.Options{})
//	err := db1.Prepare(ctx, "postgres") // and of db2: directories, passfile, catalogue of drivers
//	err = db1.InitPrimary(ctx)          // initdb, role, start
//	load, err := db1.StartLoad(ctx)     // writes rows until load.Stop
//	err = set.StartAgents(ctx, hosts.Agents{On: …, Settings: map[string]map[string]any{"db1": db1.Agent("db1"), …}})
//
// Everything runs as user postgres, whom this machine has to know, and ends with
// the host. It needs what hosts need, and PostgreSQL 15; Unsupported says what is
// missing.
package dbhost
