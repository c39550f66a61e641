package module

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// Main reads the file of options that args names, does the task and writes the
// answer to out. It returns false if the task failed.
func Main(ctx context.Context, args []string, out io.Writer) bool {
	r := &result{}
	if err := run(ctx, args, r); err != nil {
		r.fail(err)
	}
	if err := r.write(out); err != nil {
		fmt.Fprintf(os.Stderr, "rackswarm-ansible-module: %v\n", err)
		return false
	}
	return !r.Failed
}

func run(ctx context.Context, args []string, r *result) error {
	if len(args) != 1 {
		return errNoArguments
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("read options: %w", err)
	}
	o, err := parseOptions(text)
	if err != nil {
		return err
	}
	c, err := connect(o)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return (&task{c, o, r}).do(ctx)
}

func connect(o options) (*client.Client, error) {
	var cfg client.Config
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

// task is one run of the module.
type task struct {
	client *client.Client
	options
	result *result
}

func (t *task) do(ctx context.Context) error {
	t.result.Name, t.result.Dest = t.want.Name, t.want.Path
	now, err := t.present(ctx)
	if err != nil {
		return err
	}
	if err := t.publish(ctx, now); err != nil {
		return err
	}
	t.result.Digest = t.want.Digest
	step := plan(t.options, now)
	t.result.Changed = step != nothing
	if t.addDiff && t.result.Changed {
		t.result.Diff = diffOf(t.options, now)
	}
	if t.checkMode {
		return nil
	}
	if err := t.apply(ctx, step); err != nil {
		t.result.Changed = false
		return err
	}
	if !t.wait || t.absent && now == nil {
		return nil
	}
	return t.await(ctx)
}

// present returns the distribution as it stands, nil if there is none.
func (t *task) present(ctx context.Context) (*api.Distribution, error) {
	d, err := t.client.Distribution(ctx, t.want.Name)
	if client.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// publish turns src into the digest that is wanted.
func (t *task) publish(ctx context.Context, now *api.Distribution) error {
	if t.absent || t.src == "" {
		return nil
	}
	if t.checkMode {
		t.want.Digest = "(that of " + t.src + ", not hashed in check mode)"
		if now != nil {
			t.result.Warnings = append(t.result.Warnings, "check mode does not hash "+t.src+": whether its content changed is not known")
		}
		return nil
	}
	a, err := t.client.PublishPath(ctx, t.src, "", 0, nil)
	if err != nil {
		return err
	}
	t.want.Digest, t.result.Size = a.Digest, a.SizeBytes
	return nil
}

func (t *task) apply(ctx context.Context, s step) error {
	switch s {
	case put:
		_, err := t.client.PutDistribution(ctx, t.want)
		return err
	case remove:
		return t.client.DeleteDistribution(ctx, t.want.Name, true)
	}
	return nil
}
