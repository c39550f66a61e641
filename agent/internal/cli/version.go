package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
)

func (r *run) versionCommand(program string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: r.command(func(context.Context, []string) error {
			v := thisVersion()
			return r.print(v, func(w io.Writer) { fmt.Fprintln(w, v.line(program)) })
		}),
	}
}

// version is what a program is made from.
type version struct {
	Version  string `json:"version"`
	API      string `json:"api"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisVersion is what this program is made from.
func thisVersion() version {
	return version{Version, api.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}

// line is the line that the program prints.
func (v version) line(program string) string {
	return fmt.Sprintf("%s %s (API %s, %s, %s)", program, v.Version, v.API, v.Go, v.Platform)
}
