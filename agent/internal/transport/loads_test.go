package transport

import (
	"errors"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/rackswarm/rackswarm/core/wire"
)

// While the disk delivers a block, control messages go out.
func TestControlDoesNotWaitForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		j := newJournal()
		go a.Run(newJournal())
		go b.Run(j)
		disk := make(chan error)
		a.SendSpan(1, 0, readAhead, func([]byte) error { return <-disk })
		a.SendSpan(2, 0, readAhead, filled('x'))
		a.Send(wire.Choke{})
		if got := j.await(t, 1); got[0] != (wire.Choke{}) {
			t.Errorf("%.60v came first", got)
		}
		disk <- errors.New("the disk is broken")
		want := wire.SpanReject{Span: 1, Length: readAhead, Reason: wire.ReasonReadFailed, RetryAfterMs: 1000}
		if got := j.await(t, 3); got[1] != want || got[2].(kept).Span != 2 {
			t.Errorf("got %.60v", got)
		}
		b.Close(nil)
	})
}

// One block is read ahead of the one that is being written, and no more: what is
// cancelled behind them is never read.
func TestOneBlockIsReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go a.Run(newJournal())
		var read []uint32
		for i := range uint32(4) {
			a.SendSpan(i, 0, readAhead, func([]byte) error { read = append(read, i); return nil })
		}
		synctest.Wait() // the writer is at block 0, which nobody takes
		a.CancelSpan(1, 0, readAhead)
		a.CancelSpan(2, 0, readAhead)
		j := newJournal()
		go b.Run(j)
		var spans []uint32
		for _, e := range j.await(t, 3) {
			spans = append(spans, e.(kept).Span)
		}
		if want := []uint32{0, 1, 3}; !reflect.DeepEqual(read, want) || !reflect.DeepEqual(spans, want) {
			t.Errorf("read %v, arrived %v", read, spans)
		}
		b.Close(nil)
	})
}

// A connection that ends while the disk is at work waits for it.
func TestEndWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		disk := make(chan struct{})
		a.SendSpan(1, 0, readAhead, func([]byte) error { <-disk; return nil })
		ended := run(a, newJournal())
		go b.Run(newJournal())
		synctest.Wait()
		a.Close(nil)
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("ended while a block was being read: %v", err)
		default:
		}
		close(disk)
		reason(t, ended)
	})
}
