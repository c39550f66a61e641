package restore

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// NewRun makes the record of the run that req asks for, under the name id: it
// finds the source, the backup that "latest" means, and the members, in the order
// in which they are switched. nodes are the fleet, backups those of all databases.
// The error is an *api.Error that says what there is instead.
func NewRun(req api.RunRequest, id string, nodes []api.Node, backups []api.Backup, now time.Time) (api.Run, error) {
	if err := Validate(req); err != nil {
		return api.Run{}, err
	}
	if err := checkID("id", id); err != nil {
		return api.Run{}, err
	}
	f := finder{req: req, id: id, nodes: nodes, backups: backups}
	r := api.Run{ID: id, Request: req, Phase: api.RunPlanned, CreatedAt: now, UpdatedAt: now, PhaseSince: now}
	for _, find := range []func(*api.Run) error{f.database, f.source, f.backup, f.members, f.copies} {
		if err := find(&r); err != nil {
			return api.Run{}, err
		}
	}
	return r, nil
}

// finder resolves the names of a request.
type finder struct {
	req     api.RunRequest
	id      string
	nodes   []api.Node
	backups []api.Backup
	driver  string // of the content
}

// database checks that a node has the database.
func (f *finder) database(*api.Run) error {
	names := map[string]bool{}
	for _, n := range f.nodes {
		for name := range n.Databases {
			names[name] = true
		}
	}
	if names[f.req.Database] {
		return nil
	}
	what := "no node's configuration has a database"
	if len(names) > 0 {
		what = "there are: " + list(slices.Sorted(maps.Keys(names)))
	}
	return notFound("database", fmt.Sprintf("no node has a database %q; %s", f.req.Database, what),
		"name one of them, or add it under 'databases' in the configuration of the agents")
}

func (f *finder) source(r *api.Run) error {
	if f.req.Source == "" {
		return nil
	}
	n, err := f.node("source", f.req.Source)
	if err != nil {
		return err
	}
	if !n.Alive {
		return &api.Error{Code: api.CodeNodeLost, Subject: n.Name, Message: "the agent of the source does not answer",
			Fix: "start it, or name another source"}
	}
	f.driver = n.Databases[f.req.Database]
	r.Source = &api.RunPart{Node: n.Name, Location: n.Location}
	return nil
}

// node finds a node that has the database.
func (f *finder) node(field, name string) (api.Node, error) {
	i := slices.IndexFunc(f.nodes, func(n api.Node) bool { return n.Name == name })
	if i < 0 {
		return api.Node{}, notFound(field, fmt.Sprintf("no node is called %q", name), "see 'rackswarm nodes'; of those with the database there are: "+f.holders())
	}
	if _, ok := f.nodes[i].Databases[f.req.Database]; !ok {
		return api.Node{}, notFound(field, fmt.Sprintf("node %s has no database %q", name, f.req.Database),
			"name a node that has it ("+f.holders()+"), or add it to that agent's configuration")
	}
	return f.nodes[i], nil
}

// holders lists the nodes that have the database.
func (f *finder) holders() string {
	var names []string
	for _, n := range f.nodes {
		if _, ok := n.Databases[f.req.Database]; ok {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return list(names)
}

func (f *finder) backup(r *api.Run) error {
	if f.req.Backup == "" {
		return nil
	}
	var own []api.Backup
	for _, b := range f.backups {
		if b.Database == f.req.Database {
			own = append(own, b)
		}
	}
	own = newestFirst(own)
	i := 0
	if f.req.Backup != Latest {
		i = slices.IndexFunc(own, func(b api.Backup) bool { return b.ID == f.req.Backup })
	}
	if i < 0 || len(own) == 0 {
		return f.noBackup(own)
	}
	found := own[i]
	f.driver = found.Content.Driver
	r.Backup = &found
	return nil
}

func (f *finder) noBackup(own []api.Backup) error {
	if i := slices.IndexFunc(f.backups, func(b api.Backup) bool { return b.ID == f.req.Backup }); i >= 0 {
		return &api.Error{Code: api.CodeInvalid, Subject: "backup",
			Message: fmt.Sprintf("%s is a backup of database %s, not of %s", f.req.Backup, f.backups[i].Database, f.req.Database),
			Fix:     "name the database that it is of; its content is restored on nodes that have that database"}
	}
	var ids []string
	for _, b := range own {
		ids = append(ids, b.ID)
	}
	if len(ids) == 0 {
		return notFound("backup", fmt.Sprintf("there is no backup of database %s", f.req.Database), "take one first")
	}
	return notFound("backup", fmt.Sprintf("no backup is called %q", f.req.Backup), "newest first there are: "+list(ids))
}

// members are the nodes to restore. Those that are named must be there; of those
// that match otherwise, nodes that are down now are left out.
func (f *finder) members(r *api.Run) error {
	if f.req.Restore == nil {
		return nil
	}
	selector := f.req.Restore.Selector
	for _, name := range selector.NodeNames {
		if _, err := f.node("restore.selector.node_names", name); err != nil {
			return err
		}
	}
	for _, n := range f.nodes {
		driver, has := n.Databases[f.req.Database]
		named := slices.Contains(selector.NodeNames, n.Name)
		if !has || !selector.Matches(n) || n.Name == f.req.Source || !n.Alive && !named {
			continue
		}
		if differ(driver, f.driver) {
			return &api.Error{Code: api.CodeUnsupported, Subject: n.Name,
				Message: fmt.Sprintf("its database %s is of driver %s, the content of driver %s", f.req.Database, driver, f.driver),
				Fix:     "leave the node out, or name the same driver in its configuration"}
		}
		r.Members = append(r.Members, api.RunPart{Node: n.Name, Location: n.Location})
	}
	if len(r.Members) == 0 {
		return &api.Error{Code: api.CodeNoTargets, Subject: "restore.selector",
			Message: fmt.Sprintf("chooses no other node that is up and has database %s", f.req.Database),
			Fix:     "nodes that have it: " + f.holders()}
	}
	slices.SortFunc(r.Members, func(a, b api.RunPart) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.Node, b.Node))
	})
	return nil
}

// copies checks that there are nodes enough today, and that the name is free.
func (f *finder) copies(r *api.Run) error {
	if f.req.Copies == nil {
		return nil
	}
	if _, err := place(*f.req.Copies, f.nodes, f.req.Source); err != nil {
		return err
	}
	id := backupID(*r)
	if slices.ContainsFunc(f.backups, func(b api.Backup) bool { return b.ID == id }) {
		return &api.Error{Code: api.CodeConflict, Subject: "copies.name", Message: fmt.Sprintf("there is a backup called %s", id), Fix: "choose another name"}
	}
	return nil
}

// backupID is what the backup of a run is called.
func backupID(r api.Run) string {
	if r.Request.Copies == nil {
		return ""
	}
	return cmp.Or(r.Request.Copies.Name, r.ID)
}

func notFound(field, message, fix string) error {
	return &api.Error{Code: api.CodeNotFound, Subject: field, Message: message, Fix: fix}
}

// list writes names for people, the first few of many.
func list(names []string) string {
	const most = 10
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Conflict says which other run works on a database of the same node; nil if none
// does. Two of them would exchange the same directories.
func Conflict(r api.Run, others []api.Run) *api.Error {
	nodes := nodesOf(r)
	for _, o := range others {
		if o.ID == r.ID || o.Phase.Finished() || o.Request.Database != r.Request.Database {
			continue
		}
		for _, node := range nodesOf(o) {
			if slices.Contains(nodes, node) {
				return &api.Error{Code: api.CodeConflict, Subject: node,
					Message: fmt.Sprintf("run %s works on its database %s", o.ID, o.Request.Database), Fix: "wait for it, or abort it"}
			}
		}
	}
	return nil
}

// nodesOf names the nodes that have a part in a run.
func nodesOf(r api.Run) []string {
	var names []string
	for _, p := range r.Parts() {
		names = append(names, p.Node)
	}
	return names
}
