package pluginapi

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// maxText bounds each text of an error, in bytes: an engine's program may say a
// lot before it fails.
const maxText = 16 << 10

// toStatus makes a status of what a driver's method returned. When ctx ended
// that is the reason, whatever the method says.
func toStatus(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	var own *Error
	if !errors.As(err, &own) || own == nil {
		own = &Error{Code: CodeInternal, Message: textOf(err)}
	}
	s, detailErr := status.New(codes.Unknown, text(own.Message)).WithDetails(fromError(own))
	if detailErr != nil {
		return status.Error(codes.Internal, text(own.Message))
	}
	return s.Err()
}

// textOf is err's text; a nil *Error in an error has none.
func textOf(err error) string {
	if own, ok := err.(*Error); ok && own == nil { //nolint:errorlint // the nil pointer itself
		return "the driver returned a nil *pluginapi.Error as an error"
	}
	return err.Error()
}

// fromStatus returns the driver's own error in err, nil if there is none.
func fromStatus(err error) *Error {
	for _, detail := range status.Convert(err).Details() {
		if e, ok := detail.(*databasev1.Error); ok {
			return toError(e)
		}
	}
	return nil
}

// text makes s fit for a message: valid UTF-8, which protobuf insists on and
// engines do not, and of bounded length. Its end says more than its middle.
func text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	head, tail := maxText/4, len(s)-maxText*3/4
	for !utf8.RuneStart(s[head]) {
		head--
	}
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return s[:head] + " ... " + s[tail:]
}
