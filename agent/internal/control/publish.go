package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// Kinds of artifacts.
const (
	kindFile = "file"
	kindTree = "tree"
)

// Bounds of a piece size.
const (
	minPieceSize = 16 << 10
	maxPieceSize = 16 << 20
)

// publish has the agent publish, on its own node or through another one, which
// then needs a key, not this one.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) error {
	req, err := publishRequest(w, r)
	if err != nil {
		return err
	}
	if source, err := api.ParseSource(req.Source); err != nil || source.Kind != api.SourceNode || s.cfg.Publisher == nil {
		if err := s.canPublish(); err != nil {
			return err
		}
	}
	s.streamPublication(w, r, req, s.cfg.Publisher.Publish)
	return nil
}

// publishForNode is publish for a caller that may be another node.
func (s *Server) publishForNode(w http.ResponseWriter, r *http.Request) error {
	req, err := publishRequest(w, r)
	if err == nil {
		err = s.canPublish()
	}
	if err != nil {
		return err
	}
	s.streamPublication(w, r, req, s.cfg.Publisher.PublishForNode)
	return nil
}

func publishRequest(w http.ResponseWriter, r *http.Request) (req api.PublishRequest, err error) {
	if err := decode(w, r, &req); err != nil {
		return req, err
	}
	if err := req.Validate(); err != nil {
		return req, err
	}
	return req, checkPieceSize(req.PieceSize)
}

type publication func(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error)

func (s *Server) streamPublication(w http.ResponseWriter, r *http.Request, req api.PublishRequest, publish publication) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	s.stream(w, r, func(ctx context.Context, progress func(api.Progress)) (api.Artifact, error) {
		return publish(ctx, req, progress)
	})
}

// inspectTimeout is less than the time that an answer may take.
const inspectTimeout = writeTimeout - 5*time.Second

// inspectSource answers which version a remote source has.
func (s *Server) inspectSource(w http.ResponseWriter, r *http.Request) error {
	return s.inspect(w, r, Publisher.Inspect)
}

func (s *Server) inspectForNode(w http.ResponseWriter, r *http.Request) error {
	return s.inspect(w, r, Publisher.InspectForNode)
}

func (s *Server) inspect(w http.ResponseWriter, r *http.Request, look func(Publisher, context.Context, api.PublishRequest) (api.SourceState, error)) error {
	req, err := publishRequest(w, r)
	if err != nil {
		return err
	}
	if s.cfg.Publisher == nil {
		return s.canPublish()
	}
	ctx, cancel := context.WithTimeout(r.Context(), inspectTimeout)
	defer cancel()
	state, err := look(s.cfg.Publisher, ctx, req)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, state)
	return nil
}

// receive takes content from the request's body. What can be refused is refused
// before the client, which waits for "100 Continue", sends any of it.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) error {
	req, err := streamParameters(r.URL.Query())
	if err == nil {
		err = s.canPublish()
	}
	if err != nil {
		return err
	}
	rc := http.NewResponseController(w)
	if err := rc.EnableFullDuplex(); err != nil {
		return fmt.Errorf("receive %s: %w", req.Name, err)
	}
	body := bufio.NewReaderSize(&patient{r.Body, rc}, 64<<10)
	// Only a read before the answer's header lets the client go on (RFC 9110,
	// section 10.1.1).
	if _, err := body.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return badBody("the request's body", "cannot be read: "+err.Error(), "send the content")
	}
	defer linger(rc, r.Body)
	job := func(ctx context.Context, progress func(api.Progress)) (api.Artifact, error) {
		return s.cfg.Publisher.Receive(ctx, req, body, progress)
	}
	if wantsEvents(r) {
		s.stream(w, r, job)
		return nil
	}
	a, err := job(r.Context(), func(api.Progress) {})
	_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		s.writeError(w, r, err)
		return nil
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

// lingerTime is how long a client that was answered early may go on sending.
const lingerTime = 2 * time.Second

// linger sends the answer and reads on until the client has noticed it:
// otherwise closing the connection would break the client's sending before it
// reads the answer. A body that was read to its end is done at once.
func linger(rc *http.ResponseController, body io.Reader) {
	if rc.Flush() != nil {
		return
	}
	_ = rc.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, body)
}

// defaultMode is that of a file whose sender names none.
const defaultMode = 0o644

func streamParameters(q url.Values) (api.StreamRequest, error) {
	req := api.StreamRequest{Name: q.Get("name"), Kind: q.Get("kind"), Mode: defaultMode}
	switch {
	case req.Name == "":
		return req, badBody("name", "is missing", "add ?name=")
	case req.Kind != kindFile && req.Kind != kindTree:
		return req, badBody("kind", fmt.Sprintf("is %q", req.Kind), "write file for plain bytes or tree for a tar stream")
	}
	if text := q.Get("mode"); text != "" {
		mode, err := strconv.ParseUint(text, 8, 32)
		if err != nil || mode > 0o7777 || req.Kind != kindFile {
			return req, badBody("mode", fmt.Sprintf("%q is not possible for a %s", text, req.Kind), "write an octal mode such as 0755, for a file only")
		}
		req.Mode = uint32(mode)
	}
	if text := q.Get("piece_size"); text != "" {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return req, badBody("piece_size", fmt.Sprintf("%q is not a number", text), "write a number of bytes")
		}
		req.PieceSize = size
	}
	req.Checksum = q.Get("checksum")
	if err := api.CheckChecksum(req.Checksum); err != nil {
		return req, err
	}
	return req, checkPieceSize(req.PieceSize)
}

func checkPieceSize(size int64) error {
	if size == 0 || size >= minPieceSize && size <= maxPieceSize && size&(size-1) == 0 {
		return nil
	}
	return badBody("piece_size", fmt.Sprintf("%d is not possible", size), "use a power of two from 16384 to 16777216, or 0 to have it chosen")
}

func (s *Server) canPublish() error {
	if s.cfg.Publisher != nil && s.cfg.Self().CanPublish {
		return nil
	}
	return api.NoPublisherKey()
}

// patient reads a body that may take any time, as long as it does not pause for
// longer than bodyTimeout.
type patient struct {
	r  io.Reader
	rc *http.ResponseController
}

// Read reads from the body.
func (p *patient) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	n, err := p.r.Read(b)
	if errors.Is(err, io.EOF) {
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
