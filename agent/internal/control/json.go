package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// maxBody bounds every request body but content.
const maxBody = 1 << 20

// decode reads the body as exactly one JSON object with known fields only.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return decodeError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badBody("the request's body", "has more than one JSON value", "send one object")
	}
	return nil
}

// decodeError names the field that is wrong.
func decodeError(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return badBody("the request's body", fmt.Sprintf("is larger than %d bytes", large.Limit), "send less")
	case errors.As(err, &kind):
		return badBody(kind.Field, "is a JSON "+kind.Value, "write "+jsonKind(kind.Type))
	case errors.As(err, &syntax):
		return badBody("the request's body", fmt.Sprintf("is not JSON: %v at byte %d", err, syntax.Offset), "send a JSON object")
	case errors.Is(err, io.EOF):
		return badBody("the request's body", "is empty", "send a JSON object")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return badBody(strings.Trim(field, `"`), "is not a known field", "check the spelling, or update the agent")
	}
	return badBody("the request's body", "does not decode: "+err.Error(), "send a JSON object")
}

func badBody(subject, message, fix string) error {
	return &api.Error{Code: api.CodeInvalid, Subject: subject, Message: message, Fix: fix}
}

// nameByPath sets a body's name to that of the address, and refuses another one.
func nameByPath(r *http.Request, name *string) error {
	address := r.PathValue("name")
	if *name != "" && *name != address {
		return badBody("name", "it is "+*name+", but the address says "+address, "write the same name in both, or leave the field out")
	}
	*name = address
	return nil
}

// jsonKind names what JSON value a Go type is decoded from.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a number"
}

// writeJSON answers with v. A client that has gone is no error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
