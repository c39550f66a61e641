package pluginapi

import (
	"io"
	"log/slog"
)

// The keys of a line of a driver's log, one JSON object, as hclog has them.
const (
	LogMessage = "@message"
	LogLevel   = "@level"
	LogTime    = "@timestamp"
)

// newLogHandler writes lines that the agent reads as records of its own log.
func newLogHandler(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug, // the agent chooses
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.TimeKey:
				a.Key = LogTime
			case slog.LevelKey:
				a.Key = LogLevel
			case slog.MessageKey:
				a.Key = LogMessage
			}
			return a
		},
	})
}
