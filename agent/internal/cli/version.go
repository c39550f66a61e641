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
			out := struct {
				Version  string `json:"version"`
				API      string `json:"api"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{Version, api.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return r.print(out, func(w io.Writer) {
				fmt.Fprintf(w, "%s %s (API %s, %s, %s)\n", program, out.Version, out.API, out.Go, out.Platform)
			})
		}),
	}
}
