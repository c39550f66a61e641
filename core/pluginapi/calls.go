package pluginapi

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
	sensorv1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/sensor/v1"
)

// callKey is the metadata with a call's number.
const callKey = "rackswarm-call"

// calls are those under way in a driver's process, by their number.
type calls struct {
	mu      sync.Mutex
	active  map[uint64]chan struct{} // closed at the call's end
	settled map[uint64]bool          // asked for by Settle: must not begin any more

	first  sync.Once
	output *os.File // where what the driver writes goes
}

func newCalls() *calls {
	return &calls{active: map[uint64]chan struct{}{}, settled: map[uint64]bool{}, output: os.Stderr}
}

// takeOutput has what the driver writes go to the pipe that the agent reads to
// its end. By now go-plugin has replaced both files by a stream, which would lose
// the last words of a process.
func (c *calls) takeOutput() {
	c.first.Do(func() { os.Stdout, os.Stderr = c.output, c.output })
}

// begin notes the call of ctx and returns what ends it.
func (c *calls) begin(ctx context.Context) (end func(), err error) {
	numbers := metadata.ValueFromIncomingContext(ctx, callKey)
	if len(numbers) != 1 {
		return nil, status.Errorf(codes.InvalidArgument, "a call needs the metadata %s once", callKey)
	}
	number, err := strconv.ParseUint(numbers[0], 10, 64)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "metadata %s: %v", callKey, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled[number] {
		return nil, status.Error(codes.Canceled, "the call was settled before it began")
	}
	if c.active[number] != nil {
		return nil, status.Errorf(codes.InvalidArgument, "two calls have the number %d", number)
	}
	done := make(chan struct{})
	c.active[number] = done
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.active, number)
		close(done)
	}, nil
}

// settle returns when the call of that number is worked on no more.
func (c *calls) settle(ctx context.Context, number uint64) error {
	c.mu.Lock()
	done := c.active[number]
	c.settled[number] = true // a number each, and cancelled calls are rare
	c.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// unary wraps the calls of the driver: counted, panics and errors made statuses.
func (c *calls) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	if !counted(info.FullMethod) {
		return handler(ctx, request)
	}
	err = c.run(ctx, info.FullMethod, func() error {
		var err error
		answer, err = handler(ctx, request)
		return err
	})
	return answer, err
}

// stream does the same for calls with progress.
func (c *calls) stream(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !counted(info.FullMethod) {
		return handler(server, s)
	}
	return c.run(s.Context(), info.FullMethod, func() error { return handler(server, s) })
}

func (c *calls) run(ctx context.Context, method string, call func() error) (err error) {
	c.takeOutput()
	end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	defer func() {
		if what := recover(); what != nil {
			slog.Error("the driver panicked", "call", lastWord(method), "panic", fmt.Sprint(what), "stack", string(debug.Stack()))
			err = toStatus(ctx, &Error{
				Code: CodeInternal, Subject: lastWord(method),
				Message: fmt.Sprintf("the driver panicked: %v", what),
				Fix:     "this is an error in the driver; its stack is in the agent's log",
			})
		}
	}()
	return toStatus(ctx, call())
}

// counted reports whether a call works for the driver: not Settle, and not what
// go-plugin serves beside it.
func counted(method string) bool {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	ours := service == databasev1.DatabaseDriver_ServiceDesc.ServiceName || service == sensorv1.BandwidthSensor_ServiceDesc.ServiceName
	return ours && name != "Settle"
}

func lastWord(method string) string { return method[strings.LastIndex(method, "/")+1:] }
