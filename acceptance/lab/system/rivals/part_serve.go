package rivals

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

// runServer serves one file over HTTP, or the rest of it.
func runServer(args []string) error {
	if len(args) != 2 {
		return errArguments
	}
	l, err := net.Listen("tcp4", args[1])
	if err != nil {
		return fmt.Errorf("serve %s: %w", args[0], err)
	}
	v := &voice{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		f, err := os.Open(args[0])
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.ServeContent(countingResponse{w, v}, q, "", info.ModTime(), f)
	})
	server := &http.Server{Handler: handler} //nolint:gosec // a slow receiver is one of the experiments
	go func() {
		if err := server.Serve(l); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	go v.sayAmounts()
	v.say("ready")
	return obey(func(string) {})
}

// countingResponse counts the body.
type countingResponse struct {
	http.ResponseWriter
	voice *voice
}

// Write is that of http.ResponseWriter.
func (r countingResponse) Write(b []byte) (int, error) {
	return counter{r.ResponseWriter, &r.voice.sent}.Write(b)
}
