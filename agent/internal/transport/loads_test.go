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

// As many blocks as mostAhead are read while one is written, and no more: what is
// cancelled behind them is never read.
func TestBlocksAreReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		var read [mostAhead + 3]bool
		for i := range uint32(len(read)) {
			a.SendSpan(i, 0, readAhead, func([]byte) error { read[i] = true; return nil })
		}
		go a.Run(newJournal()) // while it writes nothing more is begun
		synctest.Wait()        // the writer is at block 0, which nobody takes
		for i := range uint32(mostAhead + 1) {
			a.CancelSpan(i+1, 0, readAhead)
		}
		j := newJournal()
		go b.Run(j)
		var spans []uint32
		for _, e := range j.await(t, mostAhead+2) {
			spans = append(spans, e.(kept).Span)
		}
		if want := []uint32{0, 1, 2, 4}; !reflect.DeepEqual(spans, want) {
			t.Errorf("arrived %v, want %v", spans, want)
		}
		if want := [...]bool{true, true, true, false, true}; read != want {
			t.Errorf("read %v, want %v", read, want)
		}
		b.Close(nil)
	})
}

// Blocks that are read at the same time are sent as they were asked for, whichever
// the disk delivers first; one that it does not deliver holds up no other.
func TestBlocksKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		j := newJournal()
		go a.Run(newJournal())
		go b.Run(j)
		first, second := make(chan error), make(chan error)
		a.SendSpan(1, 0, readAhead, func([]byte) error { return <-first })
		a.SendSpan(2, 0, readAhead, func([]byte) error { return <-second })
		a.SendSpan(3, 0, 1, filled('x')) // is small, and waits for its turn
		second <- nil
		synctest.Wait()
		first <- nil
		a.SendSpan(4, 0, readAhead, func([]byte) error { return errors.New("the disk is broken") })
		a.SendSpan(5, 0, readAhead, filled('x'))
		var spans []uint32
		for _, e := range j.await(t, 5) {
			if k, ok := e.(kept); ok {
				spans = append(spans, k.Span)
			}
		}
		if want := []uint32{1, 2, 3, 5}; !reflect.DeepEqual(spans, want) {
			t.Errorf("arrived %v, want %v", spans, want)
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
