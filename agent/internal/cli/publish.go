package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

const publishHelp = `Hash and sign a file or directory, and serve it to the fleet. The source is one of

  PATH             a path of this machine. An agent on it serves it in place, so it
                   must stay as it is; any other agent is sent a copy.
  https://, http:// a URL of a file. The agent downloads it and serves its copy.
  node://NAME/PATH a path of another node, which serves it in place. It must lie in
                   one of the directories of publish.roots of that node.

A download that is interrupted goes on where it stopped when it is asked for again,
through the same agent. Credentials belong in a header, best by --header-file: the
lines of that file are "Name: value", and other users cannot see them.

The digest that is printed names the content. The same content gives the same
digest.`

// publishFlags say how a source is published.
type publishFlags struct {
	name       string
	pieceSize  string
	checksum   string
	headers    []string
	headerFile string
}

func (r *run) publishCommand() *cobra.Command {
	var f publishFlags
	var quiet bool
	cmd := &cobra.Command{
		Use:               "publish PATH|URL|node://NAME/PATH",
		Short:             "Hash and sign a file or directory, and serve it to the fleet",
		Long:              publishHelp,
		Args:              takesOne("SOURCE"),
		ValidArgsFunction: r.completeSource,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			a, err := r.publishSource(ctx, c, args[0], f)
			if err != nil {
				return err
			}
			return r.print(a, func(w io.Writer) { writeArtifact(w, a, quiet) })
		}),
	}
	cmd.Flags().StringVar(&f.name, "name", "", "name of the artifact (default: the last part of the path)")
	cmd.Flags().StringVar(&f.pieceSize, "piece-size", "", "a power of two from 16KiB to 16MiB (default: chosen by the content's size)")
	cmd.Flags().StringVar(&f.checksum, "checksum", "", "what a file must have: sha256: and 64 hexadecimal digits")
	cmd.Flags().StringArrayVar(&f.headers, "header", nil, "for a URL: a header such as 'Authorization: Bearer …'; repeat it to send several")
	cmd.Flags().StringVar(&f.headerFile, "header-file", "", "for a URL: a file of such headers, one a line")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the digest only")
	_ = cmd.RegisterFlagCompletionFunc("checksum", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("header", cobra.NoFileCompletions)
	return cmd
}

// publishSource publishes a path of this machine, a URL or a path of another
// node, showing progress.
func (r *run) publishSource(ctx context.Context, c *client.Client, source string, f publishFlags) (api.Artifact, error) {
	req, err := publishRequest(source, f)
	if err != nil {
		return api.Artifact{}, err
	}
	p := r.publishProgress()
	a, err := c.PublishSource(ctx, req, p.show)
	p.close(err == nil)
	if s, _ := api.ParseSource(req.Source); ctx.Err() != nil && s.Kind == api.SourceURL {
		if e, ok := errors.AsType[*api.Error](err); ok {
			e.Fix = "run the same command again, with the same agent: the download goes on where it stopped"
		}
	}
	return a, err
}

// publishRequest finds mistakes before an agent is asked.
func publishRequest(source string, f publishFlags) (req api.PublishRequest, err error) {
	req = api.PublishRequest{Source: source, Name: f.name, Checksum: f.checksum}
	if req.PieceSize, err = parsePieceSize(f.pieceSize); err != nil {
		return req, err
	}
	if req.Headers, err = readHeaders(f.headers, f.headerFile); err != nil {
		return req, err
	}
	if !api.IsRemote(source) {
		if req.Source, err = filepath.Abs(source); err != nil {
			return req, fmt.Errorf("find the whole path of %s: %w", source, err)
		}
	}
	if err := req.Validate(); err != nil {
		return req, &exitError{exitUsage, err}
	}
	return req, nil
}

// readHeaders joins the lines "Name: value" of flags and of a file, in which
// empty lines and those that begin with # do not count. Its errors do not repeat
// them, as they may be secret.
func readHeaders(lines []string, file string) (map[string]string, error) {
	headers := map[string]string{}
	for _, line := range lines {
		if err := addHeader(headers, "--header", line); err != nil {
			return nil, err
		}
	}
	if file == "" {
		return headers, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("--header-file", err.Error(), "name a file that you may read")
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := addHeader(headers, file, line); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

func addHeader(headers map[string]string, where, line string) error {
	name, value, ok := strings.Cut(line, ":")
	name = http.CanonicalHeaderKey(strings.TrimSpace(name))
	if !ok {
		return usage(where, "a header has no colon", "write for example 'Authorization: Bearer …'")
	}
	if _, twice := headers[name]; twice {
		return usage(where, "header "+name+" is given twice", "give it once")
	}
	headers[name] = strings.TrimSpace(value)
	return nil
}

func parsePieceSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := unit.ParseBytes(text)
	if err != nil || n < 16*unit.KiB || n > 16*unit.MiB || n&(n-1) != 0 {
		return 0, usage("--piece-size", fmt.Sprintf("%q is not a power of two from 16KiB to 16MiB", text), "write for example 1MiB, or leave it out")
	}
	return int64(n), nil
}

func writeArtifact(w io.Writer, a api.Artifact, quiet bool) {
	if quiet {
		fmt.Fprintln(w, a.Digest)
		return
	}
	rows := [][]string{
		{"Artifact", fmt.Sprintf("%s (%s)", a.Name, extent(a))},
		{"Digest", a.Digest},
	}
	if a.Checksum != "" {
		rows = append(rows, []string{"Checksum", a.Checksum})
	}
	switch {
	case api.IsRemote(a.Source):
		rows = append(rows, []string{"Downloaded from", a.Source})
	case a.Source != "":
		rows = append(rows, []string{"Served from", a.Source})
	}
	table(w, rows)
}
