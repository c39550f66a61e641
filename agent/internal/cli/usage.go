package cli

import (
	"regexp"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// What the library that reads command lines says of flags, and what that means.
var flagFaults = []struct {
	says          *regexp.Regexp // the first group are the flags
	message, wish string
}{
	{regexp.MustCompile(`^required flag\(s\) (.*) not set$`), "has to be given", "give it"},
	{regexp.MustCompile(`^at least one of the flags in the group \[(.*)\] is required$`), "one of these has to be given", "give one of them"},
	{regexp.MustCompile(`^if any flags in the group \[(.*)\] are set none of the others can be;.*$`), "only one of these can be given", "leave out the others"},
}

// misused is an error in the command line of a command, such as "rackswarm rm", of
// which there is only the library's text: with the flags as its subject, if it is
// about flags.
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
