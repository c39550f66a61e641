package module

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// Main reads the file of arguments that args names, does the task and writes the
// answer to out. It returns false if the task failed.
func Main(ctx context.Context, args []string, out io.Writer) bool {
	r := &result{}
	secrets, err := run(ctx, args, r)
	if err != nil {
		r.fail(err)
	}
	if err := r.write(out, secrets); err != nil {
		fmt.Fprintf(os.Stderr, "rackswarm-ansible-module: %v\n", err)
		return false
	}
	return !r.Failed
}

// run returns what must not be in the answer, too.
func run(ctx context.Context, args []string, r *result) (secrets []string, err error) {
	if len(args) != 1 {
		return nil, errNoArguments
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return nil, fmt.Errorf("read options: %w", err)
	}
	c, reader, err := parseArguments(text)
	if err != nil {
		return nil, err
	}
	if c.Module == moduleSeed {
		return nil, runSeed(ctx, reader, c, r)
	}
	o, err := reader.artifact(c)
	if err != nil {
		return o.secrets(), err
	}
	cl, err := o.connect()
	if err != nil {
		return o.secrets(), err
	}
	defer cl.Close()
	return o.secrets(), explain((&artifactTask{o, cl, r}).do(ctx))
}

func (o common) connect() (*client.Client, error) {
	cfg := client.Config{Answered: o.call.Step == stepWait} // submitting was answered
	if o.endpoint != "" {
		cfg.Endpoints = []string{o.endpoint}
	}
	if o.ca+o.cert+o.key != "" {
		conf, err := client.LoadTLS(o.ca, o.cert, o.key)
		if err != nil {
			return nil, err
		}
		cfg.TLS = conf
	}
	return client.New(cfg)
}

// explain gives errors of the socket the fix that Ansible's users look for.
func explain(err error) error {
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeUnreachable || !strings.HasPrefix(e.Subject, "unix://") {
		return err
	}
	fix := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		fix = "set become: true, or log in as a member of the group that owns the socket"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		fix = "start the agent on this host, for example with 'systemctl enable --now rackswarm'; if its api.socket is elsewhere, set the option endpoint to unix:// and that path"
	default:
		return err
	}
	return &api.Error{Code: e.Code, Subject: e.Subject, Message: e.Message, Fix: fix}
}

// own is the node that the task is about: as the user says, else the one whose
// agent answers, else the one that the play's host was found to be. "" if that
// is not known.
func (o common) own(ctx context.Context, c *client.Client) (string, error) {
	local := !o.call.Delegated && (o.endpoint == "" || strings.HasPrefix(o.endpoint, "unix:"))
	switch {
	case o.node != "":
		return o.node, nil
	case local:
		info, err := c.Info(ctx)
		return info.Node, err
	case o.call.Submitted != nil:
		return o.call.Submitted.Nodes[o.call.Host], nil
	}
	return "", nil
}

// playNodes says which nodes the play's hosts are, and warns of those that are
// none.
func (o common) playNodes(ctx context.Context, c *client.Client, r *result) (map[string]string, error) {
	fleet, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	nodes, unknown := nodesOf(o.call.Hosts, fleet)
	own, err := o.own(ctx, c)
	if err != nil {
		return nil, err
	}
	if own != "" && o.call.Host != "" {
		nodes[o.call.Host] = own
	}
	for _, name := range unknown {
		if nodes[name] == "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("host %s is no node of the fleet by name or address; set the variable rackswarm_node for it, or start its agent", name))
		}
	}
	if len(nodes) == 0 {
		return nil, &api.Error{Code: api.CodeNoTargets, Subject: "hosts", Message: "none of the play's hosts is a node of the fleet",
			Fix: "start their agents, or set the variable rackswarm_node to the names that 'rackswarm nodes' lists"}
	}
	return nodes, nil
}
