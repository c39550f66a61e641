package pluginapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
	sensorv1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/sensor/v1"
)

func numbered(ctx context.Context, numbers ...string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.MD{callKey: numbers})
}

func TestSettleWaitsForItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		end, err := c.begin(numbered(t.Context(), "7"))
		if err != nil {
			t.Fatal(err)
		}
		other, err := c.begin(numbered(t.Context(), "8"))
		if err != nil {
			t.Fatal(err)
		}
		defer other()
		settled := make(chan error, 1)
		go func() { settled <- c.settle(t.Context(), 7) }()
		synctest.Wait()
		select {
		case err := <-settled:
			t.Fatalf("settled during the call: %v", err)
		default:
		}
		end()
		if err := <-settled; err != nil {
			t.Error(err)
		}
		if err := c.settle(t.Context(), 7); err != nil {
			t.Errorf("once more: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.settle(ctx, 8); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a call that goes on: %v", err)
		}
	})
}

// The host asks as soon as it has cancelled; the call itself may come later.
func TestASettledCallDoesNotBegin(t *testing.T) {
	c := newCalls()
	if err := c.settle(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := c.begin(numbered(t.Context(), "3")); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
}

func TestCallsAreNumbered(t *testing.T) {
	c := newCalls()
	if _, err := c.begin(numbered(t.Context(), "1")); err != nil {
		t.Fatal(err)
	}
	for _, numbers := range [][]string{{}, {"x"}, {"-1"}, {"2", "3"}, {"1"}} {
		if _, err := c.begin(numbered(t.Context(), numbers...)); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%q: %v", numbers, err)
		}
	}
}

func TestCountedAreTheDriversCalls(t *testing.T) {
	service := "/" + databasev1.DatabaseDriver_ServiceDesc.ServiceName + "/"
	sensor := "/" + sensorv1.BandwidthSensor_ServiceDesc.ServiceName + "/"
	for method, want := range map[string]bool{
		sensor + "Read": true, sensor + "Settle": false,
		service + "Capture": true, service + "Settle": false, "/grpc.health.v1.Health/Check": false, "": false,
	} {
		if counted(method) != want {
			t.Errorf("%s: %v", method, !want)
		}
	}
}

func TestErrorsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ -~äß€]{0,40}`)
		want := Error{Code: word.Draw(t, "code"), Subject: word.Draw(t, "subject"), Message: word.Draw(t, "message"), Fix: word.Draw(t, "fix")}
		got := fromStatus(toStatus(context.Background(), &want))
		if got == nil || *got != want {
			t.Fatalf("%+v became %+v", want, got)
		}
	})
}

func TestTheEndOfTheContextIsTheError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := toStatus(ctx, &Error{Code: CodeInternal, Message: "signal: killed"}); status.Code(err) != codes.Canceled || fromStatus(err) != nil {
		t.Error(err)
	}
	if err := toStatus(ctx, nil); err != nil {
		t.Errorf("success became %v", err)
	}
}

func TestTextsAreBoundedAndValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom([]string{"", "a", "ä", "\xff", "€"}).Draw(t, "unit")
		s = strings.Repeat(s, rapid.IntRange(0, 3*maxText).Draw(t, "n")) + "end"
		got := text(s)
		if !utf8.ValidString(got) || len(got) > maxText+8 || !strings.HasSuffix(got, "end") {
			t.Fatalf("%d bytes became %d: valid %v, end %q", len(s), len(got), utf8.ValidString(got), got[len(got)-3:])
		}
	})
}

func TestProgressNeverWaitsAndEndsWithTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []int64
		free := make(chan struct{})
		tell, stop := sendProgress(func(p *databasev1.Progress) error {
			<-free
			sent = append(sent, p.GetDone())
			return nil
		})
		for i := range int64(1000) {
			tell(Progress{Done: i}) // the receiver is stuck
		}
		synctest.Wait()
		close(free)
		for i := range int64(10) {
			time.Sleep(progressPace / 2)
			tell(Progress{Done: 1000 + i})
		}
		stop()
		stop()
		tell(Progress{Done: 5000}) // too late, and harmless
		if n := len(sent); n < 3 || n > 10 || sent[n-1] != 1009 {
			t.Errorf("sent %v", sent)
		}
	})
}

func TestProgressEndsWhenNobodyReceives(t *testing.T) {
	tell, stop := sendProgress(func(*databasev1.Progress) error { return errors.New("gone") })
	tell(Progress{Done: 1})
	stop()
	tell(Progress{Done: 2})
}
