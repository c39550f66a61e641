package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

// completeTime bounds how long a shell waits for what is offered.
const completeTime = 2 * time.Second

// offer returns completions that an agent knows; none if no agent answers.
func (r *run) offer(list func(context.Context, *client.Client) ([]string, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := r.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	all, err := list(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func (r *run) completeDistribution(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Distributions(ctx)
		var names []string
		for _, d := range all {
			names = append(names, cobra.CompletionWithDesc(d.Name, d.Path))
		}
		return names, err
	})
}

func (r *run) completeArtifact(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Artifacts(ctx)
		var digests []string
		for _, a := range all {
			digests = append(digests, cobra.CompletionWithDesc(a.Digest, a.Name+", "+unit.Bytes(a.SizeBytes).String()))
		}
		return digests, err
	})
}

// completeTransfer offers distributions and artifacts.
func (r *run) completeTransfer(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	names, directive := r.completeDistribution(cmd, args, begun)
	if len(args) > 0 || directive == cobra.ShellCompDirectiveError {
		return names, directive
	}
	digests, directive := r.completeArtifact(cmd, args, begun)
	return append(names, digests...), directive
}

func (r *run) completeNode(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Nodes(ctx)
		var names []string
		for _, n := range all {
			names = append(names, cobra.CompletionWithDesc(n.Name, place(n.Location)))
		}
		return names, err
	})
}

// completeSource offers the nodes after node://, and files otherwise.
func (r *run) completeSource(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const scheme = "node://"
	switch {
	case len(args) > 0:
		return nil, cobra.ShellCompDirectiveNoFileComp
	case !strings.HasPrefix(begun, scheme):
		return nil, cobra.ShellCompDirectiveDefault
	}
	names, directive := r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Nodes(ctx)
		var names []string
		for _, n := range all {
			names = append(names, cobra.CompletionWithDesc(scheme+n.Name+"/", place(n.Location)))
		}
		return names, err
	})
	return names, directive | cobra.ShellCompDirectiveNoSpace
}

// completeLocation offers every location that a node is in, at any depth.
func (r *run) completeLocation(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Nodes(ctx)
		found := map[string]bool{}
		for _, n := range all {
			for _, l := range unit.Location(n.Location).Path() {
				found[string(l)] = l != unit.Root
			}
		}
		delete(found, string(unit.Root))
		return slices.Sorted(maps.Keys(found)), err
	})
}

func (r *run) completeLabel(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return r.offer(func(ctx context.Context, c *client.Client) ([]string, error) {
		all, err := c.Nodes(ctx)
		found := map[string]bool{}
		for _, n := range all {
			for k, v := range n.Labels {
				found[k+"="+v] = true
			}
		}
		return slices.Sorted(maps.Keys(found)), err
	})
}
