package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// handler answers a request. It returns an error only as long as it has not
// written anything.
type handler func(w http.ResponseWriter, r *http.Request) error

// table is every call that the roles of callers are checked for. All of them are
// described in docs/openapi.yaml.
func (s *Server) table() map[string]handler {
	return map[string]handler{
		"GET /v1/agent":                          s.getAgent,
		"GET /v1/nodes":                          s.listNodes,
		"DELETE /v1/nodes/{name}":                s.forgetNode,
		"GET /v1/artifacts":                      s.listArtifacts,
		"POST /v1/artifacts":                     s.publish,
		"POST /v1/artifacts/stream":              s.receive,
		"POST /v1/sources":                       s.inspectSource,
		"GET /v1/artifacts/{digest}":             s.getArtifact,
		"GET /v1/artifacts/{digest}/torrent":     s.getTorrent,
		"DELETE /v1/artifacts/{digest}":          s.deleteArtifact,
		"GET /v1/distributions":                  s.listDistributions,
		"GET /v1/distributions/{name}":           s.getDistribution,
		"PUT /v1/distributions/{name}":           s.putDistribution,
		"DELETE /v1/distributions/{name}":        s.deleteDistribution,
		"GET /v1/distributions/{name}/status":    s.getStatus,
		"GET /v1/distributions/{name}/events":    s.watch,
		"POST /v1/distributions/{name}/verify":   s.verify,
		"POST /v1/distributions/{name}/activate": s.activate,
		"POST /v1/distributions/{name}/rollback": s.rollback,
		"GET /v1/distributions/{name}/explain":   s.explain,
		"GET /v1/holds":                          s.listHolds,
		"POST /v1/holds":                         s.hold,
		"POST /v1/holds/release":                 s.release,
		"GET /v1/limits":                         s.listLimits,
		"PUT /v1/limits/{name}":                  s.putLimit,
		"PATCH /v1/limits/{name}":                s.changeLimit,
		"DELETE /v1/limits/{name}":               s.deleteLimit,
		"GET /v1/links":                          s.listLinks,
		"PUT /v1/links/{location}":               s.putLink,
		"DELETE /v1/links/{location}":            s.deleteLink,
		"GET /v1/transfers":                      s.listTransfers,
		"POST /v1/gc":                            s.collect,
		"GET /v1/runs":                           s.listRuns,
		"POST /v1/runs":                          s.createRun,
		"GET /v1/runs/{id}":                      s.getRun,
		"DELETE /v1/runs/{id}":                   s.deleteRun,
		"GET /v1/runs/{id}/events":               s.watchRun,
		"POST /v1/runs/{id}/abort":               s.abortRun,
		"GET /v1/backups":                        s.listBackups,
		"GET /v1/backups/{id}":                   s.getBackup,
		"DELETE /v1/backups/{id}":                s.deleteBackup,
		"POST /v1/backups/{id}/verify":           s.verifyBackup,
		"GET /v1/schedules":                      s.listSchedules,
		"PUT /v1/schedules/{name}":               s.putSchedule,
		"DELETE /v1/schedules/{name}":            s.deleteSchedule,
	}
}

// nodeTable is what nodes ask of one another.
func (s *Server) nodeTable() map[string]handler {
	return map[string]handler{
		"POST /v1/node/artifacts": s.publishForNode,
		"POST /v1/node/sources":   s.inspectForNode,
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range s.table() {
		mux.Handle(pattern, s.guard(h, caller.authorize))
	}
	mux.Handle("/", s.guard(notThere, caller.authorize))
	for pattern, h := range s.nodeTable() {
		mux.Handle(pattern, s.guard(h, caller.authorizeNode))
	}
	return mux
}

func notThere(_ http.ResponseWriter, r *http.Request) error {
	return &api.Error{Code: api.CodeNotFound, Subject: r.Method + " " + r.URL.Path, Message: "the control interface has no such call",
		Fix: "use a client of the agent's version"}
}

// guard bounds the time of a request, checks the caller's role and writes
// errors.
func (s *Server) guard(h handler, authorize func(caller, string) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc, now := http.NewResponseController(w), time.Now()
		_ = rc.SetReadDeadline(now.Add(bodyTimeout))
		_ = rc.SetWriteDeadline(now.Add(writeTimeout))
		err := authorize(s.callerOf(r), r.Method)
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			s.writeError(w, r, err)
		}
	})
}

// writeError answers with what failed. Errors that no caller can have caused
// are logged.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	if e.Code == api.CodeInternal || e.Code == api.CodeIO {
		s.cfg.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, httpStatus(e.Code), api.ErrorBody{Error: e})
}

// asError is the error as the client sees it.
func asError(err error) *api.Error {
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &api.Error{Code: api.CodeCanceled, Message: err.Error()}
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return &api.Error{Code: api.CodeInternal, Message: message, Fix: "see the agent's log"}
}

// httpStatus is the HTTP status that fits an error's code.
func httpStatus(code string) int {
	switch code {
	case api.CodeInvalid:
		return http.StatusBadRequest
	case api.CodeForbidden:
		return http.StatusForbidden
	case api.CodeNotFound:
		return http.StatusNotFound
	case api.CodeCanceled:
		return http.StatusRequestTimeout
	case api.CodeConflict, api.CodeInUse:
		return http.StatusConflict
	case api.CodeNoTargets, api.CodeOutsideRoots, api.CodeForeignContent, api.CodeUntrusted,
		api.CodeSourceNotLocal, api.CodeSourceUnsuited, api.CodeCannotPublish, api.CodeChecksum,
		api.CodeState, api.CodeUnsupported, api.CodeCorrupt:
		return http.StatusUnprocessableEntity
	case api.CodeSourceDown:
		return http.StatusBadGateway
	case api.CodeStoreDown, api.CodeUnreachable, api.CodeNodeLost:
		return http.StatusServiceUnavailable
	case api.CodeNoSpace, api.CodeQuota:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// missing says that there is no such object.
func missing(kind, name, fix string) error {
	return &api.Error{Code: api.CodeNotFound, Subject: name, Message: fmt.Sprintf("no such %s", kind), Fix: fix}
}
