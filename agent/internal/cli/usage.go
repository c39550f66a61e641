package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
)

// flagFaults are what cobra says of flags, and what that means.
var flagFaults = []struct {
	says          *regexp.Regexp // the first group is the names of the flags
	message, wish string
}{
	{regexp.MustCompile(`^required flag\(s\) (.*) not set$`), "has to be given", "give it"},
	{regexp.MustCompile(`^at least one of the flags in the group \[(.*)\] is required$`), "one of these has to be given", "give one of them"},
	{regexp.MustCompile(`^if any flags in the group \[(.*)\] are set none of the others can be;.*$`), "only one of these can be given", "leave out the others"},
}

// misused is cobra's error, which is a text alone, as ours: what is wrong in the command
// line of a command, such as "rackswarm rm". Its subject is the flags that it is about,
// if any.
func misused(command, text string) *api.Error {
	e := &api.Error{Code: api.CodeInvalid, Message: text, Fix: "see: " + command + " --help"}
	for _, fault := range flagFaults {
		found := fault.says.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		names := strings.FieldsFunc(found[1], func(r rune) bool { return strings.ContainsRune(` ,"`, r) })
		e.Subject, e.Message, e.Fix = "--"+strings.Join(names, ", --"), fault.message, fault.wish+"; "+e.Fix
	}
	return e
}

// notEmpty has a command refuse flags that are given with an empty value, as by a
// script whose variable is not set: without them it would do something else.
func notEmpty(names ...string) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		for _, name := range names {
			if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
				return usage("--"+name, "it is empty", "write a value, or leave out the flag")
			}
		}
		return nil
	}
}

// takesOne has a command take one argument, what.
func takesOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("%s takes one %s, not %d", shortPath(cmd), what, len(args))
	}
}

// takesNone has a command take no arguments; fix says how to name what they would.
func takesNone(fix string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usage(args[0], shortPath(cmd)+" takes no name", fix)
	}
}

// shortPath names a command without its program, such as "links set".
func shortPath(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}
