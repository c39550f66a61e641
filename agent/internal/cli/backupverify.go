package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func (r *run) verifyBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify BACKUP",
		Short: "Have the nodes hash their copies of a backup",
		Long: `Have the nodes that keep a backup read and hash their copies. What is missing or
damaged is fetched again from the others. The command exits 1 if a copy was
damaged, mended or not, and 3 if a node could not be asked.`,
		Args:              takesOne("BACKUP"),
		ValidArgsFunction: r.completeBackup,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			return r.verifyBackup(ctx, c, args[0])
		}),
	}
}

// verification is printed by verify.
type verification struct {
	Backup string       `json:"backup"`
	Copies []copyVerify `json:"copies"`
}

// copyVerify is how one copy of a backup was found.
type copyVerify struct {
	Node     string     `json:"node"`
	Location string     `json:"location"`
	Result   string     `json:"result"` // one of the constants below
	Error    *api.Error `json:"error,omitempty"`
}

// Results of verifying a copy.
const (
	copyIntact  = "intact"
	copyMended  = "was damaged, mended"
	copyDamaged = "damaged"
	copyUnknown = "not verified"
)

func (r *run) verifyBackup(ctx context.Context, c *client.Client, id string) error {
	b, err := c.Backup(ctx, id)
	if err != nil {
		return err
	}
	before, err := c.Status(ctx, b.Distribution)
	if err != nil {
		return err
	}
	d, err := c.VerifyBackup(ctx, id)
	if err != nil {
		return err
	}
	g := verified(d)
	// A damaged copy that nobody can mend is waited for in vain.
	g.hopeless = func(n api.NodeStatus) bool { return n.Drifted && n.Waiting != "" }
	st, err := r.follow(ctx, c, d.Name, g, r.waitView())
	if err != nil {
		return err
	}
	result := verification{Backup: id, Copies: compareCopies(d, before, st)}
	if err := r.print(result, func(w io.Writer) { result.write(w) }); err != nil {
		return err
	}
	return result.verdict(ctx)
}

// compareCopies tells how each copy was found, by what was repaired since before.
func compareCopies(d api.Distribution, before, after api.Status) []copyVerify {
	goal := verified(d)
	all := []copyVerify{}
	for _, n := range after.Nodes {
		i := slices.IndexFunc(before.Nodes, func(o api.NodeStatus) bool { return o.Node == n.Node })
		mended := i >= 0 && n.Repaired > before.Nodes[i].Repaired
		c := copyVerify{Node: n.Node, Location: n.Location, Error: n.Error}
		switch {
		case n.Drifted:
			c.Result = copyDamaged
		case mended:
			c.Result = copyMended
		case goal.node(after.Distribution, n):
			c.Result = copyIntact
		default:
			c.Result = copyUnknown
			if n.Unreachable && c.Error == nil {
				c.Error = &api.Error{Code: api.CodeUnreachable, Subject: n.Node, Message: "the node is down", Fix: "start its agent"}
			}
		}
		all = append(all, c)
	}
	return all
}

func (v verification) write(w io.Writer) {
	rows := [][]string{{"NODE", "LOCATION", "COPY", "REMARKS"}}
	for _, c := range v.Copies {
		remarks := ""
		if c.Error != nil {
			remarks = errorText(*c.Error)
		}
		rows = append(rows, []string{c.Node, place(c.Location), c.Result, remarks})
	}
	table(w, rows)
}

// nodes names those with one of the results.
func (v verification) nodes(results ...string) []string {
	var names []string
	for _, c := range v.Copies {
		if slices.Contains(results, c.Result) {
			names = append(names, c.Node)
		}
	}
	return names
}

func (v verification) verdict(ctx context.Context) error {
	again := "see to these nodes, then: rackswarm-backup verify " + v.Backup
	damaged, mended, unknown := v.nodes(copyDamaged), v.nodes(copyMended), v.nodes(copyUnknown)
	e := api.Error{Code: api.CodeCorrupt, Subject: v.Backup}
	code := exitFailed
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		code, e.Code = exitInterrupted, api.CodeCanceled
		e.Message, e.Fix = "interrupted; the nodes go on hashing", "look again with: rackswarm-backup verify "+v.Backup
	case len(damaged) > 0:
		e.Message, e.Fix = copies(damaged)+" damaged, and not mended yet", "the nodes fetch what is missing from the others; "+again
		if len(v.nodes(copyIntact, copyMended)) == 0 {
			e.Message, e.Fix = copies(damaged)+" damaged, and no other copy is intact", "take another backup, and look for a failing disk"
		}
	case len(mended) > 0:
		e.Message, e.Fix = copies(mended)+" damaged, and mended from the others", "look for a failing disk there"
	case len(unknown) > 0:
		code, e.Code = exitPartial, cmp.Or(v.firstCode(), api.CodeCanceled)
		e.Message, e.Fix = copies(unknown)+" not verified", again
	case len(v.Copies) == 0:
		e.Code, e.Message, e.Fix = api.CodeNoTargets, "no node keeps a copy", "take another backup"
	default:
		return nil
	}
	return &exitError{code, &e}
}

func (v verification) firstCode() string {
	for _, c := range v.Copies {
		if c.Error != nil {
			return c.Error.Code
		}
	}
	return ""
}

func copies(nodes []string) string {
	if len(nodes) == 1 {
		return "the copy on " + nodes[0] + " was"
	}
	return fmt.Sprintf("%d copies (%s) were", len(nodes), strings.Join(nodes, ", "))
}
